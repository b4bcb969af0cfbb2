// SPDX-License-Identifier: GPL-2.0
//! Tries one [`Case`] in a guest whose drives stand behind `faulty.ko`: makes the array, does
//! the I/O, and compares with a model what the array, its members and its counters say.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mdp2p::bdf::Bdf;
use mdp2p::memory::{Buffer, Memory};
use mdp2p::pattern::{Pattern, SECTOR};
use mdp2p::transfer::{Target, Why};
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use crate::cases::{Action, Bitmap, Case, Errors, Failfast, Fault, Known, Place, Policy, Promise};
use crate::cases::{Shape, State};
use crate::model::Model;
use crate::partition;

const K: u64 = 1024;
const M: u64 = 1024 * K;

/// Of each device that `faulty.ko` makes.
const DEVICE: u64 = 6 * M;

/// Where the partition begins, and how long it is.
const PARTITION: (u64, u64) = (M, 2 * M);

/// The I/O: parts of two chunks, and two whole ones between them.
const OFFSET: u64 = 60 * K;
const LENGTH: usize = 136 * 1024;

/// What holds old data before the I/O, counted from where the disk or partition begins.
const OLD: u64 = 512 * K;

/// Reads of a mirror that are tried until one meets the member that fails.
const READS: u64 = 4;

/// Bytes that are compared at a time.
const BLOCK: usize = 1024 * 1024;

/// What came of a case.
#[derive(Debug)]
pub struct Verdict {
    /// Whether an I/O of the array met the fault.
    pub met: bool,
    /// Everything that is not as it should be.
    pub wrong: Vec<String>,
}

/// Where cases are tried.
#[derive(Debug)]
pub struct Rig {
    /// Whose memory the I/O uses; no member's.
    pub provider: Bdf,
}

/// The array of a case.
struct Array<'a> {
    case: &'a Case,
    provider: Bdf,
    model: Model,
    /// The PCI command register of the provider, as it was.
    command: [u8; 2],
}

/// What came of the I/O.
struct Attempt {
    met: bool,
    ios: u64,
    errno: Option<Errno>,
    /// What the reads returned.
    read: Vec<Vec<u8>>,
}

impl Rig {
    /// Tries a case. An error is one of the test itself.
    pub fn run(&self, case: &Case) -> Result<Verdict> {
        let free = pools()?;
        let array = Array::create(case, self.provider)?;
        let verdict = array.tried();
        let removed = remove(case);
        let mut verdict = verdict?;
        removed?;
        if until(|| Ok(pools()? == free)).is_err() {
            verdict
                .wrong
                .push(format!("free peer memory is {:?}, was {free:?}", pools()?));
        }
        Ok(verdict)
    }
}

impl<'a> Array<'a> {
    fn create(case: &'a Case, provider: Bdf) -> Result<Self> {
        for device in 0..devices(case) {
            wipe(device)?;
        }
        mdadm(&create_arguments(case))?;
        let mut array = Self {
            case,
            provider,
            model: Model::new(0, Vec::new()),
            command: [0; 2],
        };
        let prepared = array.prepare();
        if prepared.is_err() {
            remove(case)?;
        }
        prepared.map(|()| array)
    }

    /// Brings it into the state that the case is about, with old data.
    fn prepare(&mut self) -> Result<()> {
        let size = attr("size", "/sys/block/md0")?.parse::<u64>()? * SECTOR as u64;
        self.model = Model::new(0, vec![0; usize::try_from(size)?]);
        config(self.provider)?.read_exact_at(&mut self.command, 4)?;
        if self.case.place == Place::Partition {
            partition::add(Path::new("/dev/md0"), PARTITION.0, PARTITION.1)?;
        }
        let mut old = vec![0; OLD as usize];
        Pattern::new(1).fill(self.base(), &mut old);
        let mut buffer = host(old.len())?;
        buffer.put(&old);
        Target::sink(Path::new("/dev/md0"))?.write(&buffer, self.base(), old.len())?;
        self.model.put(self.base(), &old);

        if self.case.state == State::Replacement {
            self.begin_replacement()?;
        }
        if self.case.known == Known::Bad {
            let member = format!("dev-faulty{}", self.case.shape.members() - 1);
            let sector = member_offset(&member)? + self.bad_place() / SECTOR as u64;
            set(&format!("{member}/bad_blocks"), &format!("{sector} 8"))?;
        }
        set("p2pdma_policy", self.case.policy.word())
    }

    /// Member 0 is being replaced, as far as the first sector.
    fn begin_replacement(&self) -> Result<()> {
        set("sync_max", "0")?;
        let spare = self.case.shape.members();
        mdadm(&format!("/dev/md0 --add /dev/faulty{spare}"))?;
        set("dev-faulty0/state", "want_replacement")?;
        until(|| Ok(md("sync_action")? == "recover")).context("the replacement does not begin")
    }

    /// A place in the data of the last member that the I/O touches.
    fn bad_place(&self) -> u64 {
        match self.case.shape {
            Shape::Raid1 | Shape::Near => self.base() + OFFSET + 16 * K,
            _ => self.base() / 2 + 16 * K,
        }
    }

    fn base(&self) -> u64 {
        match self.case.place {
            Place::Disk => 0,
            Place::Partition => PARTITION.0,
        }
    }

    fn range(&self) -> (u64, usize) {
        (self.base() + OFFSET, LENGTH)
    }

    fn tried(mut self) -> Result<Verdict> {
        let degraded = degraded()?;
        let before = Counters::read(self.case.action)?;
        let mut new = vec![0; LENGTH];
        Pattern::new(2).fill(self.range().0, &mut new);
        let mut buffer = Buffer::new(Memory::Peer(self.provider), LENGTH, Path::new("/sys"))?;
        buffer.put(&new);

        self.arm()?;
        let attempt = self.attempt(&mut buffer);
        self.disarm()?;
        let attempt = attempt?;
        drop(buffer);
        if self.case.state == State::Replacement {
            set("sync_max", "max")?;
        }
        until(is_idle).context("the array does not become idle")?;

        let mut wrong = Vec::new();
        wrong.extend(judge_end(self.case, &attempt));
        let counted = Counters::read(self.case.action)?.since(&before);
        wrong.extend(counted.judge(self.case, &attempt));
        wrong.extend(self.judge_data(&attempt, &new));
        wrong.extend(self.judge_members(degraded)?);
        wrong.extend(self.judge_copies()?);
        wrong.extend(self.judge_removal()?);
        Ok(Verdict {
            met: attempt.met,
            wrong,
        })
    }

    fn arm(&self) -> Result<()> {
        let (what, late) = match self.case.fault {
            Fault::Nothing | Fault::GoneBefore => ("nothing", 0),
            Fault::MappingOne | Fault::MappingAll => ("mapping", 0),
            Fault::MappingLate => ("mapping", 1),
            Fault::TransferOne | Fault::TransferAll => ("transfer", 0),
            Fault::TransferLate => ("transfer", 1),
            Fault::MediumOne => ("medium", 0),
            Fault::GoneAfter => ("gone", 1),
        };
        let all = matches!(self.case.fault, Fault::MappingAll | Fault::TransferAll);
        for device in 0..devices(self.case) {
            let what = if all || device == 0 { what } else { "nothing" };
            // Metadata lie before the data, and are to be written.
            let start = M / SECTOR as u64;
            let end = DEVICE / SECTOR as u64;
            let action = self.case.action.word();
            arm_device(device, &format!("{what} {action} {late} 0 {start} {end}"))?;
        }
        if self.case.fault == Fault::GoneBefore {
            // Memory decoding off, all else on.
            let off = [self.command[0] & !2, self.command[1]];
            config(self.provider)?.write_all_at(&off, 4)?;
        }
        Ok(())
    }

    fn disarm(&self) -> Result<()> {
        config(self.provider)?.write_all_at(&self.command, 4)?;
        for device in 0..devices(self.case) {
            arm_device(device, "nothing both 0 0 0 0")?;
        }
        Ok(())
    }

    fn attempt(&self, buffer: &mut Buffer) -> Result<Attempt> {
        let path = match self.case.place {
            Place::Disk => "/dev/md0",
            Place::Partition => "/dev/md0p1",
        };
        let target = Target::both(Path::new(path))?;
        let mut attempt = Attempt {
            met: false,
            ios: 0,
            errno: None,
            read: Vec::new(),
        };
        let tries = if self.case.action == Action::Read {
            READS
        } else {
            1
        };
        while attempt.ios < tries && attempt.errno.is_none() && !attempt.met {
            let done = match self.case.action {
                Action::Write => target.write(buffer, OFFSET, LENGTH),
                Action::Read => target.read_unmarked(buffer, OFFSET, LENGTH),
            };
            attempt.ios += 1;
            attempt.met = hits(self.case)? > 0;
            match done.map_err(|failure| failure.why) {
                Ok(()) if self.case.action == Action::Read && !self.case.fault.is_gone() => {
                    attempt.read.push(buffer.taken(LENGTH));
                }
                Ok(()) => {}
                Err(Why::Errno(errno)) => attempt.errno = Some(errno),
                Err(Why::Short(bytes)) => bail!("a short I/O, {bytes} bytes only"),
            }
        }
        Ok(attempt)
    }

    /// Compares what the reads returned, and then the whole array, with the model.
    fn judge_data(&mut self, attempt: &Attempt, new: &[u8]) -> Option<String> {
        self.compare(attempt, new)
            .err()
            .map(|error| format!("{error:#}"))
    }

    fn compare(&mut self, attempt: &Attempt, new: &[u8]) -> Result<()> {
        let (offset, length) = self.range();
        for data in &attempt.read {
            if let Some(wrong) = self.model.mismatches(offset, data).first() {
                bail!("a read returned other data: {wrong}");
            }
        }
        if self.case.action == Action::Write {
            match attempt.errno {
                None => self.model.put(offset, new),
                Some(_) => {
                    let found = read_host(offset, length)?;
                    self.settle(&found, new)?;
                }
            }
        }
        let size = self.model.bytes().len();
        for at in (0..size).step_by(BLOCK) {
            let found = read_host(at as u64, BLOCK.min(size - at))?;
            if let Some(wrong) = self.model.mismatches(at as u64, &found).first() {
                bail!("the array holds other data: {wrong}");
            }
        }
        Ok(())
    }

    /// After a write that failed, each sector is old or new; the model takes what was found.
    /// The CPU cannot tell what it copied of a provider that has gone, and parity needs a copy.
    fn settle(&mut self, found: &[u8], new: &[u8]) -> Result<()> {
        let offset = self.range().0;
        if self.case.shape.has_parity() && self.case.fault.is_gone() {
            self.model.put(offset, found);
            return Ok(());
        }
        let wrong = self.model.mismatches(offset, found);
        for mismatch in wrong {
            let at = (mismatch.offset - offset) as usize;
            let sector = at..at + SECTOR;
            ensure!(
                found[sector.clone()] == new[sector],
                "after a write that failed, neither old nor new: {mismatch}"
            );
        }
        self.model.put(offset, found);
        Ok(())
    }

    /// No member is failed but for its medium, and none has bad blocks for another's fault.
    fn judge_members(&self, degraded_before: u64) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        if self.case.fault == Fault::MediumOne {
            return Ok(wrong);
        }
        for member in members()? {
            let state = md(&format!("{member}/state"))?;
            if state.contains("faulty") && !self.was_replaced(&member) {
                wrong.push(format!("{member} is {state}"));
            }
            let bad = md(&format!("{member}/bad_blocks")).unwrap_or_default();
            let known = self.case.known == Known::Bad
                && member == format!("dev-faulty{}", self.case.shape.members() - 1);
            if !bad.is_empty() && !known && self.case.fault != Fault::GoneAfter {
                wrong.push(format!("{member} has bad blocks: {bad}"));
            }
        }
        let degraded = degraded()?;
        if degraded != degraded_before {
            wrong.push(format!("degraded is {degraded}, was {degraded_before}"));
        }
        Ok(wrong)
    }

    /// md fails a member itself when its replacement is done.
    fn was_replaced(&self, member: &str) -> bool {
        self.case.state == State::Replacement && member == "dev-faulty0"
    }

    /// md compares copies and parity, and finds no difference.
    fn judge_copies(&self) -> Result<Option<String>> {
        if !self.case.shape.is_redundant() || degraded()? > 0 {
            return Ok(None);
        }
        set("sync_action", "check")?;
        until(is_idle).context("the check does not end")?;
        let count = md("mismatch_cnt")?;
        Ok((count != "0").then(|| format!("members differ: mismatch_cnt is {count}")))
    }

    /// A member whose I/O is all accounted for can be failed and removed.
    fn judge_removal(&self) -> Result<Option<String>> {
        if !self.case.shape.is_redundant() || degraded()? > 0 {
            return Ok(None);
        }
        let member = member_in_slot_0()?;
        let state = format!("{member}/state");
        set(&state, "faulty")?;
        let removed = until(|| Ok(set(&state, "remove").is_ok()));
        Ok(removed
            .is_err()
            .then(|| format!("{member} cannot be removed")))
    }
}

fn judge_end(case: &Case, attempt: &Attempt) -> Option<String> {
    let promise = case.promise(attempt.met);
    let allowed = |errors, errno| match errors {
        Errors::Refused => errno == Errno::EREMOTEIO,
        Errors::Failed => errno == Errno::EIO || errno == Errno::ENODATA,
        Errors::Any => errno == Errno::EREMOTEIO || errno == Errno::EIO,
    };
    let kept = match (promise, attempt.errno) {
        (Promise::Success | Promise::Either(_), None) => true,
        (Promise::Success, Some(_)) | (Promise::Failure(_), None) => false,
        (Promise::Either(errors) | Promise::Failure(errors), Some(errno)) => allowed(errors, errno),
    };
    let end = attempt
        .errno
        .map_or("success".to_owned(), |errno| format!("{errno:?}"));
    (!kept).then(|| format!("the I/O ended with {end}, promised is {promise:?}"))
}

/// What the array counted of one direction.
struct Counters {
    direct: u64,
    staged: u64,
    refused: u64,
}

impl Counters {
    fn read(action: Action) -> Result<Self> {
        let number = |name: &str| -> Result<u64> { Ok(md(name)?.parse()?) };
        let word = action.word();
        Ok(Self {
            direct: number(&format!("p2pdma_{word}_direct_bytes"))?,
            staged: number(&format!("p2pdma_{word}_staged_bytes"))?,
            refused: number("p2pdma_refused_ios")?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            direct: self.direct - before.direct,
            staged: self.staged - before.staged,
            refused: self.refused - before.refused,
        }
    }

    /// What succeeded is counted once, and what was refused is counted.
    fn judge(&self, case: &Case, attempt: &Attempt) -> Vec<String> {
        let mut wrong = Vec::new();
        let tried = attempt.ios * LENGTH as u64;
        let least = match attempt.errno {
            None => tried,
            Some(_) => tried - LENGTH as u64,
        };
        let counted = self.direct + self.staged;
        if !(least..=tried).contains(&counted) {
            wrong.push(format!(
                "counted {} direct and {} staged bytes of {least} to {tried}",
                self.direct, self.staged
            ));
        }
        let refused = case.policy == Policy::Direct
            && !case.fault.is_gone()
            && attempt.errno == Some(Errno::EREMOTEIO);
        if refused && self.refused == 0 {
            wrong.push("what was refused is not counted".into());
        }
        if attempt.errno.is_none() && self.refused > 0 {
            wrong.push(format!("refused {} I/Os, they say", self.refused));
        }
        wrong
    }
}

/// Devices of a case: the members, and the replacement.
fn devices(case: &Case) -> usize {
    case.shape.members() + usize::from(case.state == State::Replacement)
}

fn create_arguments(case: &Case) -> String {
    let level = match case.shape {
        Shape::Linear => "linear --chunk=64",
        Shape::Raid0 => "0 --chunk=64",
        Shape::Raid1 => "1 --size=4M",
        Shape::Near => "10 --layout=n2 --chunk=64 --size=4M",
        Shape::Far => "10 --layout=f2 --chunk=64 --size=4M",
        Shape::Raid4 => "4 --chunk=64 --size=4M",
        Shape::Raid5 => "5 --chunk=64 --size=4M",
        Shape::Raid6 => "6 --chunk=64 --size=4M",
    };
    let mut words =
        format!("--create /dev/md0 --run --metadata=1.2 --data-offset=1M --level={level}");
    if case.shape.is_redundant() {
        words += match case.bitmap {
            Bitmap::None => " --assume-clean --bitmap=none",
            Bitmap::Internal => " --assume-clean --bitmap=internal",
            Bitmap::Lockless => " --assume-clean --bitmap=lockless",
        };
    }
    if case.failfast == Failfast::Yes {
        words += " --failfast";
    }
    let members = case.shape.members();
    words += &format!(" --raid-devices={members}");
    for member in 0..members {
        let last = member == members - 1;
        match case.state {
            State::Degraded if last => words += " missing",
            State::WriteMostly if last => words += &format!(" --write-mostly /dev/faulty{member}"),
            _ => words += &format!(" /dev/faulty{member}"),
        }
    }
    words
}

/// Stops the array.
fn remove(case: &Case) -> Result<()> {
    if case.place == Place::Partition && Path::new("/dev/md0p1").exists() {
        partition::remove(Path::new("/dev/md0"))?;
    }
    mdadm("--stop /dev/md0")
}

/// Makes a device hold zeros, which no level has to bring in sync.
fn wipe(device: usize) -> Result<()> {
    let path = format!("/dev/faulty{device}");
    let file = OpenOptions::new().write(true).open(&path)?;
    let zeros = FallocateFlags::FALLOC_FL_ZERO_RANGE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&file, zeros, 0, DEVICE as i64).with_context(|| format!("wiping {path}"))
}

fn mdadm(arguments: &str) -> Result<()> {
    program("mdadm", arguments)
}

fn program(name: &str, arguments: &str) -> Result<()> {
    let output = Command::new(name)
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("running {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name} {arguments}: {said}");
    Ok(())
}

/// Returns whether mdadm can make arrays with a lockless bitmap.
pub fn has_lockless() -> bool {
    let has = || -> Result<()> {
        (0..2).try_for_each(wipe)?;
        mdadm(
            "--create /dev/md0 --run --level=1 --bitmap=lockless --assume-clean --raid-devices=2 /dev/faulty0 /dev/faulty1",
        )?;
        mdadm("--stop /dev/md0")
    };
    has().is_ok()
}

/// Returns how many times longer than others this kernel may take.
pub fn patience() -> u32 {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if release.trim().ends_with("-debug") {
        6
    } else {
        1
    }
}

/// Waits until it is so, or fails after some time.
fn until(is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    let limit = patience() * Duration::from_secs(10);
    while !is_so()? {
        ensure!(began.elapsed() < limit, "not so after {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn attr(name: &str, folder: &str) -> Result<String> {
    let path = format!("{folder}/{name}");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    Ok(text.trim().to_owned())
}

fn md(name: &str) -> Result<String> {
    attr(name, "/sys/block/md0/md")
}

fn set(name: &str, value: &str) -> Result<()> {
    let path = format!("/sys/block/md0/md/{name}");
    fs::write(&path, value).with_context(|| format!("writing {value} to {path}"))
}

fn degraded() -> Result<u64> {
    if !Path::new("/sys/block/md0/md/degraded").exists() {
        return Ok(0);
    }
    Ok(md("degraded")?.parse()?)
}

/// Returns whether nothing is synced or waits for it.
fn is_idle() -> Result<bool> {
    if !Path::new("/sys/block/md0/md/sync_action").exists() {
        return Ok(true);
    }
    Ok(md("sync_action")? == "idle" && md("resync_start")? == "none")
}

fn members() -> Result<Vec<String>> {
    let names = fs::read_dir("/sys/block/md0/md")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    Ok(names
        .into_iter()
        .filter(|name| name.starts_with("dev-"))
        .collect())
}

fn member_in_slot_0() -> Result<String> {
    for member in members()? {
        let state = md(&format!("{member}/state"))?;
        if state.contains("in_sync") && md(&format!("{member}/slot"))? == "0" {
            return Ok(member);
        }
    }
    bail!("no member in sync has slot 0")
}

/// Returns the sector at which the data of a member begin.
fn member_offset(member: &str) -> Result<u64> {
    Ok(md(&format!("{member}/offset"))?.parse()?)
}

fn arm_device(device: usize, fault: &str) -> Result<()> {
    let path = format!("/sys/block/faulty{device}/fault");
    fs::write(&path, fault).with_context(|| format!("writing {fault} to {path}"))
}

/// Returns how many I/Os have met the fault.
fn hits(case: &Case) -> Result<u64> {
    (0..devices(case))
        .map(|device| Ok(attr("hits", &format!("/sys/block/faulty{device}"))?.parse::<u64>()?))
        .sum()
}

fn config(provider: Bdf) -> Result<File> {
    let path = PathBuf::from(format!("/sys/bus/pci/devices/{provider}/config"));
    Ok(OpenOptions::new().read(true).write(true).open(path)?)
}

/// Returns the free peer memory of each provider.
fn pools() -> Result<Vec<String>> {
    let mut pools = Vec::new();
    for device in fs::read_dir("/sys/bus/pci/devices")? {
        let device = device?;
        let available = device.path().join("p2pmem/available");
        if let Ok(bytes) = fs::read_to_string(available) {
            pools.push(format!(
                "{}: {}",
                device.file_name().to_string_lossy(),
                bytes.trim()
            ));
        }
    }
    pools.sort();
    Ok(pools)
}

fn host(length: usize) -> Result<Buffer> {
    Buffer::new(Memory::Host, length, Path::new("/sys"))
}

fn read_host(offset: u64, length: usize) -> Result<Vec<u8>> {
    let mut buffer = host(length)?;
    let target = Target::source(Path::new("/dev/md0"))?;
    target.read(&mut buffer, offset, length)?;
    Ok(buffer.taken(length))
}
