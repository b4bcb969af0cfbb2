// SPDX-License-Identifier: GPL-2.0
//! Checks what lies between drives and providers: ACS, host bridges, the IOMMU and bounce buffers.
//!
//! Tests: tests/doctor.rs, and below.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::DEVICES;
use mdp2p_machine::pci::reach::{Way, Why};

use crate::commands::doctor::check::{Check, Finding, ok, problem, warning};
use crate::commands::doctor::survey::Survey;
use crate::ui;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[
    ("ACS", acs),
    ("reach", reach),
    ("IOMMU", iommu),
    ("bounce buffers", bounce_buffers),
];

/// Checks whether ports between providers and drives redirect.
fn acs(survey: &Survey) -> Result<Finding> {
    let mut ports = BTreeSet::new();
    let mut blocked = false;
    for pair in survey.pairs() {
        for why in &pair.reach.why {
            if let Why::AcsRedirect { ports: found } = why {
                ports.extend(found.iter().copied());
                blocked |= pair.reach.way == Way::No;
            }
        }
    }
    if ports.is_empty() {
        let found = "no port between providers and drives redirects";
        return Ok(match survey.hides_config_space() {
            true => warning(
                "only root can see whether ports redirect",
                "sudo mdp2p doctor",
            ),
            false => ok(found),
        });
    }
    let found = format!("redirects to the host bridge at {}", ui::list(&ports));
    let remedy = disable_redirect(&ports);
    Ok(match blocked {
        true => problem(format!("{found}, so drives do not reach providers"), remedy),
        false => warning(format!("{found}: it works, but is a detour"), remedy),
    })
}

/// Says which parameter turns ACS redirect off, and that it ends the isolation of devices below
/// these ports.
fn disable_redirect(ports: &BTreeSet<Bdf>) -> String {
    let words: Vec<String> = ports.iter().map(Bdf::to_string).collect();
    let parameter = format!("pci=disable_acs_redir={}", words.join(";"));
    let semicolon = match ports.len() {
        1 => "",
        _ => r"; in GRUB write \; for each ;",
    };
    format!(
        "{}{semicolon}. Devices below these ports are then no longer isolated from each other: do \
         not give them to different virtual machines",
        boot_with(&parameter)
    )
}

/// Checks whether drives reach providers.
fn reach(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&[DEVICES])?;
    let pairs = survey.pairs();
    if survey.devices.providers().next().is_none() {
        return Ok(warning("there is no provider", "see providers above"));
    }
    if pairs.is_empty() {
        return Ok(warning(
            "there is no NVMe drive that could reach a provider",
            "members other than PCI devices are staged: the CPU copies",
        ));
    }
    let of = |way| pairs.iter().filter(|it| it.reach.way == way).count();
    let (direct, through, no) = (of(Way::Direct), of(Way::ThroughHostBridge), of(Way::No));
    let ways = [
        (direct, "direct"),
        (through, "through the host bridge"),
        (no, "not at all"),
    ];
    let ways: Vec<String> = ways
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, way)| format!("{number} {way}"))
        .collect();
    let found = format!(
        "{} of drive and provider: {}",
        ui::count(pairs.len(), "pair"),
        ways.join(", ")
    );
    let alone: BTreeSet<Bdf> = survey
        .devices
        .providers()
        .map(|it| it.address)
        .filter(|it| {
            pairs
                .iter()
                .all(|pair| pair.provider != *it || pair.reach.way == Way::No)
        })
        .collect();
    let remedy =
        "mdp2p topology shows which do not, and why; put drive and provider below one switch";
    Ok(if no == pairs.len() {
        problem(found, remedy)
    } else if !alone.is_empty() {
        let found = format!("{found}; no other drive reaches {}", ui::list(&alone));
        warning(found, remedy)
    } else if no > 0 {
        warning(format!("{found}; I/O between those is staged"), remedy)
    } else if survey.hides_config_space() {
        let found = format!("{found}, unless ACS redirects, which only root can see");
        warning(found, "sudo mdp2p doctor")
    } else {
        ok(found)
    })
}

/// Checks whether the IOMMU translates addresses of drives and providers.
fn iommu(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&["sys/class"])?;
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
        if let Some(kind) = survey
            .sysroot
            .read_if(format!("sys/kernel/iommu_groups/{group}/type"))?
        {
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
    format!(
        "boot with {parameter} (GRUB: add it to GRUB_CMDLINE_LINUX in /etc/default/grub, then run update-grub)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_in_one_parameter() {
        let ports = ["0000:02:00.0", "0000:02:01.0"].map(|text| text.parse().expect(text));
        let remedy = disable_redirect(&ports.into());
        let expected = "pci=disable_acs_redir=0000:02:00.0;0000:02:01.0";
        assert!(remedy.contains(expected), "{remedy}");
        assert!(remedy.contains(r"\;"), "{remedy}");
    }
}
