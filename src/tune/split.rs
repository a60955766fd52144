//! Training, validation and test parts: made once, by hash, and nothing leaks.
//!
//! Rows are grouped by what their features hold, and groups are put in the order of their hashes; the
//! first 60 % of the rows are for training, the next 20 % for the search, the last 20 % for the final
//! figures. So rows that are equal but for the target are in one part, and neither the order of the
//! rows nor the machine matters. Forecasts are split by time instead: the past trains, the future tests.

use arrow::array::RecordBatch;

use super::error::{Result, TuneError};
use super::hash::row_hashes;
use super::method::Task;

/// The parts of a table: positions of rows, each in the table's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

/// Where training ends, and validation.
const ENDS: [f64; 2] = [0.6, 0.8];
/// Rows that a part needs at least.
const LEAST_ROWS: usize = 2;

/// Splits the rows of `table`, whose features are at the positions `features`.
///
/// # Errors
/// When a part would have fewer than two rows.
pub fn split(table: &RecordBatch, features: &[usize], task: Task, seed: u64) -> Result<Split> {
    let rows = table.num_rows();
    // Whole groups: (hash, row), so that equal rows are neighbours.
    let mut order: Vec<(u64, usize)> = if task == Task::Forecast {
        (0..rows).map(|row| (row as u64, row)).collect()
    } else {
        let features = table.project(features)?;
        let hashes = row_hashes(&features, &format!("split {seed}"))?;
        hashes.into_iter().zip(0..rows).collect()
    };
    order.sort_unstable();
    let cuts = ENDS.map(|end| cut(&order, (rows as f64 * end).round() as usize));
    let part = |range: std::ops::Range<usize>| {
        let mut rows: Vec<usize> = order[range].iter().map(|(_, row)| *row).collect();
        rows.sort_unstable();
        rows
    };
    let split = Split {
        train: part(0..cuts[0]),
        validation: part(cuts[0]..cuts[1].max(cuts[0])),
        test: part(cuts[1].max(cuts[0])..rows),
    };
    let parts = [&split.train, &split.validation, &split.test];
    if parts.iter().any(|part| part.len() < LEAST_ROWS) {
        return Err(TuneError::invalid(format!(
            "{rows} rows make parts of {}, {} and {} rows for training, validation and test, since rows with equal \
             features stay together; at least {LEAST_ROWS} each are needed: give more, or more different, rows",
            split.train.len(),
            split.validation.len(),
            split.test.len()
        )));
    }
    Ok(split)
}

/// Training rows and those scored on.
pub(super) type Fold = (Vec<usize>, Vec<usize>);

/// Folds of the training part of `split`.
const FOLDS: usize = 3;

/// Each third of the training part to be scored on in turn, by a model that trains on the other two and the
/// validation part: as many rows as the search trains with. In forecasts, where the past trains, the
/// last three sixths of the training part, each by what is before it. None where that leaves parts too small.
///
/// # Errors
/// As [`row_hashes`].
pub(super) fn folds(
    table: &RecordBatch,
    features: &[usize],
    split: &Split,
    task: Task,
    seed: u64,
) -> Result<Vec<Fold>> {
    let rows = split.train.len();
    let folds: Vec<Fold> = if task == Task::Forecast {
        let at = |sixths: usize| rows * sixths / (2 * FOLDS);
        let past = (FOLDS..2 * FOLDS).map(|end| (0..at(end), at(end)..at(end + 1)));
        past.map(|(train, holdout)| (split.train[train].to_vec(), split.train[holdout].to_vec()))
            .collect()
    } else {
        let hashes = row_hashes(&table.project(features)?, &format!("fold {seed}"))?;
        let mut order: Vec<(u64, usize)> = split.train.iter().map(|r| (hashes[*r], *r)).collect();
        order.sort_unstable();
        let ends = (0..=FOLDS).map(|end| cut(&order, rows * end / FOLDS));
        let ends: Vec<usize> = ends.collect();
        let fold = |ends: &[usize]| {
            let (own, others) = (
                &order[ends[0]..ends[1]],
                [&order[..ends[0]], &order[ends[1]..]],
            );
            let mut train: Vec<usize> = others.concat().iter().map(|(_, row)| *row).collect();
            train.extend(&split.validation);
            train.sort_unstable();
            let mut holdout: Vec<usize> = own.iter().map(|(_, row)| *row).collect();
            holdout.sort_unstable();
            (train, holdout)
        };
        ends.windows(2).map(fold).collect()
    };
    let large = |(train, holdout): &Fold| train.len().min(holdout.len()) >= LEAST_ROWS;
    Ok(if folds.iter().all(large) {
        folds
    } else {
        Vec::new()
    })
}

/// The position nearest to `wanted` at which no group is cut in two.
fn cut(order: &[(u64, usize)], wanted: usize) -> usize {
    let is_cut = |at: usize| at > 0 && at < order.len() && order[at - 1].0 == order[at].0;
    let down = (0..=wanted).rev().find(|at| !is_cut(*at)).unwrap_or(0);
    let up = (wanted..=order.len())
        .find(|at| !is_cut(*at))
        .unwrap_or(order.len());
    if wanted - down <= up - wanted {
        down
    } else {
        up
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, UInt32Array};
    use arrow::compute::take_record_batch;

    use super::*;

    fn table(values: impl IntoIterator<Item = f64>) -> RecordBatch {
        let x: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
        RecordBatch::try_from_iter([("x", x)]).unwrap()
    }

    #[test]
    fn parts_have_their_sizes_and_share_no_row() {
        let split = split(&table((0..1000).map(f64::from)), &[0], Task::Regression, 1).unwrap();
        assert_eq!(
            (split.train.len(), split.validation.len(), split.test.len()),
            (600, 200, 200)
        );
        let all: HashSet<usize> = [&split.train[..], &split.validation, &split.test]
            .concat()
            .into_iter()
            .collect();
        assert_eq!(all.len(), 1000);
    }

    #[test]
    fn equal_rows_are_in_one_part() {
        let table = table((0..1000).map(|i| f64::from(i % 50)));
        let split = split(&table, &[0], Task::Regression, 1).unwrap();
        let values = |rows: &[usize]| rows.iter().map(|r| r % 50).collect::<HashSet<_>>();
        let (train, test) = (values(&split.train), values(&split.test));
        assert!(train.is_disjoint(&test) && train.is_disjoint(&values(&split.validation)));
        assert!(!test.is_empty());
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let rows = table((0..100).map(f64::from));
        let reversed = take_record_batch(&rows, &UInt32Array::from_iter_values((0..100).rev()));
        let one = split(&rows, &[0], Task::Regression, 7).unwrap();
        let other = split(&reversed.unwrap(), &[0], Task::Regression, 7).unwrap();
        let mut back: Vec<usize> = other.test.iter().map(|row| 99 - row).collect();
        back.sort_unstable();
        assert_eq!(one.test, back);
    }

    #[test]
    fn forecasts_are_split_by_time() {
        let split = split(&table((0..10).map(f64::from)), &[0], Task::Forecast, 1).unwrap();
        assert_eq!(split.train, [0, 1, 2, 3, 4, 5]);
        assert_eq!(split.test, [8, 9]);
    }

    #[test]
    fn folds_are_scored_on_by_what_they_are_not_trained_on() {
        let table = table((0..1000).map(|i| f64::from(i % 250)));
        let parts = split(&table, &[0], Task::Regression, 1).unwrap();
        let folds = folds(&table, &[0], &parts, Task::Regression, 1).unwrap();
        let values = |rows: &[usize]| rows.iter().map(|r| r % 250).collect::<HashSet<_>>();
        let mut held: Vec<usize> = Vec::new();
        for (train, holdout) in &folds {
            assert!(values(train).is_disjoint(&values(holdout)));
            assert!(values(train).is_disjoint(&values(&parts.test)));
            assert!(train.len().abs_diff(parts.train.len()) < 20);
            held.extend(holdout);
        }
        held.sort_unstable();
        assert_eq!(held, parts.train);
    }

    #[test]
    fn folds_of_forecasts_follow_their_past() {
        let table = table((0..100).map(f64::from));
        let parts = split(&table, &[0], Task::Forecast, 1).unwrap();
        let folds = folds(&table, &[0], &parts, Task::Forecast, 1).unwrap();
        assert_eq!(folds.len(), 3);
        for (train, holdout) in folds {
            assert_eq!(train.last().unwrap() + 1, holdout[0]);
            assert!(*holdout.last().unwrap() < parts.validation[0]);
        }
    }

    #[test]
    fn few_rows_have_no_folds() {
        let table = table((0..9).map(f64::from));
        let parts = split(&table, &[0], Task::Regression, 1).unwrap();
        assert!(
            folds(&table, &[0], &parts, Task::Regression, 1)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn too_few_different_rows_are_an_error() {
        let error = split(&table([1.0; 20]), &[0], Task::Regression, 1).unwrap_err();
        assert!(error.to_string().contains("more different"), "{error}");
    }
}
