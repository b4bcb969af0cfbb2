// SPDX-License-Identifier: GPL-2.0

//! Measures what every peer I/O asks first: whose page it is, and who reaches it. The time must not
//! grow with the providers, nor with the members.
//!
//! `cargo bench --package md-p2p-tests --bench reach`

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use criterion::{BenchmarkId, Criterion};
use md_p2p_decide::reach::{Distances, Row, SLOTS, Window, reach, row, sort};

/// The most providers that are measured.
const PROVIDERS: usize = 64;

/// Pages that are asked for in one turn.
const PAGES: usize = 256;

fn main() -> Result<ExitCode> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .configure_from_args();
    let mut within = true;
    for (what, most, limit, machine) in [
        ("providers", PROVIDERS, 4.0, of_providers as fn(usize) -> _),
        ("members", SLOTS, 1.5, of_members),
    ] {
        for number in [1, most] {
            time(&mut criterion, what, number, &machine(number));
        }
        let ratio = median(what, most)? / median(what, 1)?;
        println!("figure: reach of a page, {most} {what} | {ratio:.2} | 1 of them | {limit}");
        within &= ratio <= limit;
    }
    Ok(ExitCode::from(u8::from(!within)))
}

/// Makes the rows of an array of two members, of which one reaches each provider.
fn of_providers(providers: usize) -> Vec<Row> {
    rows(providers, 2)
}

/// Makes the rows of an array of which the last member reaches the only provider.
fn of_members(members: usize) -> Vec<Row> {
    rows(1, members)
}

fn rows(providers: usize, members: usize) -> Vec<Row> {
    const BYTES: u64 = 64 << 20;
    let mut distances = Distances::NONE;
    distances.set(members - 1, Some(4));
    let row = |provider: usize| {
        let start = 0x38_0000_0000 + 2 * BYTES * provider as u64;
        Row {
            window: Window {
                start,
                end: start + BYTES - 1,
            },
            provider,
            by_all: false,
            distances,
        }
    };
    let mut rows: Vec<Row> = (0..providers).map(row).collect();
    sort(&mut rows);
    rows
}

/// Asks for pages of all providers, in an order that no processor can guess.
fn time(criterion: &mut Criterion, what: &str, number: usize, rows: &[Row]) {
    let mut random = 1u64;
    let mut pages = Vec::new();
    for _ in 0..PAGES {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let window = rows[(random >> 33) as usize % rows.len()].window;
        pages.push(window.start + (random >> 20) % (window.end - window.start));
    }
    criterion.bench_with_input(BenchmarkId::new(what, number), &pages, |bencher, pages| {
        bencher.iter(|| {
            for &page in pages {
                black_box(reach(row(black_box(rows), black_box(page))));
            }
        });
    });
}

/// Reads the median that criterion has measured, in nanoseconds.
fn median(what: &str, number: usize) -> Result<f64> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion");
    let path = target.join(format!("{what}/{number}/new/estimates.json"));
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let estimates: serde_json::Value = serde_json::from_str(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .with_context(|| format!("{}: no median", path.display()))
}
