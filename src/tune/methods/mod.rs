//! The methods of reduction that always work. Others, of C and C++ libraries too, are given to
//! [`tune`](super::tune) by its caller.
//!
//! Every method is charged for all columns: what it does not change is kept in the smallest ordinary
//! Parquet file that we know to write (`parquet_file`). The table it gives is what a reader of its bytes
//! would get.

mod lossless;
mod parquet_file;
mod pco;
mod precision;
mod sampling;
#[cfg(test)]
mod tests;
mod tolerant;

pub use parquet_file::smallest_parquet;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, Schema};

use super::error::{Result, TuneError};
use super::method::Reduction;

/// The key of a schema's metadata that names the column to stratify by.
pub const TARGET: &str = "tolerant.target";

/// All of them, by family, each with its sweep.
pub fn all() -> Vec<Box<dyn Reduction>> {
    let mut methods: Vec<Box<dyn Reduction>> = lossless::methods();
    methods.push(Box::new(pco::Pco));
    methods.extend(sampling::methods());
    methods.extend(precision::methods());
    methods.extend(tolerant::methods());
    methods
}

/// The methods of these names, or whose names begin so; for the one word `all` all of them, and none for
/// `none` or no word.
///
/// # Errors
/// Where a word names none.
pub fn named(words: &[impl AsRef<str>]) -> Result<Vec<Box<dyn Reduction>>> {
    let mut all = all();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        ["all"] => return Ok(all),
        ["none"] => return Ok(Vec::new()),
        _ => {}
    }
    let is_named =
        |method: &dyn Reduction, word: &str| !word.is_empty() && method.name().starts_with(word);
    let unknown = |word: &&&str| !all.iter().any(|method| is_named(method.as_ref(), word));
    if let Some(unknown) = words.iter().find(unknown) {
        let names: Vec<&str> = all.iter().map(|method| method.name()).collect();
        return Err(TuneError::invalid(format!(
            "no method is named {unknown:?}; choose from {}",
            names.join(", ")
        )));
    }
    all.retain(|method| words.iter().any(|word| is_named(method.as_ref(), word)));
    Ok(all)
}

/// The number after `key` in a parameter such as "n=0.1".
fn number(method: &str, parameter: &str, key: &str) -> Result<f64> {
    let number = parameter.strip_prefix(key).and_then(|n| n.parse().ok());
    number.ok_or_else(|| {
        TuneError::method(
            method,
            format!("{parameter:?} is no parameter of it: write {key}NUMBER"),
        )
    })
}

/// `table` with other columns at some positions, of types that may differ.
fn with_columns(table: &RecordBatch, columns: Vec<(usize, ArrayRef)>) -> Result<RecordBatch> {
    let schema = table.schema();
    let mut arrays = table.columns().to_vec();
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    for (position, array) in columns {
        let nullable = fields[position].is_nullable() || array.null_count() > 0;
        let field = fields[position].as_ref().clone();
        let field = field.with_data_type(array.data_type().clone());
        fields[position] = Arc::new(field.with_nullable(nullable));
        arrays[position] = array;
    }
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
}
