// SPDX-License-Identifier: GPL-2.0
//! The matrix of providers and clients: who reaches whose memory, why not, and what to do about it.
//!
//! A machine with many drives has few places that differ, so drives that hang alike share a row and
//! a column.
//!
//! Tests: tests/topology.rs.

pub mod cell;
mod group;
pub mod reason;

use std::ops::Range;

use mdp2p_machine::md::reach::other_members;
use mdp2p_machine::pci::advice::{self, Advice};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::reach::{Source, Way};

use self::cell::Cell;
use self::group::Group;
use self::reason::{Cause, Evidence};
use super::tree::Tree;
use super::words;

/// Up to this many providers and clients, each has a row or a column of its own.
const FEW: usize = 16;

/// The most rows and columns that are shown.
const MOST: usize = 64;

/// The matrix.
#[derive(Clone, Debug, Default)]
pub struct Matrix {
    /// The providers.
    pub rows: Vec<Group>,
    /// The clients.
    pub columns: Vec<Group>,
    /// The cells, by row, then by column.
    pub cells: Vec<Vec<Cell>>,
    /// The width of each column in characters.
    pub widths: Vec<usize>,
    /// The reasons, which the cells number from 1.
    pub reasons: Vec<Advice>,
    /// How many providers and clients are not shown.
    hidden: (usize, usize),
}

impl Matrix {
    /// Makes the matrix of a tree. Without providers it has no rows.
    pub fn of(tree: &Tree) -> Self {
        let providers: Vec<Bdf> = tree.devices.providers().map(|it| it.address).collect();
        let clients: Vec<Bdf> = tree.clients().collect();
        let many = providers.len() > FEW || clients.len() > FEW;
        let (rows, columns) = match many {
            true => group::groups(tree, &providers, &clients),
            false => {
                let one = |&address: &Bdf| Group::of(tree, vec![address]);
                let rows = providers.iter().map(one).collect();
                (rows, clients.iter().map(one).collect())
            }
        };
        let mut matrix = Self {
            rows,
            columns,
            ..Self::default()
        };
        matrix.hidden.0 = cut_off(&mut matrix.rows);
        let mut evidence = matrix.fill_cells(tree);
        if many {
            matrix.merge_columns(tree);
            matrix.merge_rows(tree);
        }
        matrix.add_others(tree, &mut evidence);
        matrix.hidden.1 = cut_off(&mut matrix.columns);
        for cells in &mut matrix.cells {
            cells.truncate(MOST);
        }
        matrix.number_reasons(tree, &evidence);
        matrix
    }

    /// Works out the cells, and returns what their reasons are about.
    fn fill_cells(&mut self, tree: &Tree) -> Evidence {
        let mut evidence = Evidence::default();
        for row in &self.rows {
            let cells = self.columns.iter();
            let cells = cells.map(|column| Cell::of(tree, row, column, &mut evidence));
            self.cells.push(cells.collect());
        }
        evidence
    }

    /// Merges columns with equal cells.
    fn merge_columns(&mut self, tree: &Tree) {
        let column = |at: usize| -> Vec<Cell> {
            let cells = self.cells.iter().map(|cells| cells[at].clone());
            cells.collect()
        };
        let equal = group::equal_indices((0..self.columns.len()).map(column));
        self.columns = merge(tree, &self.columns, &equal);
        for cells in &mut self.cells {
            *cells = equal.iter().map(|ats| cells[ats[0]].clone()).collect();
        }
    }

    /// Merges rows with equal cells.
    fn merge_rows(&mut self, tree: &Tree) {
        let equal = group::equal_indices(self.cells.iter().cloned());
        self.rows = merge(tree, &self.rows, &equal);
        self.cells = equal.iter().map(|ats| self.cells[ats[0]].clone()).collect();
    }

    /// Adds the members that are no PCI devices, in one column.
    fn add_others(&mut self, tree: &Tree, evidence: &mut Evidence) {
        let names = other_members(&tree.arrays);
        if names.is_empty() || self.rows.is_empty() {
            return;
        }
        let labels = names.into_iter().map(str::to_owned).collect();
        self.columns.push(Group::labelled(labels));
        for cells in &mut self.cells {
            cells.push(Cell::no_pci());
        }
        evidence.causes.insert(Cause::NoPci);
    }

    /// Numbers the reasons, and measures the columns.
    fn number_reasons(&mut self, tree: &Tree, evidence: &Evidence) {
        let causes: Vec<Cause> = evidence.causes.iter().copied().collect();
        self.reasons = causes
            .iter()
            .map(|&cause| reason::explain(tree, cause, evidence))
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

    /// Returns the width of the rows' labels in characters.
    pub fn head_width(&self) -> usize {
        let widths = self.rows.iter().map(|row| row.label.chars().count());
        widths.max().unwrap_or(0)
    }

    /// Divides the columns into blocks that fit into `width` characters, with `gap` between columns.
    /// A block has at least one column.
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

    /// Returns a line for each label that stands for several devices.
    pub fn group_lines(&self) -> Vec<String> {
        let several = |group: &&Group| group.list != group.label;
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

    /// Returns a sentence about rows and columns that are not shown.
    pub fn hidden_line(&self) -> Option<String> {
        let (providers, clients) = self.hidden;
        (providers + clients > 0).then(|| {
            format!(
                "{providers} more providers and {clients} more clients are not shown; --json lists \
                 them all."
            )
        })
    }

    /// Explains the words that occur in cells.
    pub fn legend(&self, tree: &Tree) -> Vec<String> {
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
            lines.push("no: not possible.");
        }
        if any(|cell| !cell.numbers.is_empty()) {
            lines.push("Numbers in brackets refer to the reasons below.");
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
            lines
                .push("Devices that share a row or a column also reach their own memory directly.");
        }
        if any(|cell| cell.source == Source::Computed) {
            lines.push(
                "~: worked out by mdp2p from the kernel's rules. The rest is what the running \
                 kernel says (md-p2p, about the members of its arrays).",
            );
        }
        if tree.is_virtual {
            lines.push(advice::GUEST);
        }
        let lines = lines.into_iter().map(str::to_owned);
        lines.chain(words::no_lenders(tree)).collect()
    }
}

/// Cuts off the groups that are too many, and returns how many devices they hold.
fn cut_off(groups: &mut Vec<Group>) -> usize {
    let hidden = groups.iter().skip(MOST).map(|group| group.members.len());
    let hidden = hidden.sum();
    groups.truncate(MOST);
    hidden
}

/// Merges groups if their indices are together.
fn merge(tree: &Tree, groups: &[Group], equal: &[Vec<usize>]) -> Vec<Group> {
    let merge = |ats: &Vec<usize>| match ats[..] {
        [at] => groups[at].clone(),
        _ => {
            let members = ats.iter().flat_map(|&at| groups[at].members.clone());
            Group::of(tree, members.collect())
        }
    };
    equal.iter().map(merge).collect()
}
