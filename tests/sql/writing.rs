//! Protects what SQL writes: complete files within their bounds or nothing, the options' words, partitions,
//! memory limits, object stores.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_float64_array;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tolerant::datafusion::{CarryBounds, register, session_config, session_context};
use tolerant::file::VirtualFile;

use crate::common::table;

const ROWS: usize = 20_000;

fn session() -> SessionContext {
    let ctx = session_context();
    ctx.register_batch("o", table(ROWS)).unwrap();
    ctx
}

async fn run(ctx: &SessionContext, sql: &str) -> Result<(), String> {
    let plan = ctx.sql(sql).await.map_err(|error| error.to_string())?;
    let rows = plan.collect().await.map_err(|error| error.to_string())?;
    drop(rows);
    Ok(())
}

/// The files under a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let inner = files(&entry.path());
            found.extend(inner.into_iter().map(|file| format!("{name}/{file}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// The bounds that a packed file's columns keep, and its row groups.
fn promises(path: &Path) -> (BTreeMap<String, String>, usize) {
    let file = VirtualFile::open(path).unwrap();
    let layout = file.layout();
    let bounds = layout.index().packed().map(|(i, column)| {
        let name = layout.schema().field(i).name().clone();
        (name, column.bound.to_string())
    });
    (bounds.collect(), layout.metadata().num_row_groups())
}

async fn number(ctx: &SessionContext, sql: &str) -> f64 {
    let batches = ctx.sql(sql).await.unwrap().collect().await.unwrap();
    let value = cast(batches[0].column(0), &DataType::Float64).unwrap();
    as_float64_array(&value).unwrap().value(0)
}

/// How many rows of `table` are not within `x`'s and `y`'s bounds of those of `o`, or else differ.
async fn wrong(ctx: &SessionContext, table: &str, x: f64, y: f64) -> f64 {
    let sql = format!(
        "SELECT count(*) FROM o FULL JOIN {table} t ON o.id = t.id \
         WHERE o.id IS NULL OR t.id IS NULL OR (o.name IS DISTINCT FROM t.name) \
         OR NOT abs(o.x - t.x) <= {x} OR abs(o.y - t.y) > {y} OR (o.y IS NULL) <> (t.y IS NULL)"
    );
    number(ctx, &sql).await
}

#[tokio::test]
async fn a_file_within_the_bounds_of_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let (ctx, path) = (session(), folder.path().join("t.parquet"));
    let at = path.display();
    let copy = format!(
        "COPY (SELECT * FROM o ORDER BY id) TO '{at}' STORED AS TOLERANT OPTIONS \
         (bound 'rel:0.01', 'column.x' 'abs:0.5', 'column.H' 'exact', row_group_rows '8192', effort 'fast')"
    );
    run(&ctx, &copy).await.unwrap();
    assert_eq!(files(folder.path()), ["t.parquet"]);
    let (bounds, row_groups) = promises(&path);
    assert_eq!(
        (bounds["x"].as_str(), bounds["y"].as_str()),
        ("abs:0.5", "rel:0.01")
    );
    assert!(!bounds.contains_key("h") || bounds["h"] == "exact");
    assert_eq!(row_groups, ROWS.div_ceil(8192));
    assert_eq!(wrong(&ctx, &format!("'{at}'"), 0.5, 1.0).await, 0.0);
    // In the order asked for, which is the file's, and that of one partition's rows.
    let one = "SET datafusion.execution.target_partitions = 1";
    run(&ctx, one).await.unwrap();
    let unsorted = format!(
        "SELECT count(*) FROM (SELECT id, lag(id) OVER () before FROM '{at}') WHERE id < before"
    );
    assert_eq!(number(&ctx, &unsorted).await, 0.0);
}

#[tokio::test]
async fn tables_are_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = session();
    let create = format!(
        "CREATE EXTERNAL TABLE t (id BIGINT, name VARCHAR, x DOUBLE, y FLOAT, k INT) STORED AS TOLERANT \
         PARTITIONED BY (k) LOCATION '{}/' OPTIONS (bound 'abs:0.25')",
        folder.path().display()
    );
    run(&ctx, &create).await.unwrap();
    for half in ["< 10000", ">= 10000"] {
        let insert =
            format!("INSERT INTO t SELECT id, name, x, y, coalesce(k, 9) FROM o WHERE id {half}");
        run(&ctx, &insert).await.unwrap();
    }
    let written = files(folder.path());
    assert_eq!(written.len(), 16, "{written:?}");
    assert!(
        written.iter().all(|file| file.starts_with("k=")),
        "{written:?}"
    );
    let (bounds, _) = promises(&folder.path().join(&written[0]));
    assert_eq!(bounds["x"], "abs:0.25");
    assert_eq!(wrong(&ctx, "t", 0.25, 0.25).await, 0.0);
    let moved = "SELECT count(*) FROM o JOIN t ON o.id = t.id WHERE coalesce(o.k, 9) <> t.k";
    assert_eq!(number(&ctx, moved).await, 0.0);
    assert!(
        run(&ctx, "INSERT OVERWRITE t SELECT id, name, x, y, k FROM o")
            .await
            .unwrap_err()
            .contains("OVERWRITE")
    );
}

#[tokio::test]
async fn failures_leave_nothing_and_replace_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = session();
    let at = folder.path().join("t.parquet");
    fs::write(&at, "as it was").unwrap();
    let failing = "SELECT *, 1 / CASE WHEN id = 19999 THEN 0 ELSE 1 END AS d FROM o";
    for target in [
        at.display().to_string(),
        format!("{}/many/", folder.path().display()),
    ] {
        for options in [
            "(row_group_rows '512')",
            "(row_group_rows '512', 'column.k' 'abs:1')",
        ] {
            let copy =
                format!("COPY ({failing}) TO '{target}' STORED AS TOLERANT OPTIONS {options}");
            let error = run(&ctx, &copy).await.unwrap_err();
            let expected = if options.contains("column.k") {
                "\"k\""
            } else {
                "Divide by zero"
            };
            assert!(error.contains(expected), "{error}");
        }
    }
    assert_eq!(files(folder.path()), ["t.parquet"]);
    assert_eq!(fs::read(&at).unwrap(), b"as it was");

    let store = Arc::new(InMemory::new());
    ctx.register_object_store(&"memory://".try_into().unwrap(), Arc::clone(&store) as _);
    let copy = |query: &str| {
        format!(
            "COPY ({query}) TO 'memory:///a/' STORED AS TOLERANT OPTIONS (row_group_rows '512')"
        )
    };
    run(&ctx, &copy(failing)).await.unwrap_err();
    let found: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert!(found.is_empty(), "{found:?}");
    run(&ctx, &copy("SELECT * FROM o")).await.unwrap();
    assert_eq!(wrong(&ctx, "'memory:///a/'", 0.5, 0.5).await, 0.0);
}

#[tokio::test]
async fn options_are_checked() {
    let ctx = session();
    for (options, says) in [
        ("bound 'rel:2'", "not a fraction of the value range"),
        ("'column.nosuch' 'abs:1'", "no such column"),
        ("row_order 'random'", "keep or any"),
        ("layout 'packd'", "packed or portable"),
        ("effort 'tiny'", "fast, balanced or small"),
        ("block_rows 'x'", "invalid digit"),
        ("boundd 'abs:1'", "boundd"),
    ] {
        let copy = format!("COPY o TO '/tmp/never.parquet' STORED AS TOLERANT OPTIONS ({options})");
        let error = run(&ctx, &copy).await.unwrap_err();
        assert!(error.contains(says), "{options}: {error}");
    }
    assert!(!Path::new("/tmp/never.parquet").exists());
}

#[tokio::test]
async fn memory_is_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(16 << 20)))
        .build_arc()
        .unwrap();
    let ctx =
        SessionContext::new_with_config_rt(session_config().with_target_partitions(2), runtime);
    register(&ctx);
    let rows = 2_000_000i64;
    let copy = format!(
        "COPY (SELECT value, value * 0.25 AS x, sin(value) AS y FROM generate_series(1, {rows})) \
         TO '{}/' STORED AS TOLERANT",
        folder.path().display()
    );
    run(&ctx, &copy).await.unwrap();
    let written = files(folder.path());
    let row_groups = written
        .iter()
        .map(|file| promises(&folder.path().join(file)).1);
    // 48 MB in all, of which a quarter of the pool is held at once.
    assert!(row_groups.sum::<usize>() > 10);
    let sql = format!("SELECT sum(value) FROM '{}/'", folder.path().display());
    assert_eq!(number(&ctx, &sql).await, (rows * (rows + 1) / 2) as f64);
}

#[tokio::test]
async fn portable_and_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = session();
    let at = folder.path().join("t.parquet");
    let copy = format!(
        "COPY o TO '{}' STORED AS TOLERANT OPTIONS (layout 'portable', row_order 'any', bound 'abs:0.125')",
        at.display()
    );
    run(&ctx, &copy).await.unwrap();
    assert_eq!(
        wrong(&ctx, &format!("'{}'", at.display()), 0.125, 0.125).await,
        0.0
    );
    let stock = SessionContext::new();
    stock
        .register_parquet("t", at.to_str().unwrap(), Default::default())
        .await
        .unwrap();
    assert_eq!(number(&stock, "SELECT count(*) FROM t").await, ROWS as f64);
}

/// What is said of a column is true of the file that it was read from only.
#[tokio::test]
async fn copies_do_not_claim_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = session();
    CarryBounds::enable(&ctx);
    let at = |name: &str| format!("'{}'", folder.path().join(name).display());
    run(
        &ctx,
        &format!(
            "COPY o TO {} STORED AS TOLERANT OPTIONS (bound 'abs:0.5')",
            at("a.parquet")
        ),
    )
    .await
    .unwrap();
    for format in ["PARQUET", "TOLERANT"] {
        let name = format!("{format}.parquet");
        let copy = format!(
            "COPY (SELECT * FROM {}) TO {} STORED AS {format}",
            at("a.parquet"),
            at(&name)
        );
        run(&ctx, &copy).await.unwrap();
        let bytes = fs::read(folder.path().join(&name)).unwrap();
        let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
            bytes::Bytes::from(bytes),
        )
        .unwrap();
        let mut fields = builder.schema().fields().iter();
        assert!(fields.all(|field| field.extension_type_name() != Some("tolerant.bounded")));
    }
}
