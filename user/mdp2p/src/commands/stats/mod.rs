// SPDX-License-Identifier: GPL-2.0
//! `mdp2p stats`: which way the bytes went, and which way they go.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use serde::Serialize;

use crate::arguments::seconds;
use crate::command::Command;
use crate::counters::columns::COLUMNS;
use crate::counters::rate::ArrayCounts;
use crate::counters::sample::{ProviderMemory, Sample, Selection};
use crate::ui::{self, styled};
use clap::Args;
use mdp2p_machine::md::array::Counters;
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p stats`
#[derive(Args, Debug)]
#[command(after_help = "\
Without --watch: what was counted since each array was started. With it: what was counted in each \
interval.

Examples:
  mdp2p stats
  mdp2p stats md0 --watch 1
  mdp2p stats --prometheus >/var/lib/prometheus/node-exporter/mdp2p.prom.new &&
    mv /var/lib/prometheus/node-exporter/mdp2p.prom.new /var/lib/prometheus/node-exporter/mdp2p.prom")]
pub struct Stats {
    /// The arrays [default: all of md-p2p]
    #[arg(value_name = "ARRAY")]
    pub arrays: Vec<String>,
    /// Print again every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub watch: Option<Duration>,
    /// Print JSON; with --watch, one line each time
    #[arg(long)]
    pub json: bool,
    /// Print what node_exporter's textfile collector reads
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub prometheus: bool,
}

impl Command for Stats {
    fn changes(&self) -> bool {
        false
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// Shows them; the exit status. With `--watch` it ends by a signal, or when nobody reads.
///
/// # Errors
/// If an array that was named is not there or is the kernel's own, sysfs cannot be read or
/// understood, or standard output takes no more.
pub fn run(sysroot: &Sysroot, options: &Stats) -> Result<u8> {
    let wanted = Selection::of(sysroot, &options.arrays)?;
    if let Some(interval) = options.watch {
        return watch(sysroot, &wanted, interval, options.json);
    }
    let look = Sample::take(sysroot, &wanted)?;
    if options.json {
        ui::json(&look)?;
        return Ok(0);
    }
    let mut out = ui::out();
    if options.prometheus {
        write!(out, "{}", prometheus(&look))?;
    } else {
        page(
            &mut out,
            "Bytes since each array was started:",
            &look.arrays,
        )?;
    }
    out.flush()?;
    Ok(0)
}

/// Prints what is counted in each interval, until that fails.
fn watch(sysroot: &Sysroot, wanted: &Selection, interval: Duration, json: bool) -> Result<u8> {
    let mut before = Sample::take(sysroot, wanted)?;
    let mut due = before.at;
    loop {
        due += interval;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let look = Sample::take(sysroot, wanted)?;
        let (arrays, elapsed) = look.since(&before);
        let time = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        if json {
            line(time, elapsed, arrays, look.providers.clone())?;
        } else {
            let (clock, seconds) = (clock(time), elapsed.as_secs_f64());
            let heading = format!("{clock}: by the second, over {seconds:.1} s:");
            let mut out = ui::out();
            page(&mut out, &heading, &arrays)?;
            writeln!(out)?;
            out.flush()?;
        }
        // What was missed while nobody read is not made up for.
        if look.at > due + interval {
            due = look.at;
        }
        before = look;
    }
}

/// One line of JSON.
fn line(
    time: Duration,
    elapsed: Duration,
    arrays: Vec<ArrayCounts>,
    providers: Vec<ProviderMemory>,
) -> Result<()> {
    #[derive(Serialize)]
    struct WatchLine {
        version: u32,
        time: f64,
        interval_seconds: f64,
        arrays: Vec<ArrayCounts>,
        providers: Vec<ProviderMemory>,
    }
    let line = WatchLine {
        version: ui::JSON_VERSION,
        time: time.as_millis() as f64 / 1000.0,
        interval_seconds: elapsed.as_secs_f64(),
        arrays,
        providers,
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &line).map_err(io::Error::from)?;
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// A page for people.
fn page(out: &mut impl Write, heading: &str, arrays: &[ArrayCounts]) -> io::Result<()> {
    if arrays.is_empty() {
        return writeln!(out, "No arrays of md-p2p.");
    }
    writeln!(out, "{}", styled(ui::DIM, heading))?;
    write!(out, "{}", table(arrays))
}

/// A row for each array, and one for each of its members below it.
fn table(arrays: &[ArrayCounts]) -> String {
    let mut heads = vec!["ARRAY"];
    heads.extend(COLUMNS.iter().map(|column| column.head));
    let mut rows = Vec::new();
    for array in arrays {
        let count = array.per_second.unwrap_or(array.counted);
        let mut row = vec![array.name.clone()];
        row.extend(COLUMNS.iter().map(|column| (column.array)(&count)));
        rows.push(row);
        for member in &array.members {
            let count = member.per_second.unwrap_or(member.counted);
            let mut row = vec![format!(" {}", member.name)];
            row.extend(COLUMNS.iter().map(|column| (column.member)(&count)));
            rows.push(row);
        }
    }
    ui::table(&heads, rows, &[1, 2, 3, 4, 5, 6, 7])
}

/// The time of day of a time since 1970.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02} UTC")
}

/// The text that Prometheus and node_exporter's textfile collector read.
fn prometheus(look: &Sample) -> String {
    let mut text = String::new();
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    metric(
        &mut text,
        "mdp2p_build_info",
        "gauge",
        "The version of mdp2p.",
        vec![(version, 1)],
    );
    array_metrics(&mut text, &look.arrays);
    provider_metrics(&mut text, &look.providers);
    text
}

/// Labels and value of a sample.
type MetricSample<'a> = (Vec<(&'static str, &'a str)>, u64);

fn array_metrics(text: &mut String, arrays: &[ArrayCounts]) {
    let info = samples(arrays, |array| {
        let alias = array.aliases.first().map_or("", String::as_str);
        vec![(vec![("name", alias), ("level", &array.level)], 1)]
    });
    let help = "The array's name in /dev/md and its level.";
    metric(text, "mdp2p_array_info", "gauge", help, info);

    let states = samples(arrays, |array| {
        let is_new = !STATES.contains(&array.state.as_str());
        let others = is_new.then_some(array.state.as_str());
        let all = STATES.into_iter().chain(others);
        all.map(|state| (vec![("state", state)], u64::from(state == array.state)))
            .collect()
    });
    let help = "What peer I/O meets now: 1 for the state that the array is in.";
    metric(text, "mdp2p_array_state", "gauge", help, states);

    let degraded = samples(arrays, |array| vec![(vec![], u64::from(array.degraded))]);
    let help = "Members that are missing.";
    metric(text, "mdp2p_array_degraded", "gauge", help, degraded);

    let bytes = samples(arrays, |array| {
        let Counters {
            read_direct_bytes,
            read_staged_bytes,
            write_direct_bytes,
            write_staged_bytes,
            ..
        } = array.counted;
        by_way([
            read_direct_bytes,
            read_staged_bytes,
            write_direct_bytes,
            write_staged_bytes,
        ])
    });
    let help = "Bytes of peer I/O: direct, or staged by the CPU.";
    metric(text, "mdp2p_array_bytes_total", "counter", help, bytes);

    let ios = samples(arrays, |array| {
        let Counters {
            read_direct_ios,
            read_staged_ios,
            write_direct_ios,
            write_staged_ios,
            ..
        } = array.counted;
        by_way([
            read_direct_ios,
            read_staged_ios,
            write_direct_ios,
            write_staged_ios,
        ])
    });
    let help = "I/Os to or from peer memory: direct, or staged by the CPU.";
    metric(text, "mdp2p_array_ios_total", "counter", help, ios);

    let refused = samples(arrays, |array| vec![(vec![], array.counted.refused_ios)]);
    let help = "I/Os that were refused (EREMOTEIO).";
    metric(
        text,
        "mdp2p_array_refused_ios_total",
        "counter",
        help,
        refused,
    );

    let rebuilt = samples(arrays, |array| {
        vec![
            (vec![("memory", "peer")], array.counted.rebuild_peer_bytes),
            (vec![("memory", "host")], array.counted.rebuild_host_bytes),
        ]
    });
    let help = "Bytes that resync and recovery wrote to members, by the memory they came from.";
    metric(
        text,
        "mdp2p_array_rebuild_bytes_total",
        "counter",
        help,
        rebuilt,
    );

    let members = samples(arrays, |array| {
        let each = array.members.iter().flat_map(|member| {
            let labels =
                |direction| vec![("member", member.name.as_str()), ("direction", direction)];
            [
                (labels("read"), member.counted.read_bytes),
                (labels("write"), member.counted.write_bytes),
            ]
        });
        each.collect()
    });
    let help = "Bytes of a member's own DMA to or from peer memory.";
    metric(text, "mdp2p_member_bytes_total", "counter", help, members);
}

fn provider_metrics(text: &mut String, providers: &[ProviderMemory]) {
    let addresses: Vec<String> = providers.iter().map(|p| p.address.to_string()).collect();
    let each = |value: fn(&ProviderMemory) -> u64| {
        let samples = providers.iter().zip(&addresses);
        samples
            .map(|(provider, address)| (vec![("provider", address.as_str())], value(provider)))
            .collect()
    };
    let help = "Bytes of memory that a provider publishes.";
    let all = each(|provider| provider.bytes);
    metric(text, "mdp2p_provider_bytes", "gauge", help, all);
    let help = "Bytes of it that nobody has taken.";
    let free = each(|provider| provider.available_bytes);
    metric(text, "mdp2p_provider_free_bytes", "gauge", help, free);
}

/// What `p2pdma_state` says.
const STATES: [&str; 3] = ["direct", "staged", "off"];

/// What `values` makes of each array, labelled with its name.
fn samples<'a>(
    arrays: &'a [ArrayCounts],
    values: impl Fn(&'a ArrayCounts) -> Vec<MetricSample<'a>>,
) -> Vec<MetricSample<'a>> {
    let mut all = Vec::new();
    for array in arrays {
        for (mut labels, value) in values(array) {
            labels.insert(0, ("array", &array.name));
            all.push((labels, value));
        }
    }
    all
}

/// Reads direct and staged, writes direct and staged.
fn by_way(values: [u64; 4]) -> Vec<MetricSample<'static>> {
    const WAYS: [[&str; 2]; 4] = [
        ["read", "direct"],
        ["read", "staged"],
        ["write", "direct"],
        ["write", "staged"],
    ];
    let label = |[direction, way]: [&'static str; 2]| vec![("direction", direction), ("way", way)];
    WAYS.map(label).into_iter().zip(values).collect()
}

/// Writes a metric: what it is and of which type, once, then all of its samples.
fn metric(text: &mut String, name: &str, kind: &str, help: &str, samples: Vec<MetricSample>) {
    if samples.is_empty() {
        return;
    }
    *text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in samples {
        let labels: Vec<String> = labels
            .into_iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        *text += &format!("{name}{{{}}} {value}\n", labels.join(","));
    }
}

/// A label's value, between quotation marks.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_that_of_greenwich() {
        assert_eq!(clock(Duration::from_secs(1_795_579_143)), "03:59:03 UTC");
        assert_eq!(clock(Duration::ZERO), "00:00:00 UTC");
    }

    #[test]
    fn what_would_end_a_label_is_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
