// SPDX-License-Identifier: GPL-2.0
//! `mdp2p enroll` and `mdp2p release`: which arrays come up under md-p2p.
//!
//! Each has a file, `/etc/md-p2p/enrolled/UUID`, and nothing else. When a member appears, udev's
//! rules look for that file (packaging/system/63-md-raid-p2p.rules). For an enrolled array they
//! call `mdp2p incremental` instead of mdadm; all others they leave to mdadm's own rules.
//!
//! Tests: tests/enroll.rs, and the scenario enroll.sh.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;

use crate::command::Command;
use crate::completions;
use crate::control::enrolled::Enrolled;
use crate::control::initramfs::renew_initramfs;
use crate::control::{file, moving, privilege};
use crate::ui;
use clap::Args;
use mdp2p_machine::md::array::{self, Driver};
use mdp2p_machine::md::uuid;
use mdp2p_machine::programs::command_line;
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p enroll`
#[derive(Args, Debug)]
#[command(after_help = "\
A running array stays as it is: md-p2p takes it over when it is next assembled. If md-p2p cannot be \
loaded then (no modules for the booted kernel), the array comes up under the kernel's md. With \
`nomdp2p` on the kernel's command line, all arrays do. If there is an initramfs, it is made again, \
because it assembles arrays too.

Examples:
  mdp2p enroll md0
  mdp2p enroll")]
pub struct Enroll {
    /// Array to enroll [default: list the enrolled arrays]
    #[arg(add = completions::array())]
    pub array: Option<String>,
    /// Print the list as JSON
    #[arg(long, conflicts_with = "array")]
    pub json: bool,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for Enroll {
    fn changes(&self) -> bool {
        self.array.is_some() && !self.dry_run
    }

    /// Enrolls an array, or lists the enrolled arrays.
    ///
    /// # Errors
    /// Says why the array cannot be enrolled. Nothing was changed then.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let others = Enrolled::all(sysroot)?;
        let Some(wanted) = &self.array else {
            return list(sysroot, &others, self.json);
        };
        if !self.dry_run {
            privilege::need_root("enroll arrays")?;
        }
        need_rules(sysroot)?;
        let array = array::find(sysroot, wanted)?;
        let wanted = Enrolled::of(sysroot, &array, &others)?;
        if let Some(hindrance) = moving::lasting(sysroot, &array) {
            bail!(
                "{} Nothing was changed, because it would not come up at the next boot.",
                hindrance.full
            );
        }
        if let Some(there) = others.iter().find(|it| it.uuid == wanted.uuid) {
            writeln!(ui::out(), "{} is enrolled, as {}", array.name, there.node())?;
            return Ok(0);
        }
        if let Some(rival) = wanted.rival(&others) {
            bail!(
                "the enrolled array {} already has the name {}: release it first, or rename this one \
                 (mdadm --assemble --update=name); nothing was changed",
                rival.uuid,
                rival.node()
            );
        }
        let path = wanted.path(sysroot);
        if self.dry_run {
            write!(ui::out(), "# {}\n{wanted}", path.display())?;
        } else {
            file::replace(&path, &wanted.to_string())?;
        }
        renew_initramfs(sysroot, self.dry_run)?;
        let when = match array.driver {
            Driver::MdP2p => "after each boot",
            Driver::Md => "when it is next assembled (after a reboot, for example)",
        };
        let will = if self.dry_run { "would be" } else { "will be" };
        let (name, node) = (&array.name, wanted.node());
        writeln!(ui::out(), "{name} {will} md-p2p's {when}, as {node}")?;
        Ok(0)
    }
}

/// `mdp2p release`
#[derive(Args, Debug)]
#[command(after_help = "\
A running array stays as it is: the kernel's md takes it over when it is next assembled.

Example:
  mdp2p release md0")]
pub struct Release {
    /// Array to release: md0, /dev/md0, /dev/md/NAME, NAME, or its UUID
    #[arg(required_unless_present = "all", add = completions::array())]
    pub array: Option<String>,
    /// Release all enrolled arrays
    #[arg(long, conflicts_with = "array")]
    pub all: bool,
    /// Show what would be changed, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl Command for Release {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    /// Releases arrays.
    ///
    /// # Errors
    /// Fails if one is not enrolled. Nothing was changed then.
    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        if !self.dry_run {
            privilege::need_root("release arrays")?;
        }
        let all = Enrolled::all_tolerant(sysroot)?;
        let chosen = match &self.array {
            Some(wanted) => vec![find_enrolled(sysroot, &all, wanted)?],
            None => all,
        };
        if chosen.is_empty() {
            return Ok(0);
        }
        for enrolled in &chosen {
            let path = enrolled.path(sysroot);
            match self.dry_run {
                true => writeln!(
                    ui::out(),
                    "{}",
                    command_line(["rm".as_ref(), path.as_os_str()])
                )?,
                false => fs::remove_file(&path).with_context(|| path.display().to_string())?,
            }
        }
        renew_initramfs(sysroot, self.dry_run)?;
        let will = if self.dry_run { "would be" } else { "will be" };
        for enrolled in &chosen {
            let name = enrolled.node();
            writeln!(
                ui::out(),
                "{name} {will} the kernel's md's when it is next assembled"
            )?;
        }
        Ok(0)
    }
}

/// Checks that udev's rules are installed, because without them nothing would look for enrolled
/// arrays.
fn need_rules(sysroot: &Sysroot) -> Result<()> {
    const RULES: &str = "udev/rules.d/63-md-raid-p2p.rules";
    let places = ["usr/lib", "lib", "etc"];
    if !places
        .iter()
        .any(|place| sysroot.has(format!("{place}/{RULES}")))
    {
        bail!(
            "udev has no rules for enrolled arrays, /usr/lib/{RULES}: install the package, or run \
             `make install` in its source; nothing was changed"
        );
    }
    Ok(())
}

/// Finds the enrolled array that has this name or UUID.
fn find_enrolled(sysroot: &Sysroot, all: &[Enrolled], wanted: &str) -> Result<Enrolled> {
    let uuid = match wanted.parse() {
        Ok(uuid) => Some(uuid),
        Err(_) => match array::find(sysroot, wanted) {
            Ok(array) => uuid::of_array(sysroot, &array.name)?,
            Err(_) => None,
        },
    };
    let bare = wanted.strip_prefix("/dev/").unwrap_or(wanted);
    let is_called = |it: &&Enrolled| {
        let node = it.node();
        let node = node.trim_start_matches("/dev/");
        node == bare || node.strip_prefix("md/") == Some(bare)
    };
    let found = match uuid {
        Some(uuid) => all.iter().find(|it| it.uuid == uuid),
        None => all.iter().find(is_called),
    };
    found.cloned().ok_or_else(|| {
        let names = all.iter().map(Enrolled::node);
        let names = match all {
            [] => "no array is".into(),
            _ => format!("the enrolled arrays are {}", ui::list(names)),
        };
        anyhow!("{wanted} is not enrolled; {names}; nothing was changed")
    })
}

/// A row of `mdp2p enroll`.
#[derive(Serialize)]
struct EnrolledRow {
    node: String,
    uuid: String,
    /// The name of the running array; `None` if it does not run.
    array: Option<String>,
    driver: Option<Driver>,
}

fn list(sysroot: &Sysroot, all: &[Enrolled], json: bool) -> Result<u8> {
    let row = |enrolled: &Enrolled| {
        let now = uuid::find_array(sysroot, enrolled.uuid)?;
        anyhow::Ok(EnrolledRow {
            node: enrolled.node(),
            uuid: enrolled.uuid.to_string(),
            driver: now.as_ref().map(|array| array.driver),
            array: now.map(|array| array.name),
        })
    };
    let rows = all.iter().map(row).collect::<Result<Vec<_>>>()?;
    if json {
        ui::json(&EnrolledList { enrolled: rows })?;
    } else if rows.is_empty() {
        writeln!(ui::out(), "no array is enrolled")?;
    } else {
        let heads = ["ENROLLED", "UUID", "ARRAY", "DRIVER"];
        let table = ui::table(&heads, rows.into_iter().map(EnrolledRow::cells), &[]);
        write!(ui::out(), "{table}")?;
    }
    Ok(0)
}

#[derive(Serialize)]
struct EnrolledList {
    enrolled: Vec<EnrolledRow>,
}

impl EnrolledRow {
    fn cells(self) -> Vec<String> {
        let driver = match self.driver {
            None => "-",
            Some(Driver::Md) => "md",
            Some(Driver::MdP2p) => "md-p2p",
        };
        let array = self.array.unwrap_or_else(|| "not running".into());
        vec![self.node, self.uuid, array, driver.into()]
    }
}
