// SPDX-License-Identifier: GPL-2.0

//! The pure part of the glue, tried on topologies made at random: no peer page
//! is ever direct unless every member reaches its provider.

#[path = "../../kmod/reach.rs"]
mod reach;
#[path = "../../kmod/route.rs"]
mod route;

use proptest::prelude::*;
use reach::{Distance, Reach, Row, Window, by_all, reach as reach_of};
use route::{Means, Route, State, advertises, route as route_of, state};

/// The levels as md numbers them: linear, 0, 1, 10, 4, 5, 6.
const LEVELS: [i32; 7] = [-1, 0, 1, 10, 4, 5, 6];

fn level() -> impl Strategy<Value = i32> {
    prop::sample::select(LEVELS.to_vec())
}

/// Providers with BARs that do not overlap, and the distance of each member.
fn topology() -> impl Strategy<Value = Vec<(Window, Vec<Distance>)>> {
    let members = 1..6usize;
    let provider = (1..0x1000u64, 1..0x1000u64);
    (members, prop::collection::vec(provider, 0..8)).prop_flat_map(|(members, shapes)| {
        let mut next = 0;
        let windows: Vec<Window> = shapes
            .into_iter()
            .map(|(gap, size)| {
                let start = next + gap;
                next = start + size;
                Window {
                    start,
                    end: start + size - 1,
                }
            })
            .collect();
        let distances = prop::collection::vec(prop::option::of(0..20u32), members);
        let all = prop::collection::vec(distances, windows.len());
        all.prop_map(move |all| windows.iter().copied().zip(all).collect())
    })
}

fn rows(topology: &[(Window, Vec<Distance>)]) -> Vec<Row> {
    topology
        .iter()
        .map(|(window, distances)| Row {
            window: *window,
            by_all: by_all(distances.iter().copied()),
        })
        .collect()
}

proptest! {
    #[test]
    fn direct_means_that_every_member_reaches_the_owner_of_the_page(
        topology in topology(), address in 0..0x10000u64, level in level(),
    ) {
        let owner = topology
            .iter()
            .find(|(window, _)| window.start <= address && address <= window.end);
        let reached = owner.is_some_and(|(_, distances)| distances.iter().all(Option::is_some));
        let way = route_of(level, reach_of(&rows(&topology), address));
        prop_assert_eq!(way == Route::Direct, reached);
    }

    #[test]
    fn both_ends_of_a_window_are_its_provider_s_and_what_is_beside_is_not(topology in topology()) {
        let rows = rows(&topology);
        for row in &rows {
            let known = if row.by_all { Reach::All } else { Reach::NotAll };
            prop_assert_eq!(reach_of(&rows, row.window.start), known);
            prop_assert_eq!(reach_of(&rows, row.window.end), known);
            let before = row.window.start - 1;
            let of_another = rows.iter().any(|other| other.window.end == before);
            prop_assert_eq!(reach_of(&rows, before) == Reach::Unknown, !of_another);
        }
    }

    #[test]
    fn only_raid456_stages_and_it_never_refuses(level in level(), all in any::<bool>()) {
        let reach = if all { Reach::All } else { Reach::NotAll };
        let cached = (4..=6).contains(&level);
        prop_assert_eq!(route_of(level, reach) == Route::Staged, cached && !all);
        prop_assert_eq!(route_of(level, reach) == Route::Refused, !cached && !all);
    }

    #[test]
    fn a_state_that_is_not_off_is_advertised_and_no_member_is_unable_to_map(
        level in level(), all_map in any::<bool>(), one_reached in any::<bool>(),
    ) {
        let means = Means { all_map, one_reached };
        prop_assert_eq!(state(level, means) != State::Off, advertises(level, means));
        prop_assert!(all_map || !advertises(level, means));
        prop_assert!(state(level, means) != State::Direct || one_reached);
    }
}

#[test]
fn an_array_without_members_reaches_nothing() {
    assert!(!by_all(std::iter::empty()));
}

#[test]
fn the_words_of_the_state_are_those_of_the_sysfs_reference() {
    let names = [State::Direct, State::Staged, State::Off].map(State::name);
    assert_eq!(names, ["direct", "staged", "off"]);
}
