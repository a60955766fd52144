//! What is promised of a column, carried through plans by its Arrow field.
//!
//! The carrier is an extension type rather than a metadata key of our own because DataFusion takes
//! extension types off the fields of casts, which may lose precision beyond the bound, and leaves
//! other metadata on them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::prelude::SessionContext;

use crate::codec::{ErrorBound, ValueRange};
use crate::file::{ColumnPromise, IndexColumn, Layout, PackedColumn, Promises, is_float};

/// Arrow's keys for extension types.
const EXTENSION_TYPE_NAME_KEY: &str = "ARROW:extension:name";
const EXTENSION_TYPE_METADATA_KEY: &str = "ARROW:extension:metadata";

/// The name of the extension type.
pub const BOUNDED: &str = "tolerant.bounded";

/// How far the values of a column may be from the original's: `|x - x'| <= absolute` or
/// `|x - x'| <= pointwise * |x|`, whichever is more. NaN and infinities are the original's own.
///
/// Written `exact`, `abs:E`, `pwrel:R` or `abs:E pwrel:R`, each with ` range:W` where the width of
/// the value range is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnBound {
    /// In the column's unit.
    pub absolute: f64,
    /// A fraction of each value, less than 1.
    pub pointwise: f64,
    /// max - min of the original's finite values.
    pub value_range: Option<f64>,
}

impl ColumnBound {
    /// The bound of a column whose values are the original's, bit for bit.
    pub const EXACT: ColumnBound = ColumnBound {
        absolute: 0.0,
        pointwise: 0.0,
        value_range: None,
    };

    /// What a field says of its column; None where nothing is known.
    pub fn of(field: &Field) -> Option<Self> {
        (field.extension_type_name() == Some(BOUNDED))
            .then(|| field.extension_type_metadata()?.parse().ok())
            .flatten()
    }

    pub fn is_exact(&self) -> bool {
        self.absolute == 0.0 && self.pointwise == 0.0
    }

    /// The field, saying this of its column. A field that has an extension type keeps it.
    pub(super) fn attach(&self, field: &Field) -> Field {
        let mut field = field.clone();
        if field.extension_type_name().is_none() {
            let entries = [
                (EXTENSION_TYPE_NAME_KEY.to_owned(), BOUNDED.to_owned()),
                (EXTENSION_TYPE_METADATA_KEY.to_owned(), self.to_string()),
            ];
            field.metadata_mut().extend(entries);
        }
        field
    }
}

impl fmt::Display for ColumnBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.absolute, self.pointwise) {
            (0.0, 0.0) => f.write_str("exact")?,
            (absolute, 0.0) => write!(f, "abs:{absolute:?}")?,
            (0.0, pointwise) => write!(f, "pwrel:{pointwise:?}")?,
            (absolute, pointwise) => write!(f, "abs:{absolute:?} pwrel:{pointwise:?}")?,
        }
        match self.value_range {
            Some(width) => write!(f, " range:{width:?}"),
            None => Ok(()),
        }
    }
}

impl FromStr for ColumnBound {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bound = Self::EXACT;
        let number = |digits: &str| digits.parse::<f64>().ok().filter(|x| *x >= 0.0).ok_or(());
        for word in text.split(' ') {
            match word.split_once(':') {
                Some(("abs", digits)) => bound.absolute = number(digits)?,
                Some(("pwrel", digits)) => bound.pointwise = number(digits)?,
                Some(("range", digits)) => bound.value_range = Some(number(digits)?),
                None if word == "exact" => {}
                _ => return Err(()),
            }
        }
        Ok(bound)
    }
}

/// A session that has this among its configuration's extensions tells the bounds of columns in the
/// fields of its tables, from the moment it has: `tolerant_udfs::register_all` puts it there. It is not
/// told unasked, because tools that are handed the results take an extension type for a type of its
/// own.
#[derive(Debug)]
pub struct CarryBounds;

impl CarryBounds {
    /// Puts it there.
    pub fn enable(ctx: &SessionContext) {
        let state = ctx.state_ref();
        state.write().config_mut().set_extension(Arc::new(Self));
    }
}

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
pub(super) fn without(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        if field.extension_type_name() != Some(BOUNDED) {
            return Arc::clone(field);
        }
        let mut field = field.as_ref().clone();
        field.metadata_mut().remove(EXTENSION_TYPE_NAME_KEY);
        field.metadata_mut().remove(EXTENSION_TYPE_METADATA_KEY);
        Arc::new(field)
    });
    let fields: Vec<_> = fields.collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}
