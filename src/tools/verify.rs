//! `tolerant verify`: is every value where it was promised to be?
//!
//! The original and the packed file are read side by side, a batch at a time, and every value is
//! judged in exact arithmetic ([`super::exact`]), which shares no code with the encoder. What
//! counts as a violation:
//!
//! - a finite number farther from the original than the absolute bound stored for its row group,
//!   or, in an exact column, other bits;
//! - under `pwrel`, a finite number farther from the original than that fraction of it;
//! - a stored absolute bound larger than the one asked for, where a `rel` bound is taken over the
//!   range of the *original*, or that between its quantiles, found anew;
//! - a column whose signal-to-noise ratio, over the range of the original, is less than `psnr` asks;
//! - a null that became a value or a value that became null;
//! - a NaN or infinity with other bits, or a number that became one;
//! - a -0.0 that became another number or another number that became -0.0 (+0.0 is a number like
//!   any other and may move within the bound);
//! - any difference in a column that is not float, where types that differ in layout only
//!   (strings with 32-bit or 64-bit offsets or as views, dictionaries and plain values) are equal;
//! - a column or row too many or too few, another type, another order of columns.
//!
//! That the packed file cannot be read is an error; so is damage to what other programs read and
//! opening does not look at, its Parquet footer.
//!
//! Where the file says that rows stand in any order, each row group is compared with the original's
//! rows from the same range: by the rows' numbers, if it holds them, or else by a one-to-one
//! matching in which every row is within the bounds (`partners`). That there is none is a
//! violation, and so is every value of the rows that are then left over.
//!
//! Columns of lists and structs are judged value by value likewise (`nested`).
//!
//! Nullability and key-value metadata of fields are not compared.

use std::collections::HashMap;
use std::path::Path;
use std::thread;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use rayon::prelude::*;
use serde::Serialize;

use super::error::{Result, ToolError};
use crate::ErrorBound;
use crate::file::{Opened, ReaderBuilder, RowOrderRecord, check_footer, row_id_of};

mod any_order;
mod boxes;
mod check;
mod column;
mod folder;
mod gathered;
mod matching;
mod nested;
mod partners;
mod promises;
mod rows;
mod sides;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_any_order;
#[cfg(test)]
mod tests_bounds;
mod types;

pub use any_order::RowsStand;
use any_order::{ColumnPair, Group};
use check::Check;
use column::{Chunk, ColumnCheck};
pub use folder::verify_folder;
use nested::NestedCheck;
use promises::{leaf_promises, portable_promises, promises};
use sides::{Side, prefetched};

/// Values of the packed file read at a time: bounds the memory, tables of any width.
const BATCH_VALUES: usize = 1 << 22;

/// What `verify` found. `violations == 0` is the promise kept.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// All violations: of the columns, and one per problem.
    pub violations: u64,
    /// Rows of the original.
    pub rows: u64,
    /// What is wrong with the table as a whole: rows or columns missing, extra or of another type.
    pub problems: Vec<String>,
    /// Columns that both sides have, in the original's order.
    pub columns: Vec<ColumnVerdict>,
    /// Files of a packed folder that stand for no file of the original folder. Whoever reads the folder reads
    /// them too; they may be those of another input. No violations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_files: Vec<String>,
}

/// What `verify` found in one column. Every changed value counts once.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnVerdict {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
    /// The bound asked for, as [`ErrorBound`] is written.
    pub bound: String,
    /// The largest absolute bound stored for a row group; None for exact columns and `pwrel`.
    pub abs_bound: Option<f64>,
    /// Smallest and largest finite value of the original, for float columns.
    pub range: Option<[f64; 2]>,
    /// The largest `|x - x'|` between two finite numbers, rounded up.
    pub max_error: f64,
    /// The sum of the counts below, plus one if there is a `problem`.
    pub violations: u64,
    /// Numbers farther away than the bound.
    pub bound_exceeded: u64,
    /// Nulls that became values, and values that became null.
    pub changed_nulls: u64,
    pub changed_nan: u64,
    pub changed_inf: u64,
    pub changed_signed_zeros: u64,
    /// Values of columns that are not float.
    pub changed_values: u64,
    pub first_violation: Option<FirstViolation>,
    /// The stored bound is not the one asked for.
    pub problem: Option<String>,
}

/// The first value of a column that broke its promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstViolation {
    /// Counted from 0 in the original's order.
    pub row: u64,
    pub what: String,
}

/// What a packed file says about one column's error.
#[derive(Debug, Clone)]
pub struct Promise {
    /// The bound asked for.
    pub bound: ErrorBound,
    /// The absolute bound stored for each row group; none for `pwrel`.
    pub abs_bounds: Vec<f64>,
    /// Whether a `rel` bound is of the whole column's range; otherwise of each row group's own.
    /// `psnr` is of the whole column either way.
    pub range_is_of_column: bool,
}

/// What a packed file says about the floats of one leaf of a column of lists or structs.
#[derive(Debug, Clone)]
pub struct LeafPromise {
    /// The names of the column and of the fields of structs below it, joined by dots.
    pub name: String,
    /// Of a value.
    pub data_type: DataType,
    pub promise: Promise,
    /// Where dimensions have bounds of their own: of each its bounds, stored for each row group.
    pub dimensions: Vec<Vec<f64>>,
}

/// A packed table as the verifier sees it: what it says, and the values that come out of it.
pub struct PackedTable<I> {
    pub schema: SchemaRef,
    /// Per column; None, or none at all, is an exact column.
    pub promises: Vec<Option<Promise>>,
    /// Of columns of lists and structs, by position.
    pub leaves: HashMap<usize, Vec<LeafPromise>>,
    /// Rows of each row group.
    pub row_groups: Vec<u64>,
    pub rows: RowsStand,
    /// The reconstructed rows in order.
    pub batches: I,
}

/// Compares the packed (or ordinary Parquet) file at `packed` with the original's batches.
///
/// # Errors
/// When either side cannot be read. Violations are no error: they are in the report.
pub fn verify<I>(schema: &Schema, original: I, packed: &Path) -> Result<VerifyReport>
where
    I: Iterator<Item = Result<RecordBatch>> + Send,
{
    verify_batches(schema, original, open(packed, schema)?)
}

/// The packed (or ordinary Parquet) file at `packed`, to be compared with an original of `schema`.
fn open(
    packed: &Path,
    schema: &Schema,
) -> Result<PackedTable<impl Iterator<Item = Result<RecordBatch>> + Send + use<>>> {
    let path = packed.to_owned();
    let at_packed = move |source| ToolError::file(&path, source);
    let builder = ReaderBuilder::open(packed).map_err(&at_packed)?;
    if matches!(builder.opened(), Opened::Packed(_)) {
        check_footer(builder.stored().as_ref()).map_err(&at_packed)?;
    }
    let packed_schema = builder.schema().clone();
    let (metadata, promises, leaves, rows) = match builder.opened() {
        Opened::Packed(layout) => (
            layout.metadata(),
            promises(layout.index()),
            leaf_promises(layout.index()),
            stand(layout.schema(), layout.row_id(), layout.row_order(), schema),
        ),
        Opened::Ordinary(metadata) => {
            let promises = portable_promises(metadata, &packed_schema).map_err(&at_packed)?;
            // Without promises it is any other Parquet file, whose rows are in order.
            let own = (!promises.is_empty()).then_some(metadata);
            let row_id = own.and_then(|metadata| row_id_of(metadata));
            let order = own.and_then(|metadata| RowOrderRecord::of(metadata));
            let rows = stand(&packed_schema, row_id.as_deref(), order.as_ref(), schema);
            (metadata, promises, HashMap::new(), rows)
        }
    };
    let row_groups = metadata
        .row_groups()
        .iter()
        .map(|g| g.num_rows().max(0) as u64)
        .collect();
    let rows_at_once = (BATCH_VALUES / packed_schema.fields().len().max(1)).clamp(256, 1 << 16);
    let batches = builder
        .with_batch_size(rows_at_once)
        .build()
        .map_err(&at_packed)?
        .map(move |batch| batch.map_err(|error| at_packed(error.into())));
    Ok(PackedTable {
        schema: packed_schema,
        promises,
        leaves,
        row_groups,
        rows,
        batches,
    })
}

/// How the rows of a packed file, of which it says this, stand to those of an original.
fn stand(
    packed: &Schema,
    row_id: Option<&str>,
    row_order: Option<&RowOrderRecord>,
    original: &Schema,
) -> RowsStand {
    // A number that the original has too is a column like any other.
    let number = row_id.filter(|name| original.field_with_name(name).is_err());
    let number = number.and_then(|name| packed.index_of(name).ok());
    match (number, row_order) {
        (Some(column), _) => RowsStand::Numbered(column),
        (None, Some(_)) => RowsStand::Anyhow,
        (None, None) => RowsStand::InOrder,
    }
}

/// Compares a packed table with the original's batches: the core of [`verify`].
///
/// # Errors
/// The first error of either side's batches, or of Arrow where it cannot compare two layouts.
pub fn verify_batches<I, J>(
    schema: &Schema,
    original: I,
    packed: PackedTable<J>,
) -> Result<VerifyReport>
where
    I: Iterator<Item = Result<RecordBatch>> + Send,
    J: Iterator<Item = Result<RecordBatch>> + Send,
{
    let PackedTable {
        schema: packed_schema,
        promises,
        leaves,
        row_groups,
        rows: stand,
        batches,
    } = packed;
    let number = match stand {
        RowsStand::Numbered(column) => Some(column),
        _ => None,
    };
    let (pairs, mut problems) = pair_columns(schema, &packed_schema, number);
    let mut checks: Vec<Check> = pairs
        .into_iter()
        .map(|(i, j)| {
            let field = schema.field(i);
            let data_type = field.data_type().clone();
            if let Some(leaves) = leaves.get(&j) {
                let groups = row_groups.len();
                let check = NestedCheck::new((i, j), field.name(), data_type, leaves, groups);
                return Check::Nested(check);
            }
            let promise = promises.get(j).cloned().flatten();
            Check::Flat(ColumnCheck::new(
                (i, j),
                field.name(),
                data_type,
                promise,
                row_groups.len(),
            ))
        })
        .collect();

    // Both sides are decoded ahead, each on its own thread, while the columns are compared.
    let (rows, packed_rows, compared) = thread::scope(|scope| {
        let mut left = Side::new(schema, prefetched(scope, original));
        let mut right = Side::new(&packed_schema, prefetched(scope, batches));
        let mut end = 0;
        for (row_group, group_rows) in row_groups.iter().enumerate() {
            end += group_rows;
            if stand != RowsStand::InOrder {
                let group = (row_group, *group_rows);
                problems.extend(check_group(
                    &mut left,
                    &mut right,
                    group,
                    &stand,
                    &mut checks,
                )?);
                continue;
            }
            while right.position < end && left.fill()? && right.fill()? {
                let n = left
                    .ready()
                    .min(right.ready())
                    .min((end - right.position) as usize);
                let first_row = left.position;
                let (a, b) = (left.take(n), right.take(n));
                check_rows(&mut checks, &a, &b, first_row, row_group)?;
            }
        }
        let compared = left.position;
        Ok::<_, ToolError>((left.count_rest()?, right.count_rest()?, compared))
    })?;

    if rows != packed_rows || compared != rows {
        problems.push(format!(
            "the original has {rows} rows and the packed file {packed_rows}; \
             only the first {compared} were compared"
        ));
    }
    let columns: Vec<_> = checks.into_iter().flat_map(Check::finish).collect();
    let violations =
        problems.len() as u64 + columns.iter().map(|column| column.violations).sum::<u64>();
    Ok(VerifyReport {
        violations,
        rows,
        problems,
        columns,
        other_files: Vec::new(),
    })
}

/// Compares rows of one row group that belong together, column by column.
fn check_rows(
    checks: &mut [Check],
    original: &RecordBatch,
    packed: &RecordBatch,
    first_row: u64,
    row_group: usize,
) -> Result<()> {
    checks.par_iter_mut().try_for_each(|check| {
        let (left, right) = check.columns();
        let chunk = Chunk {
            original: original.column(left),
            packed: packed.column(right),
            first_row,
            row_group,
            rows: None,
        };
        check.check(&chunk).map_err(|error| {
            let schema = original.schema_ref();
            let name = schema.field(left).name();
            ToolError::invalid(format!("column {name:?} cannot be compared: {error}"))
        })
    })
}

/// Compares a row group (its number and rows) whose rows stand in another order; returns what is
/// wrong with the rows as such.
fn check_group(
    left: &mut Side,
    right: &mut Side,
    (number, rows): (usize, u64),
    stand: &RowsStand,
    checks: &mut [Check],
) -> Result<Option<String>> {
    let first_row = left.position;
    let stored = right.gather(rows)?;
    let original = left.gather(stored.num_rows() as u64)?;
    let cannot = |error| {
        ToolError::invalid(format!(
            "rows of row group {number} cannot be compared: {error}"
        ))
    };
    let mut columns: Vec<ColumnPair> = Vec::new();
    for check in checks.iter() {
        let (left, right) = check.columns();
        let (left, right) = (original.column(left), stored.column(right));
        columns.extend(check.keys(left, right, number).map_err(cannot)?);
    }
    let group = Group {
        original: &original,
        stored: &stored,
        number,
        first_row,
    };
    let (ordered, problem) = group.in_order(stand, &columns).map_err(cannot)?;
    check_rows(checks, &original, &ordered, first_row, number)?;
    Ok(problem)
}

impl ColumnVerdict {
    fn new(name: &str, data_type: &DataType, promise: Option<&Promise>) -> Self {
        let bound = promise.map_or(ErrorBound::Exact, |promise| promise.bound);
        let abs_bound = match bound {
            ErrorBound::Exact => None,
            _ => promise.and_then(|p| p.abs_bounds.iter().copied().reduce(f64::max)),
        };
        Self {
            name: name.to_string(),
            data_type: data_type.to_string(),
            bound: bound.to_string(),
            abs_bound,
            range: None,
            max_error: 0.0,
            violations: 0,
            bound_exceeded: 0,
            changed_nulls: 0,
            changed_nan: 0,
            changed_inf: 0,
            changed_signed_zeros: 0,
            changed_values: 0,
            first_violation: None,
            problem: None,
        }
    }
}

/// Pairs of columns of the same name and values of the same kind, and what has no partner.
/// Of the packed columns the one at `number` is none of the table's own.
fn pair_columns(
    original: &Schema,
    packed: &Schema,
    number: Option<usize>,
) -> (Vec<(usize, usize)>, Vec<String>) {
    // Names need not be unique: the n-th column of a name belongs to the n-th of the other side.
    let mut positions: HashMap<&str, Vec<usize>> = HashMap::new();
    let own = packed.fields().iter().enumerate();
    for (j, field) in own.filter(|(j, _)| Some(*j) != number).rev() {
        positions.entry(field.name()).or_default().push(j);
    }
    let mut pairs = Vec::new();
    let mut problems = Vec::new();
    let mut in_order = true;
    let mut last = None;
    for (i, field) in original.fields().iter().enumerate() {
        let Some(j) = positions.get_mut(field.name().as_str()).and_then(Vec::pop) else {
            problems.push(format!(
                "column {:?} is missing from the packed file",
                field.name()
            ));
            continue;
        };
        in_order &= last.is_none_or(|last| last < j);
        last = Some(j);
        let (expected, found) = (field.data_type(), packed.field(j).data_type());
        if expected == found || types::canonical(expected) == types::canonical(found) {
            pairs.push((i, j));
        } else {
            problems.push(format!(
                "column {:?} is {expected} in the original and {found} in the packed file",
                field.name()
            ));
        }
    }
    let mut extra: Vec<usize> = positions.into_values().flatten().collect();
    extra.sort_unstable();
    problems.extend(extra.into_iter().map(|j| {
        format!(
            "column {:?} of the packed file is not in the original",
            packed.field(j).name()
        )
    }));
    if !in_order {
        problems.push("the packed file has its columns in another order".to_string());
    }
    (pairs, problems)
}
