//! Ratios of portable files, rows in their order and in any:
//! `cargo bench --bench portable --no-default-features --features file -- TABLE.parquet...`
//!
//! Takes the float columns of each table as f32, rows with nulls dropped, at value-range relative
//! bounds; prints raw bytes / bytes of the whole file, that of a packed file beside it, and how
//! fast it was written. Every value is read back with parquet-rs alone and compared: row by row where
//! the order is kept, and each column's sorted values otherwise (whole rows are for `verify`).

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float32Array, RecordBatch};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Float32Type};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use tolerant::ErrorBound;
use tolerant::codec::absolute_bound;
use tolerant::file::{
    PortableWriter, ReaderBuilder, RowOrder, RowOrderReport, Writer, WriterOptions, finite_range,
    is_float,
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
        "{:<10} {:>6} {:>7} | {:>8} {:>8} | {:>8} {:>7} {:>7} | {:>9} {:>9} | order",
        "table", "rel", "peer", "packed", "keep", "any", "/peer", "/keep", "MB/s keep", "MB/s any"
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
            let raw = table.num_rows() * table.num_columns() * 4;
            let packed = raw as f64 / packed(&table, rel)? as f64;
            let mut ratios = Vec::new();
            let mut speeds = Vec::new();
            let mut order = String::new();
            for row_order in [RowOrder::Keep, RowOrder::Any] {
                let start = Instant::now();
                let (bytes, ordered) = portable(&table, rel, row_order)?;
                speeds.push(raw as f64 / 1e6 / start.elapsed().as_secs_f64());
                check(&table, rel, row_order, &bytes)?;
                ratios.push(raw as f64 / bytes.len() as f64);
                order = ordered.map(|order| described(&order)).unwrap_or_default();
            }
            let (keep, any) = (ratios[0], ratios[1]);
            println!(
                "{name:<10} {rel:>6.0e} {peer:>7.2} | {packed:>8.2} {keep:>8.2} | {any:>8.2} {:>7.2} {:>7.2} | {:>9.1} {:>9.1} | {order}",
                any / peer,
                any / keep,
                speeds[0],
                speeds[1],
            );
            logs[0].push((keep / peer).ln());
            logs[1].push((any / peer).ln());
        }
    }
    let mean = |logs: &[f64]| (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    println!(
        "geometric mean against the best peer: {:.3} rows kept, {:.3} in any order",
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

/// The bytes of a portable file of `table`, and what ordering its rows did.
fn portable(
    table: &RecordBatch,
    rel: f64,
    order: RowOrder,
) -> Result<(Bytes, Option<RowOrderReport>), Box<dyn Error>> {
    let options = options(table, rel)?.with_row_order(order);
    let mut writer = PortableWriter::try_new(Vec::new(), table.schema(), options)?;
    writer.write(table)?;
    let (bytes, report) = writer.close()?;
    Ok((bytes.into(), report.row_order))
}

fn described(order: &RowOrderReport) -> String {
    let methods: Vec<&str> = order
        .methods
        .iter()
        .map(|(method, _)| method.name())
        .collect();
    let columns = &order.columns[..order.columns.len().min(3)];
    format!("{} {}", methods.join(","), columns.join(","))
}

/// Panics where a value that is read back is beyond its bound.
fn check(
    table: &RecordBatch,
    rel: f64,
    order: RowOrder,
    bytes: &Bytes,
) -> Result<(), Box<dyn Error>> {
    let batches = ParquetRecordBatchReader::try_new(bytes.clone(), 8192)?;
    let found = concat_batches(&table.schema(), &batches.collect::<Result<Vec<_>, _>>()?)?;
    assert_eq!(found.num_rows(), table.num_rows());
    for (found, original) in found.columns().iter().zip(table.columns()) {
        let bound = absolute_bound(ErrorBound::Rel(rel), finite_range(original));
        let values = |column: &ArrayRef| {
            let mut values = column.as_primitive::<Float32Type>().values().to_vec();
            if order == RowOrder::Any {
                values.sort_by(f32::total_cmp);
            }
            values
        };
        let (found, original) = (values(found), values(original));
        let violated = found
            .iter()
            .zip(&original)
            .any(|(y, x)| (f64::from(*x) - f64::from(*y)).abs() > bound);
        assert!(!violated, "a value beyond its bound");
    }
    Ok(())
}
