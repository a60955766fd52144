//! Packed files: the writer, the block index, the seal, and the *virtual file*, which presents a
//! packed file, byte for byte, as an ordinary Parquet file.
//!
//! Knows Arrow, Parquet and object stores, and the [codec](crate::codec) below; no SQL, no tools.

mod atomic;
mod best_encoding;
mod bound_codec;
mod buffers;
mod cache;
mod catalog;
mod catalog_codec;
mod check;
mod column;
mod direct;
mod error;
mod footer;
mod index;
mod index_arrays;
mod index_codec;
mod index_compact;
mod layout;
mod levels;
mod local;
mod nested;
mod object;
mod open;
mod options;
mod order;
mod ordinary;
mod packed;
mod page;
mod pages;
mod per_process;
mod pieces;
mod plan;
mod planning;
mod portable;
mod psnr;
#[cfg(feature = "remote")]
mod read_ahead;
mod reader;
mod references;
#[cfg(feature = "remote")]
pub mod remote;
mod report;
mod row_groups_ahead;
mod row_id;
mod schema_codec;
mod seal;
mod source;
mod statistics;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_ahead;
#[cfg(test)]
mod tests_catalog;
#[cfg(test)]
mod tests_direct;
#[cfg(test)]
mod tests_exact;
#[cfg(test)]
mod tests_forged;
#[cfg(test)]
mod tests_hostile;
#[cfg(test)]
mod tests_local;
#[cfg(test)]
mod tests_references;
#[cfg(test)]
mod tests_thrift;
mod thrift;
#[cfg(any(feature = "remote", feature = "serve"))]
mod url_name;
mod virtual_file;
mod writer;
mod writing;

pub use atomic::{AtomicFile, Unfinished, create_folder, remove_unfinished};
pub use buffers::Buffers;
pub use column::{element_type, is_float, raw_bytes};
pub use error::{FileError, Result};
pub use index::{
    Block, Dimension, Index, IndexColumn, IndexLeaf, NestedColumn, OrdinaryColumn, PackedColumn,
    PackedLeaf, Page,
};
pub use layout::Layout;
pub use nested::{FloatLeaf, PageShape, bound_names};
pub use object::ObjectReader;
pub use open::Opened;
#[cfg(feature = "cli")]
pub(crate) use open::panic_text;
pub use options::{
    DEFAULT_BLOCK_ROWS, DEFAULT_ROW_GROUP_ROWS, FileLayout, RowOrder, VectorRange, WriterOptions,
};
pub use order::{OrderMethod, RowOrderRecord, RowOrderReport};
pub use packed::{finite_quantiles, finite_range};
pub use per_process::PerProcess;
pub use plan::Plan;
pub use portable::{ColumnPromise, PortableWriter, Promises};
pub use reader::{Reader, ReaderBuilder};
pub use report::{ColumnReport, WriteReport};
pub use row_groups_ahead::FetchAhead;
pub use row_id::row_id_of;
#[cfg(feature = "distributed")]
pub(crate) use schema_codec::{from_ipc, to_ipc};
pub use source::{ReadAt, is_url, open_source, shown};
#[cfg(feature = "serve")]
pub(crate) use url_name::encode_name;
pub use virtual_file::{VirtualFile, VirtualRead, check_footer};
pub use writer::Writer;
