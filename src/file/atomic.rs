//! Files that appear complete or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

use super::error::{FileError, Result};
use super::per_process::PerProcess;
#[cfg(feature = "remote")]
use super::remote;

/// A file being written beside its final place, or, if that is a URL, in the folder for temporary
/// files. [`commit`](Self::commit) makes it appear there,
/// complete and durable; dropped before that, nothing remains.
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
    unfinished: Unfinished,
}

impl AtomicFile {
    /// Starts a file that will be at `path`, in a folder that exists already, or at a URL (with the
    /// feature `remote`).
    ///
    /// Where there is a link, the file that it leads to is replaced. A new file has the permissions
    /// of the one that it replaces.
    ///
    /// # Errors
    /// [`FileError::Io`] when the folder does not exist or cannot be written to, and
    /// [`FileError::InvalidInput`] when `path` is a folder, a device, a pipe, or a link to nothing.
    pub fn create(path: &Path) -> Result<Self> {
        let path = &place_of(path)?;
        let folder = Self::folder_for(path)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).suffix(SUFFIX);
        Self::begin(path, folder, builder)
    }

    /// As [`create`](Self::create), at [`scratch_path`](Self::scratch_path) until it is committed,
    /// so that others can remove what a killed process leaves.
    ///
    /// # Errors
    /// As [`create`](Self::create); and where there is such a file already.
    #[cfg(feature = "cli")]
    pub(crate) fn create_marked(path: &Path, mark: u64) -> Result<Self> {
        let path = &place_of(path)?;
        let folder = Self::folder_for(path)?;
        let name = marked(mark);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&name).rand_bytes(0);
        Self::begin(path, folder, builder)
    }

    /// Where a marked file for `path` is being written, if beside its final place.
    #[cfg(feature = "distributed")]
    pub(crate) fn scratch_path(path: &Path, mark: u64) -> Option<PathBuf> {
        let place = place_of(path).ok().filter(|place| !super::is_url(place))?;
        Some(folder_of(&place).join(marked(mark)))
    }

    /// The folder to write a file in before it appears.
    fn folder_for(path: &Path) -> Result<PathBuf> {
        #[cfg(feature = "remote")]
        if let Some(url) = remote::url_of(path) {
            remote::check_writable(url)?;
            return Ok(std::env::temp_dir());
        }
        Ok(folder_of(path).to_owned())
    }

    fn begin(path: &Path, folder: PathBuf, mut builder: tempfile::Builder<'_, '_>) -> Result<Self> {
        // A temporary file is private by default; a result has the permissions of any new file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let (file, unfinished) = Unfinished::make(|| builder.tempfile_in(folder))
            .map_err(FileError::io(format!("{}: cannot create", path.display())))?;
        Ok(Self {
            unfinished,
            writer: BufWriter::with_capacity(1 << 20, file),
            path: path.to_owned(),
        })
    }

    /// Bytes written so far.
    ///
    /// # Errors
    /// [`FileError::Io`] when what was written cannot be flushed.
    #[expect(
        clippy::len_without_is_empty,
        reason = "nobody asks whether a result is empty"
    )]
    pub fn len(&mut self) -> Result<u64> {
        let flushed = self.writer.flush();
        let metadata = flushed.and_then(|()| self.writer.get_ref().as_file().metadata());
        let metadata = metadata.map_err(FileError::io(format!(
            "{}: cannot write",
            self.path.display()
        )))?;
        Ok(metadata.len())
    }

    /// Makes the file appear under its name: flush, fsync, rename, fsync of the folder; or upload.
    ///
    /// # Errors
    /// [`FileError::Io`]; the file is then not there, and what was there before still is.
    pub fn commit(self) -> Result<()> {
        let failed = || FileError::io(format!("{}: cannot write", self.path.display()));
        let file = self
            .writer
            .into_inner()
            .map_err(|e| failed()(e.into_error()))?;
        #[cfg(feature = "remote")]
        if let Some(url) = remote::url_of(&self.path) {
            let len = file.as_file().metadata().map_err(failed())?.len();
            return remote::upload(file.reopen().map_err(failed())?, len, url);
        }
        if let Ok(replaced) = fs::metadata(&self.path) {
            let permissions = file.as_file().set_permissions(replaced.permissions());
            permissions.map_err(failed())?;
        }
        file.as_file().sync_all().map_err(failed())?;
        file.persist(&self.path).map_err(|e| failed()(e.error))?;
        drop(self.unfinished);
        sync_folder(folder_of(&self.path)).map_err(failed())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Files that are of no use unless this process finishes them. Held while such a file is made, so that none escapes
/// [`remove_unfinished`]. Those of the process that this one was forked from are not its own to remove.
static UNFINISHED: PerProcess<Mutex<BTreeSet<PathBuf>>> = PerProcess::new();

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    let unfinished = UNFINISHED.get().lock();
    // Nothing panics while it is held.
    unfinished.unwrap_or_else(PoisonError::into_inner)
}

/// Says of a temporary file that [`remove_unfinished`] is to remove it, until this is dropped.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    /// Makes a file, which is there only once [`remove_unfinished`] would remove it.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn make(
        make: impl FnOnce() -> io::Result<NamedTempFile>,
    ) -> io::Result<(NamedTempFile, Self)> {
        let mut unfinished = unfinished();
        let file = make()?;
        let path = file.path().to_owned();
        unfinished.insert(path.clone());
        Ok((file, Self(path)))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

/// Removes the files that this process is writing, for it is about to end: what is unfinished then
/// never appears.
pub fn remove_unfinished() {
    let own = unfinished().clone();
    for path in own {
        // What is gone has appeared just now.
        let _ = fs::remove_file(path);
    }
}

/// Where a file is to appear: what a link leads to.
fn place_of(path: &Path) -> Result<PathBuf> {
    let refused = |why: &str| Err(FileError::invalid(format!("{}: {why}", path.display())));
    if super::is_url(path) {
        return Ok(path.to_owned());
    }
    let folder = "is a folder; name the file to write";
    let Ok(found) = fs::symlink_metadata(path) else {
        return match path.file_name() {
            Some(_) => Ok(path.to_owned()),
            None => refused(folder),
        };
    };
    let place = match found.is_symlink() {
        true => fs::canonicalize(path),
        false => Ok(path.to_owned()),
    };
    match place.and_then(|place| Ok((fs::metadata(&place)?, place))) {
        Ok((found, place)) if found.is_file() => Ok(place),
        Ok((found, _)) if found.is_dir() => refused(folder),
        Ok(_) => refused("is a device or a pipe; name a file to write"),
        Err(_) => refused("is a link that leads to no file; name a file to write"),
    }
}

/// Names that readers of folders skip.
const PREFIX: &str = ".tolerant-";
const SUFFIX: &str = ".tmp";

#[cfg(feature = "cli")]
fn marked(mark: u64) -> String {
    format!("{PREFIX}{mark:016x}{SUFFIX}")
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes a folder and those above it where there are none, as durable as the files that are to appear there.
///
/// # Errors
/// As [`fs::create_dir_all`], and when a folder cannot be synchronized.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let new: Vec<&Path> = folder.ancestors().take_while(missing).collect();
    fs::create_dir_all(folder)?;
    new.into_iter()
        .try_for_each(|folder| sync_folder(folder_of(folder)))
}

/// A name is durable once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
