//! Queries over several machines, by datafusion-distributed: workers that run parts of a plan
//! (`tolerant worker`), and sessions that send the parts to them (`tolerant query --workers`). The
//! same workers compress the files of a dataset (`compress`).
//!
//! The engine cuts a plan into stages, splits scans over tasks and moves rows between workers.
//! Here is what it cannot know: how scans of packed files travel (`codec`), how much work they are
//! (`scans`), what of a session a worker must know (`settings`), what idle tasks did (`metrics`), who
//! may ask (`channels`, `worker`), and who may listen in (`tls`).
//!
//! ```no_run
//! # use tolerant::distributed::{Access, Cluster};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::new(&["127.0.0.1:7601", "127.0.0.1:7602"], Access::default())?;
//! let ctx = cluster.session_context(tolerant::datafusion::session_config());
//! ctx.sql("SELECT avg(x) FROM 'train.parquet'").await?.show().await?;
//! # Ok(())
//! # }
//! ```

mod channels;
mod codec;
mod compress;
mod coordinator;
mod metrics;
mod scans;
mod settings;
mod tls;
mod worker;

pub use channels::Access;
pub use coordinator::Cluster;
pub use tls::{Authority, Identity, WorkerTls};
pub use worker::{Worker, WorkerOptions};
