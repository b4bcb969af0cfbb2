// SPDX-License-Identifier: GPL-2.0
//! Writes the text format of Prometheus, for node_exporter's textfile collector.
//!
//! Tests: those below and tests/stats.rs.

use crate::counters::presentation::{METRICS, Metric};
use crate::counters::rate::ArrayCounts;
use crate::counters::sample::{ProviderMemory, Sample};

/// Returns the text of all metrics.
pub fn text(sample: &Sample) -> String {
    let mut text = String::new();
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    write_metric(
        &mut text,
        "mdp2p_build_info",
        "gauge",
        "The version of mdp2p.",
        vec![(version, 1)],
    );
    array_metrics(&mut text, &sample.arrays);
    provider_metrics(&mut text, &sample.providers);
    text
}

/// The labels and the value of a sample.
type MetricSample<'a> = (Vec<(&'static str, &'a str)>, u64);

fn array_metrics(text: &mut String, arrays: &[ArrayCounts]) {
    let info = samples(arrays, |array| {
        let alias = array.aliases.first().map_or("", String::as_str);
        vec![(vec![("name", alias), ("level", &array.level)], 1)]
    });
    let help = "The array's name in /dev/md and its level.";
    write_metric(text, "mdp2p_array_info", "gauge", help, info);

    let states = samples(arrays, |array| {
        let is_new = !STATES.contains(&array.state.as_str());
        let others = is_new.then_some(array.state.as_str());
        let all = STATES.into_iter().chain(others);
        all.map(|state| (vec![("state", state)], u64::from(state == array.state)))
            .collect()
    });
    let help = "What happens to peer I/O now: 1 for the current state, 0 for the others.";
    write_metric(text, "mdp2p_array_state", "gauge", help, states);

    let degraded = samples(arrays, |array| vec![(vec![], u64::from(array.degraded))]);
    let help = "Missing members.";
    write_metric(text, "mdp2p_array_degraded", "gauge", help, degraded);

    for Metric {
        name,
        help,
        samples: counters,
    } in METRICS
    {
        let each = samples(arrays, |array| {
            let counters = counters.iter();
            let sample = counters.map(|(labels, value)| (labels.to_vec(), value(&array.counted)));
            sample.collect()
        });
        write_metric(text, name, "counter", help, each);
    }

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
    write_metric(text, "mdp2p_member_bytes_total", "counter", help, members);
}

fn provider_metrics(text: &mut String, providers: &[ProviderMemory]) {
    let addresses: Vec<String> = providers.iter().map(|p| p.address.to_string()).collect();
    let each = |value: fn(&ProviderMemory) -> u64| {
        let samples = providers.iter().zip(&addresses);
        samples
            .map(|(provider, address)| (vec![("provider", address.as_str())], value(provider)))
            .collect()
    };
    let help = "Bytes of a provider's p2pmem.";
    let all = each(|provider| provider.bytes);
    write_metric(text, "mdp2p_provider_bytes", "gauge", help, all);
    let help = "Bytes of a provider's p2pmem that nobody has allocated.";
    let free = each(|provider| provider.available_bytes);
    write_metric(text, "mdp2p_provider_free_bytes", "gauge", help, free);
    let help = "1 if the provider's p2pmem is published, so that others may allocate it, else 0.";
    let lends = each(|provider| u64::from(provider.published));
    write_metric(text, "mdp2p_provider_lends", "gauge", help, lends);
}

/// The known values of `p2pdma_state`.
const STATES: [&str; 3] = ["direct", "staged", "off"];

/// Returns the samples that `values` makes of each array, labelled with the array's name.
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

/// Writes a metric: its help and its type once, then all of its samples.
fn write_metric(text: &mut String, name: &str, kind: &str, help: &str, samples: Vec<MetricSample>) {
    if samples.is_empty() {
        return;
    }
    *text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    for (labels, value) in samples {
        let labels: Vec<String> = labels
            .into_iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escape(value)))
            .collect();
        *text += &format!("{name}{{{}}} {value}\n", labels.join(","));
    }
}

/// Escapes the value of a label, which stands between quotation marks.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_would_end_a_label_are_escaped() {
        assert_eq!(escape("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
    }
}
