//! Training by a program of the user's: files and a seed in, one number out.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use tempfile::{NamedTempFile, TempDir};

use super::error::{Result, TuneError};
use super::trainer::{Outcome, Part, of_part};

/// A program that trains a model and prints its score.
///
/// `{train}`, `{validation}` and `{seed}` in the command stand for the path of the file to train on, that of
/// the untouched file to score on, and a whole number; a command that has none of them gets all three as
/// its last arguments. The environment variables `TOLERANT_TRAIN`, `TOLERANT_VALIDATION` and
/// `TOLERANT_SEED` hold them too. No shell is involved; quotes work as in one. The last line that the
/// program prints must be the score. Anything but a finite number and exit code 0 is a failure.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainCommand {
    /// The program and its arguments.
    pub command: String,
    /// What the program reads.
    pub format: TableFormat,
    /// How long one training may take; the program and what it started are then ended.
    pub timeout: Duration,
    /// Whether the number is an error, of which less is better.
    pub lower_is_better: bool,
}

/// What programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableFormat {
    /// Ordinary Parquet.
    #[default]
    Parquet,
    /// An Arrow IPC file (Feather version 2).
    Arrow,
}

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Bytes of a program's output that are looked at, from the end.
const TAIL: u64 = 4096;

impl TrainCommand {
    pub(super) fn identity(&self) -> String {
        format!(
            "command {} {:?} {:?} {}",
            self.command, self.format, self.timeout, self.lower_is_better
        )
    }
}

impl TableFormat {
    fn extension(self) -> &'static str {
        match self {
            Self::Parquet => ".parquet",
            Self::Arrow => ".arrow",
        }
    }

    fn write(self, table: &RecordBatch, path: &Path) -> Result<()> {
        let failed = |error| TuneError::io("write", path, error);
        let file = File::create(path).map_err(failed)?;
        match self {
            Self::Parquet => {
                let mut writer = ArrowWriter::try_new(file, table.schema(), None)?;
                writer.write(table)?;
                writer.close()?;
            }
            Self::Arrow => {
                let mut writer = FileWriter::try_new(file, &table.schema())?;
                writer.write(table)?;
                writer.finish()?;
            }
        }
        Ok(())
    }
}

pub(super) struct CommandTrainer {
    command: TrainCommand,
    words: Vec<String>,
    folder: TempDir,
    holdouts: Vec<(Part, PathBuf)>,
}

impl CommandTrainer {
    pub(super) fn new(command: &TrainCommand, holdouts: &[(Part, RecordBatch)]) -> Result<Self> {
        let words = shlex::split(&command.command)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| {
                TuneError::invalid(format!(
                    "the train command {:?} is no command: it is empty, or a quote is not closed",
                    command.command
                ))
            })?;
        let failed = |error| TuneError::io("create", &std::env::temp_dir(), error);
        let folder = tempfile::Builder::new()
            .prefix("tolerant-tune-")
            .tempdir()
            .map_err(failed)?;
        let place = |part: &Part| {
            let name = match part {
                Part::Validation => "validation".to_owned(),
                Part::Fold(fold) => format!("fold-{fold}"),
                Part::Test => "test".to_owned(),
            };
            folder.path().join(name + command.format.extension())
        };
        let mut files = Vec::with_capacity(holdouts.len());
        for (part, table) in holdouts {
            let path = place(part);
            command.format.write(table, &path)?;
            files.push((*part, path));
        }
        Ok(Self {
            holdouts: files,
            command: command.clone(),
            words,
            folder,
        })
    }

    pub(super) fn train(
        &self,
        table: &RecordBatch,
        part: Part,
        seed: u64,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let failed = |error| TuneError::io("write", self.folder.path(), error);
        let train = tempfile::Builder::new()
            .prefix("train-")
            .suffix(self.command.format.extension())
            .tempfile_in(self.folder.path())
            .map_err(failed)?
            .into_temp_path();
        self.command.format.write(table, &train)?;
        let holdout = of_part(&self.holdouts, part)?;
        let output = || NamedTempFile::new_in(self.folder.path()).map_err(failed);
        let (mut out, mut err) = (output()?, output()?);
        let mut child = match self.start(&train, holdout, seed, (&out, &err)) {
            Ok(child) => child,
            Err(error) => {
                let what = format!("cannot start {:?}: {error}", self.words[0]);
                return Ok(Outcome::Failed(what));
            }
        };
        let status = match self.wait(&mut child, stop)? {
            Ended::Exited(status) => status,
            Ended::TimedOut => {
                let seconds = self.command.timeout.as_secs_f64();
                return Ok(Outcome::Failed(format!(
                    "no score after {seconds} s; --train-timeout sets how long a training may take"
                )));
            }
        };
        if !status.success() {
            let said = tail(err.as_file_mut()).unwrap_or_default();
            let said = last_line(&said).unwrap_or("nothing");
            return Ok(Outcome::Failed(format!(
                "the program ended with {status} and said: {said}"
            )));
        }
        let printed = tail(out.as_file_mut()).map_err(failed)?;
        let Some(line) = last_line(&printed) else {
            return Ok(Outcome::Failed("the program printed no score".into()));
        };
        Ok(match line.parse::<f64>() {
            Ok(value) => Outcome::of("score", value),
            Err(_) => Outcome::Failed(format!(
                "the last line that the program printed is {line:?}, which is no number"
            )),
        })
    }

    fn start(
        &self,
        train: &Path,
        holdout: &Path,
        seed: u64,
        (out, err): (&NamedTempFile, &NamedTempFile),
    ) -> std::io::Result<Child> {
        let (train, holdout) = (train.to_string_lossy(), holdout.to_string_lossy());
        let seed = seed.to_string();
        let filled = |word: &String| {
            word.replace("{train}", &train)
                .replace("{validation}", &holdout)
                .replace("{seed}", &seed)
        };
        let words: Vec<String> = self.words.iter().map(filled).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if words == self.words {
            command.args([&*train, &*holdout, &*seed]);
        }
        command
            .env("TOLERANT_TRAIN", &*train)
            .env("TOLERANT_VALIDATION", &*holdout)
            .env("TOLERANT_SEED", &*seed)
            .stdin(Stdio::null())
            .stdout(out.reopen()?)
            .stderr(err.reopen()?);
        // A group of its own, so that what the program starts ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn()
    }

    fn wait(&self, child: &mut Child, stop: &AtomicBool) -> Result<Ended> {
        let start = Instant::now();
        loop {
            if let Some(status) = child
                .try_wait()
                .map_err(|error| TuneError::io("wait for", Path::new(&self.words[0]), error))?
            {
                return Ok(Ended::Exited(status));
            }
            let stopped = stop.load(Ordering::Relaxed);
            if stopped || start.elapsed() >= self.command.timeout {
                end(child);
                return if stopped {
                    Err(TuneError::Stopped)
                } else {
                    Ok(Ended::TimedOut)
                };
            }
            sleep(POLL);
        }
    }
}

enum Ended {
    Exited(ExitStatus),
    TimedOut,
}

/// Ends the program and all that it started.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // Gone already is as good.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The end of what was written to `file`.
fn tail(file: &mut File) -> std::io::Result<String> {
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

#[cfg(all(test, unix))]
#[path = "command_tests.rs"]
mod tests;
