// SPDX-License-Identifier: GPL-2.0
//! Arrays that come up under md-p2p: each has a file, `/etc/md-p2p/enrolled/UUID`.
//!
//! Tests: below, and tests/enroll.rs.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use mdp2p_machine::md::array::Array;
use mdp2p_machine::md::external::External;
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::name::LAST_NUMBER;
use mdp2p_machine::md::uuid::{self, Uuid};
use mdp2p_machine::sysroot::{Sysroot, garbage};

use crate::ui;

/// The folder of these files, below the root.
const FOLDER: &str = "etc/md-p2p/enrolled";

/// The numbers that mdadm chooses from: it counts down from 127, and people count up from 0.
pub const MDADMS: Range<u32> = 100..128;

/// The numbers for enrolled arrays, which nobody else assigns.
const OURS: Range<u32> = 128..512;

/// The numbers for enrolled arrays whose own number is in use.
pub const SUBSTITUTES: Range<u32> = 512..1024;

/// An array that is to come up under md-p2p.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The UUID of the array.
    pub uuid: Uuid,
    /// The array becomes `/dev/mdNUMBER`, if the number is free.
    pub number: u32,
    /// The array is also `/dev/md/NAME`.
    pub name: Option<String>,
}

impl Enrolled {
    /// Returns all enrolled arrays.
    ///
    /// # Errors
    /// Fails if one of their files cannot be read or understood.
    pub fn all(sysroot: &Sysroot) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for file in sysroot.names(FOLDER)? {
            // Other files were left by an editor or an interrupted write.
            if let Ok(uuid) = file.parse() {
                all.extend(Self::find(sysroot, uuid)?);
            }
        }
        Ok(all)
    }

    /// Returns all enrolled arrays, even those whose file cannot be understood.
    pub fn all_tolerant(sysroot: &Sysroot) -> Result<Vec<Self>> {
        let names = sysroot.names(FOLDER)?;
        let uuids = names.iter().filter_map(|name| name.parse().ok());
        Ok(uuids
            .filter_map(|uuid| Self::find_tolerant(sysroot, uuid))
            .collect())
    }

    /// Returns the enrolled array of this UUID, even if its file cannot be understood, because
    /// nobody else would assemble it.
    pub fn find_tolerant(sysroot: &Sysroot, uuid: Uuid) -> Option<Self> {
        Self::find(sysroot, uuid).unwrap_or_else(|error| {
            ui::complain(&format!("{error:#}; the array gets another number"));
            Some(Self {
                uuid,
                number: SUBSTITUTES.start,
                name: None,
            })
        })
    }

    /// Returns the enrolled array of this UUID.
    ///
    /// # Errors
    /// Fails if its file cannot be read or understood.
    pub fn find(sysroot: &Sysroot, uuid: Uuid) -> Result<Option<Self>> {
        let path = format!("{FOLDER}/{uuid}");
        let Some(text) = sysroot.lines_if(&path)? else {
            return Ok(None);
        };
        let enrolled = Self::parse(uuid, &text);
        let enrolled = enrolled.map_err(|why| garbage(&sysroot.path(&path), &text, &why));
        enrolled.map(Some)
    }

    /// Parses `KEY=VALUE` lines.
    fn parse(uuid: Uuid, text: &str) -> Result<Self, &'static str> {
        let value = |key: &str| {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs
                .filter(|(it, _)| *it == key)
                .map(|(_, it)| it)
                .next_back()
        };
        let number = value("MD_P2P_NUMBER").and_then(|number| number.parse().ok());
        Ok(Self {
            uuid,
            number: number
                .filter(|number| *number <= LAST_NUMBER)
                .ok_or("expected MD_P2P_NUMBER=0 to 1048575")?,
            name: match value("MD_DEVNAME") {
                None => None,
                Some(name) if is_plain_name(name) => Some(name.to_owned()),
                Some(_) => return Err("expected MD_DEVNAME= of letters, digits and . _ : -"),
            },
        })
    }

    /// Returns the path of its file.
    pub fn path(&self, sysroot: &Sysroot) -> PathBuf {
        sysroot.path(format!("{FOLDER}/{}", self.uuid))
    }

    /// Returns the path of the array in `/dev`.
    pub fn node(&self) -> String {
        match &self.name {
            Some(name) => format!("/dev/md/{name}"),
            None => format!("/dev/md{}", self.number),
        }
    }

    /// Describes a running array as an enrolled one, with a number that no other has.
    ///
    /// # Errors
    /// Says why the array cannot be enrolled.
    pub fn of(sysroot: &Sysroot, array: &Array, others: &[Self]) -> Result<Self> {
        let name = &array.name;
        if External::of(array).is_some() {
            bail!(
                "{name} has external metadata ({}), so it cannot be enrolled: `mdp2p detail {name}` \
                 says more",
                array.metadata
            );
        }
        if !array.metadata.starts_with("1.") {
            bail!(
                "{name} has a superblock of version {}; only versions 1.0, 1.1 and 1.2 can \
                 be enrolled",
                array.metadata
            );
        }
        Level::parse(&array.level).map_err(|_| {
            anyhow!(
                "{name} has the level {:?}, which md-p2p does not support",
                array.level
            )
        })?;
        let uuid = uuid::of_array(sysroot, name)?
            .with_context(|| format!("{name} has no UUID in sysfs; is it running?"))?;
        let number = name.strip_prefix("md").and_then(|it| it.parse().ok());
        // udev also calls md0 /dev/md/0.
        let is_name = |alias: &&String| is_plain_name(alias) && format!("md{alias}") != *name;
        let called = array.aliases.iter().find(is_name);
        let alias = match (called, number) {
            (Some(alias), _) => Some(alias.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(own_name(name)?),
        };
        let is_free = |number: &u32| {
            !sysroot.has(format!("sys/block/md{number}"))
                && others.iter().all(|it| it.number != *number)
        };
        // An array without a name keeps its number, unless mdadm chose it: next time another array
        // may get it.
        let kept = number.filter(|number| match alias {
            None => !MDADMS.contains(number),
            Some(_) => *number >= OURS.start,
        });
        let number = kept.or_else(|| OURS.into_iter().find(is_free));
        Ok(Self {
            uuid,
            number: number.context("no number for an array is free")?,
            name: alias,
        })
    }

    /// Returns the enrolled array that has the same name or number.
    pub fn rival<'a>(&self, others: &'a [Self]) -> Option<&'a Self> {
        others
            .iter()
            .find(|it| it.number == self.number || (it.name.is_some() && it.name == self.name))
    }
}

impl fmt::Display for Enrolled {
    /// Writes the file. udev's rules import it, so it uses the keys of `mdadm --detail --export`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "MD_P2P_NUMBER={}", self.number)?;
        writeln!(f, "MD_UUID={}", self.uuid.to_mdadm())?;
        match &self.name {
            Some(name) => writeln!(f, "MD_DEVNAME={name}"),
            None => Ok(()),
        }
    }
}

/// Returns the name of an array without a number: `data` for `md_data`.
fn own_name(name: &str) -> Result<String> {
    let own = name.strip_prefix("md_").unwrap_or(name);
    if !is_plain_name(own) {
        bail!(
            "{name:?} has neither a number nor a name of letters, digits and . _ : -, which udev's \
             files need: assemble it by another name first; nothing was changed"
        );
    }
    Ok(own.to_owned())
}

/// Tells whether udev and mdadm take the text for exactly one name, in their files too.
pub fn is_plain_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    !name.is_empty() && name.chars().all(is_plain) && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::file;
    use mdp2p_machine::testing::put;

    const TEXT: &str = "3a344e36-cc38-c2c0-16b6-a6ba3c2c9491";

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().expect("a folder");
        put(root.path(), "sys/x", "");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let uuid: Uuid = TEXT.parse().expect("a UUID");
        assert_eq!(Enrolled::find(&sysroot, uuid).expect("none"), None);
        for name in [None, Some("data".to_owned())] {
            let enrolled = Enrolled {
                uuid,
                number: 128,
                name,
            };
            put(root.path(), "etc/md-p2p/enrolled/.new", "half");
            file::replace(&enrolled.path(&sysroot), &enrolled.to_string()).expect("written");
            assert_eq!(Enrolled::all(&sysroot).expect("one"), [enrolled]);
        }
        let of_name = |name: &str| format!("MD_P2P_NUMBER=1\nMD_DEVNAME={name}\n");
        let wrong = ["", "MD_P2P_NUMBER=-1\n", "MD_P2P_NUMBER=1048576\n"].map(str::to_owned);
        let names = ["", ".", "..", "../sda", "a b", "\"x\"", "$x"].map(of_name);
        for wrong in wrong.iter().chain(&names) {
            put(root.path(), &format!("{FOLDER}/{TEXT}"), wrong);
            let error = Enrolled::all(&sysroot).expect_err(wrong).to_string();
            assert!(error.contains(TEXT), "{error}");
        }
    }
}
