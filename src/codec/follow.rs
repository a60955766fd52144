//! Series quantized as they are predicted: a value that lies within the bound of its prediction
//! takes the prediction, whatever the nearest point of a grid would be. Where a series is smooth,
//! or moves little against the bound, nearly all do, and cost next to nothing.
//!
//! Points are those of a grid several times finer than the bound asks for, so that a decoder needs
//! to know nothing of this. Source of the closed loop: Di and Cappello, "Fast error-bounded lossy
//! HPC data compression with SZ", IPDPS 2016.

use super::context::Context;
use super::effort::Effort;
use super::element::Float;
use super::estimate::{Cost, Sample};
use super::integers::{Quantized, Summary};
use super::interpolation;
use super::payload::PayloadKind;
use super::quantize::{self, Grid};
use super::select::{Plan, previous_shift};
use super::transform::Transform;
use super::{Block, CodecError};

/// How a series is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Predictor {
    /// The value before stays while it keeps the bound.
    Hold,
    /// As [`interpolation`] predicts. Values at multiples of this stride are taken to the nearest
    /// fine point, so that those between are predicted well; those are corrected by whole cells.
    Interpolation(usize),
}

/// What is tried.
const PREDICTORS: [Predictor; 5] = [
    Predictor::Hold,
    Predictor::Interpolation(usize::MAX),
    Predictor::Interpolation(4),
    Predictor::Interpolation(16),
    Predictor::Interpolation(64),
];

/// A way to follow a series, found by [`Follow::of`].
#[derive(Debug, Clone, Copy)]
pub struct Follow {
    predictor: Predictor,
    grid: Grid,
}

/// Points of the fine grid to a cell.
const FINE: i32 = 8;
/// Values looked at.
const SAMPLE: usize = 16_384;
/// What following must take, of what the nearest points of the grid take: these can be predicted
/// from other columns.
const WORTH: f32 = 0.8;

impl Follow {
    /// How to follow `values`, all of one row group, within `bound`, if that codes smaller than the
    /// nearest points of `grid`.
    pub fn of<F: Float>(values: &[F], bound: f64, grid: Grid) -> Option<Self> {
        let start = values.len().saturating_sub(SAMPLE) / 2;
        let sample = &values[start..values.len().min(start + SAMPLE)];
        let fine = Grid::at_zero(grid.step / f64::from(FINE));
        // A subnormal step would lose bits when it is stored.
        let stored = quantize::step_from_bytes(quantize::step_to_bytes(fine.step));
        if sample.len() < 256
            || stored != fine.step
            || !(1.0 / fine.step).is_finite()
            || !fine.fits_32(values)
        {
            return None;
        }
        let mut cost = Cost::default();
        let nearest = super::integers::quantize_all::<F, i32>(sample, bound, grid).quanta;
        let alone = Plan::alone(Some(&nearest), Effort::Balanced);
        if !alone.is_ordered() {
            return None;
        }
        let mut best = (WORTH * bits(&nearest, &alone, &mut cost), None);
        for predictor in PREDICTORS {
            let follow = Self {
                predictor,
                grid: fine,
            };
            let integers = follow.quantize(sample, bound).quanta;
            let bits = bits(&integers, &follow.plan(), &mut cost);
            if bits < best.0 {
                best = (bits, Some(follow));
            }
        }
        best.1
    }

    /// The plan to code followed integers by.
    pub fn plan(self) -> Plan {
        Plan {
            references: Vec::new(),
            transform: self.transform(),
            context: match self.predictor {
                Predictor::Hold => Context {
                    buckets: Vec::new(),
                    previous: Some(0),
                },
                Predictor::Interpolation(_) => Context::default(),
            },
        }
    }

    fn transform(self) -> Transform {
        match self.predictor {
            Predictor::Hold => Transform::Delta(1),
            Predictor::Interpolation(_) => Transform::Interpolation,
        }
    }

    fn quantize<F: Float>(self, values: &[F], bound: f64) -> Quantized<F, i32> {
        let mut loop_ = Loop {
            follow: self,
            bound,
            values,
            quantized: Quantized {
                quanta: vec![0; values.len()],
                outliers: Vec::new(),
                max_error: 0.0,
                summary: Summary::new(),
            },
        };
        match self.predictor {
            Predictor::Hold => {
                let mut before = 0;
                for i in 0..values.len() {
                    before = loop_.take(i, before, Correction::Hold);
                }
            }
            Predictor::Interpolation(nearest_from) => {
                if !values.is_empty() {
                    loop_.take(0, 0, Correction::Nearest);
                }
                let mut stride = values.len().max(1).next_power_of_two();
                while stride > 0 {
                    let correction = if stride >= nearest_from {
                        Correction::Nearest
                    } else {
                        Correction::Cells
                    };
                    for i in (stride..values.len()).step_by(2 * stride) {
                        let prediction =
                            interpolation::prediction(&loop_.quantized.quanta, i, stride);
                        loop_.take(i, prediction, correction);
                    }
                    stride /= 2;
                }
                loop_.quantized.outliers.sort_unstable();
            }
        }
        loop_.quantized
    }
}

impl Block {
    /// As [`lossy`](Self::lossy), following a series as `follow` says.
    ///
    /// # Errors
    /// As [`lossy`](Self::lossy).
    pub fn followed<F: Float>(
        values: &[F],
        bound: f64,
        follow: Follow,
    ) -> Result<Self, CodecError> {
        super::encode::check_length(values.len())?;
        let quantized = follow.quantize(values, bound);
        let mut head = quantize::step_to_bytes(follow.grid.step).to_vec();
        head.push(follow.grid.phase);
        Ok(Self::of_32(PayloadKind::Grid32, head, values, quantized))
    }
}

/// What becomes of a prediction.
#[derive(Clone, Copy, PartialEq)]
enum Correction {
    /// It stands while it keeps the bound; else the nearest point.
    Hold,
    /// It stands while it keeps the bound; else so many whole cells beside it.
    Cells,
    /// The nearest point always.
    Nearest,
}

struct Loop<'a, F> {
    follow: Follow,
    bound: f64,
    values: &'a [F],
    quantized: Quantized<F, i32>,
}

impl<F: Float> Loop<'_, F> {
    /// Quantizes the value at `i`, given its prediction; returns its quantum.
    fn take(&mut self, i: usize, prediction: i32, correction: Correction) -> i32 {
        let grid = self.follow.grid;
        let x = self.values[i];
        let fits = |quantum: i32| -> Option<(f64, F)> {
            let y = grid.reconstruct::<F>(f64::from(quantum));
            let (x, y64) = (x.to_f64(), y.to_f64());
            let distance = quantize::distance(x, y64, f64::from(quantum), self.bound);
            (distance < f64::INFINITY).then_some((distance, y))
        };
        let mut quantum = prediction;
        let mut found = fits(quantum);
        let wanted = found.is_none() || correction == Correction::Nearest;
        if wanted && x.to_f64().is_finite() {
            let at = x.to_f64() / grid.step;
            let corrected = if correction == Correction::Cells {
                let cells = ((at - f64::from(prediction)) / f64::from(FINE)).round();
                f64::from(prediction) + cells * f64::from(FINE)
            } else {
                at.round()
            };
            // The grid fits: see `Follow::of`. Predictions may lie beyond it.
            if corrected.abs() < f64::from(i32::MAX - FINE) {
                quantum = corrected as i32;
                found = fits(quantum);
            }
        }
        match found {
            Some((distance, y)) => {
                let quantized = &mut self.quantized;
                quantized.max_error = quantized.max_error.max(distance);
                quantized.summary.add(y);
            }
            None => {
                quantum = prediction;
                self.quantized.outliers.push(i as u32);
                self.quantized.summary.add(x);
            }
        }
        self.quantized.quanta[i] = quantum;
        quantum
    }
}

/// Bits of a sample's integers by `plan`.
fn bits(integers: &[i32], plan: &Plan, cost: &mut Cost) -> f32 {
    let symbols = Sample::of(&[integers], integers.len()).symbols(&plan.transform, &[]);
    let mut context = plan.context.clone();
    if context.previous.is_some() {
        context.previous = Some(previous_shift(symbols.size));
    }
    cost.of(&symbols, &context, &[])
}
