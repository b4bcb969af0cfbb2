// SPDX-License-Identifier: GPL-2.0
//! The manual pages: one for the program and one for each command, made of what `--help` says.
//!
//! Tests: tests/contract.rs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// Administrators use these programs: section 8, as mdadm(8).
pub const SECTION: &str = "8";

/// What apropos(1) finds every page by.
const SUBJECT: &str = "MD RAID with PCI peer-to-peer DMA";

/// How a paragraph of `--help` begins that tells of statuses.
const STATUS: &str = "Exit status: ";

const STATUSES: [(&str, &str); 3] = [
    ("0", "It is done."),
    (
        "1",
        "It is not done, or something is wrong; a message says what.",
    ),
    ("2", "It was called wrongly."),
];

const FILES: [(&str, &str); 4] = [
    (
        "/etc/md-p2p/enrolled/UUID",
        "An array that comes up under md-p2p, if its members appear.",
    ),
    (
        "/run/md-p2p",
        "Notes until the next boot: mdadm's about the arrays that md-p2p has beside the kernel's md, \
         and configurations of enrolled arrays.",
    ),
    (
        "/sys/block/md*/md/p2pdma_*",
        "What md-p2p says of an array, and its settings.",
    ),
    (
        "/proc/mdstat-p2p",
        "As /proc/mdstat, of md-p2p's arrays beside the kernel's md.",
    ),
];

const ENVIRONMENT: [(&str, &str); 3] = [
    ("NO_COLOR", "If it is set, there is no colour."),
    (
        "CLICOLOR, CLICOLOR_FORCE",
        "0: no colour; 1 in the second: colour, even without a terminal.",
    ),
    (
        "PATH",
        "Where mdadm, modprobe and other programs are looked for, then in /usr/sbin and /sbin.",
    ),
];

const OTHERS: [&str; 6] = [
    "mdadm(8)",
    "mdadm.conf(5)",
    "md(4)",
    "modprobe(8)",
    "udev(7)",
    "dkms(8)",
];

/// Writes all pages into a folder.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write(program: Command, folder: &Path) -> Result<()> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    collect(&program, &mut pages);
    let names: Vec<String> = pages.iter().map(|command| name(command)).collect();
    for command in pages {
        let path = folder.join(format!("{}.{SECTION}", name(command)));
        let page = page(command, &names).with_context(|| path.display().to_string())?;
        fs::write(&path, page).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn collect<'a>(command: &'a Command, pages: &mut Vec<&'a Command>) {
    pages.push(command);
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    shown.for_each(|it| collect(it, pages));
}

/// Returns the name of a page: `mdp2p-module-load`.
fn name(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(command: &Command, names: &[String]) -> Result<Vec<u8>> {
    let name = name(command);
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .source(format!("md-p2p {version}"))
        .manual("System Administration");
    let help = Help::of(command);
    let mut page = Vec::new();
    man.render_title(&mut page)?;

    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    let about = about(command);
    let about = about.trim_end_matches('.');
    roff.text([roman(match command.has_subcommands() && names[0] == name {
        true => format!("{name} - {about}"),
        false => format!("{name} - {about} ({SUBJECT})"),
    })]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(synopsis(command));
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(format!("{about}."))]);
    for paragraph in &help.prose {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    roff.to_writer(&mut page)?;

    if command.get_arguments().any(|it| !it.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }

    let mut roff = Roff::new();
    if !help.examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        // Lines as they are: they are there to be pasted.
        roff.control("nf", []);
        for line in &help.examples {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    match help.status {
        Some(status) => {
            roff.control("SH", ["EXIT STATUS"]);
            roff.text([roman(status)]);
        }
        None => list(&mut roff, "EXIT STATUS", &STATUSES),
    }
    list(&mut roff, "FILES", &FILES);
    list(&mut roff, "ENVIRONMENT", &ENVIRONMENT);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(related(&name, names).join(", "))]);
    roff.to_writer(&mut page)?;
    Ok(page)
}

fn about(command: &Command) -> String {
    command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Returns each option with its value, and dots after what may be given several times.
fn synopsis(command: &Command) -> Vec<Inline> {
    let program = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut words = vec![bold(program)];
    let shown = || command.get_arguments().filter(|it| !it.is_hide_set());
    // Everybody knows --help.
    let options = shown().filter(|it| !it.is_positional() && !is_help(it));
    for option in options {
        let dots = match option.get_action() {
            ArgAction::Append => "...",
            _ => "",
        };
        let word = match option.is_required_set() {
            true => format!(" {option}{dots}"),
            false => format!(" [{option}]{dots}"),
        };
        words.push(roman(word));
    }
    for argument in shown().filter(|it| it.is_positional()) {
        let word = match (argument.is_last_set(), argument.is_required_set()) {
            (true, true) => format!(" -- {argument}"),
            (true, false) => format!(" [-- {argument}]"),
            (false, _) => format!(" {argument}"),
        };
        words.push(italic(word));
    }
    if command.has_subcommands() {
        words.push(italic(" <COMMAND>"));
    }
    words
}

fn is_help(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

/// Returns the pages that belong to a page: those above and below it, and of other programs.
fn related(name: &str, names: &[String]) -> Vec<String> {
    let belongs = |other: &&String| {
        let depth = |name: &str| name.matches('-').count();
        let (short, long) = match depth(other) < depth(name) {
            true => (other.as_str(), name),
            false => (name, other.as_str()),
        };
        *other != name
            && long
                .strip_prefix(short)
                .is_some_and(|it| it.starts_with('-'))
    };
    let ours = names
        .iter()
        .filter(belongs)
        .map(|it| format!("{it}({SECTION})"));
    ours.chain(OTHERS.map(str::to_owned)).collect()
}

fn list(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (term, text) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

/// What stands below the options in `--help`.
struct Help {
    prose: Vec<String>,
    status: Option<String>,
    examples: Vec<String>,
}

impl Help {
    fn of(command: &Command) -> Self {
        let text = command.get_after_help().map(ToString::to_string);
        let text = text.unwrap_or_default();
        let (prose, examples) = match text.split_once("Example") {
            Some((prose, examples)) => (prose, examples),
            None => (text.as_str(), ""),
        };
        let paragraphs = prose.split("\n\n").map(|it| it.trim().replace('\n', " "));
        let paragraphs = paragraphs.filter(|it| !it.is_empty());
        let (statuses, prose): (Vec<_>, Vec<_>) = paragraphs.partition(|it| it.starts_with(STATUS));
        let status = statuses.first().map(|it| it.replace(STATUS, ""));
        // The heading may be `Example:` or `Examples:`.
        let examples = examples.lines().skip(1).map(|line| line.trim_start());
        Self {
            prose,
            status,
            examples: examples.map(str::to_owned).collect(),
        }
    }
}
