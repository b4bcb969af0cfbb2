// SPDX-License-Identifier: GPL-2.0
//! Makes, assembles, asks and stops the array `/dev/md0` of a guest. Most of this goes through
//! sysfs, because it is done thousands of times, and a process takes long on an emulated CPU.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::target::Target;
use nix::errno::Errno;

use crate::faulty;
use crate::sysfs::attr;
use crate::wait::until;

/// The array.
pub const DISK: &str = "/dev/md0";

/// The offset of a member's data. Before them are the superblock, the bitmap and bad blocks.
pub const DATA: u64 = 1 << 20;

/// The bytes of a piece of metadata.
const PIECE: usize = 4096;

/// The metadata that mdadm has written to members, by its arguments. An array is made again by
/// writing its metadata and assembling it.
#[derive(Debug, Default)]
pub struct Images {
    known: HashMap<String, Vec<Image>>,
}

/// mdadm's arguments for an internal bitmap, and for a lockless one, which not every mdadm knows.
const INTERNAL: &str = "--bitmap=internal";
const LOCKLESS: &str = "--bitmap=lockless";

/// The offset of a bitmap's superblock, as mdadm lays out metadata 1.2.
const BITMAP: u64 = 8192;

/// The offsets of `version` and `state` in `bitmap_super_s` of `drivers/md/md-bitmap.h`, and their
/// values in a new lockless bitmap: `BITMAP_MAJOR_LOCKLESS` and `BITMAP_FIRST_USE`.
const VERSION: (usize, u32) = (4, 6);
const STATE: (usize, u32) = (48, 1 << 3);

/// The metadata of a member: each piece that is not zero, with its offset.
type Image = Vec<(u64, Vec<u8>)>;

impl Images {
    /// Makes the array that `mdadm --create` makes with these arguments, of `/dev/faulty0` and so
    /// on. All devices must hold zeros.
    pub fn create(&mut self, words: &str, devices: &[usize]) -> Result<()> {
        if let Some(images) = self.known.get(words) {
            for (device, image) in devices.iter().zip(images) {
                put(*device, image)?;
            }
            return assemble(devices);
        }
        mdadm(&format!(
            "--create {DISK} --run --metadata=1.2 --data-offset=1M {}",
            words.replace(LOCKLESS, INTERNAL)
        ))?;
        stop()?;
        let mut images = devices
            .iter()
            .map(|device| take(*device))
            .collect::<Result<Vec<_>>>()?;
        if words.contains(LOCKLESS) {
            images.iter_mut().try_for_each(make_lockless)?;
        }
        for (device, image) in devices.iter().zip(&images) {
            put(*device, image)?;
        }
        self.known.insert(words.to_owned(), images);
        assemble(devices)
    }
}

fn take(device: usize) -> Result<Image> {
    let mut metadata = vec![0; DATA as usize];
    File::open(faulty::path(device))?.read_exact_at(&mut metadata, 0)?;
    let pieces = (0..).step_by(PIECE).zip(metadata.chunks(PIECE));
    Ok(pieces
        .filter(|(_, piece)| piece.iter().any(|byte| *byte != 0))
        .map(|(offset, piece)| (offset, piece.to_vec()))
        .collect())
}

/// Changes an image into what `mdadm --create --bitmap=lockless` writes. A bitmap's superblock has
/// no checksum.
fn make_lockless(image: &mut Image) -> Result<()> {
    let superblock = image.iter_mut().find(|(offset, _)| *offset == BITMAP);
    let (_, piece) = superblock.context("there is no bitmap")?;
    for (place, value) in [VERSION, STATE] {
        piece[place..place + 4].copy_from_slice(&value.to_le_bytes());
    }
    Ok(())
}

fn put(device: usize, image: &Image) -> Result<()> {
    let target = Target::sink(Path::new(&faulty::path(device)))?;
    let mut buffer = host(PIECE)?;
    for (offset, piece) in image {
        buffer.put(piece);
        target.write(&buffer, *offset, piece.len())?;
    }
    Ok(())
}

/// Assembles the array of these devices, which are members with equal event counts.
fn assemble(devices: &[usize]) -> Result<()> {
    new_array()?;
    set("metadata_version", "1.2")?;
    for device in devices {
        set("new_dev", &attr("dev", &faulty::folder(*device))?)?;
    }
    set("array_state", "active")
}

/// Makes the disk of a new array. Its number is free as soon as the last array has gone.
fn new_array() -> Result<()> {
    let path = parameter("new_array")?;
    until(|| match fs::write(&path, "md0") {
        Err(error) if error.raw_os_error() == Some(Errno::EEXIST as i32) => Ok(false),
        done => Ok(done.map(|()| true)?),
    })
    .context("there is no new array")
}

/// Returns the path of a parameter of md's module, be it md-p2p or md-mod.
fn parameter(name: &str) -> Result<String> {
    ["md_p2p", "md_mod"]
        .map(|module| format!("/sys/module/{module}/parameters/{name}"))
        .into_iter()
        .find(|path| Path::new(path).exists())
        .context("md is not there")
}

/// Makes md start arrays that are both degraded and dirty.
pub fn start_dirty_degraded() -> Result<()> {
    Ok(fs::write(parameter("start_dirty_degraded")?, "1")?)
}

/// Stops the array, whether its members answer or not.
pub fn stop() -> Result<()> {
    let busy = Errno::EBUSY as i32;
    until(
        || match fs::write("/sys/block/md0/md/array_state", "clear") {
            Err(error) if error.raw_os_error() == Some(busy) => Ok(false),
            done => Ok(done.map(|()| true)?),
        },
    )
    .context("stopping the array")
}

/// Runs mdadm with these arguments.
pub fn mdadm(arguments: &str) -> Result<()> {
    let output = Command::new("mdadm")
        .args(arguments.split_whitespace())
        .output()
        .context("running mdadm")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mdadm {arguments}: {said}");
    Ok(())
}

/// Returns whether md knows lockless bitmaps.
pub fn has_lockless() -> Result<bool> {
    let words =
        "--level=1 --bitmap=lockless --assume-clean --raid-devices=2 /dev/faulty0 /dev/faulty1";
    (0..2).try_for_each(faulty::wipe)?;
    let assembled = Images::default().create(words, &[0, 1]);
    let has = md("bitmap_type").is_ok_and(|types| types.contains("[llbitmap]"));
    ensure!(!has || assembled.is_ok(), "{assembled:?}");
    stop()?;
    Ok(has)
}

/// Reads a file in the array's folder `md`.
pub fn md(name: &str) -> Result<String> {
    attr(name, "/sys/block/md0/md")
}

/// Writes to a file in the array's folder `md`.
pub fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/sys/block/md0/md/{name}");
    fs::write(&path, value).with_context(|| format!("writing {value} to {path}"))
}

/// Returns how many members are missing.
pub fn degraded() -> Result<u64> {
    if !Path::new("/sys/block/md0/md/degraded").exists() {
        return Ok(0);
    }
    Ok(md("degraded")?.parse()?)
}

/// Returns whether nothing is synced, and nothing waits for a sync.
pub fn is_idle() -> Result<bool> {
    if !Path::new("/sys/block/md0/md/sync_action").exists() {
        return Ok(true);
    }
    Ok(md("sync_action")? == "idle" && md("resync_start")? == "none")
}

/// Returns the folders of the members.
pub fn members() -> Result<Vec<String>> {
    let names = fs::read_dir("/sys/block/md0/md")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    Ok(names
        .into_iter()
        .filter(|name| name.starts_with("dev-"))
        .collect())
}

/// Returns the folder of the member in sync that has slot 0.
pub fn member_in_slot_0() -> Result<String> {
    for member in members()? {
        let state = md(&format!("{member}/state"))?;
        if state.contains("in_sync") && md(&format!("{member}/slot"))? == "0" {
            return Ok(member);
        }
    }
    bail!("no member in sync has slot 0")
}

/// Returns the sector at which the data of a member begin.
pub fn member_offset(member: &str) -> Result<u64> {
    Ok(md(&format!("{member}/offset"))?.parse()?)
}

/// Makes a buffer in host memory.
pub fn host(length: usize) -> Result<Buffer> {
    Buffer::new(Memory::Host, length, Path::new("/sys"))
}

/// Reads the array through host memory.
pub fn read_host(offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut buffer = host(length)?;
    let target = Target::source(Path::new(DISK))?;
    target.read(&mut buffer, offset, length)?;
    Ok(buffer.to_vec(length))
}
