// SPDX-License-Identifier: GPL-2.0
//! The status of an array in words and colours, as `list` and `detail` show it.
//!
//! Tests: tests/list.rs and tests/detail.rs.

use anstyle::Style;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::md::external::External;

use crate::ui::{self, styled};

/// Returns the level of an array, or `container`, which has none.
pub fn level(array: &Array) -> &str {
    match (External::of(array), array.level.as_str()) {
        (Some(External::Container { .. }), _) => "container",
        (_, "") => "none yet",
        (_, level) => level,
    }
}

/// Returns the state of an array; `None` for a container, which is never more than inactive.
pub fn state(array: &Array) -> Option<&str> {
    let is_container = matches!(External::of(array), Some(External::Container { .. }));
    (!is_container).then_some(array.state.as_str())
}

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
