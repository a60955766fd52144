//! The ranges that the bounds of an input are relative to: which are needed, where they are found,
//! and whether the values bear them out.

use crate::codec::{ErrorBound, ValueRange};
use crate::file::{ColumnReport, WriterOptions, is_float};

use super::compress::{CompressOptions, Phase, Progress, counted};
use super::error::Result;
use super::input::Input;
use super::leaves::{self, LeafRange};
use super::quantiles::{self, Wanted};
use super::ranges;

/// Ranges over all of an input.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ranges {
    /// Of float columns by position (ascending), between their smallest and largest value.
    pub(crate) columns: Vec<(usize, ValueRange)>,
    /// Of float columns by position, between two quantiles.
    pub(crate) quantiles: Vec<(usize, ValueRange)>,
    pub(crate) leaves: Vec<LeafRange>,
}

impl Ranges {
    /// Finds all that `options` need, reading `input` where its files do not declare it.
    pub(super) fn find(
        input: &Input,
        options: &CompressOptions,
        progress: &(dyn Fn(Progress) -> Result<()> + Sync),
    ) -> Result<Self> {
        let mut found = Self::declared(input, options);
        let unknown = unknown_columns(input, options);
        found.add(Self::read(input, options, &unknown, progress)?);
        found.quantiles = read_quantiles(input, options, progress)?;
        Ok(found)
    }

    /// Those that the input's files declare.
    pub(super) fn declared(input: &Input, options: &CompressOptions) -> Self {
        let known = input.known_ranges();
        let columns = relative_columns(input, options);
        let columns = columns.filter_map(|column| Some((column, known[column]?)));
        Self {
            columns: columns.collect(),
            ..Self::default()
        }
    }

    /// Reads those of `columns`, and of the leaves that `options` need.
    pub(super) fn read(
        input: &Input,
        options: &CompressOptions,
        columns: &[usize],
        progress: &(dyn Fn(Progress) -> Result<()> + Sync),
    ) -> Result<Self> {
        let found = match columns {
            [] => Vec::new(),
            _ => ranges::read(input, columns, &counted(input, Phase::Ranges, progress))?,
        };
        let leaves = leaves::read(input, options, &counted(input, Phase::Ranges, progress))?;
        Ok(Self {
            columns: columns.iter().copied().zip(found).collect(),
            quantiles: Vec::new(),
            leaves,
        })
    }

    /// Adds the ranges of other columns, or those of the same in another part of the dataset.
    pub(super) fn add(&mut self, part: Self) {
        for (column, range) in part.columns {
            match self.columns.binary_search_by_key(&column, |known| known.0) {
                Ok(at) => self.columns[at].1 = self.columns[at].1.union(&range),
                Err(at) => self.columns.insert(at, (column, range)),
            }
        }
        leaves::join_parts(&mut self.leaves, part.leaves);
    }

    /// Statistics are another program's word. Where the values that were written do not bear them
    /// out, the promise would be another than the one asked for: these are the ranges to take then.
    pub(super) fn corrected<'a>(
        &self,
        reports: impl Iterator<Item = &'a ColumnReport>,
    ) -> Option<Self> {
        let empty = |(column, _): &(usize, _)| (*column, ValueRange::EMPTY);
        let mut seen: Vec<(usize, ValueRange)> = self.columns.iter().map(empty).collect();
        for report in reports {
            if let Ok(at) = seen.binary_search_by_key(&report.column, |seen| seen.0) {
                seen[at].1 = seen[at].1.union(&report.range);
            }
        }
        let differs = seen.iter().zip(&self.columns).any(|(seen, declared)| {
            seen != declared && !(seen.1.is_empty() && declared.1.is_empty())
        });
        differs.then(|| Self {
            columns: seen,
            ..self.clone()
        })
    }

    /// The options with these ranges.
    pub(super) fn declare(&self, input: &Input, mut options: WriterOptions) -> WriterOptions {
        for (column, range) in self.quantiles.iter().chain(&self.columns) {
            options = options.with_column_range(input.schema().field(*column).name(), *range);
        }
        for leaf in &self.leaves {
            options = leaf.declare(options);
        }
        options
    }
}

/// The columns whose range no statistics declare, but that need one.
pub(super) fn unknown_columns(input: &Input, options: &CompressOptions) -> Vec<usize> {
    let known = input.known_ranges();
    relative_columns(input, options)
        .filter(|column| known[*column].is_none())
        .collect()
}

pub(super) fn read_quantiles(
    input: &Input,
    options: &CompressOptions,
    progress: &(dyn Fn(Progress) -> Result<()> + Sync),
) -> Result<Vec<(usize, ValueRange)>> {
    let robust = robust_columns(input, options);
    let report = counted(input, Phase::Quantiles, progress);
    let found = quantiles::read(input, &robust, &report)?;
    Ok(robust.iter().map(|wanted| wanted.0).zip(found).collect())
}

/// The float columns whose bound depends on their smallest and largest value.
fn relative_columns<'a>(
    input: &'a Input,
    options: &'a CompressOptions,
) -> impl Iterator<Item = usize> + 'a {
    bounds_of_floats(input, options)
        .filter(|(_, bound)| bound.needs_range())
        .filter(|(_, bound)| !matches!(bound, ErrorBound::RobustRel { .. }))
        .map(|(column, _)| column)
}

/// The float columns whose bound depends on quantiles.
fn robust_columns(input: &Input, options: &CompressOptions) -> Vec<Wanted> {
    bounds_of_floats(input, options)
        .filter_map(|(column, bound)| match bound {
            ErrorBound::RobustRel { low, high, .. } if !bound.is_exact() => {
                Some((column, low, high))
            }
            _ => None,
        })
        .collect()
}

fn bounds_of_floats<'a>(
    input: &'a Input,
    options: &'a CompressOptions,
) -> impl Iterator<Item = (usize, ErrorBound)> + 'a {
    let fields = input.schema().fields().iter().enumerate();
    let floats = fields.filter(|(_, field)| is_float(field.data_type()));
    floats.map(|(index, field)| {
        let mut own = options.columns.iter();
        let own = own.find(|(name, _)| name == field.name());
        (index, own.map_or(options.bound, |(_, bound)| *bound))
    })
}
