//! Sessions in which the same query is to have the same answer.

use datafusion::prelude::{SessionConfig, SessionContext};
use tolerant::datafusion::{session_config, session_context_with_config};
#[cfg(feature = "distributed")]
use tolerant::distributed::{Access, Cluster, Worker, WorkerOptions};

use crate::chance::Chance;
use crate::tables::Table;

/// A session that has the table `t`.
pub struct Session {
    pub name: String,
    pub ctx: SessionContext,
}

/// DataFusion without Tolerant on the decompressed table, with nothing pushed down: what is right.
pub async fn right(table: &Table, views: bool) -> SessionContext {
    let ctx = SessionContext::new_with_config(nothing_pushed_down(views).with_target_partitions(1));
    create(&ctx, table, "PARQUET", false).await;
    ctx
}

/// DataFusion without Tolerant on the decompressed table, with everything pushed down: where this is
/// wrong too, the fault is not ours.
pub async fn theirs(table: &Table, views: bool, seed: u64) -> SessionContext {
    let chance = &mut Chance::new(seed);
    let ordered = chance.one_in(3) && table.is_sorted();
    let (_, config) = everything_pushed_down(chance, views);
    let ctx = SessionContext::new_with_config(config);
    create(&ctx, table, "PARQUET", ordered).await;
    ctx
}

/// The table with nothing pushed down.
pub async fn without_pushdown(table: &Table, views: bool, chance: &mut Chance) -> Session {
    let partitions = *chance.pick(&[1, 3]);
    let config = nothing_pushed_down(views).with_target_partitions(partitions);
    let ctx = session_context_with_config(config);
    create(&ctx, table, "TOLERANT", false).await;
    Session {
        name: format!("nothing pushed down, {partitions} partitions"),
        ctx,
    }
}

/// The table with everything pushed down. `seed` decides the rest, here as in [`theirs`].
pub async fn with_pushdown(table: &Table, views: bool, seed: u64) -> Session {
    let chance = &mut Chance::new(seed);
    let ordered = chance.one_in(3) && table.is_sorted();
    let (name, config) = everything_pushed_down(chance, views);
    let ctx = session_context_with_config(config);
    create(&ctx, table, "TOLERANT", ordered).await;
    Session {
        name: format!("everything pushed down, {name}, ordered {ordered}"),
        ctx,
    }
}

/// The table with everything pushed down, over workers.
#[cfg(feature = "distributed")]
pub async fn over_workers(table: &Table, views: bool, seed: u64, cluster: &Cluster) -> Session {
    let chance = &mut Chance::new(seed);
    let ordered = chance.one_in(3) && table.is_sorted();
    let (name, config) = everything_pushed_down(chance, views);
    let ctx = cluster.session_context(config);
    // However small the table is.
    let split = "SET distributed.file_scan_config_bytes_per_partition = 1";
    ctx.sql(split).await.unwrap();
    create(&ctx, table, "TOLERANT", ordered).await;
    Session {
        name: format!("workers, everything pushed down, {name}, ordered {ordered}"),
        ctx,
    }
}

/// Three workers in this process.
#[cfg(feature = "distributed")]
pub async fn cluster() -> Cluster {
    let options = WorkerOptions {
        bind: (std::net::Ipv4Addr::LOCALHOST, 0).into(),
        token: None,
        tls: None,
    };
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let worker = Worker::bind(&options).await.unwrap();
        addresses.push(worker.address().unwrap().to_string());
        tokio::spawn(worker.run(std::future::pending()));
    }
    Cluster::new(&addresses, Access::default()).unwrap()
}

fn everything_pushed_down(chance: &mut Chance, views: bool) -> (String, SessionConfig) {
    let partitions = *chance.pick(&[1, 2, 3, 4, 8]);
    let batch = *chance.pick(&[5, 100, 1000, 8192]);
    let split = *chance.pick(&[0, 0, 500, 10 << 20]);
    let mut config = session_config()
        .with_target_partitions(partitions)
        .with_batch_size(batch)
        .with_collect_statistics(true);
    let options = config.options_mut();
    options.optimizer.repartition_file_min_size = split;
    options.optimizer.prefer_hash_join = !chance.one_in(4);
    options.execution.split_file_groups_by_statistics = chance.one_in(2);
    let parquet = &mut options.execution.parquet;
    parquet.schema_force_view_types = views;
    parquet.pushdown_filters = !chance.one_in(4);
    parquet.reorder_filters = chance.one_in(2);
    if chance.one_in(3) {
        parquet.max_predicate_cache_size = Some(0);
    }
    let name = format!(
        "{partitions} partitions, batches of {batch}, split from {split} bytes, pushdown_filters {}, reorder_filters {}",
        parquet.pushdown_filters, parquet.reorder_filters
    );
    (name, config)
}

fn nothing_pushed_down(views: bool) -> SessionConfig {
    let mut config = session_config().with_collect_statistics(false);
    let options = config.options_mut();
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_aggregation = false;
    let parquet = &mut options.execution.parquet;
    parquet.schema_force_view_types = views;
    parquet.pruning = false;
    parquet.enable_page_index = false;
    parquet.bloom_filter_on_read = false;
    parquet.pushdown_filters = false;
    config
}

async fn create(ctx: &SessionContext, table: &Table, format: &str, ordered: bool) {
    let folder = match format {
        "TOLERANT" => table.packed(),
        _ => table.ordinary(),
    };
    let partitioned = match table.partitions.join(", ") {
        none if none.is_empty() => none,
        names => format!("PARTITIONED BY ({names})"),
    };
    let order = if ordered { "WITH ORDER (id ASC)" } else { "" };
    let sql = format!(
        "CREATE EXTERNAL TABLE t STORED AS {format} {partitioned} {order} LOCATION '{}/'",
        folder.display()
    );
    let created = ctx.sql(&sql).await;
    created.unwrap_or_else(|error| panic!("{sql}: {error}\n{}", table.story));
}
