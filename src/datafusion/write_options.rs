//! Options of `COPY ... TO` and `CREATE EXTERNAL TABLE`, in the command line's words.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::plan_err;
use datafusion::error::Result;

use crate::ErrorBound;
use crate::file::{FileLayout, RowOrder, WriterOptions, bound_names};

/// Prefix that DataFusion gives to options without a dot.
const FORMAT: &str = "format.";

/// How packed files are to be written: `bound`, `column.NAME`, `effort`, `row_order`, `row_id`,
/// `max_references`, `block_rows`, `row_group_rows` and `layout`.
#[derive(Debug, Clone, Default)]
pub(super) struct WriteOptions {
    pub(super) layout: FileLayout,
    file: WriterOptions,
    /// Names as DataFusion passes them on, in lower case.
    column_bounds: Vec<(String, ErrorBound)>,
}

impl WriteOptions {
    /// Takes out of `options` those that are its own.
    ///
    /// # Errors
    /// A plan error for values that they do not take.
    pub(super) fn take(options: &mut HashMap<String, String>) -> Result<Self> {
        let mut own = Self::default();
        let mut rest = HashMap::new();
        for (key, value) in options.drain() {
            if !own.set(key.strip_prefix(FORMAT).unwrap_or(&key), &value)? {
                rest.insert(key, value);
            }
        }
        *options = rest;
        Ok(own)
    }

    /// Whether rows are to stay in the order that they come in.
    pub(super) fn keeps_order(&self) -> bool {
        self.file.row_order() == RowOrder::Keep
    }

    /// Whether there is such an option.
    fn set(&mut self, name: &str, value: &str) -> Result<bool> {
        let file = std::mem::take(&mut self.file);
        self.file = match name {
            "bound" => file.with_bound(parsed(name, value)?),
            "effort" => file.with_effort(parsed(name, value)?),
            "row_order" => file.with_row_order(match value {
                "keep" => RowOrder::Keep,
                "any" => RowOrder::Any,
                _ => return plan_err!("option {name}: {value:?} is not keep or any"),
            }),
            "row_id" => file.with_row_id(value),
            "max_references" => file.with_max_references(parsed(name, value)?),
            "block_rows" => file.with_block_rows(parsed(name, value)?),
            "row_group_rows" => file.with_row_group_rows(parsed(name, value)?),
            "layout" => {
                self.layout = match value {
                    "packed" => FileLayout::Packed,
                    "portable" => FileLayout::Portable,
                    _ => return plan_err!("option {name}: {value:?} is not packed or portable"),
                };
                file
            }
            _ => {
                self.file = file;
                let Some(column) = name.strip_prefix("column.") else {
                    return Ok(false);
                };
                let bound = parsed(name, value)?;
                self.column_bounds.push((column.to_owned(), bound));
                return Ok(true);
            }
        };
        Ok(true)
    }

    /// The writer's options for a table of `schema`.
    ///
    /// # Errors
    /// A plan error for a bound of a column that is not there, or of which there are several but for
    /// capital letters, which DataFusion's options do not tell apart.
    pub(super) fn of_table(&self, schema: &Schema) -> Result<WriterOptions> {
        let mut options = self.file.clone();
        if self.column_bounds.is_empty() {
            return Ok(options);
        }
        let names = bound_names(schema);
        for (name, bound) in &self.column_bounds {
            let named = names.iter().filter(|other| other.to_lowercase() == *name);
            options = match named.collect::<Vec<_>>()[..] {
                [column] => options.with_column_bound(column, *bound),
                [] => return plan_err!("option column.{name}: there is no such column"),
                [..] => return plan_err!("option column.{name} could be any of several columns"),
            };
        }
        Ok(options)
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T> {
    match value.parse() {
        Ok(value) => Ok(value),
        Err(error) => plan_err!("option {name}: {error}"),
    }
}
