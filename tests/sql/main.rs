//! SQL over packed files: the same answers as over ordinary Parquet, for less reading.

mod answers;
mod common;
mod nan;
mod order;
mod parts;
mod pruning;
mod query;
mod row_order;
mod store;
mod tables;
mod vectors;
mod writing;
