//! Protects the verifier's judgement of bounds on more, or less, than a fixed distance.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};

use super::*;

fn batch(values: &[f64]) -> RecordBatch {
    let array: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    RecordBatch::try_from_iter([("x", array)]).unwrap()
}

/// `x` against `y` in row groups of two, under `bound`.
fn verdict(
    bound: &str,
    abs_bounds: &[f64],
    range_is_of_column: bool,
    x: &[f64],
    y: &[f64],
) -> ColumnVerdict {
    let packed = PackedTable {
        schema: batch(y).schema(),
        leaves: HashMap::new(),
        promises: vec![Some(Promise {
            bound: bound.parse().unwrap(),
            abs_bounds: abs_bounds.to_vec(),
            range_is_of_column,
        })],
        row_groups: vec![2; y.len() / 2],
        rows: RowsStand::InOrder,
        batches: [Ok(batch(y))].into_iter(),
    };
    let schema = batch(x).schema();
    let report = verify_batches(&schema, [Ok(batch(x))].into_iter(), packed).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    report.columns.into_iter().next().unwrap()
}

#[test]
fn pointwise_bounds_are_fractions_of_each_value() {
    let judge = |x, y| verdict("pwrel:0.1", &[], true, &[x, 1e300], &[y, 1e300]).violations;
    // 0.1 is a little more than a tenth, so that 1.1 is a distance of less.
    assert_eq!(judge(10.0, 11.0), 0);
    assert_eq!(judge(10.0, 11f64.next_up()), 1);
    assert_eq!(judge(10.0, 9.0), 0);
    assert_eq!(judge(-10.0, -11.0), 0);
    assert_eq!(judge(-10.0, 10.0), 1);
    assert_eq!(judge(0.0, 5e-324), 1);
    assert_eq!(judge(5e-324, 0.0), 1);
    assert_eq!(judge(0.0, -0.0), 1);
    assert_eq!(judge(f64::MAX, f64::MAX / 1.05), 0);
    assert_eq!(judge(f64::INFINITY, f64::MAX), 1);
    // No bound has been stored, and none is shown.
    let none = verdict("pwrel:0.1", &[], true, &[1.0, 2.0], &[1.0, 2.0]);
    assert_eq!((none.abs_bound, none.problem), (None, None));
    // A ratio that is none, which only a forged file can hold, allows nothing.
    let forged = PackedTable {
        schema: batch(&[1.0]).schema(),
        leaves: HashMap::new(),
        promises: vec![Some(Promise {
            bound: ErrorBound::PointwiseRel(2.0),
            abs_bounds: vec![],
            range_is_of_column: true,
        })],
        row_groups: vec![1],
        rows: RowsStand::InOrder,
        batches: [Ok(batch(&[-1.0]))].into_iter(),
    };
    let schema = batch(&[1.0]).schema();
    let report = verify_batches(&schema, [Ok(batch(&[1.0]))].into_iter(), forged).unwrap();
    assert_eq!(report.violations, 1);
}

/// Four values, a range of 10, 20 dB: a sum of squares of 4.
#[test]
fn noise_is_summed_over_the_column() {
    let x = [0.0, 10.0, 5.0, 5.0];
    let judge = |y: [f64; 4], stored: f64| {
        let verdict = verdict("psnr:20", &[stored, stored], false, &x, &y);
        (verdict.violations, verdict.problem.is_some())
    };
    assert_eq!(judge([1.0, 9.0, 6.0, 4.0], 2.0), (0, false));
    assert_eq!(judge([1.0, 9.0, 6.0, 4f64.next_down()], 2.0), (1, true));
    // All of it in one row group and one value: a promise of the mean.
    assert_eq!(judge([0.0, 8.0, 5.0, 5.0], 2.0), (0, false));
    // But not beyond the bound that is stored.
    assert_eq!(judge([0.0, 8.0, 5.0, 5.0], 1.0), (1, false));
    assert_eq!(judge([0.0, 10.0, 5.0, 5.0], f64::NAN), (1, true));
}

#[test]
fn constant_columns_allow_no_noise() {
    let x = [3.0; 4];
    let judge = |y: [f64; 4]| verdict("psnr:0", &[1.0, 1.0], true, &x, &y).violations;
    assert_eq!(judge(x), 0);
    assert_eq!(judge([3.0, 3.0, 3.0, 3f64.next_up()]), 1);
}

#[test]
fn quantiles_are_those_of_the_original() {
    // Of these the 25th percentile is 1, the 75th 3: what is stored may be a tenth of 2.
    let x = [1.0, 3.0, 2.0, 1e9];
    let judge = |stored: &[f64], of_column: bool| {
        let verdict = verdict("rel:0.1@p25..p75", stored, of_column, &x, &x);
        (verdict.violations, verdict.problem)
    };
    assert_eq!(judge(&[0.2, 0.2], true).0, 0);
    let (violations, problem) = judge(&[0.2, 0.2f64.next_up()], true);
    assert_eq!(violations, 1);
    assert!(problem.unwrap().starts_with("row group 1: "));
    // By row group: 1 to 3, and 2 to 1e9.
    assert_eq!(judge(&[0.2, 0.1 * (1e9 - 2.0) - 1.0], false).0, 0);
    assert_eq!(judge(&[0.2, 1e8], false).0, 1);
    assert_eq!(judge(&[0.21, 0.2], false).0, 1);

    let nothing = [f64::NAN, f64::INFINITY];
    let judge = |stored| verdict("rel:0.1@p1..p99", &[stored], true, &nothing, &nothing);
    assert_eq!(judge(0.0).violations, 0);
    assert_eq!(judge(1e-300).violations, 1);
}
