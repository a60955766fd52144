//! A wide table: `cargo bench --bench wide [-- ROWS COLUMNS]`
//!
//! 1,120 rows of 60,483 float32 columns unless told otherwise, the shape of a gene-expression
//! training set. Packed at rel 1e-3 beside ordinary ZSTD Parquet: time to write, bytes, bytes of
//! metadata (everything but pages), time to open and to read three columns, and peak memory of
//! each step over what the process held before it (Linux).

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tolerant::ErrorBound;
use tolerant::file::{AtomicFile, ReaderBuilder, Writer, WriterOptions, finite_range};

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"));
    let rows: usize = numbers.next().map_or(Ok(1_120), |arg| arg.parse())?;
    let columns: usize = numbers.next().map_or(Ok(60_483), |arg| arg.parse())?;
    let folder = tempfile::tempdir()?;
    let (packed, ordinary) = (
        folder.path().join("packed.parquet"),
        folder.path().join("ordinary.parquet"),
    );
    let wanted = [
        "g7",
        &format!("g{}", columns / 2),
        &format!("g{}", columns - 1),
    ]
    .map(str::to_owned);

    let table = table(rows, columns)?;
    println!(
        "{rows} rows x {columns} float32 = {} bytes raw",
        rows * columns * 4
    );
    measured("packed: write", || write_packed(&table, &packed))?;
    measured("ordinary ZSTD Parquet: write", || {
        write_ordinary(&table, &ordinary)
    })?;
    drop(table);
    for (what, path) in [("packed", &packed), ("ordinary ZSTD Parquet", &ordinary)] {
        println!("{what}: {} bytes", path.metadata()?.len());
        measured(&format!("{what}: open and read 3 columns"), || {
            read(path, &wanted)
        })?;
        measured(&format!("{what}: once more"), || read(path, &wanted))?;
    }
    Ok(())
}

/// Counts as of single cells: most small, many zero, each gene on a scale of its own.
fn table(rows: usize, columns: usize) -> Result<RecordBatch, Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(1);
    let fields: Vec<Field> = (0..columns)
        .map(|i| Field::new(format!("g{i}"), DataType::Float32, false))
        .collect();
    let arrays = (0..columns).map(|_| {
        let scale = (rng.random::<f32>() * 12.0).exp2();
        let silent = rng.random::<f32>();
        let value = |rng: &mut StdRng| {
            if rng.random::<f32>() < silent {
                0.0
            } else {
                -rng.random::<f32>().ln() * scale
            }
        };
        Arc::new(Float32Array::from_iter_values(
            (0..rows).map(|_| value(&mut rng)),
        )) as ArrayRef
    });
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        arrays.collect(),
    )?)
}

fn write_packed(table: &RecordBatch, path: &Path) -> Result<String, Box<dyn Error>> {
    let mut options = WriterOptions::new().with_bound(ErrorBound::rel(1e-3)?);
    for (field, column) in table.schema().fields().iter().zip(table.columns()) {
        options = options.with_column_range(field.name(), finite_range(column));
    }
    let mut writer = Writer::try_new(AtomicFile::create(path)?, table.schema(), options)?;
    writer.write(table)?;
    let (file, report) = writer.close()?;
    file.commit()?;
    let pages: u64 = report
        .columns
        .iter()
        .map(|column| column.packed_bytes)
        .sum();
    Ok(format!(
        "pages {pages}, index and footer {} bytes",
        report.file_bytes - pages
    ))
}

fn write_ordinary(table: &RecordBatch, path: &Path) -> Result<String, Box<dyn Error>> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(path)?, table.schema(), Some(properties))?;
    writer.write(table)?;
    let metadata = writer.close()?;
    let columns = metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    let pages: i64 = columns.map(|column| column.compressed_size()).sum();
    Ok(format!(
        "pages {pages}, page indexes and footer {} bytes",
        path.metadata()?.len() - pages as u64
    ))
}

fn read(path: &Path, columns: &[String]) -> Result<String, Box<dyn Error>> {
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let opening = Instant::now();
    let reader = ReaderBuilder::open(path)?;
    let opened = opening.elapsed();
    let batches = reader
        .with_columns(&names)?
        .build()?
        .collect::<Result<Vec<_>, _>>()?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    Ok(format!(
        "of which open {:.3} s; {rows} rows x {}",
        opened.as_secs_f64(),
        batches[0].num_columns()
    ))
}

fn measured(
    what: &str,
    run: impl FnOnce() -> Result<String, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let before = memory("VmRSS:");
    // Resets the peak; where that is not allowed, the peak reported is that of all steps so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let found = run()?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what:<44} {seconds:>7.3} s, peak +{} MiB: {found}",
        memory("VmHWM:").saturating_sub(before) >> 10
    );
    Ok(())
}

/// A line of /proc/self/status, in KiB.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
