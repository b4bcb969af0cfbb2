// SPDX-License-Identifier: GPL-2.0
//! Arrays whose metadata mdadm and mdmon write, and not the kernel: IMSM (Intel's), and DDF.
//!
//! Two kinds of arrays belong together then. The container holds the drives, and does no I/O. Each
//! volume is an array on parts of these drives.

use super::array::Array;

/// The part of an array with external metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum External {
    /// It holds the drives.
    Container {
        /// `imsm` or `ddf`.
        format: String,
    },
    /// It is an array on the drives of a container.
    Volume {
        /// The name of the container in `/sys/block`.
        container: String,
    },
}

impl External {
    /// Returns the part of an array; `None` if the kernel itself writes its superblock.
    pub fn of(array: &Array) -> Option<Self> {
        Self::parse(&array.metadata)
    }

    /// Parses `metadata_version`: `external:imsm` or `external:/md127/0`. mdadm writes `-` for the
    /// first `/` while mdmon has to leave the volume alone.
    fn parse(metadata_version: &str) -> Option<Self> {
        let place = metadata_version.strip_prefix("external:")?;
        Some(match place.strip_prefix(['/', '-']) {
            Some(place) => Self::Volume {
                container: place.split('/').next().unwrap_or_default().to_owned(),
            },
            None => Self::Container {
                format: place.to_owned(),
            },
        })
    }
}

/// Returns the volumes of a container.
pub fn volumes<'a>(arrays: &'a [Array], container: &str) -> Vec<&'a Array> {
    let is_in = |array: &&Array| match External::of(array) {
        Some(External::Volume { container: it }) => it == container,
        _ => false,
    };
    arrays.iter().filter(is_in).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_and_volumes_are_told_apart() {
        let container = |format: &str| External::Container {
            format: format.into(),
        };
        let volume = |container: &str| External::Volume {
            container: container.into(),
        };
        for (text, expected) in [
            ("external:imsm", Some(container("imsm"))),
            ("external:ddf", Some(container("ddf"))),
            ("external:/md127/0", Some(volume("md127"))),
            ("external:-md127/1", Some(volume("md127"))),
            ("external:/md/0", Some(volume("md"))),
            ("1.2", None),
            ("0.91", None),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(External::parse(text), expected, "{text}");
        }
    }
}
