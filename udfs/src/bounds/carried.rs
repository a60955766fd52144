//! What is promised of a column, carried through plans by its Arrow field.
//!
//! The carrier is an extension type rather than a metadata key of our own because DataFusion takes
//! extension types off the fields of casts, which may lose precision beyond the bound, and leaves
//! other metadata on them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::optimizer::AnalyzerRule;
use datafusion::prelude::SessionContext;

use super::marked::MarkBounds;

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
    pub fn attach(&self, field: &Field) -> Field {
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

    /// The field, saying nothing of its column.
    pub fn detach(field: &Field) -> Field {
        let mut field = field.clone();
        if field.extension_type_name() == Some(BOUNDED) {
            field.metadata_mut().remove(EXTENSION_TYPE_NAME_KEY);
            field.metadata_mut().remove(EXTENSION_TYPE_METADATA_KEY);
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
/// fields of its tables, from the moment it has: [`register_all`](crate::register_all) puts it there. It is not
/// told unasked, because tools that are handed the results take an extension type for a type of its
/// own.
#[derive(Debug)]
pub struct CarryBounds;

impl CarryBounds {
    /// Puts it there, and has the analyzer hand the bounds to the functions that take them.
    pub fn enable(ctx: &SessionContext) {
        let state = ctx.state_ref();
        let mut state = state.write();
        state.config_mut().set_extension(Arc::new(Self));
        let mut rules = state.analyzer().rules.iter();
        if !rules.any(|rule| rule.name() == MarkBounds.name()) {
            state.add_analyzer_rule(Arc::new(MarkBounds));
        }
    }
}
