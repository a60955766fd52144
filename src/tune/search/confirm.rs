//! What the search found, trained with all seeds.

use super::{Phase, Search};
use crate::tune::candidate::Candidate;
use crate::tune::error::Result;
use crate::tune::frontier::frontier;

/// Candidates that are trained with all seeds at a time, and how many times.
const AT_A_TIME: usize = 6;
const TIMES: usize = 6;
/// Points of the frontier that are trained with all seeds.
const FRONTIER: usize = 12;
/// Points of a method that are trained with all seeds, until one keeps the loss.
const TRIES: usize = 3;

impl Search<'_> {
    /// The smallest of the search's own points that keeps the loss on data that the search did not score on;
    /// where there is too little of it, on the validation part with all seeds.
    ///
    /// # Errors
    /// When stopped, or when the journal cannot be written.
    pub(in crate::tune) fn confirmed(&mut self) -> Result<Option<usize>> {
        if let Some(settled) = self.settle()? {
            return Ok(Some(settled));
        }
        self.smallest_good(
            |candidate| matches!(candidate, Candidate::Bounds(_)),
            AT_A_TIME,
            TIMES,
        )
    }

    /// The same of each method, and of one rung for all columns; None for those that have none.
    ///
    /// # Errors
    /// As [`confirmed`](Self::confirmed).
    pub(in crate::tune) fn best_by_method(&mut self) -> Result<Vec<usize>> {
        let mut best = Vec::new();
        for wanted in 0..self.harness.methods.len() {
            let is_own = |candidate: &Candidate| matches!(candidate, Candidate::Method { method, .. } if *method == wanted);
            best.extend(self.smallest_good(is_own, 1, TRIES)?);
        }
        let harness = self.harness;
        let is_uniform = |candidate: &Candidate| match candidate {
            Candidate::Bounds(bounds) => bounds.is_shared(&harness.ladders).is_some(),
            _ => false,
        };
        best.extend(self.smallest_good(is_uniform, 1, TRIES)?);
        Ok(best)
    }

    /// The frontier of all points that were trained with all seeds, most careful first; those that
    /// seemed to be on it with the search's seeds are trained so first.
    ///
    /// # Errors
    /// As [`confirmed`](Self::confirmed).
    pub(in crate::tune) fn frontier(&mut self) -> Result<Vec<usize>> {
        let seeming = frontier(&self.positions(), |position| self.figures(position));
        let step = seeming.len().div_ceil(FRONTIER).max(1);
        let some: Vec<usize> = seeming.into_iter().step_by(step).collect();
        self.train_fully(Phase::Confirming, &some)?;
        let full: Vec<usize> = self
            .positions()
            .into_iter()
            .filter(|position| self.points[*position].outcomes.len() == self.seeds.len())
            .collect();
        Ok(frontier(&full, |position| {
            self.validation_figures(position)
        }))
    }

    /// Whether a point keeps the first aim on the validation part, and cross-fitting has nothing against it.
    fn is_comparable(&self, position: usize) -> bool {
        let figures = self.validation_figures(position);
        figures.is_some_and(|(_, loss)| loss <= self.first_target) && !self.is_rejected(position)
    }

    fn positions(&self) -> Vec<usize> {
        (0..self.points.len()).collect()
    }

    fn smallest_good(
        &mut self,
        is_wanted: impl Fn(&Candidate) -> bool,
        at_a_time: usize,
        times: usize,
    ) -> Result<Option<usize>> {
        let mut wanted: Vec<usize> = (0..self.points.len())
            .filter(|position| is_wanted(&self.points[*position].candidate))
            .filter(|position| self.is_comparable(*position))
            .collect();
        wanted.sort_by_key(|position| (self.points[*position].bytes(), *position));
        // The most careful last, which should keep the loss if anything does.
        let last = wanted.split_off(wanted.len().min(at_a_time * times).saturating_sub(1));
        wanted.extend(last.last());
        for chunk in wanted.chunks(at_a_time) {
            self.train_fully(Phase::Confirming, chunk)?;
            let good = chunk.iter().copied().filter(|p| self.is_comparable(*p));
            let smallest = good.min_by_key(|position| (self.points[*position].bytes(), *position));
            if smallest.is_some() {
                return Ok(smallest);
            }
        }
        Ok(None)
    }
}
