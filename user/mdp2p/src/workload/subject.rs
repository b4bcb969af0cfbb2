// SPDX-License-Identifier: GPL-2.0
//! The array of a report, as `verify` and `bench` print it.

use serde::Serialize;

use mdp2p_machine::md::array::{Array, Driver};

/// The array that data are moved to and from.
#[derive(Debug, Serialize)]
pub struct Subject {
    /// The name.
    pub array: String,
    /// The md that drives the array.
    pub driver: Driver,
    /// The level.
    pub level: String,
    /// The state before anything was moved; `None` for an array of the kernel's md.
    pub state: Option<String>,
    /// The policy; `None` for an array of the kernel's md.
    pub policy: Option<String>,
}

impl Subject {
    /// Describes the array as it is now.
    pub fn of(array: &Array) -> Self {
        let p2p = array.p2p.as_ref();
        Self {
            array: array.name.clone(),
            driver: array.driver,
            level: array.level.clone(),
            state: p2p.map(|p2p| p2p.state.clone()),
            policy: p2p.map(|p2p| p2p.policy.clone()),
        }
    }

    /// Returns the array, its level, state and policy in one line.
    pub fn heading(&self) -> String {
        let of = match (&self.state, &self.policy) {
            (Some(state), Some(policy)) => format!("state {state}, policy {policy}"),
            _ => "the kernel's md".to_owned(),
        };
        format!("{}: {}, {of}", self.array, self.level)
    }
}
