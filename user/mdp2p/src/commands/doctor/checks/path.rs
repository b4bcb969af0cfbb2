// SPDX-License-Identifier: GPL-2.0
//! Checks what addresses of drives and providers pass through: the IOMMU and bounce buffers.
//!
//! Tests: tests/doctor.rs.

use std::collections::BTreeMap;

use anyhow::Result;
use mdp2p_machine::pci::advice;
use mdp2p_machine::pci::devices::DEVICES;

use crate::commands::doctor::check::{Check, Finding, ok, problem, warning};
use crate::commands::doctor::survey::Survey;
use crate::ui;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[("IOMMU", iommu), ("bounce buffers", bounce_buffers)];

/// Checks whether the IOMMU translates addresses of drives and providers.
fn iommu(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&["sys/class/iommu"])?;
    let units = survey.sysroot.names("sys/class/iommu")?;
    if units.is_empty() {
        return Ok(ok("off: devices use physical addresses"));
    }
    let mut kinds = BTreeMap::new();
    for device in survey.with_memory() {
        let group = survey
            .sysroot
            .link(format!("{DEVICES}/{}/iommu_group", device.address));
        let Some(group) = group else {
            continue;
        };
        let kind = survey
            .sysroot
            .read_if(format!("sys/kernel/iommu_groups/{group}/type"))?;
        // What was given to a guest or a program (VFIO) is theirs.
        if let Some(kind) = kind.filter(|kind| kind != "unmanaged") {
            *kinds.entry(kind).or_insert(0usize) += 1;
        }
    }
    let translated: Vec<String> = kinds
        .iter()
        .filter(|(kind, _)| *kind != "identity")
        .map(|(kind, number)| format!("{} {kind}", ui::count(*number, "device")))
        .collect();
    let is_requested = survey.has_parameter("iommu=pt")
        || survey.parameter_values("iommu.passthrough").contains(&"1");
    if !translated.is_empty() {
        return Ok(warning(
            format!(
                "on, and translates: {}; DMA through the host bridge takes longer",
                translated.join(", ")
            ),
            boot_with("iommu=pt"),
        ));
    }
    if kinds.is_empty() && !is_requested {
        return Ok(warning(
            "on; cannot tell whether it translates for drives and providers",
            boot_with("iommu=pt"),
        ));
    }
    Ok(ok("on, but passes addresses through (iommu=pt)"))
}

/// Checks whether all DMA is forced through bounce buffers.
fn bounce_buffers(survey: &Survey) -> Result<Finding> {
    let forced = survey.parameter_values("swiotlb");
    if forced
        .iter()
        .any(|value| value.split(',').any(|word| word == "force"))
    {
        return Ok(problem(
            "swiotlb=force: all DMA goes through host memory, so no provider is reached",
            "boot without swiotlb=force",
        ));
    }
    survey.sysroot.needs(&["proc/cmdline"])?;
    survey.sysroot.needs(&["proc/cpuinfo"])?;
    // A host whose processor can encrypt memory has some of these flags too, so only guests count.
    const GUEST: [&str; 3] = [
        "dev/sev-guest",
        "dev/tdx_guest",
        "sys/devices/system/cpu/sev",
    ];
    const FLAGS: [&str; 4] = ["sev", "sev_es", "sev_snp", "tdx_guest"];
    let encrypted = GUEST.iter().any(|path| survey.sysroot.has(path))
        || FLAGS.iter().any(|flag| survey.flags.contains(*flag));
    if survey.is_virtual() && encrypted {
        return Ok(problem(
            "the memory of this guest is encrypted: all DMA goes through bounce buffers, so no \
             provider is reached",
            "use a guest without SEV or TDX, or the host",
        ));
    }
    Ok(ok("not forced"))
}

/// Says how to boot with a parameter.
fn boot_with(parameter: &str) -> String {
    format!("boot with {parameter} ({})", advice::grub(parameter))
}
