//! Principal components, found by subspace iteration from a random start (Halko, Martinsson and Tropp
//! 2011): the table is reconstructed from a quarter as many.

use nalgebra::{DMatrix, SymmetricEigen};

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;
use super::prepare::Scale;
use super::{Score, prepare};

const MOST: usize = 32;
/// Directions more than are wanted, which make the others exact sooner.
const SPARE: usize = 8;
const ITERATIONS: usize = 8;

/// The variance of the holdout that is left when it is reconstructed from components of `train`.
pub(super) fn score(train: &Frame, holdout: &Frame, seed: u64) -> Result<Score> {
    let (fit, on) = prepare::clean(train, holdout, false)?;
    let scale = Scale::of(&fit.columns);
    let queries = scale.apply(&on.columns);
    let wanted = holdout.columns.len().div_ceil(4).min(MOST);
    let axes = components(&scale.apply(&fit.columns), wanted, seed);
    let rebuilt = &queries * &axes * axes.transpose();
    // Columns that are one value in training are that value.
    let mut positions = vec![None; train.columns.len()];
    for (i, column) in prepare::varying(train).into_iter().enumerate() {
        positions[column] = Some(i);
    }
    let means: Vec<f64> = train.columns.iter().map(|c| prepare::mean(c)).collect();
    let said = |column: usize, row: usize| match positions[column] {
        Some(i) => rebuilt[(row, i)] * scale.deviations[i] + scale.means[i],
        None => means[column],
    };
    Ok(Score {
        metric: "explained variance",
        value: explained(holdout, said)?,
    })
}

/// Columns x at most `wanted`: axes of most variance, orthonormal.
fn components(x: &DMatrix<f64>, wanted: usize, seed: u64) -> DMatrix<f64> {
    let columns = x.ncols();
    let directions = (wanted + SPARE).min(columns);
    if directions == 0 {
        return DMatrix::zeros(columns, 0);
    }
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut axes = DMatrix::from_fn(columns, directions, |_, _| rng.f64() - 0.5)
        .qr()
        .q();
    for _ in 0..ITERATIONS {
        axes = x.tr_mul(&(x * &axes)).qr().q();
    }
    let projected = x * &axes;
    let eigen = SymmetricEigen::new(projected.tr_mul(&projected));
    let mut order: Vec<usize> = (0..directions).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    order.truncate(wanted);
    axes * eigen.eigenvectors.select_columns(&order)
}

/// 1 - squared distances of the holdout from what is `said` of column and row / its variance; each
/// column in units of its own deviation. Missing values do not count.
///
/// # Errors
/// Where no column varies.
pub(super) fn explained(holdout: &Frame, said: impl Fn(usize, usize) -> f64) -> Result<f64> {
    let scale = Scale::of(&holdout.columns);
    let (mut squares, mut total) = (0.0, 0.0);
    for (i, column) in holdout.columns.iter().enumerate() {
        let (mean, deviation) = (scale.means[i], scale.deviations[i]);
        if deviation == 0.0 || !deviation.is_finite() {
            continue;
        }
        for (row, x) in column.iter().enumerate().filter(|(_, x)| x.is_finite()) {
            squares += ((x - said(i, row)) / deviation).powi(2);
            total += ((x - mean) / deviation).powi(2);
        }
    }
    if total == 0.0 {
        return Err(TuneError::model(
            "no column varies in the holdout data: there is nothing to explain",
        ));
    }
    Ok(1.0 - squares / total)
}
