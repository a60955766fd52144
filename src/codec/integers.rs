//! Values to integers: what is done before a block is coded, and does not depend on other columns.

use super::element::{Element, Float};
use super::quantize::{self, Grid};

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
        let chunk = quantize_chunk(values, quanta, inverse_step, bound, grid);
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

    /// Comparisons rather than f64::min, which does not vectorize.
    #[inline(always)]
    pub(super) fn add(&mut self, other: Self) {
        self.worst = if other.worst > self.worst {
            other.worst
        } else {
            self.worst
        };
        self.min = if other.min < self.min {
            other.min
        } else {
            self.min
        };
        self.max = if other.max > self.max {
            other.max
        } else {
            self.max
        };
    }
}

/// Values quantized at a time.
const CHUNK: usize = 256;

/// Quantizes up to [`CHUNK`] values; the extremes hold, and their `worst` is finite, if all of them
/// were kept. Free of branches and in lanes, so that it vectorizes.
#[inline(always)]
fn quantize_chunk<F: Float, Q: Quantum>(
    values: &[F],
    quanta: &mut [Q],
    inverse_step: f64,
    bound: f64,
    grid: Grid,
) -> Extremes {
    const LANES: usize = 8;
    let mut lanes = [Extremes::NONE; LANES];
    let (groups, rest) = values.as_chunks::<LANES>();
    let (to_groups, to_rest) = quanta.as_chunks_mut::<LANES>();
    for (group, to) in groups.iter().zip(to_groups) {
        for lane in 0..LANES {
            lanes[lane].add(quantize(
                group[lane],
                &mut to[lane],
                inverse_step,
                bound,
                grid,
            ));
        }
    }
    for (x, to) in rest.iter().zip(to_rest) {
        lanes[0].add(quantize(*x, to, inverse_step, bound, grid));
    }
    lanes.into_iter().fold(Extremes::NONE, |mut all, lane| {
        all.add(lane);
        all
    })
}

#[inline(always)]
fn quantize<F: Float, Q: Quantum>(
    x: F,
    to: &mut Q,
    inverse_step: f64,
    bound: f64,
    grid: Grid,
) -> Extremes {
    let (quantum, integer) = grid.quantum(x.to_f64(), inverse_step);
    let y = grid.reconstruct::<F>(quantum).to_f64();
    *to = Q::from_i64(integer);
    let worst = quantize::distance(x.to_f64(), y, quantum, bound);
    Extremes {
        worst,
        min: y,
        max: y,
    }
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
