//! The virtual file for Python: ranges of bytes, from a path or from any reader of ranges.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tolerant::file::{FileError, Opened, ReadAt, ReaderBuilder};

use super::errors;

/// A packed file as the bytes of the ordinary Parquet file that it stands for; an ordinary Parquet
/// file as it is. Safe to share among threads.
#[pyclass(frozen, module = "tolerant._native")]
pub struct VirtualFile {
    source: Arc<Counted>,
    bytes: Presented,
    size: u64,
}

enum Presented {
    Packed(tolerant::file::VirtualFile),
    AsItIs,
}

#[pymethods]
impl VirtualFile {
    /// Opens a path.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        py.detach(|| {
            let file = File::open(&path).map_err(|source| FileError::Io {
                what: path.display().to_string(),
                source,
            })?;
            Self::new(Arc::new(file)).map_err(|error| error.at(path.display()))
        })
        .map_err(errors::file)
    }

    /// Opens a file of `size` bytes that `read(start, end)` gives ranges of, from any thread.
    #[staticmethod]
    fn over(py: Python<'_>, size: u64, read: Py<PyAny>) -> PyResult<Self> {
        let source = Arc::new(Callable { size, read });
        py.detach(|| Self::new(source)).map_err(errors::file)
    }

    /// Bytes of the file as it is presented.
    #[getter]
    fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is a packed file.
    #[getter]
    fn packed(&self) -> bool {
        matches!(self.bytes, Presented::Packed(_))
    }

    /// Bytes of the file as it is stored.
    #[getter]
    fn stored_size(&self) -> PyResult<u64> {
        Ok(self.source.len()?)
    }

    /// Bytes that have been read of the file as it is stored.
    #[getter]
    fn stored_bytes_read(&self) -> u64 {
        self.source.read.load(Ordering::Relaxed)
    }

    /// The bytes from `start` to `end`, less what lies beyond the end.
    fn read<'py>(&self, py: Python<'py>, start: u64, end: u64) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.range(start, end)).map_err(errors::file)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Fills `buffer`, which must not reach beyond the end, with the bytes from `start` on.
    fn read_into(&self, py: Python<'_>, start: u64, buffer: PyBuffer<u8>) -> PyResult<()> {
        let end = start.saturating_add(buffer.item_count() as u64);
        let bytes = py.detach(|| self.range(start, end)).map_err(errors::file)?;
        buffer.copy_from_slice(py, &bytes)
    }
}

impl VirtualFile {
    fn new(source: Arc<dyn ReadAt>) -> Result<Self, FileError> {
        let source = Arc::new(Counted {
            source,
            read: AtomicU64::new(0),
        });
        let builder = ReaderBuilder::new(Arc::clone(&source) as Arc<dyn ReadAt>)?;
        let (bytes, size) = match builder.opened() {
            Opened::Packed(layout) => {
                let shared = Arc::clone(&source) as Arc<dyn ReadAt>;
                let file = tolerant::file::VirtualFile::from_layout(shared, Arc::clone(layout));
                let size = file.len()?;
                (Presented::Packed(file), size)
            }
            Opened::Ordinary(_) => {
                let size = source.len().map_err(io_error)?;
                (Presented::AsItIs, size)
            }
        };
        Ok(Self {
            source,
            bytes,
            size,
        })
    }

    fn range(&self, start: u64, end: u64) -> Result<Bytes, FileError> {
        let start = start.min(self.size);
        let range = start..end.clamp(start, self.size);
        match &self.bytes {
            Presented::Packed(file) => file.read(range),
            Presented::AsItIs => self.source.read_at(range).map_err(io_error),
        }
    }
}

fn io_error(source: io::Error) -> FileError {
    FileError::Io {
        what: "reading".to_owned(),
        source,
    }
}

/// A source that counts the bytes read from it.
struct Counted {
    source: Arc<dyn ReadAt>,
    read: AtomicU64,
}

impl ReadAt for Counted {
    fn len(&self) -> io::Result<u64> {
        self.source.len()
    }

    fn first_read(&self) -> u64 {
        self.source.first_read()
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = self.source.read_at(range)?;
        self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// A Python function as a source.
struct Callable {
    size: u64,
    read: Py<PyAny>,
}

impl ReadAt for Callable {
    fn len(&self) -> io::Result<u64> {
        Ok(self.size)
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = Python::attach(|py| {
            let bytes = self.read.bind(py).call1((range.start, range.end))?;
            let bytes: PyBuffer<u8> = bytes.extract()?;
            bytes.to_vec(py)
        });
        let bytes = bytes.map_err(|error: PyErr| io::Error::other(error))?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Bytes::from(bytes))
    }
}
