// SPDX-License-Identifier: GPL-2.0
//! Every command and option, once: the parser, `--help`, the manual pages and the
//! completions are all made of this.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::show::Color;
use crate::{
    assemble, bench, create, detail, doctor, enroll, incremental, mdadm, module, settings, stats,
    top, topology, verify,
};
use mdp2p_io::size;
use mdp2p_machine::kernel::release;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::sysroot::Sysroot;

const EXAMPLES: &str = "\
Examples:
  mdp2p doctor                     can this machine do it?
  mdp2p topology                   who reaches whose memory
  mdp2p create /dev/md0 --level 10 /dev/nvme[0-3]n1
  mdp2p stats --watch 1            which way the bytes go";

/// See, make, check and measure MD arrays that take part in PCI peer-to-peer DMA.
#[derive(Debug, Parser)]
#[command(name = "mdp2p", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true,
        help = "When to use colour: auto, always or never"
    )]
    pub color: Color,
    /// Look at the files of another machine, which were put below this folder; nothing can be changed there
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "/",
        hide_default_value = true
    )]
    pub sysroot: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the PCIe tree, the arrays on it, and who reaches whose memory
    Topology(Topology),
    /// Find out whether this machine can do it, and what to do about it if not
    Doctor(Doctor),
    /// List the arrays
    List(List),
    /// Show all there is to know of an array
    Detail(Detail),
    /// Show which way the bytes went
    Stats(Stats),
    /// Watch which way the bytes go, on the whole screen
    Top(Top),
    /// Make an array: show what it will be able to do, then have mdadm make it
    Create(Create),
    /// Put an array together from its members
    Assemble(Assemble),
    /// Stop arrays
    Stop(Stop),
    /// Have an array come up under md-p2p after each boot, or list those that do
    Enroll(Enroll),
    /// Give an array that is enrolled back to the kernel's md
    Release(Release),
    /// Add a member to an array that is enrolled: what udev has done with it
    #[command(hide = true)]
    Incremental(Incremental),
    /// Run any mdadm command, unchanged, so that it talks to md-p2p
    Mdadm(Mdadm),
    /// Show or set what becomes of peer I/O that cannot be direct
    Policy(Policy),
    /// Show or set whose memory rebuilds use
    Provider(Provider),
    /// Move data between each provider and an array, and tell whether it went direct
    Verify(Verify),
    /// Compare peer memory with host memory
    Bench(Bench),
    /// Build, install, load, sign and look after the kernel modules
    Module(Module),
    /// Print the completions for a shell
    Completions(Completions),
    /// Write the manual pages
    Manual(Manual),
}

/// `mdp2p topology`
#[derive(Args, Debug)]
#[command(after_help = "\
Each drive, GPU and other device with memory for others is a line of the tree; --all has every \
device. In the matrix below it a row is a provider and a column a client.

Examples:
  mdp2p topology
  mdp2p topology --svg machine.svg
  mdp2p topology --json | jq '.reach[] | select(.way == \"no\")'")]
pub struct Topology {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw it into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Show all devices
    #[arg(long)]
    pub all: bool,
}

/// `mdp2p doctor`
#[derive(Args, Debug)]
#[command(after_help = "\
Exit status: 0 all is well, perhaps with warnings; 1 there is a problem.

Examples:
  mdp2p doctor
  mdp2p doctor --json | jq '.checks[] | select(.verdict != \"ok\")'")]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mdp2p list`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p list --json | jq -r '.arrays[].name'")]
pub struct List {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mdp2p detail`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  mdp2p detail md0\n  mdp2p detail /dev/md/data --json")]
pub struct Detail {
    /// The array: md0, /dev/md0, /dev/md/NAME or NAME
    pub array: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mdp2p stats`
#[derive(Args, Debug)]
#[command(after_help = "\
Without --watch: what was counted since each array was started. With it: what was counted in each \
interval.

Examples:
  mdp2p stats
  mdp2p stats md0 --watch 1
  mdp2p stats --prometheus >/var/lib/prometheus/node-exporter/mdp2p.prom.new &&
    mv /var/lib/prometheus/node-exporter/mdp2p.prom.new /var/lib/prometheus/node-exporter/mdp2p.prom")]
pub struct Stats {
    /// The arrays [default: all of md-p2p]
    #[arg(value_name = "ARRAY")]
    pub arrays: Vec<String>,
    /// Print again every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub watch: Option<Duration>,
    /// Print JSON; with --watch, one line each time
    #[arg(long)]
    pub json: bool,
    /// Print what node_exporter's textfile collector reads
    #[arg(long, conflicts_with_all = ["json", "watch"])]
    pub prometheus: bool,
}

/// `mdp2p top`
#[derive(Args, Debug)]
#[command(
    after_help = "Keys: q ends it, m shows members, + and - change the interval, the arrows scroll."
)]
pub struct Top {
    /// The arrays [default: all of md-p2p]
    #[arg(value_name = "ARRAY")]
    pub arrays: Vec<String>,
    /// Seconds between looks
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub interval: Duration,
}

/// What is done about peer I/O that cannot be direct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyValue {
    /// The CPU copies it
    Auto,
    /// It is refused
    Direct,
    /// No peer I/O at all
    Off,
}

/// Whose memory rebuilds use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderValue {
    /// The nearest that all involved members reach.
    Auto,
    /// Nobody's.
    None,
    /// This one's only.
    At(Bdf),
}

/// `mdp2p create`
#[derive(Args, Debug)]
#[command(after_help = "\
What is in use (mounted, swap, member of another array, held by another driver) is never taken. \
What holds a filesystem, a partition table or an old array is taken only if --overwrite names it. \
After `--` there is room for mdadm's options for making arrays, none of which may name a device.

Examples:
  mdp2p create /dev/md0 --level 10 /dev/nvme[0-3]n1
  mdp2p create /dev/md/data --level 5 --spare /dev/nvme4n1 /dev/nvme[0-3]n1 --dry-run
  mdp2p create md1 --level 1 --require-direct /dev/nvme0n1 /dev/nvme1n1 -- --bitmap=none")]
pub struct Create {
    /// The array to make: md0, /dev/md0, /dev/md/NAME
    pub array: String,
    /// linear, 0, 1, 4, 5, 6 or 10
    #[arg(long, short, value_name = "LEVEL", allow_hyphen_values = true)]
    pub level: String,
    /// How many members without spares [default: as many as are named]
    #[arg(long, short = 'n', value_name = "N")]
    pub raid_devices: Option<u32>,
    /// A spare; may be given several times
    #[arg(long, value_name = "DEVICE")]
    pub spare: Vec<PathBuf>,
    /// Where raid4, 5 or 6 are to log what they are about to write
    #[arg(long, value_name = "DEVICE")]
    pub write_journal: Option<PathBuf>,
    /// Block devices, or `missing`
    #[arg(required = true, value_name = "MEMBER")]
    pub members: Vec<PathBuf>,
    /// Fail, and make nothing, if anything would be staged
    #[arg(long)]
    pub require_direct: bool,
    /// What becomes of peer I/O that cannot be direct
    #[arg(long, value_enum)]
    pub policy: Option<PolicyValue>,
    /// Whose memory rebuilds use: auto, none or a PCI address
    #[arg(long, value_parser = provider_value)]
    pub provider: Option<ProviderValue>,
    /// Take a device although it holds a filesystem, a partition table or an old array
    #[arg(long, value_name = "DEVICE")]
    pub overwrite: Vec<PathBuf>,
    /// Show the plan, and make nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Options for mdadm
    #[arg(last = true, value_name = "MDADM-OPTION")]
    pub options: Vec<String>,
}

/// `mdp2p assemble`
#[derive(Args, Debug)]
#[command(after_help = "\
Without members mdadm looks for them itself.

Examples:
  mdp2p assemble /dev/md0 /dev/nvme[0-3]n1
  mdp2p assemble /dev/md/data -- --uuid=…")]
pub struct Assemble {
    /// The array: md0, /dev/md0, /dev/md/NAME
    pub array: String,
    /// Its members
    #[arg(value_name = "MEMBER")]
    pub members: Vec<PathBuf>,
    /// Show the command, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Options for mdadm
    #[arg(last = true, value_name = "MDADM-OPTION")]
    pub options: Vec<String>,
}

/// `mdp2p stop`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p stop md0")]
pub struct Stop {
    /// The arrays
    #[arg(required = true, value_name = "ARRAY")]
    pub arrays: Vec<String>,
    /// Show the command, and run nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `mdp2p enroll`
#[derive(Args, Debug)]
#[command(after_help = "\
An array that runs is left as it is: it changes hands when it is assembled the next time. Where \
md-p2p cannot be loaded then (no modules for the kernel that was booted), it comes up under the \
kernel's md. With `nomdp2p` on the kernel's command line all do. If there is an initramfs, it is \
made again, since it assembles arrays too.

Examples:
  mdp2p enroll md0
  mdp2p enroll")]
pub struct Enroll {
    /// The array [default: list those that are enrolled]
    pub array: Option<String>,
    /// Print that list as JSON
    #[arg(long, conflicts_with = "array")]
    pub json: bool,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `mdp2p release`
#[derive(Args, Debug)]
#[command(after_help = "\
An array that runs is left as it is: it changes hands when it is assembled the next time.

Example:
  mdp2p release md0")]
pub struct Release {
    /// The array: md0, /dev/md0, /dev/md/NAME, NAME, or its UUID
    #[arg(required_unless_present = "all")]
    pub array: Option<String>,
    /// All that are enrolled
    #[arg(long, conflicts_with = "array")]
    pub all: bool,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `mdp2p incremental`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p incremental /dev/nvme0n1")]
pub struct Incremental {
    /// The member
    #[arg(required_unless_present_any = ["runs", "export"])]
    pub device: Option<PathBuf>,
    /// It has gone: its array is to forget it
    #[arg(long)]
    pub fail: bool,
    /// Tell, by the exit status, whether md-p2p runs the array of this UUID beside the kernel's md
    #[arg(long, value_name = "UUID", conflicts_with_all = ["device", "fail"])]
    pub runs: Option<enroll::Uuid>,
    /// Tell udev of an array of md-p2p beside the kernel's md: its UUID and its name
    #[arg(long, value_name = "ARRAY", conflicts_with_all = ["device", "fail", "runs"])]
    pub export: Option<String>,
}

/// `mdp2p mdadm`
#[derive(Args, Debug)]
#[command(after_help = "\
mdadm's output and exit status are its own.

Examples:
  mdp2p mdadm -- --detail /dev/md0
  mdp2p mdadm -- /dev/md0 --fail /dev/nvme1n1")]
pub struct Mdadm {
    /// mdadm's arguments
    #[arg(required = true, last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<std::ffi::OsString>,
}

/// `mdp2p policy`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  mdp2p policy md0\n  mdp2p policy md0 direct")]
pub struct Policy {
    /// The array
    pub array: String,
    /// What to set it to
    #[arg(value_enum)]
    pub policy: Option<PolicyValue>,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `mdp2p provider`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  mdp2p provider md0\n  mdp2p provider md0 0000:04:00.0")]
pub struct Provider {
    /// The array
    pub array: String,
    /// auto, none or a PCI address
    #[arg(value_parser = provider_value)]
    pub provider: Option<ProviderValue>,
    /// Say what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `mdp2p verify`
#[derive(Args, Debug)]
#[command(after_help = "\
By default it only reads: each block through peer memory and through host memory, and compares. \
--write-file and --destructive write patterns through the one and read them back through the other. \
What is moved is spread over the whole array. Bytes that were staged are no failure.

--destructive never touches an array that is in use (mounted, swap, held by something else), \
whatever is said; one that holds a filesystem or a partition table it overwrites if its question is \
answered with yes, or if --yes is given too.

Exit status: 0 the data are right, 1 they are not or could not be moved, if only through one provider.

Examples:
  mdp2p verify md0
  mdp2p verify md0 --provider 0000:04:00.0 --size 64M
  mdp2p verify md0 --write-file /mnt/data/mdp2p.test
  mdp2p verify md0 --destructive --yes")]
pub struct Verify {
    /// The array
    pub array: String,
    /// Whose memory; may be given several times [default: each provider]
    #[arg(long, value_name = "ADDRESS")]
    pub provider: Vec<Bdf>,
    /// How much to move
    #[arg(long, value_parser = some_pages, default_value = "16M")]
    pub size: u64,
    /// Write too: into this file on the array's filesystem, which is made, and removed at the end
    #[arg(long, value_name = "PATH", conflicts_with = "destructive")]
    pub write_file: Option<PathBuf>,
    /// Write too: onto the array itself, whose data are lost
    #[arg(long)]
    pub destructive: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `mdp2p bench`
#[derive(Args, Debug)]
#[command(after_help = "\
Peer memory and host memory take turns, so that what disturbs one disturbs the other. By default \
it only reads, blocks anywhere in the array; where nothing was ever written drives answer without \
looking, and the figures are too good. CPU is the time of mdp2p itself, ALL CPU that of the whole \
machine, where the kernel's workers are that copy what is staged, and whatever else runs.

Examples:
  mdp2p bench md0
  mdp2p bench md0 --block-size 64K,1M --seconds 5 --svg bench.svg
  mdp2p bench md0 --write-file /mnt/data/mdp2p.test --json")]
pub struct Bench {
    /// The array
    pub array: String,
    /// Whose memory [default: the nearest provider that the members reach]
    #[arg(long, value_name = "ADDRESS")]
    pub provider: Option<Bdf>,
    /// Sizes of a block
    #[arg(long, value_name = "SIZE", value_delimiter = ',', value_parser = block_size, default_value = "4K,64K,1M")]
    pub block_size: Vec<u64>,
    /// Seconds for each size and each memory
    #[arg(long, value_parser = seconds, default_value = "3")]
    pub seconds: Duration,
    /// Blocks that are under way at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub depth: u32,
    /// Write too: into this file on the array's filesystem, which is made, and removed at the end
    #[arg(long, value_name = "PATH", conflicts_with = "destructive")]
    pub write_file: Option<PathBuf>,
    /// Size of that file [default: 1G, and no more than a quarter of what is free]
    #[arg(long, value_name = "SIZE", value_parser = some_pages, requires = "write_file")]
    pub file_size: Option<u64>,
    /// Write too: onto the array itself, whose data are lost
    #[arg(long)]
    pub destructive: bool,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw it into a file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// `mdp2p module`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mdp2p module status
  mdp2p module build --source ~/md-p2p
  mdp2p module build -- KSRC=/usr/src/linux-7.3 V=1
  sudo mdp2p module install --source ~/md-p2p && sudo mdp2p module load
  mdp2p module sign --dry-run")]
pub struct Module {
    /// What to do
    #[command(subcommand)]
    pub verb: ModuleVerb,
}

/// What can be done with the modules.
#[derive(Debug, Subcommand)]
pub enum ModuleVerb {
    /// Show which modules are built, installed, signed and loaded
    Status {
        /// The kernel [default: the running one]
        #[arg(long, value_name = "RELEASE", value_parser = release::release)]
        kernel: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Build them: make -C kbuild
    Build(Build),
    /// Install them where modprobe finds them
    Install(Build),
    /// Load them
    Load {
        /// Personalities: linear, raid0, raid1, raid10, raid456 [default: md-p2p alone, which loads them as arrays need them]
        #[arg(value_name = "MODULE", value_parser = module::personality)]
        modules: Vec<String>,
        /// Print the commands, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Unload all of them
    Unload {
        /// Print the commands, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Sign those that are installed, with the machine's owner key
    Sign {
        /// The kernel [default: the running one]
        #[arg(long, value_name = "RELEASE", value_parser = release::release)]
        kernel: Option<String>,
        /// Private key [default: that of DKMS]
        #[arg(long, value_name = "FILE", requires = "certificate")]
        key: Option<PathBuf>,
        /// Certificate, DER
        #[arg(long, value_name = "FILE", requires = "key")]
        certificate: Option<PathBuf>,
        /// Print the commands, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What they are built from, and for.
#[derive(Args, Debug)]
pub struct Build {
    /// The kernel [default: the running one]
    #[arg(long, value_name = "RELEASE", value_parser = release::release)]
    pub kernel: Option<String>,
    /// The source of md-p2p [default: /usr/src/md-p2p-*, or the folder we are in]
    #[arg(long, value_name = "FOLDER")]
    pub source: Option<PathBuf>,
    /// Print the commands, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Arguments for make, KDIR=…, KSRC=… and V=1 among them; see make -C kbuild help
    #[arg(last = true, value_name = "MAKE-ARGUMENT")]
    pub make: Vec<String>,
}

/// `mdp2p completions`
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  mdp2p completions bash >/usr/share/bash-completion/completions/mdp2p"
)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `mdp2p manual`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  mdp2p manual /usr/local/share/man/man1")]
pub struct Manual {
    /// The folder, which has to be there
    pub folder: PathBuf,
}

/// A number of seconds, perhaps with a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    let wanted = || "a number of seconds is wanted, from 0.1 to 86400".to_owned();
    let number: f64 = text.parse().map_err(|_| wanted())?;
    if !(0.1..=86400.0).contains(&number) {
        return Err(wanted());
    }
    Ok(Duration::from_secs_f64(number))
}

/// A size that is not nothing, in whole pages.
fn some_pages(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        0 => Err("zero bytes are nothing to move".into()),
        bytes if bytes > i64::MAX as u64 - 4096 => Err("no array is that large".into()),
        bytes => Ok(bytes.next_multiple_of(4096)),
    }
}

/// A size that one I/O can have.
fn block_size(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        bytes if bytes % 512 == 0 && (512..=64 << 20).contains(&bytes) => Ok(bytes),
        _ => Err("a block is a multiple of 512 bytes, from 512 to 64M".into()),
    }
}

fn provider_value(text: &str) -> Result<ProviderValue, String> {
    Ok(match text {
        "auto" => ProviderValue::Auto,
        "none" => ProviderValue::None,
        address => ProviderValue::At(
            address
                .parse()
                .map_err(|why| format!("auto, none or a PCI address is wanted; {why}"))?,
        ),
    })
}

/// Does what was asked for; the exit status.
///
/// # Errors
/// With what was wrong, where, and what to do about it.
pub fn work(arguments: Arguments) -> Result<u8> {
    arguments.color.apply();
    let host = Sysroot::at(&arguments.sysroot)?;
    if arguments.verb.changes() && !host.is_here() {
        bail!(
            "--sysroot {}: this command is for the machine itself; leave --sysroot out",
            arguments.sysroot.display()
        );
    }
    match arguments.verb {
        Verb::Topology(options) => topology::run(&host, &options),
        Verb::Doctor(options) => doctor::run(&host, &options),
        Verb::List(options) => detail::list(&host, &options),
        Verb::Detail(options) => detail::detail(&host, &options),
        Verb::Stats(options) => stats::run(&host, &options),
        Verb::Top(options) => top::run(&host, &options),
        Verb::Create(options) => create::run(&host, &options),
        Verb::Assemble(options) => assemble::assemble(&host, &options),
        Verb::Stop(options) => assemble::stop(&host, &options),
        Verb::Enroll(options) => enroll::enroll(&host, &options),
        Verb::Release(options) => enroll::release(&host, &options),
        Verb::Incremental(options) => incremental::run(&host, &options),
        Verb::Mdadm(options) => mdadm::run(&host, &options),
        Verb::Policy(options) => settings::policy(&host, &options),
        Verb::Provider(options) => settings::provider(&host, &options),
        Verb::Verify(options) => verify::run(&host, &options),
        Verb::Bench(options) => bench::run(&host, &options),
        Verb::Module(options) => module::run(&host, &options),
        Verb::Completions(options) => {
            // Into memory first: a pipe that nobody reads is an error, not a panic.
            let mut text = Vec::new();
            clap_complete::generate(options.shell, &mut Arguments::command(), "mdp2p", &mut text);
            std::io::Write::write_all(&mut std::io::stdout(), &text)?;
            Ok(0)
        }
        Verb::Manual(options) => manual(&options),
    }
}

impl Verb {
    /// Whether it does something to the machine, or does I/O.
    fn changes(&self) -> bool {
        match self {
            Verb::Topology(_)
            | Verb::Doctor(_)
            | Verb::List(_)
            | Verb::Detail(_)
            | Verb::Stats(_)
            | Verb::Top(_)
            | Verb::Completions(_)
            | Verb::Manual(_) => false,
            Verb::Create(Create { dry_run, .. })
            | Verb::Assemble(Assemble { dry_run, .. })
            | Verb::Stop(Stop { dry_run, .. })
            | Verb::Verify(Verify { dry_run, .. })
            | Verb::Bench(Bench { dry_run, .. })
            | Verb::Release(Release { dry_run, .. }) => !dry_run,
            Verb::Enroll(options) => options.array.is_some() && !options.dry_run,
            Verb::Module(options) => options.verb.changes(),
            Verb::Policy(options) => options.policy.is_some() && !options.dry_run,
            Verb::Provider(options) => options.provider.is_some() && !options.dry_run,
            _ => true,
        }
    }
}

impl ModuleVerb {
    fn changes(&self) -> bool {
        match self {
            ModuleVerb::Status { .. } => false,
            ModuleVerb::Build(options) | ModuleVerb::Install(options) => !options.dry_run,
            ModuleVerb::Load { dry_run, .. }
            | ModuleVerb::Unload { dry_run }
            | ModuleVerb::Sign { dry_run, .. } => !dry_run,
        }
    }
}

/// A page for the whole and one for each command.
fn manual(options: &Manual) -> Result<u8> {
    let folder = &options.folder;
    if !folder.is_dir() {
        bail!("{}: no folder; make it first", folder.display());
    }
    clap_mangen::generate_to(Arguments::command(), folder)
        .map_err(|error| anyhow::Error::new(error).context(folder.display().to_string()))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }
}
