//! What is promised of columns follows them from their scans, and ends where rows or columns are picked.

use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch};
use datafusion::prelude::SessionContext;
use tempfile::TempDir;

use super::common::{error, folder, number};
use super::planning::file;

async fn known() -> (TempDir, SessionContext) {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", "abs:0.01");
    let ctx = folder(&directory).await;
    (directory, ctx)
}

/// That nothing which takes a bound takes one of `m`, a column of the query.
async fn assert_unknown(ctx: &SessionContext, query: &str) {
    for question in [
        "error_bound(m)",
        "value_range(m)",
        "lower_bound(m)",
        "upper_bound(m)",
        "certainly(m > 0.5)",
        "possibly(m > 0.5)",
        "sum_interval(m)",
        "max_interval(m)",
        "count_interval(m > 0.5)",
    ] {
        let query = format!("SELECT {question} FROM ({query})");
        let found = error(ctx, &query).await;
        assert!(found.contains("not known"), "{query}: {found}");
    }
}

#[tokio::test]
async fn values_of_other_rows_have_no_bound() {
    let (_directory, ctx) = known().await;
    for picked in [
        "lag(x) OVER (ORDER BY x)",
        "lag(x) OVER (ORDER BY y)",
        "lead(x, 2) OVER (ORDER BY x)",
        "first_value(x) OVER (ORDER BY x)",
        "last_value(x) OVER (PARTITION BY y % 2 ORDER BY x)",
        "nth_value(x, 2) OVER (ORDER BY x)",
        "max(x) OVER (ORDER BY y)",
        // Which row comes before depends on x, although y is exact.
        "lag(y) OVER (ORDER BY x)",
        "first_value(x ORDER BY x)",
        "last_value(x ORDER BY x)",
        "nth_value(x, 2 ORDER BY x)",
        "first_value(x)",
        "any_value(x)",
        "max(x)",
        "min(x)",
        "median(x)",
        "(array_agg(x))[1]",
        "unnest(array_agg(x))",
        "(SELECT x FROM t ORDER BY x LIMIT 1)",
    ] {
        assert_unknown(&ctx, &format!("SELECT {picked} AS m FROM t")).await;
    }
    assert_unknown(
        &ctx,
        "SELECT DISTINCT ON (y % 2) x AS m FROM t ORDER BY y % 2, x",
    )
    .await;
    let within = "SELECT error_bound(lag(x) OVER (ORDER BY y)) FROM t";
    assert!(error(&ctx, within).await.contains("not known"));
    let outer = "SELECT (SELECT max(v.y) FROM t v WHERE v.x < lower_bound(t.x)) FROM t";
    assert!(error(&ctx, outer).await.contains("not known"));
}

#[tokio::test]
async fn values_of_several_columns_have_no_bound() {
    let (_directory, ctx) = known().await;
    for picked in [
        "coalesce(x, CAST(y AS DOUBLE))",
        "nvl(x, 1.0)",
        "nvl2(x, x, 1.0)",
        "ifnull(x, 1.0)",
        "nullif(x, 1.0)",
        "greatest(x, 0.5)",
        "least(x, CAST(y AS DOUBLE))",
        "CASE WHEN x > 0.5 THEN x ELSE 0.5 END",
        "CASE WHEN y > 5 THEN x END",
        "named_struct('x', x)['x']",
    ] {
        assert_unknown(&ctx, &format!("SELECT {picked} AS m FROM t")).await;
    }
    // DataFusion hands on the field of the branch that has a bound.
    assert_unknown(&ctx, "SELECT x AS m FROM t UNION ALL SELECT x * 2 FROM t").await;
    let recursive = "WITH RECURSIVE r AS (SELECT x FROM t WHERE y = 9 UNION ALL \
                     SELECT x * 2 FROM r WHERE x < 0.5) SELECT x AS m FROM r";
    assert_unknown(&ctx, recursive).await;
}

#[tokio::test]
async fn tables_and_views_do_not_launder() {
    let (_directory, ctx) = known().await;
    for create in [
        "CREATE TABLE made AS SELECT lag(x) OVER (ORDER BY x) AS m FROM t",
        "CREATE VIEW seen AS SELECT lag(x) OVER (ORDER BY x) AS m FROM t",
    ] {
        ctx.sql(create).await.unwrap().collect().await.unwrap();
    }
    assert_unknown(&ctx, "SELECT m FROM made").await;
    assert_unknown(&ctx, "SELECT m FROM seen").await;
    let create = "CREATE VIEW plain AS SELECT x AS m FROM t";
    ctx.sql(create).await.unwrap().collect().await.unwrap();
    let query = "SELECT error_bound(m) FROM plain LIMIT 1";
    assert_eq!(number(&ctx, query).await, 0.01);
}

#[tokio::test]
async fn values_that_pass_keep_their_bound() {
    let (_directory, ctx) = known().await;
    for query in [
        "SELECT DISTINCT x AS m FROM t",
        "SELECT x AS m, count(*) FROM t GROUP BY x",
        "SELECT x AS m, y FROM t GROUP BY ROLLUP (x, y)",
        "SELECT x AS m, row_number() OVER (ORDER BY x) FROM t",
        "SELECT v.x AS m FROM t LEFT JOIN t v ON t.y = v.y + 9",
        "SELECT v.x AS m FROM t FULL JOIN t v ON t.y = v.y + 9",
        "SELECT x AS m FROM t WHERE y IN (SELECT y + 9 FROM t)",
        "SELECT x AS m FROM t WHERE NOT EXISTS (SELECT 1 FROM t v WHERE v.y = t.y + 9)",
        "SELECT x AS m FROM t INTERSECT SELECT x FROM t WHERE y > 9",
        "SELECT -x AS m FROM t",
        "SELECT x AS m, unnest([1, 2]) FROM t",
        "SELECT x AS m FROM t UNION ALL SELECT NULL",
        "SELECT x AS m FROM t UNION SELECT x FROM t",
    ] {
        let query = format!("SELECT error_bound(m) FROM ({query}) LIMIT 1");
        assert_eq!(number(&ctx, &query).await, 0.01, "{query}");
    }
    // A question as a key, and one within an aggregate's filter.
    let keys = "SELECT lower_bound(x), count(*) FROM t GROUP BY lower_bound(x) ORDER BY 1 LIMIT 1";
    assert!(number(&ctx, keys).await <= 0.0);
    let filter = "SELECT i['lower'] FROM \
                  (SELECT sum_interval(x) FILTER (WHERE certainly(x > 0.5)) i FROM t)";
    assert!(number(&ctx, filter).await > 1000.0);
}

#[tokio::test]
async fn ordinary_values_beside_packed_ones_are_their_own_originals() {
    let (directory, ctx) = known().await;
    let x: ArrayRef = Arc::new(Float64Array::from(vec![7.0, 8.0]));
    let batch = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let path = directory.path().join("plain");
    let output = File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(output, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let create = format!(
        "CREATE EXTERNAL TABLE u STORED AS TOLERANT LOCATION '{}'",
        path.display()
    );
    ctx.sql(&create).await.unwrap();
    let both = "(SELECT x FROM t UNION ALL SELECT x FROM u)";
    let query = format!("SELECT error_bound(x) FROM {both} LIMIT 1");
    assert_eq!(number(&ctx, &query).await, 0.01);
    // How far these values range is not known.
    let query = format!("SELECT count(value_range(x)) = 0 FROM {both}");
    let query = format!("SELECT CAST(({query}) AS DOUBLE)");
    assert_eq!(number(&ctx, &query).await, 1.0);
    assert!(
        error(&ctx, "SELECT error_bound(x) FROM u")
            .await
            .contains("not known")
    );
}
