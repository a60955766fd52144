//! Cross-fitting: finalists on data that the search never scored on.
//!
//! The search scores on the validation part many times, and the best of many is better there by chance too.
//! So finalists are trained anew, for each fold of the training part on the other folds and the validation
//! part, and scored on that fold. The losses of the folds differ as those of new data would: that tells how
//! large the loss on new data may be.
//!
//! Where chance has much to say the search itself sees the first fold, too: half of its trainings are
//! scored there. Finalists are then judged by the others.

use super::{Phase, Search};
use crate::tune::candidate::{Bounds, Candidate};
use crate::tune::error::Result;
use crate::tune::noise::{Baseline, Crossed};
use crate::tune::trainer::Part;

/// The quantile of Student's t that nine of ten are below, with the four or eight degrees of freedom of
/// [`NEAREST`] finalists of two or three folds each.
const NINE_OF_TEN: [f64; 2] = [1.533, 1.397];
/// Finalists of about the same loss whose folds tell of the spread together.
const NEAREST: usize = 4;
/// Seeds that finalists are trained with on each fold, where one shows enough for the search.
const CALM_SEEDS: usize = 2;
/// Shares of the loss aimed at, which the finalists that the aim is set by lose at most.
const PANEL: [f64; 4] = [1.0, 0.6, 0.3, 0.1];
/// The aim is at least such a share of the loss that may be.
const LEAST_AIM: f64 = 0.3;
/// Finalists at a time: of all files of about a size, those that lose least.
const AT_A_TIME: usize = 3;
/// Where none of them keeps the loss, those follow that are so many times larger; where one does, the sizes
/// in between are halved so many times.
const HALVES: usize = 4;
const WINDOWS: [f64; 10] = [1.02, 1.03, 1.04, 1.06, 1.1, 1.15, 1.25, 1.5, 2.0, 3.0];

/// The folds: what models reach on each that were trained on originals.
#[derive(Debug, Default)]
pub(in crate::tune) struct Folds {
    pub baselines: Vec<Baseline>,
    /// Whether the search sees the first of them.
    pub shared: bool,
    /// What finalists lost on each fold: (point, losses). None where a training failed.
    pub losses: Vec<(usize, Option<Vec<f64>>)>,
}

impl Search<'_> {
    /// Seeds that finalists are trained with on each fold.
    fn fold_seeds(&self) -> Vec<u64> {
        let many = if self.search_seeds == 1 {
            CALM_SEEDS
        } else {
            self.seeds.len()
        };
        self.seeds.iter().copied().take(many).collect()
    }

    /// Trains on the originals of all folds. Where a model learns nothing from one of them, there is no
    /// telling, and there are no folds.
    pub(super) fn prepare_folds(&mut self) -> Result<()> {
        let seeds = self.fold_seeds();
        let mut baselines = Vec::new();
        for fold in 0..self.harness.folds.len() {
            let part = Part::Fold(fold as u8);
            let found = self
                .harness
                .evaluate(&[Candidate::Original], part, &seeds)?;
            let outcomes = found.first().map_or(&[][..], |found| &found.outcomes);
            match Baseline::of(outcomes, self.baseline.lower_is_better) {
                Ok(baseline) if baseline.has_learnt() => baselines.push(baseline),
                _ => return Ok(()),
            }
        }
        self.folds.baselines = baselines;
        // Two parts with a seed each tell more than one part with two seeds.
        self.folds.shared = self.search_seeds > 1;
        Ok(())
    }

    /// Cross-fits the points at `positions`, as far as that is not done.
    fn cross(&mut self, positions: &[usize]) -> Result<()> {
        self.tell(Phase::Confirming);
        let mut fresh: Vec<usize> = Vec::new();
        for position in positions {
            let known = self.folds.losses.iter().any(|(other, _)| other == position);
            if !known && !fresh.contains(position) {
                fresh.push(*position);
            }
        }
        let seeds = self.fold_seeds();
        let candidates: Vec<Candidate> = fresh
            .iter()
            .map(|position| self.points[*position].candidate.clone())
            .collect();
        let mut losses: Vec<Option<Vec<f64>>> = vec![Some(Vec::new()); fresh.len()];
        let fresh_folds = self.folds.baselines.iter().enumerate();
        for (fold, baseline) in fresh_folds.skip(usize::from(self.folds.shared)) {
            let part = Part::Fold(fold as u8);
            let found = self.harness.evaluate(&candidates, part, &seeds)?;
            for (losses, found) in losses.iter_mut().zip(found) {
                match (baseline.loss(&found.outcomes), losses.as_mut()) {
                    (Some(loss), Some(losses)) => losses.push(loss.mean),
                    _ => *losses = None,
                }
            }
        }
        self.folds.losses.extend(fresh.into_iter().zip(losses));
        Ok(())
    }

    /// What cross-fitting says of a point; None where it was not cross-fitted, or failed.
    pub(in crate::tune) fn crossed(&self, position: usize) -> Option<Crossed> {
        let of = |position: usize| {
            let known = self.folds.losses.iter();
            let mut known = known.filter(|(other, _)| *other == position);
            known.next()?.1.as_deref()
        };
        let own = of(position)?;
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        // Its own spread and those of its neighbours in loss: what loses little varies little. But for
        // tables that are as the original is, whose spread of 0 says nothing of others.
        let others = self.folds.losses.iter();
        let others = others.filter(|(other, _)| *other != position);
        let mut near: Vec<&[f64]> = others
            .filter_map(|(_, losses)| losses.as_deref())
            .filter(|losses| losses.iter().any(|loss| *loss != 0.0))
            .collect();
        let apart = |losses: &[f64]| (mean(losses) - mean(own)).abs();
        near.sort_by(|a, b| apart(a).total_cmp(&apart(b)));
        near.truncate(NEAREST - 1);
        let quantile = NINE_OF_TEN[usize::from(own.len() > 2)];
        Some(Crossed::of(own, &near, quantile))
    }

    /// Whether cross-fitting found that a point may lose more on new data than it may.
    pub(super) fn is_rejected(&self, position: usize) -> bool {
        self.folds
            .losses
            .iter()
            .any(|(other, _)| *other == position)
            && self
                .crossed(position)
                .is_none_or(|crossed| crossed.upper.is_nan() || crossed.upper > self.max_loss)
    }

    /// Sets the loss that the search aims at on the validation part, by finalists that lose less and less
    /// of it: so that points that keep the aim should keep what was asked for on new data.
    pub(super) fn aim(&mut self) -> Result<()> {
        if self.folds.baselines.is_empty() {
            return Ok(());
        }
        let panel: Vec<usize> = PANEL
            .iter()
            .filter_map(|share| self.smallest_below(share * self.target).first().copied())
            .collect();
        self.cross(&panel)?;
        let mut panel: Vec<(f64, f64)> = panel
            .iter()
            .filter_map(|point| {
                let (_, loss) = self.figures(*point)?;
                Some((self.crossed(*point)?.upper, loss))
            })
            .collect();
        // Those nearest to what was asked for tell most of it.
        let apart = |upper: f64| (upper - self.max_loss).abs();
        panel.sort_by(|a, b| apart(a.0).total_cmp(&apart(b.0)));
        panel.truncate(2);
        if !panel.is_empty() {
            let over: f64 = panel.iter().map(|(upper, loss)| upper - loss).sum();
            let aim = self.max_loss - over / panel.len() as f64;
            self.target = aim.clamp(self.max_loss * LEAST_AIM, self.max_loss);
        }
        Ok(())
    }

    /// The smallest point whose loss on new data should be what was asked for, nine times of ten; None where
    /// there are no folds to tell it from.
    pub(super) fn settle(&mut self) -> Result<Option<usize>> {
        if self.folds.baselines.is_empty() {
            return Ok(None);
        }
        let mut failed = 0;
        for window in WINDOWS {
            let left = self.between(failed + 1, u64::MAX);
            let first = left.first().and_then(|first| self.points[*first].bytes());
            let Some(first) = first else { break };
            let end = (first as f64 * window) as u64;
            if let Some(found) = self.passing(first, end)? {
                return Ok(Some(self.refined(failed.max(first), found)?));
            }
            failed = end;
        }
        // Exact columns lose nothing.
        let exact = Bounds::shared(&self.harness.ladders, 0);
        let exact = self.known.get(&Candidate::Bounds(exact)).copied();
        let Some(exact) = exact else { return Ok(None) };
        self.cross(&[exact])?;
        self.train_fully(Phase::Confirming, &[exact])?;
        Ok(Some(exact).filter(|exact| !self.is_rejected(*exact)))
    }

    /// A point that passes, by halves between the size of files that failed and one that passed.
    fn refined(&mut self, mut failed: u64, mut found: usize) -> Result<usize> {
        for _ in 0..HALVES {
            let size = self.points[found].bytes().unwrap_or(0);
            let middle = (failed as f64 * size as f64).sqrt() as u64;
            if size as f64 <= failed as f64 * WINDOWS[0] {
                break;
            }
            match self.passing(failed, middle.min(size.saturating_sub(1)))? {
                Some(smaller) => found = smaller,
                None => failed = middle,
            }
        }
        Ok(found)
    }

    /// The smallest point that passes, of those of such sizes that lose least.
    fn passing(&mut self, from: u64, to: u64) -> Result<Option<usize>> {
        let mut finalists = self.between(from, to);
        let loss = |position: &usize| self.figures(*position).map_or(1.0, |(_, loss)| loss);
        finalists.sort_by(|a, b| loss(a).total_cmp(&loss(b)).then(a.cmp(b)));
        finalists.truncate(AT_A_TIME);
        finalists.sort_by_key(|position| (self.points[*position].bytes(), *position));
        self.cross(&finalists)?;
        finalists.retain(|position| !self.is_rejected(*position));
        self.train_fully(Phase::Confirming, &finalists)?;
        let good = |position: &usize| {
            let loss = self.figures(*position).map(|(_, loss)| loss);
            loss.is_some_and(|loss| loss <= self.max_loss)
        };
        Ok(finalists.into_iter().find(good))
    }

    /// Points of such sizes that keep the loss on what the search saw, and were not rejected; smallest first.
    fn between(&self, from: u64, to: u64) -> Vec<usize> {
        let mut found = self.smallest_below(self.max_loss);
        found.retain(|position| {
            let bytes = self.points[*position].bytes();
            bytes.is_some_and(|bytes| (from..=to).contains(&bytes))
        });
        found
    }

    /// The search's own points that lose no more than `loss` with the search's seeds, and were not rejected,
    /// smallest first.
    fn smallest_below(&self, loss: f64) -> Vec<usize> {
        let mut found: Vec<usize> = (0..self.points.len())
            .filter(|position| self.bounds(*position).is_some())
            .filter(|position| {
                let own = self.figures(*position);
                own.is_some_and(|(_, own)| own <= loss) && !self.is_rejected(*position)
            })
            .collect();
        found.sort_by_key(|position| (self.points[*position].bytes(), *position));
        found
    }
}
