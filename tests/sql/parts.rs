//! Splitting a file between partitions loses no rows and doubles none.

use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch, StringArray};
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, ParquetRowSelection};
use datafusion::datasource::physical_plan::{FileScanConfig, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::SessionContext;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::datafusion::{TolerantSource, session_config, session_context_with_config};

use crate::common::{BLOCK_ROWS, GROUP_ROWS, answer, config, pack, table, write_parquet};

const ROWS: usize = 9 * GROUP_ROWS + 77;

async fn create(ctx: &SessionContext, location: &str) {
    let sql = format!("CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{location}'");
    ctx.sql(&sql).await.unwrap();
}

/// The first column decides where DataFusion itself would look for a row group: here it is packed,
/// of the floats, and ordinary.
#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_lost_or_doubled() {
    let batch = table(ROWS);
    let orders: [&[usize]; 3] = [&[0, 7, 8], &[7, 0, 8], &[2, 0, 7, 8]];
    for order in orders {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("t.parquet");
        pack(&batch.project(order).unwrap(), ErrorBound::Rel(1e-3), &path);
        let mut expected = None;
        for partitions in [1, 2, 3, 5, 8, 10, 16, 33, 100] {
            let ctx = session_context_with_config(config(partitions));
            create(&ctx, path.to_str().unwrap()).await;
            // Not to be answered by statistics.
            let sql = "SELECT count(*), count(DISTINCT id), sum(id), min(id), count(y) FROM t WHERE x > -1 AND id >= 0";
            let found = answer(&ctx, sql).await;
            let found = format!("{found:?}");
            assert_eq!(
                expected.get_or_insert_with(|| found.clone()),
                &found,
                "{partitions} partitions"
            );
            assert_eq!(
                answer(&ctx, "SELECT id FROM t").await.len(),
                ROWS,
                "{partitions} partitions"
            );
        }
    }
}

/// Files of both kinds and all sizes, split together.
#[tokio::test(flavor = "multi_thread")]
async fn no_row_of_several_files_is_lost_or_doubled() {
    let dir = TempDir::new().unwrap();
    let batch = table(ROWS);
    let mut at = 0;
    for (i, rows) in [1, 7000, BLOCK_ROWS, 4000, GROUP_ROWS, GROUP_ROWS + 1]
        .into_iter()
        .enumerate()
    {
        let path = dir.path().join(format!("{i}.parquet"));
        let part = batch.slice(at, rows);
        if i % 3 == 1 {
            write_parquet(&part, &path)
        } else {
            pack(&part, ErrorBound::Exact, &path)
        }
        at += rows;
    }
    for partitions in [1, 4, 7, 19] {
        let ctx = session_context_with_config(config(partitions));
        create(&ctx, &format!("{}/", dir.path().display())).await;
        let found = answer(&ctx, "SELECT id, x, y, z FROM t").await;
        let ids = answer(&ctx, "SELECT DISTINCT id FROM t").await;
        assert_eq!(
            (found.len(), ids.len()),
            (at, at),
            "{partitions} partitions"
        );
    }
}

/// An ordered table is split in order.
#[tokio::test(flavor = "multi_thread")]
async fn order_survives_the_split() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&table(ROWS), ErrorBound::Exact, &path);
    let ctx = session_context_with_config(config(6));
    let sql = "CREATE EXTERNAL TABLE t STORED AS TOLERANT WITH ORDER (id ASC) LOCATION";
    ctx.sql(&format!("{sql} '{}'", path.display()))
        .await
        .unwrap();
    let batches = ctx
        .sql("SELECT id FROM t WHERE x > 3 ORDER BY id")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let ids: Vec<i64> = batches
        .iter()
        .flat_map(|b| {
            b.column(0)
                .as_any()
                .downcast_ref::<arrow::array::Int64Array>()
                .unwrap()
                .values()
                .to_vec()
        })
        .collect();
    assert!(ids.len() > ROWS - 400 && ids.is_sorted());
}

/// A small packed file is much work: it is split by what it decodes to.
#[tokio::test]
async fn small_files_that_hold_much_are_split() {
    let rows = 400_000;
    let columns = (0..4).map(|i| {
        let values: Float64Array = (0..rows)
            .map(|row| (row / 1000) as f64 * (i + 1) as f64)
            .collect();
        (format!("c{i}"), Arc::new(values) as _)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&batch, ErrorBound::Rel(1e-2), &path);
    assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20);
    let ctx = session_context_with_config(session_config().with_target_partitions(4));
    create(&ctx, path.to_str().unwrap()).await;
    let plan = ctx
        .sql("SELECT c0 FROM t")
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    assert_eq!(plan.properties().output_partitioning().partition_count(), 4);
}

/// The scan of a split plan, to be changed.
async fn scan(ctx: &SessionContext) -> FileScanConfig {
    let plan = ctx
        .sql("SELECT * FROM t")
        .await
        .unwrap()
        .create_physical_plan()
        .await
        .unwrap();
    let scan = plan.downcast_ref::<DataSourceExec>().unwrap().data_source();
    scan.downcast_ref::<FileScanConfig>().unwrap().clone()
}

async fn rows_of(ctx: &SessionContext, scan: FileScanConfig) -> usize {
    let plan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(scan);
    assert!(plan.properties().output_partitioning().partition_count() > 1);
    collect(plan, ctx.task_ctx())
        .await
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum()
}

/// A plan that travels as Parquet and is wrapped again at its destination knows nothing of what the
/// planner found out, and must not need to.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_wrapped_again_reads_the_same() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&table(ROWS), ErrorBound::Exact, &path);
    let ctx = session_context_with_config(config(5));
    create(&ctx, path.to_str().unwrap()).await;
    let mut scan = scan(&ctx).await;
    for group in &mut scan.file_groups {
        (0..group.len()).for_each(|i| group[i].extensions = Default::default());
    }
    let source = scan.file_source().downcast_ref::<TolerantSource>().unwrap();
    let again = TolerantSource::new(source.parquet_source().clone());
    let scan = FileScanConfigBuilder::from(scan)
        .with_source(Arc::new(again))
        .build();
    assert_eq!(rows_of(&ctx, scan).await, ROWS);
}

/// Rows that an index outside of the file has chosen are those that are read, split or not.
#[tokio::test(flavor = "multi_thread")]
async fn external_indexes_are_kept_to() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&table(ROWS), ErrorBound::Exact, &path);
    let ctx = session_context_with_config(config(5));
    create(&ctx, path.to_str().unwrap()).await;

    let mut by_group = scan(&ctx).await;
    let mut by_row = by_group.clone();
    let mut plan = ParquetAccessPlan::new_all(10);
    plan.skip(0);
    plan.skip(6);
    let selectors = vec![
        RowSelector::skip(100),
        RowSelector::select(ROWS - 300),
        RowSelector::skip(200),
    ];
    let selection = ParquetRowSelection::new(RowSelection::from(selectors));
    for (i, group) in by_group.file_groups.iter_mut().enumerate() {
        for file in 0..group.len() {
            group[file].extensions.insert(plan.clone());
            by_row.file_groups[i][file]
                .extensions
                .insert(selection.clone());
        }
    }
    assert_eq!(rows_of(&ctx, by_group).await, ROWS - 2 * GROUP_ROWS);
    assert_eq!(rows_of(&ctx, by_row).await, ROWS - 300);
}

/// A file without rows is as good as any.
#[tokio::test]
async fn files_without_rows() {
    let batch = RecordBatch::try_from_iter([
        ("x", Arc::new(Float64Array::from(Vec::<f64>::new())) as _),
        ("s", Arc::new(StringArray::from(Vec::<&str>::new())) as _),
    ])
    .unwrap();
    let dir = TempDir::new().unwrap();
    pack(&batch, ErrorBound::Exact, &dir.path().join("t.parquet"));
    let ctx = session_context_with_config(config(5));
    create(&ctx, dir.path().join("t.parquet").to_str().unwrap()).await;
    assert_eq!(answer(&ctx, "SELECT * FROM t").await.len(), 0);
    assert_eq!(answer(&ctx, "SELECT x FROM t WHERE x > 0").await.len(), 0);
    assert_eq!(answer(&ctx, "SELECT count(*) FROM t").await.len(), 1);
}
