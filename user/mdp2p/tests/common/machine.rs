// SPDX-License-Identifier: GPL-2.0
//! A machine made of files, on which data can be moved.
//!
//! Its array `/dev/md0` is a file, and so is the p2pmem of its provider.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use mdp2p::cli::{Arguments, Request};
use mdp2p::commands::Verb;
use mdp2p_machine::sysroot::Sysroot;
use tempfile::TempDir;

/// Bytes of the array.
pub const BYTES: usize = 4 << 20;

/// Bytes of p2pmem. Only one buffer may exist, because every buffer is the same part of the file.
const P2PMEM: usize = 64 << 10;

/// The provider.
pub const PROVIDER: &str = "0000:01:00.0";

/// A machine.
pub struct Machine {
    folder: TempDir,
}

impl Machine {
    /// Makes a machine with an array of two members, one of which is the provider.
    pub fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for (address, path, class) in [
            ("0000:00:01.0", "pci0000:00/0000:00:01.0", "bc06sc04i00"),
            (
                PROVIDER,
                "pci0000:00/0000:00:01.0/0000:01:00.0",
                "bc01sc08i02",
            ),
        ] {
            let folder = format!("sys/devices/{path}");
            let alias = format!("pci:v00001B36d00000010sv00001AF4sd00001100{class}");
            machine.put(&format!("{folder}/modalias"), &alias);
            let link = format!("sys/bus/pci/devices/{address}");
            machine.link(&link, &format!("../../../devices/{path}"));
        }
        let pool = format!("sys/bus/pci/devices/{PROVIDER}/p2pmem");
        machine.put(&format!("{pool}/size"), "16777216");
        machine.put(&format!("{pool}/available"), &P2PMEM.to_string());
        machine.put(&format!("{pool}/published"), "1");
        machine.put(&format!("{pool}/allocate"), &"\0".repeat(P2PMEM));

        let md0 = "sys/devices/virtual/block/md0";
        machine.link("sys/block/md0", "../devices/virtual/block/md0");
        machine.link("sys/class/block/md0", "../../devices/virtual/block/md0");
        machine.put(&format!("{md0}/dev"), "9:0");
        machine.put(&format!("{md0}/size"), &(BYTES / 512).to_string());
        for (file, text) in [
            ("level", "raid0"),
            ("raid_disks", "2"),
            ("array_state", "clean"),
            ("chunk_size", "65536"),
            ("metadata_version", "1.2"),
            ("p2pdma_policy", "auto"),
            ("p2pdma_state", "direct"),
            ("p2pdma_provider", "none (auto)"),
            ("p2pdma_read_direct_bytes", "1000"),
            ("dev-nvme0n1/slot", "0"),
            ("dev-nvme0n1/state", "in_sync"),
            ("dev-nvme0n1/p2pdma_distance", "0000:01:00.0 0"),
            ("dev-nvme1n1/slot", "1"),
            ("dev-nvme1n1/state", "in_sync"),
            ("dev-nvme1n1/p2pdma_distance", "0000:01:00.0 4"),
        ] {
            machine.put(&format!("{md0}/md/{file}"), text);
        }
        machine.put("proc/stat", "cpu  1 2 3 4 5 6 7 8 0 0\n");
        machine.put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
        machine.put("proc/self/mountinfo", "");
        let data: Vec<u8> = (0..BYTES / 8).flat_map(|word| word.to_le_bytes()).collect();
        fs::write(machine.path("dev/md0"), data).expect("an array");
        machine
    }

    /// Returns the path of a file.
    pub fn path(&self, path: &str) -> std::path::PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        path
    }

    /// Writes a file.
    pub fn put(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).expect(path);
    }

    fn link(&self, path: &str, target: &str) {
        symlink(target, self.path(path)).expect(path);
    }

    /// Returns the root folder.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the machine as the library sees it.
    pub fn sysroot(&self) -> Sysroot {
        Sysroot::at(self.root()).expect("a host")
    }

    /// Returns the contents of the array.
    pub fn data(&self) -> Vec<u8> {
        fs::read(self.path("dev/md0")).expect("the array")
    }

    /// Gives the array a mounted filesystem, which holds the temporary folder.
    pub fn mount(&self) {
        use std::os::unix::fs::MetadataExt;
        let device = fs::metadata(self.root()).expect("the folder").dev();
        let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
        let md0 = "sys/devices/virtual/block/md0";
        self.put(&format!("{md0}/dev"), &format!("{major}:{minor}"));
        let mount = format!("36 1 {major}:{minor} / /mnt rw - ext4 /dev/md0 rw\n");
        self.put("proc/self/mountinfo", &mount);
    }

    /// Returns whether files of this machine support O_DIRECT, which transfers need.
    pub fn takes_direct_io(&self) -> bool {
        mdp2p_io::target::Target::source(&self.path("dev/md0")).is_ok()
    }
}

/// Parses a command line.
pub fn verb(words: &[&str]) -> Verb {
    let all = std::iter::once("mdp2p").chain(words.iter().copied());
    let parsed = <Arguments as clap::Parser>::try_parse_from(all);
    match parsed.unwrap_or_else(|error| panic!("{error}")).request {
        Request::Verb(verb) => verb,
        other => panic!("{other:?}"),
    }
}

/// Returns what the schema of a command finds wrong in `json`.
pub fn complaints(command: &str, json: &serde_json::Value) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{command}.json"));
    let schema = fs::read_to_string(file).expect("a schema");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    validator
        .iter_errors(json)
        .map(|error| format!("{error} at {}", error.instance_path))
        .collect()
}

/// Returns what `ui::json` would print for a report.
pub fn versioned(report: &impl serde::Serialize) -> serde_json::Value {
    let mut json = serde_json::to_value(report).expect("JSON");
    json["version"] = mdp2p::ui::JSON_VERSION.into();
    json
}
