//! Random tables beside packed copies of them.

use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, AsArray, Float16Array, Float32Array, Float64Array, Int64Array, RecordBatch,
};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::prelude::SessionContext;
use half::f16;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::file::{Writer, WriterOptions};

/// A session that knows `o`, the original, and `t`, its packed copy.
pub struct Tables {
    pub ctx: SessionContext,
    pub original: RecordBatch,
    /// Removes the file when the tables go.
    _directory: TempDir,
}

pub fn context() -> SessionContext {
    let ctx = tolerant::datafusion::session_context();
    tolerant_udfs::register_all(&ctx);
    ctx
}

/// Writes a packed file of small row groups.
pub fn write(directory: &TempDir, name: &str, batch: &RecordBatch, options: WriterOptions) {
    let file = File::create(directory.path().join(name)).unwrap();
    let options = options.with_block_rows(64).with_row_group_rows(256);
    let mut writer = Writer::try_new(file, batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Makes a table `t` of a folder.
pub async fn folder(directory: &TempDir) -> SessionContext {
    let ctx = context();
    let path = directory.path().display();
    let create = format!("CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{path}/'");
    ctx.sql(&create).await.unwrap();
    ctx
}

/// The first number of the answer.
pub async fn number(ctx: &SessionContext, query: &str) -> f64 {
    let batches = ctx.sql(query).await.unwrap().collect().await.unwrap();
    batches[0].column(0).as_primitive::<Float64Type>().value(0)
}

/// The error of a query that has no answer.
pub async fn error(ctx: &SessionContext, query: &str) -> String {
    let plan = match ctx.sql(query).await {
        Ok(plan) => plan,
        Err(error) => return error.to_string(),
    };
    match plan.collect().await {
        Ok(_) => panic!("{query} has an answer"),
        Err(error) => error.to_string(),
    }
}

impl Tables {
    /// Columns `id`, `n`: exact; `a`, `d`: Float64; `b`: Float32; `c`: Float16.
    pub async fn random(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rows = rng.random_range(1..800);
        let original = table(&mut rng, rows);
        let mut options = WriterOptions::new();
        for column in ["a", "b", "c", "d"] {
            options = options.with_column_bound(column, bound(&mut rng));
        }
        let directory = tempfile::tempdir().unwrap();
        write(&directory, "t.parquet", &original, options);
        let ctx = context();
        ctx.register_batch("o", original.clone()).unwrap();
        let path = directory.path().join("t.parquet");
        let create = format!(
            "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{}'",
            path.display()
        );
        ctx.sql(&create).await.unwrap();
        Self {
            ctx,
            original,
            _directory: directory,
        }
    }

    pub async fn rows(&self, query: &str) -> Vec<RecordBatch> {
        let plan = self.ctx.sql(query).await;
        let plan = plan.unwrap_or_else(|error| panic!("{query}: {error}"));
        let batches = plan.collect().await;
        batches.unwrap_or_else(|error| panic!("{query}: {error}"))
    }
}

fn table(rng: &mut StdRng, rows: usize) -> RecordBatch {
    let scale = 10f64.powi(rng.random_range(-3..6));
    let specials = rng.random_bool(0.4);
    let mut floats = |ascending: bool| -> Vec<Option<f64>> {
        (0..rows)
            .map(|i| match rng.random_range(0..40) {
                0 => None,
                1 if specials => Some(f64::NAN),
                2 if specials => Some(f64::INFINITY),
                3 if specials => Some(f64::NEG_INFINITY),
                4 => Some(0.0),
                5 => Some(-0.0),
                _ if ascending => Some(scale * (i as f64 + rng.random::<f64>())),
                _ => Some(scale * (rng.random::<f64>() * 2.0 - 1.0)),
            })
            .collect()
    };
    let a: Float64Array = floats(true).into_iter().collect();
    let b: Float32Array = floats(false).iter().map(|x| x.map(|x| x as f32)).collect();
    let c: Float16Array = floats(false).iter().map(|x| x.map(f16::from_f64)).collect();
    let d: Float64Array = floats(false).into_iter().collect();
    let id = Int64Array::from_iter_values(0..rows as i64);
    let n: Int64Array = (0..rows)
        .map(|i| (i % 7 > 0).then_some(i as i64 % 5))
        .collect();
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(id)),
        ("n", Arc::new(n)),
        ("a", Arc::new(a)),
        ("b", Arc::new(b)),
        ("c", Arc::new(c)),
        ("d", Arc::new(d)),
    ];
    let nullable = columns.map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}

fn bound(rng: &mut StdRng) -> ErrorBound {
    let ratio = 10f64.powf(-rng.random_range(0.3..6.0));
    let text = match rng.random_range(0..6) {
        0 | 1 => format!("rel:{ratio}"),
        2 => format!("abs:{}", ratio * 100.0),
        3 => format!("pwrel:{ratio}"),
        4 => format!("rel:{ratio}@p5..p95"),
        _ => format!("psnr:{}", 10.0 + ratio * 60.0),
    };
    text.parse().unwrap()
}
