//! The grid that values are quantized on, for those who group or sort values by it.

use super::element::Float;
use super::quantize;

/// Where a value lies on the grid of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Stored as this multiple of the step.
    Quantum(i64),
    /// Stored bit for bit.
    Outlier,
}

/// The cells of `values` on the grid that [`encode_lossy`](super::encode_lossy) would choose were
/// they one block; None if only the lossless form can keep `bound`, an absolute distance.
pub fn cells<F: Float>(values: &[F], bound: f64) -> Option<Vec<Cell>> {
    let magnitudes = values.iter().map(|x| x.to_f64().abs());
    let max_abs = magnitudes
        .filter(|x| *x < f64::INFINITY)
        .fold(0.0, f64::max);
    let step = quantize::step::<F>(bound, max_abs).filter(|_| bound > 0.0)?;
    let inverse_step = 1.0 / step;
    let cell = |x: &F| {
        let x = x.to_f64();
        let (quantum, integer) = quantize::quantum(x, inverse_step);
        let y = quantize::reconstruct::<F>(quantum, step).to_f64();
        if quantize::distance(x, y, quantum, bound) < f64::INFINITY {
            Cell::Quantum(integer)
        } else {
            Cell::Outlier
        }
    };
    Some(values.iter().map(cell).collect())
}
