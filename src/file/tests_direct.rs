//! Protects columns that are taken as they are decoded: the same as parquet-rs reads them from the
//! virtual file, whichever columns, row groups, rows and batch sizes are asked for.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use half::f16;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;

use super::tests::{pack, table};
use super::*;
use crate::codec::ErrorBound;

/// Columns of all kinds, among them floats of all widths without nulls, some of which follow from
/// others.
fn mixed(rows: usize) -> RecordBatch {
    let table = table(rows);
    let x = |i: usize| (i as f64 / 50.0).sin() * 10.0;
    let twice = (0..rows).map(|i| 2.0 * x(i) as f32 + (i % 3) as f32 / 8.0);
    let half = (0..rows).map(|i| f16::from_f64(x(i + 7)));
    let hostile = (0..rows).map(|i| match i % 50 {
        3 => f32::NAN,
        4 => f32::NEG_INFINITY,
        5 => -0.0,
        _ => x(i * i) as f32,
    });
    let more: [(&str, ArrayRef); 3] = [
        ("twice", Arc::new(Float32Array::from_iter_values(twice))),
        ("half", Arc::new(Float16Array::from_iter_values(half))),
        ("hostile", Arc::new(Float32Array::from_iter_values(hostile))),
    ];
    let mut fields: Vec<Field> = table
        .schema()
        .fields()
        .iter()
        .map(|f| (**f).clone())
        .collect();
    let mut columns = table.columns().to_vec();
    for (name, array) in more {
        // Nullable without a null: direct all the same.
        fields.insert(2, Field::new(name, array.data_type().clone(), true));
        columns.insert(2, array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// What to read of a file of 1,000 rows in row groups of 300.
#[derive(Debug, Clone)]
struct Asked {
    columns: Vec<usize>,
    row_groups: Option<Vec<usize>>,
    rows: Option<std::ops::Range<u64>>,
    batch_size: usize,
}

fn asked() -> impl Strategy<Value = Asked> {
    let columns = prop::sample::subsequence((0..15).collect::<Vec<usize>>(), 0..=15);
    let row_groups = prop::sample::subsequence(vec![0usize, 1, 2, 3], 1..=4).prop_shuffle();
    let rows = (0u64..1100, 0u64..700).prop_map(|(start, count)| start..start + count);
    (
        columns,
        prop::option::of(row_groups),
        prop::option::of(rows),
        prop::sample::select(vec![1usize, 7, 64, 100, 299, 300, 5000]),
    )
        .prop_map(|(columns, row_groups, rows, batch_size)| Asked {
            columns,
            row_groups,
            rows,
            batch_size,
        })
}

fn ours(packed: &Bytes, asked: &Asked) -> Vec<RecordBatch> {
    let mut reader = ReaderBuilder::new(Arc::new(packed.clone()))
        .unwrap()
        .with_column_positions(asked.columns.clone())
        .with_batch_size(asked.batch_size);
    if let Some(row_groups) = &asked.row_groups {
        reader = reader.with_row_groups(row_groups.clone());
    }
    if let Some(rows) = &asked.rows {
        reader = reader.with_rows(rows.clone());
    }
    reader
        .build()
        .unwrap()
        .map(|batch| batch.unwrap())
        .collect()
}

fn stock(packed: &Bytes, asked: &Asked) -> Vec<RecordBatch> {
    let file = VirtualFile::new(Arc::new(packed.clone())).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let mask = ProjectionMask::roots(reader.parquet_schema(), asked.columns.iter().copied());
    reader = reader
        .with_projection(mask)
        .with_batch_size(asked.batch_size);
    if let Some(row_groups) = &asked.row_groups {
        reader = reader.with_row_groups(row_groups.clone());
    }
    if let Some(rows) = &asked.rows {
        let count = (rows.end - rows.start) as usize;
        reader = reader.with_offset(rows.start as usize).with_limit(count);
    }
    reader
        .build()
        .unwrap()
        .map(|batch| batch.unwrap())
        .collect()
}

/// All values to the bit, by column.
fn bits(batches: &[RecordBatch]) -> (usize, Vec<ArrayData>) {
    let Some(first) = batches.first() else {
        return (0, Vec::new());
    };
    let whole = concat_batches(&first.schema(), batches).unwrap();
    let columns = whole.columns().iter().map(|column| {
        let floats: Option<ArrayRef> = match column.data_type() {
            DataType::Float16 => Some(Arc::new(
                column
                    .as_primitive::<arrow::datatypes::Float16Type>()
                    .unary::<_, arrow::datatypes::UInt16Type>(f16::to_bits),
            )),
            DataType::Float32 => Some(Arc::new(
                column
                    .as_primitive::<arrow::datatypes::Float32Type>()
                    .unary::<_, arrow::datatypes::UInt32Type>(f32::to_bits),
            )),
            _ => None,
        };
        floats.as_ref().unwrap_or(column).to_data()
    });
    (whole.num_rows(), columns.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn as_parquet_reads_them(asked in asked()) {
        static PACKED: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| {
            let options = WriterOptions::new()
                .with_bound(ErrorBound::rel(1e-3).unwrap())
                .with_block_rows(100)
                .with_row_group_rows(300);
            pack(&mixed(1000), options).0
        });
        let (ours, stock) = (ours(&PACKED, &asked), stock(&PACKED, &asked));
        let lengths = |batches: &[RecordBatch]| -> Vec<usize> {
            batches.iter().map(RecordBatch::num_rows).collect()
        };
        prop_assert_eq!(lengths(&ours), lengths(&stock));
        prop_assert_eq!(bits(&ours), bits(&stock));
    }
}

/// Without it the test above would compare parquet-rs with itself.
#[test]
fn columns_without_nulls_are_direct() {
    let packed = pack(&mixed(1000), WriterOptions::new()).0;
    let file = VirtualFile::new(Arc::new(packed)).unwrap();
    let layout = file.layout();
    let names: Vec<&str> = (0..layout.schema().fields().len())
        .filter(|column| direct::is_direct(layout, *column))
        .map(|column| layout.schema().field(column).name().as_str())
        .collect();
    assert_eq!(names, ["f64", "hostile", "half", "twice"]);
}

#[test]
fn a_damaged_block_ends_the_reading_with_its_name() {
    let packed = pack(&mixed(1000), WriterOptions::new().with_block_rows(100)).0;
    let file = VirtualFile::new(Arc::new(packed.clone())).unwrap();
    let unit = file.layout().unit_of(0, 4, 3).unwrap();
    let plan = file.layout().plan_pages(&[unit], &Default::default());
    let at = plan.fetches()[0].end - 3;
    let mut damaged = packed.to_vec();
    damaged[at as usize] ^= 4;
    let mut reader = ReaderBuilder::new(Arc::new(Bytes::from(damaged)))
        .unwrap()
        .with_columns(&["twice"])
        .unwrap()
        .with_batch_size(100)
        .build()
        .unwrap();
    for _ in 0..3 {
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 100);
    }
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("\"twice\"") && error.contains("checksum"),
        "{error}"
    );
    assert!(reader.next().is_none());
}
