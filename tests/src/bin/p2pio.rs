// SPDX-License-Identifier: GPL-2.0
//! `p2pio`: moves data between block devices and the memory of PCI devices, and
//! says exactly what went wrong. Ends with 0 if all is well, 1 if data differ, 2
//! if it was called wrongly, 3 if an I/O failed.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use md_p2p_tests::layout::{self, Layout, Level, Member};
use md_p2p_tests::memory::{Buffer, Memory};
use md_p2p_tests::pattern::{Pattern, SECTOR};
use md_p2p_tests::report::{Report, details};
use md_p2p_tests::size;
use md_p2p_tests::transfer::{self, Extent, Outcome, Target, Work};
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
        /// Where to: a block device or a file that exists
        #[arg(long, value_name = "TARGET")]
        to: PathBuf,
        /// Offset there [default: the same as here]
        #[arg(long, value_name = "SIZE", value_parser = sectors)]
        to_offset: Option<u64>,
    },
    /// Compare what the members of an array hold, P and Q too, with the data made from a seed
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
struct Common {
    /// Block device, or file that exists
    target: PathBuf,
    /// `host`, or the PCI address of the device whose memory is used
    #[arg(long, value_name = "BDF|host")]
    memory: Memory,
    /// Where to begin
    #[arg(long, value_name = "SIZE", value_parser = sectors, default_value = "0")]
    offset: u64,
    /// How much [default: up to the end of TARGET]
    #[arg(long, value_name = "SIZE", value_parser = some_sectors)]
    length: Option<u64>,
    /// Bytes of one I/O
    #[arg(long, value_name = "SIZE", value_parser = some_sectors, default_value = "64K")]
    block_size: u64,
    /// I/Os in flight, each with a buffer of the block size
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
struct Array {
    /// PATH@OFFSET, where the data of the member begin, or `missing`; in md's order
    #[arg(required = true, value_name = "MEMBER", value_parser = layout::parse_member)]
    members: Vec<Member>,
    /// Level of the array
    #[arg(long)]
    level: Level,
    /// Chunk size; of linear, the size of a member
    #[arg(long, value_name = "SIZE", value_parser = some_sectors, default_value = "512K")]
    chunk: u64,
    /// Copies of everything in a raid10
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), default_value = "2")]
    copies: u64,
    /// What the data are made from
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Where the data begin in the array
    #[arg(long, value_name = "SIZE", value_parser = sectors, default_value = "0")]
    offset: u64,
    /// How much of the array has them
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
            common.verify(&[&common.target]);
            let (pattern, shift) = data.shifted(common.offset);
            let target = Target::sink(&common.target)?;
            let extent = common.extent(&target)?;
            let work = Work::Write {
                target,
                pattern,
                shift,
            };
            common.run("write", &work, &extent)
        }
        Verb::Read { common, output } => {
            common.verify(&[&common.target]);
            let target = Target::source(&common.target)?;
            let extent = common.extent(&target)?;
            common.read(&Work::Read { target }, &extent, output.as_deref())
        }
        Verb::Check { common, data } => {
            common.verify(&[&common.target]);
            let (pattern, shift) = data.shifted(common.offset);
            let target = Target::source(&common.target)?;
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
            common.verify(&[&common.target, &to]);
            let shift = difference(to_offset.unwrap_or(common.offset), common.offset);
            let target = Target::source(&common.target)?;
            let extent = common.extent(&target)?;
            let work = Work::Copy {
                target,
                to: Target::sink(&to)?,
                shift,
            };
            common.run("copy", &work, &extent)
        }
        Verb::Members { array, json } => {
            let outcome = array.check()?;
            said("members", Memory::Host, &outcome, None, json)
        }
    }
}

impl Common {
    /// Ends the program if what is asked for makes no sense, whatever the kernel
    /// would say.
    fn verify(&self, targets: &[&Path]) {
        if let Some(why) = self.memory.missing(&self.sysfs) {
            refuse(format!("--memory {why}"));
        }
        for path in targets {
            let Ok(kind) = fs::metadata(path).map(|metadata| metadata.file_type()) else {
                continue;
            };
            if !kind.is_file() && !kind.is_block_device() {
                refuse(format!(
                    "{} is neither a block device nor a file",
                    path.display()
                ));
            }
        }
    }

    fn extent(&self, target: &Target) -> Result<Extent> {
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
        Ok(Extent {
            range: self.offset..end,
            block: usize::try_from(self.block_size.min(end - self.offset))?,
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
        said(verb, self.memory, &outcome, None, self.json)
    }

    fn read(&self, work: &Work, extent: &Extent, output: Option<&Path>) -> Result<ExitCode> {
        let open = |path: &Path| File::create(path).with_context(|| path.display().to_string());
        let file = output.map(open).transpose()?;
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
        said("read", self.memory, &outcome, sum, self.json)
    }
}

impl Data {
    /// The pattern, and its offset minus that of the target.
    fn shifted(&self, offset: u64) -> (Pattern, i64) {
        let there = self.pattern_offset.unwrap_or(offset);
        (Pattern::new(self.seed), difference(there, offset))
    }
}

impl Array {
    fn check(&self) -> Result<Outcome> {
        let least = match self.level {
            Level::Raid6 => 3,
            Level::Raid4 | Level::Raid5 => 2,
            _ => 1,
        };
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
        layout::check(&layout, &self.members, Pattern::new(self.seed), &range)
    }
}

/// Prints what came of it; the exit status.
fn said(
    verb: &'static str,
    memory: Memory,
    outcome: &Outcome,
    checksum: Option<String>,
    json: bool,
) -> Result<ExitCode> {
    for line in details(outcome) {
        eprintln!("p2pio: {line}");
    }
    let report = Report::new(verb, memory, outcome, checksum);
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

fn is_whole(bytes: u64) -> bool {
    bytes % SECTOR as u64 == 0
}

/// Reads a size that is a multiple of a sector and that a file can have.
fn sectors(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        bytes if i64::try_from(bytes).is_err() => Err("no file is that long".into()),
        bytes if is_whole(bytes) => Ok(bytes),
        _ => Err(format!(
            "not a multiple of {SECTOR}, which direct I/O needs"
        )),
    }
}

/// Likewise, and not zero.
fn some_sectors(text: &str) -> Result<u64, String> {
    match sectors(text)? {
        0 => Err("zero bytes are nothing to do".into()),
        bytes => Ok(bytes),
    }
}

/// `to - from`; both are at most `i64::MAX`.
fn difference(to: u64, from: u64) -> i64 {
    to.wrapping_sub(from) as i64
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
