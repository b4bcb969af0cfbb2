// SPDX-License-Identifier: GPL-2.0
//! The columns of the tables of counters.

use mdp2p_machine::md::array::Counters;

use super::rate::Dma;
use crate::ui;

/// A column of the tables of counters.
pub struct Column {
    /// Its head: two lines, flush right.
    pub head: &'static str,
    /// What is in there for an array.
    pub array: fn(&Counters) -> String,
    /// And for a member.
    pub member: fn(&Dma) -> String,
}

const fn column(
    head: &'static str,
    array: fn(&Counters) -> String,
    member: fn(&Dma) -> String,
) -> Column {
    Column {
        head,
        array,
        member,
    }
}

/// All of them. A member's own DMA is direct by nature.
pub const COLUMNS: [Column; 7] = [
    column(
        "  READ\nDIRECT",
        |array| brief(array.read_direct_bytes),
        |member| brief(member.read_bytes),
    ),
    column(
        "  READ\nSTAGED",
        |array| brief(array.read_staged_bytes),
        |_| String::new(),
    ),
    column(
        " WRITE\nDIRECT",
        |array| brief(array.write_direct_bytes),
        |member| brief(member.write_bytes),
    ),
    column(
        " WRITE\nSTAGED",
        |array| brief(array.write_staged_bytes),
        |_| String::new(),
    ),
    column(
        "REFUSED\n   I/OS",
        |array| array.refused_ios.to_string(),
        |_| String::new(),
    ),
    column(
        "REBUILD\n   PEER",
        |array| brief(array.rebuild_peer_bytes),
        |_| String::new(),
    ),
    column(
        "REBUILD\n   HOST",
        |array| brief(array.rebuild_host_bytes),
        |_| String::new(),
    ),
];

/// Bytes in eight columns at most: of 1000.5 MiB the fraction does not matter.
pub fn brief(bytes: u64) -> String {
    let text = ui::bytes(bytes);
    match text.split_once('.') {
        Some((whole, unit)) if text.len() > 8 => format!("{whole}{}", &unit[1..]),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_fit_into_eight_columns() {
        for (number, text) in [
            (0, "0"),
            (1536, "1.5 KiB"),
            ((99 << 20) + (1 << 19), "99.5 MiB"),
            ((100 << 20) + (1 << 19), "100 MiB"),
            ((1000 << 20) + (1 << 19), "1000 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(brief(number), text);
        }
    }
}
