//! Portable files as parquet-rs alone reads them, their size, and what they promise.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::codec::{ErrorBound, ValueRange};
use crate::file::{ReaderBuilder, WriteReport, WriterOptions};

fn write(batch: &RecordBatch, options: WriterOptions) -> (Bytes, WriteReport) {
    let mut writer = PortableWriter::try_new(Vec::new(), batch.schema(), options).unwrap();
    // In pieces, so that arrays are put together.
    for start in (0..batch.num_rows()).step_by(97) {
        writer
            .write(&batch.slice(start, 97.min(batch.num_rows() - start)))
            .unwrap();
    }
    let (bytes, report) = writer.close().unwrap();
    assert_eq!(report.file_bytes, bytes.len() as u64);
    (bytes.into(), report)
}

fn metadata(file: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new().parse_and_finish(file).unwrap()
}

/// What parquet-rs reads.
fn read(file: &Bytes) -> RecordBatch {
    let options = ArrowReaderOptions::new();
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

fn floats(values: Vec<Option<f32>>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Float32Array::from(values));
    RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap()
}

fn exact() -> WriterOptions {
    WriterOptions::new().with_bound(ErrorBound::Exact)
}

#[test]
fn every_type_reads_back() {
    let table = crate::file::tests::table(5000);
    for row_group_rows in [700, 1 << 20] {
        let options = exact().with_row_group_rows(row_group_rows);
        let (file, _) = write(&table, options);
        assert_eq!(read(&file).columns(), table.columns());
        let reader = ReaderBuilder::new(Arc::new(file)).unwrap();
        assert_eq!(reader.schema(), &table.schema());
        let batches: Vec<_> = reader.build().unwrap().collect::<Result<_, _>>().unwrap();
        let schema = table.schema();
        assert_eq!(
            arrow::compute::concat_batches(&schema, &batches).unwrap(),
            table
        );
    }
}

/// The forms that the data calls for are chosen, and all are read.
#[test]
fn forms() {
    let mut rng = StdRng::seed_from_u64(1);
    let noise: Vec<f64> = (0..20_000).map(|_| rng.random()).collect();
    let encodings = |values: Vec<f64>, bound: f64| {
        let column: ArrayRef = Arc::new(Float64Array::from(values.clone()));
        let table = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let options = WriterOptions::new().with_bound(ErrorBound::abs(bound).unwrap());
        let (file, report) = write(&table, options);
        let read = read(&file);
        let found = read
            .column(0)
            .as_primitive::<arrow::datatypes::Float64Type>();
        let errors = found
            .values()
            .iter()
            .zip(&values)
            .map(|(y, x)| (x - y).abs());
        let worst = errors.fold(0.0, f64::max);
        assert!(worst <= bound && worst == report.columns[0].max_error);
        let metadata = metadata(&file);
        metadata
            .row_group(0)
            .column(0)
            .encodings()
            .collect::<Vec<_>>()
    };
    let dictionary = |encodings: &[Encoding]| encodings.contains(&Encoding::RLE_DICTIONARY);
    let split = |encodings: &[Encoding]| encodings.contains(&Encoding::BYTE_STREAM_SPLIT);
    let few = |x: &f64| noise[(x * 200.0) as usize];
    assert!(dictionary(&encodings(noise.clone(), 0.01)));
    assert!(dictionary(&encodings(
        noise.iter().map(few).collect(),
        1e-9
    )));
    assert!(split(&encodings(noise.clone(), 1e-7)));
    assert!(split(&encodings(noise.clone(), 0.0)));
}

#[test]
fn empty_and_null_columns() {
    let (file, report) = write(&floats(vec![]), WriterOptions::new());
    assert_eq!((read(&file).num_rows(), report.rows), (0, 0));
    for n in [1, 7, 8, 9, 3000] {
        let table = floats(vec![None; n]);
        let (file, report) = write(&table, WriterOptions::new());
        assert_eq!(
            read(&file),
            table.with_schema(read(&file).schema()).unwrap()
        );
        assert_eq!(report.columns[0].nulls, n as u64);
    }
}

/// Nothing is pruned that is there: no extremes with NaN, zeros of either sign are both included.
#[test]
fn statistics_are_of_what_is_written() {
    let n = 20_000;
    let extremes = |odd: f32| {
        let value = |i: usize| (i != 7).then_some(if i == 9 { odd } else { i as f32 });
        let (file, _) = write(&floats((0..n).map(value).collect()), {
            WriterOptions::new().with_bound(ErrorBound::abs(3.0).unwrap())
        });
        let written = read(&file);
        let values = written
            .column(0)
            .as_primitive::<arrow::datatypes::Float32Type>();
        let metadata = metadata(&file);
        let parquet::file::statistics::Statistics::Float(statistics) = metadata
            .row_group(0)
            .column(0)
            .statistics()
            .unwrap()
            .clone()
        else {
            panic!("no statistics of f32")
        };
        assert_eq!(statistics.null_count_opt(), Some(1));
        let largest = arrow::compute::max(values).unwrap();
        (
            statistics.min_opt().map(|x| x.to_bits()),
            statistics.max_opt().map(|x| *x == largest),
        )
    };
    let negative_zero = (-0.0f32).to_bits();
    assert_eq!(extremes(1.0), (Some(negative_zero), Some(true)));
    assert_eq!(extremes(-0.0), (Some(negative_zero), Some(true)));
    assert_eq!(extremes(f32::INFINITY), (Some(negative_zero), Some(true)));
    assert_eq!(extremes(f32::NAN), (None, None));
}

/// A schema that Parquet's own says all of costs nothing; another comes back whole.
#[test]
fn schemas() {
    let has_arrow_schema = |file: &Bytes| {
        let entries = metadata(file).file_metadata().key_value_metadata().cloned();
        entries
            .unwrap()
            .iter()
            .any(|entry| entry.key == "ARROW:schema")
    };
    let schema_of = |file: &Bytes| {
        let reader = ReaderBuilder::new(Arc::new(file.clone())).unwrap();
        Arc::clone(reader.schema())
    };
    let (file, _) = write(&floats(vec![Some(1.0); 10]), WriterOptions::new());
    assert!(!has_arrow_schema(&file));
    let title = [("title".to_owned(), "lengths".to_owned())];
    let schema = floats(vec![])
        .schema()
        .as_ref()
        .clone()
        .with_metadata(title.clone().into());
    let table = floats(vec![Some(1.0); 10])
        .with_schema(Arc::new(schema))
        .unwrap();
    let (file, _) = write(&table, WriterOptions::new());
    assert!(!has_arrow_schema(&file));
    assert_eq!(schema_of(&file), table.schema());
    let field = Field::new("x", DataType::Float32, true)
        .with_metadata([("unit".to_owned(), "m".to_owned())].into());
    let schema = Schema::new_with_metadata(vec![field], title.into());
    let table = floats(vec![Some(1.0); 10])
        .with_schema(Arc::new(schema))
        .unwrap();
    let (file, _) = write(&table, WriterOptions::new());
    assert!(has_arrow_schema(&file));
    assert_eq!(schema_of(&file), table.schema());
}

/// Exact columns are never larger than in any of Parquet's encodings with ZSTD.
#[test]
fn exact_columns_are_as_small_as_parquet_makes_them() {
    let n = 4000usize;
    let scattered = |i: usize| (i as i64).wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> 20;
    let columns: Vec<(ArrayRef, &[Encoding])> = vec![
        (
            Arc::new(Int64Array::from_iter_values(
                (0..n).map(|i| i as i64 * 1000 + scattered(i) % 7),
            )),
            &[Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT],
        ),
        (
            Arc::new(Int32Array::from_iter_values(
                (0..n).map(|i| scattered(i) as i32 % 20),
            )),
            &[Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT],
        ),
        (
            Arc::new(Int64Array::from_iter_values((0..n).map(scattered))),
            &[Encoding::DELTA_BINARY_PACKED, Encoding::BYTE_STREAM_SPLIT],
        ),
        (
            Arc::new(StringArray::from_iter_values(
                (0..n).map(|i| format!("https://example.org/{i:06}")),
            )),
            &[
                Encoding::DELTA_BYTE_ARRAY,
                Encoding::DELTA_LENGTH_BYTE_ARRAY,
            ],
        ),
        (
            Arc::new(BooleanArray::from_iter((0..n).map(|i| Some(i > n / 2)))),
            &[Encoding::RLE],
        ),
    ];
    for (column, encodings) in columns {
        let table = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let (file, report) = write(&table, WriterOptions::new());
        assert_eq!(read(&file).columns(), table.columns());
        let choices = encodings
            .iter()
            .map(|encoding| Some(*encoding))
            .chain([None, Some(Encoding::PLAIN)]);
        for choice in choices {
            let mut properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_dictionary_enabled(choice.is_none());
            if let Some(encoding) = choice {
                properties = properties.set_encoding(encoding);
            }
            let properties = Some(properties.build());
            let mut other = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut other, table.schema(), properties).unwrap();
            writer.write(&table).unwrap();
            let theirs = writer.close().unwrap();
            let theirs = theirs.row_group(0).column(0).compressed_size() as u64;
            assert!(
                report.columns[0].packed_bytes <= theirs,
                "{} in {choice:?}: {} bytes, parquet {theirs}",
                table.column(0).data_type(),
                report.columns[0].packed_bytes
            );
        }
    }
}

fn promises_of(file: &Bytes) -> Promises {
    let metadata = metadata(file);
    Promises::of(&metadata, &read(file).schema())
        .unwrap()
        .unwrap()
}

#[test]
fn promises_are_kept_in_the_footer() {
    let n = 1000;
    let column = |scale: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(
            (0..n).map(|i| f64::from(i) * scale),
        ))
    };
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..n).map(|i| i.to_string())));
    let columns = [
        ("a", column(1.0)),
        ("text", text),
        ("b", column(0.1)),
        ("c", column(2.0)),
        ("d", column(4.0)),
    ];
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let range = ValueRange {
        min: -1.0,
        max: 0.1 * f64::from(n),
    };
    let options = WriterOptions::new()
        .with_column_range("b", range)
        .with_column_bound("c", ErrorBound::Abs(0.25))
        .with_column_bound("d", ErrorBound::Exact)
        .with_row_group_rows(400);
    let (file, report) = write(&table, options);
    let promises = promises_of(&file).columns;
    assert_eq!(promises.len(), 4);
    assert_eq!(promises[0].ranges.len(), 3);
    assert_eq!(
        promises[0].ranges[1],
        ValueRange {
            min: 400.0,
            max: 799.0
        }
    );
    assert_eq!(
        (promises[1].range_declared, &promises[1].ranges),
        (true, &vec![range])
    );
    assert_eq!(promises[2].bound, ErrorBound::Abs(0.25));
    assert_eq!(
        promises[2].range(),
        ValueRange {
            min: 0.0,
            max: 1998.0
        }
    );
    assert_eq!((0..3).map(|i| promises[3].abs_bound(i)).sum::<f64>(), 0.0);
    let floats = report
        .columns
        .iter()
        .filter(|column| column.data_type == DataType::Float64);
    for (promise, column) in promises.iter().zip(floats) {
        let largest = (0..3).map(|i| promise.abs_bound(i)).fold(0.0, f64::max);
        assert_eq!(column.abs_bound.unwrap_or(0.0), largest);
        assert_eq!(
            column.range,
            ValueRange {
                max: promise.range().max.min(column.range.max),
                min: 0.0
            }
        );
    }
}

/// Promises that were carried over to another table, or damaged, are an error and never another
/// promise.
#[test]
fn foreign_and_damaged_promises_are_errors() {
    let (file, _) = write(
        &floats((0..100).map(|i| Some(i as f32)).collect()),
        WriterOptions::new(),
    );
    let ours = metadata(&file);
    let other = Schema::new(vec![Field::new("y", DataType::Float32, true)]);
    assert!(Promises::of(&ours, &other).is_err());
    assert!(Promises::of(&ours, &Schema::empty()).is_err());

    let entry = promises_of(&file)
        .to_entry(&read(&file).schema(), 1)
        .unwrap();
    let value = entry.value.unwrap();
    for at in 0..value.len() {
        for letter in ["A", "/", "z", "!"] {
            let mut damaged = value.clone();
            damaged.replace_range(at..at + 1, letter);
            let reread = with_entry(&file, &damaged);
            match Promises::of(&reread, &read(&file).schema()) {
                Err(_) => {}
                // The last letter's lowest bits stand for nothing.
                Ok(promises) => assert_eq!(promises, Some(promises_of(&file)), "{damaged}"),
            }
        }
    }
}

/// The metadata of `file` with another value in its entry.
fn with_entry(file: &Bytes, value: &str) -> ParquetMetaData {
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![
        parquet::file::metadata::KeyValue::new("tolerant.portable".to_owned(), value.to_owned()),
    ]));
    let table = read(file);
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties.build())).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    metadata(&bytes.into())
}

proptest! {
    /// Any indices at any width and run length, as parquet-rs decodes them: as levels and values.
    #[test]
    fn any_runs_read_back(
        runs in prop::collection::vec((prop::option::of(0u32..300), 1usize..90), 1..40),
        spread in 1u32..40,
    ) {
        let values: Vec<Option<f32>> = runs
            .into_iter()
            .flat_map(|(value, n)| vec![value.map(|value| (value / spread) as f32 + 0.1); n])
            .collect();
        let table = floats(values);
        let (file, _) = write(&table, exact());
        let found = read(&file);
        prop_assert_eq!(found.column(0), table.column(0));
    }

    #[test]
    fn any_indices_at_any_width(
        values in prop::collection::vec(0u32..1 << 16, 0..200),
        width in 16u32..=32,
        min_run in 8usize..20,
    ) {
        let mut out = Vec::new();
        hybrid::write(&values, width, min_run, &mut out);
        prop_assert_eq!(unpacked(&out, values.len(), width), values);
    }
}

/// A plain reading of the hybrid's description.
fn unpacked(mut bytes: &[u8], n: usize, width: u32) -> Vec<u32> {
    let mut values = Vec::new();
    while values.len() < n {
        let header = crate::file::levels::read_varint(&mut bytes).unwrap();
        if header & 1 == 0 {
            let (value, rest) = bytes.split_at(width.div_ceil(8) as usize);
            let value = value
                .iter()
                .rev()
                .fold(0, |all, byte| all << 8 | u32::from(*byte));
            values.extend(vec![value; (header >> 1) as usize]);
            bytes = rest;
        } else {
            let (packed, rest) = bytes.split_at((header >> 1) as usize * width as usize);
            let bit = |i: usize| u32::from(packed[i / 8] >> (i % 8) & 1);
            let value = |i: usize| {
                (0..width as usize)
                    .map(|b| bit(i * width as usize + b) << b)
                    .sum()
            };
            values.extend(
                (0..(header >> 1) as usize * 8)
                    .map(value)
                    .collect::<Vec<u32>>(),
            );
            bytes = rest;
        }
    }
    assert!(bytes.is_empty());
    values.truncate(n);
    values
}
