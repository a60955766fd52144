//! What a bound on more than single values is judged by: gathered value by value.

use crate::ErrorBound;
use crate::codec::Percentile;
use crate::tools::exact::{Class, Distance, ExactFloat};
use crate::tools::exact_psnr::SquareSum;

/// What has been seen of a column, as far as its bound needs it.
pub(super) enum Gathered {
    /// Single values are all that matters.
    Nothing,
    /// Of the errors of finite values.
    Squares(SquareSum),
    /// The finite values of the original, by row group of the packed file.
    Values(Vec<Vec<f64>>),
}

impl Gathered {
    pub(super) fn new(bound: Option<ErrorBound>, row_groups: usize) -> Self {
        match bound {
            Some(ErrorBound::Psnr(_)) => Self::Squares(SquareSum::default()),
            Some(ErrorBound::RobustRel { .. }) => Self::Values(vec![Vec::new(); row_groups]),
            _ => Self::Nothing,
        }
    }

    /// Adds a value of the original, with what became of it unless that is null.
    #[inline]
    pub(super) fn add<F: ExactFloat>(
        &mut self,
        row_group: usize,
        x: F,
        y: Option<F>,
        to_f64: fn(F) -> f64,
    ) {
        let Class::Finite(original) = x.class() else {
            return;
        };
        match self {
            Self::Nothing => {}
            Self::Values(values) => values[row_group].push(to_f64(x)),
            Self::Squares(squares) => {
                // What is no number any more is a violation by itself.
                if let Some(Class::Finite(stored)) = y.map(F::class) {
                    squares.add(&Distance::between(original, stored));
                }
            }
        }
    }

    /// The range between two quantiles of the values, of one row group or of all.
    pub(super) fn quantiles(
        &self,
        row_group: Option<usize>,
        low: Percentile,
        high: Percentile,
    ) -> Option<(f64, f64)> {
        let Self::Values(row_groups) = self else {
            return None;
        };
        let mut values = match row_group {
            Some(i) => row_groups.get(i)?.clone(),
            None => row_groups.concat(),
        };
        values.sort_unstable_by(f64::total_cmp);
        Some((nearest_rank(&values, low)?, nearest_rank(&values, high)?))
    }
}

/// The first of the ascending values such that at least this share of all lies at or before it.
fn nearest_rank(values: &[f64], percentile: Percentile) -> Option<f64> {
    let (share, n) = (u128::from(percentile.millionths()), values.len() as u128);
    // (i + 1) / n >= share / 100,000,000, without dividing.
    let enough = |i: usize| (i as u128 + 1) * 100_000_000 >= share * n;
    let mut places = 0..values.len();
    while !places.is_empty() {
        let middle = places.start + places.len() / 2;
        if enough(middle) {
            places.end = middle;
        } else {
            places.start = middle + 1;
        }
    }
    values.get(places.start).copied()
}
