//! Tolerant, with one bound for all columns.

use arrow::array::RecordBatch;

use crate::codec::{CodecError, Effort, ErrorBound, absolute_bound};
use crate::file::{FileLayout, RowOrder, finite_range};

use super::super::error::{Result, TuneError};
use super::super::method::{Family, Reduced, Reduction};
use super::super::stored::{Storage, stored};

/// Value-range relative bounds.
const BOUNDS: [&str; 10] = [
    "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.02", "0.05", "0.1", "0.2", "0.4",
];

struct Tolerant {
    name: &'static str,
    layout: FileLayout,
    row_order: RowOrder,
}

pub(super) fn methods() -> Vec<Box<dyn Reduction>> {
    let (packed, portable) = (FileLayout::Packed, FileLayout::Portable);
    [
        ("tolerant-packed", packed, RowOrder::Keep),
        ("tolerant-packed-any", packed, RowOrder::Any),
        ("tolerant-portable", portable, RowOrder::Keep),
        ("tolerant-portable-any", portable, RowOrder::Any),
    ]
    .into_iter()
    .map(|(name, layout, row_order)| {
        let method = Tolerant {
            name,
            layout,
            row_order,
        };
        Box::new(method) as Box<dyn Reduction>
    })
    .collect()
}

impl Reduction for Tolerant {
    fn name(&self) -> &str {
        self.name
    }

    fn family(&self) -> Family {
        Family::ErrorBounded
    }

    fn parameters(&self) -> Vec<String> {
        BOUNDS.map(|bound| format!("rel:{bound}")).to_vec()
    }

    fn reduce(
        &self,
        table: &RecordBatch,
        lossy: &[usize],
        parameter: &str,
        _: u64,
    ) -> Result<Reduced> {
        let bound: ErrorBound = parameter
            .parse()
            .map_err(|error: CodecError| TuneError::method(self.name, error.to_string()))?;
        if !matches!(bound, ErrorBound::Rel(_) | ErrorBound::Abs(_)) {
            let what = format!("{parameter}: write rel:R or abs:E");
            return Err(TuneError::method(self.name, what));
        }
        let absolute = |&i: &usize| (i, absolute_bound(bound, finite_range(table.column(i))));
        let bounds: Vec<(usize, f64)> = lossy.iter().map(absolute).collect();
        let storage = Storage {
            layout: self.layout,
            row_order: self.row_order,
            effort: Effort::Balanced,
        };
        stored(table, &bounds, storage)
    }
}
