//! What Tolerant makes of a table: a file as it will be, and the table that is read from it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;

use crate::codec::{Effort, ErrorBound};
use crate::file::{
    FileError, FileLayout, PortableWriter, ReaderBuilder, RowOrder, Writer, WriterOptions,
};

use super::error::Result;
use super::hash::row_hashes;
use super::method::Reduced;

/// How files are written, bounds aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    pub layout: FileLayout,
    pub row_order: RowOrder,
    pub effort: Effort,
}

impl Storage {
    pub(super) fn identity(&self) -> String {
        format!("{:?} {:?} {:?}", self.layout, self.row_order, self.effort)
    }
}

/// Writes `table` with these absolute bounds, by positions of columns, and all else exactly; reads it back.
///
/// The bytes are those of the file as it will be. Where that has its rows in another order, and a file that
/// keeps the order holds the very same rows, those are given back: for a model the order means nothing, but
/// two models that draw the same rows for the same seed differ less by chance.
///
/// # Errors
/// When the table cannot be written.
pub(super) fn stored(
    table: &RecordBatch,
    bounds: &[(usize, f64)],
    storage: Storage,
) -> Result<Reduced> {
    let reduced = written(table, bounds, storage)?;
    if storage.row_order == RowOrder::Keep {
        return Ok(reduced);
    }
    let kept = Storage {
        row_order: RowOrder::Keep,
        effort: Effort::Fast,
        ..storage
    };
    let kept = written(table, bounds, kept)?.table;
    let sorted = |table: &RecordBatch| {
        let mut hashes = row_hashes(table, "order")?;
        hashes.sort_unstable();
        Ok::<_, super::TuneError>(hashes)
    };
    if sorted(&kept)? == sorted(&reduced.table)? {
        return Ok(Reduced {
            table: kept,
            bytes: reduced.bytes,
        });
    }
    Ok(reduced)
}

/// The file of `table`, and what is read from it.
fn written(table: &RecordBatch, bounds: &[(usize, f64)], storage: Storage) -> Result<Reduced> {
    let schema = table.schema();
    let mut options = WriterOptions::new()
        .with_bound(ErrorBound::Exact)
        .with_effort(storage.effort)
        .with_row_order(storage.row_order);
    for (column, bound) in bounds.iter().filter(|(_, bound)| *bound > 0.0) {
        let name = schema.field(*column).name();
        let bound = ErrorBound::abs(*bound).map_err(FileError::from)?;
        options = options.with_column_bound(name, bound);
    }
    let bytes = match storage.layout {
        FileLayout::Packed => {
            let mut writer = Writer::try_new(Vec::new(), Arc::clone(&schema), options)?;
            writer.write(table)?;
            writer.close()?.0
        }
        FileLayout::Portable => {
            let mut writer = PortableWriter::try_new(Vec::new(), Arc::clone(&schema), options)?;
            writer.write(table)?;
            writer.close()?.0
        }
    };
    let len = bytes.len() as u64;
    let reader = ReaderBuilder::new(Arc::new(Bytes::from(bytes)))?.build()?;
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    let read = match batches.first() {
        Some(first) => concat_batches(&first.schema(), &batches)?,
        None => RecordBatch::new_empty(Arc::clone(&schema)),
    };
    Ok(Reduced {
        table: RecordBatch::try_new(schema, read.columns().to_vec())?,
        bytes: len,
    })
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, ArrayRef, AsArray, Float32Array, StringArray};
    use arrow::datatypes::Float32Type;

    use super::super::ladder::Ladder;
    use super::*;
    use crate::file::finite_range;

    fn table() -> RecordBatch {
        let x: ArrayRef = Arc::new(Float32Array::from_iter(
            (0..500).map(|i| (i % 7 != 0).then_some((i * 37 % 500) as f32 - 100.0)),
        ));
        let y: ArrayRef = Arc::new(Float32Array::from_iter_values(
            (0..500).map(|i| i as f32 * 0.37),
        ));
        let s: ArrayRef = Arc::new(StringArray::from_iter_values(
            (0..500).map(|i| format!("{}", i % 3)),
        ));
        RecordBatch::try_from_iter([("x", x), ("y", y), ("s", s)]).unwrap()
    }

    fn storage(layout: FileLayout) -> Storage {
        Storage {
            layout,
            row_order: RowOrder::Any,
            effort: Effort::Balanced,
        }
    }

    #[test]
    fn values_are_within_their_bounds_and_the_schema_is_the_same() {
        let table = table();
        for layout in [FileLayout::Packed, FileLayout::Portable] {
            let reduced = stored(&table, &[(0, 50.0)], storage(layout)).unwrap();
            assert_eq!(reduced.table.schema(), table.schema());
            assert_eq!(reduced.table.column(0).null_count(), 72);
            let sum = |t: &RecordBatch| {
                let y = t.column(1).as_primitive::<Float32Type>();
                y.iter().flatten().map(f64::from).sum::<f64>()
            };
            assert!((sum(&reduced.table) - sum(&table)).abs() < 1e-6);
        }
    }

    #[test]
    fn the_top_of_the_ladder_makes_a_column_constant() {
        let table = table();
        for layout in [FileLayout::Packed, FileLayout::Portable] {
            for column in 0..2 {
                let ladder = Ladder::of(&table, column);
                let bounds = [(column, ladder.bound(ladder.top()))];
                let reduced = stored(&table, &bounds, storage(layout)).unwrap();
                let range = finite_range(reduced.table.column(column));
                assert_eq!(range.min, range.max, "{layout:?} {column}");
            }
        }
    }
}
