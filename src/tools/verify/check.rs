//! The check of one column, flat or nested.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use super::ColumnVerdict;
use super::any_order::ColumnPair;
use super::column::{Chunk, ColumnCheck};
use super::nested::NestedCheck;

/// The check of one column.
pub(super) enum Check {
    Flat(ColumnCheck),
    Nested(NestedCheck),
}

impl Check {
    /// Positions of the column in the original and in the packed file.
    pub(super) fn columns(&self) -> (usize, usize) {
        match self {
            Self::Flat(check) => (check.original, check.packed),
            Self::Nested(check) => (check.original, check.packed),
        }
    }

    pub(super) fn check(&mut self, chunk: &Chunk<'_>) -> Result<(), ArrowError> {
        match self {
            Self::Flat(check) => check.check(chunk),
            Self::Nested(check) => check.check(chunk),
        }
    }

    /// What rows in any order are matched by.
    pub(super) fn keys(
        &self,
        original: &ArrayRef,
        stored: &ArrayRef,
        row_group: usize,
    ) -> Result<Vec<ColumnPair>, ArrowError> {
        let keys = match self {
            Self::Flat(check) => {
                let (original, stored) = (Arc::clone(original), Arc::clone(stored));
                vec![(original, stored, check.stored_bound(row_group))]
            }
            Self::Nested(check) => check.keys(original, stored, row_group)?,
        };
        let pair = |(original, stored, bound)| ColumnPair {
            original,
            stored,
            bound,
        };
        Ok(keys.into_iter().map(pair).collect())
    }

    pub(super) fn finish(self) -> Vec<ColumnVerdict> {
        match self {
            Self::Flat(check) => vec![check.finish()],
            Self::Nested(check) => check.finish(),
        }
    }
}

impl ColumnVerdict {
    /// One verdict on two dimensions of the same vectors.
    pub(super) fn joined(self, other: Self) -> Self {
        let range = match (self.range, other.range) {
            (Some(a), Some(b)) => Some([a[0].min(b[0]), a[1].max(b[1])]),
            (a, b) => a.or(b),
        };
        let abs_bound = match (self.abs_bound, other.abs_bound) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        Self {
            range,
            abs_bound,
            max_error: self.max_error.max(other.max_error),
            violations: self.violations + other.violations,
            bound_exceeded: self.bound_exceeded + other.bound_exceeded,
            changed_nulls: self.changed_nulls + other.changed_nulls,
            changed_nan: self.changed_nan + other.changed_nan,
            changed_inf: self.changed_inf + other.changed_inf,
            changed_signed_zeros: self.changed_signed_zeros + other.changed_signed_zeros,
            changed_values: self.changed_values + other.changed_values,
            first_violation: self.first_violation.or(other.first_violation),
            problem: self.problem.or(other.problem),
            ..other
        }
    }
}
