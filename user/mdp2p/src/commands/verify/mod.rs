// SPDX-License-Identifier: GPL-2.0
//! `mdp2p verify`: moves data through peer memory and through host memory, compares, and
//! tells from the counters which way they went.

mod options;

use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use nix::errno::Errno;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::command::Command;
use crate::ui::{self, BAD, GOOD, WARNING, styled};
use crate::workload::path_taken::{Counted, Moved, PathTaken};
use crate::workload::provider::{self, Provider, Room};
use crate::workload::site::{self, Mode, OpenSite, Site};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::Pattern;
use mdp2p_io::random::scramble;
use mdp2p_io::target::{Failure, Operation, Target, Why};
use mdp2p_io::transfer::{self, Extent};
use mdp2p_machine::md::array::{self, Array, Counters, Driver};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::sysroot::Sysroot;
pub use options::Verify;

impl Command for Verify {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// Bytes of an I/O, and how many are under way at a time: little, since p2pmem is for
/// applications.
const BLOCK: usize = 64 << 10;
const DEPTH: usize = 4;

/// How often a block is read again that is not the same through both memories.
const ROUNDS: u32 = 5;

/// How many failures and the like are told in full.
const TOLD: usize = 3;

/// What `mdp2p verify` has found out, or would do.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    /// The array.
    pub array: String,
    /// Whose.
    pub driver: Driver,
    /// Its level.
    pub level: String,
    /// What md-p2p said of it before: what was to be expected.
    pub state: Option<String>,
    /// The policy; none if it is not md-p2p's.
    pub policy: Option<String>,
    /// What was done to it.
    pub mode: Mode,
    /// The array or the file.
    pub path: PathBuf,
    /// Whether nothing was moved.
    pub dry_run: bool,
    /// Bytes that are moved through each provider, for each operation.
    pub bytes: u64,
    /// In how many pieces.
    pub pieces: usize,
    /// Whose memory.
    pub providers: Vec<Provider>,
    /// What came of it.
    pub results: Vec<Trial>,
    /// What else there is to say; sentences.
    pub notes: Vec<String>,
}

/// What came of one operation through one provider.
#[derive(Debug, Serialize)]
pub struct Trial {
    /// The provider.
    pub provider: Bdf,
    /// What was done through peer memory; the other half was done through host memory.
    pub operation: Operation,
    /// Bytes that went through whole, to or from peer memory.
    pub bytes: u64,
    /// Which way.
    pub went: PathTaken,
    /// What the array has counted; none if it does not count.
    pub counted: Option<Counted>,
    /// Whether the data are right.
    pub data: Data,
    /// SHA-256 of what came through peer memory.
    pub sha256: Option<String>,
    /// SHA-256 of what it should be: what came through host memory, or was written.
    pub expected_sha256: Option<String>,
    /// How many blocks or sectors are wrong.
    pub wrong: u64,
    /// How many I/Os failed.
    pub failed: u64,
    /// The first of them, in words.
    pub details: Vec<String>,
}

/// Whether data are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// They are.
    Right,
    /// They kept changing while they were looked at.
    Changed,
    /// Some I/O failed.
    Failed,
    /// The provider had no memory left to move them through.
    NoMemory,
    /// They are not.
    Wrong,
}

/// Does it; the exit status.
///
/// # Errors
/// With what was wrong.
pub fn run(sysroot: &Sysroot, options: &Verify) -> Result<u8> {
    let report = report(sysroot, options)?;
    if options.json {
        ui::json(&report)?;
    } else {
        report.print()?;
    }
    Ok(u8::from(!report.is_right()))
}

/// Moves the data, if it is no dry run.
///
/// # Errors
/// If that cannot even begin: the array or the provider is not there, or the array is in use.
pub fn report(sysroot: &Sysroot, options: &Verify) -> Result<VerifyReport> {
    let array = array::find(sysroot, &options.array)?;
    let providers = provider::named(provider::all(sysroot, &array)?, &options.provider)?;
    let site = Site::survey(
        sysroot,
        &array,
        options.write_file.as_deref(),
        options.destructive,
    )?;
    let pieces = match site.mode {
        Mode::WriteFile => std::iter::once(0..options.size).collect(),
        _ => site::pieces(site.bytes, options.size, &array),
    };
    let bytes = pieces.iter().map(|piece| piece.end - piece.start).sum();
    let rooms = providers.iter().map(|one| one.some_room(BLOCK, DEPTH));
    let rooms: Vec<Option<Room>> = rooms.collect();
    let mut report = VerifyReport {
        array: array.name.clone(),
        driver: array.driver,
        level: array.level.clone(),
        state: array.p2p.as_ref().map(|p2p| p2p.state.clone()),
        policy: array.p2p.as_ref().map(|p2p| p2p.policy.clone()),
        mode: site.mode,
        path: site.path.clone(),
        dry_run: options.dry_run,
        bytes,
        pieces: pieces.len(),
        providers,
        results: Vec::new(),
        notes: Vec::new(),
    };
    if options.dry_run || rooms.iter().all(Option::is_none) {
        let without = report.providers.iter().zip(&rooms);
        let without = without.filter(|(_, room)| room.is_none());
        report.results = without
            .flat_map(|(one, _)| untried(one.address, site.mode, &one.no_room(BLOCK)))
            .collect();
        report.notes.extend(site.note(&array));
        report.notes.extend(without_memory(&report.results));
        return Ok(report);
    }
    let what = format!("{} of it are overwritten, all over it", ui::bytes(bytes));
    site.confirm(&array, &what, options.yes)?;
    let place = site.open(sysroot, &array, bytes)?;
    let work = Comparison {
        sysroot,
        array: &array,
        place: &place,
        pieces: &pieces,
        bar: bar(bytes * rooms.iter().flatten().count() as u64 * steps(site.mode)),
    };
    for (provider, room) in report.providers.iter().zip(rooms) {
        report.results.extend(match room {
            Some(room) => work.through(provider, room, site.mode)?,
            None => untried(provider.address, site.mode, &provider.no_room(BLOCK)),
        });
    }
    work.bar.finish_and_clear();
    report.notes = notes(sysroot, &array, &report.results)?;
    Ok(report)
}

fn operations(mode: Mode) -> &'static [Operation] {
    match mode {
        Mode::ReadOnly => &[Operation::Read],
        Mode::WriteFile | Mode::Destructive => &[Operation::Write, Operation::Read],
    }
}

/// The rows of a provider that has no memory left.
fn untried(provider: Bdf, mode: Mode, why: &str) -> Vec<Trial> {
    let row = |&operation: &Operation| Trial {
        provider,
        operation,
        bytes: 0,
        went: PathTaken::Nowhere,
        counted: None,
        data: Data::NoMemory,
        sha256: None,
        expected_sha256: None,
        wrong: 0,
        failed: 0,
        details: vec![format!("no memory left: {why}")],
    };
    operations(mode).iter().map(row).collect()
}

/// The sentence about providers that had no memory left, if there are some.
fn without_memory(rows: &[Trial]) -> Option<String> {
    let rows = rows.iter().filter(|row| row.data == Data::NoMemory);
    let mut providers: Vec<Bdf> = rows.map(|row| row.provider).collect();
    providers.dedup();
    (!providers.is_empty()).then(|| {
        format!(
            "Not all is known: nothing could be moved through the memory of {}.",
            ui::list(providers)
        )
    })
}

/// How often each byte is moved for a provider: read by both at once; or written and read
/// back, twice.
fn steps(mode: Mode) -> u64 {
    match mode {
        Mode::ReadOnly => 1,
        Mode::WriteFile | Mode::Destructive => 4,
    }
}

/// Shown on a terminal only.
fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}") {
        bar.set_style(style);
    }
    bar
}

/// What is the same for all providers.
struct Comparison<'a> {
    sysroot: &'a Sysroot,
    array: &'a Array,
    place: &'a OpenSite,
    pieces: &'a [Range<u64>],
    bar: ProgressBar,
}

/// The buffers of a thread.
struct Buffers {
    peer: Buffer,
    host: Buffer,
}

/// Which of them.
type Pick = fn(&mut Buffers) -> &mut Buffer;

impl Comparison<'_> {
    fn through(&self, provider: &Provider, room: Room, mode: Mode) -> Result<Vec<Trial>> {
        self.bar.set_message(provider.address.to_string());
        let memory = Memory::Peer(provider.address);
        let mut pairs = match pairs(memory, room, self.sysroot) {
            Ok(pairs) => pairs,
            // Others were faster.
            Err(error) if error.root_cause().downcast_ref() == Some(&Errno::ENOMEM) => {
                return Ok(untried(provider.address, mode, &format!("{error:#}")));
            }
            Err(error) => return Err(site::remedy(error)),
        };
        let target = self.place.target()?;
        let row = |operation, work: &mut dyn FnMut(&mut Tally) -> Result<()>| {
            let before = array::counters(self.sysroot, self.array)?;
            let mut tally = Tally::default();
            work(&mut tally)?;
            let after = array::counters(self.sysroot, self.array)?;
            anyhow::Ok(tally.row(provider.address, operation, before.zip(after)))
        };
        if mode == Mode::ReadOnly {
            let read = row(Operation::Read, &mut |tally| {
                self.blocks(
                    room,
                    &mut pairs,
                    |pair, offset, length| compare(&target, pair, offset, length),
                    |_, length, done| tally.compared(length, done),
                )
            })?;
            return Ok(vec![read]);
        }
        let peer: Pick = |pair| &mut pair.peer;
        let host: Pick = |pair| &mut pair.host;
        let write = row(Operation::Write, &mut |tally| {
            let pattern = Pattern::new(fresh());
            self.write(
                room,
                &mut pairs,
                &target,
                (peer, pattern),
                |length, done| tally.peer_io(length, done),
            )?;
            self.check(room, &mut pairs, &target, (host, pattern), tally, false)
        })?;
        let read = row(Operation::Read, &mut |tally| {
            let pattern = Pattern::new(fresh());
            self.write(room, &mut pairs, &target, (host, pattern), |_, done| {
                tally.host_io(done)
            })?;
            self.check(room, &mut pairs, &target, (peer, pattern), tally, true)
        })?;
        Ok(vec![write, read])
    }

    /// Calls `work` with each block of all pieces, and `take` with what came of it.
    fn blocks<T: Send>(
        &self,
        room: Room,
        pairs: &mut [Buffers],
        work: impl Fn(&mut Buffers, u64, usize) -> T + Sync,
        mut take: impl FnMut(u64, usize, T),
    ) -> Result<()> {
        for piece in self.pieces {
            let extent = Extent {
                range: piece.clone(),
                block: room.block,
            };
            transfer::each(&extent, pairs, &work, |offset, length, done| {
                take(offset, length, done);
                self.bar.inc(length as u64);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn write(
        &self,
        room: Room,
        pairs: &mut [Buffers],
        target: &Target,
        (pick, pattern): (Pick, Pattern),
        mut take: impl FnMut(usize, Result<(), Failure>),
    ) -> Result<()> {
        let work = |pair: &mut Buffers, offset, length| {
            let mut data = vec![0; length];
            pattern.fill(offset, &mut data);
            pick(pair).put(&data);
            target.write(pick(pair), offset, length)
        };
        self.blocks(room, pairs, work, |_, length, done| take(length, done))
    }

    /// Reads back what was written, if all of it was.
    fn check(
        &self,
        room: Room,
        pairs: &mut [Buffers],
        target: &Target,
        (pick, pattern): (Pick, Pattern),
        tally: &mut Tally,
        through_peer: bool,
    ) -> Result<()> {
        if tally.failed > 0 {
            return Ok(());
        }
        let work = |pair: &mut Buffers, offset, length| {
            target.read(pick(pair), offset, length)?;
            Ok(pick(pair).taken(length))
        };
        self.blocks(room, pairs, work, |offset, length, done| {
            tally.checked(&pattern, offset, length, done, through_peer);
        })
    }
}

fn pairs(memory: Memory, room: Room, sysroot: &Sysroot) -> Result<Vec<Buffers>> {
    let sysfs = sysroot.path("sys");
    let pair = |_| {
        Ok(Buffers {
            peer: Buffer::new(memory, room.block, &sysfs)?,
            host: Buffer::new(Memory::Host, room.block, &sysfs)?,
        })
    };
    (0..room.depth).map(pair).collect()
}

/// A seed that no earlier run has had: what it left behind would pass for what we wrote.
fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |now| now.as_nanos() as u64);
    scramble(nanoseconds ^ u64::from(std::process::id()) << 40)
}

/// A block that was read through both memories.
struct Both {
    peer: Vec<u8>,
    host: Vec<u8>,
    /// How often it was read.
    rounds: u32,
    verdict: Data,
}

/// Why a block could not be read, and through which memory; and how many reads through
/// peer memory went well before.
struct Unread {
    failure: Failure,
    through_peer: bool,
    rounds: u32,
}

/// Reads a block through both memories, and again if they differ: while others write to it
/// they may. If what host memory saw has stayed the same, peer memory saw something wrong.
fn compare(
    target: &Target,
    pair: &mut Buffers,
    offset: u64,
    length: usize,
) -> Result<Both, Unread> {
    let mut last: Option<Vec<u8>> = None;
    let mut rounds = 0;
    loop {
        let unread = |through_peer, rounds| {
            move |failure| Unread {
                failure,
                through_peer,
                rounds,
            }
        };
        let read = target.read(&mut pair.peer, offset, length);
        read.map_err(unread(true, rounds))?;
        rounds += 1;
        let read = target.read(&mut pair.host, offset, length);
        read.map_err(unread(false, rounds))?;
        let (peer, host) = (pair.peer.taken(length), pair.host.taken(length));
        if let Some(verdict) = verdict(&peer, &host, last.as_deref(), rounds) {
            return Ok(Both {
                peer,
                host,
                rounds,
                verdict,
            });
        }
        last = Some(host);
    }
}

/// What two copies of a block tell, if `last` was host memory's in the round before; none if
/// it takes another round.
fn verdict(peer: &[u8], host: &[u8], last: Option<&[u8]>, rounds: u32) -> Option<Data> {
    match last {
        _ if peer == host => Some(Data::Right),
        Some(last) if last == host => Some(Data::Wrong),
        _ if rounds >= ROUNDS => Some(Data::Changed),
        _ => None,
    }
}

/// What has come of an operation so far.
#[derive(Default)]
struct Tally {
    moved: Moved,
    peer: Sha256,
    host: Sha256,
    wrong: u64,
    changed: u64,
    failed: u64,
    details: Vec<String>,
}

impl Tally {
    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.details.len() < TOLD {
            self.details.push(what());
        }
    }

    fn failure(&mut self, failure: &Failure, through_peer: bool) {
        self.failed += 1;
        if through_peer && failure.why == Why::Errno(Errno::EREMOTEIO) {
            self.moved.refused += 1;
        }
        let memory = if through_peer { "peer" } else { "host" };
        self.tell(|| format!("{failure} (through {memory} memory)"));
    }

    fn peer_io(&mut self, length: usize, done: Result<(), Failure>) {
        match done {
            Ok(()) => self.moved.bytes += length as u64,
            Err(failure) => self.failure(&failure, true),
        }
    }

    fn host_io(&mut self, done: Result<(), Failure>) {
        if let Err(failure) = done {
            self.failure(&failure, false);
        }
    }

    fn compared(&mut self, length: usize, done: Result<Both, Unread>) {
        let times = |rounds: u32| u64::from(rounds) * length as u64;
        let both = match done {
            Ok(both) => both,
            Err(unread) => {
                self.moved.bytes += times(unread.rounds);
                return self.failure(&unread.failure, unread.through_peer);
            }
        };
        self.moved.bytes += times(both.rounds);
        self.peer.update(&both.peer);
        self.host.update(&both.host);
        match both.verdict {
            Data::Wrong => self.wrong += 1,
            Data::Changed => self.changed += 1,
            Data::Right | Data::Failed | Data::NoMemory => {}
        }
    }

    fn checked(
        &mut self,
        pattern: &Pattern,
        offset: u64,
        length: usize,
        done: Result<Vec<u8>, Failure>,
        through_peer: bool,
    ) {
        let data = match done {
            Ok(data) => data,
            Err(failure) => return self.failure(&failure, through_peer),
        };
        if through_peer {
            self.moved.bytes += length as u64;
        }
        let mut expected = vec![0; length];
        pattern.fill(offset, &mut expected);
        self.peer.update(&data);
        self.host.update(&expected);
        for mismatch in pattern.mismatches(offset, &data) {
            self.wrong += 1;
            self.tell(|| mismatch.to_string());
        }
    }

    fn data(&self) -> Data {
        match self {
            Self { wrong: 1.., .. } => Data::Wrong,
            Self { failed: 1.., .. } => Data::Failed,
            Self { changed: 1.., .. } => Data::Changed,
            _ => Data::Right,
        }
    }

    fn row(
        self,
        provider: Bdf,
        operation: Operation,
        counters: Option<(Counters, Counters)>,
    ) -> Trial {
        let data = self.data();
        let counted = counters.map(|(before, after)| Counted::between(&before, &after, operation));
        let whole = self.failed == 0;
        let sum = |sum: Sha256| whole.then(|| hex(&sum.finalize()));
        Trial {
            provider,
            operation,
            bytes: self.moved.bytes,
            went: PathTaken::of(&self.moved, counted.as_ref()),
            counted,
            data,
            sha256: sum(self.peer),
            expected_sha256: sum(self.host),
            wrong: self.wrong,
            failed: self.failed,
            details: self.details,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What there is to say of all of it, each thing once.
fn notes(sysroot: &Sysroot, array: &Array, rows: &[Trial]) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for row in rows {
        notes.extend(row.went.reasons(array, row.provider));
        notes.extend(row.went.advice(array, row.operation));
        notes.extend(row.others().map(|bytes| {
            format!(
                "Others moved {} through peer memory at the same time: {}'s counters have both.",
                ui::bytes(bytes),
                array.name
            )
        }));
    }
    if rows.iter().any(|row| row.data == Data::Changed) {
        notes.push(format!(
            "{} changed while it was read, so nobody can tell: try again while it is idle.",
            array.name
        ));
    }
    let uses = site::uses(sysroot, array)?;
    if rows.iter().any(|row| row.data == Data::Wrong) && !uses.is_empty() {
        notes.push(format!(
            "{} is in use ({}); to be sure that it did not just change, try again while it is idle.",
            array.name,
            uses.join(", ")
        ));
    }
    notes.extend(without_memory(rows));
    let mut seen = Vec::new();
    notes.retain(|note| {
        let new = !seen.contains(note);
        seen.push(note.clone());
        new
    });
    Ok(notes)
}

impl Trial {
    fn others(&self) -> Option<u64> {
        let moved = Moved {
            bytes: self.bytes,
            refused: 0,
        };
        let others = self.counted?.others(&moved);
        (others > 0).then_some(others)
    }

    fn cells(&self, distance: String) -> Vec<String> {
        let style = match self.data {
            Data::Right => GOOD,
            Data::Changed => WARNING,
            Data::Failed | Data::NoMemory | Data::Wrong => BAD,
        };
        let sum = self.sha256.as_deref().and_then(|sum| sum.get(..8));
        vec![
            self.provider.to_string(),
            distance,
            self.operation.to_string(),
            ui::bytes(self.bytes),
            self.went.styled(),
            styled(style, self.data),
            sum.unwrap_or_default().to_owned(),
        ]
    }

    /// What is wrong, in lines.
    fn trouble(&self) -> Vec<String> {
        let mut lines = self.details.clone();
        let more = (self.wrong + self.failed).saturating_sub(lines.len() as u64);
        match (lines.is_empty(), more) {
            (_, 0) => {}
            (true, _) => lines.push(format!("{more} blocks are not as through host memory")),
            (false, _) => lines.push(format!("and {more} more")),
        }
        let (provider, operation) = (self.provider, self.operation);
        let lines = lines.into_iter();
        lines
            .map(|line| format!("{provider} {operation}: {line}"))
            .collect()
    }

    /// How much went each way, where it is not all one.
    fn shares(&self) -> Option<String> {
        let counted = self.counted.filter(|_| {
            matches!(
                self.went,
                PathTaken::PartlyStaged | PathTaken::PartlyRefused | PathTaken::NotCounted
            )
        })?;
        Some(format!(
            "{} {}: {} direct, {} staged, {} I/Os refused",
            self.provider,
            self.operation,
            ui::bytes(counted.direct_bytes),
            ui::bytes(counted.staged_bytes),
            counted.refused_ios
        ))
    }
}

impl VerifyReport {
    /// Whether all data are right.
    pub fn is_right(&self) -> bool {
        self.results.iter().all(|row| row.data == Data::Right)
    }

    fn print(&self) -> Result<()> {
        let mut out = ui::out();
        writeln!(out, "{}", self.heading())?;
        if self.dry_run {
            write!(out, "{}", self.plan())?;
        } else {
            write!(out, "\n{}", self.table())?;
        }
        let rows = || self.results.iter();
        let shares = rows().filter_map(Trial::shares);
        let lines: Vec<String> = rows().flat_map(Trial::trouble).chain(shares).collect();
        for paragraph in [&lines, &self.notes] {
            if !paragraph.is_empty() {
                writeln!(out)?;
            }
            for line in paragraph {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }

    fn heading(&self) -> String {
        let of = match (&self.state, &self.policy) {
            (Some(state), Some(policy)) => format!("state {state}, policy {policy}"),
            _ => "the kernel's md".to_owned(),
        };
        format!("{}: {}, {of}", self.array, self.level)
    }

    /// What would be done.
    fn plan(&self) -> String {
        let path = self.path.display();
        let bytes = ui::bytes(self.bytes);
        let pieces = match self.pieces {
            1 => String::new(),
            pieces => format!(" in {pieces} pieces all over it"),
        };
        let what = match self.mode {
            Mode::ReadOnly => format!(
                "would read {bytes} of {path}{pieces}, through peer and host memory, and compare"
            ),
            Mode::WriteFile => format!(
                "would make {path} of {bytes}, write it through peer memory and read it back \
                 through host memory, then the other way round, and remove it"
            ),
            Mode::Destructive => format!(
                "would overwrite {bytes} of {path}{pieces} through peer memory and read them back \
                 through host memory, then the other way round; what was there is lost"
            ),
        };
        let mut plan = what + "\npeer memory of:\n";
        for provider in &self.providers {
            plan += &format!(
                "  {}: distance {}; {} of {} available\n",
                provider.address,
                provider.distance(),
                ui::bytes(provider.available_bytes),
                ui::bytes(provider.bytes)
            );
        }
        plan
    }

    fn table(&self) -> String {
        let distance = |address: Bdf| {
            let mut all = self.providers.iter();
            let provider = all.find(|provider| provider.address == address);
            provider.map(Provider::distance).unwrap_or_default()
        };
        let heads = [
            "PROVIDER", "DISTANCE", "I/O", "BYTES", "WENT", "DATA", "SHA-256",
        ];
        let rows = self.results.iter();
        ui::table(
            &heads,
            rows.map(|row| row.cells(distance(row.provider))),
            &[3],
        )
    }
}

impl std::fmt::Display for Data {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Data::Right => "right",
            Data::Changed => "changed",
            Data::Failed => "failed",
            Data::NoMemory => "no memory",
            Data::Wrong => "WRONG",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn copies_that_differ_are_wrong_only_if_the_data_have_stayed_the_same() {
        let (a, b, c) = (&[1; 8][..], &[2; 8][..], &[3; 8][..]);
        assert_eq!(verdict(a, a, None, 1), Some(Data::Right));
        assert_eq!(verdict(a, b, None, 1), None);
        assert_eq!(verdict(a, b, Some(b), 2), Some(Data::Wrong));
        assert_eq!(verdict(a, b, Some(c), 2), None);
        assert_eq!(verdict(b, b, Some(c), 2), Some(Data::Right));
        assert_eq!(verdict(a, b, Some(c), ROUNDS), Some(Data::Changed));
    }

    fn failure(errno: Errno) -> Failure {
        let target = Path::new("/dev/md0");
        Failure::new("read", target, 0, 512, Why::Errno(errno))
    }

    fn row(tally: Tally) -> Trial {
        let provider = "0000:04:00.0".parse().expect("an address");
        let read = |read_direct_bytes, read_staged_bytes| Counters {
            read_direct_bytes,
            read_staged_bytes,
            ..Counters::default()
        };
        tally.row(
            provider,
            Operation::Read,
            Some((read(100, 0), read(612, 512))),
        )
    }

    #[test]
    fn a_sector_that_is_wrong_is_told_and_makes_all_of_it_wrong() {
        let pattern = Pattern::new(7);
        let mut data = vec![0; 1024];
        pattern.fill(4096, &mut data);
        let mut tally = Tally::default();
        tally.checked(&pattern, 4096, 1024, Ok(data.clone()), true);
        assert_eq!(tally.data(), Data::Right);
        data[600] ^= 1;
        tally.checked(&pattern, 4096, 1024, Ok(data), true);
        let row = row(tally);
        assert_eq!((row.data, row.wrong, row.bytes), (Data::Wrong, 1, 2048));
        assert!(
            row.details[0].starts_with("sector at 4608: byte 88"),
            "{:?}",
            row.details
        );
        assert!(row.sha256.is_some() && row.sha256 != row.expected_sha256);
    }

    #[test]
    fn what_was_refused_is_told_from_what_failed() {
        let mut tally = Tally::default();
        tally.peer_io(512, Err(failure(Errno::EREMOTEIO)));
        tally.peer_io(512, Err(failure(Errno::EIO)));
        tally.host_io(Err(failure(Errno::EREMOTEIO)));
        assert_eq!((tally.moved.refused, tally.failed), (1, 3));
        let row = row(tally);
        assert_eq!((row.data, row.went), (Data::Failed, PathTaken::Refused));
        assert_eq!(row.sha256, None);
        assert!(
            row.details[0].ends_with("Remote I/O error (through peer memory)"),
            "{:?}",
            row.details
        );
    }

    #[test]
    fn the_widest_row_fits_80_columns() {
        let mut tally = Tally::default();
        tally.peer_io(1023 << 10, Ok(()));
        let mut row = row(tally);
        row.went = PathTaken::PartlyRefused;
        row.data = Data::Changed;
        let table = ui::table(&[""; 7], [row.cells("unreachable".to_owned())], &[3]);
        let plain = anstream::adapter::strip_str(&table).to_string();
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(
            widest.is_some_and(|widest| (60..=80).contains(&widest)),
            "{plain}"
        );
    }

    #[test]
    fn how_much_was_staged_is_told() {
        let mut tally = Tally::default();
        tally.peer_io(1024, Ok(()));
        let row = row(tally);
        assert_eq!((row.data, row.went), (Data::Right, PathTaken::PartlyStaged));
        let shares = row.shares().expect("not all of it was one");
        assert_eq!(
            shares,
            "0000:04:00.0 read: 512 B direct, 512 B staged, 0 I/Os refused"
        );
    }

    #[test]
    fn through_the_same_memory_twice_data_are_right() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut data = vec![0; 150 * 512];
        Pattern::new(1).fill(0, &mut data);
        std::fs::write(file.path(), &data).expect("its content");
        let Ok(target) = Target::source(file.path()) else {
            return; // no O_DIRECT here
        };
        let buffer = || Buffer::new(Memory::Host, 65536, Path::new("/sys")).expect("a buffer");
        let pair = || Buffers {
            peer: buffer(),
            host: buffer(),
        };
        let mut tally = Tally::default();
        let extent = Extent {
            range: 0..150 * 512,
            block: 65536,
        };
        let work = |pair: &mut Buffers, offset, length| compare(&target, pair, offset, length);
        transfer::each(&extent, &mut [pair(), pair()], work, |_, length, done| {
            tally.compared(length, done);
            Ok(())
        })
        .expect("moved");
        let row = row(tally);
        assert_eq!((row.data, row.bytes), (Data::Right, 150 * 512));
        let sum = hex(&Sha256::digest(&data));
        assert_eq!(
            (row.sha256.as_ref(), row.expected_sha256.as_ref()),
            (Some(&sum), Some(&sum))
        );
    }
}
