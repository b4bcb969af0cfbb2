// SPDX-License-Identifier: GPL-2.0
//! The modules of md-p2p: which are installed for a kernel, who signed them, and which are loaded.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};

use super::release::{display, folder};
use crate::programs;
use crate::sysroot::{Sysroot, garbage};

/// The modules of md-p2p by modprobe's name, the personalities before the module that they need.
pub const MODULES: [&str; 6] = [
    "linear-p2p",
    "raid0-p2p",
    "raid1-p2p",
    "raid10-p2p",
    "raid456-p2p",
    MAIN,
];

/// The module that all others need.
pub const MAIN: &str = "md-p2p";

/// A module of md-p2p in a file.
#[derive(Clone, Debug, Serialize)]
pub struct Installed {
    /// Its name for modprobe.
    #[serde(skip)]
    pub name: &'static str,
    /// Its path, below the root.
    #[serde(serialize_with = "serialize_path")]
    pub path: PathBuf,
    /// `gz`, `xz` or `zst`, if the file is compressed.
    pub compression: Option<&'static str>,
    /// Whether the module is signed. `None` if that cannot be seen, because the file is compressed
    /// and there is no modinfo.
    pub signed: Option<bool>,
    /// Who signed it.
    pub signer: Option<String>,
}

fn serialize_path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&display(path))
}

/// Lists the modules of md-p2p that are installed for a kernel, in the order in which depmod
/// prefers them.
///
/// # Errors
/// Fails if a folder or a module cannot be read.
pub fn installed(sysroot: &Sysroot, release: &str) -> Result<Vec<Installed>> {
    let modules = folder(sysroot, release);
    let mut found = Vec::new();
    for place in ["updates", "extra", "weak-updates"] {
        collect_modules(sysroot, &modules.join(place), 4, &mut found)?;
    }
    Ok(found)
}

/// Lists the modules of md-p2p in a folder, without those in folders below it.
///
/// # Errors
/// Fails if the folder or a module cannot be read.
pub fn built(sysroot: &Sysroot, folder: &Path) -> Result<Vec<Installed>> {
    let mut found = Vec::new();
    collect_modules(sysroot, folder, 1, &mut found)?;
    Ok(found)
}

/// Collects the modules in a folder and in those below it; `depth` ends loops of links.
fn collect_modules(
    sysroot: &Sysroot,
    folder: &Path,
    depth: u32,
    found: &mut Vec<Installed>,
) -> Result<()> {
    if depth == 0 || !sysroot.has_folder(folder) {
        return Ok(());
    }
    for name in sysroot.names(folder)? {
        let path = folder.join(&name);
        if sysroot.has_folder(&path) {
            collect_modules(sysroot, &path, depth - 1, found)?;
        } else if let Some((name, compression)) = parse_file_name(&name) {
            let signer = signer(sysroot, &path);
            let signed = match compression {
                Some(_) => signer.as_ref().map(|it| !it.is_empty()),
                None => sysroot.tolerate(is_signed(sysroot, &path))?,
            };
            found.push(Installed {
                name,
                path,
                compression,
                signed,
                signer: signer.filter(|it| !it.is_empty()),
            });
        }
    }
    Ok(())
}

/// Returns the name of the module in a file, if it is a module of md-p2p.
fn name_of(path: &Path) -> Option<&'static str> {
    Some(parse_file_name(path.file_name()?.to_str()?)?.0)
}

/// Returns the name of the module in a file, and how the file is compressed.
fn parse_file_name(file: &str) -> Option<(&'static str, Option<&'static str>)> {
    let (name, rest) = file.split_once(".ko")?;
    let compression = match rest {
        "" => None,
        ".gz" => Some("gz"),
        ".xz" => Some("xz"),
        ".zst" => Some("zst"),
        _ => return None,
    };
    // Some tools write _ instead of -.
    let ours = |module: &&&str| name.replace('_', "-") == **module;
    Some((MODULES.iter().find(ours)?, compression))
}

/// Tells whether a module ends with the mark of a signature (MODULE_SIG_STRING).
fn is_signed(sysroot: &Sysroot, path: &Path) -> Result<bool> {
    const MARK: &[u8] = b"~Module signature appended~\n";
    let end = sysroot.end(path, MARK.len() as u64);
    let end = end.with_context(|| sysroot.path(path).display().to_string())?;
    Ok(end == MARK)
}

/// A loaded module of md-p2p.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its name for modprobe.
    pub name: &'static str,
    /// The number of its users, other modules included.
    pub uses: u32,
}

/// Lists the loaded modules, in the order of [`MODULES`].
///
/// # Errors
/// Fails if `proc/modules` cannot be understood.
pub fn loaded(sysroot: &Sysroot) -> Result<Vec<Loaded>> {
    const FILE: &str = "proc/modules";
    let text = sysroot.lines_if(FILE)?.unwrap_or_default();
    let mut found = Vec::new();
    for name in MODULES {
        let key = name.replace('-', "_");
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(&key));
        // The words are the name, the size in bytes, and the number of users.
        if let Some(line) = line {
            let uses = line.split(' ').nth(2).and_then(|uses| uses.parse().ok());
            let why = "expected a name, a size and a number of users";
            let uses = uses.ok_or_else(|| garbage(&sysroot.path(FILE), line, &why))?;
            found.push(Loaded { name, uses });
        }
    }
    Ok(found)
}

/// Tells whether a module is loaded.
pub fn is_loaded(sysroot: &Sysroot, module: &str) -> bool {
    sysroot.has(format!("sys/module/{}", module.replace('-', "_")))
}

/// How md-p2p is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It holds the names of the kernel's md, such as `/proc/mdstat`.
    Sole,
    /// The kernel's md holds these names, and md-p2p has others.
    Beside,
}

/// Returns how md-p2p is loaded; `None` if it is not.
pub fn mode(sysroot: &Sysroot) -> Option<Mode> {
    match (
        sysroot.has("sys/module/md_p2p"),
        sysroot.has("proc/mdstat-p2p"),
    ) {
        (false, _) => None,
        (true, false) => Some(Mode::Sole),
        (true, true) => Some(Mode::Beside),
    }
}

/// Returns the file of [`MAIN`] that modprobe loads, as depmod recorded it; `None` if depmod knows
/// no such file.
///
/// # Errors
/// Fails if `modules.dep` cannot be read.
pub fn preferred(sysroot: &Sysroot, release: &str) -> Result<Option<PathBuf>> {
    let folder = folder(sysroot, release);
    let text = sysroot
        .lines_if(folder.join("modules.dep"))?
        .unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.split_once(':'));
    Ok(paths
        .map(|(path, _)| folder.join(path))
        .find(|path| name_of(path) == Some(MAIN)))
}

/// Returns the path of a parameter of [`MAIN`].
pub fn parameter(name: &str) -> String {
    format!("sys/module/md_p2p/parameters/{name}")
}

/// Returns why DKMS has not built md-p2p for a kernel; `None` if it has, or was not asked to.
///
/// # Errors
/// Fails if the file with the reason cannot be read.
pub fn refused(sysroot: &Sysroot, release: &str) -> Result<Option<String>> {
    sysroot.lines_if(format!("var/cache/md-p2p/{release}/refused"))
}

/// Returns who signed a module, an empty text if it is not signed. `None` if the file cannot be
/// read or there is no modinfo.
pub fn signer(sysroot: &Sysroot, module: &Path) -> Option<String> {
    field(sysroot, module, "signer")
}

/// Returns a field of a module's modinfo, an empty text if the module has no such field. `None` if
/// the file cannot be read or there is no modinfo.
pub fn field(sysroot: &Sysroot, module: &Path, name: &str) -> Option<String> {
    let file = sysroot.for_program(module)?;
    let mut modinfo = Command::new(programs::program("modinfo")?);
    let answer = programs::ask(modinfo.args(["-F", name]).arg(file)).ok()?;
    answer.status.success().then_some(answer.output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_module_by_its_name() {
        assert_eq!(parse_file_name("md-p2p.ko"), Some(("md-p2p", None)));
        assert_eq!(
            parse_file_name("raid1_p2p.ko.xz"),
            Some(("raid1-p2p", Some("xz")))
        );
        assert_eq!(
            parse_file_name("raid1-p2p.ko.zst"),
            Some(("raid1-p2p", Some("zst")))
        );
        for file in ["md-mod.ko", "md-p2p.o", "md-p2p.ko.old", "md-p2p"] {
            assert_eq!(parse_file_name(file), None, "{file}");
        }
    }
}
