//! Blocks of values to payloads.
//!
//! ```text
//! Exact:        stream of T
//! Quantized32,  step: upper half of an f64, 4 bytes LE
//! Quantized64:  number of outliers: varint
//!               if any: stream of u32: gaps (first index, then distance to the one before, less 1)
//!                       stream of Bits: the outliers' bit patterns
//!               stream of i32 or i64: a quantum for each value; an outlier repeats the one before
//! ```

use super::element::{Element, Float};
use super::payload::{self, MAX_BLOCK_VALUES, PayloadHeader, PayloadKind};
use super::stream::{self, Effort};
use super::{CodecError, choose, quantize};

/// A payload and what is true of the values that it decodes to.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedBlock<T> {
    pub payload: Vec<u8>,
    pub kind: PayloadKind,
    /// Values stored bit-exactly among quantized ones.
    pub outliers: usize,
    /// The largest |x - x'| over the values that are not bit-identical.
    pub max_error: f64,
    /// Smallest and largest *reconstructed* value but for NaN; -0.0 sorts below 0.0.
    pub min_max: Option<(T, T)>,
    /// Number of NaN.
    pub nans: usize,
}

/// Encodes losslessly, bit for bit.
///
/// # Errors
/// [`CodecError::TooLong`] for more than [`MAX_BLOCK_VALUES`] values.
pub fn encode_exact<T: Element>(values: &[T]) -> Result<EncodedBlock<T>, CodecError> {
    check_length(values.len())?;
    let mut summary = Summary::new();
    values.iter().for_each(|x| summary.add(*x));
    let header = PayloadHeader {
        kind: PayloadKind::Exact,
        element: T::TYPE,
        n: values.len(),
    };
    let mut payload = payload::start(header);
    stream::write(values, Effort::Search, &mut payload);
    Ok(EncodedBlock {
        payload: payload::seal(payload),
        kind: PayloadKind::Exact,
        outliers: 0,
        max_error: 0.0,
        min_max: summary.min_max,
        nans: summary.nans,
    })
}

/// Encodes so that every reconstruction lies within `bound` (an absolute distance, f64) of its
/// value; NaN payloads, infinities and the sign of -0.0 are kept bit-exactly.
///
/// Chooses the lossless form where that is smaller or the only one that keeps the bound.
///
/// # Errors
/// [`CodecError::TooLong`] for more than [`MAX_BLOCK_VALUES`] values, and
/// [`CodecError::InvalidBound`] for a bound that is negative or not finite.
pub fn encode_lossy<F: Float>(values: &[F], bound: f64) -> Result<EncodedBlock<F>, CodecError> {
    check_length(values.len())?;
    if !(bound >= 0.0 && bound.is_finite()) {
        return Err(CodecError::InvalidBound(format!(
            "{bound} is not an absolute error bound"
        )));
    }
    let max_abs = largest(values);
    let Some(step) = quantize::step::<F>(bound, max_abs).filter(|_| bound > 0.0) else {
        return encode_exact(values);
    };
    if max_abs / step < f64::from(i32::MAX - 1) {
        encode_quantized::<F, i32>(values, bound, step)
    } else {
        encode_quantized::<F, i64>(values, bound, step)
    }
}

/// The largest finite magnitude.
pub(super) fn largest<F: Float>(values: &[F]) -> f64 {
    values.iter().fold(0.0, |max, x| {
        let magnitude = x.to_f64().abs();
        if magnitude > max && magnitude < f64::INFINITY {
            magnitude
        } else {
            max
        }
    })
}

pub(super) fn check_length(n: usize) -> Result<(), CodecError> {
    if n > MAX_BLOCK_VALUES {
        Err(CodecError::TooLong(n))
    } else {
        Ok(())
    }
}

/// Integers that quanta are stored as.
pub(super) trait Quantum: Element + Default + Into<i64> {
    const KIND: PayloadKind;
    fn from_i64(quantum: i64) -> Self;
}

impl Quantum for i32 {
    const KIND: PayloadKind = PayloadKind::Quantized32;
    #[inline(always)]
    fn from_i64(quantum: i64) -> i32 {
        quantum as i32
    }
}

impl Quantum for i64 {
    const KIND: PayloadKind = PayloadKind::Quantized64;
    #[inline(always)]
    fn from_i64(quantum: i64) -> i64 {
        quantum
    }
}

/// The quantized form, or the lossless one where that is smaller.
fn encode_quantized<F: Float, Q: Quantum>(
    values: &[F],
    bound: f64,
    step: f64,
) -> Result<EncodedBlock<F>, CodecError> {
    let Quantized {
        quanta,
        outliers,
        max_error,
        summary,
    } = quantize_all::<F, Q>(values, bound, step);
    let header = PayloadHeader {
        kind: Q::KIND,
        element: F::TYPE,
        n: values.len(),
    };
    let mut payload = payload::start(header);
    payload.extend_from_slice(&quantize::step_to_bytes(step));
    write_outliers(values, &outliers, &mut payload);
    let order = choose::delta_order(&quanta);
    stream::write(&quanta, Effort::Delta(order), &mut payload);
    let block = EncodedBlock {
        payload: payload::seal(payload),
        kind: Q::KIND,
        outliers: outliers.len(),
        max_error,
        min_max: summary.min_max,
        nans: summary.nans,
    };
    smaller(block, values, &quanta, order)
}

/// Appends the outliers of `values`: their number, places and bits.
pub(super) fn write_outliers<F: Float>(values: &[F], outliers: &[u32], out: &mut Vec<u8>) {
    payload::write_varint(outliers.len() as u64, out);
    if outliers.is_empty() {
        return;
    }
    let bits: Vec<F::Bits> = outliers
        .iter()
        .map(|i| values[*i as usize].to_bits())
        .collect();
    let mut next = 0;
    let gaps: Vec<u32> = outliers
        .iter()
        .map(|i| i - std::mem::replace(&mut next, i + 1))
        .collect();
    stream::write(&gaps, Effort::Delta(0), out);
    stream::write(&bits, Effort::Delta(0), out);
}

/// `block`, which holds `quanta` in differences of `order`, or the lossless form of `values` where
/// that is smaller.
pub(super) fn smaller<F: Float, Q: Element + Into<i64>>(
    block: EncodedBlock<F>,
    values: &[F],
    quanta: &[Q],
    order: usize,
) -> Result<EncodedBlock<F>, CodecError> {
    if !choose::lossless_may_be_smaller(values, quanta, order, block.outliers) {
        return Ok(block);
    }
    let exact = encode_exact(values)?;
    Ok(if exact.payload.len() < block.payload.len() {
        exact
    } else {
        block
    })
}

struct Quantized<F, Q> {
    quanta: Vec<Q>,
    /// Indices, ascending.
    outliers: Vec<u32>,
    max_error: f64,
    summary: Summary<F>,
}

fn quantize_all<F: Float, Q: Quantum>(values: &[F], bound: f64, step: f64) -> Quantized<F, Q> {
    let inverse_step = 1.0 / step;
    let mut quanta = vec![Q::default(); values.len()];
    let mut outliers = Vec::new();
    let mut kept = Extremes::NONE;
    for (index, (values, quanta)) in values
        .chunks(CHUNK)
        .zip(quanta.chunks_mut(CHUNK))
        .enumerate()
    {
        let chunk = quantize_chunk(values, quanta, inverse_step, bound, step);
        if chunk.worst < f64::INFINITY {
            kept.add(chunk);
            continue;
        }
        for (i, x) in (index * CHUNK..).zip(values) {
            let (quantum, _) = quantize::quantum(x.to_f64(), inverse_step);
            let y = quantize::reconstruct::<F>(quantum, step).to_f64();
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
fn quantize_chunk<F: Float, Q: Quantum>(
    values: &[F],
    quanta: &mut [Q],
    inverse_step: f64,
    bound: f64,
    step: f64,
) -> Extremes {
    const LANES: usize = 8;
    let mut lanes = [Extremes::NONE; LANES];
    let mut quantize = |x: F, to: &mut Q, lane: usize| {
        let (quantum, integer) = quantize::quantum(x.to_f64(), inverse_step);
        let y = quantize::reconstruct::<F>(quantum, step).to_f64();
        *to = Q::from_i64(integer);
        let worst = quantize::distance(x.to_f64(), y, quantum, bound);
        lanes[lane].add(Extremes {
            worst,
            min: y,
            max: y,
        });
    };
    let (groups, rest) = values.as_chunks::<LANES>();
    let (to_groups, to_rest) = quanta.as_chunks_mut::<LANES>();
    for (group, to) in groups.iter().zip(to_groups) {
        for lane in 0..LANES {
            quantize(group[lane], &mut to[lane], lane);
        }
    }
    for (x, to) in rest.iter().zip(to_rest) {
        quantize(*x, to, 0);
    }
    lanes.into_iter().fold(Extremes::NONE, |mut all, lane| {
        all.add(lane);
        all
    })
}

/// Statistics of reconstructed values.
pub(super) struct Summary<T> {
    pub(super) min_max: Option<(T, T)>,
    pub(super) nans: usize,
}

impl<T: Element> Summary<T> {
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
