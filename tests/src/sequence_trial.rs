// SPDX-License-Identifier: GPL-2.0
//! Plays a [`Sequence`] in a guest whose drives are behind `faulty.ko`: makes the array, lets the
//! events happen, and compares what the array holds in the end with a history.

use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::SECTOR;
use mdp2p_io::target::{Target, Why};
use mdp2p_machine::pci::bdf::Bdf;
use nix::errno::Errno;
use nix::libc::{O_DIRECT, O_DSYNC};

use crate::array::{self, DISK, Images, degraded, is_idle, md, mdadm, read_host, set};
use crate::faulty::{self, Provider, pools};
use crate::history::History;
use crate::level::Level;
use crate::sequences::{Event, Luck, Reach, Sequence};
use crate::sysfs::attr;
use crate::trial::{Findings, Trial};
use crate::wait::until;

const K: usize = 1024;

/// The bytes that are written and compared. Behind them are zeros.
const AREA: usize = 512 * K;

const CHUNK: usize = 64 * K;

/// The length of a write: parts of two chunks, and two whole chunks between them.
const LENGTH: usize = 136 * K;

/// The offset of the first write, and the distance from one write to the next, which overlap.
const FIRST: usize = 60 * K;
const STEP: usize = CHUNK;

/// The numbers of devices, which follow the order of the drives that `faulty.ko` is told: two near
/// drives, and a far one.
const NEAR: [usize; 4] = [0, 1, 3, 4];
const FAR: [usize; 2] = [2, 5];
const DEVICES: Range<usize> = 0..6;

/// The policies, in the order in which they follow each other.
const POLICIES: [&str; 3] = ["auto", "direct", "off"];

/// Plays sequences with the memory of one provider.
#[derive(Debug)]
pub struct SequenceTrial {
    provider: Bdf,
    images: Mutex<Images>,
}

/// A sequence that is being played.
struct Play {
    sequence: Sequence,
    luck: Luck,
    provider: Provider,
    unplugged: bool,
    peer: Buffer,
    host: Buffer,
    history: History,
    /// The members, and spares that were added.
    devices: Vec<usize>,
    /// The devices that no I/O reaches.
    dead: Vec<usize>,
    policy: usize,
    /// The bytes of writes from peer memory that succeeded, and that were tried, since the array
    /// was assembled.
    written: u64,
    tried: u64,
    /// The number of events that had nothing to happen to.
    idle: usize,
    wrong: Vec<String>,
}

/// The ends that a write may have.
#[derive(Debug, PartialEq, Eq)]
enum Allowed {
    Success,
    Failure,
    Either,
}

impl SequenceTrial {
    /// Uses the memory of the device at this address.
    pub fn new(provider: Bdf) -> Self {
        let images = Mutex::default();
        Self { provider, images }
    }

    fn begin(&self, sequence: Sequence) -> Result<Play> {
        for device in DEVICES {
            // A cut must not undo writes of an earlier sequence.
            faulty::power(device, "off")?;
            faulty::power(device, "kept")?;
            faulty::arm(device, "nothing both 0 0 0 0")?;
            faulty::wipe(device)?;
        }
        let luck = sequence.luck();
        let devices = members(&sequence);
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.create(&words(&sequence, luck.bitmap, &devices), &devices)?;
        let play = Play {
            sequence,
            luck,
            provider: Provider::new(self.provider)?,
            unplugged: false,
            peer: Buffer::new(Memory::Peer(self.provider), LENGTH, Path::new("/sys"))?,
            host: array::host(AREA)?,
            history: History::new(AREA),
            devices,
            dead: Vec::new(),
            policy: 0,
            written: 0,
            tried: 0,
            idle: 0,
            wrong: Vec::new(),
        };
        let filled = play.fill();
        if filled.is_err() {
            play.end()?;
        }
        filled.map(|()| play)
    }
}

impl Trial for SequenceTrial {
    type Case = Sequence;

    fn run(&self, sequence: &Sequence) -> Result<Findings> {
        let free = pools()?;
        let mut play = self.begin(*sequence)?;
        let played = play.events().and_then(|()| play.judge());
        let ended = play.end();
        played?;
        ended?;
        let (met, mut wrong) = (play.idle == 0, play.wrong);
        drop((play.peer, play.host));
        if until(|| Ok(pools()? == free)).is_err() {
            wrong.push(format!("free peer memory is {:?}, was {free:?}", pools()?));
        }
        Ok(Findings { met, wrong })
    }
}

impl Play {
    /// Does write 0, which goes to all of the area, and stays there.
    fn fill(&self) -> Result<()> {
        let mut host = array::host(AREA)?;
        host.put(&History::data(0, &(0..AREA)));
        Target::sink(Path::new(DISK))?.write(&host, 0, AREA)?;
        flush().context("the first flush")
    }

    fn events(&mut self) -> Result<()> {
        let events = self.sequence;
        for event in events.events() {
            self.happen(*event).with_context(|| format!("{event:?}"))?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::PeerWrite => self.write(true),
            Event::HostWrite => self.write(false),
            Event::Flush => self.flush(),
            Event::Fail => self.fail(),
            Event::ReAdd => self.re_add(),
            Event::AddFar => self.add_far(),
            Event::Unplug => {
                self.idle += usize::from(self.unplugged);
                self.unplugged = true;
                self.provider.go()
            }
            Event::Policy => {
                self.policy = (self.policy + 1) % POLICIES.len();
                set("p2pdma_policy", POLICIES[self.policy])
            }
            Event::Cut => self.cut(),
        }
    }

    fn write(&mut self, from_peer: bool) -> Result<()> {
        let promise = self.promise(from_peer);
        let end = self.write_somehow(from_peer)?;
        let kept = match end {
            None => promise != Allowed::Failure,
            Some(_) => promise != Allowed::Success,
        };
        if !kept {
            let end = end.map_or("success".to_owned(), |errno| format!("{errno:?}"));
            let memory = if from_peer { "peer" } else { "host" };
            self.wrong.push(format!(
                "a {memory} write ended with {end}, promised is {promise:?}"
            ));
        }
        Ok(())
    }

    fn promise(&self, from_peer: bool) -> Allowed {
        let level = self.sequence.level;
        let direct = POLICIES[self.policy] == "direct";
        if from_peer && (self.unplugged || POLICIES[self.policy] == "off") {
            return Allowed::Failure;
        }
        if from_peer && direct && level.has_parity() {
            return Allowed::Failure;
        }
        let far = self.devices.iter().any(|device| FAR.contains(device));
        let lost = !level.is_redundant() && !self.dead.is_empty();
        if lost || (from_peer && direct && far) {
            return Allowed::Either;
        }
        Allowed::Success
    }

    /// Does the next write, and returns its error.
    fn write_somehow(&mut self, from_peer: bool) -> Result<Option<Errno>> {
        let number = self.history.next_write();
        let first = FIRST + STEP * (number as usize - 1);
        let range = first..first + LENGTH;
        let buffer = if from_peer {
            &mut self.peer
        } else {
            &mut self.host
        };
        buffer.put(&History::data(number, &range));
        let done = open(self.luck.synced)?.write(buffer, range.start as u64, LENGTH);
        if from_peer {
            self.tried += LENGTH as u64;
        }
        match done.map_err(|failure| failure.why) {
            Ok(()) => {
                if self.luck.synced {
                    self.history.synced(number, &range);
                } else {
                    self.history.written(number, &range);
                }
                self.written += if from_peer { LENGTH as u64 } else { 0 };
                Ok(None)
            }
            Err(Why::Errno(errno)) => {
                // Parity needs a copy, and the CPU cannot tell what it copied from a provider
                // that has gone.
                if from_peer && self.unplugged && self.sequence.level.has_parity() {
                    self.history.garbled(&range);
                } else {
                    self.history.failed(number, &range);
                }
                Ok(Some(errno))
            }
            Err(Why::Short(bytes)) => bail!("a short write, {bytes} bytes only"),
        }
    }

    fn flush(&mut self) -> Result<()> {
        let lost = !self.sequence.level.is_redundant() && !self.dead.is_empty();
        match flush() {
            Ok(()) => self.history.flushed(),
            Err(_) if lost => {}
            Err(error) => self.wrong.push(format!("a flush ended with {error}")),
        }
        Ok(())
    }

    /// Fails the first or the last member. If the array has redundancy, it must go on without the
    /// member.
    fn fail(&mut self) -> Result<()> {
        let level = self.sequence.level;
        let mut alive = Vec::new();
        for device in &self.devices {
            let in_sync = !level.is_redundant() || state(*device)?.contains("in_sync");
            if in_sync && !self.dead.contains(device) {
                alive.push(*device);
            }
        }
        let enough =
            !level.is_redundant() || alive.len() > self.sequence.members() - self.sequence.spare();
        let member = if self.luck.fail_first {
            alive.first()
        } else {
            alive.last()
        };
        match member {
            Some(member) if enough => {
                faulty::power(*member, "off")?;
                self.dead.push(*member);
            }
            _ => self.idle += 1,
        }
        Ok(())
    }

    fn re_add(&mut self) -> Result<()> {
        let dead = std::mem::take(&mut self.dead);
        self.idle += usize::from(dead.is_empty());
        for device in dead {
            faulty::power(device, "kept")?;
            let state = state(device)?;
            if !self.sequence.level.is_redundant()
                || !(state.is_empty() || state.contains("faulty"))
            {
                continue;
            }
            if !state.is_empty() {
                let name = format!("dev-faulty{device}/state");
                until(|| Ok(set(&name, "remove").is_ok())).context("it cannot be removed")?;
            }
            add(device)?;
        }
        Ok(())
    }

    fn add_far(&mut self) -> Result<()> {
        let far = FAR
            .into_iter()
            .find(|device| !self.devices.contains(device));
        match far {
            Some(device) if self.sequence.level.is_redundant() => {
                self.devices.push(device);
                add(device)
            }
            _ => {
                self.idle += 1;
                Ok(())
            }
        }
    }

    /// Cuts the power during a write, and assembles what the members hold then.
    fn cut(&mut self) -> Result<()> {
        let missing = degraded()? > 0 || !self.dead.is_empty();
        let mut in_sync = self.devices.clone();
        if self.sequence.level.is_redundant() {
            in_sync.retain(|device| state(*device).is_ok_and(|state| state.contains("in_sync")));
        }
        let members = members(&self.sequence);
        let at = if self.luck.cut_first {
            members[0]
        } else {
            members[members.len() - 1]
        };
        let late = u8::from(self.luck.cut_late);
        let (start, end) = (
            array::DATA / SECTOR as u64,
            faulty::size(at)? / SECTOR as u64,
        );
        faulty::arm(at, &format!("cut write {late} 1 {start} {end}"))?;
        let from_peer = POLICIES[self.policy] == "auto" && !self.unplugged;
        self.write_somehow(from_peer)?;
        DEVICES
            .clone()
            .try_for_each(|device| faulty::power(device, "off"))?;
        self.judge_counters()?;
        array::stop()?;

        faulty::arm(at, "nothing both 0 0 0 0")?;
        self.provider.come()?;
        self.unplugged = false;
        if !self.sequence.level.is_redundant() {
            self.dead.clear();
        }
        for device in DEVICES.filter(|device| !self.dead.contains(device)) {
            let lost = if device % 2 == 0 {
                self.luck.lose_even
            } else {
                self.luck.lose_odd
            };
            faulty::power(device, if lost { "lost" } else { "kept" })?;
        }
        if missing && self.sequence.level.has_parity() {
            let data = self.sequence.members() - self.sequence.level.parity();
            self.history.cut_without_member(CHUNK * data);
        } else {
            self.history.cut();
        }
        self.assemble(missing, &in_sync)
    }

    fn assemble(&mut self, missing: bool, in_sync: &[usize]) -> Result<()> {
        let mut words = format!("--assemble --run {DISK}");
        if missing && self.sequence.level.has_parity() {
            // A stripe that was written without a member is lost. mdadm does not mind if the
            // member held raid4's parity, but md has to be told.
            array::start_dirty_degraded()?;
            words += " --force";
        }
        let alive = |device: &&usize| !self.dead.contains(device);
        let paths = |devices: Vec<&usize>| -> String {
            let path = |device: &&usize| format!(" {}", faulty::path(**device));
            devices.iter().map(path).collect()
        };
        let all = self.devices.iter().filter(alive);
        if let Err(error) = mdadm(&format!("{words}{}", paths(all.collect()))) {
            // Only a member that was about to be recovered may have been told so. mdadm then
            // takes it for the most recent member, and leaves out the others.
            let (told, rest) = self
                .devices
                .iter()
                .filter(alive)
                .partition(|device| in_sync.contains(device));
            let rest: Vec<&usize> = rest;
            ensure!(!rest.is_empty(), error);
            mdadm(&format!("{words}{}", paths(told)))?;
            rest.into_iter().try_for_each(|device| add(*device))?;
        }
        (self.policy, self.written, self.tried) = (0, 0, 0);
        until(is_idle).context("the array does not come in sync after the cut")
    }

    fn judge(&mut self) -> Result<()> {
        self.provider.come()?;
        self.judge_counters()?;
        for device in self.dead.clone() {
            if !self.sequence.level.is_redundant() {
                faulty::power(device, "kept")?;
            } else if state(device)?.contains("in_sync") {
                set(&format!("dev-faulty{device}/state"), "faulty")?;
            }
        }
        until(is_idle).context("the array does not become idle")?;
        self.judge_members()?;
        let size = attr("size", "/sys/block/md0")?.parse::<usize>()? * SECTOR;
        let found = read_host(0, size)?;
        if let Err(error) = self.history.compare(&found[..AREA]) {
            self.wrong
                .push(format!("the array holds other data: {error:#}"));
        }
        if let Some(at) = found[AREA..].iter().position(|byte| *byte != 0) {
            self.wrong
                .push(format!("nothing was written at {}", AREA + at));
        }
        self.judge_copies()
    }

    /// Checks that the bytes of successful writes were counted once.
    fn judge_counters(&mut self) -> Result<()> {
        let number = |name: &str| -> Result<u64> { Ok(md(name)?.parse()?) };
        let counted = number("p2pdma_write_direct_bytes")? + number("p2pdma_write_staged_bytes")?;
        if !(self.written..=self.tried).contains(&counted) {
            let (least, most) = (self.written, self.tried);
            self.wrong
                .push(format!("{counted} bytes are counted, of {least} to {most}"));
        }
        Ok(())
    }

    /// Checks that only failed members are blamed, and that all others are in sync.
    fn judge_members(&mut self) -> Result<()> {
        if !self.sequence.level.is_redundant() {
            return Ok(());
        }
        let alive = self.devices.len() - self.dead.len();
        let expected = alive.min(self.sequence.members());
        // md is idle for a moment between a resync and the recovery after it.
        if until(|| Ok(self.in_sync()? == expected && is_idle()?)).is_err() {
            let in_sync = self.in_sync()?;
            self.wrong
                .push(format!("{in_sync} members are in sync, not {expected}"));
        }
        for device in &self.devices {
            let state = state(*device)?;
            if state.contains("faulty") && !self.dead.contains(device) {
                self.wrong.push(format!("faulty{device} is {state}"));
            }
        }
        Ok(())
    }

    fn in_sync(&self) -> Result<usize> {
        let mut count = 0;
        for device in &self.devices {
            count += usize::from(state(*device)?.contains("in_sync"));
        }
        Ok(count)
    }

    /// Checks that md compares copies and parity, and finds no difference.
    fn judge_copies(&mut self) -> Result<()> {
        if !self.sequence.level.is_redundant() || degraded()? > 0 {
            return Ok(());
        }
        set("sync_action", "check")?;
        until(is_idle).context("the check does not end")?;
        let count = md("mismatch_cnt")?;
        if count != "0" {
            self.wrong
                .push(format!("members differ: mismatch_cnt is {count}"));
        }
        Ok(())
    }

    fn end(&self) -> Result<()> {
        self.provider.come()?;
        array::stop()
    }
}

/// Returns the devices that the array is made of.
fn members(sequence: &Sequence) -> Vec<usize> {
    let count = sequence.members();
    let mut members = NEAR[..count].to_vec();
    if sequence.reach == Reach::Split {
        members[count - 1] = FAR[0];
    }
    members
}

fn words(sequence: &Sequence, bitmap: bool, members: &[usize]) -> String {
    let level = match sequence.level {
        Level::Linear => "linear --chunk=64",
        Level::Raid0 => "0 --chunk=64",
        Level::Raid1 => "1 --size=2M",
        Level::Raid10 => "10 --layout=n2 --chunk=64 --size=2M",
        Level::Raid4 => "4 --chunk=64 --size=2M",
        Level::Raid5 => "5 --chunk=64 --size=2M",
        Level::Raid6 => "6 --chunk=64 --size=2M",
    };
    let bitmap = match (sequence.level.is_redundant(), bitmap) {
        (false, _) => "",
        (true, true) => "--assume-clean --bitmap=internal",
        (true, false) => "--assume-clean --bitmap=none",
    };
    let mut words = format!("--level={level} {bitmap} --raid-devices={}", members.len());
    for member in members {
        words += &format!(" {}", faulty::path(*member));
    }
    words
}

/// Opens the array. A `synced` write ends when its data are on the medium.
fn open(synced: bool) -> Result<Target> {
    let flags = O_DIRECT | if synced { O_DSYNC } else { 0 };
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(DISK)?;
    Ok(Target::of(Path::new(DISK), file))
}

fn flush() -> Result<(), std::io::Error> {
    OpenOptions::new().write(true).open(DISK)?.sync_all()
}

/// Returns what md says of a device, or nothing if the device is not in the array.
fn state(device: usize) -> Result<String> {
    let name = format!("dev-faulty{device}/state");
    if !Path::new("/sys/block/md0/md").join(&name).exists() {
        return Ok(String::new());
    }
    md(&name)
}

/// Adds a device, or adds it again. A device that has just been removed is busy for a moment.
fn add(device: usize) -> Result<()> {
    let words = format!("{DISK} --add {}", faulty::path(device));
    until(|| Ok(mdadm(&words).is_ok())).with_context(|| words.clone())
}
