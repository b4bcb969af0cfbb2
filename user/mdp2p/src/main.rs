// SPDX-License-Identifier: GPL-2.0
//! The program `mdp2p`: see `mdp2p help`.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use mdp2p::cli::{self, Arguments, run};
use mdp2p::{completions, ui};
use mdp2p_machine::text::shown_lines;

fn main() -> ExitCode {
    completions::answer(Arguments::command);
    let parsed = match cli::parse(std::env::args_os()) {
        Ok(arguments) => run(arguments),
        Err(error) if error.use_stderr() => return wrong_usage(&error),
        Err(help) => cli::show(&help).map(|()| 0),
    };
    match parsed {
        Ok(status) => ExitCode::from(status),
        // The reader has seen enough: `mdp2p list | head -1`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // What it quotes may come from a drive or from somebody else's machine.
            ui::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Says what was wrong in the arguments, which may be names of somebody else's files.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let said = error.render().to_string();
    let harmless = shown_lines(&said);
    if harmless == said {
        let _ = error.print();
    } else {
        let _ = write!(io::stderr(), "{harmless}");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}
