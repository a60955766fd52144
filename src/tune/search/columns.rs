//! A bound for each column: coordinate search.
//!
//! A round tries, for each column (or group of columns, where they are many), a wider and a narrower bound
//! on real files and models. What those moves were found to save and to cost then gives combinations of
//! moves, the best for various prices of loss (as Shoham and Gersho allot bits, 1988), which are tried in
//! turn: columns are not independent. The smallest point that keeps the loss is where the next round starts.

use super::{FIRST_STEP, Phase, Search};
use crate::tune::candidate::{Bounds, Candidate, FEWEST_ROWS};
use crate::tune::error::Result;

/// Columns that are moved each for itself; more are moved in as many groups.
const MOST_UNITS: usize = 24;
const GROUPS: usize = 16;
/// What a round must save to go on with steps of the same size, and to count at all.
const GOOD_ROUND: f64 = 0.03;
const LEAST_ROUND: f64 = 0.004;
/// Fruitless rounds after which the search ends: groups are drawn anew in each.
const PATIENCE: usize = 2;

/// One coordinate: columns by their positions among the lossy ones, or the number of rows.
#[derive(Debug, Clone, PartialEq)]
enum Unit {
    Columns(Vec<usize>),
    Rows,
}

/// A move of one unit, and what it was found to do.
#[derive(Debug, Clone)]
struct Move {
    unit: usize,
    to: Bounds,
    /// Natural logarithm of how many times smaller the file is; negative where it is larger.
    gain: f64,
    /// By how much the loss grows.
    cost: f64,
}

impl Search<'_> {
    /// Rounds, the first with steps of so many rungs, until there is nothing more to be gained.
    pub(super) fn columns(&mut self, first_step: u8) -> Result<()> {
        let mut step = first_step;
        let mut fruitless = 0;
        for round in 0.. {
            let Some(best) = self.best().filter(|_| !self.exhausted) else {
                break;
            };
            let before = self.figures(best);
            self.round(best, round, step)?;
            let after = self.best().and_then(|best| self.figures(best));
            let saved = match (before, after) {
                (Some((before, _)), Some((after, _))) => (before as f64 / after as f64).ln(),
                _ => 0.0,
            };
            if saved >= GOOD_ROUND {
                fruitless = 0;
            } else if step > 1 {
                step /= 2;
            } else if saved >= LEAST_ROUND {
                fruitless = 0;
            } else {
                fruitless += 1;
                if fruitless == PATIENCE || self.harness.ladders.len() <= MOST_UNITS {
                    break;
                }
            }
        }
        Ok(())
    }

    fn round(&mut self, best: usize, round: u64, step: u8) -> Result<()> {
        let (Some(start), Some((bytes, loss))) = (self.bounds(best).cloned(), self.figures(best))
        else {
            return Ok(());
        };
        let units = self.units(&start, round);
        let mut moves: Vec<Move> = Vec::new();
        for (unit, what) in units.iter().enumerate() {
            let mut to = self.moves(&start, what, step);
            to.retain(|to| *to != start);
            to.dedup();
            moves.extend(to.into_iter().map(|to| Move {
                unit,
                to,
                gain: 0.0,
                cost: 0.0,
            }));
        }
        let candidates: Vec<Candidate> = moves
            .iter()
            .map(|one| Candidate::Bounds(one.to.clone()))
            .collect();
        let points = self.try_all(Phase::Columns, &candidates)?;
        let measured: Vec<Move> = moves
            .into_iter()
            .zip(points)
            .filter_map(|(one, point)| {
                let (smaller, worse) = self.figures(point?)?;
                let gain = (bytes as f64 / smaller as f64).ln();
                Some(Move {
                    gain,
                    // Noise is no gift: nothing is expected to help by being less exact, or to
                    // hurt by being more so.
                    cost: if gain >= 0.0 {
                        (worse - loss).max(0.0)
                    } else {
                        (worse - loss).min(0.0)
                    },
                    ..one
                })
            })
            .collect();
        let mixed = self.combinations(&start, &units, &measured, loss);
        let mixed: Vec<Candidate> = mixed.into_iter().map(Candidate::Bounds).collect();
        self.try_all(Phase::Columns, &mixed)?;
        Ok(())
    }

    /// The units of a round. Where there are many columns, constant ones stay so, and the others are grouped:
    /// in the first round columns that tell alike, then at random.
    fn units(&self, start: &Bounds, round: u64) -> Vec<Unit> {
        let ladders = &self.harness.ladders;
        let mut columns: Vec<usize> = (0..ladders.len())
            .filter(|c| ladders[*c].top() > 0)
            .collect();
        if columns.len() > MOST_UNITS {
            columns.retain(|c| start.rungs[*c] < ladders[*c].top());
        }
        let mut units: Vec<Unit> = if columns.len() <= MOST_UNITS {
            columns
                .into_iter()
                .map(|c| Unit::Columns(vec![c]))
                .collect()
        } else {
            if round == 0 {
                columns.sort_by(|a, b| self.prior[*a].total_cmp(&self.prior[*b]).then(a.cmp(b)));
            } else {
                fastrand::Rng::with_seed(self.harness.seed.wrapping_add(round))
                    .shuffle(&mut columns);
            }
            let many = columns.len().div_ceil(GROUPS);
            columns
                .chunks(many)
                .map(|c| Unit::Columns(c.to_vec()))
                .collect()
        };
        if self.sample_rows {
            units.push(Unit::Rows);
        }
        units
    }

    /// A unit's moves: wider and narrower by a step. A constant column gets what all columns share, which is
    /// tried once; one of many columns is made constant, too.
    fn moves(&self, start: &Bounds, unit: &Unit, step: u8) -> Vec<Bounds> {
        let by = |rungs: i16| self.moved(start, unit, rungs);
        let ladders = &self.harness.ladders;
        let mut moves = vec![by(i16::from(step)), by(-i16::from(step))];
        if let Unit::Columns(columns) = unit
            && let [column] = columns.as_slice()
        {
            let (top, mut other) = (ladders[*column].top(), start.clone());
            if start.rungs[*column] == top {
                other.rungs[*column] = ladders[*column].shared(self.base.rung);
                moves = vec![other];
            } else if ladders.len() > MOST_UNITS && step == FIRST_STEP {
                other.rungs[*column] = top;
                moves.push(other);
            }
        }
        moves
    }

    /// `start` with one unit moved by so many rungs.
    fn moved(&self, start: &Bounds, unit: &Unit, by: i16) -> Bounds {
        let mut bounds = start.clone();
        match unit {
            Unit::Columns(columns) => {
                for column in columns {
                    let rung = i16::from(bounds.rungs[*column]).saturating_add(by);
                    bounds.rungs[*column] = rung.clamp(0, i16::from(u8::MAX)) as u8;
                }
            }
            Unit::Rows => {
                let fewer = i16::from(bounds.fewer_rows).saturating_add(by);
                bounds.fewer_rows = fewer.clamp(0, i16::from(FEWEST_ROWS)) as u8;
            }
        }
        bounds.clamped(&self.harness.ladders)
    }

    /// Combinations of moves of different units: of those that are best for some price of loss, the ones
    /// whose expected loss is nearest below several levels around the target.
    fn combinations(
        &self,
        start: &Bounds,
        units: &[Unit],
        moves: &[Move],
        loss: f64,
    ) -> Vec<Bounds> {
        let mut found: Vec<(f64, f64, Bounds)> = Vec::new();
        // Prices from a hundredth of an e-fold for the whole target to a thousand.
        for power in -7..=10 {
            let price = f64::from(power).exp2() / self.target.max(1e-6);
            let (mut bounds, mut gain, mut cost) = (start.clone(), 0.0, 0.0);
            for (unit, what) in units.iter().enumerate() {
                let worth = |one: &Move| one.gain - price * one.cost;
                let best = moves
                    .iter()
                    .filter(|one| one.unit == unit && worth(one) > 0.0)
                    .max_by(|a, b| worth(a).total_cmp(&worth(b)));
                let Some(best) = best else { continue };
                match what {
                    Unit::Columns(columns) => {
                        for column in columns {
                            bounds.rungs[*column] = best.to.rungs[*column];
                        }
                    }
                    Unit::Rows => bounds.fewer_rows = best.to.fewer_rows,
                }
                gain += best.gain;
                cost += best.cost;
            }
            if bounds != *start {
                found.push((loss + cost, gain, bounds));
            }
        }
        let mut chosen: Vec<Bounds> = Vec::new();
        for level in [0.3, 0.6, 0.85, 1.0, 1.25, 1.6] {
            let within = found
                .iter()
                .filter(|(expected, ..)| *expected <= level * self.target);
            if let Some((.., bounds)) = within.max_by(|a, b| a.1.total_cmp(&b.1))
                && !chosen.contains(bounds)
            {
                chosen.push(bounds.clone());
            }
        }
        chosen
    }
}
