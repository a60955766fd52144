//! What there is to do with one file of a dataset, by whomever.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::file::{AtomicFile, WriteReport};
use crate::tools::compress::{CompressOptions, Output, Progress, write};
use crate::tools::error::{Result, ToolError};
use crate::tools::input::Input;
use crate::tools::paths::is_url;
use crate::tools::relative::Ranges;

/// One file, and all that whoever works on it must know.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) input: PathBuf,
    /// What `input` had, where it is a file of a folder, when the dataset was opened.
    pub(crate) input_bytes: Option<u64>,
    pub(crate) output: PathBuf,
    /// That of the dataset.
    pub(crate) schema: SchemaRef,
    /// Those of the dataset; inputs and output are above.
    pub(crate) options: Arc<CompressOptions>,
    pub(crate) work: Work,
}

#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// To find the ranges of these columns, and of the leaves that the options need.
    Find(Arc<[usize]>),
    /// To write the output, with the ranges of the dataset.
    Write(Arc<Ranges>),
}

/// What is told of progress: the rows read so far.
type Told<'a> = &'a (dyn Fn(u64) -> Result<()> + Sync);

impl Task {
    /// Finds ranges, in this file alone.
    pub(crate) fn find(&self, columns: &[usize], told: Told<'_>) -> Result<Ranges> {
        let input = self.open()?;
        Ranges::read(&input, &self.options, columns, &|progress: Progress| {
            told(progress.rows)
        })
    }

    /// Writes the output, up to its appearing. `mark`: see [`AtomicFile::create_marked`].
    pub(crate) fn write(
        &self,
        ranges: &Ranges,
        mark: Option<u64>,
        told: Told<'_>,
    ) -> Result<(AtomicFile, WriteReport)> {
        let input = self.open()?;
        let output = Output {
            path: &self.output,
            mark,
        };
        write(&input, &self.options, output, ranges, &|progress| {
            told(progress.rows)
        })
    }

    fn open(&self) -> Result<Input> {
        let bytes = bytes_of(&self.input)?;
        if let (Some(found), Some(expected)) = (bytes, self.input_bytes)
            && found != expected
        {
            return Err(ToolError::bad_file(
                &self.input,
                format!(
                    "has {found} bytes, and had {expected} when the dataset was opened; it was changed, or is another file on another machine"
                ),
            ));
        }
        Input::open_part(&self.input, &self.schema)
    }
}

/// The size of a file of this machine's folders.
pub(super) fn bytes_of(path: &Path) -> Result<Option<u64>> {
    if is_url(path) {
        return Ok(None);
    }
    let metadata = fs::metadata(path).map_err(|error| ToolError::io("open", path, error))?;
    Ok(Some(metadata.len()))
}
