//! Tolerant in the layouts, orders and efforts that are compared: add a line to [`VARIANTS`].

use std::sync::Arc;

use bytes::Bytes;
use tolerant::ErrorBound;
use tolerant::file::{ReadAt, ReaderBuilder, Writer, WriterOptions};

use crate::data::{Cell, Result};
use crate::method::{Decoded, Method};

/// The family name of all variants.
pub const FAMILY: &str = "Tolerant";

struct Variant {
    name: &'static str,
    /// Rows may come back in another order; the check then matches them one to one.
    any_order: bool,
    options: fn(WriterOptions) -> WriterOptions,
}

const VARIANTS: &[Variant] = &[Variant {
    name: "packed",
    any_order: false,
    options: |options| options,
}];

/// Every variant.
pub fn methods() -> Vec<Method> {
    VARIANTS
        .iter()
        .map(|variant| {
            Method::table(
                FAMILY,
                variant.name,
                |cell| encode(cell, variant.options),
                decode,
            )
            .any_order(variant.any_order)
        })
        .collect()
}

/// The variants' names, in their order.
pub fn names() -> Vec<&'static str> {
    VARIANTS.iter().map(|variant| variant.name).collect()
}

/// A whole file in memory.
fn encode(cell: &Cell, options: fn(WriterOptions) -> WriterOptions) -> Result<Vec<u8>> {
    let mut settings = WriterOptions::new().with_bound(ErrorBound::rel(cell.rel)?);
    for (column, &range) in cell.table.columns.iter().zip(&cell.ranges) {
        settings = settings.with_column_range(&column.name, range);
    }
    let batch = &cell.batch;
    let mut writer = Writer::try_new(Vec::new(), batch.schema(), options(settings))?;
    writer.write(batch)?;
    let (file, _) = writer.close()?;
    Ok(file)
}

fn decode(file: &[u8]) -> Result<Decoded> {
    let source: Arc<dyn ReadAt> = Arc::new(Bytes::copy_from_slice(file));
    let reader = ReaderBuilder::new(source)?.build()?;
    Ok(Decoded::Batches(
        reader.collect::<std::result::Result<_, _>>()?,
    ))
}
