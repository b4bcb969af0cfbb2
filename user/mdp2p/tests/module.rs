// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module`: what it shows, the commands that it would run, and what it refuses. No program
//! of the machine is run: make, modprobe and sign-file are scripts of these tests.

mod common;
#[path = "common/nobody.rs"]
mod nobody;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{plant, put};
use mdp2p::command::Command as _;
use mdp2p::commands::module::{Module, ModuleVerb};
use mdp2p::control::privilege;
use mdp2p_machine::sysroot::Sysroot;
use serde_json::Value;
use tempfile::TempDir;

const RELEASE: &str = "7.3.4+deb13-amd64";
const SIGNED: &str = "ELF~Module signature appended~\n";

/// Makes a machine with our modules installed, one of them signed, and headers; none is loaded.
fn machine() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    fs::create_dir(root.join("sys")).expect("sys");
    put(root, "proc/sys/kernel/osrelease", RELEASE);
    put(root, "proc/modules", "");
    for name in ["md", "linear", "raid0", "raid10", "raid456"] {
        put(root, &installed(name), "ELF");
    }
    put(root, &installed("raid1"), SIGNED);
    let headers = format!("lib/modules/{RELEASE}/build");
    put(
        root,
        &format!("{headers}/.config"),
        "CONFIG_MODULE_SIG_HASH=\"sha512\"\n",
    );
    // Like the real one, it appends a signature to the last file.
    let sign = "#!/bin/sh\n[ $# = 4 ] && echo '~Module signature appended~' >>\"$4\"\n";
    script(&root.join(headers), "scripts/sign-file", sign);
    put(root, "var/lib/dkms/mok.key", "");
    put(root, "var/lib/dkms/mok.pub", "");
    put(root, "usr/src/md-p2p-0.9.0/kbuild/Makefile", "");
    put(root, "usr/src/md-p2p-0.9.0/kbuild/stages/help", "");
    put(root, "usr/src/md-p2p-0.10.0/kbuild/Makefile", "");
    put(root, "usr/src/md-p2p-0.10.0/kbuild/stages/help", "");
    put(root, "usr/src/md-p2p-1.0.0/README", "no source");
    folder
}

fn installed(name: &str) -> String {
    format!("lib/modules/{RELEASE}/updates/{name}-p2p.ko")
}

fn load(root: &Path) {
    let modules = "raid1_p2p 90112 1 - Live 0x0 (OE)\nmd_p2p 163840 2 raid1_p2p, Live 0x0 (OE)\n";
    put(root, "proc/modules", modules);
    put(
        root,
        "sys/module/md_p2p/parameters/md_source",
        "linux-source-7.3 7.3.4-1\n",
    );
    put(
        root,
        "sys/module/md_p2p/parameters/md_source_sha256",
        "abc\n",
    );
    put(
        root,
        "sys/module/md_p2p/parameters/md_rules",
        "names-proc p2p-route\n",
    );
}

fn script(folder: &Path, name: &str, text: &str) {
    put(folder, name, text);
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.join(name), permissions).expect("a script");
}

fn mdp2p(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
    command.arg("module").args(arguments).env_remove("KDIR");
    command
}

fn on(root: &Path, arguments: &[&str]) -> Output {
    let root = root.to_str().expect("UTF-8");
    let arguments = [&["--sysroot", root], arguments].concat();
    mdp2p(&arguments).output().expect("mdp2p runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that the program failed, printed all of `said` to standard error, and nothing to
/// standard output.
fn refused(output: &Output, said: &[&str]) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stdout(output), "");
    for part in said {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

fn status(root: &Path, options: &[&str]) -> Value {
    let output = on(root, &[&["status", "--json"], options].concat());
    let status: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let schema = serde_json::from_str(include_str!("../schema/module-status.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    if let Err(error) = validator.validate(&status) {
        panic!("{error}: {status:#}");
    }
    assert_eq!(output.status.code(), Some(0));
    status
}

fn of<'a>(status: &'a Value, name: &str) -> &'a Value {
    let modules = status["modules"].as_array().expect("modules");
    modules
        .iter()
        .find(|module| module["name"] == name)
        .expect(name)
}

#[test]
fn status_tells_what_is_installed_signed_and_loaded() {
    let root = machine();
    let before = status(root.path(), &[]);
    assert_eq!(
        (&before["mode"], &before["made_of"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(before["headers"], format!("/lib/modules/{RELEASE}/build"));
    assert_eq!(of(&before, "md-p2p")["loaded"], false);
    assert_eq!(of(&before, "md-p2p")["installed"][0]["signed"], false);
    assert_eq!(of(&before, "raid1-p2p")["installed"][0]["signed"], true);
    assert_eq!(
        of(&before, "raid1-p2p")["installed"][0]["path"],
        format!("/{}", installed("raid1"))
    );

    load(root.path());
    put(
        root.path(),
        &format!("lib/modules/{RELEASE}/updates/dkms/raid0-p2p.ko.xz"),
        "",
    );
    let built = format!("usr/src/md-p2p-0.10.0/kbuild/build/{RELEASE}/module/md-p2p.ko");
    put(root.path(), &built, "");
    let after = status(root.path(), &[]);
    assert_eq!(after["mode"], "sole");
    assert_eq!(after["made_of"]["md_rules"][1], "p2p-route");
    assert_eq!(of(&after, "md-p2p")["uses"], 2);
    assert_eq!(of(&after, "raid10-p2p")["uses"], Value::Null);
    assert!(
        of(&after, "md-p2p")["built"]
            .as_str()
            .expect("a path")
            .ends_with(&built)
    );
    let packed = &of(&after, "raid0-p2p")["installed"][0];
    assert_eq!(
        (&packed["compression"], &packed["signed"]),
        (&"xz".into(), &Value::Null)
    );
    put(root.path(), "proc/mdstat-p2p", "");
    assert_eq!(status(root.path(), &[])["mode"], "beside");
}

/// Returns what `status` prints as text and as JSON, with modinfo and mokutil from `tools`.
fn status_with(tools: &Path, root: &Path) -> (String, Value) {
    let run = |options: &[&str]| {
        let mut command = mdp2p(&[&["status"], options].concat());
        command.arg("--sysroot").arg(root).env("PATH", tools);
        stdout(&command.output().expect("mdp2p runs"))
    };
    let json = serde_json::from_str(&run(&["--json"])).expect("JSON");
    (run(&[]), json)
}

#[test]
fn status_tells_which_of_two_is_in_force() {
    let root = machine();
    let folder = format!("lib/modules/{RELEASE}");
    let in_force = || status(root.path(), &[])["in_force"].clone();
    assert_eq!(in_force()["path"], format!("/{}", installed("md")));
    assert_eq!(
        (&in_force()["by"], &in_force()["also"]),
        (&"make".into(), &serde_json::json!([]))
    );

    put(
        root.path(),
        &format!("{folder}/updates/dkms/md-p2p.ko"),
        "ELF",
    );
    // depmod writes only the files that it prefers.
    let dep = |file: &str| {
        let text =
            format!("updates/raid1-p2p.ko: {file}\n{file}:\nkernel/drivers/md/md-mod.ko.xz:\n");
        put(root.path(), &format!("{folder}/modules.dep"), text);
    };
    dep("updates/dkms/md-p2p.ko");
    assert_eq!(
        (&in_force()["by"], &in_force()["also"][0]),
        (&"dkms".into(), &"make".into())
    );
    dep("updates/md-p2p.ko");
    assert_eq!(
        (&in_force()["by"], &in_force()["also"][0]),
        (&"make".into(), &"dkms".into())
    );
    let table = stdout(&on(root.path(), &["status"]));
    assert!(
        table.contains("updates/md-p2p.ko, installed by make install\n"),
        "{table}"
    );
    assert!(
        table.contains("also present: one installed by DKMS"),
        "{table}"
    );
}

#[test]
fn status_tells_why_there_is_none() {
    let root = machine();
    let why = "md-p2p: Kernel X gets no md-p2p";
    put(
        root.path(),
        &format!("var/cache/md-p2p/{RELEASE}/refused"),
        format!("{why}\n"),
    );
    // The reason is about DKMS, and there is another build.
    assert_eq!(status(root.path(), &[])["refused"], Value::Null);
    fs::remove_dir_all(root.path().join(format!("lib/modules/{RELEASE}/updates"))).expect("there");
    let after = status(root.path(), &[]);
    assert_eq!(after["in_force"], Value::Null);
    assert!(after["refused"].as_str().expect("a text").starts_with(why));
    let table = stdout(&on(root.path(), &["status"]));
    assert!(table.contains(&format!("refused  {why}\n")), "{table}");
}

#[test]
fn status_tells_what_secure_boot_wants() {
    let root = machine();
    let tools = tempfile::tempdir().expect("a folder");
    let tool = |name: &str, text: &str| script(tools.path(), name, &format!("#!/bin/sh\n{text}\n"));
    let told = || status_with(tools.path(), root.path());
    // Without modinfo the signer is unknown.
    assert_eq!(told().1["in_force"]["signer"], Value::Null);
    tool("modinfo", r#"[ "$1 $2" = "-F signer" ] && echo somebody"#);
    let (table, json) = told();
    assert_eq!(
        (&json["in_force"]["signer"], &json["secure_boot"]),
        (&"somebody".into(), &false.into())
    );
    assert!(
        table.contains("signed   by somebody\n") && !table.contains("Secure Boot"),
        "{table}"
    );

    let variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    put(root.path(), variable, [6, 0, 0, 0, 1]);
    assert!(
        told().0.contains("mokutil --import CERTIFICATE"),
        "{}",
        told().0
    );
    tool("modinfo", "exit 0");
    assert!(told().0.contains("sudo mdp2p module sign"), "{}", told().0);

    fs::remove_dir_all(root.path().join(format!("lib/modules/{RELEASE}/updates"))).expect("there");
    put(
        root.path(),
        &format!("lib/modules/{RELEASE}/updates/dkms/md-p2p.ko.xz"),
        "",
    );
    assert_eq!(told().1["modules"][0]["installed"][0]["signed"], false);
    tool("modinfo", "echo DKMS");
    assert_eq!(told().1["modules"][0]["installed"][0]["signed"], true);
    // mokutil would ask the firmware of this machine, not of that one.
    tool("mokutil", "echo mok.pub is already enrolled");
    let (table, json) = told();
    assert_eq!(json["in_force"]["enrolled"], Value::Null);
    assert!(table.contains("if it does not know the key yet"), "{table}");
}

#[test]
fn status_of_another_kernel_knows_nothing_of_what_is_loaded() {
    let root = machine();
    load(root.path());
    put(root.path(), "lib/modules/7.2.1-x/updates/md-p2p.ko", "");
    let other = status(root.path(), &["--kernel", "7.2.1-x"]);
    assert_eq!(
        (&other["running"], &other["mode"]),
        (&false.into(), &Value::Null)
    );
    assert_eq!(of(&other, "md-p2p")["loaded"], false);
    let output = on(root.path(), &["status", "--kernel", "9.9"]);
    refused(&output, &["there is no kernel 9.9", "7.2.1-x", RELEASE]);
}

#[test]
fn status_is_a_table_for_people() {
    let root = plant("switch");
    let table = stdout(&on(root.path(), &["status"]));
    assert!(table.contains("mode     sole: "), "{table}");
    assert!(
        table.contains("\nraid456-p2p  no     no         -       yes        1\n"),
        "{table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    let garbage = machine();
    put(garbage.path(), "proc/modules", "md_p2p many few\n");
    refused(&on(garbage.path(), &["status"]), &["proc/modules"]);
}

#[test]
fn build_takes_the_newest_source_and_says_what_it_runs() {
    let root = machine();
    let source = root.path().join("usr/src/md-p2p-0.10.0/kbuild");
    let output = on(
        root.path(),
        &["build", "--dry-run", "--", "V=1", "BUILD=/a b"],
    );
    let expected = format!(
        "make -C {} KVER={RELEASE} V=1 'BUILD=/a b'\n",
        source.display()
    );
    assert_eq!(stdout(&output), expected);
    let output = on(root.path(), &["install", "--dry-run"]);
    let expected = format!("make -C {} KVER={RELEASE} install\n", source.display());
    assert_eq!(stdout(&output), expected);
}

#[test]
fn build_says_what_to_install() {
    let root = machine();
    let output = on(
        root.path(),
        &["build", "--dry-run", "--kernel", "7.2.9+deb13-amd64"],
    );
    let packages = "linux-headers-7.2.9+deb13-amd64 linux-source-7.2 make";
    refused(&output, &["/lib/modules/7.2.9+deb13-amd64/build", packages]);
    let output = on(
        root.path(),
        &["build", "--dry-run", "--kernel", "7.2.9", "--", "KDIR=/x"],
    );
    assert!(
        stdout(&output).ends_with("KVER=7.2.9 KDIR=/x\n"),
        "{}",
        stderr(&output)
    );
    fs::remove_dir_all(root.path().join("usr/src")).expect("it was there");
    refused(
        &on(root.path(), &["build", "--dry-run"]),
        &["/usr/src/md-p2p-*", "--source"],
    );
    let output = on(
        root.path(),
        &["build", "--source", "/nonexistent", "--dry-run"],
    );
    refused(&output, &["/nonexistent", "kbuild/Makefile"]);
}

#[test]
fn status_tells_what_of_md_was_never_tested() {
    let root = machine();
    let tools = tempfile::tempdir().expect("a folder");
    let modinfo = |text: &str| {
        let text = format!("#!/bin/sh\n[ \"$2\" != md_untested ] || echo '{text}'\n");
        script(tools.path(), "modinfo", &text);
    };
    let told = || status_with(tools.path(), root.path());
    // A build that does not say so, because it is older.
    modinfo("");
    let (table, json) = told();
    assert_eq!(json["in_force"]["untested"], Value::Null);
    assert!(!table.contains("tested"), "{table}");

    modinfo("none");
    let (table, json) = told();
    assert_eq!(json["in_force"]["untested"], serde_json::json!([]));
    assert!(table.contains("\ntested   what md-p2p changes"), "{table}");

    modinfo("md.c:md_alloc,md.c:md_run,raid5.h:struct r5conf");
    let (table, json) = told();
    let all = serde_json::json!(["md.c:md_alloc", "md.c:md_run", "raid5.h:struct r5conf"]);
    assert_eq!(json["in_force"]["untested"], all);
    let lines = "\nuntested md.c: md_alloc, md_run\n         raid5.h: struct r5conf\n";
    assert!(table.contains(lines), "{table}");

    // What is loaded is of another build than what is installed.
    load(root.path());
    assert_eq!(told().1["made_of"]["md_untested"], Value::Null);
    put(
        root.path(),
        "sys/module/md_p2p/parameters/md_untested",
        "raid1.c:read_balance\n",
    );
    assert_eq!(
        status(root.path(), &[])["made_of"]["md_untested"],
        serde_json::json!(["raid1.c:read_balance"])
    );
    let table = told().0;
    assert!(table.contains(lines), "{table}");
    assert!(
        table.contains("\nuntested raid1.c: read_balance\n"),
        "{table}"
    );
}

/// A source of md-p2p that only we could have written, in a folder of its own.
fn source() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for file in [
        "kbuild/Makefile",
        "kbuild/stages/help",
        "kmod/glue.rs",
        "include/shim.h",
        "work/deep/file",
    ] {
        put(folder.path(), &format!("above/source/{file}"), "");
    }
    for path in [
        "above",
        "above/source",
        "above/source/kbuild",
        "above/source/kbuild/stages",
        "above/source/kmod",
        "above/source/include",
        "above/source/work",
        "above/source/work/deep",
    ] {
        chmod(folder.path(), path, 0o755);
    }
    for path in ["kbuild/Makefile", "kbuild/stages/help", "kmod/glue.rs"] {
        chmod(folder.path(), &format!("above/source/{path}"), 0o644);
    }
    chmod(folder.path(), "above/source/include/shim.h", 0o644);
    folder
}

fn chmod(root: &Path, path: &str, mode: u32) {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(root.join(path), permissions).expect(path);
}

/// Builds from a folder in a source, with a make that leaves the file `made`.
fn build_in(root: &Path, arguments: &[&str]) -> Output {
    let make = format!("#!/bin/sh\n: >'{}'\n", root.join("made").display());
    script(root, "tools/make", &make);
    let _ = fs::remove_file(root.join("made"));
    let mut command = mdp2p(&["build", "--kernel", "7.3.4-x"]);
    command
        .args(arguments)
        .args(["--", "KDIR=/x"])
        .current_dir(root.join("above/source/work/deep"))
        .env_remove("SUDO_UID")
        .env("PATH", root.join("tools"));
    command.output().expect("mdp2p runs")
}

/// Whether this machine has a source that is preferred to the current folder.
fn has_package() -> bool {
    let names = fs::read_dir("/usr/src").into_iter().flatten().flatten();
    let ours = |name: &str| name.starts_with("md-p2p-");
    names
        .into_iter()
        .any(|it| it.file_name().to_str().is_some_and(ours))
}

#[test]
fn a_source_that_somebody_else_could_change_is_not_built() {
    if has_package() {
        return;
    }
    let whole = "above/source";
    for (path, mode, why) in [
        ("above/source/kbuild", 0o777, "every user may write"),
        ("above/source/kbuild", 0o775, "a group may write"),
        ("above/source/kbuild/Makefile", 0o664, "a group may write"),
        (
            "above/source/kbuild/stages/help",
            0o646,
            "every user may write",
        ),
        ("above/source/kmod", 0o777, "every user may write"),
        ("above/source/include/shim.h", 0o666, "every user may write"),
        // A sticky folder keeps others from replacing what is in it, and not from adding to it.
        (whole, 0o1777, "every user may write"),
        (whole, 0o757, "every user may write"),
        ("above", 0o777, "every user may write"),
        ("above", 0o770, "a group may write"),
    ] {
        let root = source();
        chmod(root.path(), path, mode);
        let place = format!("{}: ", root.path().join(path).display());
        let source = format!("--source {}", root.path().join(whole).display());
        let output = build_in(root.path(), &[]);
        refused(&output, &[&place, why, &source, "nothing was built"]);
        assert!(!root.path().join("made").exists(), "{path} {mode:o}");
        refused(&build_in(root.path(), &["--dry-run"]), &[&place]);
        // Its name is the user's word for it.
        let named = root.path().join(whole);
        let output = build_in(root.path(), &["--source", named.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(root.path().join("made").exists(), "{path} {mode:o}");
    }
}

#[test]
fn a_source_of_ours_is_built() {
    if has_package() {
        return;
    }
    // As /tmp is.
    for mode in [0o755, 0o700, 0o1777] {
        let root = source();
        chmod(root.path(), "above", mode);
        let output = build_in(root.path(), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(root.path().join("made").exists(), "{mode:o}");
    }
}

#[test]
fn a_link_is_followed_to_where_somebody_else_could_write() {
    if has_package() {
        return;
    }
    let root = source();
    put(root.path(), "elsewhere/sub/Kbuild", "");
    chmod(root.path(), "elsewhere", 0o755);
    chmod(root.path(), "elsewhere/sub", 0o755);
    chmod(root.path(), "elsewhere/sub/Kbuild", 0o644);
    let link = root.path().join("above/source/kmod/more");
    std::os::unix::fs::symlink(root.path().join("elsewhere/sub"), link).expect("a link");
    assert_eq!(build_in(root.path(), &[]).status.code(), Some(0));
    for (path, mode) in [
        ("elsewhere", 0o777),
        ("elsewhere/sub", 0o777),
        ("elsewhere/sub/Kbuild", 0o666),
    ] {
        chmod(root.path(), path, mode);
        let place = format!("{}: ", root.path().join(path).display());
        refused(&build_in(root.path(), &[]), &[&place]);
        chmod(root.path(), path, 0o755);
    }
}

#[test]
fn a_source_of_somebody_else_is_not_built_by_root() {
    if !privilege::is_root() || has_package() {
        return;
    }
    let give = |root: &Path, path: &str| {
        std::os::unix::fs::lchown(root.join(path), Some(65534), None).expect(path);
    };
    for path in [
        "above",
        "above/source",
        "above/source/kbuild",
        "above/source/kbuild/Makefile",
        "above/source/kmod/glue.rs",
    ] {
        let root = source();
        // Even if nobody can replace it.
        chmod(root.path(), "above", 0o1777);
        give(root.path(), path);
        let place = format!("{}: ", root.path().join(path).display());
        let output = build_in(root.path(), &[]);
        refused(&output, &[&place, "it belongs to user", "--source"]);
        assert!(!root.path().join("made").exists(), "{path}");

        // Who calls sudo may build what is theirs.
        let mut command = mdp2p(&["build", "--kernel", "7.3.4-x", "--dry-run", "--", "KDIR=/x"]);
        let output = command
            .current_dir(root.path().join("above/source/work/deep"))
            .env("SUDO_UID", "65534")
            .output()
            .expect("mdp2p runs");
        assert!(
            stdout(&output).starts_with("make -C "),
            "{}",
            stderr(&output)
        );
    }
}

/// Builds with `make` from `tools`.
fn build_with(tools: &Path) -> Output {
    let root = machine();
    let source = root.path().join("usr/src/md-p2p-0.9.0");
    let mut command = mdp2p(&["build", "--kernel", "7.3.4-x", "--source"]);
    command
        .arg(source)
        .args(["--", "KDIR=/x"])
        .env("PATH", tools);
    command.output().expect("mdp2p runs")
}

#[test]
fn what_make_says_and_how_it_ends_is_not_swallowed() {
    let tools = tempfile::tempdir().expect("a folder");
    script(
        tools.path(),
        "make",
        "#!/bin/sh\necho out \"$3\" \"$4\"\necho err >&2\nexit 7\n",
    );
    let output = build_with(tools.path());
    assert_eq!(output.status.code(), Some(7));
    assert!(
        stdout(&output).ends_with("\nout KVER=7.3.4-x KDIR=/x\n"),
        "{}",
        stdout(&output)
    );
    assert_eq!(stderr(&output), "err\n");
    script(tools.path(), "make", "#!/bin/sh\nkill -9 $$\n");
    assert_eq!(build_with(tools.path()).status.code(), Some(137));
}

#[test]
fn a_command_that_is_not_there_is_named_with_its_package() {
    let output = build_with(Path::new("/nonexistent"));
    let expected = "mdp2p: make: not found; install it: apt install make\n";
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(1), expected.to_owned())
    );
}

#[test]
fn load_names_what_it_loads_and_what_is_missing() {
    let root = machine();
    let output = on(root.path(), &["load", "--dry-run"]);
    assert_eq!(stdout(&output), "modprobe -a md-p2p\n");
    let output = on(
        root.path(),
        &["load", "--dry-run", "raid1", "raid5", "md-p2p"],
    );
    assert_eq!(
        stdout(&output),
        "modprobe -a md-p2p raid1-p2p raid456-p2p\n"
    );
    fs::remove_file(root.path().join(installed("raid456"))).expect("it was there");
    let output = on(root.path(), &["load", "--dry-run", "raid1", "raid6"]);
    refused(
        &output,
        &["not installed", "raid456-p2p", "sudo mdp2p module install"],
    );
}

#[test]
fn unload_stops_at_arrays() {
    let output = on(plant("switch").path(), &["unload", "--dry-run"]);
    refused(&output, &["md-p2p has arrays: md0", "mdp2p stop md0"]);
    let root = machine();
    let output = on(root.path(), &["unload", "--dry-run"]);
    assert_eq!(stdout(&output), "none of md-p2p's modules is loaded\n");
    load(root.path());
    let output = on(root.path(), &["unload", "--dry-run"]);
    assert_eq!(stdout(&output), "modprobe -r raid1-p2p md-p2p\n");
}

#[test]
fn sign_says_what_it_runs() {
    let root = machine();
    let at = |path: &str| root.path().join(path).display().to_string();
    let dry = ["sign", "--dry-run"];
    let lines = stdout(&on(root.path(), &dry));
    // One module is signed already.
    assert_eq!(lines.lines().count(), 5, "{lines}");
    let expected = [
        at(&format!("lib/modules/{RELEASE}/build/scripts/sign-file")),
        "sha512".into(),
        at("var/lib/dkms/mok.key"),
        at("var/lib/dkms/mok.pub"),
        at(&installed("linear")),
    ];
    assert_eq!(lines.lines().next(), Some(expected.join(" ").as_str()));
    put(root.path(), "a", "");
    let mine = at("a");
    let lines = stdout(&on(
        root.path(),
        &["sign", "--dry-run", "--key", &mine, "--certificate", &mine],
    ));
    assert!(lines.contains(&format!(" {mine} {mine} ")), "{lines}");
}

#[test]
fn sign_says_what_is_missing() {
    let root = machine();
    let dry = ["sign", "--dry-run"];
    fs::remove_file(root.path().join("var/lib/dkms/mok.pub")).expect("it was there");
    refused(
        &on(root.path(), &dry),
        &["mok.pub", "--certificate", "openssl req"],
    );
    let tool = format!("lib/modules/{RELEASE}/build/scripts/sign-file");
    fs::remove_file(root.path().join(tool)).expect("it was there");
    refused(
        &on(root.path(), &dry),
        &[&format!("apt install linux-headers-{RELEASE}")],
    );
    put(root.path(), &format!("{}.zst", installed("raid0")), "");
    refused(&on(root.path(), &dry), &["raid0-p2p.ko.zst", "compressed"]);
    fs::remove_dir_all(root.path().join(format!("lib/modules/{RELEASE}/updates"))).expect("there");
    refused(
        &on(root.path(), &dry),
        &["no module of md-p2p is installed", "mdp2p module install"],
    );
}

/// This calls the library, because the program changes nothing below a folder.
#[test]
fn sign_leaves_all_signed() {
    let root = machine();
    let sysroot = Sysroot::at(root.path()).expect("a machine");
    let verb = ModuleVerb::Sign {
        kernel: None,
        key: None,
        certificate: None,
        dry_run: false,
    };
    let result = Module { verb }.run(&sysroot);
    if !privilege::is_root() {
        let error = result.expect_err("not root").to_string();
        assert!(error.contains("only root can sign modules"), "{error}");
        return;
    }
    assert_eq!(result.expect("signed"), 0);
    let status = status(root.path(), &[]);
    let modules = status["modules"].as_array().expect("modules");
    assert!(
        modules
            .iter()
            .all(|module| module["installed"][0]["signed"] == true),
        "{status:#}"
    );
    let raid1 = fs::read_to_string(root.path().join(installed("raid1"))).expect("a module");
    assert_eq!(raid1, SIGNED, "signed once");
}

/// The environment variable that has the machine of [`load_as_a_program`].
const MACHINE: &str = "MDP2P_TEST_MACHINE";

/// Loads md-p2p with a modprobe that [`load_says_how_it_went`] has made.
#[test]
#[ignore = "a part of another test"]
fn load_as_a_program() {
    let root = std::env::var_os(MACHINE).expect("a machine");
    let sysroot = Sysroot::at(Path::new(&root)).expect("a machine");
    let verb = ModuleVerb::Load {
        modules: Vec::new(),
        dry_run: false,
    };
    match (Module { verb }).run(&sysroot) {
        Ok(status) => println!("status {status}"),
        Err(error) => println!("error {error:#}"),
    }
}

#[test]
fn load_says_how_it_went() {
    if !privilege::is_root() {
        return;
    }
    let tools = tempfile::tempdir().expect("a folder");
    let root = machine();
    let load = |modprobe: &str| {
        script(
            tools.path(),
            "modprobe",
            &format!("#!/bin/sh\n{modprobe}\n"),
        );
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["load_as_a_program", "--exact", "--ignored", "--nocapture"])
            .env("PATH", format!("{}:/usr/bin:/bin", tools.path().display()))
            .env(MACHINE, root.path())
            .output()
            .expect("this test runs");
        stdout(&output)
    };
    let said = load("exit 3");
    assert!(
        said.contains("error modprobe failed with status 3"),
        "{said}"
    );
    let said = load("exit 0");
    assert!(
        said.contains("error modprobe reported success, but md-p2p is not loaded"),
        "{said}"
    );
    let said = load(r#"[ "$*" = "-a md-p2p" ] && mkdir -p $MDP2P_TEST_MACHINE/sys/module/md_p2p"#);
    assert!(
        said.contains("md-p2p: sole") && said.contains("status 0"),
        "{said}"
    );
    let said = load("mkdir -p $MDP2P_TEST_MACHINE/proc/mdstat-p2p");
    assert!(
        said.contains("md-p2p: beside") && said.contains("mdp2p mdadm --"),
        "{said}"
    );
}

#[test]
fn who_is_not_root_changes_nothing() {
    for verb in ["install", "load", "unload", "sign"] {
        let (_folder, mut command) = nobody::mdp2p();
        let output = command.args(["module", verb]).output().expect("mdp2p runs");
        let what = format!("only root can {verb} modules: run it with sudo");
        refused(&output, &[&what]);
    }
}

#[test]
fn another_machine_is_not_changed() {
    let root = machine();
    for verb in ["build", "install", "load", "unload", "sign"] {
        refused(&on(root.path(), &[verb]), &["--sysroot"]);
    }
}

#[test]
fn a_usage_error_ends_with_2() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["build", "--help"], 0),
        (&["sign", "--help"], 0),
        (&[], 2),
        (&["what"], 2),
        (&["status", "--unknown"], 2),
        (&["status", "--kernel"], 2),
        (&["status", "--kernel", "../.."], 2),
        (&["build", "KDIR=/x"], 2),
        (&["load", "md-mod"], 2),
        (&["sign", "--key", "/x"], 2),
    ] {
        let output = mdp2p(arguments).output().expect("mdp2p runs");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let told = if code == 0 {
            &output.stdout
        } else {
            &output.stderr
        };
        assert!(!told.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_who_goes_is_no_error() {
    let root = machine();
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["load", "--dry-run"],
    ] {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        drop(theirs);
        let output = mdp2p(arguments)
            .arg("--sysroot")
            .arg(root.path())
            .stdout(Stdio::from(OwnedFd::from(ours)))
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|child| child.wait_with_output())
            .expect("mdp2p runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn status_says_what_was_not_captured() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("sys")).expect("sys");
    let told = || on(root.path(), &["status"]);
    refused(
        &told(),
        &["osrelease is not among the files of this machine"],
    );
    put(root.path(), "proc/sys/kernel/osrelease", RELEASE);
    let output = told();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for what in [
        "lib/modules or usr/lib/modules",
        "proc/modules or sys/module",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
}
