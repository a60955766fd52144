//! From what the user names (files, globs, folders) to the files to read.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

pub use crate::file::is_url;
#[cfg(feature = "remote")]
use crate::file::remote;
use crate::file::shown;

use super::error::{Result, ToolError};

/// The files that `inputs` name, in the order given; a glob or folder gives its files sorted.
///
/// A path that exists is taken as it is, even where it holds glob characters. Folders are read
/// recursively; names that start with `.` or `_` (`_SUCCESS`, `_metadata`) are skipped there.
/// An input that names no file at all is an error, and so is a folder of partitions. A URL names one
/// file, or, if it ends in `/`, a folder.
pub fn expand<P: AsRef<Path>>(inputs: &[P]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        let input = input.as_ref();
        let found = files_of(input)?;
        if is_input_folder(input) {
            found
                .iter()
                .try_for_each(|file| check_partitions(input, file))?;
        }
        files.extend(found);
    }
    Ok(files)
}

/// The files that one input names, in partitions or not.
pub(super) fn files_of(input: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if is_url(input) {
        expand_url(input, &mut files)?;
        return Ok(files);
    }
    match fs::metadata(input) {
        Ok(found) if found.is_dir() => {
            walk(input, &mut files)?;
            if files.is_empty() {
                let what = format!("the folder {} holds no files", input.display());
                return Err(ToolError::invalid(what));
            }
        }
        Ok(_) => files.push(input.to_path_buf()),
        Err(error) => match input.to_str() {
            Some(pattern) if pattern.contains(['*', '?', '[']) => expand_glob(pattern, &mut files)?,
            _ => return Err(ToolError::io("open", input, error)),
        },
    }
    Ok(files)
}

/// Whether an input names a folder rather than a file or a glob.
pub(super) fn is_input_folder(input: &Path) -> bool {
    match is_url(input) {
        true => input.as_os_str().as_encoded_bytes().ends_with(b"/"),
        false => input.is_dir(),
    }
}

/// An error where the folders between `folder` and `file` are named like `year=2024`: such names
/// are values of a column that the files themselves lack, and that would be lost.
fn check_partitions(folder: &Path, file: &Path) -> Result<()> {
    let below = file.strip_prefix(folder).ok().and_then(Path::parent);
    let mut parts = below.into_iter().flatten();
    match parts.find(|part| part.as_encoded_bytes().contains(&b'=')) {
        Some(part) => Err(ToolError::invalid(format!(
            "{} lies in a partition, and {} would be lost; to read the files without it, name them by a glob such as '{}'",
            file.display(),
            part.display(),
            folder.join("**/*.parquet").display(),
        ))),
        None => Ok(()),
    }
}

/// Adds the file of a URL or, where it ends in `/`, all files below it but for hidden ones.
fn expand_url(url: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    #[cfg(feature = "remote")]
    if let Some(text) = url.to_str()
        && text.ends_with('/')
    {
        let listed = remote::list(text)?;
        if listed.is_empty() {
            return Err(ToolError::invalid(format!(
                "there are no files below {text}"
            )));
        }
        files.extend(listed.into_iter().map(PathBuf::from));
        return Ok(());
    }
    files.push(url.to_path_buf());
    Ok(())
}

fn expand_glob(pattern: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let matches = glob::glob_with(pattern, options)
        .map_err(|error| ToolError::invalid(format!("{pattern} is not a glob: {error}")))?;
    let before = files.len();
    // The glob crate yields its matches in alphabetical order.
    for entry in matches {
        let path = entry.map_err(|error| {
            let path = error.path().to_path_buf();
            ToolError::io("read", &path, error.into())
        })?;
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    if files.len() == before {
        return Err(ToolError::invalid(format!("no file matches {pattern}")));
    }
    Ok(())
}

/// Adds the files below `folder`, sorted, but for hidden ones.
pub(super) fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let io = |error| ToolError::io("read the folder", folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !is_hidden(&entry) {
            entries.push(entry);
        }
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // A link to a folder is not followed: it could lead back here, without end.
        if entry.file_type().map_err(io)?.is_dir() {
            walk(&path, files)?;
        } else if path.is_dir() {
            tracing::warn!("skipping the linked folder {}", path.display());
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The tables that are left out of the local folders among `inputs`, for their names start with `.` or
/// `_`.
pub fn left_out(inputs: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = inputs
        .iter()
        .filter(|input| input.is_dir())
        .cloned()
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, hidden) = (entry.path(), is_hidden(&entry));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.extend((!hidden).then_some(path));
            } else if hidden && is_table(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_hidden(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_'))
}

/// Endings of the names of tables.
const TABLES: [&str; 8] = [
    "parquet", "pq", "csv", "tsv", "arrow", "arrows", "feather", "ipc",
];

/// Whether a file is a table by the ending of its name.
pub(super) fn is_table(file: &Path) -> bool {
    let extension = file.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| {
        let mut tables = TABLES.iter();
        tables.any(|table| extension.eq_ignore_ascii_case(table))
    })
}

/// What tells whether two URLs mean the same file or folder, however they are written; paths are as
/// they are.
pub fn comparable(path: &Path) -> PathBuf {
    #[cfg(feature = "remote")]
    if let Some(url) = remote::url_of(path) {
        return remote::comparable(url).into();
    }
    path.to_owned()
}

/// An error where writing to `output` would destroy one of the `inputs`, or cannot work at all.
pub fn check_output<P: AsRef<Path>>(
    output: &Path,
    inputs: impl IntoIterator<Item = P>,
) -> Result<()> {
    if is_url(output) {
        let written = comparable(output);
        let mut inputs = inputs.into_iter();
        return match inputs.any(|input| comparable(input.as_ref()) == written) {
            true => Err(ToolError::invalid(format!(
                "{} is also an input; name another file to write",
                shown(output)
            ))),
            false => Ok(()),
        };
    }
    if output.is_dir() {
        return Err(ToolError::invalid(format!(
            "{} is a folder; name a file to write",
            output.display()
        )));
    }
    let parent = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return Err(ToolError::invalid(format!(
            "cannot write {}: the folder {} does not exist; create it first",
            output.display(),
            parent.display()
        )));
    }
    let Ok(target) = output.canonicalize() else {
        return Ok(());
    };
    if !target.is_file() {
        return Err(ToolError::invalid(format!(
            "{} is not an ordinary file; name another",
            output.display()
        )));
    }
    for input in inputs {
        if input
            .as_ref()
            .canonicalize()
            .is_ok_and(|input| input == target)
        {
            return Err(ToolError::invalid(format!(
                "{} is also an input; name another file to write",
                output.display()
            )));
        }
    }
    Ok(())
}
