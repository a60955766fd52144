//! What is served, as JSON: the keys are a contract (docs/serving.md).

use std::time::SystemTime;

use serde::Serialize;

use crate::tools::inspect::InspectReport;

use super::files::{Folder, Found, Refusal, Served};
use super::paths;

/// Files of a folder that are opened for what they hold. A folder of more is listed by name alone,
/// from there on.
const OPENED: usize = 1000;

/// How a listing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Json,
    Html,
}

impl View {
    /// `view=json` or `view=html` in a URL's query.
    pub fn asked_in(query: Option<&str>) -> Option<Self> {
        let mut pairs = query?.split('&');
        pairs.find_map(|pair| match pair {
            "view=json" => Some(Self::Json),
            "view=html" => Some(Self::Html),
            _ => None,
        })
    }

    /// What an `Accept` header prefers: JSON only where it is named and HTML is not before it.
    pub fn accepted(accept: &str) -> Self {
        let position = |kind: &str| accept.find(kind).unwrap_or(usize::MAX);
        if position("application/json") < position("text/html") {
            Self::Json
        } else {
            Self::Html
        }
    }
}

/// A folder.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// Relative to the served folder, which is empty itself.
    pub path: String,
    pub folders: Vec<SubFolder>,
    pub files: Vec<File>,
}

#[derive(Debug, Serialize)]
pub struct SubFolder {
    pub name: String,
    /// Its URL, from the server's root on.
    pub url: String,
}

/// A Parquet file. What is not known, of files that cannot be read or were not opened, is null.
#[derive(Debug, Serialize)]
pub struct File {
    pub name: String,
    pub path: String,
    pub url: String,
    /// Why the file cannot be read.
    pub error: Option<String>,
    /// `packed`, `portable` or `ordinary`.
    pub layout: Option<&'static str>,
    pub rows: Option<u64>,
    pub row_groups: Option<usize>,
    pub columns: Option<usize>,
    /// Bytes of the file that is served, and of the one on disk.
    pub bytes: Option<u64>,
    pub stored_bytes: Option<u64>,
    /// Seconds since 1970.
    pub modified: Option<u64>,
}

/// A file and its columns.
#[derive(Debug, Serialize)]
pub struct Details {
    pub file: File,
    #[serde(flatten)]
    pub report: InspectReport,
}

/// The folders, and the files that are Parquet, of a folder.
///
/// # Errors
/// When there is no such folder.
pub fn list(folder: &Folder, path: String) -> Result<Listing, Refusal> {
    let mut listing = Listing {
        path,
        folders: Vec::new(),
        files: Vec::new(),
    };
    for entry in folder.entries(&listing.path)? {
        let below = match listing.path.as_str() {
            "" => entry.name.clone(),
            path => format!("{path}/{}", entry.name),
        };
        if entry.is_folder {
            let url = format!("{}/", url(&below));
            let name = entry.name;
            listing.folders.push(SubFolder { name, url });
        } else if listing.files.len() >= OPENED {
            listing.files.push(unknown(below, None));
        } else {
            match folder.find(&below) {
                Ok(Found::File(served)) => listing.files.push(file(below, &served)),
                Err(Refusal::Broken(why)) => listing.files.push(unknown(below, Some(why))),
                // No Parquet, or gone by now.
                Ok(Found::Folder) | Err(Refusal::NotFound) => {}
            }
        }
    }
    Ok(listing)
}

/// A file that has been opened.
pub fn file(path: String, served: &Served) -> File {
    let since = served.modified.duration_since(SystemTime::UNIX_EPOCH);
    File {
        layout: Some(served.layout),
        rows: Some(served.rows),
        row_groups: Some(served.row_groups),
        columns: Some(served.columns),
        bytes: Some(served.len),
        stored_bytes: Some(served.stored_len),
        modified: since.ok().map(|since| since.as_secs()),
        ..unknown(path, None)
    }
}

fn unknown(path: String, error: Option<String>) -> File {
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    File {
        name,
        url: url(&path),
        path,
        error,
        layout: None,
        rows: None,
        row_groups: None,
        columns: None,
        bytes: None,
        stored_bytes: None,
        modified: None,
    }
}

/// The URL of a path, from the server's root on.
pub fn url(path: &str) -> String {
    let names: Vec<String> = path.split('/').map(paths::encode).collect();
    format!("/{}", names.join("/"))
}
