//! Series quantized as they are predicted: a value that lies within the bound of its prediction
//! takes the prediction, whatever the nearest point of a grid would be. Where a series is smooth,
//! or moves little against the bound, nearly all do, and cost next to nothing.
//!
//! Points are those of a grid several times finer than the bound asks for, so that a decoder needs
//! to know nothing of this.

use std::ops::Range;

use super::closed_loop::{FINE, Loop};
use super::context::Context;
use super::effort::Effort;
use super::element::Float;
use super::estimate::Cost;
use super::integers::Quantized;
use super::payload::PayloadKind;
use super::quantize::{self, Grid};
use super::select::Plan;
use super::transform::Transform;
use super::{Block, CodecError, coding};

/// How a series is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Predictor {
    /// The value before stays while it keeps the bound.
    Hold,
    /// Runs of equal values, as long as the bound allows.
    Runs,
    /// By [`strides`](super::strides). Below this stride corrections are whole cells; from it on
    /// they are finer, so that what lies between is predicted well.
    Strides(usize),
}

/// What is tried first.
const FIRST: [Predictor; 2] = [Predictor::Runs, Predictor::Strides(usize::MAX)];
/// What is tried where the one that is like it is good.
const LIKE_RUNS: &[Predictor] = &[Predictor::Hold];
const LIKE_STRIDES: &[Predictor] = &[
    Predictor::Strides(16),
    Predictor::Strides(64),
    Predictor::Strides(128),
    Predictor::Strides(256),
];

/// A way to follow a series, found by [`Follow::of`].
#[derive(Debug, Clone, Copy)]
pub struct Follow {
    predictor: Predictor,
    grid: Grid,
}

/// Where those tried first take so many times what the nearest points do, the others are not good
/// enough either.
const FIRST_WORTH: f32 = 1.1;
/// Nor are those that are like the one of the two that takes so many times what the other does.
const LIKE_WORTH: f32 = 1.3;
/// What is tried on all that is looked at takes so much of what the nearest points do, at first.
const PART_WORTH: f32 = 0.9;
/// How many of the best are tried on all that is looked at, if they are so close.
const FINALISTS: usize = 2;
const CLOSE_WORTH: f32 = 1.1;

/// Runs of values looked at, spread over all, and their length, at first and later.
const RUNS: usize = 4;
const GLANCE: usize = 512;
const RUN: usize = 8192;
const LEAST_VALUES: usize = 256;
/// What following must take, of what the nearest points of the grid take: these can be predicted
/// from other columns.
const WORTH: f32 = 0.8;

impl Follow {
    /// How to follow `values`, all of one row group, within `bound`, if that codes smaller than the
    /// nearest points of `grid`.
    pub fn of<F: Float>(values: &[F], bound: f64, grid: Grid) -> Option<Self> {
        let fine = fine(values, grid)?;
        let runs = runs(values, RUN);
        // Most columns are no series, which little of them tells.
        let glance = self::runs(values, GLANCE);
        if glance.len() > 1 && !nearest(&glance, bound, grid, Effort::Fast).1.is_ordered() {
            return None;
        }
        let (nearest, alone) = nearest(&runs, bound, grid, Effort::Balanced);
        if !alone.is_ordered() {
            return None;
        }
        let mut cost = Cost::default();
        let nearest: Vec<f32> = nearest
            .iter()
            .map(|run| coding::estimated_bits(run, &alone, &mut cost))
            .collect();
        let mut bits = |predictor: Predictor, among: Range<usize>| -> f32 {
            let follow = Self {
                predictor,
                grid: fine,
            };
            let bits = runs[among].iter().map(|run| {
                let (quantized, plan) = follow.quantize(run, bound);
                coding::estimated_bits(&quantized.quanta, &plan, &mut cost)
            });
            bits.sum()
        };
        let first = runs.len().div_ceil(4);
        let ranked = ranked(
            |predictor| bits(predictor, 0..first),
            nearest[..first].iter().sum(),
        );
        let enough = CLOSE_WORTH * ranked.first()?.0;
        let (followed, predictor) = ranked
            .into_iter()
            .take(FINALISTS)
            .filter(|(least, _)| *least <= enough)
            .map(|(least, predictor)| (least + bits(predictor, first..runs.len()), predictor))
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        (followed < WORTH * nearest.iter().sum::<f32>()).then_some(Self {
            predictor,
            grid: fine,
        })
    }

    /// The integers of a block, and the plan to code them by.
    fn quantize<F: Float>(self, values: &[F], bound: f64) -> (Quantized<F, i32>, Plan) {
        let series = Loop::new(values, bound, self.grid);
        let (quantized, transform) = match self.predictor {
            Predictor::Hold => (series.hold(), Transform::Delta(1)),
            Predictor::Runs => (series.runs(), Transform::Delta(1)),
            Predictor::Strides(finer_from) => {
                let (quantized, strides) = series.strides(|stride| match stride / finer_from {
                    0 => 3,
                    1 => 2,
                    2 => 1,
                    _ => 0,
                });
                (quantized, Transform::Strides(strides))
            }
        };
        let previous = match transform {
            Transform::Strides(_) => None,
            _ => Some(0),
        };
        let plan = Plan {
            references: Vec::new(),
            transform,
            context: Context {
                buckets: Vec::new(),
                previous,
            },
        };
        (quantized, plan)
    }
}

/// What is worth trying on all that is looked at, the best first, by the `bits` that it takes of a
/// part, of which the nearest points take `nearest`.
fn ranked(mut bits: impl FnMut(Predictor) -> f32, nearest: f32) -> Vec<(f32, Predictor)> {
    let mut ranked: Vec<(f32, Predictor)> = FIRST
        .into_iter()
        .map(|predictor| (bits(predictor), predictor))
        .collect();
    let (by_runs, by_strides) = (ranked[0].0, ranked[1].0);
    if by_runs.min(by_strides) > FIRST_WORTH * nearest {
        return Vec::new();
    }
    let mut consider = |predictors: &[Predictor]| {
        ranked.extend(predictors.iter().map(|one| (bits(*one), *one)));
    };
    if by_runs <= LIKE_WORTH * by_strides {
        consider(LIKE_RUNS);
    }
    if by_strides <= LIKE_WORTH * by_runs {
        consider(LIKE_STRIDES);
    }
    ranked.retain(|(bits, _)| *bits <= PART_WORTH * nearest);
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked
}

/// The nearest points of runs, and the plan that codes them best.
fn nearest<F: Float>(
    runs: &[&[F]],
    bound: f64,
    grid: Grid,
    effort: Effort,
) -> (Vec<Vec<i32>>, Plan) {
    let nearest: Vec<Vec<i32>> = runs
        .iter()
        .map(|run| super::integers::quantize_all::<F, i32>(run, bound, grid).quanta)
        .collect();
    let plan = Plan::alone(Some(&nearest.concat()), effort);
    (nearest, plan)
}

/// The finer grid, if `values` are enough for a series and lie on it.
fn fine<F: Float>(values: &[F], grid: Grid) -> Option<Grid> {
    let fine = Grid::at_zero(grid.step / f64::from(FINE));
    // A subnormal step would lose bits when it is stored.
    let stored = quantize::step_from_bytes(quantize::step_to_bytes(fine.step));
    let fits = stored == fine.step && (1.0 / fine.step).is_finite() && fine.fits_32(values);
    (fits && values.len() >= LEAST_VALUES).then_some(fine)
}

/// All ways to follow `values`.
#[cfg(test)]
pub(super) fn all<F: Float>(values: &[F], grid: Grid) -> Vec<Follow> {
    let follow = |predictor, grid| Follow { predictor, grid };
    let grid = fine(values, grid);
    grid.map_or_else(Vec::new, |grid| {
        let predictors = FIRST.iter().chain(LIKE_RUNS).chain(LIKE_STRIDES);
        predictors.map(|one| follow(*one, grid)).collect()
    })
}

/// Runs of `length` of the values, or all of them where they are few.
fn runs<F>(values: &[F], length: usize) -> Vec<&[F]> {
    if values.len() <= RUNS * length {
        return vec![values];
    }
    (0..RUNS)
        .map(|i| {
            let start = (values.len() - length) * i / (RUNS - 1);
            &values[start..start + length]
        })
        .collect()
}

impl Block {
    /// As [`lossy`](Self::lossy), following a series as `follow` says. The block is coded as that
    /// asks for, whatever the plan.
    ///
    /// # Errors
    /// As [`lossy`](Self::lossy).
    pub fn followed<F: Float>(
        values: &[F],
        bound: f64,
        follow: Follow,
    ) -> Result<Self, CodecError> {
        super::encode::check_length(values.len())?;
        let (quantized, plan) = follow.quantize(values, bound);
        let mut head = quantize::step_to_bytes(follow.grid.step).to_vec();
        head.push(follow.grid.phase);
        Ok(Self::of_32(
            PayloadKind::Grid32,
            head,
            values,
            quantized,
            Some(plan),
        ))
    }
}
