// SPDX-License-Identifier: GPL-2.0
//! `p2pio`: moves data between block devices and the memory of PCI devices, and says exactly what
//! went wrong. Ends with status 0 if all is right, 1 if data differ, 2 if it was called wrongly, 3
//! if an I/O failed.

use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use md_p2p_tests::layout::{self, Layout, Member};
use md_p2p_tests::level::Level;
use md_p2p_tests::mix::{End, Mix};
use md_p2p_tests::model::Model;
use md_p2p_tests::report::{Report, details};
use mdp2p_io::memory::{Buffer, Memory};
use mdp2p_io::pattern::{Pattern, SECTOR};
use mdp2p_io::size;
use mdp2p_io::target::Target;
use mdp2p_io::transfer::{self, Extent, Outcome, Work};
use sha2::{Digest, Sha256};

const AFTER_HELP: &str = "\
Sizes and offsets may end in K, M, G or T, and are multiples of 512.

Exit status: 0 all is well, 1 data differ, 2 wrong arguments, 3 an I/O failed.";

/// Moves data between a block device or file and the memory of a PCI device
#[derive(Parser)]
#[command(name = "p2pio", version, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write data made from a seed
    Write {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        data: Data,
    },
    /// Read, and print a checksum
    Read {
        #[command(flatten)]
        common: Common,
        /// Store what was read here
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Read, and compare with the data made from a seed
    Check {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        data: Data,
    },
    /// Copy to another target through the memory, untouched by the CPU
    Copy {
        #[command(flatten)]
        common: Common,
        /// The other target: a block device, or a file that exists
        #[arg(long, value_name = "TARGET")]
        to: PathBuf,
        /// Offset in the other target [default: --offset]
        #[arg(long, value_name = "SIZE", value_parser = sectors)]
        to_offset: Option<u64>,
    },
    /// Read and write at random through several memories at once, and compare with a model
    ///
    /// Ops have any size, and begin anywhere in TARGET and in a page. Only reads overlap. The first
    /// model is what TARGET holds. A write changes the model, and a read is compared with it. At the
    /// end everything is compared, through host memory. The first mistake ends the mix. Op N writes
    /// data with the seed --seed times 1000000000, plus N.
    Mix {
        #[command(flatten)]
        mixed: Mixed,
    },
    /// Compare what the members of an array hold, P and Q too, with the data of a seed or file
    ///
    /// Layouts are mdadm's defaults: left-symmetric, near.
    Members {
        #[command(flatten)]
        array: Array,
        /// Print one JSON object instead of a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Area {
    /// Block device, or file that exists
    target: PathBuf,
    /// The offset of the first byte
    #[arg(long, value_name = "SIZE", value_parser = sectors, default_value = "0")]
    offset: u64,
    /// The length [default: up to the end of TARGET]
    #[arg(long, value_name = "SIZE", value_parser = some_sectors)]
    length: Option<u64>,
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    area: Area,
    /// `host`, or the PCI address of the device whose memory is used
    #[arg(long, value_name = "BDF|host")]
    memory: Memory,
    /// The size of one I/O
    #[arg(long, value_name = "SIZE", value_parser = some_sectors, default_value = "64K")]
    block_size: u64,
    /// The number of I/Os in flight, each with a buffer of the block size
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), default_value = "4")]
    depth: u16,
    /// Print one JSON object instead of a line
    #[arg(long)]
    json: bool,
    /// Where sysfs is
    #[arg(long, hide = true, default_value = "/sys")]
    sysfs: PathBuf,
}

#[derive(Args)]
struct Data {
    /// What the data are made from
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Offset within these data of the first byte [default: --offset]
    #[arg(long, value_name = "SIZE", value_parser = sectors)]
    pattern_offset: Option<u64>,
}

#[derive(Args)]
struct Mixed {
    #[command(flatten)]
    area: Area,
    /// `host`, or the PCI address of a device whose memory is used; once for each memory
    #[arg(long = "memory", value_name = "BDF|host", required = true)]
    memories: Vec<Memory>,
    /// The seed of the ops and their data
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    until: Until,
    /// The number of I/Os in flight, each with a buffer of the largest size in every memory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), default_value = "4")]
    depth: u16,
    /// The size of the largest I/O
    #[arg(long, value_name = "SIZE", value_parser = some_sectors, default_value = "300K")]
    max_size: u64,
    /// Write here what TARGET must hold in the area now
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print one JSON object instead of a line
    #[arg(long)]
    json: bool,
    /// Where sysfs is
    #[arg(long, hide = true, default_value = "/sys")]
    sysfs: PathBuf,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Until {
    /// End after so many I/Os
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    ops: Option<u64>,
    /// End after so many seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
}

#[derive(Args)]
struct Array {
    /// PATH@OFFSET, where the data of the member begin, or `missing`; in md's order
    #[arg(required = true, value_name = "MEMBER", value_parser = layout::parse_member)]
    members: Vec<Member>,
    /// Level of the array
    #[arg(long)]
    level: Level,
    /// The chunk size, or the size of a member for linear
    #[arg(long, value_name = "SIZE", value_parser = some_sectors, default_value = "512K")]
    chunk: u64,
    /// The number of copies in a raid10
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value = "2")]
    copies: u64,
    /// What the data are made from
    #[arg(long, default_value = "0")]
    seed: u64,
    /// The data, instead of a seed: the file's first byte is at --offset
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    data: Option<PathBuf>,
    /// The offset of the data in the array
    #[arg(long, value_name = "SIZE", value_parser = sectors, default_value = "0")]
    offset: u64,
    /// The length of the data in the array
    #[arg(long, value_name = "SIZE", value_parser = some_sectors)]
    length: u64,
}

fn main() -> ExitCode {
    match work(Arguments::parse().verb) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("p2pio: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn work(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Write { common, data } => {
            common.verify(&[]);
            let (pattern, shift) = data.shifted(common.area.offset);
            let target = Target::sink(&common.area.target)?;
            let extent = common.extent(&target)?;
            let work = Work::Write {
                target,
                pattern,
                shift,
            };
            common.run("write", &work, &extent)
        }
        Verb::Read { common, output } => {
            common.verify(&[]);
            let target = Target::source(&common.area.target)?;
            let extent = common.extent(&target)?;
            common.read(&Work::Read { target }, &extent, output.as_deref())
        }
        Verb::Check { common, data } => {
            common.verify(&[]);
            let (pattern, shift) = data.shifted(common.area.offset);
            let target = Target::source(&common.area.target)?;
            let extent = common.extent(&target)?;
            let work = Work::Check {
                target,
                pattern,
                shift,
            };
            common.run("check", &work, &extent)
        }
        Verb::Copy {
            common,
            to,
            to_offset,
        } => {
            common.verify(&[&to]);
            let shift = difference(to_offset.unwrap_or(common.area.offset), common.area.offset);
            let target = Target::source(&common.area.target)?;
            let extent = common.extent(&target)?;
            let work = Work::Copy {
                target,
                to: Target::sink(&to)?,
                shift,
            };
            common.run("copy", &work, &extent)
        }
        Verb::Mix { mixed } => mixed.run(),
        Verb::Members { array, json } => {
            let outcome = array.check()?;
            let report = Report::new("members", Memory::Host, &outcome, None);
            said(&report, &outcome, json)
        }
    }
}

impl Area {
    /// Ends the program if the arguments make no sense, whatever the kernel would say.
    fn verify(&self, memories: &[Memory], sysfs: &Path) {
        for memory in memories {
            if let Some(why) = memory.missing(sysfs) {
                refuse(format!("--memory {why}"));
            }
        }
        verify_kind(&self.target);
    }

    fn range(&self, target: &Target) -> Result<Range<u64>> {
        let end = match self.length {
            Some(length) => self.offset.checked_add(length),
            None => Some(target.size()?),
        };
        let end = end.filter(|end| i64::try_from(*end).is_ok());
        let Some(end) = end else {
            refuse("--offset and --length lead beyond what a file can have");
        };
        if end <= self.offset {
            refuse(format!(
                "--offset {}: {} ends at {end}",
                self.offset,
                self.target.display()
            ));
        }
        if !is_whole(end) {
            refuse(format!(
                "{} has {end} bytes, which is no multiple of {SECTOR}: give --length",
                self.target.display()
            ));
        }
        Ok(self.offset..end)
    }
}

fn verify_kind(path: &Path) {
    let Ok(kind) = fs::metadata(path).map(|metadata| metadata.file_type()) else {
        return;
    };
    if !kind.is_file() && !kind.is_block_device() {
        refuse(format!(
            "{} is neither a block device nor a file",
            path.display()
        ));
    }
}

impl Common {
    fn verify(&self, others: &[&Path]) {
        self.area.verify(&[self.memory], &self.sysfs);
        others.iter().for_each(|path| verify_kind(path));
    }

    fn extent(&self, target: &Target) -> Result<Extent> {
        let range = self.area.range(target)?;
        let block = self.block_size.min(range.end - range.start);
        Ok(Extent {
            range,
            block: usize::try_from(block)?,
        })
    }

    fn buffers(&self, extent: &Extent) -> Result<Vec<Buffer>> {
        extent
            .blocks()
            .take(self.depth.into())
            .map(|_| Buffer::new(self.memory, extent.block, &self.sysfs))
            .collect()
    }

    fn run(&self, verb: &'static str, work: &Work, extent: &Extent) -> Result<ExitCode> {
        let buffers = self.buffers(extent)?;
        let outcome = transfer::run(work, extent, buffers, |_, _| Ok(()))?;
        let report = Report::new(verb, self.memory, &outcome, None);
        said(&report, &outcome, self.json)
    }

    fn read(&self, work: &Work, extent: &Extent, output: Option<&Path>) -> Result<ExitCode> {
        let file = output.map(create).transpose()?;
        let mut sum = Sha256::new();
        let buffers = self.buffers(extent)?;
        let outcome = transfer::run(work, extent, buffers, |offset, data| {
            sum.update(data);
            if let (Some(file), Some(path)) = (&file, output) {
                file.write_all_at(data, offset - extent.range.start)
                    .with_context(|| format!("writing to {}", path.display()))?;
            }
            Ok(())
        })?;
        let sum = (outcome.errors == 0).then(|| hex(&sum.finalize()));
        let report = Report::new("read", self.memory, &outcome, sum);
        said(&report, &outcome, self.json)
    }
}

impl Data {
    /// Returns the pattern, and the offset in the pattern minus the offset in the target.
    fn shifted(&self, offset: u64) -> (Pattern, i64) {
        let there = self.pattern_offset.unwrap_or(offset);
        (Pattern::new(self.seed), difference(there, offset))
    }
}

impl Mixed {
    fn run(&self) -> Result<ExitCode> {
        self.area.verify(&self.memories, &self.sysfs);
        let mix = self.mix()?;
        let model = self.model.as_deref();
        let file = model.map(create).transpose()?;
        let mixed = mix.run(&self.sysfs)?;
        if let (Some(file), Some(path), 0) = (file, model, mixed.outcome.errors) {
            file.write_all_at(mixed.model.bytes(), 0)
                .with_context(|| format!("writing to {}", path.display()))?;
        }
        let report = Report::of_shares("mix", mixed.shares, &mixed.outcome);
        said(&report, &mixed.outcome, self.json)
    }

    fn mix(&self) -> Result<Mix> {
        let area = self.area.range(&Target::both(&self.area.target)?)?;
        let largest = self.max_size.min(area.end - area.start);
        Ok(Mix {
            path: self.area.target.clone(),
            area,
            memories: self.memories.clone(),
            seed: self.seed,
            end: self.until.end(),
            depth: self.depth.into(),
            largest: usize::try_from(largest)?,
        })
    }
}

impl Until {
    /// Returns when the mix ends. clap makes sure that one of the two is given.
    fn end(&self) -> End {
        match self.seconds {
            Some(seconds) => End::After(Duration::from_secs(seconds.into())),
            None => End::Ops(self.ops.unwrap_or_default()),
        }
    }
}

impl Array {
    fn check(&self) -> Result<Outcome> {
        let least = self.level.parity() + 1;
        if self.members.len() < least {
            refuse(format!("this level has {least} members or more"));
        }
        let layout = Layout {
            level: self.level,
            members: self.members.len() as u64,
            chunk: self.chunk,
            copies: self.copies,
        };
        let Some(end) = self.offset.checked_add(self.length) else {
            refuse("--offset and --length lead beyond what a file can have");
        };
        let range = self.offset..end;
        let members = &self.members;
        match &self.data {
            Some(path) => {
                let data = self.load(path)?;
                layout::check(&layout, members, |offset| data.sector(offset), &range)
            }
            None => {
                let data = Pattern::new(self.seed);
                layout::check(&layout, members, |offset| data.sector(offset), &range)
            }
        }
    }

    fn load(&self, path: &Path) -> Result<Model> {
        let data = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        if (data.len() as u64) < self.length {
            let (path, found) = (path.display(), data.len());
            refuse(format!("{path} has {found} bytes, fewer than --length"));
        }
        Ok(Model::new(self.offset, data))
    }
}

/// Prints the result, and returns the exit status.
fn said(report: &Report, outcome: &Outcome, json: bool) -> Result<ExitCode> {
    for line in details(outcome) {
        eprintln!("p2pio: {line}");
    }
    if json {
        println!("{}", report.json()?);
    } else {
        println!("{}", report.line());
    }
    Ok(report.status())
}

/// Ends the program as clap does, with status 2.
fn refuse(what: impl ToString) -> ! {
    Arguments::command()
        .error(ErrorKind::ValueValidation, what.to_string())
        .exit()
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| path.display().to_string())
}

fn is_whole(bytes: u64) -> bool {
    bytes % SECTOR as u64 == 0
}

/// Parses a size that is a multiple of a sector, and that a file can have.
fn sectors(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        bytes if i64::try_from(bytes).is_err() => Err("no file is that long".into()),
        bytes if is_whole(bytes) => Ok(bytes),
        _ => Err(format!(
            "not a multiple of {SECTOR}, which direct I/O needs"
        )),
    }
}

/// Like [`sectors`], but not zero.
fn some_sectors(text: &str) -> Result<u64, String> {
    match sectors(text)? {
        0 => Err("zero bytes are nothing to do".into()),
        bytes => Ok(bytes),
    }
}

/// Returns `to - from`. Both are at most `i64::MAX`.
fn difference(to: u64, from: u64) -> i64 {
    to.wrapping_sub(from) as i64
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
