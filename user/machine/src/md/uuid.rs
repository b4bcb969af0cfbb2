// SPDX-License-Identifier: GPL-2.0
//! The UUIDs of arrays, which stay the same when an array is renamed.

use std::fmt;
use std::str::FromStr;

use anyhow::Result;

use super::array::Array;
use crate::sysroot::{Sysroot, garbage};

/// A UUID: 16 bytes of the superblock (set_uuid in include/uapi/linux/raid/md_p.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(u128);

impl Uuid {
    /// Writes the UUID as mdadm does: `3a344e36:cc38c2c0:16b6a6ba:3c2c9491`.
    pub fn to_mdadm(self) -> String {
        self.words(|word| word)
    }

    /// Writes the UUID as mdadm does in its map: each word in the byte order of this machine.
    pub fn to_map(self) -> String {
        self.words(u32::to_be)
    }

    fn words(self, change: fn(u32) -> u32) -> String {
        let word = |shift: u32| format!("{:08x}", change((self.0 >> shift) as u32));
        [96, 64, 32, 0].map(word).join(":")
    }
}

impl FromStr for Uuid {
    type Err = &'static str;

    /// Parses a UUID that the kernel, udev or mdadm wrote.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.split(['-', ':']).collect();
        match u128::from_str_radix(&digits, 16) {
            Ok(number) if digits.len() == 32 && !digits.starts_with('+') => Ok(Self(number)),
            _ => Err("expected a UUID of 32 hexadecimal digits"),
        }
    }
}

impl fmt::Display for Uuid {
    /// Writes the UUID as the kernel and udev do: `3a344e36-cc38-c2c0-16b6-a6ba3c2c9491`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
        f.write_str(&parts.join("-"))
    }
}

/// Reads the UUID of an array; `None` if the array does not run.
///
/// # Errors
/// Fails if the UUID cannot be read or understood.
pub fn of_array(sysroot: &Sysroot, name: &str) -> Result<Option<Uuid>> {
    let path = format!("sys/block/{name}/md/uuid");
    let Some(text) = sysroot.read_if(&path)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let uuid: Uuid = text
        .parse()
        .map_err(|why| garbage(&sysroot.path(&path), &text, &why))?;
    Ok(Some(uuid).filter(|uuid| uuid.0 != 0))
}

/// Finds the running array that has this UUID.
///
/// # Errors
/// Fails if a file in sysfs cannot be understood.
pub fn find_array(sysroot: &Sysroot, uuid: Uuid) -> Result<Option<Array>> {
    for name in sysroot.names("sys/block")? {
        if of_array(sysroot, &name)? == Some(uuid) {
            return Array::read(sysroot, &name).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "3a344e36-cc38-c2c0-16b6-a6ba3c2c9491";

    #[test]
    fn a_uuid_is_written_in_three_ways() {
        let uuid: Uuid = TEXT.parse().expect("a UUID");
        assert_eq!(uuid.to_string(), TEXT);
        let other = "3a344e36:cc38c2c0:16b6a6ba:3c2c9491";
        assert_eq!(uuid.to_mdadm(), other);
        assert_eq!(other.parse(), Ok(uuid));
        let map = match cfg!(target_endian = "little") {
            true => "364e343a:c0c238cc:baa6b616:91942c3c",
            false => other,
        };
        assert_eq!(uuid.to_map(), map);
        for wrong in [
            "",
            "3a344e36",
            "../../../../../../../../../../../passwd",
            "+a344e36cc38c2c016b6a6ba3c2c9491",
        ] {
            assert!(wrong.parse::<Uuid>().is_err(), "{wrong}");
        }
    }
}
