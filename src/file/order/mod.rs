//! Rows in any order: the order of a row group's rows that makes it smallest.
//!
//! A training set is a set: the order of its n rows is no information, and as much as log2(n!)
//! bits of a row group may be saved by giving it up. Candidates are
//!
//! - the rows as they came, so that the result is never larger than with the order kept;
//! - *lexicographic* by quantized values, for several orders of the columns ([`sort`]);
//! - the same going to and fro ("snake"), which is the reflected Gray order of the rows that there
//!   are: neighbouring runs meet at like values;
//! - a *tour* ([`tour`]): the best of these, made a short path through the rows by nearest
//!   neighbours and local improvement, where distance is what the difference costs to code.
//!
//! (Lemire, Kaser, Gutarra: "Reordering rows for better compression: beyond the lexicographic
//! order", 2012, calls the neighbours' search "Multiple Lists".) Which is best is measured by
//! really coding: on runs of the sorted rows first, then on the whole row group.
//!
//! Portable files ([`best_by_column`]) are sorted only, by what their columns will store, and judged by
//! the columns' dictionary indices, each for itself; the writer encodes the row group in both orders.
//!
//! Everything here is deterministic, whatever the number of threads.

mod by_column;
mod improve;
mod keys;
mod metric;
pub(super) mod record;
mod sort;
mod sorted;
mod stored;
#[cfg(test)]
mod tests;
mod tour;
mod writing;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::FieldRef;
use rayon::prelude::*;

use crate::codec::{ErrorBound, Grid};

use super::error::Result;
use super::nested::NestedState;

pub(super) use by_column::best_by_column;
use keys::Key;
pub use record::RowOrderRecord;
pub(super) use sorted::MAX_SORTED_BY;
use sorted::sorted_by;
pub use writing::RowOrderReport;
pub(super) use writing::{Coding, ColumnPlan, Ordered, Ordering};

/// A column of a row group that is to be ordered.
struct OrderColumn<'a> {
    field: &'a FieldRef,
    /// What a column of lists or structs is coded by.
    nested: Option<&'a NestedState>,
    /// All rows of the row group.
    array: ArrayRef,
    /// The absolute bound in force; 0 is lossless.
    abs_bound: f64,
    /// What it is coded by.
    bound: ErrorBound,
    /// The grid that its values will be stored on; None where they are kept exactly.
    grid: Option<Grid>,
    /// Whether rows may be sorted by it: not by the row's own number.
    key: bool,
}

/// How rows were ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderMethod {
    /// As they came: no order was smaller.
    Kept,
    /// Sorted by the columns, one after the other.
    Lexicographic,
    /// Sorted by the columns, each to and fro, so that neighbouring runs meet at like values.
    Snake,
    /// A path from row to similar row, through rows sorted by the columns.
    Tour,
}

impl OrderMethod {
    /// The word that stands for it in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Lexicographic => "lexicographic",
            Self::Snake => "snake",
            Self::Tour => "tour",
        }
    }
}

/// An order of the rows, and what it is worth.
struct Chosen {
    /// The old position of each row in its new place; None where the rows stay as they are.
    permutation: Option<UInt32Array>,
    method: OrderMethod,
    /// The columns sorted by, most significant first: positions in the schema.
    columns: Vec<usize>,
    /// Bytes of the row group as it came, and as ordered.
    kept_bytes: u64,
    bytes: u64,
}

/// Whether rows are as they came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowsAre {
    Kept,
    Ordered,
}

/// What coding the columns takes, in bytes, if their rows are these.
type Cost<'a> = &'a (dyn Fn(&[ArrayRef], RowsAre) -> Result<u64> + Sync);

/// Values that are coded to judge a candidate, at most.
const SAMPLE_VALUES: usize = 4 << 20;
/// Runs of rows that the sample consists of.
const SAMPLE_RUNS: usize = 8;
const LEAST_RUN_ROWS: usize = 1024;

/// A tour is taken if it is smaller than a sorted order by this fraction, a snake than a plain one
/// by half of it: plain orders can be declared to readers and cost less time.
const WORTHWHILE: f64 = 0.01;

/// An order by which rows might be stored.
struct Candidate {
    method: OrderMethod,
    /// Positions among the keys.
    keys: Vec<usize>,
    rows: Vec<u32>,
    cost: f64,
}

/// Finds the order of the rows of `columns` (at least one, of the same length) that codes smallest.
/// Rows in the order that they came in would be written in row groups of `kept_rows`.
fn choose(columns: &[OrderColumn<'_>], kept_rows: usize, cost: Cost<'_>) -> Result<Chosen> {
    let arrays: Vec<ArrayRef> = columns.iter().map(|c| ArrayRef::clone(&c.array)).collect();
    let rows = arrays.first().map_or(0, |array| array.len());
    let kept_bytes = (0..rows)
        .step_by(kept_rows)
        .map(|first| {
            let rows = kept_rows.min(rows - first);
            let part: Vec<ArrayRef> = arrays.iter().map(|a| a.slice(first, rows)).collect();
            cost(&part, RowsAre::Kept)
        })
        .sum::<Result<u64>>()?;
    let kept = Chosen {
        permutation: None,
        method: OrderMethod::Kept,
        columns: Vec::new(),
        kept_bytes,
        bytes: kept_bytes,
    };
    let keys = keys::of(columns);
    if rows < 2 || keys.is_empty() {
        return Ok(kept);
    }
    let judge = |rows: &[u32]| sampled_cost(&arrays, rows, cost);
    let sorted = best_sorted(&keys, rows, &judge)?;
    let tour = tour::through(&keys, &sorted.rows);
    let tour = Candidate {
        cost: judge(&tour)?,
        method: OrderMethod::Tour,
        keys: sorted.keys.clone(),
        rows: tour,
    };
    let best = if tour.cost < sorted.cost * (1.0 - WORTHWHILE) {
        tour
    } else {
        sorted
    };
    let permutation = UInt32Array::from(best.rows);
    let bytes = cost(&permuted(&arrays, &permutation)?, RowsAre::Ordered)?;
    if bytes >= kept_bytes {
        return Ok(kept);
    }
    Ok(Chosen {
        permutation: Some(permutation),
        method: best.method,
        columns: best.keys.iter().map(|key| keys[*key].column).collect(),
        kept_bytes,
        bytes,
    })
}

/// The best of the sorted orders.
fn best_sorted(
    keys: &[Key],
    rows: usize,
    judge: &(dyn Fn(&[u32]) -> Result<f64> + Sync),
) -> Result<Candidate> {
    let orders = sort::column_orders(keys, rows);
    let plans: Vec<(OrderMethod, Vec<usize>)> = orders
        .into_iter()
        .flat_map(|order| {
            [
                (OrderMethod::Lexicographic, order.clone()),
                (OrderMethod::Snake, order),
            ]
        })
        .collect();
    let candidates: Vec<Candidate> = plans
        .into_par_iter()
        .map(|(method, order)| {
            let by: Vec<&Key> = order.iter().map(|key| &keys[*key]).collect();
            let all: Vec<u32> = (0..rows as u32).collect();
            let rows = match method {
                OrderMethod::Snake => sort::snake(&by, all),
                _ => sort::lexicographic(&by, all),
            };
            let handicap = match method {
                OrderMethod::Snake => 1.0 / (1.0 - WORTHWHILE / 2.0),
                _ => 1.0,
            };
            Ok(Candidate {
                cost: judge(&rows)? * handicap,
                method,
                keys: order,
                rows,
            })
        })
        .collect::<Result<_>>()?;
    let best = candidates
        .into_iter()
        .reduce(|best, other| if other.cost < best.cost { other } else { best });
    best.ok_or_else(|| super::FileError::invalid("no column to sort by"))
}

/// What the rows in this order cost, or some runs of them where they are many. The runs are of the
/// whole row group's order: a sample of rows, sorted, would have other neighbours.
fn sampled_cost(arrays: &[ArrayRef], rows: &[u32], cost: Cost<'_>) -> Result<f64> {
    let sample = UInt32Array::from(sample(rows, arrays.len()));
    Ok(cost(&permuted(arrays, &sample)?, RowsAre::Ordered)? as f64)
}

/// Runs of `rows` that are as many as can be coded to judge an order, of so many columns.
fn sample(rows: &[u32], columns: usize) -> Vec<u32> {
    let affordable = SAMPLE_VALUES / columns.max(1);
    let run = (affordable / SAMPLE_RUNS).max(LEAST_RUN_ROWS);
    if rows.len() <= run * SAMPLE_RUNS {
        return rows.to_vec();
    }
    let last_start = rows.len() - run;
    (0..SAMPLE_RUNS)
        .flat_map(|i| &rows[last_start * i / (SAMPLE_RUNS - 1)..][..run])
        .copied()
        .collect()
}

/// The rows of `arrays` at these positions.
pub(super) fn permuted(arrays: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
    arrays
        .par_iter()
        .map(|array| Ok(take(array.as_ref(), rows, None)?))
        .collect()
}
