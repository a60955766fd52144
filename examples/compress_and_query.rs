//! Compresses a table of handwritten digits, and asks SQL of it what it would be asked anyway.
//!
//! `cargo run --release --example compress_and_query`

use std::error::Error;
use std::path::Path;

use tolerant::ErrorBound;
use tolerant::datafusion::session_context;
use tolerant::file::{AtomicFile, ReaderBuilder, Writer, WriterOptions};

#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/digits.parquet");
    let folder = tempfile::tempdir()?;
    let packed = folder.path().join("digits.parquet");

    // One percent of each column's range; the label as it is.
    let rows = ReaderBuilder::open(&original)?;
    let options = WriterOptions::new().with_bound(ErrorBound::rel(1e-2)?);
    let schema = rows.schema().clone();
    let mut writer = Writer::try_new(AtomicFile::create(&packed)?, schema, options)?;
    for batch in rows.build()? {
        writer.write(&batch?)?;
    }
    let (file, report) = writer.close()?;
    file.commit()?;
    println!("{} bytes became {}", report.raw_bytes, report.file_bytes);

    let ctx = session_context();
    tolerant_udfs::register_all(&ctx);
    let path = packed.display();
    let sql = format!("SELECT * FROM '{path}' LIMIT 3");
    ctx.sql(&sql).await?.show().await?;
    let sql = format!("SELECT count(*) AS digits FROM '{path}'");
    ctx.sql(&sql).await?.show().await?;
    Ok(())
}
