// SPDX-License-Identifier: GPL-2.0
//! The state of the screen of `mdp2p top`, and what keys do to it.
//!
//! Tests: those below, and those of draw.rs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::counters::rate::ArrayCounts;
use crate::counters::sample::ProviderMemory;
use mdp2p_machine::md::counters::Counters;

/// The state of the screen.
#[derive(Debug)]
pub struct Screen {
    pub interval: Duration,
    pub with_members: bool,
    /// Rows that are scrolled out of sight at the top.
    pub scrolled: usize,
    pub arrays: Vec<ArrayCounts>,
    pub providers: Vec<ProviderMemory>,
    /// Bytes per second of each array, the newest last.
    pub history: BTreeMap<String, VecDeque<u64>>,
}

impl Screen {
    /// Returns a screen that has seen nothing yet.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            with_members: false,
            scrolled: 0,
            arrays: Vec::new(),
            providers: Vec::new(),
            history: BTreeMap::new(),
        }
    }

    /// Takes in a new sample.
    pub fn update(&mut self, arrays: Vec<ArrayCounts>, providers: Vec<ProviderMemory>) {
        /// The widest terminal has about this number of columns.
        const KEPT: usize = 512;
        self.history
            .retain(|name, _| arrays.iter().any(|array| array.name == *name));
        for array in &arrays {
            let Some(rates) = &array.per_second else {
                continue;
            };
            let history = self.history.entry(array.name.clone()).or_default();
            history.push_back(all_bytes(rates));
            if history.len() > KEPT {
                history.pop_front();
            }
        }
        self.arrays = arrays;
        self.providers = providers;
        self.scroll(0);
    }

    /// Handles a key. Returns whether the key ends the program.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if control => return true,
            KeyCode::Char('m') => {
                self.with_members = !self.with_members;
                self.scroll(0);
            }
            KeyCode::Char('+' | '=') => self.interval = longer(self.interval),
            KeyCode::Char('-') => self.interval = shorter(self.interval),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            _ => {}
        }
        false
    }

    /// Scrolls, but keeps the last row in sight.
    fn scroll(&mut self, by: isize) {
        let members = self.arrays.iter().map(|array| array.members.len());
        let rows = self.arrays.len() + if self.with_members { members.sum() } else { 0 };
        let to = self.scrolled.saturating_add_signed(by);
        self.scrolled = to.min(rows.saturating_sub(1));
    }
}

/// The intervals from which + and - choose, in milliseconds.
const INTERVALS: [u64; 9] = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];

fn longer(interval: Duration) -> Duration {
    let mut all = INTERVALS.map(Duration::from_millis).into_iter();
    all.find(|other| *other > interval).unwrap_or(interval)
}

fn shorter(interval: Duration) -> Duration {
    let mut all = INTERVALS.map(Duration::from_millis).into_iter().rev();
    all.find(|other| *other < interval).unwrap_or(interval)
}

/// Returns all bytes that an array moved per second.
fn all_bytes(rates: &Counters) -> u64 {
    rates
        .direct_bytes()
        .saturating_add(rates.staged_bytes())
        .saturating_add(rates.rebuilt_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(screen: &mut Screen, code: KeyCode) -> bool {
        screen.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys_end_it() {
        let mut screen = Screen::new(Duration::from_secs(1));
        assert!(press(&mut screen, KeyCode::Char('q')));
        assert!(press(&mut screen, KeyCode::Esc));
        assert!(!press(&mut screen, KeyCode::Char('c')));
        assert!(screen.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        let mut release = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        release.kind = KeyEventKind::Release;
        assert!(!screen.press(release));
    }

    #[test]
    fn keys_change_the_interval_within_its_limits() {
        let mut screen = Screen::new(Duration::from_secs(1));
        press(&mut screen, KeyCode::Char('+'));
        assert_eq!(screen.interval, Duration::from_secs(2));
        for _ in 0..20 {
            press(&mut screen, KeyCode::Char('-'));
        }
        assert_eq!(screen.interval, Duration::from_millis(100));
        for _ in 0..20 {
            press(&mut screen, KeyCode::Char('+'));
        }
        assert_eq!(screen.interval, Duration::from_secs(60));
        // An interval from the command line may lie outside.
        assert_eq!(longer(Duration::from_secs(3600)), Duration::from_secs(3600));
        assert_eq!(shorter(Duration::from_secs(3600)), Duration::from_secs(60));
    }
}
