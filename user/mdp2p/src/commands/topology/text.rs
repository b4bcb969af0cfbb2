// SPDX-License-Identifier: GPL-2.0
//! Shows the tree and the matrix on a terminal.
//!
//! Tests: tests/topology.rs.

use std::ops::Range;

use anstyle::Style;
use mdp2p_machine::pci::advice::{self, Advice};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::Acs;
use mdp2p_machine::pci::devices::{DEVICES, Device};
use mdp2p_machine::pci::reach::Way;

use super::matrix::Matrix;
use super::matrix::cell::Cell;
use super::tree::Tree;
use super::words::{self, Line, Piece, shorten, wrap};
use crate::ui::{self, BAD, GOOD, HEADING, WARNING, styled};

/// Renders the tree and, below it, the matrix. No line is longer than `width`.
pub fn render(tree: &Tree, width: usize) -> String {
    let mut out = String::new();
    let no_pci = tree.devices.iter().next().is_none();
    if no_pci {
        let none = match tree.sysroot.needs(&[DEVICES]) {
            Ok(()) => format!("No PCI device in /{DEVICES}."),
            Err(_) => "PCI devices were not captured.".to_owned(),
        };
        put_paragraph(&mut out, width, "", &none);
    }
    for bridge in &tree.host_bridges {
        put_title(&mut out, width, &words::host_bridge_title(bridge));
        put_branch(tree, &bridge.devices, width, &mut out);
    }
    put_others(tree, width, &mut out);
    if no_pci {
        return out;
    }
    if tree.host_bridges.is_empty() && tree.others.is_empty() {
        out += "No NVMe drive, and no device with p2pmem or a large BAR.\n";
    }
    let left_out = tree.left_out();
    let counts = [(left_out.devices, "device"), (left_out.bridges, "bridge")];
    let counts = counts.map(|(number, what)| (number > 0).then(|| ui::count(number, what)));
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if !counts.is_empty() {
        let text = format!(
            "Left out (no drive, p2pmem or large BAR): {}. --all shows all.",
            counts.join(" and ")
        );
        put_paragraph(&mut out, width, "", &text);
    }
    let blind = |device: &Device| device.is_bridge() && device.acs == Acs::Unknown;
    if tree.visible().any(blind) {
        let text = match tree.sysroot.is_here() {
            true => "Only root can see which ports have ACS redirect.".to_owned(),
            false => format!(
                "It was not captured which ports have ACS redirect. {}",
                advice::CAPTURE
            ),
        };
        put_paragraph(&mut out, width, "", &text);
    }
    out.push('\n');
    put_matrix(tree, width, &mut out);
    out
}

/// Writes a heading.
fn put_title(out: &mut String, width: usize, title: &str) {
    for line in wrap(title, width) {
        *out += &styled(HEADING, line);
        out.push('\n');
    }
}

/// Writes the drives that are no PCI devices.
fn put_others(tree: &Tree, width: usize, out: &mut String) {
    if let Some((last, others)) = tree.others.split_last() {
        put_title(out, width, words::OTHERS_TITLE);
        for other in others {
            put_line(out, "├─", "│     ", &words::describe_other(other), width);
        }
        put_line(out, "└─", "      ", &words::describe_other(last), width);
    }
}

/// Writes the devices on a root bus, and all devices below them.
fn put_branch(tree: &Tree, tops: &[Bdf], width: usize, out: &mut String) {
    // The address, the lines drawn before it, and whether the device is the last of its bus.
    let mut rest: Vec<(Bdf, String, bool)> = Vec::new();
    let push = |rest: &mut Vec<_>, addresses: &[Bdf], before: &str| {
        let last = addresses.last().copied();
        let entries = addresses.iter().rev();
        rest.extend(entries.map(|&address| (address, before.to_owned(), last == Some(address))));
    };
    push(&mut rest, tops, "");
    while let Some((address, before, last)) = rest.pop() {
        let Some(device) = tree.devices.get(address) else {
            continue;
        };
        let (here, next) = match last {
            true => ("└─", "  "),
            false => ("├─", "│ "),
        };
        let below = tree.children(address);
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
            &words::describe(tree, device),
            width,
        );
        push(&mut rest, below, &next);
    }
}

/// Keeps the end of the lines drawn before a device, if the device hangs so deep that no room would
/// be left.
fn clip(lines: &str, room: usize) -> String {
    let length = lines.chars().count();
    if length <= room {
        return lines.to_owned();
    }
    let end = lines.chars().skip(length - room + 1);
    std::iter::once('…').chain(end).collect()
}

/// Writes a device's line. What does not fit goes to the next line, after `more`.
fn put_line(out: &mut String, first: &str, more: &str, line: &Line, width: usize) {
    let length = |text: &str| text.chars().count();
    let remarks: usize = line
        .remarks
        .iter()
        .map(|remark| length(&remark.text) + 2)
        .sum();
    let room = width.saturating_sub(length(first) + length(&line.head.text) + remarks + 2);
    let model = line.model.as_deref().and_then(|model| shorten(model, room));
    let model = model.map(|model| Piece::new(Style::new(), model));
    let pieces = [&line.head].into_iter().chain(&model).chain(&line.remarks);
    put_pieces(out, first, more, pieces, width);
    for disk in &line.disks {
        put_pieces(out, more, &format!("{more}  "), disk, width);
    }
}

/// Writes pieces after `first`. What does not fit goes to the next line, after `more`.
fn put_pieces<'a>(
    out: &mut String,
    first: &str,
    more: &str,
    pieces: impl IntoIterator<Item = &'a Piece>,
    width: usize,
) {
    let length = |text: &str| text.chars().count();
    out.push_str(first);
    let mut column = length(first);
    let mut gap = "";
    for piece in pieces {
        if column + gap.len() + length(&piece.text) > width && !gap.is_empty() {
            out.push('\n');
            out.push_str(more);
            (column, gap) = (length(more), "");
        }
        // A name that is longer than a line is broken, so that no part of it is lost.
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

/// Writes `text` in indented lines.
fn put_paragraph(out: &mut String, width: usize, indent: &str, text: &str) {
    // Longer lines are hard to read.
    let width = width.min(100) - indent.len();
    for line in wrap(text, width) {
        out.push_str(indent);
        out.push_str(&line);
        out.push('\n');
    }
}

/// Writes the matrix with all that explains it.
fn put_matrix(tree: &Tree, width: usize, out: &mut String) {
    let matrix = Matrix::of(tree);
    if matrix.rows.is_empty() {
        put_paragraph(out, width, "", words::NO_PROVIDERS);
        return;
    }
    put_title(out, width, words::MATRIX_TITLE);
    out.push('\n');
    for columns in matrix.blocks(width, 2) {
        put_block(&matrix, columns, out);
        out.push('\n');
    }
    for text in matrix.group_lines().into_iter().chain(matrix.hidden_line()) {
        put_paragraph(out, width, "", &text);
    }
    for text in matrix.legend(tree) {
        put_paragraph(out, width, "", &text);
    }
    for text in words::staging(tree) {
        put_paragraph(out, width, "", &text);
    }
    for (number, reason) in matrix.reasons.iter().enumerate() {
        put_reason(number + 1, reason, width, out);
    }
}

/// Writes the columns of the matrix that fit beside each other.
fn put_block(matrix: &Matrix, columns: Range<usize>, out: &mut String) {
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
            *out += &styled(cell_style(cell), &text);
            gap = width - text.chars().count();
        }
        out.push('\n');
    }
}

fn cell_style(cell: &Cell) -> Style {
    match cell.way {
        Way::Direct => GOOD,
        Way::ThroughHostBridge => WARNING,
        Way::No => BAD,
    }
}

/// Writes a reason and what to do about it.
fn put_reason(number: usize, reason: &Advice, width: usize, out: &mut String) {
    let mut indent = format!("{number}  ");
    out.push('\n');
    let mut text = String::new();
    put_paragraph(&mut text, width, "   ", &reason.what);
    // The number stands where the first line is indented.
    indent.truncate(3);
    *out += &indent;
    *out += text.strip_prefix("   ").unwrap_or(&text);
    for line in &reason.remedy {
        put_paragraph(out, width, "   ", line);
    }
    if let Some(parameter) = &reason.parameter {
        let mut parts = Vec::new();
        put_parameter(parameter, width, &mut parts);
        for part in parts {
            *out += &format!("     {part}\n");
        }
    }
    for line in reason.below_parameter() {
        put_paragraph(out, width, "   ", &line);
    }
}

/// Breaks a kernel parameter into lines after semicolons, if it is too long for one.
fn put_parameter(parameter: &str, width: usize, lines: &mut Vec<String>) {
    for part in parameter.split_inclusive(';') {
        match lines.last_mut() {
            Some(line) if line.len() + part.len() + 5 <= width => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
}
