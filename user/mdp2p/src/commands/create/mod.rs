// SPDX-License-Identifier: GPL-2.0
//! `mdp2p create`: shows the plan, looks at what it would destroy, asks, and has mdadm make it.

mod mdadm_options;
mod options;
pub mod plan;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use self::plan::{Outcome, Plan, Way};
use crate::command::Command;
use crate::control::{mdadm, modprobe, privilege};
use crate::ui::{self, BAD, DIM, GOOD, HEADING, WARNING, styled};
use mdp2p_machine::block::contents::Contents;
use mdp2p_machine::block::device::{self, BlockDevice, Findings};
use mdp2p_machine::md::array::{self, Array, Driver};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;
pub use options::Create;

impl Command for Create {
    fn changes(&self) -> bool {
        !self.dry_run
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        run(sysroot, self)
    }
}

/// How long an array may take to appear once mdadm has made it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the array; mdadm's exit status.
///
/// # Errors
/// If it cannot be made, or must not be. What was changed by then is said.
pub fn run(sysroot: &Sysroot, options: &Create) -> Result<u8> {
    if !options.dry_run {
        privilege::need_root("make arrays")?;
    }
    let plan = Plan::of(sysroot, options)?;
    let blkid = programs::program("blkid");
    let findings = look(sysroot, &plan, blkid.as_deref())?;
    let overwrite = overwritten(sysroot, &plan, &options.overwrite)?;
    show_plan(&plan, &findings, sysroot.is_here()).map_err(|error| match options.dry_run {
        true => error,
        // Nobody saw it: that is no success, as a pipe that breaks is elsewhere.
        false => anyhow!("the plan cannot be shown: {error:#}; nothing was changed"),
    })?;

    if options.require_direct {
        let not_direct = plan.not_direct();
        if !not_direct.is_empty() {
            bail!(
                "--require-direct: not all would be direct; nothing was changed\n{}",
                listed(&not_direct)
            );
        }
    }
    let unknown_matters = !options.dry_run;
    refuse(&plan, &findings, &overwrite, unknown_matters)?;
    if options.dry_run {
        writeln!(ui::out(), "\nThis was a dry run: nothing was changed.")?;
        return Ok(0);
    }

    let program = mdadm::find()?;
    let question = format!("Make {}? What is on its members is lost.", plan.node);
    ui::confirm(&question, options.yes)?;
    modprobe::load(sysroot)?;
    modprobe::load_module(sysroot, plan.level.module())?;
    look_again(sysroot, &plan, blkid.as_deref(), &overwrite)?;
    let status = mdadm::execute(sysroot, &program, &plan.arguments)?;
    if status != 0 {
        writeln!(
            anstream::stderr(),
            "mdp2p: mdadm ended with status {status}; what it did until then it says itself, and \
             mdp2p has loaded modules and changed nothing else"
        )?;
        return Ok(status);
    }
    let array = wait_for(sysroot, &plan.node, PATIENCE)?;
    for setting in &plan.settings {
        setting
            .apply(sysroot, &array)
            .with_context(|| format!("{} is there, but not as it was asked for", plan.node))?;
    }
    // As it is now.
    show_made(&Array::read(sysroot, &array.name)?)?;
    Ok(0)
}

/// Looks at each device of the plan.
fn look(sysroot: &Sysroot, plan: &Plan, blkid: Option<&Path>) -> Result<Vec<Findings>> {
    plan.taken()
        .into_iter()
        .map(|device| device::look(sysroot, device, blkid))
        .collect()
}

/// The same right before mdadm takes them: while somebody read the plan, others may have
/// made a filesystem.
///
/// What remains is the moment from here to when mdadm opens each device. It does so for
/// itself alone (`O_EXCL`), so it fails on what is in use by then; only what was written
/// and let go within that moment would be lost. Nodes were freed of links when the plan was
/// made, so no link can be led elsewhere.
fn look_again(
    sysroot: &Sysroot,
    plan: &Plan,
    blkid: Option<&Path>,
    overwrite: &[String],
) -> Result<()> {
    for device in plan.taken() {
        let now = BlockDevice::find(sysroot, &device.node)?;
        if now.number != device.number || now.bytes != device.bytes {
            bail!(
                "{} has become another device meanwhile; nothing was changed",
                device.node.display()
            );
        }
    }
    refuse(plan, &look(sysroot, plan, blkid)?, overwrite, true)
}

/// The numbers of the devices that may be overwritten.
fn overwritten(sysroot: &Sysroot, plan: &Plan, paths: &[PathBuf]) -> Result<Vec<String>> {
    let number = |path: &PathBuf| {
        let wanted = BlockDevice::find(sysroot, path).context("--overwrite")?;
        let is_it = |device: &&BlockDevice| device.number == wanted.number;
        match plan.taken().into_iter().find(is_it) {
            Some(device) => Ok(device.number.clone()),
            None => bail!(
                "--overwrite {}: this is no device of the array",
                path.display()
            ),
        }
    };
    paths.iter().map(number).collect()
}

/// # Errors
/// With all devices that must not be taken, and what can be done.
fn refuse(
    plan: &Plan,
    findings: &[Findings],
    overwrite: &[String],
    unknown_matters: bool,
) -> Result<()> {
    let reasons = refusals(&plan.taken(), findings, overwrite, unknown_matters);
    if !reasons.is_empty() {
        bail!("nothing was changed, since\n{}", listed(&reasons));
    }
    Ok(())
}

/// Why devices must not be taken. What is in use never; what holds something, and if
/// `unknown_matters` what nobody could look at, not unless it is to be overwritten.
fn refusals(
    devices: &[&BlockDevice],
    findings: &[Findings],
    overwrite: &[String],
    unknown_matters: bool,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for (device, found) in devices.iter().zip(findings) {
        reasons.extend(
            found
                .users
                .iter()
                .map(|user| format!("{user}: what is in use is never taken")),
        );
        if overwrite.contains(&device.number) {
            continue;
        }
        let node = programs::typed([&device.node]);
        match &found.contents {
            Contents::Something(what) => reasons.push(format!(
                "{} holds {what}: `--overwrite {node}` takes it all the same, and what is on it \
                 is lost",
                device.name
            )),
            Contents::Unknown(why) if unknown_matters => reasons.push(format!(
                "it is not known what {} holds ({why}): `--overwrite {node}` takes it all the \
                 same, and what is on it is lost",
                device.name
            )),
            Contents::Unknown(_) | Contents::Nothing => {}
        }
    }
    reasons
}

fn listed(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| wrapped(line, "  ")).collect();
    lines.concat().trim_end().to_owned()
}

/// Waits until an array is there.
///
/// # Errors
/// If it is not within `patience`, or is none of md-p2p's.
fn wait_for(sysroot: &Sysroot, node: &str, patience: Duration) -> Result<Array> {
    let end = Instant::now() + patience;
    loop {
        // Half of it may be there by now.
        match array::find(sysroot, node) {
            Ok(array) if !matches!(array.state.as_str(), "" | "clear") => {
                if array.driver == Driver::Md {
                    bail!(
                        "{node} was made, but by the kernel's md, which holds this name: stop it \
                         with `mdadm --stop {node}`, remove the node, and try another name"
                    );
                }
                return Ok(array);
            }
            state if Instant::now() >= end => {
                let why = match state {
                    Ok(array) => format!("{} is {}", array.name, array.state),
                    Err(error) => format!("{error:#}"),
                };
                bail!(
                    "mdadm has made {node}, but after {} s it does not run: {why}; the kernel \
                     log (`dmesg`) may say more",
                    patience.as_secs()
                );
            }
            _ => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The array in two lines: what it is, and what peer I/O meets.
fn show_made(array: &Array) -> Result<()> {
    let mut out = ui::out();
    write!(
        out,
        "{}: {} of {} members, {}, {}",
        array.name,
        array.level,
        array.raid_disks,
        ui::bytes(array.bytes),
        array.state
    )?;
    match &array.rebuild {
        Some(rebuild) => writeln!(out, ", {}", rebuild.action)?,
        None => writeln!(out)?,
    }
    if let Some(p2p) = &array.p2p {
        let text = format!("peer I/O is {}: {}", p2p.state, p2p.reasons.join("; "));
        write!(out, "{}", wrapped(&text, "  "))?;
    }
    Ok(())
}

/// Prints all that is to be known before somebody agrees. `is_here`: what the devices hold
/// could be looked at.
fn show_plan(plan: &Plan, findings: &[Findings], is_here: bool) -> Result<()> {
    let mut out = ui::out();
    let spares = match plan.spares.len() {
        0 => String::new(),
        1 => " and a spare".into(),
        count => format!(" and {count} spares"),
    };
    let journal = match plan.journal {
        Some(_) => ", with a journal",
        None => "",
    };
    let title = format!(
        "{}: {} of {} members{spares}{journal}",
        plan.node,
        plan.level,
        plan.members.len()
    );
    writeln!(out, "{}\n", styled(HEADING, title))?;
    write!(out, "{}", devices(plan, findings))?;
    if !is_here {
        writeln!(
            out,
            "{}",
            styled(
                DIM,
                "What they hold was not looked at: it is another machine."
            )
        )?;
    }
    if !plan.providers.is_empty() {
        writeln!(out)?;
        write!(out, "{}", operations(plan))?;
        write!(out, "{}", notes(plan))?;
        writeln!(out)?;
        write!(out, "{}", distances(plan, ui::width()))?;
        write!(out, "{}", unreachable(plan))?;
        writeln!(
            out,
            "{}",
            styled(
                DIM,
                "Computed by the kernel's rules; the kernel itself is asked once the array is there."
            )
        )?;
    }
    writeln!(
        out,
        "\np2pdma_policy will be {}, p2pdma_state {}",
        plan.policy,
        styled(style(verdict_of(plan.state)), plan.state)
    )?;
    let mut warnings = plan.warnings.clone();
    warnings.extend(unknown(findings, is_here));
    for warning in &warnings {
        let text = wrapped(&format!("warning: {warning}"), "");
        let rest = text.strip_prefix("warning").unwrap_or(&text);
        write!(out, "{}{rest}", styled(WARNING, "warning"))?;
    }
    writeln!(out)?;
    for command in plan.commands() {
        writeln!(out, "  {command}")?;
    }
    Ok(())
}

fn verdict_of(state: &str) -> Outcome {
    match state {
        "direct" => Outcome::Direct,
        "staged" => Outcome::Staged,
        _ => Outcome::Refused,
    }
}

fn style(verdict: Outcome) -> anstyle::Style {
    match verdict {
        Outcome::Direct | Outcome::Peer => GOOD,
        Outcome::Partly | Outcome::Staged | Outcome::Host => WARNING,
        Outcome::Refused => BAD,
        Outcome::None => DIM,
    }
}

fn devices(plan: &Plan, findings: &[Findings]) -> String {
    let mut found = findings.iter();
    let mut row = |device: &BlockDevice, role: String| {
        let controllers: Vec<String> = device.controllers.iter().map(Bdf::to_string).collect();
        let holds = match found.next() {
            Some(found) if !found.users.is_empty() => styled(BAD, "in use"),
            Some(found) => match &found.contents {
                Contents::Nothing => "-".into(),
                Contents::Something(what) => styled(WARNING, what),
                Contents::Unknown(_) => "?".into(),
            },
            None => "?".into(),
        };
        let address = match controllers.is_empty() {
            true => "-".into(),
            false => controllers.join(" "),
        };
        vec![
            device.name.clone(),
            role,
            address,
            ui::bytes(device.bytes),
            holds,
            device.model.clone(),
        ]
    };
    let mut rows = Vec::new();
    for (number, member) in plan.members.iter().enumerate() {
        rows.push(match member {
            Some(device) => row(device, number.to_string()),
            None => {
                let mut row = vec![String::new(); 6];
                row[0] = "missing".into();
                row[1] = number.to_string();
                row
            }
        });
    }
    for device in &plan.spares {
        rows.push(row(device, "spare".into()));
    }
    if let Some(device) = &plan.journal {
        rows.push(row(device, "journal".into()));
    }
    let heads = ["MEMBER", "ROLE", "ADDRESS", "SIZE", "HOLDS", "MODEL"];
    ui::table(&heads, rows, &[3])
}

fn operations(plan: &Plan) -> String {
    let rows = plan.operations.iter().map(|operations| {
        let cell = |verdict: Outcome| styled(style(verdict), verdict);
        vec![
            operations.provider.to_string(),
            cell(operations.read.verdict),
            cell(operations.write.verdict),
            cell(operations.rebuild.verdict),
        ]
    });
    ui::table(&["PROVIDER", "READ", "WRITE", "REBUILD"], rows, &[])
}

/// What the table cannot say, once for all providers that it holds for.
fn notes(plan: &Plan) -> String {
    let cells = plan.operations.iter().flat_map(|operations| {
        operations
            .each()
            .map(|(name, cell)| ((name, cell.note.as_str()), operations.provider))
    });
    let mut notes = ui::grouped(cells.filter(|((_, note), _)| !note.is_empty()));
    notes.sort_by_key(|((name, _), _)| ["read", "write", "rebuild"].map(|it| it != *name));
    notes
        .into_iter()
        .map(|((name, note), providers)| {
            let whose = match providers.len() == plan.operations.len() {
                true => String::new(),
                false => format!(", {}", ui::list(&providers)),
            };
            wrapped(&format!("{name}{whose}: {note}"), "  ")
        })
        .collect()
}

/// How far it is from each device to each provider, or, if these are too many for the
/// width, how far to the nearest and the farthest.
fn distances(plan: &Plan, width: usize) -> String {
    let devices = plan.devices();
    let name = devices.iter().map(|device| device.name.len()).max();
    let columns: usize = plan
        .providers
        .iter()
        .map(|provider| provider.to_string().len() + 2)
        .sum();
    let rows = devices.iter().zip(&plan.ways);
    if name.unwrap_or(0).max("DISTANCE".len()) + columns <= width {
        let addresses: Vec<String> = plan.providers.iter().map(Bdf::to_string).collect();
        let heads: Vec<&str> = std::iter::once("DISTANCE")
            .chain(addresses.iter().map(String::as_str))
            .collect();
        let rows = rows.map(|(device, ways)| {
            let distance = |way: &Way| match way.distance {
                Some(distance) => distance.to_string(),
                None => styled(BAD, "no"),
            };
            let mut row = vec![device.name.clone()];
            row.extend(ways.iter().map(distance));
            row
        });
        let right: Vec<usize> = (1..=plan.providers.len()).collect();
        return ui::table(&heads, rows, &right);
    }
    let rows = rows.map(|(device, ways)| {
        let reached = || ways.iter().filter_map(|way| way.distance);
        let text = |distance: Option<u32>| distance.map_or("-".into(), |it| it.to_string());
        vec![
            device.name.clone(),
            text(reached().min()),
            text(reached().max()),
            format!("{} of {}", reached().count(), ways.len()),
        ]
    });
    ui::table(
        &["DISTANCE", "NEAREST", "FARTHEST", "REACHES"],
        rows,
        &[1, 2, 3],
    )
}

/// Why members do not reach providers, once for all that it holds for.
fn unreachable(plan: &Plan) -> String {
    let reasons = plan
        .devices()
        .into_iter()
        .zip(&plan.ways)
        .flat_map(|(device, ways)| {
            let far = ways.iter().zip(&plan.providers);
            let far = far.filter(|(way, _)| way.distance.is_none());
            ui::grouped(far.map(|(way, &provider)| (way.why.as_str(), provider)))
                .into_iter()
                .map(|reason| (reason, device.name.as_str()))
        });
    ui::grouped(reasons)
        .into_iter()
        .map(|((why, providers), names)| {
            let not = if names.len() == 1 {
                "does not"
            } else {
                "do not"
            };
            let (names, whose) = (ui::list(names), plan.whose(&providers));
            wrapped(&format!("{names} {not} reach {whose}: {why}"), "  ")
        })
        .collect()
}

/// What could not be found out about devices of this machine.
fn unknown(findings: &[Findings], is_here: bool) -> Vec<String> {
    let reasons: BTreeSet<&str> = findings
        .iter()
        .filter_map(|found| match &found.contents {
            Contents::Unknown(why) if is_here => Some(why.as_str()),
            _ => None,
        })
        .collect();
    reasons
        .into_iter()
        .map(|why| format!("what the devices hold is not known: {why}"))
        .collect()
}

/// `text` in lines that fit, all but the first further in, and a newline at the end.
fn wrapped(text: &str, indent: &str) -> String {
    let further = format!("{indent}  ");
    let lines = ui::wrapped(text, ui::width().saturating_sub(further.len()));
    format!("{indent}{}\n", lines.join(&format!("\n{further}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mdp2p_machine::testing::{device, put};
    use std::fs;

    fn refusals_of(users: &[&str], contents: Contents, overwrite: &[&str], strict: bool) -> String {
        let device = device("nvme0n1", "259:0");
        let users = users.iter().map(|&user| user.to_owned()).collect();
        let overwrite: Vec<String> = overwrite.iter().map(|&it| it.to_owned()).collect();
        let findings = [Findings { users, contents }];
        refusals(&[&device], &findings, &overwrite, strict).join("\n")
    }

    #[test]
    fn what_is_in_use_is_refused_even_if_it_may_be_overwritten() {
        let user = ["nvme0n1 is mounted on /"];
        for overwrite in [&[][..], &["259:0"][..]] {
            for strict in [true, false] {
                let text = refusals_of(&user, Contents::Nothing, overwrite, strict);
                assert_eq!(
                    text,
                    "nvme0n1 is mounted on /: what is in use is never taken"
                );
            }
        }
    }

    #[test]
    fn what_holds_something_is_taken_only_by_name() {
        let ext4 = || Contents::Something("ext4".into());
        for strict in [true, false] {
            let text = refusals_of(&[], ext4(), &[], strict);
            assert!(
                text.contains("holds ext4: `--overwrite /dev/nvme0n1`"),
                "{text}"
            );
            let of_another = refusals_of(&[], ext4(), &["259:1"], strict);
            assert_eq!(of_another, text);
            assert_eq!(refusals_of(&[], ext4(), &["259:0"], strict), "");
        }
        assert_eq!(refusals_of(&[], Contents::Nothing, &[], true), "");
    }

    #[test]
    fn what_could_not_be_looked_at_is_taken_only_by_name() {
        let unknown = || Contents::Unknown("no blkid".into());
        let text = refusals_of(&[], unknown(), &[], true);
        assert!(text.contains("(no blkid)"), "{text}");
        assert_eq!(refusals_of(&[], unknown(), &["259:0"], true), "");
        // A plan may be shown to whoever may not look.
        assert_eq!(refusals_of(&[], unknown(), &[], false), "");
    }

    fn sysroot() -> (tempfile::TempDir, Sysroot) {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("sys")).expect("sys");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        (root, sysroot)
    }

    #[test]
    fn an_array_is_waited_for_until_it_runs() {
        let (root, sysroot) = sysroot();
        put(root.path(), "sys/block/md0/md/p2pdma_state", "off\n");
        put(root.path(), "sys/block/md0/md/array_state", "clear\n");
        let at = root.path().to_owned();
        let mdadm = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            put(&at, "sys/block/md0/md/array_state", "active\n");
        });
        let array = wait_for(&sysroot, "/dev/md0", Duration::from_secs(20)).expect("an array");
        // It may have been read while that file was being written.
        assert_ne!(array.state, "clear");
        mdadm.join().expect("a thread");
    }

    #[test]
    fn waiting_ends_with_what_is_there_instead() {
        let (root, sysroot) = sysroot();
        let wait = || wait_for(&sysroot, "/dev/md0", Duration::ZERO);
        let error = wait().expect_err("no array").to_string();
        assert!(error.contains("no array is running"), "{error}");
        put(root.path(), "sys/block/md0/md/array_state", "clear\n");
        let error = wait().expect_err("no array").to_string();
        assert!(error.contains("md0 is clear"), "{error}");
        put(root.path(), "sys/block/md0/md/array_state", "clean\n");
        let error = wait().expect_err("the kernel's").to_string();
        assert!(error.contains("by the kernel's md"), "{error}");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        let text = "word ".repeat(40);
        let lines = wrapped(&text, "  ");
        assert!(lines.lines().count() > 1);
        assert!(
            lines
                .lines()
                .all(|line| line.chars().count() <= ui::width())
        );
        assert!(
            lines
                .lines()
                .skip(1)
                .all(|line| line.starts_with("    word"))
        );
        assert_eq!(lines.split_whitespace().count(), 40);
        assert_eq!(wrapped("", ""), "\n");
    }
}
