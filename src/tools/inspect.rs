//! What a packed or ordinary Parquet file holds, from its tail alone: no value is decoded.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::path::Path;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use serde::Serialize;

use crate::codec::{ElementType, ErrorBound, PayloadKind, ValueRange};
use crate::file::{
    Index, IndexColumn, IndexLeaf, NestedColumn, Opened, PackedColumn, PackedLeaf, Promises,
    ReaderBuilder, RowOrderRecord, is_float, row_id_of,
};

use super::error::{Result, ToolError};

/// A Parquet file at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct InspectReport {
    /// Whether this is a packed file, or ordinary Parquet.
    pub packed: bool,
    /// `packed`, `portable` (ordinary Parquet with error bounds), or `ordinary`.
    pub layout: &'static str,
    pub rows: u64,
    pub row_groups: u64,
    /// Rows of a block; `None` for ordinary Parquet.
    pub block_rows: Option<u64>,
    pub file_bytes: u64,
    /// `any` where rows may stand in another order than they came in.
    pub row_order: Option<&'static str>,
    /// The columns by which the stored values of all row groups ascend, nulls first.
    pub sorted_by: Vec<String>,
    /// The column that holds each row's position in the original.
    pub row_id: Option<String>,
    /// The top-level columns; of those of lists and structs each leaf of floats, and the rest.
    pub columns: Vec<InspectedColumn>,
}

/// One top-level column, or one leaf of floats. What a file does not say is `None`.
#[derive(Debug, Clone, Serialize)]
pub struct InspectedColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
    pub nullable: bool,
    /// The bound asked for; `None` for columns stored as ordinary Parquet.
    pub bound: Option<String>,
    /// The largest absolute bound over the row groups; 0 is lossless. `None` for `pwrel`.
    pub abs_bound: Option<f64>,
    /// Smallest and largest finite value of a packed column; the two quantiles that its bound is
    /// relative to, where they were known beforehand.
    pub range: Option<[f64; 2]>,
    /// Whether a `rel` bound is relative to the whole column's range; if not, each row group's
    /// own is used, which is the stricter promise.
    pub range_declared: Option<bool>,
    /// Dimensions of vectors that have ranges and bounds of their own; `abs_bound` is the largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// The smallest of their absolute bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_abs_bound: Option<f64>,
    /// Values in lists that are not null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<u64>,
    pub max_error: Option<f64>,
    pub outliers: Option<u64>,
    pub nulls: Option<u64>,
    /// How its blocks (packed) or its column chunks (ordinary) are coded, and how many each way.
    pub codecs: BTreeMap<String, u64>,
    /// Blocks of a packed column.
    pub blocks: Option<u64>,
    /// Bytes in Arrow; `None` where they depend on the values, as for strings.
    pub raw_bytes: Option<u64>,
    /// Bytes in the file, page headers included.
    pub packed_bytes: u64,
}

/// Reads the tail of a packed or ordinary Parquet file.
///
/// # Errors
/// When the file is neither, or is damaged.
pub fn inspect(path: &Path) -> Result<InspectReport> {
    let builder = ReaderBuilder::open(path).map_err(|error| ToolError::file(path, error))?;
    let file_bytes = builder.stored().len();
    let file_bytes = file_bytes.map_err(|error| ToolError::io("read", path, error))?;
    Ok(inspect_opened(&builder, file_bytes, &path.display()))
}

/// As [`inspect`], of a file of `file_bytes` bytes that has been opened; `name` is for the log.
pub fn inspect_opened(
    builder: &ReaderBuilder,
    file_bytes: u64,
    name: &dyn Display,
) -> InspectReport {
    let schema = builder.schema();
    let (mut columns, row_groups, block_rows) = match builder.opened() {
        Opened::Packed(layout) => {
            let metadata = layout.metadata();
            (
                packed_columns(layout.index(), metadata),
                metadata.num_row_groups(),
                Some(layout.index().block_rows as u64),
            )
        }
        Opened::Ordinary(metadata) => (
            ordinary_columns(schema, metadata),
            metadata.num_row_groups(),
            None,
        ),
    };
    let mut layout = if block_rows.is_some() {
        "packed"
    } else {
        "ordinary"
    };
    let (mut row_order, mut row_id) = match builder.opened() {
        Opened::Packed(layout) => (
            layout.row_order().cloned(),
            layout.row_id().map(str::to_owned),
        ),
        Opened::Ordinary(_) => (None, None),
    };
    if let Opened::Ordinary(metadata) = builder.opened() {
        match Promises::of(metadata, schema) {
            Ok(None) => {}
            Ok(Some(promises)) => {
                layout = "portable";
                row_order = RowOrderRecord::of(metadata);
                row_id = row_id_of(metadata);
                promised(&mut columns, schema, &promises);
            }
            // The data is none the worse for it.
            Err(error) => tracing::warn!("{name}: {error}"),
        }
    }
    InspectReport {
        packed: block_rows.is_some(),
        layout,
        rows: builder.num_rows(),
        row_groups: row_groups as u64,
        block_rows,
        file_bytes,
        sorted_by: row_order
            .as_ref()
            .map_or_else(Vec::new, |order| sorted_by(order, schema)),
        row_order: row_order.map(|_| "any"),
        row_id,
        columns,
    }
}

/// The columns by which all row groups are sorted: those that each names first.
fn sorted_by(order: &RowOrderRecord, schema: &Schema) -> Vec<String> {
    let mut groups = order.sorted_by.iter();
    let first = groups.next().cloned().unwrap_or_default();
    let common = groups.fold(first, |common, other| {
        let equal = common.iter().zip(other).take_while(|(a, b)| a == b);
        equal.map(|(column, _)| *column).collect()
    });
    let fields = common.iter().map_while(|i| schema.fields().get(*i));
    fields.map(|field| field.name().clone()).collect()
}

fn packed_columns(index: &Index, metadata: &ParquetMetaData) -> Vec<InspectedColumn> {
    let rows = total_rows(metadata);
    let mut ordinary = chunks_by_column(metadata);
    let fields = index.schema.fields().iter().zip(&index.columns).enumerate();
    fields
        .flat_map(|(position, (field, column))| match column {
            IndexColumn::Packed(column) => vec![packed_column(field, column, rows)],
            IndexColumn::Ordinary(column) => {
                let chunks = ordinary.remove(&position).unwrap_or_default();
                vec![InspectedColumn {
                    packed_bytes: column.bytes(),
                    ..ordinary_column(field, chunks, rows)
                }]
            }
            IndexColumn::Nested(column) => nested_columns(field, column),
        })
        .collect()
}

/// Each leaf of floats of a nested column, and the rest, if there is any.
fn nested_columns(field: &Field, column: &NestedColumn) -> Vec<InspectedColumn> {
    let mut columns = Vec::new();
    let mut rest = None;
    for leaf in &column.leaves {
        match leaf {
            IndexLeaf::Packed(leaf) => columns.push(packed_leaf(field, leaf)),
            IndexLeaf::Ordinary(ordinary) => {
                rest = Some(rest.unwrap_or(0) + ordinary.bytes());
            }
        }
    }
    columns.extend(rest.map(|packed_bytes| InspectedColumn {
        packed_bytes,
        ..unknown(field)
    }));
    columns
}

fn packed_leaf(field: &Field, leaf: &PackedLeaf) -> InspectedColumn {
    let levels = leaf
        .shapes
        .iter()
        .flatten()
        .map(|shape| shape.levels as u64);
    let values = levels.sum::<u64>().saturating_sub(leaf.column.nulls());
    let bounds = leaf
        .dimensions
        .iter()
        .flat_map(|dimension| &dimension.abs_bounds);
    let data_type = match leaf.column.element {
        ElementType::F16 => DataType::Float16,
        ElementType::F64 => DataType::Float64,
        _ => DataType::Float32,
    };
    let field_of_values = Field::new(&leaf.name, data_type, field.is_nullable());
    InspectedColumn {
        data_type: field_of_values.data_type().to_string(),
        dimensions: Some(leaf.dimensions.len()).filter(|n| *n > 0),
        least_abs_bound: bounds.copied().reduce(f64::min),
        values: Some(values),
        // Without what lists and nulls take.
        raw_bytes: Some(values * leaf.column.element.width() as u64),
        ..packed_column(&field_of_values, &leaf.column, values)
    }
}

fn packed_column(field: &Field, column: &PackedColumn, rows: u64) -> InspectedColumn {
    let mut codecs = BTreeMap::new();
    for block in column.blocks().filter(|block| block.payload_len > 0) {
        let codec = match block.kind {
            PayloadKind::Exact => "exact",
            PayloadKind::Quantized32 => "quantized32",
            PayloadKind::Quantized64 => "quantized64",
            PayloadKind::Grid32 => "grid32",
            PayloadKind::Integers => "integers",
            PayloadKind::LogQuantized32 => "log-quantized32",
            PayloadKind::LogQuantized64 => "log-quantized64",
        };
        *codecs.entry(codec.to_string()).or_default() += 1;
    }
    let lossy = column.bound != ErrorBound::Exact;
    InspectedColumn {
        bound: Some(column.bound.to_string()),
        abs_bound: (!matches!(column.bound, ErrorBound::PointwiseRel(_)))
            .then(|| column.abs_bounds.iter().copied().fold(0.0, f64::max)),
        range: Some(column.range)
            .filter(|range: &ValueRange| !range.is_empty())
            .map(|range| [range.min, range.max]),
        range_declared: lossy.then_some(column.range_declared),
        max_error: Some(column.max_error),
        outliers: Some(column.outliers()),
        nulls: Some(column.nulls()),
        codecs,
        blocks: Some(column.blocks().count() as u64),
        raw_bytes: raw_bytes(field, rows, Some(column.nulls())),
        packed_bytes: column.packed_bytes(),
        ..unknown(field)
    }
}

fn ordinary_columns(schema: &Schema, metadata: &ParquetMetaData) -> Vec<InspectedColumn> {
    let rows = total_rows(metadata);
    let mut chunks = chunks_by_column(metadata);
    let fields = schema.fields().iter().enumerate();
    fields
        .map(|(position, field)| {
            ordinary_column(field, chunks.remove(&position).unwrap_or_default(), rows)
        })
        .collect()
}

/// Adds what a portable file says of its float columns.
fn promised(columns: &mut [InspectedColumn], schema: &Schema, promises: &Promises) {
    let floats = columns
        .iter_mut()
        .zip(schema.fields())
        .filter(|(_, field)| is_float(field.data_type()));
    for ((column, _), promise) in floats.zip(&promises.columns) {
        let bounds = (0..promise.ranges.len()).map(|i| promise.abs_bound(i));
        let range = promise.range();
        column.bound = Some(promise.bound.to_string());
        column.abs_bound = Some(bounds.fold(0.0, f64::max));
        column.range = (!range.is_empty()).then_some([range.min, range.max]);
        column.range_declared =
            (promise.bound != ErrorBound::Exact).then_some(promise.range_declared);
    }
}

/// What Parquet's own metadata says of the leaves of one top-level column.
#[derive(Default)]
struct Chunks {
    bytes: u64,
    codecs: BTreeMap<String, u64>,
    /// Of a column with one leaf, while every chunk says it.
    nulls: Option<u64>,
    leaves: u64,
}

fn chunks_by_column(metadata: &ParquetMetaData) -> HashMap<usize, Chunks> {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut columns: HashMap<usize, Chunks> = HashMap::new();
    for leaf in 0..descriptor.num_columns() {
        let column = columns
            .entry(descriptor.get_column_root_idx(leaf))
            .or_default();
        column.leaves += 1;
        column.nulls = Some(0).filter(|_| column.leaves == 1);
        for chunk in metadata.row_groups().iter().map(|group| group.column(leaf)) {
            column.bytes += u64::try_from(chunk.compressed_size()).unwrap_or(0);
            *column.codecs.entry(codec(chunk)).or_default() += 1;
            let nulls = chunk
                .statistics()
                .and_then(|statistics| statistics.null_count_opt());
            column.nulls = column.nulls.zip(nulls).map(|(all, nulls)| all + nulls);
        }
    }
    columns
}

/// The encoding of a chunk's values and its compression: `DICTIONARY+ZSTD`.
fn codec(chunk: &ColumnChunkMetaData) -> String {
    // Levels are RLE and dictionaries PLAIN: the values are what is left.
    let mut encodings: Vec<Encoding> = chunk.encodings().collect();
    for other in [Encoding::RLE, Encoding::PLAIN] {
        if encodings.len() > 1 {
            encodings.retain(|encoding| *encoding != other);
        }
    }
    let mut names: Vec<String> = encodings
        .iter()
        .map(|encoding| match encoding {
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => "DICTIONARY".to_string(),
            encoding => encoding.to_string(),
        })
        .collect();
    let compression = chunk.compression().to_string();
    // "ZSTD(ZstdLevel(1))": readers need no level, and files do not store it.
    names.push(
        compression
            .split('(')
            .next()
            .unwrap_or_default()
            .to_string(),
    );
    names.join("+")
}

fn ordinary_column(field: &Field, chunks: Chunks, rows: u64) -> InspectedColumn {
    InspectedColumn {
        nulls: chunks.nulls,
        codecs: chunks.codecs,
        raw_bytes: raw_bytes(field, rows, chunks.nulls),
        packed_bytes: chunks.bytes,
        ..unknown(field)
    }
}

fn unknown(field: &Field) -> InspectedColumn {
    InspectedColumn {
        name: field.name().clone(),
        data_type: field.data_type().to_string(),
        nullable: field.is_nullable(),
        bound: None,
        abs_bound: None,
        range: None,
        range_declared: None,
        dimensions: None,
        least_abs_bound: None,
        values: None,
        max_error: None,
        outliers: None,
        nulls: None,
        codecs: BTreeMap::new(),
        blocks: None,
        raw_bytes: None,
        packed_bytes: 0,
    }
}

/// Arrow's own bytes of a fixed-width column: values, and one bit a row if there are nulls.
fn raw_bytes(field: &Field, rows: u64, nulls: Option<u64>) -> Option<u64> {
    let width = field.data_type().primitive_width()? as u64;
    Some(
        rows * width
            + if nulls == Some(0) {
                0
            } else {
                rows.div_ceil(8)
            },
    )
}

fn total_rows(metadata: &ParquetMetaData) -> u64 {
    metadata
        .row_groups()
        .iter()
        .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
        .sum()
}
