// SPDX-License-Identifier: GPL-2.0
//! Checks the providers, and the BARs through which their memory is reached.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::config::{self, Kind, LARGE_BAR};
use mdp2p_machine::pci::devices::{DEVICES, Device};
use mdp2p_machine::sysroot::Sysroot;

use crate::commands::doctor::check::{Check, Finding, ok, problem, warning};
use crate::commands::doctor::survey::Survey;
use crate::ui;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[
    ("providers", providers),
    ("BARs", bars),
    ("resizable BARs", resizable_bars),
];

/// Checks whether a device has p2pmem, and whether others may allocate it.
fn providers(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    let mut there = Vec::new();
    let mut empty = Vec::new();
    for device in survey.devices.iter() {
        let Some(memory) = &device.p2pmem else {
            continue;
        };
        if !device.is_provider() {
            empty.push(device.address);
            continue;
        }
        let free = match memory.published {
            true => format!("{} free", ui::bytes(memory.available_bytes)),
            false => "not published".to_owned(),
        };
        let bytes = ui::bytes(memory.bytes);
        there.push(format!("{} ({bytes}, {free})", device.address));
    }
    if !there.is_empty() {
        let lends = match survey.devices.lenders().next() {
            Some(_) => "",
            None => {
                "; memory that its driver has not published can be used by the device's own \
                 programs, but rebuilds, verify and bench cannot borrow it"
            }
        };
        return Ok(ok(there.join(", ") + lends));
    }
    if !empty.is_empty() {
        return Ok(problem(
            format!(
                "none; {} {} a pool of p2pmem without any memory",
                ui::list(&empty),
                if empty.len() == 1 { "has" } else { "have" }
            ),
            "see in dmesg why the driver has added no memory, and in its documentation how to let it",
        ));
    }
    Ok(match candidate(survey)? {
        Some((found, remedy)) => problem(format!("none; {found}"), remedy),
        None => problem(
            "none: no device has memory that others could use",
            "add an NVMe drive with a controller memory buffer (CMB), or another device whose \
             driver adds p2pmem",
        ),
    })
}

/// Names a device that could be a provider, and how it becomes one; `None` if there is none.
fn candidate(survey: &Survey) -> Result<Option<(String, String)>> {
    for name in survey.sysroot.names("sys/class/nvme")? {
        // The file exists only if the drive has a controller memory buffer.
        if survey.sysroot.has(format!("sys/class/nvme/{name}/cmb")) {
            return Ok(Some((
                format!(
                    "{name} has a controller memory buffer that the kernel did not add as p2pmem"
                ),
                format!(
                    "see dmesg | grep {name}; the buffer must support data for reads and writes"
                ),
            )));
        }
    }
    let gpu = survey
        .devices
        .iter()
        .find(|it| it.kind == Kind::Gpu && it.largest_bar() >= LARGE_BAR);
    Ok(gpu.map(|gpu| {
        let driver = gpu.driver.as_deref().unwrap_or("none");
        (
            format!("GPU {} (driver {driver}) has no p2pmem", gpu.address),
            "use a driver that adds the GPU's memory as p2pmem (the kernel's P2PDMA)".into(),
        )
    }))
}

/// Checks the addresses of BARs. A BAR without an address cannot be reached, and a large BAR below
/// 4 GiB takes room that is scarce there.
fn bars(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    const UNSET: u64 = 0x2000_0000;
    const MEM: u64 = 0x200;
    let mut lost = Vec::new();
    let mut low = Vec::new();
    for device in survey.with_memory() {
        survey.sysroot.needs(&[&resource(device.address)])?;
        for (index, [start, end, flags]) in read_resources(survey.sysroot, device.address)? {
            let bytes = end.wrapping_sub(start).wrapping_add(1);
            let what = || format!("BAR {index} of {} ({})", device.address, ui::bytes(bytes));
            if flags & MEM != 0 && end > start && (start == 0 || flags & UNSET != 0) {
                lost.push(what());
            } else if flags & MEM != 0 && bytes >= LARGE_BAR && end > start && end >> 32 == 0 {
                low.push(what());
            }
        }
    }
    if !lost.is_empty() {
        return Ok(problem(
            format!("no address was assigned to {}", lost.join(", ")),
            "enable Above 4G Decoding in the firmware's setup; if it is enabled, boot with pci=realloc",
        ));
    }
    if !low.is_empty() {
        return Ok(warning(
            format!(
                "below 4 GiB, where there is little room: {}",
                low.join(", ")
            ),
            "enable Above 4G Decoding in the firmware's setup",
        ));
    }
    let large = survey
        .with_memory()
        .map(Device::largest_bar)
        .max()
        .unwrap_or(0);
    Ok(ok(match large {
        0 => "no drive or GPU has a memory BAR".into(),
        bytes => format!("all have addresses; the largest is {}", ui::bytes(bytes)),
    }))
}

fn resource(address: Bdf) -> String {
    format!("{DEVICES}/{address}/resource")
}

/// Reads the number, start, end and flags of a device's BARs. A line that is garbage is left out,
/// because reading the device has reported it.
fn read_resources(sysroot: &Sysroot, address: Bdf) -> Result<Vec<(usize, [u64; 3])>> {
    let text = sysroot.lines_if(resource(address))?;
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    let line = |line: &str| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(number).collect();
        <[u64; 3]>::try_from(numbers).ok()
    };
    let lines = text.unwrap_or_default();
    let lines = lines.lines().take(6).enumerate();
    Ok(lines
        .filter_map(|(index, it)| Some((index, line(it)?)))
        .collect())
}

/// Checks whether the BARs of GPUs show all memory that they could.
fn resizable_bars(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    let mut small = Vec::new();
    let mut unknown = Vec::new();
    let mut gpus = 0;
    let is_gpu = |it: &&Device| it.kind == Kind::Gpu && it.largest_bar() >= LARGE_BAR;
    let mut all = survey.devices.iter().filter(|it| it.kind == Kind::Gpu);
    if let Some(gpu) = all.find(|it| !survey.sysroot.has(resource(it.address))) {
        survey.sysroot.needs(&[&resource(gpu.address)])?;
    }
    for device in survey.devices.iter().filter(is_gpu) {
        gpus += 1;
        if device.largest_bar() > LARGE_BAR {
            continue;
        }
        let space = format!("{DEVICES}/{}/config", device.address);
        let space = survey.sysroot.bytes(space).unwrap_or_default();
        if space.len() <= 256 {
            unknown.push(device.address);
        }
        small.extend(config::possible_bar_size(&space).into_iter().map(|most| {
            format!(
                "{} has {} of {}",
                device.address,
                ui::bytes(device.largest_bar()),
                ui::bytes(most)
            )
        }));
    }
    if !small.is_empty() {
        return Ok(warning(
            format!(
                "only part of the memory can be reached: {}",
                small.join(", ")
            ),
            "enable Resizable BAR and Above 4G Decoding in the firmware's setup",
        ));
    }
    if !unknown.is_empty() {
        return Ok(warning(
            format!(
                "{} shows 256 MiB, and {} whether more is possible",
                ui::list(&unknown),
                survey.hidden()
            ),
            survey.as_root(),
        ));
    }
    Ok(ok(match gpus {
        0 => "there is no GPU with a large BAR".into(),
        gpus => format!(
            "{} with BARs as large as they can be",
            ui::count(gpus, "GPU")
        ),
    }))
}
