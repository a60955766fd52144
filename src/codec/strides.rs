//! Prediction from neighbours on both sides, coarse to fine, with weights and steps of its own for
//! each stride: what smooth series are followed by.
//!
//! ```text
//! description: first integer (signed); for each stride, coarse to fine:
//!              shift (number), number of weights (number), weights (signed)
//! ```
//!
//! Residuals stand in the order of strides: the first integer's, then those of the coarsest stride,
//! and so on. They are multiples of 2^shift of their stride, and shifted right by it. Weights are
//! fitted to the series, after Wiener's interpolation; strides with steps of their own are the
//! level-wise bounds of Liu et al., "Dynamic quality metric oriented error bounded lossy compression
//! for scientific datasets" (QoZ), SC 2022.

use super::CodecError;
use super::bits::{BitReader, BitWriter, Learning, Number};
use super::payload::{self, Cursor};
use super::{interpolation, wide};

/// Bits of a weight behind the point.
pub(super) const WEIGHT_BITS: u32 = 12;
/// Weights of a stride, at most: those of the pairs of neighbours beyond the nearest.
pub(super) const MAX_WEIGHTS: usize = 4;
/// A weight's magnitude is below this, so that sums fit 64 bits.
pub(super) const WEIGHT_LIMIT: i32 = 1 << 20;

/// How the integers of a series are predicted, stride by stride.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strides {
    pub(super) first: i32,
    /// Coarse to fine, as many as [`strides`] has.
    pub(super) steps: Vec<Step>,
}

/// The prediction of the integers at odd multiples of one stride.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Step {
    /// Residuals are multiples of two to this.
    pub(super) shift: u32,
    /// Of the second nearest pair of neighbours, the third nearest and so on, in
    /// 2^-[`WEIGHT_BITS`]; the nearest pair has what is left to one half. None for
    /// [`interpolation`]'s own.
    pub(super) weights: Vec<i32>,
}

/// The strides of `n` integers, coarse to fine: powers of two below n.
pub(super) fn strides(n: usize) -> impl Iterator<Item = usize> {
    let count = n.max(1).next_power_of_two().ilog2();
    (0..count).rev().map(|log| 1 << log)
}

/// For each residual the number of its stride, from the coarsest, which is 1; 0 for the first.
pub(super) fn numbers(n: usize) -> Vec<i32> {
    let mut numbers = vec![0; n.min(1)];
    for (number, stride) in strides(n).enumerate() {
        let count = (n - stride).div_ceil(2 * stride);
        numbers.resize(numbers.len() + count, number as i32 + 1);
    }
    numbers
}

impl Step {
    /// The prediction of the integer at `i`, an odd multiple of `stride`, from even multiples.
    #[inline(always)]
    pub(super) fn prediction(&self, integers: &[i32], i: usize, stride: usize) -> i32 {
        let reach = (2 * self.weights.len() + 1) * stride;
        if self.weights.is_empty() || i < reach || i + reach >= integers.len() {
            return interpolation::prediction(integers, i, stride);
        }
        weighted(integers, i, stride, &self.weights)
    }

    /// The integers at odd multiples of a stride, of their residuals; `known` are those at even
    /// multiples, side by side.
    #[inline(always)]
    fn invert(&self, residuals: &[i32], known: &[i32], integers: &mut [i32]) {
        let reach = self.weights.len().max(1);
        let last = known.len().saturating_sub(reach + 1).min(residuals.len());
        let first = reach.min(last);
        let at = |i: usize| known.get(i).copied();
        for i in (0..first).chain(last..residuals.len()) {
            let earlier = i.checked_sub(1).and_then(at);
            let prediction = interpolation::between(earlier, known[i], at(i + 1), at(i + 2));
            integers[i] = prediction.wrapping_add(residuals[i].wrapping_shl(self.shift));
        }
        if first == last {
            return;
        }
        let (residuals, integers) = (&residuals[first..last], &mut integers[first..last]);
        let known = &known[first - reach..last + reach + 1];
        match self.weights[..] {
            [] => self.inner(residuals, known, integers, |[nearest, next]| {
                (9 * nearest - next + 8) >> 4
            }),
            [a] => self.weighed::<2>(residuals, known, integers, &[a]),
            [a, b] => self.weighed::<3>(residuals, known, integers, &[a, b]),
            [a, b, c] => self.weighed::<4>(residuals, known, integers, &[a, b, c]),
            [a, b, c, d, ..] => self.weighed::<5>(residuals, known, integers, &[a, b, c, d]),
        }
    }

    /// [`inner`](Self::inner) by weights, one less than pairs.
    #[inline(always)]
    fn weighed<const PAIRS: usize>(
        &self,
        residuals: &[i32],
        known: &[i32],
        integers: &mut [i32],
        weights: &[i32],
    ) {
        self.inner::<PAIRS>(residuals, known, integers, |sums| {
            weigh(sums[0], sums[1..].iter().copied(), weights)
        });
    }

    /// Where all neighbours are: `prediction` is given the sums of so many pairs, the nearest first.
    #[inline(always)]
    fn inner<const PAIRS: usize>(
        &self,
        residuals: &[i32],
        known: &[i32],
        integers: &mut [i32],
        prediction: impl Fn([i64; PAIRS]) -> i64,
    ) {
        // Slices of one length, so that the loop vectorizes.
        let count = integers.len();
        let residuals = &residuals[..count];
        let left: [&[i32]; PAIRS] = std::array::from_fn(|pair| &known[PAIRS - 1 - pair..][..count]);
        let right: [&[i32]; PAIRS] = std::array::from_fn(|pair| &known[PAIRS + pair..][..count]);
        for i in 0..count {
            let mut sums = [0; PAIRS];
            for pair in 0..PAIRS {
                sums[pair] = i64::from(left[pair][i]) + i64::from(right[pair][i]);
            }
            let prediction = prediction(sums) as i32;
            integers[i] = prediction.wrapping_add(residuals[i].wrapping_shl(self.shift));
        }
    }
}

/// The weighted prediction, where all neighbours are there.
#[inline(always)]
fn weighted(integers: &[i32], i: usize, stride: usize, weights: &[i32]) -> i32 {
    let pair = |distance: usize| {
        i64::from(integers[i - distance * stride]) + i64::from(integers[i + distance * stride])
    };
    weigh(pair(1), (1..).map(|k| pair(2 * k + 1)), weights) as i32
}

/// The same of the sums of pairs, the nearest and those beyond, of which there are enough.
#[inline(always)]
fn weigh(nearest: i64, further: impl Iterator<Item = i64>, weights: &[i32]) -> i64 {
    let mut sum = (nearest << (WEIGHT_BITS - 1)) + (1 << (WEIGHT_BITS - 1));
    // Weights first: there may be no pair beyond theirs.
    for (weight, pair) in weights.iter().zip(further) {
        sum += i64::from(*weight) * (pair - nearest);
    }
    sum >> WEIGHT_BITS
}

/// Even and odd places in turn; there may be one even place more.
#[inline(always)]
fn riffle(even: &[i32], odd: &[i32], all: &mut [i32]) {
    let (pairs, rest) = all.as_chunks_mut::<2>();
    for ((pair, even), odd) in pairs.iter_mut().zip(even).zip(odd) {
        *pair = [*even, *odd];
    }
    if let ([rest], Some(last)) = (rest, even.last()) {
        *rest = *last;
    }
}

impl Strides {
    /// The residuals of `integers`, in the order of strides.
    pub(super) fn apply(&self, integers: &[i32]) -> Vec<i32> {
        let mut residuals = Vec::with_capacity(integers.len());
        residuals.extend(integers.first().map(|x| x.wrapping_sub(self.first)));
        for (step, stride) in self.steps.iter().zip(strides(integers.len())) {
            for i in (stride..integers.len()).step_by(2 * stride) {
                let residual = integers[i].wrapping_sub(step.prediction(integers, i, stride));
                residuals.push(residual >> step.shift);
            }
        }
        residuals
    }

    /// The integers of `residuals`, in place.
    pub(super) fn invert(&self, residuals: &mut [i32]) {
        let (n, integers) = (residuals.len(), residuals);
        let residuals = integers.to_vec();
        let Some((first, mut residuals)) = residuals.split_first() else {
            return;
        };
        let (mut spare, mut between) = (vec![0; n], vec![0; n / 2]);
        // Integers known so far lie side by side, in either; the last stride ends where all shall be.
        let (mut known, mut next) = match self.steps.len() % 2 {
            0 => (integers, &mut spare[..]),
            _ => (&mut spare[..], integers),
        };
        known[0] = first.wrapping_add(self.first);
        wide::run(
            #[inline(always)]
            || {
                for (step, stride) in self.steps.iter().zip(strides(n)) {
                    let (before, count) =
                        (n.div_ceil(2 * stride), (n - stride).div_ceil(2 * stride));
                    let (of_step, rest) = residuals.split_at(count);
                    residuals = rest;
                    step.invert(of_step, &known[..before], &mut between[..count]);
                    riffle(
                        &known[..before],
                        &between[..count],
                        &mut next[..before + count],
                    );
                    std::mem::swap(&mut known, &mut next);
                }
            },
        );
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut bits = BitWriter::new(Learning::Quick);
        let [mut first, mut shift, mut count, mut weight] = [const { Number::NEW }; 4];
        bits.signed(&mut first, self.first);
        for step in &self.steps {
            bits.number(&mut shift, step.shift);
            bits.number(&mut count, step.weights.len() as u32);
            for x in &step.weights {
                bits.signed(&mut weight, *x);
            }
        }
        let bytes = bits.finish();
        payload::write_varint(bytes.len() as u64, out);
        out.extend_from_slice(&bytes);
    }

    /// The strides of a payload of `n` integers.
    pub(super) fn read(cursor: &mut Cursor<'_>, n: usize) -> Result<Self, CodecError> {
        let mut bits = BitReader::open(cursor, Learning::Quick)?;
        let [mut first, mut shift, mut count, mut weight] = [const { Number::NEW }; 4];
        let first = bits.signed(&mut first);
        let mut steps = Vec::new();
        for _ in strides(n) {
            let shift = bits.number(&mut shift);
            let count = bits.number(&mut count) as usize;
            if shift > 31 || count > MAX_WEIGHTS {
                return Err(CodecError::corrupt("a stride out of bounds"));
            }
            let weights: Vec<i32> = (0..count).map(|_| bits.signed(&mut weight)).collect();
            if weights
                .iter()
                .any(|x| x.unsigned_abs() >= WEIGHT_LIMIT as u32)
            {
                return Err(CodecError::corrupt("a weight out of bounds"));
            }
            steps.push(Step { shift, weights });
        }
        bits.finish()?;
        Ok(Self { first, steps })
    }
}
