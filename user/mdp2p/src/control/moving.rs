// SPDX-License-Identifier: GPL-2.0
//! Says whether and how an array moves from the kernel's md to md-p2p. All advice to stop and
//! assemble an array comes from here.
//!
//! Tests: tests/detail.rs, tests/doctor.rs and tests/assemble.rs.

use std::io;

use mdp2p_machine::block::users::{MOUNTS, Use};
use mdp2p_machine::md::array::{Array, Member};
use mdp2p_machine::md::external::{External, volumes};
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::{name, uses};
use mdp2p_machine::programs::command_line;
use mdp2p_machine::sysroot::{NotCaptured, Sysroot};

use super::enrolled::MDADMS;
use crate::ui;

/// How an array moves to md-p2p.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moving {
    /// It must stay, at least for now.
    Stay(Hindrance),
    /// It can move.
    Go {
        /// What to consider before, in sentences.
        cautions: Vec<String>,
        /// The command that stops it.
        stop: String,
        /// The command that assembles it under md-p2p.
        assemble: String,
    },
}

/// Why an array must stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// The rest of a sentence that begins with the name of the array: `is being reshaped`.
    pub brief: String,
    /// Sentences.
    pub full: String,
}

impl Moving {
    /// Says how an array of the kernel's md moves; `arrays` are all arrays.
    pub fn of(sysroot: &Sysroot, arrays: &[Array], array: &Array) -> Self {
        if let Some(hindrance) = hindrance(sysroot, arrays, array) {
            return Self::Stay(hindrance);
        }
        let uses = sysroot.needs(&[MOUNTS]);
        let uses = match uses.and_then(|()| uses::of(sysroot, array)) {
            Ok(uses) => Some(uses),
            Err(error) if is_not_captured(sysroot, &error) => None,
            Err(error) => return Self::Stay(uses_unknown(array, &error)),
        };
        let mut essential = uses.iter().flatten().filter(|(_, it)| it.is_essential());
        if let Some((device, used)) = essential.next() {
            return Self::Stay(holds_the_system(array, device, used));
        }
        let mut assemble = vec!["mdp2p".into(), "assemble".into(), node(array)];
        let usable = array.members.iter().filter(|member| !is_faulty(member));
        // The kernel writes ! for the / of a node: cciss!c0d0.
        assemble.extend(usable.map(|member| format!("/dev/{}", member.name.replace('!', "/"))));
        Self::Go {
            cautions: cautions(array, uses.as_deref()),
            stop: command_line(["mdadm", "--stop", &format!("/dev/{}", array.name)]),
            assemble: command_line(assemble),
        }
    }

    /// Says in one sentence, without its full stop, how the array gets to md-p2p.
    pub fn sentence(&self, name: &str) -> String {
        match self {
            Self::Stay(hindrance) => {
                format!(
                    "{name} {}: `mdp2p detail {name}` says more",
                    hindrance.brief
                )
            }
            Self::Go {
                cautions,
                stop,
                assemble,
            } => {
                let first: String = cautions.iter().map(|it| format!("{it} ")).collect();
                format!("{first}When nothing uses it: `{stop}`, then `{assemble}`")
            }
        }
    }
}

/// Says where to find this advice, as a part of a sentence.
pub fn pointer(name: &str) -> String {
    format!("`mdp2p detail {name}` says whether and how it moves to md-p2p")
}

/// Tells whether an error says that a file of another machine is not there.
fn is_not_captured(sysroot: &Sysroot, error: &anyhow::Error) -> bool {
    let is_missing = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|it| it.kind() == io::ErrorKind::NotFound)
    };
    !sysroot.is_here() && (error.is::<NotCaptured>() || error.chain().any(is_missing))
}

fn uses_unknown(array: &Array, error: &anyhow::Error) -> Hindrance {
    let brief = "may be in use, which cannot be told".to_owned();
    let full = format!(
        "Nobody can tell what uses {}: {error:#}. Mend that first, because the array may hold the \
         running system.",
        array.name
    );
    Hindrance { brief, full }
}

impl Hindrance {
    fn new(array: &Array, brief: String, rest: &str) -> Self {
        let full = format!("{} {brief}. {rest}", array.name);
        Self { brief, full }
    }
}

/// Returns what forbids to stop an array, or to assemble it under md-p2p.
fn hindrance(sysroot: &Sysroot, arrays: &[Array], array: &Array) -> Option<Hindrance> {
    if let Some(external) = External::of(array) {
        return Some(external_metadata(sysroot, arrays, array, &external));
    }
    stopped_or_broken(array)
        .or_else(|| lasting(sysroot, array))
        .or_else(|| rebuilding(sysroot, array))
}

fn stopped_or_broken(array: &Array) -> Option<Hindrance> {
    let because = |brief: String, rest: &str| Some(Hindrance::new(array, brief, rest));
    if matches!(array.state.as_str(), "inactive" | "clear" | "") {
        let state = match array.state.as_str() {
            "" => "unknown",
            state => state,
        };
        return because(
            format!("does not run (its state is {state})"),
            "See first which members it lacks, and why.",
        );
    }
    if array.state == "broken" || has_lost_too_many(array) {
        return because(
            "has lost more members than its level survives".into(),
            "Stopping it would not bring them back: see first why they failed.",
        );
    }
    None
}

/// Returns what keeps an array from ever being assembled by mdadm under md-p2p, as it is.
pub fn lasting(sysroot: &Sysroot, array: &Array) -> Option<Hindrance> {
    let name = &array.name;
    let because = |brief: String, rest: &str| Some(Hindrance::new(array, brief, rest));
    if array.is_partial {
        return because(
            "has a member that cannot be understood".into(),
            "Without that member, it could not be assembled whole.",
        );
    }
    if Level::parse(&array.level).is_err() {
        return because(
            format!(
                "has the level {:?}, which md-p2p does not have",
                array.level
            ),
            "Leave it with the kernel's md.",
        );
    }
    if array.metadata.is_empty() {
        return because(
            "does not say what superblock it has".into(),
            "Without that, nobody can tell whether mdadm could assemble it.",
        );
    }
    if !array.metadata.starts_with(['0', '1']) {
        return because(
            format!("has no superblock (its metadata are {:?})", array.metadata),
            "mdadm can build it anew, but not assemble it. Leave it with the kernel's md.",
        );
    }
    let text = |file: &str| {
        let text = sysroot.read_if(format!("sys/block/{name}/md/{file}"));
        text.ok().flatten().unwrap_or_default()
    };
    // The superblock goes on to say that there is a journal, when its member has been removed too.
    let is_journal = |member: &&Member| member.is_journal();
    let mut journals = array.members.iter().filter(is_journal).peekable();
    let has_journal = text("consistency_policy") == "journal" || journals.peek().is_some();
    if has_journal && journals.all(is_faulty) {
        return because(
            "has lost its journal".into(),
            "mdadm would not start it again as it is, and data that are only in the journal would be \
             lost.",
        );
    }
    if text("bitmap/metadata") == "clustered" {
        return because(
            "belongs to a cluster".into(),
            "Clustered arrays are not for md-p2p. Leave it with the kernel's md.",
        );
    }
    if text("bitmap/location").starts_with("file") {
        return because(
            "has its bitmap in a file".into(),
            "mdadm cannot assemble it without that file. Leave it with the kernel's md.",
        );
    }
    None
}

fn rebuilding(sysroot: &Sysroot, array: &Array) -> Option<Hindrance> {
    let because = |brief: String, rest: &str| Some(Hindrance::new(array, brief, rest));
    let is_redundant = matches!(
        Level::parse(&array.level).map(Level::number),
        Ok(1 | 4..=6 | 10)
    );
    if is_redundant && !sysroot.has(format!("sys/block/{}/md/sync_action", array.name)) {
        return because(
            "may be in a reshape or a rebuild, which was not captured".into(),
            "See `cat /proc/mdstat` first.",
        );
    }
    let action = array.rebuild.as_ref().map_or("idle", |it| &it.action);
    if action == "reshape" || is_reshaped(sysroot, array) {
        return because(
            format!("is being reshaped{}", progress(array)),
            "Do not stop it before the reshape has ended: to go on, mdadm may want the backup file \
             that the reshape was begun with.",
        );
    }
    match action {
        "idle" | "check" | "repair" => None,
        "frozen" => because(
            "is frozen".into(),
            "A program, such as `mdadm --grow`, is at work on it, and that has to end first.",
        ),
        "recover" => because(
            format!("is being recovered{}", progress(array)),
            "Let the recovery end first: until then, an error of another member can cost data.",
        ),
        other => because(
            format!("is being resynced ({other}){}", progress(array)),
            "Let that end first: until then, its copies or its parity are not reliable.",
        ),
    }
}

/// Says how a container or a volume would move, and why it should stay.
fn external_metadata(
    sysroot: &Sysroot,
    arrays: &[Array],
    array: &Array,
    external: &External,
) -> Hindrance {
    let name = &array.name;
    let (container, brief) = match external {
        External::Container { format } => (
            name,
            format!("is a container of external metadata ({format})"),
        ),
        External::Volume { container } => (
            container,
            format!("is a volume of the container {container}"),
        ),
    };
    let all = volumes(arrays, container);
    let names: Vec<&str> = all.iter().map(|volume| volume.name.as_str()).collect();
    let stop = match names.is_empty() {
        true => format!("stop {container}"),
        false => format!("stop {}, then {container}", ui::list(names)),
    };
    let how = match all.iter().find_map(|volume| stays(sysroot, volume)) {
        Some(why) => format!(". Now they must not be stopped: {why}"),
        None => format!(
            ": {stop}; assemble the container from its drives, then the volumes from the container \
             (mdadm --incremental)"
        ),
    };
    let full = format!(
        "{name} {brief}. Container and volumes move together only{how}. mdmon, which writes these \
         metadata, has never been tried with md-p2p, so leave them with the kernel's md."
    );
    Hindrance { brief, full }
}

/// Returns what forbids to stop a volume.
fn stays(sysroot: &Sysroot, volume: &Array) -> Option<String> {
    let hindrance = stopped_or_broken(volume).or_else(|| rebuilding(sysroot, volume));
    if let Some(hindrance) = hindrance {
        return Some(format!("{} {}", volume.name, hindrance.brief));
    }
    let uses = uses::of(sysroot, volume).unwrap_or_default();
    let essential = uses.iter().find(|(_, used)| used.is_essential());
    essential.map(|(device, used)| format!("{device} is {used}"))
}

fn holds_the_system(array: &Array, device: &str, used: &Use) -> Hindrance {
    let name = &array.name;
    let what = match used {
        Use::Mounted(place) if place != "/" => place,
        _ => "the root filesystem",
    };
    let by = match device == name {
        true => String::new(),
        false => format!(" (on {device})"),
    };
    let brief = format!("holds {what}{by}, so it cannot be stopped while the system runs");
    let rest = match array.metadata.starts_with("1.") {
        true => {
            format!("`mdp2p enroll {name}` lets it come up under md-p2p at the next boot.")
        }
        false => format!(
            "Its superblock is of version {}, which cannot be enrolled, so it stays.",
            array.metadata
        ),
    };
    let full = format!("{name} {brief}. {rest}");
    Hindrance { brief, full }
}

/// Tells whether more members are missing than the level survives. The kernel says `broken` only of
/// an array that was clean.
fn has_lost_too_many(array: &Array) -> bool {
    let survives = match Level::parse(&array.level).map(Level::number) {
        Ok(4 | 5) => 1,
        Ok(6) => 2,
        Ok(1 | 10) => array.raid_disks.saturating_sub(1),
        _ => 0,
    };
    array.degraded > survives
}

/// Returns what to consider before; `uses` is `None` if it was not captured.
fn cautions(array: &Array, uses: Option<&[(String, Use)]>) -> Vec<String> {
    let name = &array.name;
    let mut cautions = Vec::new();
    if array.degraded > 0 {
        cautions.push(format!(
            "{name} is degraded ({} of {} members): an error while it moves could cost data.",
            array.raid_disks.saturating_sub(array.degraded),
            array.raid_disks
        ));
    }
    if let Some(rebuild) = &array.rebuild {
        cautions.push(format!(
            "Its {} ends when it is stopped, and does not go on by itself.",
            rebuild.action
        ));
    }
    if uses.is_none() {
        cautions.push(format!(
            "What uses {name} was not captured, so look first (lsblk): the running system may be on \
             it."
        ));
    }
    for (device, used) in uses.into_iter().flatten() {
        cautions.push(format!("{device} is {used}: end that first."));
    }
    cautions
}

fn is_faulty(member: &Member) -> bool {
    member.state.iter().any(|word| word == "faulty")
}

/// Tells whether a reshape has begun, even if it does not go on at present.
fn is_reshaped(sysroot: &Sysroot, array: &Array) -> bool {
    let position = sysroot.read_if(format!("sys/block/{}/md/reshape_position", array.name));
    let position = position.ok().flatten().unwrap_or_default();
    // Superblocks of version 0.90 say 0.91 meanwhile.
    array.metadata == "0.91" || !matches!(position.as_str(), "" | "none")
}

fn progress(array: &Array) -> String {
    let part = array.rebuild.as_ref().and_then(|rebuild| rebuild.part());
    part.map_or_else(String::new, |part| {
        format!(" ({} %)", crate::status::percent(part))
    })
}

/// Returns the name to assemble an array by. If mdadm has chosen its number, that number may be
/// another array's by then, and the name is safer. Some arrays have names that none may have any
/// more.
fn node(array: &Array) -> String {
    let number = name::number(&array.name);
    let mut called = array.aliases.iter().map(|alias| format!("/dev/md/{alias}"));
    let called = called.find(|node| name::node(node).is_ok() && name::is_portable(node));
    match (number, called) {
        (Some(number), Some(called)) if MDADMS.contains(&number) => called,
        (Some(number), _) => format!("/dev/md{number}"),
        (None, Some(called)) => called,
        (None, None) => format!("/dev/{}", array.name),
    }
}
