//! Compression ratios of whole files: `cargo bench --bench ratio -- TABLE.parquet...`
//!
//! Prints, for each table and value-range relative bound, the ratio of raw Arrow bytes to file
//! bytes, and where the file's bytes go: payload pages, ordinary pages, index, footer.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use tolerant::ErrorBound;
use tolerant::codec::ValueRange;
use tolerant::file::{ReaderBuilder, Writer, WriterOptions, finite_range};

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:<12} {:>6} {:>9} {:>11} {:>11} {:>7} {:>9} {:>9}",
        "table", "rel", "rows", "raw", "file", "ratio", "pages", "metadata"
    );
    for path in std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
    {
        let path = Path::new(&path);
        let reader = ReaderBuilder::new(Arc::new(File::open(path)?))?.build()?;
        let schema = reader.schema();
        let batches = reader.collect::<Result<Vec<RecordBatch>, _>>()?;
        for rel in [1e-1, 1e-2, 1e-3, 1e-4] {
            let mut options = WriterOptions::new().with_bound(ErrorBound::rel(rel)?);
            for (i, field) in schema.fields().iter().enumerate() {
                let ranges = batches.iter().map(|batch| finite_range(batch.column(i)));
                let range = ranges.fold(ValueRange::EMPTY, |all, range| all.union(&range));
                options = options.with_column_range(field.name(), range);
            }
            let mut writer = Writer::try_new(Vec::new(), Arc::clone(&schema), options)?;
            for batch in &batches {
                writer.write(batch)?;
            }
            let (_, report) = writer.close()?;
            let pages: u64 = report
                .columns
                .iter()
                .map(|column| column.packed_bytes)
                .sum();
            println!(
                "{:<12} {:>6.0e} {:>9} {:>11} {:>11} {:>7.2} {:>9} {:>9}",
                path.file_stem().unwrap_or_default().to_string_lossy(),
                rel,
                report.rows,
                report.raw_bytes,
                report.file_bytes,
                report.raw_bytes as f64 / report.file_bytes as f64,
                pages,
                report.file_bytes - pages,
            );
        }
    }
    Ok(())
}
