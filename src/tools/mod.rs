//! The tools behind the command line, as functions: each takes what it is to do and returns a
//! report; none prints.

pub mod compress;
pub mod compress_each;
mod csv;
pub mod decompress;
pub mod error;
pub mod exact;
pub mod exact_psnr;
mod infer;
pub mod input;
pub mod inspect;
mod ipc;
pub(crate) mod leaves;
pub mod lossy;
pub(crate) mod names;
pub mod outputs;
pub mod paths;
mod quantiles;
pub mod query;
mod ranges;
pub mod readers;
pub(crate) mod relative;
mod row_groups;
mod schema;
pub mod verify;

pub use error::{Result, ToolError};
