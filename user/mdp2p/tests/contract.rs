// SPDX-License-Identifier: GPL-2.0
//! What holds for every command of `mdp2p`. The tests take the commands from their definitions, so
//! a new one cannot be forgotten.

mod common;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command as Process, Output, Stdio};

use clap::{Arg, Command, CommandFactory, Parser};
use mdp2p::cli::{Arguments, Request};

/// The user who owns nothing.
const NOBODY: u32 = 65534;

fn mdp2p() -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_mdp2p"));
    process.stdin(Stdio::null());
    process
}

fn said(arguments: &[String]) -> (i32, String, String) {
    outcome(mdp2p().args(arguments).output())
}

fn outcome(output: std::io::Result<Output>) -> (i32, String, String) {
    let output = output.expect("mdp2p starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().expect("mdp2p ends by itself");
    (status, text(&output.stdout), text(&output.stderr))
}

/// Returns the words that lead to each command, such as `["module", "build"]`, and its definition.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn below(path: &[String], command: &Command, found: &mut Vec<(Vec<String>, Command)>) {
        for verb in command.get_subcommands() {
            let mut path = path.to_vec();
            path.push(verb.get_name().to_owned());
            found.push((path.clone(), verb.clone()));
            below(&path, verb, found);
        }
    }
    let mut found = Vec::new();
    below(&[], &Arguments::command(), &mut found);
    found
}

fn with(path: &[String], more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| (*word).to_owned());
    path.iter().cloned().chain(more).collect()
}

#[test]
fn every_command_tells_how_it_is_used() {
    for (path, _) in commands() {
        let (status, out, err) = said(&with(&path, &["--help"]));
        assert_eq!((status, err.as_str()), (0, ""), "{path:?}");
        let usage = format!("Usage: mdp2p {}", path.join(" "));
        assert!(out.contains(&usage), "{path:?}: {out}");
    }
    let (status, out, _) = said(&with(&[], &["--version"]));
    assert_eq!(status, 0);
    assert_eq!(out, format!("mdp2p {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_but_those_of_one_word_shows_an_example() {
    for (path, command) in commands() {
        if path.len() > 1 {
            continue;
        }
        let help = command.clone().render_long_help().to_string();
        assert!(
            help.contains("Example") || path[0] == "top" || path[0] == "help",
            "{path:?}: {help}"
        );
    }
}

#[test]
fn help_fits_100_columns() {
    for (path, _) in commands() {
        let (_, out, _) = said(&with(&path, &["--help"]));
        for line in out.lines() {
            // Commands to copy into a shell are not broken into lines.
            let is_example = line.starts_with("  mdp2p") || line.starts_with("    mv ");
            assert!(
                line.chars().count() <= 100 || is_example,
                "{path:?}: {line}"
            );
        }
    }
}

#[test]
fn an_option_that_is_not_there_is_refused() {
    // mdadm has options that mdp2p does not know.
    for (path, _) in commands()
        .into_iter()
        .filter(|(path, _)| path[0] != "mdadm")
    {
        let (status, out, err) = said(&with(&path, &["--no-such-option"]));
        assert_eq!((status, out.as_str()), (2, ""), "{path:?}");
        assert!(err.contains("--no-such-option"), "{path:?}: {err}");
    }
    let (status, _, err) = said(&with(&[], &["no-such-command"]));
    assert_eq!(status, 2);
    assert!(err.contains("no-such-command"), "{err}");
}

#[test]
fn what_must_be_named_is_asked_for() {
    for (path, command) in commands() {
        let required: Vec<String> = command
            .get_arguments()
            .filter(|argument| argument.is_required_set())
            .map(|argument| argument.get_id().to_string())
            .collect();
        if required.is_empty() {
            continue;
        }
        let (status, _, err) = said(&path);
        assert_eq!(status, 2, "{path:?} without {required:?}");
        assert!(err.contains("required"), "{path:?}: {err}");
    }
}

/// Parses a command with a value for each positional argument and each required option.
fn parsed(path: &[String], command: &Command) -> Request {
    let wanted = |argument: &&Arg| argument.is_positional() || argument.is_required_set();
    // A value that passes one parser may not pass another.
    let requests = ["md0", "auto", "raid1"].into_iter().filter_map(|word| {
        let values = command.get_arguments().filter(wanted).flat_map(|argument| {
            let possible = argument.get_possible_values();
            let value = possible.first().map_or(word, |value| value.get_name());
            let long = argument.get_long().map(|long| format!("--{long}"));
            let last = argument.is_last_set().then(|| "--".to_owned());
            long.into_iter().chain(last).chain([value.to_owned()])
        });
        let values: Vec<String> = values.collect();
        let words = [&["mdp2p".to_owned()][..], path, &values].concat();
        Arguments::try_parse_from(words).ok()
    });
    let mut requests = requests.map(|arguments| arguments.request);
    let request = requests.next();
    request.unwrap_or_else(|| panic!("{path:?}: none of the values passes its parsers"))
}

#[test]
fn whatever_changes_something_can_be_tried_without() {
    // What mdadm can try is up to mdadm; udev calls the other, once for each member that appears.
    let exempt = ["mdadm", "incremental"];
    let mut changing = 0;
    for (path, command) in commands() {
        if command.has_subcommands() || exempt.contains(&command.get_name()) {
            continue;
        }
        let changes = match parsed(&path, &command) {
            Request::Verb(verb) => verb.command().changes(),
            Request::Completions(_) | Request::Manual(_) => false,
        };
        let dry_run = command
            .get_arguments()
            .any(|argument| argument.get_long() == Some("dry-run"));
        assert!(dry_run || !changes, "{path:?} has no --dry-run");
        changing += usize::from(changes);
    }
    assert!(changing > 10, "{changing}");
}

#[test]
fn json_is_there_wherever_something_is_told() {
    for name in [
        "topology", "doctor", "list", "detail", "stats", "verify", "bench", "enroll",
    ] {
        let (_, command) = commands()
            .into_iter()
            .find(|(path, _)| path[0] == name)
            .expect(name);
        let json = command
            .get_arguments()
            .any(|argument| argument.get_long() == Some("json"));
        assert!(json, "{name} has no --json");
    }
}

/// Arguments that pass the parser, for the commands that change something.
const CHANGES: &[&[&str]] = &[
    &[
        "create",
        "md77",
        "--level",
        "1",
        "--yes",
        "/dev/null",
        "/dev/zero",
    ],
    &["assemble", "md77", "/dev/null"],
    &["stop", "md77"],
    &["mdadm", "--", "--detail", "/dev/md77"],
    &["enroll", "md77"],
    &["release", "md77"],
    &["release", "--all"],
    &["incremental", "/dev/null"],
    &["policy", "md77", "off"],
    &["provider", "md77", "none"],
    &["verify", "md77"],
    &["bench", "md77"],
    &["module", "load"],
    &["module", "unload"],
    &["module", "sign"],
    &["module", "install"],
];

#[test]
fn who_may_not_is_told_so_and_nothing_is_done() {
    for arguments in CHANGES {
        let output = mdp2p().args(*arguments).uid(NOBODY).gid(NOBODY).output();
        if !nix::unistd::Uid::effective().is_root() {
            // Only root can become nobody. Without root, we have no more rights than nobody.
            let (status, _, err) = said(&with(&[], arguments));
            assert_eq!(status, 1, "{arguments:?}: {err}");
            continue;
        }
        let (status, _, err) = outcome(output);
        assert_eq!(status, 1, "{arguments:?}: {err}");
        assert!(err.starts_with("mdp2p: "), "{arguments:?}: {err}");
    }
}

#[test]
fn the_files_of_another_machine_are_only_looked_at() {
    let tree = common::plant("split");
    let root = tree.path().to_str().expect("a path");
    for arguments in CHANGES {
        let (status, _, err) = said(&with(&with(&[], &["--sysroot", root]), arguments));
        assert_eq!(status, 1, "{arguments:?}");
        assert!(err.contains("--sysroot"), "{arguments:?}: {err}");
    }
    let (status, _, err) = said(&with(&[], &["--sysroot", "/dev/null", "list"]));
    assert_eq!(status, 1);
    assert!(err.contains("/dev/null: no folder `sys`"), "{err}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let tree = common::plant("split");
    let root = tree.path().to_str().expect("a path");
    for arguments in [
        &["topology"][..],
        &["topology", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["list"],
        &["list", "--json"],
        &["detail", "md0"],
        &["detail", "md0", "--json"],
        &["stats"],
        &["stats", "--json"],
        &["stats", "--prometheus"],
        &["module", "status"],
        &["enroll"],
        &["completions", "bash"],
    ] {
        let (reader, writer) = nix::unistd::pipe().expect("a pipe");
        drop(reader);
        let output = mdp2p()
            .args(["--sysroot", root])
            .args(arguments)
            .stdout(writer)
            .output();
        let (status, _, err) = outcome(output);
        assert_eq!((status, err.as_str()), (0, ""), "{arguments:?}");
    }
}

#[test]
fn without_colour_there_is_none() {
    let tree = common::plant("split");
    let root = tree.path().to_str().expect("a path");
    for arguments in [
        &["topology"][..],
        &["doctor"],
        &["list"],
        &["detail", "md0"],
        &["stats"],
    ] {
        let (_, out, _) = said(&with(&with(&[], &["--sysroot", root]), arguments));
        assert!(!out.is_empty() && !out.contains('\u{1b}'), "{arguments:?}");
        let color = ["--color", "always", "--sysroot", root];
        let (_, out, _) = said(&with(&with(&[], &color), arguments));
        assert!(out.contains('\u{1b}'), "{arguments:?}");
    }
}

#[test]
fn output_fits_what_the_environment_says() {
    let tree = common::plant("split");
    let topology = |name: &str, value: &str| {
        let mut process = mdp2p();
        process.args(["--sysroot".as_ref(), tree.path().as_os_str()]);
        outcome(process.arg("topology").env(name, value).output()).1
    };
    let longest = |text: String| text.lines().map(|line| line.chars().count()).max();
    for (columns, fits) in [("40", 40), ("72", 72), ("nonsense", 80), ("0", 80)] {
        assert!(
            longest(topology("COLUMNS", columns)) <= Some(fits),
            "{columns}"
        );
    }
    assert!(longest(topology("COLUMNS", "200")) > Some(80));
    assert!(topology("LC_ALL", "C").is_ascii());
    assert!(!topology("LC_ALL", "C.UTF-8").is_ascii());
}

#[test]
fn a_full_disk_is_named_and_help_follows_the_colour() {
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["--help"],
        &["list", "--help"],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let output = mdp2p()
            .args(words)
            .stdout(full.expect("/dev/full"))
            .output();
        let (status, _, err) = outcome(output);
        assert_eq!(status, 1, "{words:?}");
        let expected = "mdp2p: standard output: No space left on device";
        assert!(err.starts_with(expected), "{words:?}: {err}");
    }
    for (words, coloured) in [
        (["--color", "never", "--help"], false),
        (["--color", "always", "--help"], true),
        (["list", "--color=always", "--help"], true),
    ] {
        let output = mdp2p().args(words).env("CLICOLOR_FORCE", "1").output();
        let (status, out, _) = outcome(output);
        assert_eq!((status, out.contains('\u{1b}')), (0, coloured), "{words:?}");
    }
    let (status, _, err) = said(&with(&[], &["stats", "--watch", "-1"]));
    assert!(status == 2 && err.contains("0.1 to 86400"), "{err}");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    let (status, _, err) = said(&with(&[], &["manual", path]));
    assert_eq!((status, err.as_str()), (0, ""));
    for (path, command) in commands() {
        if command.get_name() == "help" || command.is_hide_set() {
            continue;
        }
        let name = format!("mdp2p-{}", path.join("-"));
        let page = folder.path().join(format!("{name}.8"));
        let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(
            text.contains(&format!(".TH {} 8 ", name.to_uppercase())),
            "{text}"
        );
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "SEE ALSO",
        ] {
            let heading = [section, &format!("\"{section}\"")];
            let is_it = |line: &str| heading.iter().any(|it| line == format!(".SH {it}"));
            assert!(text.lines().any(is_it), "{path:?}: {section}: {text}");
        }
        // apropos(1) finds each page by what the program is for.
        let after = text.split(".SH NAME\n").nth(1).expect("a name");
        let line = after.lines().next().expect("a line").replace('\\', "");
        assert!(line.starts_with(&format!("{name} - ")), "{line}");
        assert!(
            line.contains("RAID") && line.contains("peer-to-peer"),
            "{line}"
        );
        assert!(
            text.contains("mdadm(8)") && text.contains("mdp2p(8)"),
            "{text}"
        );
        assert!(!text.contains("EXTRA"), "{text}");
    }
    assert!(folder.path().join("mdp2p.8").exists());
    assert!(!folder.path().join("mdp2p-incremental.8").exists());
    let files = fs::read_dir(folder.path()).expect("pages");
    let sections = files.map(|it| {
        it.expect("a page")
            .path()
            .extension()
            .map(ToOwned::to_owned)
    });
    assert!(sections.flatten().all(|it| it == "8"));

    // What is there to be pasted is not filled, and the synopsis has values and dots.
    let page = fs::read_to_string(folder.path().join("mdp2p-create.8")).expect("a page");
    let plain = page.replace(r"\-", "-");
    let example = plain.split(".nf\n").nth(1).expect("lines");
    let example = example.split(".fi").next().expect("their end");
    let line =
        "mdp2p create /dev/md/data --level 5 --spare /dev/nvme4n1 /dev/nvme[0-3]n1 --dry-run";
    assert!(example.lines().any(|it| it == line), "{example}");
    let synopsis = plain.split(".SH SYNOPSIS\n").nth(1).expect("a synopsis");
    let synopsis = synopsis.split(".SH").next().expect("its end");
    for part in [
        " --level <LEVEL>",
        " [--overwrite <DEVICE>]...",
        "<MEMBER>...",
        "[-- ",
    ] {
        assert!(synopsis.contains(part), "{part}: {synopsis}");
    }
    let (status, _, err) = said(&with(&[], &["manual", "/no/such/folder"]));
    assert_eq!(status, 1);
    assert!(err.contains("/no/such/folder"), "{err}");
}

#[test]
fn completions_are_made_for_the_shells_people_use() {
    for shell in ["bash", "zsh", "fish"] {
        let (status, out, err) = said(&with(&[], &["completions", shell]));
        assert_eq!((status, err.as_str()), (0, ""), "{shell}");
        // The shell asks the program that is installed, not the one that wrote this.
        assert!(out.contains("mdp2p") && !out.contains("/target/"), "{out}");
        let output = mdp2p().env("MDP2P_COMPLETE", shell).output();
        let (status, asked, err) = outcome(output);
        assert_eq!((status, err.as_str()), (0, ""), "{shell}");
        assert!(asked.contains("mdp2p"), "{shell}");
    }
}

/// Returns what a shell offers after these words.
fn offered(words: &[&str]) -> Vec<String> {
    let mut words = words.to_vec();
    words.push("");
    let output = mdp2p()
        .env("MDP2P_COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true")
        .args(["--", "mdp2p"])
        .args(words)
        .output();
    let (status, out, err) = outcome(output);
    assert_eq!((status, err.as_str()), (0, ""));
    out.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_offers_what_may_come_next() {
    let commands = offered(&[]);
    for command in ["topology", "create", "module"] {
        assert!(commands.iter().any(|it| it == command), "{commands:?}");
    }
    assert!(
        !commands.iter().any(|it| it == "incremental"),
        "{commands:?}"
    );
    let levels = ["linear", "0", "1", "4", "5", "6", "10"];
    assert_eq!(offered(&["create", "md0", "--level"]), levels);
    for (words, expected) in [
        (&["policy", "md0"][..], &["auto", "direct", "off"][..]),
        (&["provider", "md0"], &["auto", "none"]),
        (&["create", "md0", "--bitmap"], &["internal", "none"]),
        (
            &["module", "load"],
            &["linear", "raid0", "raid1", "raid10", "raid456"],
        ),
    ] {
        let words_offered = offered(words);
        for word in expected {
            assert!(
                words_offered.iter().any(|it| it == word),
                "{words:?}: {words_offered:?}"
            );
        }
    }
    // No names of files where arrays are wanted.
    for command in ["detail", "stats", "stop", "policy", "verify", "enroll"] {
        let words = offered(&[command]);
        let is_strange = |it: &String| !it.starts_with('-') && it.contains('.');
        assert!(!words.iter().any(is_strange), "{command}: {words:?}");
    }
}
