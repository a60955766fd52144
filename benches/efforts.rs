//! Size and speed of each effort on one thread, in one run:
//! `cargo bench --bench efforts [-- ROWS | TABLE.parquet...]`
//!
//! A table of 10 float32 columns, of which some follow others, 100,000 rows unless told otherwise;
//! or the float columns of the tables named, as float32 and without the rows that have nulls. Times
//! are the least of several, and beside them what part of `balanced` they are. With the bounds of
//! `balanced`, so is SZ3, if the Python named in `TOLERANT_PYTHON` has `pysz`.

#[path = "common/sz3.rs"]
mod sz3;

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, BooleanArray, Float32Array, RecordBatch, RecordBatchReader};
use arrow::compute::{cast, concat_batches, filter};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tolerant::ErrorBound;
use tolerant::codec::{Effort, absolute_bound};
use tolerant::file::{ReaderBuilder, Writer, WriterOptions, finite_range};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let args = std::env::args().skip(1);
    let args: Vec<String> = args.filter(|arg| !arg.starts_with("--")).collect();
    match args.first().map(|arg| arg.parse()) {
        None => report(&table(100_000)?),
        Some(Ok(rows)) => report(&table(rows)?),
        Some(Err(_)) => args.iter().try_for_each(|path| {
            println!("{path}");
            report(&floats(Path::new(path))?)
        }),
    }
}

/// The float columns of a file, as float32, without the rows that have nulls.
fn floats(path: &Path) -> Result<RecordBatch, Box<dyn Error>> {
    let reader = ReaderBuilder::open(path)?.build()?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let table = concat_batches(&schema, &batches)?;
    let is_float = |column: &&ArrayRef| column.data_type().is_floating();
    let whole = BooleanArray::from_iter((0..table.num_rows()).map(|row| {
        let mut columns = table.columns().iter().filter(is_float);
        Some(columns.all(|column| column.is_valid(row)))
    }));
    let columns = schema.fields().iter().zip(table.columns());
    let columns = columns.filter(|(_, column)| is_float(column));
    let columns: Vec<(&str, ArrayRef)> = columns
        .map(|(field, column)| {
            let column = cast(&filter(column, &whole)?, &DataType::Float32)?;
            Ok((field.name().as_str(), column))
        })
        .collect::<Result<_, ArrowError>>()?;
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn report(table: &RecordBatch) -> Result<(), Box<dyn Error>> {
    let values = (table.num_rows() * table.num_columns()) as f64;
    println!("rel    effort             ratio          encode ns/value  decode ns/value");
    for rel in [1e-1, 1e-2, 1e-3] {
        let mut balanced = None;
        let mut line = |name: &str, ratio: f64, seconds: [f64; 2]| {
            let [encode, decode] = seconds.map(|seconds| seconds * 1e9 / values);
            let [r, e, d] = *balanced.get_or_insert([ratio, encode, decode]);
            println!(
                "{rel:<6} {name:<18} {ratio:>6.2} ({:.2})  {encode:>8.1} ({:.2})  {decode:>8.2} ({:.2})",
                ratio / r,
                encode / e,
                decode / d
            );
        };
        for effort in [Effort::Balanced, Effort::Fast, Effort::Small] {
            let [ratio, encode, decode] = measure(table, rel, effort)?;
            line(&effort.to_string(), ratio, [encode, decode]);
        }
        let bound = |column| absolute_bound(ErrorBound::Rel(rel), finite_range(column));
        let bounds: Vec<f64> = table.columns().iter().map(bound).collect();
        for mode in sz3::modes(table, &bounds, ROUNDS)? {
            let seconds = [mode.encode_seconds, mode.decode_seconds];
            line(
                &format!("SZ3 {}", mode.name),
                values * 4.0 / mode.bytes,
                seconds,
            );
        }
    }
    Ok(())
}

/// Ratio, and seconds to encode and to decode.
fn measure(table: &RecordBatch, rel: f64, effort: Effort) -> Result<[f64; 3], Box<dyn Error>> {
    let mut options = WriterOptions::new()
        .with_bound(ErrorBound::rel(rel)?)
        .with_effort(effort);
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        options = options.with_column_range(field.name(), finite_range(column));
    }
    let (mut encode, mut decode, mut ratio) = (f64::INFINITY, f64::INFINITY, 0.0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut writer = Writer::try_new(Vec::new(), table.schema(), options.clone())?;
        writer.write(table)?;
        let (file, report) = writer.close()?;
        encode = start.elapsed().as_secs_f64().min(encode);
        ratio = report.raw_bytes as f64 / report.file_bytes as f64;
        let file = Arc::new(Bytes::from(file));
        let start = Instant::now();
        for batch in ReaderBuilder::new(file)?.build()? {
            black_box(batch?);
        }
        decode = start.elapsed().as_secs_f64().min(decode);
    }
    Ok([ratio, encode, decode])
}

fn table(rows: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let mut random = StdRng::seed_from_u64(1);
    let mut noise = |scale: f32| {
        (0..4)
            .map(|_| random.random_range(-scale..scale))
            .sum::<f32>()
    };
    let mut columns: Vec<Vec<f32>> = (0..4)
        .map(|_| (0..rows).map(|_| noise(1.0)).collect())
        .collect();
    // Linear in one column, in two, and a curve.
    for i in 0..3 {
        let follow = |row: usize| match i {
            0 => 2.0 * columns[0][row],
            1 => columns[1][row] - columns[2][row],
            _ => columns[3][row] * columns[3][row],
        };
        let next = (0..rows).map(|row| follow(row) + noise(0.1)).collect();
        columns.push(next);
    }
    let mut level = 0.0;
    columns.push(
        (0..rows)
            .map(|_| {
                level += noise(0.05);
                level
            })
            .collect(),
    );
    columns.push(
        (0..rows)
            .map(|_| if noise(1.0) > 2.0 { noise(1.0) } else { 0.0 })
            .collect(),
    );
    columns.push(
        (0..rows)
            .map(|row| (row as f32 / 500.0).sin() + noise(0.001))
            .collect(),
    );
    let named = columns.into_iter().enumerate().map(|(i, column)| {
        (
            format!("c{i}"),
            Arc::new(Float32Array::from(column)) as ArrayRef,
        )
    });
    Ok(RecordBatch::try_from_iter(named)?)
}
