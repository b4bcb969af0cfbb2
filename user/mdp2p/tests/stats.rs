// SPDX-License-Identifier: GPL-2.0
//! `mdp2p stats`, for the arrays of `trees/arrays.tree`.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

fn stats(root: &Path) -> Command {
    let mut command = Command::cargo_bin("mdp2p").expect("the program");
    command.arg("--sysroot").arg(root).arg("stats");
    command
}

fn output(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("UTF-8")
}

/// Parses JSON, and checks it against the schema.
fn json(text: &str) -> Value {
    let value = serde_json::from_str(text).expect("JSON");
    let schema = include_str!("../schema/stats.json");
    let schema = serde_json::from_str(schema).expect("a schema");
    jsonschema::validate(&schema, &value).unwrap_or_else(|error| panic!("{error}: {value:#}"));
    value
}

/// A running `mdp2p stats --watch` and its output. Dropping it ends the program.
struct Watched {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watched {
    fn start(root: &Path, arguments: &[&str]) -> Self {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_mdp2p"))
            .arg("--sysroot")
            .arg(root)
            .args(["stats", "--watch", "0.1"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").expect("UTF-8")
    }

    /// Returns the lines up to the first for which `wanted` is true.
    fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..1000 {
            lines.push(self.line());
            if wanted(&lines[lines.len() - 1]) {
                return lines;
            }
        }
        panic!("it did not come: {lines:?}");
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it ended");
    }
}

#[test]
fn totals_are_shown_by_array_and_member() {
    let root = common::plant("arrays");
    insta::assert_snapshot!(output(&mut stats(root.path())), @r"
    Bytes since each array was started:
    ARRAY       READ    READ   WRITE   WRITE  REFUSED  REBUILD  REBUILD
              DIRECT  STAGED  DIRECT  STAGED     I/OS     PEER     HOST
    md0       16 MiB   1 MiB  12 MiB   1 MiB        3   40 MiB   64 KiB
     nvme0n1   6 MiB           5 MiB
     nvme1n1   5 MiB           5 MiB
     nvme2n1   5 MiB           2 MiB
     nvme3n1       0               0
    md1            0       0       0       0        0        0        0
     nvme4n1       0               0
     nvme5n1       0               0
    ");
}

#[test]
fn who_copied_what_was_staged_is_said_if_an_engine_did() {
    let root = common::plant("arrays");
    put(root.path(), "p2pdma_staged_engine_bytes", 1536 << 10);
    let text = output(&mut stats(root.path()));
    let said: Vec<&str> = text.lines().filter(|it| it.contains("engine")).collect();
    assert_eq!(
        said,
        ["md0: staged 1.5 MiB by a DMA engine, 512.5 KiB by the CPU"]
    );
    let value = json(&output(stats(root.path()).arg("--json")));
    let counted = &value["arrays"][0]["counted"];
    assert_eq!(counted["staged_engine_bytes"], 1536 << 10);
    let samples = exposition(&output(stats(root.path()).arg("--prometheus")));
    let sample = r#"mdp2p_array_staged_engine_bytes_total{array="md0"}"#;
    assert_eq!(samples.get(sample), Some(&1572864.0));
}

#[test]
fn no_line_is_wider_than_80_columns() {
    let root = common::plant("arrays");
    for file in ["read_direct", "write_direct", "read_staged", "write_staged"] {
        let path = format!("sys/block/md0/md/p2pdma_{file}_bytes");
        common::put(
            root.path(),
            &path,
            ((1000u64 << 30) + (1 << 29)).to_string(),
        );
    }
    for line in output(&mut stats(root.path())).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn json_has_the_same() {
    let root = common::plant("arrays");
    let value = json(&output(stats(root.path()).arg("--json")));
    let md0 = &value["arrays"][0];
    assert_eq!(md0["counted"]["read_direct_bytes"], 16 << 20);
    assert_eq!(md0["counted"]["refused_ios"], 3);
    assert_eq!(md0["members"][0]["counted"]["read_bytes"], 6 << 20);
    assert_eq!(md0.get("per_second"), None);
    // The third provider does not publish its memory.
    let providers = value["providers"].as_array().expect("a list");
    let lend: Vec<&Value> = providers.iter().map(|it| &it["published"]).collect();
    assert_eq!(lend, [true, true, false]);
    assert_eq!(value["providers"][0]["available_bytes"], 12 << 20);
}

#[test]
fn only_named_arrays_are_shown_and_each_once() {
    let root = common::plant("arrays");
    let value = json(&output(
        stats(root.path()).args(["data", "md0", "/dev/md0", "--json"]),
    ));
    let arrays = value["arrays"].as_array().expect("a list");
    let names: Vec<_> = arrays.iter().map(|array| &array["name"]).collect();
    assert_eq!(names, ["md0"]);
}

#[test]
fn an_array_that_is_not_there_is_an_error() {
    let root = common::plant("arrays");
    for more in [&[][..], &["--json"], &["--prometheus"], &["--watch", "1"]] {
        stats(root.path())
            .args(["md0", "md7"])
            .args(more)
            .assert()
            .code(1)
            .stdout("")
            .stderr(contains("there is no array md7"));
    }
}

#[test]
fn the_kernels_own_arrays_have_no_counters() {
    let root = common::plant("arrays");
    stats(root.path()).arg("old").assert().code(1).stderr(
        contains("md127 is an array of the kernel's own md").and(contains("mdp2p detail md127")),
    );
    assert!(!output(&mut stats(root.path())).contains("md127"));
}

#[test]
fn without_arrays_it_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("sys")).expect("sys");
    assert_eq!(output(&mut stats(root.path())), "No arrays of md-p2p.\n");
    let value = json(&output(stats(root.path()).arg("--json")));
    assert_eq!(value["arrays"], Value::Array(Vec::new()));
    let samples = exposition(&output(stats(root.path()).arg("--prometheus")));
    assert_eq!(samples.len(), 1, "{samples:?}");
}

#[test]
fn garbage_costs_its_array_and_names_the_file() {
    let root = common::plant("arrays");
    let complains = |file: &str, content: &str, more: &[&str]| {
        let path = format!("sys/block/md0/md/{file}");
        common::put(root.path(), &path, content);
        let complaint = format!("{path}: `{content}` cannot be understood");
        let command = &mut stats(root.path());
        let result = command
            .args(more)
            .assert()
            .code(1)
            .stderr(contains(complaint));
        // The other arrays are not md-p2p's, so nothing of md0 is left to show.
        result.stdout(contains("md0").not());
        common::put(root.path(), &path, "1");
    };
    for content in ["many", "-1", "", "18446744073709551616", "1 2"] {
        complains("p2pdma_read_direct_bytes", content, &[]);
    }
    for more in ["--json", "--prometheus", "--watch=1"] {
        complains("p2pdma_read_direct_bytes", "x", &[more]);
    }
    stats(root.path()).assert().success();
    // Garbage of a member costs the member.
    let path = "sys/block/md0/md/dev-nvme0n1/p2pdma_read_bytes";
    common::put(root.path(), path, "x");
    for more in [&[][..], &["--json"], &["--prometheus"]] {
        let shown = stats(root.path()).args(more).assert().code(1);
        shown
            .stdout(contains("md0").and(contains("nvme0n1").not()))
            .stderr(contains("member nvme0n1 of md0 is left out"));
    }
}

#[test]
fn the_counts_of_an_interval_are_a_line_of_json() {
    let root = common::plant("arrays");
    let mut watched = Watched::start(root.path(), &["--json", "md0"]);
    let first = json(&watched.line());
    assert_eq!(first["arrays"][0]["counted"]["read_direct_bytes"], 0);
    assert!(first["interval_seconds"].as_f64().expect("a number") >= 0.1);
    assert!(first["time"].as_f64().expect("a number") > 1.7e9);

    put(root.path(), "p2pdma_read_direct_bytes", (16 << 20) + 5000);
    let came = "\"read_direct_bytes\":5000";
    let line = watched.until(|line| line.contains(came)).pop().expect("it");
    let line = json(&line);
    let rate = line["arrays"][0]["per_second"]["read_direct_bytes"].as_f64();
    let rate = rate.expect("a number") * line["interval_seconds"].as_f64().expect("a number");
    assert!((rate - 5000.0).abs() < 1.0, "{line:#}");
    // Nothing is counted twice.
    let next = json(&watched.line());
    assert_eq!(next["arrays"][0]["counted"]["read_direct_bytes"], 0);

    // The array is restarted.
    put(root.path(), "p2pdma_read_direct_bytes", 700);
    watched.until(|line| line.contains("\"read_direct_bytes\":700,"));

    // The array goes away.
    let (md0, away) = (root.path().join("sys/block/md0"), root.path().join("away"));
    fs::rename(&md0, &away).expect("it goes");
    watched.until(|line| line.contains("\"arrays\":[]"));
    fs::rename(&away, &md0).expect("it comes back");
    watched.until(|line| line.contains("\"read_direct_bytes\":700,"));
}

#[test]
fn for_people_it_is_a_page() {
    let root = common::plant("arrays");
    let mut watched = Watched::start(root.path(), &[]);
    let page = watched.until(str::is_empty);
    assert!(page[0].contains("UTC, per second, over 0."), "{page:?}");
    assert!(page.iter().any(|line| line.starts_with("md0 ")), "{page:?}");
    assert!(
        page.iter().any(|line| line.starts_with(" nvme5n1 ")),
        "{page:?}"
    );
    assert!(
        !page.iter().any(|line| line.contains("iB")),
        "nothing came: {page:?}"
    );
}

#[test]
fn watching_ends_when_nobody_reads() {
    let root = common::plant("arrays");
    for json in [&[][..], &["--json"]] {
        let mut watched = Watched::start(root.path(), json);
        watched.line();
        let Watched { child, lines } = &mut watched;
        let none = std::process::Command::new("true")
            .stdout(Stdio::piped())
            .spawn();
        let mut none = none.expect("true");
        let empty = BufReader::new(none.stdout.take().expect("its output")).lines();
        drop(std::mem::replace(lines, empty));
        none.wait().expect("it ended");
        assert!(child.wait().expect("it ends").success());
    }
}

#[test]
fn garbage_that_comes_later_ends_it_with_an_error() {
    let root = common::plant("arrays");
    let mut watched = Watched::start(root.path(), &["--json"]);
    watched.line();
    let file = "sys/block/md0/md/p2pdma_refused_ios";
    common::put(root.path(), file, "x");
    assert_eq!(watched.child.wait().expect("it ends").code(), Some(1));
    let mut complaint = String::new();
    let stderr = watched.child.stderr.as_mut().expect("its errors");
    stderr.read_to_string(&mut complaint).expect("UTF-8");
    assert!(complaint.contains(&format!("{file}: `x`")), "{complaint}");
}

#[test]
fn a_pipe_that_nobody_reads_is_no_error() {
    let root = common::plant("arrays");
    for more in [&[][..], &["--json"], &["--prometheus"]] {
        let (reader, writer) = UnixStream::pair().expect("a pipe");
        drop(reader);
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mdp2p"))
            .arg("--sysroot")
            .arg(root.path())
            .arg("stats")
            .args(more)
            .stdout(OwnedFd::from(writer))
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn usage_is_explained() {
    let root = common::plant("arrays");
    stats(root.path())
        .arg("--help")
        .assert()
        .success()
        .stdout(contains("node-exporter"));
    for wrong in [
        &["--nonsense"][..],
        &["--watch"],
        &["--watch", "0"],
        &["--watch", "soon"],
        &["--watch", "NaN"],
        &["--prometheus", "--json"],
        &["--prometheus", "--watch", "1"],
    ] {
        stats(root.path())
            .args(wrong)
            .assert()
            .code(2)
            .stderr(contains(wrong[0]));
    }
}

#[test]
fn prometheus_gets_all_metrics() {
    let root = common::plant("arrays");
    let text = output(stats(root.path()).arg("--prometheus"));
    let samples = exposition(&text);
    for (sample, value) in [
        (
            r#"mdp2p_array_info{array="md0",name="data",level="raid10"}"#,
            1.0,
        ),
        (r#"mdp2p_array_state{array="md0",state="direct"}"#, 0.0),
        (r#"mdp2p_array_state{array="md0",state="staged"}"#, 1.0),
        (r#"mdp2p_array_state{array="md0",state="off"}"#, 0.0),
        (r#"mdp2p_array_degraded{array="md0"}"#, 1.0),
        (r#"mdp2p_array_degraded{array="md1"}"#, 0.0),
        (
            r#"mdp2p_array_bytes_total{array="md0",direction="read",way="direct"}"#,
            16777216.0,
        ),
        (
            r#"mdp2p_array_bytes_total{array="md0",direction="read",way="staged"}"#,
            1048576.0,
        ),
        (
            r#"mdp2p_array_bytes_total{array="md0",direction="write",way="direct"}"#,
            12582912.0,
        ),
        (
            r#"mdp2p_array_bytes_total{array="md0",direction="write",way="staged"}"#,
            1049088.0,
        ),
        (
            r#"mdp2p_array_ios_total{array="md0",direction="read",way="direct"}"#,
            256.0,
        ),
        (
            r#"mdp2p_array_ios_total{array="md0",direction="write",way="staged"}"#,
            5.0,
        ),
        (r#"mdp2p_array_refused_ios_total{array="md0"}"#, 3.0),
        (
            r#"mdp2p_array_rebuild_bytes_total{array="md0",memory="peer"}"#,
            41943040.0,
        ),
        (
            r#"mdp2p_array_rebuild_bytes_total{array="md0",memory="host"}"#,
            65536.0,
        ),
        (
            r#"mdp2p_member_bytes_total{array="md0",member="nvme0n1",direction="read"}"#,
            6291456.0,
        ),
        (
            r#"mdp2p_member_bytes_total{array="md0",member="nvme2n1",direction="write"}"#,
            2097152.0,
        ),
        (
            r#"mdp2p_provider_bytes{provider="0000:03:00.0"}"#,
            16777216.0,
        ),
        (
            r#"mdp2p_provider_free_bytes{provider="0000:04:00.0"}"#,
            12582912.0,
        ),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}\n{text}");
    }
    assert!(!text.contains("md127"), "{text}");
}

#[test]
fn prometheus_gets_new_states_and_strange_names() {
    let root = common::plant("arrays");
    put(root.path(), "p2pdma_state", "half\"way\\");
    let link = root.path().join("dev/md/a\"b\\c\nd");
    std::os::unix::fs::symlink("../md1", link).expect("a link");
    let samples = exposition(&output(stats(root.path()).arg("--prometheus")));
    let state = r#"mdp2p_array_state{array="md0",state="half\"way\\"}"#;
    assert_eq!(samples.get(state), Some(&1.0), "{samples:?}");
    let name = r#"mdp2p_array_info{array="md1",name="a\"b\\c\\u{a}d",level="raid1"}"#;
    assert_eq!(samples.get(name), Some(&1.0), "{samples:?}");
}

fn put(root: &Path, file: &str, content: impl ToString) {
    common::put(
        root,
        &format!("sys/block/md0/md/{file}"),
        content.to_string(),
    );
}

/// Checks text for Prometheus line by line, against the rules of its documentation. Returns each
/// sample with its value.
fn exposition(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let mut samples = BTreeMap::new();
    let mut finished = BTreeSet::new();
    let mut helped = String::new();
    let mut metric = (String::new(), String::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect(line);
            assert!(
                is_name(name) && !help.is_empty() && !help.contains('\\'),
                "{line}"
            );
            assert!(finished.insert(name.to_owned()), "twice: {line}");
            helped = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect(line);
            assert_eq!(name, helped, "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            metric = (name.to_owned(), kind.to_owned());
        } else {
            let (sample, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = sample.split_once('{').expect(line);
            // The samples of a metric directly follow its head.
            assert_eq!(name, metric.0, "{line}");
            let names = labels_of(labels.strip_suffix('}').expect(line));
            let unique: BTreeSet<_> = names.iter().collect();
            assert_eq!(unique.len(), names.len(), "{line}");
            let value: f64 = value.parse().expect(line);
            assert!(value >= 0.0, "{line}");
            assert!(
                samples.insert(sample.to_owned(), value).is_none(),
                "twice: {line}"
            );
        }
    }
    assert!(!samples.is_empty());
    samples
}

fn is_name(name: &str) -> bool {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with("mdp2p_") && name.chars().all(right)
}

/// Returns the names of labels: `a="…",b="…"`.
fn labels_of(mut text: &str) -> Vec<String> {
    let mut names = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").expect(text);
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{name}"
        );
        names.push(name.to_owned());
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            if escaped {
                assert!(['\\', '"', 'n'].contains(c), "{rest}");
            }
            escaped = *c == '\\' && !escaped;
            ends
        });
        text = &rest[end.expect(rest).0 + 1..];
        if !text.is_empty() {
            text = text.strip_prefix(',').expect(text);
            assert!(!text.is_empty(), "a comma at the end");
        }
    }
    names
}
