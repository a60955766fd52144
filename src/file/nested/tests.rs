//! Protects nested columns end to end: structure and nulls come back exactly, floats within their
//! bound, by every way of reading.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields, Float32Type, Schema};
use bytes::Bytes;
use half::f16;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::codec::{Effort, ErrorBound};
use crate::file::*;

pub(super) fn pack(batch: &RecordBatch, options: WriterOptions) -> (Bytes, WriteReport) {
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    let (bytes, report) = writer.close().unwrap();
    (Bytes::from(bytes), report)
}

pub(super) fn read(bytes: &Bytes) -> RecordBatch {
    let reader = ReaderBuilder::new(Arc::new(bytes.clone())).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Result<Vec<_>, _> = reader.build().unwrap().collect();
    concat_batches(&schema, &batches.unwrap()).unwrap()
}

/// The virtual file's bytes, read as any Parquet file is.
fn read_as_parquet(bytes: &Bytes) -> RecordBatch {
    let file = VirtualFile::new(Arc::new(bytes.clone())).unwrap();
    let all = file.read(0..file.len().unwrap()).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(all).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Result<Vec<_>, _> = reader.build().unwrap().collect();
    concat_batches(&schema, &batches.unwrap()).unwrap()
}

/// Whether both are the same but for floats, which may lie `bound` apart; in structure, in nulls,
/// in all that is no finite number.
pub(super) fn near(a: &dyn Array, b: &dyn Array, bound: f64) -> bool {
    if a.len() != b.len()
        || a.logical_nulls() != b.logical_nulls() && a.null_count() + b.null_count() > 0
    {
        return false;
    }
    match a.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => (0..a.len()).all(|i| {
            a.is_null(i) || {
                let (x, y) = (number(a, i), number(b, i));
                x.1 == y.1 || (x.0.is_finite() && (x.0 - y.0).abs() <= bound)
            }
        }),
        DataType::Struct(_) => {
            let (a, b) = (a.as_struct(), b.as_struct());
            let valid: Vec<usize> = (0..a.len()).filter(|i| a.is_valid(*i)).collect();
            let columns = a.columns().iter().zip(b.columns());
            columns.into_iter().all(|(x, y)| {
                let rows = |i: &usize| near(&x.slice(*i, 1), &y.slice(*i, 1), bound);
                valid.iter().all(rows)
            })
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            (0..a.len()).all(|i| a.is_null(i) || near(&item(a, i), &item(b, i), bound))
        }
        _ => (0..a.len()).all(|i| a.slice(i, 1).to_data() == b.slice(i, 1).to_data()),
    }
}

fn item(array: &dyn Array, i: usize) -> ArrayRef {
    match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(i),
        DataType::LargeList(_) => array.as_list::<i64>().value(i),
        _ => array.as_fixed_size_list().value(i),
    }
}

fn number(array: &dyn Array, i: usize) -> (f64, u64) {
    match array.data_type() {
        DataType::Float16 => {
            let x = array
                .as_primitive::<arrow::datatypes::Float16Type>()
                .value(i);
            (x.to_f64(), x.to_bits().into())
        }
        DataType::Float32 => {
            let x = array.as_primitive::<Float32Type>().value(i);
            (x.into(), x.to_bits().into())
        }
        _ => {
            let x = array
                .as_primitive::<arrow::datatypes::Float64Type>()
                .value(i);
            (x, x.to_bits())
        }
    }
}

pub(super) fn check(batch: &RecordBatch, options: WriterOptions, bound: f64) -> Bytes {
    let (bytes, _) = pack(batch, options);
    let back = read(&bytes);
    assert_eq!(back.schema(), batch.schema());
    for (i, field) in batch.schema().fields().iter().enumerate() {
        assert!(
            near(batch.column(i), back.column(i), bound),
            "{field}:\n{:?}\n{:?}",
            batch.column(i),
            back.column(i)
        );
    }
    let parquet = read_as_parquet(&bytes);
    for (a, b) in back.columns().iter().zip(parquet.columns()) {
        assert!(near(a, b, 0.0), "{a:?} {b:?}");
    }
    bytes
}

pub(super) fn abs(bound: f64) -> WriterOptions {
    WriterOptions::new().with_bound(ErrorBound::abs(bound).unwrap())
}

fn x(i: usize) -> f32 {
    ((i as f32) / 7.0).sin() * 10.0
}

/// Vectors of 4, a struct of a float, a name and a list, and lists of lists; with nulls of each
/// kind.
pub(in crate::file) fn table(rows: usize) -> RecordBatch {
    let items = Float32Array::from_iter((0..4 * rows).map(|i| (i % 11 != 3).then(|| x(i))));
    let nulls = NullBuffer::from_iter((0..rows).map(|i| i % 5 != 2));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let vectors = FixedSizeListArray::new(Arc::clone(&item), 4, Arc::new(items), Some(nulls));

    let lengths = (0..rows).map(|i| i % 3);
    let total: usize = lengths.clone().sum();
    let list = ListArray::new(
        Arc::new(Field::new("item", DataType::Float64, true)),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(Float64Array::from_iter_values(
            (0..total).map(|i| x(i).into()),
        )),
        Some(NullBuffer::from_iter((0..rows).map(|i| i % 4 != 1))),
    );
    let fields = Fields::from(vec![
        Field::new("x", DataType::Float32, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("v", list.data_type().clone(), true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from_iter(
            (0..rows).map(|i| (i % 6 > 0).then(|| x(i))),
        )),
        Arc::new(StringArray::from_iter(
            (0..rows).map(|i| (i % 7 > 0).then(|| format!("n{}", i % 9))),
        )),
        Arc::new(list),
    ];
    let nulls = NullBuffer::from_iter((0..rows).map(|i| i % 8 != 5));
    let structs = StructArray::new(fields, columns, Some(nulls));

    let inner_lengths: Vec<usize> = (0..rows).map(|i| (i * 7) % 4).collect();
    let inner_total: usize = inner_lengths.iter().sum();
    let inner = ListArray::new(
        Arc::new(Field::new("item", DataType::Float16, true)),
        OffsetBuffer::from_lengths(inner_lengths),
        Arc::new(Float16Array::from_iter_values(
            (0..inner_total).map(|i| f16::from_f32(x(i))),
        )),
        Some(NullBuffer::from_iter((0..rows).map(|i| i % 9 != 4))),
    );
    let mut left = rows;
    let outer_lengths: Vec<usize> = (0..rows)
        .map(|i| {
            let n = (i % 3).min(left);
            left -= n;
            n
        })
        .collect();
    let taken: usize = outer_lengths.iter().sum();
    let outer = LargeListArray::new(
        Arc::new(Field::new("item", inner.data_type().clone(), true)),
        OffsetBuffer::from_lengths(outer_lengths),
        Arc::new(inner.slice(0, taken)),
        None,
    );
    RecordBatch::try_new(
        Arc::new(Schema::new(vec![
            Field::new("emb", vectors.data_type().clone(), true),
            Field::new("s", structs.data_type().clone(), true),
            Field::new("deep", outer.data_type().clone(), false),
            Field::new("flat", DataType::Float32, false),
        ])),
        vec![
            Arc::new(vectors),
            Arc::new(structs),
            Arc::new(outer),
            Arc::new(Float32Array::from_iter_values((0..rows).map(x))),
        ],
    )
    .unwrap()
}

#[test]
fn nested_columns_come_back() {
    for rows in [1, 2, 17, 500] {
        let batch = table(rows);
        check(
            &batch,
            WriterOptions::new().with_bound(ErrorBound::Exact),
            0.0,
        );
        for effort in [Effort::Fast, Effort::Balanced] {
            let options = abs(0.125).with_effort(effort);
            check(
                &batch,
                options.clone().with_block_rows(7).with_row_group_rows(40),
                0.125,
            );
            check(&batch, options, 0.125);
        }
        check(&batch.slice(rows / 3, rows - rows / 3), abs(0.01), 0.01);
    }
}

#[test]
fn strangers_count_and_find_nulls() {
    let batch = table(100);
    let (bytes, _) = pack(&batch, abs(0.1));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let found: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let found = concat_batches(&found[0].schema(), &found).unwrap();
    assert_eq!(found.num_rows(), 100);
    for (a, b) in batch.columns().iter().zip(found.columns()) {
        assert_eq!(a.null_count(), b.null_count());
    }
    let (a, b) = (batch.column(1).as_struct(), found.column(1).as_struct());
    let names = |s: &StructArray| {
        let names = s.column(1).as_string::<i32>().iter();
        let names: Vec<Option<String>> = names.map(|n| n.map(str::to_owned)).collect();
        (0..100)
            .map(|i| names[i].clone().filter(|_| s.is_valid(i)))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(a), names(b));
    // A list of each length, and a leaf that is null, are what they were.
    let lengths = |v: &ArrayRef| {
        let list = v.as_list::<i32>();
        let length = |i: usize| list.is_valid(i).then(|| list.value_length(i));
        (0..list.len()).map(length).collect::<Vec<_>>()
    };
    let valid: Vec<usize> = (0..100).filter(|i| a.is_valid(*i)).collect();
    let (a, b) = (lengths(a.column(2)), lengths(b.column(2)));
    assert!(valid.iter().all(|i| a[*i] == b[*i]));
}

#[test]
fn objects_are_read_alike() {
    let batch = table(300);
    let options = abs(0.1).with_block_rows(50);
    let (bytes, _) = pack(&batch, options);
    let back = read(&bytes);
    let file = VirtualFile::new(Arc::new(bytes)).unwrap();
    let all = file.read(0..file.len().unwrap()).unwrap();
    for (at, step) in [(0, 1), (3, 17), (5, 4096)] {
        let mut end = at;
        while end < all.len() {
            let start = end;
            end = (start + step * 7).min(all.len());
            let part = file.read(start as u64..end as u64).unwrap();
            assert_eq!(part, all.slice(start..end));
            if step == 1 && end > 3000 {
                break;
            }
        }
    }
    assert_eq!(back.num_rows(), 300);
}

/// Reading one field of a struct reads no payload of the others.
#[test]
fn fields_are_read_alone() {
    let (bytes, _) = pack(&table(300), abs(0.1));
    let file = VirtualFile::new(Arc::new(bytes)).unwrap();
    let layout = file.layout();
    let metadata = layout.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let of_path = |path: &str| {
        let leaf = (0..schema.num_columns())
            .find(|i| schema.column(*i).path().string() == path)
            .unwrap();
        let chunk = metadata.row_group(0).column(leaf);
        let (start, len) = chunk.byte_range();
        layout
            .plan(std::slice::from_ref(&(start..start + len)))
            .unwrap()
            .fetches()
            .to_vec()
    };
    let x = of_path("s.x");
    let v = of_path("s.v.list.item");
    assert_eq!((x.len(), v.len()), (1, 1));
    assert!(x[0].end <= v[0].start || v[0].end <= x[0].start);
    let index = layout.index();
    let (_, leaf) = index
        .packed_leaves()
        .find(|(_, leaf)| leaf.name == "s.x")
        .unwrap();
    assert_eq!(x[0].end - x[0].start, leaf.column.packed_bytes());
}
