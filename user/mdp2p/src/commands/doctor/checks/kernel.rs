// SPDX-License-Identifier: GPL-2.0
//! Checks the kernel, the modules of md-p2p for this kernel, and mdadm.
//!
//! Tests: tests/doctor.rs.

use anyhow::Result;
use mdp2p_machine::kernel::config::Options;
use mdp2p_machine::kernel::modules::{self, MAIN, MODULES, Mode};
use mdp2p_machine::kernel::release::{self, display};
use mdp2p_machine::kernel::secure_boot;

use crate::commands::doctor::check::{Check, Finding, ok, problem, warning};
use crate::commands::doctor::checks::build;
use crate::commands::doctor::survey::Survey;

/// The checks of this file, in the order of the report.
pub const CHECKS: &[Check] = &[
    ("kernel options", kernel_options),
    ("modules installed", modules_installed),
    ("modules loaded", modules_loaded),
    ("Secure Boot", secure_boot),
    ("mdadm", mdadm),
];

/// Checks the options with which the kernel was built.
fn kernel_options(survey: &Survey) -> Result<Finding> {
    const NEEDED: [(&str, &str); 4] = [
        ("PCI_P2PDMA", "without it no driver does peer-to-peer DMA"),
        ("ZONE_DEVICE", "without it peer memory has no pages"),
        ("RUST", "part of md-p2p is written in Rust"),
        ("BLK_DEV_MD", "MD needs parts that come with it"),
    ];
    let release = &survey.release()?;
    let Some(options) = Options::read(survey.sysroot, release)? else {
        if modules::mode(survey.sysroot).is_some() {
            return Ok(ok(format!("md-p2p runs in {release}, so they are right")));
        }
        survey.sysroot.needs(&["boot", "proc/config.gz"])?;
        return Ok(warning(
            format!("cannot tell how {release} was configured"),
            format!("install the kernel's headers: apt install linux-headers-{release}"),
        ));
    };
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(name, _)| !matches!(options.get(name), Some("y" | "m")))
        .map(|(name, why)| format!("CONFIG_{name} ({why})"))
        .collect();
    if missing.is_empty() {
        return Ok(ok(format!("{release} has all that are needed")));
    }
    Ok(problem(
        format!(
            "{} says that {release} was built without {}",
            display(&options.file),
            missing.join(", ")
        ),
        "use a kernel that has them; Debian 13: apt install -t trixie-backports linux-image-amd64",
    ))
}

/// Checks whether all modules are installed for the running kernel, each once.
fn modules_installed(survey: &Survey) -> Result<Finding> {
    let release = &survey.release()?;
    survey.sysroot.needs(&["lib/modules", "usr/lib/modules"])?;
    let count_of = |name: &&&str| {
        survey
            .installed
            .iter()
            .filter(|it| it.name == **name)
            .count()
    };
    let missing: Vec<&str> = MODULES
        .iter()
        .filter(|it| count_of(it) == 0)
        .copied()
        .collect();
    let twice: Vec<&str> = MODULES
        .iter()
        .filter(|it| count_of(it) > 1)
        .copied()
        .collect();
    let install = "sudo mdp2p module install";
    if missing.len() == MODULES.len() {
        if !survey.loaded.is_empty() {
            return Ok(warning(
                format!("none is installed for {release}; the loaded ones are gone after a reboot"),
                install,
            ));
        }
        if let Some(refused) = build::refused(survey)? {
            return Ok(refused);
        }
        return Ok(problem(
            format!("none is installed for {release}{}", other_kernels(survey)?),
            install,
        ));
    }
    if missing.contains(&MAIN) {
        return Ok(problem(
            format!("md-p2p is not installed for {release}, and all others need it"),
            install,
        ));
    }
    if !missing.is_empty() {
        return Ok(warning(
            format!("not installed for {release}: {}", missing.join(", ")),
            install,
        ));
    }
    if !twice.is_empty() {
        return Ok(warning(
            format!(
                "in more than one folder for {release}: {}",
                twice.join(", ")
            ),
            "mdp2p module status shows where; remove the old ones and run depmod",
        ));
    }
    let path = &survey.installed[0].path;
    let folder = path.parent().unwrap_or(path);
    Ok(ok(format!(
        "all {} are in {}",
        MODULES.len(),
        display(folder)
    )))
}

/// Names the other kernels for which md-p2p is installed.
fn other_kernels(survey: &Survey) -> Result<String> {
    let running = survey.release()?;
    let all = release::folder(survey.sysroot, &running);
    let mut found = Vec::new();
    for release in survey.sysroot.names(all.parent().unwrap_or(&all))? {
        if release != running && !modules::installed(survey.sysroot, &release)?.is_empty() {
            found.push(release);
        }
    }
    Ok(match found[..] {
        [] => String::new(),
        _ => format!(", only for {}", found.join(", ")),
    })
}

/// Checks whether md-p2p is loaded, and says beside what.
fn modules_loaded(survey: &Survey) -> Result<Finding> {
    survey.sysroot.needs(&["sys/module"])?;
    let Some(mode) = modules::mode(survey.sysroot) else {
        return Ok(warning("md-p2p is not loaded", "sudo mdp2p module load"));
    };
    if let Some(untested) = build::untested(survey)? {
        return Ok(untested);
    }
    Ok(match mode {
        Mode::Sole => ok("md-p2p is the only md: plain mdadm works with it"),
        Mode::Beside => ok(
            "md-p2p is loaded beside the kernel's md: plain mdadm does not see its arrays, but \
             mdp2p and `mdp2p mdadm --` do",
        ),
    })
}

/// Checks whether the modules have the signatures that the kernel demands.
fn secure_boot(survey: &Survey) -> Result<Finding> {
    survey
        .sysroot
        .needs(&["sys/firmware", "sys/kernel/security/lockdown"])?;
    let mut demands = Vec::new();
    let secure = secure_boot::is_secure(survey.sysroot)?;
    if secure_boot::is_locked_down(survey.sysroot)? {
        demands.push("the kernel is locked down");
    }
    let enforce = survey
        .sysroot
        .read_if("sys/module/module/parameters/sig_enforce")?;
    if enforce.as_deref() == Some("Y") {
        demands.push("module.sig_enforce is set");
    }
    let found = match (secure, &demands[..]) {
        (false, []) => return Ok(ok("off: modules need no signature")),
        (true, []) => {
            return Ok(ok("on, but this kernel does not require signed modules"));
        }
        (true, demands) => format!("on: {}", demands.join(", ")),
        (false, demands) => format!("off, but {}", demands.join(", ")),
    };
    let of = |signed| {
        survey
            .installed
            .iter()
            .filter(move |it| it.signed == signed)
    };
    let unsigned = of(Some(false)).count();
    if unsigned > 0 {
        return Ok(problem(
            format!(
                "{found}, and {} of {} modules have no signature",
                unsigned,
                survey.installed.len()
            ),
            "sudo mdp2p module sign",
        ));
    }
    if modules::mode(survey.sysroot).is_some() {
        return Ok(ok(format!("{found}; md-p2p was accepted")));
    }
    if survey.installed.is_empty() {
        let remedy = "once they are installed: sudo mdp2p module sign";
        return Ok(warning(
            format!("{found}, so modules must be signed"),
            remedy,
        ));
    }
    if of(None).count() > 0 {
        return Ok(warning(
            format!("{found}, and the modules are compressed, so their signatures cannot be read"),
            "modinfo md-p2p shows the signature; if there is none, unpack the modules and run sudo mdp2p \
             module sign",
        ));
    }
    Ok(warning(
        format!("{found}; the modules are signed, but the key may not be enrolled"),
        "try sudo mdp2p module load; if it is refused, enrol the key with mokutil --import CERTIFICATE",
    ))
}

/// Checks whether mdadm is installed.
fn mdadm(survey: &Survey) -> Result<Finding> {
    const FOLDERS: [&str; 6] = [
        "usr/sbin",
        "sbin",
        "usr/bin",
        "bin",
        "usr/local/sbin",
        "usr/local/bin",
    ];
    let path = FOLDERS.map(|folder| format!("{folder}/mdadm"));
    if let Some(path) = path.iter().find(|path| survey.sysroot.has(path)) {
        return Ok(ok(format!("/{path}")));
    }
    // Where distributions put it.
    survey.sysroot.needs(&["usr/sbin", "sbin"])?;
    Ok(problem("not installed", "apt install mdadm"))
}
