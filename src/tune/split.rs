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
    fn too_few_different_rows_are_an_error() {
        let error = split(&table([1.0; 20]), &[0], Task::Regression, 1).unwrap_err();
        assert!(error.to_string().contains("more different"), "{error}");
    }
}
