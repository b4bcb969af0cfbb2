// SPDX-License-Identifier: GPL-2.0
//! QEMU's command line: the machine that QEMU shows to the guest.

use std::os::fd::RawFd;

use serde::Serialize;
use serde_json::{Value, json};

use super::devices;
use super::places::{Boot, ENVIRONMENT, JOB, OUT, RUN, SYSTEM, TRACE};
use super::topology::Topology;

/// Kernel words of a system guest: what to start, and to boot quickly and quietly. The BPF security
/// module that systemd sets up would take a good part of an emulated boot.
const SYSTEM_BOOT: &[&str] = &[
    "systemd.wants=vm.service",
    "systemd.show_status=no",
    "systemd.log_level=notice",
    "systemd.getty_auto=no",
    "systemd.gpt_auto=no",
    "systemd.condition_needs_update=no",
    "lsm=lockdown",
    "modprobe.blacklist=kvm_amd,kvm_intel",
];

/// The emulated CPU, and the features that it lacks: see [`Machine::processors`].
const EMULATED: &str = "max,smap=off,smep=off,erms=off,fsrm=off,fsrs=off";

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// This machine's processor.
    Kvm,
    /// QEMU's emulation.
    Tcg,
}

/// How many processors the guest has, and how they run when they are emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Two that take turns.
    Turns,
    /// Two that run at the same time.
    Parallel,
    /// One whose clock counts its instructions, a nanosecond each. It is always emulated.
    Counted,
}

/// The guest's processors.
#[derive(Clone, Copy, Debug)]
pub struct Processors {
    /// What runs their instructions.
    pub accel: Accel,
    /// How they run.
    pub pace: Pace,
    /// Whether the kernel assumes that any two devices reach each other.
    pub reach_all: bool,
}

/// QEMU's command line, which is made bit by bit.
#[derive(Debug)]
pub struct Machine {
    arguments: Vec<String>,
    kernel_arguments: Vec<String>,
    initrd: String,
}

/// The connections between a guest and its runner: a descriptor for each of QEMU's sockets.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    /// QEMU's own monitor.
    pub qmp: RawFd,
    /// The requests of `vmctl`.
    pub control: RawFd,
    /// The script's standard output.
    pub stdout: RawFd,
    /// The script's standard error.
    pub stderr: RawFd,
}

impl Machine {
    /// Makes a machine that boots `release`, and has nothing but two serial ports: one for the
    /// kernel's messages, and one for the output of the guest's first programs.
    pub fn new(release: &str, processors: Processors, boot: Boot) -> Self {
        let mut machine = Self {
            arguments: Vec::new(),
            kernel_arguments: Vec::new(),
            initrd: format!("/usr/lib/modules/{release}/initrd"),
        };
        machine.option("-nodefaults", &[]);
        machine.option("-no-user-config", &[]);
        machine.option("-no-reboot", &[]);
        machine.option("-display", &["none"]);
        machine.option("-machine", &["q35,kernel-irqchip=split"]);
        machine.processors(processors);
        machine.option("-m", &["2G"]);
        machine.option("-kernel", &[&format!("/usr/lib/modules/{release}/vmlinuz")]);
        for name in ["dmesg", "console"] {
            machine.option(
                "-chardev",
                &[&format!("file,id={name},path={}", boot.file(name))],
            );
            machine.option("-serial", &[&format!("chardev:{name}")]);
        }
        machine.kernel(&[
            // All messages are printed at once, and a panic ends QEMU.
            "console=ttyS0,115200",
            "ignore_loglevel",
            "printk.devkmsg=on",
            "log_buf_len=4M",
            "panic=-1",
            // A hang is reported, but not on a machine that is just slow.
            "watchdog_thresh=30",
            "rcupdate.rcu_cpu_stall_timeout=60",
            // Emulation is slow enough without these.
            "mitigations=off",
            // QEMU reuses the translation of a program that stays at its address.
            "norandmaps",
            "tsc=reliable",
            "no_timer_check",
            "random.trust_cpu=on",
            "raid=noautodetect",
            // If an interrupt comes while the kernel looks for the fifth level of page tables,
            // KASAN reports addresses that need this level.
            "no5lvl",
        ]);
        machine
    }

    /// Adds the drives and engines of `topology`, and the bridges and ports that lead to them.
    pub fn add_topology(&mut self, topology: &Topology) {
        if topology.iommu {
            self.kernel(&["intel_iommu=on", "iommu.passthrough=0", "iommu.strict=1"]);
        }
        for (option, value) in devices::of(topology) {
            self.option(option, &[&value.to_string()]);
        }
    }

    /// Adds the guest's root: the environment, and this run's files above it.
    pub fn add_root(&mut self) {
        self.share("environment", ENVIRONMENT, "on");
        self.share("job", JOB, "on");
    }

    /// Makes the guest a system: adds the disk that keeps its root, a folder for files that come
    /// out of the guest, and words for systemd.
    pub fn add_system(&mut self) {
        self.share(OUT, &format!("{RUN}/{OUT}"), "off");
        self.option("-blockdev", &[&devices::medium(SYSTEM).to_string()]);
        self.device(&json!({ "driver": "virtio-blk-pci", "bus": "pcie.0", "id": SYSTEM, "serial": SYSTEM, "drive": SYSTEM }));
        self.kernel(SYSTEM_BOOT);
    }

    /// Adds the guest's connections to its runner.
    pub fn add_channels(&mut self, channels: Channels) {
        self.option("-chardev", &[&format!("socket,id=qmp,fd={}", channels.qmp)]);
        self.option("-mon", &["chardev=qmp,mode=control"]);
        self.device(&json!({ "driver": "virtio-serial-pci", "bus": "pcie.0", "id": "ports" }));
        let ports = [
            ("control", channels.control),
            ("stdout", channels.stdout),
            ("stderr", channels.stderr),
        ];
        for (number, (name, fd)) in (1..).zip(ports) {
            self.option("-chardev", &[&format!("socket,id={name},fd={fd}")]);
            self.device(
                &json!({ "driver": "virtserialport", "bus": "ports.0", "chardev": name, "name": name, "nr": number }),
            );
        }
    }

    /// Adds the terminal on which QEMU runs.
    pub fn add_terminal(&mut self) {
        self.option("-chardev", &["stdio,id=terminal,signal=off"]);
        self.device(&json!({ "driver": "virtio-serial-pci", "bus": "pcie.0", "id": "terminals" }));
        self.device(
            &json!({ "driver": "virtconsole", "chardev": "terminal", "bus": "terminals.0" }),
        );
    }

    /// Writes QEMU's trace `events` to a file. Others may be turned on while the guest runs.
    pub fn add_trace(&mut self, events: &[String], boot: Boot) {
        for event in events {
            self.option("-trace", &[event]);
        }
        self.option("-D", &[&boot.file(TRACE)]);
    }

    /// Boots with this initramfs.
    pub fn initrd(&mut self, file: &str) {
        self.initrd = file.to_owned();
    }

    fn share(&mut self, tag: &str, path: &str, readonly: &str) {
        let share = format!(
            "local,id={tag},path={path},security_model=none,readonly={readonly},multidevs=remap"
        );
        self.option("-fsdev", &[&share]);
        self.device(
            &json!({ "driver": "virtio-9p-pci", "bus": "pcie.0", "fsdev": tag, "mount_tag": tag }),
        );
    }

    /// Adds words to the kernel's command line.
    pub fn kernel(&mut self, words: &[&str]) {
        self.kernel_arguments
            .extend(words.iter().map(ToString::to_string));
    }

    /// Returns the arguments for QEMU.
    pub fn arguments(mut self) -> Vec<String> {
        let kernel = self.kernel_arguments.join(" ");
        let initrd = std::mem::take(&mut self.initrd);
        self.option("-initrd", &[&initrd]);
        self.option("-append", &[&kernel]);
        self.arguments
    }

    /// Adds the CPUs. They are AMD's only on request, because the kernel assumes that any two
    /// devices reach each other with AMD's CPUs since Zen.
    ///
    /// Emulated CPUs take turns unless they are to run in parallel. If other guests run too, all
    /// of them take two thirds of the time then. An emulated CPU lacks SMAP and SMEP, because each
    /// change of what the kernel may touch ends a block of translated code. It lacks ERMS, FSRM
    /// and FSRS, because QEMU moves strings byte by byte if the CPU says that this is quick.
    fn processors(&mut self, processors: Processors) {
        let (accel, cpu) = match processors.accel {
            Accel::Tcg if processors.pace == Pace::Parallel => ("tcg,thread=multi", EMULATED),
            Accel::Tcg => ("tcg,thread=single", EMULATED),
            Accel::Kvm => ("kvm", "host"),
        };
        let kind = if processors.reach_all {
            "vendor=AuthenticAMD,family=25"
        } else {
            "vendor=GenuineIntel,family=6"
        };
        self.option("-accel", &[accel]);
        self.option("-cpu", &[&format!("{cpu},{kind}")]);
        if processors.pace == Pace::Counted {
            self.option("-smp", &["1"]);
            self.option("-icount", &["shift=0,sleep=off"]);
        } else {
            self.option("-smp", &["2"]);
        }
    }

    fn device(&mut self, device: &Value) {
        self.option("-device", &[&device.to_string()]);
    }

    fn option(&mut self, option: &str, values: &[&str]) {
        self.arguments.push(option.to_owned());
        self.arguments
            .extend(values.iter().map(ToString::to_string));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processors(accel: Accel) -> Processors {
        Processors {
            accel,
            pace: Pace::Turns,
            reach_all: false,
        }
    }

    /// Returns the value of `option` on the command line of a machine with these processors.
    fn value(option: &str, processors: Processors) -> String {
        let arguments = Machine::new("7.2", processors, Boot(1)).arguments();
        let place = arguments.iter().position(|argument| argument == option);
        arguments[place.expect(option) + 1].clone()
    }

    #[test]
    fn no_cpu_makes_every_pair_reachable_unless_it_shall() {
        for accel in [Accel::Tcg, Accel::Kvm] {
            let usual = processors(accel);
            let amd = Processors {
                reach_all: true,
                ..usual
            };
            assert!(value("-cpu", usual).contains("vendor=GenuineIntel"));
            assert!(value("-cpu", amd).contains("vendor=AuthenticAMD"));
        }
    }

    #[test]
    fn emulated_processors_take_turns_unless_they_shall_not() {
        let usual = processors(Accel::Tcg);
        let parallel = Processors {
            pace: Pace::Parallel,
            ..usual
        };
        assert_eq!(value("-accel", usual), "tcg,thread=single");
        assert_eq!(value("-accel", parallel), "tcg,thread=multi");
    }

    #[test]
    fn instructions_are_counted_on_one_processor() {
        let counted = Processors {
            pace: Pace::Counted,
            ..processors(Accel::Tcg)
        };
        assert_eq!(value("-accel", counted), "tcg,thread=single");
        assert_eq!(value("-smp", counted), "1");
        assert_eq!(value("-icount", counted), "shift=0,sleep=off");
    }
}
