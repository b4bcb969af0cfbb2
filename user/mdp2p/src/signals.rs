// SPDX-License-Identifier: GPL-2.0
//! The signals that ask the program to end, for those who have something to put away before.

use std::thread;

use nix::sys::signal::{SigSet, Signal, raise};

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

/// Lets signals wait until [`Held::put_away_first`], or for ever.
pub struct Held(SigSet);

impl Held {
    /// Holds the signals back, from this thread and those that it starts.
    ///
    /// # Errors
    /// Returns the error of the system.
    pub fn hold() -> nix::Result<Self> {
        let signals = ending();
        signals.thread_block()?;
        Ok(Self(signals))
    }

    /// Lets a signal end the program again, but only after `put_away`.
    pub fn put_away_first(self, put_away: impl FnOnce() + Send + 'static) {
        let signals = self.0;
        thread::spawn(move || {
            let Ok(signal) = signals.wait() else { return };
            put_away();
            // Now it does what it would have done.
            let _ = signals.thread_unblock();
            let _ = raise(signal);
        });
    }
}
