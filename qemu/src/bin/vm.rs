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
use md_p2p_vm::{End, Modules, Pace, Run, Topology};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};

/// The status if nothing could be started.
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
        /// Remove the old environment, and begin anew with the newest kernels
        #[arg(long)]
        fresh: bool,
    },
    /// Run a command in the environment, with the repository at /md-p2p
    Exec {
        /// Run it as root in a copy of the environment, which is removed afterwards
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
    /// Build a kernel that is in no package
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
        /// Keep the run's folder here, with the drives in it [default: target/vm/TIME-SCRIPT, without the drives]
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
        /// The script, or - for standard input
        script: PathBuf,
        /// Its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Boot a guest and open a shell in it
    Shell {
        #[command(flatten)]
        setup: Setup,
    },
    /// Show all topologies and kernels
    List,
}

/// Kernels that are built on demand.
#[derive(Clone, Copy, ValueEnum)]
enum Special {
    /// Finds mistakes with memory and locks: KASAN, DEBUG_VM, PROVE_LOCKING, DEBUG_LIST
    Debug,
}

/// The guest that is wanted.
#[derive(Args)]
struct Setup {
    /// The drives of the guest, and their places: the name of a topology, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "switch")]
    topology: String,
    /// The kernel to boot [default: the newest]
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<String>,
    /// The modules that the guest has
    #[arg(long, value_enum, default_value_t)]
    modules: Modules,
    /// Let systemd start the guest, with a root that keeps its changes until the run ends
    #[arg(long)]
    system: bool,
    /// Let emulated processors run at the same time, not in turns: slow, but finds races
    #[arg(long)]
    parallel: bool,
    /// Emulate one processor whose clock counts its instructions, a nanosecond each: tells what code costs
    #[arg(long, conflicts_with = "parallel")]
    icount: bool,
    /// Boot from a copy of the environment in which this script of the repository has run before
    #[arg(long, value_name = "SCRIPT")]
    prepare: Option<PathBuf>,
    /// A file for the working folder
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// The C source of a kernel module: it is built, and NAME.ko is put into the working folder
    #[arg(long, value_name = "NAME.c")]
    build: Vec<PathBuf>,
    /// An event that QEMU traces, such as pci_nvme_map_addr
    #[arg(long, value_name = "EVENT")]
    trace: Vec<String>,
}

impl Setup {
    fn pace(&self) -> Pace {
        match (self.parallel, self.icount) {
            (_, true) => Pace::Counted,
            (true, _) => Pace::Parallel,
            _ => Pace::Turns,
        }
    }

    fn apply(self, mut run: Run) -> Run {
        run = run
            .pace(self.pace())
            .topology(self.topology)
            .modules(self.modules)
            .system(self.system);
        run = self.kernel.into_iter().fold(run, Run::kernel);
        run = self.prepare.into_iter().fold(run, Run::prepare);
        run = self.add.into_iter().fold(run, Run::file);
        run = self.build.into_iter().fold(run, Run::build);
        self.trace.into_iter().fold(run, Run::trace)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        // A script could end with clap's own status for mistakes, which is 2.
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

/// Runs `command`, and returns its status, or 128 + N for signal N like a shell.
fn status(command: &mut Command) -> Result<u8> {
    Ok(number(command.status()?))
}

fn number(status: ExitStatus) -> u8 {
    let signal = || Some(128 + status.signal()?);
    status.code().or_else(signal).unwrap_or(1) as u8
}

fn go(run: &Run) -> Result<u8> {
    // A mistake is reported before an environment is made.
    run.check()?;
    let terminal = tcgetattr(io::stdin());
    let outcome = run.go(&Environment::ready()?);
    // A QEMU that was killed does not restore the terminal.
    if let Ok(terminal) = terminal {
        tcsetattr(io::stdin(), SetArg::TCSANOW, &terminal)?;
    }
    let outcome = outcome?;
    // A user who typed into a shell knows how it ended.
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
