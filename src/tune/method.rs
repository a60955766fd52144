//! What a table is reduced by: the methods that are compared.

use arrow::array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::error::TuneError;

/// What the model is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Regression,
    Classification,
    /// Rows are in the order of time, and stay so.
    Forecast,
    Clustering,
}

impl Task {
    /// The word that stands for it on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Classification => "classification",
            Self::Forecast => "forecast",
            Self::Clustering => "clustering",
        }
    }
}

/// One point of a method's sweep of parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Setting {
    pub method: String,
    pub family: Family,
    /// Such as "rel:0.01" or "n=0.1"; empty for methods that have none.
    pub parameter: String,
}

/// The families of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    None,
    Lossless,
    Sampling,
    ReducedPrecision,
    ErrorBounded,
}

impl Family {
    /// The words that stand for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lossless => "lossless",
            Self::Sampling => "sampling",
            Self::ReducedPrecision => "reduced precision",
            Self::ErrorBounded => "error-bounded",
        }
    }
}

/// What training gets instead of the original, and what it takes to keep it.
#[derive(Debug, Clone)]
pub struct Reduced {
    /// Of the original's schema; rows may be fewer, or in another order.
    pub table: RecordBatch,
    /// Of all columns; those that a method cannot change are charged at what it takes to keep them.
    pub bytes: u64,
}

/// A method of reduction with its sweep of parameters.
pub trait Reduction: Send + Sync {
    /// Unique: "zstd", "sz3-abs", "tolerant-packed-any".
    fn name(&self) -> &str;

    fn family(&self) -> Family;

    /// The sweep, most careful first; one empty string if there is none.
    fn parameters(&self) -> Vec<String>;

    /// Reduces `table`. Only the columns at the positions `lossy` may change; they are floats.
    ///
    /// # Errors
    /// When the method cannot take such a table, or fails.
    fn reduce(
        &self,
        table: &RecordBatch,
        lossy: &[usize],
        parameter: &str,
        seed: u64,
    ) -> Result<Reduced, TuneError>;
}
