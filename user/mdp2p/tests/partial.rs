// SPDX-License-Identifier: GPL-2.0
//! Machines of which not all was captured or can be understood: the rest is told, and nothing is made
//! up.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{plant, put};
use serde_json::Value;

fn mdp2p(root: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
        .arg("--sysroot")
        .arg(root)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("mdp2p starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().expect("a status");
    (status, text(&output.stdout), text(&output.stderr))
}

/// Returns the verdict and the words of each check.
fn doctor(root: &Path) -> Vec<(String, String, String)> {
    let (_, out, _) = mdp2p(root, &["doctor", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let text = |check: &Value, key: &str| check[key].as_str().expect(key).to_owned();
    let checks = report["checks"].as_array().expect("checks").iter();
    checks
        .map(|it| (text(it, "name"), text(it, "verdict"), text(it, "found")))
        .collect()
}

fn check<'a>(checks: &'a [(String, String, String)], name: &str) -> (&'a str, &'a str) {
    let found = checks.iter().find(|it| it.0 == name);
    found.map(|it| (it.1.as_str(), it.2.as_str())).expect(name)
}

#[test]
fn what_was_not_captured_is_not_missing() {
    // A tree of the folders that docs/mdp2p.md named once, without lib and usr.
    for tree in ["arrays", "machines/08-vmd-switch-mpath-vroc"] {
        let root = plant(tree);
        let at = root.path();
        for folder in [
            "lib",
            "usr",
            "proc/sys",
            "sys/firmware",
            "sys/kernel",
            "sys/module",
        ] {
            let _ = fs::remove_dir_all(at.join(folder));
        }
        let _ = fs::remove_file(at.join("proc/cpuinfo"));
        put(at, "proc/cmdline", "quiet");
        let checks = doctor(at);
        assert!(checks.len() >= 16, "{tree}");
        for name in [
            "kernel options",
            "modules installed",
            "modules loaded",
            "Secure Boot",
            "mdadm",
            "bounce buffers",
            "NVMe multipath",
            "nvidia-fs",
        ] {
            let (verdict, found) = check(&checks, name);
            assert_eq!(verdict, "warning", "{tree}: {name}: {found}");
            assert!(found.starts_with("cannot tell"), "{tree}: {name}: {found}");
        }
        let (_, found) = check(&checks, "providers");
        assert!(!found.contains("cannot tell"), "{tree}: {found}");
        // If the folder was captured, what is not in it is missing indeed.
        put(at, "usr/sbin/mdp2p", "");
        put(at, "lib/modules/7.3.4/modules.dep", "");
        put(at, "proc/sys/kernel/osrelease", "7.3.4\n");
        let checks = doctor(at);
        for name in ["modules installed", "mdadm"] {
            assert_eq!(check(&checks, name).0, "problem", "{tree}: {name}");
        }
    }
}

/// Returns the real path of a file below the root.
fn real(root: &Path, path: &str) -> PathBuf {
    fs::canonicalize(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_file_that_cannot_be_understood_costs_only_what_it_tells() {
    for (tree, device, others) in [
        ("split", "0000:03:00.0", ["0000:04:00.0", "host bridge"]),
        (
            "machines/08-vmd-switch-mpath-vroc",
            "10000:02:00.0",
            ["md126", "host bridge"],
        ),
    ] {
        let root = plant(tree);
        let at = root.path();
        let (status, before, err) = mdp2p(at, &["topology", "--all"]);
        assert_eq!((status, err.as_str()), (0, ""), "{tree}");
        let folder = real(at, &format!("sys/bus/pci/devices/{device}"));
        for (file, text) in [
            ("resource", "root:*:1:\n"),
            ("modalias", "?"),
            ("p2pmem/size", "x"),
        ] {
            let path = folder.join(file);
            let was = fs::read(&path).ok();
            put(&folder, file, text);
            let (status, out, err) = mdp2p(at, &["topology", "--all"]);
            assert_eq!(status, 1, "{tree}: {err}");
            assert!(
                err.starts_with("mdp2p: warning: ") && err.contains(file),
                "{tree}: {err}"
            );
            assert_eq!(err.lines().count(), 1, "{tree}: {err}");
            for other in others.iter().filter(|other| before.contains(**other)) {
                assert!(out.contains(other), "{tree}, {file}, {other}: {out}");
            }
            assert!(doctor(at).len() >= 16, "{tree}, {file}");
            match was {
                Some(was) => fs::write(&path, was).expect("as it was"),
                None => fs::remove_file(&path).expect("as it was"),
            }
        }
    }
}

#[test]
fn an_array_that_cannot_be_understood_costs_only_its_line() {
    let root = plant("arrays");
    let at = root.path();
    let md = real(at, "sys/block/md0").join("md");
    put(&md, "degraded", "some");
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["stats"],
        &["stats", "--prometheus"],
        &["topology"],
    ] {
        let (status, out, err) = mdp2p(at, words);
        assert_eq!(status, 1, "{words:?}: {err}");
        let complaint = "mdp2p: warning: md0 is left out: ";
        assert!(
            err.starts_with(complaint) && err.contains("degraded"),
            "{words:?}: {err}"
        );
        assert!(!out.is_empty(), "{words:?}");
    }
    let (_, out, _) = mdp2p(at, &["list"]);
    assert!(out.contains("md1") && !out.contains("md0"), "{out}");
    // Who asks for that array, or makes one, is told.
    let (status, out, err) = mdp2p(at, &["detail", "md0"]);
    assert_eq!((status, out.as_str()), (1, ""), "{err}");
    let create = ["create", "md9", "--dry-run", "-l1", "nvme0n1", "nvme1n1"];
    let (status, _, err) = mdp2p(at, &create);
    assert!(status == 1 && err.contains("degraded"), "{err}");
}
