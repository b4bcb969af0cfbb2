// SPDX-License-Identifier: GPL-2.0
//! The virtual machine in which md-p2p is built, shown and tested.
//!
//! ```no_run
//! use md_p2p_vm::{Environment, Run};
//!
//! # fn main() -> anyhow::Result<()> {
//! let environment = Environment::ready()?;
//! let outcome = Run::new("scenario.sh").topology("split").go(&environment)?;
//! assert_eq!(outcome.status(), 0, "{}; see {}", outcome.end, outcome.folder.display());
//! # Ok(())
//! # }
//! ```

pub mod environment;
pub mod machine;
pub mod run;

pub use environment::Environment;
pub use machine::{Pace, Topology};
pub use run::{End, Modules, Outcome, Run};
