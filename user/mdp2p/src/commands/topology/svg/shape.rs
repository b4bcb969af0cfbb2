// SPDX-License-Identifier: GPL-2.0
//! Makes boxes and cards of the tree, and gives each its place.
//!
//! Tests: tests/topology.rs.

use std::collections::BTreeMap;

use mdp2p_machine::pci::bdf::Bdf;

use super::sheet::{CARD, FAINT, FRAME, FREE, INK, LINE, PAD, PROVIDER, Paint, Sheet, letters_in};
use crate::commands::topology::tree::Tree;
use crate::commands::topology::words;

/// A box or a card before it has a place.
pub enum Shape {
    /// A bridge, and the devices below it.
    Box { title: String, inner: Vec<Shape> },
    /// A device.
    Card {
        title: String,
        lines: Vec<String>,
        fill: &'static str,
        provider: bool,
    },
}

/// A shape with its size, and with the places of the shapes in it.
pub struct Placed {
    pub width: usize,
    pub height: usize,
    title: Vec<String>,
    lines: Vec<String>,
    paint: Paint,
    inner: Vec<(usize, usize, Placed)>,
}

impl Shape {
    /// Makes the shape of a device and all devices below it. `ports` are those above that have
    /// nothing else below them.
    pub fn of(
        tree: &Tree,
        colours: &BTreeMap<&str, &'static str>,
        address: Bdf,
        mut ports: Vec<String>,
    ) -> Self {
        let Some(device) = tree.devices.get(address) else {
            return Self::Box {
                title: address.to_string(),
                inner: Vec::new(),
            };
        };
        let line = words::describe(tree, device);
        let remarks = line.remarks.iter().map(|remark| remark.text.clone());
        let below = tree.children(address);
        if !below.is_empty() {
            let words: Vec<String> = [line.head.text.clone()]
                .into_iter()
                .chain(remarks)
                .collect();
            ports.push(words.join(", "));
            if let ([only], true) = (below, device.is_bridge()) {
                return Self::of(tree, colours, *only, ports);
            }
            ports.reverse();
            return Self::Box {
                title: ports.join(", below "),
                inner: below
                    .iter()
                    .map(|&child| Self::of(tree, colours, child, Vec::new()))
                    .collect(),
            };
        }
        let mut lines: Vec<String> = Vec::new();
        lines.extend(
            line.model
                .as_deref()
                .and_then(|model| words::shorten(model, letters_in(CARD - 2 * PAD))),
        );
        lines.extend(remarks);
        lines.extend(ports.iter().rev().map(|port| format!("below {port}")));
        let arrays = tree
            .facts(address)
            .into_iter()
            .flat_map(|facts| &facts.disks);
        let array = arrays.flat_map(|disk| &disk.members).next();
        let colour = array.and_then(|member| colours.get(member.array.as_str()));
        Self::Card {
            title: line.head.text,
            lines,
            fill: colour.copied().unwrap_or(FREE),
            provider: device
                .p2pmem
                .as_ref()
                .is_some_and(|memory| memory.published),
        }
    }

    /// Places the shapes inside in rows of up to `room` pixels. A row is wider only if one shape is.
    pub fn place(self, room: usize) -> Placed {
        match self {
            Shape::Card {
                title,
                lines,
                fill,
                provider,
            } => {
                let wrapped = |text: &String| words::wrap(text, letters_in(CARD - 2 * PAD));
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
                    paint: Paint {
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

    /// Places the shapes in a box.
    fn place_box(title: &str, inner: Vec<Shape>, room: usize) -> Placed {
        let room = room.saturating_sub(2 * PAD).max(CARD);
        let inner: Vec<Placed> = inner.into_iter().map(|shape| shape.place(room)).collect();
        let widest = inner.iter().map(|placed| placed.width).max().unwrap_or(0);
        let flow: usize = inner.iter().map(|placed| placed.width + PAD).sum();
        let width = flow.saturating_sub(PAD).min(room).max(widest).max(CARD);
        let title = words::wrap(title, letters_in(width));
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
            paint: Paint {
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
    /// Draws the shape and those in it, its upper left corner at `x` and `y`.
    pub fn draw(&self, sheet: &mut Sheet, x: usize, y: usize) {
        sheet.rectangle((x, y), (self.width, self.height), &self.paint);
        let mut base = y;
        for line in &self.title {
            base += LINE;
            sheet.text(x + PAD, base, line, INK, true);
        }
        for line in &self.lines {
            base += LINE;
            sheet.text(x + PAD, base, line, FAINT, false);
        }
        for (right, down, placed) in &self.inner {
            placed.draw(sheet, x + right, y + down);
        }
    }
}
