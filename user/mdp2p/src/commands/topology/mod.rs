// SPDX-License-Identifier: GPL-2.0
//! `mdp2p topology`: the PCI tree with the drives and arrays on it, and who reaches whose
//! memory.
//!
//! What there is to say is gathered once, in a [`Tree`]. The text and the JSON are made of
//! it here, the drawing in [`crate::commands::topology::svg`], and the matrix of both in [`crate::commands::topology::matrix`].

mod matrix;
pub mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anstyle::Style;
use anyhow::Result;
use serde::ser::{Serialize, Serializer};

use self::matrix::{Cell, Matrix, Reason};
use crate::command::Command;
use crate::ui::{self, BAD, DIM, GOOD, HEADING, WARNING, styled};
use clap::Args;
use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::md::reach::{Distances, Known};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{Acs, Kind, LARGE_BAR};
use mdp2p_machine::pci::controllers;
use mdp2p_machine::pci::devices::{DEVICES, Device, Devices};
use mdp2p_machine::pci::ids::{self, Id};
use mdp2p_machine::pci::reach::{Reach, Way};
use mdp2p_machine::sysroot::{self, Sysroot, natural};

/// `mdp2p topology`
#[derive(Args, Debug)]
#[command(after_help = "\
Each drive, GPU and other device with memory for others is a line of the tree; --all has every \
device. In the matrix below it a row is a provider and a column a client.

Examples:
  mdp2p topology
  mdp2p topology --svg machine.svg
  mdp2p topology --json | jq '.reach[] | select(.way == \"no\")'")]
pub struct Topology {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw it into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Show all devices
    #[arg(long)]
    pub all: bool,
}

impl Command for Topology {
    fn changes(&self) -> bool {
        false
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// PCI has 256 buses in a domain: whatever hangs deeper is garbage.
const DEEPEST: usize = 256;

/// What stands above the matrix.
pub const MATRIX_TITLE: &str = "Who reaches whose memory (rows: providers, columns: clients)";

/// Does it; the exit status.
///
/// # Errors
/// With what was wrong.
pub fn run(sysroot: &Sysroot, options: &Topology) -> Result<u8> {
    let devices = Devices::read(sysroot)?;
    let view = Tree::gather(sysroot, &devices, options.all)?;
    if let Some(path) = &options.svg {
        svg::write(&view, path)?;
    }
    if options.json {
        ui::json(&Json::of(&view))?;
        return Ok(0);
    }
    let mut out = ui::out();
    match &options.svg {
        Some(path) => writeln!(out, "{}: drawn", path.display())?,
        None => out.write_all(text(&view, ui::width()).as_bytes())?,
    }
    Ok(0)
}

/// What there is to say of a device, beside what [`Device`] has.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Facts {
    /// Its model, or else what the list of PCI names has.
    pub model: Option<String>,
    /// An NVMe controller's name: `nvme0`.
    pub controller: Option<String>,
    /// And serial number.
    pub serial: Option<String>,
    /// The disks that are reached through it.
    pub disks: Vec<Disk>,
}

/// A whole disk: of NVMe, a namespace.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Disk {
    /// As in `/sys/class/block`: `nvme0n1`.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// The devices that it is reached through: several with NVMe multipath.
    pub paths: Vec<Bdf>,
    /// What of it is a member of an array.
    pub members: Vec<Membership>,
}

/// A disk, or something on it, as a member of an array.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Membership {
    /// The array.
    pub array: String,
    /// The member: the disk, a partition of it, or what was made of it.
    pub member: String,
    /// md's `state` of it.
    pub state: Vec<String>,
}

/// The PCI tree of a machine, and all that is on it.
pub struct Tree<'a> {
    /// The machine.
    pub sysroot: &'a Sysroot,
    /// All of its PCI devices.
    pub devices: &'a Devices,
    /// Its arrays.
    pub arrays: Vec<Array>,
    /// Each host bridge that has something to show, and what is on its root bus.
    pub bridges: Vec<(String, Vec<Bdf>)>,
    known: Known<'a>,
    facts: BTreeMap<Bdf, Facts>,
    children: BTreeMap<Bdf, Vec<Bdf>>,
    shown: BTreeSet<Bdf>,
}

/// A device in words.
pub struct Line {
    /// Address and name.
    pub head: Piece,
    /// May be cut.
    pub model: Option<String>,
    /// May not.
    pub facts: Vec<Piece>,
}

/// Some words in one style.
pub struct Piece {
    /// Without control characters.
    pub text: String,
    /// On a terminal.
    pub style: Style,
}

/// A piece.
fn piece(style: Style, text: impl Into<String>) -> Piece {
    let text = text.into();
    Piece { text, style }
}

impl<'a> Tree<'a> {
    /// Of `host`, whose PCI devices are `devices`. Those that nothing of interest is on are
    /// shown only with `all`.
    ///
    /// # Errors
    /// If sysfs holds what cannot be understood; the file is named.
    pub fn gather(sysroot: &'a Sysroot, devices: &'a Devices, all: bool) -> Result<Self> {
        let arrays = array::all(sysroot)?;
        let mut facts = facts(sysroot, &arrays)?;
        let (tops, mut children) = hang(devices);
        let mut shown = BTreeSet::new();
        let bare = Facts::default();
        for device in devices.iter() {
            let facts = facts.get(&device.address).unwrap_or(&bare);
            if all || is_of_interest(device, facts) {
                shown.insert(device.address);
                for bridge in devices.upwards(device.address).skip(1) {
                    // If it is shown already, so is what is above.
                    if !shown.insert(bridge.address) {
                        break;
                    }
                }
            }
        }
        for below in children.values_mut() {
            below.retain(|address| shown.contains(address));
        }
        name(sysroot, devices, &shown, &mut facts);
        Ok(Self {
            sysroot,
            devices,
            known: Known::of(sysroot, devices, &arrays),
            arrays,
            bridges: bridges(devices, &tops, &shown),
            facts,
            children,
            shown,
        })
    }

    /// Those devices right below one that are shown.
    pub fn below(&self, address: Bdf) -> &[Bdf] {
        self.children.get(&address).map_or(&[], Vec::as_slice)
    }

    /// What there is to say of a device.
    pub fn facts(&self, address: Bdf) -> Option<&Facts> {
        self.facts.get(&address)
    }

    /// Those that are shown, by address.
    pub fn shown(&self) -> impl Iterator<Item = &Device> {
        self.devices
            .iter()
            .filter(|device| self.shown.contains(&device.address))
    }

    /// How many devices and bridges are not shown.
    pub fn left_out(&self) -> LeftOut {
        let hidden = |device: &&Device| !self.shown.contains(&device.address);
        let (bridges, devices): (Vec<&Device>, Vec<&Device>) = self
            .devices
            .iter()
            .filter(hidden)
            .partition(|device| device.is_bridge());
        LeftOut {
            devices: devices.len(),
            bridges: bridges.len(),
        }
    }

    /// Those that might do DMA to a provider's memory: NVMe controllers, and whatever else
    /// has memory for others itself.
    pub fn clients(&self) -> impl Iterator<Item = Bdf> {
        let is_client = |device: &&Device| device.kind == Kind::Nvme || device.p2pmem.is_some();
        self.devices
            .iter()
            .filter(is_client)
            .map(|device| device.address)
    }

    /// How a client reaches a provider: what the kernel says, if it does.
    pub fn reach(&self, provider: Bdf, client: Bdf) -> Reach {
        self.known.reach(provider, client)
    }

    /// What the kernel says of a client: the distance to each provider, none if it is
    /// unreachable.
    pub fn told_of(&self, client: Bdf) -> Option<&Distances> {
        self.known.told_of(client)
    }

    /// A device's short name: `nvme0`, or its address.
    pub fn label(&self, address: Bdf) -> String {
        let controller = self
            .facts(address)
            .and_then(|facts| facts.controller.clone());
        controller.unwrap_or_else(|| short(address))
    }

    /// A device in words.
    pub fn line(&self, device: &Device) -> Line {
        let bare = Facts::default();
        let facts = self.facts(device.address).unwrap_or(&bare);
        let name = match (own_disk(device, facts), &facts.controller) {
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
            head: piece(style, format!("{} {name}", short(device.address))),
            model,
            facts: in_words(device, facts),
        }
    }
}

/// How many devices are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// That are no bridges.
    pub devices: usize,
    /// That are.
    pub bridges: usize,
}

/// The one namespace of a drive, if it is named after the controller: nvme0n1 of nvme0. A
/// multipath disk is not, but after its subsystem.
fn own_disk<'a>(device: &Device, facts: &'a Facts) -> Option<&'a Disk> {
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

fn is_of_interest(device: &Device, facts: &Facts) -> bool {
    device.kind == Kind::Nvme
        || device.p2pmem.is_some()
        || device.largest_bar() >= LARGE_BAR
        || facts.disks.iter().any(|disk| !disk.members.is_empty())
}

/// What hangs below what; first those that hang below nothing that is known.
fn hang(devices: &Devices) -> (Vec<Bdf>, BTreeMap<Bdf, Vec<Bdf>>) {
    let mut children: BTreeMap<Bdf, Vec<Bdf>> = BTreeMap::new();
    let mut tops = Vec::new();
    for device in devices.iter() {
        match device
            .parent
            .filter(|&parent| devices.get(parent).is_some())
        {
            Some(parent) => children.entry(parent).or_default().push(device.address),
            None => tops.push(device.address),
        }
    }
    let mut reached = BTreeSet::new();
    for &top in &tops {
        climb_down(top, &mut children, &mut reached);
    }
    // Only garbage hangs in a ring or too deep. It is shown all the same.
    for device in devices.iter() {
        if !reached.contains(&device.address) {
            let above = device.parent.and_then(|parent| children.get_mut(&parent));
            if let Some(siblings) = above {
                siblings.retain(|&sibling| sibling != device.address);
            }
            tops.push(device.address);
            climb_down(device.address, &mut children, &mut reached);
        }
    }
    (tops, children)
}

/// Puts all below `top` into `reached`, and cuts off what is too deep.
fn climb_down(top: Bdf, children: &mut BTreeMap<Bdf, Vec<Bdf>>, reached: &mut BTreeSet<Bdf>) {
    let mut rest = vec![(top, 0)];
    while let Some((address, depth)) = rest.pop() {
        reached.insert(address);
        if depth == DEEPEST {
            children.remove(&address);
        }
        let below = children.get(&address).into_iter().flatten();
        rest.extend(below.map(|&child| (child, depth + 1)));
    }
}

fn bridges(devices: &Devices, tops: &[Bdf], shown: &BTreeSet<Bdf>) -> Vec<(String, Vec<Bdf>)> {
    let mut bridges: BTreeMap<&str, Vec<Bdf>> = BTreeMap::new();
    for &top in tops.iter().filter(|top| shown.contains(top)) {
        let name = devices.get(top).map_or("", |device| &device.host_bridge);
        bridges.entry(name).or_default().push(top);
    }
    let mut bridges: Vec<(String, Vec<Bdf>)> = bridges
        .into_iter()
        .map(|(name, tops)| (name.to_owned(), tops))
        .collect();
    bridges.sort_by_cached_key(|(name, _)| natural(name));
    bridges
}

/// The models and disks of all devices that have any.
fn facts(sysroot: &Sysroot, arrays: &[Array]) -> Result<BTreeMap<Bdf, Facts>> {
    let controllers = sysroot::each(&sysroot.names("sys/class/nvme")?, |name| {
        let folder = format!("sys/class/nvme/{name}");
        // One over a fabric is no PCI device.
        let Some(address) = target(sysroot, &folder).and_then(|path| controllers::nearest(&path))
        else {
            return Ok(None);
        };
        let text = |file: &str| {
            let text = sysroot.read_if(format!("{folder}/{file}"))?;
            anyhow::Ok(
                text.map(|text| clean(&text))
                    .filter(|text| !text.is_empty()),
            )
        };
        let facts = Facts {
            model: text("model")?,
            serial: text("serial")?,
            controller: Some(name.to_owned()),
            ..Facts::default()
        };
        Ok(Some((address, facts)))
    })?;
    let mut facts: BTreeMap<Bdf, Facts> = controllers.into_iter().collect();
    for disk in disks(sysroot, arrays)? {
        for &path in &disk.paths {
            facts.entry(path).or_default().disks.push(disk.clone());
        }
    }
    Ok(facts)
}

/// All whole disks that are reached through PCI devices.
fn disks(sysroot: &Sysroot, arrays: &[Array]) -> Result<Vec<Disk>> {
    const BLOCK: &str = "sys/class/block";
    let mut members: BTreeMap<String, Vec<Membership>> = BTreeMap::new();
    for array in arrays {
        for member in &array.members {
            for disk in made_of(sysroot, &member.name, 0)? {
                members.entry(disk).or_default().push(Membership {
                    array: array.name.clone(),
                    member: member.name.clone(),
                    state: member.state.clone(),
                });
            }
        }
    }
    sysroot::each(&sysroot.names(BLOCK)?, |name| {
        let Some(link) = target(sysroot, &format!("{BLOCK}/{name}")) else {
            return Ok(None);
        };
        if is_hidden_path(name) || whole(sysroot, &link).is_some() {
            return Ok(None);
        }
        let paths = match controllers::nearest(&link) {
            Some(address) => vec![address],
            None if name.starts_with("nvme") => match controllers::of(sysroot, name) {
                Ok(paths) => paths,
                Err(_) if !sysroot.has(format!("{BLOCK}/{name}")) => return Ok(None),
                Err(error) => return Err(error),
            },
            None => return Ok(None),
        };
        let sectors = sysroot.value_if::<u64>(format!("{BLOCK}/{name}/size"))?;
        Ok(Some(Disk {
            bytes: sectors.unwrap_or(0).saturating_mul(512),
            paths,
            members: members.get(name).cloned().unwrap_or_default(),
            name: name.to_owned(),
        }))
    })
}

/// The whole disks that a member is made of: itself, what it is a partition of, or what is
/// below device mapper or another array.
fn made_of(sysroot: &Sysroot, name: &str, depth: usize) -> Result<BTreeSet<String>> {
    let folder = format!("sys/class/block/{name}");
    let slaves = sysroot.names(format!("{folder}/slaves"))?;
    if !slaves.is_empty() && depth < 8 {
        let mut found = BTreeSet::new();
        for slave in slaves {
            found.extend(made_of(sysroot, &slave, depth + 1)?);
        }
        return Ok(found);
    }
    let disk = target(sysroot, &folder).and_then(|link| whole(sysroot, &link));
    Ok(BTreeSet::from([disk.unwrap_or_else(|| name.to_owned())]))
}

/// The disk that the block device which lies at `link` is a partition of.
fn whole(sysroot: &Sysroot, link: &Path) -> Option<String> {
    let above = link.parent()?.file_name()?.to_str()?;
    // `block` and a controller's name are no block devices.
    let is_block = sysroot.has(format!("sys/class/block/{above}"));
    is_block.then(|| above.to_owned())
}

/// Whether it is one path of a multipath disk: `nvme0c1n1`. md never gets to see it.
fn is_hidden_path(name: &str) -> bool {
    let after = |text: &str| {
        let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.starts_with('c')
    };
    name.strip_prefix("nvme").is_some_and(after)
}

fn target(sysroot: &Sysroot, path: &str) -> Option<PathBuf> {
    fs::read_link(sysroot.path(path)).ok()
}

/// Without what might harm a terminal or is no character in XML.
fn clean(text: &str) -> String {
    let is_fine = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars()
        .map(|c| if is_fine(c) { c } else { '?' })
        .collect()
}

/// Names those that are shown and have no model.
fn name(
    sysroot: &Sysroot,
    devices: &Devices,
    shown: &BTreeSet<Bdf>,
    facts: &mut BTreeMap<Bdf, Facts>,
) {
    let id = |device: &Device| -> Id { (device.vendor, device.device) };
    let nameless: Vec<&Device> = devices
        .iter()
        .filter(|device| shown.contains(&device.address))
        .filter(|device| {
            let facts = facts.get(&device.address);
            facts.is_none_or(|facts| facts.model.is_none())
        })
        .collect();
    let wanted = nameless.iter().map(|device| id(device)).collect();
    let names = ids::find(sysroot, &wanted);
    for device in nameless {
        if let Some(name) = names.get(&id(device)) {
            facts.entry(device.address).or_default().model = Some(clean(name));
        }
    }
}

/// An address without the domain if that is 0, as `lspci` has it.
pub fn short(address: Bdf) -> String {
    let text = address.to_string();
    match address.domain {
        0 => text.trim_start_matches("0000:").to_owned(),
        _ => text,
    }
}

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

/// What is said of a device behind its name.
fn in_words(device: &Device, facts: &Facts) -> Vec<Piece> {
    let plain = Style::new();
    let mut words = Vec::new();
    if device.acs == Acs::Redirects {
        words.push(piece(WARNING, "ACS redirects"));
    }
    let own = own_disk(device, facts);
    if let Some(disk) = own {
        words.push(piece(plain, ui::bytes(disk.bytes)));
    }
    words.extend(memory(device));
    for disk in &facts.disks {
        if own.is_none() {
            words.push(piece(
                plain,
                format!("{} {}", disk.name, ui::bytes(disk.bytes)),
            ));
        }
        words.extend(disk.members.iter().map(|member| membership(disk, member)));
        let others = disk.paths.iter().filter(|&&path| path != device.address);
        words.extend(others.map(|&other| piece(plain, format!("also at {}", short(other)))));
    }
    match device.driver.as_deref() {
        None if device.kind == Kind::Nvme => words.push(piece(WARNING, "no driver")),
        Some(driver) if !device.is_bridge() && driver != "nvme" => {
            words.push(piece(plain, format!("driver {}", clean(driver))));
        }
        _ => {}
    }
    words
}

/// Its memory for others, and its largest BAR if that is worth a word.
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
            true => piece(GOOD, format!("{what} {bytes} published")),
            false => piece(WARNING, format!("{what} {bytes} not published")),
        });
        if bar >= LARGE_BAR && bar > memory.bytes {
            words.push(piece(Style::new(), format!("BAR {}", ui::bytes(bar))));
        }
    } else if bar >= LARGE_BAR {
        let text = format!("BAR {} without p2pmem", ui::bytes(bar));
        words.push(piece(Style::new(), text));
    }
    words
}

fn membership(disk: &Disk, member: &Membership) -> Piece {
    let has = |word: &str| member.state.iter().any(|state| state == word);
    let mut text = match member.member == disk.name {
        true => member.array.clone(),
        false => format!("{} on {}", member.array, member.member),
    };
    let style = match () {
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
    piece(style, clean(&text))
}

/// The tree, and below it the matrix. No line is longer than `width`.
pub fn text(view: &Tree, width: usize) -> String {
    let mut out = String::new();
    if view.devices.iter().next().is_none() {
        let none = format!("No PCI device in /{DEVICES}.");
        paragraph(&mut out, width, "", &none);
        return out;
    }
    for (name, tops) in &view.bridges {
        out += &styled(HEADING, bridge_name(name));
        out.push('\n');
        branch(view, tops, width, &mut out);
    }
    if view.bridges.is_empty() {
        out += "No NVMe drive, and nothing with p2pmem or a large BAR.\n";
    }
    let left_out = view.left_out();
    let counts = [(left_out.devices, "device"), (left_out.bridges, "bridge")];
    let counts = counts.map(|(number, what)| (number > 0).then(|| count(number, what)));
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if !counts.is_empty() {
        let text = format!(
            "Left out, with no drive, p2pmem or large BAR: {}. --all shows all.",
            counts.join(" and ")
        );
        paragraph(&mut out, width, "", &text);
    }
    let blind = |device: &Device| device.is_bridge() && device.acs == Acs::Unknown;
    if view.shown().any(blind) {
        let text = "Only root can see which ports have ACS redirect.";
        paragraph(&mut out, width, "", text);
    }
    out.push('\n');
    put_matrix(view, width, &mut out);
    out
}

/// What a host bridge is called.
pub fn bridge_name(name: &str) -> String {
    match name {
        "" => "below no host bridge that is known".to_owned(),
        name => format!("host bridge {name}"),
    }
}

/// `1 device`, `2 devices`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// What is on a root bus and all that is below.
fn branch(view: &Tree, tops: &[Bdf], width: usize, out: &mut String) {
    // The address, what is drawn before it, and whether it is the last of its bus.
    let mut rest: Vec<(Bdf, String, bool)> = Vec::new();
    let push = |rest: &mut Vec<_>, addresses: &[Bdf], before: &str| {
        let last = addresses.last().copied();
        let entries = addresses.iter().rev();
        rest.extend(entries.map(|&address| (address, before.to_owned(), last == Some(address))));
    };
    push(&mut rest, tops, "");
    while let Some((address, before, last)) = rest.pop() {
        let Some(device) = view.devices.get(address) else {
            continue;
        };
        let (here, next) = match last {
            true => ("└─", "  "),
            false => ("├─", "│ "),
        };
        let below = view.below(address);
        let next = format!("{before}{next}");
        let more = match below {
            [] => format!("{next}    "),
            _ => format!("{next}│   "),
        };
        let first = clip(&format!("{before}{here}"), width / 2);
        put_line(
            out,
            &first,
            &clip(&more, width / 2),
            &view.line(device),
            width,
        );
        push(&mut rest, below, &next);
    }
}

/// The end of what is drawn before a device, if it hangs so deep that no room would be left.
fn clip(lines: &str, room: usize) -> String {
    let length = lines.chars().count();
    if length <= room {
        return lines.to_owned();
    }
    let end = lines.chars().skip(length - room + 1);
    std::iter::once('…').chain(end).collect()
}

/// A device's line; what does not fit goes on in the next, behind `more`.
fn put_line(out: &mut String, first: &str, more: &str, line: &Line, width: usize) {
    let length = |text: &str| text.chars().count();
    let facts: usize = line.facts.iter().map(|fact| length(&fact.text) + 2).sum();
    let room = width.saturating_sub(length(first) + length(&line.head.text) + facts + 2);
    let model = line.model.as_deref().and_then(|model| cut(model, room));
    let model = model.map(|model| piece(Style::new(), model));
    let pieces = [&line.head].into_iter().chain(&model).chain(&line.facts);
    out.push_str(first);
    let mut column = length(first);
    let mut gap = "";
    for piece in pieces {
        if column + gap.len() + length(&piece.text) > width && !gap.is_empty() {
            out.push('\n');
            out.push_str(more);
            (column, gap) = (length(more), "");
        }
        // A name that is longer than a line is broken: nothing of it is lost.
        let mut letters = piece.text.chars().peekable();
        while letters.peek().is_some() {
            if column + gap.len() >= width {
                out.push('\n');
                out.push_str(more);
                (column, gap) = (length(more), "");
            }
            let room = width.saturating_sub(column + gap.len()).max(1);
            let part: String = letters.by_ref().take(room).collect();
            column += gap.len() + length(&part);
            out.push_str(gap);
            out.push_str(&styled(piece.style, part));
            gap = "";
        }
        gap = "  ";
    }
    out.push('\n');
}

/// As much of a model's name as there is room for; none if that would tell nothing.
pub fn cut(model: &str, room: usize) -> Option<String> {
    if model.chars().count() <= room {
        return Some(model.to_owned());
    }
    let part: String = model.chars().take(room.checked_sub(1)?).collect();
    let part = part.trim_end();
    (part.chars().count() >= 5).then(|| format!("{part}…"))
}

/// The words of `text` in lines of up to `width`; longer words are broken.
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

fn paragraph(out: &mut String, width: usize, indent: &str, text: &str) {
    // Longer lines are hard to read.
    let width = width.min(100) - indent.len();
    for line in wrap(text, width) {
        out.push_str(indent);
        out.push_str(&line);
        out.push('\n');
    }
}

/// What there is to say where nobody publishes memory.
pub fn no_providers(view: &Tree) -> &'static str {
    let unpublished = |device: &Device| device.p2pmem.is_some();
    match view.devices.iter().any(unpublished) {
        true => {
            "No device publishes its memory: there is p2pmem, but its driver keeps it to itself."
        }
        false => {
            "No device publishes memory for others (p2pmem): nothing is there to be reached. NVMe \
             drives with a controller memory buffer (CMB) do, and GPUs whose driver supports it."
        }
    }
}

fn put_matrix(view: &Tree, width: usize, out: &mut String) {
    let matrix = Matrix::of(view);
    if matrix.rows.is_empty() {
        paragraph(out, width, "", no_providers(view));
        return;
    }
    for line in wrap(MATRIX_TITLE, width) {
        *out += &styled(HEADING, line);
        out.push('\n');
    }
    out.push('\n');
    for columns in matrix.blocks(width, 2) {
        put_block(&matrix, columns, out);
        out.push('\n');
    }
    for text in matrix.groups().into_iter().chain(matrix.hidden()) {
        paragraph(out, width, "", &text);
    }
    for text in matrix.legend() {
        paragraph(out, width, "", text);
    }
    for (number, reason) in matrix.reasons.iter().enumerate() {
        put_reason(number + 1, reason, width, out);
    }
}

fn put_block(matrix: &Matrix, columns: std::ops::Range<usize>, out: &mut String) {
    let first = matrix.head_width();
    *out += &" ".repeat(first);
    let mut gap = 0;
    for (column, width) in matrix.columns[columns.clone()]
        .iter()
        .zip(&matrix.widths[columns.clone()])
    {
        *out += &" ".repeat(gap + 2);
        *out += &styled(HEADING, &column.label);
        gap = width - column.label.chars().count();
    }
    out.push('\n');
    for (row, cells) in matrix.rows.iter().zip(&matrix.cells) {
        *out += &styled(HEADING, &row.label);
        let mut gap = first - row.label.chars().count();
        for (cell, width) in cells[columns.clone()]
            .iter()
            .zip(&matrix.widths[columns.clone()])
        {
            let text = cell.to_string();
            *out += &" ".repeat(gap + 2);
            *out += &styled(style(cell), &text);
            gap = width - text.chars().count();
        }
        out.push('\n');
    }
}

fn style(cell: &Cell) -> Style {
    match cell.way {
        Way::Direct => GOOD,
        Way::ThroughHostBridge => WARNING,
        Way::No => BAD,
    }
}

fn put_reason(number: usize, reason: &Reason, width: usize, out: &mut String) {
    let mut indent = format!("{number}  ");
    out.push('\n');
    let mut text = String::new();
    paragraph(&mut text, width, "   ", &reason.what);
    // The number stands where the first line is indented.
    indent.truncate(3);
    *out += &indent;
    *out += text.strip_prefix("   ").unwrap_or(&text);
    for line in &reason.remedy {
        paragraph(out, width, "   ", line);
    }
    if let Some(parameter) = &reason.parameter {
        let mut parts = Vec::new();
        put_parameter(parameter, width, &mut parts);
        for part in parts {
            *out += &format!("     {part}\n");
        }
    }
    for line in &reason.consequences {
        paragraph(out, width, "   ", line);
    }
}

/// A kernel parameter is broken after semicolons, if it has to be.
fn put_parameter(parameter: &str, width: usize, lines: &mut Vec<String>) {
    for part in parameter.split_inclusive(';') {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() + 5 <= width => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Json<'a> {
    host_bridges: Vec<JsonBridge<'a>>,
    devices: Vec<JsonDevice<'a>>,
    left_out: LeftOut,
    arrays: Vec<JsonArray<'a>>,
    reach: JsonPairs<'a>,
}

#[derive(serde::Serialize)]
struct JsonBridge<'a> {
    name: &'a str,
    devices: &'a [Bdf],
}

#[derive(serde::Serialize)]
struct JsonDevice<'a> {
    #[serde(flatten)]
    device: &'a Device,
    id: String,
    #[serde(flatten)]
    facts: Facts,
}

#[derive(serde::Serialize)]
struct JsonArray<'a> {
    name: &'a str,
    level: &'a str,
    state: &'a str,
    driver: array::Driver,
    p2p_state: Option<&'a str>,
    members: Vec<JsonMember<'a>>,
}

#[derive(serde::Serialize)]
struct JsonMember<'a> {
    name: &'a str,
    slot: Option<u32>,
    state: &'a [String],
    controllers: &'a [Bdf],
}

/// Every provider with every client, worked out as they are written: there may be many.
struct JsonPairs<'a>(&'a Tree<'a>);

#[derive(serde::Serialize)]
struct JsonPair {
    provider: Bdf,
    client: Bdf,
    #[serde(flatten)]
    reach: Reach,
}

impl<'a> Json<'a> {
    fn of(view: &'a Tree<'a>) -> Self {
        let bridges = view.bridges.iter();
        let devices = view.shown();
        Self {
            host_bridges: bridges
                .map(|(name, devices)| JsonBridge { name, devices })
                .collect(),
            devices: devices
                .map(|device| JsonDevice {
                    device,
                    id: format!("{:04x}:{:04x}", device.vendor, device.device),
                    facts: view.facts(device.address).cloned().unwrap_or_default(),
                })
                .collect(),
            left_out: view.left_out(),
            arrays: view.arrays.iter().map(JsonArray::of).collect(),
            reach: JsonPairs(view),
        }
    }
}

impl<'a> JsonArray<'a> {
    fn of(array: &'a Array) -> Self {
        let member = |member: &'a array::Member| JsonMember {
            name: &member.name,
            slot: member.slot,
            state: &member.state,
            controllers: &member.controllers,
        };
        Self {
            name: &array.name,
            level: &array.level,
            state: &array.state,
            driver: array.driver,
            p2p_state: array.p2p.as_ref().map(|p2p| p2p.state.as_str()),
            members: array.members.iter().map(member).collect(),
        }
    }
}

impl Serialize for JsonPairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        serializer.collect_seq(view.devices.providers().flat_map(|provider| {
            let provider = provider.address;
            view.clients().map(move |client| JsonPair {
                provider,
                client,
                reach: view.reach(provider, client),
            })
        }))
    }
}
