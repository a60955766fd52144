//! Portable files, read by everyone: pyarrow, pandas, Polars, DuckDB (`portable.py`), and a
//! DataFusion that knows nothing of Tolerant.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaDataReader;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tolerant::ErrorBound;
use tolerant::file::{PortableWriter, RowOrder, WriterOptions, is_float};

use super::{python, run, tables, unpacked};

fn write(path: &Path, table: &RecordBatch, options: WriterOptions) {
    let file = File::create(path).unwrap();
    let mut writer = PortableWriter::try_new(file, table.schema(), options).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

/// A stock session over `path`, whose table is `t`; strings in Arrow's plain layout.
async fn stock(path: &Path) -> SessionContext {
    let config = SessionConfig::new()
        .set_bool(
            "datafusion.execution.parquet.schema_force_view_types",
            false,
        )
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        .with_target_partitions(1);
    let context = SessionContext::new_with_config(config);
    let path = path.to_str().unwrap();
    let options = ParquetReadOptions::default();
    context.register_parquet("t", path, options).await.unwrap();
    context
}

async fn query(context: &SessionContext, sql: &str) -> RecordBatch {
    let frame = context.sql(sql).await.unwrap();
    let schema = frame.schema().inner().clone();
    concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

/// Reads all of it, and every column filtered by a value that it holds.
async fn datafusion_reads(path: &Path, expected: &RecordBatch) {
    let context = stock(path).await;
    let found = query(&context, "SELECT * FROM t").await;
    assert_eq!(found.num_rows(), expected.num_rows());
    for (i, field) in expected.schema().fields().iter().enumerate() {
        let (found, expected) = (found.column(i), expected.column(i));
        assert_eq!(found.data_type(), field.data_type(), "{field}");
        // Arrow's arrays compare floats by their bits, NaN aside: both sides as integers then.
        assert_eq!(found.to_data(), expected.to_data(), "{field}");
        if !is_float(field.data_type()) || *field.data_type() == DataType::Float16 {
            continue;
        }
        let name = field.name().replace('"', "\"\"");
        let count = format!(
            "SELECT count(*) FILTER (WHERE above) AS a, count(*) AS b FROM \
             (SELECT \"{name}\" > 0.5 AS above FROM t)"
        );
        let filtered = format!("SELECT count(*) AS a FROM t WHERE \"{name}\" > 0.5");
        assert_eq!(
            query(&context, &count).await.column(0).to_data(),
            query(&context, &filtered).await.column(0).to_data(),
            "{field}"
        );
    }
}

fn everyone_reads(table: &RecordBatch, options: WriterOptions) {
    let folder = tempfile::tempdir().unwrap();
    let (path, expected) = (
        folder.path().join("portable.parquet"),
        folder.path().join("expected.parquet"),
    );
    write(&path, table, options);
    let values = unpacked(&path);
    assert_eq!(values.schema().fields(), table.schema().fields());
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(datafusion_reads(&path, &values));

    let Some(python) = python() else { return };
    let file = File::create(&expected).unwrap();
    let mut writer = ArrowWriter::try_new(file, values.schema(), None).unwrap();
    writer.write(&values).unwrap();
    writer.close().unwrap();
    run(&python, "portable.py", &[&path, &expected]);
}

#[test]
fn every_type_in_many_row_groups() {
    let options = WriterOptions::new().with_row_group_rows(1000);
    everyone_reads(&tables::mixed(5000), options);
}

#[test]
fn rows_in_any_order() {
    for rows in [1000, 1 << 20] {
        let options = WriterOptions::new()
            .with_bound(ErrorBound::Rel(0.05))
            .with_row_order(RowOrder::Any)
            .with_row_group_rows(rows);
        everyone_reads(&tables::mixed(5000), options);
    }
}

const QUERIES: [&str; 5] = [
    "SELECT * FROM t ORDER BY a, b, k",
    "SELECT b, k FROM t ORDER BY b, k",
    "SELECT * FROM t ORDER BY k, a, b LIMIT 50",
    "SELECT a, count(*) AS n, sum(k) AS s FROM t WHERE b > 3 GROUP BY a ORDER BY a",
    "SELECT x.a, count(*) AS n FROM t x JOIN t y ON x.a = y.a AND x.k = y.k GROUP BY x.a ORDER BY x.a",
];

/// DataFusion takes declared sorting columns for granted: answers must not suffer by it.
#[tokio::test]
async fn sorted_rows_answer_as_unsorted_ones() {
    let mut rng = StdRng::seed_from_u64(3);
    let mut column = |n: i32| {
        (0..20_000)
            .map(|_| rng.random_range(-n..n))
            .collect::<Vec<_>>()
    };
    let floats =
        |values: Vec<i32>| Float64Array::from_iter_values(values.iter().map(|x| *x as f64));
    let nullable = |values: Vec<i32>| values.into_iter().map(|x| (x != 7).then_some(f64::from(x)));
    let table = RecordBatch::try_from_iter([
        ("a", Arc::new(floats(column(20))) as ArrayRef),
        (
            "b",
            Arc::new(nullable(column(90)).collect::<Float64Array>()),
        ),
        (
            "k",
            Arc::new(Int64Array::from_iter_values(
                column(50).into_iter().map(i64::from),
            )),
        ),
    ]);
    let table = table.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, plain) = (
        folder.path().join("t.parquet"),
        folder.path().join("plain.parquet"),
    );
    for (group_rows, declared) in [(1 << 20, true), (4000, false)] {
        let options = WriterOptions::new()
            .with_bound(ErrorBound::Abs(1.25))
            .with_row_order(RowOrder::Any)
            .with_row_group_rows(group_rows);
        write(&path, &table, options);
        let file = File::open(&path).unwrap();
        let metadata = ParquetMetaDataReader::new()
            .parse_and_finish(&file)
            .unwrap();
        assert_eq!(metadata.row_group(0).sorting_columns().is_some(), declared);

        let mut writer =
            ArrowWriter::try_new(File::create(&plain).unwrap(), table.schema(), None).unwrap();
        writer.write(&unpacked(&path)).unwrap();
        writer.close().unwrap();
        let (sorted, plain) = (stock(&path).await, stock(&plain).await);
        for sql in QUERIES {
            let (found, expected) = (query(&sorted, sql).await, query(&plain, sql).await);
            assert_eq!(found.columns(), expected.columns(), "{sql}");
        }
    }
}

#[test]
fn coarse_and_fine_bounds() {
    for bound in ["rel:0.1", "rel:1e-5", "exact"] {
        let bound: ErrorBound = bound.parse().unwrap();
        everyone_reads(&tables::mixed(3000), WriterOptions::new().with_bound(bound));
    }
}

#[test]
fn many_rows() {
    everyone_reads(&tables::simple(200_000), WriterOptions::new());
}

#[test]
fn one_row_and_none() {
    everyone_reads(&tables::mixed(1), WriterOptions::new());
    everyone_reads(&tables::simple(0), WriterOptions::new());
}
