// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `include/bindings.h`, in the build folder.

// `allow`, not `expect`: which of these bindgen earns differs by its version.
#![allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    clippy::all
)]

use kernel::ffi;

include!("../bindings.rs");
