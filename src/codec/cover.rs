//! Covers: a few representatives that stand for all values of a column within its bound.
//!
//! A grid of multiples of 2E spends a code on every 2E of the range. Where a file can store the
//! reconstructed numbers themselves, any set of them will do, and the best one follows the data:
//! cells no wider than 2E are laid over the values so that the codes have the least entropy
//! (dynamic programming over bins much finer than a cell), and each cell is represented by the
//! *roundest* number within the bound of all its values: the one with the most trailing zero bits.

use std::collections::HashMap;

use super::element::Float;
use super::quantize;

/// Bins to a cell of the full width 2E: how finely cells can be laid.
const BINS_PER_CELL: f64 = 32.0;
/// More bins than this are not tried: so many codes are coded better as numbers.
const MAX_BINS: f64 = (1u64 << 20) as f64;
/// Of a code in use, beyond those of its representative: bits.
const CELL_BITS: f64 = 8.0;
/// Representatives at most, those of values kept bit for bit included.
pub const MAX_REPRESENTATIVES: usize = 1 << 16;

/// What stands for each of a run of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Cover<F> {
    /// For each value, the position of its representative.
    pub codes: Vec<u32>,
    /// Cells in ascending order, then the values that are kept bit for bit. All are distinct bits.
    pub representatives: Vec<F>,
    /// Values kept bit for bit because no cell holds them: NaN, infinities, -0.0 and any value
    /// whose distance to its cell's representative is above the bound.
    pub outliers: usize,
    /// The largest |x - x'|.
    pub max_error: f64,
}

/// Covers `values` within `bound`, an absolute distance; zeros stay zeros. None where that takes
/// too many representatives, or where the bound is not a positive number.
pub fn cover<F: Float>(values: &[F], bound: f64) -> Option<Cover<F>> {
    let bins = Bins::new(values, bound)?;
    let cells = cells::<F>(&bins, bound);
    let mut representatives: Vec<F> = Vec::with_capacity(cells.len());
    let mut code_of_bin = vec![0u32; bins.bins.len()];
    for (first, last) in cells {
        let representative = representative(bins.bins[first].min, bins.bins[last].max, bound);
        let code = representatives.len() as u32;
        code_of_bin[first..=last].fill(code);
        representatives.push(representative);
    }

    let mut exact: HashMap<u64, u32> = HashMap::new();
    let mut found = Cover {
        codes: Vec::with_capacity(values.len()),
        representatives,
        outliers: 0,
        max_error: 0.0,
    };
    for x in values {
        let covered = bins.position(x.to_f64()).and_then(|bin| {
            let code = code_of_bin[bin];
            let y = found.representatives[code as usize];
            // Zeros stay zeros, whatever their cell.
            let kept = x.to_f64() != 0.0 || y.to_f64() == 0.0;
            Some((code, distance(*x, y, bound).filter(|_| kept)?))
        });
        let code = match covered {
            Some((code, distance)) => {
                found.max_error = found.max_error.max(distance);
                code
            }
            None => {
                found.outliers += 1;
                *exact.entry(bits(*x)).or_insert_with(|| {
                    found.representatives.push(*x);
                    found.representatives.len() as u32 - 1
                })
            }
        };
        if found.representatives.len() > MAX_REPRESENTATIVES {
            return None;
        }
        found.codes.push(code);
    }
    Some(found.without_idle())
}

/// Each of `values` as the roundest number within `bound` of it: the one with the most trailing
/// zero bits. With it, the values kept bit for bit, and the largest |x - x'|.
///
/// Coarser than a grid with a power of two as its step, and as good for coders that look at bytes.
pub fn round<F: Float>(values: &[F], bound: f64) -> (Vec<F>, usize, f64) {
    let (mut outliers, mut max_error) = (0, 0.0f64);
    let rounded = values.iter().map(|x| {
        let exact = x.to_f64();
        let rounded = roundest(exact - bound, exact + bound);
        match rounded.and_then(|y| Some((y, distance(*x, y, bound)?))) {
            Some((y, distance)) => {
                max_error = max_error.max(distance);
                y
            }
            None => {
                outliers += 1;
                *x
            }
        }
    });
    let rounded = rounded.collect();
    (rounded, outliers, max_error)
}

/// The distinct bit patterns of `values` and the position of each value's, in order of appearance;
/// None for more than [`MAX_REPRESENTATIVES`].
pub fn distinct<T: bytemuck::Pod>(values: &[T]) -> Option<(Vec<u32>, Vec<T>)> {
    let mut positions: HashMap<u64, u32> = HashMap::new();
    let mut representatives = Vec::new();
    let mut codes = Vec::with_capacity(values.len());
    for x in values {
        codes.push(*positions.entry(bits(*x)).or_insert_with(|| {
            representatives.push(*x);
            representatives.len() as u32 - 1
        }));
        if representatives.len() > MAX_REPRESENTATIVES {
            return None;
        }
    }
    Some((codes, representatives))
}

impl<F: Float> Cover<F> {
    /// What stands for each of the values.
    pub fn values(&self) -> Vec<F> {
        let value = |code: &u32| self.representatives[*code as usize];
        self.codes.iter().map(value).collect()
    }

    /// Leaves out cells all of whose values became outliers, and those with the bits of another.
    fn without_idle(mut self) -> Self {
        let mut used = vec![false; self.representatives.len()];
        self.codes
            .iter()
            .for_each(|code| used[*code as usize] = true);
        let mut positions: HashMap<u64, u32> = HashMap::new();
        let mut kept = Vec::with_capacity(self.representatives.len());
        let renumbered: Vec<u32> = self
            .representatives
            .iter()
            .zip(used)
            .map(|(y, used)| {
                if !used {
                    return 0;
                }
                *positions.entry(bits(*y)).or_insert_with(|| {
                    kept.push(*y);
                    kept.len() as u32 - 1
                })
            })
            .collect();
        self.codes
            .iter_mut()
            .for_each(|code| *code = renumbered[*code as usize]);
        self.representatives = kept;
        self
    }
}

/// The exact distance of `y` from `x`; None where `y` may not stand for `x`.
fn distance<F: Float>(x: F, y: F, bound: f64) -> Option<f64> {
    let distance = quantize::distance(x.to_f64(), y.to_f64(), 0.0, bound);
    (distance < f64::INFINITY).then_some(distance)
}

/// The bit pattern, zero-extended. At most 8 bytes wide.
fn bits<T: bytemuck::Pod>(x: T) -> u64 {
    let mut bits = [0; 8];
    let bytes = bytemuck::bytes_of(&x);
    bits[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(bits)
}

/// The values of a narrow interval.
#[derive(Debug, Clone, Copy)]
struct Bin {
    count: u32,
    min: f64,
    max: f64,
}

/// A histogram of the finite values.
struct Bins {
    /// Those that hold values, ascending.
    bins: Vec<Bin>,
    /// For each interval, where its bin is.
    positions: Vec<u32>,
    scale: f64,
    first: f64,
    has_zero: bool,
    max_abs: f64,
}

impl Bins {
    fn new<F: Float>(values: &[F], bound: f64) -> Option<Self> {
        let range = super::ValueRange::of_slice(values);
        let scale = BINS_PER_CELL / 2.0 / bound;
        if range.is_empty() || !(bound > 0.0 && scale > 0.0 && scale < f64::INFINITY) {
            return None;
        }
        let (first, last) = ((range.min * scale).floor(), (range.max * scale).floor());
        // NaN and infinities compare false.
        if !(last - first < MAX_BINS && first.abs() < 2f64.powi(52) && last.abs() < 2f64.powi(52)) {
            return None;
        }
        let empty = Bin {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        };
        let mut all = vec![empty; (last - first) as usize + 1];
        let mut has_zero = false;
        for x in values.iter().map(|x| x.to_f64()).filter(|x| x.is_finite()) {
            has_zero |= x == 0.0;
            let bin = &mut all[((x * scale).floor() - first) as usize];
            bin.count += 1;
            bin.min = if x < bin.min { x } else { bin.min };
            bin.max = if x > bin.max { x } else { bin.max };
        }
        let mut next = 0;
        let positions = all
            .iter()
            .map(|bin| {
                let position = next;
                next += u32::from(bin.count > 0);
                position
            })
            .collect();
        all.retain(|bin| bin.count > 0);
        Some(Self {
            bins: all,
            positions,
            scale,
            first,
            has_zero,
            max_abs: range.min.abs().max(range.max.abs()),
        })
    }

    /// The bin of one of the values that the histogram was made of, if it is finite.
    fn position(&self, x: f64) -> Option<usize> {
        x.is_finite()
            .then(|| self.positions[((x * self.scale).floor() - self.first) as usize] as usize)
    }
}

/// The runs of bins (first and last) that make cells: the entropy of the codes and the room of the
/// representatives are least together.
fn cells<F: Float>(bins: &Bins, bound: f64) -> Vec<(usize, usize)> {
    let n: f64 = bins.bins.iter().map(|bin| f64::from(bin.count)).sum();
    let cell_bits = CELL_BITS + 8.0 * size_of::<F>() as f64;
    // A representative is a number of type F: somewhat less than 2E where these lie far apart.
    let widest = 2.0 * bound - 2.0 * quantize::half_ulp::<F>(bins.max_abs);
    let splits_zero = |min: f64, max: f64| {
        bins.has_zero && min <= 0.0 && max >= 0.0 && (min < -bound || max > bound)
    };
    // Up to each bin: the least cost, and the first bin of the last cell.
    let mut best: Vec<(f64, usize)> = Vec::with_capacity(bins.bins.len());
    for (last, bin) in bins.bins.iter().enumerate() {
        let mut least = (f64::INFINITY, last);
        let mut count = 0.0;
        for first in (0..=last).rev() {
            let min = bins.bins[first].min;
            // A single bin is a cell whatever it takes; a wider one has to keep the bound.
            if first < last && (bin.max - min > widest || splits_zero(min, bin.max)) {
                break;
            }
            count += f64::from(bins.bins[first].count);
            let before = if first == 0 { 0.0 } else { best[first - 1].0 };
            let cost = before + count * (n / count).log2() + cell_bits;
            if cost < least.0 {
                least = (cost, first);
            }
        }
        best.push(least);
    }
    let mut cells = Vec::new();
    let mut end = best.len();
    while let Some((_, first)) = end.checked_sub(1).map(|last| best[last]) {
        cells.push((first, end - 1));
        end = first;
    }
    cells.reverse();
    cells
}

/// What is to stand for all numbers from `min` to `max`.
fn representative<F: Float>(min: f64, max: f64, bound: f64) -> F {
    // Even where one end is the bound itself, which `roundest` does not reach.
    if min <= 0.0 && max >= 0.0 && min >= -bound && max <= bound {
        return F::from_f64(0.0);
    }
    roundest(max - bound, min + bound)
        .filter(|y| distance(F::from_f64(min), *y, bound).is_some())
        .filter(|y| distance(F::from_f64(max), *y, bound).is_some())
        .unwrap_or_else(|| F::from_f64(min / 2.0 + max / 2.0))
}

/// The number with the most trailing zero bits from `low` to `high`, which are up to one rounding
/// error outside of what is meant. None if there is no number of type F.
fn roundest<F: Float>(low: f64, high: f64) -> Option<F> {
    let (low, high) = if low < high {
        (low.next_up(), high.next_down())
    } else {
        (low, high)
    };
    // The ends of a NaN are NaN.
    if low.is_nan() || high.is_nan() || low > high {
        return None;
    }
    if low <= 0.0 && high >= 0.0 {
        return Some(F::from_f64(0.0));
    }
    if high < 0.0 {
        let magnitude = roundest_bits(-high, -low);
        return number(-magnitude);
    }
    number(roundest_bits(low, high))
}

fn number<F: Float>(x: f64) -> Option<F> {
    Some(F::from_f64(x)).filter(|y| y.to_f64() == x)
}

/// For `0 < low <= high`. The bits of positive floats are ordered as the floats are.
fn roundest_bits(low: f64, high: f64) -> f64 {
    let (low, high) = (low.to_bits(), high.to_bits());
    // The highest bit in which the interval's ends differ, the one before `low` being excluded.
    let kept = 63 - ((low - 1) ^ high).leading_zeros();
    f64::from_bits(high >> kept << kept)
}
