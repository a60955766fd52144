//! One top-level column on its way to a packed file: from the arrays of a row group to its chunk, and
//! to what index and report are to know of it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, Schema};

use crate::codec::{Effort, ErrorBound, Grid, Search, ValueRange};

use super::best_encoding::{Paging, smallest_chunks};
use super::column::{element_type, is_float, raw_bytes};
use super::error::{FileError, Result};
use super::index::{Block, IndexColumn, OrdinaryColumn, PackedColumn};
use super::nested::{self, NestedChunks, NestedCoding, NestedState};
use super::options::WriterOptions;
use super::order::ColumnPlan;
use super::ordinary::{OrdinaryChunks, ordinary_chunks};
use super::packed::{PackedChunk, PreparedChunk};
use super::planning::ColumnCoding;
use super::report::ColumnReport;

/// One top-level column on its way to the file.
pub(super) struct Column {
    pub(super) field: FieldRef,
    state: State,
    /// Of the finite values seen.
    range: ValueRange,
    raw_bytes: u64,
    rows: u64,
    nulls: u64,
}

enum State {
    Packed {
        declared: Option<ValueRange>,
        index: PackedColumn,
    },
    Ordinary(OrdinaryColumn),
    Nested(NestedState),
}

/// A column of one row group, to be encoded.
pub(super) enum Prepared {
    Packed(PreparedChunk),
    Ordinary(ArrayRef),
    Nested(ArrayRef),
}

/// A column of one row group, encoded.
pub(super) enum Chunk {
    Packed(PackedChunk),
    Ordinary(OrdinaryChunks),
    Nested(NestedChunks),
}

impl Prepared {
    pub(super) fn packed(&self) -> Option<&PreparedChunk> {
        match self {
            Self::Packed(chunk) => Some(chunk),
            Self::Ordinary(_) | Self::Nested(_) => None,
        }
    }
}

impl Column {
    pub(super) fn new(field: &FieldRef, schema: &Schema, options: &WriterOptions) -> Self {
        let state = match element_type(field.data_type()) {
            None => match nested::leaves(field) {
                Some(leaves) => State::Nested(NestedState::new(leaves, schema, options)),
                None => State::Ordinary(OrdinaryColumn {
                    row_groups: Vec::new(),
                }),
            },
            Some(element) => {
                let default = if is_float(field.data_type()) {
                    options.default_bound()
                } else {
                    ErrorBound::Exact
                };
                let bound = options.bound_of(field.name()).unwrap_or(default);
                let declared = options.range_of(field.name());
                let index = PackedColumn {
                    element,
                    bound,
                    range: ValueRange::EMPTY,
                    range_declared: declared.is_some(),
                    abs_bounds: Vec::new(),
                    max_error: 0.0,
                    row_groups: Vec::new(),
                    references: Vec::new(),
                };
                State::Packed { declared, index }
            }
        };
        Self {
            field: Arc::clone(field),
            state,
            range: ValueRange::EMPTY,
            raw_bytes: 0,
            rows: 0,
            nulls: 0,
        }
    }

    /// What ordering its rows needs to know; whether they may be sorted by it is `key`.
    pub(super) fn plan(&self, key: bool) -> ColumnPlan<'_> {
        let (bound, declared) = match &self.state {
            State::Packed { declared, index } => (index.bound, *declared),
            State::Ordinary(_) | State::Nested(_) => (ErrorBound::Exact, None),
        };
        ColumnPlan {
            field: &self.field,
            nested: match &self.state {
                State::Nested(state) => Some(state),
                State::Packed { .. } | State::Ordinary(_) => None,
            },
            bound,
            declared,
            // Rows go with their vectors, not by them.
            key: key && !matches!(self.state, State::Nested(_)),
        }
    }

    /// The blocks of the last row group, of a packed column.
    pub(super) fn last_blocks(&self) -> Option<&[Block]> {
        match &self.state {
            State::Packed { index, .. } => index.row_groups.last().map(Vec::as_slice),
            State::Ordinary(_) | State::Nested(_) => None,
        }
    }

    pub(super) fn prepare(
        &mut self,
        array: ArrayRef,
        block_rows: usize,
        grid: Option<Grid>,
    ) -> Result<Prepared> {
        self.raw_bytes += raw_bytes(&array);
        self.rows += array.len() as u64;
        self.nulls += array.null_count() as u64;
        let (declared, index) = match &mut self.state {
            State::Packed { declared, index } => (declared, index),
            State::Ordinary(_) => return Ok(Prepared::Ordinary(array)),
            State::Nested(_) => return Ok(Prepared::Nested(array)),
        };
        let chunk = PreparedChunk::new(array, index.bound, *declared, block_rows, grid)
            .map_err(|error| error.at(format!("column {:?}", self.field.name())))?;
        self.range = self.range.union(&chunk.range);
        index.range = declared.unwrap_or(self.range);
        // A bound that never changes is stored once.
        let varies = match index.bound {
            ErrorBound::Psnr(_) => true,
            bound => bound.needs_range() && declared.is_none(),
        };
        if index.abs_bounds.is_empty() || varies {
            index.abs_bounds.extend(chunk.abs_bound);
        }
        Ok(Prepared::Packed(chunk))
    }

    pub(super) fn encode(
        &mut self,
        prepared: &Prepared,
        coding: ColumnCoding<'_>,
        block_rows: usize,
        search: Search,
    ) -> Result<Chunk> {
        let named = |error: FileError| error.at(format!("column {:?}", self.field.name()));
        match (prepared, &mut self.state) {
            (Prepared::Packed(prepared), State::Packed { index, .. }) => {
                let mut chunk = prepared.encode(&self.field, &coding).map_err(named)?;
                index.max_error = index.max_error.max(chunk.max_error);
                index.row_groups.push(std::mem::take(&mut chunk.blocks));
                index.references.push(std::mem::take(&mut chunk.references));
                Ok(Chunk::Packed(chunk))
            }
            (Prepared::Ordinary(array), State::Ordinary(index)) => {
                let array = std::slice::from_ref(array);
                let chunks = match coding.effort {
                    Effort::Fast => ordinary_chunks(&self.field, array, block_rows),
                    _ => smallest_chunks(&self.field, array, Paging::Rows(block_rows)),
                };
                let mut chunks = chunks.map_err(named)?;
                let pages = chunks
                    .leaves
                    .iter_mut()
                    .map(|leaf| std::mem::take(&mut leaf.pages));
                index.row_groups.push(pages.collect());
                Ok(Chunk::Ordinary(chunks))
            }
            (Prepared::Nested(array), State::Nested(state)) => {
                let coding = NestedCoding {
                    block_rows,
                    effort: coding.effort,
                    search,
                };
                Ok(Chunk::Nested(state.encode(&self.field, array, coding)?))
            }
            _ => Err(FileError::invalid("a column changed its kind")),
        }
    }

    /// What became of the column at position `column`.
    pub(super) fn reports(&self, column: usize) -> Vec<ColumnReport> {
        let whole = self.report(column);
        match &self.state {
            State::Nested(state) => state.reports(whole),
            State::Packed { .. } | State::Ordinary(_) => vec![whole],
        }
    }

    fn report(&self, column: usize) -> ColumnReport {
        let (bound, abs_bound, max_error, outliers, packed_bytes, range_declared) =
            match &self.state {
                State::Packed { declared, index } => {
                    let bound = index.bound;
                    let largest = index.abs_bounds.iter().copied().reduce(f64::max);
                    let lossy = is_float(self.field.data_type()) && !bound.is_exact();
                    let declared = declared.is_some() || !bound.needs_range();
                    (
                        Some(bound),
                        largest.filter(|_| lossy),
                        index.max_error,
                        index.outliers(),
                        index.packed_bytes(),
                        declared,
                    )
                }
                State::Ordinary(index) => (None, None, 0.0, 0, index.bytes(), true),
                State::Nested(_) => (None, None, 0.0, 0, 0, true),
            };
        ColumnReport {
            column,
            name: self.field.name().clone(),
            data_type: self.field.data_type().clone(),
            bound,
            abs_bound,
            range: self.range,
            range_declared,
            dimensions: 0,
            max_error,
            outliers,
            nulls: self.nulls,
            values: self.rows - self.nulls,
            raw_bytes: self.raw_bytes,
            packed_bytes,
        }
    }

    pub(super) fn into_index(self) -> IndexColumn {
        match self.state {
            State::Packed { index, .. } => IndexColumn::Packed(index),
            State::Ordinary(index) => IndexColumn::Ordinary(index),
            State::Nested(state) => IndexColumn::Nested(state.into_index()),
        }
    }
}
