// SPDX-License-Identifier: GPL-2.0
//! Whatever bytes others write, the parsers end, and without a panic. `PROPTEST_CASES` says how many
//! are tried; the soak's source `foreign` tries them for a minute each.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use mdp2p::archive::{pack, unpack_into};
use mdp2p::commands::incremental::member::Member;
use mdp2p_machine::block::contents::{self, Contents};
use mdp2p_machine::block::users;
use mdp2p_machine::capture::{self, Entry};
use mdp2p_machine::kernel::config::Options;
use mdp2p_machine::kernel::{modules, release, secure_boot};
use mdp2p_machine::md::array::Array;
use mdp2p_machine::md::uuid::Uuid;
use mdp2p_machine::pci::config;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::pci::ids;
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::testing::put;
use mdp2p_machine::text;
use proptest::prelude::*;
use tempfile::TempDir;

/// Lines as they are in such files, and others.
fn lines() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[0-9a-f]{1,16}",
        "0x[0-9a-f]{1,17}",
        "-?[0-9]{1,21}",
        "[a-z_]{1,8}[:=]?",
        Just("md_p2p".to_owned()),
        Just("updates/dkms/md-p2p.ko:".to_owned()),
        Just("0000:03:00.0".to_owned()),
        Just("unreachable".to_owned()),
        Just("\\040".to_owned()),
        Just("- ".to_owned()),
        Just("9:1".to_owned()),
        Just("CONFIG_X=\"".to_owned()),
        Just("pci:v00008086d000029C0sv00001AF4sd00001100bc06sc00i00".to_owned()),
        any::<String>(),
    ];
    let line = prop::collection::vec(word, 0..8).prop_map(|words| words.join(" "));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

/// Lines `KEY=VALUE`, as mdadm and blkid print them, some of them broken.
fn pairs() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        "MD_(UUID|LEVEL|DEVNAME)",
        "(TYPE|PTTYPE|LABEL|DEVNAME|PART_ENTRY_UUID)",
        any::<String>(),
    ];
    let value = prop_oneof![
        "[0-9a-f]{8}(:[0-9a-f]{8}){3}",
        "raid(0|1|5|6|10)|linear|ext4|gpt",
        any::<String>(),
    ];
    let line = (key, "=?", value).prop_map(|(key, is, value)| format!("{key}{is}{value}"));
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

/// Config space with heads of capabilities in it.
fn space() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        Just(0_usize),
        Just(64),
        Just(256),
        Just(4096),
        0..4200_usize
    ];
    let heads = prop::collection::vec((any::<u16>(), any::<u32>(), 0..0x30_u8), 0..64);
    (size, heads).prop_map(|(size, heads)| {
        let mut space = vec![0; size];
        for (at, word, id) in heads {
            let at = (usize::from(at) % size.max(1)) & !3;
            if let Some(bytes) = space.get_mut(at..at + 4) {
                bytes.copy_from_slice(&((word & !0xff) | u32::from(id)).to_le_bytes());
            }
        }
        space
    })
}

/// Makes a machine whose files hold a text.
fn machine(text: &str) -> (TempDir, Sysroot) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    for file in [
        "sys/bus/pci/devices/0000:03:00.0/modalias",
        "sys/bus/pci/devices/0000:03:00.0/resource",
        "sys/bus/pci/devices/0000:03:00.0/p2pmem/size",
        "proc/cpuinfo",
        "proc/cmdline",
        "proc/modules",
        "proc/swaps",
        "proc/self/mountinfo",
        "proc/sys/kernel/osrelease",
        "boot/config-7.3",
        "lib/modules/7.3/modules.dep",
        "lib/modules/7.3/updates/md-p2p.ko",
        "usr/share/misc/pci.ids",
    ] {
        put(at, file, text);
    }
    for file in [
        "level",
        "raid_disks",
        "degraded",
        "chunk_size",
        "sync_action",
        "sync_completed",
        "p2pdma_state",
        "p2pdma_reason",
        "p2pdma_provider",
        "uuid",
        "dev-nvme0n1/slot",
        "dev-nvme0n1/state",
        "dev-nvme0n1/p2pdma_distance",
    ] {
        put(at, &format!("sys/block/md0/md/{file}"), text);
    }
    put(at, "sys/class/block/nvme0n1/dev", "259:0");
    let sysroot = Sysroot::at(at).expect("a machine");
    (folder, sysroot)
}

/// Holds a program that answers with what its last argument, a file, holds.
static ANSWERS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "#!/bin/sh\nfor file; do :; done\ncat \"$file\"\n";
    put(folder.path(), "program", script);
    let executable = Permissions::from_mode(0o755);
    fs::set_permissions(folder.path().join("program"), executable).expect("a program");
    folder
});

/// Returns how many are tried: few, because the files of a machine take a while.
fn few() -> ProptestConfig {
    let said = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig::with_cases(said.and_then(|cases| cases.parse().ok()).unwrap_or(64))
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn config_space(space in space()) {
        let word = |at: usize| {
            let word = space.get(at..at + 2)?.try_into().ok()?;
            Some(u16::from_le_bytes(word))
        };
        let _ = config::port_type(word);
        let _ = config::acs(word);
        let _ = config::possible_bar_size(&space);
        let length = space.len();
        prop_assert_eq!(config::without_serial(space).len(), length);
    }

    #[test]
    fn files_of_a_machine(text in lines()) {
        let (_folder, sysroot) = machine(&text);
        let tolerant = sysroot.tolerant();
        prop_assert!(Devices::read(&tolerant).is_ok());
        let _ = Devices::read(&sysroot);
        let _ = Array::read(&sysroot, "md0");
        let _ = users::of(&sysroot, "nvme0n1");
        let _ = release::running(&sysroot);
        let _ = Options::read(&sysroot, "7.3");
        let _ = modules::loaded(&sysroot);
        let _ = modules::preferred(&sysroot, "7.3");
        let _ = secure_boot::is_secure(&sysroot);
        let _ = ids::find(&sysroot, &[(0x8086, 0x29c0)].into());
        let _ = text.parse::<Uuid>();
        prop_assert!(capture::take(&tolerant, false).is_ok());
    }

    #[test]
    fn answers_of_programs(text in pairs()) {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "device", &text);
        let device = folder.path().join("device");
        let program = ANSWERS.path().join("program");
        let harmless = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');

        let member = Member::of(&program, &device);
        let says = |line: &str| line.starts_with("MD_UUID=");
        prop_assert!(member.is_err() || text.lines().any(says));
        if let Err(error) = member {
            let said = format!("{error:#}");
            prop_assert!(harmless(&said), "{:?}", said);
        }
        let (Contents::Something(what) | Contents::Unknown(what)) =
            contents::read(Some(&program), &device)
        else {
            return Ok(());
        };
        prop_assert!(harmless(&what), "{:?}", what);
    }

    #[test]
    fn names(name in any::<String>()) {
        let shown = text::name(&name).into_owned();
        prop_assert!(!shown.contains(char::is_control), "{:?}", shown);
        prop_assert_eq!(text::original(&shown), name);
    }

    #[test]
    fn archives(bytes in prop::collection::vec(any::<u8>(), 0..2048), at in any::<u16>(), bit in 0..8_u8) {
        let folder = tempfile::tempdir().expect("a folder");
        prop_assert!(unpack_into(folder.path(), &bytes[..]).is_err());
        // A good archive, but for a bit of it.
        let mut good = Vec::new();
        let entries = [
            ("a/b".into(), Entry::File(bytes)),
            ("c".into(), Entry::Link("a".into())),
            ("d".into(), Entry::Folder),
        ];
        pack(&mut good, &entries.into()).expect("memory");
        let folder = tempfile::tempdir().expect("a folder");
        prop_assert!(unpack_into(folder.path(), &good[..]).is_ok());
        let at = usize::from(at) % good.len();
        good[at] ^= 1 << bit;
        let other = tempfile::tempdir().expect("a folder");
        let _ = unpack_into(&other.path().join("inner"), &good[..]);
        let beside = fs::read_dir(other.path()).expect("a folder").count();
        prop_assert!(beside <= 1);
    }
}
