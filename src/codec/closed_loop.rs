//! Quantizing in a closed loop: each value is predicted from what a decoder will know of the values
//! before it, and keeps the prediction where that is within the bound. Source: Di and Cappello,
//! "Fast error-bounded lossy HPC data compression with SZ", IPDPS 2016.

use super::element::Float;
use super::integers::{Quantized, Summary};
use super::quantize::{self, Grid, ROUNDER};
use super::strides::{Strides, strides};
use super::{strides_fit, wide};

/// Points of the fine grid to a cell: as wide as the bound allows.
pub(super) const FINE: i32 = 1 << FINE_LOG;
const FINE_LOG: u32 = 3;

/// What becomes of a prediction.
#[derive(Clone, Copy)]
struct Correction {
    /// It is corrected by multiples of 2^shift points.
    shift: u32,
    /// It stands while it keeps the bound.
    stands: bool,
}

impl Correction {
    const HOLD: Self = Self {
        shift: 0,
        stands: true,
    };
    const NEAREST: Self = Self {
        shift: 0,
        stands: false,
    };
}

/// Quantizes `values` on `grid`, of whose points [`FINE`] lie in a cell.
pub(super) struct Loop<'a, F> {
    grid: Grid,
    inverse_step: f64,
    bound: f64,
    values: &'a [F],
    quantized: Quantized<F, i32>,
}

impl<'a, F: Float> Loop<'a, F> {
    pub(super) fn new(values: &'a [F], bound: f64, grid: Grid) -> Self {
        Self {
            grid,
            inverse_step: 1.0 / grid.step,
            bound,
            values,
            quantized: Quantized {
                quanta: vec![0; values.len()],
                outliers: Vec::new(),
                max_error: 0.0,
                summary: Summary::new(),
            },
        }
    }

    /// The value before stays while it keeps the bound; then the nearest point is next.
    pub(super) fn hold(mut self) -> Quantized<F, i32> {
        wide::run(
            #[inline(always)]
            || {
                let mut before = 0;
                for i in 0..self.values.len() {
                    before = self.take(i, before, Correction::HOLD);
                }
            },
        );
        self.quantized
    }

    /// Runs of one point each, every one as long as the bound allows.
    pub(super) fn runs(mut self) -> Quantized<F, i32> {
        wide::run(
            #[inline(always)]
            || {
                let mut before = 0;
                let mut start = 0;
                while start < self.values.len() {
                    let (end, point) = self.run(start, before);
                    for i in start..end {
                        before = self.take(i, point, Correction::HOLD);
                    }
                    start = end;
                }
            },
        );
        self.quantized
    }

    /// The end of the longest run from `start` on, and its point: of those that will do, the one
    /// nearest to `before`.
    #[inline(always)]
    fn run(&self, start: usize, before: i32) -> (usize, i32) {
        let half = f64::from(FINE / 2);
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        let mut end = start;
        for x in &self.values[start..] {
            let at = x.to_f64() * self.inverse_step;
            // What is not finite is an outlier whatever the point.
            if at.is_finite() {
                let next = (low.max((at - half).ceil()), high.min((at + half).floor()));
                if next.0 > next.1 {
                    break;
                }
                (low, high) = next;
            }
            end += 1;
        }
        let point = f64::from(before).max(low).min(high);
        // The grid fits: see `Follow::of`.
        (end.max(start + 1), point as i32)
    }

    /// Strides from coarse to fine, fitted as they are reached; `shift` tells, by stride, of which
    /// power of two corrections are multiples.
    pub(super) fn strides(mut self, shift: impl Fn(usize) -> u32) -> (Quantized<F, i32>, Strides) {
        let n = self.values.len();
        let mut found = Strides {
            first: 0,
            steps: Vec::new(),
        };
        if n > 0 {
            found.first = self.take(0, 0, Correction::NEAREST);
        }
        for stride in strides(n) {
            let wanted = |i: usize| self.values[i].to_f64() * self.inverse_step;
            let quanta = &self.quantized.quanta;
            let mut step = strides_fit::step(wanted, quanta, stride, f64::from(FINE));
            step.shift = shift(stride).min(FINE_LOG);
            let correction = Correction {
                shift: step.shift,
                stands: step.shift == FINE_LOG,
            };
            wide::run(
                #[inline(always)]
                || {
                    for i in (stride..n).step_by(2 * stride) {
                        let prediction = step.prediction(&self.quantized.quanta, i, stride);
                        self.take(i, prediction, correction);
                    }
                },
            );
            found.steps.push(step);
        }
        self.quantized.outliers.sort_unstable();
        (self.quantized, found)
    }

    /// The distance of `quantum` from `x`, and what it stands for, if that keeps the bound.
    #[inline(always)]
    fn kept(&self, x: F, quantum: i32) -> Option<(f64, F)> {
        let quantum = f64::from(quantum);
        let y = self.grid.reconstruct::<F>(quantum);
        let distance = quantize::distance(x.to_f64(), y.to_f64(), quantum, self.bound);
        (distance < f64::INFINITY).then_some((distance, y))
    }

    /// Quantizes the value at `i`, given its prediction; returns its quantum.
    #[inline(always)]
    fn take(&mut self, i: usize, prediction: i32, correction: Correction) -> i32 {
        let x = self.values[i];
        let mut quantum = prediction;
        let mut found = self.kept(x, quantum);
        let stands = correction.stands && found.is_some();
        if !stands && x.to_f64().is_finite() {
            let unit = f64::from(1 << correction.shift);
            let units = (x.to_f64() * self.inverse_step - f64::from(prediction)) / unit;
            let corrected = f64::from(prediction) + ((units + ROUNDER) - ROUNDER) * unit;
            // The grid fits: see `Follow::of`. Predictions may lie beyond it.
            if corrected.abs() < f64::from(i32::MAX - FINE) {
                quantum = corrected as i32;
                found = self.kept(x, quantum);
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
