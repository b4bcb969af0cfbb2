// SPDX-License-Identifier: GPL-2.0
//! Makes boxes and cards of the tree, and gives each its place.
//!
//! Tests: tests/topology.rs.

use std::collections::BTreeMap;

use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::Acs;

use super::sheet::{CARD, FAINT, FRAME, FREE, INK, LINE, PAD, PROVIDER, Paint, Sheet, letters_in};
use crate::commands::topology::facts::Facts;
use crate::commands::topology::tree::{HostBridge, Tree};
use crate::commands::topology::words::{self, Line, Piece};

/// The colour of each array.
pub type Colours<'a> = BTreeMap<&'a str, &'static str>;

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

/// A port above a device.
struct Port {
    words: String,
    redirects: bool,
}

/// Shapes in rows, each with its place.
#[derive(Default)]
pub struct Flow {
    pub width: usize,
    pub height: usize,
    pub places: Vec<(usize, usize, Placed)>,
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
    /// Makes the shapes of all host bridges, and one of the drives that are no PCI devices.
    pub fn all(tree: &Tree, colours: &Colours) -> Vec<Self> {
        let bridge = |bridge: &HostBridge| {
            let tops = bridge.devices.iter();
            Self::Box {
                title: words::host_bridge_title(bridge),
                inner: tops
                    .map(|&top| Self::of(tree, colours, top, Vec::new()))
                    .collect(),
            }
        };
        let other = |other| Self::card(words::describe_other(other), &other.facts, colours);
        let others = (!tree.others.is_empty()).then(|| Self::Box {
            title: words::OTHERS_TITLE.to_owned(),
            inner: tree.others.iter().map(other).collect(),
        });
        tree.host_bridges.iter().map(bridge).chain(others).collect()
    }

    /// Makes the shape of a device and all devices below it. `ports` are those above that have
    /// nothing else below them.
    fn of(tree: &Tree, colours: &Colours, address: Bdf, mut ports: Vec<Port>) -> Self {
        let Some(device) = tree.devices.get(address) else {
            return Self::Box {
                title: address.to_string(),
                inner: Vec::new(),
            };
        };
        let line = words::describe(tree, device);
        let below = tree.children(address);
        if !below.is_empty() {
            let remarks = line.remarks.iter().map(|remark| remark.text.clone());
            let words: Vec<String> = [line.head.text.clone()]
                .into_iter()
                .chain(remarks)
                .collect();
            ports.push(Port {
                words: words.join(", "),
                redirects: device.acs == Acs::Redirects,
            });
            if let ([only], true) = (below, device.is_bridge()) {
                return Self::of(tree, colours, *only, ports);
            }
            return Self::Box {
                title: chain(&ports).join(", below "),
                inner: below
                    .iter()
                    .map(|&child| Self::of(tree, colours, child, Vec::new()))
                    .collect(),
            };
        }
        let bare = Facts::default();
        let facts = tree.facts(address).unwrap_or(&bare);
        let mut card = Self::card(line, facts, colours);
        if let Self::Card {
            lines, provider, ..
        } = &mut card
        {
            lines.extend(chain(&ports).iter().map(|port| format!("below {port}")));
            *provider = device.is_provider();
        }
        card
    }

    /// Makes a card of a line of the tree.
    fn card(line: Line, facts: &Facts, colours: &Colours) -> Self {
        let text = |pieces: &[Piece]| -> String {
            let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
            texts.join(", ")
        };
        let model = line.model.as_deref();
        let model = model.and_then(|model| words::shorten(model, letters_in(CARD - 2 * PAD)));
        let remarks = line.remarks.iter().map(|remark| remark.text.clone());
        let disks = line.disks.iter().map(|disk| text(disk));
        let array = facts.disks.iter().flat_map(|disk| &disk.members).next();
        let colour = array.and_then(|member| colours.get(member.array.as_str()));
        Self::Card {
            title: line.head.text.clone(),
            lines: model.into_iter().chain(remarks).chain(disks).collect(),
            fill: colour.copied().unwrap_or(FREE),
            provider: false,
        }
    }

    /// Places the shapes inside in rows of up to `room` pixels. A row is wider only if one shape is.
    fn place(&self, room: usize) -> Placed {
        match self {
            Shape::Card {
                title,
                lines,
                fill,
                provider,
            } => {
                let wrapped = |text: &String| words::wrap(text, letters_in(CARD - 2 * PAD));
                let title = wrapped(title);
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
            Shape::Box { title, inner } => Self::place_box(title, inner, room),
        }
    }

    /// Places the shapes in a box.
    fn place_box(title: &str, inner: &[Shape], room: usize) -> Placed {
        let room = room.saturating_sub(2 * PAD).max(CARD);
        let mut flow = Flow::of(inner, room);
        let width = flow.width.max(CARD);
        let title = words::wrap(title, letters_in(width));
        let top = PAD + title.len() * LINE;
        for (x, y, _) in &mut flow.places {
            (*x, *y) = (*x + PAD, *y + top);
        }
        Placed {
            width: width + 2 * PAD,
            height: top + flow.height + PAD,
            title,
            lines: Vec::new(),
            paint: Paint {
                fill: "none",
                stroke: FRAME,
                thick: 1,
                round: 8,
            },
            inner: flow.places,
        }
    }
}

impl Flow {
    /// Places shapes in rows of up to `room` pixels.
    pub fn of(shapes: &[Shape], room: usize) -> Self {
        let mut flow = Self::default();
        let (mut x, mut y) = (0, 0);
        for placed in shapes.iter().map(|shape| shape.place(room)) {
            if x > 0 && x + placed.width > room {
                (x, y) = (0, flow.height + PAD);
            }
            let (right, bottom) = (x + placed.width, y + placed.height);
            flow.width = flow.width.max(right);
            flow.height = flow.height.max(bottom);
            flow.places.push((x, y, placed));
            x = right + PAD;
        }
        flow
    }
}

/// Describes the ports above a device from the nearest on. Of a long chain only the ends are named.
fn chain(ports: &[Port]) -> Vec<String> {
    const LONG: usize = 4;
    let words = |port: &Port| port.words.clone();
    let [top, between @ .., nearest] = ports else {
        return ports.iter().map(words).collect();
    };
    if ports.len() <= LONG {
        return ports.iter().rev().map(words).collect();
    }
    let redirecting = between.iter().filter(|port| port.redirects).count();
    let acs = match redirecting {
        0 => String::new(),
        number => format!(", {number} with ACS redirect"),
    };
    let between = format!("{} more ports{acs}", between.len());
    vec![words(nearest), between, words(top)]
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
