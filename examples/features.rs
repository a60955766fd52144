//! From a packed table to a Parquet file of features, in SQL: standardized columns as one vector, and
//! a split into training and test rows that stays the same whatever else changes.
//!
//! `cargo run --release --example features`

use std::error::Error;
use std::path::Path;

use tolerant::datafusion::session_context;
use tolerant::file::{AtomicFile, ReaderBuilder, Writer, WriterOptions};

#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/diabetes.parquet");
    let folder = tempfile::tempdir()?;
    let packed = folder.path().join("diabetes.parquet");
    let rows = ReaderBuilder::open(&original)?;
    let schema = rows.schema().clone();
    let file = AtomicFile::create(&packed)?;
    let mut writer = Writer::try_new(file, schema, WriterOptions::new())?;
    for batch in rows.build()? {
        writer.write(&batch?)?;
    }
    writer.close()?.0.commit()?;

    let ctx = session_context();
    tolerant_udfs::register_all(&ctx);
    let features = folder.path().join("features.parquet");
    let (packed, to) = (packed.display(), features.display());
    let sql = format!(
        "COPY (
           SELECT feature_vector(
                    standardize(age, avg(age) OVER (), stddev(age) OVER ()),
                    standardize(bmi, avg(bmi) OVER (), stddev(bmi) OVER ()),
                    clip(blood_pressure, 60, 120)
                  ) AS features,
                  data_split(progression, 0.8, 0.1) AS part,
                  progression
           FROM '{packed}'
         ) TO '{to}' STORED AS PARQUET"
    );
    ctx.sql(&sql).await?.collect().await?;
    let sql = format!("SELECT part, count(*) AS n FROM '{to}' GROUP BY part ORDER BY part");
    ctx.sql(&sql).await?.show().await?;
    Ok(())
}
