// SPDX-License-Identifier: GPL-2.0
//! How the counters of an array are shown: as columns of tables, as lines of `mdp2p detail`,
//! and to Prometheus.
//!
//! One more counter is a row in machine's `md/counters.rs`, and a row of each table here in
//! which it is to be seen.

use mdp2p_machine::md::counters::Counters;

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
pub const COLUMNS: &[Column] = &[
    column(
        "  READ\nDIRECT",
        |array| short_bytes(array.read_direct_bytes),
        |member| short_bytes(member.read_bytes),
    ),
    column(
        "  READ\nSTAGED",
        |array| short_bytes(array.read_staged_bytes),
        |_| String::new(),
    ),
    column(
        " WRITE\nDIRECT",
        |array| short_bytes(array.write_direct_bytes),
        |member| short_bytes(member.write_bytes),
    ),
    column(
        " WRITE\nSTAGED",
        |array| short_bytes(array.write_staged_bytes),
        |_| String::new(),
    ),
    column(
        "REFUSED\n   I/OS",
        |array| array.refused_ios.to_string(),
        |_| String::new(),
    ),
    column(
        "REBUILD\n   PEER",
        |array| short_bytes(array.rebuild_peer_bytes),
        |_| String::new(),
    ),
    column(
        "REBUILD\n   HOST",
        |array| short_bytes(array.rebuild_host_bytes),
        |_| String::new(),
    ),
];

/// Where there is no room for all: reads and writes together.
pub const FEW_COLUMNS: &[Column] = &[
    column(
        "\nDIRECT",
        |array| short_bytes(array.direct_bytes()),
        |member| short_bytes(member.read_bytes.saturating_add(member.write_bytes)),
    ),
    column(
        "\nSTAGED",
        |array| short_bytes(array.staged_bytes()),
        |_| String::new(),
    ),
    column(
        "\nREBUILD",
        |array| short_bytes(array.rebuilt_bytes()),
        |_| String::new(),
    ),
];

/// The rows of a table with a line for each way that peer I/O can go: bytes and I/Os that
/// were read, and that were written.
pub fn peer_io_rows(counters: &Counters) -> [Vec<String>; 2] {
    let row = |name: &str, [read, read_ios, write, write_ios]: [u64; 4]| {
        vec![
            name.to_owned(),
            ui::bytes(read),
            read_ios.to_string(),
            ui::bytes(write),
            write_ios.to_string(),
        ]
    };
    [
        row(
            "direct",
            [
                counters.read_direct_bytes,
                counters.read_direct_ios,
                counters.write_direct_bytes,
                counters.write_direct_ios,
            ],
        ),
        row(
            "staged",
            [
                counters.read_staged_bytes,
                counters.read_staged_ios,
                counters.write_staged_bytes,
                counters.write_staged_ios,
            ],
        ),
    ]
}

/// What is counted beside that: a name and a text each.
pub fn other_lines(counters: &Counters) -> [(&'static str, String); 2] {
    [
        ("Refused", format!("{} I/Os", counters.refused_ios)),
        (
            "Rebuilt",
            format!(
                "{} from peer memory, {} from host memory",
                ui::bytes(counters.rebuild_peer_bytes),
                ui::bytes(counters.rebuild_host_bytes)
            ),
        ),
    ]
}

/// A metric for Prometheus.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// A counter for each set of labels.
    pub samples: &'static [(Labels, fn(&Counters) -> u64)],
}

/// Names and values of labels.
type Labels = &'static [(&'static str, &'static str)];

/// All of them.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "mdp2p_array_bytes_total",
        help: "Bytes of peer I/O: direct, or staged by the CPU.",
        samples: &[
            (&[("direction", "read"), ("way", "direct")], |array| {
                array.read_direct_bytes
            }),
            (&[("direction", "read"), ("way", "staged")], |array| {
                array.read_staged_bytes
            }),
            (&[("direction", "write"), ("way", "direct")], |array| {
                array.write_direct_bytes
            }),
            (&[("direction", "write"), ("way", "staged")], |array| {
                array.write_staged_bytes
            }),
        ],
    },
    Metric {
        name: "mdp2p_array_ios_total",
        help: "I/Os to or from peer memory: direct, or staged by the CPU.",
        samples: &[
            (&[("direction", "read"), ("way", "direct")], |array| {
                array.read_direct_ios
            }),
            (&[("direction", "read"), ("way", "staged")], |array| {
                array.read_staged_ios
            }),
            (&[("direction", "write"), ("way", "direct")], |array| {
                array.write_direct_ios
            }),
            (&[("direction", "write"), ("way", "staged")], |array| {
                array.write_staged_ios
            }),
        ],
    },
    Metric {
        name: "mdp2p_array_refused_ios_total",
        help: "I/Os that were refused (EREMOTEIO).",
        samples: &[(&[], |array| array.refused_ios)],
    },
    Metric {
        name: "mdp2p_array_rebuild_bytes_total",
        help: "Bytes that resync and recovery wrote to members, by the memory they came from.",
        samples: &[
            (&[("memory", "peer")], |array| array.rebuild_peer_bytes),
            (&[("memory", "host")], |array| array.rebuild_host_bytes),
        ],
    },
];

/// Bytes in eight columns at most: of 1000.5 MiB the fraction does not matter.
pub fn short_bytes(bytes: u64) -> String {
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
    fn prometheus_is_told_of_each_counter_once() {
        let mut last = 0;
        let counters = Counters::default();
        let numbered = counters.zip(counters, |_, _| {
            last += 1;
            last
        });
        let samples = METRICS.iter().flat_map(|metric| metric.samples);
        let mut told: Vec<u64> = samples.map(|(_, value)| value(&numbered)).collect();
        told.sort_unstable();
        assert_eq!(told, Vec::from_iter(1..=last));
    }

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
            assert_eq!(short_bytes(number), text);
        }
    }
}
