// SPDX-License-Identifier: GPL-2.0
//! Draws the report of `mdp2p bench`: a panel each for throughput, latency and CPU, with a bar
//! for each memory.
//!
//! Tests: tests/bench.rs.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::print::three_digits;
use super::report::{BenchReport, Figures, Measurement};
use crate::ui;
use crate::workload::path_taken::PathTaken;

const WIDTH: u32 = 860;
const HEAD: u32 = 76;
const PANEL: u32 = 230;

/// Okabe and Ito's colours, which colour-blind people can tell apart.
const HOST: RGBColor = RGBColor(153, 153, 153);
const PEER: RGBColor = RGBColor(0, 114, 178);
const ALARM: RGBColor = RGBColor(213, 94, 0);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A panel: its title, and the figure that its bars show.
struct Panel {
    title: &'static str,
    value: fn(&Figures) -> f64,
    /// The figure at the end of a whisker.
    most: Option<fn(&Figures) -> f64>,
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "Throughput, MiB/s",
        value: |figures| figures.bytes_per_second / 1_048_576.0,
        most: None,
    },
    Panel {
        title: "Latency, microseconds: median, whisker to the 99th percentile",
        value: |figures| figures.p50_us,
        most: Some(|figures| figures.p99_us),
    },
    Panel {
        title: "CPU of the whole machine, seconds per GiB",
        value: |figures| figures.machine_cpu_seconds_per_gib,
        most: None,
    },
];

/// Returns the drawing as SVG.
///
/// # Errors
/// If drawing fails.
pub fn svg(report: &BenchReport) -> Result<String> {
    let mut text = String::new();
    let height = HEAD + PANEL * PANELS.len() as u32;
    let area = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
    draw(&area, report).map_err(|error| anyhow!("cannot draw: {error}"))?;
    drop(area);
    Ok(text)
}

type DrawResult = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &Area<'_>, report: &BenchReport) -> DrawResult {
    area.fill(&WHITE)?;
    let (head, body) = area.split_vertically(HEAD);
    heading(&head, report)?;
    for (panel, area) in PANELS.iter().zip(body.split_evenly((PANELS.len(), 1))) {
        bars(&area, panel, &report.results)?;
    }
    area.present()?;
    Ok(())
}

fn heading(area: &Area<'_>, report: &BenchReport) -> DrawResult {
    let plain = ("sans-serif", 14).into_font().color(&BLACK);
    area.draw(&Text::new(report.heading(), (16, 12), plain.clone()))?;
    for (number, (colour, what)) in [(HOST, "host memory"), (PEER, "peer memory")]
        .iter()
        .enumerate()
    {
        let x = 16 + 130 * number as i32;
        area.draw(&Rectangle::new([(x, 36), (x + 12, 48)], colour.filled()))?;
        area.draw(&Text::new(*what, (x + 18, 36), plain.clone()))?;
    }
    if let Some(warning) = report.warning() {
        let style = ("sans-serif", 14).into_font().color(&ALARM);
        area.draw(&Text::new(warning, (16, 58), style))?;
    }
    Ok(())
}

fn bars(area: &Area<'_>, panel: &Panel, rows: &[Measurement]) -> DrawResult {
    let top = |figures: &Figures| panel.most.unwrap_or(panel.value)(figures);
    let both = rows.iter().flat_map(|row| [&row.host, &row.peer]);
    let highest = both.map(top).fold(0.0, f64::max);
    let highest = if highest > 0.0 { highest * 1.15 } else { 1.0 };
    let columns = rows.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..columns, 0.0..highest)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .y_labels(5)
        .y_label_formatter(&|value| three_digits(*value))
        .label_style(("sans-serif", 12))
        .draw()?;
    let centred = |size: u32, place| {
        let font = ("sans-serif", size).into_font().color(&BLACK);
        font.pos(Pos::new(HPos::Center, place))
    };
    for (number, row) in rows.iter().enumerate() {
        let middle = number as f64 + 0.5;
        let sides = [(&row.host, HOST, -0.3), (&row.peer, PEER, 0.02)];
        for (figures, colour, side) in sides {
            let (left, value) = (middle + side, (panel.value)(figures));
            let bar = [(left, 0.0), (left + 0.28, value)];
            chart.draw_series([Rectangle::new(bar, colour.filled())])?;
            let x = left + 0.14;
            if let Some(most) = panel.most {
                let whisker = vec![(x, value), (x, most(figures))];
                chart.draw_series([PathElement::new(whisker, BLACK.stroke_width(1))])?;
            }
            let label = Text::new(
                three_digits(value),
                (x, top(figures)),
                centred(11, VPos::Bottom),
            );
            chart.draw_series([label])?;
        }
        let mut name = format!("{} {}", ui::bytes(row.block_bytes as u64), row.operation);
        if row.path_taken != PathTaken::Direct {
            name += &format!(", {}", row.path_taken);
        }
        let (x, y) = chart.backend_coord(&(middle, 0.0));
        let (left, above) = area.get_base_pixel();
        let name = Text::new(name, (x - left, y - above + 6), centred(12, VPos::Top));
        area.draw(&name)?;
    }
    Ok(())
}
