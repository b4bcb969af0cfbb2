// SPDX-License-Identifier: GPL-2.0
//! Machines of strangers: whatever their files, names and links hold, a terminal, a log or a drawing
//! gets nothing but text.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{plant, put};
use tempfile::TempDir;

/// Sets a title, changes the colour, begins a sequence in one byte, ends an attribute, breaks a line
/// and writes backwards. The program itself never writes in magenta.
const EVIL: &str = "E\u{1b}]0;T\u{7}\u{1b}[35mV\u{9b}2J<&\"\\\u{202e}\u{2028}\t.";

/// What reads a machine. `{svg}` is a file that is not there yet.
const COMMANDS: &[&str] = &[
    "topology --all",
    "topology --all --json",
    "topology --svg {svg}",
    "doctor",
    "doctor --json",
    "list",
    "list --json",
    "detail md0",
    "detail md0 --json",
    "stats",
    "stats --json",
    "stats --prometheus",
    "module status",
    "module status --json",
    "enroll",
    "enroll --json",
    "policy md0",
    "provider md0",
    "verify md0 --dry-run",
    "bench md0 --dry-run",
    "create md77 --dry-run --level 1 nvme0n1 nvme1n1",
];

/// What reads PCI devices.
const OF_DEVICES: &[&str] = &[
    "topology --all",
    "topology --all --json",
    "topology --svg {svg}",
    "doctor",
    "create md77 --dry-run --level 1 nvme0n1 nvme1n1",
];

/// Returns a machine of which each file that mdp2p reads is there.
fn machine(tree: &str) -> TempDir {
    let root = plant(tree);
    let release = "7.3.4+deb13-amd64";
    let modules = format!("lib/modules/{release}");
    let dkms = format!("{modules}/updates/dkms/md-p2p.ko");
    let uuid = "3a344e36-cc38-c2c0-16b6-a6ba3c2c9491";
    for (path, text) in [
        ("proc/sys/kernel/osrelease", release),
        ("proc/cmdline", "root=/dev/sda1 iommu=pt"),
        ("proc/modules", "md_p2p 1 2 - Live 0x0\n"),
        (
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/nvme1n1 partition 1 0 -2\n",
        ),
        (
            "proc/self/mountinfo",
            "30 1 259:0 / /mnt rw - ext4 /dev/nvme0n1 rw\n",
        ),
        (&format!("boot/config-{release}"), "CONFIG_RUST=y\n"),
        (
            &format!("{modules}/modules.dep"),
            "updates/dkms/md-p2p.ko:\n",
        ),
        (&format!("var/cache/md-p2p/{release}/refused"), "a rule\n"),
        (&dkms, "~Module signature appended~\n"),
        ("sys/kernel/security/lockdown", "[none] integrity"),
        ("sys/module/module/parameters/sig_enforce", "N"),
        ("sys/class/dmi/id/sys_vendor", "QEMU"),
        (
            &format!("etc/md-p2p/enrolled/{uuid}"),
            "MD_P2P_NUMBER=3\nMD_DEVNAME=x\n",
        ),
        (
            "usr/share/misc/pci.ids",
            "8086  Intel\n\t29c0  A bridge\n1b36  QEMU\n\t0010  A drive\n",
        ),
        ("sys/class/block/nvme0n1/holders/dm-0/none", ""),
        ("sys/class/block/dm-0/dm/name", "vg-data"),
    ] {
        let file = root.path().join(path);
        if fs::symlink_metadata(&file).is_err() {
            put(root.path(), path, text);
        }
    }
    root
}

/// Something that a stranger can choose.
#[derive(Clone)]
enum Place {
    /// The content of a file: all of it, or its end.
    File(PathBuf, bool),
    /// The name of a file, a folder or a link.
    Name(PathBuf),
    /// The last component of a link's target.
    Target(PathBuf),
}

impl Place {
    /// Puts [`EVIL`] there.
    fn spoil(&self) {
        match self {
            Place::File(path, true) => fs::write(path, EVIL).expect("a file"),
            Place::File(path, false) => {
                let mut text = fs::read(path).expect("a file");
                text.truncate(text.trim_ascii_end().len());
                fs::write(path, [&text, EVIL.as_bytes()].concat()).expect("a file");
            }
            Place::Name(path) => {
                let name = path.file_name().expect("a name").to_string_lossy();
                let other = path.with_file_name(format!("{name}{EVIL}\nmore"));
                fs::rename(path, other).expect("another name");
            }
            Place::Target(path) => {
                let mut target = fs::read_link(path).expect("a link").into_os_string();
                target.push(EVIL);
                fs::remove_file(path).expect("removed");
                symlink(target, path).expect("a link");
            }
        }
    }
}

/// Returns the places in a machine: their kind, the path below the root, and the place.
fn places(root: &Path) -> Vec<(&'static str, String, Place)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
            let below = path.strip_prefix(root).expect("below");
            let below = below.to_string_lossy().into_owned();
            let mut add = |what, place| found.push((what, below.clone(), place));
            if path.parent() != Some(root) {
                add("name", Place::Name(path.clone()));
            }
            if kind.is_symlink() {
                add("target", Place::Target(path));
            } else if kind.is_dir() {
                folders.push(path);
            } else {
                add("text", Place::File(path.clone(), true));
                add("end", Place::File(path, false));
            }
        }
    }
    // A folder gets another name after what is in it.
    found.sort_by_key(|(_, below, _)| std::cmp::Reverse(below.matches('/').count()));
    found
}

/// Removes what the program itself writes to colour its output.
fn without_colours(text: &str) -> String {
    ["0", "1", "2", "22", "31", "32", "33", "39"]
        .iter()
        .fold(text.to_owned(), |text, code| {
            text.replace(&format!("\u{1b}[{code}m"), "")
        })
}

/// Asserts that a text may be written to a terminal.
fn assert_harmless(text: &str, what: &str) {
    let harmful = |c: char| (c.is_control() && c != '\n') || ('\u{2028}'..='\u{202e}').contains(&c);
    let plain = without_colours(text);
    assert!(!plain.contains(harmful), "{what}: {plain:?}");
}

fn run(root: &Path, command: &str, what: &str) {
    let svg = root.join("drawn.svg");
    let words = command.split(' ').map(|word| match word {
        "{svg}" => svg.as_os_str().to_owned(),
        word => word.into(),
    });
    let output = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
        .args(["--color", "always", "--sysroot"])
        .arg(root)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("mdp2p starts");
    let what = format!("{command}, {what}");
    let status = output.status.code();
    assert!(
        status.is_some_and(|status| status < 3),
        "{what}: {status:?}"
    );
    let text = |bytes| String::from_utf8(bytes).unwrap_or_else(|_| panic!("{what}: UTF-8"));
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_harmless(&out, &what);
    assert_harmless(&err, &what);
    if command.ends_with("--json") && !out.is_empty() {
        let json = serde_json::from_str::<serde_json::Value>(&out);
        assert!(json.is_ok(), "{what}: {json:?}");
    }
    if let Ok(drawing) = fs::read_to_string(&svg) {
        assert_harmless(&drawing, &what);
        let document = roxmltree::Document::parse(&drawing);
        assert!(document.is_ok(), "{what}: {document:?}");
    }
}

/// Spoils the places of a machine that are chosen, and runs commands.
fn spoil(tree: &str, commands: &[&str], chosen: impl Fn(&str, &str) -> bool) -> usize {
    let root = machine(tree);
    let places = places(root.path());
    let chosen: Vec<_> = places
        .iter()
        .filter(|(kind, below, _)| chosen(kind, below))
        .collect();
    for (_, _, place) in &chosen {
        place.spoil();
    }
    let what = chosen.first().map_or("nothing", |(_, below, _)| below);
    for command in commands {
        run(root.path(), command, &format!("{what} of {tree}"));
    }
    chosen.len()
}

#[test]
fn nothing_of_a_stranger_reaches_the_terminal_raw() {
    // Where one thing cannot be understood, another is still shown.
    for kind in ["text", "end", "name", "target"] {
        for part in ["/md/", ""] {
            spoil("arrays", COMMANDS, |it, below| {
                it == kind && below.contains(part)
            });
        }
        for part in ["sys/devices/pci", "sys/class"] {
            let tree = "machines/08-vmd-switch-mpath-vroc";
            spoil(tree, OF_DEVICES, |it, below| {
                it == kind && below.contains(part)
            });
        }
    }
}

#[test]
fn nothing_in_one_file_reaches_the_terminal_raw() {
    const SHOWN: &[&str] = &["detail md0", "topology --svg {svg}"];
    let root = machine("arrays");
    let files: BTreeSet<String> = places(root.path())
        .into_iter()
        .filter(|(kind, below, _)| {
            // Numbers that cannot be understood are all alike.
            let is_text = !below.contains("bytes") && !below.contains("_ios");
            let places = ["md0/md/", "nvme/nvme0/"];
            *kind == "text" && is_text && places.iter().any(|place| below.contains(place))
        })
        .map(|(_, below, _)| below)
        .collect();
    let mut last = String::new();
    for file in files {
        // Of members and devices, one is enough.
        let kind: String = file.chars().filter(|c| !c.is_ascii_digit()).collect();
        if kind != last {
            let count = spoil("arrays", SHOWN, |it, below| it == "text" && below == file);
            assert_eq!(count, 1, "{file}");
        }
        last = kind;
    }
}
