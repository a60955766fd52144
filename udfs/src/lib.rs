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

pub mod bounds;
pub mod features;
pub mod quality;
mod states;

use datafusion::prelude::SessionContext;

use bounds::CarryBounds;

/// Makes all functions of this crate known to a session, and the bounds of columns known to the
/// functions: those of tables that are created from now on.
pub fn register_all(ctx: &SessionContext) {
    CarryBounds::enable(ctx);
    let scalars = [
        bounds::error_bound(),
        bounds::value_range(),
        bounds::lower_bound(),
        bounds::upper_bound(),
        bounds::certainly(),
        bounds::possibly(),
        features::standardize(),
        features::min_max_scale(),
        features::clip(),
        features::box_cox(),
        features::yeo_johnson(),
        features::cyclic_sin(),
        features::cyclic_cos(),
        features::equal_width_bin(),
        features::bin(),
        features::one_hot(),
        features::ordinal_code(),
        features::hash_features(),
        features::data_split(),
        features::feature_vector(),
        features::polynomial_terms(),
    ];
    let aggregates = [
        bounds::sum_interval(),
        bounds::avg_interval(),
        bounds::min_interval(),
        bounds::max_interval(),
        bounds::count_interval(),
        quality::max_abs_error(),
        quality::mean_abs_error(),
        quality::rmse(),
        quality::nrmse(),
        quality::psnr(),
        quality::ssim(),
        quality::pearson(),
        quality::ks_statistic(),
        quality::wasserstein(),
    ];
    scalars
        .into_iter()
        .for_each(|function| ctx.register_udf(function));
    aggregates
        .into_iter()
        .for_each(|function| ctx.register_udaf(function));
}
