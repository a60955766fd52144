//! The search: methods, one bound for all columns, patterns of columns, then a bound for each column.
//!
//! Every step is a batch of candidates that is fixed before any of them is evaluated, and what follows
//! depends on their results only: not on threads, times or interruptions. Sizes are of files really written,
//! losses of models really trained, on the training part, scored on the validation part.

mod columns;
mod confirm;
mod cross;
mod lines;
mod methods;
mod patterns;
mod prior;
mod uniform;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::candidate::{Bounds, Candidate};
use super::error::Result;
use super::harness::{Evaluation, Harness};
use super::ladder::Ladder;
use super::noise::{Baseline, Loss};
use super::trainer::{Outcome, Part};
use super::watch::{Phase, Progress};

pub(super) use cross::Folds;
pub(super) use prior::{mutual_information, order_of};

/// How long a search may go on. It ends by itself when nothing is to be gained any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// Bounds that are tried, besides the methods that they are compared with. The same report whenever and wherever it runs.
    Evaluations(usize),
    /// Time until the last batch begins; time of interrupted runs counts. What was tried by then depends on
    /// the machine.
    #[serde(serialize_with = "seconds")]
    Time(Duration),
}

fn seconds<S: serde::Serializer>(time: &Duration, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

/// The share of the budget after which the aim is set anew, by finalists on other data.
pub(super) const FIRST_SHARE: f64 = 0.75;
/// Rungs of the first steps of columns before that, and after: each is a factor of the square root of 2.
const FIRST_STEP: u8 = 4;
const LAST_STEP: u8 = 2;

/// A candidate and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub candidate: Candidate,
    /// Of the reduced training part; why it could not be reduced.
    pub made: Result<(u64, u64), String>,
    /// One for each seed that it was trained with.
    pub outcomes: Vec<Outcome>,
    /// On the validation part; None where anything failed.
    pub loss: Option<Loss>,
    /// On the first fold, where the search sees it.
    pub fold_loss: Option<f64>,
}

impl Point {
    pub(super) fn bytes(&self) -> Option<u64> {
        self.made.as_ref().ok().map(|(bytes, _)| *bytes)
    }

    /// Why there is no loss.
    pub(super) fn failure(&self) -> Option<&str> {
        match &self.made {
            Err(why) => Some(why),
            Ok(_) => self.outcomes.iter().find_map(|outcome| match outcome {
                Outcome::Failed(why) => Some(why.as_str()),
                Outcome::Scored { .. } => None,
            }),
        }
    }
}

pub(super) struct Search<'a> {
    pub harness: &'a Harness<'a>,
    /// On the validation part.
    pub baseline: Baseline,
    /// All seeds, and how many of them the search uses.
    pub seeds: Vec<u64>,
    pub search_seeds: usize,
    /// The loss that was asked for, and the one that the search aims at on the validation part.
    pub max_loss: f64,
    pub target: f64,
    /// The first such aim: what methods are compared at, whatever finalists show.
    pub first_target: f64,
    /// What finalists are confirmed on.
    pub folds: Folds,
    /// Bits that each lossy column tells about the target.
    pub prior: Vec<f64>,
    /// The lossy columns, those first that tell most besides what those before them tell.
    pub order: Vec<usize>,
    /// Raw bytes of float columns: what ratios count from.
    pub raw_bytes: u64,
    /// Whether rows may be dropped too.
    pub sample_rows: bool,
    pub budget: Budget,
    pub started: Instant,
    pub points: Vec<Point>,
    pub known: HashMap<Candidate, usize>,
    /// The share of the budget that may be used by now, and whether it is.
    pub share: f64,
    pub exhausted: bool,
    /// What patterns of columns start from.
    pub base: Base,
}

/// One rung for all columns, and by how many half octaves rows are fewer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Base {
    pub rung: u8,
    pub fewer_rows: u8,
}

impl Base {
    fn bounds(self, ladders: &[Ladder]) -> Bounds {
        Bounds {
            fewer_rows: self.fewer_rows,
            ..Bounds::shared(ladders, self.rung)
        }
    }
}

impl Search<'_> {
    /// Tries all of it, in order: the point of each candidate, or None where the budget was at its end.
    fn try_all(&mut self, phase: Phase, candidates: &[Candidate]) -> Result<Vec<Option<usize>>> {
        self.tell(phase);
        let mut fresh: Vec<Candidate> = Vec::new();
        for candidate in candidates {
            if !self.known.contains_key(candidate) && !fresh.contains(candidate) {
                fresh.push(candidate.clone());
            }
        }
        let affordable = match self.budget {
            Budget::Evaluations(most) => {
                let most = (most as f64 * self.share).ceil() as usize;
                most.saturating_sub(self.own_tried())
            }
            Budget::Time(most) if self.elapsed() >= most.mul_f64(self.share) => 0,
            Budget::Time(_) => usize::MAX,
        };
        let counted = match fresh.first() {
            Some(Candidate::Bounds(_)) => true,
            Some(Candidate::Method { .. }) => matches!(self.budget, Budget::Time(_)),
            _ => false,
        };
        if counted && fresh.len() > affordable {
            fresh.truncate(affordable);
            self.exhausted = true;
        }
        let share_fold = self.folds.shared && matches!(fresh.first(), Some(Candidate::Bounds(_)));
        let seeds = match share_fold {
            true => &self.seeds[..1],
            false => &self.seeds[..self.search_seeds],
        };
        let results = self.harness.evaluate(&fresh, Part::Validation, seeds)?;
        let mut fold_losses = vec![None; fresh.len()];
        if share_fold && let Some(baseline) = self.folds.baselines.first() {
            let found = self.harness.evaluate(&fresh, Part::Fold(0), seeds)?;
            // A training that fails is as good as one that loses all.
            let loss = |found: Evaluation| baseline.loss(&found.outcomes).map_or(1.0, |l| l.mean);
            fold_losses = found.into_iter().map(|found| Some(loss(found))).collect();
        }
        let results = results.into_iter().zip(fold_losses);
        for (candidate, (Evaluation { made, outcomes }, fold_loss)) in
            fresh.into_iter().zip(results)
        {
            self.known.insert(candidate.clone(), self.points.len());
            self.points.push(Point {
                loss: self.baseline.loss(&outcomes),
                candidate,
                made,
                outcomes,
                fold_loss,
            });
        }
        self.harness
            .journal
            .ran(self.started.elapsed().as_secs_f64())?;
        self.tell(phase);
        Ok(candidates
            .iter()
            .map(|candidate| self.known.get(candidate).copied())
            .collect())
    }

    /// Trains the points at `positions` with all seeds.
    fn train_fully(&mut self, phase: Phase, positions: &[usize]) -> Result<()> {
        self.tell(phase);
        let candidates: Vec<Candidate> = positions
            .iter()
            .map(|position| self.points[*position].candidate.clone())
            .collect();
        let results = self
            .harness
            .evaluate(&candidates, Part::Validation, &self.seeds)?;
        for (position, result) in positions.iter().zip(results) {
            let point = &mut self.points[*position];
            point.loss = self.baseline.loss(&result.outcomes);
            point.outcomes = result.outcomes;
        }
        Ok(())
    }

    /// Bounds that were tried: what a budget counts.
    fn own_tried(&self) -> usize {
        let own = |point: &&Point| matches!(point.candidate, Candidate::Bounds(_));
        self.points.iter().filter(own).count()
    }

    fn elapsed(&self) -> Duration {
        let earlier = Duration::try_from_secs_f64(self.harness.journal.seconds());
        self.started.elapsed() + earlier.unwrap_or_default()
    }

    /// Size and loss of a point, if it has both.
    fn figures(&self, position: usize) -> Option<(u64, f64)> {
        let point = &self.points[position];
        let loss = point.loss?.mean;
        let loss = point.fold_loss.map_or(loss, |other| (loss + other) / 2.0);
        Some((point.bytes()?, loss))
    }

    /// Size and loss on the validation part.
    fn validation_figures(&self, position: usize) -> Option<(u64, f64)> {
        let point = &self.points[position];
        Some((point.bytes()?, point.loss?.mean))
    }

    /// Whether a point keeps the loss aimed at.
    fn is_good(&self, position: usize) -> bool {
        self.figures(position)
            .is_some_and(|(_, loss)| loss <= self.target)
            && !self.is_rejected(position)
    }

    /// The smallest of the search's own points that keeps the loss.
    fn best(&self) -> Option<usize> {
        (0..self.points.len())
            .filter(|position| matches!(self.points[*position].candidate, Candidate::Bounds(_)))
            .filter(|position| self.is_good(*position))
            .min_by_key(|position| (self.points[*position].bytes(), *position))
    }

    /// The bounds of a point of the search's own.
    fn bounds(&self, position: usize) -> Option<&Bounds> {
        match &self.points[position].candidate {
            Candidate::Bounds(bounds) => Some(bounds),
            _ => None,
        }
    }

    pub(super) fn tell(&self, phase: Phase) {
        let best = self.best().and_then(|position| self.figures(position));
        (self.harness.watch.progress)(&Progress {
            phase,
            tried: self.own_tried(),
            budget: match self.budget {
                Budget::Evaluations(most) => Some(most),
                Budget::Time(_) => None,
            },
            best: best.map(|(bytes, loss)| (self.raw_bytes as f64 / bytes.max(1) as f64, loss)),
        });
    }

    /// All of the search.
    ///
    /// # Errors
    /// When stopped, or when the journal cannot be written.
    pub(super) fn run(&mut self) -> Result<()> {
        self.try_all(Phase::Baseline, &[Candidate::Original])?;
        self.methods()?;
        if !self.harness.lossy.is_empty() {
            self.prepare_folds()?;
            self.uniform()?;
            self.fewer_rows()?;
            self.by_prior()?;
            self.sensitivity()?;
            self.rows_of_patterns()?;
            self.lines()?;
            self.columns(FIRST_STEP)?;
            self.aim()?;
            (self.share, self.exhausted) = (1.0, false);
            self.columns(LAST_STEP)?;
        }
        Ok(())
    }
}
