//! Full reads of a file into Arrow: what `python/benches/read.py` compares its own with.
//!
//! `cargo bench --bench read -- TABLE.parquet` prints, of five reads each, the fastest in seconds.

use std::path::Path;
use std::time::Instant;

use arrow::array::RecordBatch;
use tolerant::file::ReaderBuilder;
use tolerant::tools::input::Input;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const READS: usize = 5;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Row groups side by side, as all tools read; all batches are kept until the last.
fn parallel(path: &Path) -> Result<Vec<RecordBatch>> {
    let input = Input::open(&[path])?;
    Ok(input.batches().collect::<std::result::Result<_, _>>()?)
}

/// On one thread.
fn sequential(path: &Path) -> Result<Vec<RecordBatch>> {
    let reader = ReaderBuilder::open(path)?.build()?;
    Ok(reader.collect::<std::result::Result<_, _>>()?)
}

fn fastest(read: fn(&Path) -> Result<Vec<RecordBatch>>, path: &Path) -> Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..READS {
        let start = Instant::now();
        let batches = read(path)?;
        best = best.min(start.elapsed().as_secs_f64());
        drop(batches);
    }
    Ok(best)
}

fn main() -> Result<()> {
    let Some(path) = std::env::args().skip(1).find(|arg| !arg.starts_with('-')) else {
        println!("usage: cargo bench --bench read -- TABLE.parquet");
        return Ok(());
    };
    let path = Path::new(&path);
    println!("parallel {:.4}", fastest(parallel, path)?);
    println!("sequential {:.4}", fastest(sequential, path)?);
    Ok(())
}
