// SPDX-License-Identifier: GPL-2.0
//! Mistakes in the arguments of `cargo vm` are reported at once, with what to do, and before
//! anything is made. These tests have no place for an environment.

use assert_cmd::Command;
use predicates::str::contains;

/// Runs `vm` with wrong `arguments`, where it can make nothing. It ends with status 205, and says
/// these words.
fn refused(arguments: &[&str], words: &[&str]) {
    let mut vm = Command::cargo_bin("vm").expect("the program");
    let mut assert = vm
        .env("MD_P2P_CACHE", "/dev/null/no-place")
        .args(arguments)
        .assert()
        .code(205);
    for word in words {
        assert = assert.stderr(contains(*word));
    }
}

#[test]
fn a_topology_that_is_not_there_is_told_with_those_that_are() {
    refused(
        &["run", "--topology", "nosuch", "-"],
        &["there is no topology nosuch", "split, switch"],
    );
}

#[test]
fn a_topology_file_that_is_wrong_is_told_with_file_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.toml");
    std::fs::write(
        &file,
        "about = \"\"\ndrives = [ { name = \"a\", behind = \"root\", cmb = \"3M\" } ]\n",
    )
    .expect("a file");
    let file = file.to_str().expect("a name");
    refused(
        &["run", "--topology", file, "-"],
        &[file, "drive a: cmb: use a power of two"],
    );
}

#[test]
fn a_script_that_is_not_there_is_told() {
    refused(
        &["run", "/no/such/script"],
        &["/no/such/script cannot be read", "No such file"],
    );
}

#[test]
fn a_file_to_add_that_is_not_there_is_told() {
    refused(
        &["run", "--add", "/no/such/file", "-"],
        &["/no/such/file cannot be read"],
    );
    refused(
        &["run", "--build", "/no/such/module.c", "-"],
        &["/no/such/module.c cannot be read"],
    );
}

#[test]
fn unknown_options_values_and_verbs_are_told_and_are_no_scripts_status() {
    refused(&["run", "--frob", "-"], &["--frob"]);
    refused(
        &["run", "--modules", "mine", "-"],
        &["mine", "p2p", "stock"],
    );
    refused(&["run", "--timeout", "soon", "-"], &["soon"]);
    refused(&["frob"], &["frob"]);
    refused(&[], &["Usage"]);
}

#[test]
fn a_place_where_nothing_can_be_made_is_named() {
    refused(&["env"], &["/dev/null/no-place"]);
}

#[test]
fn help_tells_the_statuses() {
    let mut vm = Command::cargo_bin("vm").expect("the program");
    vm.args(["run", "--help"])
        .assert()
        .success()
        .stdout(contains("202  time was up"));
}
