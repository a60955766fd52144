//! The plans of a row group's packed columns, made of the integers of all of them.

use std::borrow::Cow;

use crate::codec::{self, Effort, Plan, Search};

use super::packed::PreparedChunk;

/// Plans, and the integers that they were made of.
pub(super) struct Planned<'a> {
    plans: Vec<Plan>,
    integers: Vec<Option<Vec<Cow<'a, [i32]>>>>,
}

/// How one column is to be coded.
pub(super) struct ColumnCoding<'a> {
    pub(super) plan: &'a Plan,
    /// The integers of the plan's columns, block by block.
    pub(super) references: Vec<&'a [Cow<'a, [i32]>]>,
    pub(super) effort: Effort,
}

impl<'a> Planned<'a> {
    /// Plans `chunks`, one for each column; None for ordinary ones.
    pub(super) fn new(chunks: &[Option<&'a PreparedChunk>], search: Search) -> Self {
        use rayon::prelude::*;
        let integers: Vec<_> = chunks
            .par_iter()
            .map(|chunk| (*chunk)?.integers())
            .collect();
        let pieces: Vec<Option<Vec<&[i32]>>> = integers
            .iter()
            .map(|blocks| Some(blocks.as_ref()?.iter().map(|block| &**block).collect()))
            .collect();
        let plans = codec::plan(&pieces, search);
        Self { plans, integers }
    }

    pub(super) fn coding(&self, column: usize, effort: Effort) -> ColumnCoding<'_> {
        let plan = &self.plans[column];
        let references = plan.references.iter();
        let references: Option<Vec<_>> = references.map(|i| self.integers[*i].as_deref()).collect();
        ColumnCoding {
            plan,
            // Plans refer to columns that have integers.
            references: references.unwrap_or_default(),
            effort,
        }
    }
}
