//! Ten queries over packed files and over lossless ZSTD Parquet, on one thread:
//! `cargo bench --bench queries [-- ROWS [REL]]`
//!
//! A generated table of sales and sensors, 20 million rows unless told otherwise, in row groups of a million; the
//! packed copy is what `COPY` makes of the lossless one. Both are read by the same session, hot, the runs of
//! the two in turn, and the best of five counts. Then the same queries over the same files from a store that sends
//! 100 Mbit/s, the best of two. Both once for packed files of each effort, `balanced` and `fast`.
//!
//! `cargo bench --bench queries -- --memory [ROWS]` runs a query and a `COPY` under a memory limit of
//! 256 MB instead, each in a process of its own, and says how much memory they took.

mod memory;
mod table;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::prelude::SessionContext;
use object_store::limit::LimitStore;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, ObjectStoreExt};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const THROTTLED_ROUNDS: usize = 2;
/// 100 Mbit/s.
const BYTES_A_SECOND: f64 = 12.5e6;

/// `sales` is the large table, `stores` that of a thousand rows.
const QUERIES: [(&str, &str); 10] = [
    (
        "group by a small key",
        "SELECT store % 10 AS part, sum(quantity), sum(price), avg(price * (1 - discount)), count(*) \
         FROM sales WHERE day <= 2300 GROUP BY 1",
    ),
    (
        "sum of a product, three ranges",
        "SELECT sum(price * discount) FROM sales \
         WHERE day BETWEEN 300 AND 665 AND discount BETWEEN 0.045 AND 0.075 AND quantity < 24",
    ),
    (
        "aggregates of sensors",
        "SELECT min(temperature), max(temperature), avg(pressure), stddev(load) FROM sales",
    ),
    (
        "a rare condition",
        "SELECT count(*), avg(price) FROM sales WHERE temperature > 33 AND load > 0.9",
    ),
    (
        "join and group by",
        "SELECT region, sum(price), avg(load) FROM sales JOIN stores USING (store) GROUP BY region",
    ),
    (
        "join and conditions",
        "SELECT region, count(*), sum(quantity * price) FROM sales JOIN stores USING (store) \
         WHERE area > 800 AND load > 0.5 AND discount > 0.02 GROUP BY region ORDER BY region",
    ),
    (
        "the largest 100",
        "SELECT sale, price, quantity FROM sales ORDER BY price DESC LIMIT 100",
    ),
    (
        "group by day",
        "SELECT day, avg(temperature), max(load), min(pressure) FROM sales GROUP BY day ORDER BY day",
    ),
    (
        "arithmetic of coordinates",
        "SELECT avg(sqrt(x * x + y * y)), corr(temperature, pressure), avg(ln(1 + price)) FROM sales",
    ),
    (
        "a window",
        "SELECT max(step), avg(step) FROM (SELECT load - lag(load) OVER (ORDER BY sale) AS step \
         FROM sales WHERE store < 100)",
    ),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let memory = arguments
        .iter()
        .any(|a| a == "--memory" || a == memory::CHILD);
    let mut numbers = arguments.iter().filter(|a| !a.starts_with("--"));
    if memory {
        return memory::run(&arguments);
    }
    let rows: usize = numbers.next().map_or(Ok(20_000_000), |a| a.parse())?;
    let rel: f64 = numbers.next().map_or(Ok(1e-3), |a| a.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("{rows} rows, rel {rel:e}; ms, best of {ROUNDS}, one thread");
    runtime.block_on(async {
        for effort in ["balanced", "fast"] {
            println!("\neffort {effort}");
            both(rows, rel, effort).await?;
        }
        Ok(())
    })
}

/// Compares the two hot, and from a slow store.
async fn both(rows: usize, rel: f64, effort: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sizes = table::write_both(folder.path(), rows, rel, effort).await?;
    let [packed, lossless] = [session(), session()];
    for (context, kind) in [(&packed, "packed"), (&lossless, "lossless")] {
        let at = |table: &str| format!("{}/{kind}/{table}.parquet", folder.path().display());
        register(context, &at("sales"), &at("stores")).await?;
    }
    compare(&packed, &lossless, sizes, ROUNDS, "hot").await?;

    println!("\nfrom a store that sends 100 Mbit/s; ms, best of {THROTTLED_ROUNDS}");
    let [packed, lossless] = [session(), session()];
    for (context, kind) in [(&packed, "packed"), (&lossless, "lossless")] {
        throttled(context, &folder.path().join(kind)).await?;
    }
    compare(&packed, &lossless, sizes, THROTTLED_ROUNDS, "throttled").await
}

/// One thread, and no cache of results.
fn session() -> SessionContext {
    let config = tolerant::datafusion::session_config().with_target_partitions(1);
    tolerant::datafusion::session_context_with_config(config)
}

async fn register(context: &SessionContext, sales: &str, stores: &str) -> Result<()> {
    for (name, location) in [("sales", sales), ("stores", stores)] {
        let sql = format!("CREATE EXTERNAL TABLE {name} STORED AS PARQUET LOCATION '{location}'");
        context.sql(&sql).await?.collect().await?;
    }
    Ok(())
}

/// Registers the tables of a folder, from a store that waits for each byte.
async fn throttled(context: &SessionContext, folder: &Path) -> Result<()> {
    let store = InMemory::new();
    for table in ["sales.parquet", "stores.parquet"] {
        let bytes = std::fs::read(folder.join(table))?;
        store.put(&table.into(), bytes.into()).await?;
    }
    let config = ThrottleConfig {
        wait_get_per_byte: Duration::from_secs_f64(1.0 / BYTES_A_SECOND),
        ..ThrottleConfig::default()
    };
    // One request at a time, or each would have the whole rate for itself.
    let store = LimitStore::new(ThrottledStore::new(store, config), 1);
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    context.register_object_store(&"memory://bench".parse()?, store);
    register(
        context,
        "memory://bench/sales.parquet",
        "memory://bench/stores.parquet",
    )
    .await
}

/// Prints the time of each query from both, and the geometric mean of lossless / packed.
async fn compare(
    packed: &SessionContext,
    lossless: &SessionContext,
    sizes: [u64; 2],
    rounds: usize,
    what: &str,
) -> Result<()> {
    let sizes = sizes.map(|bytes| bytes as f64 / 1e6);
    let by_size = sizes[1] / sizes[0];
    println!(
        "files: packed {:.1} MB, lossless ZSTD {:.1} MB: {by_size:.2}",
        sizes[0], sizes[1]
    );
    println!(
        "{:<32} {:>9} {:>9} {:>6}",
        what, "packed", "lossless", "times"
    );
    let (mut logs, mut worst, mut totals) = (0.0, f64::INFINITY, [0.0; 2]);
    for (name, sql) in QUERIES {
        let mut best = [f64::INFINITY; 2];
        for _ in 0..rounds {
            for (best, context) in best.iter_mut().zip([packed, lossless]) {
                let start = Instant::now();
                let batches = context.sql(sql).await?.collect().await?;
                assert!(batches.iter().any(|batch| batch.num_rows() > 0), "{name}");
                *best = best.min(start.elapsed().as_secs_f64());
            }
        }
        let times = best[1] / best[0];
        println!(
            "{name:<32} {:>9.1} {:>9.1} {times:>6.2}",
            best[0] * 1e3,
            best[1] * 1e3
        );
        logs += times.ln();
        worst = worst.min(times);
        totals = [totals[0] + best[0], totals[1] + best[1]];
    }
    println!(
        "geometric mean {:.2}, least {worst:.2}, of the totals {:.2}",
        (logs / QUERIES.len() as f64).exp(),
        totals[1] / totals[0],
    );
    Ok(())
}
