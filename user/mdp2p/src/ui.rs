// SPDX-License-Identifier: GPL-2.0
//! Output and input of all commands: tables, JSON, numbers, colours and questions.

use std::io::{self, BufRead, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Object, Rows};
use tabled::settings::{Alignment, Padding, Style as Lines};

use crate::signals;

/// The version of the JSON that mdp2p prints, unless a command has another. It is raised when a key
/// changes its meaning or is removed.
pub const JSON_VERSION: u32 = 1;

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes all output of [`out`] follow this choice.
    pub fn apply(self) {
        let choice = match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// For good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// For what deserves attention.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// For what is wrong.
pub const BAD: Style = AnsiColor::Red.on_default();
/// For side notes.
pub const DIM: Style = Style::new().dimmed();
/// For headings.
pub const HEADING: Style = Style::new().bold();

/// Returns standard output. It drops styles if colour is off, and draws with ASCII if the locale has
/// no more.
pub fn out() -> impl Write {
    Out {
        inner: anstream::stdout().lock(),
        ascii: !has_more_than_ascii(),
    }
}

/// Writes a long text to standard output as [`out`] does, in one piece: without colour, `out` itself
/// would write each part between two styles alone.
///
/// # Errors
/// If standard output cannot be written.
pub fn print(text: &str) -> io::Result<()> {
    let plain = match anstream::AutoStream::choice(&io::stdout()) {
        anstream::ColorChoice::Never => Some(anstream::adapter::strip_str(text).to_string()),
        _ => None,
    };
    out().write_all(plain.as_deref().unwrap_or(text).as_bytes())
}

/// Tells whether the locale has more than ASCII.
pub fn has_more_than_ascii() -> bool {
    has_unicode(|name| std::env::var(name).ok())
}

/// Standard output, which errors name.
struct Out<Inner> {
    inner: Inner,
    ascii: bool,
}

impl<Inner: Write> Write for Out<Inner> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        signals::wait_if_ending();
        match std::str::from_utf8(text) {
            Ok(text) if self.ascii && !text.is_ascii() => {
                let plain: String = text.chars().map(ascii).collect();
                self.inner.write_all(plain.as_bytes()).map_err(named)?;
                Ok(text.len())
            }
            _ => self.inner.write(text).map_err(named),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(named)
    }
}

/// Writes a complaint to standard error, without what a terminal obeys. Nothing can be done if that
/// cannot be written.
pub fn complain(what: &str) {
    signals::wait_if_ending();
    let _ = writeln!(
        io::stderr(),
        "mdp2p: {}",
        mdp2p_machine::text::shown_lines(what)
    );
}

/// Says that an error is about standard output.
pub fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("standard output: {error}"))
}

/// Tells whether the locale has more than ASCII, by the first of its variables that is set. If none
/// is, as in many containers, the terminal most likely has.
fn has_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(variable);
    let locale = set.into_iter().find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Returns the letter that comes next to a sign.
pub fn ascii(sign: char) -> char {
    match sign {
        '│' | '├' => '|',
        '└' => '`',
        '─' | '–' => '-',
        '→' => '>',
        '↑' => '^',
        '↓' => 'v',
        '…' | '·' | '░' | '▁' | '▂' | '▃' => '.',
        '▄' | '▅' | '▆' => '+',
        '▇' | '█' => '#',
        '×' => 'x',
        sign if sign.is_ascii() => sign,
        _ => '?',
    }
}

/// Returns `text` in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints `value` as JSON, with a `version` before its own keys. `value` must be a map or a struct.
///
/// # Errors
/// If standard output cannot be written.
pub fn json(value: &impl Serialize) -> Result<()> {
    json_of(JSON_VERSION, value)
}

/// Prints JSON as [`json`] does, with a version of its own.
///
/// # Errors
/// If standard output cannot be written.
pub fn json_of(version: u32, value: &impl Serialize) -> Result<()> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        version: u32,
        #[serde(flatten)]
        value: &'a T,
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, &Versioned { version, value })
        .map_err(|error| named(error.into()))?;
    writeln!(out).map_err(named)?;
    out.flush().map_err(named)?;
    Ok(())
}

/// Returns a table without lines, with two spaces between columns.
///
/// `right` has the numbers of the columns that are aligned to the right. `rows` may contain styles.
pub fn table(
    heads: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    right: &[usize],
) -> String {
    let mut builder = Builder::default();
    builder.push_record(heads.iter().map(|head| styled(HEADING, head)));
    rows.into_iter().for_each(|row| builder.push_record(row));
    let mut table = builder.build();
    table.with(Lines::empty()).with(Padding::new(0, 2, 0, 0));
    for &column in right {
        table.modify(
            Columns::one(column).intersect(Rows::new(0..)),
            Alignment::right(),
        );
    }
    let text = table.to_string();
    // Removes the spaces at the ends of lines.
    text.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Joins items: `a, b, c`.
pub fn list<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

/// Counts things: `1 drive`, `2 drives`.
pub fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Wraps a text into lines. A word that is longer than `width` gets a line of its own.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Returns the columns that `COLUMNS` says or that the terminal has, or else 80.
pub fn width() -> usize {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.parse::<u16>().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| width.0);
    let columns = said.filter(|columns| *columns > 0).or_else(terminal);
    columns.map_or(80, |columns| usize::from(columns).max(40))
}

/// Returns whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes bytes in powers of 1024: `0`, `4 KiB`, `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    // A value that would be rounded to 1024 belongs to the next unit.
    while value >= 1023.95 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    match value {
        _ if bytes == 0 => "0".to_owned(),
        _ if value.fract() < 0.05 || value.fract() >= 0.95 => {
            format!("{value:.0} {}", UNITS[unit])
        }
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}

/// Asks a question, unless `yes` has answered it already.
///
/// # Errors
/// If the answer is no, or there is no terminal to ask on.
pub fn confirm(question: &str, yes: bool) -> Result<()> {
    let stdin = io::stdin();
    let somebody = stdin
        .is_terminal()
        .then(|| (stdin.lock(), io::stderr().lock()));
    agree(question, yes, somebody)
}

/// Like [`confirm`], but asks `somebody`, whose answers we read and to whom we write.
fn agree(question: &str, yes: bool, somebody: Option<(impl BufRead, impl Write)>) -> Result<()> {
    if yes {
        return Ok(());
    }
    let Some((mut from, mut to)) = somebody else {
        bail!(
            "{question} But there is no terminal to ask on, so nothing was changed; add --yes to \
             go ahead"
        );
    };
    write!(to, "\n{question} [y/N] ")?;
    to.flush()?;
    let mut answer = String::new();
    from.read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("the answer was no; nothing was changed"),
    }
}

/// Groups values by key. Keys keep the order of their first appearance.
pub fn grouped<K: PartialEq, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (key, value) in pairs {
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        let answer = |text: &'static str| {
            let mut asked = Vec::new();
            let agreed = agree("Well?", false, Some((text.as_bytes(), &mut asked)));
            assert_eq!(asked, b"\nWell? [y/N] ");
            agreed
        };
        for text in ["y\n", "yes\n", "YES\n"] {
            assert!(answer(text).is_ok(), "{text:?}");
        }
        for text in ["", "\n", "no\n", "yesterday\n"] {
            assert!(answer(text).is_err(), "{text:?}");
        }
        let nobody = || None::<(&[u8], Vec<u8>)>;
        let error = agree("Well?", false, nobody()).expect_err("nobody is there");
        assert!(error.to_string().contains("--yes"), "{error}");
        assert!(agree("Well?", true, nobody()).is_ok());
    }

    #[test]
    fn bytes_are_written_in_powers_of_1024() {
        for (number, text) in [
            (0, "0"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1 MiB"),
            (16 << 20, "16 MiB"),
            (3_840_755_982_336, "3.5 TiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(number), text, "{number}");
        }
    }

    #[test]
    fn a_locale_has_unicode_if_it_says_so_or_says_nothing() {
        let locale = |set: &[(&str, &str)]| {
            has_unicode(|name| {
                let found = set.iter().find(|(it, _)| *it == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(locale(&[]) && locale(&[("LC_ALL", "")]));
        assert!(locale(&[("LANG", "de_DE.UTF-8")]) && locale(&[("LC_ALL", "C.utf8")]));
        assert!(!locale(&[("LANG", "C")]) && !locale(&[("LANG", "de_DE.ISO-8859-1")]));
        assert!(!locale(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(locale(&[("LC_CTYPE", "C.UTF-8"), ("LANG", "C")]));
        let mut out = Out {
            inner: Vec::new(),
            ascii: true,
        };
        write!(out, "├─│ └─ → für …").expect("memory");
        assert_eq!(out.inner, b"|-| `- > f?r .");
    }

    #[test]
    fn a_long_word_keeps_whole() {
        assert_eq!(wrapped("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrapped("a pci=disable b", 4), ["a", "pci=disable", "b"]);
        assert!(wrapped("", 4).is_empty());
    }

    #[test]
    fn a_table_lines_up_and_has_no_spaces_at_the_ends() {
        let rows = [
            vec!["md0".into(), "5".into()],
            vec!["md127".into(), "12".into()],
        ];
        let text = table(&["ARRAY", "IOS"], rows, &[1]);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain, "ARRAY  IOS\nmd0      5\nmd127   12\n");
    }
}
