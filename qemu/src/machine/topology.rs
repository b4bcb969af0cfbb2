// SPDX-License-Identifier: GPL-2.0
//! Topologies: the drives of a guest, its DMA engines, and their places on PCI. A topology is a small TOML file
//! in `qemu/topologies`, or anyone's own.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::{Deserialize, Deserializer};

use crate::environment::host;

const MIB: u64 = 1 << 20;

/// The content of a topology file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// One sentence for `cargo vm list`.
    pub about: String,
    /// Whether DMA passes an IOMMU.
    #[serde(default)]
    pub iommu: bool,
    /// Whether the CPU is AMD's Zen. The kernel assumes that its host bridges forward DMA between
    /// any two devices.
    #[serde(default)]
    pub reach_all: bool,
    /// The drives, in the order in which the guest lists them.
    pub drives: Vec<Drive>,
    /// The DMA engines.
    #[serde(default)]
    pub engines: Vec<Engine>,
}

/// A DMA engine: QEMU's device `edu`. The guest has no driver for it but the tests' own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Its name in scenarios.
    pub name: String,
    /// The place that it is attached to.
    pub behind: Place,
}

/// One drive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    /// Its name in scenarios, and its serial number.
    pub name: String,
    /// The place that it is attached to.
    pub behind: Place,
    /// Its kind.
    #[serde(default)]
    pub kind: Kind,
    /// Its capacity.
    #[serde(default = "Size::of_a_drive")]
    pub size: Size,
    /// Its controller memory buffer, if it has one.
    #[serde(default)]
    pub cmb: Option<Size>,
    /// Whether it keeps and checks protection information (T10 PI, type 1) of every block.
    #[serde(default)]
    pub protected: bool,
    /// The place of a second controller of the same drive, if it has one. Such a drive stays
    /// plugged in and whole, because `vmctl` acts on a single controller.
    #[serde(default)]
    pub second_path: Option<Place>,
}

/// The kind of a drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An NVMe drive, which can map peer pages.
    #[default]
    Nvme,
    /// A virtio disk, which cannot.
    Virtio,
}

/// The place that a drive is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A root port of the machine's first host bridge.
    Root,
    /// A port of this PCIe switch. Drives behind one switch reach each other.
    Switch(u8),
    /// A root port of this further host bridge. No other drive reaches it.
    Bridge(u8),
}

/// A number of bytes, written like `16M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Topology {
    /// Returns the topology called `name`, or the topology in the file `name`.
    pub fn find(name: &str) -> Result<Self> {
        let known = folder().join(format!("{name}.toml"));
        if known.exists() {
            return Self::read(&known);
        }
        let file = Path::new(name);
        if !file.exists() {
            bail!(
                "there is no topology {name}: name a file, or one of {}",
                names()?.join(", ")
            );
        }
        Self::read(file)
    }

    /// Reads a topology file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no topology", file.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let topology: Self = toml::from_str(text)?;
        topology.check()?;
        Ok(topology)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            !self.drives.is_empty(),
            "drives: a guest without drives has nothing to show; list at least one"
        );
        let in_switch = self.places().any(|place| matches!(place, Place::Switch(_)));
        ensure!(
            !(self.iommu && in_switch),
            "iommu: QEMU takes every transfer to the IOMMU, while the kernel expects those within a switch to stay \
             there; put the drives behind \"root\" or bridges, with reach_all = true"
        );
        let mut names = BTreeSet::new();
        for drive in &self.drives {
            drive
                .check()
                .with_context(|| format!("drive {}", drive.name))?;
            ensure!(
                names.insert(&drive.name),
                "drive {}: name: is taken; give each drive its own",
                drive.name
            );
        }
        for engine in &self.engines {
            let name = &engine.name;
            check_name(name).with_context(|| format!("engine {name}"))?;
            ensure!(
                names.insert(name),
                "engine {name}: name: is taken; give each device its own"
            );
        }
        Ok(())
    }

    /// Returns the places of all controllers and engines.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<'_> {
        let engines = self.engines.iter().map(|engine| engine.behind);
        self.drives.iter().flat_map(Drive::places).chain(engines)
    }
}

impl Drive {
    /// Returns the places of its controllers, beginning with the first controller.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<> {
        [self.behind].into_iter().chain(self.second_path)
    }

    fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        ensure!(
            self.size.0 >= 16 * MIB && self.size.0 % MIB == 0,
            "size: use whole megabytes, 16M or more"
        );
        ensure!(
            !self.protected || self.kind == Kind::Nvme,
            "protected: only an NVMe drive can be; leave it out"
        );
        ensure!(
            self.second_path.is_none() || self.kind == Kind::Nvme,
            "second_path: only an NVMe drive has one; leave it out"
        );
        if let Some(cmb) = self.cmb {
            ensure!(
                self.kind == Kind::Nvme,
                "cmb: only an NVMe drive has one; leave it out"
            );
            ensure!(
                cmb.0 >= MIB && cmb.0.is_power_of_two(),
                "cmb: use a power of two, 1M or more, since it is a PCI BAR"
            );
        }
        Ok(())
    }
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    // NVMe and virtio serial numbers have 20 bytes.
    ensure!(
        !name.is_empty() && name.len() <= 20 && name.chars().all(plain),
        "name: use up to 20 lower-case letters and digits"
    );
    Ok(())
}

impl Size {
    fn of_a_drive() -> Self {
        Self(128 * MIB)
    }

    fn parse(text: &str) -> Result<Self> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[digits.len()..] {
            "K" => 1 << 10,
            "M" => MIB,
            "G" => 1 << 30,
            _ => bail!("{text:?} is no size: write a number and K, M or G, as in \"16M\""),
        };
        let number: u64 = digits
            .parse()
            .map_err(|_| anyhow!("{text:?} is no size: write a number and K, M or G"))?;
        Ok(Self(
            number
                .checked_mul(unit)
                .ok_or_else(|| anyhow!("{text:?} is too large"))?,
        ))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}M", self.0 / MIB)
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let number = |digits: &str| digits.parse().ok().filter(|number| *number < 4);
        let place = match text {
            "root" => Some(Self::Root),
            _ => None
                .or_else(|| {
                    text.strip_prefix("switch")
                        .and_then(number)
                        .map(Self::Switch)
                })
                .or_else(|| {
                    text.strip_prefix("bridge")
                        .and_then(number)
                        .map(Self::Bridge)
                }),
        };
        place.ok_or_else(|| anyhow!("{text:?} is no place: write \"root\", \"switch0\" to \"switch3\" or \"bridge0\" to \"bridge3\""))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Returns the names of the topologies in this repository.
pub fn names() -> Result<Vec<String>> {
    let folder = folder();
    let files =
        fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut names: Vec<String> = files
        .filter_map(|file| {
            let path = file.ok()?.path();
            let is_topology = path
                .extension()
                .is_some_and(|extension| extension == "toml");
            is_topology.then(|| {
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned())
            })?
        })
        .collect();
    names.sort();
    Ok(names)
}

fn folder() -> PathBuf {
    host::repository().join("qemu/topologies")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", Topology::parse(text).expect_err("an error"))
    }

    fn drive(keys: &str) -> String {
        format!("about = \"a test\"\ndrives = [ {{ name = \"a\", behind = \"root\", {keys} }} ]")
    }

    #[test]
    fn every_topology_of_the_repository_is_one() {
        let names = names().expect("topologies");
        for name in ["big", "mixed", "nocmb", "paths", "split", "switch"] {
            assert!(names.iter().any(|n| n == name), "{name} is missing");
        }
        for name in names {
            Topology::find(&name).expect("a topology");
        }
    }

    #[test]
    fn a_file_says_what_it_says() {
        let topology = Topology::parse(&drive("kind = \"nvme\", size = \"1G\", cmb = \"16M\""))
            .expect("a topology");
        let expected = Drive {
            name: "a".into(),
            behind: Place::Root,
            kind: Kind::Nvme,
            size: Size(1 << 30),
            cmb: Some(Size(16 * MIB)),
            protected: false,
            second_path: None,
        };
        assert_eq!(topology.drives, [expected]);
        assert!(!topology.iommu);
    }

    #[test]
    fn errors_name_the_drive_the_key_and_what_to_write() {
        assert!(error(&drive("cmb = \"3M\"")).contains("drive a: cmb: use a power of two"));
        assert!(
            error(&drive("kind = \"virtio\", cmb = \"16M\""))
                .contains("drive a: cmb: only an NVMe drive")
        );
        assert!(
            error(&drive("kind = \"virtio\", protected = true"))
                .contains("drive a: protected: only an NVMe drive")
        );
        assert!(
            error(&drive("kind = \"virtio\", second_path = \"root\""))
                .contains("drive a: second_path: only an NVMe drive")
        );
        assert!(error(&drive("size = \"1M\"")).contains("drive a: size: use whole megabytes"));
        assert!(error("about = \"\"\ndrives = []").contains("drives: a guest without drives"));
    }

    #[test]
    fn errors_of_form_show_the_line() {
        assert!(error(&drive("size = \"16\"")).contains("size = \"16\""));
        assert!(error(&drive("size = \"16\"")).contains("write a number and K, M or G"));
        assert!(error(&drive("colour = \"red\"")).contains("unknown field `colour`"));
        let nowhere = "about = \"\"\ndrives = [ { name = \"a\", behind = \"moon\" } ]";
        assert!(error(nowhere).contains("\"moon\" is no place"));
    }

    #[test]
    fn an_iommu_and_a_switch_do_not_go_together() {
        let text =
            "about = \"\"\niommu = true\ndrives = [ { name = \"a\", behind = \"switch0\" } ]";
        assert!(error(text).contains("iommu: QEMU takes every transfer to the IOMMU"));
        let second = drive("second_path = \"switch0\"") + "\niommu = true";
        assert!(error(&second).contains("iommu: QEMU takes every transfer to the IOMMU"));
    }

    #[test]
    fn two_drives_of_one_name_are_refused() {
        let twice = "about = \"\"\ndrives = [ { name = \"a\", behind = \"root\" }, { name = \"a\", behind = \"root\" } ]";
        assert!(error(twice).contains("drive a: name: is taken"));
    }

    #[test]
    fn an_engine_is_a_device_like_a_drive() {
        let engine = |keys: &str| drive("") + "\nengines = [ { " + keys + " } ]";
        let topology = Topology::parse(&engine("name = \"b\", behind = \"bridge1\""));
        let topology = topology.expect("a topology");
        assert_eq!(
            topology.places().collect::<Vec<_>>(),
            [Place::Root, Place::Bridge(1)]
        );
        let taken = error(&engine("name = \"a\", behind = \"root\""));
        assert!(taken.contains("engine a: name: is taken"), "{taken}");
        let unfit = error(&engine("name = \"B\", behind = \"root\""));
        assert!(unfit.contains("engine B: name: use up to 20"), "{unfit}");
        let iommu = engine("name = \"b\", behind = \"switch0\"") + "\niommu = true";
        assert!(error(&iommu).contains("iommu: QEMU takes every transfer to the IOMMU"));
    }

    #[test]
    fn a_topology_that_is_not_there_is_named_with_those_that_are() {
        let error = Topology::find("nosuch").expect_err("an error").to_string();
        assert!(
            error.starts_with("there is no topology nosuch") && error.contains("switch"),
            "{error}"
        );
    }
}
