// SPDX-License-Identifier: GPL-2.0
//! Parsers of option values that several commands take.
//!
//! Tests: tests/verify.rs, tests/bench.rs and tests/stats.rs.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command, Error};
use mdp2p_io::size;

/// A parser that also tells a shell which words it may offer. It may know more words than these.
#[derive(Clone)]
pub struct Offering<Value> {
    /// The words.
    pub words: &'static [&'static str],
    /// The parser.
    pub parse: fn(&str) -> Result<Value, String>,
}

impl<Value: Clone + Send + Sync + 'static> TypedValueParser for Offering<Value> {
    type Value = Value;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        text: &OsStr,
    ) -> Result<Value, Error> {
        self.parse.parse_ref(command, argument, text)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}

/// Parses a number of seconds, which may have a fraction.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let wanted = || "expected a number of seconds from 0.1 to 86400".to_owned();
    let number: f64 = text.parse().map_err(|_| wanted())?;
    if !(0.1..=86400.0).contains(&number) {
        return Err(wanted());
    }
    Ok(Duration::from_secs_f64(number))
}

/// Parses a size greater than zero, and rounds it up to whole pages.
pub fn some_pages(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        0 => Err("the size must not be zero".into()),
        bytes if bytes > i64::MAX as u64 - 4096 => Err("no array is that large".into()),
        bytes => Ok(bytes.next_multiple_of(4096)),
    }
}

/// Parses the size of one I/O.
pub fn block_size(text: &str) -> Result<u64, String> {
    match size::parse(text)? {
        bytes if bytes % 512 == 0 && (512..=64 << 20).contains(&bytes) => Ok(bytes),
        _ => Err("expected a multiple of 512 bytes, from 512 to 64M".into()),
    }
}
