//! Where values lie on a grid, for those who sort by it.

use super::element::Float;
use super::quantize::{self, Grid};

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// At this point of the grid, by number.
    Point(i64),
    /// Stored bit for bit.
    Outlier,
}

impl Grid {
    /// The cell of each value within `bound`, an absolute distance.
    pub fn cells<F: Float>(self, values: &[F], bound: f64) -> Vec<Cell> {
        let cell = |x: &F| match self.place(*x, bound) {
            Some((integer, _)) => Cell::Point(integer),
            None => Cell::Outlier,
        };
        values.iter().map(cell).collect()
    }

    /// What is stored of each value where a block is quantized on this grid.
    pub fn stored<F: Float>(self, values: &[F], bound: f64) -> Vec<F> {
        let stored = |x: &F| self.place(*x, bound).map_or(*x, |(_, y)| y);
        values.iter().map(stored).collect()
    }

    /// The same steps, with a point at zero: the grid of blocks whose quanta need 64 bits.
    pub fn without_phase(self) -> Self {
        Self::at_zero(self.step)
    }

    /// A value's point and its reconstruction; None for outliers.
    fn place<F: Float>(self, x: F, bound: f64) -> Option<(i64, F)> {
        let x = x.to_f64();
        let (quantum, integer) = self.quantum(x, 1.0 / self.step);
        let y = self.reconstruct::<F>(quantum);
        let distance = quantize::distance(x, y.to_f64(), quantum, bound);
        (distance < f64::INFINITY).then_some((integer, y))
    }
}
