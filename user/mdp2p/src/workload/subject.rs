// SPDX-License-Identifier: GPL-2.0
//! What the reports of `verify` and `bench` say of the array first.

use serde::Serialize;

use mdp2p_machine::md::array::{Array, Driver};

/// The array that data are moved to and from.
#[derive(Debug, Serialize)]
pub struct Subject {
    /// The array.
    pub array: String,
    /// Whose.
    pub driver: Driver,
    /// Its level.
    pub level: String,
    /// What md-p2p said of it before anything was moved.
    pub state: Option<String>,
    /// The policy; none if it is not md-p2p's.
    pub policy: Option<String>,
}

impl Subject {
    /// The array as it is now.
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

    /// The array in a line.
    pub fn heading(&self) -> String {
        let of = match (&self.state, &self.policy) {
            (Some(state), Some(policy)) => format!("state {state}, policy {policy}"),
            _ => "the kernel's md".to_owned(),
        };
        format!("{}: {}, {of}", self.array, self.level)
    }
}
