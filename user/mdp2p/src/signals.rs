// SPDX-License-Identifier: GPL-2.0
//! The signals that ask the program to end, for those who have something to put away before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Returns the signals that ask a program to end.
pub fn ending() -> SigSet {
    let all = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ];
    all.into_iter().collect()
}

/// The signals that ask this program to end, held back from this thread and those that it starts,
/// until this is dropped.
pub struct Held {
    signals: SigSet,
    arrived: SignalFd,
}

impl Held {
    /// Holds the signals back. Those that are ignored (nohup) stay so: a blocked signal would arrive
    /// all the same.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn hold() -> nix::Result<Self> {
        let ignored = ignored();
        let is_heeded = |signal: &Signal| ignored >> (*signal as u32 - 1) & 1 == 0;
        let signals: SigSet = ending().iter().filter(is_heeded).collect();
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let arrived = SignalFd::with_flags(&signals, flags)?;
        Ok(Self { signals, arrived })
    }

    /// Returns a signal that has arrived, if one has.
    pub fn arrived(&self) -> Option<Signal> {
        let arrived = self.arrived.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(arrived.ssi_signo).ok()?).ok()
    }

    /// Lets a signal that has arrived end the program.
    pub fn obey(self, signal: Signal) {
        drop(self);
        let _ = raise(signal);
    }

    /// Lets a signal end the program, but only after `put_away`.
    pub fn put_away_first(self, put_away: impl FnOnce() + Send + 'static) {
        thread::spawn(move || {
            let Ok(signal) = self.signals.wait() else {
                return;
            };
            ENDING.store(true, Ordering::SeqCst);
            put_away();
            self.obey(signal);
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.signals.thread_unblock();
    }
}

/// Whether a signal is about to end the program, and what it reads is being put away.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Waits for the end, if it is near: what was read since then may be wrong, and must not be said.
pub fn wait_if_ending() {
    while ENDING.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// Returns the signals that this process ignores, a bit each (proc_pid_status(5)).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let bits = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}
