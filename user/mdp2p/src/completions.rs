// SPDX-License-Identifier: GPL-2.0
//! Completions for shells. A shell's part is a few lines that ask mdp2p what may come next, because
//! only mdp2p knows which arrays there are.
//!
//! clap_complete calls this engine unstable, because its interface may still change. The engine that
//! is called stable offers no arrays, and for their place even file names.
//!
//! Tests: below, and tests/contract.rs.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Command;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::sysroot::Sysroot;

/// The variable by which a shell asks.
const VARIABLE: &str = "MDP2P_COMPLETE";

/// Answers a shell that asks, and ends the program then.
pub fn answer(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// Returns a shell's part.
///
/// # Errors
/// Fails if nobody has written a part for this shell.
pub fn script(shell: &str) -> Result<Vec<u8>> {
    let shells = Shells::builtins();
    let shell = shells
        .completer(shell)
        .with_context(|| format!("there are no completions for {shell}"))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "mdp2p", "mdp2p", "mdp2p", &mut script)?;
    Ok(script)
}

/// Completes the name of an array.
pub fn array() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| offer(begin, arrays))
}

/// Completes `auto`, `none` or the address of a lender.
pub fn provider() -> ArgValueCompleter {
    ArgValueCompleter::new(|begin: &OsStr| offer(begin, providers))
}

/// Offers the words that begin like this. Nobody reads errors while a shell completes.
fn offer(begin: &OsStr, words: fn(&Sysroot) -> Result<Vec<String>>) -> Vec<CompletionCandidate> {
    let words = Sysroot::at(Path::new("/")).and_then(|root| words(&root));
    let begin = begin.to_string_lossy();
    let words = words.unwrap_or_default().into_iter();
    let words = words.filter(|it| it.starts_with(&*begin) && is_plain(it));
    // Without a beginning, the short names are enough.
    let words = words.filter(|it| !begin.is_empty() || !it.starts_with('/'));
    words.map(CompletionCandidate::new).collect()
}

/// Tells whether a shell takes a word as it is. The shell's part of the completions does not quote.
fn is_plain(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:-+@%,=/".contains(c);
    word.chars().all(is_plain)
}

/// Returns all names of all arrays.
fn arrays(sysroot: &Sysroot) -> Result<Vec<String>> {
    let mut names = sysroot.names("sys/block")?;
    names.retain(|name| sysroot.has(format!("sys/block/{name}/md")));
    let aliases = sysroot.names("dev/md")?;
    let nodes = names.iter().map(|name| format!("/dev/{name}"));
    let nodes = nodes.chain(aliases.iter().map(|alias| format!("/dev/md/{alias}")));
    let nodes: Vec<String> = nodes.collect();
    Ok([names, aliases, nodes].concat())
}

fn providers(sysroot: &Sysroot) -> Result<Vec<String>> {
    let devices = Devices::read(sysroot)?;
    let addresses = devices.lenders().map(|device| device.address.to_string());
    let words = ["auto", "none"].into_iter().map(str::to_owned);
    Ok(words.chain(addresses).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdp2p_machine::testing::put;

    #[test]
    fn arrays_have_all_their_names_and_disks_are_none() {
        let root = tempfile::tempdir().expect("a folder");
        put(root.path(), "sys/block/md0/md/level", "raid1");
        put(root.path(), "sys/block/sda/size", "8");
        put(root.path(), "dev/md/data", "");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        let names = arrays(&sysroot).expect("names");
        assert_eq!(names, ["md0", "data", "/dev/md0", "/dev/md/data"]);
        assert!(names.iter().all(|it| is_plain(it)));
        for name in [r"my\x20raid", "a;b", "$(b)", "a b", "é"] {
            assert!(!is_plain(name), "{name}");
        }
        assert_eq!(providers(&sysroot).expect("words"), ["auto", "none"]);
    }
}
