// SPDX-License-Identifier: GPL-2.0
//! Who reaches whose memory: providers by clients, with the reasons and what to do about
//! them.
//!
//! A machine with many drives has few places that differ: drives that hang alike share a
//! row and a column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::{Tree, short};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::Acs;
use mdp2p_machine::pci::devices::DEVICES;
use mdp2p_machine::pci::reach::{Source, Way, Why};
use mdp2p_machine::sysroot::natural;

/// Up to so many providers, or clients, each has a row, or a column, of its own.
const FEW: usize = 16;

/// No more rows and columns than this are shown.
const MOST: usize = 64;

/// The matrix.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// Providers.
    pub rows: Vec<Group>,
    /// Clients.
    pub columns: Vec<Group>,
    /// By row, then column.
    pub cells: Vec<Vec<Cell>>,
    /// Characters that each column takes.
    pub widths: Vec<usize>,
    /// What the numbers in the cells mean, from 1.
    pub reasons: Vec<Reason>,
    /// Providers and clients that are not shown.
    hidden: (usize, usize),
}

/// Devices that share a row or a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// `nvme0`, or `nvme0+3`: it and three others.
    pub label: String,
    /// All of them.
    pub list: String,
    members: Vec<Bdf>,
    /// Ports that only they are behind, and that redirect.
    redirecting: Vec<Bdf>,
    /// Or might.
    unknown: Vec<Bdf>,
}

/// How the clients of a column reach the providers of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Which way.
    pub way: Way,
    /// As the kernel counts.
    pub distance: Option<u32>,
    /// Who said so.
    pub source: Source,
    /// Which of [`Matrix::reasons`], from 1.
    pub numbers: Vec<usize>,
    causes: Vec<Cause>,
}

/// Why a client does not reach a provider, or not directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A sentence.
    pub what: String,
    /// What to do.
    pub remedy: Vec<String>,
    /// A kernel parameter that does it.
    pub parameter: Option<String>,
    /// What else to know about that.
    pub consequences: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Acs,
    HostBridge,
    SameHostBridge,
    AcsUnknown,
    Disagrees,
}

/// What the causes are about, of all cells together.
#[derive(Default)]
struct Found {
    redirecting: BTreeSet<Bdf>,
    unknown: BTreeSet<Bdf>,
    bridges: BTreeMap<String, Option<(u16, u16)>>,
    same: BTreeSet<String>,
    causes: BTreeSet<Cause>,
}

/// Where a device hangs, as far as reach goes: two that hang alike could change places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position<'a> {
    host_bridge: &'a str,
    /// The nearest bridge above it that other clients are below too.
    fork: Option<Bdf>,
    /// The device and what is between: ACS, and whether it is a port.
    below_fork: Vec<(Acs, bool)>,
}

impl Matrix {
    /// Of what `view` has. It has no rows if there are no providers.
    pub fn of(view: &Tree) -> Self {
        let providers: Vec<Bdf> = view.devices.providers().map(|it| it.address).collect();
        let clients: Vec<Bdf> = view.clients().collect();
        let many = providers.len() > FEW || clients.len() > FEW;
        let (rows, columns) = match many {
            true => groups(view, &providers, &clients),
            false => {
                let one = |&address: &Bdf| Group::of(view, vec![address]);
                let rows = providers.iter().map(one).collect();
                (rows, clients.iter().map(one).collect())
            }
        };
        let mut matrix = Self {
            rows,
            columns,
            ..Self::default()
        };
        matrix.hidden.0 = hide(&mut matrix.rows);
        let found = matrix.fill(view);
        if many {
            matrix.merge_columns(view);
            matrix.merge_rows(view);
        }
        matrix.hidden.1 = hide(&mut matrix.columns);
        for cells in &mut matrix.cells {
            cells.truncate(MOST);
        }
        matrix.number(view, &found);
        matrix
    }

    fn fill(&mut self, view: &Tree) -> Found {
        let mut found = Found::default();
        for row in &self.rows {
            let cells = self.columns.iter();
            let cells = cells.map(|column| cell(view, row, column, &mut found));
            self.cells.push(cells.collect());
        }
        found
    }

    fn merge_columns(&mut self, view: &Tree) {
        let column = |at: usize| -> Vec<Cell> {
            let cells = self.cells.iter().map(|cells| cells[at].clone());
            cells.collect()
        };
        let equal = equal((0..self.columns.len()).map(column));
        self.columns = merged(view, &self.columns, &equal);
        for cells in &mut self.cells {
            *cells = equal.iter().map(|ats| cells[ats[0]].clone()).collect();
        }
    }

    fn merge_rows(&mut self, view: &Tree) {
        let equal = equal(self.cells.iter().cloned());
        self.rows = merged(view, &self.rows, &equal);
        self.cells = equal.iter().map(|ats| self.cells[ats[0]].clone()).collect();
    }

    /// Gives the causes that there are their numbers, and the columns their widths.
    fn number(&mut self, view: &Tree, found: &Found) {
        let causes: Vec<Cause> = found.causes.iter().copied().collect();
        self.reasons = causes
            .iter()
            .map(|&cause| reason(view, cause, found))
            .collect();
        for cell in self.cells.iter_mut().flatten() {
            let number = |cause: &Cause| causes.iter().position(|it| it == cause);
            let numbers = cell.causes.iter().filter_map(number);
            cell.numbers = numbers.map(|number| number + 1).collect();
        }
        let width = |(at, column): (usize, &Group)| {
            let cells = self.cells.iter().map(|cells| cells[at].to_string());
            let texts = cells.chain([column.label.clone()]);
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        };
        self.widths = self.columns.iter().enumerate().map(width).collect();
    }

    /// Characters that the labels of rows take.
    pub fn head_width(&self) -> usize {
        let widths = self.rows.iter().map(|row| row.label.chars().count());
        widths.max().unwrap_or(0)
    }

    /// The columns in as many blocks as it takes for each to fit into `width` characters,
    /// with `gap` between columns. A block has one column at least.
    pub fn blocks(&self, width: usize, gap: usize) -> Vec<Range<usize>> {
        let mut blocks = Vec::new();
        let mut start = 0;
        let mut used = self.head_width();
        for (at, column) in self.widths.iter().enumerate() {
            if used + gap + column > width && at > start {
                blocks.push(start..at);
                (start, used) = (at, self.head_width());
            }
            used += gap + column;
        }
        if start < self.widths.len() {
            blocks.push(start..self.widths.len());
        }
        blocks
    }

    /// A line for each label that stands for several devices.
    pub fn groups(&self) -> Vec<String> {
        let several = |group: &&Group| group.members.len() > 1;
        let mut lines = Vec::new();
        for row in self.rows.iter().filter(several) {
            let what = match self.columns.contains(row) {
                true => "",
                false => "row ",
            };
            lines.push(format!("{what}{}: {}", row.label, row.list));
        }
        for column in self.columns.iter().filter(several) {
            if !self.rows.contains(column) {
                lines.push(format!("column {}: {}", column.label, column.list));
            }
        }
        lines
    }

    /// A sentence about what is not shown.
    pub fn hidden(&self) -> Option<String> {
        let (providers, clients) = self.hidden;
        (providers + clients > 0).then(|| {
            format!(
                "{providers} more providers and {clients} more clients are not shown; --json has \
                 them all."
            )
        })
    }

    /// What the words in the cells mean, of those that occur.
    pub fn legend(&self) -> Vec<&'static str> {
        let any = |is_it: fn(&Cell) -> bool| self.cells.iter().flatten().any(is_it);
        let mut lines = Vec::new();
        if any(|cell| cell.way == Way::Direct) {
            lines.push(
                "direct: from port to port of a switch, or within the device. The number is the \
                 kernel's distance.",
            );
        }
        if any(|cell| cell.way == Way::ThroughHostBridge) {
            lines.push("bridge: up to the host bridge and down again, at that distance.");
        }
        if any(|cell| cell.way == Way::No) {
            lines.push("no: it cannot be.");
        }
        if any(|cell| !cell.numbers.is_empty()) {
            lines.push("Numbers at the end are those of the reasons below.");
        }
        let own = |(row, column): (&Group, &Group)| {
            let same = column.members.iter().any(|it| row.members.contains(it));
            same && row.members.len() + column.members.len() > 2
        };
        let pairs = self.rows.iter().flat_map(|row| {
            let columns = self.columns.iter();
            columns.map(move |column| (row, column))
        });
        if pairs.into_iter().any(own) {
            lines.push("Whatever shares a row or a column reaches its own memory directly too.");
        }
        if any(|cell| cell.source == Source::Computed) {
            lines.push(
                "~: worked out by mdp2p, by the kernel's rules. All else the running kernel says \
                 (md-p2p, of the members of its arrays).",
            );
        }
        lines
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source == Source::Computed {
            f.write_str("~")?;
        }
        if let Some(distance) = self.distance {
            write!(f, "{distance} ")?;
        }
        f.write_str(match self.way {
            Way::Direct => "direct",
            Way::ThroughHostBridge => "bridge",
            Way::No => "no",
        })?;
        for (at, number) in self.numbers.iter().enumerate() {
            let before = if at == 0 { " " } else { "," };
            write!(f, "{before}{number}")?;
        }
        Ok(())
    }
}

impl Group {
    fn of(view: &Tree, members: Vec<Bdf>) -> Self {
        let mut labels: Vec<String> = members.iter().map(|&it| view.label(it)).collect();
        labels.sort_by_cached_key(|label| natural(label));
        let first = labels.first().cloned().unwrap_or_default();
        Self {
            label: match labels.len() {
                0 | 1 => first,
                number => format!("{first}+{}", number - 1),
            },
            list: list(&labels),
            members,
            ..Self::default()
        }
    }
}

/// `nvme0-nvme3, nvme8`
fn list(labels: &[String]) -> String {
    let number = |label: &str| label.strip_prefix("nvme")?.parse::<u64>().ok();
    let follows = |a: &String, b: &String| {
        let next = number(a).and_then(|number| number.checked_add(1));
        next.is_some() && next == number(b)
    };
    let runs = labels.chunk_by(follows).map(|run| match run {
        [first, _, .., last] => format!("{first}-{last}"),
        run => run.join(", "),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Cuts off what is too much; how many devices that are.
fn hide(groups: &mut Vec<Group>) -> usize {
    let hidden = groups.iter().skip(MOST).map(|group| group.members.len());
    let hidden = hidden.sum();
    groups.truncate(MOST);
    hidden
}

/// The numbers of those that are equal, together; in the order of the first ones.
fn equal<T: Ord>(all: impl Iterator<Item = T>) -> Vec<Vec<usize>> {
    let mut places = BTreeMap::new();
    let mut equal: Vec<Vec<usize>> = Vec::new();
    for (at, item) in all.enumerate() {
        let place = *places.entry(item).or_insert(equal.len());
        match equal.get_mut(place) {
            Some(ats) => ats.push(at),
            None => equal.push(vec![at]),
        }
    }
    equal
}

fn merged(view: &Tree, groups: &[Group], equal: &[Vec<usize>]) -> Vec<Group> {
    let merge = |ats: &Vec<usize>| match ats[..] {
        [at] => groups[at].clone(),
        _ => {
            let members = ats.iter().flat_map(|&at| groups[at].members.clone());
            Group::of(view, members.collect())
        }
    };
    equal.iter().map(merge).collect()
}

/// Providers and clients by where they hang, and by what the kernel says of them.
fn groups(view: &Tree, providers: &[Bdf], clients: &[Bdf]) -> (Vec<Group>, Vec<Group>) {
    let forks = forks(view, clients);
    let place = |address: Bdf| place(view, &forks, address);
    let mut rows = equal(providers.iter().map(|&it| place(it)));
    if !is_even(view, providers, &rows) {
        rows = (0..providers.len()).map(|at| vec![at]).collect();
    }
    let told = |client: Bdf| told(view, providers, &rows, client);
    let columns = equal(clients.iter().map(|&it| (place(it), told(it))));
    let group = |all: &[Bdf], ats: &Vec<usize>| {
        let mut group = Group::of(view, ats.iter().map(|&at| all[at]).collect());
        for &member in &group.members {
            for port in below_fork(view, &forks, member) {
                match view
                    .devices
                    .get(port)
                    .map(|device| (device.acs, device.is_bridge()))
                {
                    Some((Acs::Redirects, _)) => group.redirecting.push(port),
                    Some((Acs::Unknown, true)) => group.unknown.push(port),
                    _ => {}
                }
            }
        }
        group
    };
    (
        rows.iter().map(|ats| group(providers, ats)).collect(),
        columns.iter().map(|ats| group(clients, ats)).collect(),
    )
}

/// The bridges below which the ways to clients part.
fn forks(view: &Tree, clients: &[Bdf]) -> BTreeSet<Bdf> {
    // A client that others hang below counts as one.
    let mut forks: BTreeSet<Bdf> = clients.iter().copied().collect();
    let mut ways = BTreeMap::new();
    for &client in clients {
        let mut below = client;
        for bridge in view.devices.upwards(client).skip(1) {
            match ways.insert(bridge.address, below) {
                None => {}
                Some(other) if other == below => break,
                Some(_) => drop(forks.insert(bridge.address)),
            }
            below = bridge.address;
        }
    }
    forks
}

/// The device and the bridges above it, up to where other clients are.
fn below_fork(view: &Tree, forks: &BTreeSet<Bdf>, address: Bdf) -> impl Iterator<Item = Bdf> {
    let mut end = false;
    view.devices.upwards(address).map_while(move |device| {
        let go_on = !end;
        end = device.parent.is_none_or(|parent| forks.contains(&parent));
        go_on.then_some(device.address)
    })
}

fn place<'a>(view: &Tree<'a>, forks: &BTreeSet<Bdf>, address: Bdf) -> Position<'a> {
    let devices = view.devices;
    let get = |address| devices.get(address);
    let way: Vec<Bdf> = below_fork(view, forks, address).collect();
    let top = way.last().and_then(|&top| get(top));
    Position {
        host_bridge: get(address).map_or("", |device| &device.host_bridge),
        fork: top.and_then(|device| device.parent),
        below_fork: way
            .iter()
            .filter_map(|&address| get(address))
            .map(|device| (device.acs, device.is_bridge()))
            .collect(),
    }
}

/// What the kernel says of a client, by rows: what of any provider that it is not itself.
/// None if it says nothing; of a row that it does not know too.
type Told = Option<BTreeSet<(usize, Option<Option<u32>>)>>;

fn told(view: &Tree, providers: &[Bdf], rows: &[Vec<usize>], client: Bdf) -> Told {
    let told = view.told_of(client)?;
    let mut all = BTreeSet::new();
    for (row, ats) in rows.iter().enumerate() {
        let others = ats.iter().map(|&at| providers[at]);
        for provider in others.filter(|&provider| provider != client) {
            all.insert((row, told.get(&provider).copied()));
        }
    }
    Some(all)
}

/// Whether the kernel says the same of all providers of a row.
fn is_even(view: &Tree, providers: &[Bdf], rows: &[Vec<usize>]) -> bool {
    view.clients().all(|client| {
        let told = told(view, providers, rows, client).unwrap_or_default();
        let distinct: BTreeSet<usize> = told.iter().map(|&(row, _)| row).collect();
        distinct.len() == told.len()
    })
}

/// What holds of any of a row and any of a column that are two: they hang alike.
fn cell(view: &Tree, row: &Group, column: &Group, found: &mut Found) -> Cell {
    let own = (row.members[0], column.members[0]);
    let two = |group: &Group| group.members.iter().copied().take(2).collect::<Vec<_>>();
    let clients = two(column);
    let mut pairs = two(row)
        .into_iter()
        .flat_map(|provider| clients.iter().map(move |&client| (provider, client)));
    let (provider, client) = pairs
        .find(|(provider, client)| provider != client)
        .unwrap_or(own);
    let reach = view.reach(provider, client);
    let mut causes = BTreeSet::new();
    for why in reach.why {
        causes.extend(found.add(why, row, column));
    }
    found.causes.extend(&causes);
    Cell {
        way: reach.way,
        distance: reach.distance,
        source: reach.source,
        numbers: Vec::new(),
        causes: causes.into_iter().collect(),
    }
}

impl Found {
    /// Remembers what `why` is about. What follows from another cause is none.
    fn add(&mut self, why: Why, row: &Group, column: &Group) -> Option<Cause> {
        Some(match why {
            Why::AcsRedirect { ports } => {
                let others = row.redirecting.iter().chain(&column.redirecting);
                self.redirecting.extend(others.copied().chain(ports));
                Cause::Acs
            }
            Why::AcsUnknown { ports } => {
                let others = row.unknown.iter().chain(&column.unknown);
                self.unknown.extend(others.copied().chain(ports));
                Cause::AcsUnknown
            }
            Why::HostBridge { bridge, id } => {
                self.bridges.insert(bridge, id);
                Cause::HostBridge
            }
            Why::SameHostBridgeOnly { bridge } => {
                self.same.insert(bridge);
                Cause::SameHostBridge
            }
            Why::KernelDisagrees => Cause::Disagrees,
            Why::NoCommonBridge | Why::HostBridgeTrusted => return None,
        })
    }
}

fn reason(view: &Tree, cause: Cause, found: &Found) -> Reason {
    let plain = |what: String, remedy: &str| Reason {
        what,
        remedy: vec![remedy.to_owned()],
        parameter: None,
        consequences: Vec::new(),
    };
    match cause {
        Cause::Acs => acs_reason(view, &found.redirecting),
        Cause::HostBridge => {
            let bridges = found.bridges.iter().map(|(bridge, id)| match id {
                Some((vendor, device)) => format!("{bridge} ({vendor:04x}:{device:04x})"),
                None => format!("{bridge} (unknown)"),
            });
            let bridges = bridges.collect::<Vec<_>>().join(", ");
            plain(
                format!(
                    "It would have to pass a host bridge that the kernel does not trust with it: \
                     {bridges}."
                ),
                "Put provider and client below the same switch, or use a machine whose host \
                 bridge is on the kernel's list: AMD Zen and later, Intel Xeon Scalable and later.",
            )
        }
        Cause::SameHostBridge => {
            let bridges = found.same.iter().cloned().collect::<Vec<_>>().join(", ");
            plain(
                format!("The kernel trusts {bridges} only between devices that are both below it."),
                "Put provider and client below the same host bridge, or the same switch.",
            )
        }
        Cause::AcsUnknown => plain(
            format!(
                "Only root can see whether ACS redirects at {}; it is taken not to.",
                ports(&found.unknown)
            ),
            "Run mdp2p as root.",
        ),
        Cause::Disagrees => plain(
            "The kernel says so, against its rules as mdp2p knows them.".to_owned(),
            "The kernel is right. swiotlb=force, a guest with encrypted memory, or a device that \
             cannot address the provider's memory can be the cause of it.",
        ),
    }
}

fn acs_reason(view: &Tree, redirecting: &BTreeSet<Bdf>) -> Reason {
    let iommu = |port: &Bdf| view.sysroot.link(format!("{DEVICES}/{port}/iommu_group"));
    let (parameter, by_kind) = parameter(view, redirecting);
    let mut consequences = vec![
        "Then devices below these ports are not isolated from each other any more: they cannot \
         be given to different guests or to programs that must not meet."
            .to_owned(),
    ];
    if by_kind {
        let text = "This names all ports of that make; addresses with semicolons between name single ones.";
        consequences.push(text.to_owned());
    }
    consequences.push(
        match redirecting.iter().any(|port| iommu(port).is_some()) {
            true => {
                "An IOMMU is on, so the kernel sets ACS redirect itself. iommu=pt does not change \
                 that; iommu=off would, but not what the firmware has set."
            }
            false => {
                "No IOMMU is on, so the firmware has set it: its setup may have a switch for ACS."
            }
        }
        .to_owned(),
    );
    Reason {
        what: format!(
            "ACS redirects requests to the host bridge at {}.",
            ports(redirecting)
        ),
        remedy: vec![
            "To have switches pass them on, boot with this (GRUB wants semicolons quoted):"
                .to_owned(),
        ],
        parameter: Some(parameter),
        consequences,
    }
}

/// What makes the kernel clear ACS redirect (Documentation/admin-guide/kernel-parameters.txt),
/// and whether it names ports by vendor and device: many addresses fit on no command line.
fn parameter(view: &Tree, ports: &BTreeSet<Bdf>) -> (String, bool) {
    const MANY: usize = 8;
    let kinds: BTreeSet<String> = ports
        .iter()
        .filter_map(|&port| view.devices.get(port))
        .map(|device| format!("pci:{:04x}:{:04x}", device.vendor, device.device))
        .collect();
    let by_kind = ports.len() > MANY && kinds.len() < ports.len();
    let names: Vec<String> = match by_kind {
        true => kinds.into_iter().collect(),
        false => ports.iter().map(|&port| short(port)).collect(),
    };
    (
        format!("pci=disable_acs_redir={}", names.join(";")),
        by_kind,
    )
}

/// Their addresses, if they are not too many.
fn ports(all: &BTreeSet<Bdf>) -> String {
    const MANY: usize = 8;
    let names: Vec<String> = all.iter().take(MANY).map(|&port| short(port)).collect();
    let more = match all.len().saturating_sub(MANY) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_names_are_written_short() {
        let labels = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        for (names, short) in [
            ("nvme0", "nvme0"),
            ("nvme0 nvme1", "nvme0, nvme1"),
            ("nvme0 nvme1 nvme2", "nvme0-nvme2"),
            (
                "nvme1 nvme2 nvme3 nvme9 41:00.0",
                "nvme1-nvme3, nvme9, 41:00.0",
            ),
        ] {
            assert_eq!(list(&labels(names)), short, "{names}");
        }
    }

    #[test]
    fn equal_ones_come_together_in_the_order_of_the_first() {
        let all = ["b", "a", "b", "c", "a"];
        assert_eq!(equal(all.into_iter()), [vec![0, 2], vec![1, 4], vec![3]]);
    }
}
