//! What models need done to a table first: rows and columns left out, classes, scales.

use nalgebra::DMatrix;

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;

/// More classes than this are taken for a target that is a number.
const MOST_CLASSES: usize = 200;

/// Both frames without the rows that have no target (if one is needed), without the columns that
/// have fewer than two values in training, and with NaN for infinities in features.
///
/// # Errors
/// Where the frames' columns differ, or no row is left in either.
pub(super) fn clean(train: &Frame, holdout: &Frame, supervised: bool) -> Result<(Frame, Frame)> {
    if train.columns.len() != holdout.columns.len() {
        return Err(TuneError::model(format!(
            "training data has {} columns and holdout data {}: give both the same",
            train.columns.len(),
            holdout.columns.len()
        )));
    }
    let rows = |frame: &Frame, what: &str| {
        let even = frame.columns.iter().all(|c| c.len() == frame.len());
        let targets = [0, frame.len()].contains(&frame.target.len());
        if !even || !targets {
            return Err(TuneError::model(format!(
                "columns of the {what} data differ in length"
            )));
        }
        let rows: Vec<usize> = if supervised {
            (0..frame.target.len())
                .filter(|&i| frame.target[i].is_finite())
                .collect()
        } else {
            (0..frame.len()).collect()
        };
        if rows.is_empty() {
            let missing = if supervised { " with a target" } else { "" };
            return Err(TuneError::model(format!(
                "no row{missing} in the {what} data: give more rows"
            )));
        }
        Ok(rows)
    };
    let (train_rows, holdout_rows) = (rows(train, "training")?, rows(holdout, "holdout")?);
    let kept: Vec<usize> = (0..train.columns.len())
        .filter(|&i| varies(train_rows.iter().map(|&row| train.columns[i][row])))
        .collect();
    let part = |frame: &Frame, rows: &[usize]| Frame {
        names: kept
            .iter()
            .filter_map(|&i| frame.names.get(i))
            .cloned()
            .collect(),
        columns: kept
            .iter()
            .map(|&i| {
                let values = rows.iter().map(|&row| frame.columns[i][row]);
                values
                    .map(|x| if x.is_finite() { x } else { f64::NAN })
                    .collect()
            })
            .collect(),
        target: match frame.target.is_empty() {
            true => Vec::new(),
            false => rows.iter().map(|&row| frame.target[row]).collect(),
        },
    };
    Ok((part(train, &train_rows), part(holdout, &holdout_rows)))
}

/// The positions of the columns that have two values or more.
pub(super) fn varying(frame: &Frame) -> Vec<usize> {
    (0..frame.columns.len())
        .filter(|&i| varies(frame.columns[i].iter().copied()))
        .collect()
}

/// Whether there are two different finite values.
fn varies(values: impl Iterator<Item = f64>) -> bool {
    let mut finite = values.filter(|x| x.is_finite());
    let first = finite.next();
    first.is_some_and(|first| finite.any(|x| x != first))
}

/// Of the finite values; 0 if there is none.
pub(super) fn mean(values: &[f64]) -> f64 {
    let finite = values.iter().filter(|x| x.is_finite());
    let (sum, n) = finite.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// The standard deviation of the finite values about `mean`.
pub(super) fn deviation(values: &[f64], mean: f64) -> f64 {
    let finite = values.iter().filter(|x| x.is_finite());
    let (sum, n) = finite.fold((0.0, 0.0), |(sum, n), x| {
        (sum + (x - mean) * (x - mean), n + 1.0)
    });
    if n > 0.0 { f64::sqrt(sum / n) } else { 0.0 }
}

/// Means and standard deviations of columns.
pub(super) struct Scale {
    pub means: Vec<f64>,
    pub deviations: Vec<f64>,
}

impl Scale {
    pub fn of(columns: &[Vec<f64>]) -> Self {
        let means: Vec<f64> = columns.iter().map(|column| mean(column)).collect();
        let deviations = columns
            .iter()
            .zip(&means)
            .map(|(column, &mean)| deviation(column, mean))
            .collect();
        Self { means, deviations }
    }

    /// Rows x columns, each column less its mean over its deviation; missing values are the mean.
    pub fn apply(&self, columns: &[Vec<f64>]) -> DMatrix<f64> {
        let rows = columns.first().map_or(0, Vec::len);
        DMatrix::from_fn(rows, columns.len(), |row, column| {
            let scaled = (columns[column][row] - self.means[column]) / self.deviations[column];
            if scaled.is_finite() { scaled } else { 0.0 }
        })
    }
}

/// Both frames' features on the scale of training.
pub(super) fn scaled(train: &Frame, holdout: &Frame) -> (DMatrix<f64>, DMatrix<f64>) {
    let scale = Scale::of(&train.columns);
    (scale.apply(&train.columns), scale.apply(&holdout.columns))
}

/// The distinct values of a target.
pub(super) struct Classes(Vec<f64>);

impl Classes {
    /// # Errors
    /// Where there are so many that the target is a number.
    pub fn of(target: &[f64]) -> Result<Self> {
        let mut values = target.to_vec();
        values.sort_by(f64::total_cmp);
        values.dedup();
        if values.len() > MOST_CLASSES {
            return Err(TuneError::model(format!(
                "the target has {} classes, and {MOST_CLASSES} are the most: is it a number, for \
                 regression?",
                values.len()
            )));
        }
        Ok(Self(values))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Of values that are among the classes.
    pub fn positions(&self, target: &[f64]) -> Vec<usize> {
        let position = |x: &f64| self.0.partition_point(|class| class < x);
        target.iter().map(position).collect()
    }

    pub fn values(&self, positions: &[usize]) -> Vec<f64> {
        positions
            .iter()
            .map(|&i| self.0.get(i).copied().unwrap_or(f64::NAN))
            .collect()
    }
}

/// The class that most rows have.
pub(super) fn commonest(labels: &[usize], classes: usize) -> usize {
    let mut counts = vec![0u32; classes.max(1)];
    for &label in labels {
        counts[label] += 1;
    }
    most(&counts)
}

/// The position of the largest; the first of equals.
pub(super) fn most<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}
