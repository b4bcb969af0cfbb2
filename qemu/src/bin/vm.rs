// SPDX-License-Identifier: GPL-2.0
//! `cargo vm`: see `cargo vm help`.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};
use md_p2p_vm::environment::{Environment, Settings};
use md_p2p_vm::machine::topology;
use md_p2p_vm::{End, Modules, Run, Topology};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

/// The status for whatever kept us from starting something.
const NOT_STARTED: u8 = 205;

const STATUSES: &str = "\
Exit status: the script's own, or
  200  the guest's kernel panicked
  201  the guest did not come up
  202  time was up
  203  QEMU ended before the script did
  204  the script ended, but the guest's kernel complained (WARNING, BUG, hung task, ...)
  205  nothing was started";

#[derive(Parser)]
#[command(
    bin_name = "cargo vm",
    about = "The virtual machine in which md-p2p is built, shown and tested"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the environment, or complete it
    Env {
        /// Debian mirror [default: this machine's own]
        #[arg(long, value_name = "URL")]
        mirror: Option<String>,
        /// Remove what is there and begin anew, with the newest kernels
        #[arg(long)]
        fresh: bool,
    },
    /// Run a command in the environment, with the repository at /md-p2p
    Exec {
        /// As root in a copy of it, which is gone afterwards
        #[arg(long)]
        copy: bool,
        /// The command and its arguments
        #[arg(
            required = true,
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
        command: Vec<OsString>,
    },
    /// Build the modules: make -C kbuild, in the environment
    Make {
        /// The kernel to build for [default: the newest that boots]
        #[arg(long, value_name = "RELEASE")]
        kernel: Option<String>,
        /// Targets and variables for make
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "TARGET|VAR=VALUE"
        )]
        arguments: Vec<OsString>,
    },
    /// Make a kernel that is in no package
    Kernel {
        /// Which one
        #[arg(value_enum)]
        which: Special,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Get mdadm's own tests, and print their names
    MdadmTests,
    /// Boot a guest and run a script in it as root
    #[command(after_help = STATUSES)]
    Run {
        #[command(flatten)]
        setup: Setup,
        /// Give up after this many seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        timeout: u64,
        /// Keep the run's folder here, with the drives in it [default: target/vm/TIME-SCRIPT, without]
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
        /// The script; - is standard input
        script: PathBuf,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Boot a guest and give a shell in it
    Shell {
        #[command(flatten)]
        setup: Setup,
    },
    /// Show the topologies and kernels there are
    List,
}

/// Kernels that are built on demand.
#[derive(Clone, Copy, ValueEnum)]
enum Special {
    /// Finds mistakes with memory and locks: KASAN, DEBUG_VM, PROVE_LOCKING, DEBUG_LIST
    Debug,
}

/// What a guest is to be like.
#[derive(Args)]
struct Setup {
    /// What drives it has, and where: a name, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "switch")]
    topology: String,
    /// The kernel to boot [default: the newest]
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<String>,
    /// Whose modules it has
    #[arg(long, value_enum, default_value_t)]
    modules: Modules,
    /// Let systemd start it, with a root that keeps what is changed until the run ends
    #[arg(long)]
    system: bool,
    /// Let emulated processors run at the same time, not in turns: dear, and for races
    #[arg(long)]
    parallel: bool,
    /// Boot from a copy of the environment in which this script of the repository was run before
    #[arg(long, value_name = "SCRIPT")]
    prepare: Option<PathBuf>,
    /// A file for the working folder
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// The C of a kernel module, which is built, and NAME.ko put into the working folder
    #[arg(long, value_name = "NAME.c")]
    build: Vec<PathBuf>,
    /// An event of QEMU's to trace, such as pci_nvme_map_addr
    #[arg(long, value_name = "EVENT")]
    trace: Vec<String>,
}

impl Setup {
    fn apply(self, mut run: Run) -> Run {
        run = run
            .topology(self.topology)
            .modules(self.modules)
            .system(self.system)
            .parallel(self.parallel);
        run = self.kernel.into_iter().fold(run, Run::kernel);
        run = self.prepare.into_iter().fold(run, Run::prepare);
        run = self.add.into_iter().fold(run, Run::file);
        run = self.build.into_iter().fold(run, Run::build);
        self.trace.into_iter().fold(run, Run::trace)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        // clap's own status for mistakes, 2, could be a script's.
        let status = if error.use_stderr() {
            i32::from(NOT_STARTED)
        } else {
            0
        };
        let _ = error.print();
        std::process::exit(status)
    });
    match work(arguments.verb) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("vm: {error:#}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

fn work(verb: Verb) -> Result<u8> {
    match verb {
        Verb::Env { mirror, fresh } => {
            let environment = Environment::make(&Settings { mirror, fresh })?;
            println!("{}", environment.root().display());
            Ok(0)
        }
        Verb::Exec { copy, command } => {
            let environment = Environment::ready()?;
            if copy {
                return Ok(number(environment.run_in_copy(&command)?));
            }
            let enter = environment.enter_repository()?;
            status(enter.command(&command[0])?.args(&command[1..]))
        }
        Verb::Make { kernel, arguments } => {
            let environment = Environment::ready()?;
            let kernel = environment.kernels().get(kernel.as_deref())?;
            let _lock = environment.lock_modules()?;
            status(&mut environment.kbuild(kernel, &arguments, &[])?)
        }
        Verb::Kernel {
            which: Special::Debug,
            dry_run,
        } => debug_kernel(dry_run),
        Verb::MdadmTests => {
            for name in Environment::mdadm_tests()? {
                println!("{name}");
            }
            Ok(0)
        }
        Verb::Run {
            setup,
            timeout,
            keep,
            script,
            arguments,
        } => {
            let run = setup
                .apply(Run::new(script))
                .arguments(arguments)
                .timeout(Duration::from_secs(timeout));
            go(&keep.into_iter().fold(run, Run::keep).shown())
        }
        Verb::Shell { setup } => go(&setup
            .apply(Run::shell())
            .timeout(Duration::from_secs(u32::MAX.into()))),
        Verb::List => list(),
    }
}

/// Runs `command` to its end; its status, or the shell's 128 + N for signal N.
fn status(command: &mut Command) -> Result<u8> {
    Ok(number(command.status()?))
}

fn number(status: ExitStatus) -> u8 {
    let signal = || Some(128 + status.signal()?);
    status.code().or_else(signal).unwrap_or(1) as u8
}

fn go(run: &Run) -> Result<u8> {
    // A mistake is told before an environment is made.
    run.check()?;
    let terminal = tcgetattr(io::stdin());
    let outcome = run.go(&Environment::ready()?);
    // A QEMU that was killed leaves the terminal as it used it.
    if let Ok(terminal) = terminal {
        tcsetattr(io::stdin(), SetArg::TCSANOW, &terminal)?;
    }
    let outcome = outcome?;
    // Who typed into a shell knows how it ended.
    let known = matches!(outcome.end, End::Script(status) if status == 0 || run.is_shell());
    if !known {
        eprintln!("vm: {}; see {}", outcome.end, outcome.folder.display());
    }
    Ok(outcome.status())
}

fn debug_kernel(dry_run: bool) -> Result<u8> {
    if dry_run {
        let environment = Environment::ready()?;
        let newest = environment.kernels().get_bootable(None)?;
        println!(
            "would install Clang in {}, and build {} with qemu/environment/debug.config there (3 GiB)",
            environment.root().display(),
            newest.source
        );
        return Ok(0);
    }
    println!("{}", Environment::make_debug_kernel()?.release);
    Ok(0)
}

fn list() -> Result<u8> {
    for name in topology::names()? {
        let topology = Topology::find(&name)?;
        println!("topology  {name:<10}  {}", topology.about);
    }
    let environment = Environment::ready()?;
    for kernel in environment.kernels().all() {
        let can = if kernel.bootable {
            "boots"
        } else {
            "can be built for"
        };
        println!("kernel    {}  {can}", kernel.release);
    }
    if let Some(kernel) = &environment.kernels().debug {
        println!("debug     {}  boots", kernel.release);
    }
    Ok(0)
}
