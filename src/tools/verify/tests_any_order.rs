//! Protects the verifier of rows in any order from both errors: from calling rows lost that are
//! there, and from passing rows that are not.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    UInt32Array,
};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Int32Type, Schema};
use proptest::prelude::*;

use super::*;
use crate::file::{FileLayout, PortableWriter, RowOrder, Writer, WriterOptions};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn compare(
    original: &RecordBatch,
    stored: &RecordBatch,
    bounds: &[f64],
    row_groups: &[u64],
    rows: RowsStand,
) -> VerifyReport {
    let promise = |bound: &f64| {
        Some(Promise {
            bound: ErrorBound::Abs(*bound),
            abs_bounds: vec![*bound; row_groups.len()],
            range_is_of_column: true,
        })
    };
    let table = PackedTable {
        schema: stored.schema(),
        promises: bounds.iter().map(promise).collect(),
        leaves: HashMap::new(),
        row_groups: row_groups.to_vec(),
        rows,
        // In odd pieces, as a reader may.
        batches: (0..stored.num_rows())
            .step_by(3)
            .map(|i| Ok(stored.slice(i, 3.min(stored.num_rows() - i)))),
    };
    verify_batches(
        &original.schema(),
        [Ok(original.clone())].into_iter(),
        table,
    )
    .unwrap()
}

fn anyhow(original: &RecordBatch, stored: &RecordBatch, bounds: &[f64]) -> VerifyReport {
    let rows = stored.num_rows() as u64;
    compare(original, stored, bounds, &[rows], RowsStand::Anyhow)
}

fn one_column(original: &[f64], stored: &[f64], bound: f64) -> VerifyReport {
    let table = |values| batch(vec![("x", floats(values))]);
    anyhow(&table(original), &table(stored), &[bound])
}

#[test]
fn greed_fails_where_a_matching_exists() {
    // 1.0 is nearest to 1.1, which only 1.5 could have otherwise.
    let report = one_column(&[1.0, 1.5], &[1.1, 0.6], 0.45);
    assert_eq!(report.violations, 0, "{report:?}");
    // A chain in which everyone must move over.
    let original: Vec<f64> = (0..200).map(f64::from).collect();
    let stored: Vec<f64> = (0..200).map(|i| f64::from(i) + 0.75).collect();
    assert_eq!(one_column(&original, &stored, 0.75).violations, 0);
    let nearest_is_another: Vec<f64> = (0..200).map(|i| f64::from(i) - 0.75).collect();
    assert_eq!(
        one_column(&original, &nearest_is_another, 0.75).violations,
        0
    );
}

#[test]
fn where_none_exists_a_row_is_named() {
    // Each value has a neighbour within the bound, but two share one.
    let report = one_column(&[0.0, 0.5, 9.0], &[0.25, 9.0, 9.5], 0.5);
    assert!(report.violations >= 2, "{report:?}");
    let problem = &report.problems[0];
    assert!(
        problem.contains("1 of 3 rows") && problem.contains("row 1 first"),
        "{problem}"
    );
    assert_eq!(report.columns[0].bound_exceeded, 1);
    assert_eq!(report.columns[0].first_violation.as_ref().unwrap().row, 1);
}

/// Loose bounds: thousands of rows stored alike. One too many in one place must be noticed.
#[test]
fn alike_rows_are_counted() {
    let original: Vec<f64> = (0..9000)
        .map(|i| f64::from(i % 3) + f64::from(i % 7) * 0.01)
        .collect();
    let mut stored: Vec<f64> = original.iter().map(|x| x.round()).rev().collect();
    assert_eq!(one_column(&original, &stored, 0.1).violations, 0);
    let moved = stored.iter().position(|x| *x == 2.0).unwrap();
    stored[moved] = 1.0;
    let report = one_column(&original, &stored, 0.1);
    assert!(
        report.problems[0].contains("1 of 9000 rows"),
        "{:?}",
        report.problems
    );
    assert_eq!(report.columns[0].bound_exceeded, 1);
}

#[test]
fn a_value_swapped_between_two_rows_is_found() {
    let n = 500;
    let x: Vec<f64> = (0..n).map(|i| f64::from(i * 7919 % n)).collect();
    let y: Vec<f64> = (0..n).map(|i| f64::from(i * 104_729 % 977)).collect();
    let original = batch(vec![("x", floats(&x)), ("y", floats(&y))]);
    let order = UInt32Array::from_iter_values((0..n as u32).rev());
    let stored = take_record_batch(&original, &order).unwrap();
    assert_eq!(anyhow(&original, &stored, &[0.4, 0.4]).violations, 0);

    let mut swapped = y.clone();
    swapped.reverse();
    swapped.swap(10, 20);
    let wrong = batch(vec![
        ("x", Arc::clone(stored.column(0))),
        ("y", floats(&swapped)),
    ]);
    let report = anyhow(&original, &wrong, &[0.4, 0.4]);
    assert!(
        report.problems[0].contains("2 of 500 rows"),
        "{:?}",
        report.problems
    );
    // Each is held against a row that has all but one value of it.
    let changed: u64 = report
        .columns
        .iter()
        .map(|column| column.bound_exceeded)
        .sum();
    assert_eq!(changed, 2);
}

#[test]
fn what_must_be_equal_is() {
    let nan = f64::from_bits(0x7ff8_0000_0000_0001);
    let x = [
        Some(f64::NAN),
        Some(nan),
        Some(f64::INFINITY),
        Some(-0.0),
        Some(0.0),
        None,
        Some(1.0),
    ];
    let names = ["a", "a", "b", "b", "c", "d", "d"];
    let table = |order: &[usize]| {
        let x: Float64Array = order.iter().map(|i| x[*i]).collect();
        let names: StringArray = order.iter().map(|i| Some(names[*i])).collect();
        batch(vec![("x", Arc::new(x)), ("name", Arc::new(names))])
    };
    let original = table(&[0, 1, 2, 3, 4, 5, 6]);
    let good = table(&[6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(anyhow(&original, &good, &[0.1]).violations, 0);
    // 0.0 may move, but not become -0.0, nor one NaN the other, nor a null a value.
    for (from, to) in [(4, 3), (0, 1), (5, 6), (2, 6)] {
        let mut order = [6, 5, 4, 3, 2, 1, 0];
        order[6 - from] = to;
        let report = anyhow(&original, &table(&order), &[0.1]);
        assert_eq!(report.problems.len(), 1, "{from} {to}: {report:?}");
    }
}

#[test]
fn layouts_of_the_same_values_match() {
    let names: StringArray = ["x", "y", "x", "z"].into_iter().map(Some).collect();
    let shuffled: DictionaryArray<Int32Type> = ["z", "x", "x", "y"].into_iter().collect();
    let original = batch(vec![("name", Arc::new(names))]);
    let stored = batch(vec![("name", Arc::new(shuffled))]);
    assert_eq!(anyhow(&original, &stored, &[]).violations, 0);
}

#[test]
fn rows_stay_in_their_row_group() {
    let original = batch(vec![("x", floats(&[1.0, 2.0, 3.0, 4.0]))]);
    let within = batch(vec![("x", floats(&[2.0, 1.0, 4.0, 3.0]))]);
    let across = batch(vec![("x", floats(&[2.0, 3.0, 4.0, 1.0]))]);
    let found = |stored| compare(&original, stored, &[0.1], &[2, 2], RowsStand::Anyhow);
    assert_eq!(found(&within).violations, 0);
    let report = found(&across);
    assert_eq!(report.problems.len(), 2, "{report:?}");
}

#[test]
fn rows_missing_or_extra_are_noticed() {
    let table = |values: &[f64]| batch(vec![("x", floats(values))]);
    let report = anyhow(&table(&[1.0, 2.0]), &table(&[3.0, 2.0, 1.0]), &[0.1]);
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert!(report.problems[0].contains("2 rows and the packed file 3"));
    let report = anyhow(&table(&[1.0, 2.0, 3.0]), &table(&[2.0, 1.0]), &[0.1]);
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(report.columns[0].violations, 0);
}

fn numbered(values: &[f64], numbers: &[i64]) -> RecordBatch {
    let numbers = Arc::new(Int64Array::from(numbers.to_vec()));
    batch(vec![("x", floats(values)), ("id", numbers)])
}

#[test]
fn numbers_join_rows() {
    let original = batch(vec![("x", floats(&[1.0, 2.0, 1.1]))]);
    let found =
        |stored: &RecordBatch| compare(&original, stored, &[0.3], &[3], RowsStand::Numbered(1));
    assert_eq!(found(&numbered(&[2.0, 1.2, 1.0], &[1, 2, 0])).violations, 0);
    // A matching would pass this.
    let report = found(&numbered(&[2.0, 1.2, 1.0], &[2, 1, 0]));
    assert_eq!(
        (report.problems.len(), report.columns[0].bound_exceeded),
        (0, 2)
    );
    for numbers in [[0, 1, 1], [0, 1, 3], [-1, 0, 1]] {
        let report = found(&numbered(&[1.0, 2.0, 1.1], &numbers));
        assert_eq!(report.problems.len(), 1, "{report:?}");
        assert!(report.problems[0].contains("\"id\" does not number its rows"));
    }
}

#[test]
fn empty_tables_match() {
    let empty = batch(vec![("x", floats(&[]))]);
    assert_eq!(
        compare(&empty, &empty, &[0.1], &[], RowsStand::Anyhow).violations,
        0
    );
}

/// What the writer makes of a table, held against it; blocks quantize by steps of their own.
fn written(
    original: &RecordBatch,
    bound: ErrorBound,
    row_id: bool,
    layout: FileLayout,
) -> VerifyReport {
    let mut options = WriterOptions::new()
        .with_bound(bound)
        .with_row_order(RowOrder::Any)
        .with_block_rows(256)
        .with_row_group_rows(8192);
    if row_id {
        options = options.with_row_id("id");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let sink = file.reopen().unwrap();
    match layout {
        FileLayout::Packed => {
            let mut writer = Writer::try_new(sink, original.schema(), options).unwrap();
            writer.write(original).unwrap();
            writer.close().unwrap();
        }
        FileLayout::Portable => {
            let mut writer = PortableWriter::try_new(sink, original.schema(), options).unwrap();
            writer.write(original).unwrap();
            let (_, report) = writer.close().unwrap();
            let order = report.row_order.unwrap();
            assert!(row_id || order.bytes < order.kept_bytes, "{order:?}");
        }
    }
    verify(
        &original.schema(),
        [Ok(original.clone())].into_iter(),
        file.path(),
    )
    .unwrap()
}

#[test]
fn what_the_writer_orders_is_matched() {
    let n = 20_000;
    let noise = |i: u32, seed: u32| {
        (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7) % 10_007
    };
    let x: Float32Array = (0..n)
        .map(|i| (i % 13 > 0).then(|| noise(i, 1) as f32 * 0.37))
        .collect();
    let y = Float64Array::from_iter_values((0..n).map(|i| (f64::from(noise(i, 2)) - 5e3) * 1e3));
    let name: StringArray = (0..n)
        .map(|i| Some(format!("n{}", noise(i, 3) % 4)))
        .collect();
    let original = batch(vec![
        ("x", Arc::new(x)),
        ("y", Arc::new(y)),
        ("name", Arc::new(name)),
    ]);
    for bound in [1e-1, 1e-2, 1e-4] {
        for row_id in [false, true] {
            for layout in [FileLayout::Packed, FileLayout::Portable] {
                let report = written(&original, ErrorBound::Rel(bound), row_id, layout);
                assert_eq!(report.violations, 0, "{report:?}");
                assert_eq!(report.rows, u64::from(n));
            }
        }
    }
}

/// Cell in x and y, and how far from it.
type Moved = (i32, i32, i32, i32);

proptest! {
    /// Rows moved within the bound and shuffled always match; a row moved out of all reach never.
    #[test]
    fn shuffled_rows_match(
        rows in prop::collection::vec((0i32..6, 0i32..6, -40i32..40, -40i32..40), 1..60),
        seed in any::<u64>(),
    ) {
        let n = rows.len();
        let mut order: Vec<u32> = (0..n as u32).collect();
        order.sort_by_key(|i| (u64::from(*i) + 1).wrapping_mul(seed | 1).rotate_left(17));
        let column = |f: &dyn Fn(&Moved) -> f64| floats(&rows.iter().map(f).collect::<Vec<_>>());
        let x = |r: &Moved| f64::from(r.0) * 0.5;
        let y = |r: &Moved| f64::from(r.1) * 0.5;
        let original = batch(vec![("x", column(&x)), ("y", column(&y))]);
        let moved = batch(vec![
            ("x", column(&|r| x(r) + f64::from(r.2) / 64.0)),
            ("y", column(&|r| y(r) + f64::from(r.3) / 64.0)),
        ]);
        let stored = take_record_batch(&moved, &UInt32Array::from(order)).unwrap();
        prop_assert_eq!(anyhow(&original, &stored, &[0.625, 0.625]).violations, 0);

        let last = stored.slice(0, n - 1);
        let far = batch(vec![("x", floats(&[1e3])), ("y", floats(&[0.0]))]);
        let far = RecordBatch::try_new(stored.schema(), far.columns().to_vec()).unwrap();
        let lost = concat_batches(&stored.schema(), [&last, &far]).unwrap();
        prop_assert_eq!(anyhow(&original, &lost, &[0.625, 0.625]).problems.len(), 1);
    }
}

#[test]
fn a_number_of_the_original_is_a_column() {
    let schema = Schema::new(vec![Field::new(
        "id",
        arrow::datatypes::DataType::Int64,
        true,
    )]);
    let (pairs, problems) = pair_columns(&schema, &schema, None);
    assert_eq!((pairs, problems.len()), (vec![(0, 0)], 0));
    assert_eq!(pair_columns(&schema, &schema, Some(0)).1.len(), 1);
}
