//! The best sorted order for a coder that takes each column by itself, as indices into a
//! dictionary: what columns tell of each other is all in the runs that sorting makes.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::datatypes::FieldRef;
use rayon::prelude::*;

use super::{OrderColumn, OrderMethod, best_sorted, keys, sample};
use crate::codec::ErrorBound;
use crate::file::error::Result;

/// Rows in a sorted order.
pub(in crate::file) struct SortedRows {
    pub(in crate::file) method: OrderMethod,
    /// The columns sorted by, most significant first: positions in the schema.
    pub(in crate::file) columns: Vec<usize>,
    /// The old position of each row in its new place.
    pub(in crate::file) permutation: UInt32Array,
}

/// What coding one column takes, in bytes: its ranks, and how many there are.
pub(in crate::file) type ColumnCost<'a> = &'a (dyn Fn(&[u32], u32) -> Result<u64> + Sync);

/// The sorted order whose columns cost least, each for itself; None where nothing tells rows apart.
/// `stored` are the columns' values as they will be stored; `None` where rows may not be sorted by
/// a column.
pub(in crate::file) fn best_by_column(
    stored: Vec<(&FieldRef, Option<ArrayRef>)>,
    rows: usize,
    cost: ColumnCost<'_>,
) -> Result<Option<SortedRows>> {
    let (positions, columns): (Vec<usize>, Vec<OrderColumn<'_>>) = stored
        .into_iter()
        .enumerate()
        .filter_map(|(position, (field, array))| Some((position, column(field, array?))))
        .unzip();
    let keys = keys::of(&columns);
    if rows < 2 || keys.is_empty() {
        return Ok(None);
    }
    let judge = |rows: &[u32]| {
        let sample = sample(rows, keys.len());
        let bytes = keys.par_iter().map(|key| {
            let codes: Vec<u32> = sample.iter().map(|row| key.codes[*row as usize]).collect();
            cost(&codes, key.distinct)
        });
        Ok(bytes.sum::<Result<u64>>()? as f64)
    };
    let best = best_sorted(&keys, rows, &judge)?;
    Ok(Some(SortedRows {
        method: best.method,
        columns: best
            .keys
            .iter()
            .map(|key| positions[keys[*key].column])
            .collect(),
        permutation: best.rows.into(),
    }))
}

/// A column of which every bit counts.
fn column(field: &FieldRef, array: ArrayRef) -> OrderColumn<'_> {
    OrderColumn {
        nested: None,
        field,
        array,
        abs_bound: 0.0,
        bound: ErrorBound::Exact,
        grid: None,
        key: true,
    }
}
