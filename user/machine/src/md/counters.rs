// SPDX-License-Identifier: GPL-2.0
//! The counters of an array, in one table: a row is a field, a key in JSON, and the file
//! `p2pdma_NAME` in sysfs.

use anyhow::Result;
use serde::Serialize;

use crate::sysroot::Sysroot;

macro_rules! counters {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// The counters of an array; they begin at 0 with it and never go back.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counters {
            $($(#[$about])* pub $name: u64,)*
        }

        impl Counters {
            /// The counters of an array, whose folder is `md`.
            ///
            /// # Errors
            /// If one is there and is no number.
            pub fn read(md: &Sysroot) -> Result<Self> {
                let count = |file: &str| anyhow::Ok(md.value_if(file)?.unwrap_or(0));
                Ok(Self {
                    $($name: count(concat!("p2pdma_", stringify!($name)))?,)*
                })
            }

            /// What `with` makes of each counter and the same one of `other`.
            pub fn zip(self, other: Self, mut with: impl FnMut(u64, u64) -> u64) -> Self {
                Self {
                    $($name: with(self.$name, other.$name),)*
                }
            }
        }
    };
}

counters! {
    /// Bytes that members read into peer pages by DMA.
    read_direct_bytes,
    /// I/Os.
    read_direct_ios,
    /// Bytes that members wrote from peer pages by DMA.
    write_direct_bytes,
    /// I/Os.
    write_direct_ios,
    /// Bytes read that the CPU copied.
    read_staged_bytes,
    /// I/Os.
    read_staged_ios,
    /// Bytes written that the CPU copied.
    write_staged_bytes,
    /// I/Os.
    write_staged_ios,
    /// I/Os that ended with `EREMOTEIO`.
    refused_ios,
    /// Bytes that rebuilds wrote from peer pages.
    rebuild_peer_bytes,
    /// And from host pages.
    rebuild_host_bytes,
}

impl Counters {
    /// Bytes that members moved by DMA.
    pub fn direct_bytes(&self) -> u64 {
        self.read_direct_bytes
            .saturating_add(self.write_direct_bytes)
    }

    /// Bytes that the CPU copied.
    pub fn staged_bytes(&self) -> u64 {
        self.read_staged_bytes
            .saturating_add(self.write_staged_bytes)
    }

    /// Bytes that rebuilds wrote.
    pub fn rebuilt_bytes(&self) -> u64 {
        self.rebuild_peer_bytes
            .saturating_add(self.rebuild_host_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put;

    #[test]
    fn a_counter_is_read_from_the_file_of_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("sys")).expect("sys");
        put(folder.path(), "md/p2pdma_write_staged_ios", "7\n");
        put(folder.path(), "md/p2pdma_rebuild_host_bytes", "4096\n");
        let sysroot = Sysroot::at(folder.path()).expect("a root");
        let md = sysroot.within("md").expect("a folder");
        let expected = Counters {
            write_staged_ios: 7,
            rebuild_host_bytes: 4096,
            ..Counters::default()
        };
        assert_eq!(Counters::read(&md).expect("numbers"), expected);
        put(folder.path(), "md/p2pdma_refused_ios", "few");
        let error = Counters::read(&md).expect_err("no number");
        assert!(error.to_string().contains("p2pdma_refused_ios"), "{error}");
    }

    #[test]
    fn counters_are_zipped_each_with_the_one_of_its_name() {
        let one = Counters {
            read_direct_bytes: 5,
            refused_ios: 7,
            ..Counters::default()
        };
        let other = Counters {
            read_direct_bytes: 2,
            ..Counters::default()
        };
        let expected = Counters {
            read_direct_bytes: 3,
            refused_ios: 7,
            ..Counters::default()
        };
        assert_eq!(one.zip(other, |a, b| a - b), expected);
    }
}
