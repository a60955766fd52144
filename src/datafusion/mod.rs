//! SQL over packed files: a DataFusion file format and file source over the virtual file.
//!
//! ```no_run
//! # async fn example() -> datafusion::error::Result<()> {
//! let ctx = tolerant::datafusion::session_context();
//! ctx.sql("SELECT avg(x) FROM 'train.parquet' WHERE y > 0.5").await?.show().await?;
//!
//! ctx.sql("CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION 'tables/' PARTITIONED BY (day)").await?;
//! ctx.sql("SELECT day, count(*) FROM t GROUP BY day").await?.show().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Everything that DataFusion does for Parquet (projection, filter and limit pushdown, pruning of
//! row groups and pages, late materialisation, dynamic filters, answers from statistics, splits)
//! is its own `ParquetSource` at work on the virtual file. This layer only says how files are
//! opened ([`TolerantReaderFactory`]), once for each file, and where in the physical file a row
//! group is when a file is split ([`TolerantSource`]).
//!
//! The format reads ordinary Parquet too, also beside packed files in one folder, which is why it
//! takes the place of DataFusion's own under the name `PARQUET`.

pub(crate) mod bounds;
mod cache;
mod encoder;
mod format;
mod in_order;
mod morsel;
mod reader;
mod session;
mod sink;
mod source;
mod statistics;
#[cfg(feature = "remote")]
mod stores;
#[cfg(test)]
mod tests;
mod write_options;

pub use format::{TolerantFormat, TolerantFormatFactory};
pub use reader::TolerantReaderFactory;
#[cfg(feature = "distributed")]
pub(crate) use session::{builder, open};
pub use session::{register, session_config, session_context, session_context_with_config};
pub use source::TolerantSource;
#[cfg(feature = "remote")]
pub use stores::RemoteStores;
pub use tolerant_udfs::bounds::{BOUNDED, CarryBounds, ColumnBound};

/// The file layer's error, as DataFusion carries those of others.
fn external(error: crate::file::FileError) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}
