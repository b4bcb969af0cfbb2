// SPDX-License-Identifier: GPL-2.0

//! `p2pio` on files, without a PCI device. A mapped file can stand for a provider's memory, because
//! that is mapped from a file too.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use mdp2p_io::pattern::{Pattern, SECTOR};
use nix::libc::O_DIRECT;
use predicates::prelude::*;
use predicates::str::{contains, is_match};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const PEER: &str = "0000:03:00.0";
const K: usize = 1024;

/// A folder with a file of `length` zeros, on a file system with O_DIRECT.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(length: usize) -> Self {
        let folders = [env!("CARGO_TARGET_TMPDIR"), "/var/tmp", "/tmp", "/dev/shm"];
        let folder = folders
            .iter()
            .find_map(|folder| direct(Path::new(folder)))
            .expect("one of these folders has to be on a file system with O_DIRECT");
        let place = Self { folder };
        fs::write(place.target(), vec![0; length]).expect("writing to the target");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn target(&self) -> PathBuf {
        self.path("target")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect(name)
    }

    fn contents(&self) -> Vec<u8> {
        self.read("target")
    }

    fn change(&self, how: impl FnOnce(&mut Vec<u8>)) {
        let mut data = self.contents();
        how(&mut data);
        fs::write(self.target(), data).expect("writing to the target");
    }

    /// Makes a sysfs with one device that publishes memory, and one that does not. Returns the file
    /// that stands for the memory.
    fn sysfs(&self, bytes: u64) -> PathBuf {
        let devices = self.path("sys/bus/pci/devices");
        let pool = devices.join(PEER).join("p2pmem");
        fs::create_dir_all(&pool).expect("making a provider");
        fs::create_dir_all(devices.join("0000:00:01.0")).expect("making a device");
        fs::write(pool.join("available"), "4096\n").expect("writing `available`");
        let memory = fs::File::create(pool.join("allocate")).expect("making `allocate`");
        memory.set_len(bytes).expect("giving `allocate` its size");
        pool.join("allocate")
    }

    /// Prepares `p2pio` in this folder.
    fn p2pio(&self, arguments: &str) -> Assert {
        Command::new(env!("CARGO_BIN_EXE_p2pio"))
            .current_dir(self.folder.path())
            .args(arguments.split_whitespace())
            .assert()
    }

    /// Prepares `p2pio` likewise, but no file can have more than so many sectors.
    fn limited(&self, sectors: u64, arguments: &str) -> Assert {
        let limit = format!("trap '' XFSZ; ulimit -f {sectors}; exec \"$@\"");
        Command::new("sh")
            .args(["-c", &limit, "sh", env!("CARGO_BIN_EXE_p2pio")])
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .assert()
    }
}

fn direct(folder: &Path) -> Option<TempDir> {
    let made = tempfile::tempdir_in(folder).ok()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).custom_flags(O_DIRECT);
    options.open(made.path().join("probe")).ok()?;
    Some(made)
}

fn json(assert: &Assert) -> serde_json::Value {
    serde_json::from_slice(&assert.get_output().stdout).expect("one JSON object")
}

#[test]
fn what_is_written_is_the_pattern_and_nothing_beside_it() {
    let place = Place::new(256 * K);
    place
        .p2pio("write --memory host --offset 64K --length 128K --seed 7 target")
        .success()
        .stdout("write: 131072 bytes in 2 I/Os through host memory\n");
    let data = place.contents();
    let mut expected = vec![0; 256 * K];
    Pattern::new(7).fill(64 * K as u64, &mut expected[64 * K..192 * K]);
    assert!(data == expected);
}

#[test]
fn blocks_of_any_size_and_any_number_in_flight_cover_the_same_bytes() {
    for (block, depth, ios) in [
        (512, 1, 194),
        (4096, 16, 25),
        (12 * K, 3, 9),
        (1 << 20, 8, 1),
    ] {
        let place = Place::new(100 * K);
        let how =
            format!("--memory host --length 97K --block-size {block} --depth {depth} --seed 3");
        place
            .p2pio(&format!("write {how} target"))
            .success()
            .stdout(contains(format!("99328 bytes in {ios} I/Os")));
        let mut expected = vec![0; 100 * K];
        Pattern::new(3).fill(0, &mut expected[..97 * K]);
        assert!(place.contents() == expected, "block size {block}");
        place.p2pio(&format!("check {how} target")).success();
    }
}

#[test]
fn a_check_with_another_seed_names_what_it_found() {
    let place = Place::new(16 * K);
    place.p2pio("write --memory host --seed 1 target").success();
    place
        .p2pio("check --memory host --seed 2 target")
        .code(1)
        .stdout(contains("32 sectors differ"))
        .stderr(contains("sector at 512: found that of offset 512, seed 1"))
        .stderr(contains("and 22 more sectors that differ"));
}

#[test]
fn a_check_finds_the_one_byte_that_was_damaged() {
    let place = Place::new(64 * K);
    place.p2pio("write --memory host --seed 1 target").success();
    let mut was = 0;
    place.change(|data| {
        was = data[40_000];
        data[40_000] ^= 0xff;
    });
    let expected = format!(
        "p2pio: sector at 39936: byte 64 should be {was:#04x}, found {:#04x}\n",
        was ^ 0xff
    );
    place
        .p2pio("check --memory host --block-size 4K --seed 1 target")
        .code(1)
        .stderr(expected);
}

#[test]
fn a_check_finds_sectors_that_are_where_others_belong() {
    let place = Place::new(64 * K);
    place.p2pio("write --memory host --seed 1 target").success();
    place.change(|data| data.copy_within(0..SECTOR, 10 * SECTOR));
    place
        .p2pio("check --memory host --seed 1 target")
        .code(1)
        .stderr("p2pio: sector at 5120: found that of offset 0, seed 1\n");
}

#[test]
fn a_checksum_is_that_of_sha256sum_and_the_output_is_what_was_read() {
    let place = Place::new(300 * K);
    place.p2pio("write --memory host --seed 9 target").success();
    let data = &place.contents()[4 * K..204 * K];
    let sum: String = Sha256::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    place
        .p2pio(
            "read --memory host --offset 4K --length 200K --block-size 8K --output output target",
        )
        .success()
        .stdout(contains(format!("sha256 {sum}")));
    assert!(fs::read(place.path("output")).expect("the output") == data);
}

#[test]
fn a_copy_is_found_at_its_new_offset() {
    let place = Place::new(64 * K);
    fs::write(place.path("copy"), vec![0; 128 * K]).expect("making the copy");
    place.p2pio("write --memory host --seed 5 target").success();
    place
        .p2pio("copy --memory host --offset 16K --length 32K --block-size 4K --to copy --to-offset 96K target")
        .success()
        .stdout(contains("copy: 32768 bytes in 8 I/Os"));
    place
        .p2pio("check --memory host --seed 5 --offset 96K --length 32K --pattern-offset 16K copy")
        .success();
    place
        .p2pio("check --memory host --seed 5 --offset 96K --length 32K --pattern-offset 20K copy")
        .code(1)
        .stderr(contains(
            "sector at 98304: found that of offset 16384, seed 5",
        ));
    let copy = fs::read(place.path("copy")).expect("the copy");
    assert!(copy[..96 * K].iter().all(|byte| *byte == 0));
}

#[test]
fn peer_memory_is_mapped_from_the_provider() {
    let place = Place::new(64 * K);
    let memory = place.sysfs(64 * K as u64);
    let through = format!("--sysfs sys --memory {PEER} --block-size 16K --depth 1");
    place
        .p2pio(&format!("write {through} --seed 4 target"))
        .success()
        .stdout(contains(format!("through peer memory of {PEER}")));
    // The last block is still in the provider's memory.
    let mut last = vec![0; 16 * K];
    Pattern::new(4).fill(48 * K as u64, &mut last);
    assert!(fs::read(memory).expect("the memory")[..16 * K] == last);
    place.p2pio("check --memory host --seed 4 target").success();
    // A domain of 0 may be left out.
    place
        .p2pio("check --sysfs sys --memory 03:00.0 --block-size 16K --depth 1 --seed 4 target")
        .success();
}

#[test]
fn a_provider_that_has_no_memory_left_is_an_error_that_says_how_much_it_has() {
    let place = Place::new(64 * K);
    let memory = place.sysfs(0);
    fs::remove_file(&memory).expect("removing `allocate`");
    symlink("/dev/full", &memory).expect("putting in its place what cannot be mapped");
    place
        .p2pio(&format!(
            "write --sysfs sys --memory {PEER} --block-size 8K target"
        ))
        .code(3)
        .stderr(contains(
            "mapping 8192 bytes of the peer memory of 0000:03:00.0",
        ))
        .stderr(contains("of which 4096 are available"))
        .stderr(contains("ENODEV"));
}

#[test]
fn an_error_is_told_with_its_name_number_and_offset_and_the_rest_goes_on() {
    let place = Place::new(16 * K);
    let write = "write --memory host --length 32K --block-size 4K --depth 1 --json target";
    let assert = place
        .limited(40, write)
        .code(3)
        .stderr(contains("write of 4096 bytes at 20480 of "))
        .stderr(contains(": EFBIG (27): File too large"))
        .stderr(contains("at 28672"));
    let report = json(&assert);
    assert_eq!(report["ios"], 5);
    assert_eq!(report["bytes"], 20480);
    assert_eq!(report["errors"], 3);
    assert_eq!(report["errno"], "EFBIG");
}

#[test]
fn a_read_beyond_the_end_is_short_and_says_by_how_much() {
    let place = Place::new(5 * K);
    let assert = place
        .p2pio("read --memory host --offset 4K --length 8K --block-size 4K --json target")
        .code(3)
        .stderr(contains("read of 4096 bytes at 4096 of "))
        .stderr(contains("short: 1024 bytes only"))
        .stderr(contains("short: 0 bytes only"));
    let report = json(&assert);
    assert_eq!(report["errors"], 2);
    assert!(report["errno"].is_null());
    assert!(report["checksum"].is_null());
}

#[test]
fn json_is_one_object_with_a_version() {
    let place = Place::new(64 * K);
    let assert = place
        .p2pio("write --memory host --json --seed 1 target")
        .success();
    assert_eq!(
        json(&assert),
        serde_json::json!({
            "version": 1, "verb": "write", "memory": "host", "bytes": 65536, "ios": 1,
            "errors": 0, "errno": null, "mismatches": 0, "checksum": null,
        })
    );
    let assert = place
        .p2pio("check --memory host --json --seed 2 target")
        .code(1);
    assert_eq!(json(&assert)["mismatches"], 128);
    place.sysfs(64 * K as u64);
    let assert = place
        .p2pio(&format!("read --sysfs sys --memory {PEER} --json target"))
        .success();
    assert_eq!(json(&assert)["memory"], PEER);
    assert_eq!(json(&assert)["checksum"].as_str().map(str::len), Some(64));
}

#[test]
fn members_that_hold_what_the_level_says_are_fine_and_others_are_named() {
    let place = Place::new(0);
    // raid5 of three, chunks of 4K: a b P, d P c.
    let pattern = Pattern::new(6);
    let chunk = |index: u64| {
        let mut data = vec![0; 4 * K];
        pattern.fill(index * 4 * K as u64, &mut data);
        data
    };
    let xor = |one: &[u8], two: &[u8]| one.iter().zip(two).map(|(a, b)| a ^ b).collect();
    let (a, b, c, d) = (chunk(0), chunk(1), chunk(2), chunk(3));
    let parity: [Vec<u8>; 2] = [xor(&a, &b), xor(&c, &d)];
    let [p, q] = &parity;
    for (name, chunks) in [("m0", [&a, &d]), ("m1", [&b, q]), ("m2", [p, &c])] {
        let mut data = vec![0xee; 8 * K];
        chunks
            .iter()
            .for_each(|chunk| data.extend_from_slice(chunk));
        fs::write(place.path(name), data).expect("writing a member");
    }
    let all = "members --level 5 --chunk 4K --seed 6 --length 16K";
    place.p2pio(&format!("{all} m0@8K m1@8K m2@8K")).success();
    place.p2pio(&format!("{all} m0@8K missing m2@8K")).success();
    place
        .p2pio(&format!("{all} m0@8K m2@8K m1@8K"))
        .code(1)
        .stderr(contains("m2: sector at 8192: byte"))
        .stderr(contains("m1: sector at").or(contains("more sectors")));

    let mut damaged = fs::read(place.path("m2")).expect("a member");
    damaged[8 * K + 17] ^= 1;
    fs::write(place.path("m2"), damaged).expect("writing a member");
    place
        .p2pio(&format!("{all} m0@8K m1@8K m2@8K"))
        .code(1)
        .stdout(contains("1 sectors differ"))
        .stderr(contains("m2: sector at 8192: byte 17 should be"));
}

#[test]
fn a_mix_leaves_what_its_model_says_and_nothing_beside_it() {
    let place = Place::new(256 * K);
    place.p2pio("write --memory host --seed 1 target").success();
    let before = place.contents();
    let assert = place
        .p2pio("mix --memory host --seed 5 --ops 300 --offset 64K --length 128K --max-size 20K --model model --json target")
        .success();
    let (data, model) = (place.contents(), place.read("model"));
    assert!(data[64 * K..192 * K] == model);
    assert!(data[..64 * K] == before[..64 * K] && data[192 * K..] == before[192 * K..]);
    assert!(data != before);

    let report = json(&assert);
    let share = &report["memories"][0];
    let number = |what: &str| share[what].as_u64().expect(what);
    assert_eq!(report["verb"], "mix");
    assert_eq!(report["ios"], 300);
    assert_eq!(share["memory"], "host");
    assert_eq!(number("reads") + number("writes"), 300);
    assert_eq!(
        report["bytes"],
        number("read_bytes") + number("written_bytes")
    );
    // Only the shares say which memory it was.
    assert!(report["memory"].is_null());
}

#[test]
fn a_mix_of_the_same_seed_leaves_the_same_whatever_the_depth() {
    let left = |seed: u64, depth: u64| {
        let place = Place::new(64 * K);
        place
            .p2pio(&format!(
                "mix --memory host --seed {seed} --ops 300 --depth {depth} target"
            ))
            .success();
        place.contents()
    };
    let once = left(1, 1);
    assert!(once == left(1, 16));
    assert!(once != left(2, 1));
}

#[test]
fn a_mix_goes_through_each_of_its_memories() {
    let place = Place::new(64 * K);
    place.sysfs(128 * K as u64);
    // All buffers of this memory are the same file: one op at a time.
    place
        .p2pio(&format!("mix --sysfs sys --memory host --memory {PEER} --depth 1 --seed 1 --ops 100 --model model target"))
        .success()
        .stdout(is_match(format!(
            r"^mix: \d+ bytes in 100 I/Os through host memory \(\d\d reads of \d+ bytes, \d\d writes of \d+ bytes\), peer memory of {PEER} \(\d\d reads .*\)\n$"
        )).expect("a pattern"));
    assert!(place.contents() == place.read("model"));
}

#[test]
fn a_mix_finds_what_it_did_not_write() {
    let place = Place::new(64 * K);
    let damage = OpenOptions::new()
        .write(true)
        .open(place.target())
        .expect("opening the target");
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        // This is done again and again, because a write may repair it before it is read.
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                damage.write_all_at(&[0xee; 16], 40_000).expect("damaging");
                thread::sleep(Duration::from_millis(5));
            }
        });
        let mix =
            place.p2pio("mix --memory host --seed 1 --seconds 60 --max-size 8K --json target");
        done.store(true, Ordering::Relaxed);
        mix.code(1)
            .stdout(contains("\"errors\":0"))
            .stderr(contains("p2pio: op "))
            .stderr(contains(
                " through host memory, wrong from byte 40000 on: sector at 39936: byte 64 should be ",
            ));
    });
}

#[test]
fn two_ops_that_share_a_buffer_are_found() {
    let place = Place::new(1024 * K);
    // All buffers of this memory are the same file.
    place.sysfs(128 * K as u64);
    place
        .p2pio(&format!(
            "mix --sysfs sys --memory {PEER} --max-size 64K --depth 8 --seed 1 --seconds 60 target"
        ))
        .code(1)
        .stdout(contains("sectors differ"))
        .stderr(contains("wrong from byte "));
}

#[test]
fn a_mix_finds_at_the_end_what_no_op_has_read() {
    let place = Place::new(64 * K);
    let memory = place.sysfs(0);
    fs::remove_file(&memory).expect("removing `allocate`");
    // Data that are put into this memory to be written elsewhere change the target too.
    symlink(place.target(), &memory).expect("making the target a memory");
    place
        .p2pio(&format!(
            "mix --sysfs sys --memory {PEER} --max-size 8K --depth 1 --seed 1 --ops 1 target"
        ))
        .code(1)
        .stdout(contains(" 1 writes of "))
        .stderr(contains("at the end, wrong from byte "));
}

#[test]
fn a_mix_ends_with_the_first_error_and_tells_whose_it_is() {
    let place = Place::new(64 * K);
    let mix = "mix --memory host --seed 1 --ops 1000 --depth 1 --json --model model target";
    let assert = place
        .limited(40, mix)
        .code(3)
        .stderr(contains("through host memory: write of "))
        .stderr(contains(": EFBIG (27): File too large"));
    let report = json(&assert);
    assert_eq!(
        (&report["errors"], &report["errno"]),
        (&1.into(), &"EFBIG".into())
    );
    assert!(report["ios"].as_u64() < Some(1000));
    assert!(place.read("model").is_empty());

    place
        .p2pio("mix --memory host --seed 1 --ops 9 --length 80K target")
        .code(3)
        .stderr(contains("short: 65536 bytes only"))
        .stdout("mix: 0 bytes in 0 I/Os through host memory (0 reads of 0 bytes, 0 writes of 0 bytes), 1 failed\n");
}

#[test]
fn members_are_compared_with_a_file_too() {
    let place = Place::new(256 * K);
    place
        .p2pio("mix --memory host --seed 3 --ops 50 --offset 8K --length 16K --model model target")
        .success();
    // raid0 of two, chunks of 4K: a c e, b d f, of which the model has c to f.
    let chunk = |index: usize| place.contents()[index * 4 * K..][..4 * K].to_vec();
    for (name, chunks) in [("m0", [0, 2, 4]), ("m1", [1, 3, 5])] {
        fs::write(place.path(name), chunks.map(chunk).concat()).expect("writing a member");
    }
    let all = "members --level 0 --chunk 4K --data model --offset 8K";
    place
        .p2pio(&format!("{all} --length 16K m0@0 m1@0"))
        .success();
    place
        .p2pio(&format!("{all} --length 16K m1@0 m0@0"))
        .code(1)
        .stdout(contains("32 sectors differ"));

    let mut damaged = place.read("m1");
    damaged[4 * K + 600] ^= 1;
    fs::write(place.path("m1"), damaged).expect("writing a member");
    place
        .p2pio(&format!("{all} --length 16K m0@0 m1@0"))
        .code(1)
        .stderr(contains("m1: sector at 4608: "))
        .stdout(contains("1 sectors differ"));

    place
        .p2pio(&format!("{all} --length 20K m0@0 m1@0"))
        .code(2)
        .stderr(contains("model has 16384 bytes, fewer than --length"));
    place
        .p2pio(&format!("{all} --length 16K --seed 3 m0@0 m1@0"))
        .code(2)
        .stderr(contains("cannot be used with"));
    place
        .p2pio("members --level 0 --length 4K --data nothing m0@0")
        .code(3)
        .stderr(contains("reading nothing: No such file"));
}

/// p2pio refuses these arguments with these words, whatever the kernel would say.
#[test]
fn wrong_arguments_are_refused_with_a_reason_and_nothing_is_written() {
    let place = Place::new(64 * K);
    place.sysfs(64 * K as u64);
    let sys = "--sysfs sys";
    for (arguments, reason) in [
        ("", "Usage"),
        (
            "erase --memory host target",
            "unrecognized subcommand 'erase'",
        ),
        ("write target", "--memory"),
        ("write --memory host", "TARGET"),
        ("write --memory nonsense target", "a PCI address looks like"),
        (
            "write --memory 0000:03:00.9 target",
            "a PCI address looks like",
        ),
        (
            &format!("write {sys} --memory 0000:04:00.0 target"),
            "there is no PCI device 0000:04:00.0",
        ),
        (
            &format!("write {sys} --memory 0000:00:01.0 target"),
            "has no peer memory",
        ),
        (
            "write --memory host --offset 100 target",
            "not a multiple of 512",
        ),
        (
            "write --memory host --length 1000 target",
            "not a multiple of 512",
        ),
        (
            "write --memory host --block-size 1000 target",
            "not a multiple of 512",
        ),
        (
            "write --memory host --pattern-offset 1 target",
            "not a multiple of 512",
        ),
        ("write --memory host --length 0 target", "zero bytes"),
        ("write --memory host --block-size 0 target", "zero bytes"),
        (
            "write --memory host --length 4X target",
            "a size is a number",
        ),
        ("write --memory host --length 16777216T target", "64 bits"),
        (
            "write --memory host --length 8388608T target",
            "no file is that long",
        ),
        (
            "write --memory host --offset 8388607T --length 2T target",
            "beyond what a file can have",
        ),
        ("write --memory host --offset 64K target", "ends at 65536"),
        ("read --memory host --offset 1M target", "ends at 65536"),
        (
            "write --memory host --depth 0 target",
            "0 is not in 1..=256",
        ),
        ("write --memory host --seed x target", "invalid digit"),
        ("write --memory host .", "neither a block device nor a file"),
        (
            "read --memory host /dev/null",
            "neither a block device nor a file",
        ),
        ("copy --memory host target", "--to"),
        ("mix --seed 1 --ops 1 target", "--memory"),
        ("mix --memory host --ops 1 target", "--seed"),
        (
            "mix --memory host --seed 1 target",
            "--ops <N>|--seconds <N>",
        ),
        (
            "mix --memory host --seed 1 --ops 1 --seconds 1 target",
            "cannot be used with",
        ),
        (
            "mix --memory host --seed 1 --ops 0 target",
            "0 is not in 1..",
        ),
        (
            "mix --memory host --seed 1 --ops 1 --max-size 700 target",
            "not a multiple of 512",
        ),
        (
            "mix --memory host --seed 1 --ops 1 --offset 64K target",
            "ends at 65536",
        ),
        (
            &format!("mix {sys} --memory host --memory 0000:04:00.0 --seed 1 --ops 1 target"),
            "there is no PCI device 0000:04:00.0",
        ),
        (
            "copy --memory host --to . target",
            "neither a block device nor a file",
        ),
        (
            "read --memory host --seed 1 target",
            "unexpected argument '--seed'",
        ),
        (
            "members --level 7 --length 4K target@0",
            "invalid value '7'",
        ),
        ("members --level 5 --length 4K target", "PATH@OFFSET"),
        (
            "members --level 6 --length 4K missing missing",
            "3 members or more",
        ),
    ] {
        place.p2pio(arguments).code(2).stderr(contains(reason));
    }
    assert!(place.contents().iter().all(|byte| *byte == 0));
}

#[test]
fn a_target_that_is_not_there_is_told_as_the_kernel_tells_it_and_not_made() {
    let place = Place::new(0);
    for verb in [
        "write --length 4K",
        "read",
        "check",
        "copy --to target",
        "mix --seed 1 --ops 1",
    ] {
        place
            .p2pio(&format!("{verb} --memory host nothing"))
            .code(3)
            .stderr(contains("nothing: ENOENT: No such file or directory"));
    }
    assert!(!place.path("nothing").exists());
}

#[test]
fn a_target_whose_end_is_no_whole_sector_wants_a_length() {
    let place = Place::new(1000);
    place
        .p2pio("read --memory host target")
        .code(2)
        .stderr(contains("has 1000 bytes").and(contains("give --length")));
    place
        .p2pio("read --memory host --length 512 target")
        .success();
}

#[test]
fn every_verb_explains_itself() {
    let place = Place::new(0);
    for verb in ["", "write", "read", "check", "copy", "mix", "members"] {
        place
            .p2pio(&format!("{verb} --help"))
            .success()
            .stdout(contains("Usage: p2pio"));
    }
    place
        .p2pio("--help")
        .success()
        .stdout(contains("Exit status"));
    place.p2pio("--version").success().stdout(contains("p2pio"));
}
