//! What can go wrong in the tools.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::file::{FileError, shown};
#[cfg(feature = "tune")]
use crate::tune::TuneError;

/// An error of a tool: what happened, in which file and column, and what to do, in one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The operating system refused to read or write.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    /// A Parquet or packed file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is damaged, or is no table of a kind that is known.
    #[error("{}: {what}", path.display())]
    BadFile { path: PathBuf, what: String },
    /// What was asked for cannot be done with these inputs and options.
    #[error("{what}")]
    InvalidInput { what: String },
    /// The caller, who is told of progress, asked to stop.
    #[error("stopped")]
    Stopped,
}

/// The result of a tool.
pub type Result<T> = std::result::Result<T, ToolError>;

impl ToolError {
    /// The request is at fault: `what` says why and what would do.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::InvalidInput { what: what.into() }
    }

    /// The file at `path` is at fault.
    pub fn bad_file(path: &Path, what: impl fmt::Display) -> Self {
        Self::BadFile {
            path: shown(path).into(),
            what: what.to_string(),
        }
    }

    /// The operating system refused to `action` ("read", "open", "write") the file at `path`.
    pub fn io(action: &str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            what: format!("cannot {action} {}", shown(path)),
            source,
        }
    }

    /// The file layer's error, with the path of the file where the error itself does not say it.
    pub fn file(path: &Path, error: FileError) -> Self {
        let named = error.to_string().contains(&shown(path));
        Self::File(if named || is_about_request(&error) {
            error
        } else {
            error.at(shown(path))
        })
    }
}

#[cfg(feature = "tune")]
impl From<TuneError> for ToolError {
    fn from(error: TuneError) -> Self {
        match error {
            TuneError::Stopped => Self::Stopped,
            TuneError::Io { what, source } => Self::Io { what, source },
            TuneError::File(error) => Self::File(error),
            error => Self::invalid(error.to_string()),
        }
    }
}

/// Whether the options are at fault rather than the file.
fn is_about_request(error: &FileError) -> bool {
    match error {
        FileError::InvalidInput(_) => true,
        FileError::At { source, .. } => is_about_request(source),
        _ => false,
    }
}
