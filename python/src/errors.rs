//! The library's errors as Python exceptions, with the library's messages.

use std::error::Error;
use std::io;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyPermissionError, PyRuntimeError,
    PyValueError,
};
use pyo3::{PyErr, Python, create_exception};
use tolerant::codec::CodecError;
use tolerant::file::FileError;
use tolerant::tools::ToolError;

create_exception!(
    tolerant,
    CorruptFileError,
    PyOSError,
    "The file is damaged, or is not a file that Tolerant reads."
);

/// Which exception an error is.
enum Kind {
    NotFound,
    Permission,
    Io,
    Corrupt,
    Value,
    Runtime,
    Stopped,
    /// An exception that Python code raised below the library.
    Python(PyErr),
}

/// The exception of an error of any layer.
pub fn exception(error: &(dyn Error + 'static)) -> PyErr {
    let message = error.to_string();
    match kind(error) {
        Kind::NotFound => PyFileNotFoundError::new_err(message),
        Kind::Permission => PyPermissionError::new_err(message),
        Kind::Io => PyOSError::new_err(message),
        Kind::Corrupt => CorruptFileError::new_err(message),
        Kind::Value => PyValueError::new_err(message),
        Kind::Runtime => PyRuntimeError::new_err(message),
        Kind::Stopped => PyKeyboardInterrupt::new_err(()),
        Kind::Python(error) => error,
    }
}

fn kind(error: &(dyn Error + 'static)) -> Kind {
    if let Some(error) = error.downcast_ref::<ToolError>() {
        of_tool(error)
    } else if let Some(error) = error.downcast_ref::<FileError>() {
        of_file(error)
    } else if let Some(error) = error.downcast_ref::<CodecError>() {
        of_codec(error)
    } else if let Some(error) = error.downcast_ref::<ArrowError>() {
        of_arrow(error)
    } else if let Some(error) = error.downcast_ref::<ParquetError>() {
        of_parquet(error)
    } else if let Some(error) = error.downcast_ref::<DataFusionError>() {
        of_datafusion(error)
    } else if let Some(error) = error.downcast_ref::<io::Error>() {
        of_io(error)
    } else if let Some(error) = error.downcast_ref::<PyErr>() {
        Kind::Python(Python::attach(|py| error.clone_ref(py)))
    } else {
        error.source().map_or(Kind::Runtime, kind)
    }
}

fn of_tool(error: &ToolError) -> Kind {
    match error {
        ToolError::Io { source, .. } => of_io(source),
        ToolError::File(error) => of_file(error),
        ToolError::BadFile { .. } => Kind::Corrupt,
        ToolError::InvalidInput { .. } => Kind::Value,
        ToolError::Stopped => Kind::Stopped,
        _ => Kind::Runtime,
    }
}

fn of_file(error: &FileError) -> Kind {
    match error {
        FileError::Io { source, .. } => of_io(source),
        FileError::Corrupt(_) => Kind::Corrupt,
        FileError::InvalidInput(_) => Kind::Value,
        FileError::Codec(error) => of_codec(error),
        FileError::Parquet(error) => of_parquet(error),
        FileError::Arrow(error) => of_arrow(error),
        FileError::ObjectStore(error) => kind(error),
        FileError::At { source, .. } => of_file(source),
        _ => Kind::Runtime,
    }
}

fn of_codec(error: &CodecError) -> Kind {
    match error {
        CodecError::InvalidBound(_) | CodecError::TooLong(_) => Kind::Value,
        _ => Kind::Corrupt,
    }
}

fn of_io(error: &io::Error) -> Kind {
    match (error.get_ref(), error.kind()) {
        // io::Error::other around one of ours.
        (Some(inner), _) => kind(inner),
        (None, io::ErrorKind::NotFound) => Kind::NotFound,
        (None, io::ErrorKind::PermissionDenied) => Kind::Permission,
        (None, io::ErrorKind::UnexpectedEof) => Kind::Corrupt,
        _ => Kind::Io,
    }
}

fn of_arrow(error: &ArrowError) -> Kind {
    match error {
        ArrowError::ExternalError(inner) => kind(inner.as_ref()),
        ArrowError::IoError(_, source) => of_io(source),
        ArrowError::ParquetError(_) => Kind::Corrupt,
        _ => Kind::Value,
    }
}

fn of_parquet(error: &ParquetError) -> Kind {
    match error {
        ParquetError::External(inner) => kind(inner.as_ref()),
        ParquetError::ArrowError(_) => Kind::Value,
        // Parquet has no other words for a file that makes no sense.
        _ => Kind::Corrupt,
    }
}

fn of_datafusion(error: &DataFusionError) -> Kind {
    match error {
        DataFusionError::ArrowError(error, _) => of_arrow(error),
        DataFusionError::ParquetError(error) => of_parquet(error),
        DataFusionError::ObjectStore(error) => kind(error.as_ref()),
        DataFusionError::IoError(error) => of_io(error),
        DataFusionError::External(error) => kind(error.as_ref()),
        DataFusionError::Context(_, error) | DataFusionError::Diagnostic(_, error) => {
            of_datafusion(error)
        }
        DataFusionError::Shared(error) => of_datafusion(error),
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Execution(_)
        | DataFusionError::NotImplemented(_) => Kind::Value,
        _ => Kind::Runtime,
    }
}

/// For `map_err` of the tools.
pub fn tool(error: ToolError) -> PyErr {
    exception(&error)
}

/// For `map_err` of the file layer.
pub fn file(error: FileError) -> PyErr {
    exception(&error)
}

/// For `map_err` of Arrow.
pub fn arrow(error: ArrowError) -> PyErr {
    exception(&error)
}

/// For `map_err` of DataFusion, without the lines of backtrace hints that it likes to add.
pub fn datafusion(error: DataFusionError) -> PyErr {
    exception(&error)
}
