//! Inputs that are within bounds of an original already: what is made of them is farther from it.

use std::path::{Path, PathBuf};

use crate::file::{Opened, ReaderBuilder};

use super::error::Result;
use super::paths::{self, is_url};

/// The local files that `inputs` name (see [`paths::expand`]) and that are lossy copies.
///
/// # Errors
/// As [`paths::expand`], but for partitions.
pub fn lossy_files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut lossy = Vec::new();
    for input in inputs.iter().filter(|input| !is_url(input)) {
        let files = paths::files_of(input)?.into_iter();
        lossy.extend(files.filter(|file| is_lossy(file)));
    }
    Ok(lossy)
}

fn is_lossy(file: &Path) -> bool {
    ReaderBuilder::open(file).is_ok_and(|reader| match reader.opened() {
        Opened::Packed(layout) => {
            let index = layout.index();
            let flat = index.packed().map(|(_, column)| column);
            let leaves = index.packed_leaves().map(|(_, leaf)| &leaf.column);
            flat.chain(leaves).any(|column| !column.bound.is_exact())
        }
        Opened::Ordinary(_) => reader.is_portable(),
    })
}
