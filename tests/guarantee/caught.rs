//! A checker that cannot fail is a defect: what comes out of a real packed file is damaged in one
//! place, and `verify` must find exactly that.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use tolerant::ErrorBound;
use tolerant::codec::ValueRange;
use tolerant::file::{WriterOptions, finite_quantiles, finite_range};
use tolerant::tools::verify::{
    ColumnVerdict, PackedTable, Promise, RowsStand, VerifyReport, verify, verify_batches,
};

use crate::hostile::{pack, range_for, unpack, verified};

const ROWS: usize = 1000;
const NAN_AT: usize = 10;
const NEGATIVE_ZERO_AT: usize = 20;
const INF_AT: usize = 30;
const NULL_AT: usize = 40;

fn original() -> RecordBatch {
    let value = |i: usize| match i {
        NAN_AT => Some(f64::from_bits(0x7ff8_0000_0000_0abc)),
        NEGATIVE_ZERO_AT => Some(-0.0),
        INF_AT => Some(f64::NEG_INFINITY),
        NULL_AT => None,
        i => Some((i as f64 / 100.0).sin()),
    };
    let x: ArrayRef = Arc::new((0..ROWS).map(value).collect::<Float64Array>());
    let name = |i: usize| (!i.is_multiple_of(9)).then(|| format!("row {i}"));
    let name: ArrayRef = Arc::new((0..ROWS).map(name).collect::<StringArray>());
    RecordBatch::try_from_iter_with_nullable([("x", x, true), ("name", name, true)]).unwrap()
}

/// Packs, reads back, has `damage` done to the rows, and verifies.
fn verdict_on(damage: impl FnOnce(RecordBatch, f64) -> RecordBatch) -> VerifyReport {
    let original = original();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    let bound = ErrorBound::Rel(1e-3);
    let written = pack(
        &path,
        std::slice::from_ref(&original),
        WriterOptions::new().with_bound(bound),
    );
    let abs_bound = written.columns[0].abs_bound.unwrap();
    let damaged = damage(unpack(&path), abs_bound);
    let promise = Promise {
        bound,
        abs_bounds: vec![abs_bound],
        range_is_of_column: true,
    };
    let packed = PackedTable {
        leaves: std::collections::HashMap::new(),
        schema: damaged.schema(),
        promises: vec![Some(promise), None],
        row_groups: vec![damaged.num_rows() as u64],
        rows: RowsStand::InOrder,
        batches: [Ok(damaged)].into_iter(),
    };
    verify_batches(
        &original.schema(),
        [Ok(original.clone())].into_iter(),
        packed,
    )
    .unwrap()
}

/// As [`verdict_on`], for one value of column x.
fn verdict_on_value(row: usize, damage: impl Fn(f64, f64) -> Option<f64>) -> ColumnVerdict {
    let mut report = verdict_on(|table, bound| {
        let x = table.column(0).as_primitive::<Float64Type>();
        let values = (0..x.len()).map(|i| match i == row {
            true => damage(x.value(i), bound),
            false => x.is_valid(i).then(|| x.value(i)),
        });
        let x: ArrayRef = Arc::new(values.collect::<Float64Array>());
        RecordBatch::try_new(table.schema(), vec![x, table.column(1).clone()]).unwrap()
    });
    let verdict = report.columns.remove(0);
    assert_eq!(report.violations, verdict.violations);
    if let Some(first) = &verdict.first_violation {
        assert_eq!(first.row, row as u64);
    }
    verdict
}

#[test]
fn nothing_is_found_where_nothing_was_done() {
    assert_eq!(verdict_on(|table, _| table).violations, 0);
}

#[test]
fn a_value_one_ulp_beyond_the_bound() {
    let x = original()
        .column(0)
        .as_primitive::<Float64Type>()
        .value(500);
    // Rounding decides whether x + bound is within: exact arithmetic knows, so ask at both sides.
    let outward = |x: f64| if x > 0.0 { x.next_up() } else { x.next_down() };
    let beyond = verdict_on_value(500, |_, bound| {
        Some(outward(outward(x + bound.copysign(x))))
    });
    assert_eq!((beyond.violations, beyond.bound_exceeded), (1, 1));
    let inward = |x: f64| if x > 0.0 { x.next_down() } else { x.next_up() };
    let within = verdict_on_value(500, |_, bound| Some(inward(inward(x + bound.copysign(x)))));
    assert_eq!(within.violations, 0);
}

#[test]
fn another_nan() {
    let verdict = verdict_on_value(NAN_AT, |x, _| Some(f64::from_bits(x.to_bits() ^ 1)));
    assert_eq!((verdict.violations, verdict.changed_nan), (1, 1));
}

#[test]
fn another_zero() {
    let verdict = verdict_on_value(NEGATIVE_ZERO_AT, |x, _| Some(-x));
    assert_eq!((verdict.violations, verdict.changed_signed_zeros), (1, 1));
}

#[test]
fn another_infinity() {
    let verdict = verdict_on_value(INF_AT, |x, _| Some(-x));
    assert_eq!((verdict.violations, verdict.changed_inf), (1, 1));
}

#[test]
fn a_null_more_or_less() {
    assert_eq!(verdict_on_value(NULL_AT, |_, _| Some(0.0)).changed_nulls, 1);
    assert_eq!(verdict_on_value(500, |_, _| None).changed_nulls, 1);
}

#[test]
fn another_string() {
    let report = verdict_on(|table, _| {
        let names = table.column(1).as_string::<i32>();
        let changed = (0..names.len()).map(|i| match (i, names.is_valid(i)) {
            (700, _) => Some("row 7OO"),
            (_, valid) => valid.then(|| names.value(i)),
        });
        let names: ArrayRef = Arc::new(changed.collect::<StringArray>());
        RecordBatch::try_new(table.schema(), vec![table.column(0).clone(), names]).unwrap()
    });
    assert_eq!(
        (report.violations, report.columns[1].changed_values),
        (1, 1)
    );
    assert_eq!(report.columns[1].first_violation.as_ref().unwrap().row, 700);
}

#[test]
fn a_row_less() {
    let report = verdict_on(|table, _| {
        let parts = [table.slice(0, 500), table.slice(501, ROWS - 501)];
        arrow::compute::concat_batches(&table.schema(), &parts).unwrap()
    });
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.columns[1].first_violation.as_ref().unwrap().row, 500);
}

/// Through the file: an original that is not the one that was packed.
#[test]
fn another_original() {
    let original = original();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    pack(&path, std::slice::from_ref(&original), WriterOptions::new());
    let schema = original.schema();
    let shifted = [original.slice(1, ROWS - 1), original.slice(0, 1)];
    let report = verify(&schema, shifted.into_iter().map(Ok), &path).unwrap();
    assert!(report.violations > ROWS as u64 / 2, "{report:?}");
    let report = verify(&schema, [Ok(original)].into_iter(), &path).unwrap();
    assert_eq!(report.violations, 0);
}

/// Packs x under `bound`, moves some of its values, and verifies with what the file says.
fn verdict_under(bound: &str, x: &[f64], change: impl Fn(usize, f64, f64) -> f64) -> ColumnVerdict {
    let bound: ErrorBound = bound.parse().unwrap();
    let array: ArrayRef = Arc::new(Float64Array::from(x.to_vec()));
    let original = RecordBatch::try_from_iter([("x", array.clone())]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    let options = WriterOptions::new()
        .with_bound(bound)
        .with_column_range("x", range_for(bound, &array));
    let written = pack(&path, std::slice::from_ref(&original), options);
    assert_eq!(
        verified(std::slice::from_ref(&original), &path).violations,
        0
    );
    let back = unpack(&path);
    let back = back.column(0).as_primitive::<Float64Type>();
    let changed = x.iter().zip(back.values()).enumerate();
    let changed: ArrayRef = Arc::new(Float64Array::from_iter_values(
        changed.map(|(i, (x, y))| change(i, *x, *y)),
    ));
    let damaged = RecordBatch::try_from_iter([("x", changed)]).unwrap();
    let packed = PackedTable {
        leaves: std::collections::HashMap::new(),
        schema: damaged.schema(),
        promises: vec![Some(Promise {
            bound,
            abs_bounds: written.columns[0].abs_bound.into_iter().collect(),
            range_is_of_column: true,
        })],
        row_groups: vec![x.len() as u64],
        rows: RowsStand::InOrder,
        batches: [Ok(damaged)].into_iter(),
    };
    let schema = original.schema();
    let report = verify_batches(&schema, [Ok(original)].into_iter(), packed);
    report.unwrap().columns.remove(0)
}

fn wave() -> Vec<f64> {
    let value = |i: usize| (i as f64 / 100.0).sin() * 10f64.powi((i % 7) as i32 - 3);
    (0..ROWS).map(value).collect()
}

/// One ulp beyond a hundredth of the value, though the column's other values are larger by far;
/// another sign; a zero that is no longer one, and a value that became zero.
#[test]
fn a_value_beyond_its_own_fraction() {
    let mut x = wave();
    x[5] = 0.0;
    x[6] = -0.0;
    x[7] = 1.0;
    let kept = verdict_under("pwrel:0.25", &x, |_, _, y| y);
    assert_eq!(kept.violations, 0);
    assert!(kept.max_error > 0.0);
    let at = |row: usize, value: f64| {
        verdict_under("pwrel:0.25", &x, |i, _, y| if i == row { value } else { y })
    };
    assert_eq!(at(7, 1.25).violations, 0);
    assert_eq!(at(7, 0.75).violations, 0);
    let verdict = at(7, 1.25f64.next_up());
    assert_eq!((verdict.violations, verdict.bound_exceeded), (1, 1));
    assert_eq!(verdict.first_violation.unwrap().row, 7);
    for (row, value) in [
        (7, 0.75f64.next_down()),
        (7, -1.0),
        (7, 0.0),
        (5, 5e-324),
        (8, -x[8]),
    ] {
        let verdict = at(row, value);
        assert_eq!(
            (verdict.violations, verdict.bound_exceeded),
            (1, 1),
            "{row} {value}"
        );
    }
    assert_eq!(at(5, -0.0).changed_signed_zeros, 1);
    assert_eq!(at(6, 0.0).changed_signed_zeros, 1);
    assert_eq!(at(7, f64::NAN).changed_nan, 1);
}

/// Every value within the absolute bound of the file, but their mean beyond what was promised.
#[test]
fn too_much_noise() {
    let x = wave();
    assert_eq!(verdict_under("psnr:40", &x, |_, _, y| y).violations, 0);
    let original: ArrayRef = Arc::new(Float64Array::from(x.clone()));
    let range = finite_range(&original);
    let rmse = (range.max - range.min) / 100.0;
    // Uniform errors of the target's own size: the ratio is 40 dB within rounding.
    let shifted = |factor: f64| verdict_under("psnr:40", &x, move |_, x, _| x + rmse * factor);
    assert_eq!(shifted(1.0 - 1e-9).violations, 0);
    let verdict = shifted(1.0 + 1e-9);
    assert_eq!((verdict.violations, verdict.bound_exceeded), (1, 0));
    assert!(verdict.problem.unwrap().contains("psnr:40"));
    // The absolute bound in the file holds for each value by itself.
    let far = move |i, x, _| if i == 3 { x + 10.0 * rmse } else { x };
    let verdict = verdict_under("psnr:40", &x, far);
    assert_eq!((verdict.violations, verdict.bound_exceeded), (1, 1));
}

/// A bound taken from the whole range, where a range between quantiles was promised.
#[test]
fn a_range_stretched_by_outliers() {
    let mut x: Vec<f64> = (0..ROWS).map(|i| i as f64 / ROWS as f64).collect();
    x[3] = 1e6;
    let original: ArrayRef = Arc::new(Float64Array::from(x));
    let table = RecordBatch::try_from_iter([("x", original.clone())]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    let bound: ErrorBound = "rel:0.01@p1..p99".parse().unwrap();
    let violations = |range| {
        let options = WriterOptions::new()
            .with_bound(bound)
            .with_column_range("x", range);
        pack(&path, std::slice::from_ref(&table), options);
        verified(std::slice::from_ref(&table), &path).violations
    };
    let ErrorBound::RobustRel { low, high, .. } = bound else {
        panic!("{bound}")
    };
    let right = finite_quantiles(&original, low, high);
    assert_eq!(violations(right), 0);
    // One rank farther at one end.
    assert_eq!(
        violations(ValueRange {
            max: right.max + 1.0 / ROWS as f64,
            ..right
        }),
        1
    );
    assert_eq!(violations(finite_range(&original)), 1);
}
