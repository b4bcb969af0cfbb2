// SPDX-License-Identifier: GPL-2.0
//! Tries one [`Case`] in a guest whose drives are behind `faulty.ko`: makes the array, does the I/O,
//! and compares the array, its members and its counters with a model.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::{Pattern, SECTOR};
use mdp2p_io::target::{Target, Why};
use mdp2p_machine::pci::bdf::Bdf;
use nix::errno::Errno;

use crate::array::{self, DISK, Images, degraded, host, is_idle, md, mdadm, read_host, set};
use crate::faults::{Action, Bitmap, Case, Copier, Errors, Failfast, Fault, Known, Members, Place};
use crate::faults::{Policy, Promise, Shape};
use crate::faulty::{self, Provider, pools};
use crate::model::Model;
use crate::partition;
use crate::sysfs::attr;
use crate::trial::{Findings, Trial};
use crate::wait::until;

const K: u64 = 1024;
const M: u64 = 1024 * K;

/// The offset and the length of the partition.
const PARTITION: (u64, u64) = (M, 2 * M);

/// The place of the I/O: parts of two chunks, and whole chunks between them. It is longer than what
/// is staged at once.
const OFFSET: u64 = 60 * K;
const LENGTH: usize = 268 * 1024;

/// The bytes that hold old data before the I/O, from the beginning of the disk or partition.
const OLD: u64 = 512 * K;

/// The number of reads of a mirror that are tried until one meets the member that fails.
const READS: u64 = 4;

/// The bytes that are compared at a time.
const BLOCK: usize = 1024 * 1024;

/// Tries cases with the memory of one provider.
#[derive(Debug)]
pub struct FaultTrial {
    /// The provider whose memory the I/O uses. It is not a member.
    provider: Bdf,
    images: Mutex<Images>,
}

/// The array of a case.
struct Array<'a> {
    case: &'a Case,
    address: Bdf,
    provider: Provider,
    model: Model,
}

/// The result of the I/O.
struct Attempt {
    met: bool,
    ios: u64,
    errno: Option<Errno>,
    /// The data that the reads returned.
    read: Vec<Vec<u8>>,
}

impl FaultTrial {
    /// Uses the memory of the device at this address.
    pub fn new(provider: Bdf) -> Self {
        let images = Mutex::default();
        Self { provider, images }
    }

    fn create<'a>(&self, case: &'a Case) -> Result<Array<'a>> {
        (0..devices(case)).try_for_each(faulty::wipe)?;
        copier::choose(case.copier)?;
        let (words, members) = create_words(case);
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.create(&words, &members)?;
        let mut array = Array {
            case,
            address: self.provider,
            provider: Provider::new(self.provider)?,
            model: Model::new(0, Vec::new()),
        };
        let prepared = array.prepare();
        if prepared.is_err() {
            remove(case)?;
        }
        prepared.map(|()| array)
    }
}

impl Trial for FaultTrial {
    type Case = Case;

    fn run(&self, case: &Case) -> Result<Findings> {
        let free = pools()?;
        let array = self.create(case)?;
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

impl Array<'_> {
    /// Writes old data, and brings the array into the state that the case is about.
    fn prepare(&mut self) -> Result<()> {
        let size = attr("size", "/sys/block/md0")?.parse::<u64>()? * SECTOR as u64;
        self.model = Model::new(0, vec![0; usize::try_from(size)?]);
        if self.case.place == Place::Partition {
            partition::add(Path::new(DISK), PARTITION.0, PARTITION.1)?;
        }
        let mut old = vec![0; OLD as usize];
        Pattern::new(1).fill(self.base(), &mut old);
        let mut buffer = host(old.len())?;
        buffer.put(&old);
        Target::sink(Path::new(DISK))?.write(&buffer, self.base(), old.len())?;
        self.model.put(self.base(), &old);
        // With a lockless bitmap, md brings in sync what was never written before.
        until(is_idle).context("the old data do not come in sync")?;

        if self.case.members == Members::Replacement {
            self.begin_replacement()?;
        }
        if self.case.known == Known::Bad {
            let member = format!("dev-faulty{}", self.case.shape.members() - 1);
            let sector = array::member_offset(&member)? + self.bad_place() / SECTOR as u64;
            set(&format!("{member}/bad_blocks"), &format!("{sector} 8"))?;
        }
        until(|| copier::copies(self.case.copier, self.address)).context("another copier")?;
        set("p2pdma_policy", self.case.policy.word())
    }

    /// Begins to replace member 0. The replacement waits at the first sector.
    fn begin_replacement(&self) -> Result<()> {
        set("sync_max", "0")?;
        let spare = self.case.shape.members();
        mdadm(&format!("/dev/md0 --add /dev/faulty{spare}"))?;
        set("dev-faulty0/state", "want_replacement")?;
        until(|| Ok(md("sync_action")? == "recover")).context("the replacement does not begin")
    }

    /// Returns a place in the data of the last member that the I/O touches.
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

    fn tried(mut self) -> Result<Findings> {
        let degraded = degraded()?;
        let before = Counters::read(self.case.action)?;
        let mut new = vec![0; LENGTH];
        Pattern::new(2).fill(self.range().0, &mut new);
        let mut buffer = Buffer::new(Memory::Peer(self.address), LENGTH, Path::new("/sys"))?;
        buffer.put(&new);

        self.arm()?;
        let attempt = self.attempt(&mut buffer);
        self.disarm()?;
        let attempt = attempt?;
        drop(buffer);
        if self.case.members == Members::Replacement {
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
        Ok(Findings {
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
            // Metadata come before the data, and can be written.
            let start = array::DATA / SECTOR as u64;
            let end = faulty::size(device)? / SECTOR as u64;
            let action = self.case.action.word();
            faulty::arm(device, &format!("{what} {action} {late} 0 {start} {end}"))?;
        }
        if self.case.fault == Fault::GoneBefore {
            self.provider.go()?;
        }
        Ok(())
    }

    fn disarm(&self) -> Result<()> {
        self.provider.come()?;
        for device in 0..devices(self.case) {
            faulty::arm(device, "nothing both 0 0 0 0")?;
        }
        Ok(())
    }

    fn attempt(&self, buffer: &mut Buffer) -> Result<Attempt> {
        let path = match self.case.place {
            Place::Disk => DISK,
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
                    attempt.read.push(buffer.to_vec(LENGTH));
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

    /// Checks that each sector is old or new after a write that failed, and puts what was found into
    /// the model. A sector may hold anything if parity needed a copy of memory that has gone, because
    /// the CPU cannot tell what it copied.
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

    /// Checks that a member is failed only for its medium, and that no member has bad blocks for the
    /// fault of another.
    fn judge_members(&self, degraded_before: u64) -> Result<Vec<String>> {
        let mut wrong = Vec::new();
        if self.case.fault == Fault::MediumOne {
            return Ok(wrong);
        }
        for member in array::members()? {
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

    /// Returns whether md itself has failed a member, because its replacement is done.
    fn was_replaced(&self, member: &str) -> bool {
        self.case.members == Members::Replacement && member == "dev-faulty0"
    }

    /// Checks that md compares copies and parity, and finds no difference.
    fn judge_copies(&self) -> Result<Option<String>> {
        if !self.case.shape.is_redundant() || degraded()? > 0 {
            return Ok(None);
        }
        set("sync_action", "check")?;
        until(is_idle).context("the check does not end")?;
        let count = md("mismatch_cnt")?;
        Ok((count != "0").then(|| format!("members differ: mismatch_cnt is {count}")))
    }

    /// Checks that a member can be failed and removed. It cannot if I/O is not accounted for.
    fn judge_removal(&self) -> Result<Option<String>> {
        if !self.case.shape.is_redundant() || degraded()? > 0 {
            return Ok(None);
        }
        let member = array::member_in_slot_0()?;
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

/// The array's counters of one direction.
struct Counters {
    direct: u64,
    staged: u64,
    refused: u64,
    by_engine: u64,
}

impl Counters {
    fn read(action: Action) -> Result<Self> {
        let number = |name: &str| -> Result<u64> { Ok(md(name)?.parse()?) };
        let word = action.word();
        Ok(Self {
            direct: number(&format!("p2pdma_{word}_direct_bytes"))?,
            staged: number(&format!("p2pdma_{word}_staged_bytes"))?,
            refused: number("p2pdma_refused_ios")?,
            by_engine: number("p2pdma_staged_engine_bytes")?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            direct: self.direct - before.direct,
            staged: self.staged - before.staged,
            refused: self.refused - before.refused,
            by_engine: self.by_engine - before.by_engine,
        }
    }

    /// Checks that I/O that succeeded is counted once, and that refused I/O is counted.
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
        let most = match case.copier {
            Copier::Engine => self.staged,
            _ => 0,
        };
        if self.by_engine > most {
            wrong.push(format!(
                "of {} staged bytes an engine copied {}",
                self.staged, self.by_engine
            ));
        }
        if self.by_engine < most && case.shape.has_parity() && case.action == Action::Write {
            wrong.push(format!("an engine copied only {}", self.by_engine));
        }
        if attempt.errno.is_none() && self.refused > 0 {
            wrong.push(format!("refused {} I/Os, they say", self.refused));
        }
        wrong
    }
}

/// Who copies what is staged: `softdma.ko`, which is the engine of an NVMe drive.
mod copier {
    use std::fs;

    use anyhow::Result;
    use mdp2p_machine::pci::bdf::Bdf;

    use crate::array::md;
    use crate::faults::Copier;

    /// Lets the engine copy, or only the CPU, from the next array on.
    pub fn choose(copier: Copier) -> Result<()> {
        let (drivers, does) = match copier {
            Copier::Cpu => ("none", "copy"),
            Copier::Engine => ("nvme", "copy"),
            Copier::Failing => ("nvme", "fail"),
            Copier::Hanging => ("nvme", "hang"),
        };
        fs::write("/sys/module/md_p2p/parameters/p2pdma_engines", drivers)?;
        Ok(fs::write("/sys/module/softdma/parameters/does", does)?)
    }

    /// Returns whether the array's copier for this provider is the engine, or the CPU.
    pub fn copies(copier: Copier, provider: Bdf) -> Result<bool> {
        let by_cpu = md("p2pdma_staging")?.contains(&format!("{provider} cpu"));
        Ok(by_cpu == (copier == Copier::Cpu))
    }
}

/// Returns the number of devices of a case: the members, and the replacement.
fn devices(case: &Case) -> usize {
    case.shape.members() + usize::from(case.members == Members::Replacement)
}

/// Returns the arguments for mdadm, and the devices that are members.
fn create_words(case: &Case) -> (String, Vec<usize>) {
    let level = match case.shape {
        Shape::Linear => "linear --chunk=512",
        Shape::Raid0 => "0 --chunk=64",
        Shape::Raid1 => "1 --size=4M",
        Shape::Near => "10 --layout=n2 --chunk=64 --size=4M",
        Shape::Far => "10 --layout=f2 --chunk=64 --size=4M",
        Shape::Raid4 => "4 --chunk=64 --size=4M",
        Shape::Raid5 => "5 --chunk=64 --size=4M",
        Shape::Raid6 => "6 --chunk=64 --size=4M",
    };
    let mut words = format!("--level={level}");
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
    let count = case.shape.members();
    words += &format!(" --raid-devices={count}");
    let mut members = Vec::new();
    for member in 0..count {
        let last = member == count - 1;
        if last && case.members == Members::Degraded {
            words += " missing";
            continue;
        }
        if last && case.members == Members::WriteMostly {
            words += " --write-mostly";
        }
        words += &format!(" {}", faulty::path(member));
        members.push(member);
    }
    (words, members)
}

/// Returns how many I/Os have met the fault.
fn hits(case: &Case) -> Result<u64> {
    (0..devices(case)).map(faulty::hits).sum()
}

/// Stops the array.
fn remove(case: &Case) -> Result<()> {
    if case.place == Place::Partition && Path::new("/dev/md0p1").exists() {
        partition::remove(Path::new(DISK))?;
    }
    array::stop()
}
