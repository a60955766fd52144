//! Tolerant in the layouts, orders and efforts that are compared: add a line to [`VARIANTS`].

use std::sync::Arc;

use bytes::Bytes;
use tolerant::ErrorBound;
use tolerant::codec::Effort;
use tolerant::file::{
    FileLayout, PortableWriter, ReadAt, ReaderBuilder, RowOrder, Writer, WriterOptions,
};

use crate::data::{Cell, Result};
use crate::method::{Decoded, Method};

/// The family name of all variants.
pub const FAMILY: &str = "Tolerant";

struct Variant {
    name: &'static str,
    layout: FileLayout,
    /// Rows may come back in another order; the check then matches them one to one.
    any_order: bool,
    effort: Effort,
}

const PACKED: Variant = Variant {
    name: "packed",
    layout: FileLayout::Packed,
    any_order: false,
    effort: Effort::Balanced,
};

const VARIANTS: &[Variant] = &[
    PACKED,
    Variant {
        name: "packed fast",
        effort: Effort::Fast,
        ..PACKED
    },
    Variant {
        name: "packed small",
        effort: Effort::Small,
        ..PACKED
    },
    Variant {
        name: "packed, any order",
        any_order: true,
        ..PACKED
    },
    Variant {
        name: "portable",
        layout: FileLayout::Portable,
        ..PACKED
    },
    Variant {
        name: "portable, any order",
        layout: FileLayout::Portable,
        any_order: true,
        ..PACKED
    },
];

/// Every variant.
pub fn methods() -> Vec<Method> {
    VARIANTS
        .iter()
        .map(|variant| {
            Method::table(FAMILY, variant.name, |cell| encode(cell, variant), decode)
                .any_order(variant.any_order)
        })
        .collect()
}

/// The variants' names, in their order.
pub fn names() -> Vec<&'static str> {
    VARIANTS.iter().map(|variant| variant.name).collect()
}

/// A whole file in memory.
fn encode(cell: &Cell, variant: &Variant) -> Result<Vec<u8>> {
    let mut options = WriterOptions::new()
        .with_bound(ErrorBound::rel(cell.rel)?)
        .with_effort(variant.effort);
    if variant.any_order {
        options = options.with_row_order(RowOrder::Any);
    }
    for (column, &range) in cell.table.columns.iter().zip(&cell.ranges) {
        options = options.with_column_range(&column.name, range);
    }
    let batch = &cell.batch;
    Ok(match variant.layout {
        FileLayout::Packed => {
            let mut writer = Writer::try_new(Vec::new(), batch.schema(), options)?;
            writer.write(batch)?;
            writer.close()?.0
        }
        FileLayout::Portable => {
            let mut writer = PortableWriter::try_new(Vec::new(), batch.schema(), options)?;
            writer.write(batch)?;
            writer.close()?.0
        }
    })
}

fn decode(file: &[u8]) -> Result<Decoded> {
    let source: Arc<dyn ReadAt> = Arc::new(Bytes::copy_from_slice(file));
    let reader = ReaderBuilder::new(source)?.build()?;
    Ok(Decoded::Batches(
        reader.collect::<std::result::Result<_, _>>()?,
    ))
}
