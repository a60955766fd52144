//! Patterns: which columns are constant, and how much wider the bounds of some are than of others.
//!
//! Patterns come from how much columns tell about the target, and from how much the model misses them. Each
//! is tried around the best bound that all columns share; those that promise most are followed on.

use super::{Base, Phase, Search};
use crate::tune::candidate::{Bounds, Candidate};
use crate::tune::error::Result;
use crate::tune::ladder::SPREAD_RUNG;

/// Columns that are made constant one by one; where there are more, only their information is known.
const MOST_ALONE: usize = 64;
/// Columns are needless that cost no more than such a share of the loss aimed at.
const NEEDLESS: [f64; 4] = [0.0, 0.05, 0.2, 0.5];
/// Columns that are kept at least where the others are made constant.
const FEWEST: usize = 2;

impl Search<'_> {
    /// Starting points that need no evaluations of columns: wider bounds where a column tells little, and
    /// only those columns that tell most, or that tell most besides one another.
    pub(super) fn by_prior(&mut self) -> Result<()> {
        let columns = self.prior.len();
        if columns < 2 || self.exhausted {
            return Ok(());
        }
        self.base = self.best_base();
        let mut telling: Vec<usize> = (0..columns).collect();
        telling.sort_by(|a, b| self.prior[*b].total_cmp(&self.prior[*a]).then(a.cmp(b)));
        let mut candidates = self.weighted(&self.prior, &[-3, 0, 3, 6]);
        let mut kept = columns / 2;
        while kept >= FEWEST {
            for order in [&telling, &self.order] {
                candidates.push(self.without(&order[kept..]));
            }
            kept /= 2;
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
        let alone: Vec<Candidate> = (0..columns)
            .map(|column| Candidate::Bounds(self.without(&[column])))
            .collect();
        self.try_all(Phase::Sensitivity, &alone)?;
        let missed: Vec<f64> = (0..columns)
            .map(|column| self.missed(column).unwrap_or(f64::INFINITY))
            .collect();
        let needless = NEEDLESS.map(|share| {
            let needless = |column: &usize| missed[*column] <= share * self.target;
            let columns: Vec<usize> = (0..columns).filter(needless).collect();
            self.without(&columns)
        });
        // What is missed least is noise; it is taken for a little.
        let least = self.target * NEEDLESS[1];
        let weights: Vec<f64> = missed.iter().map(|missed| missed.max(least)).collect();
        let mut starts = self.weighted(&weights, &[0, 3, 6]);
        starts.extend(needless);
        let needless: Vec<Candidate> = starts.into_iter().map(Candidate::Bounds).collect();
        self.try_all(Phase::Sensitivity, &needless)?;
        Ok(())
    }

    /// The loss that comes of making a column constant, all else at the base; None where that was not tried.
    pub(in crate::tune) fn missed(&self, column: usize) -> Option<f64> {
        let with = self.base.bounds(&self.harness.ladders);
        let without = self.without(&[column]);
        let loss = |bounds: Bounds| {
            let point = self.known.get(&Candidate::Bounds(bounds))?;
            let outcomes = &self.points[*point].outcomes;
            let seeds = self.search_seeds.min(outcomes.len());
            Some(self.baseline.loss(&outcomes[..seeds])?.mean)
        };
        Some(loss(without)? - loss(with)?)
    }

    /// Bounds that fall with the root of a column's weight, so that errors cost alike: around the base,
    /// shifted.
    fn weighted(&self, weights: &[f64], shifts: &[i32]) -> Vec<Bounds> {
        let ladders = &self.harness.ladders;
        let mut sorted: Vec<f64> = weights.to_vec();
        sorted.sort_by(f64::total_cmp);
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(1.0);
        let Base { rung, fewer_rows } = self.base;
        let bounds = shifts.iter().map(|shift| {
            let rung = |weight: &f64| {
                let weight = (weight / median.max(f64::MIN_POSITIVE)).log2();
                let rung = i32::from(rung) + shift - weight.clamp(-8.0, 8.0).round() as i32;
                rung.clamp(1, i32::from(SPREAD_RUNG)) as u8
            };
            let rungs = weights.iter().zip(ladders);
            Bounds {
                rungs: rungs
                    .map(|(weight, ladder)| ladder.shared(rung(weight)))
                    .collect(),
                fewer_rows,
            }
        });
        bounds.collect()
    }

    /// The base with some columns made constant.
    fn without(&self, columns: &[usize]) -> Bounds {
        let ladders = &self.harness.ladders;
        let mut bounds = self.base.bounds(ladders);
        for column in columns {
            bounds.rungs[*column] = ladders[*column].top();
        }
        bounds
    }
}
