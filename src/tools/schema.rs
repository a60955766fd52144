//! One schema over many files.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use super::error::{Result, ToolError};
use crate::file::shown;

/// The schema of all the files: the same names and types in the same order in each; a column is
/// nullable if it is in any file, and metadata is kept where all files agree on it.
pub fn unify<'a>(files: impl IntoIterator<Item = (&'a Path, &'a SchemaRef)>) -> Result<SchemaRef> {
    let mut files = files.into_iter();
    let Some((first, schema)) = files.next() else {
        return Err(ToolError::invalid("no input files"));
    };
    let mut unified = Arc::clone(schema);
    for (path, schema) in files {
        // Mostly all files agree, and a wide schema is costly to rebuild.
        if !Arc::ptr_eq(&unified, schema) && unified != *schema {
            check_names(first, &unified, path, schema)?;
            unified = Arc::new(merge(first, &unified, path, schema)?);
        }
    }
    Ok(unified)
}

/// The table is sound, and yet none that can be packed.
fn refused(path: &Path, what: &str) -> ToolError {
    ToolError::invalid(format!("{}: {what}", shown(path)))
}

/// An error if the schema has no column, or two of the same name.
pub fn check(path: &Path, schema: &Schema) -> Result<()> {
    if schema.fields().is_empty() {
        return Err(refused(path, "a table without columns"));
    }
    let mut names = HashSet::with_capacity(schema.fields().len());
    match schema
        .fields()
        .iter()
        .find(|field| !names.insert(field.name().as_str()))
    {
        Some(twice) => {
            let what = format!(
                "two columns are named {:?}; rename one of them",
                twice.name()
            );
            Err(refused(path, &what))
        }
        None => Ok(()),
    }
}

/// An error naming the first column that differs, unless both have the same names in the same order.
pub fn check_names(first: &Path, a: &Schema, path: &Path, b: &Schema) -> Result<()> {
    let first = first.display();
    let names = |schema: &Schema| {
        schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect::<HashSet<_>>()
    };
    let differs =
        |(index, (a, b)): (usize, (&FieldRef, &FieldRef))| (a.name() != b.name()).then_some(index);
    let shared = a.fields().len().min(b.fields().len());
    let Some(index) = a
        .fields()
        .iter()
        .zip(b.fields())
        .enumerate()
        .find_map(differs)
        .or_else(|| (a.fields().len() != b.fields().len()).then_some(shared))
    else {
        return Ok(());
    };
    let (a_names, b_names) = (names(a), names(b));
    let what = match (a.fields().get(index), b.fields().get(index)) {
        (Some(a), _) if !b_names.contains(a.name()) => {
            format!("has no column {:?}, which {first} has", a.name())
        }
        (_, Some(b)) if !a_names.contains(b.name()) => {
            format!("has a column {:?}, which {first} has not", b.name())
        }
        (Some(a), Some(b)) => {
            format!(
                "column {} is {:?}, but {:?} in {first}; bring them into one order",
                index + 1,
                b.name(),
                a.name()
            )
        }
        _ => format!(
            "has {} columns, but {first} has {}",
            b.fields().len(),
            a.fields().len()
        ),
    };
    Err(ToolError::bad_file(path, what))
}

fn merge(first: &Path, a: &Schema, path: &Path, b: &Schema) -> Result<Schema> {
    let mut fields = Vec::with_capacity(a.fields().len());
    for (x, y) in a.fields().iter().zip(b.fields()) {
        fields.push(merge_field(x, y).ok_or_else(|| {
            let what = format!(
                "column {:?} is {}, but {} in {}; convert one of them",
                x.name(),
                y.data_type(),
                x.data_type(),
                first.display()
            );
            ToolError::bad_file(path, what)
        })?);
    }
    Ok(Schema::new_with_metadata(
        fields,
        common(a.metadata(), b.metadata()),
    ))
}

fn merge_field(a: &FieldRef, b: &FieldRef) -> Option<FieldRef> {
    if a == b {
        return Some(Arc::clone(a));
    }
    let data_type = merge_type(a.data_type(), b.data_type())?;
    let field = Field::new(a.name(), data_type, a.is_nullable() || b.is_nullable());
    Some(Arc::new(
        field.with_metadata(common(a.metadata(), b.metadata())),
    ))
}

/// The type that holds both, if they differ in nothing but the nullability of what is nested.
fn merge_type(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match (a, b) {
        (a, b) if a == b => a.clone(),
        (List(a), List(b)) => List(merge_field(a, b)?),
        (LargeList(a), LargeList(b)) => LargeList(merge_field(a, b)?),
        (FixedSizeList(a, n), FixedSizeList(b, m)) if n == m => {
            FixedSizeList(merge_field(a, b)?, *n)
        }
        (Map(a, sorted), Map(b, other)) if sorted == other => Map(merge_field(a, b)?, *sorted),
        (Struct(a), Struct(b)) if a.len() == b.len() => {
            let same_names = a.iter().zip(b).all(|(a, b)| a.name() == b.name());
            let fields = a
                .iter()
                .zip(b)
                .map(|(a, b)| merge_field(a, b))
                .collect::<Option<Fields>>()?;
            same_names.then_some(Struct(fields))?
        }
        _ => return None,
    })
}

fn common(a: &HashMap<String, String>, b: &HashMap<String, String>) -> HashMap<String, String> {
    a.iter()
        .filter(|(key, value)| b.get(*key) == Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The batch under the unified schema (or a projection of it).
pub fn conform(path: &Path, batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if Arc::ptr_eq(batch.schema_ref(), schema) {
        return Ok(batch);
    }
    let failed = |error| ToolError::bad_file(path, error);
    let rows = batch.num_rows();
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(if column.data_type() == field.data_type() {
            Arc::clone(column)
        } else {
            cast(column, field.data_type()).map_err(failed)?
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)
}
