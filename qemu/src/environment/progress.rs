// SPDX-License-Identifier: GPL-2.0
//! Shows a long step while it runs: by a moving line on a terminal, and by one plain line
//! elsewhere. The step's whole output goes to a log file.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// The number of lines that are shown of a failed step's log.
const TAIL: usize = 15;

/// Runs `command` as the step `name`, with `input` on its standard input.
///
/// # Errors
///
/// If the command fails. The error has the end of its output, and says where the rest is.
pub fn step(name: &str, mut command: Command, input: Stdio, log: &Path) -> Result<()> {
    let started = Instant::now();
    let bar = ProgressBar::new_spinner();
    if bar.is_hidden() {
        eprintln!("vm: {name}");
    } else {
        let style = ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg:.dim}")?;
        bar.set_style(style);
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
    }

    let (read, write) = nix::unistd::pipe()?;
    command
        .stdin(input)
        .stdout(write.try_clone()?)
        .stderr(write);
    let mut child = command.spawn().with_context(|| {
        format!(
            "{name}: {} does not start",
            command.get_program().to_string_lossy()
        )
    })?;
    // `command` holds the other end of the pipe, which has to end with the child.
    drop(command);

    let mut file =
        File::create(log).with_context(|| format!("{} cannot be written", log.display()))?;
    let mut tail = std::collections::VecDeque::with_capacity(TAIL);
    for line in BufReader::new(File::from(read)).split(b'\n') {
        let line = line?;
        file.write_all(&line)?;
        file.write_all(b"\n")?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        bar.set_message(line.clone());
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    let status = child.wait()?;
    bar.finish_and_clear();
    if !status.success() {
        let tail = Vec::from(tail).join("\n");
        bail!(
            "{name}: failed ({status}); {} ends in:\n{tail}",
            log.display()
        );
    }
    if !bar.is_hidden() {
        eprintln!("✓ {name} ({:.0} s)", started.elapsed().as_secs_f64());
    }
    Ok(())
}
