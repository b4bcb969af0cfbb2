// SPDX-License-Identifier: GPL-2.0
//! The kernels of the environment. They are chosen from what the package pool has today, and
//! recorded, because a version stays in the pool for some weeks only.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

/// The first series with all that md-p2p needs (`CONFIG_RUST`, `CONFIG_PCI_P2PDMA`).
const FIRST: Series = (7, 2);

/// The numbers `x.y` of a kernel.
type Series = (u32, u32);

/// One kernel of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// What `uname -r` says under this kernel.
    pub release: String,
    /// The version of its packages.
    pub version: String,
    /// Whether the pool has its image too, so that the kernel can be booted.
    pub bootable: bool,
    /// The file of its source in the environment.
    pub source: String,
}

impl Kernel {
    /// Returns how many times longer than other kernels this one may take for everything.
    pub fn patience(&self) -> u32 {
        if self.release.ends_with("-debug") {
            6
        } else {
            1
        }
    }

    /// Returns the packages that are installed for it.
    pub fn packages(&self) -> [String; 2] {
        let source = Path::new(&self.source)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        [
            format!("linux-headers-{}={}", self.release, self.version),
            format!("{}={}", source.trim_end_matches(".tar.xz"), self.version),
        ]
    }

    /// Returns the packages of its image.
    pub fn image_packages(&self) -> [String; 3] {
        ["base", "binary", "modules"]
            .map(|part| format!("linux-{part}-{}={}", self.release, self.version))
    }
}

/// The kernels of the environment, the newest bootable one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernels {
    #[serde(rename = "kernel")]
    all: Vec<Kernel>,
    /// The debug kernel, once it has been built. It is not in `all`, which are for every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<Kernel>,
}

impl Kernels {
    /// Chooses two kernels of two series: the newest one that boots, and the newest of the other
    /// series. `madison` is what `apt-cache madison` prints for all packages whose names start
    /// with `linux-`.
    pub fn choose(madison: &str) -> Result<Self> {
        let mut newest: BTreeMap<Series, Kernel> = BTreeMap::new();
        for kernel in candidates(&pool(madison)) {
            let Some(series) = series(&kernel.release).filter(|series| *series >= FIRST) else {
                continue;
            };
            let known = newest.get(&series);
            if known.is_none_or(|known| preference(known, &kernel) == Ordering::Less) {
                newest.insert(series, kernel);
            }
        }
        let mut all: Vec<Kernel> = newest.into_values().rev().collect();
        let Some(first) = all.iter().position(|kernel| kernel.bootable) else {
            bail!(
                "the package pool has no kernel from {}.{} up with image, headers and source of one version: \
                 choose a mirror with trixie-backports (--mirror URL)",
                FIRST.0,
                FIRST.1
            );
        };
        let bootable = all.remove(first);
        all.insert(0, bootable);
        all.truncate(2);
        Ok(Self { all, debug: None })
    }

    /// Reads the file that [`Kernels::write`] wrote.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Writes the kernels to `file`.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = format!(
            "# The kernels that were newest when this environment was made.\n{}",
            toml::to_string(self)?
        );
        std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// Returns all kernels but the debug kernel.
    pub fn all(&self) -> &[Kernel] {
        &self.all
    }

    /// Returns the kernel called `release`, or the newest bootable kernel.
    pub fn get(&self, release: Option<&str>) -> Result<&Kernel> {
        match release {
            None => self.all.first().ok_or_else(|| {
                anyhow!("the environment has no kernel: run `cargo vm env --fresh`")
            }),
            Some(release) => self
                .all
                .iter()
                .chain(&self.debug)
                .find(|kernel| kernel.release == release)
                .ok_or_else(|| {
                    let known: Vec<&str> = self
                        .all
                        .iter()
                        .chain(&self.debug)
                        .map(|kernel| kernel.release.as_str())
                        .collect();
                    anyhow!(
                        "the environment has no kernel {release}: it has {}",
                        known.join(" and ")
                    )
                }),
        }
    }

    /// Like [`Kernels::get`], but the kernel must boot.
    pub fn get_bootable(&self, release: Option<&str>) -> Result<&Kernel> {
        let kernel = self.get(release)?;
        if !kernel.bootable {
            bail!(
                "kernel {} can be built for but not booted: the package pool had its headers and no image",
                kernel.release
            );
        }
        Ok(kernel)
    }
}

/// The versions of each package in the pool.
type Pool<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn pool(madison: &str) -> Pool<'_> {
    let mut pool = Pool::new();
    for line in madison.lines() {
        let mut fields = line.split('|').map(str::trim);
        if let (Some(package), Some(version)) = (fields.next(), fields.next()) {
            pool.entry(package).or_default().push(version);
        }
    }
    pool
}

/// Returns the plain amd64 kernels whose headers and source have the same version.
fn candidates(pool: &Pool) -> Vec<Kernel> {
    let has = |package: String, version: &str| {
        pool.get(package.as_str())
            .is_some_and(|versions| versions.contains(&version))
    };
    let mut found = Vec::new();
    for (package, versions) in pool {
        let Some(release) = package.strip_prefix("linux-headers-") else {
            continue;
        };
        let Some((x, y)) = series(release).filter(|_| is_plain(release)) else {
            continue;
        };
        for version in versions {
            if has(format!("linux-source-{x}.{y}"), version) {
                found.push(Kernel {
                    release: release.to_owned(),
                    version: (*version).to_owned(),
                    bootable: ["base", "binary", "modules"]
                        .iter()
                        .all(|part| has(format!("linux-{part}-{release}"), version)),
                    source: format!("/usr/src/linux-source-{x}.{y}.tar.xz"),
                });
            }
        }
    }
    found
}

/// Returns whether a release is `x.y.z+debN-amd64`, and not a cloud or real-time flavour.
fn is_plain(release: &str) -> bool {
    release
        .split_once('-')
        .is_some_and(|(_, flavour)| flavour == "amd64")
}

fn series(release: &str) -> Option<Series> {
    let mut numbers = numbers(release);
    Some((numbers.next()?, numbers.next()?))
}

fn numbers(release: &str) -> impl Iterator<Item = u32> {
    let version = release.split(['+', '-', '~']).next().unwrap_or_default();
    version.split('.').map_while(|number| number.parse().ok())
}

/// Compares two kernels of a series: one that boots is better than a newer one that does not.
fn preference(a: &Kernel, b: &Kernel) -> Ordering {
    a.bootable
        .cmp(&b.bootable)
        .then_with(|| numbers(&a.release).cmp(numbers(&b.release)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool that was really found: two series, and no images of the newer one.
    fn madison(packages: &[(&str, &str)]) -> String {
        packages
            .iter()
            .map(|(package, version)| {
                format!(
                    "{package} | {version} | http://a.mirror trixie-backports/main amd64 Packages\n"
                )
            })
            .collect()
    }

    fn whole(release: &'static str, version: &'static str) -> Vec<(String, &'static str)> {
        let (x, y) = series(release).expect("a release");
        let mut packages: Vec<_> = ["headers", "base", "binary", "modules"]
            .iter()
            .map(|part| (format!("linux-{part}-{release}"), version))
            .collect();
        packages.push((format!("linux-source-{x}.{y}"), version));
        packages
    }

    fn choose(packages: &[(String, &str)]) -> Result<Kernels> {
        let packages: Vec<_> = packages.iter().map(|(p, v)| (p.as_str(), *v)).collect();
        Kernels::choose(&madison(&packages))
    }

    fn releases(kernels: &Kernels) -> Vec<(&str, bool)> {
        kernels
            .all
            .iter()
            .map(|k| (k.release.as_str(), k.bootable))
            .collect()
    }

    #[test]
    fn the_newest_that_boots_comes_first_and_a_newer_series_is_for_building() {
        let mut packages = whole("7.2.9+deb13-amd64", "7.2.9-1");
        packages.extend(whole("7.2.12+deb13-amd64", "7.2.12-1"));
        packages.extend(whole("7.3.4+deb13-amd64", "7.3.4-1"));
        packages.retain(|(package, _)| !package.starts_with("linux-binary-7.3"));
        let kernels = choose(&packages).expect("kernels");
        assert_eq!(
            releases(&kernels),
            [("7.2.12+deb13-amd64", true), ("7.3.4+deb13-amd64", false)]
        );
        assert_eq!(kernels.all[0].source, "/usr/src/linux-source-7.2.tar.xz");
    }

    #[test]
    fn a_kernel_whose_source_is_of_another_version_is_passed_over() {
        let mut packages = whole("7.2.11+deb13-amd64", "7.2.11-1");
        packages.extend(whole("7.2.12+deb13-amd64", "7.2.12-1"));
        packages.retain(|package| *package != ("linux-source-7.2".to_owned(), "7.2.12-1"));
        let kernels = choose(&packages).expect("kernels");
        assert_eq!(releases(&kernels), [("7.2.11+deb13-amd64", true)]);
    }

    #[test]
    fn other_flavours_and_older_series_are_not_chosen() {
        let mut packages = whole("7.2.12+deb13-rt-amd64", "7.2.12-1");
        packages.extend(whole("7.2.12+deb13-cloud-amd64", "7.2.12-1"));
        packages.extend(whole("6.12.1+deb13-amd64", "6.12.1-1"));
        let error = choose(&packages).expect_err("no kernel").to_string();
        assert!(error.contains("no kernel from 7.2 up"), "{error}");
    }

    #[test]
    fn a_kernel_that_is_not_there_is_named_with_those_that_are() {
        let kernels = choose(&whole("7.2.12+deb13-amd64", "7.2.12-1")).expect("kernels");
        let error = kernels.get(Some("5.4")).expect_err("no 5.4").to_string();
        assert_eq!(
            error,
            "the environment has no kernel 5.4: it has 7.2.12+deb13-amd64"
        );
    }
}
