// SPDX-License-Identifier: GPL-2.0
//! Tests `mdp2p capture`, and `--sysroot` with what it has written.

mod common;

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{plant, put};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use liblzma::read::XzDecoder;
use liblzma::write::XzEncoder;
use mdp2p::archive::{pack, unpack_into};
use mdp2p::signals::{self, Held};
use mdp2p_machine::capture::Entry;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tar::{EntryType, Header};
use tempfile::TempDir;

const RELEASE: &str = "7.3.4+deb13-amd64";
const UUID: &str = "3a344e36-cc38-c2c0-16b6-a6ba3c2c9491";

fn mdp2p(root: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
        .arg("--sysroot")
        .arg(root)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("mdp2p starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().expect("a status");
    (status, text(&output.stdout), text(&output.stderr))
}

fn unpack(file: &Path) -> anyhow::Result<TempDir> {
    let held = Held::hold().expect("signals");
    Ok(mdp2p::archive::unpack(file, held)?.0)
}

/// Returns a captured machine with what mdp2p reads beside sysfs.
fn machine(tree: &str) -> TempDir {
    let root = plant(tree);
    let at = root.path();
    for (number, link) in fs::read_dir(at.join("dev/md"))
        .into_iter()
        .flatten()
        .enumerate()
    {
        // The names that capture gives.
        let link = link.expect("a link").path();
        fs::rename(&link, link.with_file_name(format!("name{}", number + 1))).expect("a name");
    }
    put(at, "proc/sys/kernel/osrelease", RELEASE);
    put(
        at,
        &format!("boot/config-{RELEASE}"),
        "CONFIG_RUST=y\nCONFIG_PCI_P2PDMA=y\n",
    );
    let modules = format!("usr/lib/modules/{RELEASE}");
    put(
        at,
        &format!("{modules}/updates/dkms/md-p2p.ko"),
        "ELF~Module signature appended~\n",
    );
    put(at, &format!("{modules}/extra/raid1-p2p.ko"), "ELF");
    put(
        at,
        &format!("{modules}/modules.dep"),
        "kernel/a.ko:\nextra/raid1-p2p.ko:\n",
    );
    put(
        at,
        &format!("usr/src/linux-headers-{RELEASE}/.config"),
        "CONFIG_RUST=y\n",
    );
    let headers = format!("/usr/src/linux-headers-{RELEASE}");
    symlink(headers, at.join(&modules).join("build")).expect("a link");
    symlink("usr/lib", at.join("lib")).expect("a link");
    put(at, "usr/sbin/mdadm", "ELF");
    put(at, "sys/firmware/acpi/x", "");
    put(at, "etc/md-p2p/enrolled/none", "");
    root
}

/// Captures a machine, and returns the archive's folder.
fn capture(root: &Path, words: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("machine.tar.xz");
    let words = [&["capture", file.to_str().expect("a path")], words].concat();
    let (status, out, err) = mdp2p(root, &words);
    assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
    folder
}

#[test]
fn all_that_commands_read_is_taken() {
    for tree in [
        "arrays",
        "paths",
        "iommu",
        "machines/08-vmd-switch-mpath-vroc",
        "machines/17-synology-and-reshape-slots",
        "machines/02-gpu-p2pmem-unpublished-running",
    ] {
        let root = machine(tree);
        let archive = capture(root.path(), &["--with-serials"]);
        let file = archive.path().join("machine.tar.xz");
        let array = fs::read_dir(root.path().join("sys/block"))
            .into_iter()
            .flatten()
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a name")
            })
            .find(|name| root.path().join(format!("sys/block/{name}/md")).exists());
        let detail = array.as_deref().map(|array| ["detail", array, "--json"]);
        let commands = [
            &["topology", "--all", "--json"][..],
            &["doctor", "--json"],
            &["list", "--json"],
            &["stats", "--json"],
            &["module", "status", "--json"],
            &["enroll"],
        ];
        for words in commands
            .into_iter()
            .chain(detail.as_ref().map(|words| &words[..]))
        {
            let (there, here) = (mdp2p(root.path(), words), mdp2p(&file, words));
            assert_eq!(there.0, here.0, "{tree}: {words:?}: {}", here.2);
            assert_eq!(there.1, here.1, "{tree}: {words:?}");
        }
    }
}

/// Returns all paths, targets and contents in an archive.
fn everything(file: &Path) -> String {
    let mut bytes = Vec::new();
    io::copy(
        &mut XzDecoder::new(File::open(file).expect("a file")),
        &mut bytes,
    )
    .expect("xz");
    String::from_utf8_lossy(&bytes).to_lowercase()
}

#[test]
fn nothing_that_identifies_somebody_is_taken() {
    for tree in ["split", "machines/08-vmd-switch-mpath-vroc"] {
        let root = machine(tree);
        let at = root.path();
        let drives = fs::read_dir(at.join("sys/class/nvme")).expect("drives");
        let nvme = drives
            .map(|entry| entry.expect("a drive").path())
            .min()
            .expect("one");
        put(&nvme, "serial", "SECRET1\n");
        put(&nvme, "subsysnqn", "nqn.secret2\n");
        put(
            at,
            "proc/cmdline",
            "root=UUID=secret3 iommu=pt ip=secret4 pci=noaer\n",
        );
        put(
            at,
            "proc/self/mountinfo",
            "1 1 259:0 / /home/secret5 rw - ext4 /dev/mapper/secret6 rw,secret7\n\
             2 1 0:9 / /mnt rw - nfs secret8:/x rw\n3 1 259:0 / /home/secret5 rw - ext4 /dev/nvme0n1 rw\n\
             4 1 0:9 / /run/media/secret29 rw - fuse.secret30 secret31 rw\n\
             5 1 9:9 / /nix rw - ext4 /dev/md_secret18 rw\n",
        );
        put(
            at,
            "proc/swaps",
            "Filename Type\n/home/secret9/swap file 1 0 -2\n/dev/md_secret18 partition 1 0 -2\n",
        );
        put(
            at,
            "proc/cpuinfo",
            "flags\t: a\nserial\t: secret10\n\nflags\t: secret11\n",
        );
        put(at, "sys/class/block/dm-0/dm/name", "secret12\n");
        put(at, "sys/class/block/dm-0/dm/uuid", "secret13\n");
        put(at, "boot/config-secret14", "CONFIG_X=y\n");
        let config = "CONFIG_DEFAULT_HOSTNAME=\"secret15\"\n# secret16\nCONFIG_RUST=y\n\
                      CONFIG_CMDLINE=\"key=secret22\"\nCONFIG_SYSTEM_TRUSTED_KEYS=\"/home/secret23\"\n";
        put(at, &format!("boot/config-{RELEASE}"), config);
        put(at, "etc/hostname", "secret17\n");
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(config.as_bytes()).expect("gzip");
        put(at, "proc/config.gz", gz.finish().expect("gzip"));
        // A kernel of somebody's own, and an mdadm.
        put(at, "home/secret24/linux/.config", config);
        let build = at.join(format!("usr/lib/modules/{RELEASE}/build"));
        fs::create_dir_all(build.parent().expect("a folder")).expect("a folder");
        let _ = fs::remove_file(&build);
        symlink("/home/secret24/linux", build).expect("a link");
        put(at, "home/secret25/mdadm", "");
        fs::create_dir_all(at.join("usr/local/sbin")).expect("a folder");
        symlink(
            "../../../home/secret25/mdadm",
            at.join("usr/local/sbin/mdadm"),
        )
        .expect("a link");
        fs::create_dir_all(at.join("etc/md-p2p/enrolled")).expect("a folder");
        let lock = at.join(format!("etc/md-p2p/enrolled/.#{UUID}"));
        symlink("secret26@secret27.1234:17", lock).expect("a link");
        let secret = "md_mod 1 0 - Live 0xffffffffc0a12000\n";
        put(at, "proc/modules", secret);
        let refused = format!("var/cache/md-p2p/{RELEASE}/refused");
        put(
            at,
            &refused,
            "see /home/secret28/log and /usr/src/x '/home/secret32/x' (KSRC=/home/secret33/x) \
             BUILD=/srv/secret34 \"/srv/a dir/secret35\" a:/var/home/secret36:b drivers/md/md.c\n",
        );
        put(at, "sys/class/block/md_secret18/dev", "9:9\n");
        put(at, "home/secret37/x", "");
        put(
            at,
            "sys/block/md_secret18/md/metadata_version",
            "external:imsm\n",
        );
        put(
            at,
            "sys/block/md77/md/metadata_version",
            "external:/md_secret18/0\n",
        );
        put(at, "sys/block/md77/md/level", "raid1\n");
        let enrolled = format!("etc/md-p2p/enrolled/{UUID}");
        put(
            at,
            &enrolled,
            "MD_P2P_NUMBER=3\nMD_DEVNAME=secret18\n# secret19\n",
        );
        put(at, "sys/block/md_secret18/md/level", "raid1\n");
        put(at, "sys/block/md_secret18/md/uuid", UUID);
        put(at, "sys/block/md_secret18/md/dev-nvme0n1/slot", "0\n");
        fs::create_dir_all(at.join("dev/md")).expect("a folder");
        symlink("../md_secret18", at.join("dev/md/secret18")).expect("a link");
        let signed = "secret20~Module signature appended~\n";
        put(
            at,
            &format!("usr/lib/modules/{RELEASE}/updates/dkms/md-p2p.ko"),
            signed,
        );
        let address = fs::read_dir(at.join("sys/bus/pci/devices")).expect("devices");
        let device = address
            .map(|entry| entry.expect("a device").path())
            .min()
            .expect("one");
        let mut space = vec![0; 4096];
        // Two serial numbers; the first names the place of the second.
        space[0x100..0x104].copy_from_slice(&[0x03, 0, 0x01, 0x14]);
        space[0x104..0x10c].copy_from_slice(b"secret21");
        space[0x140..0x144].copy_from_slice(&[0x03, 0, 0x01, 0]);
        space[0x144..0x14c].copy_from_slice(b"secret38");
        fs::write(device.join("config"), space).expect("config space");

        let archive = capture(at, &[]);
        let all = everything(&archive.path().join("machine.tar.xz"));
        assert!(
            !all.contains("c0a12000"),
            "{tree}: an address of the kernel"
        );
        for secret in (1..=40).map(|number| format!("secret{number}")) {
            assert!(!all.contains(&secret), "{tree}: {secret}");
        }
        assert!(
            !all.contains("secret") && !all.contains(&UUID[..8]),
            "{tree}"
        );
        let unpacked = unpack(&archive.path().join("machine.tar.xz")).expect("an archive");
        let packed = File::open(unpacked.path().join("proc/config.gz")).expect("options");
        let mut options = String::new();
        GzDecoder::new(packed)
            .read_to_string(&mut options)
            .expect("gzip");
        assert_eq!(options, "CONFIG_RUST=y", "{tree}");
        for kept in [
            "iommu=pt pci=noaer",
            "config_rust=y",
            "serial1",
            "/mount1 rw - ext4",
            "local/sbin/mdadm",
            "/path and /usr/src/x '/path' (ksrc=/path) build=/path",
            "drivers/md/md.c",
            "/dev/md_name",
            "/nix rw - ext4 /dev/md_name",
        ] {
            assert!(all.contains(kept), "{tree}: {kept}");
        }
        // Names still lead where they led.
        let file = archive.path().join("machine.tar.xz");
        let (_, list, _) = mdp2p(&file, &["list"]);
        let name = list
            .split_whitespace()
            .find_map(|word| word.strip_prefix("md_"));
        let name = name.unwrap_or_else(|| panic!("{tree}: {list}"));
        let (status, out, err) = mdp2p(&file, &["detail", name]);
        assert!(
            status == 0 && out.contains(&format!("md_{name}")),
            "{tree}: {out}{err}"
        );
        let archive = capture(at, &["--with-serials"]);
        let all = everything(&archive.path().join("machine.tar.xz"));
        assert!(
            all.contains("secret1\n") && all.contains("secret21"),
            "{tree}"
        );
        assert!(!all.contains("secret18"), "{tree}");
    }
}

#[test]
fn a_file_is_written_once_and_for_its_owner() {
    let root = machine("arrays");
    let archive = capture(root.path(), &[]);
    let file = archive.path().join("machine.tar.xz");
    let path = file.to_str().expect("a path");
    let mode = fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&file, "mine").expect("a file");
    let (status, _, err) = mdp2p(root.path(), &["capture", path]);
    assert!(status == 1 && err.contains("--overwrite"), "{err}");
    assert_eq!(fs::read(&file).expect("a file"), b"mine");
    let (status, out, err) = mdp2p(root.path(), &["capture", path, "--dry-run"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(
        out.contains("sys/bus/pci/devices/0000:03:00.0 -> "),
        "{out}"
    );
    assert!(out.contains("boot/config-7.3.4+deb13-amd64  "), "{out}");
    assert_eq!(fs::read(&file).expect("a file"), b"mine");
    let (status, _, err) = mdp2p(root.path(), &["capture", path, "--overwrite"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(mdp2p(&file, &["list"]), mdp2p(root.path(), &["list"]));
    let (status, _, err) = mdp2p(root.path(), &["capture", "/no/such/folder/x"]);
    assert!(status == 1 && err.contains("/no/such/folder"), "{err}");
    // What cannot be read is said, and the rest is taken.
    let cmdline = root.path().join("proc/cmdline");
    let _ = fs::remove_file(&cmdline);
    symlink("cmdline", &cmdline).expect("a link");
    let (status, _, err) = mdp2p(root.path(), &["capture", path, "--overwrite"]);
    assert_eq!((status, err.as_str()), (0, ""), "a link that leads nowhere");
    fs::remove_file(&cmdline).expect("removed");
    let large = File::create(&cmdline).expect("a file");
    large.set_len(1 << 30).expect("a size");
    let (status, _, err) = mdp2p(root.path(), &["capture", path, "--overwrite"]);
    assert!(
        status == 1 && err.contains("warning") && err.contains("proc/cmdline"),
        "{err}"
    );
    assert_eq!(mdp2p(&file, &["list"]).0, 0);
}

/// Makes an archive of entries: a kind, a path as it is, a target or a content.
fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, path, what) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.as_gnu_mut().expect("a header").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_mode(0o777);
        let content = match kind {
            EntryType::Regular => what.as_bytes(),
            _ => {
                header.as_gnu_mut().expect("a header").linkname[..what.len()]
                    .copy_from_slice(what.as_bytes());
                &[]
            }
        };
        header.set_size(content.len() as u64);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    packed(&tar)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut xz = XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).expect("xz");
    xz.finish().expect("xz")
}

#[test]
fn an_archive_of_a_stranger_is_unpacked_nowhere_else() {
    use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    let outside = tempfile::tempdir().expect("a folder");
    let there = outside.path().to_str().expect("a path");
    let absolute = format!("{there}/file");
    let deep = "a/".repeat(49);
    for (entries, why) in [
        (
            &[(Regular, absolute.as_str(), "x")][..],
            "out of the archive",
        ),
        (&[(Regular, "../file", "x")], "out of the archive"),
        (&[(Regular, "sys/../../file", "x")], "out of the archive"),
        (&[(Directory, "../folder", "")], "out of the archive"),
        (&[(Symlink, "../link", there)], "out of the archive"),
        (
            &[(Symlink, "sys", there), (Regular, "sys/file", "x")],
            "File exists",
        ),
        (
            &[(Symlink, "sys", there), (Directory, "sys/folder", "")],
            "File exists",
        ),
        (
            &[(Symlink, "sys", there), (Symlink, "sys/link", "/")],
            "lies behind",
        ),
        (
            &[(Regular, "file", "x"), (Regular, "file", "y")],
            "File exists",
        ),
        (&[(Link, "file", "/etc/passwd")], "neither"),
        (&[(Char, "null", "")], "neither"),
        (&[(Block, "disk", "")], "neither"),
        (&[(Fifo, "pipe", "")], "neither"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let error = unpack_into(folder.path(), &archive(entries)[..]).expect_err(why);
        assert!(format!("{error:#}").contains(why), "{entries:?}: {error:#}");
        let left = fs::read_dir(outside.path()).expect("a folder").count();
        assert_eq!(left, 0, "{entries:?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    assert!(unpack_into(folder.path(), &archive(&[(Regular, &deep, "x")])[..]).is_ok());
    // A link that leads out is only a link: whoever reads it stays in the folder.
    let bytes = archive(&[(Directory, "sys/block", ""), (Symlink, "dev", there)]);
    let file = outside.path().join("archive");
    fs::write(&file, bytes).expect("a file");
    assert_eq!(mdp2p(&file, &["list"]).0, 0);
}

#[test]
fn what_is_no_archive_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("archive");
    let whole = archive(&[(EntryType::Directory, "sys", "")]);
    // 300 MiB of zeros are 45 KB.
    let bomb = {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_path("sys/x").expect("a path");
        header.set_size(300 << 20);
        header.set_cksum();
        let mut xz = XzEncoder::new(Vec::new(), 0);
        xz.write_all(header.as_bytes()).expect("xz");
        io::copy(&mut Read::take(io::repeat(0), 300 << 20), &mut xz).expect("xz");
        xz.finish().expect("xz")
    };
    for (what, bytes) in [
        ("nothing", &b""[..]),
        ("text", b"sys/block\n"),
        ("half", &whole[..whole.len() / 2]),
        ("no tar", &packed(b"hello, world")),
        ("a bomb", &bomb),
    ] {
        fs::write(&file, bytes).expect("a file");
        let (status, out, err) = mdp2p(&file, &["list"]);
        assert_eq!((status, out.as_str()), (1, ""), "{what}");
        let path = file.display().to_string();
        assert!(
            err.starts_with(&format!("mdp2p: {path}: ")),
            "{what}: {err}"
        );
    }
    fs::write(&file, &whole).expect("a file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("permissions");
    // What was unpacked is gone at the end.
    let temporary = tempfile::tempdir().expect("a folder");
    let status = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
        .env("TMPDIR", temporary.path())
        .arg("--sysroot")
        .arg(&file)
        .arg("topology")
        .status();
    assert!(status.expect("mdp2p starts").success());
    assert_eq!(fs::read_dir(temporary.path()).expect("a folder").count(), 0);
}

/// What was unpacked does not stay, whatever ends the program.
#[test]
fn a_signal_leaves_nothing_of_an_archive() {
    let root = plant("arrays");
    let archive = capture(root.path(), &[]);
    let file = archive.path().join("machine.tar.xz");
    let place = tempfile::tempdir().expect("a folder");
    let left = || fs::read_dir(place.path()).expect("a folder").count();
    for signal in signals::ending().iter() {
        let mut watch = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
            .env("TMPDIR", place.path())
            .arg("--sysroot")
            .arg(&file)
            .args(["stats", "--watch", "1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mdp2p starts");
        let out = watch.stdout.as_mut().expect("a pipe");
        out.read_exact(&mut [0]).expect("something");
        assert_eq!(left(), 1);
        let pid = watch.id().try_into().expect("a number");
        kill(Pid::from_raw(pid), signal).expect("it runs");
        let ended = watch.wait().expect("it ends").signal();
        assert_eq!((ended, left()), (Some(signal as i32), 0), "{signal}");
    }
}

#[test]
fn messages_name_the_archive_and_not_where_it_was_unpacked() {
    let root = plant("arrays");
    put(root.path(), "sys/block/md0/md/raid_disks", "many\n");
    let archive = capture(root.path(), &[]);
    let file = archive.path().join("machine.tar.xz");
    let place = tempfile::tempdir().expect("a folder");
    let unpacked = place.path().display().to_string();
    for words in [
        &["list"][..],
        &["detail", "md0"],
        &["detail", "nobody"],
        &["topology"],
        &["doctor"],
        &["stats"],
        &["module", "status"],
        &["create", "--dry-run", "/dev/md7"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
            .env("TMPDIR", place.path())
            .arg("--sysroot")
            .arg(&file)
            .args(words)
            .output()
            .expect("mdp2p starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!said.contains(&unpacked), "{words:?}: {said}");
        if words[0] == "list" {
            let named = format!("{}/sys/block/md0/md/raid_disks", file.display());
            assert!(said.contains(&named), "{said}");
        }
    }
}

/// A signal that is ignored, as nohup has it, ends nothing and removes nothing.
#[test]
fn an_ignored_signal_changes_nothing() {
    let root = plant("arrays");
    let archive = capture(root.path(), &[]);
    let place = tempfile::tempdir().expect("a folder");
    let script = format!(
        "trap '' HUP; exec '{}' --sysroot machine.tar.xz stats --watch 1",
        env!("CARGO_BIN_EXE_mdp2p")
    );
    let mut watch = Command::new("sh")
        .args(["-c", &script])
        .current_dir(archive.path())
        .env("TMPDIR", place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("mdp2p starts");
    let mut out = watch.stdout.take().expect("a pipe");
    out.read_exact(&mut [0]).expect("something");
    let pid = Pid::from_raw(watch.id().try_into().expect("a number"));
    kill(pid, Signal::SIGHUP).expect("it runs");
    // Two more seconds of its output.
    out.read_exact(&mut [0; 150]).expect("more");
    assert!(watch.try_wait().expect("it runs").is_none());
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 1);
    kill(pid, Signal::SIGTERM).expect("it runs");
    assert_eq!(watch.wait().expect("it ends").signal(), Some(15));
    assert_eq!(fs::read_dir(place.path()).expect("a folder").count(), 0);
}

#[test]
fn an_archive_that_takes_long_can_be_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let entries = (0..20_000).map(|number| {
        let path = format!("{}/{number}", "d/".repeat(30));
        (path.into(), Entry::Link("x".into()))
    });
    let mut packed = Vec::new();
    pack(&mut packed, &entries.collect()).expect("an archive");
    fs::write(folder.path().join("x.tar.xz"), packed).expect("a file");
    let place = tempfile::tempdir().expect("a folder");
    let mut list = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
        .args(["--sysroot", "x.tar.xz", "list"])
        .current_dir(folder.path())
        .env("TMPDIR", place.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("mdp2p starts");
    let left = || fs::read_dir(place.path()).expect("a folder").count();
    while left() == 0 && list.try_wait().expect("it runs").is_none() {}
    let pid = Pid::from_raw(list.id().try_into().expect("a number"));
    kill(pid, Signal::SIGINT).expect("it runs");
    assert_eq!(list.wait().expect("it ends").signal(), Some(2));
    assert_eq!(left(), 0);
}

#[test]
fn only_files_are_replaced_and_a_dash_is_standard_output() {
    let root = plant("arrays");
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let words =
        |file: &Path| ["capture", "--overwrite", &file.display().to_string()].map(str::to_owned);
    let (status, _, err) = mdp2p(root.path(), &words(&pipe).each_ref().map(|it| &**it));
    assert!(status == 1 && err.contains("no regular file"), "{err}");
    assert!(
        fs::symlink_metadata(&pipe)
            .expect("it is there")
            .file_type()
            .is_fifo()
    );
    let output = Command::new(env!("CARGO_BIN_EXE_mdp2p"))
        .arg("--sysroot")
        .arg(root.path())
        .args(["capture", "-"])
        .current_dir(folder.path())
        .output()
        .expect("mdp2p starts");
    fs::write(folder.path().join("x.tar.xz"), output.stdout).expect("a file");
    let (status, out, err) = mdp2p(&folder.path().join("x.tar.xz"), &["list"]);
    assert!(status == 0 && out.contains("md0"), "{out}{err}");
    assert!(!folder.path().join("-").exists());
}

/// What stands on an array is seen in a capture too: a filesystem on several devices, a volume.
#[test]
fn advice_about_a_capture_is_that_about_the_machine() {
    let root = plant("arrays");
    let at = root.path();
    put(at, "sys/class/block/md127/dev", "9:127\n");
    put(at, "sys/block/md127/md/sync_action", "idle\n");
    put(at, "sys/class/block/sda1/dev", "8:1\n");
    for device in ["md127", "sda1"] {
        put(at, &format!("sys/fs/btrfs/{UUID}/devices/{device}"), "");
    }
    let mounts = "36 1 0:41 / / rw - btrfs /dev/sda1 rw\n";
    put(at, "proc/self/mountinfo", mounts);
    let advice = |at: &Path| mdp2p(at, &["detail", "md127"]).1;
    let told = advice(at);
    assert!(told.contains("holds the root filesystem"), "{told}");
    let archive = capture(at, &[]);
    let file = archive.path().join("machine.tar.xz");
    assert!(advice(&file).contains("holds the root filesystem"));
    assert!(!everything(&file).contains(&UUID[..8]));
    let volume = "LVM-secret";
    put(at, "sys/class/block/dm-0/dm/uuid", volume);
    put(at, "sys/class/block/dm-0/dm/name", "secret");
    let archive = capture(at, &[]);
    let all = everything(&archive.path().join("machine.tar.xz"));
    assert!(!all.contains("secret"));
    assert!(all.contains("lvm-\n"));
}
