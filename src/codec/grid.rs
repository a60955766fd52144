//! The choice of a column's grid: the step by its bound, the phase by its values.

use half::f16;

use super::bound::ValueRange;
use super::element::{Element, ElementType, Float};
use super::estimate::log2;
use super::quantize::{self, Grid, PHASES};

/// Values looked at, at most.
const SAMPLE: usize = 1024;
/// Phases matter to columns of few levels only.
const MAX_LEVELS: usize = 64;

impl Grid {
    /// The grid to quantize `values` on, all of one row group, or None if only the lossless form
    /// keeps `bound`.
    pub fn of<F: Float>(values: &[F], bound: f64) -> Option<Self> {
        let max_abs = largest(values);
        let step = quantize::step::<F>(bound, max_abs).filter(|_| bound > 0.0)?;
        Some(Self {
            step,
            phase: phase(values, step),
        })
    }

    /// Step and phase as payloads store them: the step's upper half.
    pub fn to_parts(self) -> (u32, u8) {
        let step = quantize::step_to_bytes(self.step);
        (u32::from_le_bytes(step), self.phase)
    }

    /// The grid that is stored so; None if none is.
    pub fn from_parts(step: u32, phase: u8) -> Option<Self> {
        let step = quantize::step_from_bytes(step.to_le_bytes());
        (phase < PHASES && step > 0.0 && step.is_finite()).then_some(Self { step, phase })
    }

    /// The widest step that keeps `bound`, as it is stored.
    pub fn widest_step(bound: f64) -> u32 {
        u32::from_le_bytes(quantize::step_to_bytes(2.0 * bound))
    }

    /// The quantum nearest to `x`.
    pub fn nearest(self, x: f64) -> i64 {
        (x / self.step - f64::from(self.phase) / f64::from(PHASES)).round() as i64
    }

    /// The bit pattern, zero-extended, of what `quantum` stands for in a column of `element`; None
    /// where that is no float.
    pub fn bits(self, element: ElementType, quantum: i64) -> Option<u64> {
        let quantum = quantum as f64;
        Some(match element {
            ElementType::F16 => self.reconstruct::<f16>(quantum).bits(),
            ElementType::F32 => self.reconstruct::<f32>(quantum).bits(),
            ElementType::F64 => self.reconstruct::<f64>(quantum).bits(),
            _ => return None,
        })
    }

    /// Whether the quanta of `values` fit 32 bits.
    pub(super) fn fits_32<F: Float>(self, values: &[F]) -> bool {
        largest(values) / self.step < f64::from(i32::MAX - 1)
    }
}

/// The largest finite magnitude.
fn largest<F: Float>(values: &[F]) -> f64 {
    let range = ValueRange::of_slice(values);
    match range.is_empty() {
        true => 0.0,
        false => range.min.abs().max(range.max.abs()),
    }
}

/// The phase that leaves the least entropy in a sample; zero where zeros are frequent, so that
/// they stay zeros, and where it gains little.
fn phase<F: Float>(values: &[F], step: f64) -> u8 {
    let count = (values.len() / 4).clamp(256, SAMPLE);
    let every = values.len().div_ceil(count).max(1);
    let sample: Vec<f64> = values
        .iter()
        .step_by(every)
        .map(|x| x.to_f64())
        .filter(|x| x.is_finite())
        .collect();
    let zeros = sample.iter().filter(|x| **x == 0.0).count();
    let (low, high) = sample
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
            (low.min(*x), high.max(*x))
        });
    let levels = (high - low) / step;
    if zeros * 8 > sample.len() || levels.is_nan() || levels > (MAX_LEVELS - 3) as f64 {
        return 0;
    }
    let base = (low / step).floor() - 1.0;
    // In parts of a level, of which a phase takes some to the level below.
    const PARTS: usize = PHASES as usize;
    let mut parts = [0u32; MAX_LEVELS * PARTS];
    for x in &sample {
        // From half a level on: see above.
        let part = ((x / step - base + 0.5) * PARTS as f64) as usize;
        parts[part.min(MAX_LEVELS * PARTS - 1)] += 1;
    }
    let entropy = |phase: u8| -> f64 {
        let first: u32 = parts[..phase.into()].iter().sum();
        let levels = parts[phase.into()..].chunks(PARTS);
        let mut counts: Vec<u32> = levels.map(|parts| parts.iter().sum()).collect();
        counts[0] += first;
        let told = counts
            .iter()
            .map(|count| f64::from(*count) * f64::from(log2(*count as usize)));
        f64::from(log2(sample.len())) - told.sum::<f64>() / sample.len().max(1) as f64
    };
    let at_zero = entropy(0);
    let (phase, least) = (1..PHASES).fold((0, at_zero), |best, phase| {
        let bits = entropy(phase);
        if bits < best.1 { (phase, bits) } else { best }
    });
    // Description and chance.
    let worth = 0.98 * at_zero - 8.0 / sample.len().max(1) as f64;
    if least < worth { phase } else { 0 }
}
