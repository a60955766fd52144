//! Logistic regression with several classes, by smartcore.

use nalgebra::DMatrix;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;
use super::prepare;

/// The penalty on squared weights of standardized columns, as scikit-learn's default.
const PENALTY: f64 = 1.0;

/// Positions of classes for the rows of `holdout`. `labels` has two classes or more.
pub(super) fn classify(train: &Frame, labels: &[usize], holdout: &Frame) -> Result<Vec<usize>> {
    let (x, on) = prepare::scaled(train, holdout);
    let (x, on) = (dense(x)?, dense(on)?);
    let labels: Vec<u32> = labels.iter().map(|&label| label as u32).collect();
    let options = LogisticRegressionParameters::default().with_alpha(PENALTY);
    let model = LogisticRegression::fit(&x, &labels, options).map_err(failed)?;
    let predicted: Vec<u32> = model.predict(&on).map_err(failed)?;
    Ok(predicted.into_iter().map(|label| label as usize).collect())
}

/// Column-major, as it is.
fn dense(x: DMatrix<f64>) -> Result<DenseMatrix<f64>> {
    let (rows, columns) = x.shape();
    DenseMatrix::new(rows, columns, x.data.into(), true).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> TuneError {
    TuneError::model(format!("logistic regression: {error}"))
}
