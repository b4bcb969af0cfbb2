// SPDX-License-Identifier: GPL-2.0
//! The program, run by somebody who is not root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::Uid;
use tempfile::TempDir;

/// `mdp2p` for somebody who is not root, and the folder that it lies in. If that is not us,
/// it is nobody, who may not look into every folder.
pub fn mdp2p() -> (TempDir, assert_cmd::Command) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("permissions");
    let program = folder.path().join("mdp2p");
    // Not by ourselves: a child of another test would inherit the file while it is written,
    // and what somebody may write cannot be run.
    let copied = Command::new("cp")
        .arg(assert_cmd::cargo::cargo_bin!("mdp2p"))
        .arg(&program)
        .status();
    assert!(copied.expect("cp").success());
    let mut command = Command::new(program);
    command.current_dir("/");
    if Uid::effective().is_root() {
        command.uid(65534).gid(65534);
    }
    (folder, assert_cmd::Command::from_std(command))
}
