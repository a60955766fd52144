//! Forecasts: the past of all columns as features, for any model of numbers.

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;
use super::{Model, Score, metrics, prepare, regress};

/// Past values of the target that a model sees, and of every other column.
const LAGS: usize = 24;
const OTHER_LAGS: usize = 2;
/// Of a table of more columns than this, one past value of each.
const FEW_COLUMNS: usize = 50;

/// Skill, one step ahead: 1 - MSE / MSE of saying "as the last value".
pub(super) fn score(model: Model, train: &Frame, holdout: &Frame, seed: u64) -> Result<Score> {
    let shortest = train.len().min(holdout.len());
    let lags = LAGS.min(shortest / 4);
    if lags == 0 || train.target.is_empty() || holdout.target.is_empty() {
        return Err(TuneError::model(
            "a forecast needs a target and at least 4 rows in the training and in the holdout data",
        ));
    }
    let last = &holdout.target[lags - 1..];
    let (train, holdout) = (lagged(train, lags), lagged(holdout, lags));
    let known = |&i: &usize| last[i].is_finite() && holdout.target[i].is_finite();
    let rows: Vec<usize> = (0..holdout.len()).filter(known).collect();
    let naive: Vec<f64> = rows.iter().map(|&row| last[row]).collect();
    let (train, holdout) = prepare::clean(&train, &holdout.take(&rows), true)?;
    let naive = metrics::squared_errors(&holdout.target, &naive);
    if naive == 0.0 {
        return Err(TuneError::model(
            "the target never changes in the holdout data: there is nothing to forecast",
        ));
    }
    let predicted = regress(model, &train, &holdout, seed)?;
    Ok(Score {
        metric: "skill",
        value: 1.0 - metrics::squared_errors(&holdout.target, &predicted) / naive,
    })
}

/// A row for each target that has `lags` before it: those, and the last values of the other columns.
fn lagged(frame: &Frame, lags: usize) -> Frame {
    let rows = frame.len().saturating_sub(lags);
    let others = match frame.columns.len() {
        0..=FEW_COLUMNS => OTHER_LAGS.min(lags),
        _ => 1,
    };
    let mut lagged = Frame {
        names: Vec::new(),
        columns: Vec::new(),
        target: frame.target[lags..].to_vec(),
    };
    let mut add = |name: &str, values: &[f64], lag: usize| {
        lagged.names.push(format!("{name} {lag} before"));
        lagged.columns.push(values[lags - lag..][..rows].to_vec());
    };
    (1..=lags).for_each(|lag| add("target", &frame.target, lag));
    for (i, values) in frame.columns.iter().enumerate() {
        let name = frame.names.get(i).map_or("", String::as_str);
        (1..=others).for_each(|lag| add(name, values, lag));
    }
    lagged
}
