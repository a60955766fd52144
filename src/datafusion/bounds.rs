//! What files promise of their columns, told in the fields of a table.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;

use tolerant_udfs::bounds::ColumnBound;

use crate::codec::{ErrorBound, ValueRange};
use crate::file::{ColumnPromise, IndexColumn, Layout, PackedColumn, Promises, is_float};

/// What a file promises of a column.
#[derive(Debug, Clone, Copy)]
struct Promise {
    absolute: f64,
    pointwise: f64,
    /// None where only a range between quantiles is known.
    range: Option<ValueRange>,
}

impl Promise {
    const EXACT: Promise = Promise {
        absolute: 0.0,
        pointwise: 0.0,
        range: None,
    };

    fn packed(column: &PackedColumn) -> Self {
        let pointwise = match column.bound {
            ErrorBound::PointwiseRel(ratio) => ratio,
            _ => 0.0,
        };
        let robust = matches!(column.bound, ErrorBound::RobustRel { .. });
        Self {
            absolute: column.abs_bounds.iter().copied().fold(0.0, f64::max),
            pointwise,
            range: (!robust).then_some(column.range),
        }
    }

    fn portable(promise: &ColumnPromise, row_groups: usize) -> Self {
        let bounds = (0..row_groups).map(|i| promise.abs_bound(i));
        Self {
            absolute: bounds.fold(0.0, f64::max),
            pointwise: 0.0,
            range: Some(promise.range()),
        }
    }

    /// What holds of a column that is partly the one, partly the other.
    fn union(self, other: Self) -> Self {
        let ranges = self.range.zip(other.range);
        Self {
            absolute: self.absolute.max(other.absolute),
            pointwise: self.pointwise.max(other.pointwise),
            range: ranges.map(|(one, other)| one.union(&other)),
        }
    }

    fn bound(&self) -> ColumnBound {
        let known = self.range.filter(|range| !range.is_empty());
        ColumnBound {
            absolute: self.absolute,
            pointwise: self.pointwise,
            value_range: known.map(|range| range.max - range.min),
        }
    }
}

/// What a file promises of its top-level columns; of nested ones it says nothing.
pub(super) struct FileBounds(Vec<(String, Promise)>);

impl FileBounds {
    pub(super) fn packed(layout: &Layout) -> Self {
        let columns = layout.schema().fields().iter().zip(&layout.index().columns);
        let bounds = columns.filter(|(field, _)| !field.data_type().is_nested());
        let bounds = bounds.map(|(field, column)| {
            let promise = match column {
                IndexColumn::Packed(column) => Promise::packed(column),
                // Nested ones do not come here.
                IndexColumn::Ordinary(_) | IndexColumn::Nested(_) => Promise::EXACT,
            };
            (field.name().clone(), promise)
        });
        Self(bounds.collect())
    }

    pub(super) fn portable(promises: &Promises, schema: &Schema, row_groups: usize) -> Self {
        let mut floats = promises.columns.iter();
        let fields = schema.fields().iter();
        let bounds = fields.filter(|field| !field.data_type().is_nested());
        let bounds = bounds.filter_map(|field| {
            let promise = if is_float(field.data_type()) {
                Promise::portable(floats.next()?, row_groups)
            } else {
                Promise::EXACT
            };
            Some((field.name().clone(), promise))
        });
        Self(bounds.collect())
    }

    /// An ordinary file's, of which nothing is known. Beside files of ours it counts as its own
    /// original.
    pub(super) fn ordinary() -> Self {
        Self(Vec::new())
    }
}

/// The schema of a table of several files, its fields saying what holds of all of them.
pub(super) fn attach(schema: Schema, files: &[FileBounds]) -> Schema {
    let mut promises: HashMap<&str, Promise> = HashMap::new();
    for (name, promise) in files.iter().flat_map(|file| &file.0) {
        let all = promises.entry(name).or_insert(*promise);
        *all = all.union(*promise);
    }
    let ordinary = files.iter().any(|file| file.0.is_empty());
    let fields = schema.fields().iter().map(|field| {
        let Some(mut promise) = promises.get(field.name().as_str()).copied() else {
            return Arc::clone(field);
        };
        if ordinary {
            promise.range = None;
        }
        Arc::new(promise.bound().attach(field))
    });
    let fields: Vec<_> = fields.collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// The schema without what [`attach`] said: what is true of one table's columns is not of a copy's.
pub(crate) fn without(schema: &Schema) -> Schema {
    let fields = schema
        .fields()
        .iter()
        .map(|field| match ColumnBound::of(field) {
            Some(_) => Arc::new(ColumnBound::detach(field)),
            None => Arc::clone(field),
        });
    let fields: Vec<_> = fields.collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}
