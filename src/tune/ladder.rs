//! The bounds that the search chooses from: for each column a ladder, from exact to constant.
//!
//! Rungs are half octaves of the column's *spread*, the range between its 0.5th and 99.5th percentile, which
//! a few outliers do not stretch: so the same rung asks for about the same of every column. Above half
//! the spread come the tails, in octaves, and last a bound that makes the column constant, which is what
//! dropping it comes to. Bounds are absolute, of three digits: what was tried is what is applied, whatever
//! the range of the data that it is applied to.

use arrow::array::RecordBatch;

use crate::codec::Percentile;
use crate::file::{finite_quantiles, finite_range};

/// The rung at which a bound is half the spread.
pub(super) const SPREAD_RUNG: u8 = 30;
/// The percentiles between which the spread lies, in millionths of a percent.
const PERCENTILES: [u32; 2] = [500_000, 99_500_000];

/// The ladder of one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ladder {
    /// The position of the column.
    pub column: usize,
    /// From 0, which is exact, upwards.
    pub bounds: Vec<f64>,
    /// Largest less smallest value.
    pub range: f64,
}

impl Ladder {
    /// The ladder of the float column at position `column`.
    pub(super) fn of(table: &RecordBatch, column: usize) -> Self {
        let array = table.column(column);
        let all = finite_range(array);
        let range = if all.is_empty() {
            0.0
        } else {
            (all.max / 2.0 - all.min / 2.0) * 2.0
        };
        let mut bounds = vec![0.0];
        if !(range > 0.0 && range.is_finite()) {
            return Self {
                column,
                bounds,
                range,
            };
        }
        let [low, high] = PERCENTILES.map(Percentile::from_millionths);
        let spread = low
            .zip(high)
            .map(|(low, high)| finite_quantiles(array, low, high))
            .map(|quantiles| quantiles.max - quantiles.min)
            .filter(|spread| *spread > 0.0 && spread.is_finite())
            .unwrap_or(range);
        let half_octaves = (1..=SPREAD_RUNG).map(|rung| {
            let below = f64::from(SPREAD_RUNG - rung) / 2.0;
            spread / 2.0 * (-below).exp2()
        });
        bounds.extend(half_octaves.map(rounded));
        let mut tail = spread;
        while tail < range / 2.0 {
            bounds.push(rounded(tail));
            tail *= 4.0;
        }
        bounds.push(rounded(range * 1.01));
        // Of subnormal spreads the lowest rungs are 0.
        bounds.dedup();
        Self {
            column,
            bounds,
            range,
        }
    }

    /// The rung at which the column is constant.
    pub(super) fn top(&self) -> u8 {
        // Ladders have fewer than a hundred rungs but for columns of some sixty powers of ten.
        (self.bounds.len() - 1).min(usize::from(u8::MAX)) as u8
    }

    /// The bound at a rung, or at the top if there is none so high.
    pub(super) fn bound(&self, rung: u8) -> f64 {
        self.bounds[usize::from(rung.min(self.top()))]
    }

    /// The rung of one bound for all columns: a column is not made constant by it.
    pub(super) fn shared(&self, rung: u8) -> u8 {
        rung.min(SPREAD_RUNG).min(self.top())
    }
}

/// A number of three digits, which reads well in a configuration.
fn rounded(x: f64) -> f64 {
    format!("{x:.2e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array};

    use super::*;

    fn ladder(values: Vec<f32>) -> Ladder {
        let x: ArrayRef = Arc::new(Float32Array::from(values));
        Ladder::of(&RecordBatch::try_from_iter([("x", x)]).unwrap(), 0)
    }

    #[test]
    fn rungs_ascend_from_exact_to_constant() {
        let ladder = ladder((0..1000).map(|i| i as f32).collect());
        assert_eq!(ladder.bound(0), 0.0);
        assert!(ladder.bounds.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ladder.bound(ladder.top()) >= 999.0);
        assert_eq!(ladder.bound(SPREAD_RUNG), 495.0);
        assert_eq!(ladder.bound(u8::MAX), ladder.bound(ladder.top()));
    }

    #[test]
    fn outliers_have_rungs_of_their_own() {
        let mut values: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        values[0] = 1e30;
        let ladder = ladder(values);
        assert!(ladder.bound(SPREAD_RUNG) < 1000.0);
        assert!(ladder.bound(ladder.top()) > 1e30);
    }

    #[test]
    fn what_does_not_vary_is_exact() {
        assert_eq!(ladder(vec![2.0; 5]).top(), 0);
        assert_eq!(ladder(vec![f32::NAN]).top(), 0);
        assert_eq!(ladder(vec![]).top(), 0);
    }
}
