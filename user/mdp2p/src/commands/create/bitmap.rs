// SPDX-License-Identifier: GPL-2.0
//! Answers what mdadm asks about a write-intent bitmap. Without an answer, and with `--run`, mdadm
//! makes an array without one and does not say so.
//!
//! Tests: below, and tests/create.rs.

use anyhow::{Result, bail};
use mdp2p_machine::md::level::Level;

use super::mdadm_options::MdadmOptions;
use super::options::{Bitmap, Create};

/// What becomes of mdadm's question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The option for mdadm.
    pub argument: Option<&'static str>,
    /// What to tell the user; empty if the user has decided.
    pub note: &'static str,
}

/// The question, in fewer words than mdadm's.
const ASKS: &str =
    "mdadm recommends a write-intent bitmap, which makes a resync after a crash short,";

impl Answer {
    /// Answers the question by what the user has said.
    ///
    /// # Errors
    /// Fails if the level, or another option, contradicts `--bitmap`.
    pub fn of(level: Level, options: &Create, mdadm_options: &MdadmOptions) -> Result<Self> {
        let wanted = options.bitmap;
        if wanted.is_some() && mdadm_options.bitmap.is_some() {
            bail!("--bitmap is given twice, before and after `--`");
        }
        if mdadm_options.bitmap.is_some() || !level.is_redundant() {
            if wanted == Some(Bitmap::Internal) {
                bail!("--bitmap internal: {level} has no redundancy, so it has no bitmap");
            }
            return Ok(Self::default());
        }
        let policy = mdadm_options.consistency_policy.as_deref();
        let policy = policy.or(options.write_journal.as_ref().map(|_| "journal"));
        let needed = match policy {
            None => None,
            Some("bitmap") => Some(Bitmap::Internal),
            Some(_) => Some(Bitmap::None),
        };
        if let (Some(policy), Some(needed), Some(wanted)) = (policy, needed, wanted) {
            if needed != wanted {
                bail!("--bitmap contradicts the consistency policy, which is {policy}");
            }
        }
        let (bitmap, note) = match (wanted.or(needed), options.yes) {
            (Some(bitmap), _) => (bitmap, ""),
            (None, true) => (Bitmap::Internal, "and --yes agrees; --bitmap none does not"),
            (None, false) => {
                return Ok(Self {
                    argument: None,
                    note: "and will ask; --bitmap internal or --bitmap none answers now",
                });
            }
        };
        Ok(Self {
            argument: Some(match bitmap {
                Bitmap::Internal => "--bitmap=internal",
                Bitmap::None => "--bitmap=none",
            }),
            note,
        })
    }

    /// Returns a sentence, without its full stop, for who has not decided.
    pub fn sentence(&self) -> Option<String> {
        (!self.note.is_empty()).then(|| format!("{ASKS} {}", self.note))
    }
}
