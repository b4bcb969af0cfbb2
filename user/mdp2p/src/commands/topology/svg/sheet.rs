// SPDX-License-Identifier: GPL-2.0
//! The sheet on which everything is drawn: text, rectangles and paragraphs, in pixels.
//!
//! Tests: tests/topology.rs.

use svg::node::element::{Group, Rectangle, Text};

use crate::commands::topology::words::wrap;

/// The height of a letter, in pixels.
pub const LETTER: usize = 12;
/// The width of a letter, in tenths of a pixel.
pub const LETTER_WIDTH: usize = 73;
/// The height of a line.
pub const LINE: usize = 17;
/// The space around things.
pub const PAD: usize = 10;
/// The width of a device's card.
pub const CARD: usize = 206;
/// The width of the page, unless a box is wider.
pub const PAGE: usize = 1120;

/// The colour of text.
pub const INK: &str = "#1f2933";
/// The colour of text that matters less.
pub const FAINT: &str = "#52606d";
/// The colour of frames.
pub const FRAME: &str = "#9aa5b1";
/// The colour of a provider's frame.
pub const PROVIDER: &str = "#009e73";
/// The colour of a drive in no array.
pub const FREE: &str = "#ffffff";

/// What has been drawn.
pub struct Sheet {
    pub group: Group,
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

    /// Writes text with its base line at `y`.
    pub fn text(&mut self, x: usize, y: usize, text: &str, colour: &str, bold: bool) {
        let mut node = Text::new(text).set("x", x).set("y", y).set("fill", colour);
        if bold {
            node = node.set("font-weight", "bold");
        }
        self.add(node);
    }

    /// Draws a rectangle.
    pub fn rectangle(
        &mut self,
        (x, y): (usize, usize),
        (width, height): (usize, usize),
        paint: &Paint,
    ) {
        let node = Rectangle::new()
            .set("x", x)
            .set("y", y)
            .set("width", width)
            .set("height", height)
            .set("rx", paint.round)
            .set("fill", paint.fill)
            .set("stroke", paint.stroke)
            .set("stroke-width", paint.thick);
        self.add(node);
    }

    /// Writes a paragraph below `y`, and returns where it ends.
    pub fn paragraph(&mut self, x: usize, y: usize, text: &str) -> usize {
        let lines = wrap(text, letters_in(PAGE - x - PAD));
        for (number, line) in lines.iter().enumerate() {
            self.text(x, y + (number + 1) * LINE, line, INK, false);
        }
        y + lines.len() * LINE
    }
}

/// How a rectangle is painted.
pub struct Paint {
    pub fill: &'static str,
    pub stroke: &'static str,
    pub thick: usize,
    pub round: usize,
}

/// Returns how many letters fit into a number of pixels.
pub fn letters_in(pixels: usize) -> usize {
    (pixels * 10 / LETTER_WIDTH).max(1)
}
