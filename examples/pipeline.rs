//! A pipeline of one's own on the library: batches from anywhere, a bound for each column, the columns
//! that a model needs read back in parallel-friendly batches, and proof that the promise was kept.
//!
//! `cargo run --release --example pipeline`

use std::error::Error;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Int64Array, RecordBatch};
use arrow::datatypes::Float32Type;
use tolerant::ErrorBound;
use tolerant::file::{ReaderBuilder, Writer, WriterOptions};

const BATCH: usize = 10_000;
const BOUND: f64 = 0.05;

/// What a sensor might have sent.
fn measured(batch: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let rows = batch * BATCH..(batch + 1) * BATCH;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|i| i as i64)));
    let celsius = rows.map(|i| 20.0 + 5.0 * (i as f32 / 700.0).sin());
    let celsius: ArrayRef = Arc::new(Float32Array::from_iter_values(celsius));
    Ok(RecordBatch::try_from_iter([
        ("id", ids),
        ("celsius", celsius),
    ])?)
}

pub fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("sensor.parquet");
    let options = WriterOptions::new()
        .with_column_bound("celsius", ErrorBound::abs(BOUND)?)
        .with_row_group_rows(1 << 16);
    let schema = measured(0)?.schema();
    let mut writer = Writer::try_new(File::create(&path)?, schema, options)?;
    for batch in 0..10 {
        writer.write(&measured(batch)?)?;
    }
    let (_, report) = writer.close()?;
    println!("{} bytes became {}", report.raw_bytes, report.file_bytes);

    let mut row = 0;
    let mut largest = 0.0f64;
    for batch in ReaderBuilder::open(&path)?
        .with_columns(&["celsius"])?
        .build()?
    {
        let batch = batch?;
        for kept in batch.column(0).as_primitive::<Float32Type>().values() {
            let original = 20.0 + 5.0 * (row as f32 / 700.0).sin();
            largest = largest.max((f64::from(*kept) - f64::from(original)).abs());
            row += 1;
        }
    }
    println!("{row} rows, none further from its original than {largest}");
    if largest > BOUND {
        return Err("the promise was broken".into());
    }
    Ok(())
}
