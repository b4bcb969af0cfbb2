// SPDX-License-Identifier: GPL-2.0
//! Loads and stores of memory by the CPU, in each width that the processor has.

use std::arch::asm;

use serde::Serialize;

/// What the CPU does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It loads, as for a staged write.
    Load,
    /// It stores, as for a staged read.
    Store,
}

/// Returns the bytes that one instruction of this processor can load, from the least on.
pub fn widths() -> Vec<usize> {
    let wider = [
        (16, true),
        (32, is_x86_feature_detected!("avx")),
        (64, is_x86_feature_detected!("avx512f")),
    ];
    let wider = wider.into_iter().filter(|(_, is_there)| *is_there);
    std::iter::once(8)
        .chain(wider.map(|(width, _)| width))
        .collect()
}

/// Loops over memory with one instruction, after another has emptied the register.
macro_rules! each {
    ($start:ident, $end:ident, $first:literal, $step:literal, $width:literal, $last:literal) => {
        asm!(
            $first, "2:", $step, concat!("add {at}, ", $width), "cmp {at}, {end}", "jb 2b", $last,
            at = inout(reg) $start => _, end = in(reg) $end, out("rax") _, out("xmm0") _,
            options(nostack),
        )
    };
}

/// Accesses all memory from `start` to `end`.
///
/// # Safety
/// The memory is mapped and the caller's alone, begins and ends at multiples of `width`, and is not
/// empty.
///
/// # Panics
/// If the processor does not have this width.
pub(crate) unsafe fn sweep(access: Access, width: usize, start: *mut u8, end: *mut u8) {
    assert!(widths().contains(&width));
    // SAFETY: stays within the memory, by the safety requirements. The processor has the
    // instructions, because it has the width.
    unsafe {
        match (access, width) {
            (Access::Load, 8) => each!(start, end, "", "mov rax, [{at}]", "8", ""),
            (Access::Load, 16) => each!(start, end, "", "movdqa xmm0, [{at}]", "16", ""),
            (Access::Load, 32) => {
                each!(start, end, "", "vmovdqa ymm0, [{at}]", "32", "vzeroupper")
            }
            (Access::Load, _) => {
                each!(start, end, "", "vmovdqa64 zmm0, [{at}]", "64", "vzeroupper")
            }
            (Access::Store, 8) => each!(start, end, "xor eax, eax", "mov [{at}], rax", "8", ""),
            (Access::Store, 16) => {
                each!(
                    start,
                    end,
                    "pxor xmm0, xmm0",
                    "movdqa [{at}], xmm0",
                    "16",
                    ""
                )
            }
            (Access::Store, 32) => each!(
                start,
                end,
                "vpxor xmm0, xmm0, xmm0",
                "vmovdqa [{at}], ymm0",
                "32",
                "vzeroupper"
            ),
            (Access::Store, _) => each!(
                start,
                end,
                "vpxor xmm0, xmm0, xmm0",
                "vmovdqa64 [{at}], zmm0",
                "64",
                "vzeroupper"
            ),
        }
    }
    // Stores are posted. A load waits until they have arrived.
    if access == Access::Store {
        // SAFETY: the first word lies within the memory.
        unsafe { start.cast::<u64>().read_volatile() };
    }
}
