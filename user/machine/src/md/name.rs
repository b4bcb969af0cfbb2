// SPDX-License-Identifier: GPL-2.0
//! The names of arrays in `/dev`.

use anyhow::{Result, bail};

use super::array::{self, Array};
use crate::sysroot::Sysroot;

/// Returns the node of the array that the user means: `/dev/md0` for `md0` and `/dev/md0`,
/// `/dev/md/data` for `data` and `/dev/md/data`.
///
/// # Errors
/// Fails if the text cannot name an array.
pub fn node(wanted: &str) -> Result<String> {
    let is_number = |text: &str| {
        (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let bare = wanted.strip_prefix("/dev/").unwrap_or(wanted);
    if bare.strip_prefix("md").is_some_and(is_number) {
        return Ok(format!("/dev/{bare}"));
    }
    let name = match wanted.strip_prefix("/dev/") {
        Some(bare) => bare.strip_prefix("md/"),
        None => Some(wanted.strip_prefix("md/").unwrap_or(wanted)),
    };
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        (1..=32).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['-', '.'])
    };
    match name {
        Some(name) if is_name(name) => Ok(format!("/dev/md/{name}")),
        _ => bail!(
            "{wanted}: not a name for an array; such names are md0, /dev/md0, data and \
             /dev/md/data, with up to 32 letters, digits and . _ -"
        ),
    }
}

/// Finds the array of this node. The array may be a leftover that does not run.
///
/// # Errors
/// Fails if a file in sysfs cannot be understood.
pub fn find_by_node(sysroot: &Sysroot, node: &str) -> Result<Option<Array>> {
    let name = node.rsplit('/').next().unwrap_or(node);
    // For mdadm, /dev/md/5 is md5.
    let number = format!("md{name}");
    let is_it = |array: &Array| {
        array.name == name
            || array.name == number
            || array.aliases.iter().any(|alias| alias == name)
    };
    Ok(array::all(sysroot)?.into_iter().find(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_one_node_whatever_it_is_called() {
        for (wanted, expected) in [
            ("md0", "/dev/md0"),
            ("/dev/md0", "/dev/md0"),
            ("md127", "/dev/md127"),
            ("data", "/dev/md/data"),
            ("md/data", "/dev/md/data"),
            ("/dev/md/data", "/dev/md/data"),
            ("/dev/md/7", "/dev/md/7"),
            ("my_array-1.2", "/dev/md/my_array-1.2"),
        ] {
            assert_eq!(node(wanted).expect(wanted), expected);
        }
        let long = "x".repeat(33);
        for wanted in [
            "", "/", "/dev/", "/dev/md/", "-x", ".x", "a/b", "/dev/sda", "/tmp/x", &long,
        ] {
            assert!(node(wanted).is_err(), "{wanted}");
        }
    }
}
