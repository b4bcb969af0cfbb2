// SPDX-License-Identifier: GPL-2.0
//! The options of `mdp2p module`.
//!
//! Tests: below, tests/module.rs and tests/contract.rs.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mdp2p_machine::kernel::modules::MODULES;
use mdp2p_machine::kernel::release;

use crate::arguments::Offering;

/// The personalities to offer.
const PERSONALITIES: Offering<String> = Offering {
    words: &["linear", "raid0", "raid1", "raid10", "raid456"],
    parse: parse_personality,
};

/// `mdp2p module`
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  mdp2p module status
  mdp2p module build --source ~/md-p2p
  mdp2p module build -- KSRC=/usr/src/linux-7.3 V=1
  sudo mdp2p module install --source ~/md-p2p && sudo mdp2p module load
  mdp2p module sign --dry-run")]
pub struct Module {
    /// What to do
    #[command(subcommand)]
    pub verb: ModuleVerb,
}

/// What can be done with the modules.
#[derive(Debug, Subcommand)]
pub enum ModuleVerb {
    /// Show which modules are built, installed, signed and loaded
    Status {
        /// Release of the kernel [default: the running one]
        #[arg(long, value_name = "RELEASE", value_parser = release::parse)]
        kernel: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Build the modules: make -C kbuild
    Build(Build),
    /// Install the modules where modprobe finds them
    Install(Build),
    /// Load the modules
    Load {
        /// Personalities: linear, raid0, raid1, raid10, raid456 [default: only md-p2p, which loads them when arrays need them]
        #[arg(value_name = "MODULE", value_parser = PERSONALITIES, hide_possible_values = true)]
        modules: Vec<String>,
        /// Print the commands, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Unload all modules
    Unload {
        /// Print the commands, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Sign the installed modules with the machine owner key
    Sign {
        /// Release of the kernel [default: the running one]
        #[arg(long, value_name = "RELEASE", value_parser = release::parse)]
        kernel: Option<String>,
        /// Private key [default: DKMS's]
        #[arg(long, value_name = "FILE", requires = "certificate")]
        key: Option<PathBuf>,
        /// Certificate in DER form
        #[arg(long, value_name = "FILE", requires = "key")]
        certificate: Option<PathBuf>,
        /// Print the commands, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// What the modules are built from, and for which kernel.
#[derive(Args, Debug)]
pub struct Build {
    /// Release of the kernel [default: the running one]
    #[arg(long, value_name = "RELEASE", value_parser = release::parse)]
    pub kernel: Option<String>,
    /// Source of md-p2p [default: /usr/src/md-p2p-*, or the current folder]
    #[arg(long, value_name = "FOLDER")]
    pub source: Option<PathBuf>,
    /// Print the commands, and run nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Arguments for make, such as KDIR=…, KSRC=… and V=1; see make -C kbuild help
    #[arg(last = true, value_name = "MAKE-ARGUMENT")]
    pub make: Vec<String>,
}

impl Build {
    /// Returns the folders among make's arguments in which it leaves what it runs later.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.make.iter().filter_map(|it| it.split_once('='));
        // make knows := and the like, too.
        let pairs = pairs.map(|(name, value)| (name.trim_end_matches([':', '?', '!']), value));
        let folders = pairs.filter(|(name, _)| matches!(*name, "BUILD" | "CACHE"));
        folders.map(|(_, folder)| Path::new(folder))
    }
}

impl ModuleVerb {
    /// Tells whether the verb would change the machine.
    pub fn changes(&self) -> bool {
        match self {
            ModuleVerb::Status { .. } => false,
            ModuleVerb::Build(options) | ModuleVerb::Install(options) => !options.dry_run,
            ModuleVerb::Load { dry_run, .. }
            | ModuleVerb::Unload { dry_run }
            | ModuleVerb::Sign { dry_run, .. } => !dry_run,
        }
    }
}

/// Parses the name of a personality: `raid1`, `raid1-p2p`, or a level.
///
/// # Errors
/// Lists the personalities if no one has this name.
fn parse_personality(text: &str) -> Result<String, String> {
    let bare = text.replace('_', "-");
    let level = match bare.strip_suffix("-p2p").unwrap_or(&bare) {
        "raid4" | "raid5" | "raid6" => "raid456",
        level => level,
    };
    let name = format!("{level}-p2p");
    match MODULES.contains(&name.as_str()) {
        true => Ok(name),
        false => Err("the personalities are linear, raid0, raid1, raid10 and raid456".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personality_has_several_names() {
        for (text, name) in [
            ("raid1", "raid1-p2p"),
            ("raid1-p2p", "raid1-p2p"),
            ("raid456_p2p", "raid456-p2p"),
            ("raid5", "raid456-p2p"),
            ("linear", "linear-p2p"),
            ("md", "md-p2p"),
        ] {
            assert_eq!(parse_personality(text), Ok(name.to_owned()), "{text}");
        }
        for text in ["", "raid2", "--all", "md-mod", "../x"] {
            assert!(parse_personality(text).is_err(), "{text}");
        }
    }
}
