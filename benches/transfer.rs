//! What packed tables are worth to training over a slow link:
//! `cargo bench --bench transfer --no-default-features --features tune -- TABLE.parquet [--target NAME]
//! [--bound rel:0.01] [--epochs N] [--out docs/transfer.md]`
//!
//! The float columns of a table are stored three times: raw (PLAIN, uncompressed), lossless (ZSTD Parquet)
//! and packed. A linear model is trained by gradient descent on mini-batches. Each epoch fetches the file
//! anew from an object store that is throttled to 10, 100 and 1,000 Mbit/s, and from one that takes no time,
//! and then reads it batch by batch. Rows without a target are left out.

#[path = "common/arguments.rs"]
mod arguments;

use std::error::Error;
use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arguments::Arguments;
use arrow::array::{Array, AsArray, RecordBatch, RecordBatchReader};
use arrow::compute::{cast, concat_batches, filter_record_batch, is_not_null};
use arrow::datatypes::{DataType, Float32Type};
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tolerant::file::{ReaderBuilder, RowOrder, Writer, WriterOptions, is_float};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Mbit/s; the last takes no time.
const RATES: [f64; 4] = [10.0, 100.0, 1000.0, f64::INFINITY];
/// Of each request, as of an object store that is near.
const DELAY: Duration = Duration::from_millis(5);
const BATCH: usize = 1024;
const STEP: f32 = 0.01;

/// A store at the other end of a link of so many Mbit/s.
fn store(rate: f64) -> ThrottledStore<InMemory> {
    let mut throttle = ThrottleConfig::default();
    if rate.is_finite() {
        throttle.wait_get_per_call = DELAY;
        throttle.wait_get_per_byte = Duration::from_nanos((8e3 / rate).round() as u64);
    }
    ThrottledStore::new(InMemory::new(), throttle)
}

/// A linear model of standardized columns.
struct Linear {
    weights: Vec<f32>,
    bias: f32,
    /// (mean, deviation) of each column, the target last.
    scales: Vec<(f32, f32)>,
}

impl Linear {
    fn new(table: &RecordBatch) -> Self {
        let scale = |column: &Arc<dyn Array>| {
            let values: Vec<f64> = floats(column).iter().flatten().map(f64::from).collect();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            let deviation = (square / values.len().max(1) as f64).sqrt();
            (
                mean as f32,
                if deviation > 0.0 {
                    deviation as f32
                } else {
                    1.0
                },
            )
        };
        Self {
            weights: vec![0.0; table.num_columns() - 1],
            bias: 0.0,
            scales: table.columns().iter().map(scale).collect(),
        }
    }

    /// Standardized values by rows, missing ones at the mean.
    fn inputs(&self, batch: &RecordBatch) -> Vec<f32> {
        let columns = batch.num_columns();
        let mut inputs = vec![0.0; batch.num_rows() * columns];
        for (i, (column, (mean, deviation))) in batch.columns().iter().zip(&self.scales).enumerate()
        {
            for (row, x) in floats(column).iter().enumerate() {
                inputs[row * columns + i] = x.map_or(0.0, |x| (x - mean) / deviation);
            }
        }
        inputs
    }

    fn predict(&self, row: &[f32]) -> f32 {
        let products = self.weights.iter().zip(row).map(|(w, x)| w * x);
        products.sum::<f32>() + self.bias
    }

    /// One step of gradient descent for each mini-batch.
    fn train(&mut self, batch: &RecordBatch) {
        let columns = batch.num_columns();
        for rows in self.inputs(batch).chunks(BATCH * columns) {
            let mut gradient = vec![0.0; columns];
            for row in rows.chunks(columns) {
                let error = self.predict(row) - row[columns - 1];
                for (sum, x) in gradient.iter_mut().zip(row) {
                    *sum += error * x;
                }
                // Where the target would be: the bias.
                gradient[columns - 1] += error * (1.0 - row[columns - 1]);
            }
            let step = STEP * columns as f32 / (rows.len() as f32);
            let (bias, weights) = (gradient[columns - 1], &gradient[..columns - 1]);
            for (weight, sum) in self.weights.iter_mut().zip(weights) {
                *weight -= step * sum;
            }
            self.bias -= step * bias;
        }
    }

    fn r2(&self, table: &RecordBatch) -> f64 {
        let columns = table.num_columns();
        let (mut wrong, mut all) = (0.0, 0.0);
        for row in self.inputs(table).chunks(columns) {
            wrong += f64::from(self.predict(row) - row[columns - 1]).powi(2);
            all += f64::from(row[columns - 1]).powi(2);
        }
        1.0 - wrong / all
    }
}

fn floats(column: &Arc<dyn Array>) -> &arrow::array::Float32Array {
    column.as_primitive::<Float32Type>()
}

/// The float columns as Float32, the target last, rows without one left out.
fn read(path: &Path, target: &str) -> Result<RecordBatch> {
    let reader = ReaderBuilder::new(Arc::new(File::open(path)?))?.build()?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    let table = concat_batches(&schema, &batches)?;
    let last = schema.index_of(target)?;
    let table = filter_record_batch(&table, &is_not_null(table.column(last))?)?;
    let floats = (0..table.num_columns()).filter(|i| *i != last);
    let floats = floats.filter(|i| is_float(schema.field(*i).data_type()));
    let columns = floats.chain([last]).map(|i| {
        let column = cast(table.column(i), &DataType::Float32)?;
        Ok((schema.field(i).name().clone(), column, true))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

fn parquet(table: &RecordBatch, properties: WriterProperties) -> Result<Bytes> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), Some(properties))?;
    writer.write(table)?;
    writer.close()?;
    Ok(bytes.into())
}

fn packed(table: &RecordBatch, bound: &str) -> Result<Bytes> {
    let options = WriterOptions::new()
        .with_bound(bound.parse()?)
        .with_row_order(RowOrder::Any);
    let mut writer = Writer::try_new(Vec::new(), table.schema(), options)?;
    writer.write(table)?;
    Ok(writer.close()?.0.into())
}

/// Seconds of an epoch, bytes that it moved, and how good the model became on the original.
fn train(table: &RecordBatch, file: &Bytes, rate: f64, epochs: usize) -> Result<(f64, u64, f64)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let (store, name) = (store(rate), object_store::path::Path::from("table"));
    runtime.block_on(store.put(&name, file.clone().into()))?;
    let mut moved = 0;
    let mut model = Linear::new(table);
    let start = Instant::now();
    for _ in 0..epochs {
        let fetched = runtime.block_on(async { store.get(&name).await?.bytes().await })?;
        moved += fetched.len() as u64;
        for batch in ReaderBuilder::new(Arc::new(fetched))?.build()? {
            model.train(&batch?);
        }
    }
    let seconds = start.elapsed().as_secs_f64() / epochs as f64;
    Ok((seconds, moved / epochs as u64, model.r2(table)))
}

fn main() -> Result<()> {
    let arguments = Arguments::of_process();
    let option = |name: &str| arguments.option(name);
    let path = arguments.0.first().ok_or("give a table first")?;
    let bound = option("--bound").unwrap_or_else(|| "rel:0.01".into());
    let epochs: usize = option("--epochs").map_or(Ok(3), |epochs| epochs.parse())?;
    let table = read(
        Path::new(path),
        &option("--target").unwrap_or_else(|| "target".into()),
    )?;
    let raw = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        .build();
    let zstd = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(9)?))
        .build();
    let files = [
        ("raw Parquet", parquet(&table, raw)?),
        ("ZSTD Parquet", parquet(&table, zstd)?),
        ("packed", packed(&table, &bound)?),
    ];
    let mut text = format!(
        "{} rows x {} float columns, packed at {bound} in any row order, {epochs} epochs\n\n\
         | link, Mbit/s | file | bytes an epoch | seconds an epoch | R2 |\n|--:|---|--:|--:|--:|\n",
        table.num_rows(),
        table.num_columns()
    );
    let mut alone = Vec::new();
    for rate in RATES {
        for (name, file) in &files {
            let (seconds, moved, r2) = train(&table, file, rate, epochs)?;
            writeln!(
                text,
                "| {rate} | {name} | {moved} | {seconds:.3} | {r2:.4} |"
            )?;
            if rate.is_infinite() {
                alone.push((*name, seconds, moved));
            }
        }
    }
    // Where one file's fewer bytes are worth no more than the time that it takes to decode it.
    let (_, of_packed, packed) = alone[2];
    for (name, seconds, moved) in &alone[..2] {
        let rate = (*moved as f64 - packed as f64) * 8e-6 / (of_packed - seconds);
        match rate > 0.0 {
            true => writeln!(text, "\nbreak-even with {name}: {rate:.0} Mbit/s")?,
            false => writeln!(
                text,
                "\nbreak-even with {name}: none, packed is faster at any rate"
            )?,
        }
    }
    print!("{text}");
    if let Some(out) = option("--out") {
        std::fs::write(out, document(&text, &arguments.0))?;
    }
    Ok(())
}

fn document(text: &str, arguments: &[String]) -> String {
    format!(
        "# Training over a slow link\n\n\
         A linear model is trained by mini-batches of a file that each epoch fetches anew from an object store,\n\
         which is throttled to a rate (and takes {} ms to answer), and then reads. R2 is on the original. The\n\
         break-even rate follows from the bytes and from the seconds without a throttle: above it, decoding takes\n\
         longer than what the fewer bytes save. Written by:\n\n    \
         cargo bench --bench transfer --no-default-features --features tune -- {}\n\n{text}",
        DELAY.as_millis(),
        arguments.join(" ")
    )
}
