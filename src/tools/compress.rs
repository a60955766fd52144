//! Any tables in, one packed or portable file out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use arrow::array::RecordBatch;

use crate::codec::{Effort, ErrorBound};
use crate::file::{
    AtomicFile, FileError, FileLayout, PortableWriter, RowOrder, VectorRange, WriteReport, Writer,
    WriterOptions, bound_names, is_float,
};

use super::error::{Result, ToolError};
use super::input::{Input, TableFile};
use super::relative::Ranges;
use super::{names, paths};

/// What to compress, into which file, and how closely.
#[derive(Debug, Clone)]
pub struct CompressOptions {
    /// Files, globs and folders: see [`Input::open`].
    pub inputs: Vec<PathBuf>,
    /// The file to write; it appears complete or not at all, and replaces one that is there.
    pub output: PathBuf,
    /// The bound of float columns without one of their own.
    pub bound: ErrorBound,
    /// Bounds of single columns.
    pub columns: Vec<(String, ErrorBound)>,
    /// A packed file, or ordinary Parquet.
    pub layout: FileLayout,
    /// How hard to try to make the file small.
    pub effort: Effort,
    /// The most other columns that a column may refer to; the writer's own choice unless given.
    pub max_references: Option<usize>,
    /// Rows of a block and of a row group; the writer's own choice unless given.
    pub block_rows: Option<usize>,
    pub row_group_rows: Option<usize>,
    /// Whether rows may be stored in whichever order is smallest.
    pub row_order: RowOrder,
    /// Whether bounds of vectors are relative to the range of all values or of each dimension.
    pub vector_range: VectorRange,
    /// The name of a column to add that holds each row's position in the input.
    pub row_id: Option<String>,
    /// The share of the rows to keep, chosen by hash: see [`kept_rows`](crate::tune::kept_rows). All
    /// unless given.
    #[cfg(feature = "tune")]
    pub keep_rows: Option<f64>,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct CompressReport {
    pub written: WriteReport,
    pub seconds: f64,
}

/// How far [`compress`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    pub phase: Phase,
    /// Rows read in this phase, and all there are to read if that is known.
    pub rows: u64,
    pub total: Option<u64>,
}

/// What [`compress`] is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading columns for their ranges, where the files do not declare them.
    Ranges,
    /// Reading columns for their quantiles, in up to four passes.
    Quantiles,
    Compressing,
    /// All is written, and takes its place next: the last chance to stop.
    Finishing,
}

/// Batches read ahead of the writer: it is busy for long at the end of each row group.
const READ_AHEAD: usize = 2;

/// Compresses all inputs, one after the other, into one file.
///
/// A `rel` or `psnr` bound is relative to the column's range over all inputs, as their statistics
/// declare it or, where they do not, as a first pass over the data finds it. So is a range between
/// quantiles, which takes one to four passes.
///
/// `progress` is told of every batch, and stops the work by an error.
///
/// # Errors
/// That of `progress`; and when an input cannot be read, the inputs differ in schema, a bound names no column or one that
/// cannot be lossy, or the output cannot be written; the output is then as it was before.
pub fn compress(
    options: &CompressOptions,
    progress: &(dyn Fn(Progress) -> Result<()> + Sync),
) -> Result<CompressReport> {
    let start = Instant::now();
    let input = Input::open(&options.inputs)?;
    paths::check_output(&options.output, input.files().iter().map(TableFile::path))?;
    check_columns(&input, options)?;
    check_row_id(&input, options.row_id.as_deref())?;

    let ranges = Ranges::find(&input, options, progress)?;
    let output = Output::of(options);
    let (mut file, mut written) = write(&input, options, output, &ranges, progress)?;
    if let Some(ranges) = ranges.corrected(written.columns.iter()) {
        tracing::warn!("an input's statistics do not match its values; compressing again");
        drop(file);
        (file, written) = write(&input, options, output, &ranges, progress)?;
    }
    progress(Progress {
        phase: Phase::Finishing,
        rows: written.rows,
        total: input.rows(),
    })?;
    file.commit()
        .map_err(|error| ToolError::file(&options.output, error))?;
    Ok(CompressReport {
        written,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Adds up rows for `progress`.
pub(super) fn counted<'a>(
    input: &'a Input,
    phase: Phase,
    progress: &'a (dyn Fn(Progress) -> Result<()> + Sync),
) -> impl Fn(u64) -> Result<()> + Sync + 'a {
    let rows = AtomicU64::new(0);
    move |read| {
        progress(Progress {
            phase,
            rows: rows.fetch_add(read, Ordering::Relaxed) + read,
            total: input.rows(),
        })
    }
}

pub(super) fn check_columns(input: &Input, options: &CompressOptions) -> Result<()> {
    let columns = &options.columns;
    let known = bound_names(input.schema());
    for (index, (name, bound)) in columns.iter().enumerate() {
        if !known.contains(name) {
            return Err(ToolError::invalid(format!(
                "no column is named {name:?}{}",
                names::suggestion(name, known.iter().map(String::as_str))
            )));
        }
        if let Ok(field) = input.schema().field_with_name(name)
            && !field.data_type().is_nested()
            && !is_float(field.data_type())
            && !bound.is_exact()
        {
            return Err(ToolError::invalid(format!(
                "column {name:?} is {}, which is always stored exactly; only float columns take the bound {bound}",
                field.data_type()
            )));
        }
        if columns[..index].iter().any(|(other, _)| other == name) {
            return Err(ToolError::invalid(format!(
                "column {name:?} is given two bounds; give one"
            )));
        }
    }
    Ok(())
}

fn check_row_id(input: &Input, name: Option<&str>) -> Result<()> {
    match name {
        Some("") => Err(ToolError::invalid("the row id needs a name")),
        Some(name) if input.schema().field_with_name(name).is_ok() => Err(ToolError::invalid(
            format!("there is a column named {name:?} already; give the row id another name"),
        )),
        _ => Ok(()),
    }
}

/// Where to write.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    pub(super) path: &'a Path,
    /// See [`AtomicFile::create_marked`].
    pub(super) mark: Option<u64>,
}

impl<'a> Output<'a> {
    fn of(options: &'a CompressOptions) -> Self {
        Self {
            path: &options.output,
            mark: None,
        }
    }

    fn create(self) -> std::result::Result<AtomicFile, FileError> {
        match self.mark {
            Some(mark) => AtomicFile::create_marked(self.path, mark),
            None => AtomicFile::create(self.path),
        }
    }
}

/// Writes the whole input to a file that is yet to be committed; reads ahead in another thread.
pub(super) fn write(
    input: &Input,
    options: &CompressOptions,
    output: Output<'_>,
    ranges: &Ranges,
    progress: &(dyn Fn(Progress) -> Result<()> + Sync),
) -> Result<(AtomicFile, WriteReport)> {
    let failed = |error| ToolError::file(output.path, error);
    let writer_options = ranges.declare(input, writer_options(options)?);
    let file = output.create().map_err(failed)?;
    let schema = Arc::clone(input.schema());
    let mut writer = match options.layout {
        FileLayout::Packed => Writer::try_new(file, schema, writer_options).map(AnyWriter::Packed),
        FileLayout::Portable => {
            PortableWriter::try_new(file, schema, writer_options).map(AnyWriter::Portable)
        }
    }
    .map_err(failed)?;
    let (batches, received) = sync_channel(READ_AHEAD);
    let rows = thread::scope(|scope| {
        // Owned by the scope, so that an error of the writer hangs up on the reader.
        let received = received;
        scope.spawn(move || input.batches().try_for_each(|batch| batches.send(batch)));
        let mut rows = 0;
        for batch in received {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            #[cfg(feature = "tune")]
            let batch = match options.keep_rows {
                Some(share) => crate::tune::kept_rows(&batch, share)
                    .map_err(|error| ToolError::invalid(error.to_string()))?,
                None => batch,
            };
            writer.write(&batch).map_err(failed)?;
            progress(Progress {
                phase: Phase::Compressing,
                rows,
                total: input.rows(),
            })?;
        }
        Ok::<_, ToolError>(rows)
    })?;
    let written = writer.close().map_err(failed)?;
    // The last row group may have taken long: who has stopped the work meanwhile wants no file.
    progress(Progress {
        phase: Phase::Compressing,
        rows,
        total: input.rows(),
    })?;
    Ok(written)
}

/// What `options` say to a writer, but for ranges.
pub(super) fn writer_options(options: &CompressOptions) -> Result<WriterOptions> {
    let mut writer_options = WriterOptions::default().with_bound(options.bound);
    for (name, bound) in &options.columns {
        writer_options = writer_options.with_column_bound(name, *bound);
    }
    if let Some(rows) = options.block_rows {
        if options.layout == FileLayout::Portable {
            return Err(ToolError::invalid(
                "a portable file has no blocks; leave out --block-rows, or set --row-group-rows",
            ));
        }
        writer_options = writer_options.with_block_rows(rows);
    }
    if let Some(rows) = options.row_group_rows {
        writer_options = writer_options.with_row_group_rows(rows);
    }
    if let Some(references) = options.max_references {
        writer_options = writer_options.with_max_references(references);
    }
    if let Some(name) = &options.row_id {
        writer_options = writer_options.with_row_id(name);
    }
    Ok(writer_options
        .with_vector_range(options.vector_range)
        .with_effort(options.effort)
        .with_row_order(options.row_order))
}

/// A writer of either layout.
enum AnyWriter {
    Packed(Writer<AtomicFile>),
    Portable(PortableWriter<AtomicFile>),
}

impl AnyWriter {
    fn write(&mut self, batch: &RecordBatch) -> std::result::Result<(), FileError> {
        match self {
            Self::Packed(writer) => writer.write(batch),
            Self::Portable(writer) => writer.write(batch),
        }
    }

    fn close(self) -> std::result::Result<(AtomicFile, WriteReport), FileError> {
        match self {
            Self::Packed(writer) => writer.close(),
            Self::Portable(writer) => writer.close(),
        }
    }
}
