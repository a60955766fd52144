//! One rung for all columns.

use super::{Base, Phase, Search};
use crate::tune::candidate::{Bounds, Candidate, FEWEST_ROWS};
use crate::tune::error::Result;
use crate::tune::ladder::SPREAD_RUNG;

/// Rungs between those tried first: a factor of 2^1.5.
const COARSE: u8 = 3;
/// Fewer rows are started from where they make files so many times smaller than bounds alone do: what they
/// cost the patterns to come is not known yet.
const ROWS_WORTH: u64 = 2;

impl Search<'_> {
    /// The sweep of one bound, coarsely and then around where the model ceases to bear it. Exact is among
    /// them: there is always a point that loses nothing.
    pub(super) fn uniform(&mut self) -> Result<()> {
        let shared = |rung| Candidate::Bounds(Bounds::shared(&self.harness.ladders, rung));
        let coarse: Vec<Candidate> = (0..=SPREAD_RUNG)
            .step_by(usize::from(COARSE))
            .map(shared)
            .collect();
        let points = self.try_all(Phase::Uniform, &coarse)?;
        let good = points
            .iter()
            .rposition(|point| point.is_some_and(|point| self.is_good(point)));
        let good = good.unwrap_or(0) as u8 * COARSE;
        let fine: Vec<Candidate> = (good + 1..(good + COARSE).min(SPREAD_RUNG))
            .map(|rung| Candidate::Bounds(Bounds::shared(&self.harness.ladders, rung)))
            .collect();
        self.try_all(Phase::Uniform, &fine)?;
        Ok(())
    }

    /// The smallest point of one rung for all columns that keeps the loss: what patterns start from.
    pub(super) fn best_base(&self) -> Base {
        let ladders = &self.harness.ladders;
        let mut best = (u64::MAX, Base::default());
        for fewer_rows in 0..=FEWEST_ROWS {
            for rung in 0..=SPREAD_RUNG {
                let base = Base { rung, fewer_rows };
                let known = self.known.get(&Candidate::Bounds(base.bounds(ladders)));
                let good = known.filter(|point| self.is_good(**point));
                let Some(bytes) = good.and_then(|point| self.points[*point].bytes()) else {
                    continue;
                };
                let price = match fewer_rows {
                    0 => bytes,
                    _ => bytes.saturating_mul(ROWS_WORTH),
                };
                if price < best.0 {
                    best = (price, base);
                }
            }
        }
        best.1
    }
}
