// SPDX-License-Identifier: GPL-2.0
//! Parses the mdadm options given after `--`. They must not name a device that mdp2p has not
//! inspected, nor contradict an option of mdp2p itself.
//!
//! Tests: below, and tests/create.rs.

use anyhow::{Result, anyhow, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// What mdp2p needs to know of these options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MdadmOptions {
    /// The layout, if one is given.
    pub layout: Option<String>,
    /// The kind of bitmap, if one is given.
    pub bitmap: Option<String>,
    /// The consistency policy, if one is given.
    pub consistency_policy: Option<String>,
    /// Whether mdadm is told to accept what looks like a mistake.
    pub force: bool,
}

/// Options of `mdadm --create` that take a value (`long_options` in mdadm's ReadMe.c).
const VALUES: [(&str, Option<char>); 15] = [
    ("auto", Some('a')),
    ("bitmap", Some('b')),
    ("bitmap-chunk", None),
    ("chunk", Some('c')),
    ("config", None),
    ("consistency-policy", Some('k')),
    ("data-offset", None),
    ("home-cluster", None),
    ("homehost", None),
    ("layout", Some('p')),
    ("metadata", Some('e')),
    ("name", Some('N')),
    ("nodes", None),
    ("size", Some('z')),
    ("uuid", Some('u')),
];

/// Options of `mdadm --create` without a value.
const FLAGS: [(&str, Option<char>); 9] = [
    ("assume-clean", None),
    ("failfast", None),
    ("force", Some('f')),
    ("nofailfast", None),
    ("quiet", Some('q')),
    ("readonly", Some('o')),
    ("verbose", Some('v')),
    ("write-mostly", Some('W')),
    ("write-zeroes", None),
];

/// Options that mdp2p passes to mdadm itself, each with the option of mdp2p that has this effect.
const OURS: [(&str, Option<char>, &str); 7] = [
    ("level", Some('l'), "--level"),
    ("raid-devices", Some('n'), "--raid-devices"),
    ("raid-disks", None, "--raid-devices"),
    ("run", Some('R'), "--yes"),
    ("spare-devices", Some('x'), "--spare DEVICE"),
    ("spare-disks", None, "--spare DEVICE"),
    ("write-journal", None, "--write-journal DEVICE"),
];

impl MdadmOptions {
    /// Parses the options.
    ///
    /// # Errors
    /// Names the option that must not be given here, and what to use instead.
    pub fn parse(words: &[String]) -> Result<Self> {
        let matches = parser()
            .try_get_matches_from(words)
            .map_err(|error| anyhow!("{}", describe(&error)))?;
        if let Some((name, _, instead)) = OURS.iter().find(|(name, ..)| is_given(&matches, name)) {
            bail!(
                "--{name} after `--`: mdp2p passes it to mdadm itself; use `{instead}` before `--`"
            );
        }
        let value = |name: &str| matches.get_one::<String>(name).cloned();
        if let Some(file) = value("bitmap").filter(|it| it.contains('/')) {
            bail!(
                "--bitmap {file}: the file would be overwritten without an inspection; `mdp2p create` \
                 accepts only internal and none"
            );
        }
        Ok(Self {
            layout: value("layout"),
            bitmap: value("bitmap"),
            consistency_policy: value("consistency-policy"),
            force: is_given(&matches, "force"),
        })
    }
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    matches!(
        matches.value_source(name),
        Some(clap::parser::ValueSource::CommandLine)
    )
}

/// Returns a parser that reads options as getopt_long(3) does for mdadm, short and abbreviated ones
/// included. mdadm would take any other word for a device; here no device may be named.
fn parser() -> Command {
    let option = |name: &'static str, short: Option<char>| {
        let option = Arg::new(name).long(name);
        match short {
            Some(short) => option.short(short),
            None => option,
        }
    };
    let value = |name, short| option(name, short).allow_hyphen_values(true);
    let flag = |name, short| option(name, short).action(ArgAction::Count);
    Command::new("mdadm")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .infer_long_args(true)
        .args(VALUES.map(|(name, short)| match name {
            "chunk" => value(name, short).alias("rounding"),
            "layout" => value(name, short).alias("parity"),
            _ => value(name, short),
        }))
        .args(FLAGS.map(|(name, short)| flag(name, short)))
        .args(OURS.map(|(name, short, _)| match name {
            "run" => flag(name, short),
            _ => value(name, short),
        }))
        .arg(
            option("write-behind", None)
                .num_args(0..=1)
                .require_equals(true),
        )
}

/// Says what is wrong, without the wording of clap.
fn describe(error: &clap::Error) -> String {
    let about = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(about)) => about.as_str(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::UnknownArgument if about.starts_with('-') && about.len() > 1 => format!(
            "{about} after `--`: not an option for making arrays; `mdp2p mdadm -- …` accepts all \
             options"
        ),
        ErrorKind::UnknownArgument => format!(
            "{about} after `--`: only options of mdadm go there; name members before `--`, so that \
             they are inspected"
        ),
        ErrorKind::ArgumentConflict => format!("{about} after `--`: it is given twice"),
        ErrorKind::InvalidValue => format!("{about} after `--`: a value is missing"),
        _ => format!("after `--`: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<MdadmOptions> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        MdadmOptions::parse(&words)
    }

    fn layout(words: &[&str]) -> Option<String> {
        read(words).expect("options").layout
    }

    #[test]
    fn a_layout_is_found_however_it_is_written() {
        for words in [
            &["--layout=f2"][..],
            &["--layout", "f2"],
            &["--parity=f2"],
            &["--lay=f2"],
            &["-p", "f2"],
            &["-pf2"],
            &["-fpf2"],
            &["--name=x", "-p", "f2", "--assume-clean"],
        ] {
            assert_eq!(layout(words).as_deref(), Some("f2"), "{words:?}");
        }
        for words in [
            &[][..],
            &["--chunk=64"],
            // This is a value, though it looks like an option.
            &["--name", "-pf2"],
            &["--name=--layout=f2"],
        ] {
            assert_eq!(layout(words), None, "{words:?}");
        }
    }

    #[test]
    fn force_is_found_however_it_is_written() {
        for words in [&["--force"][..], &["-f"], &["-vf"], &["--for"]] {
            assert!(read(words).expect("options").force, "{words:?}");
        }
        for words in [&[][..], &["--name", "-f"]] {
            assert!(!read(words).expect("options").force, "{words:?}");
        }
    }

    #[test]
    fn what_mdadm_takes_to_make_an_array_is_passed() {
        for words in [
            &["--assume-clean", "--bitmap=none", "--chunk=64", "-z8M"][..],
            &["--write-behind", "--write-mostly", "-e", "1.2"],
            &["--write-behind=256", "--bitmap", "internal"],
            &["--homehost=any", "-N", "mine", "-u", "0:0:0:1"],
            &["--consistency-policy=ppl", "--readonly", "--rounding=64"],
            &["-ayes", "--config=/etc/mdadm.conf", "--data-offset=1M"],
        ] {
            assert!(read(words).is_ok(), "{words:?}");
        }
    }

    #[test]
    fn what_mdp2p_says_itself_is_said_once() {
        for (words, name, instead) in [
            (&["--level=1"][..], "--level", "`--level`"),
            (&["-l", "1"], "--level", "`--level`"),
            (&["-n2"], "--raid-devices", "`--raid-devices`"),
            (&["--raid-disks=2"], "--raid-disks", "`--raid-devices`"),
            (&["--run"], "--run", "`--yes`"),
            (&["-fR"], "--run", "`--yes`"),
            (&["-x", "1"], "--spare-devices", "`--spare DEVICE`"),
            (&["--spare-dev=1"], "--spare-devices", "`--spare DEVICE`"),
            (
                &["--write-j", "/dev/x"],
                "--write-journal",
                "`--write-journal DEVICE`",
            ),
        ] {
            let error = match read(words) {
                Ok(mdadm_options) => panic!("{words:?}: {mdadm_options:?}"),
                Err(error) => error.to_string(),
            };
            assert!(error.starts_with(name), "{words:?}: {error}");
            assert!(error.contains(instead), "{words:?}: {error}");
        }
    }

    #[test]
    fn no_device_is_named_where_nobody_looks() {
        for word in ["/dev/nvme3n1", "missing", "nvme3n1", "-"] {
            for words in [&[word][..], &["--chunk=64", word], &["--force", word]] {
                let error = read(words).expect_err("a device").to_string();
                assert!(error.starts_with(&format!("{word} after `--`")), "{error}");
                assert!(error.contains("name members before `--`"), "{error}");
            }
        }
        // This is not the option's value, because getopt_long(3) expects an optional value after
        // `=`.
        assert!(read(&["--write-behind", "256"]).is_err());
        assert!(read(&["--name", "--", "/dev/nvme3n1"]).is_err());
        for word in ["--bitmap=/var/bitmap", "-b/var/bitmap"] {
            let error = read(&[word]).expect_err("a file").to_string();
            assert!(error.starts_with("--bitmap /var/bitmap: "), "{error}");
        }
    }

    #[test]
    fn what_is_no_option_for_making_arrays_is_not_passed() {
        for word in ["--add", "--assemble", "--nonsense", "--stop", "-A", "--w"] {
            let error = read(&[word]).expect_err(word).to_string();
            assert!(error.starts_with(&format!("{word} after `--`")), "{error}");
            assert!(error.contains("`mdp2p mdadm -- …`"), "{error}");
        }
        let error = read(&["-p", "f2", "--layout=n2"]).expect_err("two");
        assert!(error.to_string().contains("twice"), "{error}");
        let error = read(&["--chunk"]).expect_err("no value").to_string();
        assert!(
            error.contains("--chunk") && error.contains("missing"),
            "{error}"
        );
    }
}
