// SPDX-License-Identifier: GPL-2.0
//! Text that others wrote: drives, superblocks, other people's machines. It is made harmless when it
//! is read, so that no reader, table or drawing has to think of it.

use std::borrow::Cow;

/// Begins an escaped character, as in Rust: `\u{1b}`.
const ESCAPE: &str = "\\u{";

/// Tells whether a character could do more on a terminal, in a log or in a drawing than to be seen
/// there: control characters, line separators, what reverses the order of writing, what is
/// invisible, and what XML does not allow.
fn is_harmful(c: char) -> bool {
    if (' '..='~').contains(&c) {
        return false;
    }
    // The standard library's table knows what can be printed. A letter comes first, because an
    // accent that stands alone is escaped as well.
    let after_letter = String::from_iter(['a', c]);
    after_letter.escape_debug().nth(1) == Some('\\')
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn escaped(c: char) -> String {
    format!("{ESCAPE}{:x}}}", u32::from(c))
}

/// Escapes each harmful character: ESC becomes `\u{1b}`.
pub fn shown(text: &str) -> Cow<'_, str> {
    shown_but(text, "")
}

/// Like [`shown`], but leaves the ends of lines as they are.
pub fn shown_lines(text: &str) -> Cow<'_, str> {
    shown_but(text, "\n")
}

/// Like [`shown_lines`], for a file of columns. Tabs at the beginning of a line are kept; those
/// between columns become spaces.
pub fn shown_columns(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte))
    {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        let rest = line.trim_start_matches('\t');
        let tabs = &line[..line.len() - rest.len()];
        format!("{tabs}{}", shown_lines(&rest.replace('\t', " ")))
    };
    text.split_inclusive('\n').map(line).collect()
}

fn shown_but<'a>(text: &'a str, kept: &str) -> Cow<'a, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut made = String::with_capacity(text.len());
    for c in text.chars() {
        match is_harmful(c) && !kept.contains(c) {
            true => made += &escaped(c),
            false => made.push(c),
        }
    }
    Cow::Owned(made)
}

/// Escapes the name of a file so that [`original`] finds the file again.
pub fn name(text: &str) -> Cow<'_, str> {
    match text.contains(ESCAPE) {
        true => Cow::Owned(shown(&text.replace(ESCAPE, &(escaped('\\') + "u{"))).into_owned()),
        false => shown(text),
    }
}

/// Returns the name or path of which [`name`] made this.
pub fn original(name: &str) -> Cow<'_, str> {
    if !name.contains(ESCAPE) {
        return Cow::Borrowed(name);
    }
    let mut parts = name.split(ESCAPE);
    let mut made = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escaped = part.split_once('}').and_then(|(digits, rest)| {
            let c = u32::from_str_radix(digits, 16)
                .ok()
                .and_then(char::from_u32)?;
            Some((c, rest))
        });
        match escaped {
            Some((c, rest)) => {
                made.push(c);
                made += rest;
            }
            None => {
                made += ESCAPE;
                made += part;
            }
        }
    }
    Cow::Owned(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_harm_a_terminal_is_escaped_and_all_else_is_kept() {
        let harmful = [
            '\0',
            '\t',
            '\n',
            '\r',
            '\u{7}',
            '\u{1b}',
            '\u{7f}',
            '\u{80}',
            '\u{9b}',
            '\u{9f}',
            '\u{61c}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{e0001}',
            '\u{e007f}',
        ];
        for c in harmful {
            assert_eq!(shown(&c.to_string()), escaped(c), "{c:?}");
        }
        for text in [
            "Flash \\ 9000 <&\"'",
            "für Köln",
            "e\u{301}",
            "हिन्दी",
            "日本語",
            "\u{fffd}",
        ] {
            assert_eq!(shown(text), text);
        }
        assert_eq!(shown_lines("a\nb\u{1b}c"), "a\nb\\u{1b}c");
        assert_eq!(
            shown_columns("\t1\t2\n\t\tä\t\u{9b}\n"),
            "\t1 2\n\t\tä \\u{9b}\n"
        );
    }

    #[test]
    fn a_name_leads_back_to_its_file() {
        for text in [
            "nvme0n1",
            "a\u{1b}b",
            "\\u{1b}",
            "\\\u{1b}",
            "\\u{\u{9b}}",
            "\\\\u{202e}\\",
            "u{5c}",
            "\\u{",
        ] {
            let name = name(text);
            assert_eq!(original(&name), text, "{name}");
            assert_eq!(shown(&name), name, "{name}");
        }
        // What a user types is a path as it is.
        for text in ["\\u{zz}", "\\u{d800}", "\\u{1b"] {
            assert_eq!(original(text), text);
        }
    }
}
