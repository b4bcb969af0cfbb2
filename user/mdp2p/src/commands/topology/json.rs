// SPDX-License-Identifier: GPL-2.0
//! The JSON of `mdp2p topology --json`, as schema/topology.json describes it.
//!
//! Tests: tests/topology.rs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::md::staging::Staging;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Device;
use mdp2p_machine::pci::engines::Engine;
use mdp2p_machine::pci::reach::{Source, Way, Why};
use serde::ser::{Serialize, Serializer};

use super::facts::{Facts, Other};
use super::tree::{HostBridge, LeftOut, Tree};

/// The version of this document.
pub const VERSION: u32 = 2;

/// The JSON document.
#[derive(serde::Serialize)]
pub struct Json<'a> {
    virtual_machine: bool,
    host_bridges: &'a [HostBridge],
    devices: Vec<JsonDevice<'a>>,
    others: &'a [Other],
    left_out: LeftOut,
    arrays: Vec<JsonArray<'a>>,
    reach: JsonPairs<'a>,
    reasons: Reasons,
    engines: &'a [Engine],
    staging: Vec<Staging>,
}

#[derive(serde::Serialize)]
struct JsonDevice<'a> {
    #[serde(flatten)]
    device: &'a Device,
    id: String,
    #[serde(flatten)]
    facts: Facts,
}

#[derive(serde::Serialize)]
struct JsonArray<'a> {
    name: &'a str,
    level: &'a str,
    state: &'a str,
    driver: array::Driver,
    p2p_state: Option<&'a str>,
    members: Vec<JsonMember<'a>>,
}

#[derive(serde::Serialize)]
struct JsonMember<'a> {
    name: &'a str,
    slot: Option<u32>,
    state: &'a [String],
    controllers: &'a [Bdf],
}

/// Every provider with every client. Pairs are made as they are written, because there may be many.
struct JsonPairs<'a> {
    tree: &'a Tree<'a>,
    reasons: Reasons,
}

#[derive(serde::Serialize)]
struct JsonPair {
    provider: Bdf,
    client: Bdf,
    way: Way,
    distance: Option<u32>,
    source: Source,
    /// The places of the reasons.
    why: Vec<usize>,
}

/// The reasons of all pairs, each once, with its place. The table is filled as pairs are written, and
/// is written after them.
#[derive(Clone, Default)]
struct Reasons(Rc<RefCell<BTreeMap<Why, usize>>>);

impl<'a> Json<'a> {
    pub fn of(tree: &'a Tree<'a>) -> Self {
        let reasons = Reasons::default();
        Self {
            virtual_machine: tree.is_virtual,
            host_bridges: &tree.host_bridges,
            devices: tree
                .visible()
                .map(|device| JsonDevice {
                    device,
                    id: format!("{:04x}:{:04x}", device.vendor, device.device),
                    facts: tree.facts(device.address).cloned().unwrap_or_default(),
                })
                .collect(),
            others: &tree.others,
            left_out: tree.left_out(),
            arrays: tree.arrays.iter().map(JsonArray::of).collect(),
            reach: JsonPairs {
                tree,
                reasons: reasons.clone(),
            },
            reasons,
            engines: &tree.copiers.engines,
            staging: tree.staging(),
        }
    }
}

impl<'a> JsonArray<'a> {
    fn of(array: &'a Array) -> Self {
        let member = |member: &'a array::Member| JsonMember {
            name: &member.name,
            slot: member.slot,
            state: &member.state,
            controllers: &member.controllers,
        };
        Self {
            name: &array.name,
            level: &array.level,
            state: &array.state,
            driver: array.driver,
            p2p_state: array.p2p.as_ref().map(|p2p| p2p.state.as_str()),
            members: array.members.iter().map(member).collect(),
        }
    }
}

impl Serialize for JsonPairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tree = self.tree;
        let clients: Vec<Bdf> = tree.clients().collect();
        serializer.collect_seq(tree.devices.providers().flat_map(|provider| {
            let provider = provider.address;
            clients.iter().map(move |&client| {
                let reach = tree.reach(provider, client);
                JsonPair {
                    provider,
                    client,
                    way: reach.way,
                    distance: reach.distance,
                    source: reach.source,
                    why: self.reasons.places(reach.why),
                }
            })
        }))
    }
}

impl Reasons {
    /// Returns the places of reasons, and puts those that are new into the table. A reason for
    /// several ports becomes one for each, because each pair may have another set of ports.
    fn places(&self, all: Vec<Why>) -> Vec<usize> {
        let mut table = self.0.borrow_mut();
        let mut place = |why: Why| {
            let next = table.len();
            *table.entry(why).or_insert(next)
        };
        let mut places = Vec::new();
        for why in all {
            match why {
                Why::AcsRedirect { ports } => places.extend(ports.into_iter().map(|port| {
                    let ports = vec![port];
                    place(Why::AcsRedirect { ports })
                })),
                Why::AcsUnknown { ports } => places.extend(ports.into_iter().map(|port| {
                    let ports = vec![port];
                    place(Why::AcsUnknown { ports })
                })),
                other => places.push(place(other)),
            }
        }
        places
    }
}

impl Serialize for Reasons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self.0.borrow();
        let mut reasons: Vec<(&Why, &usize)> = table.iter().collect();
        reasons.sort_by_key(|(_, place)| **place);
        serializer.collect_seq(reasons.into_iter().map(|(why, _)| why))
    }
}
