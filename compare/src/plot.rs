//! The rate-distortion plot: bits a value against PSNR, a panel for each input.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::comparison::{Comparison, Input};
use crate::data::Result;
use crate::tolerant_variants::{FAMILY, names};

const PANEL: (u32, u32) = (520, 380);
const ACROSS: usize = 2;
const FONT: &str = "sans-serif";
/// Of the compressors that take a bound.
const PEERS: &[(&str, RGBColor)] = &[
    ("SZ3", RGBColor(31, 119, 180)),
    ("ZFP", RGBColor(255, 127, 14)),
    ("SPERR", RGBColor(44, 160, 44)),
    ("fpzip", RGBColor(148, 103, 189)),
    ("LC", RGBColor(140, 86, 75)),
    ("TTHRESH", RGBColor(227, 119, 194)),
    ("BitRound", RGBColor(127, 127, 127)),
];
const OURS: &[RGBColor] = &[
    RGBColor(214, 39, 40),
    RGBColor(0, 0, 0),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
    RGBColor(255, 0, 255),
    RGBColor(0, 100, 0),
];

/// A line of one panel.
struct Line {
    name: String,
    color: RGBColor,
    width: u32,
    /// (bit rate, PSNR) by bit rate.
    points: Vec<(f64, f64)>,
}

/// Draws the plot as an SVG.
pub fn draw(comparison: &Comparison, path: &Path) -> Result<()> {
    let down = comparison.inputs.len().div_ceil(ACROSS).max(1);
    let size = (PANEL.0 * ACROSS as u32, PANEL.1 * down as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, input) in root
        .split_evenly((down, ACROSS))
        .iter()
        .zip(&comparison.inputs)
    {
        panel(area, input, &lines(comparison, input)).map_err(|error| error.to_string())?;
    }
    root.present()?;
    Ok(())
}

fn lines(comparison: &Comparison, input: &Input) -> Vec<Line> {
    let points = |family: &str, variant: Option<&str>| {
        let mut points: Vec<(f64, f64)> = input
            .bounds
            .iter()
            .filter_map(|&rel| match variant {
                Some(mode) => comparison.result(&input.name, rel, family, mode),
                None => comparison.best_of(&input.name, rel, family),
            })
            .filter(|m| m.keeps_bound())
            .filter_map(|m| Some((m.bit_rate, m.psnr?)))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let peers = PEERS.iter().map(|&(family, color)| Line {
        name: family.to_string(),
        color,
        width: 1,
        points: points(family, None),
    });
    let ours = names()
        .into_iter()
        .zip(OURS.iter().cycle())
        .map(|(name, &color)| Line {
            name: format!("{FAMILY} {name}"),
            color,
            width: 3,
            points: points(FAMILY, Some(name)),
        });
    peers
        .chain(ours)
        .filter(|line| !line.points.is_empty())
        .collect()
}

fn panel(
    area: &DrawingArea<SVGBackend, Shift>,
    input: &Input,
    lines: &[Line],
) -> std::result::Result<(), Box<dyn Error>> {
    let all = || lines.iter().flat_map(|line| &line.points);
    let extent = |of: fn(&(f64, f64)) -> f64| {
        let values = || all().map(of);
        let least = values().fold(f64::INFINITY, f64::min);
        (least, values().fold(f64::NEG_INFINITY, f64::max))
    };
    if all().next().is_none() {
        return Ok(());
    }
    let (rates, distortions) = (extent(|point| point.0), extent(|point| point.1));
    let mut chart = ChartBuilder::on(area)
        .caption(&input.name, (FONT, 18))
        .margin(10)
        .x_label_area_size(38)
        .y_label_area_size(48)
        .build_cartesian_2d(
            (rates.0 * 0.8..rates.1 * 1.25).log_scale().base(2.0),
            distortions.0 - 3.0..distortions.1 + 3.0,
        )?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("bits a value (log scale)")
        .y_desc("PSNR of range-normalized columns, dB")
        .x_label_formatter(&|rate| rate.to_string())
        .y_label_formatter(&|psnr| format!("{psnr:.0}"))
        .label_style((FONT, 12))
        .draw()?;
    for line in lines {
        let style = line.color.stroke_width(line.width);
        let color = line.color;
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        let dots = line.points.iter();
        chart.draw_series(dots.map(|&point| Circle::new(point, 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 12))
        .draw()?;
    Ok(())
}
