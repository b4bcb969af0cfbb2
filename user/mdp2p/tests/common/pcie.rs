// SPDX-License-Identifier: GPL-2.0
//! Machines made up, in a folder: for what no captured tree has.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Types of PCI Express ports.
pub const ROOT_PORT: u8 = 4;
/// To the root.
pub const UPSTREAM: u8 = 5;
/// From the root.
pub const DOWNSTREAM: u8 = 6;

/// A machine below a folder that goes with it.
pub struct Machine {
    root: TempDir,
}

impl Machine {
    /// With a host bridge that the kernel does not trust, and nothing else.
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("sys/bus/pci/devices")).expect("sys");
        let machine = Self { root };
        machine.device("pci0000:00/0000:00:00.0", 0x060000, &config(None, None));
        machine
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file, and makes the folders above it.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A link from `path` to what lies at `target` below the root.
    pub fn link(&self, path: &str, target: &str) {
        let up = "../".repeat(path.matches('/').count());
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        symlink(PathBuf::from(up + target), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A PCI device at `path` below `sys/devices`.
    pub fn device(&self, path: &str, class: u32, config: &[u8]) {
        let address = last(path);
        let folder = format!("sys/devices/{path}");
        self.put(
            &format!("{folder}/modalias"),
            modalias(0x8086, 0x29c0, class),
        );
        self.put(&format!("{folder}/config"), config);
        self.put(&format!("{folder}/resource"), "0x0 0x0 0x0\n");
        self.link(&format!("sys/bus/pci/devices/{address}"), &folder);
    }

    /// A port, whose ACS control register holds `acs`, if it has one.
    pub fn port(&self, path: &str, kind: u8, acs: Option<u8>) {
        self.device(path, 0x060400, &config(Some(kind), acs));
    }

    /// An NVMe drive of 1 TiB with a namespace; with a CMB of so many MiB, which is published.
    pub fn drive(&self, path: &str, number: usize, cmb: Option<u64>) {
        self.device(path, 0x010802, &config(None, None));
        let folder = format!("sys/devices/{path}");
        self.link(&format!("{folder}/driver"), "sys/bus/pci/drivers/nvme");
        let nvme = format!("{folder}/nvme/nvme{number}");
        self.put(&format!("{nvme}/model"), "Examplary Flash 9000\n");
        self.put(&format!("{nvme}/serial"), format!("SN{number:04}\n"));
        self.link(&format!("sys/class/nvme/nvme{number}"), &nvme);
        let disk = format!("nvme{number}n1");
        self.disk(&format!("{nvme}/{disk}"));
        if let Some(mib) = cmb {
            let bytes = mib << 20;
            self.put(
                &format!("{folder}/resource"),
                format!("0xfe000000 0x{:x} 0x14220c\n", 0xfe00_0000 + bytes - 1),
            );
            self.memory(path, bytes, bytes, true);
        }
    }

    /// Memory for others, of the device at `path`.
    pub fn memory(&self, path: &str, bytes: u64, available: u64, published: bool) {
        let folder = format!("sys/devices/{path}/p2pmem");
        self.put(&format!("{folder}/size"), format!("{bytes}\n"));
        self.put(&format!("{folder}/available"), format!("{available}\n"));
        let published = u8::from(published);
        self.put(&format!("{folder}/published"), format!("{published}\n"));
    }

    /// A block device of 1 TiB whose folder is `folder`.
    pub fn disk(&self, folder: &str) {
        self.put(&format!("{folder}/size"), "2147483648\n");
        self.link(&format!("sys/class/block/{}", last(folder)), folder);
    }

    /// An array; each member is a block device, and what `p2pdma_distance` says, if it is
    /// md-p2p's.
    pub fn array(&self, name: &str, members: &[(&str, Option<&str>)]) {
        let folder = format!("sys/devices/virtual/block/{name}");
        self.disk(&folder);
        self.link(&format!("sys/block/{name}"), &folder);
        let md = format!("{folder}/md");
        self.put(&format!("{md}/level"), "raid10\n");
        self.put(&format!("{md}/array_state"), "clean\n");
        self.put(&format!("{md}/raid_disks"), format!("{}\n", members.len()));
        for (slot, (member, told)) in members.iter().enumerate() {
            let folder = format!("{md}/dev-{member}");
            self.put(&format!("{folder}/slot"), format!("{slot}\n"));
            self.put(&format!("{folder}/state"), "in_sync\n");
            self.link(
                &format!("{folder}/block"),
                &format!("sys/class/block/{member}"),
            );
            if let Some(told) = told {
                self.put(&format!("{folder}/p2pdma_distance"), told);
                self.put(&format!("{md}/p2pdma_state"), "direct\n");
            }
        }
    }
}

/// What drivers know a device by.
pub fn modalias(vendor: u16, device: u16, class: u32) -> String {
    let [_, class, subclass, interface] = class.to_be_bytes();
    format!(
        "pci:v{vendor:08X}d{device:08X}sv00000000sd00000000\
         bc{class:02X}sc{subclass:02X}i{interface:02X}\n"
    )
}

/// Config space with a PCI Express and an ACS capability, if wanted.
pub fn config(port: Option<u8>, acs: Option<u8>) -> Vec<u8> {
    let mut config = vec![0; 4096];
    config[0x06] = 0x10;
    config[0x34] = 0x40;
    config[0x40] = 0x10;
    config[0x42] = port.unwrap_or(0) << 4 | 2;
    config[0x100..0x104].copy_from_slice(&[0x01, 0, 0x01, 0x14]);
    if let Some(acs) = acs {
        config[0x140..0x144].copy_from_slice(&[0x0d, 0, 0x01, 0]);
        config[0x146] = acs;
    }
    config
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
