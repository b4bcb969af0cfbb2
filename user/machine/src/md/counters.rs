// SPDX-License-Identifier: GPL-2.0
//! The counters of an array, in one table. A row is a field, a key in JSON, and the file
//! `p2pdma_NAME` in sysfs.

use anyhow::Result;
use serde::Serialize;

use crate::sysroot::Sysroot;

macro_rules! counters {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// The counters of an array. They begin at 0 when the array starts, and never go back.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Counters {
            $($(#[$about])* pub $name: u64,)*
        }

        impl Counters {
            /// Reads the counters from the array's folder `md`. A file that does not exist counts
            /// as 0.
            ///
            /// # Errors
            /// If a file does not hold a number.
            pub fn read(md: &Sysroot) -> Result<Self> {
                let count = |file: &str| anyhow::Ok(md.value_if(file)?.unwrap_or(0));
                Ok(Self {
                    $($name: count(concat!("p2pdma_", stringify!($name)))?,)*
                })
            }

            /// Combines each counter with the counter of the same name in `other`.
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
    /// I/Os that did so.
    read_direct_ios,
    /// Bytes that members wrote from peer pages by DMA.
    write_direct_bytes,
    /// I/Os that did so.
    write_direct_ios,
    /// Bytes read that passed through host pages.
    read_staged_bytes,
    /// I/Os that did so.
    read_staged_ios,
    /// Bytes written that passed through host pages.
    write_staged_bytes,
    /// I/Os that did so.
    write_staged_ios,
    /// Of the staged bytes, those that a DMA engine copied; the CPU copied the rest.
    staged_engine_bytes,
    /// I/Os that ended with `EREMOTEIO`.
    refused_ios,
    /// Bytes that rebuilds wrote from peer pages.
    rebuild_peer_bytes,
    /// Bytes that rebuilds wrote from host pages.
    rebuild_host_bytes,
}

impl Counters {
    /// Returns the bytes that members moved by DMA, read and written.
    pub fn direct_bytes(&self) -> u64 {
        self.read_direct_bytes
            .saturating_add(self.write_direct_bytes)
    }

    /// Returns the bytes that passed through host pages, read and written.
    pub fn staged_bytes(&self) -> u64 {
        self.read_staged_bytes
            .saturating_add(self.write_staged_bytes)
    }

    /// Returns the bytes that rebuilds wrote, from either memory.
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
