// SPDX-License-Identifier: GPL-2.0
//! DMA engines that copy memory: the channels of the kernel's dmaengine, and the work queues of
//! Intel's DSA (Documentation/ABI/stable/sysfs-driver-dma-idxd).

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::bdf::Bdf;
use super::controllers;
use super::devices::{Device, Devices};
use crate::sysroot::Sysroot;

/// The channels of all engines.
const CHANNELS: &str = "sys/class/dma";

/// The devices of DSA, and their work queues.
pub const DSA: &str = "sys/bus/dsa/devices";

/// The kernel's drivers of PCI devices that copy memory. Engines of others serve one device only,
/// such as a serial port.
const DRIVERS: [&str; 5] = ["idxd", "ioatdma", "ptdma", "ae4dma", "switchtec_dma"];

/// Vendor and devices of DSA (include/linux/pci_ids.h), by which one without a driver is known.
const DSA_IDS: (u16, [u16; 3]) = (0x8086, [0x0b25, 0x11fb, 0x1212]);

/// A PCI device that copies memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// The address.
    pub address: Bdf,
    /// The driver; `None` if none is bound.
    pub driver: Option<String>,
    /// The channels. A DSA has one for each work queue that is dmaengine's.
    pub channels: Vec<Channel>,
    /// The DSA that the device is.
    pub dsa: Option<Dsa>,
}

/// A channel of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// The name: `dma0chan1`.
    pub name: String,
    /// How many users it has.
    pub in_use: u32,
}

/// An Intel DSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dsa {
    /// The name: `dsa0`.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The work queues.
    pub queues: Vec<Queue>,
}

/// A work queue of a DSA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// The name: `wq0.1`.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// `none`, `kernel` or `user`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The driver that it is meant for: `dmaengine`, `user` or `crypto`.
    pub driver: String,
    /// `dedicated` or `shared`.
    pub mode: String,
    /// How many entries it has; none can be added while the DSA is enabled.
    pub size: u32,
}

impl Engine {
    /// Returns a channel that nobody uses.
    pub fn free_channel(&self) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.in_use == 0)
    }
}

impl Dsa {
    /// Tells whether a queue is dmaengine's and enabled, so that it is a channel.
    pub fn has_channel(&self) -> bool {
        let mut queues = self.queues.iter();
        queues.any(|queue| queue.enabled && queue.is_dmaengine())
    }

    /// Returns the commands that give the kernel a work queue: accel-config's, then those for a shell
    /// without it. A queue cannot get entries while the DSA is enabled, so if none has any, the DSA
    /// must be disabled first.
    pub fn queue_commands(&self) -> [String; 2] {
        let free = self.queues.iter().filter(|queue| !queue.enabled);
        let ready = free
            .clone()
            .find(|queue| queue.size > 0 && (self.enabled || queue.is_dmaengine()));
        let number = self.name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let (dsa, engine) = (&self.name, format!("engine{number}.0"));
        let first = || format!("wq{number}.0");
        let any = free.map(|queue| &queue.name).next();
        let queue = ready.map_or_else(|| any.cloned().unwrap_or_else(first), |it| it.name.clone());

        let mut tool = Vec::new();
        let mut shell = vec!["cd /sys/bus/dsa/devices".to_owned()];
        if self.enabled && ready.is_none() {
            tool.push(format!("disable-device {dsa}"));
            shell.push(format!("echo {dsa} >/sys/bus/dsa/drivers/idxd/unbind"));
        }
        if ready.is_none() {
            tool.push(format!("config-engine {dsa}/{engine} --group-id=0"));
            let sizes = "--group-id=0 --mode=dedicated --wq-size=16 --priority=10";
            tool.push(format!("config-wq {dsa}/{queue} {sizes}"));
            let write = |value: &str, file: &str| format!("echo {value} >{queue}/{file}");
            shell.push(format!("echo 0 >{engine}/group_id"));
            shell.extend([
                write("0", "group_id"),
                write("dedicated", "mode"),
                write("16", "size"),
                write("10", "priority"),
            ]);
        }
        if !ready.is_some_and(Queue::is_dmaengine) {
            let kind = "--type=kernel --name=md-p2p --driver-name=dmaengine";
            tool.push(format!("config-wq {dsa}/{queue} {kind}"));
            for (value, file) in [
                ("kernel", "type"),
                ("md-p2p", "name"),
                ("dmaengine", "driver_name"),
            ] {
                shell.push(format!("echo {value} >{queue}/{file}"));
            }
        }
        if !self.enabled || ready.is_none() {
            tool.push(format!("enable-device {dsa}"));
            shell.push(format!("echo {dsa} >/sys/bus/dsa/drivers/idxd/bind"));
        }
        tool.push(format!("enable-wq {dsa}/{queue}"));
        shell.push(format!("echo {queue} >/sys/bus/dsa/drivers/dmaengine/bind"));
        let tool: Vec<String> = tool.iter().map(|it| format!("accel-config {it}")).collect();
        [tool.join(" && "), shell.join(" && ")]
    }

    /// Tells whether [`Self::queue_commands`] disables the DSA, which ends what its other users do.
    pub fn must_be_disabled(&self) -> bool {
        let mut queues = self.queues.iter();
        self.enabled && !queues.any(|queue| !queue.enabled && queue.size > 0)
    }
}

impl Queue {
    /// Tells whether the queue is configured for the kernel's dmaengine, enabled or not.
    pub fn is_dmaengine(&self) -> bool {
        self.kind == "kernel" && self.driver == "dmaengine"
    }
}

/// Reads all engines, by address: those of `DRIVERS`, and those of `more`.
///
/// # Errors
/// If a file in sysfs cannot be read or understood; the error names the file.
pub fn all(sysroot: &Sysroot, devices: &Devices, more: &[String]) -> Result<Vec<Engine>> {
    let mut channels = channels(sysroot)?;
    let mut dsas = dsas(sysroot)?;
    let engine = |device: &Device| {
        let address = device.address;
        let channels = channels.remove(&address).unwrap_or_default();
        let copies = match &device.driver {
            Some(driver) if DRIVERS.contains(&driver.as_str()) => true,
            Some(driver) => more.contains(driver) && !channels.is_empty(),
            None => device.vendor == DSA_IDS.0 && DSA_IDS.1.contains(&device.device),
        };
        copies.then(|| Engine {
            address,
            driver: device.driver.clone(),
            channels,
            dsa: dsas.remove(&address),
        })
    };
    Ok(devices.iter().filter_map(engine).collect())
}

/// Reads the channels of each PCI device.
fn channels(sysroot: &Sysroot) -> Result<BTreeMap<Bdf, Vec<Channel>>> {
    let mut found: BTreeMap<Bdf, Vec<Channel>> = BTreeMap::new();
    for name in sysroot
        .tolerate(sysroot.names(CHANNELS))?
        .unwrap_or_default()
    {
        let Some(address) = address(sysroot, CHANNELS, &name) else {
            continue;
        };
        let in_use = sysroot.value_if(format!("{CHANNELS}/{name}/in_use"));
        let in_use = sysroot.tolerate(in_use)?.flatten().unwrap_or(0);
        let channel = Channel { name, in_use };
        found.entry(address).or_default().push(channel);
    }
    Ok(found)
}

/// Reads the DSA of each PCI device that is one.
fn dsas(sysroot: &Sysroot) -> Result<BTreeMap<Bdf, Dsa>> {
    let names = sysroot.tolerate(sysroot.names(DSA))?.unwrap_or_default();
    let mut found = BTreeMap::new();
    for name in names.iter().filter(|name| name.starts_with("dsa")) {
        let Some(address) = address(sysroot, DSA, name) else {
            continue;
        };
        // The queues of dsa2 are wq2.0 and so on.
        let before = format!("wq{}.", &name["dsa".len()..]);
        let queues = names.iter().filter(|name| name.starts_with(&before));
        let queues = queues.map(|name| Queue::read(sysroot, name));
        let dsa = Dsa {
            name: name.clone(),
            enabled: text(sysroot, name, "state")? == "enabled",
            queues: queues.collect::<Result<_>>()?,
        };
        found.insert(address, dsa);
    }
    Ok(found)
}

impl Queue {
    fn read(sysroot: &Sysroot, name: &str) -> Result<Self> {
        let size = sysroot.value_if(format!("{DSA}/{name}/size"));
        Ok(Self {
            name: name.to_owned(),
            enabled: text(sysroot, name, "state")? == "enabled",
            kind: text(sysroot, name, "type")?,
            driver: text(sysroot, name, "driver_name")?,
            mode: text(sysroot, name, "mode")?,
            size: sysroot.tolerate(size)?.flatten().unwrap_or(0),
        })
    }
}

/// Reads a file of a DSA or a queue; it is empty if it does not exist.
fn text(sysroot: &Sysroot, name: &str, file: &str) -> Result<String> {
    let text = sysroot.read_if(format!("{DSA}/{name}/{file}"));
    Ok(sysroot.tolerate(text)?.flatten().unwrap_or_default())
}

/// Returns the address of the PCI device that a link of a class or a bus leads to.
fn address(sysroot: &Sysroot, folder: &str, name: &str) -> Option<Bdf> {
    let link = sysroot.target(format!("{folder}/{name}"));
    link.and_then(|path| controllers::nearest(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dsa(enabled: bool, queues: &[(bool, u32, &str)]) -> Dsa {
        let queue = |(number, &(enabled, size, driver)): (usize, &(bool, u32, &str))| Queue {
            name: format!("wq2.{number}"),
            enabled,
            kind: if driver == "dmaengine" {
                "kernel"
            } else {
                "user"
            }
            .into(),
            driver: driver.into(),
            mode: "dedicated".into(),
            size,
        };
        Dsa {
            name: "dsa2".into(),
            enabled,
            queues: queues.iter().enumerate().map(queue).collect(),
        }
    }

    /// Returns what accel-config is told, each by its first two words.
    fn steps(dsa: &Dsa) -> Vec<String> {
        let [tool, shell] = dsa.queue_commands();
        // Both ways configure and enable the same queue.
        let last = tool.rsplit('/').next().expect("a queue");
        let bind = format!("echo {last} >/sys/bus/dsa/drivers/dmaengine/bind");
        assert!(shell.ends_with(&bind), "{tool}\n{shell}");
        for what in ["drivers/idxd/unbind", "drivers/idxd/bind", "/size", "/type"] {
            let same = match what {
                "drivers/idxd/unbind" => "disable-device",
                "drivers/idxd/bind" => "enable-device",
                "/size" => "--wq-size",
                _ => "--type",
            };
            assert_eq!(shell.contains(what), tool.contains(same), "{tool}\n{shell}");
        }
        let words = |step: &str| {
            let words: Vec<&str> = step.split(' ').skip(1).take(2).collect();
            words.join(" ")
        };
        tool.split(" && ").map(words).collect()
    }

    #[test]
    fn a_new_dsa_gets_a_queue_and_is_enabled() {
        let new = dsa(false, &[(false, 0, ""), (false, 0, "")]);
        let expected = [
            "config-engine dsa2/engine2.0",
            "config-wq dsa2/wq2.0",
            "config-wq dsa2/wq2.0",
            "enable-device dsa2",
            "enable-wq dsa2/wq2.0",
        ];
        assert_eq!(steps(&new), expected);
        assert!(!new.must_be_disabled() && !new.has_channel());
    }

    #[test]
    fn an_enabled_dsa_is_disabled_only_if_no_queue_is_left() {
        let left = dsa(true, &[(true, 16, "user"), (false, 16, "")]);
        let expected = ["config-wq dsa2/wq2.1", "enable-wq dsa2/wq2.1"];
        assert_eq!(steps(&left), expected);
        assert!(!left.must_be_disabled());
        let none = dsa(true, &[(true, 128, "user"), (false, 0, "")]);
        assert_eq!(steps(&none)[0], "disable-device dsa2");
        assert_eq!(steps(&none).last().expect("a step"), "enable-wq dsa2/wq2.1");
        assert!(none.must_be_disabled());
    }

    #[test]
    fn a_queue_that_is_dmaengine_s_is_only_enabled() {
        let configured = dsa(true, &[(false, 16, "dmaengine")]);
        assert_eq!(steps(&configured), ["enable-wq dsa2/wq2.0"]);
        let configured = dsa(false, &[(false, 16, "dmaengine")]);
        let expected = ["enable-device dsa2", "enable-wq dsa2/wq2.0"];
        assert_eq!(steps(&configured), expected);
        assert!(dsa(true, &[(true, 16, "dmaengine")]).has_channel());
    }
}
