// SPDX-License-Identifier: GPL-2.0
//! Groups the devices that hang alike, so that they can share a row or a column.
//!
//! Tests: tests/topology.rs, and below.

use std::collections::{BTreeMap, BTreeSet};

use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::Acs;
use mdp2p_machine::pci::reach::Why;
use mdp2p_machine::sysroot::natural;

use crate::commands::topology::tree::Tree;

/// Devices that share a row or a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The first member, and how many others there are: `nvme0`, `nvme0+3`.
    pub label: String,
    /// The names of all members.
    pub list: String,
    /// The members.
    pub members: Vec<Bdf>,
    /// Ports that redirect and have only these members behind them.
    pub redirecting: Vec<Bdf>,
    /// Ports that might redirect and have only these members behind them.
    pub unknown: Vec<Bdf>,
}

/// Where a device hangs, as far as reach goes. Two devices of one position could change places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position<'a> {
    host_bridge: &'a str,
    /// The nearest bridge above the device that has other clients below it too.
    fork: Option<Bdf>,
    /// The device and the bridges below the fork: ACS, and whether it is a bridge.
    path: Vec<(Acs, bool)>,
    /// Why the device reaches no provider, wherever it is.
    refusal: Option<&'a Why>,
}

impl Group {
    /// Makes a group of devices.
    pub fn of(tree: &Tree, members: Vec<Bdf>) -> Self {
        let labels = members.iter().map(|&it| tree.label(it)).collect();
        Self {
            members,
            ..Self::labelled(labels)
        }
    }

    /// Makes a group of members that are no PCI devices.
    pub fn labelled(mut labels: Vec<String>) -> Self {
        // The numbers in addresses are hexadecimal.
        labels.sort_by_cached_key(|label| (label.parse::<Bdf>().ok(), natural(label)));
        let first = labels.first().cloned().unwrap_or_default();
        Self {
            label: match labels.len() {
                0 | 1 => first,
                number => format!("{first}+{}", number - 1),
            },
            list: list(&labels),
            ..Self::default()
        }
    }
}

/// Lists names, runs of them in short: `nvme0-nvme3, nvme8`.
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

/// Returns the indices of equal items together, in the order of the first of each.
pub fn equal_indices<T: Ord>(all: impl Iterator<Item = T>) -> Vec<Vec<usize>> {
    let mut classes = BTreeMap::new();
    let mut indices: Vec<Vec<usize>> = Vec::new();
    for (at, item) in all.enumerate() {
        let class = *classes.entry(item).or_insert(indices.len());
        match indices.get_mut(class) {
            Some(ats) => ats.push(at),
            None => indices.push(vec![at]),
        }
    }
    indices
}

/// Groups providers and clients by where they hang, and by what the kernel says of them.
pub fn groups(tree: &Tree, providers: &[Bdf], clients: &[Bdf]) -> (Vec<Group>, Vec<Group>) {
    let forks = forks(tree, clients);
    let position = |address: Bdf| position(tree, &forks, address);
    let mut rows = equal_indices(providers.iter().map(|&it| position(it)));
    if !agree_within_rows(tree, providers, &rows) {
        rows = (0..providers.len()).map(|at| vec![at]).collect();
    }
    let distances = |client: Bdf| row_distances(tree, providers, &rows, client);
    let columns = equal_indices(clients.iter().map(|&it| (position(it), distances(it))));
    let group = |all: &[Bdf], ats: &Vec<usize>| {
        let mut group = Group::of(tree, ats.iter().map(|&at| all[at]).collect());
        for &member in &group.members {
            for port in path_to_fork(tree, &forks, member) {
                match tree
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

/// Returns the bridges below which the paths to clients part.
fn forks(tree: &Tree, clients: &[Bdf]) -> BTreeSet<Bdf> {
    // A client with other clients below it counts as a fork.
    let mut forks: BTreeSet<Bdf> = clients.iter().copied().collect();
    let mut below_bridges = BTreeMap::new();
    for &client in clients {
        let mut below = client;
        for bridge in tree.devices.upwards(client).skip(1) {
            match below_bridges.insert(bridge.address, below) {
                None => {}
                Some(other) if other == below => break,
                Some(_) => drop(forks.insert(bridge.address)),
            }
            below = bridge.address;
        }
    }
    forks
}

/// Returns the device and the bridges above it, up to the fork.
fn path_to_fork(tree: &Tree, forks: &BTreeSet<Bdf>, address: Bdf) -> impl Iterator<Item = Bdf> {
    let mut end = false;
    tree.devices.upwards(address).map_while(move |device| {
        let go_on = !end;
        end = device.parent.is_none_or(|parent| forks.contains(&parent));
        go_on.then_some(device.address)
    })
}

/// Returns where a device hangs.
fn position<'a>(tree: &'a Tree, forks: &BTreeSet<Bdf>, address: Bdf) -> Position<'a> {
    let devices = tree.devices;
    let get = |address| devices.get(address);
    let path: Vec<Bdf> = path_to_fork(tree, forks, address).collect();
    let top = path.last().and_then(|&top| get(top));
    Position {
        host_bridge: get(address).map_or("", |device| &device.host_bridge),
        fork: top.and_then(|device| device.parent),
        path: path
            .iter()
            .filter_map(|&address| get(address))
            .map(|device| (device.acs, device.is_bridge()))
            .collect(),
        refusal: tree.refusal(address),
    }
}

/// The distances from a client that the kernel states, with the number of the provider's row.
/// The outer `None` is a client of which the kernel says nothing, the next a provider that it does
/// not name, the innermost a provider that the client does not reach.
type RowDistances = Option<BTreeSet<(usize, Option<Option<u32>>)>>;

/// Returns the distances from a client to all providers but itself.
fn row_distances(tree: &Tree, providers: &[Bdf], rows: &[Vec<usize>], client: Bdf) -> RowDistances {
    let distances = tree.kernel_distances(client)?;
    let mut all = BTreeSet::new();
    for (row, ats) in rows.iter().enumerate() {
        let others = ats.iter().map(|&at| providers[at]);
        for provider in others.filter(|&provider| provider != client) {
            all.insert((row, distances.get(&provider).copied()));
        }
    }
    Some(all)
}

/// Whether the kernel states one distance from each client to all providers of a row.
fn agree_within_rows(tree: &Tree, providers: &[Bdf], rows: &[Vec<usize>]) -> bool {
    tree.clients().all(|client| {
        let distances = row_distances(tree, providers, rows, client).unwrap_or_default();
        let distinct: BTreeSet<usize> = distances.iter().map(|&(row, _)| row).collect();
        distinct.len() == distances.len()
    })
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
        assert_eq!(
            equal_indices(all.into_iter()),
            [vec![0, 2], vec![1, 4], vec![3]]
        );
    }
}
