// SPDX-License-Identifier: GPL-2.0
//! A cell of the matrix: how the clients of a column reach the providers of a row.
//!
//! Tests: tests/topology.rs.

use std::collections::BTreeSet;
use std::fmt;

use mdp2p_machine::pci::reach::{Source, Way};

use super::group::Group;
use super::reason::{Cause, Evidence};
use crate::commands::topology::tree::Tree;

/// How the clients of a column reach the providers of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Which way DMA takes.
    pub way: Way,
    /// The distance as the kernel counts it; `None` if unreachable.
    pub distance: Option<u32>,
    /// Who said so.
    pub source: Source,
    /// The numbers of the reasons, from 1.
    pub numbers: Vec<usize>,
    /// The causes, which become numbers once all are known.
    pub causes: Vec<Cause>,
}

impl Cell {
    /// Asks how a client of the column reaches a provider of the row. One pair speaks for all,
    /// because the members of a group hang alike; the two are different devices if possible.
    pub fn of(tree: &Tree, row: &Group, column: &Group, evidence: &mut Evidence) -> Self {
        let own = (row.members[0], column.members[0]);
        let two = |group: &Group| group.members.iter().copied().take(2).collect::<Vec<_>>();
        let clients = two(column);
        let mut pairs = two(row)
            .into_iter()
            .flat_map(|provider| clients.iter().map(move |&client| (provider, client)));
        let (provider, client) = pairs
            .find(|(provider, client)| provider != client)
            .unwrap_or(own);
        let reach = tree.reach(provider, client);
        let mut causes = BTreeSet::new();
        for why in reach.why {
            causes.extend(evidence.record(why, row, column));
        }
        evidence.causes.extend(&causes);
        Self {
            way: reach.way,
            distance: reach.distance,
            source: reach.source,
            numbers: Vec::new(),
            causes: causes.into_iter().collect(),
        }
    }

    /// Makes the cell of members that are no PCI devices.
    pub fn no_pci() -> Self {
        Self {
            way: Way::No,
            distance: None,
            source: Source::Computed,
            numbers: Vec::new(),
            causes: vec![Cause::NoPci],
        }
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
        let numbers: Vec<String> = self.numbers.iter().map(usize::to_string).collect();
        match &numbers[..] {
            [] => Ok(()),
            some => write!(f, " [{}]", some.join(",")),
        }
    }
}
