// SPDX-License-Identifier: GPL-2.0
//! `mdp2p doctor`: whether a machine can do it, and what to do about it if not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind, Write};

use anstyle::Style;
use anyhow::Result;
use serde::Serialize;

use crate::command::Command;
use crate::ui;
use clap::Args;
use mdp2p_machine::kernel::config::Options;
use mdp2p_machine::kernel::modules::{self, Installed, Loaded, MAIN, MODULES, Mode};
use mdp2p_machine::kernel::release::{self, shown};
use mdp2p_machine::kernel::secure_boot;
use mdp2p_machine::md::array::{self, Array, Driver, P2p};
use mdp2p_machine::md::reach::Known;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{self, Acs, Kind, LARGE_BAR};
use mdp2p_machine::pci::controllers;
use mdp2p_machine::pci::devices::{DEVICES, Device, Devices};
use mdp2p_machine::pci::reach::{Reach, Way, Why};
use mdp2p_machine::sysroot::{Sysroot, garbage};

/// `mdp2p doctor`
#[derive(Args, Debug)]
#[command(after_help = "\
Exit status: 0 all is well, perhaps with warnings; 1 there is a problem.

Examples:
  mdp2p doctor
  mdp2p doctor --json | jq '.checks[] | select(.verdict != \"ok\")'")]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Command for Doctor {
    fn changes(&self) -> bool {
        false
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// Does it; the exit status.
///
/// # Errors
/// With what was wrong.
pub fn run(sysroot: &Sysroot, options: &Doctor) -> Result<u8> {
    let facts = Survey::read(sysroot)?;
    let report = Report::of(&facts)?;
    match options.json {
        true => ui::json(&report)?,
        false => report.print()?,
    }
    Ok(u8::from(report.problems > 0))
}

/// How a check ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could be better, or it cannot be told.
    Warning,
    /// It does not work.
    Problem,
}

/// One of the things that were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

fn ok(found: impl Into<String>) -> Check {
    Check {
        name: "",
        verdict: Verdict::Ok,
        found: found.into(),
        remedy: None,
    }
}

fn warning(found: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        verdict: Verdict::Warning,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}

fn problem(found: impl Into<String>, remedy: impl Into<String>) -> Check {
    Check {
        verdict: Verdict::Problem,
        remedy: Some(remedy.into()),
        ..ok(found)
    }
}

/// What several checks look at. The rest is read by the check itself.
struct Survey<'a> {
    sysroot: &'a Sysroot,
    release: String,
    devices: Devices,
    arrays: Vec<Array>,
    installed: Vec<Installed>,
    loaded: Vec<Loaded>,
    /// Words of the kernel's command line.
    parameters: Vec<String>,
    /// Flags of the processor.
    flags: BTreeSet<String>,
}

type Examine = fn(&Survey) -> Result<Check>;

/// All of them, in the order in which one would set a machine up.
const CHECKS: [(&str, Examine); 16] = [
    ("kernel options", kernel_options),
    ("modules installed", modules_installed),
    ("modules loaded", modules_loaded),
    ("Secure Boot", secure_boot),
    ("mdadm", mdadm),
    ("providers", providers),
    ("BARs", unassigned_bars),
    ("resizable BARs", resizable_bars),
    ("ACS", acs),
    ("reach", reach),
    ("IOMMU", iommu),
    ("bounce buffers", bounce_buffers),
    ("NVMe multipath", multipath),
    ("nvidia-fs", nvidia_fs),
    ("arrays", arrays),
    ("privileges", privileges),
];

impl<'a> Survey<'a> {
    fn read(sysroot: &'a Sysroot) -> Result<Self> {
        let release = release::running(sysroot)?;
        let parameters = sysroot.read_if("proc/cmdline")?.unwrap_or_default();
        let processor = sysroot.read_if("proc/cpuinfo")?.unwrap_or_default();
        let flags = processor
            .lines()
            .find_map(|line| line.strip_prefix("flags")?.split_once(':'))
            .map_or("", |(_, flags)| flags);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Ok(Self {
            sysroot,
            devices: Devices::read(sysroot)?,
            arrays: array::all(sysroot)?,
            installed: modules::installed(sysroot, &release)?,
            loaded: modules::loaded(sysroot)?,
            parameters: words(&parameters),
            flags: flags.split_whitespace().map(str::to_owned).collect(),
            release,
        })
    }

    /// The values that the kernel was given for a parameter.
    fn parameter(&self, name: &str) -> Vec<&str> {
        // The kernel takes - and _ for the same.
        self.parameters
            .iter()
            .filter_map(|word| word.split_once('='))
            .filter(|(key, _)| key.replace('-', "_") == name)
            .map(|(_, value)| value)
            .collect()
    }

    fn has_parameter(&self, word: &str) -> bool {
        self.parameters.iter().any(|it| it == word)
    }

    fn drives(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|it| it.kind == Kind::Nvme)
    }

    /// Those with memory that could matter: drives, GPUs and whatever has p2pmem.
    fn with_memory(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| {
            matches!(device.kind, Kind::Nvme | Kind::Gpu) || device.p2pmem.is_some()
        })
    }

    fn is_virtual(&self) -> bool {
        self.flags.contains("hypervisor")
    }

    /// How each drive reaches each provider, its own memory left out.
    fn pairs(&self) -> Vec<Pair> {
        let known = Known::of(self.sysroot, &self.devices, &self.arrays);
        let mut pairs = Vec::new();
        for provider in self.devices.providers().map(|it| it.address) {
            let others = self.drives().filter(|it| it.address != provider);
            for client in others.map(|it| it.address) {
                let reach = known.reach(provider, client);
                pairs.push(Pair { provider, reach });
            }
        }
        pairs
    }
}

/// A provider, and how one drive reaches it.
struct Pair {
    provider: Bdf,
    reach: Reach,
}

/// How to boot with a parameter.
fn boot_with(parameter: &str) -> String {
    format!(
        "boot with {parameter} (GRUB: into GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)"
    )
}

fn addresses<'a>(devices: impl IntoIterator<Item = &'a Bdf>) -> String {
    let words: Vec<String> = devices.into_iter().map(Bdf::to_string).collect();
    words.join(", ")
}

/// `1 drive`, `2 drives`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

// The kernel and the modules.

fn kernel_options(facts: &Survey) -> Result<Check> {
    const NEEDED: [(&str, &str); 4] = [
        ("PCI_P2PDMA", "no driver in it does peer-to-peer DMA"),
        ("ZONE_DEVICE", "peer memory has no pages in it"),
        ("RUST", "a part of md-p2p is written in Rust"),
        ("BLK_DEV_MD", "it lacks what MD needs"),
    ];
    let release = &facts.release;
    let Some(options) = Options::read(facts.sysroot, release)? else {
        if modules::mode(facts.sysroot).is_some() {
            return Ok(ok(format!(
                "md-p2p runs in {release}, so they are as they should be"
            )));
        }
        return Ok(warning(
            format!("cannot tell how {release} was configured"),
            format!("install its headers: apt install linux-headers-{release}"),
        ));
    };
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(name, _)| !matches!(options.get(name), Some("y" | "m")))
        .map(|(name, why)| format!("CONFIG_{name} ({why})"))
        .collect();
    if missing.is_empty() {
        return Ok(ok(format!("{release} has what it takes")));
    }
    Ok(problem(
        format!(
            "{release} was built without {}; so says {}",
            missing.join(", "),
            shown(&options.file)
        ),
        "use a kernel that has it; Debian 13: apt install -t trixie-backports linux-image-amd64",
    ))
}

fn modules_installed(facts: &Survey) -> Result<Check> {
    let release = &facts.release;
    let count_of = |name: &&&str| {
        facts
            .installed
            .iter()
            .filter(|it| it.name == **name)
            .count()
    };
    let missing: Vec<&str> = MODULES
        .iter()
        .filter(|it| count_of(it) == 0)
        .copied()
        .collect();
    let twice: Vec<&str> = MODULES
        .iter()
        .filter(|it| count_of(it) > 1)
        .copied()
        .collect();
    let install = "sudo mdp2p module install";
    if missing.len() == MODULES.len() {
        if !facts.loaded.is_empty() {
            return Ok(warning(
                format!("none is installed for {release}; those that are loaded go with a reboot"),
                install,
            ));
        }
        return Ok(problem(
            format!("none is installed for {release}{}", others(facts)?),
            install,
        ));
    }
    if missing.contains(&MAIN) {
        return Ok(problem(
            format!("md-p2p is not installed for {release}, which all others need"),
            install,
        ));
    }
    if !missing.is_empty() {
        return Ok(warning(
            format!("not installed for {release}: {}", missing.join(", ")),
            install,
        ));
    }
    if !twice.is_empty() {
        return Ok(warning(
            format!(
                "in more than one folder for {release}: {}",
                twice.join(", ")
            ),
            "mdp2p module status shows where: remove those that are old, and run depmod",
        ));
    }
    let path = &facts.installed[0].path;
    let folder = path.parent().unwrap_or(path);
    Ok(ok(format!(
        "all {} are in {}",
        MODULES.len(),
        shown(folder)
    )))
}

/// The other kernels that md-p2p is installed for.
fn others(facts: &Survey) -> Result<String> {
    let all = release::folder(facts.sysroot, &facts.release);
    let mut found = Vec::new();
    for release in facts.sysroot.names(all.parent().unwrap_or(&all))? {
        if release != facts.release && !modules::installed(facts.sysroot, &release)?.is_empty() {
            found.push(release);
        }
    }
    Ok(match found[..] {
        [] => String::new(),
        _ => format!(", but for {}", found.join(", ")),
    })
}

fn modules_loaded(facts: &Survey) -> Result<Check> {
    let Some(mode) = modules::mode(facts.sysroot) else {
        return Ok(warning("md-p2p is not loaded", "sudo mdp2p module load"));
    };
    Ok(match mode {
        Mode::Sole => ok("md-p2p is the only md: plain mdadm works with it"),
        Mode::Beside => ok(
            "md-p2p is loaded beside the kernel's md: plain mdadm does not see its arrays, \
             mdp2p and `mdp2p mdadm --` do",
        ),
    })
}

fn secure_boot(facts: &Survey) -> Result<Check> {
    let mut demands = Vec::new();
    let secure = secure_boot::is_secure(facts.sysroot)?;
    if locked(facts.sysroot)? {
        demands.push("the kernel is locked down");
    }
    let enforce = facts
        .sysroot
        .read_if("sys/module/module/parameters/sig_enforce")?;
    if enforce.as_deref() == Some("Y") {
        demands.push("module.sig_enforce is set");
    }
    let found = match (secure, &demands[..]) {
        (false, []) => return Ok(ok("off: modules need no signature")),
        (true, []) => {
            return Ok(ok(
                "on, but this kernel does not demand signatures of modules",
            ));
        }
        (true, demands) => format!("on: {}", demands.join(", ")),
        (false, demands) => format!("off, but {}", demands.join(", ")),
    };
    let of = |signed| facts.installed.iter().filter(move |it| it.signed == signed);
    let unsigned = of(Some(false)).count();
    if unsigned > 0 {
        return Ok(problem(
            format!(
                "{found}, and {} of {} modules have no signature",
                unsigned,
                facts.installed.len()
            ),
            "sudo mdp2p module sign",
        ));
    }
    if modules::mode(facts.sysroot).is_some() {
        return Ok(ok(format!("{found}; md-p2p was accepted")));
    }
    if facts.installed.is_empty() {
        let remedy = "once they are installed: sudo mdp2p module sign";
        return Ok(warning(
            format!("{found}, so modules have to be signed"),
            remedy,
        ));
    }
    if of(None).count() > 0 {
        return Ok(warning(
            format!("{found}, and the modules are compressed, so their signatures cannot be seen"),
            "modinfo md-p2p shows them; if there are none, unpack them and run sudo mdp2p module sign",
        ));
    }
    Ok(warning(
        format!("{found}; the modules are signed, by a key that may not be enrolled"),
        "sudo mdp2p module load shows it; enrol the key with mokutil --import CERTIFICATE",
    ))
}

/// `[none] integrity confidentiality`
fn locked(sysroot: &Sysroot) -> Result<bool> {
    const FILE: &str = "sys/kernel/security/lockdown";
    let Some(text) = sysroot.read_if(FILE)? else {
        return Ok(false);
    };
    let mode = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let why = "one word in brackets is wanted";
    let mode = mode.ok_or_else(|| garbage(&sysroot.path(FILE), &text, &why))?;
    Ok(mode != "none")
}

fn mdadm(facts: &Survey) -> Result<Check> {
    const FOLDERS: [&str; 6] = [
        "usr/sbin",
        "sbin",
        "usr/bin",
        "bin",
        "usr/local/sbin",
        "usr/local/bin",
    ];
    let path = FOLDERS.map(|folder| format!("{folder}/mdadm"));
    Ok(match path.iter().find(|path| facts.sysroot.has(path)) {
        Some(path) => ok(format!("/{path}")),
        None => problem("it is not there", "apt install mdadm"),
    })
}

// Devices.

fn providers(facts: &Survey) -> Result<Check> {
    let mut there = Vec::new();
    let mut hidden = Vec::new();
    for device in facts.devices.iter() {
        let Some(memory) = &device.p2pmem else {
            continue;
        };
        match memory.published {
            true => there.push(format!(
                "{} ({}, {} free)",
                device.address,
                ui::bytes(memory.bytes),
                ui::bytes(memory.available_bytes)
            )),
            false => hidden.push(device.address),
        }
    }
    if !there.is_empty() {
        return Ok(ok(there.join(", ")));
    }
    if !hidden.is_empty() {
        return Ok(problem(
            format!("{} has p2pmem, and does not publish it", addresses(&hidden)),
            "its driver keeps it to itself: see the driver's documentation",
        ));
    }
    Ok(match could_be(facts)? {
        Some((found, remedy)) => problem(format!("none; {found}"), remedy),
        None => problem(
            "none: no device has memory that others could use",
            "what it takes is an NVMe drive with a controller memory buffer (CMB), or another \
             device whose driver publishes p2pmem",
        ),
    })
}

/// What could be a provider, and how.
fn could_be(facts: &Survey) -> Result<Option<(String, String)>> {
    for name in facts.sysroot.names("sys/class/nvme")? {
        // There only if the drive has one.
        if facts.sysroot.has(format!("sys/class/nvme/{name}/cmb")) {
            return Ok(Some((
                format!("{name} has a controller memory buffer that the kernel did not publish"),
                format!(
                    "see dmesg | grep {name}; the buffer has to be able to hold data for reads and writes"
                ),
            )));
        }
    }
    let gpu = facts
        .devices
        .iter()
        .find(|it| it.kind == Kind::Gpu && it.largest_bar() >= LARGE_BAR);
    Ok(gpu.map(|gpu| {
        let driver = gpu.driver.as_deref().unwrap_or("none");
        (
            format!("GPU {} (driver {driver}) has no p2pmem", gpu.address),
            "use a driver of it that publishes its memory through the kernel's P2PDMA".into(),
        )
    }))
}

/// A BAR without an address cannot be reached, and one below 4 GiB takes what is scarce there.
fn unassigned_bars(facts: &Survey) -> Result<Check> {
    const UNSET: u64 = 0x2000_0000;
    const MEM: u64 = 0x200;
    let mut lost = Vec::new();
    let mut low = Vec::new();
    for device in facts.with_memory() {
        for (index, [start, end, flags]) in resources(facts.sysroot, device.address)? {
            let bytes = end.wrapping_sub(start).wrapping_add(1);
            let what = || format!("BAR {index} of {} ({})", device.address, ui::bytes(bytes));
            if flags & MEM != 0 && end > start && (start == 0 || flags & UNSET != 0) {
                lost.push(what());
            } else if flags & MEM != 0 && bytes >= LARGE_BAR && end > start && end >> 32 == 0 {
                low.push(what());
            }
        }
    }
    if !lost.is_empty() {
        return Ok(problem(
            format!("no address was found for {}", lost.join(", ")),
            "set Above 4G Decoding in the firmware's setup; if it is set, boot with pci=realloc",
        ));
    }
    if !low.is_empty() {
        return Ok(warning(
            format!(
                "below 4 GiB, where there is little room: {}",
                low.join(", ")
            ),
            "set Above 4G Decoding in the firmware's setup",
        ));
    }
    let large = facts
        .with_memory()
        .map(Device::largest_bar)
        .max()
        .unwrap_or(0);
    Ok(ok(match large {
        0 => "no drive or GPU has any".into(),
        bytes => format!("all have addresses; the largest has {}", ui::bytes(bytes)),
    }))
}

/// Start, end and flags of the BARs of a device. What is no number has been found out when
/// the device was read.
fn resources(sysroot: &Sysroot, address: Bdf) -> Result<Vec<(usize, [u64; 3])>> {
    let text = sysroot.read_if(format!("{DEVICES}/{address}/resource"))?;
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let line = |line: &str| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(number).collect();
        <[u64; 3]>::try_from(numbers).ok()
    };
    let lines = text.unwrap_or_default();
    let lines = lines.lines().take(6).enumerate();
    Ok(lines
        .filter_map(|(index, it)| Some((index, line(it)?)))
        .collect())
}

fn resizable_bars(facts: &Survey) -> Result<Check> {
    let mut small = Vec::new();
    let mut unknown = Vec::new();
    let mut gpus = 0;
    let is_gpu = |it: &&Device| it.kind == Kind::Gpu && it.largest_bar() >= LARGE_BAR;
    for device in facts.devices.iter().filter(is_gpu) {
        gpus += 1;
        if device.largest_bar() > LARGE_BAR {
            continue;
        }
        let space = facts
            .sysroot
            .path(format!("{DEVICES}/{}/config", device.address));
        let space = fs::read(space).unwrap_or_default();
        if space.len() <= 256 {
            unknown.push(device.address);
        }
        small.extend(config::resizable(&space).into_iter().map(|most| {
            format!(
                "{} has {} of {}",
                device.address,
                ui::bytes(device.largest_bar()),
                ui::bytes(most)
            )
        }));
    }
    if !small.is_empty() {
        return Ok(warning(
            format!(
                "only a part of the memory can be reached: {}",
                small.join(", ")
            ),
            "set Resizable BAR, and Above 4G Decoding, in the firmware's setup",
        ));
    }
    if !unknown.is_empty() {
        return Ok(warning(
            format!(
                "{} shows 256 MiB; whether it could be more cannot be told",
                addresses(&unknown)
            ),
            "sudo mdp2p doctor; only root can read what it takes",
        ));
    }
    Ok(ok(match gpus {
        0 => "no GPU here".into(),
        gpus => format!("{} with all that fits", count(gpus, "GPU")),
    }))
}

fn acs(facts: &Survey) -> Result<Check> {
    let mut ports = BTreeSet::new();
    let mut blocked = false;
    for pair in facts.pairs() {
        for why in &pair.reach.why {
            if let Why::AcsRedirect { ports: found } = why {
                ports.extend(found.iter().copied());
                blocked |= pair.reach.way == Way::No;
            }
        }
    }
    if ports.is_empty() {
        let found = "no port between providers and drives redirects";
        return Ok(match is_hidden(facts) {
            true => warning(
                "whether ports redirect can be seen by root only",
                "sudo mdp2p doctor",
            ),
            false => ok(found),
        });
    }
    let found = format!("redirects to the host bridge at {}", addresses(&ports));
    let remedy = disable_redirect(&ports);
    Ok(match blocked {
        true => problem(
            format!("{found}, so that drives do not reach providers"),
            remedy,
        ),
        false => warning(format!("{found}: right, but a detour"), remedy),
    })
}

/// The parameter that turns it off. It ends the isolation of what is below these ports.
fn disable_redirect(ports: &BTreeSet<Bdf>) -> String {
    let words: Vec<String> = ports.iter().map(Bdf::to_string).collect();
    let parameter = format!("pci=disable_acs_redir={}", words.join(";"));
    let semicolon = match ports.len() {
        1 => "",
        _ => r"; GRUB wants \; for each ;",
    };
    format!(
        "{}{semicolon}. Devices below these ports are then not isolated from each other, as \
         virtual machines that are given some of them need it",
        boot_with(&parameter)
    )
}

/// Whether config space was closed to us where it matters.
fn is_hidden(facts: &Survey) -> bool {
    let bridge = |it: &Device| it.is_bridge() && it.acs == Acs::Unknown;
    facts.devices.iter().any(bridge)
}

fn reach(facts: &Survey) -> Result<Check> {
    let pairs = facts.pairs();
    if facts.devices.providers().next().is_none() {
        return Ok(warning(
            "there is no provider to be reached",
            "see providers, above",
        ));
    }
    if pairs.is_empty() {
        return Ok(warning(
            "there is no NVMe drive that could reach it",
            "members that are no PCI devices are staged: the CPU copies",
        ));
    }
    let of = |way| pairs.iter().filter(|it| it.reach.way == way).count();
    let (direct, through, no) = (of(Way::Direct), of(Way::ThroughHostBridge), of(Way::No));
    let ways = [
        (direct, "direct"),
        (through, "through the host bridge"),
        (no, "not at all"),
    ];
    let ways: Vec<String> = ways
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, way)| format!("{number} {way}"))
        .collect();
    let found = format!(
        "{} of drive and provider: {}",
        count(pairs.len(), "pair"),
        ways.join(", ")
    );
    let alone: BTreeSet<Bdf> = facts
        .devices
        .providers()
        .map(|it| it.address)
        .filter(|it| {
            pairs
                .iter()
                .all(|pair| pair.provider != *it || pair.reach.way == Way::No)
        })
        .collect();
    let remedy = "mdp2p topology shows who does not reach whom, and why; put them below one switch";
    Ok(if no == pairs.len() {
        problem(found, remedy)
    } else if !alone.is_empty() {
        let found = format!("{found}; no other drive reaches {}", addresses(&alone));
        warning(found, remedy)
    } else if no > 0 {
        warning(format!("{found}: what these are given is staged"), remedy)
    } else if is_hidden(facts) {
        let found = format!("{found}, as far as can be seen: ACS may say otherwise");
        warning(found, "sudo mdp2p doctor")
    } else {
        ok(found)
    })
}

// Between devices.

fn iommu(facts: &Survey) -> Result<Check> {
    let units = facts.sysroot.names("sys/class/iommu")?;
    if units.is_empty() {
        return Ok(ok("off: devices use physical addresses"));
    }
    let mut kinds = BTreeMap::new();
    for device in facts.with_memory() {
        let group = facts
            .sysroot
            .link(format!("{DEVICES}/{}/iommu_group", device.address));
        let Some(group) = group else {
            continue;
        };
        if let Some(kind) = facts
            .sysroot
            .read_if(format!("sys/kernel/iommu_groups/{group}/type"))?
        {
            *kinds.entry(kind).or_insert(0usize) += 1;
        }
    }
    let translated: Vec<String> = kinds
        .iter()
        .filter(|(kind, _)| *kind != "identity")
        .map(|(kind, number)| format!("{} {kind}", count(*number, "device")))
        .collect();
    let told =
        facts.has_parameter("iommu=pt") || facts.parameter("iommu.passthrough").contains(&"1");
    if !translated.is_empty() {
        return Ok(warning(
            format!(
                "on, and translates: {}; what goes through the host bridge takes longer",
                translated.join(", ")
            ),
            boot_with("iommu=pt"),
        ));
    }
    if kinds.is_empty() && !told {
        return Ok(warning(
            "on; whether it translates for drives and providers cannot be told",
            boot_with("iommu=pt"),
        ));
    }
    Ok(ok("on, passes addresses through (iommu=pt)"))
}

fn bounce_buffers(facts: &Survey) -> Result<Check> {
    let forced = facts.parameter("swiotlb");
    if forced
        .iter()
        .any(|value| value.split(',').any(|word| word == "force"))
    {
        return Ok(problem(
            "swiotlb=force: all DMA goes through host memory, so no provider is reached",
            "boot without swiotlb=force",
        ));
    }
    // Memory encryption as a host's processor has it does not count.
    const GUEST: [&str; 3] = [
        "dev/sev-guest",
        "dev/tdx_guest",
        "sys/devices/system/cpu/sev",
    ];
    const FLAGS: [&str; 4] = ["sev", "sev_es", "sev_snp", "tdx_guest"];
    let encrypted = GUEST.iter().any(|path| facts.sysroot.has(path))
        || FLAGS.iter().any(|flag| facts.flags.contains(*flag));
    if facts.is_virtual() && encrypted {
        return Ok(problem(
            "the memory of this guest is encrypted: all DMA goes through bounce buffers, so no \
             provider is reached",
            "use a guest without SEV or TDX, or the host",
        ));
    }
    Ok(ok("not forced"))
}

fn multipath(facts: &Survey) -> Result<Check> {
    const FILE: &str = "sys/module/nvme_core/parameters/multipath";
    let on = match facts.sysroot.read_if(FILE)?.as_deref() {
        None => return Ok(ok("the kernel's NVMe driver is not loaded, or has none")),
        Some("Y") => true,
        Some("N") => false,
        Some(other) => {
            return Err(garbage(
                &facts.sysroot.path(FILE),
                other,
                &"Y or N is wanted",
            ));
        }
    };
    let mut several = Vec::new();
    for name in facts.sysroot.names("sys/block")? {
        // nvme0n1, and not the paths below it: nvme0c1n1.
        if name.starts_with("nvme") && !name.contains('c') {
            let paths = match controllers::of(facts.sysroot, &name) {
                Ok(paths) => paths.len(),
                // It has gone.
                Err(_) if !facts.sysroot.has(format!("sys/class/block/{name}")) => continue,
                Err(error) => return Err(error),
            };
            if paths > 1 {
                several.push(format!("{name} ({paths} paths)"));
            }
        }
    }
    Ok(match (on, &several[..]) {
        (false, _) => ok("off"),
        (true, []) => ok("on, and each drive has one path"),
        (true, several) => warning(
            format!(
                "on: {} counts as far away as the farthest of its paths, and is staged if one \
                 does not reach the provider",
                several.join(", ")
            ),
            "see that all paths reach the provider (mdp2p topology), or take the others away",
        ),
    })
}

/// Outside its P2PDMA mode nvidia-fs gives block drivers pages of host memory, for which a patched
/// NVMe driver puts in the GPU's addresses. A level whose CPU reads such a page finds zeros.
fn nvidia_fs(facts: &Survey) -> Result<Check> {
    const MODULE: &str = "sys/module/nvidia_fs";
    const FILE: &str = "sys/module/nvidia_fs/parameters/use_pci_p2pdma";
    if !facts.sysroot.has(MODULE) {
        return Ok(ok("not loaded"));
    }
    match facts.sysroot.read_if(FILE)?.as_deref() {
        Some("Y" | "1") => Ok(ok("loaded, in its P2PDMA mode")),
        Some("N" | "0") | None => Ok(warning(
            "nvidia-fs is loaded and not in P2PDMA mode: it passes GPU memory off as host memory, \
             so that arrays whose CPU copies or computes (raid4/5/6, write-behind) would store zeros",
            "load it with use_pci_p2pdma=1, if it has that parameter; else use only linear, raid0, \
             raid1 and raid10 with it",
        )),
        Some(other) => Err(garbage(
            &facts.sysroot.path(FILE),
            other,
            &"Y or N is wanted",
        )),
    }
}

fn arrays(facts: &Survey) -> Result<Check> {
    let names = |driver: Driver| -> Vec<&str> {
        let of = facts.arrays.iter().filter(|it| it.driver == driver);
        of.map(|it| it.name.as_str()).collect()
    };
    let (ours, kernels) = (names(Driver::MdP2p), names(Driver::Md));
    if !kernels.is_empty() && facts.devices.providers().next().is_some() {
        return Ok(warning(
            format!(
                "{} under the kernel's md, which may lose writes from peer memory without a word",
                kernels.join(", ")
            ),
            "to have it under md-p2p: mdadm --stop, then mdp2p assemble",
        ));
    }
    // That is how those levels work.
    let is_parity = |p2p: &P2p| p2p.reasons.iter().all(|it| it.starts_with("parity "));
    let not_direct = facts.arrays.iter().find_map(|array| {
        let p2p = array.p2p.as_ref().filter(|p2p| p2p.state != "direct")?;
        let is_expected = p2p.state == "staged" && !p2p.reasons.is_empty() && is_parity(p2p);
        (!is_expected).then_some((array, p2p))
    });
    if let Some((array, p2p)) = not_direct {
        let reason = p2p.reasons.first().map_or("", String::as_str);
        let colon = if reason.is_empty() { "" } else { ": " };
        return Ok(warning(
            format!("{} is {}{colon}{reason}", array.name, p2p.state),
            format!("mdp2p detail {} shows all reasons", array.name),
        ));
    }
    Ok(ok(match (&ours[..], &kernels[..]) {
        ([], []) => "none runs".into(),
        ([], kernels) => format!("{} under the kernel's md", kernels.join(", ")),
        (ours, _) => format!("as direct as their levels can be: {}", ours.join(", ")),
    }))
}

fn privileges(facts: &Survey) -> Result<Check> {
    if is_hidden(facts) {
        return Ok(warning(
            "config space cannot be read: ACS, resizable BARs and what ports are could not be looked at",
            "sudo mdp2p doctor",
        ));
    }
    Ok(ok("all could be looked at"))
}

// What comes of it.

/// What is shown.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    /// Whether it is a virtual machine, whose figures mean nothing.
    virtual_machine: bool,
    checks: Vec<Check>,
    ok: usize,
    warnings: usize,
    problems: usize,
}

impl Report {
    fn of(facts: &Survey) -> Result<Self> {
        let one = |(name, examine): &(&'static str, Examine)| {
            let check = examine(facts).unwrap_or_else(failed);
            Check { name, ..check }
        };
        let checks: Vec<Check> = CHECKS.iter().map(one).collect();
        let count = |verdict| checks.iter().filter(|it| it.verdict == verdict).count();
        Ok(Self {
            kernel: facts.release.clone(),
            virtual_machine: facts.is_virtual(),
            ok: count(Verdict::Ok),
            warnings: count(Verdict::Warning),
            problems: count(Verdict::Problem),
            checks,
        })
    }

    fn print(&self) -> Result<()> {
        let mut out = ui::out();
        for check in &self.checks {
            write!(out, "{}", check.shown(ui::width()))?;
        }
        writeln!(out)?;
        if self.virtual_machine {
            writeln!(
                out,
                "note: this is a virtual machine, where throughput says nothing"
            )?;
        }
        writeln!(
            out,
            "{}: {} ok, {}, {}",
            count(self.checks.len(), "check"),
            self.ok,
            count(self.warnings, "warning"),
            count(self.problems, "problem")
        )?;
        Ok(())
    }
}

/// What becomes of a check that could not be made.
fn failed(error: anyhow::Error) -> Check {
    let denied = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let found = format!("cannot tell: {error:#}");
    match denied {
        true => warning(found, "sudo mdp2p doctor"),
        false => problem(
            found,
            "the file that is named is not as the kernel writes it: see what is wrong there",
        ),
    }
}

impl Verdict {
    fn shown(self) -> (&'static str, Style) {
        match self {
            Verdict::Ok => ("ok", ui::GOOD),
            Verdict::Warning => ("warning", ui::WARNING),
            Verdict::Problem => ("problem", ui::BAD),
        }
    }
}

impl Check {
    /// Lines of at most `width` columns, if words allow it: verdict, name and what was
    /// found, then the remedy.
    fn shown(&self, width: usize) -> String {
        const VERDICT: usize = 9;
        const NAME: usize = 19;
        let (word, style) = self.verdict.shown();
        let mut text = String::new();
        let left = VERDICT + NAME;
        for (number, line) in ui::wrapped(&self.found, width.saturating_sub(left))
            .iter()
            .enumerate()
        {
            let before = match number {
                // Padded first, since styles count as columns.
                0 => {
                    ui::styled(style, format!("{word:VERDICT$}")) + &format!("{:NAME$}", self.name)
                }
                _ => " ".repeat(left),
            };
            text += &format!("{before}{line}\n");
        }
        let remedy = self.remedy.as_deref().unwrap_or_default();
        for (number, line) in ui::wrapped(remedy, width.saturating_sub(VERDICT + 2))
            .iter()
            .enumerate()
        {
            let arrow = if number == 0 { "→ " } else { "  " };
            text += &format!("{:VERDICT$}{arrow}{line}\n", "");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_wrapped_with_its_remedy_below() {
        let check = Check {
            name: "mdadm",
            ..problem("it is not there at all", "apt install mdadm")
        };
        let text = check.shown(40);
        let text = anstream::adapter::strip_str(&text).to_string();
        let expected = "problem  mdadm              it is not\n\
                        \x20                           there at all\n\
                        \x20        → apt install mdadm\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn ports_are_in_one_parameter() {
        let ports = ["0000:02:00.0", "0000:02:01.0"].map(|text| text.parse().expect(text));
        let remedy = disable_redirect(&ports.into());
        let expected = "pci=disable_acs_redir=0000:02:00.0;0000:02:01.0";
        assert!(remedy.contains(expected), "{remedy}");
        assert!(remedy.contains(r"\;"), "{remedy}");
    }
}
