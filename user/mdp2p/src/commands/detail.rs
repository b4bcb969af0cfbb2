// SPDX-License-Identifier: GPL-2.0
//! `mdp2p detail`: shows everything about one array.
//!
//! Tests: those below and tests/detail.rs.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::command::Command;
use crate::completions;
use crate::control::moving::Moving;
use crate::counters::presentation;
use crate::status::{self, members, percent, state_style};
use crate::ui::{self, styled};
use mdp2p_machine::md::array::{self, Array, Driver, Member, P2p, Rebuild};
use mdp2p_machine::md::copier::Copier;
use mdp2p_machine::md::external::{External, volumes};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::sysroot::Sysroot;

/// `mdp2p detail`
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  mdp2p detail md0\n  mdp2p detail /dev/md/data --json")]
pub struct Detail {
    /// The array: md0, /dev/md0, /dev/md/NAME or NAME
    #[arg(add = completions::array())]
    pub array: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Command for Detail {
    fn changes(&self) -> bool {
        false
    }

    fn tolerates(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        #[derive(Serialize)]
        struct Detailed {
            array: Array,
        }
        let array = array::find(sysroot, &self.array)?;
        if self.json {
            ui::json(&Detailed { array })?;
            return Ok(0);
        }
        let arrays = array::all(sysroot)?;
        let mut blocks = describe(&arrays, &array, ui::width(), ui::is_terminal());
        if array.p2p.is_none() {
            blocks.push(how_to_take_over(&Moving::of(sysroot, &arrays, &array)));
        }
        let mut out = ui::out();
        write!(out, "{}", blocks.join("\n"))?;
        out.flush()?;
        Ok(0)
    }
}

/// Describes the array in blocks, with a progress bar if `bar` is set.
fn describe(arrays: &[Array], array: &Array, width: usize, bar: bool) -> Vec<String> {
    let mut blocks = vec![identity(arrays, array)];
    blocks.extend(array.p2p.as_ref().map(peer_to_peer));
    blocks.extend(
        array
            .rebuild
            .as_ref()
            .map(|rebuild| rebuild_block(rebuild, bar)),
    );
    blocks.extend(array.p2p.as_ref().map(counters));
    blocks.push(member_table(array));
    if array.p2p.is_some() {
        blocks.extend(distances(&array.members, width));
    }
    blocks
}

fn identity(arrays: &[Array], array: &Array) -> String {
    let mut name = styled(ui::HEADING, &array.name);
    if !array.aliases.is_empty() {
        name += &format!(" ({})", array.aliases.join(", "));
    }
    let driver = match array.driver {
        Driver::MdP2p => "md-p2p",
        Driver::Md => "the kernel's own md",
    };
    let level = status::level(array);
    let mut facts = vec![
        ("Driver", driver.to_owned()),
        ("Level", format!("{level}{}", belonging(arrays, array))),
        ("Members", members(array)),
    ];
    if status::state(array).is_some() {
        facts.push(("Size", ui::bytes(array.bytes)));
    }
    if array.chunk_bytes > 0 {
        facts.push(("Chunk", ui::bytes(array.chunk_bytes)));
    }
    facts.push(("Metadata", array.metadata.clone()));
    facts.extend(status::state(array).map(|state| ("State", state.to_owned())));
    format!("{name}\n{}", lines(&facts))
}

/// Says which other arrays the array belongs to, as the end of its level.
fn belonging(arrays: &[Array], array: &Array) -> String {
    match External::of(array) {
        Some(External::Volume { container }) => format!(", a volume of container {container}"),
        Some(External::Container { .. }) => {
            let names = volumes(arrays, &array.name).into_iter();
            match ui::list(names.map(|it| it.name.as_str())).as_str() {
                "" => " without a volume".to_owned(),
                names => format!(" of {names}"),
            }
        }
        None => String::new(),
    }
}

fn peer_to_peer(p2p: &P2p) -> String {
    let policy = match p2p.policy.as_str() {
        "auto" => "auto: what cannot be direct is staged",
        "direct" => "direct: what cannot be direct is refused",
        "off" => "off: all peer I/O is refused",
        other => other,
    };
    let provider = match p2p.provider {
        Some(address) => address.to_string(),
        None => "none in use".to_owned(),
    };
    let mut facts = vec![
        ("State", styled(state_style(&p2p.state), &p2p.state)),
        ("Reason", p2p.reasons.join("\n")),
        ("Policy", policy.to_owned()),
        (
            "Provider",
            format!("{provider}; set to {}", p2p.provider_wanted),
        ),
    ];
    let copiers = p2p.staging.iter().flatten().map(|told| match &told.copier {
        Copier::Cpu => format!("{}: copied by the CPU", told.provider),
        Copier::Engine { device, channel } => format!(
            "{}: copied by DMA engine {device}, channel {channel}",
            told.provider
        ),
    });
    let copiers: Vec<String> = copiers.collect();
    if !copiers.is_empty() {
        facts.push(("Staging", copiers.join("\n")));
    }
    format!(
        "{}\n{}",
        styled(ui::HEADING, "PEER-TO-PEER DMA"),
        lines(&facts)
    )
}

fn rebuild_block(rebuild: &Rebuild, bar: bool) -> String {
    let mut facts = vec![("Action", rebuild.action.clone())];
    match (rebuild.part(), rebuild.done_bytes, rebuild.total_bytes) {
        (Some(part), Some(done), Some(total)) => {
            let mut done = format!(
                "{} %, {} of {}",
                percent(part),
                ui::bytes(done),
                ui::bytes(total)
            );
            if bar {
                done = format!("{} {done}", text_bar(part, 30));
            }
            facts.push(("Done", done));
        }
        _ if rebuild.action != "frozen" => facts.push(("Done", "waiting".to_owned())),
        _ => {}
    }
    if let Some(speed) = rebuild.speed {
        facts.push(("Speed", format!("{}/s", ui::bytes(speed))));
    }
    facts.extend(seconds_left(rebuild).map(|seconds| ("Time left", in_words(seconds))));
    format!("{}\n{}", styled(ui::HEADING, "REBUILD"), lines(&facts))
}

/// Draws a progress bar between brackets.
fn text_bar(part: f64, columns: usize) -> String {
    let full = ((part * columns as f64) as usize).min(columns);
    format!("[{}{}]", "#".repeat(full), "-".repeat(columns - full))
}

fn seconds_left(rebuild: &Rebuild) -> Option<u64> {
    let left = rebuild.total_bytes?.saturating_sub(rebuild.done_bytes?);
    left.checked_div(rebuild.speed?)
}

/// Writes a duration the way people do: `40 s`, `2 min`, `3 h 20 min`, `2 d 4 h`.
fn in_words(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

fn counters(p2p: &P2p) -> String {
    let heads = ["PEER I/O", "READ", "I/OS", "WRITE", "I/OS"];
    let peer_io = ui::table(
        &heads,
        presentation::peer_io_rows(&p2p.counters),
        &[1, 2, 3, 4],
    );
    peer_io + &lines(&presentation::other_lines(&p2p.counters))
}

fn member_table(array: &Array) -> String {
    let counted = array.p2p.is_some();
    let mut heads = vec!["MEMBER", "SLOT", "STATE", "CONTROLLER"];
    if counted {
        heads.extend(["DMA READ", "DMA WRITE"]);
    }
    let row = |member: &Member| {
        let controllers: Vec<String> = member.controllers.iter().map(Bdf::to_string).collect();
        let mut row = vec![
            member.name.clone(),
            member
                .slot
                .map_or_else(|| "-".to_owned(), |slot| slot.to_string()),
            member.state.join(", "),
            match controllers.is_empty() {
                true => "no PCI device".to_owned(),
                false => controllers.join("\n"),
            },
        ];
        if let (true, Some(p2p)) = (counted, &member.p2p) {
            row.extend([p2p.read_bytes, p2p.write_bytes].map(ui::bytes));
        }
        row
    };
    ui::table(&heads, array.members.iter().map(row), &[1, 4, 5])
}

/// Returns a matrix of members and providers, split into as many tables as it takes to fit.
fn distances(members: &[Member], width: usize) -> Vec<String> {
    let distances = |member: &Member| member.p2p.clone().map_or(Vec::new(), |p2p| p2p.distances);
    let providers: BTreeSet<Bdf> = members
        .iter()
        .flat_map(distances)
        .map(|distance| distance.provider)
        .collect();
    let providers: Vec<Bdf> = providers.into_iter().collect();
    if providers.is_empty() {
        return vec!["There is no provider: no device has p2pmem.\n".to_owned()];
    }
    /// The width of an address and the space beside it.
    const COLUMN: usize = 14;
    const HEAD: &str = "DISTANCE TO";
    let names = members.iter().map(|member| member.name.len());
    let first = names.chain([HEAD.len()]).max().unwrap_or(0) + 2;
    // The last column has no space beside it.
    let fit = (width + 2).saturating_sub(first) / COLUMN;
    let part = |providers: &[Bdf]| {
        let addresses: Vec<String> = providers.iter().map(Bdf::to_string).collect();
        let mut heads = vec![HEAD];
        heads.extend(addresses.iter().map(String::as_str));
        let row = |member: &Member| {
            let known = distances(member);
            let to = |provider: &Bdf| {
                let found = known.iter().find(|entry| entry.provider == *provider);
                match found.map(|entry| entry.distance) {
                    Some(Some(distance)) => distance.to_string(),
                    Some(None) => styled(ui::BAD, "unreachable"),
                    None => "-".to_owned(),
                }
            };
            let mut row = vec![member.name.clone()];
            row.extend(providers.iter().map(to));
            row
        };
        let right: Vec<usize> = (1..=providers.len()).collect();
        ui::table(&heads, members.iter().map(row), &right)
    };
    providers.chunks(fit.max(1)).map(part).collect()
}

/// Explains how to bring an array of the kernel's md under md-p2p.
fn how_to_take_over(moving: &Moving) -> String {
    const WIDTH: usize = 80;
    let begin = "The kernel's own md drives this array, not md-p2p. Peer-to-peer DMA is up to the \
                 kernel then, and is not counted.";
    let (rest, commands) = match moving {
        Moving::Stay(hindrance) => (hindrance.full.clone(), String::new()),
        Moving::Go {
            cautions,
            stop,
            assemble,
        } => {
            let mut sentences = vec!["md-p2p can run the array with its data as they are."];
            sentences.extend(cautions.iter().map(String::as_str));
            sentences.push("When the array is not in use:");
            (sentences.join(" "), format!("  {stop}\n  {assemble}\n"))
        }
    };
    let prose = ui::wrapped(&format!("{begin} {rest}"), WIDTH);
    format!("{}\n{commands}", prose.join("\n"))
}

/// Returns lines of names and values; a value may have several lines.
fn lines(facts: &[(&str, String)]) -> String {
    const NAME: usize = 11;
    let mut text = String::new();
    for (name, value) in facts {
        let value = value.replace('\n', &format!("\n{:NAME$}", ""));
        text += format!("{name:NAME$}{value}").trim_end();
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuild(done: Option<u64>, total: Option<u64>, speed: Option<u64>) -> Rebuild {
        Rebuild {
            action: "recover".into(),
            done_bytes: done,
            total_bytes: total,
            speed,
        }
    }

    #[test]
    fn the_time_left_is_known_if_there_is_speed() {
        let left = |done, total, speed| seconds_left(&rebuild(Some(done), Some(total), speed));
        assert_eq!(left(40, 100, Some(2)), Some(30));
        assert_eq!(left(40, 100, Some(0)), None);
        assert_eq!(left(40, 100, None), None);
        assert_eq!(left(101, 100, Some(1)), Some(0));
    }

    #[test]
    fn durations_are_written_the_way_people_do() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (12_000, "3 h 20 min"),
            (187_200, "2 d 4 h"),
        ] {
            assert_eq!(in_words(seconds), text);
        }
    }

    #[test]
    fn a_bar_stays_within_its_brackets() {
        assert_eq!(text_bar(0.0, 4), "[----]");
        assert_eq!(text_bar(0.5, 4), "[##--]");
        assert_eq!(text_bar(1.0, 4), "[####]");
    }
}
