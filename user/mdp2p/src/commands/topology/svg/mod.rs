// SPDX-License-Identifier: GPL-2.0
//! Draws the tree as boxes within boxes, with the matrix below it: `mdp2p topology --svg`.
//!
//! A drive is a card in the colour of its array. All devices below a switch lie in its box, because
//! they reach each other directly. A port with one device below it is a line of that device's card.
//!
//! Tests: tests/topology.rs.

mod shape;
mod sheet;

use std::fs::{self, Permissions};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mdp2p_machine::pci::reach::Way;
use svg::Document;
use svg::node::element::Rectangle;

use self::shape::{Colours, Flow, Shape};
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

/// The most pixels of a side: some programs refuse more than 32,767.
const LARGEST: usize = 32_000;

/// Draws `tree` into the file at `path`, which is replaced as a whole or not at all. A file that is
/// there keeps its owner and its mode.
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
        write_to(tree, BufWriter::new(&file))?;
        if let Ok(old) = fs::metadata(&path) {
            // The mode comes last, because a change of the owner clears some of its bits.
            fchown(&file, Some(old.uid()), Some(old.gid()))
                .context("the owner would be another; name another file")?;
            file.as_file().set_permissions(old.permissions())?;
        }
        file.persist(&path)?;
        Ok(())
    };
    written().with_context(|| format!("{}: cannot be written", path.display()))
}

/// Writes the drawing to `out`.
///
/// # Errors
/// If `out` takes no more.
pub fn write_to(tree: &Tree, mut out: impl Write) -> Result<()> {
    svg::write(&mut out, &draw(tree))?;
    Ok(out.flush()?)
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
    let flow = lay_out(&Shape::all(tree, &colours));
    let mut y = 2 * LINE;
    for (right, down, placed) in &flow.places {
        placed.draw(&mut sheet, PAD + right, y + down);
    }
    y += flow.height + PAD;
    let width = PAGE.max(flow.width + 2 * PAD);
    y = draw_legend(&mut sheet, tree, &colours, y + PAD);
    y = draw_matrix(&mut sheet, tree, width, y + 2 * PAD);
    let height = y + 2 * PAD;
    // The view box has all of it, so a drawing that programs refuse as too large becomes smaller.
    let shrink = |pixels: usize| pixels * LARGEST / width.max(height).max(LARGEST);
    let paper = Rectangle::new()
        .set("width", "100%")
        .set("height", "100%")
        .set("fill", "#ffffff");
    Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", shrink(width))
        .set("height", shrink(height))
        .set(
            "font-family",
            "DejaVu Sans Mono, Menlo, Consolas, monospace",
        )
        .set("font-size", LETTER)
        .add(paper)
        .add(sheet.group)
}

/// Places shapes on a page that is made wider until it is no longer much higher than wide.
fn lay_out(shapes: &[Shape]) -> Flow {
    let mut page = PAGE;
    loop {
        let flow = Flow::of(shapes, page - 2 * PAD);
        if flow.height <= 2 * page || page >= LARGEST / 2 {
            return flow;
        }
        page += page / 2;
    }
}

/// Returns the colour of each array.
fn colours<'a>(tree: &'a Tree) -> Colours<'a> {
    let names = tree.arrays.iter().map(|array| array.name.as_str());
    names.zip(COLOURS.iter().copied().cycle()).collect()
}

/// Draws what colours and frames mean, and returns where that ends.
fn draw_legend(sheet: &mut Sheet, tree: &Tree, colours: &Colours, y: usize) -> usize {
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
    let entries = [(provider, "has p2pmem (provider)".to_owned())];
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
fn draw_matrix(sheet: &mut Sheet, tree: &Tree, width: usize, y: usize) -> usize {
    let matrix = Matrix::of(tree);
    if matrix.rows.is_empty() {
        return sheet.paragraph(PAD, y, words::NO_PROVIDERS);
    }
    sheet.text(PAD, y + LINE, words::MATRIX_TITLE, INK, true);
    let mut y = y + LINE + PAD;
    for columns in matrix.blocks(letters_in(width - 4 * PAD), 3) {
        y = draw_block(sheet, &matrix, columns, y) + PAD;
    }
    for text in matrix.group_lines().into_iter().chain(matrix.hidden_line()) {
        y = sheet.paragraph(PAD, y, &text);
    }
    for text in matrix.legend(tree) {
        y = sheet.paragraph(PAD, y, &text);
    }
    for (number, reason) in matrix.reasons.iter().enumerate() {
        sheet.text(PAD, y + PAD + LINE, &(number + 1).to_string(), INK, true);
        let below = reason.below_parameter();
        let texts = std::iter::once(&reason.what)
            .chain(&reason.remedy)
            .chain(&reason.parameter)
            .chain(&below);
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

/// Returns the colour of a cell: sky blue, yellow and vermilion of Okabe and Ito, made lighter, which
/// people who do not see red and green apart can tell. The cell also says the word.
fn cell_paint(cell: &Cell) -> Paint {
    let fill = match cell.way {
        Way::Direct => "#a9d8f4",
        Way::ThroughHostBridge => "#f7ef9f",
        Way::No => "#e69a63",
    };
    Paint {
        fill,
        stroke: "#ffffff",
        thick: 2,
        round: 0,
    }
}
