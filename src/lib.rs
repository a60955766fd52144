//! Tolerant stores float tables as Parquet files in which every float column keeps a promised
//! distance to the original: its *error bound*.
//!
//! The layers, each of which knows only the ones above it in this list:
//!
//! - [`codec`]: slices to bytes and back. No Arrow, no files, no async.
//! - [`mod@file`]: packed files: writer, block index, checksums, the virtual file, Arrow reader.
//! - [`datafusion`]: SQL over packed and ordinary Parquet files.
//! - [`tools`]: compress, verify, inspect, query, decompress, as functions.
//! - [`tune`]: how much error a model bears, and the bounds for it.
//! - [`serve`]: an HTTP and a Flight SQL server of a folder of files.
//! - [`mod@distributed`]: queries over several machines: workers, and sessions that use them.
//! - [`cli`]: the `tolerant` binary's arguments and output.

// But for one call in the codec, which compiles its loops for wider vectors.
#![deny(unsafe_code)]

pub mod codec;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "datafusion")]
pub mod datafusion;
#[cfg(feature = "distributed")]
pub mod distributed;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "cli")]
pub mod tools;
#[cfg(feature = "tune")]
pub mod tune;

pub use codec::ErrorBound;

/// The README's snippets compile.
#[cfg(all(doctest, feature = "datafusion"))]
#[doc = include_str!("../README.md")]
struct Readme;
