// SPDX-License-Identifier: GPL-2.0
//! The command line. clap makes the parser and `--help` from the options of the commands.
//!
//! Tests: tests/contract.rs.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use mdp2p_machine::sysroot::Sysroot;

use crate::archive;
use crate::command::Command;
use crate::commands::Verb;
use crate::completions;
use crate::manual;
use crate::signals::{self, Held};
use crate::ui::{self, Color};

const EXAMPLES: &str = "\
Examples:
  mdp2p doctor                     check whether this machine can do it
  mdp2p topology                   show who reaches whose memory
  mdp2p create /dev/md0 --level 10 /dev/nvme[0-3]n1
  mdp2p stats --watch 1            show which way the bytes go";

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
    /// Inspect another machine, whose files are below this folder or in the file that `mdp2p capture`
    /// made of it; nothing can be changed there
    #[arg(
        long,
        global = true,
        value_name = "FOLDER|FILE",
        default_value = "/",
        hide_default_value = true
    )]
    pub sysroot: PathBuf,
    /// What to do
    #[command(subcommand)]
    pub request: Request,
}

/// What the user asks for.
#[derive(Debug, Subcommand)]
pub enum Request {
    /// A command.
    #[command(flatten)]
    Verb(Verb),
    /// Print completions for a shell
    Completions(Completions),
    /// Write the manual pages
    Manual(Manual),
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
#[command(after_help = "Example:\n  mdp2p manual /usr/local/share/man/man8")]
pub struct Manual {
    /// Existing folder to write them to
    pub folder: PathBuf,
}

/// Parses a command line. Help follows `--color` too, which clap does not know when it shows help.
///
/// # Errors
/// Returns what clap has to say: what is wrong, or the help that was asked for.
pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let words: Vec<OsString> = words.collect();
    let after = words.iter().skip_while(|word| *word != "--color").nth(1);
    let said = |when: &str| {
        after.is_some_and(|word| word == when) || words.contains(&format!("--color={when}").into())
    };
    let choice = match (said("never"), said("always")) {
        (true, _) => clap::ColorChoice::Never,
        (_, true) => clap::ColorChoice::Always,
        _ => clap::ColorChoice::Auto,
    };
    let parser = Arguments::command().color(choice);
    Arguments::from_arg_matches(&parser.try_get_matches_from(words)?)
}

/// Prints the help that was asked for.
///
/// # Errors
/// Fails if standard output cannot be written.
pub fn show(help: &clap::Error) -> Result<()> {
    help.print().map_err(ui::named)?;
    io::stdout().flush().map_err(ui::named)?;
    Ok(())
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// Says what was wrong, where, and what to do about it.
pub fn run(arguments: Arguments) -> Result<u8> {
    arguments.color.apply();
    let archive = &arguments.sysroot;
    if !archive.is_file() {
        return answer(&arguments, &Sysroot::at(archive)?);
    }
    let held = Held::hold().context("signals")?;
    let (folder, held) = archive::unpack(archive, held)?;
    let path = folder.path().to_owned();
    let held = match &arguments.request {
        Request::Verb(verb) if verb.command().handles_signals() => Some(held),
        _ => {
            held.put_away_first(|| drop(fs::remove_dir_all(path)));
            None
        }
    };
    let status = answer(&arguments, &Sysroot::unpacked(folder.path(), archive)?);
    signals::wait_if_ending();
    // A second signal must not come between.
    drop(folder);
    drop(held);
    status
}

/// Does what was asked for with a machine.
fn answer(arguments: &Arguments, root: &Sysroot) -> Result<u8> {
    match &arguments.request {
        Request::Verb(verb) => run_command(verb.command(), root, &arguments.sysroot),
        Request::Completions(options) => print_completions(options),
        Request::Manual(options) => write_manual(options),
    }
}

/// Runs a command, unless it would change a machine of which only files are here.
fn run_command(command: &dyn Command, root: &Sysroot, path: &Path) -> Result<u8> {
    if command.changes() && !root.is_here() {
        bail!(
            "--sysroot {}: this command would change the machine; leave --sysroot out",
            path.display()
        );
    }
    if !command.tolerates() {
        return command.run(root);
    }
    let root = root.tolerant();
    let status = command.run(&root)?;
    let complaints = root.complaints();
    for complaint in &complaints {
        ui::complain(&format!("warning: {complaint}"));
    }
    // What was shown is not all, as if `ls` could not read one of several files.
    Ok(status.max(u8::from(!complaints.is_empty())))
}

fn print_completions(options: &Completions) -> Result<u8> {
    let script = completions::script(&options.shell.to_string())?;
    let mut out = io::stdout();
    out.write_all(&script).map_err(ui::named)?;
    out.flush().map_err(ui::named)?;
    Ok(0)
}

/// Writes a page for the whole program and one for each command.
fn write_manual(options: &Manual) -> Result<u8> {
    let folder = &options.folder;
    if !folder.is_dir() {
        bail!("{}: not a folder; make it first", folder.display());
    }
    manual::write(Arguments::command(), folder)?;
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
