// SPDX-License-Identifier: GPL-2.0
//! A run tells what happened in its guest: each way in which a run can end, and each thing that
//! `vmctl` can do. These tests boot guests: run them with `cargo test -p md-p2p-vm --test guest`.

use std::path::PathBuf;
use std::time::Duration;

use md_p2p_vm::run::dmesg::complaints;
use md_p2p_vm::{End, Environment, Modules, Outcome, Run};

/// Runs `script` (bash) in a guest with the kernel's own modules.
fn run(script: &str, change: impl FnOnce(Run) -> Run) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script");
    std::fs::write(&file, script).expect("a script");
    let run = change(Run::new(file).modules(Modules::Stock));
    run.go(&Environment::ready().expect("an environment"))
        .expect("a run")
}

/// Returns the words in line `number` of the output.
fn words(outcome: &Outcome, number: usize) -> Vec<&str> {
    let line = outcome
        .stdout
        .lines()
        .nth(number)
        .unwrap_or_else(|| panic!("{outcome:?}"));
    line.split_whitespace().collect()
}

#[test]
fn output_and_status_are_the_scripts() {
    let script = "echo \"$# $1\"; echo wrong >&2; echo more >/dev/stderr; (sleep 100; echo late) & ls -A; exit 63";
    let file = tempfile::NamedTempFile::new().expect("a file");
    let outcome = run(script, |run| run.arguments(["a b", ""]).file(file.path()));
    assert_eq!(outcome.end, End::Script(63), "{outcome:?}");
    let name = file.path().file_name().expect("a name").to_string_lossy();
    assert_eq!(outcome.stdout, format!("2 a b\n{name}\nscript\n"));
    assert_eq!(outcome.stderr, "wrong\nmore\n");
    assert!(
        outcome.dmesg.contains("reboot: Power down"),
        "dmesg is cut short"
    );
    for file in ["console", "dmesg", "exit.json", "qemu", "stdout", "stderr"] {
        assert!(outcome.folder.join(file).exists(), "{file}");
    }
}

#[test]
fn a_panic_is_told() {
    let outcome = run("echo c >/proc/sysrq-trigger", |run| run);
    assert!(
        matches!(&outcome.end, End::Panic(line) if line.contains("sysrq triggered crash")),
        "{outcome:?}"
    );
}

#[test]
fn a_complaint_of_the_kernel_fails_a_script_that_succeeds() {
    let outcome = run("echo 'WARNING: made by a test' >/dev/kmsg", |run| run);
    assert!(
        matches!(&outcome.end, End::Splat(line, 1) if line.contains("made by a test")),
        "{outcome:?}"
    );
    assert_eq!(outcome.status(), 204);
}

#[test]
fn a_script_that_does_not_end_is_ended() {
    let outcome = run("echo on; sleep 1000", |run| {
        run.timeout(Duration::from_secs(20))
    });
    assert_eq!(
        outcome.end.to_string(),
        "time was up: the script had not ended after 20 s",
        "{outcome:?}"
    );
    assert_eq!(outcome.stdout, "on\n");
}

#[test]
fn a_qemu_that_ends_before_the_script_is_told() {
    let outcome = run("busybox poweroff -f", |run| run);
    assert!(matches!(outcome.end, End::Qemu(_)), "{outcome:?}");
}

#[test]
fn a_qemu_that_does_not_start_is_told_in_its_own_words() {
    let outcome = run("true", |run| run.trace("events=/no/such/file"));
    assert!(
        matches!(&outcome.end, End::Boot(why) if why.contains("/no/such/file")),
        "{outcome:?}"
    );
}

#[test]
fn drives_have_their_names_in_the_order_of_the_topology() {
    let script = "cat /run/vm/drives; for name in near0 near1 near2 other0; do
        [[ $(readlink -f /dev/vm/$name) == $(awk -v name=$name '$1 == name { print $3 }' /run/vm/drives) ]] || exit 1
    done";
    let outcome = run(script, |run| run.topology("mixed"));
    assert_eq!(outcome.end, End::Script(0), "{outcome:?}");
    let names: Vec<&str> = (0..4).map(|number| words(&outcome, number)[0]).collect();
    assert_eq!(names, ["near0", "near1", "near2", "other0"]);
    assert_eq!(words(&outcome, 0)[3], (16 << 20).to_string());
    let other = words(&outcome, 3);
    assert_eq!((other[2], &other[3..]), ("/dev/vda", ["-", "-"].as_slice()));
}

#[test]
fn drives_come_go_and_fail_as_asked() {
    let script = "
        io() { dd if=/dev/vm/near1 of=/dev/null bs=64k count=1 iflag=direct 2>/dev/null && echo -n 'read '
            dd if=/dev/zero of=/dev/vm/near1 bs=64k count=1 oflag=direct 2>/dev/null && echo -n 'write '
            echo; }
        io
        vmctl fail near1 read; io
        vmctl fail near1 write; io
        vmctl heal near1; io
        vmctl unplug near1; grep near1 /run/vm/drives; [[ ! -e /dev/vm/near1 ]] || exit 1
        vmctl unplug near1; vmctl fail nosuch read; vmctl frob
        vmctl plug near1; [[ -b /dev/vm/near1 ]]; io";
    let outcome = run(script, |run| run);
    assert_eq!(outcome.end, End::Script(0), "{outcome:?}");
    let both = "read write \n";
    assert_eq!(
        outcome.stdout,
        format!("{both}write \nread \n{both}near1 - - - -\n{both}")
    );
    for words in [
        "Device 'near1' not found",
        "there is no drive nosuch: there are near0",
        "no verb frob",
    ] {
        assert!(outcome.stderr.contains(words), "{words}: {outcome:?}");
    }
}

#[test]
fn what_was_written_before_a_kill_and_a_reboot_is_there_after_them() {
    let script = "echo \"boot $*\"
        case $1 in
            '') dd if=/proc/sys/kernel/random/boot_id of=/dev/vm/near0 conv=fsync status=none; vmctl kill second 'ä b' ;;
            second) head -c 36 /dev/vm/near0 >id; echo changed >/dev/vm/near1; vmctl reboot third ;;
            third) head -c 8 /dev/vm/near1; exit 5 ;;
        esac
        echo not reached";
    let outcome = run(script, |run| run);
    assert_eq!(outcome.end, End::Script(5), "{outcome:?}");
    assert_eq!(
        outcome.stdout,
        "boot \nboot second ä b\nboot third\nchanged\n"
    );
    assert!(outcome.folder.join("dmesg.3").exists());
}

#[test]
fn dma_is_told_apart_by_the_memory_it_touched() {
    let script = "set -e
        vmctl dma >/dev/null
        dd if=/dev/vm/near1 of=/dev/null bs=1M count=1 iflag=direct status=none
        vmctl dma
        p2pio read --memory $(awk '$1 == \"near0\" { print $2 }' /run/vm/drives) /dev/vm/near1 --length 1M >/dev/null
        vmctl dma";
    let outcome = run(script, |run| run.trace("pci_nvme_map_addr"));
    assert_eq!(outcome.end, End::Script(0), "{outcome:?}");
    assert_eq!(words(&outcome, 0), ["ram", "1048576", "peer", "0"]);
    assert_eq!(words(&outcome, 1), ["ram", "0", "peer", "1048576"]);
    let outcome = run("vmctl dma", |run| run);
    assert!(
        outcome
            .stderr
            .contains("start with --trace pci_nvme_map_addr"),
        "{outcome:?}"
    );
}

/// Makes a file `wrong.c` with this text.
fn source(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.c");
    std::fs::write(&file, text).expect("a source");
    (folder, file)
}

#[test]
fn a_module_that_cannot_be_built_is_told_with_the_compilers_words() {
    let (_folder, source) = source("#include <linux/module.h>\nint wrong(void) { return frob; }\n");
    let environment = Environment::ready().expect("an environment");
    let run = Run::new("/dev/null").modules(Modules::Stock).build(source);
    let error = run.go(&environment).expect_err("an error").to_string();
    assert!(error.contains("modules cannot be built for"), "{error}");
    assert!(
        error.contains("‘frob’ undeclared") || error.contains("'frob' undeclared"),
        "{error}"
    );
}

/// Mistakes, one after the other. The order of locks is the first, because after any other mistake
/// the kernel does not trust its view of locks any more.
const WRONG: &str = r#"
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
static DEFINE_MUTEX(a);
static DEFINE_MUTEX(b);
static DEFINE_SPINLOCK(spin);
static LIST_HEAD(head);
static LIST_HEAD(one);
static int __init wrong(void)
{
	int *memory = kmalloc(sizeof(*memory), GFP_KERNEL);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);
	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
	spin_lock(&spin);
	mutex_lock(&a);
	mutex_unlock(&a);
	spin_unlock(&spin);
	list_add(&one, &head);
	head.next = NULL;
	list_del(&one);
	kfree(memory);
	return READ_ONCE(*memory) ? 0 : 0;
}
module_init(wrong);
MODULE_DESCRIPTION("Mistakes");
MODULE_LICENSE("GPL");
"#;

/// The kernel's complaints about these mistakes.
const COMPLAINTS: [&str; 4] = [
    "BUG: sleeping function called from invalid context",
    "WARNING: possible circular locking dependency detected",
    "list_del corruption",
    "BUG: KASAN: slab-use-after-free",
];

#[test]
#[ignore = "needs the debug kernel: cargo vm kernel debug"]
fn the_debug_kernel_tells_mistakes_with_memory_and_locks() {
    let environment = Environment::ready().expect("an environment");
    let kernel = environment.kernels().debug.clone().expect("a debug kernel");
    let (_folder, source) = source(WRONG);
    let outcome = run("insmod wrong.ko", |run| {
        run.kernel(&kernel.release).build(source)
    });
    assert_eq!(outcome.status(), 204, "{outcome:?}");
    let told = complaints(&outcome.dmesg);
    for complaint in COMPLAINTS {
        assert!(
            told.iter().any(|line| line.contains(complaint)),
            "{complaint}: {told:#?}"
        );
    }
}
