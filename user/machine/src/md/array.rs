// SPDX-License-Identifier: GPL-2.0
//! Arrays and their members, from `/sys/block/mdX/md` (Documentation/admin-guide/md.rst;
//! docs/sysfs.md for the files that md-p2p adds).

use std::str::FromStr;

use anyhow::{Result, bail};
use serde::Serialize;

use super::copier::Told;
use super::counters::Counters;
use crate::pci::bdf::Bdf;
use crate::pci::controllers;
use crate::programs::command_line;
use crate::sysroot::{self, Sysroot, garbage};

/// The driver of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// The kernel's md.
    Md,
    /// md-p2p.
    MdP2p,
}

/// An MD array.
#[derive(Clone, Debug, Serialize)]
pub struct Array {
    /// Its name in `/sys/block`: `md0`.
    pub name: String,
    /// Its names in `/dev/md`.
    pub aliases: Vec<String>,
    /// The driver.
    pub driver: Driver,
    /// `raid1`, `linear` and so on; empty if the array has no level yet.
    pub level: String,
    /// The number of members that it should have.
    pub raid_disks: u32,
    /// Its size in bytes.
    pub bytes: u64,
    /// `array_state`: `clean`, `active`, `readonly`, `inactive` and so on.
    pub state: String,
    /// The number of missing members.
    pub degraded: u32,
    /// The size of a chunk in bytes; 0 for levels without chunks.
    pub chunk_bytes: u64,
    /// The version of the superblock.
    pub metadata: String,
    /// The members, sorted by role; those without a role come last.
    pub members: Vec<Member>,
    /// Whether a member is left out, because a file of it cannot be understood.
    #[serde(skip)]
    pub is_partial: bool,
    /// A resync, recovery, check or reshape; `None` if the array is idle.
    pub rebuild: Option<Rebuild>,
    /// What md-p2p says of it; `None` if it is not md-p2p's.
    pub p2p: Option<P2p>,
}

/// A member of an array.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// Its name in `/sys/class/block`: `nvme0n1`.
    pub name: String,
    /// Its role; `None` for spares and failed members.
    pub slot: Option<u32>,
    /// `state`: `in_sync`, `spare`, `faulty`, `write_mostly` and so on.
    pub state: Vec<String>,
    /// The PCI devices through which it is reached; empty if it is not a PCI device itself.
    pub controllers: Vec<Bdf>,
    /// What md-p2p says of it; `None` if the array is not md-p2p's.
    pub p2p: Option<MemberP2p>,
}

/// A rebuild that runs or waits.
#[derive(Clone, Debug, Serialize)]
pub struct Rebuild {
    /// `sync_action`: `resync`, `recover`, `check`, `repair`, `reshape`, `frozen`.
    pub action: String,
    /// The bytes that are done; `None` while it waits.
    pub done_bytes: Option<u64>,
    /// The bytes in all; `None` while it waits.
    pub total_bytes: Option<u64>,
    /// Bytes per second.
    pub speed: Option<u64>,
}

/// What md-p2p says of an array.
#[derive(Clone, Debug, Serialize)]
pub struct P2p {
    /// `auto`, `direct` or `off`.
    pub policy: String,
    /// `direct`, `staged` or `off`.
    pub state: String,
    /// The reasons for the state.
    pub reasons: Vec<String>,
    /// The provider from which a rebuild borrows memory now.
    pub provider: Option<Bdf>,
    /// The provider that was asked for: `auto`, `none` or an address.
    pub provider_wanted: String,
    /// Who copies what is staged, for each provider; `None` if the module does not say it.
    pub staging: Option<Vec<Told>>,
    /// How much I/O was direct, staged or refused.
    #[serde(flatten)]
    pub counters: Counters,
}

/// What md-p2p says of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberP2p {
    /// The distance to each provider.
    pub distances: Vec<Distance>,
    /// Bytes that it wrote into peer pages by its own DMA.
    pub read_bytes: u64,
    /// Bytes that it read from peer pages by its own DMA.
    pub write_bytes: u64,
}

/// The distance to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Distance {
    /// The provider.
    pub provider: Bdf,
    /// The distance, as the kernel says it; `None` if the provider is unreachable.
    pub distance: Option<u32>,
}

/// Reads all arrays, sorted by name. An array that stops meanwhile is left out.
///
/// # Errors
/// Names the file in sysfs that cannot be understood.
pub fn all(sysroot: &Sysroot) -> Result<Vec<Array>> {
    sysroot::each(&sysroot.names("sys/block")?, |name| {
        let is_there = || sysroot.has(format!("sys/block/{name}/md"));
        if !is_there() {
            // Of an array, the link may have been captured, and not where it leads.
            let place = format!("sys/block/{name}");
            let there = match name.starts_with("md") {
                true => sysroot.needs(&[&place]),
                false => Ok(()),
            };
            return sysroot.tolerate(there).map(|_| None);
        }
        match Array::read(sysroot, name) {
            Ok(array) => Ok(Some(array)),
            Err(_) if !is_there() => Ok(None),
            Err(error) => sysroot.tolerate(Err(error.context(format!("{name} is left out")))),
        }
    })
}

/// Reads the counters of an array; `None` if it is not md-p2p's.
///
/// # Errors
/// Fails if a counter cannot be read.
pub fn counters(sysroot: &Sysroot, array: &Array) -> Result<Option<Counters>> {
    if array.p2p.is_none() {
        return Ok(None);
    }
    let md = sysroot.within(format!("sys/block/{}/md", array.name))?;
    Counters::read(&md).map(Some)
}

/// Finds the array that the user means: `md0`, `/dev/md0`, `/dev/md/data` or `data`.
///
/// # Errors
/// Lists the arrays if none has this name.
pub fn find(sysroot: &Sysroot, wanted: &str) -> Result<Array> {
    let array = name_of(sysroot, wanted);
    if let Some(name) = array {
        return Array::read(sysroot, &name);
    }
    sysroot.needs(&["sys/block"])?;
    let there: Vec<String> = all(sysroot)?.into_iter().map(|array| array.name).collect();
    let wanted = command_line([wanted]);
    if there.is_empty() {
        bail!("there is no array {wanted}: no array is running");
    }
    bail!(
        "there is no array {wanted}; the running arrays are {}",
        there.join(", ")
    )
}

fn name_of(sysroot: &Sysroot, wanted: &str) -> Option<String> {
    let is_array = |name: &String| sysroot.has(format!("sys/block/{name}/md"));
    let bare = wanted.strip_prefix("/dev/").unwrap_or(wanted);
    let alias = bare.strip_prefix("md/").unwrap_or(bare);
    if !bare.contains('/') && !bare.is_empty() && bare != "." && bare != ".." {
        let name = Some(bare.to_owned()).filter(is_array);
        if name.is_some() {
            return name;
        }
    }
    let link = |alias: &str| sysroot.link(format!("dev/md/{alias}")).filter(is_array);
    link(alias).or_else(|| link(&encoded(alias)))
}

/// Writes a name as udev does in `/dev`: with `\x20` for a space, and so on.
fn encoded(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_/".contains(c) || !c.is_ascii();
    let encode = |c: char| match is_plain(c) {
        true => c.to_string(),
        false => format!("\\x{:02x}", u32::from(c)),
    };
    name.chars().map(encode).collect()
}

impl Array {
    /// Reads the array of this name in `/sys/block`.
    ///
    /// # Errors
    /// Names the file in sysfs that cannot be read or understood.
    pub fn read(sysroot: &Sysroot, name: &str) -> Result<Self> {
        let md = &sysroot.within(format!("sys/block/{name}/md"))?;
        let text = |file: &str| {
            let text = md.read_if(file)?;
            anyhow::Ok(text.unwrap_or_default())
        };
        let number = |file: &str| {
            let value = md.value_if::<u64>(file)?;
            anyhow::Ok(value.unwrap_or(0))
        };
        let mut members = Vec::new();
        let mut is_partial = false;
        for entry in md.names("")? {
            if let Some(member) = entry.strip_prefix("dev-") {
                let read = md
                    .within(&entry)
                    .and_then(|folder| Member::read(sysroot, &folder, member));
                match read {
                    Ok(member) => members.push(member),
                    Err(_) if !md.has(&entry) => {}
                    Err(error) => {
                        let error = error.context(format!("member {member} of {name} is left out"));
                        sysroot.tolerate::<()>(Err(error))?;
                        is_partial = true;
                    }
                }
            }
        }
        members.sort_by_key(|member| (member.slot.is_none(), member.slot));
        let p2p = P2p::read(md)?;
        Ok(Self {
            name: name.to_owned(),
            aliases: aliases(sysroot, name)?,
            driver: match p2p {
                Some(_) => Driver::MdP2p,
                None => Driver::Md,
            },
            level: text("level")?,
            // During a reshape the file has two numbers: "5 (4)".
            raid_disks: first_number(md, "raid_disks")?,
            bytes: sysroot
                .value_if::<u64>(format!("sys/block/{name}/size"))?
                .unwrap_or(0)
                .saturating_mul(512),
            state: text("array_state")?,
            degraded: number("degraded")?.try_into().unwrap_or(u32::MAX),
            chunk_bytes: first_number(md, "chunk_size")?,
            metadata: text("metadata_version")?,
            members,
            is_partial,
            rebuild: Rebuild::read(md)?,
            p2p,
        })
    }
}

/// Returns the number that a file begins with; 0 if the file is empty or does not exist.
fn first_number<T: FromStr + Default>(sysroot: &Sysroot, path: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    let text = sysroot.read_if(path)?.unwrap_or_default();
    let Some(word) = text.split_whitespace().next() else {
        return Ok(T::default());
    };
    word.parse()
        .map_err(|error| garbage(&sysroot.path(path), &text, &error))
}

fn aliases(sysroot: &Sysroot, name: &str) -> Result<Vec<String>> {
    let links = sysroot.names("dev/md")?;
    let is_it = |link: &String| sysroot.link(format!("dev/md/{link}")).as_deref() == Some(name);
    Ok(links.into_iter().filter(is_it).collect())
}

impl Member {
    /// Reads the member `name` of an array from its folder.
    fn read(sysroot: &Sysroot, folder: &Sysroot, name: &str) -> Result<Self> {
        let slot = folder.read_if("slot")?;
        let slot = match slot.as_deref() {
            None | Some("none" | "journal" | "") => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|error| garbage(&folder.path("slot"), text, &error))?,
            ),
        };
        let state = folder.read_if("state")?.unwrap_or_default();
        Ok(Self {
            // sysfs writes ! instead of /: cciss!c0d0.
            name: folder.link("block").unwrap_or_else(|| name.to_owned()),
            slot,
            state: state
                .split(',')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect(),
            controllers: controllers::of(sysroot, name).unwrap_or_default(),
            p2p: MemberP2p::read(folder)?,
        })
    }

    /// Tells whether it is the journal of raid4, 5 or 6, which peer I/O never goes to.
    pub fn is_journal(&self) -> bool {
        self.state.iter().any(|word| word == "journal")
    }
}

impl MemberP2p {
    fn read(folder: &Sysroot) -> Result<Option<Self>> {
        const DISTANCE: &str = "p2pdma_distance";
        let Some(text) = folder.lines_if(DISTANCE)? else {
            return Ok(None);
        };
        let wrong = |line: &str, why: String| garbage(&folder.path(DISTANCE), line, &why);
        let distances = text
            .lines()
            .map(|line| Distance::parse(line).map_err(|why| wrong(line, why)))
            .collect::<Result<_>>()?;
        let bytes = |file: &str| {
            let bytes = folder.value_if(format!("p2pdma_{file}_bytes"))?;
            anyhow::Ok(bytes.unwrap_or(0))
        };
        Ok(Some(Self {
            distances,
            read_bytes: bytes("read")?,
            write_bytes: bytes("write")?,
        }))
    }
}

impl Distance {
    fn parse(line: &str) -> Result<Self, String> {
        let (provider, distance) = line
            .split_once(' ')
            .ok_or("expected an address and a distance")?;
        let distance = match distance.trim() {
            "unreachable" => None,
            number => Some(number.parse().map_err(|_| "not a distance")?),
        };
        let provider = provider.parse()?;
        Ok(Self { provider, distance })
    }
}

impl Rebuild {
    fn read(md: &Sysroot) -> Result<Option<Self>> {
        let action = md.read_if("sync_action")?;
        let Some(action) = action.filter(|action| action != "idle") else {
            return Ok(None);
        };
        const COMPLETED: &str = "sync_completed";
        let text = md.read_if(COMPLETED)?.unwrap_or_default();
        let (done_bytes, total_bytes) = match text.split_once('/') {
            // These are sectors.
            Some((done, total)) => {
                let bytes = |text: &str| {
                    let sectors = text.trim().parse::<u64>();
                    sectors
                        .map(|sectors| Some(sectors.saturating_mul(512)))
                        .map_err(|error| garbage(&md.path(COMPLETED), text, &error))
                };
                (bytes(done)?, bytes(total)?)
            }
            None => (None, None),
        };
        // This is KiB per second, or "none".
        let speed = md.read_if("sync_speed")?;
        let speed = speed.and_then(|text| text.parse::<u64>().ok());
        Ok(Some(Self {
            action,
            done_bytes,
            total_bytes,
            speed: speed.map(|speed| speed.saturating_mul(1024)),
        }))
    }

    /// Returns the fraction that is done, from 0 to 1.
    pub fn part(&self) -> Option<f64> {
        match (self.done_bytes?, self.total_bytes?) {
            (_, 0) => None,
            (done, total) => Some((done as f64 / total as f64).min(1.0)),
        }
    }
}

impl P2p {
    fn read(md: &Sysroot) -> Result<Option<Self>> {
        let Some(state) = md.read_if("p2pdma_state")? else {
            return Ok(None);
        };
        let text = |file: &str| {
            let text = md.read_if(format!("p2pdma_{file}"))?;
            anyhow::Ok(text.unwrap_or_default())
        };
        let reasons = md.lines_if("p2pdma_reason")?.unwrap_or_default();
        let shown = text("provider")?;
        let (provider, provider_wanted) = parse_provider(&shown)
            .map_err(|why| garbage(&md.path("p2pdma_provider"), &shown, &why))?;
        const STAGING: &str = "p2pdma_staging";
        let staging = md.lines_if(STAGING)?.map(|text| {
            let line = |line: &str| {
                line.parse()
                    .map_err(|why: String| garbage(&md.path(STAGING), line, &why))
            };
            text.lines().map(line).collect::<Result<_>>()
        });
        Ok(Some(Self {
            policy: text("policy")?,
            state,
            reasons: reasons.lines().map(str::to_owned).collect(),
            provider,
            provider_wanted,
            staging: staging.transpose()?,
            counters: Counters::read(md)?,
        }))
    }
}

/// Parses `p2pdma_provider`: the provider in use and the one that was asked for, as in `none
/// (auto)`.
fn parse_provider(shown: &str) -> Result<(Option<Bdf>, String), String> {
    let (used, wanted) = match shown.split_once(" (") {
        Some((used, wanted)) => (used, wanted.trim_end_matches(')')),
        None => (shown, shown),
    };
    let used = match used {
        "none" | "" => None,
        address => Some(address.parse()?),
    };
    Ok((used, wanted.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_in_use_and_the_one_asked_for_are_told_apart() {
        let address: Bdf = "0000:04:00.0".parse().expect("an address");
        for (shown, used, wanted) in [
            ("0000:04:00.0 (auto)", Some(address), "auto"),
            ("0000:04:00.0", Some(address), "0000:04:00.0"),
            ("none (auto)", None, "auto"),
            ("none (0000:04:00.0)", None, "0000:04:00.0"),
            ("none", None, "none"),
        ] {
            assert_eq!(
                parse_provider(shown),
                Ok((used, wanted.to_owned())),
                "{shown}"
            );
        }
        assert!(parse_provider("abc").is_err());
    }

    #[test]
    fn a_distance_is_a_number_or_unreachable() {
        let provider = "0000:04:00.0".parse().expect("an address");
        let distance = Some(4);
        assert_eq!(
            Distance::parse("0000:04:00.0 4"),
            Ok(Distance { provider, distance })
        );
        let distance = None;
        assert_eq!(
            Distance::parse("0000:04:00.0 unreachable"),
            Ok(Distance { provider, distance })
        );
        for line in ["", "0000:04:00.0", "0000:04:00.0 -1", "x 4"] {
            assert!(Distance::parse(line).is_err(), "{line}");
        }
    }
}
