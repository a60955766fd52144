//! The files of the served folder, each as the ordinary Parquet file that it is or stands for.
//!
//! A file that has been opened is read through that one handle, whatever becomes of its name: a
//! file that is replaced is another file, with another entity tag, and no answer mixes the two. A
//! file that is overwritten in place, as none of our tools does, ends the answers under way with an
//! error.

use std::fs::{File, Metadata};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use headers::ETag;

use crate::file::{FileError, Opened, Promises, ReadAt, ReaderBuilder, VirtualFile};
use crate::tools::inspect::{InspectReport, inspect_opened};
use crate::tools::{self, ToolError};

use super::cache::Cache;
use super::paths::is_served;

/// Bytes of an ordinary file, or of what lies between pages, that are read at a time.
const PIECE: u64 = 1 << 20;

/// A folder and what is below it. No path leaves it: each is resolved beneath the folder's handle,
/// links included (`openat2` and its like).
pub struct Folder {
    root: Dir,
    cache: Cache,
}

/// Why there is no file to serve.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing of that name, or nothing that is served.
    NotFound,
    /// A Parquet file that cannot be read, and why.
    Broken(String),
}

/// What a path names.
pub enum Found {
    File(Arc<Served>),
    Folder,
}

/// The name of an entry of a folder.
pub struct Entry {
    pub name: String,
    pub is_folder: bool,
}

impl Folder {
    /// # Errors
    /// When `path` is no folder that can be read.
    pub fn open(path: &std::path::Path) -> tools::Result<Self> {
        let root = Dir::open_ambient_dir(path, ambient_authority())
            .map_err(|error| ToolError::io("open the folder", path, error))?;
        Ok(Self {
            root,
            cache: Cache::default(),
        })
    }

    /// The file or folder at `path`, which [`UrlPath`](super::paths::UrlPath) has checked. Reads
    /// from disk.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn find(&self, path: &str) -> Result<Found, Refusal> {
        let looked_up = if path.is_empty() { "." } else { path };
        let metadata = self
            .root
            .metadata(looked_up)
            .map_err(|_| Refusal::NotFound)?;
        if metadata.is_dir() {
            return Ok(Found::Folder);
        }
        let (file, metadata) = self.open_file(path)?;
        let identity = Identity::of(&metadata);
        if let Some(served) = self.cache.get(path, &identity) {
            return Ok(Found::File(served));
        }
        let served = Arc::new(Served::open(path, file, &metadata, identity)?);
        self.cache.put(path, &served);
        Ok(Found::File(served))
    }

    /// A file as it is on disk, opened; of any kind. Reads from disk.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn stat(&self, path: &str) -> Result<(Stat, File), Refusal> {
        if !path.split('/').all(is_served) {
            return Err(Refusal::NotFound);
        }
        let (file, metadata) = self.open_file(path)?;
        let etag = Identity::of(&metadata).text();
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let len = metadata.len();
        Ok((
            Stat {
                len,
                modified,
                etag,
            },
            file,
        ))
    }

    fn open_file(&self, path: &str) -> Result<(File, Metadata), Refusal> {
        let metadata = self.root.metadata(path).map_err(|_| Refusal::NotFound)?;
        // Opening a pipe would wait for whoever writes to it.
        if !metadata.is_file() {
            return Err(Refusal::NotFound);
        }
        let file = self.root.open(path).map_err(|error| {
            // An escape is a refusal of permission as well, and neither is anybody's business.
            tracing::warn!("{path}: {error}");
            Refusal::NotFound
        })?;
        let file = file.into_std();
        let metadata = file.metadata().map_err(broken)?;
        match metadata.is_file() {
            true => Ok((file, metadata)),
            false => Err(Refusal::NotFound),
        }
    }

    /// What lies in a folder, by name, of those names that are served; files of all kinds.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it cannot be read.
    pub fn entries(&self, path: &str) -> Result<Vec<Entry>, Refusal> {
        let looked_up = if path.is_empty() { "." } else { path };
        let listed = self
            .root
            .read_dir(looked_up)
            .map_err(|_| Refusal::NotFound)?;
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry.map_err(broken)?;
            // Names that are not UTF-8 have no URL.
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !is_served(&name) {
                continue;
            }
            let below = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}/{name}")
            };
            // Through links, as far as they stay inside.
            if let Ok(metadata) = self.root.metadata(&below)
                && (metadata.is_dir() || metadata.is_file())
            {
                let is_folder = metadata.is_dir();
                entries.push(Entry { name, is_folder });
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal::Broken(error.to_string())
}

/// What a directory says of a file.
pub struct Stat {
    pub len: u64,
    pub modified: SystemTime,
    /// Another for every other file.
    pub etag: String,
}

/// By what one file is told from another at the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    len: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    /// Device, file number, and when the file's entry was changed last; zeros where there are none.
    place: [u64; 3],
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            modified: nanoseconds(metadata),
            place: place(metadata),
        }
    }

    /// Strong: another program version may lay out another virtual file.
    fn etag(&self) -> Option<ETag> {
        let version = env!("CARGO_PKG_VERSION");
        format!("\"{version}-{}\"", self.text()).parse().ok()
    }

    fn text(&self) -> String {
        let [device, number, changed] = self.place;
        let Self { len, modified, .. } = self;
        format!("{device:x}-{number:x}-{changed:x}-{modified:x}-{len:x}")
    }
}

fn nanoseconds(metadata: &Metadata) -> u128 {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = modified.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_nanos()
}

#[cfg(unix)]
fn place(metadata: &Metadata) -> [u64; 3] {
    use std::os::unix::fs::MetadataExt;
    let changed = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
    [metadata.dev(), metadata.ino(), changed as u64]
}

#[cfg(not(unix))]
fn place(_: &Metadata) -> [u64; 3] {
    [0; 3]
}

/// An open file that must stay as it was when it was opened.
struct Pinned {
    file: File,
    len: u64,
    modified: u128,
}

impl ReadAt for Pinned {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        let bytes = self.file.read_at(range)?;
        let metadata = self.file.metadata()?;
        if metadata.len() != self.len || nanoseconds(&metadata) != self.modified {
            return Err(io::Error::other(
                "the file was changed while it was being read",
            ));
        }
        Ok(bytes)
    }
}

/// A Parquet file, opened.
pub struct Served {
    pub identity: Identity,
    pub etag: ETag,
    pub modified: SystemTime,
    /// Bytes of the ordinary Parquet file.
    pub len: u64,
    /// Bytes of the file on disk.
    pub stored_len: u64,
    /// `packed`, `portable` or `ordinary`.
    pub layout: &'static str,
    pub rows: u64,
    pub row_groups: usize,
    pub columns: usize,
    source: Arc<Pinned>,
    /// None for ordinary files, which are passed on as they are.
    packed: Option<VirtualFile>,
    path: String,
}

impl Served {
    fn open(
        path: &str,
        file: File,
        metadata: &Metadata,
        identity: Identity,
    ) -> Result<Self, Refusal> {
        let source = Arc::new(Pinned {
            file,
            len: identity.len,
            modified: identity.modified,
        });
        let magic = source.read_at(0..identity.len.min(4)).map_err(broken)?;
        if magic != b"PAR1"[..] {
            return Err(Refusal::NotFound);
        }
        let builder = ReaderBuilder::new(source.clone()).map_err(broken)?;
        let schema = builder.schema();
        let (packed, layout) = match builder.opened() {
            Opened::Packed(layout) => {
                let file = VirtualFile::from_layout(source.clone(), Arc::clone(layout));
                (Some(file), "packed")
            }
            Opened::Ordinary(metadata) => match Promises::of(metadata, schema) {
                Ok(Some(_)) => (None, "portable"),
                Ok(None) | Err(_) => (None, "ordinary"),
            },
        };
        let len = match &packed {
            Some(file) => file.len().map_err(broken)?,
            None => identity.len,
        };
        Ok(Self {
            etag: identity
                .etag()
                .ok_or_else(|| broken("it has no entity tag"))?,
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            len,
            stored_len: identity.len,
            layout,
            rows: builder.num_rows(),
            row_groups: builder.opened().metadata().num_row_groups(),
            columns: schema.fields().len(),
            identity,
            source,
            packed,
            path: path.to_owned(),
        })
    }

    /// The bytes of `range`, which must lie within the file. Reads from disk, and decodes.
    ///
    /// # Errors
    /// When the file is damaged, cannot be read, or was changed since it was opened.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, FileError> {
        let bytes = match &self.packed {
            Some(file) => file.read(range),
            None => self.source.read_at(range).map_err(|source| FileError::Io {
                what: "reading".to_owned(),
                source,
            }),
        };
        bytes.map_err(|error| error.at(&self.path))
    }

    /// Where the first piece of `range` ends: at a page's end, about a megabyte on.
    ///
    /// # Errors
    /// When the virtual footer cannot be written.
    pub fn piece_end(&self, range: &Range<u64>) -> Result<u64, FileError> {
        match &self.packed {
            Some(file) => file.layout().piece_end(range, PIECE),
            None => Ok(range.end.min(range.start.saturating_add(PIECE))),
        }
    }

    /// The most bytes of memory that reading `range` takes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn memory_of_read(&self, range: &Range<u64>) -> Result<u64, FileError> {
        match &self.packed {
            Some(file) => file.layout().memory_of_read(range),
            None => Ok(range.end - range.start),
        }
    }

    /// About the bytes that it keeps in memory as long as it is open.
    pub fn memory(&self) -> u64 {
        self.packed.as_ref().map_or(0, VirtualFile::memory_size) + 4096
    }

    /// Schema, bounds, ranges and sizes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn inspect(&self) -> Result<InspectReport, FileError> {
        let builder = ReaderBuilder::new(self.source.clone())?;
        Ok(inspect_opened(&builder, self.stored_len, &self.path))
    }
}
