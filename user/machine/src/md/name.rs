// SPDX-License-Identifier: GPL-2.0
//! The names of arrays in `/dev`.

use anyhow::{Result, bail};

use super::array::{self, Array};
use crate::programs::command_line;
use crate::sysroot::Sysroot;

/// The last number that the kernel gives to an array.
pub const LAST_NUMBER: u32 = (1 << 20) - 1;

/// The longest name, in bytes (`MD_NAME_MAX` of mdadm).
const LONGEST: usize = 32;

/// Returns the number of an array from its name in `/sys/block`: 7 for `md7`.
pub fn number(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("md").filter(|it| is_digits(it))?;
    digits.parse().ok()
}

/// Returns the node of the array that the user means: `/dev/md0` for `md0` and `/dev/md0`,
/// `/dev/md/data` for `data` and `/dev/md/data`.
///
/// It refuses only what no mdadm takes, because the versions of mdadm differ: 4.3 and 4.4 want
/// names as in [`is_portable`], those before and after do not.
///
/// # Errors
/// Fails if the text cannot name an array.
pub fn node(wanted: &str) -> Result<String> {
    let shown = command_line([wanted]);
    let bare = wanted.strip_prefix("/dev/").unwrap_or(wanted);
    if bare.strip_prefix("md").is_some_and(is_digits) {
        return match number(bare).filter(|number| *number <= LAST_NUMBER) {
            Some(number) => Ok(format!("/dev/md{number}")),
            None => bail!("{shown}: no array can have this number; the last one is {LAST_NUMBER}"),
        };
    }
    // These are older: arrays with partitions once had numbers of their own.
    if bare.strip_prefix("md_d").is_some_and(is_digits) {
        return Ok(format!("/dev/{bare}"));
    }
    let name = match wanted.strip_prefix("/dev/") {
        Some(bare) => bare.strip_prefix("md/"),
        None => Some(wanted.strip_prefix("md/").unwrap_or(wanted)),
    };
    let is_name = |name: &str| {
        (1..=LONGEST).contains(&name.len())
            && !name.starts_with(['-', '.'])
            && !name.chars().any(|c| c == '/' || c.is_control())
    };
    match name {
        Some(name) if is_name(name) => Ok(format!("/dev/md/{name}")),
        _ => bail!(
            "{shown}: not a name for an array; such names are md0, /dev/md0, data and \
             /dev/md/data, up to {LONGEST} bytes long and without /"
        ),
    }
}

/// Tells whether every version of mdadm takes this node for an array (`is_name_posix_compatible`
/// in its lib.c).
pub fn is_portable(node: &str) -> bool {
    let name = node.rsplit('/').next().unwrap_or_default();
    name.chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
            ("md1000000", "/dev/md1000000"),
            ("/dev/md1048575", "/dev/md1048575"),
            ("md007", "/dev/md7"),
            ("/dev/md_d0", "/dev/md_d0"),
            ("md_d0", "/dev/md_d0"),
            ("node1:pv2", "/dev/md/node1:pv2"),
            ("größe-データ", "/dev/md/größe-データ"),
            ("my raid", "/dev/md/my raid"),
            ("mdx", "/dev/md/mdx"),
        ] {
            assert_eq!(node(wanted).expect(wanted), expected);
        }
        let long = "x".repeat(33);
        for wanted in [
            "",
            "/",
            "/dev/",
            "/dev/md/",
            "-x",
            ".x",
            "a/b",
            "/dev/sda",
            "/tmp/x",
            &long,
            "a\nb",
            "\u{9b}31m",
            "md1048576",
            "md99999999999",
            "..",
            "md/../x",
        ] {
            assert!(node(wanted).is_err(), "{wanted}");
        }
    }

    #[test]
    fn some_names_are_not_taken_by_every_mdadm() {
        for node in ["/dev/md0", "/dev/md/my_array-1.2"] {
            assert!(is_portable(node), "{node}");
        }
        for node in ["/dev/md/node1:pv2", "/dev/md/größe", "/dev/md/my raid"] {
            assert!(!is_portable(node), "{node}");
        }
    }
}
