// SPDX-License-Identifier: GPL-2.0
//! The processors and host bridges that the kernel trusts to pass requests on from one device to
//! another (drivers/pci/p2pdma.c, Linux 7.3).

/// An entry of `pci_p2pdma_whitelist`.
pub struct Trusted {
    vendor: u16,
    /// The device; `None` stands for every device of the vendor.
    device: Option<u16>,
    /// Whether both devices have to be below this host bridge (REQ_SAME_HOST_BRIDGE).
    pub same_only: bool,
}

/// Returns the entry of a host bridge, by the device that stands for it; `None` if the kernel does
/// not trust it.
pub fn entry(vendor: u16, device: u16) -> Option<&'static Trusted> {
    let is_it =
        |entry: &&Trusted| entry.vendor == vendor && entry.device.is_none_or(|id| id == device);
    TRUSTED.iter().find(is_it)
}

/// Whether `/proc/cpuinfo` is of an AMD processor of family 17h (Zen) or later.
pub fn is_zen(cpuinfo: &str) -> bool {
    let field = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim())
        })
    };
    field("vendor_id") == Some("AuthenticAMD")
        && field("cpu family")
            .and_then(|family| family.parse::<u32>().ok())
            .is_some_and(|family| family >= 0x17)
}

const INTEL: u16 = 0x8086;
const GOOGLE: u16 = 0x1ae0;
const NVIDIA: u16 = 0x10de;

/// Makes an entry for an Intel host bridge that is trusted only between devices that are both below
/// it.
const fn within_bridge(device: u16) -> Trusted {
    Trusted {
        vendor: INTEL,
        device: Some(device),
        same_only: true,
    }
}

/// Makes an entry for a host bridge that is trusted.
const fn trusted(vendor: u16, device: u16) -> Trusted {
    Trusted {
        vendor,
        device: Some(device),
        same_only: false,
    }
}

const TRUSTED: &[Trusted] = &[
    // Xeon E5 and E7 of several generations
    within_bridge(0x3c00),
    within_bridge(0x3c01),
    within_bridge(0x2f00),
    within_bridge(0x2f01),
    // Skylake-E and later
    trusted(INTEL, 0x2030),
    trusted(INTEL, 0x2031),
    trusted(INTEL, 0x2032),
    trusted(INTEL, 0x2033),
    trusted(INTEL, 0x2020),
    trusted(INTEL, 0x09a2),
    // DSA, IAA and QAT: they come first on a root bus of later ones
    trusted(INTEL, 0x0b25),
    trusted(INTEL, 0x0cfe),
    trusted(INTEL, 0x11fb),
    trusted(INTEL, 0x1212),
    trusted(INTEL, 0x1216),
    trusted(INTEL, 0x4940),
    trusted(INTEL, 0x4942),
    trusted(INTEL, 0x4944),
    trusted(INTEL, 0x4946),
    trusted(INTEL, 0x4948),
    Trusted {
        vendor: GOOGLE,
        device: None,
        same_only: false,
    },
    trusted(NVIDIA, 0x2f95),
    trusted(NVIDIA, 0x2f96),
    trusted(NVIDIA, 0x2f97),
    trusted(NVIDIA, 0x2f98),
];
