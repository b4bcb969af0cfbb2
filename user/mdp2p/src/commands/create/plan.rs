// SPDX-License-Identifier: GPL-2.0
//! What `mdp2p create` is about to make: who reaches whom, what peer I/O will meet, and the
//! commands. Nothing is opened and nothing changed here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use md_p2p_decide::reach::{self, Distances, Reach, Row, SLOTS, Window};
use md_p2p_decide::route::{self, Means, Policy, Route, Spread};

use super::mdadm_options::MdadmOptions;
use super::options::Create;
use crate::control::setting::{self, PolicyValue, ProviderValue, Setting};
use crate::ui;
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::kernel::modules;
use mdp2p_machine::md::array;
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::name::{named, node};
use mdp2p_machine::md::raid10::Layout;
use mdp2p_machine::md::reach::Known;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::pci::reach::Why;
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::Sysroot;

/// Fewer bytes are no member: superblock, bitmap and a chunk want room.
const SMALLEST: u64 = 4 << 20;

/// How a level spreads its data over the members.
fn spread(level: Level) -> Spread {
    Spread::of(level.number())
}

/// Returns the sets of members that hold copies of the same data, for a mirror of so many members.
fn copies(level: Level, passed: &MdadmOptions, members: usize) -> Result<Vec<Vec<usize>>> {
    Ok(match level.number() {
        1 => vec![(0..members).collect()],
        10 => Layout::of(passed.layout.as_deref(), members)?.sets(members),
        _ => Vec::new(),
    })
}

/// From a member to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Ports between them; none if it is unreachable.
    pub distance: Option<u32>,
    /// Why it is unreachable, or what is uncertain.
    pub why: String,
}

/// What will become of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Members do DMA themselves.
    Direct,
    /// Some of it is direct.
    Partly,
    /// The CPU copies it.
    Staged,
    /// It ends with `EREMOTEIO`.
    Refused,
    /// A rebuild goes through the provider's memory.
    Peer,
    /// A rebuild goes through host memory.
    Host,
    /// There is no such operation.
    None,
}

impl Outcome {
    fn of(route: Route) -> Self {
        match route {
            Route::Direct => Outcome::Direct,
            Route::Staged | Route::Cached => Outcome::Staged,
            Route::Refused => Outcome::Refused,
            Route::Later => Outcome::Partly,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Direct => "direct",
            Outcome::Partly => "partly",
            Outcome::Staged => "staged",
            Outcome::Refused => "refused",
            Outcome::Peer => "peer",
            Outcome::Host => "host",
            Outcome::None => "-",
        })
    }
}

/// A verdict, and what there is to be said about it: perhaps nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The verdict.
    pub verdict: Outcome,
    /// A sentence without its full stop, or nothing.
    pub note: String,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.note.as_str() {
            "" => write!(f, "{}", self.verdict),
            note => write!(f, "{}, {note}", self.verdict),
        }
    }
}

impl Expectation {
    fn new(verdict: Outcome, note: impl Into<String>) -> Self {
        let note = note.into();
        Self { verdict, note }
    }
}

/// What will become of I/O with the memory of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Whose memory.
    pub provider: Bdf,
    /// The array is read.
    pub read: Expectation,
    /// It is written.
    pub write: Expectation,
    /// A rebuild borrows it.
    pub rebuild: Expectation,
}

impl Operations {
    /// Each with its name.
    pub fn each(&self) -> [(&'static str, &Expectation); 3] {
        [
            ("read", &self.read),
            ("write", &self.write),
            ("rebuild", &self.rebuild),
        ]
    }
}

/// An array that is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `/dev/md0` or `/dev/md/data`.
    pub node: String,
    /// Its level.
    pub level: Level,
    /// Its members; none is one that is missing.
    pub members: Vec<Option<BlockDevice>>,
    /// Spares.
    pub spares: Vec<BlockDevice>,
    /// What logs writes.
    pub journal: Option<BlockDevice>,
    /// `auto`, `direct` or `off`.
    pub policy: &'static str,
    /// The devices that publish their memory.
    pub providers: Vec<Bdf>,
    /// Of each device, as [`Plan::devices`] has them, to each provider.
    pub ways: Vec<Vec<Way>>,
    /// One for each provider.
    pub operations: Vec<Operations>,
    /// What `p2pdma_state` will say: `direct`, `staged` or `off`.
    pub state: &'static str,
    /// What is worth a thought.
    pub warnings: Vec<String>,
    /// Modules to load, those that are loaded left out.
    pub modules: Vec<&'static str>,
    /// mdadm's arguments.
    pub arguments: Vec<OsString>,
    /// What to tell the array once it is there.
    pub settings: Vec<Setting>,
}

impl Plan {
    /// The plan for what was asked for.
    ///
    /// # Errors
    /// If that cannot be made.
    pub fn of(sysroot: &Sysroot, options: &Create) -> Result<Self> {
        let node = node(&options.array)?;
        let level = Level::parse(&options.level)?;
        check_name(sysroot, &node)?;
        let members = members(sysroot, &options.members)?;
        let spares = options
            .spare
            .iter()
            .map(|path| BlockDevice::find(sysroot, path))
            .collect::<Result<Vec<_>>>()?;
        let journal = options.write_journal.as_deref();
        let journal = journal
            .map(|path| BlockDevice::find(sysroot, path))
            .transpose()?;
        let passed = MdadmOptions::read(&options.options)?;
        check_numbers(level, &members, spares.len(), options, passed.force)?;
        let copies = copies(level, &passed, members.len())?;
        check_copies(&copies, &members)?;
        check_journal(level, journal.as_ref())?;
        let devices: Vec<&BlockDevice> = members.iter().flatten().chain(&spares).collect();
        check_devices(&devices.iter().copied().chain(&journal).collect::<Vec<_>>())?;

        let machine = Devices::read(sysroot)?;
        let providers: Vec<Bdf> = machine.providers().map(|device| device.address).collect();
        check_provider(sysroot, &providers, options.provider)?;
        let known = Known::of(sysroot, &machine, &array::all(sysroot)?);
        let ways: Vec<Vec<Way>> = devices
            .iter()
            .map(|device| {
                let to = |provider: &Bdf| way(&machine, &known, device, *provider);
                providers.iter().map(to).collect()
            })
            .collect();
        let policy = policy(sysroot, options.policy)?;
        let view = Forecast {
            level,
            policy,
            members: &members,
            devices: &devices,
            lender: options.provider.unwrap_or(ProviderValue::Auto),
            copies,
        };
        let operations = providers
            .iter()
            .enumerate()
            .map(|(index, &provider)| {
                let ways: Vec<&Way> = ways.iter().map(|ways| &ways[index]).collect();
                view.operations(provider, &ways)
            })
            .collect();
        let state = view.state(&machine, &ways);
        let mut plan = Self {
            policy: policy.name(),
            state: state.name(),
            arguments: arguments(&node, level, options, &members, &spares, journal.as_ref()),
            modules: ["md-p2p", level.module()]
                .into_iter()
                .filter(|module| !modules::is_loaded(sysroot, module))
                .collect(),
            settings: options
                .policy
                .map(Setting::Policy)
                .into_iter()
                .chain(options.provider.map(Setting::Provider))
                .collect(),
            warnings: Vec::new(),
            node,
            level,
            members,
            spares,
            journal,
            providers,
            ways,
            operations,
        };
        plan.warnings = plan.warnings(policy);
        Ok(plan)
    }

    /// The devices that peer I/O may go to: members that are there, then spares.
    pub fn devices(&self) -> Vec<&BlockDevice> {
        self.members.iter().flatten().chain(&self.spares).collect()
    }

    /// All that is overwritten: these, then the journal.
    pub fn taken(&self) -> Vec<&BlockDevice> {
        self.devices().into_iter().chain(&self.journal).collect()
    }

    /// What will not be direct though it could be, one sentence each: reads and writes, with
    /// each provider. Empty if all will be.
    pub fn not_direct(&self) -> Vec<String> {
        if self.providers.is_empty() {
            return vec!["no device of this machine publishes its memory".into()];
        }
        let cells = self.operations.iter().flat_map(|operations| {
            [("read", &operations.read), ("write", &operations.write)]
                .map(|key| (key, operations.provider))
        });
        ui::grouped(cells.filter(|((_, cell), _)| cell.verdict != Outcome::Direct))
            .into_iter()
            .map(|((name, cell), providers)| {
                let whose = self.whose(&providers);
                format!("{name} with the memory of {whose}: {cell}")
            })
            .collect()
    }

    /// Providers by name; all of them without names.
    pub fn whose(&self, providers: &[Bdf]) -> String {
        match providers.len() == self.providers.len() && providers.len() > 1 {
            true => "every provider".into(),
            false => ui::list(providers),
        }
    }

    /// The commands, in their order, as they would be typed.
    pub fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        if !self.modules.is_empty() {
            let all = if self.modules.len() > 1 { "-a " } else { "" };
            commands.push(format!("modprobe {all}{}", self.modules.join(" ")));
        }
        let words = std::iter::once(OsString::from("mdadm")).chain(self.arguments.iter().cloned());
        commands.push(programs::typed(words));
        commands.extend(
            self.settings
                .iter()
                .map(|setting| format!("mdp2p {} {} {setting}", setting.command(), self.node)),
        );
        commands
    }

    fn warnings(&self, policy: Policy) -> Vec<String> {
        let devices = self.devices();
        let mut warnings = Vec::new();
        if self.providers.is_empty() {
            warnings.push(
                "no device of this machine publishes its memory, so there is no peer I/O: \
                 `mdp2p doctor` tells more"
                    .into(),
            );
        }
        for (index, device) in devices.iter().enumerate() {
            let ways = &self.ways[index];
            if !ways.is_empty() && ways.iter().all(|way| way.distance.is_none()) {
                warnings.push(format!("{} reaches no provider at all", device.name));
            }
        }
        let uncertain: BTreeSet<&str> = self
            .ways
            .iter()
            .flatten()
            .filter(|way| way.distance.is_some() && !way.why.is_empty())
            .map(|way| way.why.as_str())
            .collect();
        warnings.extend(uncertain.into_iter().map(str::to_owned));
        warnings.extend(shared(&devices));
        warnings.extend(self.unused());
        let missing = self
            .members
            .iter()
            .filter(|member| member.is_none())
            .count();
        if missing > 0 {
            warnings.push(format!(
                "the array begins degraded, since {} missing",
                match missing {
                    1 => "a member is".into(),
                    count => format!("{count} members are"),
                }
            ));
        }
        match policy {
            Policy::Direct if !self.not_direct().is_empty() && !self.providers.is_empty() => {
                warnings.push(
                    "the policy is direct: peer I/O that is shown as refused ends with EREMOTEIO, \
                     which its application has to be ready for"
                        .into(),
                );
            }
            Policy::Off => {
                warnings.push("the policy is off: the array takes no peer I/O".into());
            }
            Policy::Auto | Policy::Direct => {}
        }
        warnings
    }

    /// Where a level with redundancy leaves a part of a larger member alone.
    fn unused(&self) -> Option<String> {
        let devices = self.devices();
        let smallest = devices.iter().min_by_key(|device| device.bytes)?;
        let larger: Vec<&str> = devices
            .iter()
            .filter(|device| device.bytes > smallest.bytes)
            .map(|device| device.name.as_str())
            .collect();
        (self.level.is_redundant() && !larger.is_empty()).then(|| {
            format!(
                "the sizes differ: of {} no more is used than the {} that {} has",
                larger.join(", "),
                ui::bytes(smallest.bytes),
                smallest.name
            )
        })
    }
}

/// A name can be had if no array has it, or one that never ran: a node that was opened.
fn check_name(sysroot: &Sysroot, node: &str) -> Result<()> {
    let Some(array) = named(sysroot, node)? else {
        return Ok(());
    };
    let name = &array.name;
    match array.driver {
        array::Driver::Md => bail!(
            "{node} is taken: {name} is the kernel's md's; choose another name, or \
             `mdadm --stop /dev/{name}`"
        ),
        array::Driver::MdP2p if !matches!(array.state.as_str(), "" | "clear") => bail!(
            "{node} is taken: the array {name} is {}; choose another name, or `mdp2p stop {name}`",
            array.state
        ),
        array::Driver::MdP2p => Ok(()),
    }
}

fn members(sysroot: &Sysroot, paths: &[std::path::PathBuf]) -> Result<Vec<Option<BlockDevice>>> {
    paths
        .iter()
        .map(|path| match path == Path::new("missing") {
            true => Ok(None),
            false => BlockDevice::find(sysroot, path).map(Some),
        })
        .collect()
}

fn check_numbers(
    level: Level,
    members: &[Option<BlockDevice>],
    spares: usize,
    options: &Create,
    force: bool,
) -> Result<()> {
    let named = members.len();
    let wanted = options.raid_devices.map_or(named, |number| {
        usize::try_from(number).unwrap_or(usize::MAX)
    });
    let (least, missing_at_most) = level.bounds();
    let missing = members.iter().filter(|member| member.is_none()).count();
    if wanted > named {
        bail!(
            "--raid-devices {wanted}: {named} are named; name more, or `missing` for those that \
             are to come later"
        );
    }
    if wanted < named {
        bail!("--raid-devices {wanted}: {named} are named; make spares of the others with --spare");
    }
    if missing == named {
        bail!("all members are missing: at least one has to be there");
    }
    // mdadm's way of saying that one is not a slip.
    let one_is_meant = named == 1 && level.number() < 4 && force;
    if named < least && !one_is_meant {
        bail!(
            "{level} takes {least} members at least, and {named} {} named{}",
            if named == 1 { "is" } else { "are" },
            if level.number() < 2 {
                "; mdadm takes one with `-- --force`"
            } else {
                ""
            }
        );
    }
    if missing > missing_at_most {
        bail!(
            "{missing} members are missing, and {level} of {named} can do without {missing_at_most}"
        );
    }
    if spares > 0 && !level.is_redundant() {
        bail!("--spare: {level} has no redundancy, so there is nothing that a spare could replace");
    }
    Ok(())
}

/// All data must have a copy on a member that is there.
fn check_copies(copies: &[Vec<usize>], members: &[Option<BlockDevice>]) -> Result<()> {
    let is_lost = |set: &&Vec<usize>| set.iter().all(|&slot| members[slot].is_none());
    match copies.iter().find(is_lost) {
        Some(set) => bail!(
            "members {} are missing, and they are all that have copies of some of the data",
            ui::list(set)
        ),
        None => Ok(()),
    }
}

fn check_journal(level: Level, journal: Option<&BlockDevice>) -> Result<()> {
    if journal.is_some() && spread(level) != Spread::Cached {
        bail!("--write-journal: {level} has none; raid4, raid5 and raid6 have");
    }
    Ok(())
}

fn check_devices(devices: &[&BlockDevice]) -> Result<()> {
    for (index, device) in devices.iter().enumerate() {
        let node = device.node.display();
        if devices[..index]
            .iter()
            .any(|other| other.number == device.number || other.node == device.node)
        {
            bail!("{node} is named twice");
        }
        if let Some(disk) = &device.disk {
            if devices.iter().any(|other| other.name == *disk) {
                bail!("{node} is a partition of {disk}, which is named too");
            }
        }
        if device.read_only {
            bail!("{node} is read-only");
        }
        if device.bytes < SMALLEST {
            bail!(
                "{node} is too small: it has {}, and a member needs {}",
                ui::bytes(device.bytes),
                ui::bytes(SMALLEST)
            );
        }
    }
    Ok(())
}

fn check_provider(sysroot: &Sysroot, there: &[Bdf], wanted: Option<ProviderValue>) -> Result<()> {
    match wanted {
        Some(ProviderValue::At(address)) if !there.contains(&address) => bail!(
            "--provider {address}: this is no device that publishes memory; {}",
            setting::providers(sysroot)
        ),
        _ => Ok(()),
    }
}

/// The policy that the array will have: what was asked for, or the module's parameter.
fn policy(sysroot: &Sysroot, wanted: Option<PolicyValue>) -> Result<Policy> {
    Ok(match wanted {
        Some(PolicyValue::Auto) => Policy::Auto,
        Some(PolicyValue::Direct) => Policy::Direct,
        Some(PolicyValue::Off) => Policy::Off,
        None => {
            let path = "sys/module/md_p2p/parameters/p2pdma_policy";
            match sysroot.read_if(path)? {
                None => Policy::Auto,
                Some(word) => Policy::parse(word.as_bytes()).ok_or_else(|| {
                    mdp2p_machine::sysroot::garbage(
                        &sysroot.path(path),
                        &word,
                        &"auto, direct or off is wanted",
                    )
                })?,
            }
        }
    })
}

/// How far a device is from a provider, as `Joined::measure()` of kmod/array.rs finds it.
fn way(machine: &Devices, known: &Known<'_>, device: &BlockDevice, provider: Bdf) -> Way {
    let unreachable = |why: String| Way {
        distance: None,
        why,
    };
    if device.controllers.is_empty() {
        return unreachable("it is no PCI device by itself".into());
    }
    if let Some(driver) = other_driver(machine, device) {
        return unreachable(format!("its driver, {driver}, cannot map peer memory"));
    }
    let all: Vec<_> = device
        .controllers
        .iter()
        .map(|&client| known.reach(provider, client))
        .collect();
    let distance = reach::farthest(all.iter().map(|one| one.distance));
    let mut why: Vec<String> = all
        .iter()
        .filter(|one| one.distance.is_some() == distance.is_some())
        .flat_map(|one| &one.why)
        // Why it is reached nobody asks, unless that is a guess.
        .filter(|why| distance.is_none() || matches!(why, Why::AcsUnknown { .. }))
        .map(Why::to_string)
        .collect();
    why.dedup();
    Way {
        distance,
        why: why.join("; "),
    }
}

/// The driver of a device if it is none that can map peer memory: of those in the kernel nvme
/// alone can (BLK_FEAT_PCI_P2PDMA).
fn other_driver<'a>(machine: &'a Devices, device: &BlockDevice) -> Option<&'a str> {
    device.controllers.iter().find_map(|&address| {
        let driver = machine.get(address)?.driver.as_deref()?;
        (driver != "nvme").then_some(driver)
    })
}

fn arguments(
    node: &str,
    level: Level,
    options: &Create,
    members: &[Option<BlockDevice>],
    spares: &[BlockDevice],
    journal: Option<&BlockDevice>,
) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "--create".into(),
        node.into(),
        format!("--level={}", level.option()).into(),
        format!("--raid-devices={}", members.len()).into(),
    ];
    if !spares.is_empty() {
        arguments.push(format!("--spare-devices={}", spares.len()).into());
    }
    if let Some(device) = journal {
        arguments.push("--write-journal".into());
        arguments.push(device.node.clone().into());
    }
    if options.yes {
        arguments.push("--run".into());
    }
    arguments.extend(options.options.iter().map(OsString::from));
    arguments.extend(members.iter().map(|member| match member {
        Some(device) => device.node.clone().into(),
        None => "missing".into(),
    }));
    arguments.extend(spares.iter().map(|device| device.node.clone().into()));
    arguments
}

/// Members that one controller has: they go together.
fn shared(devices: &[&BlockDevice]) -> Vec<String> {
    let controllers: BTreeSet<Bdf> = devices
        .iter()
        .flat_map(|device| device.controllers.iter().copied())
        .collect();
    controllers
        .into_iter()
        .filter_map(|controller| {
            let names: Vec<&str> = devices
                .iter()
                .filter(|device| device.controllers == [controller])
                .map(|device| device.name.as_str())
                .collect();
            (names.len() > 1).then(|| {
                format!(
                    "{} are all behind one controller, {controller}: if it fails, they do",
                    names.join(", ")
                )
            })
        })
        .collect()
}

const NOBODY: &str = "no member reaches it";

/// What the verdicts hang on.
struct Forecast<'a> {
    level: Level,
    policy: Policy,
    members: &'a [Option<BlockDevice>],
    /// Members that are there, then spares.
    devices: &'a [&'a BlockDevice],
    lender: ProviderValue,
    /// As [`Level::copies`].
    copies: Vec<Vec<usize>>,
}

impl Forecast<'_> {
    /// `ways` is from each device to this provider.
    fn operations(&self, provider: Bdf, ways: &[&Way]) -> Operations {
        let distance = |(slot, way): (usize, &&Way)| way.distance.filter(|_| slot < SLOTS);
        let distances: Vec<Option<u32>> = ways.iter().enumerate().map(distance).collect();
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
        Operations {
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
                let far = self.not_reached(reached);
                let spares = match self.devices.len() > self.present() {
                    true => ", spares too",
                    false => "",
                };
                let note = format!("a write goes to all members{spares}, and {far}");
                Expectation::new(Outcome::of(route), note)
            }
            (route, _) => Expectation::new(Outcome::of(route), self.not_reached(reached)),
        }
    }

    /// Each part goes to one member.
    fn striped(&self, reached: &[bool]) -> Expectation {
        if reached.iter().all(|&reached| reached) {
            return Expectation::new(Outcome::Direct, "");
        }
        self.partly(format!("direct where {} has it", self.names(reached, true)))
    }

    /// Any member that has it will do.
    fn mirror_read(&self, reached: &[bool]) -> Expectation {
        // Spares are not read.
        let members = self.slots(reached);
        let near = self.names(&reached[..self.present()], true);
        let is_near = |set: &Vec<usize>| set.iter().any(|&slot| members[slot]);
        match self.copies.iter().all(is_near) {
            true if members.iter().all(|&it| it) => Expectation::new(Outcome::Direct, ""),
            true => Expectation::new(Outcome::Direct, format!("from {near}")),
            false => self.partly(format!("direct where {near} has a copy")),
        }
    }

    /// Who can have its part in a rebuild through this memory: what reads and what is written
    /// hold copies of the same data, or a spare is written.
    fn rebuilt(&self, reached: &[bool]) -> Vec<bool> {
        let members = self.slots(reached);
        let spare = reached[self.present()..].contains(&true);
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
        let spares = reached[self.present()..].iter();
        there
            .chain(spares.map(|&reached| reached && has_part.contains(&true)))
            .collect()
    }

    /// Which members are reached, those that are missing among them: they are not.
    fn slots(&self, reached: &[bool]) -> Vec<bool> {
        let mut there = reached.iter().copied();
        self.members
            .iter()
            .map(|member| member.is_some() && there.next().unwrap_or(false))
            .collect()
    }

    /// A healthy read within one chunk goes to one member.
    fn parity_read(&self, reached: &[bool]) -> Expectation {
        let members = &reached[..self.present()];
        if !members.contains(&true) {
            let verdict = Outcome::of(route::member(self.policy, None));
            return Expectation::new(verdict, NOBODY);
        }
        let on = match members.iter().all(|&reached| reached) {
            true => String::new(),
            false => format!(" of {}", self.names(members, true)),
        };
        self.partly(format!(
            "direct within one chunk{on}, while no member is missing"
        ))
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
            (_, ProviderValue::At(only), _) if only != provider => {
                host(format!("--provider {only}"))
            }
            _ if !protected.is_empty() => host(format!(
                "{} has protection information, which the CPU computes",
                protected.join(", ")
            )),
            (.., Reach::All) => Expectation::new(Outcome::Peer, self.resync_note(provider)),
            (.., Reach::None) => host(NOBODY.into()),
            (.., Reach::Some) => match self.names(&self.rebuilt(reached), true) {
                none if none.is_empty() => host(self.not_reached(reached)),
                some => Expectation::new(Outcome::Partly, format!("peer among {some}; else host")),
            },
        }
    }

    /// What of a rebuild is not through peer memory though all reach it.
    fn resync_note(&self, provider: Bdf) -> &'static str {
        let first = self.devices.first();
        match self.level.number() {
            10 => "but a resync is host: the CPU compares",
            _ if first.is_some_and(|first| first.controllers.contains(&provider)) => {
                "but not in a resync, where it is the one that is read"
            }
            _ => "",
        }
    }

    /// Who does not reach it, as a sentence.
    fn not_reached(&self, reached: &[bool]) -> String {
        let far = self.names(reached, false);
        match far.contains(',') {
            true => format!("{far} do not reach it"),
            false => format!("{far} does not reach it"),
        }
    }

    /// How many members are there.
    fn present(&self) -> usize {
        self.members.iter().flatten().count()
    }

    /// Those that are reached, or not.
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

    /// As `Entry::publish()` of kmod/array.rs.
    fn state(&self, machine: &Devices, ways: &[Vec<Way>]) -> route::State {
        let maps = |device: &&BlockDevice| {
            !device.controllers.is_empty() && other_driver(machine, device).is_none()
        };
        let reached = || ways.iter().flatten().map(|way| way.distance.is_some());
        let no_provider = ways.iter().all(Vec::is_empty);
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

#[cfg(test)]
mod tests {
    use mdp2p_machine::testing::device;

    use super::*;

    #[test]
    fn a_device_is_the_same_by_number_whatever_its_node() {
        let one = device("nvme0n1", "259:0");
        let other = device("nvme1n1", "259:1");
        let node = device("copy", "259:0");
        assert!(check_devices(&[&one, &other]).is_ok());
        let error = check_devices(&[&one, &other, &node]).expect_err("the same");
        assert_eq!(error.to_string(), "/dev/copy is named twice");
    }
}
