//! The virtual file, read synchronously.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::buffers::Buffers;
use super::cache::{self, IntegerCache};
use super::error::{FileError, Result};
use super::footer::MAGIC;
use super::layout::Layout;
use super::open::{Extent, Opened, Opening};
use super::source::{self, ReadAt};

/// A packed file, presented as the ordinary Parquet file that it stands for.
///
/// Its bytes, [`read`](Self::read) from `0` to [`len`](Self::len), are a valid Parquet file that
/// any reader takes; only what is read is decoded. Cheap to clone, and safe to share among threads.
#[derive(Clone)]
pub struct VirtualFile {
    source: Arc<dyn ReadAt>,
    layout: Arc<Layout>,
    cache: Arc<IntegerCache>,
}

impl VirtualFile {
    /// Opens a packed file, by path or, with the feature `remote`, by URL.
    ///
    /// # Errors
    /// [`FileError::Io`], [`FileError::Corrupt`], and [`FileError::InvalidInput`] for an ordinary
    /// Parquet file.
    pub fn open(path: &Path) -> Result<Self> {
        Self::new(source::open_source(path)?).map_err(FileError::in_file(path))
    }

    /// Opens a packed file from any source of bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn new(source: Arc<dyn ReadAt>) -> Result<Self> {
        match open_source(source.as_ref())? {
            Opened::Packed(layout) => Ok(Self::from_layout(source, layout)),
            Opened::Ordinary(_) => Err(FileError::invalid(
                "an ordinary Parquet file, which any Parquet reader reads as it is",
            )),
        }
    }

    /// The virtual file of a layout that was read before from the same source.
    pub fn from_layout(source: Arc<dyn ReadAt>, layout: Arc<Layout>) -> Self {
        Self {
            source,
            layout,
            cache: Arc::default(),
        }
    }

    /// The packed file's own bytes.
    pub fn stored(&self) -> &Arc<dyn ReadAt> {
        &self.source
    }

    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Bytes of the virtual file.
    ///
    /// # Errors
    /// [`FileError::Parquet`] when the virtual footer cannot be written.
    #[expect(clippy::len_without_is_empty, reason = "a Parquet file is never empty")]
    pub fn len(&self) -> Result<u64> {
        self.layout.len()
    }

    /// About the most bytes of memory that it keeps as long as it is open: what is known of the
    /// file, and integers that columns share.
    pub fn memory_size(&self) -> u64 {
        let packed = self.layout.index().packed().count() as u64;
        let integers = packed * self.layout.num_rows() * size_of::<i32>() as u64;
        self.layout.memory_size() as u64 + integers.min(cache::MEMORY)
    }

    /// The virtual file's bytes of `range`.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a range beyond the end, [`FileError::Io`], and
    /// [`FileError::Corrupt`] where a checksum does not match.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let plan = self
            .layout
            .plan_with(std::slice::from_ref(&range), &self.cache)?;
        let fetched = self
            .source
            .read_ranges(plan.fetches())
            .map_err(FileError::io("reading"))?;
        let buffers = Buffers::default();
        let mut bytes = self
            .layout
            .assemble_with(&plan, &fetched, &self.cache, &buffers)?;
        bytes
            .pop()
            .ok_or_else(|| FileError::corrupt("nothing was read"))
    }
}

impl VirtualFile {
    /// The bytes of the values of whole virtual pages, by unit; of pages without nulls. Integers are
    /// kept for later reads if these are to be of the same rows.
    pub(super) fn read_pages(&self, units: &[usize], keep: bool) -> Result<Vec<Vec<u8>>> {
        let own = IntegerCache::default();
        let cache = if keep { &self.cache } else { &own };
        let plan = self.layout.plan_pages(units, cache);
        let fetched = self
            .source
            .read_ranges(plan.fetches())
            .map_err(FileError::io("reading"))?;
        self.layout.decode_pages(&plan, units, &fetched, cache)
    }
}

/// Reads the tail of a file, as much of it as it takes.
pub(super) fn open_source(source: &dyn ReadAt) -> Result<Opened> {
    open_to(source, Extent::Needed)
}

/// Checks all of a file but its pages: also the footer of a packed file, which is there for other
/// programs and which opening does not read. Reading all pages checks the rest.
///
/// # Errors
/// [`FileError::Io`], and [`FileError::Corrupt`] where the seal does not match, or where footer and
/// block index tell of two tables.
pub fn check_footer(source: &dyn ReadAt) -> Result<()> {
    let magic = source.read_at(0..MAGIC.len() as u64);
    if magic.map_err(FileError::io("reading"))? != MAGIC[..] {
        return Err(FileError::corrupt(
            "not a Parquet file: it does not start with PAR1",
        ));
    }
    open_to(source, Extent::Sealed).map(|_| ())
}

fn open_to(source: &dyn ReadAt, extent: Extent) -> Result<Opened> {
    let len = source.len().map_err(FileError::io("reading"))?;
    let mut opening = Opening::new(len, source.first_read(), extent);
    loop {
        let read = source.read_at(opening.range());
        if let Some(opened) = opening.take(read.map_err(FileError::io("reading"))?)? {
            return Ok(opened);
        }
    }
}

impl Length for VirtualFile {
    fn len(&self) -> u64 {
        // parquet-rs asks for it to find the footer only, and is given the metadata beforehand.
        self.layout.len().unwrap_or(self.layout.pages_end)
    }
}

impl ChunkReader for VirtualFile {
    type T = VirtualRead;

    fn get_read(&self, start: u64) -> Result<VirtualRead, ParquetError> {
        Ok(VirtualRead {
            file: self.clone(),
            position: start,
            buffer: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start
            .checked_add(length as u64)
            .ok_or_else(|| FileError::invalid("read beyond the end"))?;
        Ok(self.read(start..end)?)
    }
}

/// Bytes that a sequential read takes at a time, at most.
const READ_AHEAD: u64 = 64 << 10;

/// Sequential reading from a [`VirtualFile`]; what parquet-rs parses page headers from.
pub struct VirtualRead {
    file: VirtualFile,
    position: u64,
    buffer: Bytes,
}

impl Read for VirtualRead {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            // Page headers are parsed byte by byte; the page behind one is not to be decoded yet.
            let layout = self.file.layout();
            let end = layout
                .next_boundary(self.position)
                .map_err(io::Error::other)?
                .min(self.position.saturating_add(READ_AHEAD));
            if self.position >= end {
                return Ok(0);
            }
            self.buffer = self
                .file
                .read(self.position..end)
                .map_err(io::Error::other)?;
            self.position = end;
        }
        let n = self.buffer.len().min(to.len());
        to[..n].copy_from_slice(&self.buffer.split_to(n));
        Ok(n)
    }
}
