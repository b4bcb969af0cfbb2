// SPDX-License-Identifier: GPL-2.0
//! The machine that QEMU shows to the guest: a topology as QEMU's command line.

use std::collections::BTreeSet;
use std::os::fd::RawFd;

use serde_json::{Value, json};

use crate::accel::Accel;
use crate::topology::{Drive, Kind, Place, Topology};

/// Where QEMU, in the environment, sees the folder of its run.
pub const RUN: &str = "/run/vm";
/// Where it sees the files that this run puts above the guest's root.
pub const JOB: &str = "/run/job";
/// Where it sees the guest's root.
pub const ENVIRONMENT: &str = "/run/environment";

/// The folder of a run that a system guest can write to.
pub const OUT: &str = "out";

/// The disk on which a system guest keeps what it changes of its root.
pub const SYSTEM: &str = "system";

/// What a system guest's boot is for, and that it is quick and quiet. The BPF module of
/// security that systemd sets up takes a good part of a boot that is emulated.
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

/// What an emulated CPU can do.
const EMULATED: &str = "max,smap=off,smep=off,erms=off,fsrm=off";

/// What the guest's two processors are.
#[derive(Clone, Copy, Debug)]
pub struct Processors {
    /// What runs them.
    pub accel: Accel,
    /// Whether both run at the same time where they are emulated.
    pub parallel: bool,
    /// Whether the kernel takes any two devices for reachable.
    pub reach_all: bool,
}

/// QEMU's command line, made bit by bit.
#[derive(Debug)]
pub struct Machine {
    arguments: Vec<String>,
    kernel_arguments: Vec<String>,
    initrd: String,
}

/// What connects a guest to its runner: a descriptor for each of QEMU's sockets.
#[derive(Clone, Copy, Debug)]
pub struct Channels {
    /// QEMU's own monitor.
    pub qmp: RawFd,
    /// The requests of `vmctl`.
    pub control: RawFd,
    /// What the script prints.
    pub stdout: RawFd,
    /// Its complaints.
    pub stderr: RawFd,
}

impl Machine {
    /// A machine that boots `release` and has nothing but its two serial ports: one for the
    /// kernel's messages, one for what the guest's first programs say.
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
            // Everything, at once, and a panic is the end of QEMU.
            "console=ttyS0,115200",
            "ignore_loglevel",
            "printk.devkmsg=on",
            "log_buf_len=4M",
            "panic=-1",
            // What hangs is to be seen, on a slow machine too.
            "watchdog_thresh=30",
            "rcupdate.rcu_cpu_stall_timeout=60",
            // Emulated time is dear.
            "mitigations=off",
            // What was translated of a program is found again if it is where it was.
            "norandmaps",
            "tsc=reliable",
            "no_timer_check",
            "random.trust_cpu=on",
            "raid=noautodetect",
            // An interrupt while the kernel looks for the fifth level of page tables makes
            // KASAN take addresses that need it for wild ones.
            "no5lvl",
        ]);
        machine
    }

    /// Adds the drives of `topology` and the way to them.
    pub fn add_topology(&mut self, topology: &Topology) {
        if topology.iommu {
            // It must come before the devices that it translates for.
            self.device(&json!({ "driver": "intel-iommu", "intremap": "on" }));
            self.kernel(&["intel_iommu=on", "iommu.passthrough=0", "iommu.strict=1"]);
        }
        for bridge in bridges(topology) {
            self.device(&bridge);
        }
        for (number, drive) in topology.drives.iter().enumerate() {
            self.option("-blockdev", &[&medium(&drive.name).to_string()]);
            if let Some(subsystem) = subsystem(drive) {
                self.device(&subsystem);
            }
            self.device(&port(&drive.name, drive.behind, number + 1));
            self.device(&device(drive));
            if let Some(place) = drive.second_path {
                let slot = SECOND_SLOTS + number;
                self.device(&port(&second(drive), place, slot));
                self.device(&second_device(drive));
            }
            if let Some(namespace) = namespace(drive) {
                self.device(&namespace);
            }
        }
    }

    /// Adds the guest's root: the environment, and this run's files above it.
    pub fn add_root(&mut self) {
        self.share("environment", ENVIRONMENT, "on");
        self.share("job", JOB, "on");
    }

    /// Adds what makes the guest a system: the disk that its root lasts on, a folder for what
    /// is to come out of it, and what systemd is to do and to leave.
    pub fn add_system(&mut self) {
        self.share(OUT, &format!("{RUN}/{OUT}"), "off");
        self.option("-blockdev", &[&medium(SYSTEM).to_string()]);
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

    /// Adds a terminal: that of whoever runs QEMU.
    pub fn add_terminal(&mut self) {
        self.option("-chardev", &["stdio,id=terminal,signal=off"]);
        self.device(&json!({ "driver": "virtio-serial-pci", "bus": "pcie.0", "id": "terminals" }));
        self.device(
            &json!({ "driver": "virtconsole", "chardev": "terminal", "bus": "terminals.0" }),
        );
    }

    /// Writes QEMU's trace `events` to a file.
    pub fn add_trace(&mut self, events: &[String], boot: Boot) {
        for event in events {
            self.option("-trace", &[event]);
        }
        if !events.is_empty() {
            self.option("-D", &[&boot.file("trace")]);
        }
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

    /// The arguments for QEMU.
    pub fn arguments(mut self) -> Vec<String> {
        let kernel = self.kernel_arguments.join(" ");
        let initrd = std::mem::take(&mut self.initrd);
        self.option("-initrd", &[&initrd]);
        self.option("-append", &[&kernel]);
        self.arguments
    }

    /// Says what CPUs the guest has. The kernel takes any two devices for reachable if they are
    /// of AMD's from Zen on, so they are only where that is asked for.
    ///
    /// Emulated, they take turns unless they are to run in parallel: where other guests run too,
    /// the whole takes two thirds of the time then. Each change of what the kernel may touch ends a block of translated code, and strings are moved
    /// byte by byte where the CPU says that this is quick.
    fn processors(&mut self, processors: Processors) {
        let (accel, cpu) = match processors.accel {
            Accel::Tcg if processors.parallel => ("tcg,thread=multi", EMULATED),
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
        self.option("-smp", &["2"]);
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

/// One boot of a run; a run has several if its script asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot(pub u32);

impl Boot {
    /// How this boot calls the file `name` of a run's folder.
    pub fn name(self, name: &str) -> String {
        if self.0 == 1 {
            name.to_owned()
        } else {
            format!("{name}.{}", self.0)
        }
    }

    fn file(self, name: &str) -> String {
        format!("{RUN}/{}", self.name(name))
    }
}

/// The slots of drives' second controllers, above those of the first ones.
const SECOND_SLOTS: usize = 50;

/// Switches and further host bridges. A switch has one root port above it.
fn bridges(topology: &Topology) -> Vec<Value> {
    let places: BTreeSet<Place> = topology.drives.iter().flat_map(Drive::places).collect();
    let mut bridges = Vec::new();
    for place in places {
        match place {
            Place::Root => {}
            Place::Switch(n) => {
                let slot = 100 + u32::from(n);
                let above = format!("above-switch{n}");
                bridges.push(json!({ "driver": "pcie-root-port", "id": above, "bus": "pcie.0", "chassis": slot, "slot": slot }));
                bridges.push(
                    json!({ "driver": "x3130-upstream", "id": format!("switch{n}"), "bus": above }),
                );
            }
            Place::Bridge(n) => {
                let bus = 0x40 + 0x20 * u32::from(n);
                bridges.push(json!({ "driver": "pxb-pcie", "id": format!("bridge{n}"), "bus": "pcie.0", "bus_nr": bus }));
            }
        }
    }
    bridges
}

/// The port at `place` that the controller `id` is plugged into, in slot `number`.
fn port(id: &str, place: Place, number: usize) -> Value {
    let (driver, bus) = match place {
        Place::Root => ("pcie-root-port", "pcie.0".to_owned()),
        Place::Bridge(n) => ("pcie-root-port", format!("bridge{n}")),
        Place::Switch(n) => ("xio3130-downstream", format!("switch{n}")),
    };
    json!({ "driver": driver, "id": format!("port-{id}"), "bus": bus, "chassis": number, "slot": number })
}

/// The device that `drive` is to the guest, as `-device` and `device_add` take it.
pub fn device(drive: &Drive) -> Value {
    let driver = match drive.kind {
        Kind::Nvme => "nvme",
        Kind::Virtio => "virtio-blk-pci",
    };
    let mut device = json!({
        "driver": driver,
        "id": drive.name,
        "serial": drive.name,
        "bus": format!("port-{}", drive.name),
    });
    if drive.second_path.is_some() {
        device["subsys"] = json!(subsystem_id(drive));
    }
    if !has_namespace(drive) {
        device["drive"] = json!(drive.name);
    }
    if let Some(cmb) = drive.cmb {
        device["cmb_size_mb"] = json!(cmb.0 >> 20);
    }
    device
}

/// The second controller of a `drive` that has two. It has no controller memory.
fn second_device(drive: &Drive) -> Value {
    json!({
        "driver": "nvme",
        "id": second(drive),
        "serial": drive.name,
        "bus": format!("port-{}", second(drive)),
        "subsys": subsystem_id(drive),
    })
}

fn second(drive: &Drive) -> String {
    format!("{}-second", drive.name)
}

/// What makes the two controllers of a `drive` one drive to the guest.
fn subsystem(drive: &Drive) -> Option<Value> {
    let subsystem = json!({
        "driver": "nvme-subsys",
        "id": subsystem_id(drive),
        "nqn": drive.name,
    });
    drive.second_path.map(|_| subsystem)
}

fn subsystem_id(drive: &Drive) -> String {
    format!("{}-subsystem", drive.name)
}

/// Whether a `drive` cannot be one with its namespace.
fn has_namespace(drive: &Drive) -> bool {
    drive.protected || drive.second_path.is_some()
}

/// The namespace of such a `drive`: two controllers show it, or it has eight bytes of metadata for
/// each block, with protection information of type 1 in them.
fn namespace(drive: &Drive) -> Option<Value> {
    let mut namespace = json!({
        "driver": "nvme-ns",
        "bus": drive.name,
        "drive": drive.name,
        "shared": drive.second_path.is_some(),
    });
    if drive.protected {
        namespace["ms"] = json!(8);
        namespace["pi"] = json!(1);
    }
    has_namespace(drive).then_some(namespace)
}

/// What the drive of this `name` keeps its data in. A flush is not for the machine's own disk: the data need to
/// survive QEMU, not a power failure.
fn medium(name: &str) -> Value {
    json!({
        "driver": "raw",
        "node-name": name,
        "discard": "unmap",
        "file": {
            "driver": "file",
            "filename": format!("{RUN}/drives/{name}"),
            "discard": "unmap",
            "cache": { "no-flush": true },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(name: &str) -> Vec<Value> {
        let mut machine = Machine::new("7.2", processors(Accel::Tcg), Boot(1));
        machine.add_topology(&Topology::find(name).expect("a topology"));
        let arguments = machine.arguments();
        let is_device = |pair: &&[String]| pair[0] == "-device";
        arguments
            .windows(2)
            .filter(is_device)
            .map(|pair| serde_json::from_str(&pair[1]).expect("JSON"))
            .collect()
    }

    fn find<'a>(devices: &'a [Value], id: &str) -> &'a Value {
        devices.iter().find(|device| device["id"] == id).expect(id)
    }

    #[test]
    fn drives_of_one_switch_have_its_ports() {
        let devices = devices("switch");
        for drive in ["near0", "near1", "near2", "near3"] {
            assert_eq!(find(&devices, drive)["cmb_size_mb"], 16);
            let port = find(
                &devices,
                find(&devices, drive)["bus"].as_str().expect("a bus"),
            );
            assert_eq!(
                (&port["driver"], &port["bus"]),
                (&json!("xio3130-downstream"), &json!("switch0"))
            );
        }
        assert_eq!(find(&devices, "switch0")["driver"], "x3130-upstream");
    }

    #[test]
    fn the_far_drive_is_on_a_host_bridge_of_its_own() {
        let devices = devices("split");
        let port = find(&devices, "port-far0");
        assert_eq!(
            (&port["driver"], &port["bus"]),
            (&json!("pcie-root-port"), &json!("bridge0"))
        );
        assert_eq!(find(&devices, "bridge0")["driver"], "pxb-pcie");
    }

    #[test]
    fn a_virtio_disk_is_one_and_has_no_controller_memory() {
        let devices = devices("mixed");
        assert_eq!(find(&devices, "other0")["driver"], "virtio-blk-pci");
        assert_eq!(find(&devices, "other0").get("cmb_size_mb"), None);
    }

    #[test]
    fn a_protected_drive_has_its_data_in_a_namespace_with_metadata() {
        let devices = devices("protected");
        assert_eq!(find(&devices, "near0").get("drive"), None);
        let namespace = devices
            .iter()
            .find(|device| device["driver"] == "nvme-ns" && device["bus"] == "near0")
            .expect("a namespace");
        assert_eq!(
            (&namespace["drive"], &namespace["ms"]),
            (&json!("near0"), &json!(8))
        );
    }

    #[test]
    fn a_drive_of_two_paths_is_one_namespace_of_two_controllers() {
        let devices = devices("paths");
        for id in ["twin1", "twin1-second"] {
            let controller = find(&devices, id);
            assert_eq!(controller["subsys"], "twin1-subsystem");
            assert_eq!(controller["serial"], "twin1");
            assert_eq!(controller.get("drive"), None);
        }
        assert_eq!(find(&devices, "port-twin1")["bus"], "switch0");
        assert_eq!(find(&devices, "port-twin1-second")["bus"], "bridge0");
        assert_eq!(find(&devices, "bridge0")["driver"], "pxb-pcie");
        let namespaces: Vec<_> = devices
            .iter()
            .filter(|device| device["driver"] == "nvme-ns" && device["drive"] == "twin1")
            .collect();
        assert_eq!(namespaces.len(), 1);
        assert_eq!(namespaces[0]["shared"], true);
    }

    #[test]
    fn an_iommu_comes_before_all_that_it_translates_for() {
        assert_eq!(devices("iommu")[0]["driver"], "intel-iommu");
        assert!(
            devices("switch")
                .iter()
                .all(|device| device["driver"] != "intel-iommu")
        );
    }

    #[test]
    fn no_two_slots_of_a_guest_have_one_number() {
        for name in ["big", "mixed", "nocmb", "paths", "split", "switch"] {
            let devices = devices(name);
            let slots: Vec<_> = devices
                .iter()
                .filter_map(|device| device["slot"].as_u64())
                .collect();
            assert_eq!(
                slots.iter().collect::<BTreeSet<_>>().len(),
                slots.len(),
                "{name}"
            );
        }
    }

    fn processors(accel: Accel) -> Processors {
        Processors {
            accel,
            parallel: false,
            reach_all: false,
        }
    }

    /// What follows `option` on the command line of a machine with these processors.
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
            parallel: true,
            ..usual
        };
        assert_eq!(value("-accel", usual), "tcg,thread=single");
        assert_eq!(value("-accel", parallel), "tcg,thread=multi");
    }
}
