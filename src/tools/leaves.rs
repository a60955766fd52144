//! Ranges of floats in lists and structs over all of an input.

use std::sync::{Mutex, PoisonError};

use arrow::array::ArrayRef;

use crate::codec::{ErrorBound, ValueRange};
use crate::file::{FileError, FileLayout, FloatLeaf, VectorRange, WriterOptions};

use super::compress::CompressOptions;
use super::error::{Result, ToolError};
use super::input::Input;
use super::ranges::for_each_batch;

/// The range of a leaf over all of an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LeafRange {
    pub(crate) name: String,
    /// One, or one for each dimension.
    pub(crate) ranges: Vec<ValueRange>,
    pub(crate) by_dimension: bool,
}

impl LeafRange {
    pub(super) fn declare(&self, options: WriterOptions) -> WriterOptions {
        match (self.by_dimension, self.ranges.first()) {
            (true, _) => options.with_dimension_ranges(&self.name, self.ranges.clone()),
            (false, Some(range)) => options.with_column_range(&self.name, *range),
            (false, None) => options,
        }
    }
}

/// Joins what was found in one part of a dataset to what was found in those before.
pub(super) fn join_parts(all: &mut Vec<LeafRange>, part: Vec<LeafRange>) {
    if all.is_empty() {
        *all = part;
        return;
    }
    for (all, part) in all.iter_mut().zip(part) {
        join(&mut all.ranges, part.ranges);
    }
}

/// Reads the ranges that bounds of leaves are relative to; `progress` gets the rows of each batch.
///
/// A range between quantiles is not sought: each row group takes its own.
pub(super) fn read(
    input: &Input,
    options: &CompressOptions,
    progress: &(dyn Fn(u64) -> Result<()> + Sync),
) -> Result<Vec<LeafRange>> {
    let leaves = wanted(input, options);
    if leaves.is_empty() {
        return Ok(Vec::new());
    }
    let mut columns: Vec<usize> = leaves.iter().map(|leaf| leaf.column).collect();
    columns.dedup();
    let by_dimension = options.vector_range == VectorRange::Dimension;
    let found: Vec<Mutex<Vec<ValueRange>>> = leaves.iter().map(|_| Mutex::default()).collect();
    for_each_batch(input, &columns, |batch| {
        for (leaf, found) in leaves.iter().zip(&found) {
            // Columns are read in their order, which is that of the leaves.
            let Some(array) = columns
                .iter()
                .position(|column| *column == leaf.column)
                .map(|at| batch.column(at))
            else {
                continue;
            };
            let ranges = ranges(leaf, array, by_dimension)
                .map_err(|error| ToolError::file(&options.output, error))?;
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            join(&mut found, ranges);
        }
        progress(batch.num_rows() as u64)
    })?;
    let found = found.into_iter();
    let found = found.map(|ranges| ranges.into_inner().unwrap_or_else(PoisonError::into_inner));
    let all = leaves.iter().zip(found).map(|(leaf, ranges)| LeafRange {
        name: leaf.name.clone(),
        by_dimension: by_dimension && leaf.dimensions > 1,
        ranges: match ranges.is_empty() {
            true => vec![ValueRange::EMPTY; if by_dimension { leaf.dimensions } else { 1 }],
            false => ranges,
        },
    });
    Ok(all.collect())
}

/// Whether there is anything for [`read`] to find.
pub(super) fn are_wanted(input: &Input, options: &CompressOptions) -> bool {
    !wanted(input, options).is_empty()
}

/// The leaves whose bounds are relative to a range, as far as they have a name of their own.
fn wanted(input: &Input, options: &CompressOptions) -> Vec<FloatLeaf> {
    if options.layout == FileLayout::Portable {
        return Vec::new();
    }
    let leaves = FloatLeaf::of(input.schema());
    let own_name = |leaf: &FloatLeaf| {
        leaf.names.first() == Some(&leaf.name)
            && leaves
                .iter()
                .filter(|other| other.name == leaf.name)
                .count()
                == 1
    };
    let relative = |leaf: &FloatLeaf| {
        let bound = leaf.names.iter().find_map(|name| {
            let mut own = options.columns.iter();
            own.find(|(other, _)| other == name)
                .map(|(_, bound)| *bound)
        });
        let bound = bound.unwrap_or(options.bound);
        bound.needs_range() && !matches!(bound, ErrorBound::RobustRel { .. })
    };
    let wanted = leaves
        .iter()
        .filter(|leaf| own_name(leaf) && relative(leaf));
    wanted.cloned().collect()
}

fn ranges(
    leaf: &FloatLeaf,
    array: &ArrayRef,
    by_dimension: bool,
) -> std::result::Result<Vec<ValueRange>, FileError> {
    match by_dimension && leaf.dimensions > 1 {
        true => leaf.dimension_ranges(array),
        false => Ok(vec![leaf.finite_range(array)?]),
    }
}

fn join(all: &mut Vec<ValueRange>, ranges: Vec<ValueRange>) {
    if all.is_empty() {
        *all = ranges;
        return;
    }
    for (all, range) in all.iter_mut().zip(ranges) {
        *all = all.union(&range);
    }
}
