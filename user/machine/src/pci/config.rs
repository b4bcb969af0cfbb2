// SPDX-License-Identifier: GPL-2.0
//! Reads config space: the kind of a device, its ACS, and the sizes that its BARs can have
//! (include/uapi/linux/pci_regs.h).

use serde::Serialize;

/// What a device is, as far as it matters here: by its class code and, for bridges, by the type in
/// the PCI Express capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A port of the root complex.
    RootPort,
    /// The port of a switch that leads to the root.
    UpstreamPort,
    /// A port of a switch that leads to a device.
    DownstreamPort,
    /// Any other bridge to PCI.
    Bridge,
    /// An NVMe controller.
    Nvme,
    /// A display controller, or an accelerator.
    Gpu,
    /// A network or InfiniBand controller.
    Network,
    /// Anything else.
    Other,
}

/// What a port's ACS capability does to requests from one device below the port to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acs {
    /// The port has no ACS capability.
    None,
    /// ACS lets requests pass.
    Off,
    /// ACS sends requests up to the root complex, by request redirect, completion redirect or egress
    /// control.
    Redirects,
    /// Config space could not be read, because only root may read all of it; or it was not read,
    /// because the device is no bridge and has no driver, and so is neither client nor provider.
    Unknown,
}

/// The size from which a BAR counts as large: the size of a GPU's BAR that cannot be resized.
pub const LARGE_BAR: u64 = 256 << 20;

/// The class and subclass of bridges to PCI.
pub const PCI_BRIDGE: u32 = 0x0604;

/// The class of all bridges, without a subclass.
pub const BRIDGE: u32 = 0x06;

/// Returns what a device is, by its class code and by its [`port_type`].
pub fn kind(class: u32, port: Option<u8>) -> Kind {
    match (class >> 8, port) {
        // PCI_EXP_TYPE_ROOT_PORT, _UPSTREAM, _DOWNSTREAM
        (PCI_BRIDGE, Some(4)) => Kind::RootPort,
        (PCI_BRIDGE, Some(5)) => Kind::UpstreamPort,
        (PCI_BRIDGE, Some(6)) => Kind::DownstreamPort,
        (PCI_BRIDGE | 0x0609, _) => Kind::Bridge,
        (0x0108, _) => Kind::Nvme,
        (0x0300..=0x03ff | 0x1200..=0x12ff, _) => Kind::Gpu,
        (0x0200..=0x02ff | 0x0c06, _) => Kind::Network,
        _ => Kind::Other,
    }
}

/// Returns the type of a PCI Express port: bits 4 to 7 of the capability's flags (PCI_EXP_FLAGS).
/// `word` returns 16 bits of config space; `None` where that ends.
pub fn port_type(word: impl Fn(usize) -> Option<u16>) -> Option<u8> {
    // PCI_STATUS and its bit for capabilities, and the pointer to the first capability.
    const STATUS: usize = 6;
    const HAS_CAPABILITIES: u16 = 0x10;
    const FIRST: usize = 0x34;
    const PCI_EXPRESS: u16 = 0x10;
    if word(STATUS)? & HAS_CAPABILITIES == 0 {
        return None;
    }
    let mut at = usize::from(word(FIRST)? & 0xfc);
    // No more than config space has room for, so that a ring of capabilities ends too.
    for _ in 0..48 {
        if at < 0x40 {
            return None;
        }
        let head = word(at)?;
        if head & 0xff == PCI_EXPRESS {
            return Some((word(at + 2)? >> 4 & 0xf) as u8);
        }
        at = usize::from(head >> 8 & 0xfc);
    }
    None
}

/// Returns what ACS does, as `pci_bridge_has_acs_redir()` (drivers/pci/p2pdma.c) reads it.
pub fn acs(word: impl Fn(usize) -> Option<u16>) -> Acs {
    const EXTENDED: usize = 0x100;
    const ID: u16 = 0x0d;
    // PCI_ACS_CTRL, and its bits RR, CR and EC.
    const CONTROL: usize = 6;
    const REDIRECTS: u16 = 0x04 | 0x08 | 0x20;
    if word(EXTENDED - 2).is_none() {
        // Anyone but root reads no more than 64 bytes.
        return Acs::Unknown;
    }
    let mut at = EXTENDED;
    for _ in 0..960 {
        let (Some(id), Some(next)) = (word(at), word(at + 2)) else {
            return Acs::None;
        };
        if id == ID {
            let control = word(at + CONTROL).unwrap_or(0);
            return if control & REDIRECTS != 0 {
                Acs::Redirects
            } else {
                Acs::Off
            };
        }
        at = usize::from(next >> 4) & !3;
        if at < EXTENDED {
            return Acs::None;
        }
    }
    Acs::None
}

/// Returns 32 bits of config space.
fn dword(config: &[u8], at: usize) -> Option<u32> {
    let bytes = config.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// Returns where an extended capability begins in config space; `None` if there is none.
fn extended_capability(config: &[u8], wanted: u32) -> Option<usize> {
    let all = extended_capabilities(config);
    all.into_iter()
        .find_map(|(id, at)| (id == wanted).then_some(at))
}

/// Returns the number and the place of each extended capability.
fn extended_capabilities(config: &[u8]) -> Vec<(u32, usize)> {
    const FIRST: usize = 0x100;
    let mut all = Vec::new();
    let mut at = FIRST;
    // No more than config space has room for, so that a ring of capabilities ends too.
    while let Some(head) = dword(config, at).filter(|_| at >= FIRST && all.len() < 960) {
        all.push((head & 0xffff, at));
        at = (head >> 20 & 0xffc) as usize;
    }
    all
}

/// Removes the serial number of a device (PCI_EXT_CAP_ID_DSN), which may also be a network address.
pub fn without_serial(mut config: Vec<u8>) -> Vec<u8> {
    const ID: u32 = 0x03;
    for (id, at) in extended_capabilities(&config) {
        if id == ID {
            let end = config.len().min(at + 12);
            config[at + 4..end].fill(0);
        }
    }
    config
}

/// Returns the size in bytes that a small BAR could have at most (PCI_EXT_CAP_ID_REBAR); `None` if
/// none could be larger than it is.
pub fn possible_bar_size(config: &[u8]) -> Option<u64> {
    const ID: u32 = 0x15;
    let at = extended_capability(config, ID)?;
    // PCI_REBAR_CTRL_NBAR_MASK, PCI_REBAR_CTRL_BAR_SIZE; bit 4 of the capability is 1 MiB.
    let bars = (dword(config, at + 8)? >> 5 & 7) as usize;
    let mib = |power: u32| 1u64.checked_shl(power + 20);
    (0..bars)
        .filter_map(|bar| {
            let sizes = dword(config, at + 4 + 8 * bar)? >> 4;
            let now = mib(dword(config, at + 8 + 8 * bar)? >> 8 & 0x3f)?;
            let most = mib(sizes.checked_ilog2()?)?;
            (most > now && now <= LARGE_BAR).then_some(most)
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(config: &[u8]) -> impl Fn(usize) -> Option<u16> {
        move |at| {
            let word = config.get(at..at + 2)?.try_into().ok()?;
            Some(u16::from_le_bytes(word))
        }
    }

    fn config() -> Vec<u8> {
        let mut config = vec![0; 4096];
        config[6] = 0x10;
        config[0x34] = 0x48;
        config[0x48] = 0x01;
        config[0x49] = 0x50;
        config[0x50] = 0x10;
        config[0x52] = 0x62;
        config
    }

    #[test]
    fn the_type_of_a_port_is_in_its_capability() {
        assert_eq!(port_type(words(&config())), Some(6));
        assert_eq!(port_type(words(&config()[..64])), None);
        let mut ring = config();
        ring[0x50] = 0x02;
        ring[0x51] = 0x48;
        assert_eq!(port_type(words(&ring)), None);
    }

    #[test]
    fn acs_redirects_by_any_of_three_bits() {
        let mut config = config();
        assert_eq!(acs(words(&config)), Acs::None);
        config[0x100..0x104].copy_from_slice(&[0x01, 0x00, 0x01, 0x15]);
        config[0x150..0x154].copy_from_slice(&[0x0d, 0x00, 0x01, 0x00]);
        assert_eq!(acs(words(&config)), Acs::Off);
        for (control, expected) in [
            (0x01, Acs::Off),
            (0x04, Acs::Redirects),
            (0x08, Acs::Redirects),
            (0x10, Acs::Off),
            (0x20, Acs::Redirects),
            (0x1d, Acs::Redirects),
        ] {
            config[0x156] = control;
            assert_eq!(acs(words(&config)), expected, "{control:#x}");
        }
        assert_eq!(acs(words(&config[..64])), Acs::Unknown);
        assert_eq!(acs(words(&config[..256])), Acs::None);
    }

    #[test]
    fn a_bar_that_could_be_larger_is_seen() {
        let mut config = vec![0; 4096];
        config[0x100..0x104].copy_from_slice(&[0x15, 0x00, 0x01, 0x00]);
        // 256 MiB to 16 GiB; one BAR; 256 MiB now.
        let put = |config: &mut Vec<u8>, at: usize, value: u32| {
            config[at..at + 4].copy_from_slice(&value.to_le_bytes());
        };
        put(&mut config, 0x104, 0b111_1111 << 12);
        put(&mut config, 0x108, 8 << 8 | 1 << 5 | 1);
        assert_eq!(possible_bar_size(&config), Some(16 << 30));
        put(&mut config, 0x108, 14 << 8 | 1 << 5 | 1);
        assert_eq!(possible_bar_size(&config), None);
        assert_eq!(possible_bar_size(&config[..256]), None);
    }
}
