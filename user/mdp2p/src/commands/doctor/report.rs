// SPDX-License-Identifier: GPL-2.0
//! Runs the checks, and reports what they found to people and to programs.
//!
//! Tests: tests/doctor.rs, and below.

use std::io::{self, ErrorKind, Write};

use anstyle::Style;
use anyhow::Result;
use mdp2p_machine::pci::advice;
use mdp2p_machine::sysroot::NotCaptured;
use serde::Serialize;

use super::check::{Finding, Verdict, problem, warning};
use super::checks;
use super::survey::Survey;
use crate::ui;

/// The report, as schema/doctor.json describes it.
#[derive(Debug, Serialize)]
pub struct Report {
    kernel: String,
    /// Whether the machine is virtual, so that figures of speed mean nothing.
    virtual_machine: bool,
    checks: Vec<Checked>,
    left_out: Vec<LeftOut>,
    ok: usize,
    warnings: usize,
    /// How many problems there are.
    pub problems: usize,
}

/// A check and what it found.
#[derive(Debug, Serialize)]
struct Checked {
    name: &'static str,
    #[serde(flatten)]
    finding: Finding,
}

/// A check that is not well because of a problem of another check.
#[derive(Debug, Serialize)]
struct LeftOut {
    name: &'static str,
    because: &'static str,
}

impl Report {
    /// Runs all checks. What only follows from a problem is left out.
    pub fn of(survey: &Survey) -> Self {
        let mut checks: Vec<Checked> = Vec::new();
        let mut left_out = Vec::new();
        for &(name, examine) in checks::all() {
            let finding = examine(survey).unwrap_or_else(explain_failure);
            let cause = |check: &&Checked| {
                check.finding.verdict == Verdict::Problem && checks::follows(name, check.name)
            };
            match checks.iter().find(cause) {
                Some(cause) if finding.verdict != Verdict::Ok => left_out.push(LeftOut {
                    name,
                    because: cause.name,
                }),
                _ => checks.push(Checked { name, finding }),
            }
        }
        let count = |verdict| {
            let checks = checks.iter().filter(|it| it.finding.verdict == verdict);
            checks.count()
        };
        Self {
            kernel: survey.release().unwrap_or_else(|_| "unknown".into()),
            virtual_machine: survey.is_virtual(),
            ok: count(Verdict::Ok),
            warnings: count(Verdict::Warning),
            problems: count(Verdict::Problem),
            checks,
            left_out,
        }
    }

    /// Prints the report for people.
    ///
    /// # Errors
    /// If standard output takes no more.
    pub fn print(&self) -> Result<()> {
        let mut out = ui::out();
        for check in &self.checks {
            write!(out, "{}", check.display(ui::width()))?;
        }
        writeln!(out)?;
        for note in self.notes() {
            for line in ui::wrapped(&note, ui::width()) {
                writeln!(out, "{line}")?;
            }
        }
        writeln!(
            out,
            "{}: {} ok, {}, {}",
            ui::count(self.checks.len(), "check"),
            self.ok,
            ui::count(self.warnings, "warning"),
            ui::count(self.problems, "problem")
        )?;
        Ok(())
    }
}

impl Report {
    /// Returns what people should know beside the checks.
    fn notes(&self) -> Vec<String> {
        let pairs = self.left_out.iter().map(|it| (it.because, it.name));
        let left_out = ui::grouped(pairs).into_iter().map(|(because, names)| {
            format!(
                "note: left out until the problem of \"{because}\" is solved: {}",
                ui::list(names)
            )
        });
        let guest = self.virtual_machine.then(|| {
            format!(
                "note: this is a virtual machine, whose throughput says nothing. {}",
                advice::GUEST
            )
        });
        left_out.chain(guest).collect()
    }
}

/// Returns the finding of a check that ended with an error.
fn explain_failure(error: anyhow::Error) -> Finding {
    let denied = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let found = format!("cannot tell: {error:#}");
    if error.is::<NotCaptured>() {
        return warning(
            found,
            "mdp2p capture takes all that is needed from the machine",
        );
    }
    match denied {
        true => warning(found, "sudo mdp2p doctor"),
        false => problem(
            found,
            "the named file is not as the kernel writes it: see what is wrong with it",
        ),
    }
}

impl Verdict {
    /// Returns the word for a verdict, and its style.
    fn label(self) -> (&'static str, Style) {
        match self {
            Verdict::Ok => ("ok", ui::GOOD),
            Verdict::Warning => ("warning", ui::WARNING),
            Verdict::Problem => ("problem", ui::BAD),
        }
    }
}

impl Checked {
    /// Returns lines of at most `width` columns, unless a word is longer: verdict, name and what was
    /// found, then the remedy.
    fn display(&self, width: usize) -> String {
        const VERDICT: usize = 9;
        const NAME: usize = 19;
        let (word, style) = self.finding.verdict.label();
        let mut text = String::new();
        let left = VERDICT + NAME;
        for (number, line) in ui::wrapped(&self.finding.found, width.saturating_sub(left))
            .iter()
            .enumerate()
        {
            let before = match number {
                // Padded before it is styled, because the codes of a style would count as columns.
                0 => {
                    ui::styled(style, format!("{word:VERDICT$}")) + &format!("{:NAME$}", self.name)
                }
                _ => " ".repeat(left),
            };
            text += &format!("{before}{line}\n");
        }
        let remedy = self.finding.remedy.as_deref().unwrap_or_default();
        for (number, line) in ui::wrapped(remedy, width.saturating_sub(VERDICT + 2))
            .iter()
            .enumerate()
        {
            let arrow = if number == 0 { "→ " } else { "  " };
            text += &format!("{:VERDICT$}{arrow}{line}\n", "");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_wrapped_with_its_remedy_below() {
        let check = Checked {
            name: "mdadm",
            finding: problem("it is not there at all", "apt install mdadm"),
        };
        let text = check.display(40);
        let text = anstream::adapter::strip_str(&text).to_string();
        let expected = "problem  mdadm              it is not\n\
                        \x20                           there at all\n\
                        \x20        → apt install mdadm\n";
        assert_eq!(text, expected);
    }
}
