// SPDX-License-Identifier: GPL-2.0
//! The JSON of `mdp2p topology --json`, as schema/topology.json describes it.
//!
//! Tests: tests/topology.rs.

use mdp2p_machine::md::array::{self, Array};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Device;
use mdp2p_machine::pci::reach::Reach;
use serde::ser::{Serialize, Serializer};

use super::facts::Facts;
use super::tree::{LeftOut, Tree};

/// The JSON document.
#[derive(serde::Serialize)]
pub struct Json<'a> {
    host_bridges: Vec<JsonBridge<'a>>,
    devices: Vec<JsonDevice<'a>>,
    left_out: LeftOut,
    arrays: Vec<JsonArray<'a>>,
    reach: JsonPairs<'a>,
}

#[derive(serde::Serialize)]
struct JsonBridge<'a> {
    name: &'a str,
    devices: &'a [Bdf],
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
struct JsonPairs<'a>(&'a Tree<'a>);

#[derive(serde::Serialize)]
struct JsonPair {
    provider: Bdf,
    client: Bdf,
    #[serde(flatten)]
    reach: Reach,
}

impl<'a> Json<'a> {
    pub fn of(tree: &'a Tree<'a>) -> Self {
        let bridges = tree.host_bridges.iter();
        let devices = tree.visible();
        Self {
            host_bridges: bridges
                .map(|(name, devices)| JsonBridge { name, devices })
                .collect(),
            devices: devices
                .map(|device| JsonDevice {
                    device,
                    id: format!("{:04x}:{:04x}", device.vendor, device.device),
                    facts: tree.facts(device.address).cloned().unwrap_or_default(),
                })
                .collect(),
            left_out: tree.left_out(),
            arrays: tree.arrays.iter().map(JsonArray::of).collect(),
            reach: JsonPairs(tree),
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
        let tree = self.0;
        serializer.collect_seq(tree.devices.providers().flat_map(|provider| {
            let provider = provider.address;
            tree.clients().map(move |client| JsonPair {
                provider,
                client,
                reach: tree.reach(provider, client),
            })
        }))
    }
}
