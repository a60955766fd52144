//! A folder as output: which file is written for each input file.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Component, MAIN_SEPARATOR, Path, PathBuf};

#[cfg(feature = "remote")]
use crate::file::remote;
use crate::file::{Opened, ReaderBuilder, create_folder, shown};

use super::error::{Result, ToolError};
use super::paths::{self, is_url};

/// A file to read, and the file to write for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub input: PathBuf,
    pub output: PathBuf,
}

/// Whether an output stands for a folder: it ends in a slash, or is a folder already.
pub fn is_folder(output: &Path) -> bool {
    let text = output.as_os_str().as_encoded_bytes();
    let slash = |last: &u8| *last == b'/' || *last == MAIN_SEPARATOR as u8;
    text.last().is_some_and(slash) || (!is_url(output) && output.is_dir())
}

/// The files that `inputs` name (see [`paths::expand`]), each with the one to write below `folder`:
/// under its path within the folder that was given, which may be a partition (`year=2024/`), or else
/// under its own name, as `.parquet`.
///
/// # Errors
/// As [`paths::expand`], but for partitions; when two files would get one name, and when an output is or would become
/// an input.
pub fn parts(inputs: &[PathBuf], folder: &Path) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for input in inputs {
        check_outside(input, folder)?;
        for file in paths::files_of(input)? {
            let output = joined(folder, &name_below(input, &file)?)?;
            parts.push(Part {
                input: file,
                output,
            });
        }
    }
    check_distinct(&parts)?;
    check_no_inputs(&parts)?;
    Ok(parts)
}

/// Makes the folders that the outputs lie in.
pub(super) fn create_folders(parts: &[Part]) -> Result<()> {
    let outputs = parts.iter().map(|part| part.output.as_path());
    let folders = outputs
        .filter(|output| !is_url(output))
        .filter_map(Path::parent);
    for folder in folders.collect::<HashSet<_>>() {
        create_folder(folder).map_err(|error| ToolError::io("create the folder", folder, error))?;
    }
    Ok(())
}

/// What a file is called below the folder that `input` names, as names of folders and a file.
fn name_below(input: &Path, file: &Path) -> Result<Vec<OsString>> {
    let below = match (is_url(file), paths::is_input_folder(input)) {
        (true, in_folder) => url_below(input, file, in_folder),
        (false, true) => file.strip_prefix(input).unwrap_or(file).to_owned(),
        (false, false) => file.file_name().map(PathBuf::from).unwrap_or_default(),
    };
    let names = below.components().map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        _ => None,
    });
    let names: Option<Vec<OsString>> = names.collect();
    let mut names = names.filter(|names| !names.is_empty()).ok_or_else(|| {
        ToolError::invalid(format!("{} has no name to write it under", shown(file)))
    })?;
    if let Some(last) = names.pop() {
        names.push(as_parquet(Path::new(&last)));
    }
    Ok(names)
}

fn url_below(input: &Path, file: &Path, in_folder: bool) -> PathBuf {
    let (input, file) = (input.to_string_lossy(), file.to_string_lossy());
    let below = match in_folder {
        true => file.strip_prefix(&*input),
        false => file.rsplit('/').next(),
    };
    let below = below.unwrap_or_default();
    #[cfg(feature = "remote")]
    let below = remote::decoded(below);
    PathBuf::from(below)
}

fn as_parquet(name: &Path) -> OsString {
    if paths::is_table(name) {
        return name.with_extension("parquet").into();
    }
    let mut longer = name.as_os_str().to_owned();
    longer.push(".parquet");
    longer
}

fn joined(folder: &Path, names: &[OsString]) -> Result<PathBuf> {
    #[cfg(feature = "remote")]
    if let Some(url) = remote::url_of(folder) {
        let texts: Option<Vec<&str>> = names.iter().map(|name| name.to_str()).collect();
        let texts = texts.ok_or_else(|| {
            ToolError::invalid(format!("a name is not UTF-8, and so no URL: {names:?}"))
        })?;
        return Ok(PathBuf::from(remote::below(url, &texts)));
    }
    let below: PathBuf = names.iter().collect();
    Ok(folder.join(below))
}

/// An error where outputs would lie among the files of an input folder: whoever reads that folder
/// next reads them too.
fn check_outside(input: &Path, folder: &Path) -> Result<()> {
    let lies_within = match (is_url(input), is_url(folder)) {
        (true, true) if paths::is_input_folder(input) => {
            paths::comparable(folder).starts_with(paths::comparable(input))
        }
        (false, false) if paths::is_input_folder(input) => {
            let input = input
                .canonicalize()
                .map_err(|error| ToolError::io("open", input, error))?;
            resolved(folder).is_some_and(|folder| folder.starts_with(input))
        }
        _ => false,
    };
    match lies_within {
        true => Err(ToolError::invalid(format!(
            "{} lies in the input folder {}, where it would be read as input next time; name a folder elsewhere",
            shown(folder),
            shown(input)
        ))),
        false => Ok(()),
    }
}

/// A folder's real path. What of it does not exist yet will be folders, and no links.
fn resolved(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    let mut ancestors = absolute.ancestors();
    ancestors.find_map(|ancestor| {
        let mut real = ancestor.canonicalize().ok()?;
        for component in absolute.strip_prefix(ancestor).ok()?.components() {
            match component {
                Component::ParentDir => {
                    real.pop();
                }
                component => real.push(component),
            }
        }
        Some(real)
    })
}

fn check_distinct(parts: &[Part]) -> Result<()> {
    let mut seen: HashMap<PathBuf, &Path> = HashMap::with_capacity(parts.len());
    for part in parts {
        if let Some(other) = seen.insert(paths::comparable(&part.output), &part.input) {
            return Err(ToolError::invalid(format!(
                "{} and {} would both be written to {}; compress them into two folders",
                shown(other),
                shown(&part.input),
                shown(&part.output)
            )));
        }
    }
    Ok(())
}

fn check_no_inputs(parts: &[Part]) -> Result<()> {
    let real = |path: &Path| match is_url(path) {
        true => Some(paths::comparable(path)),
        false => path.canonicalize().ok(),
    };
    let inputs: HashSet<PathBuf> = parts.iter().filter_map(|part| real(&part.input)).collect();
    for Part { output, .. } in parts {
        let Some(target) = real(output) else {
            continue;
        };
        if inputs.contains(&target) {
            return Err(ToolError::invalid(format!(
                "{} is also an input; name another folder to write to",
                shown(output)
            )));
        }
        if !is_url(&target) && !target.is_file() {
            return Err(ToolError::invalid(format!(
                "{} is not an ordinary file, and cannot be replaced",
                shown(output)
            )));
        }
    }
    Ok(())
}

/// An error where an output, whose name nobody has written out, would replace a local file that Tolerant
/// has not written.
pub(super) fn check_own(output: &Path) -> Result<()> {
    if is_url(output) || !output.exists() {
        return Ok(());
    }
    let own = ReaderBuilder::open(output)
        .is_ok_and(|reader| matches!(reader.opened(), Opened::Packed(_)) || reader.is_portable());
    match own {
        true => Ok(()),
        false => Err(ToolError::invalid(format!(
            "{} is there already, and Tolerant has not written it; remove it, or name another folder to write to",
            output.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(input: &str, file: &str) -> String {
        let names = name_below(Path::new(input), Path::new(file)).unwrap();
        let names: Vec<&str> = names.iter().map(|name| name.to_str().unwrap()).collect();
        names.join("/")
    }

    #[test]
    fn names_are_kept() {
        assert_eq!(names("a/x.csv", "a/x.csv"), "x.parquet");
        assert_eq!(names("a/*.CSV", "a/y.CSV"), "y.parquet");
        assert_eq!(names("x.parquet", "x.parquet"), "x.parquet");
        assert_eq!(names("2024.01.15", "2024.01.15"), "2024.01.15.parquet");
        #[cfg(feature = "remote")]
        {
            assert_eq!(names("s3://b/d/", "s3://b/d/e/x.tsv"), "e/x.parquet");
            assert_eq!(names("s3://b/d/x.pq", "s3://b/d/x.pq"), "x.parquet");
            assert_eq!(
                names("s3://b/d/", "s3://b/d/y=1/a b.csv"),
                "y=1/a b.parquet"
            );
            assert_eq!(names("s3://b/a%20b.csv", "s3://b/a%20b.csv"), "a b.parquet");
            for outside in ["s3://b/d/../x.pq", "s3://b/d/%2E%2E/x", "s3://b/d/%2Fx"] {
                let names = name_below(Path::new("s3://b/d/"), Path::new(outside));
                assert!(names.is_err(), "{outside}");
            }
            let url = joined(
                Path::new("s3://b/out/"),
                &["a b%20c#?".into(), "ü.parquet".into()],
            );
            let expected = "s3://b/out/a%20b%2520c%23%3F/%C3%BC.parquet";
            assert_eq!(url.unwrap(), Path::new(expected));
        }
    }

    #[test]
    fn folders_are_told_from_files() {
        for folder in ["out/", "s3://bucket/out/", "/", "."] {
            assert!(is_folder(Path::new(folder)), "{folder}");
        }
        for file in ["out.parquet", "out", "s3://bucket/out"] {
            assert!(!is_folder(Path::new(file)), "{file}");
        }
    }
}
