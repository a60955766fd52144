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

mod bound;
mod choose;
mod decode;
mod element;
mod encode;
mod error;
mod log_grid;
mod payload;
mod percentile;
mod pointwise;
mod quantize;
mod squares;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_bounds;

pub use bound::{ErrorBound, ValueRange, absolute_bound};
pub use decode::{decode, decode_bytes};
pub use element::{Element, ElementType, Float};
pub use encode::{EncodedBlock, encode_exact, encode_lossy};
pub use error::CodecError;
pub use payload::{MAX_BLOCK_VALUES, PayloadHeader, PayloadKind};
pub use percentile::{Percentile, quantile_range};
pub use pointwise::encode_pointwise_rel;
pub use squares::{RmseTarget, Squares};
