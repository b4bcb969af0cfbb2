// SPDX-License-Identifier: GPL-2.0
//! Draws the tree as boxes within boxes, with the matrix below it: `mdp2p topology --svg`.
//!
//! A drive is a card in the colour of its array. All devices below a switch lie in its box, because
//! they reach each other directly. A port with one device below it is a line of that device's card.
//!
//! Tests: tests/topology.rs.

mod shape;
mod sheet;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdp2p_machine::pci::reach::Way;
use svg::Document;
use svg::node::element::Rectangle;

use self::shape::Shape;
use self::sheet::{
    FRAME, FREE, INK, LETTER, LETTER_WIDTH, LINE, PAD, PAGE, PROVIDER, Paint, Sheet, letters_in,
};
use super::matrix::Matrix;
use super::matrix::cell::Cell;
use super::tree::Tree;
use super::words;

/// The colours of arrays, in turn.
const COLOURS: [&str; 8] = [
    "#cfe8ff", "#ffe3c2", "#d7f5d0", "#f6d5e5", "#e3dbff", "#fff3b8", "#cdf1ee", "#e8dccb",
];

/// Draws `tree` into the file at `path`, which is replaced as a whole or not at all.
///
/// # Errors
/// If the folder does not exist, `path` is something other than a file, or the file cannot be
/// written.
pub fn write(tree: &Tree, path: &Path) -> Result<()> {
    let path = destination(path)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        bail!(
            "{}: there is no folder {}; create it first",
            path.display(),
            folder.display()
        );
    }
    let written = || -> Result<()> {
        let file = tempfile::Builder::new()
            .prefix(".mdp2p-")
            .suffix(".svg")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        let mut out = BufWriter::new(&file);
        svg::write(&mut out, &draw(tree))?;
        out.flush()?;
        drop(out);
        file.persist(&path)?;
        Ok(())
    };
    written().with_context(|| format!("{}: cannot be written", path.display()))
}

/// Returns the file to write: if `path` is a link, the file to which it leads.
fn destination(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => bail!(
            "{}: is not a file, so a drawing cannot replace it; name another",
            path.display()
        ),
        Ok(_) => fs::canonicalize(path).with_context(|| path.display().to_string()),
        Err(_) => Ok(path.to_owned()),
    }
}

/// Draws the tree.
pub fn draw(tree: &Tree) -> Document {
    let mut sheet = Sheet::default();
    sheet.text(PAD, LINE, "PCI tree and peer-to-peer reach", INK, true);
    let colours = colours(tree);
    let mut y = 2 * LINE;
    let mut right = PAGE;
    for (name, tops) in &tree.host_bridges {
        let shapes = tops
            .iter()
            .map(|&top| Shape::of(tree, &colours, top, Vec::new()));
        let shape = Shape::Box {
            title: words::host_bridge_title(name),
            inner: shapes.collect(),
        };
        let placed = shape.place(PAGE - 2 * PAD);
        placed.draw(&mut sheet, PAD, y);
        y += placed.height + PAD;
        right = right.max(placed.width + 2 * PAD);
    }
    y = draw_legend(&mut sheet, tree, &colours, y + PAD);
    y = draw_matrix(&mut sheet, tree, y + 2 * PAD);
    let height = y + 2 * PAD;
    let paper = Rectangle::new()
        .set("width", "100%")
        .set("height", "100%")
        .set("fill", "#ffffff");
    Document::new()
        .set("viewBox", (0, 0, right, height))
        .set("width", right)
        .set("height", height)
        .set(
            "font-family",
            "DejaVu Sans Mono, Menlo, Consolas, monospace",
        )
        .set("font-size", LETTER)
        .add(paper)
        .add(sheet.group)
}

/// Returns the colour of each array.
fn colours<'a>(tree: &'a Tree) -> BTreeMap<&'a str, &'static str> {
    let names = tree.arrays.iter().map(|array| array.name.as_str());
    names.zip(COLOURS.iter().copied().cycle()).collect()
}

/// Draws what colours and frames mean, and returns where that ends.
fn draw_legend(
    sheet: &mut Sheet,
    tree: &Tree,
    colours: &BTreeMap<&str, &'static str>,
    y: usize,
) -> usize {
    let thin = |fill| Paint {
        fill,
        stroke: FRAME,
        thick: 1,
        round: 2,
    };
    let provider = Paint {
        fill: FREE,
        stroke: PROVIDER,
        thick: 3,
        round: 2,
    };
    let arrays = tree.arrays.iter().map(|array| {
        let fill = colours.get(array.name.as_str()).copied().unwrap_or(FREE);
        (thin(fill), format!("{} {}", array.name, array.level))
    });
    let entries = [(provider, "publishes memory (provider)".to_owned())];
    let (mut x, mut y) = (PAD, y);
    for (paint, text) in entries.into_iter().chain(arrays) {
        let width = LINE + PAD + text.chars().count() * LETTER_WIDTH / 10 + 2 * PAD;
        if x > PAD && x + width > PAGE {
            (x, y) = (PAD, y + LINE + PAD);
        }
        sheet.rectangle((x, y), (LINE, LINE), &paint);
        sheet.text(x + LINE + PAD, y + LETTER + 1, &text, INK, false);
        x += width;
    }
    y + LINE
}

/// Draws the matrix and its reasons, and returns where they end.
fn draw_matrix(sheet: &mut Sheet, tree: &Tree, y: usize) -> usize {
    let matrix = Matrix::of(tree);
    if matrix.rows.is_empty() {
        return sheet.paragraph(PAD, y, words::no_providers(tree));
    }
    sheet.text(PAD, y + LINE, words::MATRIX_TITLE, INK, true);
    let mut y = y + LINE + PAD;
    for columns in matrix.blocks(letters_in(PAGE - 4 * PAD), 3) {
        y = draw_block(sheet, &matrix, columns, y) + PAD;
    }
    for text in matrix.group_lines().into_iter().chain(matrix.hidden_line()) {
        y = sheet.paragraph(PAD, y, &text);
    }
    for text in matrix.legend() {
        y = sheet.paragraph(PAD, y, text);
    }
    for (number, reason) in matrix.reasons.iter().enumerate() {
        sheet.text(PAD, y + PAD + LINE, &(number + 1).to_string(), INK, true);
        let what = std::iter::once(&reason.what);
        let texts = what
            .chain(&reason.remedy)
            .chain(&reason.parameter)
            .chain(&reason.consequences);
        y = texts.fold(y + PAD, |y, text| sheet.paragraph(4 * PAD, y, text));
    }
    y
}

/// Draws the columns of the matrix that fit beside each other, and returns where they end.
fn draw_block(sheet: &mut Sheet, matrix: &Matrix, columns: Range<usize>, y: usize) -> usize {
    let pixels = |letters: usize| (letters + 2) * LETTER_WIDTH / 10;
    let height = LINE + 6;
    let left = PAD + pixels(matrix.head_width());
    let mut x = left;
    for at in columns {
        let width = pixels(matrix.widths[at]);
        sheet.text(x + 7, y + LINE, &matrix.columns[at].label, INK, true);
        for (row, cells) in matrix.cells.iter().enumerate() {
            let top = y + (row + 1) * height;
            sheet.rectangle((x, top), (width, height), &cell_paint(&cells[at]));
            sheet.text(x + 7, top + LINE, &cells[at].to_string(), INK, false);
        }
        x += width;
    }
    for (number, row) in matrix.rows.iter().enumerate() {
        let base = y + (number + 1) * height + LINE;
        sheet.text(PAD, base, &row.label, INK, true);
    }
    y + (matrix.rows.len() + 1) * height
}

/// Returns the colour of a cell.
fn cell_paint(cell: &Cell) -> Paint {
    let fill = match cell.way {
        Way::Direct => "#d3f2d9",
        Way::ThroughHostBridge => "#fff1c7",
        Way::No => "#fbd9d7",
    };
    Paint {
        fill,
        stroke: "#ffffff",
        thick: 2,
        round: 0,
    }
}
