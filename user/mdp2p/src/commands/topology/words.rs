// SPDX-License-Identifier: GPL-2.0
//! Words that the text and the drawing share: those for devices, and those around the matrix.
//!
//! Tests: tests/topology.rs.

use anstyle::Style;
use mdp2p_machine::pci::config::{Acs, Kind, LARGE_BAR};
use mdp2p_machine::pci::devices::Device;

use super::facts::{Disk, Facts, Membership};
use super::tree::Tree;
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
    let name = match (own_namespace(device, facts), &facts.controller) {
        (Some(disk), _) => &disk.name,
        (None, Some(controller)) => controller,
        (None, None) => kind_name(device.kind),
    };
    let style = match device.is_bridge() {
        true => DIM,
        false => HEADING,
    };
    let model = match device.kind {
        Kind::RootPort | Kind::DownstreamPort => None,
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
        remarks: remarks(device, facts),
    }
}

/// Returns the only namespace of a drive if it is named after the controller: nvme0n1 of nvme0.
/// A multipath disk is not, because it is named after its subsystem.
fn own_namespace<'a>(device: &Device, facts: &'a Facts) -> Option<&'a Disk> {
    let [disk] = &facts.disks[..] else {
        return None;
    };
    let is_own = match &facts.controller {
        Some(controller) => disk
            .name
            .strip_prefix(controller.as_str())
            .is_some_and(|rest| rest.starts_with('n')),
        None => device.kind == Kind::Nvme,
    };
    is_own.then_some(disk)
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
fn remarks(device: &Device, facts: &Facts) -> Vec<Piece> {
    let plain = Style::new();
    let mut words = Vec::new();
    if device.acs == Acs::Redirects {
        words.push(Piece::new(WARNING, "ACS redirects"));
    }
    let own = own_namespace(device, facts);
    if let Some(disk) = own {
        words.push(Piece::new(plain, ui::bytes(disk.bytes)));
    }
    words.extend(memory(device));
    for disk in &facts.disks {
        if own.is_none() {
            words.push(Piece::new(
                plain,
                format!("{} {}", disk.name, ui::bytes(disk.bytes)),
            ));
        }
        words.extend(disk.members.iter().map(|member| membership(disk, member)));
        let others = disk.paths.iter().filter(|&&path| path != device.address);
        words.extend(others.map(|&other| Piece::new(plain, format!("also at {}", other.short()))));
    }
    match device.driver.as_deref() {
        None if device.kind == Kind::Nvme => words.push(Piece::new(WARNING, "no driver")),
        Some(driver) if !device.is_bridge() && driver != "nvme" => {
            words.push(Piece::new(plain, format!("driver {driver}")));
        }
        _ => {}
    }
    words
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
            true => Piece::new(GOOD, format!("{what} {bytes} published")),
            false => Piece::new(WARNING, format!("{what} {bytes} not published")),
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
        () if has("spare") => {
            text.push_str(" spare");
            HEADING
        }
        () => HEADING,
    };
    Piece::new(style, text)
}

/// Returns the heading of a host bridge.
pub fn host_bridge_title(name: &str) -> String {
    match name {
        "" => "below no known host bridge".to_owned(),
        name => format!("host bridge {name}"),
    }
}

/// Explains why there is no matrix: no device publishes memory.
pub fn no_providers(tree: &Tree) -> &'static str {
    let unpublished = |device: &Device| device.p2pmem.is_some();
    match tree.devices.iter().any(unpublished) {
        true => {
            "No device publishes its memory: there is p2pmem, but its driver does not publish it."
        }
        false => {
            "No device publishes memory (p2pmem), so there is nothing to reach. NVMe drives with a \
             controller memory buffer (CMB) publish it, and so do GPUs whose driver supports that."
        }
    }
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
