//! Values to integers: what is done before a block is coded, and does not depend on other columns.

use super::element::{Element, Float};
use super::quantize::{self, Grid};
use super::wide;

/// Integers that quanta are stored as.
pub(super) trait Quantum: Element + Default + Into<i64> {
    fn from_i64(quantum: i64) -> Self;
}

impl Quantum for i32 {
    #[inline(always)]
    fn from_i64(quantum: i64) -> i32 {
        quantum as i32
    }
}

impl Quantum for i64 {
    #[inline(always)]
    fn from_i64(quantum: i64) -> i64 {
        quantum
    }
}

/// Values on a grid, and those that are not.
pub(super) struct Quantized<F, Q> {
    /// An outlier repeats the one before.
    pub(super) quanta: Vec<Q>,
    /// Indices, ascending.
    pub(super) outliers: Vec<u32>,
    pub(super) max_error: f64,
    pub(super) summary: Summary<F>,
}

pub(super) fn quantize_all<F: Float, Q: Quantum>(
    values: &[F],
    bound: f64,
    grid: Grid,
) -> Quantized<F, Q> {
    let inverse_step = 1.0 / grid.step;
    let mut quanta = vec![Q::default(); values.len()];
    let mut outliers = Vec::new();
    let mut kept = Extremes::NONE;
    for (index, (values, quanta)) in values
        .chunks(CHUNK)
        .zip(quanta.chunks_mut(CHUNK))
        .enumerate()
    {
        let chunk = wide::run(
            #[inline(always)]
            || quantize_chunk(values, quanta, inverse_step, bound, grid),
        );
        if chunk.worst < f64::INFINITY {
            kept.add(chunk);
            continue;
        }
        for (i, x) in (index * CHUNK..).zip(values) {
            let (quantum, _) = grid.quantum(x.to_f64(), inverse_step);
            let y = grid.reconstruct::<F>(quantum).to_f64();
            let worst = quantize::distance(x.to_f64(), y, quantum, bound);
            if worst < f64::INFINITY {
                kept.add(Extremes {
                    worst,
                    min: y,
                    max: y,
                });
            } else {
                outliers.push(i as u32);
            }
        }
    }
    let mut summary = Summary::new();
    if kept.min <= kept.max {
        summary.add(F::from_f64(kept.min));
        summary.add(F::from_f64(kept.max));
    }
    for i in &outliers {
        let i = *i as usize;
        quanta[i] = if i == 0 { Q::default() } else { quanta[i - 1] };
        summary.add(values[i]);
    }
    Quantized {
        quanta,
        outliers,
        max_error: kept.worst,
        summary,
    }
}

/// The largest distance and the smallest and largest reconstruction of values that were kept.
#[derive(Clone, Copy)]
pub(super) struct Extremes {
    pub(super) worst: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Extremes {
    pub(super) const NONE: Self = Self {
        worst: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    /// Of as many values; in lanes, so that it vectorizes.
    #[inline(always)]
    fn of(distances: &[f64], reconstructed: &[f64]) -> Self {
        const LANES: usize = 8;
        let mut lanes = (
            [0.0; LANES],
            [f64::INFINITY; LANES],
            [f64::NEG_INFINITY; LANES],
        );
        let (worst, min, max) = (&mut lanes.0, &mut lanes.1, &mut lanes.2);
        let (distances, last_distances) = distances.as_chunks::<LANES>();
        let (ys, last_ys) = reconstructed.as_chunks::<LANES>();
        for (distances, ys) in distances.iter().zip(ys) {
            for lane in 0..LANES {
                worst[lane] = greater(worst[lane], distances[lane]);
                min[lane] = less(min[lane], ys[lane]);
                max[lane] = greater(max[lane], ys[lane]);
            }
        }
        let mut all = Self::NONE;
        for lane in 0..LANES {
            let (worst, min, max) = (worst[lane], min[lane], max[lane]);
            all.add(Self { worst, min, max });
        }
        for (&worst, &y) in last_distances.iter().zip(last_ys) {
            let (min, max) = (y, y);
            all.add(Self { worst, min, max });
        }
        all
    }

    #[inline(always)]
    pub(super) fn add(&mut self, other: Self) {
        self.worst = greater(self.worst, other.worst);
        self.min = less(self.min, other.min);
        self.max = greater(self.max, other.max);
    }
}

/// The first unless the second is less: unlike f64::min it vectorizes, and keeps the first of two zeros.
#[inline(always)]
fn less(first: f64, second: f64) -> f64 {
    if second < first { second } else { first }
}

#[inline(always)]
fn greater(first: f64, second: f64) -> f64 {
    if second > first { second } else { first }
}

/// Values quantized at a time.
const CHUNK: usize = 256;

/// Quantizes up to [`CHUNK`] values; the extremes hold, and their `worst` is finite, if all of them
/// were kept. In loops over arrays, free of branches, so that each of them vectorizes.
#[inline(always)]
fn quantize_chunk<F: Float, Q: Quantum>(
    values: &[F],
    quanta: &mut [Q],
    inverse_step: f64,
    bound: f64,
    grid: Grid,
) -> Extremes {
    let (mut exact, mut whole) = ([0.0; CHUNK], [0.0; CHUNK]);
    let (mut stored, mut distances) = ([0.0; CHUNK], [0.0; CHUNK]);
    let n = values.len();
    for (exact, x) in exact.iter_mut().zip(values) {
        *exact = x.to_f64();
    }
    for ((whole, to), x) in whole.iter_mut().zip(quanta).zip(&exact) {
        let (quantum, integer) = grid.quantum(*x, inverse_step);
        (*whole, *to) = (quantum, Q::from_i64(integer));
    }
    for (y, quantum) in stored[..n].iter_mut().zip(&whole) {
        *y = grid.reconstruct::<F>(*quantum).to_f64();
    }
    let pairs = exact.iter().zip(&stored).zip(&whole);
    for (distance, ((x, y), quantum)) in distances[..n].iter_mut().zip(pairs) {
        *distance = quantize::distance(*x, *y, *quantum, bound);
    }
    Extremes::of(&distances[..n], &stored[..n])
}

/// Statistics of reconstructed values.
pub(super) struct Summary<T> {
    min_max: Option<(T, T)>,
    pub(super) nans: usize,
}

impl<T: Element> Summary<T> {
    pub(super) fn bits(&self) -> Option<(u64, u64)> {
        self.min_max.map(|(min, max)| (min.bits(), max.bits()))
    }

    pub(super) fn new() -> Self {
        Self {
            min_max: None,
            nans: 0,
        }
    }

    pub(super) fn add(&mut self, x: T) {
        if x.is_nan() {
            self.nans += 1;
            return;
        }
        self.min_max = Some(match self.min_max {
            None => (x, x),
            Some((min, max)) => (
                if x.total_cmp(&min).is_lt() { x } else { min },
                if x.total_cmp(&max).is_gt() { x } else { max },
            ),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wide_or_not_is_the_same(
            values in prop::collection::vec(prop_oneof![any::<f32>(), -9f32..9.0, Just(-0.0)], 1..CHUNK),
            exponent in -20i32..9,
            phase in 0..quantize::PHASES,
        ) {
            let (step, n) = (2f64.powi(exponent) * 1.25, values.len());
            let grid = Grid { step, phase };
            let (mut plain, mut widened) = (vec![0i32; n], vec![0i32; n]);
            let chunk = |quanta: &mut [i32]| {
                let Extremes { worst, min, max } =
                    quantize_chunk(&values, quanta, 1.0 / step, step / 2.0, grid);
                [worst, min, max].map(f64::to_bits)
            };
            let extremes = chunk(&mut plain);
            prop_assert_eq!(extremes, wide::run(|| chunk(&mut widened)));
            prop_assert_eq!(plain, widened);
        }
    }
}
