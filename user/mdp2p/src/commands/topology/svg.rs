// SPDX-License-Identifier: GPL-2.0
//! `mdp2p topology --svg`: the tree as boxes within boxes, and the matrix below it.
//!
//! A drive is a card, coloured by the array that it is in. What a switch is above lies in
//! its box, so that those who reach each other directly are seen together. A port with one
//! device below is a line of that device's card.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use svg::Document;
use svg::node::element::{Group, Rectangle, Text};

use super::matrix::{Cell, Matrix};
use super::{MATRIX_TITLE, Tree, bridge_name, cut, no_providers, wrap};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::reach::Way;

// Pixels.
const LETTER: usize = 12;
/// What a letter of the typeface takes, in tenths.
const LETTER_WIDTH: usize = 73;
const LINE: usize = 17;
const PAD: usize = 10;
const CARD: usize = 206;
const PAGE: usize = 1120;

const INK: &str = "#1f2933";
const FAINT: &str = "#52606d";
const FRAME: &str = "#9aa5b1";
const PROVIDER: &str = "#0b7a3b";
const FREE: &str = "#ffffff";
/// Of arrays, in turn.
const COLOURS: [&str; 8] = [
    "#cfe8ff", "#ffe3c2", "#d7f5d0", "#f6d5e5", "#e3dbff", "#fff3b8", "#cdf1ee", "#e8dccb",
];

/// Draws `view` into the file at `path`: the whole of it, or nothing.
///
/// # Errors
/// If there is no such folder, something that is no file has that name, or it cannot be
/// written.
pub fn write(view: &Tree, path: &Path) -> Result<()> {
    let path = place(path)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        bail!(
            "{}: there is no folder {}; make it first",
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
        svg::write(&mut out, &draw(view))?;
        out.flush()?;
        drop(out);
        file.persist(&path)?;
        Ok(())
    };
    written().with_context(|| format!("{}: cannot be written", path.display()))
}

/// Where to write: where a link leads to.
fn place(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => bail!(
            "{}: is no file that a drawing could replace; name another",
            path.display()
        ),
        Ok(_) => fs::canonicalize(path).with_context(|| path.display().to_string()),
        Err(_) => Ok(path.to_owned()),
    }
}

/// The drawing.
pub fn draw(view: &Tree) -> Document {
    let mut sheet = Sheet::default();
    sheet.line(PAD, LINE, "PCI tree and peer-to-peer reach", INK, true);
    let colours = colours(view);
    let mut y = 2 * LINE;
    let mut right = PAGE;
    for (name, tops) in &view.bridges {
        let shapes = tops
            .iter()
            .map(|&top| shape(view, &colours, top, Vec::new()));
        let shape = Shape::Box {
            title: bridge_name(name),
            inner: shapes.collect(),
        };
        let placed = shape.place(PAGE - 2 * PAD);
        placed.draw(&mut sheet, PAD, y);
        y += placed.height + PAD;
        right = right.max(placed.width + 2 * PAD);
    }
    y = legend(&mut sheet, view, &colours, y + PAD);
    y = matrix(&mut sheet, view, y + 2 * PAD);
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

fn colours<'a>(view: &'a Tree) -> BTreeMap<&'a str, &'static str> {
    let names = view.arrays.iter().map(|array| array.name.as_str());
    names.zip(COLOURS.iter().copied().cycle()).collect()
}

/// What has been drawn.
struct Sheet {
    group: Group,
}

impl Default for Sheet {
    fn default() -> Self {
        let group = Group::new();
        Self { group }
    }
}

impl Sheet {
    fn add(&mut self, node: impl Into<Box<dyn svg::Node>>) {
        svg::Node::append(&mut self.group, node);
    }

    /// Text whose base line is at `y`.
    fn line(&mut self, x: usize, y: usize, text: &str, colour: &str, bold: bool) {
        let mut node = Text::new(text).set("x", x).set("y", y).set("fill", colour);
        if bold {
            node = node.set("font-weight", "bold");
        }
        self.add(node);
    }

    fn rectangle(&mut self, (x, y): (usize, usize), (width, height): (usize, usize), look: &Look) {
        let node = Rectangle::new()
            .set("x", x)
            .set("y", y)
            .set("width", width)
            .set("height", height)
            .set("rx", look.round)
            .set("fill", look.fill)
            .set("stroke", look.stroke)
            .set("stroke-width", look.thick);
        self.add(node);
    }

    /// Paragraphs below `y`; where they end.
    fn paragraph(&mut self, x: usize, y: usize, text: &str) -> usize {
        let lines = wrap(text, letters(PAGE - x - PAD));
        for (number, line) in lines.iter().enumerate() {
            self.line(x, y + (number + 1) * LINE, line, INK, false);
        }
        y + lines.len() * LINE
    }
}

struct Look {
    fill: &'static str,
    stroke: &'static str,
    thick: usize,
    round: usize,
}

/// How many letters fit into so many pixels.
fn letters(pixels: usize) -> usize {
    (pixels * 10 / LETTER_WIDTH).max(1)
}

/// Something to draw, before it has a place.
enum Shape {
    /// A bridge, and what is below it.
    Box { title: String, inner: Vec<Shape> },
    /// A device.
    Card {
        title: String,
        lines: Vec<String>,
        fill: &'static str,
        provider: bool,
    },
}

/// `ports`: those above it that have nothing else below.
fn shape(
    view: &Tree,
    colours: &BTreeMap<&str, &'static str>,
    address: Bdf,
    mut ports: Vec<String>,
) -> Shape {
    let Some(device) = view.devices.get(address) else {
        return Shape::Box {
            title: address.to_string(),
            inner: Vec::new(),
        };
    };
    let line = view.line(device);
    let facts = line.facts.iter().map(|fact| fact.text.clone());
    let below = view.below(address);
    if !below.is_empty() {
        let words: Vec<String> = [line.head.text.clone()].into_iter().chain(facts).collect();
        ports.push(words.join(", "));
        if let ([only], true) = (below, device.is_bridge()) {
            return shape(view, colours, *only, ports);
        }
        ports.reverse();
        return Shape::Box {
            title: ports.join(", below "),
            inner: below
                .iter()
                .map(|&child| shape(view, colours, child, Vec::new()))
                .collect(),
        };
    }
    let mut lines: Vec<String> = Vec::new();
    lines.extend(
        line.model
            .as_deref()
            .and_then(|model| cut(model, letters(CARD - 2 * PAD))),
    );
    lines.extend(facts);
    lines.extend(ports.iter().rev().map(|port| format!("below {port}")));
    let arrays = view
        .facts(address)
        .into_iter()
        .flat_map(|facts| &facts.disks);
    let array = arrays.flat_map(|disk| &disk.members).next();
    let colour = array.and_then(|member| colours.get(member.array.as_str()));
    Shape::Card {
        title: line.head.text,
        lines,
        fill: colour.copied().unwrap_or(FREE),
        provider: device
            .p2pmem
            .as_ref()
            .is_some_and(|memory| memory.published),
    }
}

/// Something with its size, and the places of what is in it.
struct Placed {
    width: usize,
    height: usize,
    title: Vec<String>,
    lines: Vec<String>,
    look: Look,
    inner: Vec<(usize, usize, Placed)>,
}

impl Shape {
    /// Gives everything a place, in rows of up to `room` pixels: wider only if one alone
    /// is.
    fn place(self, room: usize) -> Placed {
        match self {
            Shape::Card {
                title,
                lines,
                fill,
                provider,
            } => {
                let wrapped = |text: &String| wrap(text, letters(CARD - 2 * PAD));
                let title = wrapped(&title);
                let lines: Vec<String> = lines.iter().flat_map(wrapped).collect();
                let (stroke, thick) = match provider {
                    true => (PROVIDER, 3),
                    false => (FRAME, 1),
                };
                Placed {
                    width: CARD,
                    height: (title.len() + lines.len()) * LINE + PAD,
                    title,
                    lines,
                    look: Look {
                        fill,
                        stroke,
                        thick,
                        round: 4,
                    },
                    inner: Vec::new(),
                }
            }
            Shape::Box { title, inner } => Self::place_box(&title, inner, room),
        }
    }

    fn place_box(title: &str, inner: Vec<Shape>, room: usize) -> Placed {
        let room = room.saturating_sub(2 * PAD).max(CARD);
        let inner: Vec<Placed> = inner.into_iter().map(|shape| shape.place(room)).collect();
        let widest = inner.iter().map(|placed| placed.width).max().unwrap_or(0);
        let flow: usize = inner.iter().map(|placed| placed.width + PAD).sum();
        let width = flow.saturating_sub(PAD).min(room).max(widest).max(CARD);
        let title = wrap(title, letters(width));
        let (mut x, mut y, mut tallest) = (PAD, PAD + title.len() * LINE, 0);
        let mut places = Vec::new();
        for placed in inner {
            if x > PAD && x + placed.width > PAD + width {
                (x, y, tallest) = (PAD, y + tallest + PAD, 0);
            }
            tallest = tallest.max(placed.height);
            let right = x + placed.width + PAD;
            places.push((x, y, placed));
            x = right;
        }
        Placed {
            width: width + 2 * PAD,
            height: y + tallest + PAD,
            title,
            lines: Vec::new(),
            look: Look {
                fill: "none",
                stroke: FRAME,
                thick: 1,
                round: 8,
            },
            inner: places,
        }
    }
}

impl Placed {
    fn draw(&self, sheet: &mut Sheet, x: usize, y: usize) {
        sheet.rectangle((x, y), (self.width, self.height), &self.look);
        let mut base = y;
        for line in &self.title {
            base += LINE;
            sheet.line(x + PAD, base, line, INK, true);
        }
        for line in &self.lines {
            base += LINE;
            sheet.line(x + PAD, base, line, FAINT, false);
        }
        for (right, down, placed) in &self.inner {
            placed.draw(sheet, x + right, y + down);
        }
    }
}

/// What colours and frames mean; where it ends.
fn legend(
    sheet: &mut Sheet,
    view: &Tree,
    colours: &BTreeMap<&str, &'static str>,
    y: usize,
) -> usize {
    let thin = |fill| Look {
        fill,
        stroke: FRAME,
        thick: 1,
        round: 2,
    };
    let provider = Look {
        fill: FREE,
        stroke: PROVIDER,
        thick: 3,
        round: 2,
    };
    let arrays = view.arrays.iter().map(|array| {
        let fill = colours.get(array.name.as_str()).copied().unwrap_or(FREE);
        (thin(fill), format!("{} {}", array.name, array.level))
    });
    let entries = [(provider, "publishes memory (provider)".to_owned())];
    let (mut x, mut y) = (PAD, y);
    for (look, text) in entries.into_iter().chain(arrays) {
        let width = LINE + PAD + text.chars().count() * LETTER_WIDTH / 10 + 2 * PAD;
        if x > PAD && x + width > PAGE {
            (x, y) = (PAD, y + LINE + PAD);
        }
        sheet.rectangle((x, y), (LINE, LINE), &look);
        sheet.line(x + LINE + PAD, y + LETTER + 1, &text, INK, false);
        x += width;
    }
    y + LINE
}

/// The matrix and its reasons; where they end.
fn matrix(sheet: &mut Sheet, view: &Tree, y: usize) -> usize {
    let matrix = Matrix::of(view);
    if matrix.rows.is_empty() {
        return sheet.paragraph(PAD, y, no_providers(view));
    }
    sheet.line(PAD, y + LINE, MATRIX_TITLE, INK, true);
    let mut y = y + LINE + PAD;
    for columns in matrix.blocks(letters(PAGE - 4 * PAD), 3) {
        y = block(sheet, &matrix, columns, y) + PAD;
    }
    for text in matrix.groups().into_iter().chain(matrix.hidden()) {
        y = sheet.paragraph(PAD, y, &text);
    }
    for text in matrix.legend() {
        y = sheet.paragraph(PAD, y, text);
    }
    for (number, reason) in matrix.reasons.iter().enumerate() {
        sheet.line(PAD, y + PAD + LINE, &(number + 1).to_string(), INK, true);
        let what = std::iter::once(&reason.what);
        let texts = what
            .chain(&reason.remedy)
            .chain(&reason.parameter)
            .chain(&reason.consequences);
        y = texts.fold(y + PAD, |y, text| sheet.paragraph(4 * PAD, y, text));
    }
    y
}

fn block(sheet: &mut Sheet, matrix: &Matrix, columns: std::ops::Range<usize>, y: usize) -> usize {
    let pixels = |letters: usize| (letters + 2) * LETTER_WIDTH / 10;
    let height = LINE + 6;
    let left = PAD + pixels(matrix.head_width());
    let mut x = left;
    for at in columns {
        let width = pixels(matrix.widths[at]);
        sheet.line(x + 7, y + LINE, &matrix.columns[at].label, INK, true);
        for (row, cells) in matrix.cells.iter().enumerate() {
            let top = y + (row + 1) * height;
            sheet.rectangle((x, top), (width, height), &look(&cells[at]));
            sheet.line(x + 7, top + LINE, &cells[at].to_string(), INK, false);
        }
        x += width;
    }
    for (number, row) in matrix.rows.iter().enumerate() {
        let base = y + (number + 1) * height + LINE;
        sheet.line(PAD, base, &row.label, INK, true);
    }
    y + (matrix.rows.len() + 1) * height
}

fn look(cell: &Cell) -> Look {
    let fill = match cell.way {
        Way::Direct => "#d3f2d9",
        Way::ThroughHostBridge => "#fff1c7",
        Way::No => "#fbd9d7",
    };
    Look {
        fill,
        stroke: "#ffffff",
        thick: 2,
        round: 0,
    }
}
