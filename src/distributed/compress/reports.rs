//! Reports of what was written, on their way to whoever asked.

use arrow::datatypes::{Field, Schema};
use serde::{Deserialize, Serialize};

use crate::codec::ErrorBound;
use crate::file::{ColumnReport, OrderMethod, RowOrderReport, WriteReport};
use crate::tools::compress::CompressReport;
use crate::tools::{Result, ToolError};

use super::wire::{RangeJson, of_range, to_range};

/// A report, but for names and types, which travel as a schema. Floats are bits.
#[derive(Serialize, Deserialize)]
pub(super) struct ReportJson {
    rows: u64,
    raw_bytes: u64,
    file_bytes: u64,
    columns: Vec<ColumnJson>,
    row_order: Option<RowOrderJson>,
    seconds: u64,
}

#[derive(Serialize, Deserialize)]
struct ColumnJson {
    column: usize,
    bound: Option<String>,
    abs_bound: Option<u64>,
    range: RangeJson,
    range_declared: bool,
    dimensions: usize,
    max_error: u64,
    outliers: u64,
    nulls: u64,
    values: u64,
    raw_bytes: u64,
    packed_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct RowOrderJson {
    kept_bytes: u64,
    bytes: u64,
    row_groups: u64,
    methods: Vec<(MethodJson, u64)>,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct MethodJson(#[serde(with = "OrderMethodJson")] OrderMethod);

#[derive(Serialize, Deserialize)]
#[serde(remote = "OrderMethod")]
enum OrderMethodJson {
    Kept,
    Lexicographic,
    Snake,
    Tour,
}

/// The names and types of a report's columns.
pub(super) fn schema(report: &CompressReport) -> Schema {
    let columns = report.written.columns.iter();
    let fields = columns.map(|column| Field::new(&column.name, column.data_type.clone(), true));
    Schema::new(fields.collect::<Vec<_>>())
}

impl ReportJson {
    pub(super) fn new(report: &CompressReport) -> Self {
        let written = &report.written;
        Self {
            rows: written.rows,
            raw_bytes: written.raw_bytes,
            file_bytes: written.file_bytes,
            columns: written.columns.iter().map(ColumnJson::new).collect(),
            row_order: written.row_order.as_ref().map(RowOrderJson::new),
            seconds: report.seconds.to_bits(),
        }
    }

    /// The report, with the names and types that came beside it.
    ///
    /// # Errors
    /// When they do not fit, or what it says cannot be.
    pub(super) fn with_schema(self, schema: &Schema) -> Result<CompressReport> {
        if schema.fields().len() != self.columns.len() {
            return Err(ToolError::invalid("a report and its schema do not fit"));
        }
        let columns = self.columns.into_iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| column.with_field(field));
        Ok(CompressReport {
            written: WriteReport {
                rows: self.rows,
                raw_bytes: self.raw_bytes,
                file_bytes: self.file_bytes,
                columns: columns.collect::<Result<_>>()?,
                row_order: self.row_order.map(RowOrderReport::from),
            },
            seconds: f64::from_bits(self.seconds),
        })
    }
}

impl ColumnJson {
    fn new(column: &ColumnReport) -> Self {
        Self {
            column: column.column,
            bound: column.bound.map(|bound| bound.to_string()),
            abs_bound: column.abs_bound.map(f64::to_bits),
            range: of_range(&column.range),
            range_declared: column.range_declared,
            dimensions: column.dimensions,
            max_error: column.max_error.to_bits(),
            outliers: column.outliers,
            nulls: column.nulls,
            values: column.values,
            raw_bytes: column.raw_bytes,
            packed_bytes: column.packed_bytes,
        }
    }

    fn with_field(self, field: &Field) -> Result<ColumnReport> {
        let bound = self.bound.as_deref().map(str::parse::<ErrorBound>);
        Ok(ColumnReport {
            column: self.column,
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            bound: bound
                .transpose()
                .map_err(|error| ToolError::invalid(error.to_string()))?,
            abs_bound: self.abs_bound.map(f64::from_bits),
            range: to_range(self.range)?,
            range_declared: self.range_declared,
            dimensions: self.dimensions,
            max_error: f64::from_bits(self.max_error),
            outliers: self.outliers,
            nulls: self.nulls,
            values: self.values,
            raw_bytes: self.raw_bytes,
            packed_bytes: self.packed_bytes,
        })
    }
}

impl RowOrderJson {
    fn new(order: &RowOrderReport) -> Self {
        let methods = order.methods.iter();
        Self {
            kept_bytes: order.kept_bytes,
            bytes: order.bytes,
            row_groups: order.row_groups,
            methods: methods
                .map(|(method, groups)| (MethodJson(*method), *groups))
                .collect(),
            columns: order.columns.clone(),
        }
    }
}

impl From<RowOrderJson> for RowOrderReport {
    fn from(json: RowOrderJson) -> Self {
        let methods = json.methods.into_iter();
        Self {
            kept_bytes: json.kept_bytes,
            bytes: json.bytes,
            row_groups: json.row_groups,
            methods: methods.map(|(method, groups)| (method.0, groups)).collect(),
            columns: json.columns,
        }
    }
}
