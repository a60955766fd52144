//! One rung for all columns, and rungs by how much columns tell about the target.

use super::{Phase, Search};
use crate::tune::candidate::{Bounds, Candidate};
use crate::tune::error::Result;
use crate::tune::ladder::SPREAD_RUNG;

/// Rungs between those tried first: a factor of 2^1.5.
const COARSE: u8 = 3;
/// Columns that are made constant one by one; where there are more, only their information is known.
const MOST_ALONE: usize = 64;
/// Columns are needless that cost no more than such a share of the loss aimed at.
const NEEDLESS: [f64; 4] = [0.0, 0.05, 0.2, 0.5];

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

    /// The largest shared rung that keeps the loss.
    pub(super) fn best_shared(&self) -> u8 {
        (0..=SPREAD_RUNG)
            .rev()
            .find(|rung| {
                let shared = Candidate::Bounds(Bounds::shared(&self.harness.ladders, *rung));
                let point = self.known.get(&shared);
                point.is_some_and(|point| self.is_good(*point))
            })
            .unwrap_or(0)
    }

    /// Starting points that need no evaluations of columns: wider bounds where a column tells little.
    pub(super) fn by_prior(&mut self) -> Result<()> {
        let columns = self.prior.len();
        if columns < 2 || self.exhausted {
            return Ok(());
        }
        let ladders = &self.harness.ladders;
        let mut order: Vec<usize> = (0..columns).collect();
        order.sort_by(|a, b| self.prior[*a].total_cmp(&self.prior[*b]).then(a.cmp(b)));
        let best = self.best_shared();
        let mut candidates = self.weighted(&self.prior, &[-4, -2, 0, 2, 4, 6, 8]);
        // The columns that tell least, made constant.
        for share in [8, 4, 2] {
            let mut bounds = Bounds::shared(ladders, best);
            for column in &order[..columns / share] {
                bounds.rungs[*column] = ladders[*column].top();
            }
            candidates.push(bounds);
        }
        let candidates: Vec<Candidate> = candidates.into_iter().map(Candidate::Bounds).collect();
        self.try_all(Phase::Sensitivity, &candidates)?;
        Ok(())
    }

    /// What the model misses when a column is made constant, one column at a time: what reports show, and
    /// starting points without those that it does not miss.
    pub(super) fn sensitivity(&mut self) -> Result<()> {
        let columns = self.prior.len();
        if columns > MOST_ALONE || self.exhausted {
            return Ok(());
        }
        // Kept: confirming with all seeds may change which is best.
        self.shared = self.best_shared();
        let shared = self.shared;
        let alone: Vec<Candidate> = (0..columns)
            .map(|column| Candidate::Bounds(self.without(shared, &[column])))
            .collect();
        self.try_all(Phase::Sensitivity, &alone)?;
        let missed: Vec<f64> = (0..columns)
            .map(|column| self.missed(column).unwrap_or(f64::INFINITY))
            .collect();
        let needless = NEEDLESS.map(|share| {
            let needless = |column: &usize| missed[*column] <= share * self.target;
            let columns: Vec<usize> = (0..columns).filter(needless).collect();
            self.without(shared, &columns)
        });
        // What is missed least is noise; it is taken for a little.
        let least = self.target * NEEDLESS[1];
        let weights: Vec<f64> = missed.iter().map(|missed| missed.max(least)).collect();
        let mut starts = self.weighted(&weights, &[0, 2, 4, 6, 8]);
        starts.extend(needless);
        let needless: Vec<Candidate> = starts.into_iter().map(Candidate::Bounds).collect();
        self.try_all(Phase::Sensitivity, &needless)?;
        Ok(())
    }

    /// The loss that comes of making a column constant, all others at the best shared bound; None where
    /// that was not tried.
    pub(in crate::tune) fn missed(&self, column: usize) -> Option<f64> {
        let shared = self.shared;
        let with = Bounds::shared(&self.harness.ladders, shared);
        let without = self.without(shared, &[column]);
        let loss = |bounds: Bounds| {
            let point = self.known.get(&Candidate::Bounds(bounds))?;
            let outcomes = &self.points[*point].outcomes;
            let seeds = self.search_seeds.min(outcomes.len());
            Some(self.baseline.loss(&outcomes[..seeds])?.mean)
        };
        Some(loss(without)? - loss(with)?)
    }

    /// Bounds that fall with the root of a column's weight, so that errors cost alike: around the best shared
    /// rung, shifted.
    fn weighted(&self, weights: &[f64], shifts: &[i32]) -> Vec<Bounds> {
        let ladders = &self.harness.ladders;
        let mut sorted: Vec<f64> = weights.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
        let best = i32::from(self.best_shared());
        let bounds = shifts.iter().map(|shift| {
            let rung = |weight: &f64| {
                let weight = (weight / median.max(f64::MIN_POSITIVE)).log2();
                let rung = best + shift - weight.clamp(-8.0, 8.0).round() as i32;
                rung.clamp(1, i32::from(SPREAD_RUNG)) as u8
            };
            let rungs = weights.iter().zip(ladders);
            Bounds {
                rungs: rungs
                    .map(|(weight, ladder)| ladder.shared(rung(weight)))
                    .collect(),
                fewer_rows: 0,
            }
        });
        bounds.collect()
    }

    fn without(&self, shared: u8, columns: &[usize]) -> Bounds {
        let ladders = &self.harness.ladders;
        let mut bounds = Bounds::shared(ladders, shared);
        for column in columns {
            bounds.rungs[*column] = ladders[*column].top();
        }
        bounds
    }
}
