//! Quantization: values to multiples of a step, and back.
//!
//! The grid lies at zero, so that zeros stay zeros, or at one of 16 phases between two points,
//! where that puts most values of a column that has few levels into fewer cells. The step keeps 21
//! significand bits, which makes `(q + phase / 16) * step` exact in f64 for all |q| < 2^28: the
//! reconstruction then rounds once, to the element type, the same way everywhere.

use super::element::Float;

/// Beyond this, f64 no longer tells neighbouring integers apart.
const MAX_QUANTUM: f64 = (1u64 << 51) as f64;

/// Adding and subtracting this rounds an f64 below 2^51 to an integer, ties to even, without
/// SSE4.1's rounding instruction, which a baseline x86-64 build cannot use.
pub(super) const ROUNDER: f64 = (3u64 << 51) as f64;

/// Where reconstructions lie: `(q + phase / 16) * step` for integers q.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    pub(super) step: f64,
    /// 0 to 15.
    pub(super) phase: u8,
}

impl Grid {
    /// The grid of these steps that has a point at zero.
    pub(super) fn at_zero(step: f64) -> Self {
        Self { step, phase: 0 }
    }

    fn offset(self) -> f64 {
        f64::from(self.phase) / f64::from(PHASES)
    }

    /// The decoder's one function: quantum to value.
    #[inline(always)]
    pub(super) fn reconstruct<F: Float>(self, quantum: f64) -> F {
        F::from_f64((quantum + self.offset()) * self.step)
    }

    /// The quantum nearest to `x`, as a float and as an integer; meaningless beyond
    /// [`MAX_QUANTUM`].
    #[inline(always)]
    pub(super) fn quantum(self, x: f64, inverse_step: f64) -> (f64, i64) {
        let shifted = (x * inverse_step - self.offset()) + ROUNDER;
        (
            shifted - ROUNDER,
            shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64,
        )
    }
}

/// A grid for f32, in f32 arithmetic: `(16 q + phase) * (step / 16)`, which is the same product. Its
/// factors are exact, and so it rounds once, to the same value.
#[derive(Debug, Clone, Copy)]
pub(super) struct NarrowGrid {
    part: f32,
    phase: i32,
}

impl NarrowGrid {
    /// Whether f32 holds `16 q + phase` for all of `quanta`: where they fit 21 bits.
    #[inline(always)]
    pub(super) fn has_room_for(quanta: &[i32]) -> bool {
        // Not negated, which could overflow; one less in magnitude fits the same bits.
        let bits = quanta.iter().fold(0, |bits, q| bits | q ^ (q >> 31));
        bits < 1 << 20
    }

    /// None where f32 does not hold a sixteenth of the step, or as a subnormal, which a process may
    /// have told its CPU to take for zero.
    pub(super) fn of(grid: Grid) -> Option<Self> {
        let part = grid.step / f64::from(PHASES);
        let narrow = part as f32;
        let exact = f64::from(narrow) == part && part * f64::from(PHASES) == grid.step;
        (exact && narrow.is_normal()).then_some(Self {
            part: narrow,
            phase: grid.phase.into(),
        })
    }

    /// As [`Grid::reconstruct`], for quanta that [it has room for](Self::has_room_for).
    #[inline(always)]
    pub(super) fn reconstruct(self, quantum: i32) -> f32 {
        let parts = quantum * i32::from(PHASES) + self.phase;
        parts as f32 * self.part
    }
}

/// Positions of a grid that are told apart.
pub(super) const PHASES: u8 = 16;

/// The step to quantize values of magnitude up to `max_abs` with, or None if only the lossless
/// form can keep `bound`.
///
/// A reconstruction lies within half a step of the value, and then rounds to the element type by
/// at most half a unit in the last place of `max_abs`; the step leaves room for that, so that
/// hardly any value becomes an outlier.
pub(super) fn step<F: Float>(bound: f64, max_abs: f64) -> Option<f64> {
    let rounding = half_ulp::<F>(max_abs);
    let room = if bound > 1.5 * rounding {
        bound - rounding
    } else {
        bound
    };
    let step = truncate(2.0 * room);
    (step > 0.0 && step.is_finite() && (1.0 / step).is_finite()).then_some(step)
}

/// Half a unit in the last place of F at magnitude `x`.
pub(super) fn half_ulp<F: Float>(x: f64) -> f64 {
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    power_of_two((exponent + 1 - F::PRECISION).max(F::MIN_EXPONENT) - 1)
}

/// 2^exponent for exponents below 1024; 0 below the smallest subnormal.
pub(super) fn power_of_two(exponent: i32) -> f64 {
    match exponent {
        -1022.. => f64::from_bits(((exponent + 1023) as u64) << 52),
        -1074.. => f64::from_bits(1 << (exponent + 1074)),
        _ => 0.0,
    }
}

/// Rounds down to the 21 significand bits that the format stores.
pub(super) fn truncate(step: f64) -> f64 {
    step_from_bytes(step_to_bytes(step))
}

/// The upper half of the f64.
pub(super) fn step_to_bytes(step: f64) -> [u8; 4] {
    ((step.to_bits() >> 32) as u32).to_le_bytes()
}

pub(super) fn step_from_bytes(bytes: [u8; 4]) -> f64 {
    f64::from_bits(u64::from(u32::from_le_bytes(bytes)) << 32)
}

/// The distance of `reconstructed` from `x`, or a value just above where f64 cannot represent it; or
/// infinity where it may not stand for `x`: where the distance is above `bound`.
///
/// Infinity too for all that quantization cannot carry: NaN and infinities (they compare false),
/// -0.0, and quanta out of range.
///
/// A difference that was rounded must be below the bound, not at it: rounding is monotonic and
/// leaves `bound` where it is, so what is rounded to less was less.
#[inline(always)]
pub(super) fn distance(x: f64, reconstructed: f64, quantum: f64, bound: f64) -> f64 {
    const NEGATIVE_ZERO: u64 = (-0.0f64).to_bits();
    let difference = x - reconstructed;
    // Knuth's two-sum: the rounding error of the subtraction, zero when it was exact.
    let b_virtual = x - difference;
    let a_virtual = difference + b_virtual;
    let error = (x - a_virtual) + (b_virtual - reconstructed);
    let magnitude = difference.abs();
    let kept = ((magnitude < bound) | ((magnitude == bound) & (error == 0.0)))
        & (quantum.abs() <= MAX_QUANTUM)
        & (x.to_bits() != NEGATIVE_ZERO)
        & (reconstructed.to_bits() != NEGATIVE_ZERO);
    if kept {
        // One step up where it was rounded: half of one is what rounding takes.
        f64::from_bits(magnitude.to_bits() + u64::from(error != 0.0))
    } else {
        f64::INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn narrow_grids_are_the_same(
            step: u32,
            exponent in 0u32..0x7ff,
            phase in 0..PHASES,
            near in prop::collection::vec(-(1 << 20)..1 << 20, 1..99),
            edge in prop::sample::select(vec![0, -1, 1, 1 << 20, (1 << 20) - 1, -(1 << 20), -(1 << 20) - 1, i32::MIN]),
        ) {
            let bytes = (step & 0x800f_ffff | exponent << 20).to_le_bytes();
            let grid = Grid { step: step_from_bytes(bytes), phase };
            for quantum in near.into_iter().chain([edge]) {
                let Some(narrow) = NarrowGrid::of(grid).filter(|_| NarrowGrid::has_room_for(&[quantum])) else {
                    continue;
                };
                let expected: f32 = grid.reconstruct(f64::from(quantum));
                prop_assert_eq!(narrow.reconstruct(quantum).to_bits(), expected.to_bits());
            }
        }
    }

    #[test]
    fn usual_grids_are_narrow() {
        for step in [1.0, 0.1, 3e-30, 1e30].map(truncate) {
            assert!(NarrowGrid::of(Grid { step, phase: 15 }).is_some());
        }
        for step in [1e-300, 2f64.powi(-123), 1e300, f64::INFINITY, f64::NAN] {
            assert!(NarrowGrid::of(Grid { step, phase: 0 }).is_none());
        }
        assert!(!NarrowGrid::has_room_for(&[0, 1 << 20]));
        assert!(NarrowGrid::has_room_for(&[-(1 << 20), (1 << 20) - 1]));
    }
}
