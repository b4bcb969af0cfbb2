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

/// The least width of the drawing, and of what belongs to one size and operation: its labels stand
/// beside each other.
const WIDTH: u32 = 860;
const COLUMN: u32 = 112;
const HEAD: u32 = 76;
const PANEL: u32 = 270;

/// The room for the scale, and for names of two lines.
const SCALE: u32 = 56;
const NAMES: u32 = 52;

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
        title: "Latency, microseconds: median in the bar, 99th percentile at the whisker",
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
    let width = WIDTH.max(SCALE + 24 + COLUMN * report.results.len() as u32);
    let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
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

/// The logarithmic scale of a panel. A block of 4 KiB is then seen beside one of 1 MiB.
struct Scale {
    lowest: f64,
    highest: f64,
}

impl Scale {
    /// Makes a scale on which the smallest bar has room for its figure, and the highest whisker for
    /// one above it.
    fn of(figures: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = figures.filter(|figure| *figure > 0.0);
        let least = positive.clone().fold(f64::INFINITY, f64::min);
        if !least.is_finite() {
            return Self {
                lowest: 0.1,
                highest: 10.0,
            };
        }
        let most = positive.fold(0.0, f64::max);
        let span = (most / least).max(2.0);
        Self {
            lowest: least / span.powf(0.25),
            highest: least * span.powf(1.15),
        }
    }

    /// Returns how high a figure stands, from 0 to 1.
    fn height(&self, figure: f64) -> f64 {
        let height = (figure / self.lowest).ln() / (self.highest / self.lowest).ln();
        if figure > 0.0 {
            height.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Returns round figures, not too near to each other.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = match (self.highest / self.lowest).log10() {
            decades if decades < 1.5 => &[1.0, 2.0, 5.0],
            decades if decades < 3.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = self.lowest.log10().floor() as i32..=self.highest.log10().ceil() as i32;
        powers
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .filter(|tick| (self.lowest..=self.highest).contains(tick))
            .collect()
    }
}

/// Writes a round figure without needless digits.
fn round(figure: f64) -> String {
    match figure {
        figure if figure < 1.0 => format!("{figure:.3}").trim_end_matches('0').to_owned(),
        figure => format!("{figure:.0}"),
    }
}

fn bars(area: &Area<'_>, panel: &Panel, rows: &[Measurement]) -> DrawResult {
    let most = panel.most.unwrap_or(panel.value);
    let both = rows.iter().flat_map(|row| [&row.host, &row.peer]);
    let scale = Scale::of(both.flat_map(|figures| [(panel.value)(figures), most(figures)]));
    let columns = rows.len().max(1) as f64;
    let chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 14))
        .margin(8)
        .x_label_area_size(NAMES)
        .y_label_area_size(SCALE)
        .build_cartesian_2d(0.0..columns, 0.0..1.0)?;
    let (left, above) = area.get_base_pixel();
    let at = |x: f64, height: f64| {
        let (x, y) = chart.backend_coord(&(x, height));
        (x - left, y - above)
    };
    let font = |size: u32, colour: &RGBColor, horizontal, vertical| {
        let font = ("sans-serif", size).into_font().color(colour);
        font.pos(Pos::new(horizontal, vertical))
    };
    for tick in scale.ticks() {
        let (x, y) = at(0.0, scale.height(tick));
        let line = vec![(x, y), at(columns, scale.height(tick))];
        area.draw(&PathElement::new(line, BLACK.mix(0.12)))?;
        let style = font(12, &BLACK, HPos::Right, VPos::Center);
        area.draw(&Text::new(round(tick), (x - 6, y), style))?;
    }
    for (number, row) in rows.iter().enumerate() {
        let middle = number as f64 + 0.5;
        let sides = [
            (&row.host, HOST, BLACK, -0.34),
            (&row.peer, PEER, WHITE, 0.02),
        ];
        for (figures, colour, on_it, side) in sides {
            let value = (panel.value)(figures);
            let top = scale.height(value);
            let corners = [at(middle + side, 0.0), at(middle + side + 0.32, top)];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
            let (x, y) = at(middle + side + 0.16, top);
            if panel.most.is_some() {
                let end = at(middle + side + 0.16, scale.height(most(figures)));
                area.draw(&PathElement::new(vec![(x, y), end], BLACK.stroke_width(1)))?;
                let style = font(11, &BLACK, HPos::Center, VPos::Bottom);
                let text = three_digits(most(figures));
                area.draw(&Text::new(text, (end.0, end.1 - 2), style))?;
            }
            // Within the bar, so that nobody takes the figure for that of the whisker.
            let (place, style) = match value > 0.0 {
                true => (y + 3, font(11, &on_it, HPos::Center, VPos::Top)),
                false => (y - 3, font(11, &BLACK, HPos::Center, VPos::Bottom)),
            };
            area.draw(&Text::new(three_digits(value), (x, place), style))?;
        }
        let path = (row.path_taken != PathTaken::Direct).then(|| row.path_taken.to_string());
        let size = ui::bytes(row.block_bytes as u64);
        let lines = [format!("{size} {}", row.operation)]
            .into_iter()
            .chain(path);
        let (x, y) = at(middle, 0.0);
        for (line, text) in lines.enumerate() {
            let style = font(12, &BLACK, HPos::Center, VPos::Top);
            area.draw(&Text::new(text, (x, y + 6 + 18 * line as i32), style))?;
        }
    }
    Ok(())
}
