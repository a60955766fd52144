//! How far a reconstruction is from its original: aggregates over pairs of columns.
//!
//! A pair in which either is null does not count. A NaN in both counts as no error, as does the same
//! infinity in both; a NaN in one makes the result NaN, for no distance describes it.

mod distributions;
mod pairs;

pub use distributions::{ks_statistic, wasserstein};
pub use pairs::{max_abs_error, mean_abs_error, nrmse, pearson, psnr, rmse, ssim};
