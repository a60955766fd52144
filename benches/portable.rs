//! Ratios of portable files, rows as they are and sorted:
//! `cargo bench --bench portable --no-default-features --features file -- TABLE.parquet...`
//!
//! Takes the float columns of each table as f32, rows with nulls dropped, at value-range relative
//! bounds; prints raw bytes / bytes of the whole file, that of a packed file beside it, and how
//! fast it was written. Every value is read back with parquet-rs alone and compared.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, RecordBatch, UInt32Array,
};
use arrow::compute::{cast, filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Float32Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use tolerant::ErrorBound;
use tolerant::codec::{absolute_bound, cover};
use tolerant::file::{
    PortableWriter, ReaderBuilder, Writer, WriterOptions, finite_range, is_float,
};

/// SZ3's best mode: bare coded bytes, at 1e-1, 1e-2 and 1e-3.
const BEST_PEER: [(&str, [f64; 3]); 5] = [
    ("protein", [21.19, 7.40, 4.23]),
    ("kin40k", [13.23, 5.66, 3.58]),
    ("bike", [17.44, 9.57, 8.20]),
    ("gas", [30.92, 8.02, 4.47]),
    ("beijing", [83.35, 15.07, 6.70]),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<10} {:>6} {:>7} | {:>8} {:>8} | {:>8} {:>8} {:>7} | {:>9}",
        "table", "rel", "peer", "packed", "keep", "sorted", "/peer", "/packed", "MB/s keep"
    );
    let mut logs = [Vec::new(), Vec::new()];
    for path in std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
    {
        let path = Path::new(&path);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let table = floats(path)?;
        let peers = BEST_PEER.iter().find(|(peer, _)| *peer == name);
        for (i, rel) in [1e-1, 1e-2, 1e-3].into_iter().enumerate() {
            let peer = peers.map_or(f64::NAN, |(_, ratios)| ratios[i]);
            let sorted = sorted(&table, rel)?;
            let raw = table.num_rows() * table.num_columns() * 4;
            let packed = raw as f64 / packed(&table, rel)? as f64;
            let start = Instant::now();
            let keep = raw as f64 / portable(&table, rel)?.len() as f64;
            let speed = raw as f64 / 1e6 / start.elapsed().as_secs_f64();
            let any = raw as f64 / portable(&sorted, rel)?.len() as f64;
            println!(
                "{name:<10} {rel:>6.0e} {peer:>7.2} | {packed:>8.2} {keep:>8.2} | {any:>8.2} {:>8.2} {:>7.2} | {speed:>9.1}",
                any.max(keep) / peer,
                any / packed,
            );
            logs[0].push((keep / peer).ln());
            logs[1].push((any.max(keep) / peer).ln());
        }
    }
    let mean = |logs: &[f64]| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    println!(
        "geometric mean against the best peer: {:.3} rows kept, {:.3} the better order",
        mean(&logs[0]),
        mean(&logs[1])
    );
    Ok(())
}

/// The float columns as f32, without the rows that hold a null.
fn floats(path: &Path) -> Result<RecordBatch, Box<dyn Error>> {
    let reader = ReaderBuilder::new(Arc::new(File::open(path)?))?;
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build()?.collect::<Result<_, _>>()?;
    let table = arrow::compute::concat_batches(&schema, &batches)?;
    let columns = schema.fields().iter().zip(table.columns());
    let floats: Vec<(String, ArrayRef)> = columns
        .filter(|(field, _)| is_float(field.data_type()))
        .map(|(field, column)| Ok((field.name().clone(), cast(column, &DataType::Float32)?)))
        .collect::<Result<_, arrow::error::ArrowError>>()?;
    let whole: BooleanArray = (0..table.num_rows())
        .map(|row| Some(floats.iter().all(|(_, column)| column.is_valid(row))))
        .collect();
    let floats = filter_record_batch(&RecordBatch::try_from_iter(floats)?, &whole)?;
    // `try_from_iter` takes the nulls there are for the schema: now there are none.
    let schema = floats.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(floats.columns())
        .map(|(field, column)| {
            let values = column.as_primitive::<Float32Type>().values().clone();
            (
                field.name().clone(),
                Arc::new(Float32Array::new(values, None)) as ArrayRef,
            )
        });
    Ok(RecordBatch::try_from_iter(columns.collect::<Vec<_>>())?)
}

/// Rows in lexicographic order of their codes, columns of few codes first.
fn sorted(table: &RecordBatch, rel: f64) -> Result<RecordBatch, Box<dyn Error>> {
    let mut keys: Vec<(usize, Vec<u32>)> = table
        .columns()
        .iter()
        .filter_map(|column| {
            let bound = absolute_bound(ErrorBound::Rel(rel), finite_range(column));
            let cover = cover(column.as_primitive::<Float32Type>().values(), bound)?;
            Some((cover.representatives.len(), cover.codes))
        })
        .collect();
    keys.sort_by_key(|(count, _)| *count);
    let mut order: Vec<u32> = (0..table.num_rows() as u32).collect();
    order.sort_by(|a, b| {
        let mut columns = keys
            .iter()
            .map(|(_, codes)| codes[*a as usize].cmp(&codes[*b as usize]));
        columns
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    Ok(take_record_batch(table, &UInt32Array::from(order))?)
}

fn options(table: &RecordBatch, rel: f64) -> Result<WriterOptions, Box<dyn Error>> {
    let mut options = WriterOptions::new().with_bound(ErrorBound::rel(rel)?);
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        options = options.with_column_range(field.name(), finite_range(column));
    }
    if let Ok(rows) = std::env::var("ROW_GROUP_ROWS") {
        options = options.with_row_group_rows(rows.parse()?);
    }
    Ok(options)
}

fn packed(table: &RecordBatch, rel: f64) -> Result<usize, Box<dyn Error>> {
    let mut writer = Writer::try_new(Vec::new(), table.schema(), options(table, rel)?)?;
    writer.write(table)?;
    Ok(writer.close()?.0.len())
}

/// The bytes of a portable file of `table`, which has been read back.
fn portable(table: &RecordBatch, rel: f64) -> Result<Bytes, Box<dyn Error>> {
    let mut writer = PortableWriter::try_new(Vec::new(), table.schema(), options(table, rel)?)?;
    writer.write(table)?;
    let bytes = Bytes::from(writer.close()?.0);
    let mut row = 0;
    for batch in ParquetRecordBatchReader::try_new(bytes.clone(), 8192)? {
        let batch = batch?;
        for (found, all) in batch.columns().iter().zip(table.columns()) {
            let bound = absolute_bound(ErrorBound::Rel(rel), finite_range(all));
            let original = all.slice(row, batch.num_rows());
            let pairs = found.as_primitive::<Float32Type>().values().iter();
            let violated = pairs
                .zip(original.as_primitive::<Float32Type>().values())
                .any(|(y, x)| (f64::from(*x) - f64::from(*y)).abs() > bound);
            assert!(!violated, "a value beyond its bound");
        }
        row += batch.num_rows();
    }
    assert_eq!(row, table.num_rows());
    Ok(bytes)
}
