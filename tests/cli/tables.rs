//! Tables, and the files they are kept in.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::concat_batches;
use arrow::csv::WriterBuilder;
use arrow::datatypes::*;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::support::Folder;

/// A folder with `plain.parquet` and, as `compress` makes it of that, `packed.parquet`.
pub fn packed() -> Folder {
    let folder = Folder::new();
    write_parquet(&folder.path("plain.parquet"), &mixed(0, 1000));
    folder.ok(&["compress", "plain.parquet", "-o", "packed.parquet"]);
    folder
}

/// Lossy, exact and ordinary columns, with and without nulls; `start` is the first row's number.
pub fn mixed(start: usize, rows: usize) -> RecordBatch {
    let at = |i: usize| (start + i) as f64;
    let null = |i: usize, every: usize| !(start + i).is_multiple_of(every);
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(
                (0..rows).map(|i| (start + i) as i64 * 7 - 100),
            )),
            false,
        ),
        (
            "wave",
            Arc::new(Float32Array::from_iter_values(
                (0..rows).map(|i| (at(i) / 50.0).sin() as f32),
            )),
            false,
        ),
        (
            "noisy",
            Arc::new(Float64Array::from_iter((0..rows).map(|i| {
                null(i, 7).then(|| 1e3 + (at(i) * 12.9898).sin() * 437.5)
            }))),
            true,
        ),
        (
            "half",
            Arc::new(Float16Array::from_iter_values(
                (0..rows).map(|i| f16::from_f64((at(i) / 9.0).cos() * 3.0)),
            )),
            false,
        ),
        (
            "small",
            Arc::new(Int16Array::from_iter(
                (0..rows).map(|i| null(i, 5).then_some((i % 300) as i16)),
            )),
            true,
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter((0..rows).map(|i| Some(i % 3 == 0)))),
            false,
        ),
        (
            "name",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|i| null(i, 11).then(|| format!("größe {}", i % 17))),
            )),
            true,
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(
                (0..rows).map(|i| 18_000 + i as i32),
            )),
            false,
        ),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(
                (0..rows).map(|i| 1_600_000_000_000_000 + i as i64 * 1_000_001),
            )),
            false,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// One column of Float64.
pub fn floats(name: &str, values: impl IntoIterator<Item = f64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
    RecordBatch::try_from_iter([(name, column)]).unwrap()
}

pub fn write_parquet(path: &Path, batch: &RecordBatch) {
    write_parquet_with(path, batch, WriterProperties::builder().build());
}

/// Parquet that says nothing of its values' range.
pub fn write_parquet_without_statistics(path: &Path, batch: &RecordBatch) {
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    write_parquet_with(path, batch, properties);
}

pub fn write_parquet_with(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let mut writer = ArrowWriter::try_new(
        File::create(path).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

pub fn write_csv(path: &Path, batch: &RecordBatch) {
    WriterBuilder::new()
        .with_header(true)
        .build(File::create(path).unwrap())
        .write(batch)
        .unwrap();
}

pub fn write_ipc(path: &Path, batches: &[RecordBatch], compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let file = File::create(path).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &batches[0].schema(), options).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

pub fn write_ipc_stream(path: &Path, batches: &[RecordBatch]) {
    let mut writer =
        StreamWriter::try_new(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    batches
        .iter()
        .for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

/// An ordinary Parquet file, as any other program reads it.
pub fn read_parquet(path: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
    concat_batches(&schema, &batches).unwrap()
}

pub fn concat(batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(&batches[0].schema(), batches).unwrap()
}

/// The column's values as Float64, null for null.
pub fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    let column = batch
        .column_by_name(name)
        .unwrap_or_else(|| panic!("no column {name}"));
    let column = arrow::compute::cast(column, &DataType::Float64).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

/// The largest |x - x'| between two columns of finite numbers, which have the same nulls.
pub fn largest_error(a: &RecordBatch, b: &RecordBatch, name: &str) -> f64 {
    let (a, b) = (numbers(a, name), numbers(b, name));
    assert_eq!(a.len(), b.len(), "{name}");
    let error = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs(),
        (None, None) => 0.0,
        _ => panic!("{name}: {a:?} became {b:?}"),
    };
    a.iter().zip(&b).map(error).fold(0.0, f64::max)
}

/// The same batch with all columns nullable.
pub fn nullable(batch: &RecordBatch) -> RecordBatch {
    let fields = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect::<Vec<_>>();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.columns().to_vec()).unwrap()
}
