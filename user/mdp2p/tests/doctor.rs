// SPDX-License-Identifier: GPL-2.0
//! Tests `mdp2p doctor` on a healthy machine made of files, and on the same machine after changes.

mod common;

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use common::{plant, put};
use flate2::Compression;
use flate2::write::GzEncoder;
use jsonschema::Validator;
use mdp2p_machine::kernel::support;
use serde_json::Value;
use tempfile::TempDir;

const RELEASE: &str = "7.3.4+deb13-amd64";
const OPTIONS: &str =
    "CONFIG_PCI_P2PDMA=y\nCONFIG_ZONE_DEVICE=y\nCONFIG_RUST=y\nCONFIG_BLK_DEV_MD=m\n";
const MODULES: [&str; 6] = ["md", "linear", "raid0", "raid1", "raid10", "raid456"];
const SIGNED: &str = "ELF~Module signature appended~\n";
const SECURE_BOOT: &str =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

const PORT: &str = "0000:00:01.0";
const DOWN: &str = "0000:02:00.0";
const PROVIDER: &str = "0000:03:00.0";
const GPU: &str = "0000:04:00.0";

/// Makes up two drives and a GPU below a switch; one drive is a provider.
fn healthy() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    fs::create_dir_all(root.join("sys/class/iommu")).expect("a folder");
    put(root, "proc/sys/kernel/osrelease", RELEASE);
    put(root, "proc/cmdline", "root=/dev/sda1 quiet");
    put(
        root,
        "proc/cpuinfo",
        "vendor_id\t: GenuineIntel\nflags\t\t: fpu sse2\n",
    );
    put(
        root,
        "proc/modules",
        "md_p2p 1638400 0 - Live 0x0000000000000000 (OE)\n",
    );
    put(root, "sys/module/md_p2p/refcnt", "0");
    for folder in ["sys/block", "sys/class"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    put(root, "sys/module/nvme_core/parameters/multipath", "Y");
    put(
        root,
        "sys/kernel/security/lockdown",
        "[none] integrity confidentiality\n",
    );
    put(root, &format!("boot/config-{RELEASE}"), OPTIONS);
    put(root, "usr/sbin/mdadm", "");
    for module in MODULES {
        put(root, &installed(module), SIGNED);
    }
    let up = "pci0000:00/0000:00:01.0/0000:01:00.0";
    device(root, "pci0000:00/0000:00:00.0", 0x06_0000, 0);
    device(root, "pci0000:00/0000:00:01.0", 0x06_0400, 4);
    device(root, up, 0x06_0400, 5);
    for (port, below, class) in [
        (0, PROVIDER, 0x01_0802),
        (1, GPU, 0x03_0200),
        (2, "0000:05:00.0", 0x01_0802),
    ] {
        device(root, &format!("{up}/0000:02:0{port}.0"), 0x06_0400, 6);
        device(root, &format!("{up}/0000:02:0{port}.0/{below}"), class, 0);
    }
    for (file, value) in [
        ("size", "16777216"),
        ("available", "8388608"),
        ("published", "1"),
    ] {
        put(root, &of(PROVIDER, &format!("p2pmem/{file}")), value);
    }
    put(root, &of(GPU, "resource"), bar(0x38_0000_0000, 16 << 30));
    folder
}

fn installed(module: &str) -> String {
    format!("lib/modules/{RELEASE}/updates/{module}-p2p.ko")
}

fn of(address: &str, file: &str) -> String {
    format!("sys/bus/pci/devices/{address}/{file}")
}

/// Returns start, end and flags of a 64-bit prefetchable memory BAR.
fn bar(start: u64, bytes: u64) -> String {
    format!(
        "{start:#018x} {:#018x} 0x000000000014220c\n",
        start + bytes - 1
    )
}

fn device(root: &Path, path: &str, class: u32, port: u8) {
    let real = format!("sys/devices/{path}");
    let class = format!("bc{:02X}sc{:02X}i00", class >> 16, class >> 8 & 0xff);
    let alias = format!("pci:v00008086d00001234sv00000000sd00000000{class}\n");
    put(root, &format!("{real}/modalias"), alias);
    put(root, &format!("{real}/resource"), bar(0xfe00_0000, 0x4000));
    put(root, &format!("{real}/config"), config(port, None));
    let links = root.join("sys/bus/pci/devices");
    fs::create_dir_all(&links).expect("a folder");
    let name = path.rsplit('/').next().expect("a name");
    symlink(format!("../../../devices/{path}"), links.join(name)).expect("a link");
}

/// Makes config space with a PCI Express capability and the extended capability `extended`.
fn config(port: u8, extended: Option<(u16, [u8; 8])>) -> Vec<u8> {
    let mut config = vec![0; 4096];
    config[6] = 0x10;
    config[0x34] = 0x40;
    config[0x40] = 0x10;
    config[0x42] = port << 4;
    if let Some((id, rest)) = extended {
        config[0x100..0x102].copy_from_slice(&id.to_le_bytes());
        config[0x104..0x10c].copy_from_slice(&rest);
    }
    config
}

fn redirecting(port: u8) -> Vec<u8> {
    config(port, Some((0x0d, [0, 0, 0x0c, 0, 0, 0, 0, 0])))
}

fn mdp2p() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("mdp2p"));
    command.env_remove("NO_COLOR").arg("doctor");
    command
}

fn doctor(root: &Path, options: &[&str]) -> Output {
    let mut command = mdp2p();
    command.arg("--sysroot").arg(root).args(options);
    command.output().expect("mdp2p runs")
}

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("../schema/doctor.json")).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
});

/// Returns the names of all checks from the schema, which has them in the order of the report.
fn names() -> Vec<Value> {
    let schema: Value = serde_json::from_str(include_str!("../schema/doctor.json")).expect("JSON");
    let name = &schema["properties"]["checks"]["items"]["properties"]["name"];
    name["enum"].as_array().expect("names").clone()
}

/// Returns the JSON, after comparing it with the schema and with the exit status.
fn report(root: &Path) -> Value {
    let output = doctor(root, &["--json"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    if let Err(error) = SCHEMA.validate(&report) {
        panic!("{error}: {report:#}");
    }
    let problems = report["problems"].as_u64().expect("a number");
    assert_eq!(output.status.code(), Some(i32::from(problems > 0)));
    report
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn not_ok(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    let bad = checks.iter().filter(|check| check["verdict"] != "ok");
    bad.map(|check| format!("{}: {}", text(&check["name"]), text(&check["found"])))
        .collect()
}

#[test]
fn a_machine_that_has_all_it_takes_is_well() {
    let root = healthy();
    let report = report(root.path());
    assert_eq!(not_ok(&report), [""; 0]);
    let checks = report["checks"].as_array().expect("checks").iter();
    let made: Vec<Value> = checks.map(|check| check["name"].clone()).collect();
    assert_eq!(made, names());
    assert_eq!(
        (&report["ok"], &report["problems"]),
        (&names().len().into(), &0.into())
    );
    assert_eq!(report["virtual_machine"], false);
}

/// Changes a healthy machine. The check `name` must end with this verdict and say both texts.
fn becomes(name: &str, verdict: &str, found: &str, remedy: &str, change: impl Fn(&Path)) {
    let root = healthy();
    change(root.path());
    let report = report(root.path());
    let checks = report["checks"].as_array().expect("checks");
    let check = checks
        .iter()
        .find(|check| check["name"] == name)
        .expect(name);
    assert_eq!(check["verdict"], verdict, "{name}: {check:#}");
    assert!(text(&check["found"]).contains(found), "{found}: {check:#}");
    assert!(
        text(&check["remedy"]).contains(remedy),
        "{remedy}: {check:#}"
    );
}

fn forget(root: &Path) {
    fs::remove_dir_all(root.join("sys/module/md_p2p")).expect("it was there");
    put(root, "proc/modules", "");
}

#[test]
fn options_that_the_kernel_lacks_are_named() {
    let file = &format!("boot/config-{RELEASE}");
    let name = "kernel options";
    becomes(name, "problem", "CONFIG_RUST", "trixie-backports", |root| {
        put(
            root,
            file,
            OPTIONS.replace("CONFIG_RUST=y", "# CONFIG_RUST is not set"),
        );
    });
    becomes(
        name,
        "problem",
        "CONFIG_PCI_P2PDMA",
        "trixie-backports",
        |root| {
            put(root, file, OPTIONS.replace("CONFIG_PCI_P2PDMA=y\n", ""));
        },
    );
    becomes(name, "problem", "cannot be understood", "", |root| {
        put(root, file, "abc\n")
    });
    becomes(name, "ok", "md-p2p runs", "", |root| {
        fs::remove_file(root.join(file)).expect("it was there");
    });
    becomes(
        name,
        "warning",
        "cannot tell",
        "linux-headers-7.3.4+deb13-amd64",
        |root| {
            fs::remove_file(root.join(file)).expect("it was there");
            forget(root);
        },
    );
}

#[test]
fn options_are_read_wherever_they_are() {
    let folder = format!("lib/modules/{RELEASE}");
    let without = "CONFIG_PCI=y\n".as_bytes();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(without).expect("memory");
    let packed = packed.finish().expect("memory");
    for (file, content) in [
        (format!("{folder}/config"), without),
        (format!("{folder}/build/.config"), without),
        ("proc/config.gz".into(), &packed),
    ] {
        becomes("kernel options", "problem", &file, "", |root| {
            fs::remove_file(root.join(format!("boot/config-{RELEASE}"))).expect("it was there");
            put(root, &file, content);
        });
    }
}

#[test]
fn why_dkms_built_none_is_told() {
    let name = "modules installed";
    let refusal = |root: &Path, text: &str| {
        fs::remove_dir_all(root.join(format!("lib/modules/{RELEASE}"))).expect("there");
        forget(root);
        put(root, &format!("var/cache/md-p2p/{RELEASE}/refused"), text);
    };
    let sentence = "arrays come up under the kernel's own md there: spatch is missing, which \
                    changes the MD source: install coccinelle";
    becomes(name, "problem", sentence, "dkms autoinstall -k", |root| {
        let text = format!("md-p2p: Kernel {RELEASE} gets no md-p2p, and {sentence}");
        let remedy = format!(". Once that is mended: sudo dkms autoinstall -k {RELEASE}\n");
        refusal(root, &(text + &remedy));
    });
    becomes(
        name,
        "problem",
        "of an older md-p2p",
        "dkms autoinstall -k",
        |root| {
            refusal(root, "md-p2p: of an older md-p2p.\n");
        },
    );
}

#[test]
fn an_md_that_was_never_tested_is_told() {
    let file = "sys/module/md_p2p/parameters/md_untested";
    let name = "modules loaded";
    let names = "md.c:md_alloc, md.h:struct mddev";
    becomes(name, "warning", names, "mdp2p verify", |root| {
        put(root, file, "md.c:md_alloc,md.h:struct mddev\n");
    });
    becomes(name, "ok", "", "", |root| put(root, file, "none\n"));
}

#[test]
fn modules_that_are_not_installed_are_missed() {
    let name = "modules installed";
    let all = |root: &Path| {
        fs::remove_dir_all(root.join(format!("lib/modules/{RELEASE}"))).expect("there")
    };
    becomes(
        name,
        "warning",
        "gone after a reboot",
        "mdp2p module install",
        all,
    );
    becomes(
        name,
        "problem",
        "none is installed",
        "mdp2p module install",
        |root| {
            all(root);
            forget(root);
        },
    );
    becomes(
        name,
        "problem",
        "only for 7.2.1-x",
        "mdp2p module install",
        |root| {
            all(root);
            forget(root);
            put(root, "lib/modules/7.2.1-x/updates/dkms/md-p2p.ko.xz", "");
        },
    );
    becomes(
        name,
        "warning",
        "raid10-p2p",
        "mdp2p module install",
        |root| {
            fs::remove_file(root.join(installed("raid10"))).expect("it was there");
        },
    );
    becomes(name, "problem", "md-p2p is not installed", "", |root| {
        fs::remove_file(root.join(installed("md"))).expect("it was there");
    });
    becomes(name, "warning", "more than one folder", "depmod", |root| {
        put(
            root,
            &format!("lib/modules/{RELEASE}/updates/dkms/raid1-p2p.ko.zst"),
            "",
        );
    });
}

#[test]
fn it_tells_how_md_p2p_is_loaded() {
    let name = "modules loaded";
    becomes(name, "warning", "not loaded", "mdp2p module load", forget);
    becomes(name, "ok", "beside the kernel's md", "", |root| {
        put(root, "proc/mdstat-p2p", "");
        put(root, "sys/module/md_mod/refcnt", "0");
    });
}

#[test]
fn signatures_matter_where_they_are_demanded() {
    let name = "Secure Boot";
    let unsigned = |root: &Path| put(root, &installed("raid1"), "ELF");
    let lock = |root: &Path| {
        put(root, SECURE_BOOT, [6, 0, 0, 0, 1]);
        put(
            root,
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
        );
    };
    becomes(name, "ok", "off", "", unsigned);
    becomes(name, "ok", "md-p2p was accepted", "", lock);
    becomes(
        name,
        "problem",
        "1 of 6 modules",
        "mdp2p module sign",
        |root| {
            lock(root);
            unsigned(root);
        },
    );
    becomes(
        name,
        "problem",
        "sig_enforce",
        "mdp2p module sign",
        |root| {
            put(root, "sys/module/module/parameters/sig_enforce", "Y\n");
            unsigned(root);
        },
    );
    becomes(name, "warning", "may not be enrolled", "mokutil", |root| {
        lock(root);
        forget(root);
    });
    becomes(name, "warning", "compressed", "modinfo", |root| {
        lock(root);
        forget(root);
        put(root, &format!("{}.xz", installed("raid1")), "");
    });
    becomes(name, "ok", "on, but", "", |root| {
        put(root, SECURE_BOOT, [6, 0, 0, 0, 1])
    });
    becomes(name, "problem", "SecureBoot-", "", |root| {
        put(root, SECURE_BOOT, [1])
    });
    becomes(name, "problem", "lockdown", "", |root| {
        put(root, "sys/kernel/security/lockdown", "x")
    });
}

#[test]
fn mdadm_is_wanted() {
    becomes(
        "mdadm",
        "problem",
        "not installed",
        "apt install mdadm",
        |root| {
            fs::remove_file(root.join("usr/sbin/mdadm")).expect("it was there");
        },
    );
}

#[test]
fn without_a_provider_it_says_what_could_be_one() {
    let name = "providers";
    let none = |root: &Path| fs::remove_dir_all(root.join(of(PROVIDER, "p2pmem"))).expect("there");
    becomes(name, "ok", "0000:03:00.0 (16 MiB, 8 MiB free)", "", |_| {});
    becomes(name, "problem", "GPU 0000:04:00.0", "driver", none);
    becomes(name, "problem", "no device has memory", "CMB", |root| {
        none(root);
        put(root, &of(GPU, "resource"), "");
    });
    becomes(
        name,
        "problem",
        "nvme0 has a controller memory buffer",
        "dmesg",
        |root| {
            none(root);
            put(root, "sys/class/nvme/nvme0/cmb", "cmbloc : 0x2\n");
        },
    );
    // A pool without memory is none.
    becomes(
        name,
        "problem",
        "0000:03:00.0 has a pool",
        "dmesg",
        |root| {
            put(root, &of(PROVIDER, "p2pmem/size"), "0");
        },
    );
    leaves_out("reach", name, none);
}

#[test]
fn memory_that_is_not_published_is_a_providers_all_the_same() {
    let hide = |root: &Path| put(root, &of(PROVIDER, "p2pmem/published"), "0");
    let found = "0000:03:00.0 (16 MiB, not published)";
    becomes("providers", "ok", found, "", hide);
    becomes("providers", "ok", "cannot borrow it", "", hide);
    becomes("reach", "ok", "1 direct", "", hide);
}

/// The check `name` must not be made on a changed machine, because of a problem of `because`.
fn leaves_out(name: &str, because: &str, change: impl Fn(&Path)) {
    let root = healthy();
    change(root.path());
    let report = report(root.path());
    let checks = report["checks"].as_array().expect("checks");
    assert!(!checks.iter().any(|check| check["name"] == name), "{name}");
    let left_out = report["left_out"].as_array().expect("a list");
    let entry = serde_json::json!({ "name": name, "because": because });
    assert!(left_out.contains(&entry), "{entry}: {report:#}");
    let text = String::from_utf8(doctor(root.path(), &[]).stdout).expect("UTF-8");
    let note = format!("left out until the problem of \"{because}\" is solved: ");
    assert!(text.contains(&note), "{text}");
}

#[test]
fn other_kernels_and_processors_are_not_supported() {
    let release = |release: &'static str| {
        move |root: &Path| {
            forget(root);
            put(root, "proc/sys/kernel/osrelease", release);
        }
    };
    for old in ["6.12.95+deb13-amd64", "7.1.5-101", "5.10.0"] {
        becomes("kernel", "problem", old, "trixie-backports", release(old));
        for name in ["kernel options", "modules installed", "modules loaded"] {
            leaves_out(name, "kernel", release(old));
        }
    }
    for new in ["7.2-amd64", "7.3-rc7-amd64", "7.10.1", "8.0.0"] {
        becomes("kernel", "ok", new, "", release(new));
    }
    // A kernel in which md-p2p runs is good enough.
    becomes("kernel", "ok", "md-p2p runs", "", |root| {
        put(root, "proc/sys/kernel/osrelease", "7.1.5-101");
    });
    let processor = |file: &'static str, text: &'static str| {
        move |root: &Path| {
            forget(root);
            put(root, file, text);
        }
    };
    let arch = "proc/sys/kernel/arch";
    for other in ["aarch64", "riscv64", "i686"] {
        becomes(
            "processor",
            "problem",
            other,
            "amd64",
            processor(arch, other),
        );
        leaves_out("modules loaded", "processor", processor(arch, other));
    }
    let pi = "Features\t: fp asimd\nCPU implementer\t: 0x41\n";
    becomes(
        "processor",
        "problem",
        "ARM",
        "amd64",
        processor("proc/cpuinfo", pi),
    );
    becomes("processor", "ok", "amd64", "", processor(arch, "x86_64"));
    becomes(
        "processor",
        "warning",
        "cannot tell",
        "uname -m",
        processor("proc/cpuinfo", ""),
    );
}

#[test]
fn the_oldest_kernel_is_that_of_the_rules() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kbuild/rules");
    let mut newest = (0, 0);
    for file in fs::read_dir(rules).expect("rules") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a rule");
        let since = text.lines().find_map(|line| line.split_once("Since: "));
        if let Some((_, release)) = since {
            newest = newest.max(support::version(release.trim()).expect(release));
        }
    }
    assert_eq!(newest, support::OLDEST);
}

#[test]
fn bars_need_addresses() {
    let set = "Above 4G Decoding";
    let gpu = of(GPU, "resource");
    becomes(
        "BARs",
        "problem",
        "BAR 0 of 0000:04:00.0 (16 GiB)",
        set,
        |root| {
            put(root, &gpu, bar(0, 16 << 30));
        },
    );
    becomes("BARs", "problem", "0000:04:00.0", set, |root| {
        put(
            root,
            &gpu,
            bar(0xc000_0000, 1 << 28).replace("0014220c", "2014220c"),
        );
    });
    becomes("BARs", "warning", "below 4 GiB", set, |root| {
        put(root, &gpu, bar(0xc000_0000, 1 << 28))
    });
}

#[test]
fn a_gpu_that_shows_a_part_of_its_memory_is_seen() {
    let name = "resizable BARs";
    let small = |root: &Path| put(root, &of(GPU, "resource"), bar(0x38_0000_0000, 256 << 20));
    // 256 MiB to 16 GiB are possible; the size is 256 MiB.
    let could = config(0, Some((0x15, [0, 0xf0, 0x07, 0, 0x21, 0x08, 0, 0])));
    becomes(name, "ok", "1 GPU", "", small);
    becomes(
        name,
        "warning",
        "256 MiB of 16 GiB",
        "Resizable BAR",
        |root| {
            small(root);
            put(root, &of(GPU, "config"), &could);
        },
    );
    becomes(
        name,
        "warning",
        "not captured whether",
        "mdp2p capture as root",
        |root| {
            small(root);
            put(root, &of(GPU, "config"), &could[..64]);
        },
    );
}

#[test]
fn ports_that_redirect_are_named_in_a_parameter() {
    let parameter = "pci=disable_acs_redir=02:00.0 (GRUB: ";
    let redirect = |root: &Path| put(root, &of(DOWN, "config"), redirecting(6));
    becomes("ACS", "problem", "do not reach", parameter, redirect);
    becomes(
        "reach",
        "problem",
        "1 pair of drive and provider: 1 not at all",
        "topology",
        redirect,
    );
    let zen = |root: &Path| {
        redirect(root);
        let processor = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t: fpu\n";
        put(root, "proc/cpuinfo", processor);
    };
    becomes("ACS", "warning", "a detour", parameter, zen);
    becomes("reach", "ok", "1 through the host bridge", "", zen);
    // This port is above the switch where the two meet.
    becomes("ACS", "ok", "no port", "", |root| {
        put(root, &of(PORT, "config"), redirecting(4))
    });
}

#[test]
fn what_only_root_can_see_is_not_guessed() {
    let hide = |root: &Path| put(root, &of(DOWN, "config"), &redirecting(6)[..64]);
    for name in ["ACS", "reach", "privileges"] {
        becomes(name, "warning", "", "mdp2p capture as root", hide);
    }
}

#[test]
fn it_tells_whether_the_iommu_translates() {
    let on = |kind: &'static str| {
        move |root: &Path| {
            put(root, "sys/class/iommu/dmar0/x", "");
            put(root, "sys/kernel/iommu_groups/7/type", kind);
            let link = root.join(of(PROVIDER, "iommu_group"));
            symlink("../../../../../../../kernel/iommu_groups/7", link).expect("a link");
        }
    };
    becomes("IOMMU", "ok", "off", "", |_| {});
    becomes("IOMMU", "ok", "iommu=pt", "", on("identity\n"));
    becomes(
        "IOMMU",
        "warning",
        "1 device DMA-FQ",
        "iommu=pt",
        on("DMA-FQ\n"),
    );
    // A guest has it.
    let vfio = on("unmanaged\n");
    becomes("IOMMU", "warning", "cannot tell", "", vfio);
    let bare = |root: &Path| put(root, "sys/class/iommu/dmar0/x", "");
    becomes("IOMMU", "warning", "cannot tell", "iommu=pt", bare);
    becomes("IOMMU", "ok", "iommu=pt", "", |root| {
        bare(root);
        put(root, "proc/cmdline", "quiet iommu=pt");
    });
}

#[test]
fn bounce_buffers_leave_no_provider() {
    let name = "bounce buffers";
    becomes(name, "problem", "swiotlb=force", "without", |root| {
        put(root, "proc/cmdline", "swiotlb=65536,force quiet");
    });
    becomes(name, "ok", "", "", |root| {
        put(root, "proc/cmdline", "swiotlb=65536")
    });
    becomes(name, "problem", "encrypted", "SEV", |root| {
        put(root, "proc/cpuinfo", "flags\t: hypervisor sev_snp\n");
    });
    becomes(name, "ok", "", "", |root| {
        put(root, "proc/cpuinfo", "flags\t: sev sev_es\n")
    });
}

#[test]
fn gpu_memory_that_looks_like_host_memory_is_a_warning() {
    let name = "nvidia-fs";
    let parameter = "sys/module/nvidia_fs/parameters/use_pci_p2pdma";
    becomes(name, "ok", "not loaded", "", |_| {});
    becomes(name, "warning", "zeros", "use_pci_p2pdma=1", |root| {
        put(root, "sys/module/nvidia_fs/initstate", "live")
    });
    for off in ["N", "0"] {
        becomes(name, "warning", "zeros", "raid10", |root| {
            put(root, parameter, off)
        });
    }
    for on in ["Y", "1"] {
        becomes(name, "ok", "its P2PDMA mode", "", |root| {
            put(root, parameter, on)
        });
    }
    becomes(name, "problem", parameter, "file", |root| {
        put(root, parameter, "?")
    });
}

#[test]
fn garbage_is_named_with_its_file() {
    let multipath = "sys/module/nvme_core/parameters/multipath";
    becomes("NVMe multipath", "problem", multipath, "file", |root| {
        put(root, multipath, "?")
    });
    becomes("NVMe multipath", "ok", "off", "", |root| {
        put(root, multipath, "N")
    });
    for (file, content) in [
        (of(GPU, "modalias"), "xyz"),
        (of(GPU, "resource"), "1 2 x"),
        ("proc/sys/kernel/osrelease".into(), "../.."),
        ("proc/modules".into(), "md_p2p x"),
    ] {
        let root = healthy();
        put(root.path(), &file, content);
        let output = doctor(root.path(), &[]);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{file}");
        // Lines are broken between words only.
        let named = stdout.contains(&file) || stderr.contains(&file);
        assert!(named, "{file}: {stdout}{stderr}");
        let all_ran = stdout.contains(&format!("{} checks", names().len()));
        let rest_follows = stdout.contains("left out until the problem of");
        assert!(all_ran || rest_follows, "{file}: {stdout}");
    }
}

/// Captured machines, with a finding that each must have.
#[test]
fn captured_machines_are_judged() {
    for (tree, name, verdict, found) in [
        ("switch", "reach", "ok", "12 direct"),
        ("switch", "arrays", "ok", "md0"),
        ("switch", "modules loaded", "ok", "only md"),
        (
            "split",
            "reach",
            "warning",
            "no other drive reaches 0000:41:00.0",
        ),
        ("split", "arrays", "warning", "nvme3n1 does not reach"),
        ("mixed", "arrays", "warning", "vda cannot map"),
        ("iommu", "IOMMU", "warning", "on"),
        ("iommu", "reach", "ok", "12 through the host bridge"),
        ("paths", "NVMe multipath", "warning", "(2 paths)"),
    ] {
        let root = plant(tree);
        let report = report(root.path());
        let checks = report["checks"].as_array().expect("checks");
        let check = checks
            .iter()
            .find(|check| check["name"] == name)
            .expect(name);
        assert_eq!(check["verdict"], verdict, "{tree}: {check:#}");
        assert!(text(&check["found"]).contains(found), "{tree}: {check:#}");
        assert_eq!(report["virtual_machine"], true);
    }
}

#[test]
fn arrays_of_the_kernels_md_are_warned_of() {
    becomes(
        "arrays",
        "warning",
        "md0 under the kernel's md",
        "mdp2p detail ARRAY says how to move md0 to md-p2p",
        |root| {
            for (file, text) in [
                ("level", "raid1"),
                ("array_state", "clean"),
                ("metadata_version", "1.2"),
                ("sync_action", "idle"),
            ] {
                put(root, &format!("sys/block/md0/md/{file}"), text);
            }
        },
    );
}

#[test]
fn only_arrays_that_may_move_are_said_to() {
    for (tree, found, remedy) in [
        (
            "machines/08-vmd-switch-mpath-vroc",
            "md126 (a volume of container md127)",
            "not now: md126 is a volume of the container md127",
        ),
        (
            "machines/18-names-names",
            "md125, md126, md127, md_d0 under the kernel's md",
            "mdp2p detail ARRAY says how to move md125, md126, md127, md_d0 to md-p2p",
        ),
        (
            "machines/17-synology-and-reshape-slots",
            "md0, md1, md2 under the kernel's md",
            "how to move md0, md1 to md-p2p; not now: md2 is being reshaped (48 %)",
        ),
    ] {
        let root = plant(tree);
        for (file, text) in [
            ("size", "67108864"),
            ("available", "67108864"),
            ("published", "1"),
        ] {
            put(
                root.path(),
                &format!("sys/bus/pci/devices/0000:00:00.0/p2pmem/{file}"),
                text,
            );
        }
        put(root.path(), "proc/sys/kernel/osrelease", "7.2.12\n");
        let report = report(root.path());
        let checks = report["checks"].as_array().expect("checks");
        let arrays = checks
            .iter()
            .find(|it| it["name"] == "arrays")
            .expect("arrays");
        assert!(text_of(arrays, "found").contains(found), "{tree}: {arrays}");
        assert!(
            text_of(arrays, "remedy").contains(remedy),
            "{tree}: {arrays}"
        );
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn people_get_lines_that_fit_and_a_sum() {
    let root = plant("split");
    put(root.path(), "usr/sbin/true", "");
    let output = doctor(root.path(), &[]);
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        stdout.lines().all(|line| line.chars().count() <= 80),
        "{stdout}"
    );
    assert!(
        stdout.contains("\n         → apt install mdadm\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains("note: this is a virtual machine"),
        "{stdout}"
    );
    let sum = stdout.lines().last().expect("a line");
    assert!(
        sum.starts_with(&format!("{} checks: ", names().len())) && sum.ends_with(" 1 problem"),
        "{sum}"
    );
    assert!(!stdout.contains('\x1b'), "{stdout}");
    let output = doctor(root.path(), &["--color", "always"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("\x1b[31mproblem"));
}

#[test]
fn a_usage_error_ends_with_2() {
    for (arguments, code) in [
        (&["--help"][..], 0),
        (&["--unknown"][..], 2),
        (&["what"][..], 2),
        (&["--sysroot", "/nonexistent"][..], 1),
    ] {
        let output = mdp2p().args(arguments).output().expect("mdp2p runs");
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
    // This machine has a problem, so status 0 can only be for the pipe.
    let root = plant("split");
    for options in [&[][..], &["--json"][..]] {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        drop(theirs);
        let output = mdp2p()
            .arg("--sysroot")
            .arg(root.path())
            .args(options)
            .stdout(Stdio::from(OwnedFd::from(ours)))
            .stderr(Stdio::piped())
            .spawn()
            .and_then(|child| child.wait_with_output())
            .expect("mdp2p runs");
        assert_eq!(output.status.code(), Some(0), "{options:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
