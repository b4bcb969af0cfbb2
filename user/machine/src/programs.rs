// SPDX-License-Identifier: GPL-2.0
//! Finds other programs, writes their command lines, and reads their exit statuses.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::{fs, io};

use crate::text;

/// Finds a program in `PATH`, or in root's folders, which are not in everybody's `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|file| is_program(file).unwrap_or(false))
}

fn is_program(file: &Path) -> io::Result<bool> {
    let status = fs::metadata(file)?;
    Ok(status.is_file() && status.mode() & 0o111 != 0)
}

/// What a program has answered.
pub struct Answer {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output, without the spaces around it.
    pub output: String,
    /// What it wrote to standard error, without the spaces around it.
    pub complaint: String,
}

/// Runs a program that asks nothing, and reads what it says. It may repeat what a drive or another
/// machine told it, so that is made [harmless](text).
///
/// # Errors
/// Fails if the program cannot be run.
pub fn ask(command: &mut Command) -> io::Result<Answer> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output()?;
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes);
        text::shown_columns(text.trim()).into_owned()
    };
    Ok(Answer {
        status,
        output: text(stdout),
        complaint: text(stderr),
    })
}

/// Returns the exit status as shells do: for a signal, 128 plus its number.
pub fn exit_code(status: ExitStatus) -> u8 {
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    number
        .and_then(|number| number.try_into().ok())
        .unwrap_or(u8::MAX)
}

/// Writes a command as it would be typed into a shell.
pub fn command_line<Word: AsRef<OsStr>>(words: impl IntoIterator<Item = Word>) -> String {
    let words: Vec<String> = words
        .into_iter()
        .map(|word| quote(&word.as_ref().to_string_lossy()))
        .collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match word {
        "" => "''".into(),
        word if word.chars().all(is_plain) => word.into(),
        word if text::shown(word) != word => {
            let byte = |byte: u8| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(byte)),
                b' '..=b'~' => char::from(byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            };
            format!("$'{}'", word.bytes().map(byte).collect::<String>())
        }
        word => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = [
            "mdadm",
            "--create",
            "/dev/md/my data",
            "--name=it's",
            "",
            "a*",
        ];
        assert_eq!(
            command_line(words),
            r"mdadm --create '/dev/md/my data' '--name=it'\''s' '' 'a*'"
        );
    }

    #[test]
    fn a_command_that_is_shown_does_nothing_to_the_terminal() {
        let word = "it's\\ \u{1b}[2J";
        assert_eq!(command_line([word]), r"$'it\'s\\ \x1b[2J'");
    }

    #[test]
    fn a_signal_is_128_and_its_number() {
        for (raw, expected) in [(0, 0), (3 << 8, 3), (2, 130), (9, 137), (255 << 8, 255)] {
            assert_eq!(exit_code(ExitStatus::from_raw(raw)), expected, "{raw:#x}");
        }
    }
}
