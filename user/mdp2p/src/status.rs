// SPDX-License-Identifier: GPL-2.0
//! The status of an array in words and colours, as `list` and `detail` show it.
//!
//! Tests: tests/list.rs and tests/detail.rs.

use anstyle::Style;
use mdp2p_machine::md::array::Array;

use crate::ui::{self, styled};

/// Returns how many members are present, of how many: `4/4`, `3/4 degraded`.
pub fn members(array: &Array) -> String {
    if array.raid_disks == 0 {
        return array.members.len().to_string();
    }
    let there = match array.state.as_str() {
        // An array that is not assembled yet says nothing about being degraded.
        "inactive" => array.members.iter().filter(|m| m.slot.is_some()).count(),
        _ => array.raid_disks.saturating_sub(array.degraded) as usize,
    };
    let count = format!("{there}/{}", array.raid_disks);
    match array.degraded {
        0 => count,
        _ => styled(ui::BAD, format!("{count} degraded")),
    }
}

/// Returns a percentage, rounded down, so that 100 means the end.
pub fn percent(part: f64) -> u32 {
    (part * 100.0) as u32
}

/// Returns the colour for a `p2pdma_state`.
pub fn state_style(state: &str) -> Style {
    match state {
        "direct" => ui::GOOD,
        "staged" => ui::WARNING,
        _ => ui::BAD,
    }
}
