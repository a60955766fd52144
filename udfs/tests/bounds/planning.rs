//! What is known when a query is planned: bounds through plans, errors where none is known, pruning.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::{ExecutionPlan, collect};
use tempfile::TempDir;
use tolerant::file::WriterOptions;

use super::common::{error, folder, number, write};

pub const ROWS: usize = 4096;

/// `x` ascends from 0 to 1 and is packed with an absolute bound; `y` is exact.
pub fn file(directory: &TempDir, name: &str, bound: &str) {
    let x = Float64Array::from_iter_values((0..ROWS).map(|i| i as f64 / (ROWS - 1) as f64));
    let y = Int64Array::from_iter_values(0..ROWS as i64);
    let columns: [(&str, ArrayRef); 2] = [("x", Arc::new(x)), ("y", Arc::new(y))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let options = WriterOptions::new().with_column_bound("x", bound.parse().unwrap());
    write(directory, name, &batch, options);
}

#[tokio::test]
async fn bounds_go_through_projections() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", "abs:0.01");
    let ctx = folder(&directory).await;
    for query in [
        "SELECT error_bound(x) FROM t LIMIT 1",
        "SELECT error_bound(z) FROM (SELECT x AS z, y FROM t WHERE y > 3 ORDER BY y LIMIT 9) LIMIT 1",
        "WITH u AS (SELECT t.x, v.y FROM t JOIN t v ON t.y = v.y) SELECT error_bound(x) FROM u LIMIT 1",
        "SELECT error_bound(x) FROM (SELECT x FROM t UNION ALL SELECT x FROM t) LIMIT 1",
    ] {
        assert_eq!(number(&ctx, query).await, 0.01, "{query}");
    }
    assert_eq!(
        number(&ctx, "SELECT value_range(x) FROM t LIMIT 1").await,
        1.0
    );
    assert_eq!(
        number(&ctx, "SELECT error_bound(y) FROM t LIMIT 1").await,
        0.0
    );
}

#[tokio::test]
async fn of_several_files_the_widest_bound_holds() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", "abs:0.01");
    file(&directory, "b.parquet", "abs:0.25");
    let ctx = folder(&directory).await;
    assert_eq!(
        number(&ctx, "SELECT error_bound(x) FROM t LIMIT 1").await,
        0.25
    );
    let a = directory.path().join("a.parquet");
    let a = format!("SELECT x FROM '{}'", a.display());
    assert_eq!(
        number(&ctx, &format!("SELECT error_bound(x) FROM ({a}) LIMIT 1")).await,
        0.01
    );
    // Bounds that differ meet in one column: neither is the whole's.
    let both = format!("SELECT error_bound(x) FROM ({a} UNION ALL SELECT x FROM t) LIMIT 1");
    assert!(error(&ctx, &both).await.contains("not known"));
}

#[tokio::test]
async fn intervals_are_no_wider_than_the_bound_makes_them() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", "abs:0.01");
    let ctx = folder(&directory).await;
    for (aggregate, width) in [
        ("sum_interval(x)", 0.02 * ROWS as f64),
        ("avg_interval(x)", 0.02),
        ("min_interval(x)", 0.02),
        ("max_interval(x - x)", 0.04),
        ("sum_interval(y)", 0.0),
    ] {
        let query = format!("SELECT i['upper'] - i['lower'] FROM (SELECT {aggregate} i FROM t)");
        let found = number(&ctx, &query).await;
        assert!((found - width).abs() <= 1e-4, "{aggregate}: {found}");
    }
    let open = "SELECT CAST(i['upper'] - i['lower'] AS DOUBLE) FROM (SELECT count_interval(x > 0.5) i FROM t)";
    let undecided = number(&ctx, open).await;
    // The stored values stand on a grid, so that a step more may be undecided.
    assert!(
        undecided > 0.0 && undecided <= 0.04 * ROWS as f64,
        "{undecided}"
    );
}

#[tokio::test]
async fn what_is_computed_has_no_bound() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", "abs:0.01");
    let ctx = folder(&directory).await;
    for query in [
        "SELECT error_bound(x * 2) FROM t",
        "SELECT lower_bound(CAST(x AS FLOAT)) FROM t",
        "SELECT error_bound(z) FROM (SELECT CAST(CAST(x AS INT) AS DOUBLE) AS z FROM t)",
        "SELECT count(*) FROM (SELECT CAST(CAST(x AS INT) AS DOUBLE) AS z FROM t) WHERE certainly(z > 0.5)",
        "SELECT count(*) FROM (SELECT CAST(x * 10 AS INT) AS z FROM t) WHERE possibly(z > 5)",
        "SELECT sum_interval(z) FROM (SELECT x * x AS z FROM t)",
        "SELECT count(*) FROM t WHERE certainly(x * x > 0.5)",
        "SELECT count(*) FROM t WHERE certainly(sqrt(x) > 0.5)",
        "SELECT count(*) FROM t WHERE certainly(x > (SELECT avg(x) FROM t))",
        "SELECT sum_interval(column1) FROM (VALUES (1.0), (2.0)) WHERE column1 > random()",
    ] {
        assert!(error(&ctx, query).await.contains("not known"), "{query}");
    }
}

#[tokio::test]
async fn certainty_prunes_row_groups() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", "abs:0.01");
    let ctx = folder(&directory).await;
    for (query, rows) in [
        ("SELECT y FROM t WHERE certainly(x > 0.9)", 0.09),
        ("SELECT y FROM t WHERE possibly(x > 0.9)", 0.11),
        ("SELECT y FROM t WHERE possibly(0.1 > x)", 0.11),
        ("SELECT y FROM t WHERE possibly(x = 0.5)", 0.02),
    ] {
        let plan = ctx
            .sql(query)
            .await
            .unwrap()
            .create_physical_plan()
            .await
            .unwrap();
        let batches = collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
        let found: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        let expected = rows * ROWS as f64;
        assert!(
            (found as f64 - expected).abs() < 0.02 * ROWS as f64,
            "{query}: {found}"
        );
        let (pruned, kept) = row_groups(plan.as_ref());
        assert!(
            pruned >= 12 && pruned + kept == 16,
            "{query}: {pruned} pruned, {kept} kept"
        );
    }
}

/// Row groups that statistics ruled out, and that they did not.
fn row_groups(plan: &dyn ExecutionPlan) -> (usize, usize) {
    let mut counts = (0, 0);
    for metric in plan.metrics().iter().flat_map(|metrics| metrics.iter()) {
        if let MetricValue::PruningMetrics {
            name,
            pruning_metrics,
        } = metric.value()
            && name == "row_groups_pruned_statistics"
        {
            counts.0 += pruning_metrics.pruned();
            counts.1 += pruning_metrics.matched();
        }
    }
    for child in plan.children() {
        let (pruned, kept) = row_groups(child.as_ref());
        counts = (counts.0 + pruned, counts.1 + kept);
    }
    counts
}
