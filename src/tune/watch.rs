//! What a caller sees of a search while it runs, and how it stops it.

use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{Result, TuneError};

/// Told of progress, and asked whether to stop.
pub struct Watch<'a> {
    /// Set, from anywhere, to stop: what was found is in the journal, programs that train are ended.
    pub stop: &'a AtomicBool,
    /// Told of every batch of evaluations.
    pub progress: &'a (dyn Fn(&Progress) + Sync),
}

/// How far a search is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    pub phase: Phase,
    /// Bounds tried by the search, and how many it may try if that is limited.
    pub tried: usize,
    pub budget: Option<usize>,
    /// The best point so far that keeps the loss: its ratio and its loss on the validation part.
    pub best: Option<(f64, f64)>,
}

/// What a search is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Baseline,
    Methods,
    Uniform,
    Rows,
    Sensitivity,
    Columns,
    Confirming,
    Testing,
}

impl Phase {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Methods => "comparing methods",
            Self::Uniform => "one bound for all columns",
            Self::Rows => "fewer rows",
            Self::Sensitivity => "sensitivity of columns",
            Self::Columns => "bounds of columns",
            Self::Confirming => "confirming with all seeds",
            Self::Testing => "final figures on the test part",
        }
    }
}

impl Watch<'_> {
    /// # Errors
    /// [`TuneError::Stopped`] if asked to stop.
    pub(super) fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(TuneError::Stopped);
        }
        Ok(())
    }
}
