// SPDX-License-Identifier: GPL-2.0
//! What `vmctl` in the guest can ask for.
//!
//! A request is one line, `TAG VERB HEX`. HEX are the arguments, each ended by NUL. The answer is
//! one line, `TAG ok TEXT` or `TAG error TEXT`.

use anyhow::{Result, anyhow, bail};

use super::job::Modules;

/// A request, and the tag that its answer must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Tells which request an answer belongs to.
    pub tag: String,
    /// What is asked for.
    pub verb: Verb,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The guest is up: its script starts.
    Hello,
    /// The guest cannot start its script, for this reason.
    Failed(String),
    /// The script has ended with this status.
    Exit(u8),
    /// Take a drive away.
    Unplug(String),
    /// Put it back.
    Plug(String),
    /// Let a drive's reads or writes fail.
    Fail(String, Direction),
    /// Let them work again.
    Heal(String),
    /// End the VM at once, then boot again with these arguments for the script.
    Kill(Vec<String>),
    /// Boot again, with this change, once the guest has shut down.
    Reboot(Change, Vec<String>),
    /// What the drives' DMA has touched.
    Dma,
    /// Count from now on what the CPUs touch of the controller memory of this drive, or of all.
    Watch(Option<String>),
    /// Stop counting, and return the count.
    Watched,
    /// The PCI address of a device.
    Where(String),
}

/// Changes from the next boot on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whose modules there are.
    pub modules: Option<Modules>,
    /// The release of the kernel.
    pub kernel: Option<String>,
    /// The initramfs: a file that the guest has put into its folder `out`.
    pub initrd: Option<String>,
    /// More words for the kernel's command line.
    pub append: Option<String>,
}

/// The direction of I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Reads.
    Read,
    /// Writes.
    Write,
}

impl Request {
    /// Parses a line. An error comes with the tag, for the answer.
    pub fn parse(line: &str) -> Result<Self, (String, anyhow::Error)> {
        let mut words = line.trim_end().splitn(3, ' ');
        let tag = words.next().unwrap_or_default().to_owned();
        let verb = words.next().unwrap_or_default();
        let verb = arguments(words.next().unwrap_or_default())
            .and_then(|arguments| Verb::parse(verb, arguments));
        match verb {
            Ok(verb) => Ok(Self { tag, verb }),
            Err(error) => Err((tag, error)),
        }
    }

    /// Returns the line that answers the request with this `tag`.
    pub fn answer(tag: &str, result: &Result<String>) -> String {
        match result {
            Ok(text) => format!("{}\n", format!("{tag} ok {text}").trim_end()),
            Err(error) => format!("{tag} error {}\n", format!("{error:#}").replace('\n', " ")),
        }
    }
}

impl Verb {
    fn parse(verb: &str, arguments: Vec<String>) -> Result<Self> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(match (verb, words.as_slice()) {
            ("hello", []) => Self::Hello,
            ("failed", [reason]) => Self::Failed((*reason).to_owned()),
            ("exit", [status]) => Self::Exit(status.parse()?),
            ("unplug", [drive]) => Self::Unplug((*drive).to_owned()),
            ("plug", [drive]) => Self::Plug((*drive).to_owned()),
            ("fail", [drive, "read"]) => Self::Fail((*drive).to_owned(), Direction::Read),
            ("fail", [drive, "write"]) => Self::Fail((*drive).to_owned(), Direction::Write),
            ("heal", [drive]) => Self::Heal((*drive).to_owned()),
            ("kill", _) => Self::Kill(arguments),
            ("reboot", words) => {
                let (change, used) = Change::parse(words)?;
                Self::Reboot(change, arguments[used..].to_vec())
            }
            ("dma", []) => Self::Dma,
            ("watch", []) => Self::Watch(None),
            ("watch", [drive]) => Self::Watch(Some((*drive).to_owned())),
            ("watched", []) => Self::Watched,
            ("where", [device]) => Self::Where((*device).to_owned()),
            _ => bail!("{verb} does not take these arguments: {words:?}; see vmctl help"),
        })
    }
}

impl Change {
    /// Parses the options that `words` begin with. Returns the number of words that they take.
    fn parse(words: &[&str]) -> Result<(Self, usize)> {
        let mut change = Self::default();
        let mut used = 0;
        while let [option, value, ..] = words[used..] {
            match option {
                "--modules" => change.modules = Some(value.parse()?),
                "--kernel" => change.kernel = Some(value.to_owned()),
                "--initrd" => change.initrd = Some(value.to_owned()),
                "--append" => change.append = Some(value.to_owned()),
                _ => break,
            }
            used += 2;
        }
        Ok((change, used))
    }
}

/// Parses arguments in hexadecimal form.
fn arguments(hex: &str) -> Result<Vec<String>> {
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect();
    let bytes = bytes.ok_or_else(|| anyhow!("{hex:?} is not hexadecimal"))?;
    let text = String::from_utf8(bytes)?;
    Ok(text.split_terminator('\0').map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(arguments: &[&str]) -> String {
        arguments
            .iter()
            .flat_map(|a| a.bytes().chain([0]))
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn parse(verb: &str, arguments: &[&str]) -> Result<Verb, String> {
        let line = format!("7.1 {verb} {}\n", hex(arguments));
        Request::parse(&line)
            .map(|request| request.verb)
            .map_err(|(_, error)| error.to_string())
    }

    #[test]
    fn a_request_has_its_tag_and_its_arguments_whatever_is_in_them() {
        let verb = Verb::Kill(vec!["second boot".into(), "a\nb".into()]);
        let line = format!("7.1 kill {}\n", hex(&["second boot", "a\nb"]));
        assert_eq!(
            Request::parse(&line).expect("a request"),
            Request {
                tag: "7.1".into(),
                verb
            }
        );
    }

    #[test]
    fn no_arguments_are_none() {
        assert_eq!(parse("kill", &[]), Ok(Verb::Kill(vec![])));
        assert_eq!(parse("dma", &[]), Ok(Verb::Dma));
        assert_eq!(parse("kill", &[""]), Ok(Verb::Kill(vec![String::new()])));
        assert_eq!(parse("watch", &[]), Ok(Verb::Watch(None)));
    }

    #[test]
    fn a_reboot_may_change_what_is_booted() {
        let mut change = Change {
            modules: Some(Modules::Stock),
            ..Change::default()
        };
        let two = || vec!["two".to_owned()];
        assert_eq!(
            parse("reboot", &["--modules", "stock", "two"]),
            Ok(Verb::Reboot(change.clone(), two()))
        );
        assert_eq!(
            parse("reboot", &["two"]),
            Ok(Verb::Reboot(Change::default(), two()))
        );
        change.kernel = Some("7.2".into());
        change.initrd = Some("a".into());
        change.append = Some("b c".into());
        let words = [
            "--kernel",
            "7.2",
            "--initrd",
            "a",
            "--append",
            "b c",
            "--modules",
            "stock",
            "two",
        ];
        assert_eq!(parse("reboot", &words), Ok(Verb::Reboot(change, two())));
        assert!(parse("reboot", &["--modules", "none"]).is_err());
    }

    #[test]
    fn what_is_wrong_is_answered_under_the_right_tag() {
        let (tag, error) =
            Request::parse(&format!("7.1 fail {}", hex(&["near0", "both"]))).expect_err("an error");
        let answer = Request::answer(&tag, &Err(error));
        assert!(
            answer.starts_with("7.1 error fail does not take these arguments"),
            "{answer}"
        );
    }

    #[test]
    fn answers_are_one_line() {
        assert_eq!(Request::answer("7.1", &Ok(String::new())), "7.1 ok\n");
        assert_eq!(
            Request::answer("7.1", &Ok("ram 1 peer 2".into())),
            "7.1 ok ram 1 peer 2\n"
        );
        assert_eq!(
            Request::answer("7.1", &Err(anyhow!("a\nb"))),
            "7.1 error a b\n"
        );
    }
}
