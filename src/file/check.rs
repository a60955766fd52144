//! What writers of both layouts check of their input: names, types, options, batches.

use std::collections::HashMap;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, IntervalUnit, SchemaRef};

use crate::codec::ErrorBound;

use super::column::is_float;
use super::error::{FileError, Result};
use super::nested::{self, Leaf};
use super::options::{FileLayout, WriterOptions};

/// Whether a batch is of the schema that the writer was made for.
pub(super) fn check_batch(schema: &SchemaRef, batch: &RecordBatch) -> Result<()> {
    let (ours, theirs) = (schema.fields(), batch.schema_ref().fields());
    if ours.len() != theirs.len() {
        return Err(FileError::invalid(format!(
            "a batch of {} columns was given to a writer of {}",
            theirs.len(),
            ours.len()
        )));
    }
    for ((field, other), array) in ours.iter().zip(theirs).zip(batch.columns()) {
        if field.name() != other.name() || field.data_type() != other.data_type() {
            return Err(FileError::invalid(format!(
                "column {:?} of type {} was given where column {:?} of type {} belongs",
                other.name(),
                other.data_type(),
                field.name(),
                field.data_type()
            )));
        }
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(FileError::invalid(format!(
                "column {:?} is declared non-null but holds nulls",
                field.name()
            )));
        }
    }
    Ok(())
}

pub(super) fn check_columns(
    schema: &SchemaRef,
    options: &WriterOptions,
    layout: FileLayout,
) -> Result<()> {
    let mut names: HashMap<&str, &Field> = HashMap::new();
    if let Some(twice) = schema
        .fields()
        .iter()
        .find(|field| names.insert(field.name(), field).is_some())
    {
        return Err(FileError::invalid(format!(
            "two columns are named {:?}; rename one",
            twice.name()
        )));
    }
    for field in schema.fields() {
        if !reads_back(field.data_type()) {
            return Err(FileError::invalid(format!(
                "column {:?} is of type {}, which Parquet does not give back; cast it to another type first (runs and dictionaries to that of their values)",
                field.name(),
                field.data_type()
            )));
        }
    }
    options.default_bound().checked()?;
    for name in options.bounded_columns() {
        let field = names.get(name.as_str()).copied();
        let leaves = match field {
            Some(field) => nested::all_leaves(field),
            None => nested::dotted_leaves(schema, name),
        };
        if field.is_none() && leaves.is_empty() {
            return Err(FileError::invalid(format!(
                "there is no column named {name:?}"
            )));
        }
        if let Some(bound) = options.bound_of(name) {
            let data_type = field.map(Field::data_type);
            check_bound(name, data_type, &leaves, bound, layout)?;
        }
    }
    nested::check_vectors(schema, options, layout)
}

/// Whether the leaves that `name` stands for may have this bound.
fn check_bound(
    name: &str,
    data_type: Option<&DataType>,
    leaves: &[Leaf],
    bound: ErrorBound,
    layout: FileLayout,
) -> Result<()> {
    bound.checked()?;
    let takes = |leaf: &Leaf| {
        let packed = leaf.element.is_some() && layout == FileLayout::Packed;
        is_float(&leaf.data_type) && (leaf.is_flat() || packed)
    };
    if bound.is_exact() || leaves.iter().any(takes) {
        return Ok(());
    }
    let of_leaf = leaves.first().map(|leaf| &leaf.data_type);
    let of_type = data_type.or(of_leaf).unwrap_or(&DataType::Null);
    if layout == FileLayout::Portable && leaves.iter().any(|leaf| leaf.element.is_some()) {
        return Err(FileError::invalid(format!(
            "column {name:?} is of type {of_type}; the portable layout keeps floats in lists and \
             structs exactly and takes no error bound for them (asked for: {bound}); use the packed \
             layout, or leave the bound out"
        )));
    }
    Err(FileError::invalid(format!(
        "column {name:?} is of type {of_type} and takes no error bound but exact (asked for: {bound})"
    )))
}

/// Whether parquet-rs reads the type back that it writes: it knows no unions, no bytes of length 0 and
/// no intervals of months and nanoseconds, and does not decode into runs, nor into dictionaries but for
/// those of strings, bytes and plain numbers.
fn reads_back(data_type: &DataType) -> bool {
    match data_type {
        DataType::RunEndEncoded(_, _)
        | DataType::Union(_, _)
        | DataType::FixedSizeBinary(0)
        | DataType::Interval(IntervalUnit::MonthDayNano) => false,
        DataType::Dictionary(_, values) => match values.as_ref() {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => true,
            values => values.is_integer() || is_float(values),
        },
        DataType::Struct(fields) => fields.iter().all(|field| reads_back(field.data_type())),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => reads_back(field.data_type()),
        _ => true,
    }
}
