// SPDX-License-Identifier: GPL-2.0
//! Words that the text and the drawing share: those for devices, and those around the matrix.
//!
//! Tests: tests/topology.rs.

use anstyle::Style;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{Acs, Kind, LARGE_BAR};
use mdp2p_machine::pci::devices::Device;
use mdp2p_machine::pci::engines::Engine;

use super::facts::{Disk, Facts, Membership, Other, is_namespace};
use super::tree::{HostBridge, Tree};
use crate::staging::sentences;
use crate::ui::{self, BAD, DIM, GOOD, HEADING, WARNING};

/// The heading of the matrix.
pub const MATRIX_TITLE: &str = "Who reaches whose memory (rows: providers, columns: clients)";

/// A device in words.
pub struct Line {
    /// The address and the name.
    pub head: Piece,
    /// The model, which may be shortened.
    pub model: Option<String>,
    /// What else is worth a word; none of it may be shortened.
    pub remarks: Vec<Piece>,
    /// The disks of a device that has several, each for a line of its own.
    pub disks: Vec<Vec<Piece>>,
}

/// Some words in one style.
pub struct Piece {
    /// The words, without control characters.
    pub text: String,
    /// The style on a terminal.
    pub style: Style,
}

impl Piece {
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, style }
    }
}

/// Describes a device in words.
pub fn describe(tree: &Tree, device: &Device) -> Line {
    let bare = Facts::default();
    let facts = tree.facts(device.address).unwrap_or(&bare);
    let engine = tree.engine(device.address);
    let name = match (own_namespace(device, facts), &facts.controller, engine) {
        (Some(disk), ..) => &disk.name,
        (None, Some(controller), _) => controller,
        (None, None, Some(engine)) => engine.dsa.as_ref().map_or("DMA engine", |it| &it.name),
        (None, None, None) => kind_name(device.kind),
    };
    let style = match device.is_bridge() {
        true => DIM,
        false => HEADING,
    };
    let model = match device.kind {
        Kind::RootPort | Kind::DownstreamPort => None,
        _ if device.is_missing() => Some("not in the capture".to_owned()),
        _ => Some(
            facts
                .model
                .clone()
                .unwrap_or_else(|| format!("{:04x}:{:04x}", device.vendor, device.device)),
        ),
    };
    Line {
        head: Piece::new(style, format!("{} {name}", device.address.short())),
        model,
        remarks: remarks(device, facts, engine),
        disks: several_disks(facts, |path| path != device.address),
    }
}

/// Describes a drive that is no PCI device.
pub fn describe_other(other: &Other) -> Line {
    let facts = &other.facts;
    let is_itself = |disk: &&Disk| disk.name == other.name;
    let mut remarks = Vec::new();
    if let [disk] = &facts.disks[..] {
        let name = (!is_itself(&disk)).then_some(disk.name.as_str());
        remarks.extend(describe_disk(disk, name, |_| true));
    }
    let driver = other.driver.iter();
    remarks.extend(driver.map(|driver| Piece::new(Style::new(), format!("driver {driver}"))));
    Line {
        head: Piece::new(HEADING, other.name.clone()),
        model: facts.model.clone(),
        remarks,
        disks: several_disks(facts, |_| true),
    }
}

/// Returns the only namespace of a drive if it is named after the controller: nvme0n1 of nvme0.
fn own_namespace<'a>(device: &Device, facts: &'a Facts) -> Option<&'a Disk> {
    let [disk] = &facts.disks[..] else {
        return None;
    };
    let is_own = match &facts.controller {
        Some(controller) => is_namespace(&disk.name, controller),
        None => device.kind == Kind::Nvme,
    };
    is_own.then_some(disk)
}

/// Describes the disks of a device that has several.
fn several_disks(facts: &Facts, is_other: impl Fn(Bdf) -> bool) -> Vec<Vec<Piece>> {
    let disks = facts.disks.iter().filter(|_| facts.disks.len() > 1);
    disks
        .map(|disk| describe_disk(disk, Some(&disk.name), &is_other))
        .collect()
}

/// Describes a disk: its name, size and arrays, and the other devices through which it is reached.
fn describe_disk(disk: &Disk, name: Option<&str>, is_other: impl Fn(Bdf) -> bool) -> Vec<Piece> {
    let plain = Style::new();
    let bytes = ui::bytes(disk.bytes);
    let mut words = vec![match name {
        Some(name) => Piece::new(plain, format!("{name} {bytes}")),
        None => Piece::new(plain, bytes),
    }];
    words.extend(disk.members.iter().map(|member| membership(disk, member)));
    let others = disk.paths.iter().filter(|&&path| is_other(path));
    words.extend(others.map(|&other| Piece::new(plain, format!("also at {}", other.short()))));
    words
}

/// Returns the name for a device that has none.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::RootPort => "root port",
        Kind::UpstreamPort => "switch",
        Kind::DownstreamPort => "port",
        Kind::Bridge => "bridge",
        Kind::Nvme => "NVMe",
        Kind::Gpu => "GPU",
        Kind::Network => "network",
        Kind::Other => "device",
    }
}

/// Returns what is said of a device after its name and model.
fn remarks(device: &Device, facts: &Facts, engine: Option<&Engine>) -> Vec<Piece> {
    let plain = Style::new();
    let mut words = Vec::new();
    if device.acs == Acs::Redirects {
        words.push(Piece::new(WARNING, "ACS redirects"));
    }
    let mut disk = match &facts.disks[..] {
        [disk] => {
            let name = match own_namespace(device, facts) {
                Some(_) => None,
                None => Some(disk.name.as_str()),
            };
            describe_disk(disk, name, |path| path != device.address)
        }
        _ => Vec::new(),
    };
    // The size comes before the memory, which belongs to the drive; the arrays come after it.
    words.extend(disk.drain(..disk.len().min(1)));
    words.extend(memory(device));
    words.extend(disk);
    match device.driver.as_deref() {
        None if device.kind == Kind::Nvme => words.push(Piece::new(WARNING, "no driver")),
        Some(driver) if !device.is_bridge() && driver != "nvme" => {
            words.push(Piece::new(plain, format!("driver {driver}")));
        }
        _ => {}
    }
    words.extend(engine.map(channels));
    words
}

/// Tells how many channels an engine has for copies.
fn channels(engine: &Engine) -> Piece {
    match (&engine.dsa, engine.channels.len()) {
        (Some(_), 0) => Piece::new(WARNING, "no work queue for the kernel"),
        (_, 0) => Piece::new(WARNING, "no channel"),
        (_, number) => Piece::new(Style::new(), ui::count(number, "channel")),
    }
}

/// Says who copies what is staged, for groups of providers. It is empty if there is no provider.
pub fn staging(tree: &Tree) -> Vec<String> {
    let sentences = sentences(&tree.copiers, &tree.staging());
    let all = sentences.len() == 1;
    let line = |(how, providers): (String, Vec<Bdf>)| match all {
        true => format!("What is staged is {how}."),
        false => {
            let providers = ui::list(providers.into_iter().map(|it| tree.label(it)));
            format!("What is staged from or to {providers} is {how}.")
        }
    };
    sentences.into_iter().map(line).collect()
}

/// Describes a device's memory for others, and its largest BAR if that is large.
fn memory(device: &Device) -> Vec<Piece> {
    let mut words = Vec::new();
    let bar = device.largest_bar();
    if let Some(memory) = &device.p2pmem {
        let what = match device.kind {
            Kind::Nvme => "CMB",
            _ => "p2pmem",
        };
        let bytes = ui::bytes(memory.bytes);
        words.push(match memory.published {
            _ if !device.is_provider() => Piece::new(WARNING, format!("{what} empty")),
            true => Piece::new(GOOD, format!("{what} {bytes} published")),
            false => Piece::new(GOOD, format!("{what} {bytes} not published")),
        });
        if bar >= LARGE_BAR && bar > memory.bytes {
            words.push(Piece::new(Style::new(), format!("BAR {}", ui::bytes(bar))));
        }
    } else if bar >= LARGE_BAR {
        let text = format!("BAR {} without p2pmem", ui::bytes(bar));
        words.push(Piece::new(Style::new(), text));
    }
    words
}

/// Describes a member of an array.
fn membership(disk: &Disk, member: &Membership) -> Piece {
    let has = |word: &str| member.state.iter().any(|state| state == word);
    let mut text = match member.member == disk.name {
        true => member.array.clone(),
        false => format!("{} on {}", member.array, member.member),
    };
    if member.is_container {
        text.insert_str(0, "container ");
    }
    let style = match () {
        () if member.is_container => Style::new(),
        () if has("faulty") => {
            text.push_str(" faulty");
            BAD
        }
        () if has("journal") => {
            text.push_str(" journal");
            HEADING
        }
        () if has("spare") => {
            text.push_str(" spare");
            HEADING
        }
        () => HEADING,
    };
    Piece::new(style, text)
}

/// The heading of the drives that are no PCI devices.
pub const OTHERS_TITLE: &str = "no PCI device";

/// Returns the heading of a host bridge.
pub fn host_bridge_title(bridge: &HostBridge) -> String {
    let vmd = bridge.vmd.map_or_else(String::new, |vmd| {
        let node = bridge.numa_node;
        let node = node.map(|node| format!(", NUMA node {node}"));
        format!(" of VMD {}{}", vmd.short(), node.unwrap_or_default())
    });
    match bridge.name.as_str() {
        "" => "below no known host bridge".to_owned(),
        name => format!("host bridge {}{vmd}", name),
    }
}

/// Explains why there is no matrix: no device has p2pmem.
pub const NO_PROVIDERS: &str = "There is no provider: no device has p2pmem, so there is nothing to \
                                reach. NVMe drives with a controller memory buffer (CMB) have it, \
                                and so have GPUs whose driver supports the kernel's P2PDMA.";

/// Says which providers lend nothing; `None` if all do.
pub fn no_lenders(tree: &Tree) -> Option<String> {
    let providers = tree.devices.providers();
    let others: Vec<String> = providers
        .filter(|device| !device.is_lender())
        .map(|device| tree.label(device.address))
        .collect();
    let some = match &others[..] {
        [] => return None,
        [one] => format!("{one} has p2pmem that its driver has not published. Its"),
        some => format!(
            "{} have p2pmem that their drivers have not published. Their",
            ui::list(some)
        ),
    };
    Some(format!(
        "{some} own programs can do I/O with it, but rebuilds, verify and bench cannot borrow it."
    ))
}

/// Shortens a model's name to `room` characters; `None` if too little of the name would be left.
pub fn shorten(model: &str, room: usize) -> Option<String> {
    if model.chars().count() <= room {
        return Some(model.to_owned());
    }
    let part: String = model.chars().take(room.checked_sub(1)?).collect();
    let part = part.trim_end();
    (part.chars().count() >= 5).then(|| format!("{part}…"))
}

/// Wraps `text` into lines of up to `width` characters. Unlike [`ui::wrapped`], it breaks words that
/// are longer.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().collect();
        for (number, part) in letters.chunks(width.max(1)).enumerate() {
            let part_text: String = part.iter().collect();
            match lines.last_mut() {
                Some(line) if number == 0 && length + 1 + part.len() <= width => {
                    line.push(' ');
                    line.push_str(&part_text);
                    length += 1 + part.len();
                }
                _ => {
                    lines.push(part_text);
                    length = part.len();
                }
            }
        }
    }
    lines
}
