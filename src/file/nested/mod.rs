//! Columns of lists and structs: their float *leaves* are packed, at any depth; all that is not a
//! float stays ordinary Parquet.
//!
//! A leaf is packed as a flat column is: the leaf of the Parquet schema gives way to a group of one
//! binary child, `packed`, which is present only at the first value of a block. Lists, structs and
//! nulls thus lie in Parquet's own repetition and definition levels, and a payload holds the values
//! that are there, front to back.

mod check;
mod dimensions;
mod encode;
mod forms;
pub(super) mod index_codec;
pub(super) mod layout;
mod leaf;
mod levels;
mod page;
mod public;
mod schema;
mod shred;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod tests_arbitrary;
#[cfg(test)]
mod tests_vectors;
mod writing;

pub(super) use check::check_vectors;
pub(super) use encode::{LeafChunk, LeafOptions};
pub(super) use leaf::{Leaf, MAX_BLOCK_LEVELS, all_leaves, dotted_leaves, leaves};
pub use page::PageShape;
pub(super) use page::{Nested, decode, virtual_len};
pub use public::{FloatLeaf, bound_names};
pub(super) use schema::{physical_field, without_packed};
pub(super) use writing::{NestedChunks, NestedCoding, NestedState};
