// SPDX-License-Identifier: GPL-2.0
//! How the counters of an array are shown: as columns of tables, as lines of `mdp2p detail`, and
//! as metrics for Prometheus.
//!
//! A new counter is a row in mdp2p-machine's `md/counters.rs`, and a row in each table of this file
//! that shows it.

use mdp2p_machine::md::counters::Counters;

use super::rate::Dma;
use crate::ui;

/// A column of a table of counters.
pub struct Column {
    /// The head: two lines, aligned to the right.
    pub head: &'static str,
    /// Returns the text for an array.
    pub array: fn(&Counters) -> String,
    /// Returns the text for a member.
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

/// All columns, the last of which is for a wide terminal. A member's own DMA is always direct.
pub const ALL_COLUMNS: &[Column] = &[
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
    column(
        "ENGINE\nSTAGED",
        |array| short_bytes(array.staged_engine_bytes),
        |_| String::new(),
    ),
];

/// The columns that fit 80 columns of a terminal.
pub const COLUMNS: &[Column] = ALL_COLUMNS.split_at(ALL_COLUMNS.len() - 1).0;

/// The columns for a narrow terminal: reads and writes together.
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

/// Returns a row for direct and a row for staged peer I/O: bytes and I/Os read, then written.
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

/// Returns the other counters, as pairs of a name and a text.
pub fn other_lines(counters: &Counters) -> Vec<(&'static str, String)> {
    let staged = who_copied(counters).map(|text| ("Staged", text));
    let others = [
        ("Refused", format!("{} I/Os", counters.refused_ios)),
        (
            "Rebuilt",
            format!(
                "{} from peer memory, {} from host memory",
                ui::bytes(counters.rebuild_peer_bytes),
                ui::bytes(counters.rebuild_host_bytes)
            ),
        ),
    ];
    staged.into_iter().chain(others).collect()
}

/// Says who copied the staged bytes; `None` if no engine copied any, because then the CPU did.
pub fn who_copied(counters: &Counters) -> Option<String> {
    let engine = counters.staged_engine_bytes;
    // The counters are not read at one moment.
    let cpu = counters.staged_bytes().saturating_sub(engine);
    (engine > 0).then(|| {
        format!(
            "{} by a DMA engine, {} by the CPU",
            ui::bytes(engine),
            ui::bytes(cpu)
        )
    })
}

/// A metric for Prometheus.
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What the metric counts.
    pub help: &'static str,
    /// The counters, each with its labels.
    pub samples: &'static [LabelledCounter],
}

/// A counter with its labels.
type LabelledCounter = (Labels, fn(&Counters) -> u64);

/// Pairs of a label's name and its value.
type Labels = &'static [(&'static str, &'static str)];

/// All metrics of an array's counters.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "mdp2p_array_bytes_total",
        help: "Bytes of peer I/O: direct, or staged through host pages.",
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
        help: "I/Os to or from peer memory: direct, or staged through host pages.",
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
        name: "mdp2p_array_staged_engine_bytes_total",
        help: "Of the staged bytes, those that a DMA engine copied; the CPU copied the rest.",
        samples: &[(&[], |array| array.staged_engine_bytes)],
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

/// Writes bytes in at most eight columns. Drops the fraction of 1000.5 MiB.
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
    fn prometheus_gets_each_counter_once() {
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
