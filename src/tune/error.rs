//! What can go wrong in tuning.

use std::io;
use std::path::Path;

use crate::file::{FileError, shown};

/// An error of tuning: what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// A packed or Parquet file could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    /// What was asked for cannot be done with this table and these options.
    #[error("{0}")]
    InvalidInput(String),
    /// A model could not be trained or scored on this data.
    #[error("{0}")]
    Model(String),
    /// A method cannot reduce this table.
    #[error("{method}: {what}")]
    Method { method: String, what: String },
    /// A journal or a configuration is damaged, or of something else.
    #[error("{0}")]
    BadFile(String),
    /// The caller asked to stop. What was found is in the journal.
    #[error("stopped")]
    Stopped,
}

/// The result of tuning.
pub type Result<T, E = TuneError> = std::result::Result<T, E>;

impl TuneError {
    /// The request is at fault: `what` says why and what would do.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::InvalidInput(what.into())
    }

    /// A model failed.
    pub fn model(what: impl Into<String>) -> Self {
        Self::Model(what.into())
    }

    /// The method called `method` failed.
    pub fn method(method: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Method {
            method: method.into(),
            what: what.into(),
        }
    }

    /// The operating system refused to `action` ("read", "write") the file at `path`.
    pub fn io(action: &str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what: format!("cannot {action} {}", shown(path)),
            source,
        }
    }
}
