//! Ridge regression, by the normal equations.

use nalgebra::{Cholesky, DMatrix, DVector};

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;
use super::prepare;

/// The penalty on squared weights of standardized columns, as scikit-learn's default.
const PENALTY: f64 = 1.0;

/// Predictions for the rows of `holdout`. Where there are more columns than rows the equations are those of
/// the rows, which are fewer.
pub(super) fn regress(train: &Frame, holdout: &Frame) -> Result<Vec<f64>> {
    let (x, on) = prepare::scaled(train, holdout);
    let mean = prepare::mean(&train.target);
    let y = DVector::from_iterator(x.nrows(), train.target.iter().map(|y| y - mean));
    let weights = if x.ncols() <= x.nrows() {
        solve(x.tr_mul(&x), &x.tr_mul(&y))?
    } else {
        let transposed = x.transpose();
        transposed.clone() * solve(transposed.tr_mul(&transposed), &y)?
    };
    let predicted = on * weights;
    Ok(predicted.iter().map(|y| y + mean).collect())
}

fn solve(mut squares: DMatrix<f64>, right: &DVector<f64>) -> Result<DVector<f64>> {
    for i in 0..squares.nrows() {
        squares[(i, i)] += PENALTY;
    }
    let factors = Cholesky::new(squares).ok_or_else(|| {
        TuneError::model("linear regression: the columns are too large or too alike to solve for")
    })?;
    Ok(factors.solve(right))
}
