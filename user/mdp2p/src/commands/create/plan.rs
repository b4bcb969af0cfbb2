// SPDX-License-Identifier: GPL-2.0
//! The plan of an array: its devices, how they reach the providers, what peer I/O will meet, and
//! the commands. Making a plan opens no device and changes nothing.
//!
//! Tests: tests/create.rs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use md_p2p_decide::route::{Policy, State};
use mdp2p_machine::block::device::BlockDevice;
use mdp2p_machine::kernel::modules;
use mdp2p_machine::md::array;
use mdp2p_machine::md::copier::Copier;
use mdp2p_machine::md::level::Level;
use mdp2p_machine::md::name::node;
use mdp2p_machine::md::reach::Known;
use mdp2p_machine::md::staging::{Copiers, Staging};
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::programs;
use mdp2p_machine::sysroot::{Sysroot, garbage};

use super::bitmap::Answer;
use super::checks::{
    check_copies, check_devices, check_journal, check_name, check_numbers, check_provider,
};
use super::device_reach::{DeviceReach, measure};
use super::forecast::{Forecast, Outcome};
use super::forecaster::{Forecaster, copies};
use super::mdadm_arguments::mdadm_arguments;
use super::mdadm_options::MdadmOptions;
use super::options::Create;
use crate::control::setting::{PolicyValue, ProviderValue, Setting};
use crate::staging::{estimate, sentences};
use crate::ui;

/// An array that is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `/dev/md0` or `/dev/md/data`.
    pub node: String,
    /// The level.
    pub level: Level,
    /// The members by slot; `None` stands for `missing`.
    pub members: Vec<Option<BlockDevice>>,
    /// The spares.
    pub spares: Vec<BlockDevice>,
    /// The device that logs writes.
    pub journal: Option<BlockDevice>,
    /// What becomes of peer I/O that cannot be direct.
    pub policy: Policy,
    /// The devices with p2pmem.
    pub providers: Vec<Bdf>,
    /// How each device, in the order of [`Plan::devices`], reaches each provider.
    pub reaches: Vec<Vec<DeviceReach>>,
    /// One forecast for each provider.
    pub forecasts: Vec<Forecast>,
    /// Who copies what is staged, for groups of providers.
    pub staging: Vec<(String, Vec<Bdf>)>,
    /// How fast the CPU copies, if it does.
    pub estimate: Option<String>,
    /// What `p2pdma_state` will say.
    pub state: State,
    /// What becomes of mdadm's question about a bitmap.
    pub bitmap: Answer,
    /// The modules to load, without those that are loaded.
    pub modules: Vec<&'static str>,
    /// mdadm's arguments.
    pub arguments: Vec<OsString>,
    /// The settings to apply once the array runs.
    pub settings: Vec<Setting>,
}

impl Plan {
    /// Plans the array that the options describe.
    ///
    /// # Errors
    /// Says why such an array cannot be made.
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
        let mdadm_options = MdadmOptions::parse(&options.options)?;
        check_numbers(level, &members, spares.len(), options, mdadm_options.force)?;
        let bitmap = Answer::of(level, options, &mdadm_options)?;
        let copies = copies(level, &mdadm_options, members.len())?;
        check_copies(&copies, &members)?;
        check_journal(level, journal.as_ref())?;
        let devices: Vec<&BlockDevice> = members.iter().flatten().chain(&spares).collect();
        check_devices(&devices.iter().copied().chain(&journal).collect::<Vec<_>>())?;

        let machine = Devices::read(sysroot)?;
        let providers: Vec<Bdf> = machine.providers().map(|device| device.address).collect();
        let lenders: Vec<Bdf> = machine.lenders().map(|device| device.address).collect();
        check_provider(sysroot, &lenders, options.provider)?;
        let arrays = array::all(sysroot)?;
        let known = Known::of(sysroot, &machine, &arrays);
        let copiers = Copiers::read(sysroot, &machine, &arrays)?;
        let staging = providers.iter();
        let staging: Vec<Staging> = staging.map(|it| copiers.of(known.rules(), *it)).collect();
        let by_cpu = staging.iter().any(|it| it.copier == Copier::Cpu);
        let reaches: Vec<Vec<DeviceReach>> = devices
            .iter()
            .map(|device| {
                let to = |provider: &Bdf| measure(&machine, &known, device, *provider);
                providers.iter().map(to).collect()
            })
            .collect();
        let policy = policy(sysroot, options.policy)?;
        let forecaster = Forecaster {
            level,
            policy,
            members: &members,
            devices: &devices,
            lender: options.provider.unwrap_or(ProviderValue::Auto),
            lenders,
            copies,
        };
        let forecasts = providers
            .iter()
            .enumerate()
            .map(|(index, &provider)| {
                let reaches: Vec<&DeviceReach> =
                    reaches.iter().map(|reaches| &reaches[index]).collect();
                forecaster.forecast(provider, &reaches)
            })
            .collect();
        Ok(Self {
            policy,
            staging: sentences(&copiers, &staging),
            estimate: by_cpu.then(|| estimate(&copiers)),
            state: forecaster.state(&machine, &reaches),
            arguments: mdadm_arguments(
                &node,
                level,
                options,
                &members,
                &spares,
                journal.as_ref(),
                &bitmap,
            ),
            bitmap,
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
            node,
            level,
            members,
            spares,
            journal,
            providers,
            reaches,
            forecasts,
        })
    }

    /// Returns the devices that peer I/O may go to: the members that are present, then the spares.
    pub fn devices(&self) -> Vec<&BlockDevice> {
        self.members.iter().flatten().chain(&self.spares).collect()
    }

    /// Returns all devices that will be overwritten: [`Plan::devices`], then the journal.
    pub fn overwritten(&self) -> Vec<&BlockDevice> {
        self.devices().into_iter().chain(&self.journal).collect()
    }

    /// Lists the reads and writes that will not be direct, one sentence each. The list is empty if
    /// all will be direct.
    pub fn not_direct(&self) -> Vec<String> {
        if self.providers.is_empty() {
            return vec!["no device of this machine has p2pmem".into()];
        }
        let cells = self.forecasts.iter().flat_map(|forecast| {
            [("read", &forecast.read), ("write", &forecast.write)]
                .map(|key| (key, forecast.provider))
        });
        ui::grouped(cells.filter(|((_, cell), _)| cell.outcome != Outcome::Direct))
            .into_iter()
            .map(|((name, cell), providers)| {
                let whose = self.describe_providers(&providers);
                format!("{name} with the memory of {whose}: {cell}")
            })
            .collect()
    }

    /// Lists the providers, or says "every provider" if these are all.
    pub fn describe_providers(&self, providers: &[Bdf]) -> String {
        match providers.len() == self.providers.len() && providers.len() > 1 {
            true => "every provider".into(),
            false => ui::list(providers),
        }
    }

    /// Returns the commands in order, as they would be typed.
    pub fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        if !self.modules.is_empty() {
            let all = if self.modules.len() > 1 { "-a " } else { "" };
            commands.push(format!("modprobe {all}{}", self.modules.join(" ")));
        }
        let words = std::iter::once(OsString::from("mdadm")).chain(self.arguments.iter().cloned());
        commands.push(programs::command_line(words));
        commands.extend(
            self.settings
                .iter()
                .map(|setting| format!("mdp2p {} {} {setting}", setting.command(), self.node)),
        );
        commands
    }
}

fn members(sysroot: &Sysroot, paths: &[PathBuf]) -> Result<Vec<Option<BlockDevice>>> {
    paths
        .iter()
        .map(|path| match path == Path::new("missing") {
            true => Ok(None),
            false => BlockDevice::find(sysroot, path).map(Some),
        })
        .collect()
}

/// Returns the policy that the array will have: the one that was asked for, or the default of the
/// module.
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
                    garbage(&sysroot.path(path), &word, &"expected auto, direct or off")
                })?,
            }
        }
    })
}
