//! A query and a `COPY` under a memory limit, each in a process of its own.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;

use crate::{Result, table};

/// The argument of such a process; what it runs is the next one.
pub const CHILD: &str = "--memory-child";
const LIMIT: usize = 256_000_000;
/// Raw bytes of a row of the large table.
const ROW: usize = 8 + 2 * 4 + 4 + 2 * 8 + 5 * 4;

pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(at) = arguments.iter().position(|a| a == CHILD) {
        let sql = arguments.get(at + 1).ok_or("no statement")?;
        return child(sql);
    }
    let number = arguments.iter().find(|a| !a.starts_with("--"));
    let rows: usize = number.map_or(Ok(4_000_000_000 / ROW), |a| a.parse())?;
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (lossless, packed) = (at("lossless.parquet"), at("packed.parquet"));
    table::write(Path::new(&lossless), table::Sales::new(rows))?;
    println!(
        "{rows} rows, {:.2} GB raw, lossless {:.2} GB; a memory limit of {} MB",
        (rows * ROW) as f64 / 1e9,
        fs::metadata(&lossless)?.len() as f64 / 1e9,
        LIMIT / 1_000_000
    );
    let copy = |from: &str, to: &str, options: &str| {
        format!("COPY (SELECT * FROM '{from}') TO '{to}' {options}")
    };
    let packing = "STORED AS TOLERANT OPTIONS (bound 'rel:1e-3')";
    let group = "SELECT count(*), max(total) FROM (SELECT store, day, sum(price * quantity) AS total, \
                 avg(load) AS load FROM '{}' GROUP BY store, day)";
    let sort = "SELECT sum(place * price) FROM (SELECT price, row_number() OVER (ORDER BY load) AS place \
                FROM '{}')";
    let cases = [
        ("COPY into a packed file", copy(&lossless, &packed, packing)),
        (
            "COPY into an ordinary file",
            copy(&lossless, &at("other.parquet"), "STORED AS PARQUET"),
        ),
        ("group by, packed", group.replace("{}", &packed)),
        ("group by, lossless", group.replace("{}", &lossless)),
        ("sort, packed", sort.replace("{}", &packed)),
        ("sort, lossless", sort.replace("{}", &lossless)),
    ];
    for (name, sql) in cases {
        let output = Command::new(std::env::current_exe()?)
            .args([CHILD, &sql])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        match output.status.success() {
            true => println!("{name:<28} {}", said.trim()),
            false => println!(
                "{name:<28} {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        }
    }
    Ok(())
}

fn child(sql: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    runtime.block_on(async {
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(LIMIT)))
            .build()?;
        let config = tolerant::datafusion::session_config();
        let context = SessionContext::new_with_config_rt(config, Arc::new(environment));
        tolerant::datafusion::register(&context);
        context.sql(sql).await?.collect().await
    })?;
    println!(
        "{:>7.1} s, peak resident memory {:>5} MB",
        start.elapsed().as_secs_f64(),
        peak()? / 1_000_000
    );
    Ok(())
}

/// The most resident memory that this process has had, in bytes.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    Ok(kilobytes.ok_or("no VmHWM")?.trim().parse::<u64>()? * 1024)
}
