// SPDX-License-Identifier: GPL-2.0
//! `mdp2p topology`: shows the PCI tree with the drives and arrays on it, and which device reaches
//! whose memory.
//!
//! A [`Tree`] is gathered once. The text and the drawing show it in the same words and with the same
//! matrix; the JSON is for programs.
//!
//! Tests: tests/topology.rs.

mod facts;
mod json;
mod matrix;
pub mod svg;
pub mod text;
pub mod tree;
mod words;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use mdp2p_machine::pci::devices::Devices;
use mdp2p_machine::sysroot::Sysroot;
use mdp2p_machine::text::shown;

use self::tree::Tree;
use crate::command::Command;
use crate::ui;

/// `mdp2p topology`
#[derive(Args, Debug)]
#[command(after_help = "\
The tree shows drives, GPUs and other devices with peer memory; --all shows every device. In the \
matrix below the tree, rows are providers and columns are clients.

Examples:
  mdp2p topology
  mdp2p topology --svg machine.svg
  mdp2p topology --json | jq '.reach[] | select(.way == \"no\")'")]
pub struct Topology {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Draw an SVG picture into FILE; - is standard output
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Show all devices
    #[arg(long)]
    pub all: bool,
}

impl Command for Topology {
    fn changes(&self) -> bool {
        false
    }

    fn tolerates(&self) -> bool {
        true
    }

    fn run(&self, sysroot: &Sysroot) -> Result<u8> {
        let devices = Devices::read(sysroot)?;
        let tree = Tree::gather(sysroot, &devices, self.all)?;
        let to_stdout = self.svg.as_deref() == Some(Path::new("-"));
        match &self.svg {
            Some(_) if to_stdout && self.json => {
                bail!("--svg -: --json writes to standard output too; name a file for one of them")
            }
            Some(_) if to_stdout => svg::write_to(&tree, BufWriter::new(io::stdout().lock()))
                .context("standard output")?,
            Some(path) => svg::write(&tree, path)?,
            None => {}
        }
        if self.json {
            ui::json_of(json::VERSION, &json::Json::of(&tree))?;
        }
        if self.json || to_stdout {
            return Ok(0);
        }
        match &self.svg {
            Some(path) => writeln!(ui::out(), "{}: drawn", shown(&path.to_string_lossy()))?,
            None => ui::print(&text::render(&tree, ui::width()))?,
        }
        Ok(0)
    }
}
