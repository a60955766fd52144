//! The configuration that `tolerant compress --config` takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::{Effort, ErrorBound};
use crate::file::{FileLayout, RowOrder};

use super::error::{Result, TuneError};

/// How to compress a table: what the flags of `tolerant compress` say, as TOML.
///
/// ```toml
/// version = 1
/// bound = "exact"          # of float columns that are not named below
/// layout = "packed"        # or "portable"
/// row-order = "any"        # or "keep"
/// effort = "balanced"      # or "fast", "small"
/// [columns]
/// temperature = "abs:0.05"
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layout: Option<LayoutWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    row_order: Option<RowOrderWord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effort: Option<EffortWord>,
    /// The share of the rows to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_rows: Option<f64>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LayoutWord {
    Packed,
    Portable,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RowOrderWord {
    Keep,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EffortWord {
    Fast,
    Balanced,
    Small,
}

const VERSION: u32 = 1;

impl Config {
    /// Exact columns, packed, but for what is said of single ones.
    pub(super) fn new(
        columns: impl IntoIterator<Item = (String, ErrorBound)>,
        storage: super::stored::Storage,
        keep_rows: f64,
    ) -> Self {
        Self {
            version: VERSION,
            bound: Some(ErrorBound::Exact.to_string()),
            layout: Some(match storage.layout {
                FileLayout::Packed => LayoutWord::Packed,
                FileLayout::Portable => LayoutWord::Portable,
            }),
            row_order: Some(match storage.row_order {
                RowOrder::Keep => RowOrderWord::Keep,
                RowOrder::Any => RowOrderWord::Any,
            }),
            effort: Some(match storage.effort {
                Effort::Fast => EffortWord::Fast,
                Effort::Balanced => EffortWord::Balanced,
                Effort::Small => EffortWord::Small,
            }),
            keep_rows: (keep_rows < 1.0).then_some(keep_rows),
            columns: columns
                .into_iter()
                .map(|(name, bound)| (name, bound.to_string()))
                .collect(),
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// Says in which line what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.bytes().take(start).filter(|byte| *byte == b'\n');
            let line = before.count() + 1;
            TuneError::BadFile(format!("line {line}: {}", error.message()))
        })?;
        if config.version != VERSION {
            return Err(TuneError::BadFile(format!(
                "a configuration of version {}; this program reads version {VERSION}",
                config.version
            )));
        }
        if let Some(keep) = config.keep_rows
            && !(keep > 0.0 && keep <= 1.0)
        {
            return Err(TuneError::BadFile(format!(
                "keep-rows is {keep}; give a share of the rows above 0 and up to 1"
            )));
        }
        config.bound()?;
        config.columns()?;
        Ok(config)
    }

    /// As TOML.
    ///
    /// # Errors
    /// None that is known of.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| TuneError::BadFile(error.to_string()))
    }

    /// The bound of float columns that are not named.
    ///
    /// # Errors
    /// When it is no bound.
    pub fn bound(&self) -> Result<Option<ErrorBound>> {
        let bound = self.bound.as_deref();
        bound.map(|text| parsed("bound", text)).transpose()
    }

    /// Bounds of single columns.
    ///
    /// # Errors
    /// When one is no bound.
    pub fn columns(&self) -> Result<Vec<(String, ErrorBound)>> {
        let columns = self.columns.iter();
        columns
            .map(|(name, text)| Ok((name.clone(), parsed(name, text)?)))
            .collect()
    }

    pub fn layout(&self) -> Option<FileLayout> {
        self.layout.map(|layout| match layout {
            LayoutWord::Packed => FileLayout::Packed,
            LayoutWord::Portable => FileLayout::Portable,
        })
    }

    pub fn row_order(&self) -> Option<RowOrder> {
        self.row_order.map(|order| match order {
            RowOrderWord::Keep => RowOrder::Keep,
            RowOrderWord::Any => RowOrder::Any,
        })
    }

    pub fn effort(&self) -> Option<Effort> {
        self.effort.map(|effort| match effort {
            EffortWord::Fast => Effort::Fast,
            EffortWord::Balanced => Effort::Balanced,
            EffortWord::Small => Effort::Small,
        })
    }

    /// The share of the rows to keep, below 1.
    pub fn keep_rows(&self) -> Option<f64> {
        self.keep_rows.filter(|keep| *keep < 1.0)
    }
}

fn parsed(what: &str, text: &str) -> Result<ErrorBound> {
    let bound = text.parse::<ErrorBound>();
    bound.map_err(|error| TuneError::BadFile(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::stored::Storage;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let storage = Storage {
            layout: FileLayout::Portable,
            row_order: RowOrder::Any,
            effort: Effort::Small,
        };
        let columns = [
            ("a \"b\".c".to_owned(), ErrorBound::abs(0.012).unwrap()),
            ("x".to_owned(), ErrorBound::Exact),
        ];
        let config = Config::new(columns.clone(), storage, 0.5);
        let read = Config::parse(&config.to_toml().unwrap()).unwrap();
        assert_eq!(read, config);
        assert_eq!(read.columns().unwrap(), columns);
        assert_eq!(read.bound().unwrap(), Some(ErrorBound::Exact));
        assert_eq!(read.layout(), Some(FileLayout::Portable));
        assert_eq!(read.row_order(), Some(RowOrder::Any));
        assert_eq!(read.effort(), Some(Effort::Small));
        assert_eq!(read.keep_rows(), Some(0.5));
    }

    #[test]
    fn errors_say_where() {
        let error = |text: &str| Config::parse(text).unwrap_err().to_string();
        assert!(error("version = 1\nbounds = \"exact\"").contains("line 2"));
        assert!(error("version = 2").contains("version 2"));
        assert!(error("version = 1\n[columns]\nx = \"rel:-1\"").starts_with("x: "));
        assert!(error("version = 1\nkeep-rows = 0.0").contains("keep-rows"));
        assert!(error("").contains("version"));
    }
}
