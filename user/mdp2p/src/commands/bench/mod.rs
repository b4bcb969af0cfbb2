// SPDX-License-Identifier: GPL-2.0
//! `mdp2p bench`: peer memory against host memory, in turn.

mod options;
pub mod plot;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use nix::errno::Errno;
use serde::Serialize;

use crate::command::Command;
use crate::ui::{self, WARNING, styled};
use crate::workload::path_taken::{Counted, Moved, PathTaken};
use crate::workload::provider::{self, Provider, Room};
use crate::workload::site::{self, Mode, OpenSite, Site};
use mdp2p_io::measure::{Lane, Measured, Mover};
use mdp2p_io::memory::{Buffer, Memory, PAGE};
use mdp2p_io::pattern::Pattern;
use mdp2p_io::random::Random;
use mdp2p_io::target::{Failure, Operation, Why};
use mdp2p_io::transfer::{self, Extent};
use mdp2p_machine::md::array::{self, Array, Driver};
use mdp2p_machine::sysroot::Sysroot;
pub use options::Bench;

impl Command for Bench {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// About how long one memory has its turn.
const TURN: Duration = Duration::from_millis(250);

/// Bytes of the file that is made, if there is room.
const FILE: u64 = 1 << 30;

/// What `mdp2p bench` has measured, or would.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// The array.
    pub array: String,
    /// Whose.
    pub driver: Driver,
    /// Its level.
    pub level: String,
    /// What md-p2p says of it.
    pub state: Option<String>,
    /// The policy; none if it is not md-p2p's.
    pub policy: Option<String>,
    /// What was done to it.
    pub mode: Mode,
    /// The array or the file.
    pub path: PathBuf,
    /// Bytes of it that blocks are in.
    pub bytes: u64,
    /// Whether nothing was moved.
    pub dry_run: bool,
    /// Seconds for each size, operation and memory.
    pub seconds: f64,
    /// The virtual machine that this is, where the figures mean nothing; none on real hardware.
    pub virtual_machine: Option<String>,
    /// Whose memory.
    pub provider: Provider,
    /// What came of it.
    pub results: Vec<Measurement>,
    /// What else there is to say; sentences.
    pub notes: Vec<String>,
}

/// Both memories side by side.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// What was done.
    pub operation: Operation,
    /// Blocks that were under way at a time.
    pub depth: usize,
    /// Through host memory.
    pub host: Figures,
    /// Through peer memory.
    pub peer: Figures,
    /// Throughput of peer memory by that of host memory.
    pub ratio: Option<f64>,
    /// Which way peer I/O went.
    pub went: PathTaken,
    /// What the array has counted; none if it does not count.
    pub counted: Option<Counted>,
}

/// What was measured with one memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Bytes.
    pub bytes: u64,
    /// Blocks.
    pub ios: u64,
    /// Seconds.
    pub seconds: f64,
    /// Throughput.
    pub bytes_per_second: f64,
    /// Latency that half of the blocks did not exceed, microseconds.
    pub p50_us: f64,
    /// And 99 of 100.
    pub p99_us: f64,
    /// CPU seconds of mdp2p for each GiB.
    pub cpu_seconds_per_gib: f64,
    /// CPU seconds of the whole machine for each GiB, whatever it was doing.
    pub machine_cpu_seconds_per_gib: f64,
}

/// Does it; the exit status.
///
/// # Errors
/// With what was wrong.
pub fn run(sysroot: &Sysroot, options: &Bench) -> Result<u8> {
    // Not after minutes of measuring.
    if let Some(path) = &options.svg {
        can_hold(path)?;
    }
    let report = report(sysroot, options)?;
    if options.json {
        ui::json(&report)?;
    } else {
        report.print()?;
    }
    if let Some(path) = options.svg.as_ref().filter(|_| !options.dry_run) {
        fs::write(path, plot::svg(&report)?).with_context(|| path.display().to_string())?;
    }
    Ok(0)
}

fn can_hold(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    if path.is_dir() || !folder.is_dir() {
        bail!(
            "--svg {}: a file in a folder that is there is wanted",
            path.display()
        );
    }
    Ok(())
}

/// Measures, if it is no dry run.
///
/// # Errors
/// If the array or the provider is not there, is in use, has no room; or if an I/O fails.
pub fn report(sysroot: &Sysroot, options: &Bench) -> Result<BenchReport> {
    let array = array::find(sysroot, &options.array)?;
    let provider = chosen(sysroot, &array, options)?;
    let write_file = options.write_file.as_deref();
    let site = Site::survey(sysroot, &array, write_file, options.destructive)?;
    let bytes = match site.mode {
        // Others want to write, too.
        Mode::WriteFile => options.file_size.unwrap_or(FILE.min(site.bytes / 4)),
        Mode::ReadOnly | Mode::Destructive => site.bytes,
    };
    let bytes = bytes - bytes % PAGE as u64;
    whole_sectors(sysroot, &array, &options.block_size)?;
    let plan = plan(&provider, options, bytes)?;
    let mut report = BenchReport {
        array: array.name.clone(),
        driver: array.driver,
        level: array.level.clone(),
        state: array.p2p.as_ref().map(|p2p| p2p.state.clone()),
        policy: array.p2p.as_ref().map(|p2p| p2p.policy.clone()),
        mode: site.mode,
        path: site.path.clone(),
        bytes,
        dry_run: options.dry_run,
        seconds: options.seconds.as_secs_f64(),
        virtual_machine: virtual_machine(sysroot),
        provider,
        results: Vec::new(),
        notes: plan.notes,
    };
    if options.dry_run {
        report.notes.extend(site.note(&array));
        return Ok(report);
    }
    let what = "blocks anywhere on it are overwritten";
    site.confirm(&array, what, options.yes)?;
    let place = site.open(sysroot, &array, bytes)?;
    let bench = Turns {
        sysroot,
        array: &array,
        place: &place,
        memory: Memory::Peer(report.provider.address),
        bytes,
        time: options.seconds,
        bar: bar(&plan.rooms, site.mode, options.seconds),
    };
    if site.mode == Mode::WriteFile {
        bench.fill()?;
    }
    for room in plan.rooms {
        for operation in operations(site.mode) {
            let row = bench.row(room, *operation);
            report
                .results
                .push(row.map_err(|error| advised(error, &array, *operation))?);
        }
    }
    bench.bar.finish_and_clear();
    report.advise(&array);
    Ok(report)
}

/// An error for blocks that begin or end within a sector of the array.
fn whole_sectors(sysroot: &Sysroot, array: &Array, blocks: &[u64]) -> Result<()> {
    let path = format!("sys/block/{}/queue/logical_block_size", array.name);
    let sector = sysroot.value_if::<u64>(path)?.unwrap_or(512).max(1);
    match blocks.iter().find(|block| *block % sector != 0) {
        Some(block) => bail!(
            "--block-size {block}: {} has sectors of {sector} bytes, and a block is a multiple of \
             that",
            array.name
        ),
        None => Ok(()),
    }
}

/// The provider that was asked for, or the nearest.
fn chosen(sysroot: &Sysroot, array: &Array, options: &Bench) -> Result<Provider> {
    let all = provider::all(sysroot, array)?;
    match options.provider {
        None => provider::nearest(&all, &array.name),
        Some(address) => {
            let mut named = provider::named(all, &[address])?;
            Ok(named.remove(0))
        }
    }
}

struct Sizes {
    rooms: Vec<Room>,
    notes: Vec<String>,
}

/// The sizes for which there is room, and how many blocks of each.
fn plan(provider: &Provider, options: &Bench, bytes: u64) -> Result<Sizes> {
    let depth = usize::try_from(options.depth)?;
    let (mut rooms, mut notes) = (Vec::new(), Vec::new());
    for &block in &options.block_size {
        if block > bytes {
            notes.push(format!(
                "{} was left out: there are {} to move it in.",
                ui::bytes(block),
                ui::bytes(bytes)
            ));
            continue;
        }
        let block = usize::try_from(block)?;
        match provider.room(block, depth) {
            Some(room) => {
                if room.depth < depth {
                    notes.push(format!(
                        "{} of {} are under way at a time, for want of p2pmem: {} has {} available.",
                        room.depth,
                        ui::bytes(block as u64),
                        provider.address,
                        ui::bytes(provider.available_bytes)
                    ));
                }
                rooms.push(room);
            }
            None => notes.push(format!("Left out: {}.", provider.no_room(block))),
        }
    }
    if rooms.is_empty() {
        bail!("{}", notes.join(" "));
    }
    Ok(Sizes { rooms, notes })
}

fn operations(mode: Mode) -> &'static [Operation] {
    match mode {
        Mode::ReadOnly => &[Operation::Read],
        Mode::WriteFile | Mode::Destructive => &[Operation::Read, Operation::Write],
    }
}

/// How many turns each memory has, and how long one is: an even number, so that each is first
/// as often as second.
fn turns(time: Duration) -> (u32, Duration) {
    let turns = time.div_duration_f64(TURN).ceil() as u32;
    let turns = turns.max(2).next_multiple_of(2);
    (turns, time / turns)
}

/// Shown on a terminal only; counts turns.
fn bar(rooms: &[Room], mode: Mode, time: Duration) -> ProgressBar {
    let each = u64::from(turns(time).0) * 2;
    let rows = rooms.len() * operations(mode).len();
    let bar = ProgressBar::new(each * rows as u64);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {eta} left");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// The error with what to do about it, if the array has refused.
fn advised(error: anyhow::Error, array: &Array, operation: Operation) -> anyhow::Error {
    let refused = Why::Errno(Errno::EREMOTEIO);
    let failure = error.downcast_ref::<Failure>();
    let advice = failure
        .filter(|failure| failure.why == refused)
        .and_then(|_| PathTaken::Refused.advice(array, operation));
    match advice {
        Some(advice) => anyhow::anyhow!("{error:#}. {advice}"),
        None => site::remedy(error),
    }
}

/// What is the same for all sizes.
struct Turns<'a> {
    sysroot: &'a Sysroot,
    array: &'a Array,
    place: &'a OpenSite,
    memory: Memory,
    bytes: u64,
    time: Duration,
    bar: ProgressBar,
}

impl Turns<'_> {
    /// Writes all of a new file once: what was never written is not read from the members.
    fn fill(&self) -> Result<()> {
        const BLOCK: usize = 1 << 20;
        self.bar.set_message("filling the file");
        let extent = Extent {
            range: 0..self.bytes,
            block: BLOCK,
        };
        let work = transfer::Work::Write {
            target: self.place.target()?,
            pattern: Pattern::new(0),
            shift: 0,
        };
        let buffers = (0..4).map(|_| Buffer::new(Memory::Host, BLOCK, &self.sysroot.path("sys")));
        let buffers = buffers.collect::<Result<Vec<_>>>()?;
        let outcome = transfer::run(&work, &extent, buffers, |_, _| Ok(()))?;
        match outcome.failures.into_iter().next() {
            Some((_, failure)) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn row(&self, room: Room, operation: Operation) -> Result<Measurement> {
        let block = ui::bytes(room.block as u64);
        self.bar.set_message(format!("{block} {operation}"));
        let target = self.place.target()?;
        let mover = Mover {
            target: &target,
            operation,
            block: room.block,
            blocks: self.bytes / room.block as u64,
        };
        let mut lanes = [
            self.lanes(Memory::Host, room)?,
            self.lanes(self.memory, room)?,
        ];
        let mut measured = [Measured::default(), Measured::default()];
        let before = array::counters(self.sysroot, self.array)?;
        let (turns, time) = turns(self.time);
        for turn in 0..turns {
            for which in order(turn) {
                measured[which] += &mover.run(self.sysroot, &mut lanes[which], time)?;
                self.bar.inc(1);
            }
        }
        let after = array::counters(self.sysroot, self.array)?;
        let [host, peer] = measured;
        let moved = Moved {
            bytes: peer.bytes,
            refused: 0,
        };
        let counted = before
            .zip(after)
            .map(|(before, after)| Counted::between(&before, &after, operation));
        let (host, peer) = (Figures::of(&host), Figures::of(&peer));
        Ok(Measurement {
            block_bytes: room.block,
            operation,
            depth: room.depth,
            ratio: ratio(peer.bytes_per_second, host.bytes_per_second),
            host,
            peer,
            went: PathTaken::of(&moved, counted.as_ref()),
            counted,
        })
    }

    /// Buffers with something in them, each with its own way through the target; the same ways
    /// in each run.
    fn lanes(&self, memory: Memory, room: Room) -> Result<Vec<Lane>> {
        let which = u64::from(memory != Memory::Host);
        let lane = |number: usize| {
            let mut buffer = Buffer::new(memory, room.block, &self.sysroot.path("sys"))?;
            let mut data = vec![0; room.block];
            Pattern::new(number as u64).fill(0, &mut data);
            buffer.put(&data);
            Ok(Lane {
                buffer,
                random: Random::new(number as u64 * 2 + which),
            })
        };
        (0..room.depth).map(lane).collect()
    }
}

/// Host memory (0) and peer memory (1), the other one first each time: what grows or wanes
/// steadily does so for both.
fn order(turn: u32) -> [usize; 2] {
    match turn % 2 {
        0 => [0, 1],
        _ => [1, 0],
    }
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

impl Figures {
    fn of(measured: &Measured) -> Self {
        let seconds = measured.time.as_secs_f64();
        let gib = measured.bytes as f64 / f64::from(1 << 30);
        let latency = |part| {
            let latency = measured.latencies.percentile(part).unwrap_or_default();
            latency.as_secs_f64() * 1e6
        };
        let by = |part: Duration| ratio(part.as_secs_f64(), gib).unwrap_or(0.0);
        Self {
            bytes: measured.bytes,
            ios: measured.ios,
            seconds,
            bytes_per_second: ratio(measured.bytes as f64, seconds).unwrap_or(0.0),
            p50_us: latency(0.5),
            p99_us: latency(0.99),
            cpu_seconds_per_gib: by(measured.cpu.process),
            machine_cpu_seconds_per_gib: by(measured.cpu.machine),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            three(self.bytes_per_second / f64::from(1 << 20)),
            three(self.p50_us),
            three(self.p99_us),
            three(self.cpu_seconds_per_gib),
            three(self.machine_cpu_seconds_per_gib),
        ]
    }
}

/// Three digits, or all before the point.
pub(crate) fn three(number: f64) -> String {
    match number {
        number if number < 9.995 => format!("{number:.2}"),
        number if number < 99.95 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

/// What kind of virtual machine this is; none on real hardware, as far as can be seen.
fn virtual_machine(sysroot: &Sysroot) -> Option<String> {
    let vendor = sysroot
        .read("sys/class/dmi/id/sys_vendor")
        .unwrap_or_default();
    let processor = sysroot.read("proc/cpuinfo").unwrap_or_default();
    let flags = processor.lines().find(|line| line.starts_with("flags"));
    let flagged = flags.is_some_and(|flags| flags.split_whitespace().any(|f| f == "hypervisor"));
    let known = [
        "QEMU",
        "Bochs",
        "KVM",
        "VMware",
        "innotek",
        "Xen",
        "Parallels",
    ];
    match known.iter().any(|name| vendor.contains(name)) || flagged {
        true if vendor.is_empty() => Some("unknown".to_owned()),
        true => Some(vendor),
        false => None,
    }
}

impl BenchReport {
    /// What is to be known before the figures are believed.
    pub fn warning(&self) -> Option<String> {
        let vendor = self.virtual_machine.as_ref()?;
        Some(format!(
            "This is a virtual machine ({vendor}): the figures mean nothing: drives and peer \
             memory are emulated."
        ))
    }

    /// What is to be known of the way that peer I/O took.
    fn advise(&mut self, array: &Array) {
        for row in &self.results {
            let block = ui::bytes(row.block_bytes as u64);
            let moved = Moved {
                bytes: row.peer.bytes,
                refused: 0,
            };
            if let Some(others) = row.counted.map(|c| c.others(&moved)).filter(|o| *o > 0) {
                self.notes.push(format!(
                    "Others moved {} through peer memory beside the {}s of {block}: the counters \
                     have both.",
                    ui::bytes(others),
                    row.operation
                ));
            }
        }
        for row in &self.results {
            let reasons = row.went.reasons(array, self.provider.address);
            let advice = row.went.advice(array, row.operation);
            for note in reasons.into_iter().chain(advice) {
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
            }
        }
    }

    /// Array and provider in a line.
    pub fn heading(&self) -> String {
        let of = match (&self.state, &self.policy) {
            (Some(state), Some(policy)) => format!("state {state}, policy {policy}"),
            _ => "the kernel's md".to_owned(),
        };
        let (provider, distance) = (self.provider.address, self.provider.distance());
        format!(
            "{}: {}, {of}; peer memory of {provider}, distance {distance}",
            self.array, self.level
        )
    }

    fn print(&self) -> Result<()> {
        let mut out = ui::out();
        writeln!(out, "{}", self.heading())?;
        if let Some(warning) = self.warning() {
            writeln!(out, "{}", styled(WARNING, warning))?;
        }
        if self.dry_run {
            writeln!(out, "{}", self.plan())?;
        } else {
            write!(out, "\n{}", self.table())?;
            writeln!(
                out,
                "\nP50, P99: microseconds. CPU: seconds of mdp2p for each GiB; ALL CPU: those of the \
                 whole\nmachine, with what stages in the kernel and all else that runs. RATIO: \
                 peer by host."
            )?;
        }
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        Ok(())
    }

    fn plan(&self) -> String {
        let (path, bytes) = (self.path.display(), ui::bytes(self.bytes));
        let what = match self.mode {
            Mode::ReadOnly => format!("read blocks anywhere in {path} ({bytes})"),
            Mode::WriteFile => format!(
                "make {path} of {bytes}, read and write blocks anywhere in it, and remove it"
            ),
            Mode::Destructive => format!(
                "read and overwrite blocks anywhere in {path} ({bytes}); what was there is lost"
            ),
        };
        format!(
            "would {what}, {} s for each size, operation and memory, peer and host memory in turn",
            self.seconds
        )
    }

    fn table(&self) -> String {
        let heads = [
            "BLOCK", "I/O", "MEMORY", "MiB/s", "P50", "P99", "CPU", "ALL CPU", "RATIO", "WENT",
        ];
        let rows = self.results.iter().flat_map(Measurement::cells);
        ui::table(&heads, rows, &[3, 4, 5, 6, 7, 8])
    }
}

impl Measurement {
    fn cells(&self) -> [Vec<String>; 2] {
        let line = |first: [String; 3], figures: &Figures, last: [String; 2]| {
            let cells = first.into_iter().chain(figures.cells());
            cells.chain(last).collect()
        };
        let block = ui::bytes(self.block_bytes as u64);
        let none = String::new;
        let ratio = self.ratio.map_or_else(none, |ratio| format!("{ratio:.2}"));
        [
            line(
                [block, self.operation.to_string(), "host".to_owned()],
                &self.host,
                [none(), none()],
            ),
            line(
                [none(), none(), "peer".to_owned()],
                &self.peer,
                [ratio, self.went.styled()],
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::path_taken::Counted;
    use mdp2p_machine::testing::put;

    #[test]
    fn memories_take_turns_and_each_is_first_as_often() {
        for (seconds, expected) in [(0.1, 2), (0.6, 4), (1.0, 4), (3.0, 12)] {
            let time = Duration::from_secs_f64(seconds);
            let (number, each) = turns(time);
            assert_eq!(number, expected, "{seconds}");
            let sum = each * number;
            assert!(time.abs_diff(sum) < Duration::from_micros(1), "{seconds}");
            let first: usize = (0..number).map(|turn| order(turn)[0]).sum();
            assert_eq!(first as u32, number / 2, "{seconds}");
            assert!((0..number).all(|turn| order(turn)[0] != order(turn)[1]));
        }
    }

    #[test]
    fn numbers_have_three_digits() {
        for (number, text) in [
            (0.0, "0.00"),
            (0.123, "0.12"),
            (9.996, "10.0"),
            (99.96, "100"),
            (12345.6, "12346"),
        ] {
            assert_eq!(three(number), text);
        }
    }

    fn sysroot(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysroot) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("sys")).expect("sys");
        for (path, text) in files {
            put(folder.path(), path, text);
        }
        let sysroot = Sysroot::at(folder.path()).expect("a host");
        (folder, sysroot)
    }

    #[test]
    fn a_virtual_machine_is_known_by_its_vendor_or_its_processor() {
        let vendor = "sys/class/dmi/id/sys_vendor";
        let flagged = "processor\t: 0\nflags\t\t: fpu hypervisor lm\n";
        let real = "processor\t: 0\nflags\t\t: fpu lm\n";
        for (files, expected) in [
            (&[(vendor, "QEMU\n")][..], Some("QEMU")),
            (&[("proc/cpuinfo", flagged)], Some("unknown")),
            (
                &[(vendor, "Amazon EC2\n"), ("proc/cpuinfo", flagged)],
                Some("Amazon EC2"),
            ),
            (&[(vendor, "Supermicro\n"), ("proc/cpuinfo", real)], None),
            (&[], None),
        ] {
            let (_folder, sysroot) = sysroot(files);
            assert_eq!(virtual_machine(&sysroot).as_deref(), expected);
        }
    }

    #[test]
    fn figures_are_those_of_what_was_measured() {
        let mut measured = Measured {
            bytes: 2 << 30,
            ios: 2048,
            time: Duration::from_secs(4),
            ..Measured::default()
        };
        measured.cpu.process = Duration::from_secs(1);
        measured.cpu.machine = Duration::from_secs(3);
        measured.latencies.count(Duration::from_micros(100));
        let figures = Figures::of(&measured);
        assert_eq!(figures.bytes_per_second, f64::from(1 << 29));
        assert_eq!(figures.cpu_seconds_per_gib, 0.5);
        assert_eq!(figures.machine_cpu_seconds_per_gib, 1.5);
        assert!((figures.p99_us - 100.0).abs() < 2.0, "{}", figures.p99_us);
        let nothing = Figures::of(&Measured::default());
        assert_eq!(
            (nothing.bytes_per_second, nothing.cpu_seconds_per_gib),
            (0.0, 0.0)
        );
    }

    #[test]
    fn a_table_has_a_line_for_each_memory_and_fits_80_columns() {
        let figures = Figures {
            bytes: 1 << 30,
            ios: 1,
            seconds: 1.0,
            bytes_per_second: 12.0e9,
            p50_us: 12345.0,
            p99_us: 99999.0,
            cpu_seconds_per_gib: 0.05,
            machine_cpu_seconds_per_gib: 12.3,
        };
        let row = Measurement {
            block_bytes: 256 << 10,
            operation: Operation::Write,
            depth: 4,
            host: figures,
            peer: figures,
            ratio: Some(1.0),
            went: PathTaken::PartlyStaged,
            counted: Some(Counted::default()),
        };
        let table = ui::table(
            &["BLOCK"],
            row.cells().map(|cells| cells[..1].to_vec()),
            &[],
        );
        assert_eq!(table.lines().count(), 3);
        let heads = [""; 10];
        let table = ui::table(&heads, row.cells(), &[]);
        let plain = anstream::adapter::strip_str(&table).to_string();
        let widest = plain.lines().map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= 80), "{plain}");
    }
}
