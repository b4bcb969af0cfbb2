// SPDX-License-Identifier: GPL-2.0
//! PCI addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A PCI address: domain, bus, device and function, as `lspci -D` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bdf {
    /// The domain: 16 bits on most machines, 32 below a VMD or on Hyper-V.
    pub domain: u32,
    /// The bus.
    pub bus: u8,
    /// The device, up to 31.
    pub device: u8,
    /// The function, up to 7.
    pub function: u8,
}

impl Bdf {
    /// Returns the address without the domain if that is 0, as `lspci` prints it.
    pub fn short(self) -> String {
        let text = self.to_string();
        match self.domain {
            0 => text.trim_start_matches("0000:").to_owned(),
            _ => text,
        }
    }
}

impl FromStr for Bdf {
    type Err = String;

    /// Parses an address. The domain may be left out, as `lspci` does.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (domain, rest) = match text.split_once(':')? {
                (domain, rest) if rest.contains(':') => (domain, rest),
                _ => ("0000", text),
            };
            let (bus, rest) = rest.split_once(':')?;
            let (device, function) = rest.split_once('.')?;
            let hex = |text: &str, digits: &[usize], most: u32| {
                let all_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let number = u32::from_str_radix(text, 16).ok()?;
                (all_hex && digits.contains(&text.len()) && number <= most).then_some(number)
            };
            Some(Self {
                domain: hex(domain, &[4, 5, 6, 7, 8], u32::MAX)?,
                bus: hex(bus, &[2], 0xff)?.try_into().ok()?,
                device: hex(device, &[2], 0x1f)?.try_into().ok()?,
                function: hex(function, &[1], 7)?.try_into().ok()?,
            })
        };
        parsed().ok_or_else(|| "a PCI address looks like 0000:03:00.0 or 03:00.0".into())
    }
}

impl fmt::Display for Bdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

impl Serialize for Bdf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_domain() {
        for text in ["0000:03:00.0", "03:00.0"] {
            let bdf: Bdf = text.parse().expect(text);
            assert_eq!(bdf.to_string(), "0000:03:00.0");
            assert_eq!(bdf.short(), "03:00.0");
        }
        for text in ["10ab:fe:1f.7", "10000:01:00.0"] {
            let bdf: Bdf = text.parse().expect(text);
            assert_eq!(bdf.to_string(), text);
            assert_eq!(bdf.short(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "3:0.0",
            "03:00",
            "03:20.0",
            "03:00.8",
            "0000:03:00.0 ",
            "g0:00.0",
            "000000000:03:00.0",
            "+3:00.0",
            "0000:0000:03:00.0",
            "/dev/nvme0",
        ] {
            assert!(text.parse::<Bdf>().is_err(), "{text:?}");
        }
    }
}
