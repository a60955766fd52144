//! Speed on one thread, everything in memory: `cargo bench --bench speed [-- ROWS [REL]]`
//!
//! A table of 8 float32 columns of mixed shapes, 10 million rows unless told otherwise. Measured in
//! one run, best of three: lossless ZSTD Parquet and the packed file, each scanned by arrow-rs and
//! by DataFusion; the bare codec; and SZ3, if the Python named in `TOLERANT_PYTHON` has `pysz`.

#[path = "common/sz3.rs"]
mod sz3;

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Float32Array, RecordBatch};
use arrow::datatypes::Float32Type;
use bytes::Bytes;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tolerant::ErrorBound;
use tolerant::codec::{EncodedBlock, ValueRange, absolute_bound, decode, encode_lossy};
use tolerant::file::{
    DEFAULT_BLOCK_ROWS, ReaderBuilder, VirtualFile, Writer, WriterOptions, finite_range,
};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    let rows: usize = numbers.next().map_or(Ok(10_000_000), |arg| arg.parse())?;
    let rel: f64 = numbers.next().map_or(Ok(1e-3), |arg| arg.parse())?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;

    let table = table(rows)?;
    let values = (rows * table.num_columns()) as f64;
    let raw = values * 4.0;
    println!(
        "{rows} rows x {} float32, rel {rel:e}, one thread, best of {ROUNDS}",
        table.num_columns()
    );
    let report = |what: &str, seconds: f64| {
        println!(
            "{what:<44} {seconds:>8.3} s {:>7.2} GB/s {:>6.2} ns/value",
            raw / seconds / 1e9,
            seconds * 1e9 / values
        );
        seconds
    };

    let bounds: Vec<f64> = table
        .columns()
        .iter()
        .map(|column| absolute_bound(ErrorBound::Rel(rel), finite_range(column)))
        .collect();
    let blocks = |encode: &dyn Fn(&[f32], f64) -> EncodedBlock| -> Vec<Vec<u8>> {
        let columns = table.columns().iter().zip(&bounds);
        columns
            .flat_map(|(column, bound)| {
                let values = column.as_primitive::<Float32Type>().values();
                values
                    .chunks(DEFAULT_BLOCK_ROWS)
                    .map(|block| encode(block, *bound).payload)
                    .collect::<Vec<_>>()
            })
            .collect()
    };
    let encode = |block: &[f32], bound: f64| {
        encode_lossy(block, bound).unwrap_or_else(|error| panic!("{error}"))
    };
    let payloads = blocks(&encode);
    report("codec: encode", best(|| blocks(&encode)));
    let mut block = vec![0f32; DEFAULT_BLOCK_ROWS];
    let lengths: Vec<usize> = (0..payloads.len())
        .map(|i| {
            DEFAULT_BLOCK_ROWS
                .min(rows - (i % rows.div_ceil(DEFAULT_BLOCK_ROWS)) * DEFAULT_BLOCK_ROWS)
        })
        .collect();
    let codec_decode = report(
        "codec: decode",
        best(|| {
            for (payload, n) in payloads.iter().zip(&lengths) {
                decode(payload, &mut block[..*n]).unwrap_or_else(|error| panic!("{error}"));
                black_box(&block);
            }
        }),
    );

    let packed = packed(&table, rel)?;
    let file_encode = report("packed file: write", best(|| packed_len(&table, rel)));
    let lossless = lossless(&table)?;
    println!(
        "ratio: packed {:.2}, lossless ZSTD Parquet {:.2}",
        raw / packed.len() as f64,
        raw / lossless.len() as f64
    );

    let virtual_file = VirtualFile::new(Arc::new(packed.clone()))?;
    let metadata = Arc::clone(virtual_file.layout().metadata());
    let chunks: Vec<_> = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
        .map(|chunk| chunk.byte_range())
        .collect();
    let chunk_reads = report(
        "packed file: virtual bytes, by column chunk",
        best(|| {
            for (start, len) in &chunks {
                black_box(
                    virtual_file
                        .read(*start..start + len)
                        .unwrap_or_else(|error| panic!("{error}")),
                );
            }
        }),
    );
    let scan = |bytes: &Bytes| {
        let reader = ReaderBuilder::new(Arc::new(bytes.clone())).and_then(ReaderBuilder::build);
        reader
            .unwrap_or_else(|error| panic!("{error}"))
            .map(|batch| batch.map_or(0, |batch| batch.num_rows()))
            .sum::<usize>()
    };
    assert_eq!(scan(&packed), rows);
    let arrow_packed = report("packed file: Arrow reader", best(|| scan(&packed)));
    let arrow_lossless = report("lossless Parquet: Arrow reader", best(|| scan(&lossless)));

    println!(
        "{:<16} {:>8} {:>8} {:>18}",
        "Arrow reader", "packed", "lossless", "ns/value; ratio"
    );
    for field in table.schema().fields() {
        let column = |bytes: &Bytes| {
            let reader = ReaderBuilder::new(Arc::new(bytes.clone()))
                .and_then(|reader| reader.with_columns(&[field.name()]))
                .and_then(ReaderBuilder::build);
            reader
                .unwrap_or_else(|error| panic!("{error}"))
                .map(|batch| batch.map_or(0, |batch| batch.num_rows()))
                .sum::<usize>()
        };
        let nanoseconds = |seconds: f64| seconds * 1e9 / rows as f64;
        let (ours, theirs) = (
            nanoseconds(best(|| column(&packed))),
            nanoseconds(best(|| column(&lossless))),
        );
        println!(
            "  {:<14} {ours:>8.2} {theirs:>8.2} {:>18.2}",
            field.name(),
            theirs / ours
        );
    }

    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    runtime.block_on(store.put(&"packed.parquet".into(), packed.into()))?;
    runtime.block_on(store.put(&"lossless.parquet".into(), lossless.into()))?;
    let sql = |file: &str| {
        let query = format!("SELECT * FROM '{file}'");
        let context = context(&store);
        runtime.block_on(async {
            let mut stream = context.sql(&query).await?.execute_stream().await?;
            let mut count = 0;
            while let Some(batch) = stream.next().await {
                count += batch?.num_rows();
            }
            Ok::<_, datafusion::error::DataFusionError>(count)
        })
    };
    assert_eq!(sql("memory://bench/packed.parquet")?, rows);
    let sql_packed = report(
        "packed file: DataFusion",
        best(|| sql("memory://bench/packed.parquet")),
    );
    let sql_lossless = report(
        "lossless Parquet: DataFusion",
        best(|| sql("memory://bench/lossless.parquet")),
    );

    println!(
        "\nDataFusion scan, lossless / packed (>= 2):        {:.2}",
        sql_lossless / sql_packed
    );
    println!(
        "Arrow scan, lossless / packed:                    {:.2}",
        arrow_lossless / arrow_packed
    );
    println!(
        "virtual chunk reads / codec decode (<= 1.5):      {:.2}",
        chunk_reads / codec_decode
    );
    println!(
        "Arrow scan of the virtual file / codec decode:    {:.2}",
        arrow_packed / codec_decode
    );
    for mode in sz3::modes(&table, &bounds, ROUNDS)? {
        println!(
            "SZ3 {:<15} ratio {:>6.2}, encode {:.2} GB/s, decode {:.2} GB/s; ours / SZ3: write {:.2} (>= 0.8), codec decode {:.2}",
            mode.name,
            raw / mode.bytes,
            raw / mode.encode_seconds / 1e9,
            raw / mode.decode_seconds / 1e9,
            mode.encode_seconds / file_encode,
            mode.decode_seconds / codec_decode,
        );
    }
    Ok(())
}

fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let seconds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}

/// Columns of mixed shapes, the same on every run: four of full precision, four as sensors and
/// registers give them, in decimals, levels and counts.
fn table(rows: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut normal = move || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (v * std::f64::consts::TAU).cos()
    };
    let mut walk = 0.0;
    let mut column = |shape: &str| -> ArrayRef {
        let mut value = |i: usize| {
            let t = i as f64;
            match shape {
                "normal" => normal(),
                "heavy tail" => (2.0 * normal()).exp(),
                "noisy sine" => (t / 3000.0).sin() + 0.02 * normal(),
                "bounded" => (normal() * 0.3).tanh() * 100.0,
                "temperature" => {
                    (150.0 + 80.0 * (t / 3000.0).sin() + 10.0 * normal()).round() / 10.0
                }
                "price" => {
                    walk += (5.0 * normal()).round();
                    100.0 + walk / 100.0
                }
                // Adding zero turns -0.0, which no register gives, into 0.0.
                "levels" => (normal() * 2.0).round() + 0.0,
                _ => (normal().max(1.5) * 10.0 - 15.0).round(),
            }
        };
        Arc::new(Float32Array::from_iter_values(
            (0..rows).map(|i| value(i) as f32),
        ))
    };
    let shapes = [
        "normal",
        "heavy tail",
        "noisy sine",
        "bounded",
        "temperature",
        "price",
        "levels",
        "sparse counts",
    ];
    Ok(RecordBatch::try_from_iter(
        shapes.map(|shape| (shape, column(shape))),
    )?)
}

fn packed(table: &RecordBatch, rel: f64) -> Result<Bytes, Box<dyn Error>> {
    let mut options = WriterOptions::new().with_bound(ErrorBound::rel(rel)?);
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        let range: ValueRange = finite_range(column);
        options = options.with_column_range(field.name(), range);
    }
    let mut writer = Writer::try_new(Vec::new(), table.schema(), options)?;
    writer.write(table)?;
    Ok(writer.close()?.0.into())
}

fn packed_len(table: &RecordBatch, rel: f64) -> usize {
    packed(table, rel).map_or(0, |bytes| bytes.len())
}

fn lossless(table: &RecordBatch) -> Result<Bytes, Box<dyn Error>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties))?;
    writer.write(table)?;
    Ok(writer.into_inner()?.into())
}

/// A fresh context, so that no cache helps.
fn context(store: &Arc<dyn ObjectStore>) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(1);
    let context = tolerant::datafusion::session_context_with_config(config);
    if let Ok(url) = "memory://bench".parse() {
        context.register_object_store(&url, Arc::clone(store));
    }
    context
}
