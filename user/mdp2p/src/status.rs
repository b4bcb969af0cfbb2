// SPDX-License-Identifier: GPL-2.0
//! The status of an array: how many members it has, what it can do, how far a rebuild is.

use anstyle::Style;
use mdp2p_machine::md::array::Array;

use crate::ui::{self, styled};

/// How many members are there, of how many: `4/4`, `3/4 degraded`.
pub fn members(array: &Array) -> String {
    if array.raid_disks == 0 {
        return array.members.len().to_string();
    }
    let there = match array.state.as_str() {
        // What is not put together yet says nothing of being degraded.
        "inactive" => array.members.iter().filter(|m| m.slot.is_some()).count(),
        _ => array.raid_disks.saturating_sub(array.degraded) as usize,
    };
    let count = format!("{there}/{}", array.raid_disks);
    match array.degraded {
        0 => count,
        _ => styled(ui::BAD, format!("{count} degraded")),
    }
}

/// Rounded down: 100 is the end.
pub fn percent(part: f64) -> u32 {
    (part * 100.0) as u32
}

/// The colour of what md-p2p says that an array does with peer I/O.
pub fn state_style(state: &str) -> Style {
    match state {
        "direct" => ui::GOOD,
        "staged" => ui::WARNING,
        _ => ui::BAD,
    }
}
