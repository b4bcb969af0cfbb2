// SPDX-License-Identifier: GPL-2.0
//! Finds the build of md-p2p that a kernel will load: DKMS's or one installed from source. Also who
//! signed it, whether Secure Boot accepts that signature, and why no build is installed.
//!
//! Tests: tests/module.rs.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use mdp2p_machine::kernel::modules::{self, Installed, MAIN};
use mdp2p_machine::kernel::release::display;
use mdp2p_machine::kernel::secure_boot::{CERTIFICATE, is_enrolled, is_secure};
use mdp2p_machine::sysroot::Sysroot;

use super::untested::Untested;

/// The part of `mdp2p module status` about the build in use.
#[derive(Debug, Serialize)]
pub struct InUse {
    /// `None` if no build is installed.
    #[serde(rename = "in_force")]
    build: Option<UsedBuild>,
    secure_boot: bool,
    /// Why DKMS has not built md-p2p for this kernel.
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct UsedBuild {
    /// The file of md-p2p that modprobe loads.
    path: String,
    by: Installer,
    /// Who installed the other builds that are present.
    also: Vec<Installer>,
    signer: Option<String>,
    /// Whether it is signed; `None` if that cannot be seen.
    #[serde(skip)]
    signed: Option<bool>,
    /// Whether the firmware has the signer's key; `None` if that cannot be learned.
    enrolled: Option<bool>,
    /// `None` if that cannot be learned.
    untested: Option<Untested>,
}

/// What the build says in md-p2p's modinfo.
const UNTESTED: &str = "md_untested";

/// What installed a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Installer {
    /// The package, or a user who called DKMS.
    Dkms,
    /// `make -C kbuild install` or `mdp2p module install`.
    Make,
}

impl Installer {
    fn of(path: &Path) -> Self {
        match path.parent().is_some_and(|it| it.ends_with("dkms")) {
            true => Installer::Dkms,
            false => Installer::Make,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Installer::Dkms => "by DKMS",
            Installer::Make => "by make install",
        }
    }
}

impl InUse {
    /// Finds the build in use among the `installed` modules of a kernel.
    ///
    /// # Errors
    /// Fails if a file of the machine cannot be read or understood.
    pub fn read(sysroot: &Sysroot, release: &str, installed: &[Installed]) -> Result<Self> {
        let secure_boot = is_secure(sysroot)?;
        let main: Vec<_> = installed.iter().filter(|it| it.name == MAIN).collect();
        let preferred = modules::preferred(sysroot, release)?;
        let first = main.iter().find(|it| Some(&it.path) == preferred.as_ref());
        let build = first.or(main.first()).map(|first| {
            let by = Installer::of(&first.path);
            let others = main.iter().map(|it| Installer::of(&it.path));
            UsedBuild {
                path: display(&first.path),
                by,
                also: others.filter(|it| *it != by).collect(),
                signer: first.signer.clone(),
                signed: first.signer.as_ref().map(|_| true).or(first.signed),
                // mokutil asks the firmware of this machine.
                enrolled: match (secure_boot && sysroot.is_here(), by, &first.signer) {
                    (true, Installer::Dkms, Some(_)) => is_enrolled(&sysroot.path(CERTIFICATE)),
                    _ => None,
                },
                untested: modules::field(sysroot, &first.path, UNTESTED)
                    .filter(|text| !text.is_empty())
                    .map(|text| Untested::parse(&text)),
            }
        });
        let refused = modules::refused(sysroot, release)?;
        Ok(Self {
            refused: refused.filter(|_| build.is_none()),
            build,
            secure_boot,
        })
    }

    /// Returns what is untested of the build in use.
    pub fn untested(&self) -> Option<&Untested> {
        self.build.as_ref()?.untested.as_ref()
    }

    /// Prints the build in use, and what the user has to do about it.
    ///
    /// # Errors
    /// Fails if `out` cannot be written.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(build) = &self.build else {
            writeln!(out, "in use   none")?;
            return match &self.refused {
                Some(why) => writeln!(out, "refused  {}", why.trim_end()),
                None => Ok(()),
            };
        };
        writeln!(
            out,
            "in use   {}, installed {}",
            build.path,
            build.by.describe()
        )?;
        for other in &build.also {
            writeln!(
                out,
                "         also present: one installed {}; depmod may choose either, so remove those in \
                 updates/ and run depmod, or purge the package",
                other.describe()
            )?;
        }
        let signed = match (&build.signer, build.signed) {
            (Some(signer), _) => format!("by {signer}"),
            (None, Some(true)) => "yes; by whom cannot be seen".into(),
            (None, Some(false)) => "no".into(),
            (None, None) => "cannot be seen".into(),
        };
        writeln!(out, "signed   {signed}")?;
        if let Some(untested) = &build.untested {
            untested.print(out)?;
        }
        if self.secure_boot {
            writeln!(
                out,
                "firmware Secure Boot is on: {}",
                build.secure_boot_advice()
            )?;
        }
        Ok(())
    }
}

impl UsedBuild {
    /// Says whether Secure Boot accepts the build, and what to do if it does not.
    fn secure_boot_advice(&self) -> String {
        let import = || {
            let file = match self.by {
                Installer::Dkms => format!("/{CERTIFICATE}"),
                Installer::Make => "CERTIFICATE".into(),
            };
            format!(
                "sudo mokutil --import {file} asks for a password; reboot, and enter it on the \
                 blue screen"
            )
        };
        match (self.signed, self.enrolled) {
            (Some(false), _) => {
                "it refuses modules without a signature: sudo mdp2p module sign".into()
            }
            (_, Some(true)) => "it knows the key".into(),
            (_, Some(false)) => format!("it does not know the key: {}", import()),
            (_, None) => format!("if it does not know the key yet: {}", import()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_of_a_signature_is_not_missing() {
        let advice = |signed, enrolled| {
            let build = UsedBuild {
                path: String::new(),
                by: Installer::Dkms,
                also: Vec::new(),
                signer: None,
                signed,
                enrolled,
                untested: None,
            };
            build.secure_boot_advice()
        };
        for (signed, enrolled, said) in [
            (Some(false), None, "it refuses modules without a signature"),
            (Some(true), Some(true), "it knows the key"),
            (
                Some(true),
                Some(false),
                "mokutil --import /var/lib/dkms/mok.pub",
            ),
            (Some(true), None, "if it does not know the key yet"),
            (None, None, "if it does not know the key yet"),
        ] {
            let advice = advice(signed, enrolled);
            assert!(advice.contains(said), "{signed:?} {enrolled:?}: {advice}");
        }
    }
}
