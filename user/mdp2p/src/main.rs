// SPDX-License-Identifier: GPL-2.0
//! The program `mdp2p`: see `mdp2p help`.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::CommandFactory;
use mdp2p::cli::{self, Arguments, run};
use mdp2p::completions;
use mdp2p_machine::text::shown_lines;

fn main() -> ExitCode {
    completions::answer(Arguments::command);
    let parsed = match cli::parse(std::env::args_os()) {
        Ok(arguments) => run(arguments),
        Err(error) if error.use_stderr() => error.exit(),
        Err(help) => cli::show(&help).map(|()| 0),
    };
    match parsed {
        Ok(status) => ExitCode::from(status),
        // The reader has seen enough: `mdp2p list | head -1`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // What it quotes may come from a drive or from somebody else's machine.
            eprintln!("mdp2p: {}", shown_lines(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}
