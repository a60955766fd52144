//! Protects the file layer end to end: what is written is what is read, by every way of reading.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;
use crate::codec::ErrorBound;

/// A table of every kind of column, with nulls in most.
pub(super) fn table(rows: usize) -> RecordBatch {
    let some = |i: usize| !i.is_multiple_of(7);
    let x = |i: usize| (i as f64 / 50.0).sin() * 10.0;
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        (
            "f32",
            Arc::new(
                (0..rows)
                    .map(|i| some(i).then(|| x(i) as f32))
                    .collect::<Float32Array>(),
            ),
            true,
        ),
        (
            "f64",
            Arc::new(Float64Array::from_iter_values((0..rows).map(x))),
            false,
        ),
        (
            "f16",
            Arc::new(
                (0..rows)
                    .map(|i| some(i + 3).then(|| half::f16::from_f64(x(i))))
                    .collect::<Float16Array>(),
            ),
            true,
        ),
        (
            "name",
            Arc::new(
                (0..rows)
                    .map(|i| some(i).then(|| format!("n{}", i % 13)))
                    .collect::<StringArray>(),
            ),
            true,
        ),
        (
            "i8",
            Arc::new(
                (0..rows)
                    .map(|i| some(i).then_some((i % 250) as u8 as i8))
                    .collect::<Int8Array>(),
            ),
            true,
        ),
        (
            "u16",
            Arc::new(UInt16Array::from_iter_values((0..rows).map(|i| i as u16))),
            true,
        ),
        (
            "u64",
            Arc::new(UInt64Array::from_iter_values(
                (0..rows).map(|i| u64::MAX - i as u64),
            )),
            true,
        ),
        (
            "when",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    (0..rows as i64).map(|i| i * 1_000_003),
                )
                .with_timezone("UTC"),
            ),
            true,
        ),
        (
            "date",
            Arc::new(Date32Array::from_iter_values(
                (0..rows as i32).map(|i| i - 100),
            )),
            true,
        ),
        (
            "flag",
            Arc::new(
                (0..rows)
                    .map(|i| some(i).then_some(i % 3 == 0))
                    .collect::<BooleanArray>(),
            ),
            true,
        ),
        (
            "void",
            Arc::new((0..rows).map(|_| None::<f32>).collect::<Float32Array>()),
            true,
        ),
        (
            "list",
            Arc::new({
                let mut list = ListBuilder::new(Int32Builder::new());
                for i in 0..rows {
                    (0..i % 4).for_each(|j| list.values().append_value((i * j) as i32));
                    list.append(some(i));
                }
                list.finish()
            }),
            true,
        ),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable))
        .collect();
    RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|(_, array, _)| array).collect(),
    )
    .unwrap()
}

pub(super) fn pack(batch: &RecordBatch, options: WriterOptions) -> (Bytes, WriteReport) {
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    let (bytes, report) = writer.close().unwrap();
    (Bytes::from(bytes), report)
}

fn small_blocks() -> WriterOptions {
    WriterOptions::new()
        .with_block_rows(100)
        .with_row_group_rows(300)
}

pub(super) fn read(bytes: &Bytes) -> RecordBatch {
    let reader = ReaderBuilder::new(Arc::new(bytes.clone()))
        .unwrap()
        .build()
        .unwrap();
    let schema = reader.schema();
    arrow::compute::concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap())
        .unwrap()
}

#[test]
fn exact_bounds_give_the_table_back() {
    for rows in [0, 1, 99, 100, 101, 1000] {
        let batch = table(rows);
        let (bytes, report) = pack(&batch, small_blocks().with_bound(ErrorBound::Exact));
        assert_eq!(read(&bytes), batch, "{rows} rows");
        assert_eq!(report.rows, rows as u64);
        assert_eq!(report.file_bytes, bytes.len() as u64);
    }
}

#[test]
fn lossy_columns_stay_within_their_bound() {
    let batch = table(1000);
    let (bytes, report) = pack(
        &batch,
        small_blocks().with_bound(ErrorBound::rel(1e-3).unwrap()),
    );
    let back = read(&bytes);
    let (x, y) = (
        batch["f64"].as_primitive::<arrow::datatypes::Float64Type>(),
        back["f64"].as_primitive::<arrow::datatypes::Float64Type>(),
    );
    let bound = report.columns[1].abs_bound.unwrap();
    assert!(bound <= 0.02 && bound > 0.0);
    assert!(
        x.values()
            .iter()
            .zip(y.values())
            .all(|(x, y)| (x - y).abs() <= bound)
    );
    assert_eq!(batch["void"].to_data(), back["void"].to_data());
    assert_eq!(batch["name"].to_data(), back["name"].to_data());
}

#[test]
fn projection_and_row_groups() {
    let batch = table(1000);
    let (bytes, _) = pack(&batch, small_blocks().with_bound(ErrorBound::Exact));
    let reader = ReaderBuilder::new(Arc::new(bytes)).unwrap();
    let reader = reader
        .with_columns(&["u64", "f32"])
        .unwrap()
        .with_row_groups(vec![1, 3])
        .build()
        .unwrap();
    let schema = reader.schema();
    let back =
        arrow::compute::concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>().unwrap())
            .unwrap();
    let rows = arrow::compute::concat_batches(
        &batch.schema(),
        &[batch.slice(300, 300), batch.slice(900, 100)],
    )
    .unwrap();
    assert_eq!(back, rows.project(&[0, 6]).unwrap());
}

/// A file that counts the bytes read of it.
struct Counted(Bytes, std::sync::atomic::AtomicU64);

impl ReadAt for Counted {
    fn len(&self) -> std::io::Result<u64> {
        ReadAt::len(&self.0)
    }

    fn read_at(&self, range: std::ops::Range<u64>) -> std::io::Result<Bytes> {
        let bytes = self.0.read_at(range)?;
        self.1
            .fetch_add(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Some rows are read without the blocks before and behind them.
#[test]
fn ranges_of_rows() {
    let batch = table(100_000);
    let options = WriterOptions::new()
        .with_block_rows(1000)
        .with_row_group_rows(30_000);
    let (bytes, _) = pack(&batch, options.with_bound(ErrorBound::Exact));
    let source = Arc::new(Counted(bytes, 0.into()));
    let builder = ReaderBuilder::new(Arc::clone(&source) as Arc<dyn ReadAt>).unwrap();
    let counted = || source.1.load(std::sync::atomic::Ordering::Relaxed);
    let read = |builder: ReaderBuilder| {
        let before = counted();
        let reader = builder.with_columns(&["f64"]).unwrap().build().unwrap();
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<_>, _>>().unwrap();
        let rows = arrow::compute::concat_batches(&schema, &batches).unwrap();
        (rows, counted() - before)
    };
    let column = batch.schema().index_of("f64").unwrap();
    let expected = |start, rows| batch.slice(start, rows).project(&[column]).unwrap();
    let (_, whole) = read(builder.clone());
    for (start, end) in [(0, 1), (500, 2500), (29_999, 60_001), (99_000, 200_000)] {
        let (rows, bytes) = read(builder.clone().with_rows(start..end));
        let count = 100_000.min(end) - start;
        assert_eq!(rows, expected(start as usize, count as usize));
        let blocks = end.min(100_000).div_ceil(1000) - start / 1000;
        assert!(
            bytes < whole * (blocks + 1) / 100,
            "{bytes} of {whole} for {blocks} blocks"
        );
    }
    let within = builder.with_row_groups(vec![1]).with_rows(100..200);
    assert_eq!(read(within).0, expected(30_100, 100));
}

/// The bytes of the virtual file are what an ordinary Parquet reader takes, whatever pieces it
/// reads them in.
#[test]
fn virtual_bytes_are_an_ordinary_parquet_file() {
    let batch = table(1000);
    let (bytes, _) = pack(&batch, small_blocks());
    let expected = read(&bytes);
    let file = VirtualFile::new(Arc::new(bytes)).unwrap();
    let whole = file.read(0..file.len().unwrap()).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(whole.clone())
        .unwrap()
        .build()
        .unwrap();
    let batches = reader.collect::<Result<Vec<_>, _>>().unwrap();
    let found = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(found.columns(), expected.columns());

    for step in [1usize, 7, 1000, 4099] {
        let pieces = (0..whole.len()).step_by(step).flat_map(|start| {
            file.read(start as u64..whole.len().min(start + step) as u64)
                .unwrap()
        });
        assert!(pieces.eq(whole.iter().copied()), "pieces of {step}");
    }
}

/// Readers ask for a file's end first, for its footer: no page is decoded for that.
#[test]
fn the_end_of_a_virtual_file_costs_no_page() {
    let (bytes, _) = pack(&table(100_000), WriterOptions::new());
    let file = VirtualFile::new(Arc::new(bytes.clone())).unwrap();
    let len = file.len().unwrap();
    let end = len - (64 << 10)..len;
    let plan = file.layout().plan(std::slice::from_ref(&end)).unwrap();
    assert!(plan.fetches().is_empty(), "{plan:?}");
    let whole = file.read(0..len).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(whole).unwrap();
    let rows = reader.build().unwrap().map(|batch| batch.unwrap());
    let rows: Vec<RecordBatch> = rows.collect();
    let schema = rows[0].schema();
    let rows = arrow::compute::concat_batches(&schema, &rows).unwrap();
    assert_eq!(rows.columns(), read(&bytes).columns());
}

#[test]
fn object_stores_read_the_same() {
    let batch = table(1000);
    let (bytes, _) = pack(&batch, small_blocks());
    let expected = read(&bytes);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = runtime.block_on(async {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = ObjectPath::from("table.parquet");
        store.put(&path, bytes.into()).await.unwrap();
        let object = store.head(&path).await.unwrap();
        let reader = ObjectReader::new(store, object);
        let stream = ParquetRecordBatchStreamBuilder::new(reader)
            .await
            .unwrap()
            .build()
            .unwrap();
        futures::TryStreamExt::try_collect(stream).await.unwrap()
    });
    let found = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(found.columns(), expected.columns());
}

#[test]
fn schema_survives() {
    let field = Field::new(
        "t",
        DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Paris".into())),
        true,
    )
    .with_metadata([("unit".to_owned(), "s".to_owned())].into());
    let schema = Arc::new(Schema::new_with_metadata(
        vec![field],
        [("pandas".to_owned(), "{}".to_owned())].into(),
    ));
    let array = TimestampNanosecondArray::from(vec![Some(1), None]).with_timezone("Europe/Paris");
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(array)]).unwrap();
    let (bytes, _) = pack(&batch, WriterOptions::new());
    assert_eq!(read(&bytes).schema(), schema);
}

/// What a writer finishes can be opened; what could not be is refused.
#[test]
fn nothing_is_finished_that_cannot_be_opened() {
    let array: ArrayRef = Arc::new(Float32Array::from(vec![1.0, 2.0]));
    let field = Field::new("x", DataType::Float32, true);
    let with_metadata = |bytes: usize| {
        let metadata = [("notes".to_owned(), "again ".repeat(bytes / 6))];
        let schema = Schema::new_with_metadata(vec![field.clone()], metadata.into());
        RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(&array)]).unwrap()
    };
    let large = with_metadata(10 << 20);
    let (bytes, _) = pack(&large, WriterOptions::new());
    assert_eq!(read(&bytes).schema(), large.schema());

    let huge = with_metadata(100 << 20);
    let mut writer = Writer::try_new(Vec::new(), huge.schema(), WriterOptions::new()).unwrap();
    writer.write(&huge).unwrap();
    assert!(writer.close().is_err());

    for bound in [
        ErrorBound::Rel(2.0),
        ErrorBound::Rel(f64::NAN),
        ErrorBound::Abs(-1.0),
    ] {
        let options = WriterOptions::new().with_bound(bound);
        assert!(
            Writer::try_new(Vec::new(), large.schema(), options).is_err(),
            "{bound}"
        );
        let options = WriterOptions::new().with_column_bound("x", bound);
        assert!(
            Writer::try_new(Vec::new(), large.schema(), options).is_err(),
            "{bound}"
        );
    }
}

#[test]
fn types_that_parquet_does_not_give_back_are_refused() {
    let runs = DataType::RunEndEncoded(
        Arc::new(Field::new("run_ends", DataType::Int32, false)),
        Arc::new(Field::new("values", DataType::Utf8, true)),
    );
    let views = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
    for data_type in [runs, views] {
        let schema = Arc::new(Schema::new(vec![Field::new("x", data_type, true)]));
        let Err(error) = Writer::try_new(Vec::new(), schema, WriterOptions::new()) else {
            panic!("accepted")
        };
        assert!(error.to_string().contains("column \"x\""), "{error}");
    }
}

/// The virtual file is an ordinary one to this library too, and so is one that speaks of us.
#[test]
fn ordinary_files_are_not_taken_for_packed_ones() {
    let batch = table(100);
    let (bytes, _) = pack(&batch, small_blocks());
    let file = VirtualFile::new(Arc::new(bytes.clone())).unwrap();
    let whole = file.read(0..file.len().unwrap()).unwrap();
    assert_eq!(read(&whole).columns(), read(&bytes).columns());

    let names: ArrayRef = Arc::new(StringArray::from(vec!["TOLERANT1", "tolerant"]));
    let batch = RecordBatch::try_from_iter([("TOLERANT1", names)]).unwrap();
    let mut ordinary = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut ordinary, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    assert_eq!(read(&Bytes::from(ordinary)).columns(), batch.columns());
}

/// Memory is bounded by bytes where rows are large.
#[test]
fn large_rows_make_small_row_groups() {
    let text = "x".repeat(1 << 20);
    let strings: ArrayRef = Arc::new(
        (0..20)
            .map(|_| Some(text.as_str()))
            .collect::<StringArray>(),
    );
    let batch = RecordBatch::try_from_iter([("s", strings)]).unwrap();
    let options = WriterOptions::new().with_block_rows(10);
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options).unwrap();
    (0..20).for_each(|_| writer.write(&batch).unwrap());
    let (bytes, report) = writer.close().unwrap();
    assert_eq!(report.rows, 400);
    let opened = ReaderBuilder::new(Arc::new(Bytes::from(bytes))).unwrap();
    assert_eq!(opened.opened().metadata().num_row_groups(), 2);
    assert_eq!(opened.num_rows(), 400);
}

/// A series that is followed on a grid whose step is next to the smallest numbers that there are.
#[test]
fn tiny_bounds_are_kept() {
    let bound = 3.296_405_686_576_681_7e-308;
    let values = (0..20_000).map(|i| (f64::from(i) / 300.0).sin() * 4.45e-302);
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
    let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
    let options = WriterOptions::new().with_bound(ErrorBound::abs(bound).unwrap());
    let back = read(&pack(&batch, options).0);
    let (x, y) = (
        batch
            .column(0)
            .as_primitive::<arrow::datatypes::Float64Type>(),
        back.column(0)
            .as_primitive::<arrow::datatypes::Float64Type>(),
    );
    for (x, y) in x.values().iter().zip(y.values()) {
        assert!((x - y).abs() <= bound, "{x:e} became {y:e}");
    }
}
