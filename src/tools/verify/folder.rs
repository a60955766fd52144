//! A dataset against the folder that it was compressed into, file by file: together they keep the
//! promise, for ranges are those of the whole.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::{LeafPromise, PackedTable, Promise, RowsStand, VerifyReport, open, verify_batches};
use crate::file::shown;
use crate::tools::error::{Result, ToolError};
use crate::tools::input::Input;
use crate::tools::{outputs, paths};

/// Compares what `original` names (see [`Input::open`]) with the files below `folder` that
/// [`compress_each`](crate::tools::compress_each::compress_each) makes of it.
///
/// # Errors
/// As [`verify`](super::verify); and where a file is not there, or was not compressed with the others.
pub fn verify_folder(original: &Path, folder: &Path) -> Result<VerifyReport> {
    let parts = outputs::parts(&[original.to_owned()], folder)?;
    let (inputs, outputs): (Vec<PathBuf>, Vec<PathBuf>) = parts
        .into_iter()
        .map(|part| (part.input, part.output))
        .unzip();
    let input = Input::open(&inputs)?;
    let table = joined(&outputs, input.schema())?;
    let mut report = verify_batches(input.schema(), input.batches(), table)?;
    if paths::is_input_folder(original) {
        report.other_files = others(folder, &outputs)?;
    }
    Ok(report)
}

/// The tables in `folder` besides the `outputs`.
fn others(folder: &Path, outputs: &[PathBuf]) -> Result<Vec<String>> {
    let known: HashSet<PathBuf> = outputs.iter().map(|path| paths::comparable(path)).collect();
    let is_other = |file: &&PathBuf| {
        let is_table = file.extension().is_some_and(|name| name == "parquet");
        is_table && !known.contains(&paths::comparable(file))
    };
    let files = paths::files_of(folder)?;
    Ok(files
        .iter()
        .filter(is_other)
        .map(|file| shown(file))
        .collect())
}

/// All files as one table; a file is open while its rows are read.
fn joined<'a>(
    files: &'a [PathBuf],
    original: &'a Schema,
) -> Result<PackedTable<impl Iterator<Item = Result<RecordBatch>> + Send + use<'a>>> {
    let mut files = files.iter();
    let Some(first) = files.next() else {
        return Err(ToolError::invalid("no files to compare"));
    };
    let mut all = without_rows(open(first, original)?);
    for file in files.clone() {
        add(&mut all, without_rows(open(file, original)?)).map_err(|what| {
            let what = format!(
                "its {what} are not those of {}; compress the files together",
                first.display()
            );
            ToolError::bad_file(file, what)
        })?;
    }
    let batches = std::iter::once(first).chain(files).flat_map(|file| {
        let (rows, failed) = match open(file, original) {
            Ok(table) => (Some(table.batches), None),
            Err(error) => (None, Some(Err(error))),
        };
        rows.into_iter().flatten().chain(failed)
    });
    Ok(PackedTable {
        schema: all.schema,
        promises: all.promises,
        leaves: all.leaves,
        row_groups: all.row_groups,
        rows: all.rows,
        batches,
    })
}

fn without_rows<I>(table: PackedTable<I>) -> PackedTable<()> {
    PackedTable {
        schema: table.schema,
        promises: table.promises,
        leaves: table.leaves,
        row_groups: table.row_groups,
        rows: table.rows,
        batches: (),
    }
}

/// Adds the row groups of another file; says what differs where they do not go together.
fn add(
    all: &mut PackedTable<()>,
    mut file: PackedTable<()>,
) -> std::result::Result<(), &'static str> {
    let groups = (all.row_groups.len(), file.row_groups.len());
    if all.schema.fields() != file.schema.fields() {
        return Err("columns");
    }
    // A file whose rows are best kept as they are says so, in a dataset of any order too.
    all.rows = match (&all.rows, &file.rows) {
        (RowsStand::Numbered(_), _) | (_, RowsStand::Numbered(_)) => return Err("rows' orders"),
        (RowsStand::InOrder, RowsStand::InOrder) => RowsStand::InOrder,
        _ => RowsStand::Anyhow,
    };
    if all.promises.len() != file.promises.len() || all.leaves.len() != file.leaves.len() {
        return Err("bounds");
    }
    for (all, file) in all.promises.iter_mut().zip(file.promises) {
        match (all, file) {
            (Some(all), Some(file)) => extend(all, file, groups)?,
            (None, None) => {}
            _ => return Err("bounds"),
        }
    }
    for (column, all) in &mut all.leaves {
        let file = file.leaves.remove(column).unwrap_or_default();
        if all.len() != file.len() {
            return Err("bounds");
        }
        for (all, file) in all.iter_mut().zip(file) {
            extend_leaf(all, file, groups)?;
        }
    }
    all.row_groups.extend(file.row_groups);
    Ok(())
}

/// `groups` are the row groups of both sides.
fn extend(
    all: &mut Promise,
    file: Promise,
    groups: (usize, usize),
) -> std::result::Result<(), &'static str> {
    let same = all.bound == file.bound && all.range_is_of_column == file.range_is_of_column;
    let whole = |bounds: &[f64], groups| bounds.len() == groups;
    let neither = all.abs_bounds.is_empty() && file.abs_bounds.is_empty();
    let both = whole(&all.abs_bounds, groups.0) && whole(&file.abs_bounds, groups.1);
    if !same || !(neither || both) {
        return Err("bounds");
    }
    all.abs_bounds.extend(file.abs_bounds);
    Ok(())
}

fn extend_leaf(
    all: &mut LeafPromise,
    mut file: LeafPromise,
    groups: (usize, usize),
) -> std::result::Result<(), &'static str> {
    // A file without rows knows of no dimensions.
    match groups {
        (_, 0) => file.dimensions = vec![Vec::new(); all.dimensions.len()],
        (0, _) => all.dimensions = vec![Vec::new(); file.dimensions.len()],
        _ => {}
    }
    if all.name != file.name || all.dimensions.len() != file.dimensions.len() {
        return Err("bounds");
    }
    extend(&mut all.promise, file.promise, groups)?;
    for (all, file) in all.dimensions.iter_mut().zip(file.dimensions) {
        all.extend(file);
    }
    Ok(())
}
