//! Any tables in, a file for each out: a dataset of many files, compressed file by file, with ranges
//! of the whole, so that a bound means the same in each file.

mod runner;
mod task;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::file::shown;

use super::compress::{
    CompressOptions, CompressReport, Phase, Progress, check_columns, writer_options,
};
use super::error::{Result, ToolError};
use super::input::{Input, TableFile};
use super::leaves;
use super::names;
use super::outputs::{self, Part};
use super::relative::{self, Ranges};

use runner::Here;
pub(crate) use runner::{Event, Runner};
pub(crate) use task::{Task, Work};

/// What [`compress_each`] wrote.
#[derive(Debug, Clone)]
pub struct CompressEachReport {
    /// One for each input file, in their order.
    pub files: Vec<FileReport>,
    /// Workers that were lost on the way, and why; others did their work.
    pub lost: Vec<String>,
    pub seconds: f64,
}

/// What became of one file.
#[derive(Debug, Clone)]
pub struct FileReport {
    pub input: PathBuf,
    pub output: PathBuf,
    pub report: CompressReport,
}

/// Compresses each input file into one of its own below the folder `options.output`: see
/// [`outputs::parts`] for their names.
///
/// Ranges and quantiles are those of all inputs together, as in [`compress`](super::compress::compress). Each file
/// appears complete or not at all; an error says which are there already.
///
/// # Errors
/// As [`compress`](super::compress::compress) and [`outputs::parts`]; and with a row id, for which
/// files of their own have no order.
pub fn compress_each(
    options: &CompressOptions,
    progress: &(dyn Fn(Progress) -> Result<()> + Sync),
) -> Result<CompressEachReport> {
    compress_with(options, &Here, progress)
}

/// As [`compress_each`], by whatever `runner` has files written.
pub(crate) fn compress_with(
    options: &CompressOptions,
    runner: &dyn Runner,
    progress: &(dyn Fn(Progress) -> Result<()> + Sync),
) -> Result<CompressEachReport> {
    let start = Instant::now();
    check_options(options)?;
    let parts = outputs::parts(&options.inputs, &options.output)?;
    parts
        .iter()
        .try_for_each(|part| outputs::check_own(&part.output))?;
    let inputs: Vec<&PathBuf> = parts.iter().map(|part| &part.input).collect();
    let input = Input::open(&inputs)?;
    check_columns(&input, options)?;
    let dataset = Dataset {
        options: Arc::new(options.clone()),
        input: &input,
        parts: &parts,
        runner,
        progress,
    };
    let ranges = dataset.ranges()?;
    outputs::create_folders(&parts)?;
    let written = Mutex::new(vec![Written::Nothing; parts.len()]);
    let reports = dataset.write(ranges, &written);
    let reports = reports.map_err(|error| with_written(error, &parts, &unlocked(&written)))?;
    let files = parts.into_iter().zip(reports);
    Ok(CompressEachReport {
        files: files
            .map(|(Part { input, output }, report)| FileReport {
                input,
                output,
                report,
            })
            .collect(),
        lost: runner.lost(),
        seconds: start.elapsed().as_secs_f64(),
    })
}

fn check_options(options: &CompressOptions) -> Result<()> {
    if options.row_id.is_some() {
        return Err(ToolError::invalid(
            "a row id counts the rows of all inputs, which only one file for all of them has; leave out --row-id, or name a file to write",
        ));
    }
    if !outputs::is_folder(&options.output) {
        return Err(ToolError::invalid(format!(
            "{} is no folder; end it with a slash to write a file for each input",
            shown(&options.output)
        )));
    }
    writer_options(options).map(|_| ())
}

/// What is known of an output.
#[derive(Clone)]
enum Written {
    Nothing,
    /// It may be there: whoever was to make it appear has not answered.
    Perhaps,
    There(Box<CompressReport>),
    /// It is there, with ranges that the values do not bear out.
    Outdated,
}

/// A dataset on its way into a folder.
struct Dataset<'a> {
    options: Arc<CompressOptions>,
    input: &'a Input,
    parts: &'a [Part],
    runner: &'a dyn Runner,
    progress: &'a (dyn Fn(Progress) -> Result<()> + Sync),
}

impl Dataset<'_> {
    /// The ranges of the whole, as the files declare them or, file by file, as they are read.
    fn ranges(&self) -> Result<Ranges> {
        let (input, options) = (self.input, &*self.options);
        let mut ranges = Ranges::declared(input, options);
        let unknown = relative::unknown_columns(input, options);
        if !unknown.is_empty() || leaves::are_wanted(input, options) {
            let found = Mutex::new(Vec::new());
            self.run(Phase::Ranges, Work::Find(unknown.into()), &|_, event| {
                if let Event::Found(part) = event {
                    unlocked(&found).push(part);
                }
            })?;
            let found = std::mem::take(&mut *unlocked(&found));
            found.into_iter().for_each(|part| ranges.add(part));
        }
        ranges.quantiles = relative::read_quantiles(input, options, self.progress)?;
        Ok(ranges)
    }

    /// Writes all files; twice, where statistics do not match the values of any of them.
    fn write(&self, ranges: Ranges, written: &Mutex<Vec<Written>>) -> Result<Vec<CompressReport>> {
        let reports = self.write_with(ranges.clone(), written)?;
        let columns = reports.iter().flat_map(|report| &report.written.columns);
        match ranges.corrected(columns) {
            None => Ok(reports),
            Some(ranges) => {
                tracing::warn!("an input's statistics do not match its values; compressing again");
                unlocked(written).fill(Written::Outdated);
                self.write_with(ranges, written)
            }
        }
    }

    fn write_with(
        &self,
        ranges: Ranges,
        written: &Mutex<Vec<Written>>,
    ) -> Result<Vec<CompressReport>> {
        let work = Work::Write(Arc::new(ranges));
        self.run(Phase::Compressing, work, &|part, event| {
            let written = &mut unlocked(written)[part];
            match event {
                // As long as nobody says that it has been written anew.
                Event::Appearing if matches!(written, Written::Outdated) => {}
                Event::Appearing => *written = Written::Perhaps,
                Event::Written(report) => *written = Written::There(report),
                Event::Rows(_) | Event::Found(_) => {}
            }
        })?;
        let reports = unlocked(written).clone().into_iter();
        let reports = reports.map(|written| match written {
            Written::There(report) => Ok(*report),
            _ => Err(ToolError::invalid("a file was not written")),
        });
        reports.collect()
    }

    /// Has `work` done on every file, adding up the rows for whoever is told of progress.
    fn run(&self, phase: Phase, work: Work, told: &(dyn Fn(usize, Event) + Sync)) -> Result<()> {
        let rows: Vec<AtomicU64> = self.parts.iter().map(|_| AtomicU64::new(0)).collect();
        let tasks: Vec<Task> = self
            .parts
            .iter()
            .zip(self.input.files())
            .map(|(part, file)| self.task(part, file, work.clone()))
            .collect::<Result<_>>()?;
        self.runner.run(&tasks, &|part, event| {
            if let Event::Rows(read) = event {
                rows[part].store(read, Ordering::Relaxed);
                return (self.progress)(Progress {
                    phase,
                    rows: rows.iter().map(|rows| rows.load(Ordering::Relaxed)).sum(),
                    total: self.input.rows(),
                });
            }
            told(part, event);
            Ok(())
        })
    }

    fn task(&self, part: &Part, file: &TableFile, work: Work) -> Result<Task> {
        Ok(Task {
            input: part.input.clone(),
            input_bytes: task::bytes_of(file.path())?,
            output: part.output.clone(),
            schema: Arc::clone(self.input.schema()),
            options: Arc::clone(&self.options),
            work,
        })
    }
}

/// The error, and which files this run has written.
fn with_written(error: ToolError, parts: &[Part], written: &[Written]) -> ToolError {
    let named = |wanted: fn(&Written) -> bool| {
        let parts = parts.iter().zip(written);
        let parts = parts.filter(|(_, written)| wanted(written));
        parts.map(|(part, _)| shown(&part.output)).collect()
    };
    let there: Vec<String> = named(|written| matches!(written, Written::There(_)));
    let perhaps: Vec<String> = named(|written| matches!(written, Written::Perhaps));
    let outdated: Vec<String> = named(|written| matches!(written, Written::Outdated));
    let nothing = there.is_empty() && perhaps.is_empty() && outdated.is_empty();
    if nothing || matches!(error, ToolError::Stopped) {
        return error;
    }
    let mut text = format!(
        "{error}; {} of {} files were written before",
        there.len(),
        parts.len()
    );
    if !there.is_empty() {
        text += &format!(": {}", names::some(&there));
    }
    if !perhaps.is_empty() {
        text += &format!("; and perhaps {}", names::some(&perhaps));
    }
    if !outdated.is_empty() {
        text += &format!(
            "; others have bounds relative to statistics that are wrong, and must be written again: {}",
            names::some(&outdated)
        );
    }
    ToolError::invalid(text)
}

fn unlocked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What it holds is whole at any time.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
