// SPDX-License-Identifier: GPL-2.0
//! Changes a setting of an array through a file in sysfs, and explains the errors.
//!
//! Tests: below, and tests/settings.rs.

use std::fmt;
use std::fs;
use std::io::{self, Write};

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use mdp2p_machine::md::array::Array;
use mdp2p_machine::pci::bdf::Bdf;
use mdp2p_machine::pci::devices::{Device, Devices};
use mdp2p_machine::sysroot::Sysroot;
use nix::libc;

/// What becomes of peer I/O that cannot be direct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PolicyValue {
    /// Let the CPU copy it
    Auto,
    /// Refuse it
    Direct,
    /// Refuse all peer I/O
    Off,
}

/// Whose memory rebuilds use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderValue {
    /// The nearest provider that all members involved reach.
    Auto,
    /// No provider.
    None,
    /// Only this provider.
    At(Bdf),
}

/// Parses `auto`, `none` or a PCI address.
///
/// # Errors
/// Fails if it is none of these.
pub fn parse_provider(text: &str) -> Result<ProviderValue, String> {
    Ok(match text {
        "auto" => ProviderValue::Auto,
        "none" => ProviderValue::None,
        address => ProviderValue::At(
            address
                .parse()
                .map_err(|why| format!("expected auto, none or a PCI address; {why}"))?,
        ),
    })
}

/// A setting of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What becomes of peer I/O that cannot be direct.
    Policy(PolicyValue),
    /// Whose memory rebuilds use.
    Provider(ProviderValue),
}

impl Setting {
    /// Returns the name of the file in the array's `md` folder.
    pub fn file(self) -> &'static str {
        match self {
            Setting::Policy(_) => "p2pdma_policy",
            Setting::Provider(_) => "p2pdma_provider",
        }
    }

    /// Returns the command that changes the setting.
    pub fn command(self) -> &'static str {
        match self {
            Setting::Policy(_) => "policy",
            Setting::Provider(_) => "provider",
        }
    }

    /// Checks what can be known before the setting is applied.
    ///
    /// # Errors
    /// Fails if the kernel would not accept it.
    pub fn check(self, sysroot: &Sysroot) -> Result<()> {
        let Setting::Provider(ProviderValue::At(address)) = self else {
            return Ok(());
        };
        let is_it = |device: &Device| device.address == address;
        match Devices::read(sysroot)?.lenders().any(is_it) {
            true => Ok(()),
            false => bail!("{address} lends no memory; {}", describe_lenders(sysroot)),
        }
    }

    /// Applies the setting to an array.
    ///
    /// # Errors
    /// Fails if the kernel does not accept it, and says what the kernel's error means.
    pub fn apply(self, sysroot: &Sysroot, array: &Array) -> Result<()> {
        let path = sysroot.path(format!("sys/block/{}/md/{}", array.name, self.file()));
        // A file that does not exist is not created.
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(self.to_string().as_bytes()))
            .map_err(|error| {
                let why = self.explain(sysroot, &error);
                anyhow!("{}: {error}{why}", path.display())
            })
    }

    /// Says what an error of the file means, as a continuation of its message.
    fn explain(self, sysroot: &Sysroot, error: &io::Error) -> String {
        match (self, error.raw_os_error()) {
            (Setting::Provider(ProviderValue::At(address)), Some(libc::ENODEV)) => {
                format!(": {address} lends no memory; {}", describe_lenders(sysroot))
            }
            (_, Some(libc::EINVAL)) => {
                format!(": the loaded md-p2p does not know `{self}`")
            }
            (_, Some(libc::EACCES | libc::EPERM)) => ": only root can change it".into(),
            (_, Some(libc::ENOENT)) => ": the array is gone, or is not md-p2p's".into(),
            _ => String::new(),
        }
    }
}

/// Names the lenders of the machine, as a part of a sentence.
pub fn describe_lenders(sysroot: &Sysroot) -> String {
    let devices = match Devices::read(sysroot) {
        Ok(devices) => devices,
        Err(error) => return format!("it is not known which devices do: {error:#}"),
    };
    let addresses: Vec<String> = devices
        .lenders()
        .map(|device| device.address.to_string())
        .collect();
    match addresses.len() {
        0 => "no device of this machine does: none has p2pmem that its driver has published".into(),
        _ => format!("the devices that do are {}", addresses.join(", ")),
    }
}

impl fmt::Display for Setting {
    /// Writes the word for the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Policy(policy) => match policy.to_possible_value() {
                Some(value) => f.write_str(value.get_name()),
                None => Err(fmt::Error),
            },
            Setting::Provider(ProviderValue::Auto) => f.write_str("auto"),
            Setting::Provider(ProviderValue::None) => f.write_str("none"),
            Setting::Provider(ProviderValue::At(address)) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use mdp2p_machine::md::array;

    use super::*;
    use mdp2p_machine::testing::put;

    fn sysroot() -> (tempfile::TempDir, Sysroot) {
        let root = tempfile::tempdir().expect("a folder");
        put(root.path(), "sys/block/md0/md/p2pdma_state", "direct\n");
        put(root.path(), "sys/block/md0/md/p2pdma_policy", "");
        let sysroot = Sysroot::at(root.path()).expect("a host");
        (root, sysroot)
    }

    #[test]
    fn a_setting_is_a_word_in_its_file() {
        let (root, sysroot) = sysroot();
        let array = array::find(&sysroot, "md0").expect("md0");
        let policy = Setting::Policy(PolicyValue::Direct);
        policy.apply(&sysroot, &array).expect("it is taken");
        let file = root.path().join("sys/block/md0/md/p2pdma_policy");
        assert_eq!(fs::read_to_string(file).expect("a file"), "direct");
        let address = "0000:0a:00.0".parse().expect("an address");
        for (value, word) in [
            (ProviderValue::Auto, "auto"),
            (ProviderValue::None, "none"),
            (ProviderValue::At(address), "0000:0a:00.0"),
        ] {
            assert_eq!(Setting::Provider(value).to_string(), word);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made() {
        let (root, sysroot) = sysroot();
        let array = array::find(&sysroot, "md0").expect("md0");
        let provider = Setting::Provider(ProviderValue::None);
        let error = provider.apply(&sysroot, &array).expect_err("no such file");
        assert!(error.to_string().contains("the array is gone"), "{error}");
        let file = root.path().join("sys/block/md0/md/p2pdma_provider");
        assert!(!file.exists());
    }

    #[test]
    fn the_errors_of_the_kernel_are_explained() {
        let (root, sysroot) = sysroot();
        let explain = |setting: Setting, number| {
            setting.explain(&sysroot, &io::Error::from_raw_os_error(number))
        };
        let address = "0000:0a:00.0".parse().expect("an address");
        let provider = Setting::Provider(ProviderValue::At(address));
        let policy = Setting::Policy(PolicyValue::Off);
        assert_eq!(
            explain(provider, libc::ENODEV),
            ": 0000:0a:00.0 lends no memory; no device of this machine does: none has p2pmem that \
             its driver has published"
        );
        assert!(explain(policy, libc::EINVAL).contains("does not know `off`"));
        assert!(explain(policy, libc::EACCES).contains("root"));
        assert_eq!(explain(policy, libc::EIO), "");

        let device = "sys/bus/pci/devices/0000:0b:00.0";
        for (file, content) in [
            (
                "modalias",
                "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02",
            ),
            ("p2pmem/size", "4096"),
            ("p2pmem/published", "1"),
        ] {
            put(root.path(), &format!("{device}/{file}"), content);
        }
        assert!(explain(provider, libc::ENODEV).ends_with("the devices that do are 0000:0b:00.0"));
    }
}
