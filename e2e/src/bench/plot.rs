//! Drawings of what a bad line does: bit rate, pictures a second and latency over time, one above the other.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::bad_line::Course;

const SIZE: (u32, u32) = (960, 840);
/// Seconds that are drawn as one point of the rate of pictures.
const PART: f64 = 0.5;
/// Older pictures and slower clicks are drawn at the upper edge, in ms.
const OLDEST: f64 = 3000.0;

const INK: RGBColor = RGBColor(0x1f, 0x5f, 0xbf);
const CLICKS: RGBColor = RGBColor(0xd0, 0x50, 0x10);
const BAD: RGBColor = RGBColor(0xc0, 0x20, 0x20);

/// Draws it as SVG.
pub(super) fn draw(course: &Course, file: &Path) -> Result<()> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    // The library's errors borrow the drawing.
    let failed = |error: &dyn std::fmt::Display| anyhow!("{error}");
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    let area = area.titled(course.title, ("sans-serif", 20)).map_err(|error| failed(&error))?;
    let panels = area.split_evenly((3, 1));

    let (from, to) = course.span();
    let parts = ((to - from) / PART) as usize;
    let frames: Vec<(f64, f64)> = (0..parts)
        .map(|part| from + part as f64 * PART)
        .map(|begin| (begin + PART / 2.0, course.part(begin, begin + PART).0))
        .collect();
    let most = |points: &[(f64, f64)]| points.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let latest = most(&course.shown).max(most(&course.clicks)).min(OLDEST);

    let line = |points: &[(f64, f64)]| Series { points: points.to_vec(), colour: INK, dots: false };
    let dots = |points: &[(f64, f64)], colour| Series { points: points.to_vec(), colour, dots: true };
    let drawn = [
        ("kbit/s", most(&course.rates), vec![line(&course.rates)]),
        ("pictures a second", most(&frames).max(30.0), vec![line(&frames)]),
        (
            "ms: age when shown, click to photon (orange)",
            latest,
            vec![dots(&course.shown, INK), dots(&course.clicks, CLICKS)],
        ),
    ];
    for (panel, (words, highest, series)) in panels.iter().zip(drawn) {
        self::panel(panel, (from, to), course.lasts, words, highest * 1.05, &series)
            .map_err(|error| failed(&error))?;
    }
    area.present().map_err(|error| failed(&error))
}

struct Series {
    points: Vec<(f64, f64)>,
    colour: RGBColor,
    dots: bool,
}

type Drawing<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Fault = DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;

fn panel(
    area: &Drawing<'_>,
    (from, to): (f64, f64),
    lasts: f64,
    words: &str,
    highest: f64,
    series: &[Series],
) -> Result<(), Fault> {
    let mut chart: ChartContext<'_, SVGBackend<'_>, Cartesian2d<RangedCoordf64, RangedCoordf64>> =
        ChartBuilder::on(area)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(34)
            .y_label_area_size(70)
            .build_cartesian_2d(from..to, 0.0..highest)?;
    let bad = Rectangle::new([(0.0, 0.0), (lasts, highest)], BAD.mix(0.08).filled());
    chart.draw_series(std::iter::once(bad))?;
    chart
        .configure_mesh()
        .x_desc("seconds after the line went bad")
        .y_desc(words)
        .x_label_formatter(&|at| format!("{at:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .light_line_style(BLACK.mix(0.04))
        .draw()?;
    for Series { points, colour, dots } in series {
        let points = points.iter().map(|(at, value)| (*at, value.min(highest)));
        if *dots {
            chart.draw_series(points.map(|point| Circle::new(point, 2, colour.mix(0.6).filled())))?;
        } else {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
    }
    Ok(())
}
