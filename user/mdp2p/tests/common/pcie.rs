// SPDX-License-Identifier: GPL-2.0
//! Makes up machines in a folder, for what no captured tree has.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The type of a root port in the PCI Express capability.
pub const ROOT_PORT: u8 = 4;
/// The type of a switch's port to the root.
pub const UPSTREAM: u8 = 5;
/// The type of a switch's port to a device.
pub const DOWNSTREAM: u8 = 6;

/// A machine in a temporary folder.
pub struct Machine {
    root: TempDir,
}

impl Machine {
    /// Makes a machine with a host bridge that the kernel does not trust, and nothing else.
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("sys/bus/pci/devices")).expect("sys");
        let machine = Self { root };
        machine.put("proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
        machine.device("pci0000:00/0000:00:00.0", 0x060000, &config(None, None));
        machine
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file, and makes the folders above it.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Links `path` to `target` below the root.
    pub fn link(&self, path: &str, target: &str) {
        let up = "../".repeat(path.matches('/').count());
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        symlink(PathBuf::from(up + target), &path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Adds a PCI device at `path` below `sys/devices`.
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

    /// Adds a port. `acs` is the ACS control register; with `None` the port has no ACS capability.
    pub fn port(&self, path: &str, kind: u8, acs: Option<u8>) {
        self.device(path, 0x060400, &config(Some(kind), acs));
    }

    /// Adds an NVMe drive with a namespace of 1 TiB, and with a published CMB of `cmb` MiB.
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

    /// Gives the device at `path` memory for others.
    pub fn memory(&self, path: &str, bytes: u64, available: u64, published: bool) {
        let folder = format!("sys/devices/{path}/p2pmem");
        self.put(&format!("{folder}/size"), format!("{bytes}\n"));
        self.put(&format!("{folder}/available"), format!("{available}\n"));
        let published = u8::from(published);
        self.put(&format!("{folder}/published"), format!("{published}\n"));
    }

    /// Adds a block device of 1 TiB at `folder`.
    pub fn disk(&self, folder: &str) {
        self.put(&format!("{folder}/size"), "2147483648\n");
        self.link(&format!("sys/class/block/{}", last(folder)), folder);
    }

    /// Adds an array. Each member is a block device and, if the array is md-p2p's, the text of
    /// `p2pdma_distance`.
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

/// Returns the numbers by which drivers know a device.
pub fn modalias(vendor: u16, device: u16, class: u32) -> String {
    let [_, class, subclass, interface] = class.to_be_bytes();
    format!(
        "pci:v{vendor:08X}d{device:08X}sv00000000sd00000000\
         bc{class:02X}sc{subclass:02X}i{interface:02X}\n"
    )
}

/// Makes config space with a PCI Express capability and, if `acs` is given, an ACS capability.
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
