// SPDX-License-Identifier: GPL-2.0
//! Lenders of peer memory, and how the members of an array reach them.

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::ui;
use mdp2p_io::memory::PAGE;
use mdp2p_machine::md::array::{Array, Member};
use mdp2p_machine::md::reach::Known;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::pci::reach::Source;
use mdp2p_machine::sysroot::Sysroot;

/// A provider that lends: its p2pmem is published, so that buffers can be allocated from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provider {
    /// The PCI address.
    pub address: Bdf,
    /// Bytes of its p2pmem.
    pub bytes: u64,
    /// Bytes of its p2pmem that nobody has allocated.
    pub available_bytes: u64,
    /// The members of the array without its journal, in the array's order.
    pub members: Vec<MemberDistance>,
    /// Where the distances come from.
    pub source: Source,
}

/// The distance of a member from a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberDistance {
    /// The member.
    pub name: String,
    /// `None` if the member does not reach the provider.
    pub distance: Option<u32>,
}

/// Buffers in a provider's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of each buffer.
    pub block: usize,
    /// The number of buffers.
    pub depth: usize,
}

/// Returns all providers that lend memory, by address.
///
/// # Errors
/// If there is no lender, or if sysfs cannot be understood.
pub fn all(sysroot: &Sysroot, array: &Array) -> Result<Vec<Provider>> {
    let devices = Devices::read(sysroot)?;
    let known = Known::of(sysroot, &devices, std::slice::from_ref(array));
    let members = || array.members.iter().filter(|member| !member.is_journal());
    let providers: Vec<Provider> = devices
        .lenders()
        .filter_map(|device| {
            let memory = device.p2pmem.as_ref()?;
            let distance = |member: &Member| MemberDistance {
                name: member.name.clone(),
                distance: known.distance(member, device.address),
            };
            Some(Provider {
                address: device.address,
                bytes: memory.bytes,
                available_bytes: memory.available_bytes,
                members: members().map(distance).collect(),
                source: match array.p2p {
                    Some(_) => Source::Kernel,
                    None => Source::Computed,
                },
            })
        })
        .collect();
    if providers.is_empty() {
        bail!("{}", why_no_lender(&devices));
    }
    Ok(providers)
}

/// Explains why there is no lender.
fn why_no_lender(devices: &Devices) -> String {
    let providers: Vec<String> = devices
        .providers()
        .map(|it| it.address.to_string())
        .collect();
    match &providers[..] {
        [] => "no device of this machine has p2pmem, so there is no peer memory to move data \
               through; `mdp2p doctor` says what is missing"
            .to_owned(),
        some => format!(
            "no device of this machine lends memory, so there is none to allocate buffers from: {} \
             {} p2pmem that the driver has not published. Programs of that device can do peer I/O \
             all the same",
            some.join(", "),
            if some.len() == 1 { "has" } else { "have" }
        ),
    }
}

/// Returns the `wanted` providers, in that order and each once, or all of them if none is wanted.
///
/// # Errors
/// If a wanted provider does not exist; the error names those that do.
pub fn select(providers: Vec<Provider>, wanted: &[Bdf]) -> Result<Vec<Provider>> {
    if wanted.is_empty() {
        return Ok(providers);
    }
    let mut selected: Vec<Provider> = Vec::new();
    for address in wanted {
        match providers.iter().find(|one| one.address == *address) {
            Some(provider) if selected.contains(provider) => {}
            Some(provider) => selected.push(provider.clone()),
            None => {
                let there: Vec<String> = providers.iter().map(|p| p.address.to_string()).collect();
                bail!(
                    "{address} lends no memory, so no buffers can be allocated from it; those that \
                     do: {}",
                    there.join(", ")
                );
            }
        }
    }
    Ok(selected)
}

/// Returns the provider that most members reach, and among several of them the nearest.
///
/// # Errors
/// If no member reaches a provider; the error names each provider.
pub fn nearest(providers: &[Provider], array: &str) -> Result<Provider> {
    let reached = providers
        .iter()
        .filter(|provider| provider.unreachable_members() < provider.members.len());
    let best = reached
        .min_by_key(|provider| (provider.unreachable_members(), provider.largest_distance()));
    match best {
        Some(provider) => Ok(provider.clone()),
        None => {
            let each: Vec<String> = providers.iter().map(|p| p.address.to_string()).collect();
            bail!(
                "no member of {array} reaches the memory of any provider ({}); `mdp2p topology` \
                 shows why. With --provider it is measured anyway, staged",
                each.join(", ")
            )
        }
    }
}

/// Returns the provider that the fewest members reach, and among several of them the farthest.
///
/// # Errors
/// If there is none.
pub fn farthest(providers: &[Provider]) -> Result<Provider> {
    let distance =
        |provider: &&Provider| (provider.unreachable_members(), provider.largest_distance());
    let farthest = providers.iter().max_by_key(distance);
    farthest.cloned().context("no device lends memory")
}

impl Provider {
    fn unreachable_members(&self) -> usize {
        let cut_off = |member: &&MemberDistance| member.distance.is_none();
        self.members.iter().filter(cut_off).count()
    }

    fn largest_distance(&self) -> Option<u32> {
        self.members.iter().filter_map(|m| m.distance).max()
    }

    /// Writes the distances in a few characters: `4`, `0-4`, `0-4, 1 no`, `unreachable`.
    pub fn distance_range(&self) -> String {
        let distances = || self.members.iter().filter_map(|member| member.distance);
        let (Some(least), Some(most)) = (distances().min(), distances().max()) else {
            return "unreachable".to_owned();
        };
        let range = match least == most {
            true => most.to_string(),
            false => format!("{least}-{most}"),
        };
        match self.unreachable_members() {
            0 => range,
            cut_off => format!("{range}, {cut_off} no"),
        }
    }

    /// Returns room for `depth` buffers of `block` bytes, or for as many of them as fit.
    ///
    /// Returns `None` if not even one fits.
    pub fn room(&self, block: usize, depth: usize) -> Option<Room> {
        // p2pmem is lent in pages.
        let each = block.next_multiple_of(PAGE) as u64;
        let fit = usize::try_from(self.available_bytes / each).unwrap_or(usize::MAX);
        let depth = depth.min(fit);
        (depth > 0).then_some(Room { block, depth })
    }

    /// Like [`room`](Self::room), but with smaller buffers, down to a page, if not even one fits.
    pub fn room_or_less(&self, block: usize, depth: usize) -> Option<Room> {
        let available = usize::try_from(self.available_bytes).unwrap_or(usize::MAX);
        let page = available - available % PAGE;
        self.room(block.min(page.max(PAGE)), depth)
    }

    /// Explains why there is no room for a block.
    pub fn why_no_room(&self, block: usize) -> String {
        format!(
            "{} has {} of its {} of p2pmem available, too little for a block of {}; memory is \
             free again when the programs that hold it end",
            self.address,
            ui::bytes(self.available_bytes),
            ui::bytes(self.bytes),
            ui::bytes(block as u64)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(bus: u8, distances: &[Option<u32>]) -> Provider {
        let member = |(slot, distance): (usize, &Option<u32>)| MemberDistance {
            name: format!("nvme{slot}n1"),
            distance: *distance,
        };
        Provider {
            address: format!("0000:{bus:02x}:00.0").parse().expect("an address"),
            bytes: 16 << 20,
            available_bytes: 1 << 20,
            members: distances.iter().enumerate().map(member).collect(),
            source: Source::Kernel,
        }
    }

    #[test]
    fn distances_fit_into_a_column() {
        for (distances, text) in [
            (&[Some(0), Some(4)][..], "0-4"),
            (&[Some(4), Some(4)], "4"),
            (&[Some(4), None], "4, 1 no"),
            (&[None, None], "unreachable"),
            (&[], "unreachable"),
        ] {
            assert_eq!(provider(1, distances).distance_range(), text);
        }
    }

    #[test]
    fn the_nearest_is_the_one_that_most_members_reach() {
        let all = [
            provider(1, &[Some(0), None]),
            provider(2, &[Some(8), Some(8)]),
            provider(3, &[Some(0), Some(4)]),
        ];
        let best = nearest(&all, "md0").expect("one is reached");
        assert_eq!(best.address, all[2].address);
        let best = nearest(&all[..1], "md0").expect("one member reaches it");
        assert_eq!(best.address, all[0].address);
        let error = nearest(&[provider(1, &[None])], "md0").expect_err("nobody reaches it");
        assert!(error.to_string().contains("md0"), "{error}");
        assert!(error.to_string().contains("0000:01:00.0"), "{error}");
    }

    #[test]
    fn a_provider_that_lends_nothing_is_refused_with_a_list_of_others() {
        let all = vec![provider(1, &[]), provider(2, &[])];
        let address = |text: &str| -> Bdf { text.parse().expect("an address") };
        let one = address("0000:02:00.0");
        let selected = select(all.clone(), &[one, one]).expect("it is there");
        assert_eq!(selected, all[1..]);
        let error = select(all, &[address("0000:03:00.0")]).expect_err("it is not");
        assert_eq!(
            error.to_string(),
            "0000:03:00.0 lends no memory, so no buffers can be allocated from it; those that do: \
             0000:01:00.0, 0000:02:00.0"
        );
    }

    #[test]
    fn buffers_are_as_many_as_there_is_room_for() {
        let mut provider = provider(1, &[]);
        let mut room = |available, block, depth| {
            provider.available_bytes = available;
            let room = provider.room_or_less(block, depth);
            room.map(|room| (room.block, room.depth))
        };
        assert_eq!(room(1 << 20, 65536, 4), Some((65536, 4)));
        assert_eq!(room(150_000, 65536, 4), Some((65536, 2)));
        assert_eq!(room(10_000, 65536, 4), Some((8192, 1)));
        assert_eq!(room(4095, 65536, 4), None);
        provider.available_bytes = 4096;
        assert_eq!(provider.room(512, 4).map(|room| room.depth), Some(1));
        assert_eq!(provider.room(65536, 4), None);
        let error = provider.why_no_room(65536);
        assert!(
            error.starts_with("0000:01:00.0 has 4 KiB of its 16 MiB"),
            "{error}"
        );
    }
}
