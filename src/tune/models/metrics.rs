//! How good predictions are.

use std::collections::BTreeMap;

use super::super::error::{Result, TuneError};
use super::prepare;

/// The coefficient of determination: 1 - squared errors / squared distances from the mean.
///
/// # Errors
/// Where all of `actual` are the same.
pub(super) fn r2(actual: &[f64], predicted: &[f64]) -> Result<f64> {
    let mean = prepare::mean(actual);
    let total: f64 = actual.iter().map(|y| (y - mean) * (y - mean)).sum();
    if total == 0.0 {
        return Err(TuneError::model(
            "the target has one value only in the holdout data, so that R2 means nothing: give more \
             rows, or another target",
        ));
    }
    Ok(1.0 - squared_errors(actual, predicted) / total)
}

pub(super) fn squared_errors(actual: &[f64], predicted: &[f64]) -> f64 {
    let pairs = actual.iter().zip(predicted);
    pairs.map(|(y, p)| (y - p) * (y - p)).sum()
}

/// The fraction of rows whose class is right.
pub(super) fn accuracy(actual: &[f64], predicted: &[f64]) -> f64 {
    let right = actual.iter().zip(predicted).filter(|(y, p)| y == p).count();
    right as f64 / actual.len() as f64
}

/// The adjusted Rand index of two partitions (Hubert and Arabie 1985): 1 for the same, about 0 for
/// partitions that have nothing to do with one another.
pub(super) fn adjusted_rand(a: &[usize], b: &[usize]) -> f64 {
    let pairs = |count: f64| count * (count - 1.0) / 2.0;
    let (mut cells, mut rows, mut columns) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (&a, &b) in a.iter().zip(b) {
        *cells.entry((a, b)).or_insert(0.0) += 1.0;
        *rows.entry(a).or_insert(0.0) += 1.0;
        *columns.entry(b).or_insert(0.0) += 1.0;
    }
    let both: f64 = cells.into_values().map(pairs).sum();
    let in_rows: f64 = rows.into_values().map(pairs).sum();
    let in_columns: f64 = columns.into_values().map(pairs).sum();
    let all = pairs(a.len() as f64);
    if all == 0.0 {
        return 1.0;
    }
    let expected = in_rows * in_columns / all;
    let most = (in_rows + in_columns) / 2.0;
    if most == expected {
        return 1.0;
    }
    (both - expected) / (most - expected)
}
