//! Line searches: the bounds of all columns of a pattern wider or narrower together, and fewer rows.
//!
//! A point that loses too much is not lost: with narrower bounds its pattern may be the smallest of all. So
//! patterns are ranked by how large they should be where they lose just what they may.

use super::{Phase, Search};
use crate::tune::candidate::{Bounds, Candidate, FEWEST_ROWS};
use crate::tune::error::Result;
use crate::tune::ladder::SPREAD_RUNG;

/// Patterns that are followed on at a time.
const PATTERNS: usize = 3;
/// Points that lose more than so many times what they may are not followed.
const HOPELESS: f64 = 16.0;
/// Rungs that a loss is thought to allow: it doubles with each, since squared errors do.
const RUNGS: std::ops::RangeInclusive<f64> = -2.0..=4.0;

impl Search<'_> {
    /// Follows the patterns that promise most to where they lose just what they may.
    pub(super) fn lines(&mut self) -> Result<()> {
        for shifts in [&[-3, -1, 0, 1, 3][..], &[-1, 1]] {
            let mut wave = Vec::new();
            for point in self.promising() {
                let (Some(bounds), Some((_, loss))) = (self.bounds(point), self.figures(point))
                else {
                    continue;
                };
                let due = -self.rungs_over(loss).round() as i32;
                let shifted = shifts.iter().map(|shift| self.shifted(bounds, due + shift));
                wave.extend(shifted.map(Candidate::Bounds));
            }
            self.try_all(Phase::Sensitivity, &wave)?;
        }
        Ok(())
    }

    /// Fewer rows with one bound for all columns, where no column has another yet: whether rows or digits
    /// are what the model misses less is what all else starts from.
    pub(super) fn fewer_rows(&mut self) -> Result<()> {
        if !self.sample_rows || self.exhausted {
            return Ok(());
        }
        let start = self.best_base().bounds(&self.harness.ladders);
        self.by_rows(&start, &[2, 4, 6, 8, 10, FEWEST_ROWS], &[0, -4])?;
        self.base = self.best_base();
        Ok(())
    }

    /// Fewer and more rows of the patterns that promise most, with bounds that are narrower or wider.
    pub(super) fn rows_of_patterns(&mut self) -> Result<()> {
        if !self.sample_rows || self.exhausted {
            return Ok(());
        }
        let promising: Vec<Bounds> = self
            .promising()
            .into_iter()
            .filter_map(|point| self.bounds(point).cloned())
            .collect();
        if let Some(first) = promising.first() {
            self.by_rows(first, &[2, 4, 6, 8, 10, FEWEST_ROWS], &[0, -3])?;
        }
        for other in &promising[1.min(promising.len())..] {
            let rows = other.fewer_rows;
            self.by_rows(other, &[rows.saturating_sub(2), rows + 2], &[0, -3])?;
        }
        Ok(())
    }

    fn by_rows(&mut self, start: &Bounds, fewer_rows: &[u8], shifts: &[i32]) -> Result<()> {
        let mut wave = Vec::new();
        for fewer_rows in fewer_rows.iter().filter(|fewer| **fewer <= FEWEST_ROWS) {
            for shift in shifts {
                wave.push(Candidate::Bounds(Bounds {
                    fewer_rows: *fewer_rows,
                    ..self.shifted(start, *shift)
                }));
            }
        }
        self.try_all(Phase::Rows, &wave)?;
        Ok(())
    }

    /// Points of different patterns, the one that promises the smallest file first.
    fn promising(&self) -> Vec<usize> {
        let mut ranked: Vec<(f64, usize)> = (0..self.points.len())
            .filter_map(|point| Some((self.expected(point)?, point)))
            .collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut chosen: Vec<usize> = Vec::new();
        let mut patterns: Vec<(Vec<bool>, u8)> = Vec::new();
        for (_, point) in ranked {
            let Some(bounds) = self.bounds(point) else {
                continue;
            };
            let constant = (0..bounds.rungs.len()).map(|column| self.is_constant(bounds, column));
            let pattern = (constant.collect(), bounds.fewer_rows);
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
                chosen.push(point);
            }
            if chosen.len() == PATTERNS {
                break;
            }
        }
        chosen
    }

    /// The bytes that a point should take with its bounds shifted to where it loses what it may: half a
    /// bit for each rung and value.
    fn expected(&self, point: usize) -> Option<f64> {
        let bounds = self.bounds(point)?;
        let (bytes, loss) = self.figures(point)?;
        if loss > HOPELESS * self.target {
            return None;
        }
        let (_, rows) = self.points[point].made.as_ref().ok()?;
        let moving = (0..bounds.rungs.len()).filter(|column| !self.is_constant(bounds, *column));
        let a_rung = *rows as f64 * moving.count() as f64 / 16.0;
        // What is gained by wider bounds is not more than half of what there is.
        Some((bytes as f64 + a_rung * self.rungs_over(loss)).max(bytes as f64 / 2.0))
    }

    /// By how many rungs bounds are too wide for what may be lost; negative where they may be wider.
    fn rungs_over(&self, loss: f64) -> f64 {
        let least = self.target * RUNGS.start().exp2();
        (loss.max(least) / self.target)
            .log2()
            .clamp(*RUNGS.start(), *RUNGS.end())
    }

    fn is_constant(&self, bounds: &Bounds, column: usize) -> bool {
        bounds.rungs[column] == self.harness.ladders[column].top()
    }

    /// All bounds wider by so many rungs, or narrower, but for constant columns and exact ones.
    fn shifted(&self, bounds: &Bounds, by: i32) -> Bounds {
        let ladders = &self.harness.ladders;
        let mut shifted = bounds.clone();
        for (column, rung) in shifted.rungs.iter_mut().enumerate() {
            if *rung > 0 && !self.is_constant(bounds, column) {
                let most = i32::from(SPREAD_RUNG.max(*rung));
                let to = (i32::from(*rung) + by).clamp(1, most) as u8;
                *rung = to.min(ladders[column].top());
            }
        }
        shifted
    }
}
