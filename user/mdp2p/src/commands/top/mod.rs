// SPDX-License-Identifier: GPL-2.0
//! `mdp2p top`: shows on the whole screen which way the bytes go.
//!
//! Tests: tests/top.rs.

mod draw;
mod screen;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use anstream::ColorChoice;
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::crossterm::style::force_color_output;

use crate::arguments::seconds;
use crate::command::Command;
use crate::completions;
use crate::counters::sample::{Sample, Selection};
use crate::signals;
use crate::ui;
use clap::Args;
use draw::{draw, draw_plainly};
use mdp2p_machine::sysroot::Sysroot;
use screen::Screen;

/// `mdp2p top`
#[derive(Args, Debug)]
#[command(
    after_help = "Keys: q quits, m shows members, + and - change the interval, the arrow keys scroll."
)]
pub struct Top {
    /// Arrays to show [default: all arrays of md-p2p]
    #[arg(value_name = "ARRAY", add = completions::array())]
    pub arrays: Vec<String>,
    /// Seconds between samples
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds, default_value = "1")]
    pub interval: Duration,
}

impl Command for Top {
    fn changes(&self) -> bool {
        false
    }

    fn handles_signals(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            bail!("top needs a terminal; for a file or a pipe use `mdp2p stats --watch 1`");
        }
        let selection = Selection::of(sysroot, &self.arrays)?;
        let first = Sample::take(sysroot, &selection)?;
        let signals = held_back().context("signals")?;
        match ColorChoice::global() {
            ColorChoice::Never => force_color_output(false),
            ColorChoice::Always | ColorChoice::AlwaysAnsi => force_color_output(true),
            // crossterm respects NO_COLOR by itself.
            ColorChoice::Auto => {}
        }
        let ended = ratatui::try_init()
            .context("the terminal")
            .and_then(|terminal| {
                let screen = Screen::new(self.interval);
                watch(terminal, screen, &signals, first, || {
                    Sample::take(sysroot, &selection)
                })
            });
        // Restores the terminal even if only half of it was set up. A panic restores it by itself.
        let restored = ratatui::try_restore().context("the terminal");
        ended?;
        restored?;
        Ok(0)
    }
}

/// Blocks the signals that end the program, and returns where they can be read.
///
/// The terminal has to be restored before the program ends.
fn held_back() -> nix::Result<SignalFd> {
    let set = signals::ending();
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// Whether a key is ^Z, which the terminal does not turn into a signal while keys are read one by one.
fn is_suspend(key: KeyEvent) -> bool {
    key.code == KeyCode::Char('z') && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn watch(
    mut terminal: DefaultTerminal,
    mut screen: Screen,
    signals: &SignalFd,
    mut before: Sample,
    take: impl Fn() -> Result<Sample>,
) -> Result<()> {
    /// How long a signal may wait.
    const PATIENCE: Duration = Duration::from_millis(200);
    screen.update(before.arrays.clone(), before.providers.clone());
    let draw = match ui::has_more_than_ascii() {
        true => draw,
        false => draw_plainly,
    };
    loop {
        terminal.draw(|frame| draw(frame, &screen))?;
        let due = before.at + screen.interval;
        let wait = due.saturating_duration_since(Instant::now()).min(PATIENCE);
        if event::poll(wait)? {
            match event::read()? {
                Event::Key(key) if is_suspend(key) => {
                    ratatui::try_restore()?;
                    // The shell goes on, and later continues us here.
                    raise(Signal::SIGTSTP)?;
                    terminal = ratatui::try_init()?;
                }
                Event::Key(key) if screen.press(key) => return Ok(()),
                // Drawing notices a new size by itself.
                _ => {}
            }
        }
        if signals.read_signal()?.is_some() {
            return Ok(());
        }
        if Instant::now() >= before.at + screen.interval {
            let now = take()?;
            let (arrays, _) = now.since(&before);
            screen.update(arrays, now.providers.clone());
            before = now;
        }
    }
}
