//! What was found.

mod html;
mod plot;
mod write;

use serde::Serialize;

use super::encoder::Ignored;
use super::method::{Setting, Task};
use super::noise::{Baseline, Crossed, Loss};
use super::search::Budget;

pub use write::{CONFIG, JOURNAL, REPORT_HTML, REPORT_JSON};

/// What was found. The same for the same table, options and seed; it holds no times.
///
/// Ratios are raw Arrow bytes of the float columns to bytes of all columns, of the training part unless
/// said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Of this format.
    pub version: u32,
    pub table: TableFacts,
    pub task: Task,
    pub target: Option<String>,
    pub model: String,
    pub metric: String,
    pub max_loss: f64,
    /// The loss that the search aimed at first on the validation part, `max_loss` less the margin: what
    /// methods are compared at.
    pub aimed_at: f64,
    pub seeds: Vec<u64>,
    /// Of them, those that the search trained with; finalists are trained with all.
    pub search_seeds: usize,
    pub validation: Baseline,
    pub test: Baseline,
    pub search: SearchFacts,
    /// The configuration to use; None if none kept the loss, not even exact columns.
    pub chosen: Option<Chosen>,
    /// The best of each method that keeps the loss on the validation part, smallest first.
    pub best: Vec<Tested>,
    /// No point of it is both smaller and better than another; largest first.
    pub frontier: Vec<Tested>,
    /// Everything that was tried, in order.
    pub tried: Vec<Tried>,
}

/// The table and its parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TableFacts {
    pub rows: usize,
    pub columns: usize,
    pub train_rows: usize,
    pub validation_rows: usize,
    pub test_rows: usize,
    /// Rows that were left out, for they have no target.
    pub without_target: usize,
    /// Raw Arrow bytes of the float columns: of the table, and of the training part.
    pub raw_bytes: u64,
    pub train_raw_bytes: u64,
    /// Columns that may change.
    pub lossy_columns: usize,
    pub ignored: Vec<Ignored>,
}

/// How the search went.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SearchFacts {
    pub budget: Budget,
    pub tried: usize,
    pub failed: usize,
    /// Whether the budget ended it; otherwise there was nothing more to gain.
    pub exhausted: bool,
}

/// One point that was tried on the validation part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tried {
    #[serde(flatten)]
    pub setting: Setting,
    pub bytes: Option<u64>,
    pub rows: Option<u64>,
    pub ratio: Option<f64>,
    pub loss: Option<Loss>,
    /// Why there is no loss.
    pub failure: Option<String>,
}

/// A point that was trained with all seeds, and scored on the test part too.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tested {
    #[serde(flatten)]
    pub setting: Setting,
    pub bytes: u64,
    pub ratio: f64,
    pub validation: Loss,
    /// None if a training failed.
    pub test: Option<Loss>,
}

/// The configuration to use.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Chosen {
    #[serde(flatten)]
    pub point: Tested,
    /// What it lost on parts of the data that the search did not score on; None where there were too few rows
    /// for that.
    pub crossed: Option<Crossed>,
    /// Whether the loss on the test part is what was asked for.
    pub holds_on_test: bool,
    /// The whole table's file, and its ratio.
    pub table_bytes: u64,
    pub table_ratio: f64,
    /// The share of the rows that are kept.
    pub keep_rows: f64,
    /// One for each float column.
    pub columns: Vec<ColumnFacts>,
    /// What `tolerant compress --config` takes.
    #[serde(skip)]
    pub config: super::Config,
}

/// A float column, and what was found about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnFacts {
    pub name: String,
    /// The absolute bound; 0 is exact.
    pub bound: f64,
    /// The bound as a fraction of the column's range.
    pub relative: f64,
    /// Whether the bound makes the column constant.
    pub constant: bool,
    /// Bits that the column tells about the target, model aside.
    pub information: Option<f64>,
    /// The loss that comes of making the column constant, all others at the best shared bound; where that was
    /// tried.
    pub sensitivity: Option<f64>,
}
