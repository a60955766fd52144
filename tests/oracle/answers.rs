//! Answers, compared bit by bit but for sums of floats.

use std::collections::HashMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result;
use datafusion::prelude::SessionContext;

use crate::queries::Rows;

/// What a query answers. Columns whose names begin with `approx` are sums of floats, which depend
/// on the order of rows in their last bits; all others are kept as bytes.
pub struct Answer {
    columns: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    exact: Vec<u8>,
    approximate: Vec<Option<f64>>,
    shown: String,
}

pub async fn answer(ctx: &SessionContext, sql: &str) -> Result<Answer> {
    let frame = ctx.sql(sql).await?;
    let schema = frame.schema().inner().clone();
    let is_sum = |i: usize| schema.field(i).name().starts_with("approx");
    let (sums, exact): (Vec<usize>, Vec<usize>) =
        (0..schema.fields().len()).partition(|i| is_sum(*i));
    let fields = exact
        .iter()
        .map(|i| SortField::new(schema.field(*i).data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let mut rows = Vec::new();
    for batch in frame.collect().await? {
        let keys = converter.convert_columns(batch.project(&exact)?.columns())?;
        let floats = sums
            .iter()
            .map(|i| cast(batch.column(*i), &DataType::Float64));
        let floats = floats.collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let values = floats.iter().map(|column| {
                let column = column.as_primitive::<Float64Type>();
                column.iter().nth(row).flatten()
            });
            rows.push(Row {
                // Without columns there is nothing to convert.
                exact: if exact.is_empty() {
                    Vec::new()
                } else {
                    keys.row(row).as_ref().to_vec()
                },
                approximate: values.collect(),
                shown: show(&batch, row),
            });
        }
    }
    let columns = schema.fields().iter();
    let columns = columns.map(|field| format!("{} {}", field.name(), field.data_type()));
    Ok(Answer {
        columns: columns.collect(),
        rows,
    })
}

fn show(batch: &RecordBatch, row: usize) -> String {
    let values = batch
        .columns()
        .iter()
        .map(|column| arrow::util::display::array_value_to_string(column, row).unwrap_or_default());
    values.collect::<Vec<_>>().join(" | ")
}

impl Answer {
    /// How it differs from what it is to be, if it does.
    pub fn difference(&mut self, expected: &mut Answer, rows: &Rows) -> Option<String> {
        if self.columns != expected.columns {
            return Some(format!(
                "columns {:?} instead of {:?}",
                self.columns, expected.columns
            ));
        }
        if let Rows::Among { limit, .. } = rows {
            let count = expected.rows.len().min(*limit);
            return match self.rows.len() {
                n if n == count => self.stranger(expected),
                n => Some(format!("{n} rows instead of {count}")),
            };
        }
        if *rows == Rows::Unordered {
            self.rows.sort_by(|a, b| a.exact.cmp(&b.exact));
            expected.rows.sort_by(|a, b| a.exact.cmp(&b.exact));
        }
        let pairs = self.rows.iter().zip(&expected.rows);
        let first = pairs.into_iter().position(|(a, b)| !same(a, b));
        if first.is_none() && self.rows.len() == expected.rows.len() {
            return None;
        }
        let at = first.unwrap_or(self.rows.len().min(expected.rows.len()));
        let near = |rows: &[Row]| {
            let rows = rows.iter().skip(at).take(3);
            rows.map(|row| row.shown.clone()).collect::<Vec<_>>()
        };
        Some(format!(
            "{} rows instead of {}; from row {at} {:#?} instead of {:#?}",
            self.rows.len(),
            expected.rows.len(),
            near(&self.rows),
            near(&expected.rows)
        ))
    }

    /// A row that is none of the expected ones, or is there more often than among them.
    fn stranger(&self, expected: &Answer) -> Option<String> {
        let mut left: HashMap<&[u8], usize> = HashMap::new();
        for row in &expected.rows {
            *left.entry(&row.exact).or_default() += 1;
        }
        let stranger = self
            .rows
            .iter()
            .find(|row| match left.get_mut(&row.exact[..]) {
                Some(n) if *n > 0 => {
                    *n -= 1;
                    false
                }
                _ => true,
            });
        stranger.map(|row| format!("row {:?} is not among all", row.shown))
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

fn same(a: &Row, b: &Row) -> bool {
    let mut sums = a.approximate.iter().zip(&b.approximate);
    a.exact == b.exact
        && sums.all(|(a, b)| match (a, b) {
            (Some(a), Some(b)) if a.is_nan() || b.is_nan() => a.is_nan() == b.is_nan(),
            (Some(a), Some(b)) => a == b || (a - b).abs() <= 1e-9 * (a.abs() + b.abs()) + 1e-7,
            (a, b) => a == b,
        })
}
