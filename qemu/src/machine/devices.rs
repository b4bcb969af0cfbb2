// SPDX-License-Identifier: GPL-2.0
//! The drives and engines of a topology as QEMU's devices, with the bridges and ports that lead to them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::places::RUN;
use super::topology::{Drive, Engine, Kind, Place, Topology};

/// The first slot of second controllers, above the slots of the first controllers.
const SECOND_SLOTS: usize = 50;

/// The first slot of engines.
const ENGINE_SLOTS: usize = 80;

/// Returns options of QEMU's, each with its value: for the drives of `topology`, for their media,
/// for its engines, and for all that lies between them and the host bridge.
pub fn of(topology: &Topology) -> Vec<(&'static str, Value)> {
    let add = |value| ("-device", value);
    let mut options = Vec::new();
    if topology.iommu {
        // It must come before the devices that it translates for.
        options.push(add(json!({ "driver": "intel-iommu", "intremap": "on" })));
    }
    options.extend(bridges(topology).into_iter().map(add));
    for (number, drive) in topology.drives.iter().enumerate() {
        options.push(("-blockdev", medium(&drive.name)));
        options.extend(subsystem(drive).map(add));
        options.push(add(port(&drive.name, drive.behind, number + 1)));
        options.push(add(device(drive)));
        if let Some(place) = drive.second_path {
            let slot = SECOND_SLOTS + number;
            options.push(add(port(&second(drive), place, slot)));
            options.push(add(second_device(drive)));
        }
        options.extend(namespace(drive).map(add));
    }
    for (number, engine) in topology.engines.iter().enumerate() {
        options.push(add(port(
            &engine.name,
            engine.behind,
            ENGINE_SLOTS + number,
        )));
        options.push(add(engine_device(engine)));
    }
    options
}

/// Returns switches and further host bridges. A switch has one root port above it.
fn bridges(topology: &Topology) -> Vec<Value> {
    let places: BTreeSet<Place> = topology.places().collect();
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

/// Returns the port at `place` that the controller `id` is plugged into, in slot `number`.
fn port(id: &str, place: Place, number: usize) -> Value {
    let (driver, bus) = match place {
        Place::Root => ("pcie-root-port", "pcie.0".to_owned()),
        Place::Bridge(n) => ("pcie-root-port", format!("bridge{n}")),
        Place::Switch(n) => ("xio3130-downstream", format!("switch{n}")),
    };
    json!({ "driver": driver, "id": format!("port-{id}"), "bus": bus, "chassis": number, "slot": number })
}

/// Returns the device that `drive` is to the guest, as `-device` and `device_add` take it.
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

/// Returns the second controller of a `drive` that has two. It has no controller memory.
fn second_device(drive: &Drive) -> Value {
    json!({
        "driver": "nvme",
        "id": second(drive),
        "serial": drive.name,
        "bus": format!("port-{}", second(drive)),
        "subsys": subsystem_id(drive),
    })
}

/// Returns the device of an `engine`. Usually its addresses have 28 bits only, which reach neither
/// a BAR nor all of the memory.
fn engine_device(engine: &Engine) -> Value {
    json!({
        "driver": "edu",
        "id": engine.name,
        "bus": format!("port-{}", engine.name),
        "dma_mask": u64::MAX,
    })
}

fn second(drive: &Drive) -> String {
    format!("{}-second", drive.name)
}

/// Returns the subsystem that makes two controllers one drive to the guest. `None` for a `drive`
/// with one controller.
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

/// Returns whether a `drive` needs a device for its namespace.
fn has_namespace(drive: &Drive) -> bool {
    drive.protected || drive.second_path.is_some()
}

/// Returns the namespace of a `drive`, or `None` if it needs no device. Two controllers show it, or
/// it has eight bytes of metadata for each block, with protection information of type 1.
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

/// Returns the file in which the drive of this `name` keeps its data. A flush does not reach the
/// machine's own disk, because the data need to survive QEMU, not a power failure.
pub fn medium(name: &str) -> Value {
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
        let options = of(&Topology::find(name).expect("a topology"));
        options
            .into_iter()
            .filter(|(option, _)| *option == "-device")
            .map(|(_, device)| device)
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
    fn an_engine_has_its_place_and_reaches_all_addresses() {
        let devices = devices("engines");
        for (id, port, bus) in [
            ("engine0", "port-engine0", "switch0"),
            ("engine1", "port-engine1", "bridge1"),
        ] {
            let engine = find(&devices, id);
            assert_eq!(
                (&engine["driver"], &engine["bus"]),
                (&json!("edu"), &json!(port))
            );
            assert_eq!(engine["dma_mask"], u64::MAX);
            assert_eq!(find(&devices, port)["bus"], bus);
        }
        assert_eq!(find(&devices, "bridge1")["driver"], "pxb-pcie");
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
        for name in [
            "big", "engine", "engines", "mixed", "nocmb", "paths", "split", "switch",
        ] {
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
}
