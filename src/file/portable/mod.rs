//! The portable layout: ordinary Parquet files, read by any Parquet reader as they are, whose float
//! columns hold numbers within an error bound of the original that are chosen to be small.
//!
//! Pages and footer are written here rather than by parquet-rs, for what makes small files is what
//! it leaves no choice of: dictionary indices as wide as whole bytes or fractions of them, so that
//! zstd sees symbols; one page a chunk; and no metadata that costs more than it serves.

mod chunk;
mod column;
mod hybrid;
mod page;
mod promises;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_row_order;
mod writer;
mod writing;

pub(super) use promises::without_promises;
pub use promises::{ColumnPromise, Promises};
pub use writer::PortableWriter;
