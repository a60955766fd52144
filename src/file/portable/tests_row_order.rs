//! Portable files whose rows may stand in any order: the same rows, never larger, and what their
//! footers say of the order.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::file::metadata::ParquetMetaDataReader;
use proptest::prelude::*;

use super::PortableWriter;
use crate::codec::ErrorBound;
use crate::file::{
    OrderMethod, ReaderBuilder, RowOrder, RowOrderRecord, WriteReport, WriterOptions,
};

fn write(batch: &RecordBatch, options: WriterOptions) -> (Bytes, WriteReport) {
    let mut writer = PortableWriter::try_new(Vec::new(), batch.schema(), options).unwrap();
    for start in (0..batch.num_rows()).step_by(777) {
        let rows = 777.min(batch.num_rows() - start);
        writer.write(&batch.slice(start, rows)).unwrap();
    }
    let (bytes, report) = writer.close().unwrap();
    assert_eq!(report.file_bytes, bytes.len() as u64);
    (bytes.into(), report)
}

fn read(file: &Bytes) -> RecordBatch {
    let reader = ParquetRecordBatchReader::try_new(file.clone(), 1000).unwrap();
    let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn in_any(bound: f64) -> WriterOptions {
    let bound = ErrorBound::rel(bound).unwrap();
    WriterOptions::new()
        .with_bound(bound)
        .with_row_order(RowOrder::Any)
}

fn noise(i: usize, salt: u64) -> usize {
    let hash = (i as u64 * 8 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = (hash ^ hash >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((hash ^ hash >> 29) % 1009) as usize
}

/// Floats with nulls, NaN and -0.0, an integer and a string, in no order.
fn shuffled(rows: usize) -> RecordBatch {
    let x = Float32Array::from_iter((0..rows).map(|i| match noise(i, 1) {
        0..20 => None,
        20..40 => Some(f32::NAN),
        40..60 => Some(-0.0),
        value => Some(value as f32 * 0.1),
    }));
    let y = Float64Array::from_iter_values((0..rows).map(|i| noise(i, 2) as f64 / 7.0));
    let k = Int64Array::from_iter_values((0..rows).map(|i| noise(i, 3) as i64 % 50));
    let s = StringArray::from_iter_values((0..rows).map(|i| format!("n{}", noise(i, 4) % 4)));
    let columns: [(&str, ArrayRef); 4] = [
        ("x", Arc::new(x)),
        ("y", Arc::new(y)),
        ("k", Arc::new(k)),
        ("s", Arc::new(s)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows of a table in the order that all of its columns give.
fn in_order(table: &RecordBatch) -> RecordBatch {
    let columns = table.columns().iter().map(|values| SortColumn {
        values: values.clone(),
        options: None,
    });
    let order = lexsort_to_indices(&columns.collect::<Vec<_>>(), None).unwrap();
    take_record_batch(table, &order).unwrap()
}

#[test]
fn rows_are_the_same_and_the_file_smaller() {
    let table = shuffled(5000);
    for group in [1000, 1 << 20] {
        let options = in_any(0.05).with_row_group_rows(group);
        let (ordered, report) = write(&table, options.clone());
        let (kept, kept_report) = write(&table, options.with_row_order(RowOrder::Keep));
        assert!(kept_report.row_order.is_none());
        assert!(
            ordered.len() * 5 < kept.len() * 4,
            "{} {}",
            ordered.len(),
            kept.len()
        );
        let order = report.row_order.unwrap();
        assert!(order.bytes < order.kept_bytes);
        assert_eq!(order.row_groups as usize, 5000_usize.div_ceil(group));
        assert!(
            order
                .methods
                .iter()
                .all(|(method, _)| *method != OrderMethod::Kept)
        );
        // Exact columns, row by row; floats are for `verify` to match.
        for first in (0..5000).step_by(group) {
            let rows = group.min(5000 - first);
            let exact =
                |table: &RecordBatch| in_order(&table.slice(first, rows).project(&[2, 3]).unwrap());
            assert_eq!(exact(&read(&ordered)).columns(), exact(&table).columns());
            let nulls = read(&ordered).slice(first, rows).column(0).null_count();
            assert_eq!(nulls, table.slice(first, rows).column(0).null_count());
        }
        let reader = ReaderBuilder::new(Arc::new(ordered)).unwrap();
        assert!(reader.schema().metadata().is_empty());
    }
}

#[test]
fn declared_orders_are_true() {
    let table = shuffled(4000);
    for (bound, group) in [
        (0.3, 1 << 20),
        (0.05, 1 << 20),
        (0.001, 1 << 20),
        (0.05, 1000),
    ] {
        let (file, _) = write(&table, in_any(bound).with_row_group_rows(group));
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(&file)
            .unwrap();
        let record = RowOrderRecord::of(&metadata).unwrap();
        assert_eq!(record.sorted_by.len(), metadata.num_row_groups());
        let declared = metadata.row_group(0).sorting_columns();
        assert_eq!(
            declared.is_some(),
            metadata.num_row_groups() == 1 && !record.sorted_by[0].is_empty()
        );
        let stored = read(&file);
        for (i, columns) in record.sorted_by.iter().enumerate() {
            let group = stored.slice(i * group, group.min(4000));
            // The first column has NaN.
            assert!(!columns.contains(&0));
            let sorted: Vec<_> = columns
                .iter()
                .map(|c| SortColumn {
                    values: group.column(*c).clone(),
                    options: None,
                })
                .collect();
            if sorted.is_empty() {
                continue;
            }
            let order = lexsort_to_indices(&sorted, None).unwrap();
            let ordered = take_record_batch(&group, &order).unwrap();
            for column in columns {
                assert_eq!(
                    ordered.column(*column),
                    group.column(*column),
                    "{columns:?}"
                );
            }
        }
    }
}

#[test]
fn row_numbers() {
    let table = shuffled(3000);
    for order in [RowOrder::Keep, RowOrder::Any] {
        let options = in_any(0.2).with_row_id("id").with_row_order(order);
        let (file, _) = write(&table, options.with_row_group_rows(1000));
        let stored = read(&file);
        let ids: &Int64Array = stored.column(4).as_primitive::<Int64Type>();
        let indices = UInt64Array::from_iter_values(ids.values().iter().map(|i| *i as u64));
        let original = take_record_batch(&table, &indices).unwrap();
        for exact in [2, 3] {
            assert_eq!(stored.column(exact), original.column(exact));
        }
        let mut ids = ids.values().to_vec();
        assert!(order == RowOrder::Any || ids.is_sorted());
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..3000));
    }
}

#[test]
fn an_order_that_is_best_is_kept() {
    let time = Float32Array::from_iter_values((0..5000).map(|i| i as f32));
    let table = RecordBatch::try_from_iter([("t", Arc::new(time) as ArrayRef)]).unwrap();
    let (ordered, report) = write(&table, in_any(0.01));
    let (kept, _) = write(&table, in_any(0.01).with_row_order(RowOrder::Keep));
    assert_eq!(ordered, kept);
    assert_eq!(report.row_order.unwrap().methods, [(OrderMethod::Kept, 1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn never_larger_than_kept(
        rows in prop::collection::vec((0..6u8, prop::option::of(-1e3f32..1e3), any::<f64>()), 0..600),
        bound in prop_oneof![Just(0.3), Just(0.01), Just(1e-6)],
        group in prop_oneof![Just(100usize), Just(1 << 20)],
    ) {
        let a = UInt8Array::from_iter_values(rows.iter().map(|row| row.0));
        let b = Float32Array::from_iter(rows.iter().map(|row| row.1));
        let c = Float64Array::from_iter_values(rows.iter().map(|row| row.2));
        let columns: [(&str, ArrayRef); 3] = [("a", Arc::new(a)), ("b", Arc::new(b)), ("c", Arc::new(c))];
        let table = RecordBatch::try_from_iter(columns).unwrap();
        let options = in_any(bound).with_row_group_rows(group);
        let (ordered, _) = write(&table, options.clone());
        let (again, _) = write(&table, options.clone());
        prop_assert_eq!(&ordered, &again);
        let (kept, _) = write(&table, options.with_row_order(RowOrder::Keep));
        prop_assert!(ordered.len() <= kept.len());
    }
}
