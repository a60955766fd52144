//! The same SQL on a packed file and on ordinary Parquet gives the same rows: bit by bit where all
//! bounds are exact, and as its decompressed copy where they are not.

use datafusion::prelude::SessionContext;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::datafusion::session_context_with_config;

use crate::common::{answer, config, decompress, oracle, pack, table, write_parquet};

const ROWS: usize = 9000;

const QUERIES: &[&str] = &[
    "SELECT * FROM t",
    "SELECT x FROM t",
    "SELECT late, id FROM t",
    // Every comparison.
    "SELECT id, x FROM t WHERE x < 12.25",
    "SELECT id, x FROM t WHERE x <= 12.25",
    "SELECT id, x FROM t WHERE x > 88.5",
    "SELECT id, x FROM t WHERE x >= 88.5",
    "SELECT id, y FROM t WHERE y = (SELECT max(y) FROM t)",
    "SELECT id, y FROM t WHERE y <> 50",
    "SELECT id, name FROM t WHERE y IS NULL",
    "SELECT id, name FROM t WHERE y IS NOT NULL AND x > 80",
    "SELECT id FROM t WHERE k IN (1, 3, 99)",
    "SELECT id FROM t WHERE k NOT IN (1, 3)",
    "SELECT id, x, y FROM t WHERE x BETWEEN 33.3 AND 44.4",
    "SELECT id, x, y FROM t WHERE x NOT BETWEEN 0 AND 89",
    "SELECT id FROM t WHERE name = 'n7'",
    "SELECT id FROM t WHERE name LIKE 'n1%' AND flag",
    "SELECT id FROM t WHERE flag IS NOT TRUE AND k = 2",
    "SELECT id, ts FROM t WHERE ts >= timestamp '2023-11-14T22:50:00'",
    "SELECT id, u FROM t WHERE u >= 18446744073709551600",
    "SELECT id FROM t WHERE day = date '2022-01-12'",
    "SELECT id, h FROM t WHERE CAST(h AS FLOAT) > 12",
    "SELECT id, late FROM t WHERE late > 8900",
    "SELECT id FROM t WHERE late IS NULL AND x > 80",
    "SELECT id FROM t WHERE same = 2.5 AND y < 3",
    "SELECT id FROM t WHERE same <> 2.5",
    "SELECT id FROM t WHERE y > 20 AND (x < 10 OR x > 80) AND k <> 3",
    "SELECT id FROM t WHERE x + y > 150",
    // NaN, infinities, signed zeros.
    "SELECT id, z FROM t WHERE z > 5",
    "SELECT id, z FROM t WHERE z < -5",
    "SELECT id, z FROM t WHERE z >= 0",
    "SELECT id, z FROM t WHERE z = 0",
    "SELECT id, z FROM t WHERE z <> 0",
    "SELECT id, z FROM t WHERE isnan(z)",
    "SELECT id, z FROM t WHERE z = 'NaN'::double",
    "SELECT id, z FROM t WHERE z = 'Infinity'::double",
    "SELECT id, z FROM t WHERE z BETWEEN -1 AND 1",
    "SELECT id, z FROM t WHERE z IN (0.0, 'Infinity'::double)",
    "SELECT id, z FROM t WHERE z IS NULL",
    "SELECT min(z), max(z), count(z), count(DISTINCT z) FROM t",
    // Without NaN: a min or max of groups that hold one depends on the order of rows.
    "SELECT k, min(z), max(z), count(z) FROM t WHERE NOT isnan(z) AND z <> 0 GROUP BY k",
    // Aggregates, which statistics may answer.
    "SELECT count(*) FROM t",
    "SELECT count(*), count(y), count(late), count(name) FROM t",
    "SELECT min(x), max(x), min(id), max(id), min(u), max(u), min(ts), max(ts) FROM t",
    "SELECT min(y), max(y), min(late), max(late), min(same), max(same), min(day), max(k) FROM t",
    "SELECT min(h), max(h), min(name), max(name) FROM t",
    "SELECT count(*) FROM t WHERE y > 50 AND z < 0",
    "SELECT count(*), sum(id), max(x) FROM t WHERE x > 45",
    "SELECT k, count(*), count(y), min(x), max(y), sum(id) FROM t GROUP BY k",
    "SELECT name, flag, count(*), sum(k) FROM t WHERE x > 20 GROUP BY name, flag HAVING count(*) > 5",
    "SELECT count(DISTINCT name), count(DISTINCT k) FROM t",
    // Joins.
    "SELECT a.id, a.x, b.y FROM t a JOIN t b ON a.id = b.id WHERE a.x < 5 AND b.k = 4",
    "SELECT a.k, count(*) FROM t a JOIN (SELECT DISTINCT k FROM t WHERE x > 89) b ON a.k = b.k GROUP BY a.k",
    "SELECT a.id FROM t a LEFT JOIN t b ON a.id = b.id + 8990 WHERE b.id IS NOT NULL",
    "SELECT id FROM t WHERE id IN (SELECT id FROM t WHERE y > 99.5)",
    // Top-k and order.
    "SELECT id, x FROM t ORDER BY x LIMIT 10",
    "SELECT id, x FROM t ORDER BY x DESC LIMIT 10",
    "SELECT id, y FROM t ORDER BY y DESC NULLS LAST, id LIMIT 25",
    "SELECT id, y FROM t ORDER BY y NULLS FIRST, id LIMIT 25",
    "SELECT id, z FROM t ORDER BY z DESC, id LIMIT 800",
    "SELECT id, x FROM t WHERE k = 3 ORDER BY id LIMIT 7 OFFSET 5",
    "SELECT id, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM t WHERE x < 4 ORDER BY id",
    "SELECT count(*) FROM (SELECT * FROM t LIMIT 4321)",
];

/// All settings that change how a scan works.
fn sessions() -> Vec<(String, SessionContext)> {
    let mut sessions = Vec::new();
    for partitions in [1, 8] {
        for (pruning, pushdown) in [(true, false), (true, true), (false, true), (false, false)] {
            let mut config = config(partitions).with_collect_statistics(pruning || !pushdown);
            let parquet = &mut config.options_mut().execution.parquet;
            parquet.pruning = pruning;
            parquet.enable_page_index = pruning;
            parquet.pushdown_filters = pushdown;
            parquet.reorder_filters = pushdown;
            let name = format!("partitions {partitions}, pruning {pruning}, pushdown {pushdown}");
            sessions.push((name, session_context_with_config(config)));
        }
    }
    sessions
}

async fn same_answers(bound: ErrorBound) {
    let dir = TempDir::new().unwrap();
    let (packed, ordinary) = (
        dir.path().join("packed.parquet"),
        dir.path().join("ordinary.parquet"),
    );
    pack(&table(ROWS), bound, &packed);
    match bound {
        ErrorBound::Exact => write_parquet(&table(ROWS), &ordinary),
        _ => decompress(&packed, &ordinary),
    }
    let oracle = oracle();
    oracle
        .register_parquet("t", ordinary.to_str().unwrap(), Default::default())
        .await
        .unwrap();
    let sessions = sessions();
    for (_, ctx) in &sessions {
        let sql = format!(
            "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{}'",
            packed.display()
        );
        ctx.sql(&sql).await.unwrap();
    }
    for sql in QUERIES {
        let expected = answer(&oracle, sql).await;
        for (name, ctx) in &sessions {
            assert_eq!(answer(ctx, sql).await, expected, "{sql} with {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_columns_answer_as_ordinary_parquet() {
    same_answers(ErrorBound::Exact).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lossy_columns_answer_as_their_decompressed_copy() {
    same_answers(ErrorBound::Rel(1e-3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coarse_columns_answer_as_their_decompressed_copy() {
    same_answers(ErrorBound::Rel(1e-1)).await;
}
