//! The codec: runs of numbers to self-describing, checksummed payloads and back.
//!
//! Knows slices and bytes only: no Arrow, no files, no async, so that it can be fuzzed, run under
//! Miri and reused on its own (`default-features = false`).
//!
//! ```
//! use tolerant::codec::{absolute_bound, decode, encode_lossy, ErrorBound, ValueRange};
//!
//! let values: Vec<f32> = (0..10_000).map(|i| (i as f32 / 500.0).sin()).collect();
//! let range = ValueRange::of(values.iter().map(|&x| f64::from(x)));
//! let bound = absolute_bound(ErrorBound::rel(1e-3)?, range);
//!
//! let block = encode_lossy(&values, bound)?;
//! let mut decoded = vec![0f32; values.len()];
//! decode(&block.payload, &mut decoded)?;
//!
//! assert!(block.payload.len() * 3 < values.len() * 4);
//! assert!(values.iter().zip(&decoded).all(|(x, y)| f64::from((x - y).abs()) <= bound));
//! # Ok::<(), tolerant::codec::CodecError>(())
//! ```

// Virtual Parquet pages are the decoded bytes as they lie in memory.
#[cfg(target_endian = "big")]
compile_error!("tolerant needs a little-endian target");

mod alphabet;
mod bits;
mod bound;
mod cells;
mod choose;
mod closed_loop;
mod cluster;
mod coding;
mod context;
mod cover;
#[cfg(test)]
mod cover_tests;
mod decode;
mod early_histogram;
mod effort;
mod element;
mod encode;
mod error;
mod estimate;
mod fields;
mod follow;
mod frame;
mod graph;
mod grid;
mod histogram;
mod integers;
mod interpolation;
mod kin;
mod linear;
mod log_grid;
mod many;
mod model;
#[cfg(test)]
mod model_tests;
mod payload;
mod percentile;
mod pointwise;
mod quantize;
mod rans;
mod select;
mod sparse;
mod squares;
mod stream;
mod strides;
mod strides_fit;
mod sums;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_bounds;
#[cfg(test)]
mod tests_follow;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_vector;
mod tiles;
mod transform;
mod unpack;
mod unzstd;
mod vector;
#[cfg(target_arch = "x86_64")]
mod vectors;
#[cfg(target_arch = "x86_64")]
mod vectors512;
mod wide;

pub use bound::{ErrorBound, ValueRange, absolute_bound};
pub use cells::Cell;
pub use context::ABSENT;
pub use cover::{Cover, MAX_REPRESENTATIVES, cover, distinct, round};
pub use decode::{Keep, bytes_of_integers, decode, decode_bytes, decode_integers};
pub use effort::Effort;
pub use element::{Element, ElementType, Float};
pub use encode::{Block, EncodedBlock, encode_exact, encode_lossy, encode_pointwise_rel};
pub use error::CodecError;
pub use follow::Follow;
pub use payload::{MAX_BLOCK_VALUES, PayloadHeader, PayloadKind, grid_of, unsealed};
pub use percentile::{Percentile, quantile_range};
pub use quantize::Grid;
pub use select::{Plan, Search, plan};
pub use squares::{RmseTarget, Squares};
#[cfg(feature = "file")]
pub(crate) use unzstd::unzstd;
pub use vector::{VectorForm, decode_vector, join_vector, plan_by_position, position_integers};
