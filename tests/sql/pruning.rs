//! A query reads what it needs: row groups and pages that cannot match are neither fetched nor
//! decoded, statistics answer what they can, and a file is opened once.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::common::assert_contains;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::datafusion::session_context_with_config;
use tolerant::file::ObjectReader;

use crate::common::{BLOCK_ROWS, GROUP_ROWS, answer, config, noise, pack, run, table};
use crate::store::CountingStore;

const ROWS: usize = 5 * GROUP_ROWS;

/// A session with the table `t`, packed, in a store that counts.
async fn session(
    config: SessionConfig,
    batch: &RecordBatch,
) -> (SessionContext, Arc<CountingStore>, u64) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(batch, ErrorBound::Rel(1e-4), &path);
    let ctx = session_context_with_config(config);
    let store = CountingStore::register(&ctx);
    let size = store.copy_in(&path, "t.parquet").await;
    ctx.sql("CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION 'memory:///t.parquet'")
        .await
        .unwrap();
    (ctx, store, size)
}

#[tokio::test]
async fn row_groups_are_pruned_by_statistics() {
    let (ctx, _, _) = session(config(1), &table(ROWS)).await;
    let (rows, metrics) = run(&ctx, "SELECT id FROM t WHERE x > 100").await;
    assert!(rows > 0);
    assert_eq!(metrics.sum("row_groups_pruned_statistics"), 4);
    let (_, metrics) = run(&ctx, "SELECT x FROM t WHERE id BETWEEN 2100 AND 2200").await;
    assert_eq!(metrics.sum("row_groups_pruned_statistics"), 4);
}

#[tokio::test]
async fn pages_are_pruned_by_the_page_index() {
    let (ctx, _, _) = session(config(1), &table(ROWS)).await;
    let (rows, metrics) = run(&ctx, "SELECT id, y FROM t WHERE x BETWEEN 25 AND 25.1").await;
    assert!(rows > 0 && rows < 60, "{rows}");
    assert_eq!(metrics.sum("row_groups_pruned_statistics"), 4);
    // Of a row group of four blocks, at most two can hold such rows.
    assert!(metrics.sum("page_index_rows_pruned") >= GROUP_ROWS - 2 * BLOCK_ROWS);
}

/// Wide rows of noise, ten blocks in one row group: what a filter does not touch would be seen.
fn noisy() -> RecordBatch {
    let rows = 10 * BLOCK_ROWS;
    let column = |seed| {
        Arc::new(
            (0..rows)
                .map(|i| noise(seed, i) as f64)
                .collect::<Float64Array>(),
        ) as _
    };
    let id = Arc::new((0..rows as i64).collect::<Int64Array>()) as _;
    let noise = (0..8).map(|i| (format!("c{i}"), column(i)));
    RecordBatch::try_from_iter([("id".to_owned(), id)].into_iter().chain(noise)).unwrap()
}

/// A filter that touches one block reads that block, of the columns asked for.
#[tokio::test]
async fn a_filter_on_one_block_reads_little() {
    for pushdown in [false, true] {
        let mut config = config(1);
        config.options_mut().execution.parquet.pushdown_filters = pushdown;
        let (ctx, store, size) = session(config, &noisy()).await;
        store.take();
        let (rows, metrics) = run(&ctx, "SELECT * FROM t WHERE id BETWEEN 600 AND 700").await;
        let (bytes, _) = store.take();
        assert_eq!(rows, 101);
        assert!(bytes < size / 8, "{bytes} of {size} bytes");
        assert_eq!(
            metrics.sum("bytes_scanned") as u64,
            bytes,
            "the metric says what was read"
        );

        run(&ctx, "SELECT c3 FROM t WHERE id BETWEEN 600 AND 700").await;
        let (narrow, _) = store.take();
        assert!(narrow < bytes / 3, "{narrow} of {bytes} bytes");
    }
}

/// The footer of a packed file is for other programs.
#[tokio::test]
async fn a_wide_file_is_opened_without_its_footer() {
    let columns = (0..6000).map(|i| {
        let values = (0..20).map(|row| noise(i, row) as f64);
        let array: ArrayRef = Arc::new(values.collect::<Float64Array>());
        (format!("c{i}"), array)
    });
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("wide.parquet");
    pack(&batch, ErrorBound::Rel(1e-2), &path);
    let file = fs::read(&path).unwrap();
    let footer = file.last_chunk::<8>().unwrap().first_chunk::<4>().unwrap();
    let footer = u64::from(u32::from_le_bytes(*footer));
    let store = CountingStore::register(&SessionContext::new());
    store.copy_in(&path, "wide.parquet").await;
    let object = store.head(&Path::from("wide.parquet")).await.unwrap();
    store.take();
    ObjectReader::open(store.as_ref(), &object).await.unwrap();
    let (bytes, reads) = store.take();
    assert_eq!(reads, 2);
    assert!(bytes < footer, "{bytes} bytes, the footer has {footer}");
}

#[tokio::test]
async fn only_the_columns_asked_for_are_read() {
    let (ctx, store, size) = session(config(1), &noisy()).await;
    store.take();
    run(&ctx, "SELECT c3 FROM t").await;
    let (bytes, _) = store.take();
    assert!(bytes < size / 7, "{bytes} of {size} bytes");
}

/// Where no row of a block is left by the filter, its other columns are not even fetched.
#[tokio::test]
async fn late_materialisation_skips_blocks() {
    let mut config = config(1);
    config.options_mut().execution.parquet.pushdown_filters = true;
    // `c0` is noise, so that no statistics help; one row matches.
    let batch = noisy();
    let c0 = batch
        .column(1)
        .as_any()
        .downcast_ref::<Float64Array>()
        .unwrap();
    let top = c0.iter().flatten().fold(0.0, f64::max);
    let (ctx, store, size) = session(config, &batch).await;
    store.take();
    let (rows, metrics) = run(&ctx, &format!("SELECT * FROM t WHERE c0 > {}", top * 0.999)).await;
    let (bytes, _) = store.take();
    assert!(rows > 0 && rows < 30, "{rows}");
    assert_eq!(metrics.sum("pushdown_rows_matched"), rows);
    assert!(bytes < size, "{bytes} of {size} bytes");
}

/// Row groups are under way while those before are worked on; where a filter may leave some out, once two have been
/// read in succession. None is fetched twice.
#[tokio::test]
async fn row_groups_are_fetched_ahead() {
    // Of each row group several batches, so that the requests are told apart.
    let config = config(1).with_batch_size(500);
    let (ctx, store, _) = session(config, &table(ROWS)).await;
    for (sql, expected) in [
        ("SELECT y FROM t", vec![2, 2, 1]),
        ("SELECT y FROM t WHERE x >= -1e9", vec![1, 2, 2]),
        // Pages of the first are left out.
        ("SELECT y FROM t WHERE id > 700", vec![1, 1, 2, 1]),
        // The third is not needed, and given up.
        ("SELECT y FROM t WHERE id < 4000", vec![1, 2]),
        ("SELECT y FROM t LIMIT 9000", vec![1, 1, 1, 1, 1]),
    ] {
        store.take();
        let rows = ctx.sql(sql).await.unwrap();
        let mut rows = rows.execute_stream().await.unwrap();
        let mut requests = Vec::new();
        while let Some(batch) = rows.next().await {
            batch.unwrap();
            requests.push(store.take().1);
        }
        requests.retain(|requests| *requests > 0);
        assert_eq!(requests, expected, "{sql}");
    }
}

/// The rows that a limit does not need stay where they are.
#[tokio::test]
async fn a_limit_stops_reading() {
    let (ctx, store, size) = session(config(1), &table(ROWS)).await;
    store.take();
    let (rows, _) = run(&ctx, "SELECT * FROM t LIMIT 10").await;
    let (bytes, _) = store.take();
    assert_eq!(rows, 10);
    assert!(bytes < size / 3, "{bytes} of {size} bytes");
}

#[tokio::test]
async fn the_best_rows_first_prune_the_rest() {
    let (ctx, store, size) = session(config(1), &table(ROWS)).await;
    store.take();
    run(&ctx, "SELECT x, y FROM t ORDER BY x DESC LIMIT 5").await;
    let (bytes, _) = store.take();
    assert!(bytes < size / 3, "{bytes} of {size} bytes");
}

#[tokio::test]
async fn statistics_answer_without_reading() {
    let (ctx, store, _) = session(config(1), &table(ROWS)).await;
    store.take();
    let sql = "SELECT count(*), count(y), min(x), max(x), min(id), max(late), min(ts) FROM t";
    answer(&ctx, sql).await;
    assert_eq!(store.take().0, 0);
    let plan = ctx
        .sql(&format!("EXPLAIN {sql}"))
        .await
        .unwrap()
        .to_string()
        .await
        .unwrap();
    assert_contains!(&plan, "PlaceholderRowExec");
    // A column that holds NaN has no largest value that statistics could name.
    answer(&ctx, "SELECT max(z) FROM t").await;
    assert!(store.take().0 > 0);
}

/// The end of a file, which says what is in it, is read when its table is made, and not again.
#[tokio::test]
async fn a_file_is_opened_once_in_a_session() {
    let (ctx, store, _) = session(config(8), &table(ROWS)).await;
    let (bytes, reads) = store.take();
    assert_eq!(reads, 1, "{bytes} bytes in {reads} reads");
    // All rows of one row group: one fetch of data for each partition that has some.
    run(&ctx, "SELECT x FROM t WHERE id < 100").await;
    assert_eq!(store.take().1, 1);
}

/// Nor is it read by each part of the file where there is no cache to remember it.
#[tokio::test]
async fn parts_of_a_file_share_it_without_a_cache() {
    let batch = table(ROWS);
    let (ctx, store, _) = session(config(8).with_collect_statistics(false), &batch).await;
    ctx.runtime_env()
        .cache_manager
        .get_file_metadata_cache()
        .update_cache_limit(0);
    store.take();
    let (rows, _) = run(&ctx, "SELECT x FROM t").await;
    assert_eq!(rows, ROWS);
    // Of the end of the file, and of five row groups.
    assert_eq!(store.take().1, 1 + 5);
}
