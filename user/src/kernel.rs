// SPDX-License-Identifier: GPL-2.0
//! The kernels of a machine: how they were configured, which of our modules are installed
//! for them and signed, and which are loaded.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde::{Serialize, Serializer};

use crate::force;
use crate::host::{Host, garbage};

/// Our modules as modprobe knows them, the personalities before what they need.
pub const MODULES: [&str; 6] = [
    "linear-p2p",
    "raid0-p2p",
    "raid1-p2p",
    "raid10-p2p",
    "raid456-p2p",
    MAIN,
];

/// The one that all others need.
pub const MAIN: &str = "md-p2p";

/// Reads the release of a kernel, as `uname -r` prints it. It becomes a part of paths.
///
/// # Errors
/// If it cannot be one.
pub fn release(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    match text.chars().next() {
        Some(first) if first.is_ascii_alphanumeric() && text.chars().all(is_plain) => {
            Ok(text.to_owned())
        }
        _ => Err("the release of a kernel looks like 7.3.4+deb13-amd64 (uname -r)".into()),
    }
}

/// The release of the kernel that runs.
///
/// # Errors
/// If the machine does not tell it.
pub fn running(host: &Host) -> Result<String> {
    const FILE: &str = "proc/sys/kernel/osrelease";
    let text = host.read(FILE)?;
    release(&text).map_err(|why| garbage(&host.path(FILE), &text, &why))
}

/// Where the modules of a kernel lie, below the root.
pub fn folder(host: &Host, release: &str) -> PathBuf {
    let new = PathBuf::from(format!("usr/lib/modules/{release}"));
    let usual = PathBuf::from(format!("lib/modules/{release}"));
    match !host.has(&usual) && host.has(&new) {
        true => new,
        false => usual,
    }
}

/// Where the headers of a kernel lie, below the root, if they are there.
pub fn headers(host: &Host, release: &str) -> Option<PathBuf> {
    let build = folder(host, release).join("build");
    // A link that begins with / means the root of the machine that is looked at.
    let target = fs::read_link(host.path(&build)).ok();
    let absolute = target.and_then(|target| target.strip_prefix("/").map(Path::to_owned).ok());
    let headers = absolute.unwrap_or(build);
    host.has(headers.join(".config")).then_some(headers)
}

/// A path below the root as one writes it on that machine.
pub fn shown(path: &Path) -> String {
    Path::new("/").join(path).display().to_string()
}

/// The options that a kernel was configured with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file that they are from, below the root.
    pub file: PathBuf,
    text: String,
}

impl Options {
    /// Those of a kernel; none if no file tells them.
    ///
    /// # Errors
    /// If there is such a file and it cannot be read, or holds something else.
    pub fn read(host: &Host, release: &str) -> Result<Option<Self>> {
        let modules = folder(host, release);
        let mut places = vec![
            PathBuf::from(format!("boot/config-{release}")),
            modules.join("config"),
        ];
        places.extend(headers(host, release).map(|headers| headers.join(".config")));
        for file in places {
            if let Some(text) = host.read_if(&file)? {
                return Self::of(host, file, text).map(Some);
            }
        }
        let packed = PathBuf::from("proc/config.gz");
        if !host.has(&packed) || running(host)? != release {
            return Ok(None);
        }
        let text = unpacked(&host.path(&packed))?;
        Self::of(host, packed, text).map(Some)
    }

    fn of(host: &Host, file: PathBuf, text: String) -> Result<Self> {
        if !text.lines().any(|line| line.starts_with("CONFIG_")) {
            let why = "lines like CONFIG_PCI=y are wanted";
            return Err(garbage(&host.path(file), &text, &why));
        }
        Ok(Self { file, text })
    }

    /// The value of an option, named without `CONFIG_`, and without quotes; none if it is off.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (key, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }
}

fn unpacked(path: &Path) -> Result<String> {
    let read = || {
        let mut text = String::new();
        GzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
        std::io::Result::Ok(text)
    };
    read().with_context(|| path.display().to_string())
}

/// A module of ours in a file.
#[derive(Clone, Debug, Serialize)]
pub struct Installed {
    /// As modprobe knows it.
    #[serde(skip)]
    pub name: &'static str,
    /// Where, below the root.
    #[serde(serialize_with = "as_shown")]
    pub path: PathBuf,
    /// `gz`, `xz` or `zst`, if it is compressed.
    pub compression: Option<&'static str>,
    /// Whether there is a signature; none if it cannot be seen, since it is compressed and
    /// there is no modinfo.
    pub signed: Option<bool>,
    /// Whose.
    pub signer: Option<String>,
}

fn as_shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(path))
}

/// Our modules among those that were added to a kernel, in the order that depmod prefers
/// them in.
///
/// # Errors
/// If a folder or one of them cannot be read.
pub fn installed(host: &Host, release: &str) -> Result<Vec<Installed>> {
    let modules = folder(host, release);
    let mut found = Vec::new();
    for place in ["updates", "extra", "weak-updates"] {
        look_into(host, &modules.join(place), 4, &mut found)?;
    }
    Ok(found)
}

/// The modules in one folder, without those below it.
///
/// # Errors
/// As [`installed`].
pub fn built(host: &Host, folder: &Path) -> Result<Vec<Installed>> {
    let mut found = Vec::new();
    look_into(host, folder, 1, &mut found)?;
    Ok(found)
}

/// `depth` is for links that lead back.
fn look_into(host: &Host, folder: &Path, depth: u32, found: &mut Vec<Installed>) -> Result<()> {
    if depth == 0 || !host.path(folder).is_dir() {
        return Ok(());
    }
    for name in host.names(folder)? {
        let path = folder.join(&name);
        if host.path(&path).is_dir() {
            look_into(host, &path, depth - 1, found)?;
        } else if let Some((name, compression)) = module(&name) {
            let signer = force::signer(&host.path(&path));
            let signed = match compression {
                Some(_) => signer.as_ref().map(|it| !it.is_empty()),
                None => Some(is_signed(&host.path(&path))?),
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

/// Which of our modules a file is, by its name.
pub fn name_of(path: &Path) -> Option<&'static str> {
    Some(module(path.file_name()?.to_str()?)?.0)
}

/// Which of ours a file is by its name, and how it is compressed.
fn module(file: &str) -> Option<(&'static str, Option<&'static str>)> {
    let (name, rest) = file.split_once(".ko")?;
    let compression = match rest {
        "" => None,
        ".gz" => Some("gz"),
        ".xz" => Some("xz"),
        ".zst" => Some("zst"),
        _ => return None,
    };
    // Some tools write _ for -.
    let ours = |module: &&&str| name.replace('_', "-") == **module;
    Some((MODULES.iter().find(ours)?, compression))
}

/// Whether a module ends as those that are signed do (MODULE_SIG_STRING).
fn is_signed(path: &Path) -> Result<bool> {
    const MARK: &[u8] = b"~Module signature appended~\n";
    let read = || {
        let mut file = File::open(path)?;
        let mut end = Vec::new();
        let mark = MARK.len() as u64;
        let start = file.metadata()?.len().saturating_sub(mark);
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut end)?;
        std::io::Result::Ok(end == MARK)
    };
    read().with_context(|| path.display().to_string())
}

/// A module of ours that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// As modprobe knows it.
    pub name: &'static str,
    /// How many users it has, other modules among them.
    pub uses: u32,
}

/// Those that are loaded, as [`MODULES`] has them.
///
/// # Errors
/// If `proc/modules` cannot be understood.
pub fn loaded(host: &Host) -> Result<Vec<Loaded>> {
    const FILE: &str = "proc/modules";
    let text = host.read_if(FILE)?.unwrap_or_default();
    let mut found = Vec::new();
    for name in MODULES {
        let key = name.replace('-', "_");
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(&key));
        // Name, bytes, users.
        if let Some(line) = line {
            let uses = line.split(' ').nth(2).and_then(|uses| uses.parse().ok());
            let why = "name, size and number of users are wanted";
            let uses = uses.ok_or_else(|| garbage(&host.path(FILE), line, &why))?;
            found.push(Loaded { name, uses });
        }
    }
    Ok(found)
}

/// How md-p2p is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It has the names of the kernel's md, such as `/proc/mdstat`.
    Sole,
    /// The kernel's md has them, and it has others.
    Beside,
}

/// How it is loaded; none if it is not.
pub fn mode(host: &Host) -> Option<Mode> {
    match (host.has("sys/module/md_p2p"), host.has("proc/mdstat-p2p")) {
        (false, _) => None,
        (true, false) => Some(Mode::Sole),
        (true, true) => Some(Mode::Beside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_stays_within_its_folder() {
        for text in ["7.3.4+deb13-amd64", "6.12.0-1_rc1~x"] {
            assert_eq!(release(text), Ok(text.to_owned()));
        }
        for text in ["", "..", "../x", "7.3/x", "7.3 x", "-v", "7.3\n", "7;rm"] {
            assert!(release(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_file_is_a_module_by_its_name() {
        assert_eq!(module("md-p2p.ko"), Some(("md-p2p", None)));
        assert_eq!(module("raid1_p2p.ko.xz"), Some(("raid1-p2p", Some("xz"))));
        assert_eq!(module("raid1-p2p.ko.zst"), Some(("raid1-p2p", Some("zst"))));
        for file in ["md-mod.ko", "md-p2p.o", "md-p2p.ko.old", "md-p2p"] {
            assert_eq!(module(file), None, "{file}");
        }
    }

    #[test]
    fn options_have_values_without_quotes() {
        let options = Options {
            file: PathBuf::new(),
            text: "CONFIG_RUST=y\n# CONFIG_MD_LINEAR is not set\nCONFIG_HASH=\"sha256\"\n".into(),
        };
        assert_eq!(options.get("RUST"), Some("y"));
        assert_eq!(options.get("HASH"), Some("sha256"));
        assert_eq!(options.get("MD_LINEAR"), None);
        assert_eq!(options.get("RUS"), None);
    }

    #[test]
    fn folders_are_found_below_the_root() {
        let root = tempfile::tempdir().expect("a folder");
        let headers_at = root.path().join("usr/src/linux-headers-7.3");
        let modules = root.path().join("usr/lib/modules/7.3");
        for folder in [&root.path().join("sys"), &headers_at, &modules] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(headers_at.join(".config"), "").expect("a file");
        let link = "/usr/src/linux-headers-7.3";
        std::os::unix::fs::symlink(link, modules.join("build")).expect("a link");
        let host = Host::at(root.path()).expect("a host");
        assert_eq!(folder(&host, "7.3"), Path::new("usr/lib/modules/7.3"));
        let headers = headers(&host, "7.3").expect("they are there");
        assert_eq!(shown(&headers), link);
    }
}
