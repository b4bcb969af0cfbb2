// SPDX-License-Identifier: GPL-2.0
//! Forecasts what peer I/O will meet at an array that is to be made. The decisions are those of the
//! kernel module, whose code this file calls (kmod/decide).
//!
//! Tests: tests/create.rs.

use anyhow::Result;
use md_p2p_decide::reach::{self, Distances, Reach, Row, SLOTS, Window};
use md_p2p_decide::route::{self, Means, Policy, Route, Spread, State};
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::raid10::Layout;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Devices;

use super::device_reach::{DeviceReach, refusal};
use super::forecast::{Expectation, Forecast, Outcome};
use super::mdadm_options::MdadmOptions;
use crate::control::setting::ProviderValue;

/// Returns how a level spreads its data over the members.
pub fn spread(level: Level) -> Spread {
    Spread::of(level.number())
}

/// Returns the sets of members that hold copies of the same data, for a mirror of so many members.
pub fn copies(
    level: Level,
    mdadm_options: &MdadmOptions,
    members: usize,
) -> Result<Vec<Vec<usize>>> {
    Ok(match level.number() {
        1 => vec![(0..members).collect()],
        10 => Layout::of(mdadm_options.layout.as_deref(), members)?.copy_sets(members),
        _ => Vec::new(),
    })
}

const NOBODY: &str = "no member reaches it";

/// What the outcomes depend on.
pub struct Forecaster<'a> {
    pub level: Level,
    pub policy: Policy,
    pub members: &'a [Option<BlockDevice>],
    /// The members that are present, then the spares.
    pub devices: &'a [&'a BlockDevice],
    pub lender: ProviderValue,
    /// The providers that rebuilds can borrow from.
    pub lenders: Vec<Bdf>,
    /// The sets of members that [`copies`] returns.
    pub copies: Vec<Vec<usize>>,
}

impl Forecaster<'_> {
    /// Forecasts the I/O with the memory of a provider; `reaches` has how each device reaches it.
    pub fn forecast(&self, provider: Bdf, reaches: &[&DeviceReach]) -> Forecast {
        let distance =
            |(slot, reach): (usize, &&DeviceReach)| reach.distance.filter(|_| slot < SLOTS);
        let distances: Vec<Option<u32>> = reaches.iter().enumerate().map(distance).collect();
        let mut row = Row {
            window: Window { start: 0, end: 0 },
            provider: 0,
            by_all: reach::by_all(distances.iter().copied()),
            distances: Distances::NONE,
        };
        for (slot, &distance) in distances.iter().enumerate() {
            row.distances.set(slot, distance);
        }
        let who = reach::reach(Some(&row));
        let reached: Vec<bool> = distances.iter().map(Option::is_some).collect();
        Forecast {
            provider,
            read: self.io(false, who, &reached),
            write: self.io(true, who, &reached),
            rebuild: self.rebuild(provider, who, &reached),
        }
    }

    fn io(&self, write: bool, who: Reach, reached: &[bool]) -> Expectation {
        let spread = spread(self.level);
        let route = route::route(spread, self.policy, write, who);
        match (route, spread) {
            (Route::Later, Spread::Striped) => self.striped(reached),
            (Route::Later, Spread::Mirrored) => self.mirror_read(reached),
            (Route::Later, Spread::Cached) => self.parity_read(reached),
            (Route::Direct, _) => Expectation::new(Outcome::Direct, ""),
            (route, _) if self.policy == Policy::Off => {
                Expectation::new(Outcome::of(route), "the policy is off")
            }
            (route, Spread::Cached) => Expectation::new(Outcome::of(route), "parity needs the CPU"),
            (route, _) if who == Reach::None => Expectation::new(Outcome::of(route), NOBODY),
            (route, Spread::Mirrored) if write => {
                let far = self.describe_unreached(reached);
                let spares = match self.devices.len() > self.count_present() {
                    true => ", spares too",
                    false => "",
                };
                let note = format!("a write goes to all members{spares}, but {far}");
                Expectation::new(Outcome::of(route), note)
            }
            (route, _) => Expectation::new(Outcome::of(route), self.describe_unreached(reached)),
        }
    }

    /// Forecasts I/O of which each part goes to one member.
    fn striped(&self, reached: &[bool]) -> Expectation {
        if reached.iter().all(|&reached| reached) {
            return Expectation::new(Outcome::Direct, "");
        }
        if !reached.contains(&true) {
            return self.unreached();
        }
        self.partly(format!("direct for data on {}", self.names(reached, true)))
    }

    /// Forecasts a read that any member with a copy can serve.
    fn mirror_read(&self, reached: &[bool]) -> Expectation {
        // Nothing is read from spares.
        let members = self.reached_slots(reached);
        if !members.contains(&true) {
            return self.unreached();
        }
        let near = self.names(&reached[..self.count_present()], true);
        let is_near = |set: &Vec<usize>| set.iter().any(|&slot| members[slot]);
        match self.copies.iter().all(is_near) {
            true if members.iter().all(|&it| it) => Expectation::new(Outcome::Direct, ""),
            true => Expectation::new(Outcome::Direct, format!("from {near}")),
            false => self.partly(format!("direct for data with a copy on {near}")),
        }
    }

    /// Tells, for each device, whether it can take part in a rebuild through this memory. The
    /// device that is read and the device that is written hold copies of the same data, or the
    /// written device is a spare.
    fn rebuild_members(&self, reached: &[bool]) -> Vec<bool> {
        let members = self.reached_slots(reached);
        let spare = reached[self.count_present()..].contains(&true);
        let has_mate = |slot: usize| {
            let mates = self.copies.iter().filter(|set| set.contains(&slot));
            let mut mates = mates.flatten().filter(|&&mate| mate != slot);
            spare || mates.any(|&mate| members[mate])
        };
        let has_part: Vec<bool> = (0..members.len())
            .map(|slot| members[slot] && has_mate(slot))
            .collect();
        let there = has_part.iter().zip(self.members);
        let there = there.filter_map(|(&has_part, member)| member.is_some().then_some(has_part));
        let spares = reached[self.count_present()..].iter();
        there
            .chain(spares.map(|&reached| reached && has_part.contains(&true)))
            .collect()
    }

    /// Tells, for each slot, whether its member is reached; a missing member is not.
    fn reached_slots(&self, reached: &[bool]) -> Vec<bool> {
        let mut there = reached.iter().copied();
        self.members
            .iter()
            .map(|member| member.is_some() && there.next().unwrap_or(false))
            .collect()
    }

    /// Forecasts a read of raid4, 5 or 6: within one chunk of a healthy array it goes to one
    /// member.
    fn parity_read(&self, reached: &[bool]) -> Expectation {
        let members = &reached[..self.count_present()];
        if !members.contains(&true) {
            return self.unreached();
        }
        let on = match members.iter().all(|&reached| reached) {
            true => String::new(),
            false => format!(" of {}", self.names(members, true)),
        };
        self.partly(format!(
            "direct within one chunk{on}, while no member is missing"
        ))
    }

    fn unreached(&self) -> Expectation {
        Expectation::new(Outcome::of(route::member(self.policy, None)), NOBODY)
    }

    fn partly(&self, note: String) -> Expectation {
        let otherwise = Outcome::of(route::member(self.policy, None));
        Expectation::new(Outcome::Partly, format!("{note}; else {otherwise}"))
    }

    fn rebuild(&self, provider: Bdf, who: Reach, reached: &[bool]) -> Expectation {
        let host = |note: String| Expectation::new(Outcome::Host, note);
        let protected: Vec<&str> = self
            .devices
            .iter()
            .filter(|device| device.has_integrity)
            .map(|device| device.name.as_str())
            .collect();
        match (spread(self.level), self.lender, who) {
            (Spread::Striped, ..) => Expectation::new(Outcome::None, ""),
            (Spread::Cached, ..) => host("parity needs the CPU".into()),
            (_, ProviderValue::None, _) => host("--provider none".into()),
            _ if !self.lenders.contains(&provider) => {
                host("its driver has not published the memory, so nobody can borrow it".into())
            }
            (_, ProviderValue::At(only), _) if only != provider => {
                host(format!("--provider {only}"))
            }
            _ if !protected.is_empty() => host(format!(
                "{} has protection information, which the CPU computes",
                protected.join(", ")
            )),
            (.., Reach::All) => Expectation::new(Outcome::Peer, self.resync_note(provider)),
            (.., Reach::None) => host(NOBODY.into()),
            (.., Reach::Some) => match self.names(&self.rebuild_members(reached), true) {
                none if none.is_empty() => host(self.describe_unreached(reached)),
                some => Expectation::new(Outcome::Partly, format!("peer among {some}; else host")),
            },
        }
    }

    /// Describes the part of a rebuild that uses host memory even if every member reaches the
    /// provider.
    fn resync_note(&self, provider: Bdf) -> &'static str {
        let first = self.devices.first();
        match self.level.number() {
            10 => "but a resync uses host memory, because the CPU compares the data",
            _ if first.is_some_and(|first| first.controllers.contains(&provider)) => {
                "but not in a resync, which reads from it"
            }
            _ => "",
        }
    }

    /// Says which devices do not reach the provider.
    fn describe_unreached(&self, reached: &[bool]) -> String {
        let far = self.names(reached, false);
        match far.contains(',') {
            true => format!("{far} do not reach it"),
            false => format!("{far} does not reach it"),
        }
    }

    /// Counts the members that are present.
    fn count_present(&self) -> usize {
        self.members.iter().flatten().count()
    }

    /// Lists the devices that are reached, or those that are not.
    fn names(&self, reached: &[bool], wanted: bool) -> String {
        let names: Vec<&str> = self
            .devices
            .iter()
            .zip(reached)
            .filter(|(_, reached)| **reached == wanted)
            .map(|(device, _)| device.name.as_str())
            .collect();
        names.join(", ")
    }

    /// Returns the state of the array, as `Entry::publish()` of the kernel module computes it
    /// (kmod/entry.rs).
    pub fn state(&self, machine: &Devices, reaches: &[Vec<DeviceReach>]) -> State {
        let maps = |device: &&BlockDevice| {
            !device.controllers.is_empty() && refusal(machine, device).is_none()
        };
        let reached = || {
            reaches
                .iter()
                .flatten()
                .map(|reach| reach.distance.is_some())
        };
        let no_provider = reaches.iter().all(Vec::is_empty);
        let means = Means {
            some_reached: no_provider || reached().any(|reached| reached),
            all_reached: self.devices.iter().all(maps)
                && reached().all(|reached| reached)
                && self.devices.len() <= SLOTS,
            can_stage: true,
        };
        route::state(spread(self.level), self.policy, means)
    }
}
