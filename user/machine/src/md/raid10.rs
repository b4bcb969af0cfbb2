// SPDX-License-Identifier: GPL-2.0
//! Computes which members hold the copies of a chunk of raid10.

use anyhow::{Result, bail};

/// mdadm's default.
const DEFAULT: &str = "n2";

/// A layout of raid10, which mdadm calls n2, f2, o3 and so on (md(4)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    copies: usize,
    /// By how many members the next chunk is shifted.
    step: usize,
}

impl Layout {
    /// Parses mdadm's name of a layout, for an array of this many members, missing ones included.
    ///
    /// # Errors
    /// Fails if there is no such layout, or not for this many members.
    pub fn of(name: Option<&str>, members: usize) -> Result<Self> {
        let name = name.unwrap_or(DEFAULT);
        let number = |digits: &str| {
            let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain)
        };
        let parts = name.split_at_checked(1).unwrap_or_default();
        let (kind, copies) = match (parts.0, number(parts.1)) {
            (kind @ ("n" | "f" | "o"), Some(copies)) => (kind, copies),
            _ => bail!(
                "--layout {name}: not a layout of raid10; use n2, f2 or o2 for near, far or offset \
                 copies, or another number of copies"
            ),
        };
        if copies < 2 {
            bail!("--layout {name}: raid10 has at least 2 copies of everything");
        }
        if copies > members {
            bail!("--layout {name}: {members} members cannot hold {copies} copies");
        }
        // Near copies fill the members one after the other. Far and offset copies lie at least one
        // stripe below, each shifted by one member, for each member that a chunk can begin on.
        let step = if kind == "n" { copies } else { 1 };
        Ok(Self { copies, step })
    }

    /// Returns the sets of members that can hold the copies of a chunk, as `__raid10_find_phys()`
    /// in `drivers/md/raid10.c` computes them.
    pub fn copy_sets(self, members: usize) -> Vec<Vec<usize>> {
        let set = |chunk: usize| {
            let first = chunk * self.step;
            (first..first + self.copies)
                .map(|member| member % members)
                .collect()
        };
        (0..members).map(set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn sets(name: &str, members: usize) -> BTreeSet<Vec<usize>> {
        let layout = Layout::of(Some(name), members).expect(name);
        let mut sets = layout.copy_sets(members);
        sets.iter_mut().for_each(|set| set.sort_unstable());
        sets.into_iter().collect()
    }

    #[test]
    fn copies_lie_where_they_do_in_layouts_worked_out_by_hand() {
        for (name, members, expected) in [
            // These are the pictures of md(4).
            ("n2", 4, &[&[0, 1][..], &[2, 3]][..]),
            ("n2", 5, &[&[0, 1], &[0, 4], &[1, 2], &[2, 3], &[3, 4]]),
            ("n2", 3, &[&[0, 1], &[0, 2], &[1, 2]]),
            ("n3", 6, &[&[0, 1, 2], &[3, 4, 5]]),
            ("n3", 4, &[&[0, 1, 2], &[0, 1, 3], &[0, 2, 3], &[1, 2, 3]]),
            ("f2", 4, &[&[0, 1], &[0, 3], &[1, 2], &[2, 3]]),
            ("o2", 4, &[&[0, 1], &[0, 3], &[1, 2], &[2, 3]]),
            ("o3", 4, &[&[0, 1, 2], &[0, 1, 3], &[0, 2, 3], &[1, 2, 3]]),
            ("f2", 2, &[&[0, 1]]),
            ("f3", 3, &[&[0, 1, 2]]),
        ] {
            let expected: BTreeSet<Vec<usize>> = expected.iter().map(|set| set.to_vec()).collect();
            assert_eq!(sets(name, members), expected, "{name} of {members}");
        }
    }

    /// Does what `__raid10_find_phys()` does to find members, word by word. Its numbers are those
    /// that `setup_geo()` derives from mdadm's superblock.
    fn kernels(layout: u32, disks: usize, chunk: usize) -> Vec<usize> {
        let near_copies = (layout & 255) as usize;
        let far_copies = (layout >> 8 & 255) as usize;
        let far_set_size = match layout >> 17 {
            0 => disks,
            other => panic!("mdadm makes none with {other}"),
        };
        let last_far_set_start = (disks / far_set_size - 1) * far_set_size;
        let last_far_set_size = far_set_size + disks % far_set_size;
        let mut dev = chunk * near_copies % disks;
        let mut found = Vec::new();
        for _ in 0..near_copies {
            let mut d = dev;
            found.push(d);
            for _ in 1..far_copies {
                let set = d / far_set_size;
                d += near_copies;
                if disks % far_set_size != 0 && d > last_far_set_start {
                    d -= last_far_set_start;
                    d %= last_far_set_size;
                    d += last_far_set_start;
                } else {
                    d %= far_set_size;
                    d += far_set_size * set;
                }
                found.push(d);
            }
            dev += 1;
            if dev >= disks {
                dev = 0;
            }
        }
        found
    }

    #[test]
    fn copies_lie_where_the_kernel_has_them() {
        for disks in 2..=12 {
            for copies in 2..=disks {
                let number = copies as u32;
                // mdadm's parse_layout_10() makes these numbers.
                for (name, layout) in [
                    (format!("n{copies}"), 256 + number),
                    (format!("o{copies}"), 0x10000 + (number << 8) + 1),
                    (format!("f{copies}"), 1 + (number << 8)),
                ] {
                    let kernels: BTreeSet<Vec<usize>> = (0..3 * disks)
                        .map(|chunk| {
                            let mut set = kernels(layout, disks, chunk);
                            set.sort_unstable();
                            set
                        })
                        .collect();
                    assert_eq!(sets(&name, disks), kernels, "{name} of {disks}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_layout_is_named() {
        for (name, members, why) in [
            ("", 4, "not a layout of raid10"),
            ("n", 4, "not a layout of raid10"),
            ("x2", 4, "not a layout of raid10"),
            ("n+2", 4, "not a layout of raid10"),
            ("near=2", 4, "not a layout of raid10"),
            ("left-symmetric", 4, "not a layout of raid10"),
            ("\u{e4}2", 4, "not a layout of raid10"),
            ("n99999999999999999999", 4, "not a layout of raid10"),
            ("f1", 4, "at least 2 copies of everything"),
            ("n0", 4, "at least 2 copies of everything"),
            ("o3", 2, "2 members cannot hold 3 copies"),
        ] {
            let error = Layout::of(Some(name), members).expect_err(name).to_string();
            assert!(error.starts_with(&format!("--layout {name}: ")), "{error}");
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(
            Layout::of(None, 4).expect("a layout"),
            Layout::of(Some("n2"), 4).expect("n2")
        );
    }
}
