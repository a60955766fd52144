//! Protects the verifier from passing what it must not: every kind of damage is planted and must
//! be found, once, in the right column and row. A checker that cannot fail is no checker.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, DictionaryArray, Float16Array, Float32Array, Float64Array, Int64Array,
    LargeStringArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use arrow::datatypes::{Field, Int32Type, Schema};
use half::f16;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
        .unwrap()
}

fn packed<'a>(
    batches: &'a [RecordBatch],
    promises: Vec<Option<Promise>>,
    row_groups: Vec<u64>,
) -> PackedTable<impl Iterator<Item = Result<RecordBatch>> + Send + 'a> {
    PackedTable {
        schema: batches[0].schema(),
        promises,
        leaves: HashMap::new(),
        row_groups,
        rows: RowsStand::InOrder,
        batches: batches.iter().cloned().map(Ok),
    }
}

fn compare(
    original: &[RecordBatch],
    packed_batches: &[RecordBatch],
    promises: Vec<Option<Promise>>,
) -> VerifyReport {
    let rows = packed_batches.iter().map(|b| b.num_rows() as u64).sum();
    let table = packed(packed_batches, promises, vec![rows]);
    verify_batches(
        &original[0].schema(),
        original.iter().cloned().map(Ok),
        table,
    )
    .unwrap()
}

fn promise(bound: ErrorBound, abs_bound: f64) -> Vec<Option<Promise>> {
    vec![Some(Promise {
        bound,
        abs_bounds: vec![abs_bound],
        range_is_of_column: true,
    })]
}

/// One column against another under `abs:bound`.
fn column(original: ArrayRef, reconstructed: ArrayRef, bound: f64) -> ColumnVerdict {
    let promises = promise(ErrorBound::Abs(bound), bound);
    let mut report = compare(
        &[batch(vec![("x", original)])],
        &[batch(vec![("x", reconstructed)])],
        promises,
    );
    assert_eq!(report.problems, Vec::<String>::new());
    report.columns.remove(0)
}

fn f64s(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

#[test]
fn values_within_the_bound_pass() {
    let verdict = column(
        f64s([0.0, 1.0, -0.0, f64::NAN]),
        f64s([0.5, 0.5, -0.0, f64::NAN]),
        0.5,
    );
    assert_eq!(verdict.violations, 0);
    assert_eq!(verdict.max_error, 0.5);
    assert_eq!(verdict.range, Some([-0.0, 1.0]));
}

#[test]
fn one_ulp_beyond_the_bound_is_found() {
    let verdict = column(
        f64s([0.0, 0.0, 0.0]),
        f64s([0.5, -0.5, 0.5f64.next_up()]),
        0.5,
    );
    assert_eq!((verdict.violations, verdict.bound_exceeded), (1, 1));
    let first = verdict.first_violation.unwrap();
    assert_eq!(first.row, 2);
    assert_eq!(
        first.what,
        "0.0 came back as 0.5000000000000001: 0.5000000000000001 away, allowed 0.5"
    );

    let half: ArrayRef = Arc::new(Float16Array::from(vec![f16::from_f32(1.0)]));
    let other: ArrayRef = Arc::new(Float16Array::from(vec![f16::from_bits(0x3c01)]));
    assert_eq!(
        column(half.clone(), other.clone(), 2f64.powi(-10)).violations,
        0
    );
    assert_eq!(
        column(half, other, 2f64.powi(-10).next_down()).violations,
        1
    );
}

#[test]
fn a_difference_that_rounding_would_hide_is_found() {
    // In f64, 1 - (-2^-60) rounds to 1, which is the bound.
    let verdict = column(f64s([1.0]), f64s([-(2f64.powi(-60))]), 1.0);
    assert_eq!(verdict.bound_exceeded, 1);
    assert_eq!(verdict.max_error, 1f64.next_up());
}

#[test]
fn changed_nan_bits_are_found() {
    let nans = [0x7fc0_0000u32, 0x7f80_0001, 0xffc0_0000, 0x7fc0_0001];
    let original: ArrayRef = Arc::new(Float32Array::from_iter_values(nans.map(f32::from_bits)));
    assert_eq!(
        column(original.clone(), original.clone(), 1.0).violations,
        0
    );
    let swapped = Arc::new(Float32Array::from_iter_values(
        [nans[0], nans[2], nans[1], nans[3]].map(f32::from_bits),
    ));
    let verdict = column(original, swapped, 1.0);
    assert_eq!((verdict.violations, verdict.changed_nan), (2, 2));
    assert_eq!(
        verdict.first_violation.unwrap().what,
        "NaN (bits 0x7f800001) came back as NaN (bits 0xffc00000)"
    );
    assert_eq!(column(f64s([1.0]), f64s([f64::NAN]), 1e300).changed_nan, 1);
}

#[test]
fn changed_infinities_are_found() {
    let verdict = column(
        f64s([f64::INFINITY, f64::NEG_INFINITY, 1.0, f64::INFINITY]),
        f64s([
            f64::NEG_INFINITY,
            f64::NEG_INFINITY,
            f64::INFINITY,
            f64::MAX,
        ]),
        f64::MAX,
    );
    assert_eq!((verdict.violations, verdict.changed_inf), (3, 3));
}

#[test]
fn changed_signed_zeros_are_found() {
    let verdict = column(
        f64s([-0.0, 0.0, -0.1, 0.0]),
        f64s([0.0, -0.0, -0.0, 0.1]),
        0.5,
    );
    assert_eq!((verdict.violations, verdict.changed_signed_zeros), (3, 3));
}

#[test]
fn changed_nulls_are_found() {
    let original: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None, None, Some(2.0)]));
    let other: ArrayRef = Arc::new(Float64Array::from(vec![None, Some(1.0), None, Some(2.0)]));
    let verdict = column(original, other, 1.0);
    assert_eq!((verdict.violations, verdict.changed_nulls), (2, 2));
    // The range is the original's, whatever became of its values.
    assert_eq!(verdict.range, Some([1.0, 2.0]));
    assert_eq!(
        verdict.first_violation.unwrap().what,
        "1.0 came back as null"
    );
}

#[test]
fn exact_float_columns_may_not_move() {
    let original = [batch(vec![("x", f64s([1.0, 0.0]))])];
    let moved = [batch(vec![("x", f64s([1f64.next_up(), 0.0]))])];
    assert_eq!(compare(&original, &original, vec![]).violations, 0);
    assert_eq!(
        compare(&original, &moved, vec![]).columns[0].bound_exceeded,
        1
    );
    assert_eq!(
        compare(&original, &moved, promise(ErrorBound::Exact, 0.0)).violations,
        1
    );
}

#[test]
fn a_stored_bound_beyond_the_promise_is_found() {
    let x = [batch(vec![("x", f64s([0.0, 10.0]))])];
    let violations = |asked, stored| compare(&x, &x, promise(asked, stored)).violations;
    assert_eq!(violations(ErrorBound::Rel(0.5), 5.0), 0);
    assert_eq!(violations(ErrorBound::Rel(0.5), 5f64.next_up()), 1);
    assert_eq!(violations(ErrorBound::Abs(0.5), 0.5f64.next_up()), 1);
    assert_eq!(violations(ErrorBound::Exact, 1e-300), 1);
    assert_eq!(violations(ErrorBound::Rel(0.5), f64::NAN), 1);
    assert_eq!(violations(ErrorBound::Rel(0.5), -1.0), 1);

    let nothing_finite = [batch(vec![("x", f64s([f64::INFINITY, f64::NAN]))])];
    let report = compare(
        &nothing_finite,
        &nothing_finite,
        promise(ErrorBound::Rel(0.5), 1.0),
    );
    assert_eq!(report.violations, 1);
}

#[test]
fn row_groups_are_judged_by_their_own_bound_and_range() {
    let original = [batch(vec![("x", f64s([0.0, 1.0, 0.0, 100.0]))])];
    let moved = [batch(vec![("x", f64s([0.0, 1.0, 5.0, 100.0]))])];
    let judge = |abs_bounds: [f64; 2], range_is_of_column| {
        let abs_bounds = abs_bounds.to_vec();
        let promises = vec![Some(Promise {
            bound: ErrorBound::Rel(0.1),
            abs_bounds,
            range_is_of_column,
        })];
        let report = verify_batches(
            &original[0].schema(),
            original.iter().cloned().map(Ok),
            packed(&moved, promises, vec![2, 2]),
        );
        report.unwrap().columns.remove(0)
    };
    assert_eq!(judge([0.1, 10.0], false).violations, 0);
    assert_eq!(judge([10.0, 10.0], true).violations, 0);
    // The first row group's own range promises less.
    let verdict = judge([10.0, 10.0], false);
    assert_eq!(verdict.violations, 1);
    assert!(verdict.problem.unwrap().starts_with("row group 0: "));
    // The error of the second row group exceeds its own bound.
    assert_eq!(judge([0.1, 0.1], false).first_violation.unwrap().row, 2);
}

#[test]
fn rows_missing_or_extra_are_found() {
    let long = [batch(vec![("x", f64s([1.0, 2.0, 3.0]))])];
    let short = [long[0].slice(0, 2)];
    for (a, b) in [(&long, &short), (&short, &long)] {
        let report = compare(a, b, vec![]);
        assert_eq!(report.violations, 1);
        assert!(
            report.problems[0].contains("only the first 2 were compared"),
            "{report:?}"
        );
    }
    // A dropped row in the middle moves all that follow.
    let holed = [long[0].slice(0, 1), long[0].slice(2, 1)];
    let report = compare(&long, &holed, vec![]);
    assert_eq!(report.violations, 2);
    assert_eq!(report.columns[0].first_violation.as_ref().unwrap().row, 1);
    // Row groups that do not account for all rows would leave values without a bound.
    let table = packed(&long, vec![], vec![2]);
    let report = verify_batches(&long[0].schema(), long.iter().cloned().map(Ok), table).unwrap();
    assert_eq!(report.violations, 1);
}

#[test]
fn batches_need_not_line_up() {
    let rows = 1000;
    let all = batch(vec![
        ("x", f64s((0..rows).map(f64::from))),
        (
            "n",
            Arc::new(Int64Array::from_iter_values((0..rows).map(i64::from))),
        ),
    ]);
    let pieces = |size: usize| -> Vec<RecordBatch> {
        (0..all.num_rows())
            .step_by(size)
            .flat_map(|at| {
                [
                    all.slice(at, 0),
                    all.slice(at, size.min(all.num_rows() - at)),
                ]
            })
            .collect()
    };
    let report = verify_batches(
        &all.schema(),
        pieces(7).into_iter().map(Ok),
        packed(&pieces(64), vec![], vec![256, 256, 256, 232]),
    );
    let report = report.unwrap();
    assert_eq!((report.violations, report.rows), (0, 1000));
}

#[test]
fn columns_missing_extra_moved_or_of_another_type_are_found() {
    let x = || ("x", f64s([1.0]));
    let y = || ("y", f64s([2.0]));
    let singles: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
    let problems = |a: Vec<(&str, ArrayRef)>, b: Vec<(&str, ArrayRef)>| {
        let report = compare(&[batch(a)], &[batch(b)], vec![]);
        assert_eq!(report.violations, report.problems.len() as u64);
        report.problems.join("; ")
    };
    assert_eq!(problems(vec![x(), y()], vec![x(), y()]), "");
    assert_eq!(
        problems(vec![x(), y()], vec![x()]),
        "column \"y\" is missing from the packed file"
    );
    assert_eq!(
        problems(vec![x()], vec![x(), y()]),
        "column \"y\" of the packed file is not in the original"
    );
    assert_eq!(
        problems(vec![x(), y()], vec![y(), x()]),
        "the packed file has its columns in another order"
    );
    assert_eq!(
        problems(vec![x()], vec![("x", singles)]),
        "column \"x\" is Float64 in the original and Float32 in the packed file"
    );
}

#[test]
fn columns_of_one_name_are_paired_in_order() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("x", DataType::Float64, true),
        Field::new("x", DataType::Float64, true),
    ]));
    let table = |a, b| [RecordBatch::try_new(schema.clone(), vec![f64s([a]), f64s([b])]).unwrap()];
    assert_eq!(
        compare(&table(1.0, 2.0), &table(1.0, 2.0), vec![]).violations,
        0
    );
    assert_eq!(
        compare(&table(1.0, 2.0), &table(2.0, 1.0), vec![]).violations,
        2
    );
}

#[test]
fn layouts_of_the_same_strings_are_equal() {
    let words = vec![
        Some("a"),
        None,
        Some("a long string that does not fit into a view"),
        Some("a"),
    ];
    let layouts: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(words.clone())),
        Arc::new(LargeStringArray::from(words.clone())),
        Arc::new(StringViewArray::from(words.clone())),
        Arc::new(
            words
                .iter()
                .copied()
                .collect::<DictionaryArray<Int32Type>>(),
        ),
    ];
    let other: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, None, Some("b")]));
    for a in &layouts {
        for b in &layouts {
            let report = compare(
                &[batch(vec![("s", a.clone())])],
                &[batch(vec![("s", b.clone())])],
                vec![],
            );
            assert_eq!(report.violations, 0, "{} {}", a.data_type(), b.data_type());
        }
        let report = compare(
            &[batch(vec![("s", a.clone())])],
            &[batch(vec![("s", other.clone())])],
            vec![],
        );
        let verdict = &report.columns[0];
        assert_eq!(
            (
                verdict.violations,
                verdict.changed_nulls,
                verdict.changed_values
            ),
            (2, 1, 1)
        );
        let first = verdict.first_violation.as_ref().unwrap();
        assert_eq!(first.row, 2);
        assert!(first.what.ends_with("came back as null"), "{}", first.what);
    }
}

#[test]
fn nested_floats_are_compared_by_bits() {
    let nested = |x: f64| -> ArrayRef {
        let field = Arc::new(Field::new("inner", DataType::Float64, true));
        Arc::new(StructArray::from(vec![(field, f64s([1.0, x]))]))
    };
    let differences = |a: f64, b: f64| {
        let report = compare(
            &[batch(vec![("s", nested(a))])],
            &[batch(vec![("s", nested(b))])],
            vec![],
        );
        report.columns[0].changed_values
    };
    assert_eq!(differences(f64::NAN, f64::NAN), 0);
    assert_eq!(differences(0.0, -0.0), 1);
    assert_eq!(
        differences(f64::NAN, f64::from_bits(0x7ff8_0000_0000_0001)),
        1
    );
}

#[test]
fn an_error_of_either_side_ends_the_comparison() {
    let x = batch(vec![("x", f64s([1.0]))]);
    let failing = || [Ok(x.clone()), Err(ToolError::invalid("disk on fire"))].into_iter();
    let table = |batches| PackedTable {
        schema: x.schema(),
        promises: vec![],
        leaves: HashMap::new(),
        rows: RowsStand::InOrder,
        row_groups: vec![2],
        batches,
    };
    let fine = || vec![Ok(x.clone()), Ok(x.clone())].into_iter();
    let report = verify_batches(&x.schema(), failing(), table(fine()));
    assert_eq!(report.unwrap_err().to_string(), "disk on fire");
    let table = PackedTable {
        schema: x.schema(),
        promises: vec![],
        leaves: HashMap::new(),
        rows: RowsStand::InOrder,
        row_groups: vec![2],
        batches: failing(),
    };
    assert!(verify_batches(&x.schema(), fine(), table).is_err());
}

#[test]
fn the_report_is_json() {
    let x = [batch(vec![("x", f64s([0.0, 1.0]))])];
    let report = compare(&x, &x, promise(ErrorBound::Rel(0.1), 0.1));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["violations"], 0);
    assert_eq!(json["columns"][0]["type"], "Float64");
    assert_eq!(json["columns"][0]["bound"], "rel:0.1");
    assert_eq!(json["columns"][0]["abs_bound"], 0.1);
}
