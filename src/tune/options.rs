//! What is to be found.

use std::path::PathBuf;

use crate::codec::Effort;
use crate::file::{FileLayout, RowOrder};

use super::error::{Result, TuneError};
use super::method::Task;
use super::search::Budget;
use super::stored::Storage;

/// What is to be found, and how long to look for it.
#[derive(Debug, Clone)]
pub struct TuneOptions {
    /// The column to predict; for clustering the labels to find, if there are any.
    pub target: Option<String>,
    /// Made out from the target unless given.
    pub task: Option<Task>,
    /// The loss of the score, relative to the baseline's, that may be: 0.01 is 1 %.
    pub max_loss: f64,
    /// The share of it that the search leaves at first for what the validation part cannot show: it has seen
    /// that part many times, and the best of many is better by chance too. What finalists show on other data
    /// sets it anew.
    pub margin: f64,
    /// Trainings of the baseline and of the final figures.
    pub seeds: usize,
    /// The first of them; splits and random choices follow from it as well.
    pub seed: u64,
    pub budget: Budget,
    /// Whether a float target is kept exactly; otherwise models train on a target within a bound of its
    /// own, and are scored on the original.
    pub exact_target: bool,
    /// Whether the search may also drop rows.
    pub sample_rows: bool,
    pub layout: FileLayout,
    /// Any unless the rows are a series in time.
    pub row_order: Option<RowOrder>,
    pub effort: Effort,
    /// Trainings at a time: as many as there are cores for models of this program, 1 for commands, unless
    /// given.
    pub jobs: Option<usize>,
    /// Where the journal is kept, so that the search can be resumed; in memory only unless given.
    pub folder: Option<PathBuf>,
}

impl Default for TuneOptions {
    fn default() -> Self {
        Self {
            target: None,
            task: None,
            max_loss: 0.01,
            margin: 0.25,
            seeds: 5,
            seed: 0,
            budget: Budget::Evaluations(120),
            exact_target: false,
            sample_rows: false,
            layout: FileLayout::Packed,
            row_order: None,
            effort: Effort::Balanced,
            jobs: None,
            folder: None,
        }
    }
}

impl TuneOptions {
    /// # Errors
    /// [`TuneError::InvalidInput`] for numbers that make no sense.
    pub(super) fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(TuneError::InvalidInput(what));
        if !(self.max_loss > 0.0 && self.max_loss < 1.0) {
            return invalid(format!(
                "a loss of {} cannot be aimed at; give one above 0 and below 1, such as 0.01 or 1%",
                self.max_loss
            ));
        }
        if !(0.0..1.0).contains(&self.margin) {
            return invalid(format!(
                "a margin of {} leaves nothing; give one from 0 to below 1",
                self.margin
            ));
        }
        if self.seeds == 0 {
            return invalid("give at least 1 seed".into());
        }
        if self.jobs == Some(0) {
            return invalid("give at least 1 job".into());
        }
        match self.budget {
            Budget::Evaluations(0) => invalid("give at least 1 evaluation".into()),
            _ => Ok(()),
        }
    }

    pub(super) fn storage(&self, task: Task) -> Storage {
        let row_order = self.row_order.unwrap_or(match task {
            Task::Forecast => RowOrder::Keep,
            _ => RowOrder::Any,
        });
        Storage {
            layout: self.layout,
            row_order,
            effort: self.effort,
        }
    }
}
