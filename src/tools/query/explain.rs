//! DataFusion's errors in one line, for people who do not know DataFusion.

use std::error::Error;
use std::path::Path;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::file::{FileError, shown};

use super::ToolError;

/// Names of columns that an error lists, before it stops being of help.
const LISTED: usize = 20;

/// What went wrong, without layers and backtraces.
pub(super) fn explain(error: DataFusionError) -> ToolError {
    let mut link: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(cause) = link {
        // The file layer's errors name the file and the column.
        if let Some(error) = cause.downcast_ref::<FileError>() {
            return ToolError::File(copy(error));
        }
        link = cause.source();
    }
    ToolError::invalid(in_one_line(&message(error.find_root())))
}

/// The error once more: whether the file is at fault, and in which words.
fn copy(error: &FileError) -> FileError {
    match error {
        FileError::At { place, source } => copy(source).at(place),
        FileError::Corrupt(what) => FileError::Corrupt(in_one_line(what)),
        other => FileError::InvalidInput(in_one_line(&other.to_string())),
    }
}

fn message(root: &DataFusionError) -> String {
    match root {
        DataFusionError::SQL(error, _) => {
            let text = error.to_string();
            format!(
                "cannot parse the SQL: {}",
                text.trim_start_matches("sql parser error: ")
            )
        }
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { valid_fields, .. } if valid_fields.len() > LISTED => {
                let text = error.to_string();
                let hints = text
                    .lines()
                    .filter(|line| !line.starts_with("Valid fields"));
                format!(
                    "{} There are {} columns.",
                    hints.collect::<Vec<_>>().join(" "),
                    valid_fields.len()
                )
            }
            _ => error.to_string(),
        },
        DataFusionError::Plan(text) => match missing_table(text) {
            Some(name) => format!(
                "there is no table, file or folder {name}; give a path in quotes, or --table {name}=PATH",
                name = shown(Path::new(name))
            ),
            None => text.clone(),
        },
        DataFusionError::Execution(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::ResourcesExhausted(text) => text.clone(),
        // The lines below the first ask to report a bug of DataFusion.
        DataFusionError::Internal(text) => text.lines().next().unwrap_or_default().to_owned(),
        DataFusionError::ObjectStore(error) => match error.source() {
            Some(source) => source.to_string(),
            None => error.to_string(),
        },
        other => other.strip_backtrace(),
    }
}

/// The table in "table 'datafusion.public.NAME' not found".
fn missing_table(text: &str) -> Option<&str> {
    text.strip_prefix("table 'datafusion.public.")?
        .strip_suffix("' not found")
}

fn in_one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
