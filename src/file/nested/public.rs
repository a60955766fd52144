//! What tools may know of the floats in lists and structs.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};

use crate::codec::ValueRange;

use super::dimensions;
use super::leaf::{self, Leaf};
use super::shred::shred;
use crate::file::error::Result;
use crate::file::packed::finite_range;

/// Floats in a column of lists or structs, which are packed.
#[derive(Debug, Clone, PartialEq)]
pub struct FloatLeaf {
    /// The position of the column.
    pub column: usize,
    /// The names of the column and of the fields of structs below it, joined by dots.
    pub name: String,
    /// Of a value.
    pub data_type: DataType,
    /// Of the vectors that the values make up: the product of the sizes of the innermost lists of
    /// fixed size; 1 where there are none.
    pub dimensions: usize,
    /// The names that a bound may be given by, the longest first.
    pub names: Vec<String>,
    field: Arc<Field>,
    leaf: Leaf,
}

impl FloatLeaf {
    /// All of a schema.
    pub fn of(schema: &Schema) -> Vec<FloatLeaf> {
        let fields = schema.fields().iter().enumerate();
        let leaves = fields.flat_map(|(column, field)| {
            let leaves = leaf::leaves(field).unwrap_or_default().into_iter();
            leaves.map(move |leaf| (column, field, leaf))
        });
        leaves
            .filter(|(_, _, leaf)| leaf.element.is_some())
            .map(|(column, field, leaf)| FloatLeaf {
                column,
                name: leaf.name(),
                data_type: leaf.data_type.clone(),
                dimensions: leaf.dimensions(),
                names: leaf.names(schema),
                field: Arc::clone(field),
                leaf,
            })
            .collect()
    }

    /// The range of the finite ones among the values in `array`, which is of the column.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`](crate::file::FileError::InvalidInput) for an array of another
    /// type.
    pub fn finite_range(&self, array: &ArrayRef) -> Result<ValueRange> {
        let shredded = shred(&self.field, array, &self.leaf, 0..array.len())?;
        Ok(finite_range(&shredded.values))
    }

    /// The same for each dimension.
    ///
    /// # Errors
    /// As [`finite_range`](Self::finite_range).
    pub fn dimension_ranges(&self, array: &ArrayRef) -> Result<Vec<ValueRange>> {
        let shredded = shred(&self.field, array, &self.leaf, 0..array.len())?;
        Ok(dimensions::ranges(&self.leaf, &shredded))
    }
}

/// All names that a bound may be given by: those of the columns, and the dotted ones of floats in
/// structs.
pub fn bound_names(schema: &Schema) -> Vec<String> {
    let fields = schema.fields().iter();
    let mut names: Vec<String> = fields.map(|field| field.name().clone()).collect();
    for leaf in FloatLeaf::of(schema) {
        for name in leaf.names.into_iter().rev() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}
