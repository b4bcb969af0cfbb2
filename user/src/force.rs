// SPDX-License-Identifier: GPL-2.0
//! Which md-p2p is in force for a kernel: DKMS's or one that was installed from its source,
//! whose signature it bears, whether the firmware takes that, and if there is none, why.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::{fs, process};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::command;
use crate::host::{Host, garbage};
use crate::kernel::{self, Installed, MAIN, shown};

/// DKMS's own key, with which it signs all that it builds.
pub const KEY: &str = "var/lib/dkms/mok.key";
/// What the firmware has to know for it.
pub const CERTIFICATE: &str = "var/lib/dkms/mok.pub";

/// What is said of it in `mdp2p module status`.
#[derive(Debug, Serialize)]
pub struct Force {
    /// None if there is none.
    in_force: Option<InForce>,
    secure_boot: bool,
    /// Why DKMS has built none for this kernel.
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct InForce {
    /// The one of its files that modprobe takes.
    path: String,
    by: By,
    /// Others are there too.
    also: Vec<By>,
    signer: Option<String>,
    /// Whether the firmware knows the signer's key; none if that cannot be found out.
    enrolled: Option<bool>,
}

/// Who installed a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    /// The package, or who calls DKMS himself.
    Dkms,
    /// `make -C kbuild install` or `mdp2p module install`.
    Make,
}

impl By {
    fn of(path: &Path) -> Self {
        match path.parent().is_some_and(|it| it.ends_with("dkms")) {
            true => By::Dkms,
            false => By::Make,
        }
    }

    fn told(self) -> &'static str {
        match self {
            By::Dkms => "by DKMS",
            By::Make => "by make install",
        }
    }
}

impl Force {
    /// That of a kernel, of whose modules `installed` are.
    ///
    /// # Errors
    /// If what the machine tells of it cannot be understood.
    pub fn read(host: &Host, release: &str, installed: &[Installed]) -> Result<Self> {
        let secure_boot = is_secure(host)?;
        let main: Vec<_> = installed.iter().filter(|it| it.name == MAIN).collect();
        let taken = taken(host, release)?;
        let first = main.iter().find(|it| Some(&it.path) == taken.as_ref());
        let in_force = first.or(main.first()).map(|first| {
            let by = By::of(&first.path);
            let others = main.iter().map(|it| By::of(&it.path));
            InForce {
                path: shown(&first.path),
                by,
                also: others.filter(|it| *it != by).collect(),
                signer: first.signer.clone(),
                enrolled: match (secure_boot, by, &first.signer) {
                    (true, By::Dkms, Some(_)) => is_enrolled(&host.path(CERTIFICATE)),
                    _ => None,
                },
            }
        });
        let refused = host.read_if(format!("var/cache/md-p2p/{release}/refused"))?;
        Ok(Self {
            refused: refused.filter(|_| in_force.is_none()),
            in_force,
            secure_boot,
        })
    }

    /// Writes it for people, with what they have to do.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(force) = &self.in_force else {
            writeln!(out, "in force none")?;
            return match &self.refused {
                Some(why) => writeln!(out, "refused  {}", why.trim_end()),
                None => Ok(()),
            };
        };
        writeln!(
            out,
            "in force {}, installed {}",
            force.path,
            force.by.told()
        )?;
        for other in &force.also {
            writeln!(
                out,
                "         also there: one installed {}, and depmod may take either; remove those in \
                 updates/ and run depmod, or purge the package",
                other.told()
            )?;
        }
        let signer = force.signer.as_deref();
        writeln!(
            out,
            "signed   {}",
            signer.map_or("no".into(), |it| format!("by {it}"))
        )?;
        if self.secure_boot {
            writeln!(out, "firmware Secure Boot is on: {}", force.told())?;
        }
        Ok(())
    }
}

impl InForce {
    /// What Secure Boot makes of it.
    fn told(&self) -> String {
        let import = || {
            let file = match self.by {
                By::Dkms => format!("/{CERTIFICATE}"),
                By::Make => "CERTIFICATE".into(),
            };
            format!(
                "sudo mokutil --import {file} asks for a password; reboot, and give it to the blue \
                 screen that comes up"
            )
        };
        match (&self.signer, self.enrolled) {
            (None, _) => "it refuses modules without a signature: sudo mdp2p module sign".into(),
            (Some(_), Some(true)) => "it knows the key".into(),
            (Some(_), Some(false)) => format!("it does not know the key: {}", import()),
            (Some(_), None) => format!("if it does not know the key yet: {}", import()),
        }
    }
}

/// The file that modprobe takes, as depmod wrote it down; none if it knows none.
fn taken(host: &Host, release: &str) -> Result<Option<PathBuf>> {
    let folder = kernel::folder(host, release);
    let text = host
        .read_if(folder.join("modules.dep"))?
        .unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.split_once(':'));
    Ok(paths
        .map(|(path, _)| folder.join(path))
        .find(|path| kernel::name_of(path) == Some(MAIN)))
}

/// Who signed a module: an empty text if nobody did, none if it cannot be read or there is
/// no modinfo.
pub fn signer(module: &Path) -> Option<String> {
    let output = process::Command::new(command::program("modinfo")?)
        .args(["-F", "signer"])
        .arg(module)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// Whether the firmware has a certificate; none if it does not tell.
fn is_enrolled(certificate: &Path) -> Option<bool> {
    let output = process::Command::new(command::program("mokutil")?)
        .arg("--test-key")
        .arg(certificate)
        .output()
        .ok()?;
    // Its exit status is 1 if it is enrolled, and if something is wrong.
    let text = String::from_utf8_lossy(&output.stdout);
    match (
        text.contains("is already enrolled"),
        text.contains("is not enrolled"),
    ) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// Whether Secure Boot is on: four bytes of attributes, then 1.
///
/// # Errors
/// If the firmware's variable is something else.
pub fn is_secure(host: &Host) -> Result<bool> {
    const FILE: &str = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let path = host.path(FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        bytes => bytes.with_context(|| path.display().to_string())?,
    };
    match bytes[..] {
        [_, _, _, _, on @ (0 | 1)] => Ok(on == 1),
        _ => {
            let text = String::from_utf8_lossy(&bytes);
            Err(garbage(&path, &text, &"four bytes and a 0 or 1 are wanted"))
        }
    }
}
