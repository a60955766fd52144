//! The journal: what was found, line by line, so that a search which was interrupted goes on.
//!
//! A search is the same whenever it runs; it is resumed by running it again, with what the journal holds
//! looked up instead of computed. The first line says what the rest depends on: table, model, split, seed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::error::{Result, TuneError};
use super::trainer::{Outcome, Part};

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// A hash of all that the rest depends on.
    Journal {
        version: u32,
        of: String,
    },
    Reduced {
        key: String,
        made: Made,
    },
    Scored {
        table: String,
        part: Part,
        seed: u64,
        outcome: Outcome,
    },
    /// Seconds that this run took so far.
    Ran {
        seconds: f64,
    },
}

const VERSION: u32 = 1;

/// What a candidate's reduction came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Made {
    Table {
        bytes: u64,
        rows: u64,
        /// The hash of the reduced table: equal tables are trained on once.
        hash: String,
    },
    Failed(String),
}

/// A table, what it is scored on, and with which seed.
pub(super) type Training = (String, Part, u64);

pub(super) struct Journal {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    made: HashMap<String, Made>,
    scored: HashMap<Training, Outcome>,
    /// Of earlier runs.
    seconds: f64,
    /// None for one that is kept in memory only.
    file: Option<(PathBuf, File)>,
}

impl Drop for Known {
    /// Unlocks the file even where a program that was just started still holds a copy of it.
    fn drop(&mut self) {
        if let Some((_, file)) = &self.file {
            // Closing it is the other way to unlock it.
            let _ = file.unlock();
        }
    }
}

impl Journal {
    /// One that is kept in memory only.
    pub(super) fn in_memory() -> Self {
        Self {
            known: Mutex::default(),
        }
    }

    /// Opens the journal at `path`, or starts it.
    ///
    /// # Errors
    /// When it cannot be read or written, or is of another table, model or split.
    pub(super) fn open(path: &Path, of: &str) -> Result<Self> {
        let failed = |action: &'static str| move |error| TuneError::io(action, path, error);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed("open"))?;
        if let Err(error) = file.try_lock() {
            return Err(TuneError::BadFile(format!(
                "{} is in use ({error}): another search runs in this folder",
                path.display()
            )));
        }
        let mut known = Known::default();
        let mut end = 0;
        let mut ran = 0.0;
        let mut lines = BufReader::new(&mut file);
        loop {
            let mut text = Vec::new();
            let read = lines.read_until(b'\n', &mut text).map_err(failed("read"))?;
            // A line that was cut off by a crash is the last.
            let Some(line) = text
                .strip_suffix(b"\n")
                .and_then(|text| serde_json::from_slice(text).ok())
            else {
                break;
            };
            match line {
                Line::Journal { version, of: other } if end == 0 => {
                    if version != VERSION || other != of {
                        return Err(TuneError::BadFile(format!(
                            "{} is the journal of another table, model, task, split or seed; give another folder with \
                             -o, or remove the file to start again",
                            path.display()
                        )));
                    }
                }
                _ if end == 0 => break,
                Line::Journal { .. } => {}
                Line::Reduced { key, made } => {
                    known.made.insert(key, made);
                }
                Line::Scored {
                    table,
                    part,
                    seed,
                    outcome,
                } => {
                    known.scored.insert((table, part, seed), outcome);
                }
                Line::Ran { seconds } => {
                    // Times of one run grow; a new run starts again.
                    if seconds < ran {
                        known.seconds += ran;
                    }
                    ran = seconds;
                }
            }
            end += read as u64;
        }
        known.seconds += ran;
        drop(lines);
        let len = file.metadata().map_err(failed("read"))?.len();
        if end == 0 && len > 0 {
            return Err(TuneError::BadFile(format!(
                "{} is no journal of tolerant tune; give another folder with -o, or remove the file",
                path.display()
            )));
        }
        file.set_len(end).map_err(failed("write"))?;
        file.seek(SeekFrom::End(0)).map_err(failed("write"))?;
        known.file = Some((path.to_path_buf(), file));
        let journal = Self {
            known: Mutex::new(known),
        };
        if end == 0 {
            let of = of.to_owned();
            journal.write(&Line::Journal {
                version: VERSION,
                of,
            })?;
        }
        Ok(journal)
    }

    /// Seconds that earlier runs took.
    pub(super) fn seconds(&self) -> f64 {
        self.lock().seconds
    }

    /// Notes how long this run took so far.
    pub(super) fn ran(&self, seconds: f64) -> Result<()> {
        self.write(&Line::Ran { seconds })
    }

    pub(super) fn made(&self, key: &str) -> Option<Made> {
        self.lock().made.get(key).cloned()
    }

    pub(super) fn outcome(&self, training: &Training) -> Option<Outcome> {
        self.lock().scored.get(training).cloned()
    }

    pub(super) fn add_made(&self, key: &str, made: &Made) -> Result<()> {
        self.lock().made.insert(key.to_owned(), made.clone());
        self.write(&Line::Reduced {
            key: key.to_owned(),
            made: made.clone(),
        })
    }

    pub(super) fn add_outcome(&self, training: &Training, outcome: &Outcome) -> Result<()> {
        self.lock().scored.insert(training.clone(), outcome.clone());
        let (table, part, seed) = training.clone();
        self.write(&Line::Scored {
            table,
            part,
            seed,
            outcome: outcome.clone(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // Only whole entries are ever put in.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Line) -> Result<()> {
        let mut known = self.lock();
        let Some((path, file)) = &mut known.file else {
            return Ok(());
        };
        let mut text =
            serde_json::to_vec(line).map_err(|error| TuneError::io("write", path, error.into()))?;
        text.push(b'\n');
        // One call a line: what a crash cuts off is at the end.
        file.write_all(&text)
            .map_err(|error| TuneError::io("write", path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(seed: u64) -> Training {
        ("table".into(), Part::Validation, seed)
    }

    #[test]
    fn what_was_noted_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let made = Made::Table {
            bytes: 7,
            rows: 2,
            hash: "h".into(),
        };
        let outcome = Outcome::of("R2", 0.1 + 0.2);
        {
            let journal = Journal::open(&path, "x").unwrap();
            journal.add_made("k", &made).unwrap();
            journal.add_outcome(&training(1), &outcome).unwrap();
            journal.ran(2.0).unwrap();
            journal.ran(3.0).unwrap();
        }
        Journal::open(&path, "x").unwrap().ran(1.0).unwrap();
        let journal = Journal::open(&path, "x").unwrap();
        assert_eq!(journal.made("k"), Some(made));
        assert_eq!(journal.outcome(&training(1)), Some(outcome));
        assert_eq!(journal.outcome(&training(2)), None);
        assert_eq!(journal.seconds(), 4.0);
    }

    #[test]
    fn a_line_that_was_cut_off_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let journal = Journal::open(&path, "x").unwrap();
        for seed in 0..3 {
            journal
                .add_outcome(&training(seed), &Outcome::of("R2", 1.0))
                .unwrap();
        }
        drop(journal);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
        let journal = Journal::open(&path, "x").unwrap();
        assert!(journal.outcome(&training(1)).is_some());
        assert!(journal.outcome(&training(2)).is_none());
        journal
            .add_outcome(&training(2), &Outcome::of("R2", 1.0))
            .unwrap();
        drop(journal);
        let journal = Journal::open(&path, "x").unwrap();
        assert!(journal.outcome(&training(2)).is_some());
    }

    #[test]
    fn one_search_at_a_time_uses_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let _first = Journal::open(&path, "x").unwrap();
        let error = Journal::open(&path, "x").err().unwrap();
        assert!(error.to_string().contains("another search"), "{error}");
    }

    #[test]
    fn journals_of_something_else_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Journal::open(&path, "x").unwrap();
        let error = Journal::open(&path, "y").err().unwrap();
        assert!(error.to_string().contains("another table"), "{error}");
        std::fs::write(&path, "my notes\n").unwrap();
        let error = Journal::open(&path, "x").err().unwrap();
        assert!(error.to_string().contains("no journal"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"my notes\n");
    }
}
