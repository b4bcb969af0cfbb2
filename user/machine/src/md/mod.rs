// SPDX-License-Identifier: GPL-2.0
//! MD: the arrays of a machine, their names and UUIDs, levels and layouts.

pub mod array;
pub mod copier;
pub mod counters;
pub mod external;
pub mod level;
pub mod name;
pub mod raid10;
pub mod reach;
pub mod staging;
pub mod uses;
pub mod uuid;
