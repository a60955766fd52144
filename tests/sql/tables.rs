//! Tables from SQL: files, folders, hive partitions and paths, packed and ordinary files together,
//! and what cannot be done with them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Float32Array, RecordBatch};
use datafusion::common::assert_contains;
use datafusion::prelude::SessionContext;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::datafusion::{register, session_context, session_context_with_config};

use crate::common::{answer, config, oracle, pack, table, write_parquet};
use crate::store::CountingStore;

/// `parts` slices of a table, every other one packed, in `dir`.
fn mixed(dir: &Path, batch: &RecordBatch, parts: usize) {
    let rows = batch.num_rows() / parts;
    for i in 0..parts {
        let part = batch.slice(i * rows, rows);
        let path = dir.join(format!("part-{i}.parquet"));
        if i % 2 == 0 {
            pack(&part, ErrorBound::Exact, &path)
        } else {
            write_parquet(&part, &path)
        }
    }
}

async fn ordinary(batch: &RecordBatch, dir: &TempDir) -> SessionContext {
    let path = dir.path().join("oracle.parquet");
    write_parquet(batch, &path);
    let oracle = oracle();
    oracle
        .register_parquet("t", path.to_str().unwrap(), Default::default())
        .await
        .unwrap();
    oracle
}

async fn same(ctx: &SessionContext, from: &str, oracle: &SessionContext) {
    for sql in [
        "SELECT * FROM t",
        "SELECT count(*), count(y), min(x), max(y), max(name) FROM t",
        "SELECT id, z FROM t WHERE z > 3 AND x < 30",
        "SELECT k, count(*), sum(id) FROM t WHERE y IS NOT NULL GROUP BY k",
        "SELECT id, y FROM t ORDER BY y DESC NULLS LAST, id LIMIT 20",
    ] {
        let here = sql.replace("FROM t", &format!("FROM {from}"));
        assert_eq!(
            answer(ctx, &here).await.rows(),
            answer(oracle, sql).await.rows(),
            "{here}"
        );
    }
}

/// One table whose files are packed and ordinary, by all the ways of naming it.
#[tokio::test(flavor = "multi_thread")]
async fn packed_and_ordinary_files_in_one_folder() {
    let (dir, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let batch = table(6000);
    mixed(dir.path(), &batch, 4);
    let oracle = ordinary(&batch, &elsewhere).await;
    let folder = format!("{}/", dir.path().display());
    let ctx = session_context_with_config(config(4));
    for kind in ["TOLERANT", "PARQUET"] {
        let sql = format!("CREATE EXTERNAL TABLE {kind}_t STORED AS {kind} LOCATION '{folder}'");
        ctx.sql(&sql).await.unwrap();
        same(&ctx, &format!("{kind}_t"), &oracle).await;
    }
    same(&ctx, &format!("'{folder}'"), &oracle).await;
}

/// Files by path alone, packed or ordinary, with one session for all.
#[tokio::test(flavor = "multi_thread")]
async fn files_by_path() {
    let dir = TempDir::new().unwrap();
    let batch = table(3000);
    let oracle = ordinary(&batch, &dir).await;
    let packed = dir.path().join("packed.parquet");
    pack(&batch, ErrorBound::Exact, &packed);
    fs::copy(&packed, dir.path().join("named.tolerant")).unwrap();
    let ctx = session_context();
    for name in ["packed.parquet", "oracle.parquet", "named.tolerant"] {
        same(
            &ctx,
            &format!("'{}'", dir.path().join(name).display()),
            &oracle,
        )
        .await;
    }
}

/// Partition columns come from folder names, prune files, and join what the files hold.
#[tokio::test(flavor = "multi_thread")]
async fn hive_partitions() {
    let dir = TempDir::new().unwrap();
    let batch = table(4000);
    for (i, day) in ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]
        .into_iter()
        .enumerate()
    {
        let folder = dir.path().join(format!("date={day}"));
        fs::create_dir(&folder).unwrap();
        mixed(&folder, &batch.slice(i * 1000, 1000), 2);
    }
    let ctx = session_context_with_config(config(3));
    let location = format!("LOCATION '{}/'", dir.path().display());
    let sql =
        format!("CREATE EXTERNAL TABLE t STORED AS TOLERANT PARTITIONED BY (date) {location}");
    ctx.sql(&sql).await.unwrap();
    let store = |sql: &'static str| answer(&ctx, sql);
    assert_eq!(store("SELECT DISTINCT date FROM t").await.len(), 4);
    assert_eq!(
        store("SELECT id FROM t WHERE date = '2026-01-03'")
            .await
            .len(),
        1000
    );
    assert_eq!(
        store("SELECT id FROM t WHERE date > '2026-01-02' AND id < 2500")
            .await
            .len(),
        500
    );
    assert_eq!(
        store("SELECT id FROM t WHERE date = '2026-01-04' AND x < 10")
            .await
            .len(),
        0
    );
    assert_eq!(
        store("SELECT date, count(*) FROM t GROUP BY date")
            .await
            .len(),
        4
    );
    let plan = ctx
        .sql("EXPLAIN SELECT id FROM t WHERE date = '2026-01-03'")
        .await
        .unwrap();
    let plan = plan.to_string().await.unwrap();
    assert!(!plan.contains("2026-01-02"), "{plan}");
}

/// Columns that some files lack are null there.
#[tokio::test]
async fn files_of_different_columns() {
    let dir = TempDir::new().unwrap();
    let column = |name: &str, values: Vec<f32>| {
        let values = Arc::new(Float32Array::from(values)) as _;
        RecordBatch::try_from_iter_with_nullable([(name, values, true)]).unwrap()
    };
    pack(
        &column("a", vec![1.0, 2.0]),
        ErrorBound::Exact,
        &dir.path().join("1.parquet"),
    );
    pack(
        &column("b", vec![3.0]),
        ErrorBound::Exact,
        &dir.path().join("2.parquet"),
    );
    let ctx = session_context();
    let sql = format!(
        "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{}/'",
        dir.path().display()
    );
    ctx.sql(&sql).await.unwrap();
    assert_eq!(
        answer(&ctx, "SELECT * FROM t WHERE a IS NULL AND b = 3")
            .await
            .len(),
        1
    );
    assert_eq!(
        answer(&ctx, "SELECT * FROM t WHERE b IS NULL").await.len(),
        2
    );
}

/// SQL writes ordinary Parquet as ever, and says how packed files are made.
#[tokio::test]
async fn writing() {
    let dir = TempDir::new().unwrap();
    let packed = dir.path().join("packed.parquet");
    pack(&table(500), ErrorBound::Exact, &packed);
    let ctx = session_context();
    let to = |name: &str| format!("'{}/{name}'", dir.path().display());
    let copy = format!(
        "COPY (SELECT id, x FROM {}) TO {}",
        to("packed.parquet"),
        to("copy.parquet")
    );
    ctx.sql(&copy).await.unwrap().collect().await.unwrap();
    assert_eq!(
        answer(&ctx, &format!("SELECT * FROM {}", to("copy.parquet")))
            .await
            .len(),
        500
    );
    let plain = oracle();
    plain
        .register_parquet(
            "t",
            dir.path().join("copy.parquet").to_str().unwrap(),
            Default::default(),
        )
        .await
        .unwrap();
    assert_eq!(answer(&plain, "SELECT id, x FROM t").await.len(), 500);

    let options = format!(
        "{} STORED AS PARQUET OPTIONS ('format.compression' 'zstd(3)')",
        copy.replace("copy.", "zstd.")
    );
    ctx.sql(&options).await.unwrap().collect().await.unwrap();
    assert_eq!(
        answer(&ctx, &format!("SELECT * FROM {}", to("zstd.parquet")))
            .await
            .len(),
        500
    );

    fs::create_dir(dir.path().join("folder")).unwrap();
    fs::copy(&packed, dir.path().join("folder/packed.parquet")).unwrap();
    for kind in ["PARQUET", "TOLERANT"] {
        let sql = format!(
            "CREATE EXTERNAL TABLE {kind}_t STORED AS {kind} LOCATION {}",
            to("folder/")
        );
        ctx.sql(&sql).await.unwrap();
    }
    let insert = "INSERT INTO parquet_t SELECT * FROM parquet_t";
    ctx.sql(insert).await.unwrap().collect().await.unwrap();
    assert_eq!(answer(&ctx, "SELECT id FROM parquet_t").await.len(), 1000);

    let insert = "INSERT INTO tolerant_t SELECT * FROM parquet_t";
    ctx.sql(insert).await.unwrap().collect().await.unwrap();
    assert_eq!(answer(&ctx, "SELECT id FROM tolerant_t").await.len(), 2000);
    // The name says which format.
    let copy = copy.replace("copy.parquet", "copy.tolerant");
    ctx.sql(&copy).await.unwrap().collect().await.unwrap();
    tolerant::file::VirtualFile::open(&dir.path().join("copy.tolerant")).unwrap();
}

/// A file that was replaced is read anew, though its path and its size be the same.
#[tokio::test]
async fn a_replaced_file_is_opened_again() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    let ctx = session_context();
    let sql = format!(
        "SELECT min(id), max(id), sum(id) FROM '{}' WHERE x > -1",
        path.display()
    );
    for start in [0, 1000, 2000] {
        pack(&table(3000).slice(start, 1000), ErrorBound::Exact, &path);
        let sum: usize = (start..start + 1000).sum();
        assert_contains!(
            format!("{:?}", answer(&ctx, &sql).await),
            format!("| {sum} ")
        );
    }
}

/// Damage is an error that names the file, wherever it is found.
#[tokio::test]
async fn damaged_files() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&table(3000), ErrorBound::Exact, &path);
    let good = fs::read(&path).unwrap();
    let sql = format!("SELECT * FROM '{}'", path.display());
    let seal = good.windows(8).rposition(|window| window == b"TOLERANT");
    for at in [good.len() / 4, seal.unwrap() + 12] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&path, &bad).unwrap();
        let ctx = session_context();
        let error = match ctx.sql(&sql).await {
            Ok(frame) => frame.collect().await.unwrap_err(),
            Err(error) => error,
        };
        assert_contains!(error.to_string(), "t.parquet");
    }
    fs::write(&path, b"a,b\n1,2\n").unwrap();
    assert_contains!(
        session_context().sql(&sql).await.unwrap_err().to_string(),
        "not a Parquet file"
    );
}

/// A session that was there before learns it too, tables and stores included.
#[tokio::test]
async fn an_existing_session() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    let batch = table(2000);
    pack(&batch, ErrorBound::Exact, &path);
    let ctx = SessionContext::new();
    ctx.register_batch("before", batch).unwrap();
    register(&ctx);
    register(&ctx);
    let store = CountingStore::register(&ctx);
    store.copy_in(&path, "folder/t.parquet").await;
    ctx.sql("CREATE EXTERNAL TABLE stored STORED AS TOLERANT LOCATION 'memory:///folder/'")
        .await
        .unwrap();
    let expected = answer(&ctx, "SELECT id, z FROM before WHERE z > 1").await;
    for from in [
        "stored",
        "'memory:///folder/t.parquet'",
        &format!("'{}'", path.display()),
    ] {
        let found = answer(&ctx, &format!("SELECT id, z FROM {from} WHERE z > 1")).await;
        assert_eq!(found, expected, "{from}");
    }
}

/// Types that are not packed, and nested ones, come through beside those that are.
#[tokio::test]
async fn ordinary_columns_come_through() {
    let ctx = session_context();
    let sql =
        "SELECT arrow_cast(value * 0.5, 'Float32') AS x, make_array(value, value + 1) AS list,
        named_struct('a', value, 'b', value * 2.5) AS pair, CAST(value AS decimal(10, 2)) AS cents,
        CAST(value AS varchar) AS text, arrow_cast(value, 'Time64(Microsecond)') AS at
        FROM generate_series(1, 3000)";
    let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap();
    let batch = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&batch, ErrorBound::Exact, &path);
    let oracle = ordinary(&batch, &dir).await;
    ctx.register_table(
        "t",
        ctx.table(path.to_str().unwrap()).await.unwrap().into_view(),
    )
    .unwrap();
    for sql in [
        "SELECT * FROM t",
        "SELECT list[1], pair['b'] FROM t WHERE x > 700",
        "SELECT x FROM t WHERE pair['a'] BETWEEN 10 AND 20",
        "SELECT x FROM t WHERE cents > 2990 AND text LIKE '%9'",
        "SELECT x FROM t WHERE list[2] = 44",
        "SELECT min(x), max(cents), min(text), max(at) FROM t",
    ] {
        assert_eq!(
            answer(&ctx, sql).await.rows(),
            answer(&oracle, sql).await.rows(),
            "{sql}"
        );
    }
}
