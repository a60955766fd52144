//! What the tools found, as tables for people and JSON for scripts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::codec::ErrorBound;
use crate::file::{ColumnReport, RowOrderReport};
use crate::tools::compress::CompressReport;
use crate::tools::inspect::{InspectReport, InspectedColumn};
use crate::tools::names::some;
use crate::tools::verify::VerifyReport;

use super::output::{
    SHOWN_COLUMNS, Table, and_more, bits_per_value, bytes, count, name, number, ratio,
};

/// The JSON of `compress`: its keys are a contract.
#[derive(Serialize)]
pub struct CompressJson<'a> {
    rows: u64,
    raw_bytes: u64,
    file_bytes: u64,
    ratio: f64,
    seconds: f64,
    /// Null where the order of the rows was to be kept.
    row_order: Option<RowOrderJson<'a>>,
    columns: Vec<CompressColumnJson<'a>>,
}

#[derive(Serialize)]
struct RowOrderJson<'a> {
    /// Pages, had the rows been kept in their order: an estimate, by coding each row group so too.
    kept_bytes: u64,
    /// Pages as they are.
    bytes: u64,
    row_groups: u64,
    /// How many row groups were ordered in which way.
    methods: BTreeMap<&'static str, u64>,
    /// The columns that most ordered row groups were sorted by, most significant first.
    columns: &'a [String],
}

impl<'a> RowOrderJson<'a> {
    fn new(order: &'a RowOrderReport) -> Self {
        let methods = order.methods.iter();
        Self {
            kept_bytes: order.kept_bytes,
            bytes: order.bytes,
            row_groups: order.row_groups,
            methods: methods
                .map(|(method, count)| (method.name(), *count))
                .collect(),
            columns: &order.columns,
        }
    }
}

/// What ordering the rows gained, in a sentence.
fn row_order_line(order: &RowOrderReport) -> String {
    const SHOWN: usize = 5;
    let methods = order.methods.iter();
    let methods: Vec<String> = methods
        .map(|(method, groups)| format!("{} {}", count(*groups), method.name()))
        .collect();
    let mut line = format!(
        "rows in any order: pages {} instead of about {} ({}x)",
        bytes(order.bytes),
        bytes(order.kept_bytes),
        ratio(order.kept_bytes, order.bytes),
    );
    if !methods.is_empty() {
        line += &format!("; row groups: {}", methods.join(", "));
    }
    if !order.columns.is_empty() {
        let shown = order.columns.iter().take(SHOWN).map(|column| name(column));
        let more = if order.columns.len() > SHOWN {
            ", ..."
        } else {
            ""
        };
        line += &format!("; by {}{more}", shown.collect::<Vec<_>>().join(", "));
    }
    line + "\n"
}

#[derive(Serialize)]
struct CompressColumnJson<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    data_type: String,
    bound: Option<String>,
    /// The largest one, where dimensions have bounds of their own.
    abs_bound: Option<f64>,
    /// Dimensions of vectors that have bounds of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<usize>,
    max_error: f64,
    outliers: u64,
    raw_bytes: u64,
    packed_bytes: u64,
}

/// The report of `compress` as scripts get it: `compress --json`, and Python.
pub fn compress_json(report: &CompressReport) -> CompressJson<'_> {
    let written = &report.written;
    CompressJson {
        rows: written.rows,
        raw_bytes: written.raw_bytes,
        file_bytes: written.file_bytes,
        ratio: written.raw_bytes as f64 / written.file_bytes.max(1) as f64,
        seconds: report.seconds,
        row_order: written.row_order.as_ref().map(RowOrderJson::new),
        columns: written
            .columns
            .iter()
            .map(CompressColumnJson::new)
            .collect(),
    }
}

impl<'a> CompressColumnJson<'a> {
    fn new(column: &'a ColumnReport) -> Self {
        Self {
            name: &column.name,
            data_type: column.data_type.to_string(),
            bound: column.bound.map(|bound| bound.to_string()),
            abs_bound: column
                .bound
                .filter(|bound| !matches!(bound, ErrorBound::PointwiseRel(_)))
                .map(|_| column.abs_bound.unwrap_or(0.0)),
            dimensions: Some(column.dimensions).filter(|dimensions| *dimensions > 0),
            max_error: column.max_error,
            outliers: column.outliers,
            raw_bytes: column.raw_bytes,
            packed_bytes: column.packed_bytes,
        }
    }
}

/// The largest of the bounds of several dimensions is not that of each.
fn abs_bound(largest: f64, dimensions: usize) -> String {
    match dimensions {
        0 => number(largest),
        _ => format!("up to {}", number(largest)),
    }
}

pub fn compress_table(report: &CompressReport) -> String {
    let written = &report.written;
    let header = [
        "column",
        "type",
        "bound",
        "abs bound",
        "max error",
        "outliers",
        "before",
        "after",
        "ratio",
        "bits/value",
    ];
    let mut table = Table::new(3, &header);
    for column in written.columns.iter().take(SHOWN_COLUMNS) {
        table.row(vec![
            name(&column.name),
            name(&column.data_type.to_string()),
            column
                .bound
                .map_or("-".to_string(), |bound| bound.to_string()),
            column
                .abs_bound
                .map_or("-".to_string(), |bound| abs_bound(bound, column.dimensions)),
            if column.bound.is_some() {
                number(column.max_error)
            } else {
                "-".to_string()
            },
            if column.bound.is_some() {
                count(column.outliers)
            } else {
                "-".to_string()
            },
            bytes(column.raw_bytes),
            bytes(column.packed_bytes),
            ratio(column.raw_bytes, column.packed_bytes),
            bits_per_value(column.packed_bytes, column.values),
        ]);
    }
    let mut text = table.render() + &and_more(written.columns.len());
    text += &format!(
        "{} rows, {} -> {} (ratio {}) in {:.2} s, {:.0} MB/s\n",
        count(written.rows),
        bytes(written.raw_bytes),
        bytes(written.file_bytes),
        ratio(written.raw_bytes, written.file_bytes),
        report.seconds,
        written.raw_bytes as f64 / 1e6 / report.seconds.max(1e-9),
    );
    if let Some(order) = &written.row_order {
        text += &row_order_line(order);
    }
    let own_ranges = |column: &&ColumnReport| {
        column.bound.is_some_and(|bound| bound.needs_range()) && !column.range_declared
    };
    match written.columns.iter().filter(own_ranges).count() {
        0 => {}
        columns => {
            text += &format!(
                "{} columns: the bound is relative to each row group's own range, the stricter promise\n",
                count(columns as u64)
            );
        }
    }
    text
}

/// What a file says of the order of its rows; nothing for most.
fn row_order_note(report: &InspectReport) -> String {
    let mut notes = Vec::new();
    if report.row_order.is_some() {
        notes.push("rows in any order".to_owned());
    }
    if let Some(first) = report.sorted_by.first() {
        notes.push(format!("sorted by {} first", name(first)));
    }
    if let Some(column) = &report.row_id {
        notes.push(format!("original positions in {}", name(column)));
    }
    if notes.is_empty() {
        return String::new();
    }
    notes.join(", ") + "\n\n"
}

pub fn inspect_table(report: &InspectReport) -> String {
    let kind = match report.block_rows {
        Some(rows) => format!("packed Parquet file, blocks of {} rows", count(rows)),
        None if report.layout == "portable" => {
            "portable Parquet file (ordinary, with error bounds)".to_string()
        }
        None => "ordinary Parquet file (not packed)".to_string(),
    };
    let mut text = format!(
        "{kind}: {} rows, {} columns, {} row groups, {}\n\n",
        count(report.rows),
        count(report.columns.len() as u64),
        count(report.row_groups),
        bytes(report.file_bytes),
    );
    text += &row_order_note(report);
    text += &match report.layout {
        "packed" => packed_columns(report),
        "portable" => portable_columns(report),
        _ => ordinary_columns(report),
    };
    let raw: u64 = report
        .columns
        .iter()
        .filter_map(|column| column.raw_bytes)
        .sum();
    let stored: u64 = report
        .columns
        .iter()
        .map(|column| column.packed_bytes)
        .sum();
    text += &and_more(report.columns.len());
    text += &format!(
        "columns {}, everything else (footer, index) {}",
        bytes(stored),
        bytes(report.file_bytes.saturating_sub(stored))
    );
    if report
        .columns
        .iter()
        .all(|column| column.raw_bytes.is_some())
    {
        text += &format!(
            "; {} in Arrow, ratio {}",
            bytes(raw),
            ratio(raw, report.file_bytes)
        );
    }
    text + "\n"
}

fn packed_columns(report: &InspectReport) -> String {
    let header = [
        "column",
        "type",
        "codec",
        "bound",
        "abs bound",
        "max error",
        "min",
        "max",
        "outliers",
        "nulls",
        "blocks",
        "bytes",
        "ratio",
        "bits/value",
    ];
    let mut table = Table::new(3, &header);
    let or_dash = |text: Option<String>| text.unwrap_or("-".to_string());
    for column in report.columns.iter().take(SHOWN_COLUMNS) {
        table.row(vec![
            name(&column.name),
            shown_type(column),
            codecs(column),
            or_dash(column.bound.clone()),
            or_dash(
                column
                    .abs_bound
                    .map(|bound| abs_bound(bound, column.dimensions.unwrap_or(0))),
            ),
            or_dash(column.max_error.map(number)),
            or_dash(column.range.map(|range| number(range[0]))),
            or_dash(column.range.map(|range| number(range[1]))),
            or_dash(column.outliers.map(count)),
            or_dash(column.nulls.map(count)),
            or_dash(column.blocks.map(count)),
            bytes(column.packed_bytes),
            or_dash(column.raw_bytes.map(|raw| ratio(raw, column.packed_bytes))),
            bits_per_value(
                column.packed_bytes,
                column
                    .values
                    .unwrap_or(report.rows.saturating_sub(column.nulls.unwrap_or(0))),
            ),
        ]);
    }
    table.render()
}

fn portable_columns(report: &InspectReport) -> String {
    let header = [
        "column",
        "type",
        "codec",
        "bound",
        "abs bound",
        "min",
        "max",
        "bytes",
        "ratio",
        "bits/value",
    ];
    let mut table = Table::new(3, &header);
    let or_dash = |text: Option<String>| text.unwrap_or("-".to_string());
    for column in report.columns.iter().take(SHOWN_COLUMNS) {
        table.row(vec![
            name(&column.name),
            shown_type(column),
            codecs(column),
            or_dash(column.bound.clone()),
            or_dash(column.abs_bound.map(number)),
            or_dash(column.range.map(|range| number(range[0]))),
            or_dash(column.range.map(|range| number(range[1]))),
            bytes(column.packed_bytes),
            or_dash(column.raw_bytes.map(|raw| ratio(raw, column.packed_bytes))),
            bits_per_value(
                column.packed_bytes,
                report.rows.saturating_sub(column.nulls.unwrap_or(0)),
            ),
        ]);
    }
    table.render()
}

fn ordinary_columns(report: &InspectReport) -> String {
    let mut table = Table::new(
        3,
        &[
            "column",
            "type",
            "codec",
            "nulls",
            "bytes",
            "ratio",
            "bits/value",
        ],
    );
    for column in report.columns.iter().take(SHOWN_COLUMNS) {
        table.row(vec![
            name(&column.name),
            shown_type(column),
            codecs(column),
            column.nulls.map_or("-".to_string(), count),
            bytes(column.packed_bytes),
            column
                .raw_bytes
                .map_or("-".to_string(), |raw| ratio(raw, column.packed_bytes)),
            bits_per_value(
                column.packed_bytes,
                report.rows.saturating_sub(column.nulls.unwrap_or(0)),
            ),
        ]);
    }
    table.render()
}

fn shown_type(column: &InspectedColumn) -> String {
    let required = if column.nullable { "" } else { " not null" };
    name(&column.data_type) + required
}

fn codecs(column: &InspectedColumn) -> String {
    match column.codecs.len() {
        0 => "-".to_string(),
        1 => column.codecs.keys().next().cloned().unwrap_or_default(),
        _ => {
            let counts = column
                .codecs
                .iter()
                .map(|(codec, n)| format!("{codec} x{}", count(*n)));
            counts.collect::<Vec<_>>().join(", ")
        }
    }
}

pub fn verify_table(report: &VerifyReport) -> String {
    let header = [
        "column",
        "type",
        "bound",
        "abs bound",
        "max error",
        "violations",
        "beyond bound",
        "nulls",
        "NaN",
        "Inf",
        "-0.0",
        "values",
    ];
    let mut table = Table::new(3, &header);
    // Columns with violations first: the others may not fit.
    let (bad, good): (Vec<_>, Vec<_>) = report
        .columns
        .iter()
        .partition(|column| column.violations > 0);
    for column in bad.iter().chain(&good).take(SHOWN_COLUMNS) {
        table.row(vec![
            name(&column.name),
            name(&column.data_type),
            column.bound.clone(),
            column.abs_bound.map_or("-".to_string(), number),
            number(column.max_error),
            count(column.violations),
            count(column.bound_exceeded),
            count(column.changed_nulls),
            count(column.changed_nan),
            count(column.changed_inf),
            count(column.changed_signed_zeros),
            count(column.changed_values),
        ]);
    }
    let mut text = table.render() + &and_more(report.columns.len());
    for problem in &report.problems {
        text += &format!("problem: {problem}\n");
    }
    if !report.other_files.is_empty() {
        let others = some(&report.other_files);
        text += &format!("also in the folder, for no file of the original: {others}\n");
    }
    for column in bad.iter().take(SHOWN_COLUMNS) {
        if let Some(problem) = &column.problem {
            text += &format!("column {}: {problem}\n", name(&column.name));
        }
        if let Some(first) = &column.first_violation {
            text += &format!(
                "column {}, row {}: {}\n",
                name(&column.name),
                count(first.row),
                first.what
            );
        }
    }
    let rows = count(report.rows);
    text + &match report.violations {
        0 => format!("{rows} rows, 0 violations: every value is as promised\n"),
        violations => format!("{rows} rows, {} violations\n", count(violations)),
    }
}
