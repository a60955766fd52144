//! Squared errors of a block, for bounds on their mean; sums are rounded up.

use super::element::Float;
use super::quantize::{self, Grid};

/// The largest root mean square error that is allowed.
#[derive(Debug, Clone, Copy)]
pub struct RmseTarget {
    rmse: f64,
    /// Brings errors near the target to a magnitude where squares neither overflow nor underflow.
    scale: f64,
}

/// The sum of the squared errors of some values, in units of a target, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Squares {
    /// Not below the exact sum; infinite where it overflows.
    sum: f64,
    n: u64,
}

impl RmseTarget {
    /// A target in the values' own unit, positive and finite.
    pub fn new(rmse: f64) -> Self {
        // The largest and smallest powers of two, of which the inverse is one too.
        let exponent = ((rmse.to_bits() >> 52) as i32 - 1023).clamp(-1000, 1000);
        Self {
            rmse,
            scale: quantize::power_of_two(-exponent),
        }
    }

    /// The target itself.
    pub fn rmse(&self) -> f64 {
        self.rmse
    }

    /// The squared errors of the finite ones among `values`, of which `decoded` are the
    /// reconstructions.
    pub fn measure<F: Float>(&self, values: &[F], decoded: &[F]) -> Squares {
        let errors = values.iter().zip(decoded);
        self.sum(errors.map(|(x, y)| (x.to_f64(), x.to_f64() - y.to_f64())))
    }

    /// What [`measure`](Self::measure) is to be expected of values that are quantized with the
    /// absolute bound `bound`.
    pub fn estimate<F: Float>(&self, values: &[F], bound: f64) -> Squares {
        let grid = Grid::of(values, bound).unwrap_or(Grid::at_zero(0.0));
        let inverse_step = if grid.step > 0.0 {
            1.0 / grid.step
        } else {
            0.0
        };
        self.sum(values.iter().map(|x| {
            let x = x.to_f64();
            let (quantum, _) = grid.quantum(x, inverse_step);
            let y = grid.reconstruct::<F>(quantum).to_f64();
            let distance = quantize::distance(x, y, quantum, bound);
            // Outliers are stored as they are.
            (
                x,
                if distance < f64::INFINITY {
                    distance
                } else {
                    0.0
                },
            )
        }))
    }

    /// Sums the squares of errors, each given with its value.
    fn sum(&self, errors: impl Iterator<Item = (f64, f64)>) -> Squares {
        let (mut sum, mut n) = (0.0, 0u64);
        for (x, error) in errors {
            let finite = x.abs() < f64::INFINITY;
            let scaled = if finite { error * self.scale } else { 0.0 };
            sum += scaled * scaled;
            n += u64::from(finite);
        }
        // Each of less than 2^21 terms and sums is wrong by 2^-52 of itself, or by less than the
        // smallest normal number where it is subnormal.
        let sum = sum * (1.0 + 2f64.powi(-30)) + n as f64 * f64::MIN_POSITIVE;
        Squares { sum, n }
    }

    /// The mean square error over the one allowed, not below the exact quotient: the target is kept
    /// where it is at most 1. 0 where there is no value.
    pub fn load(&self, squares: Squares) -> f64 {
        let target = self.rmse * self.scale;
        // Four roundings.
        let allowed = squares.n as f64 * (target * target) * (1.0 - 2f64.powi(-50));
        if squares.n == 0 {
            0.0
        } else {
            squares.sum / allowed * (1.0 + 2f64.powi(-50))
        }
    }
}

impl Squares {
    /// Of both parts together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            sum: (self.sum + other.sum) * (1.0 + f64::EPSILON),
            n: self.n + other.n,
        }
    }
}
