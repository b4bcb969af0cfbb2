// SPDX-License-Identifier: GPL-2.0
//! Who copies what is staged, as an array of md-p2p says it in `p2pdma_staging`.

use std::str::FromStr;

use serde::Serialize;

use crate::pci::bdf::Bdf;

/// Who copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Copier {
    /// A DMA engine.
    Engine {
        /// The PCI device that the engine is.
        device: Bdf,
        /// The channel: `dma0chan1`.
        channel: String,
    },
    /// The CPU.
    Cpu,
}

/// A line of `p2pdma_staging`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The provider.
    pub provider: Bdf,
    /// Who copies from and to its memory.
    #[serde(flatten)]
    pub copier: Copier,
}

impl FromStr for Told {
    type Err = String;

    /// Parses `0000:03:00.0 dma0chan1 0000:6a:01.0`, or `0000:03:00.0 cpu`.
    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (provider, copier) = match words[..] {
            [provider, "cpu"] => (provider, Copier::Cpu),
            [provider, channel, device] => (
                provider,
                Copier::Engine {
                    device: device.parse()?,
                    channel: channel.to_owned(),
                },
            ),
            _ => return Err("expected an address, and a channel with its device or `cpu`".into()),
        };
        let provider = provider.parse()?;
        Ok(Self { provider, copier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_engine_or_the_cpu() {
        let [provider, device] = ["0000:03:00.0", "0000:6a:01.0"].map(|it| it.parse().expect(it));
        let told = |line: &str| line.parse::<Told>();
        let copier = Copier::Cpu;
        assert_eq!(told("0000:03:00.0 cpu"), Ok(Told { provider, copier }));
        let copier = Copier::Engine {
            device,
            channel: "dma0chan1".into(),
        };
        let line = "0000:03:00.0 dma0chan1 0000:6a:01.0";
        assert_eq!(told(line), Ok(Told { provider, copier }));
        for wrong in ["", "0000:03:00.0", "cpu", "x cpu", "0000:03:00.0 dma0chan1"] {
            assert!(told(wrong).is_err(), "{wrong}");
        }
    }
}
