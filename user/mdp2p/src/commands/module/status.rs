// SPDX-License-Identifier: GPL-2.0
//! `mdp2p module status`: shows which modules are built, installed, signed and loaded.
//!
//! Tests: tests/module.rs.

use std::io::Write;

use anyhow::Result;
use mdp2p_machine::kernel::modules::{self, Installed, MODULES, Mode};
use mdp2p_machine::kernel::release::{self, display};
use mdp2p_machine::sysroot::Sysroot;
use serde::Serialize;

use super::in_use::InUse;
use super::source::find_source;
use super::untested::Untested;
use crate::ui;

/// What is known of the modules for a kernel.
#[derive(Debug, Serialize)]
struct ModuleStatus {
    kernel: String,
    running: bool,
    /// `None` if md-p2p is not loaded, or if this kernel does not run.
    mode: Option<Mode>,
    made_of: Option<MadeOf>,
    /// `None` if the headers are not installed.
    headers: Option<String>,
    #[serde(flatten)]
    in_use: InUse,
    modules: Vec<ModuleRow>,
}

/// What the loaded md-p2p was made of.
#[derive(Debug, Serialize)]
struct MadeOf {
    md_source: String,
    md_source_sha256: String,
    md_rules: Vec<String>,
    /// `None` if it is older than this file.
    md_untested: Option<Untested>,
}

#[derive(Debug, Serialize)]
struct ModuleRow {
    name: &'static str,
    /// The file in the build folder of the source that [`find_source`] finds.
    built: Option<String>,
    /// Several if the module was installed in several places; modprobe takes the first.
    installed: Vec<Installed>,
    loaded: bool,
    /// `None` if the module is not loaded.
    uses: Option<u32>,
}

pub fn show(sysroot: &Sysroot, named: Option<&str>, json: bool) -> Result<u8> {
    let status = ModuleStatus::read(sysroot, named)?;
    match json {
        true => ui::json(&status)?,
        false => status.print()?,
    }
    Ok(0)
}

impl ModuleStatus {
    fn read(sysroot: &Sysroot, named: Option<&str>) -> Result<Self> {
        if named.is_none() {
            sysroot.needs(&["proc/sys/kernel/osrelease"])?;
        }
        let release = release::find(sysroot, named)?;
        let running = release::running(sysroot).is_ok_and(|it| it == release);
        sysroot.tolerate(sysroot.needs(&["lib/modules", "usr/lib/modules"]))?;
        if running {
            sysroot.tolerate(sysroot.needs(&["proc/modules", "sys/module"]))?;
        }
        let installed = modules::installed(sysroot, &release)?;
        let built = match find_source(sysroot, None) {
            Ok(source) => {
                let below = source.strip_prefix(sysroot.path("")).unwrap_or(&source);
                let folder = below.join(format!("kbuild/build/{release}/module"));
                modules::built(sysroot, &folder)?
            }
            Err(_) => Vec::new(),
        };
        let loaded = match running {
            true => modules::loaded(sysroot)?,
            false => Vec::new(),
        };
        let one = |name: &&'static str| {
            let uses = loaded.iter().find(|it| it.name == *name).map(|it| it.uses);
            let is_it = |it: &&Installed| it.name == *name;
            ModuleRow {
                name,
                built: built.iter().find(is_it).map(|it| display(&it.path)),
                installed: installed.iter().filter(is_it).cloned().collect(),
                loaded: uses.is_some(),
                uses,
            }
        };
        Ok(Self {
            running,
            mode: modules::mode(sysroot).filter(|_| running),
            made_of: match running {
                true => MadeOf::read(sysroot)?,
                false => None,
            },
            headers: release::headers(sysroot, &release).map(|path| display(&path)),
            in_use: InUse::read(sysroot, &release, &installed)?,
            // md-p2p comes first, because people look for it.
            modules: MODULES.iter().rev().map(one).collect(),
            kernel: release,
        })
    }

    fn print(&self) -> Result<()> {
        let mut out = ui::out();
        let runs = if self.running { " (running)" } else { "" };
        writeln!(out, "kernel   {}{runs}", self.kernel)?;
        let headers = self.headers.as_deref().unwrap_or("none");
        writeln!(out, "headers  {headers}")?;
        self.in_use.print(&mut out)?;
        if self.running {
            writeln!(out, "mode     {}", describe_mode(self.mode))?;
        }
        if let Some(made_of) = &self.made_of {
            let rules = made_of.md_rules.len();
            writeln!(out, "made of  {}, {rules} rules", made_of.md_source)?;
            // The build in use, which is shown above, is usually the one that is loaded.
            let loaded = made_of.md_untested.as_ref();
            if let Some(loaded) = loaded.filter(|it| Some(*it) != self.in_use.untested()) {
                loaded.print(&mut out)?;
            }
        }
        let heads = ["MODULE", "BUILT", "INSTALLED", "SIGNED", "LOADED", "USES"];
        let rows = self.modules.iter().map(ModuleRow::row);
        write!(out, "\n{}", ui::table(&heads, rows, &[5]))?;
        Ok(())
    }
}

/// Describes the mode in words.
pub fn describe_mode(mode: Option<Mode>) -> &'static str {
    match mode {
        None => "not loaded",
        Some(Mode::Sole) => "sole: /proc/mdstat is md-p2p's, and plain mdadm works with it",
        Some(Mode::Beside) => "beside the kernel's md: /proc/mdstat-p2p is md-p2p's",
    }
}

impl MadeOf {
    fn read(sysroot: &Sysroot) -> Result<Option<Self>> {
        let text_if = |name: &str| sysroot.read_if(modules::parameter(name));
        let text = |name: &str| anyhow::Ok(text_if(name)?.unwrap_or_default());
        let md_source = text("md_source")?;
        if md_source.is_empty() {
            return Ok(None);
        }
        let md_rules = text("md_rules")?;
        Ok(Some(Self {
            md_source,
            md_source_sha256: text("md_source_sha256")?,
            md_rules: md_rules.split_whitespace().map(str::to_owned).collect(),
            md_untested: text_if("md_untested")?.map(|text| Untested::parse(&text)),
        }))
    }
}

impl ModuleRow {
    fn row(&self) -> Vec<String> {
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let paths: Vec<String> = self.installed.iter().map(short_folder).collect();
        let signed = match self.installed.first() {
            None => "-".into(),
            Some(Installed {
                signed: Some(signed),
                ..
            }) => yes_no(*signed),
            Some(it) => format!("? ({})", it.compression.unwrap_or_default()),
        };
        vec![
            self.name.to_owned(),
            yes_no(self.built.is_some()),
            match paths[..] {
                [] => "no".into(),
                _ => paths.join(", "),
            },
            signed,
            yes_no(self.loaded),
            self.uses.map_or("-".into(), |uses| uses.to_string()),
        ]
    }
}

/// Returns the folder of an installed module below that of its kernel, such as `updates/dkms`.
fn short_folder(installed: &Installed) -> String {
    let components: Vec<_> = installed
        .path
        .iter()
        .skip_while(|name| {
            !["updates", "extra", "weak-updates"]
                .map(Some)
                .contains(&name.to_str())
        })
        .map(|name| name.to_string_lossy())
        .collect();
    match components.split_last() {
        Some((_, folders)) => folders.join("/"),
        None => display(&installed.path),
    }
}
