//! The plots, as SVG.

use std::collections::BTreeMap;
use std::fmt::Display;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::super::candidate::{TUNED, UNIFORM};
use super::super::error::{Result, TuneError};
use super::super::method::Family;
use super::html::figure;
use super::{Report, Tried};

const SIZE: (u32, u32) = (960, 480);
/// Losses that are shown, in times of the loss asked for.
const SHOWN: f64 = 6.0;
const FONT: &str = "sans-serif";

/// A place to draw.
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Quality against ratio, of everything that was tried: the baseline's band, the frontier, and what was
/// chosen.
pub(super) fn pareto(report: &Report) -> Result<String> {
    drawn(|area| {
        let base = &report.validation;
        let sign = if base.lower_is_better { 1.0 } else { -1.0 };
        let score = |loss: f64| base.mean + sign * loss * base.mean.abs();
        let most = shown_loss(report);
        let points: Vec<(&Tried, f64, f64)> = report
            .tried
            .iter()
            .filter_map(|tried| Some((tried, tried.ratio?, tried.loss?.mean)))
            .filter(|(.., loss)| *loss <= most)
            .collect();
        let [low, high] = ends(
            points.iter().map(|point| score(point.2)),
            [score(most), score(-most / 8.0)],
        );
        let ratios = ratio_range(report);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d((ratios[0]..ratios[1]).log_scale(), low..high)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(232, 232, 232))
            .x_desc("ratio (log scale)")
            .y_desc(report.metric.as_str())
            .x_label_formatter(&|x| {
                figure(*x)
                    .trim_end_matches('0')
                    .trim_end_matches('.')
                    .to_owned()
            })
            .y_label_formatter(&|y| figure(*y))
            .label_style((FONT, 13))
            .draw()
            .map_err(failed)?;
        let band = [
            (ratios[0], base.mean - base.spread),
            (ratios[1], base.mean + base.spread),
        ];
        chart
            .draw_series([Rectangle::new(
                band,
                RGBColor(90, 160, 90).mix(0.25).filled(),
            )])
            .map_err(failed)?;
        let level = |y: f64| vec![(ratios[0], y), (ratios[1], y)];
        let green = RGBColor(90, 160, 90);
        chart
            .draw_series(LineSeries::new(level(base.mean), green))
            .map_err(failed)?;
        let asked = level(score(report.max_loss)).into_iter();
        chart
            .draw_series(DashedLineSeries::new(
                asked,
                6,
                4,
                RGBColor(190, 60, 60).into(),
            ))
            .map_err(failed)?;
        for (name, colour, of) in kinds() {
            let own: Vec<(f64, f64)> = points
                .iter()
                .filter(|point| of(point.0))
                .map(|point| (point.1, score(point.2)))
                .collect();
            if own.is_empty() {
                continue;
            }
            chart
                .draw_series(
                    own.into_iter()
                        .map(|at| Circle::new(at, 3, colour.mix(0.7).filled())),
                )
                .map_err(failed)?
                .label(name)
                .legend(move |at| Circle::new(at, 4, colour.filled()));
        }
        let frontier = report.frontier.iter();
        let line = frontier
            .filter(|point| point.validation.mean <= most)
            .map(|point| (point.ratio, score(point.validation.mean)));
        chart
            .draw_series(LineSeries::new(line, BLACK.stroke_width(1)))
            .map_err(failed)?
            .label("frontier")
            .legend(|(x, y)| PathElement::new([(x - 6, y), (x + 6, y)], BLACK));
        if let Some(chosen) = &report.chosen {
            let at = (chosen.point.ratio, score(chosen.point.validation.mean));
            chart
                .draw_series([TriangleMarker::new(at, 9, BLACK.filled())])
                .map_err(failed)?
                .label("chosen")
                .legend(|at| TriangleMarker::new(at, 6, BLACK.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FONT, 13))
            .draw()
            .map_err(failed)
    })
}

/// Loss against ratio, a line for each method.
pub(super) fn rate_distortion(report: &Report) -> Result<String> {
    drawn(|area| {
        let most = shown_loss(report) * 100.0;
        let mut lines: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
        for tried in &report.tried {
            let (Some(ratio), Some(loss)) = (tried.ratio, tried.loss) else {
                continue;
            };
            if tried.setting.method != TUNED && tried.setting.family != Family::None {
                let line = lines.entry(&tried.setting.method).or_default();
                line.push((ratio, loss.mean * 100.0));
            }
        }
        let tuned = report
            .frontier
            .iter()
            .filter(|point| point.setting.method == TUNED);
        let tuned: Vec<_> = tuned
            .map(|p| (p.ratio, p.validation.mean * 100.0))
            .collect();
        if !tuned.is_empty() {
            lines.insert(TUNED, tuned);
        }
        let losses = lines
            .values()
            .flatten()
            .map(|point| point.1)
            .filter(|loss| *loss <= most);
        let [low, high] = ends(losses, [-most / 8.0, most]);
        let ratios = ratio_range(report);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .margin_right(185)
            .build_cartesian_2d((ratios[0]..ratios[1]).log_scale(), low..high)
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(232, 232, 232))
            .x_desc("ratio (log scale)")
            .y_desc("loss in %")
            .x_label_formatter(&|x| {
                figure(*x)
                    .trim_end_matches('0')
                    .trim_end_matches('.')
                    .to_owned()
            })
            .label_style((FONT, 13))
            .draw()
            .map_err(failed)?;
        let asked = [ratios[0], ratios[1]].map(|x| (x, report.max_loss * 100.0));
        chart
            .draw_series(DashedLineSeries::new(
                asked,
                6,
                4,
                RGBColor(190, 60, 60).into(),
            ))
            .map_err(failed)?;
        let many = lines.len();
        for (i, (method, mut line)) in lines.into_iter().enumerate() {
            line.sort_by(|a, b| a.0.total_cmp(&b.0));
            line.retain(|point| point.1 <= most);
            let colour = HSLColor(i as f64 / many as f64, 0.65, 0.42);
            let points = line.clone().into_iter();
            chart
                .draw_series(points.map(|at| Circle::new(at, 2, colour.filled())))
                .map_err(failed)?;
            chart
                .draw_series(LineSeries::new(line, colour))
                .map_err(failed)?
                .label(method)
                .legend(move |at| Circle::new(at, 3, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::Coordinate(SIZE.0 as i32 - 265, 4))
            .label_font((FONT, 11))
            .draw()
            .map_err(failed)
    })
}

/// A name, a colour, and which points are of the kind.
type Kind = (&'static str, RGBColor, fn(&Tried) -> bool);

/// What points are of, and how they look.
fn kinds() -> [Kind; 6] {
    fn own(tried: &Tried) -> bool {
        [TUNED, UNIFORM].contains(&tried.setting.method.as_str())
    }
    [
        ("lossless", RGBColor(120, 120, 120), |t| {
            t.setting.family == Family::Lossless
        }),
        ("sampling", RGBColor(214, 160, 30), |t| {
            t.setting.family == Family::Sampling
        }),
        ("reduced precision", RGBColor(150, 80, 160), |t| {
            t.setting.family == Family::ReducedPrecision
        }),
        ("error-bounded", RGBColor(200, 90, 60), |t| {
            t.setting.family == Family::ErrorBounded && !own(t)
        }),
        ("one bound, tuned", RGBColor(70, 150, 190), |t| {
            t.setting.method == UNIFORM
        }),
        ("bounds by column", RGBColor(30, 70, 140), |t| {
            t.setting.method == TUNED
        }),
    ]
}

/// The largest loss that plots show.
fn shown_loss(report: &Report) -> f64 {
    let noise = report.validation.relative_spread();
    (report.max_loss * SHOWN).max(if noise.is_finite() { 3.0 * noise } else { 0.0 })
}

/// All ratios, with some room.
fn ratio_range(report: &Report) -> [f64; 2] {
    let ratios = report.tried.iter().filter_map(|tried| tried.ratio);
    let [low, high] = ends(ratios, [0.9, 2.0]);
    [(low * 0.95).max(1e-3), high * 1.1]
}

/// From the least of these to the largest.
fn ends(values: impl Iterator<Item = f64>, always: [f64; 2]) -> [f64; 2] {
    let all = values.filter(|x| x.is_finite()).chain(always);
    all.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| {
        [low.min(x), high.max(x)]
    })
}

fn drawn(draw: impl FnOnce(&Area) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        draw(&area)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn failed(error: impl Display) -> TuneError {
    TuneError::BadFile(format!("a plot of the report cannot be drawn: {error}"))
}
