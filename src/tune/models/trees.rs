//! Gradient-boosted trees on histograms (Friedman 2001; Chen and Guestrin 2016), by forust.

use forust_ml::data::Matrix;
use forust_ml::gradientbooster::GradientBooster;
use forust_ml::objective::ObjectiveType;
use forust_ml::sampler::SampleMethod;

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;
use super::prepare;

/// Of a number, and of two classes.
const TREES: usize = 200;
/// Of each of several classes.
const TREES_A_CLASS: usize = 60;
const LEARNING_RATE: f32 = 0.1;
const DEPTH: usize = 8;
/// Of the rows, for each tree anew: better than all rows, and what the seed decides.
const SUBSAMPLE: f32 = 0.5;
/// Columns of a tree; of wider tables, a part as large.
const COLUMNS: f64 = 64.0;
/// Rows of a leaf of numbers.
const LEAST_ROWS: f32 = 5.0;
/// Of log loss, whose rows weigh a quarter at most.
const LEAST_WEIGHT: f32 = 1.0;

/// Predictions for the rows of `holdout`.
pub(super) fn regress(train: &Frame, holdout: &Frame, seed: u64) -> Result<Vec<f64>> {
    // Sums are kept as f32: a target far from 0 would lose its digits, and a small one its weight.
    let mean = prepare::mean(&train.target);
    let deviation = prepare::deviation(&train.target, mean);
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    let target: Vec<f64> = train.target.iter().map(|y| (y - mean) / unit).collect();
    let predicted = boost(train, &target, holdout, TREES, false, seed)?;
    Ok(predicted.into_iter().map(|y| y * unit + mean).collect())
}

/// Positions of classes for the rows of `holdout`: of more than two, each is told from all others, and
/// the likeliest is taken.
pub(super) fn classify(
    train: &Frame,
    labels: &[usize],
    classes: usize,
    holdout: &Frame,
    seed: u64,
) -> Result<Vec<usize>> {
    let one = |class: usize, trees: usize| {
        let is = |&label: &usize| f64::from(u8::from(label == class));
        let target: Vec<f64> = labels.iter().map(is).collect();
        boost(train, &target, holdout, trees, true, seed)
    };
    if classes == 2 {
        let odds = one(1, TREES)?;
        return Ok(odds.into_iter().map(|x| usize::from(x > 0.0)).collect());
    }
    let odds: Vec<Vec<f64>> = (0..classes)
        .map(|class| one(class, TREES_A_CLASS))
        .collect::<Result<_>>()?;
    let row = |i: usize| -> Vec<f64> { odds.iter().map(|class| class[i]).collect() };
    Ok((0..holdout.len()).map(|i| prepare::most(&row(i))).collect())
}

/// Predictions of numbers, or of the logarithms of odds.
fn boost(
    train: &Frame,
    target: &[f64],
    holdout: &Frame,
    trees: usize,
    odds: bool,
    seed: u64,
) -> Result<Vec<f64>> {
    let (rows, columns) = (train.len(), train.columns.len());
    let objective = if odds {
        ObjectiveType::LogLoss
    } else {
        ObjectiveType::SquaredLoss
    };
    let mut booster = GradientBooster::default()
        .set_objective_type(objective)
        .set_iterations(trees)
        .set_learning_rate(LEARNING_RATE)
        .set_max_depth(DEPTH)
        .set_l2(0.0)
        .set_min_leaf_weight(if odds { LEAST_WEIGHT } else { LEAST_ROWS })
        .set_nbins(bins(rows))
        .set_parallel(false)
        .set_num_threads(Some(1))
        .set_sample_method(SampleMethod::Random)
        .set_subsample(SUBSAMPLE)
        .set_colsample_bytree((COLUMNS / columns as f64).min(1.0))
        .set_seed(seed);
    let x = train.columns.concat();
    booster
        .fit_unweighted(&Matrix::new(&x, rows, columns), target, None)
        .map_err(|error| TuneError::model(format!("boosted trees: {error}")))?;
    let on = holdout.columns.concat();
    Ok(booster.predict(&Matrix::new(&on, holdout.len(), columns), false))
}

/// Bins of a column: where there are few rows, many bins only take time.
fn bins(rows: usize) -> u16 {
    (rows / 16).clamp(16, 255) as u16
}
