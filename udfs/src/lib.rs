//! DataFusion functions for tables with error bounds: how far a reconstruction is from its original.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> datafusion::error::Result<()> {
//! let ctx = tolerant::datafusion::session_context();
//! tolerant_udfs::register_all(&ctx);
//! let query = "SELECT max_abs_error(x, y), rmse(x, y) FROM (VALUES (1.0, 1.5), (2.0, 2.0)) AS t(x, y)";
//! ctx.sql(query).await?.show().await?;
//! # Ok(())
//! # }
//! ```

mod quality;

pub use quality::{max_abs_error, rmse};

use datafusion::prelude::SessionContext;

/// Makes all functions of this crate known to a session.
pub fn register_all(ctx: &SessionContext) {
    for function in [max_abs_error(), rmse()] {
        ctx.register_udaf(function);
    }
}
