//! A query over three workers. Here they run in this process; elsewhere they are `tolerant worker`, on
//! as many machines as there are.
//!
//! `cargo run --release --example distributed`

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tolerant::datafusion::session_config;
use tolerant::distributed::{Access, Cluster, Worker, WorkerOptions};
use tolerant::file::{AtomicFile, ReaderBuilder, Writer, WriterOptions};

#[tokio::main]
pub async fn main() -> Result<(), Box<dyn Error>> {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/digits.parquet");
    let folder = tempfile::tempdir()?;
    let packed = folder.path().join("digits.parquet");
    let rows = ReaderBuilder::open(&original)?;
    // Files are split by their row groups.
    let options = WriterOptions::new().with_row_group_rows(256);
    let schema = rows.schema().clone();
    let mut writer = Writer::try_new(AtomicFile::create(&packed)?, schema, options)?;
    for batch in rows.build()? {
        writer.write(&batch?)?;
    }
    writer.close()?.0.commit()?;

    let options = WorkerOptions {
        bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        token: None,
        tls: None,
    };
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let worker = Worker::bind(&options).await?;
        addresses.extend(worker.address().map(|address| address.to_string()));
        tokio::spawn(worker.run(std::future::pending()));
    }

    let ctx = Cluster::new(&addresses, Access::default())?.session_context(session_config());
    tolerant_udfs::register_all(&ctx);
    // So small a table would otherwise stay here.
    ctx.sql("SET distributed.file_scan_config_bytes_per_partition = 10000")
        .await?;
    let query = format!(
        "SELECT digit, count(*) AS n, avg_interval(pixel_2_4) AS pixel
         FROM '{}' GROUP BY digit ORDER BY digit",
        packed.display()
    );
    ctx.sql(&query).await?.show().await?;
    // What each worker did.
    ctx.sql(&format!("EXPLAIN ANALYZE {query}"))
        .await?
        .show()
        .await?;
    Ok(())
}
