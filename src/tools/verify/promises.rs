//! What files say of the errors of their columns.

use std::collections::HashMap;

use arrow::datatypes::{DataType, FieldRef, Schema};
use parquet::file::metadata::ParquetMetaData;

use super::{LeafPromise, Promise};
use crate::codec::ElementType;
use crate::file::{FileError, Index, IndexColumn, PackedColumn, Promises, is_float};

/// What the index of a packed file says of each column.
pub(super) fn promises(index: &Index) -> Vec<Option<Promise>> {
    let of_column = |column: &IndexColumn| match column {
        IndexColumn::Ordinary(_) | IndexColumn::Nested(_) => None,
        IndexColumn::Packed(column) => Some(promise(column)),
    };
    index.columns.iter().map(of_column).collect()
}

fn promise(column: &PackedColumn) -> Promise {
    Promise {
        bound: column.bound,
        // One that never changes is stored once.
        abs_bounds: (0..column.row_groups.len())
            .filter(|_| !column.abs_bounds.is_empty())
            .map(|i| column.abs_bound(i))
            .collect(),
        range_is_of_column: column.range_declared,
    }
}

/// The same of the leaves of columns of lists and structs.
pub(super) fn leaf_promises(index: &Index) -> HashMap<usize, Vec<LeafPromise>> {
    let mut promises: HashMap<usize, Vec<LeafPromise>> = HashMap::new();
    for (column, leaf) in index.packed_leaves() {
        let row_groups = leaf.column.row_groups.len();
        let dimensions = leaf.dimensions.iter();
        promises.entry(column).or_default().push(LeafPromise {
            name: leaf.name.clone(),
            data_type: match leaf.column.element {
                ElementType::F16 => DataType::Float16,
                ElementType::F64 => DataType::Float64,
                _ => DataType::Float32,
            },
            promise: promise(&leaf.column),
            dimensions: dimensions
                .map(|dimension| (0..row_groups).map(|i| dimension.abs_bound(i)).collect())
                .collect(),
        });
    }
    promises
}

/// What a portable file says of each column; nothing for any other ordinary Parquet file.
pub(super) fn portable_promises(
    metadata: &ParquetMetaData,
    schema: &Schema,
) -> Result<Vec<Option<Promise>>, FileError> {
    let Some(promises) = Promises::of(metadata, schema)? else {
        return Ok(Vec::new());
    };
    let mut columns = promises.columns.iter();
    let promise = |field: &FieldRef| {
        // There is one for each float column: `Promises::of` has seen to that.
        let column = is_float(field.data_type()).then(|| columns.next())??;
        Some(Promise {
            bound: column.bound,
            abs_bounds: (0..metadata.num_row_groups())
                .map(|i| column.abs_bound(i))
                .collect(),
            range_is_of_column: column.range_declared,
        })
    };
    Ok(schema.fields().iter().map(promise).collect())
}
