//! Tables made up without chance, packed files of them, and ways to compare what SQL says of them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float16Array, Float32Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::row::{RowConverter, SortField};
use arrow::util::pretty::pretty_format_batches;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tolerant::ErrorBound;
use tolerant::datafusion::session_config;
use tolerant::file::{ReaderBuilder, Writer, WriterOptions};

/// Rows of a block and of a row group of the files here: several of both in each.
pub const BLOCK_ROWS: usize = 512;
pub const GROUP_ROWS: usize = 4 * BLOCK_ROWS;

/// Numbers that look random and are the same each time.
pub fn noise(seed: u64, i: usize) -> u64 {
    let mut x = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(i as u64);
    for _ in 0..2 {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    x
}

/// Between 0 and 1.
fn unit(seed: u64, i: usize) -> f64 {
    (noise(seed, i) >> 11) as f64 / (1u64 << 53) as f64
}

/// `value`, or null in one row of `every`.
fn nulls<T>(seed: u64, i: usize, every: u64, value: T) -> Option<T> {
    (!noise(seed ^ 0xabcd, i).is_multiple_of(every)).then_some(value)
}

/// A table of all kinds of columns. `id`, `x` and `ts` ascend, so that pruning can work; `z` holds
/// NaN, infinities and signed zeros; `late` is null but for its last rows.
pub fn table(rows: usize) -> RecordBatch {
    let rows = 0..rows;
    let n = rows.len();
    let z = |i: usize| match noise(7, i) % 16 {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => -0.0,
        4 => 0.0,
        _ => unit(8, i) * 20.0 - 10.0,
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(rows.clone().map(|i| i as i64).collect::<Int64Array>()),
        ),
        (
            "k",
            Arc::new(
                rows.clone()
                    .map(|i| nulls(1, i, 20, (noise(2, i) % 7) as i32))
                    .collect::<Int32Array>(),
            ),
        ),
        (
            "name",
            Arc::new(
                rows.clone()
                    .map(|i| nulls(3, i, 9, format!("n{}", noise(3, i) % 40)))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "flag",
            Arc::new(
                rows.clone()
                    .map(|i| nulls(4, i, 11, noise(4, i).is_multiple_of(3)))
                    .collect::<BooleanArray>(),
            ),
        ),
        (
            "ts",
            Arc::new(TimestampMillisecondArray::from_iter_values(
                rows.clone().map(|i| 1_700_000_000_000 + 250 * i as i64),
            )),
        ),
        (
            "day",
            Arc::new(
                rows.clone()
                    .map(|i| nulls(5, i, 15, 19_000 + (i / 1000) as i32))
                    .collect::<Date32Array>(),
            ),
        ),
        (
            "u",
            Arc::new(
                rows.clone()
                    .map(|i| u64::MAX - noise(6, i) % 1000)
                    .collect::<UInt64Array>(),
            ),
        ),
        (
            "x",
            Arc::new(
                rows.clone()
                    .map(|i| i as f64 / 100.0 + unit(9, i) * 0.5)
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "y",
            Arc::new(
                rows.clone()
                    .map(|i| nulls(10, i, 6, (unit(10, i) * 100.0) as f32))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            "z",
            Arc::new(
                rows.clone()
                    .map(|i| nulls(11, i, 10, z(i)))
                    .collect::<Float64Array>(),
            ),
        ),
        (
            "h",
            Arc::new(
                rows.clone()
                    .map(|i| f16::from_f64((i % 100) as f64 / 8.0))
                    .collect::<Float16Array>(),
            ),
        ),
        (
            "late",
            Arc::new(
                rows.clone()
                    .map(|i| (i + 700 > n).then_some(i as f32))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            "same",
            Arc::new(rows.map(|_| 2.5).collect::<Float64Array>()),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Writes a packed file with the same bound for all of its float columns.
pub fn pack(batch: &RecordBatch, bound: ErrorBound, path: &Path) {
    let options = WriterOptions::new()
        .with_bound(bound)
        .with_block_rows(BLOCK_ROWS)
        .with_row_group_rows(GROUP_ROWS);
    let mut writer = Writer::try_new(File::create(path).unwrap(), batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Writes an ordinary Parquet file.
pub fn write_parquet(batch: &RecordBatch, path: &Path) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer = ArrowWriter::try_new(
        File::create(path).unwrap(),
        batch.schema(),
        Some(properties),
    )
    .unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Writes what a packed file holds as ordinary Parquet: the decompressed copy.
pub fn decompress(packed: &Path, to: &Path) {
    let reader = ReaderBuilder::open(packed).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    write_parquet(&concat_batches(&batches[0].schema(), &batches).unwrap(), to);
}

/// A session configuration that splits even the smallest files.
pub fn config(target_partitions: usize) -> SessionConfig {
    session_config()
        .with_target_partitions(target_partitions)
        .set_usize("datafusion.optimizer.repartition_file_min_size", 0)
}

/// DataFusion without Tolerant, and without statistics and pruning: NaN is not in an ordinary
/// file's statistics, and would be lost by them.
pub fn oracle() -> SessionContext {
    let mut config = session_config()
        .with_target_partitions(1)
        .with_collect_statistics(false);
    config.options_mut().execution.parquet.pruning = false;
    config.options_mut().execution.parquet.enable_page_index = false;
    SessionContext::new_with_config(config)
}

/// What a query answers: column names and types, and its rows as bytes that tell even NaNs apart,
/// sorted unless the query orders them.
pub struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<u8>>,
    /// A few rows as text, for the reader of a failed test.
    shown: String,
}

impl Answer {
    /// The rows without the names of their columns.
    pub fn rows(&self) -> &[Vec<u8>] {
        &self.rows
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

impl PartialEq for Answer {
    fn eq(&self, other: &Self) -> bool {
        (&self.columns, &self.rows) == (&other.columns, &other.rows)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} {} rows\n{}",
            self.columns,
            self.rows.len(),
            self.shown
        )
    }
}

pub async fn answer(ctx: &SessionContext, sql: &str) -> Answer {
    let frame = ctx
        .sql(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame
        .collect()
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let columns = schema
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    let fields = schema
        .fields()
        .iter()
        .map(|field| SortField::new(field.data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields).unwrap();
    let mut rows = Vec::new();
    for batch in &batches {
        let converted = converter.convert_columns(batch.columns()).unwrap();
        rows.extend(converted.iter().map(|row| row.as_ref().to_vec()));
    }
    if !sql.contains("ORDER BY") {
        rows.sort();
    }
    let few = rows.len() < 30;
    let shown = if few {
        pretty_format_batches(&batches).unwrap().to_string()
    } else {
        String::new()
    };
    Answer {
        columns,
        rows,
        shown,
    }
}

/// The plan of a query after it has run, for its metrics.
pub async fn run(ctx: &SessionContext, sql: &str) -> (usize, Metrics) {
    let plan = ctx
        .sql(sql)
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
    (
        batches.iter().map(RecordBatch::num_rows).sum(),
        Metrics(plan),
    )
}

/// The metrics of the scans of a plan.
pub struct Metrics(pub Arc<dyn ExecutionPlan>);

impl Metrics {
    /// The sum of a counter over all scans; of a pruning metric, what was pruned.
    pub fn sum(&self, name: &str) -> usize {
        fn visit(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
            let own = plan.metrics().map_or(0, |metrics| {
                metrics
                    .iter()
                    .filter(|metric| metric.value().name() == name)
                    .map(|metric| match metric.value() {
                        MetricValue::PruningMetrics {
                            pruning_metrics, ..
                        } => pruning_metrics.pruned(),
                        value => value.as_usize(),
                    })
                    .sum()
            });
            own + plan
                .children()
                .into_iter()
                .map(|child| visit(child, name))
                .sum::<usize>()
        }
        visit(&self.0, name)
    }
}
