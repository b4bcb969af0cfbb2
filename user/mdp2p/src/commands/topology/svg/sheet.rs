// SPDX-License-Identifier: GPL-2.0
//! What is drawn on: text, rectangles and paragraphs, in pixels.

use svg::node::element::{Group, Rectangle, Text};

use crate::commands::topology::words::wrap;

// Pixels.
pub const LETTER: usize = 12;
/// What a letter of the typeface takes, in tenths.
pub const LETTER_WIDTH: usize = 73;
pub const LINE: usize = 17;
pub const PAD: usize = 10;
pub const CARD: usize = 206;
pub const PAGE: usize = 1120;

pub const INK: &str = "#1f2933";
pub const FAINT: &str = "#52606d";
pub const FRAME: &str = "#9aa5b1";
pub const PROVIDER: &str = "#0b7a3b";
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

    /// Text whose base line is at `y`.
    pub fn text(&mut self, x: usize, y: usize, text: &str, colour: &str, bold: bool) {
        let mut node = Text::new(text).set("x", x).set("y", y).set("fill", colour);
        if bold {
            node = node.set("font-weight", "bold");
        }
        self.add(node);
    }

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

    /// Paragraphs below `y`; where they end.
    pub fn paragraph(&mut self, x: usize, y: usize, text: &str) -> usize {
        let lines = wrap(text, letters_in(PAGE - x - PAD));
        for (number, line) in lines.iter().enumerate() {
            self.text(x, y + (number + 1) * LINE, line, INK, false);
        }
        y + lines.len() * LINE
    }
}

pub struct Paint {
    pub fill: &'static str,
    pub stroke: &'static str,
    pub thick: usize,
    pub round: usize,
}

/// How many letters fit into so many pixels.
pub fn letters_in(pixels: usize) -> usize {
    (pixels * 10 / LETTER_WIDTH).max(1)
}
