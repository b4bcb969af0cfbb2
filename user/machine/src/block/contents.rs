// SPDX-License-Identifier: GPL-2.0
//! What a block device holds, according to blkid, and whether somebody uses it exclusively.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::libc;
use nix::unistd::Uid;

use crate::programs;

/// The result of an attempt to open a device exclusively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody else has it open exclusively, and it can be read.
    Free,
    /// Somebody has it open exclusively.
    Busy,
    /// This could not be learned, for this reason.
    Unknown(String),
}

/// Opens the device exclusively, as a filesystem or md does (`O_EXCL`), reads a block, and closes
/// it.
///
/// # Errors
/// Fails if the device cannot be opened or read.
pub fn claim(node: &Path) -> Result<Claim> {
    let open = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_NONBLOCK)
        .open(node);
    let mut file: File = match open {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => return Ok(Claim::Busy),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let why = match Uid::effective().is_root() {
                true => "the kernel lets nobody in this container open it",
                false => "only root can open it",
            };
            return Ok(Claim::Unknown(why.into()));
        }
        Err(error) => return Err(error).with_context(|| node.display().to_string()),
    };
    file.read_exact(&mut [0; 4096])
        .with_context(|| format!("{}: reading its first block", node.display()))?;
    Ok(Claim::Free)
}

/// What a device holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Nothing that blkid knows.
    Nothing,
    /// A filesystem, a partition table or the like.
    Something(String),
    /// This could not be learned, for this reason.
    Unknown(String),
}

/// Asks blkid what a device holds; `blkid` is the path of the program.
pub fn read(blkid: Option<&Path>, node: &Path) -> Contents {
    let Some(blkid) = blkid else {
        return Contents::Unknown("blkid is not found; install util-linux".into());
    };
    let mut command = Command::new(blkid);
    command.args(["--probe", "--output", "export"]).arg(node);
    match programs::ask(&mut command) {
        Ok(answer) => interpret(answer.status.code(), &answer.output, &answer.complaint),
        Err(error) => Contents::Unknown(format!("{}: {error}", blkid.display())),
    }
}

/// Interprets the exit status and the output of blkid (blkid(8)).
fn interpret(status: Option<i32>, output: &str, complaint: &str) -> Contents {
    match status {
        Some(0) => describe(output),
        // blkid also returns this if it cannot open the device. In most cases it then complains,
        // and `inspect` has opened the device before.
        Some(2) if complaint.is_empty() => Contents::Nothing,
        Some(8) => Contents::Something("signatures of more than one kind".into()),
        Some(status) => {
            Contents::Unknown(format!("blkid exited with status {status}; {complaint}"))
        }
        None => Contents::Unknown("blkid was killed".into()),
    }
}

/// Describes the content that `KEY=VALUE` lines name.
fn describe(output: &str) -> Contents {
    let values: Vec<(&str, &str)> = output
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let value = |key: &str| {
        let found = values.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| *value)
    };
    let mut parts = Vec::new();
    if let Some(kind) = value("TYPE") {
        let label = value("LABEL").map_or(String::new(), |label| format!(" {label}"));
        parts.push(format!("{kind}{label}"));
    }
    if let Some(table) = value("PTTYPE") {
        parts.push(format!("{table} partition table"));
    }
    // For a partition, blkid also prints its entry in the partition table, which is not on the
    // partition.
    let other = |key: &str| key != "DEVNAME" && !key.starts_with("PART_ENTRY_");
    match values.iter().find(|(key, _)| other(key)) {
        _ if !parts.is_empty() => Contents::Something(parts.join(", ")),
        Some((key, value)) => Contents::Something(format!("{key}={value}")),
        None => Contents::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_answers_of_blkid_are_understood() {
        let something = |text: &str| Contents::Something(text.into());
        let ext4 = "DEVNAME=/dev/x\nLABEL=my data\nBLOCK_SIZE=4096\nTYPE=ext4\nUSAGE=filesystem\n";
        assert_eq!(interpret(Some(0), ext4, ""), something("ext4 my data"));
        let gpt = "DEVNAME=/dev/x\nPTUUID=1\nPTTYPE=gpt\n";
        assert_eq!(
            interpret(Some(0), gpt, ""),
            something("gpt partition table")
        );
        let entry = "DEVNAME=/dev/x\nPART_ENTRY_SCHEME=gpt\nPART_ENTRY_NUMBER=1\n";
        assert_eq!(interpret(Some(0), entry, ""), Contents::Nothing);
        assert_eq!(interpret(Some(0), "NEW=1\n", ""), something("NEW=1"));
        assert_eq!(interpret(Some(2), "", ""), Contents::Nothing);
        assert!(matches!(interpret(Some(8), "", ""), Contents::Something(_)));
        for (status, complaint) in [
            (Some(2), "blkid: error: /dev/x: Permission denied"),
            (Some(4), ""),
            (None, ""),
        ] {
            assert!(matches!(
                interpret(status, "", complaint),
                Contents::Unknown(_)
            ));
        }
        assert!(matches!(
            read(None, Path::new("/dev/x")),
            Contents::Unknown(why) if why.contains("util-linux")
        ));
    }

    #[test]
    fn blkid_itself_finds_what_is_there() {
        let Some(blkid) = programs::program("blkid") else {
            eprintln!("skipped: no blkid");
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let image = folder.path().join("image");
        let mut bytes = vec![0; 4 << 20];
        fs::write(&image, &bytes).expect("an image");
        assert_eq!(read(Some(&blkid), &image), Contents::Nothing);
        assert_eq!(claim(&image).expect("a claim"), Claim::Free);
        // The superblock of an MD array, version 1.2: a magic number, 1, and the rest zeros.
        bytes[4096..4100].copy_from_slice(&0xa92b_4efc_u32.to_le_bytes());
        bytes[4100..4104].copy_from_slice(&1_u32.to_le_bytes());
        bytes[4096 + 144..4096 + 152].copy_from_slice(&8_u64.to_le_bytes());
        fs::write(&image, &bytes).expect("an image");
        assert_eq!(
            read(Some(&blkid), &image),
            Contents::Something("linux_raid_member".into())
        );
        // blkid reports nothing for a device that does not exist, without a complaint; so the
        // device is opened first.
        let gone = folder.path().join("gone");
        assert!(claim(&gone).is_err());
    }
}
