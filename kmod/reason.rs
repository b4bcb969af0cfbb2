// SPDX-License-Identifier: GPL-2.0

//! Why peer I/O of an array meets what it does.

use kernel::{fmt, prelude::*};

use crate::{ffi::PciDev, text::Name};

/// One reason. Its text is a line of `p2pdma_reason`.
#[derive(Clone, Copy)]
pub(crate) enum Reason<'a> {
    Stopped,
    Policy,
    NoMemory,
    Parity,
    CannotMap(&'a Name),
    Unreached(&'a Name, &'a PciDev),
    LeftAlone(&'a Name, &'a PciDev),
    NoProvider,
    AllReach,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Stopped => f.write_str("the array does not run"),
            Reason::Policy => f.write_str("p2pdma_policy is off"),
            Reason::NoMemory => f.write_str("there was no memory to keep track of a member"),
            Reason::Parity => f.write_str("parity is computed from copies in the stripe cache"),
            Reason::CannotMap(member) => f.write_fmt(fmt!("{member} cannot map peer memory")),
            Reason::Unreached(member, provider) => {
                f.write_fmt(fmt!("{member} does not reach {provider}"))
            }
            Reason::LeftAlone(member, provider) => f.write_fmt(fmt!(
                "{member} failed direct I/O with {provider}, which is not tried for a while"
            )),
            Reason::NoProvider => f.write_str("there is no provider yet"),
            Reason::AllReach => f.write_str("every member reaches every provider"),
        }
    }
}
