//! Any tables in, one packed or portable file out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use arrow::array::RecordBatch;

use crate::codec::{Effort, ErrorBound, ValueRange};
use crate::file::{
    AtomicFile, FileError, FileLayout, PortableWriter, RowOrder, VectorRange, WriteReport, Writer,
    WriterOptions, bound_names, is_float,
};

use super::error::{Result, ToolError};
use super::input::{Input, TableFile};
use super::leaves::{self, LeafRange};
use super::quantiles::Wanted;
use super::{names, paths, quantiles, ranges};

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

    let relative = relative_columns(&input, options);
    let mut ranges = input.known_ranges().to_vec();
    let unknown: Vec<usize> = relative
        .iter()
        .copied()
        .filter(|&column| ranges[column].is_none())
        .collect();
    if !unknown.is_empty() {
        let found = ranges::read(&input, &unknown, &counted(&input, Phase::Ranges, progress))?;
        unknown
            .iter()
            .zip(found)
            .for_each(|(&column, range)| ranges[column] = Some(range));
    }

    let robust = robust_columns(&input, options);
    let report = counted(&input, Phase::Quantiles, progress);
    let found = quantiles::read(&input, &robust, &report)?;
    let quantiles: Vec<(usize, ValueRange)> =
        robust.iter().map(|wanted| wanted.0).zip(found).collect();

    let leaves = leaves::read(&input, options, &counted(&input, Phase::Ranges, progress))?;
    let declared: Vec<(usize, ValueRange)> = relative
        .iter()
        .filter_map(|&column| Some((column, ranges[column]?)))
        .collect();
    let all = [quantiles.as_slice(), declared.as_slice()].concat();
    let (mut file, mut written) = write(&input, options, (&all, &leaves), progress)?;
    // Statistics are another program's word. Where the values do not bear them out, the promise
    // would be another than the one asked for: once more, with the ranges of the values.
    let reports = written.columns.iter();
    let seen: Vec<(usize, ValueRange)> = reports
        .filter(|report| relative.binary_search(&report.column).is_ok())
        .map(|report| (report.column, report.range))
        .collect();
    if seen
        .iter()
        .zip(&declared)
        .any(|(seen, declared)| seen != declared && !(seen.1.is_empty() && declared.1.is_empty()))
    {
        tracing::warn!("an input's statistics do not match its values; compressing again");
        drop(file);
        let all = [quantiles.as_slice(), seen.as_slice()].concat();
        (file, written) = write(&input, options, (&all, &leaves), progress)?;
    }
    file.commit()
        .map_err(|error| ToolError::file(&options.output, error))?;
    Ok(CompressReport {
        written,
        seconds: start.elapsed().as_secs_f64(),
    })
}

/// Adds up rows for `progress`.
fn counted<'a>(
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

/// The float columns whose bound depends on their smallest and largest value.
fn relative_columns(input: &Input, options: &CompressOptions) -> Vec<usize> {
    bounds_of_floats(input, options)
        .filter(|(_, bound)| bound.needs_range())
        .filter(|(_, bound)| !matches!(bound, ErrorBound::RobustRel { .. }))
        .map(|(column, _)| column)
        .collect()
}

/// The float columns whose bound depends on quantiles.
fn robust_columns(input: &Input, options: &CompressOptions) -> Vec<Wanted> {
    bounds_of_floats(input, options)
        .filter_map(|(column, bound)| match bound {
            ErrorBound::RobustRel { low, high, .. } if !bound.is_exact() => {
                Some((column, low, high))
            }
            _ => None,
        })
        .collect()
}

fn bounds_of_floats<'a>(
    input: &'a Input,
    options: &'a CompressOptions,
) -> impl Iterator<Item = (usize, ErrorBound)> + 'a {
    let fields = input.schema().fields().iter().enumerate();
    let floats = fields.filter(|(_, field)| is_float(field.data_type()));
    floats.map(|(index, field)| {
        let mut own = options.columns.iter();
        let own = own.find(|(name, _)| name == field.name());
        (index, own.map_or(options.bound, |(_, bound)| *bound))
    })
}

fn check_columns(input: &Input, options: &CompressOptions) -> Result<()> {
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

/// Writes the whole input to a file that is yet to be committed; reads ahead in another thread.
fn write(
    input: &Input,
    options: &CompressOptions,
    (ranges, leaves): (&[(usize, ValueRange)], &[LeafRange]),
    progress: &(dyn Fn(Progress) -> Result<()> + Sync),
) -> Result<(AtomicFile, WriteReport)> {
    let failed = |error| ToolError::file(&options.output, error);
    let mut writer_options = WriterOptions::default().with_bound(options.bound);
    for (name, bound) in &options.columns {
        writer_options = writer_options.with_column_bound(name, *bound);
    }
    for (column, range) in ranges {
        writer_options =
            writer_options.with_column_range(input.schema().field(*column).name(), *range);
    }
    writer_options = writer_options.with_vector_range(options.vector_range);
    for leaf in leaves {
        writer_options = leaf.declare(writer_options);
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

    writer_options = writer_options.with_effort(options.effort);
    if let Some(references) = options.max_references {
        writer_options = writer_options.with_max_references(references);
    }
    writer_options = writer_options.with_row_order(options.row_order);
    if let Some(name) = &options.row_id {
        writer_options = writer_options.with_row_id(name);
    }

    let file = AtomicFile::create(&options.output).map_err(failed)?;
    let schema = Arc::clone(input.schema());
    let mut writer = match options.layout {
        FileLayout::Packed => Writer::try_new(file, schema, writer_options).map(AnyWriter::Packed),
        FileLayout::Portable => {
            PortableWriter::try_new(file, schema, writer_options).map(AnyWriter::Portable)
        }
    }
    .map_err(failed)?;
    let (batches, received) = sync_channel(READ_AHEAD);
    thread::scope(|scope| {
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
        Ok::<_, ToolError>(())
    })?;
    writer.close().map_err(failed)
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
