//! Protects the promise of rows in any order: the same rows, never larger, the same each time, and
//! nothing said of their order that is not so.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;

use super::*;
use crate::codec::ErrorBound;
use crate::file::{Opened, ReaderBuilder, RowOrder, WriteReport, Writer, WriterOptions};

fn write(batch: &RecordBatch, options: WriterOptions) -> (Vec<u8>, WriteReport) {
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap()
}

fn read(bytes: Vec<u8>) -> (ReaderBuilder, RecordBatch) {
    let builder = ReaderBuilder::new(Arc::new(bytes::Bytes::from(bytes))).unwrap();
    let schema = Arc::clone(builder.schema());
    let batches: Vec<_> = builder
        .clone()
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect();
    (builder, concat_batches(&schema, &batches).unwrap())
}

fn options(order: RowOrder) -> WriterOptions {
    WriterOptions::new()
        .with_bound(ErrorBound::Abs(0.05))
        .with_row_order(order)
}

/// Numbers that look random and are the same each time.
fn noise(i: usize) -> u64 {
    let x = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 29)
}

/// Shuffled rows of floats with nulls and all special values, strings, flags, integers, a list.
fn table(rows: usize) -> RecordBatch {
    let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 0.0];
    let x = |i: usize| match noise(i) % 40 {
        k @ 0..5 => Some(special[k as usize]),
        5 | 6 => None,
        _ => Some((noise(i + 7) % 100) as f32 / 10.0),
    };
    let name = |i: usize| (!noise(i).is_multiple_of(9)).then(|| format!("n{}", noise(i + 1) % 5));
    let list = |i: usize| (!noise(i).is_multiple_of(3)).then(|| vec![Some((noise(i) % 4) as i32)]);
    let lists = (0..rows).map(list);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new((0..rows).map(x).collect::<Float32Array>())),
        (
            "y",
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|i| (noise(i + 3) % 1000) as f64 / 100.0),
            )),
        ),
        (
            "name",
            Arc::new((0..rows).map(name).collect::<StringArray>()),
        ),
        (
            "flag",
            Arc::new(
                (0..rows)
                    .map(|i| Some(noise(i + 5).is_multiple_of(3)))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            "k",
            Arc::new(
                (0..rows)
                    .map(|i| Some((noise(i + 6) % 7) as i64))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<
                arrow::datatypes::Int32Type,
                _,
                _,
            >(lists)),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

/// With a row id each stored row is held against its original.
fn check_rows(original: &RecordBatch, stored: &RecordBatch, bound: f64) {
    let ids = stored.columns().last().unwrap();
    let ids: &Int64Array = ids.as_primitive();
    let mut seen: Vec<i64> = ids.values().to_vec();
    seen.sort_unstable();
    assert_eq!(seen, (0..original.num_rows() as i64).collect::<Vec<_>>());
    let order = UInt64Array::from_iter_values(ids.values().iter().map(|id| *id as u64));
    for (i, column) in original.columns().iter().enumerate() {
        let expected = take(column, &order, None).unwrap();
        let found = stored.column(i);
        let near = |a: f64, b: f64, exact: bool| exact || (a - b).abs() <= bound;
        match column.data_type() {
            DataType::Float32 => {
                let (a, b): (&Float32Array, &Float32Array) =
                    (expected.as_primitive(), found.as_primitive());
                for (a, b) in a.iter().zip(b) {
                    let (Some(a), Some(b)) = (a, b) else {
                        assert_eq!(a, b);
                        continue;
                    };
                    let same = a.to_bits() == b.to_bits();
                    let zero = a == 0.0 && a.is_sign_negative();
                    assert!(near(a.into(), b.into(), same) && (same || !zero), "{a} {b}");
                }
            }
            DataType::Float64 => {
                let (a, b): (&Float64Array, &Float64Array) =
                    (expected.as_primitive(), found.as_primitive());
                assert!(
                    a.iter()
                        .zip(b)
                        .all(|(a, b)| near(a.unwrap(), b.unwrap(), false))
                );
            }
            _ => assert_eq!(&expected, found),
        }
    }
}

#[test]
fn every_row_is_there_once() {
    for rows in [0, 1, 2, 7, 900, 5000] {
        let batch = table(rows);
        for (block_rows, group_rows) in [(128, 512), (1 << 16, 1 << 18)] {
            let options = options(RowOrder::Any)
                .with_block_rows(block_rows)
                .with_row_group_rows(group_rows)
                .with_row_id("id");
            let (bytes, report) = write(&batch, options);
            assert_eq!(report.rows, rows as u64);
            check_rows(&batch, &read(bytes).1, 0.05);
        }
    }
}

#[test]
fn rows_are_numbered_in_any_order_and_in_theirs() {
    let batch = table(1000);
    let (bytes, _) = write(&batch, options(RowOrder::Keep).with_row_id("id"));
    let (builder, stored) = read(bytes);
    let ids: &Int64Array = stored.column(6).as_primitive();
    assert!(ids.values().iter().copied().eq(0..1000));
    assert!(!builder.schema().field(6).is_nullable());
    let Opened::Packed(layout) = builder.opened() else {
        panic!("not packed")
    };
    assert_eq!(layout.row_id(), Some("id"));
    assert!(layout.row_order().is_none());
}

#[test]
fn a_row_id_needs_a_name_of_its_own() {
    let schema = table(1).schema();
    let options = options(RowOrder::Keep).with_row_id("name");
    let error = Writer::try_new(Vec::new(), schema, options).err().unwrap();
    assert!(error.to_string().contains("\"name\" already"), "{error}");
}

#[test]
fn rows_without_a_number_are_all_there() {
    let batch = table(3000);
    let (bytes, report) = write(&batch, options(RowOrder::Any));
    let stored = read(bytes).1;
    // Rows by what is stored of them exactly.
    let exact = |batch: &RecordBatch| {
        let columns = [2, 3, 4].map(|i| Arc::clone(batch.column(i)));
        let fields = columns
            .iter()
            .map(|c| arrow::row::SortField::new(c.data_type().clone()));
        let converter = arrow::row::RowConverter::new(fields.collect()).unwrap();
        let rows = converter.convert_columns(&columns).unwrap();
        let mut rows: Vec<Vec<u8>> = rows.iter().map(|row| row.as_ref().to_vec()).collect();
        rows.sort();
        rows
    };
    assert_eq!(exact(&batch), exact(&stored));
    let order = report.row_order.unwrap();
    assert!(order.bytes < order.kept_bytes, "{order:?}");
    assert_eq!(order.row_groups, 1);
}

#[test]
fn any_order_is_never_larger() {
    let rows = 4000;
    let ascending = Float64Array::from_iter_values((0..rows).map(|i| i as f64));
    let same = Float64Array::from_iter_values((0..rows).map(|_| 2.5));
    let random = Float64Array::from_iter_values((0..rows).map(|i| noise(i) as f64));
    for columns in [
        vec![("a", Arc::new(ascending.clone()) as ArrayRef)],
        vec![("a", Arc::new(same.clone()) as ArrayRef)],
        vec![
            ("a", Arc::new(ascending) as ArrayRef),
            ("r", Arc::new(random.clone()) as _),
        ],
        vec![
            ("r", Arc::new(random) as ArrayRef),
            ("s", Arc::new(same) as _),
        ],
    ] {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        for id in [false, true] {
            let options = |order| {
                let options = options(order);
                if id {
                    options.with_row_id("id")
                } else {
                    options
                }
            };
            let (_, kept) = write(&batch, options(RowOrder::Keep));
            let (_, any) = write(&batch, options(RowOrder::Any));
            let pages = |report: &WriteReport| -> u64 {
                report
                    .columns
                    .iter()
                    .map(|column| column.packed_bytes)
                    .sum()
            };
            assert!(pages(&any) <= pages(&kept), "{any:?}");
            let order = any.row_order.as_ref().unwrap();
            assert_eq!(
                order.bytes,
                pages(&any),
                "what is reported is what is written"
            );
            assert_eq!(order.kept_bytes, pages(&kept));
        }
    }
}

#[test]
fn the_order_does_not_depend_on_threads() {
    let batch = table(6000);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| write(&batch, options(RowOrder::Any)).0)
    };
    assert!(with_threads(1) == with_threads(3));
}

/// Plainly sorted: independent columns, of which a tour makes nothing.
fn sorted_table(rows: usize) -> RecordBatch {
    let column = |seed: usize, values: u64| -> ArrayRef {
        let value = |i| (noise(i * 31 + seed) % values) as f64;
        Arc::new(Float64Array::from_iter_values((0..rows).map(value)))
    };
    RecordBatch::try_from_iter([("a", column(1, 4)), ("b", column(2, 300))]).unwrap()
}

#[test]
fn what_is_declared_sorted_is() {
    let batch = sorted_table(6000);
    let (bytes, _) = write(&batch, options(RowOrder::Any));
    let (builder, stored) = read(bytes);
    let Opened::Packed(layout) = builder.opened() else {
        panic!("not packed")
    };
    let sorted_by = &layout.row_order().unwrap().sorted_by;
    assert_eq!(sorted_by.len(), 1);
    assert!(!sorted_by[0].is_empty());
    let columns: Vec<_> = sorted_by[0]
        .iter()
        .map(|i| Arc::clone(stored.column(*i)))
        .collect();
    assert_eq!(
        super::sorted_by(&[0], 6000, |_| Ok(Arc::clone(&columns[0]))).unwrap(),
        [0]
    );
    let declared = layout.metadata().row_group(0).sorting_columns().unwrap();
    assert_eq!(declared.len(), sorted_by[0].len());
    assert!(
        declared.iter().zip(&sorted_by[0]).all(|(d, column)| {
            d.column_idx as usize == *column && !d.descending && d.nulls_first
        })
    );
}

/// DataFusion takes the first row group's order for that of the file.
#[test]
fn several_row_groups_declare_nothing() {
    let batch = sorted_table(6000);
    let options = options(RowOrder::Any)
        .with_block_rows(1000)
        .with_row_group_rows(3000);
    let (builder, _) = read(write(&batch, options).0);
    let Opened::Packed(layout) = builder.opened() else {
        panic!("not packed")
    };
    assert_eq!(layout.row_order().unwrap().sorted_by.len(), 2);
    assert!(
        layout
            .row_order()
            .unwrap()
            .sorted_by
            .iter()
            .all(|columns| !columns.is_empty())
    );
    let mut groups = layout.metadata().row_groups().iter();
    assert!(groups.all(|group| group.sorting_columns().is_none()));
}

fn prefix(columns: &[ArrayRef]) -> Vec<usize> {
    let positions: Vec<usize> = (0..columns.len()).collect();
    super::sorted_by(&positions, columns[0].len(), |i| {
        Ok(Arc::clone(&columns[i]))
    })
    .unwrap()
}

#[test]
fn only_true_prefixes_are_declared() {
    let f = |values: &[Option<f64>]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let first = f(&[None, None, Some(1.0), Some(1.0), Some(2.0)]);
    assert_eq!(
        prefix(&[
            first.clone(),
            f(&[None, Some(3.0), Some(0.0), Some(0.5), None])
        ]),
        [0, 1]
    );
    assert_eq!(
        prefix(&[
            first.clone(),
            f(&[Some(3.0), None, Some(0.0), Some(0.5), None])
        ]),
        [0]
    );
    // Nulls last is another order.
    assert_eq!(
        prefix(&[f(&[Some(1.0), Some(2.0), None])]),
        [] as [usize; 0]
    );
    assert_eq!(prefix(&[f(&[Some(1.0), Some(f64::NAN)])]), [] as [usize; 0]);
    // Equal for some engines, which would then miss the order of what follows.
    let zeros = f(&[Some(-0.0), Some(0.0), Some(0.0)]);
    assert_eq!(prefix(&[zeros, f(&[Some(2.0), Some(1.0), Some(3.0)])]), [0]);
    // Told apart by the first column: nothing more to say.
    let (up, down) = (f(&[Some(1.0), Some(2.0)]), f(&[Some(2.0), Some(1.0)]));
    assert_eq!(prefix(&[up, down]), [0]);
}

fn key(column: usize, codes: &[u32]) -> Key {
    Key {
        column,
        codes: codes.to_vec(),
        distinct: codes.iter().max().map_or(0, |max| max + 1),
        entropy: 0.0,
    }
}

proptest! {
    /// Every way of sorting returns each row once; the lexicographic one is that of Vec's Ord.
    #[test]
    fn orders_are_permutations(
        rows in prop::collection::vec(prop::collection::vec(0u32..1 << 20, 9), 1..200),
        coarse in 0u32..20,
    ) {
        let column = |c: usize| rows.iter().map(|row| row[c] >> coarse).collect::<Vec<_>>();
        let keys: Vec<Key> = (0..9).map(|c| key(c, &column(c))).collect();
        let by: Vec<&Key> = keys.iter().collect();
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        let sorted = sort::lexicographic(&by, all.clone());
        let row = |i: &u32| rows[*i as usize].iter().map(|x| x >> coarse).collect::<Vec<_>>();
        let mut expected = all.clone();
        expected.sort_by_key(row);
        prop_assert_eq!(&sorted, &expected);
        for order in [sort::snake(&by, all.clone()), sort::interleaved(&by, &all), tour::through(&keys, &sorted)] {
            let mut order = order;
            order.sort_unstable();
            prop_assert_eq!(&order, &all);
        }
    }
}

#[test]
fn keys_are_in_the_order_of_what_is_stored() {
    let values = [
        Some(f64::NEG_INFINITY),
        Some(-1.0),
        Some(-0.0),
        Some(0.0),
        Some(0.01),
        Some(1.0),
        Some(f64::INFINITY),
        Some(f64::NAN),
        None,
    ];
    let field = Arc::new(Field::new("x", DataType::Float64, true));
    let array: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    let column = OrderColumn {
        nested: None,
        field: &field,
        grid: Grid::of(&[1.0], 0.05),
        array,
        abs_bound: 0.05,
        bound: ErrorBound::Abs(0.05),
        key: true,
    };
    let keys = keys::of(&[column]);
    // 0.0 and 0.01 are stored as the same number.
    assert_eq!(keys[0].codes, [1, 2, 3, 4, 4, 5, 6, 7, 0]);
    assert_eq!(keys[0].distinct, 8);
}

/// Where nothing is gained the file is the same, and says nothing of the order.
#[test]
fn rows_best_kept_make_the_same_file() {
    let rows = 600_000;
    let walk = Float64Array::from_iter_values((0..rows).map(|i| (i as f64 / 3e4).sin() * 1e3));
    let columns = [
        ("t", Arc::new(walk) as ArrayRef),
        (
            "row",
            Arc::new(Int64Array::from_iter_values(0..rows as i64)) as _,
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let (kept, _) = write(&batch, options(RowOrder::Keep));
    let (any, report) = write(&batch, options(RowOrder::Any));
    assert_eq!(report.row_order.unwrap().methods, [(OrderMethod::Kept, 1)]);
    assert!(kept == any);
    let (builder, _) = read(any);
    assert_eq!(builder.opened().metadata().num_row_groups(), 3);
}

/// Sums of noise, apart from one another: each is followed in the order that rows come in.
fn walks(rows: usize) -> RecordBatch {
    let walk = |column: usize| -> ArrayRef {
        let mut x = 0.0;
        Arc::new(Float32Array::from_iter_values((0..rows).map(|i| {
            x += (noise(i + (column << 20)) % 2001) as f32 / 1000.0 - 1.0;
            x
        })))
    };
    RecordBatch::try_from_iter((0..4).map(|i| (format!("x{i}"), walk(i)))).unwrap()
}

#[test]
fn series_that_are_followed_are_never_larger_in_any_order() {
    for rows in [4000, 20_000] {
        for bound in [0.5, 2.0, 8.0] {
            let batch = walks(rows);
            let size = |order| {
                let options = options(order).with_bound(ErrorBound::Abs(bound));
                let report = write(&batch, options).1;
                report.columns.iter().map(|c| c.packed_bytes).sum::<u64>()
            };
            let (keep, any) = (size(RowOrder::Keep), size(RowOrder::Any));
            assert!(
                any <= keep,
                "{any} bytes for {keep} at {bound}, {rows} rows"
            );
        }
    }
}
