// SPDX-License-Identifier: GPL-2.0

//! Tries what md-p2p decides on topologies made at random: no peer page is ever
//! direct unless every member reaches its provider.

use md_p2p_decide::pause::{FIRST, LONGEST, Pause};
use md_p2p_decide::reach::{
    Distance, Distances, Reach, Row, SLOTS, Window, by_all, farthest, lender, reach as reach_of,
    row, sort,
};
use md_p2p_decide::route::{
    Lender, Means, Policy, Route, Spread, State, advertises, again, copied, member,
    route as route_of, state,
};
use proptest::prelude::*;

/// The levels as md numbers them: linear, 0, 1, 10, 4, 5, 6.
const LEVELS: [i32; 7] = [-1, 0, 1, 10, 4, 5, 6];

fn spread() -> impl Strategy<Value = Spread> {
    prop::sample::select(LEVELS.map(Spread::of).to_vec())
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(Policy::ALL.to_vec())
}

fn means() -> impl Strategy<Value = Means> {
    any::<[bool; 3]>().prop_map(|[some_reached, all_reached, can_stage]| Means {
        some_reached,
        all_reached,
        can_stage,
    })
}

/// Providers with BARs that do not overlap, and the distance of each member.
fn topology() -> impl Strategy<Value = Vec<(Window, Vec<Distance>)>> {
    topology_of(prop::option::of(0..20u32))
}

/// Like [`topology`], with distances of this kind.
fn topology_of(
    distance: impl Strategy<Value = Distance> + Clone + 'static,
) -> impl Strategy<Value = Vec<(Window, Vec<Distance>)>> {
    let members = 1..6usize;
    let provider = (1..0x1000u64, 1..0x1000u64);
    (members, prop::collection::vec(provider, 0..8)).prop_flat_map(move |(members, shapes)| {
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
        let distances = prop::collection::vec(distance.clone(), members);
        let all = prop::collection::vec(distances, windows.len());
        all.prop_map(move |all| windows.iter().copied().zip(all).collect())
    })
}

fn rows(topology: &[(Window, Vec<Distance>)]) -> Vec<Row> {
    topology
        .iter()
        .enumerate()
        .map(|(provider, (window, members))| {
            let mut distances = Distances::NONE;
            for (slot, &distance) in members.iter().enumerate() {
                distances.set(slot, distance);
            }
            Row {
                window: *window,
                provider,
                by_all: by_all(members.iter().copied()),
                distances,
            }
        })
        .collect()
}

/// Finds the row of a page in the plainest way.
fn walk(rows: &[Row], address: u64) -> Option<&Row> {
    rows.iter()
        .find(|row| row.window.start <= address && address <= row.window.end)
}

/// Returns what becomes of each part of a bio that the level sends to the member in
/// this slot. What is written to a mirror goes to all members. What is staged for
/// the stripe cache goes to none.
fn parts(
    row: Option<&Row>,
    slots: &[usize],
    healthy: bool,
    spread: Spread,
    policy: Policy,
    write: bool,
) -> Vec<(usize, Route)> {
    let all = |route| slots.iter().map(|&slot| (slot, route)).collect();
    let way = route_of(spread, policy, write, reach_of(row));
    if way != Route::Later {
        return all(way);
    }
    let of_member = |&slot: &usize| {
        let distance = row.and_then(|row| row.distances.get(slot));
        let way = match (spread, member(policy, distance)) {
            (Spread::Cached, way) if way != Route::Direct || !healthy => copied(policy),
            (_, way) => way,
        };
        (slot, way)
    };
    slots.iter().map(of_member).collect()
}

proptest! {
    #[test]
    fn no_member_does_dma_to_a_page_that_it_does_not_reach(
        topology in topology(), address in 0..0x10000u64, spread in spread(), policy in policy(),
        write in any::<bool>(), healthy in any::<bool>(),
    ) {
        let rows = rows(&topology);
        let owner = topology
            .iter()
            .find(|(window, _)| window.start <= address && address <= window.end);
        let slots: Vec<usize> = (0..topology.first().map_or(1, |(_, distances)| distances.len())).collect();
        let parts = parts(row(&rows, address), &slots, healthy, spread, policy, write);
        for (slot, _) in parts.into_iter().filter(|(_, way)| *way == Route::Direct) {
            prop_assert!(owner.is_some_and(|(_, distances)| distances[slot].is_some()));
        }
    }

    #[test]
    fn a_way_that_is_left_alone_is_not_tried_and_all_others_are_as_ever(
        topology in topology(), left_alone in any::<u64>(),
    ) {
        for row in rows(&topology) {
            let without = row.without(left_alone);
            let is_left_alone = |slot: usize| left_alone >> slot & 1 == 1;
            for slot in 0..SLOTS {
                let expected = row.distances.get(slot).filter(|_| !is_left_alone(slot));
                prop_assert_eq!(without.distances.get(slot), expected);
            }
            let none_is_missed = (0..SLOTS)
                .all(|slot| row.distances.get(slot).is_none() || !is_left_alone(slot));
            prop_assert_eq!(without.by_all, row.by_all && none_is_missed);
        }
    }

    #[test]
    fn only_what_is_written_to_a_mirror_or_to_parity_is_staged_as_a_whole(
        topology in topology(), address in 0..0x10000u64, spread in spread(), policy in policy(),
        write in any::<bool>(),
    ) {
        let rows = rows(&topology);
        let way = route_of(spread, policy, write, reach_of(row(&rows, address)));
        prop_assert!(way != Route::Staged || (write && spread != Spread::Striped));
    }

    #[test]
    fn each_part_of_a_bio_goes_one_way_and_what_is_written_to_a_mirror_the_same(
        topology in topology(), address in 0..0x10000u64, spread in spread(), policy in policy(),
        write in any::<bool>(), healthy in any::<bool>(),
    ) {
        let rows = rows(&topology);
        let slots: Vec<usize> = (0..topology.first().map_or(1, |(_, distances)| distances.len())).collect();
        let parts = parts(row(&rows, address), &slots, healthy, spread, policy, write);
        prop_assert_eq!(parts.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), slots);
        for (_, way) in &parts {
            prop_assert!(*way != Route::Later);
            prop_assert!(policy == Policy::Auto || *way != Route::Staged);
        }
        if write && spread != Spread::Striped {
            prop_assert!(parts.iter().all(|(_, way)| *way == parts[0].1));
        }
        // Refusing leaves nothing half written.
        if write && parts.iter().any(|(_, way)| *way == Route::Refused) {
            prop_assert!(parts.iter().all(|(_, way)| *way == Route::Refused));
        }
    }

    #[test]
    fn where_all_reach_only_what_parity_needs_is_staged(
        topology in topology(), spread in spread(), write in any::<bool>(),
    ) {
        let rows = rows(&topology);
        for row in rows.iter().filter(|row| row.by_all) {
            let slots: Vec<usize> = (0..topology[0].1.len()).collect();
            for (_, way) in parts(Some(row), &slots, true, spread, Policy::Auto, write) {
                let copied = spread == Spread::Cached && write;
                prop_assert_eq!(way, if copied { Route::Staged } else { Route::Direct });
            }
        }
    }

    #[test]
    fn the_policy_decides_between_staging_and_refusing(
        spread in spread(), policy in policy(), write in any::<bool>(),
        reach in prop::sample::select(vec![Reach::All, Reach::Some, Reach::None]),
    ) {
        let ways = [
            route_of(spread, policy, write, reach),
            member(policy, None),
            copied(policy),
            again(policy, false, false),
        ];
        if policy == Policy::Auto {
            prop_assert!(!ways.contains(&Route::Refused));
        } else {
            prop_assert!(!ways.contains(&Route::Staged));
        }
        if policy == Policy::Off {
            prop_assert_eq!(ways[0], Route::Refused);
        }
    }

    #[test]
    fn what_members_may_have_in_part_is_never_refused(policy in policy(), mapped in any::<bool>()) {
        prop_assert_eq!(again(policy, true, mapped), Route::Staged);
    }

    #[test]
    fn no_member_is_blamed_for_a_read_that_host_memory_has_not_been_tried_for(policy in policy()) {
        prop_assert_eq!(again(policy, false, true), Route::Staged);
    }

    #[test]
    fn the_direct_policy_lets_no_write_begin_that_could_be_refused_later(
        spread in spread(),
    ) {
        let way = route_of(spread, Policy::Direct, true, Reach::Some);
        prop_assert_eq!(way, Route::Refused);
    }

    #[test]
    fn both_ends_of_a_window_are_its_provider_s_and_what_is_beside_is_not(topology in topology()) {
        let rows = rows(&topology);
        for of_one in &rows {
            prop_assert_eq!(row(&rows, of_one.window.start), Some(of_one));
            prop_assert_eq!(row(&rows, of_one.window.end), Some(of_one));
            let before = of_one.window.start - 1;
            let of_another = rows.iter().find(|other| other.window.end == before);
            prop_assert_eq!(row(&rows, before), of_another);
        }
    }

    #[test]
    fn the_search_finds_what_a_walk_finds(
        topology in topology().prop_shuffle(), address in 0..0x10000u64,
    ) {
        let unsorted = rows(&topology);
        let mut sorted = unsorted.clone();
        sort(&mut sorted);
        let ends = unsorted.iter().flat_map(|row| {
            let Window { start, end } = row.window;
            [start - 1, start, start.midpoint(end), end, end + 1]
        });
        for address in ends.chain([address, 0, u64::MAX]) {
            prop_assert_eq!(row(&sorted, address), walk(&unsorted, address));
        }
    }

    #[test]
    fn a_page_in_windows_that_overlap_is_the_one_s_that_starts_later_or_nobody_s(
        windows in prop::collection::vec((0..0x100u64, 0..0x100u64), 0..SLOTS), address in 0..0x200u64,
    ) {
        let mut rows: Vec<Row> = windows
            .iter()
            .enumerate()
            .map(|(provider, &(start, more))| Row {
                window: Window { start, end: start + more },
                provider,
                by_all: false,
                distances: Distances::NONE,
            })
            .collect();
        sort(&mut rows);
        let holds = |row: &&Row| row.window.start <= address && address <= row.window.end;
        let latest = rows.iter().map(|row| row.window.start).filter(|&start| start <= address).max();
        if let Some(found) = row(&rows, address) {
            prop_assert!(holds(&found) && Some(found.window.start) == latest);
        }
    }

    #[test]
    fn rings_go_outwards_and_hold_every_member_that_reaches_once(
        members in prop::collection::vec(prop::option::of(0..20u32), 0..SLOTS),
    ) {
        let mut distances = Distances::NONE;
        for (slot, &distance) in members.iter().enumerate() {
            distances.set(slot, distance);
        }
        let (mut seen, mut at) = (0u64, None);
        while let Some((distance, slots)) = distances.ring(at) {
            prop_assert!(at.is_none_or(|at| at < distance));
            prop_assert_eq!(seen & slots, 0);
            for slot in (0..SLOTS).filter(|slot| slots >> slot & 1 == 1) {
                prop_assert_eq!(members[slot], Some(distance));
            }
            (seen, at) = (seen | slots, Some(distance));
        }
        let reaching = (0..members.len()).filter(|&slot| members[slot].is_some());
        prop_assert_eq!(seen, reaching.fold(0, |bits, slot| bits | 1 << slot));
    }

    #[test]
    fn a_member_is_as_far_as_its_farthest_client(
        clients in prop::collection::vec(prop::option::of(0..20u32), 0..5),
    ) {
        let expected = if clients.contains(&None) { None } else { clients.iter().copied().flatten().max() };
        prop_assert_eq!(farthest(clients.into_iter()), expected);
    }

    #[test]
    fn a_state_that_is_not_off_is_advertised_and_direct_where_the_policy_stages_nothing(
        spread in spread(), policy in policy(), means in means(),
    ) {
        prop_assert_eq!(
            state(spread, policy, means) != State::Off,
            advertises(policy, means)
        );
        prop_assert!(policy != Policy::Direct || state(spread, policy, means) != State::Staged);
        prop_assert!(policy != Policy::Off || !advertises(policy, means));
    }
}

#[test]
fn an_array_without_members_reaches_nothing() {
    assert!(!by_all(std::iter::empty()));
}

#[test]
fn a_member_beyond_the_last_slot_is_unreachable() {
    let mut distances = Distances::NONE;
    distances.set(SLOTS, Some(0));
    assert_eq!(distances, Distances::NONE);
    assert_eq!(distances.get(SLOTS), None);
}

#[test]
fn the_words_are_those_of_the_sysfs_reference() {
    let states = [State::Direct, State::Staged, State::Off].map(State::name);
    assert_eq!(states, ["direct", "staged", "off"]);
    for policy in Policy::ALL {
        assert_eq!(Policy::parse(policy.name().as_bytes()), Some(policy));
        assert_eq!(
            Policy::parse(format!("{}\n", policy.name()).as_bytes()),
            Some(policy)
        );
    }
    for wrong in ["", "\n", "Auto", "auto ", "auto\n\n", "sometimes"] {
        assert_eq!(Policy::parse(wrong.as_bytes()), None, "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn a_rebuild_borrows_from_the_nearest_provider_that_all_involved_members_reach(
        topology in topology_of(prop::option::weighted(0.9, 0..4u32)), read in 0..3usize,
        read_lends in any::<bool>(), written in 1..8u64, lending in any::<u8>(),
    ) {
        let rows = rows(&topology);
        let lends = |provider: usize| lending >> provider & 1 == 1;
        // Two numbers, the first of which weighs more than the second can.
        let way = |provider: usize| -> Option<u32> {
            let distances = &topology[provider].1;
            let distance = |slot: usize| distances.get(slot).copied().flatten();
            let to_written: Vec<Option<u32>> =
                (0..64).filter(|slot| written & 1 << slot != 0).map(distance).collect();
            let to_written: Option<Vec<u32>> = to_written.into_iter().collect();
            let to_read = distance(read).filter(|&it| read_lends || it != 0)?;
            Some(to_written?.iter().sum::<u32>() * 100 + to_read)
        };
        let all: Vec<(usize, u32)> = (0..topology.len())
            .filter(|&provider| lends(provider))
            .filter_map(|provider| Some((provider, way(provider)?)))
            .collect();
        match lender(&rows, read, read_lends, written, lends) {
            Some(found) => {
                prop_assert!(lends(found));
                let way = way(found);
                prop_assert!(way.is_some());
                prop_assert!(all.iter().all(|&(_, other)| way <= Some(other)));
            }
            None => prop_assert!(all.is_empty()),
        }
    }

    #[test]
    fn peer_memory_that_fails_is_tried_seldom_and_after_a_success_at_once(
        start in 0..1u64 << 50, steps in prop::collection::vec((0..3 * FIRST, any::<bool>()), 0..200),
    ) {
        let (mut pause, mut now, mut length) = (Pause::NONE, start, FIRST);
        for (step, works) in steps {
            now += step;
            let before = pause;
            let next = if works { pause.worked(now) } else { pause.failed(now) };
            pause = next.unwrap_or(pause);
            prop_assert_eq!(Pause::from_bits(pause.to_bits()), pause);
            match (before.is_over(now), works) {
                // I/O from before the pause says nothing any more.
                (false, _) => prop_assert_eq!(pause, before),
                (true, true) => {
                    prop_assert_eq!(pause, Pause::NONE);
                    length = FIRST;
                }
                (true, false) => {
                    prop_assert!(!pause.is_over(now + length - 1) && pause.is_over(now + length));
                    length = (length * 2).min(LONGEST);
                }
            }
        }
    }

    #[test]
    fn an_address_is_the_number_of_its_device(
        domain in any::<u32>(), bus in any::<u8>(), device in 0..32u8, function in 0..8u8,
    ) {
        let address = format!("{domain:04x}:{bus:02x}:{device:02x}.{function}");
        let id = u64::from(domain) << 16 | u64::from(bus) << 8 | u64::from(device) << 3 | u64::from(function);
        prop_assert_eq!(Lender::parse(address.as_bytes()), Some(Lender::Only(id)));
        prop_assert_eq!(Lender::from_bits(id), Lender::Only(id));
        prop_assert!(Lender::Only(id).may_be(id) && !Lender::Only(id).may_be(id ^ 1));
    }

    #[test]
    fn what_is_no_address_is_refused(
        word in "[0-9a-fx]{3,9}[:.][0-9a-f]{1,3}[:.][0-3][0-9a-f]{0,2}[:.][0-9]{0,2}",
    ) {
        prop_assert_eq!(Lender::parse(word.as_bytes()).is_some(), is_address(&word));
    }
}

/// Tells whether a word of hexadecimal digits and separators is a PCI address.
fn is_address(word: &str) -> bool {
    let lengths: Vec<usize> = word.split([':', '.']).map(str::len).collect();
    let separators: String = word.chars().filter(|c| matches!(c, ':' | '.')).collect();
    let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap_or(u64::MAX);
    let parts: Vec<&str> = word.split([':', '.']).collect();
    separators == "::."
        && matches!(lengths[..], [4..=8, 2, 2, 1])
        && !word.contains('x')
        && number(parts[2]) < 32
        && number(parts[3]) < 8
}

#[test]
fn whose_memory_a_rebuild_borrows_is_told_in_words() {
    for (word, lender) in [("auto", Lender::Auto), ("none", Lender::None)] {
        assert_eq!(Lender::parse(word.as_bytes()), Some(lender));
        assert_eq!(Lender::parse(format!("{word}\n").as_bytes()), Some(lender));
        assert_eq!(Lender::from_bits(lender.to_bits()), lender);
    }
    let lender = Some(Lender::Only(0x0318));
    assert_eq!(Lender::parse(b"0000:03:03.0\n"), lender);
    assert_eq!(
        Lender::parse(b"00000000:03:03.0"),
        lender,
        "as a wide domain"
    );
    assert_eq!(
        Lender::parse(b"ABCD:00:00.0"),
        Lender::parse(b"abcd:00:00.0")
    );
    for wrong in [
        "",
        "\n",
        "Auto",
        "auto ",
        "none\n\n",
        "03:03.0",
        "0000:03:03",
        "0000:03:03.0 ",
        "0000:03:20.0",
        "0000:03:03.8",
        "0000:03:+3.0",
        "0000:3:03.0",
        "0000.03.03.0",
        "0000:03:03:0",
        "000000000:03:03.0",
    ] {
        assert_eq!(Lender::parse(wrong.as_bytes()), None, "{wrong:?}");
    }
    assert!(Lender::Auto.may_be(7) && !Lender::None.may_be(7));
}
