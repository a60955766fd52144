//! Where bytes come from when nothing is awaited.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{FileError, Result};
use super::open::{FIRST_READ, LEAST_FIRST_READ};
#[cfg(feature = "remote")]
use super::{read_ahead::ReadAhead, remote};

/// Random access to a file's bytes, from any number of threads.
pub trait ReadAt: Send + Sync {
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;

    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The bytes of `range`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where the file ends before the range does.
    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes>;

    /// How many bytes of a file's end to read at first, to open it: more than it takes where asking
    /// again takes long.
    fn first_read(&self) -> u64 {
        FIRST_READ
    }

    /// The bytes of several ranges; at once where that is quicker.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    fn read_ranges(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        ranges
            .iter()
            .map(|range| self.read_at(range.clone()))
            .collect()
    }
}

/// Whether a path is the URL of a file in an object store or on a web server.
pub fn is_url(path: &Path) -> bool {
    #[cfg(feature = "remote")]
    return remote::url_of(path).is_some();
    #[cfg(not(feature = "remote"))]
    {
        let _ = path;
        false
    }
}

/// A path as it may be shown: of a URL, without the password that it may hold.
pub fn shown(path: &Path) -> String {
    #[cfg(feature = "remote")]
    if let Some(url) = remote::url_of(path) {
        return remote::shown(url);
    }
    path.display().to_string()
}

/// The file of a path or, with the feature `remote`, of a URL.
///
/// # Errors
/// [`FileError::Io`], and [`FileError::ObjectStore`] where there is no such remote file.
pub fn open_source(path: &Path) -> Result<Arc<dyn ReadAt>> {
    #[cfg(feature = "remote")]
    if let Some(url) = remote::url_of(path) {
        let file = ReadAhead::new(remote::RemoteFile::open(url)?);
        return Ok(Arc::new(file.map_err(FileError::io(remote::shown(url)))?));
    }
    let file = File::open(path).map_err(FileError::io(shown(path)))?;
    Ok(Arc::new(file))
}

impl ReadAt for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self[..].len() as u64)
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.start <= range.end && range.end <= self[..].len() as u64 {
            Ok(self.slice(range.start as usize..range.end as usize))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

impl ReadAt for File {
    fn first_read(&self) -> u64 {
        // Reading again costs next to nothing.
        LEAST_FIRST_READ
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        // The range may come from a damaged file: it earns its memory by lying within this one.
        if range.start > range.end || range.end > ReadAt::len(self)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        read_exact_at(self, &mut bytes, range.start)?;
        Ok(Bytes::from(bytes))
    }
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        match file.seek_read(bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                bytes = &mut bytes[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}
