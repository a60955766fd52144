//! Protects the order of rows that SQL copies: that of the files they come from, whatever DataFusion does to
//! read them side by side.

use std::path::Path;

use datafusion::arrow::array::Array;
use datafusion::common::cast::as_int64_array;
use datafusion::prelude::SessionContext;
use tolerant::ErrorBound;
use tolerant::datafusion::{session_config, session_context_with_config};
use tolerant::file::ReaderBuilder;

use crate::common::{self, table};

const ROWS: usize = 30_000;

/// A session that splits small files, and deals out rows of what cannot be split.
fn session() -> SessionContext {
    let mut config = session_config()
        .with_target_partitions(4)
        .with_batch_size(256);
    config.options_mut().optimizer.repartition_file_min_size = 0;
    session_context_with_config(config)
}

/// The column `id` of a file, in the file's order.
fn ids(path: &Path) -> Vec<i64> {
    let reader = ReaderBuilder::open(path).unwrap();
    let reader = reader.with_columns(&["id"]).unwrap().build().unwrap();
    let mut ids = Vec::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = as_int64_array(batch.column(0)).unwrap();
        assert_eq!(column.null_count(), 0);
        ids.extend(column.values());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let all = table(ROWS);
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    for (i, start) in (0..ROWS).step_by(ROWS / 3).enumerate() {
        let part = all.slice(start, ROWS / 3);
        let path = folder.path().join(format!("parts/{i}.parquet"));
        common::pack(&part, ErrorBound::Exact, &path);
    }
    let ctx = session();
    let parts = folder.path().join("parts").display().to_string();
    let sql = format!("CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{parts}/'");
    ctx.sql(&sql).await.unwrap().collect().await.unwrap();
    ctx.register_batch("memory", all).unwrap();
    let every: Vec<i64> = (0..ROWS as i64).collect();
    let even: Vec<i64> = (0..ROWS as i64).step_by(2).collect();
    for (i, (select, expected)) in [
        ("SELECT * FROM t", &every),
        ("SELECT id, x + 1 AS x FROM t WHERE id % 2 = 0", &even),
        (
            "SELECT id, x FROM (SELECT * FROM memory WHERE id % 2 = 0)",
            &even,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let to = folder.path().join(format!("{i}.parquet"));
        let copy = format!("COPY ({select}) TO '{}' STORED AS TOLERANT", to.display());
        ctx.sql(&copy).await.unwrap().collect().await.unwrap();
        assert!(ids(&to) == *expected, "{select}");
    }
    // What has an order of its own, or none, is as it was.
    let to = folder.path().join("sorted.parquet");
    let copy = format!(
        "COPY (SELECT id FROM t ORDER BY id DESC) TO '{}' STORED AS TOLERANT",
        to.display()
    );
    ctx.sql(&copy).await.unwrap().collect().await.unwrap();
    assert!(ids(&to).iter().rev().eq(every.iter()));
}
