//! What can go wrong with files.

use std::path::Path;

use crate::codec::CodecError;

pub type Result<T, E = FileError> = std::result::Result<T, E>;

/// An error of the file layer: what happened and, as far as known, in which file and column.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system or the object store refused.
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    /// The file is damaged, or not a file that this library reads.
    #[error("corrupt file: {0}")]
    Corrupt(String),
    /// The caller's data or options do not fit.
    #[error("{0}")]
    InvalidInput(String),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    #[error(transparent)]
    ObjectStore(#[from] object_store::Error),
    /// Another error, and where it happened.
    #[error("{place}: {source}")]
    At {
        place: String,
        source: Box<FileError>,
    },
}

impl FileError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt(what.into())
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::InvalidInput(what.into())
    }

    /// Says where the error happened: a file, a column.
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        Self::At {
            place: place.to_string(),
            source: Box::new(self),
        }
    }

    pub(crate) fn in_file(path: &Path) -> impl FnOnce(Self) -> Self {
        move |error| error.at(super::source::shown(path))
    }
}

/// For the traits of arrow-rs, which know their own error type only.
impl From<FileError> for parquet::errors::ParquetError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Parquet(error) => error,
            error => Self::External(Box::new(error)),
        }
    }
}

impl From<FileError> for arrow::error::ArrowError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Arrow(error) => error,
            error => Self::ExternalError(Box::new(error)),
        }
    }
}
