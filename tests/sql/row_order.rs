//! Rows in any order: filters read less where rows are sorted, and answers stay right, whatever
//! the engine makes of the sorting columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::prelude::SessionContext;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::datafusion::session_context_with_config;
use tolerant::file::{RowOrder, Writer, WriterOptions};

use crate::common::{BLOCK_ROWS, answer, config, decompress, noise, oracle, run};

/// Two independent columns, for which sorting is best, and a third that tells rows apart.
fn shuffled(rows: usize, seed: u64) -> RecordBatch {
    let column = |salt: u64, values: u64| -> ArrayRef {
        let value = |i| (noise(seed * 10 + salt, i) % values) as f64 - 20.0;
        Arc::new(Float64Array::from_iter_values((0..rows).map(value)))
    };
    let k = (0..rows).map(|i| (noise(seed * 10 + 3, i) % 1000) as i64);
    RecordBatch::try_from_iter([
        ("a", column(1, 50)),
        ("b", column(2, 400)),
        ("k", Arc::new(k.collect::<Int64Array>()) as _),
    ])
    .unwrap()
}

fn pack(batch: &RecordBatch, order: RowOrder, group_rows: usize, path: &Path) {
    let options = WriterOptions::new()
        .with_bound(ErrorBound::Abs(0.25))
        .with_row_order(order)
        .with_block_rows(BLOCK_ROWS)
        .with_row_group_rows(group_rows);
    let file = std::fs::File::create(path).unwrap();
    let mut writer = Writer::try_new(file, batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

async fn table(ctx: &SessionContext, path: &Path, stored_as: &str) {
    let sql = format!(
        "CREATE EXTERNAL TABLE t STORED AS {stored_as} LOCATION '{}'",
        path.display()
    );
    ctx.sql(&sql).await.unwrap();
}

#[tokio::test]
async fn sorted_pages_are_pruned() {
    let rows = 40 * BLOCK_ROWS;
    let dir = TempDir::new().unwrap();
    let mut pruned = Vec::new();
    let batch = shuffled(rows, 1);
    for order in [RowOrder::Keep, RowOrder::Any] {
        let path = dir.path().join("t.parquet");
        pack(&batch, order, rows, &path);
        let ctx = session_context_with_config(config(1));
        table(&ctx, &path, "TOLERANT").await;
        let mut total = 0;
        for column in ["a", "b", "k"] {
            let sql = format!("SELECT * FROM t WHERE {column} BETWEEN 1 AND 2");
            let (found, metrics) = run(&ctx, &sql).await;
            assert!(found > 0);
            total += metrics.sum("page_index_rows_pruned");
        }
        pruned.push(total);
    }
    // Chance alone leaves few blocks without such values.
    assert!(pruned[0] < rows / 4, "{pruned:?} of {rows} rows");
    assert!(pruned[1] > rows / 2, "{pruned:?} of {rows} rows");
}

const QUERIES: [&str; 6] = [
    "SELECT * FROM t ORDER BY a, b, k",
    "SELECT b, k FROM t ORDER BY b, k",
    "SELECT * FROM t ORDER BY k, a, b LIMIT 50",
    "SELECT a, count(*), sum(k) FROM t GROUP BY a ORDER BY a",
    "SELECT k, count(*), min(a), max(b) FROM t WHERE a > 3 GROUP BY k ORDER BY k",
    "SELECT x.a, count(*) FROM t x JOIN t y ON x.a = y.a AND x.k = y.k GROUP BY x.a ORDER BY x.a",
];

/// Several files, of one row group (whose sorting columns are declared) or more.
#[tokio::test]
async fn answers_do_not_depend_on_the_order() {
    for (files, group_rows) in [
        (1, 1 << 20),
        (1, 4 * BLOCK_ROWS),
        (3, 1 << 20),
        (3, 2 * BLOCK_ROWS),
    ] {
        let dir = TempDir::new().unwrap();
        let (packed, plain) = (dir.path().join("packed"), dir.path().join("plain"));
        std::fs::create_dir_all(&packed).unwrap();
        std::fs::create_dir_all(&plain).unwrap();
        for file in 0..files {
            let name = format!("{file}.parquet");
            let batch = shuffled(7 * BLOCK_ROWS, file + 5);
            pack(&batch, RowOrder::Any, group_rows, &packed.join(&name));
            decompress(&packed.join(&name), &plain.join(&name));
        }
        let expected = oracle();
        table(&expected, &plain, "PARQUET").await;
        for partitions in [1, 4] {
            for split in [false, true] {
                let mut config = config(partitions);
                config
                    .options_mut()
                    .execution
                    .split_file_groups_by_statistics = split;
                let ctx = session_context_with_config(config);
                table(&ctx, &packed, "TOLERANT").await;
                for sql in QUERIES {
                    let (expected, found) = (answer(&expected, sql).await, answer(&ctx, sql).await);
                    assert_eq!(
                        expected, found,
                        "{sql}: {files} files, {group_rows}, {partitions}"
                    );
                }
            }
        }
    }
}

/// The file's order saves the sort, where it is known to be that of the whole file.
#[tokio::test]
async fn a_declared_order_is_used() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    for (group_rows, sorted) in [(1 << 20, true), (2 * BLOCK_ROWS, false)] {
        pack(
            &shuffled(8 * BLOCK_ROWS, 2),
            RowOrder::Any,
            group_rows,
            &path,
        );
        let ctx = session_context_with_config(config(1));
        table(&ctx, &path, "TOLERANT").await;
        let builder = tolerant::file::ReaderBuilder::open(&path).unwrap();
        let metadata = builder.opened().metadata();
        let declared = metadata.row_group(0).sorting_columns();
        assert_eq!(declared.is_some(), sorted);
        let first = match declared {
            Some(columns) => builder
                .schema()
                .field(columns[0].column_idx as usize)
                .name()
                .clone(),
            None => "a".to_owned(),
        };
        let sql = format!("EXPLAIN SELECT {first} FROM t ORDER BY {first}");
        let plan = ctx.sql(&sql).await.unwrap().to_string().await.unwrap();
        assert_eq!(plan.contains("SortExec"), !sorted, "{plan}");
    }
}
