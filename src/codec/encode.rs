//! Blocks of values to payloads.
//!
//! ```text
//! Exact:        stream of T
//! Integers:     coded integers
//! Grid32:       step: upper half of an f64, 4 bytes LE; phase: 1 byte
//!               outliers
//!               coded integers: a quantum for each value; an outlier repeats the one before
//! Quantized64:  step; outliers
//!               stream of i64: a quantum for each value; an outlier repeats the one before
//! LogQuantized32, LogQuantized64: see `pointwise`
//!
//! outliers:     number: varint
//!               if any: stream of u32: gaps (first index, then distance to the one before, less 1)
//!                       stream of Bits: the outliers' bit patterns
//! ```

use super::coding;
use super::effort::Effort;
use super::element::{Element, ElementType, Float};
use super::integers::{Quantized, Summary, quantize_all};
use super::payload::{self, MAX_BLOCK_VALUES, PayloadHeader, PayloadKind};
use super::quantize::{self, Grid};
use super::select::Plan;
use super::stream::{self, Delta};
use super::{CodecError, choose};

/// A payload and what is true of the values that it decodes to.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedBlock {
    pub payload: Vec<u8>,
    pub kind: PayloadKind,
    /// Values stored bit-exactly among quantized ones.
    pub outliers: usize,
    /// The largest |x - x'| over the values that are not bit-identical.
    pub max_error: f64,
    /// Bit patterns, zero-extended, of the smallest and largest *reconstructed* value but for NaN;
    /// -0.0 sorts below 0.0.
    pub min_max: Option<(u64, u64)>,
    /// Number of NaN.
    pub nans: usize,
}

/// A block that is ready to be coded: what can be done before other columns are looked at.
pub struct Block {
    pub(super) element: ElementType,
    pub(super) form: Form,
    /// How it is to be coded, whatever the column's plan; without references.
    pub(super) plan: Option<Plan>,
    pub(super) is_empty: bool,
    pub(super) outliers: usize,
    pub(super) max_error: f64,
    pub(super) min_max: Option<(u64, u64)>,
    pub(super) nans: usize,
}

pub(super) enum Form {
    /// Coded already, for nothing else would do.
    Done(EncodedBlock),
    /// The values themselves.
    Integers(Vec<i32>),
    /// Integers that stand for the values, and what goes before them in the payload.
    Coded32(PayloadKind, Vec<u8>, Vec<i32>),
    Coded64(PayloadKind, Vec<u8>, Vec<i64>),
}

impl Block {
    /// A block to be coded losslessly, bit for bit.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] for more than [`MAX_BLOCK_VALUES`] values.
    pub fn exact<T: Element>(values: &[T]) -> Result<Self, CodecError> {
        check_length(values.len())?;
        let mut summary = Summary::new();
        values.iter().for_each(|x| summary.add(*x));
        // No float is an integer, but all of none are.
        let form = match T::to_integers(values).filter(|_| T::IS_INTEGER) {
            Some(integers) => Form::Integers(integers),
            None => Form::Done(exact_form(values, &summary)),
        };
        Ok(Self {
            element: T::TYPE,
            form,
            plan: None,
            is_empty: values.is_empty(),
            outliers: 0,
            max_error: 0.0,
            min_max: summary.bits(),
            nans: summary.nans,
        })
    }

    /// The integers that stand for the values, which other columns may refer to; None where they
    /// are not coded as integers of 32 bits. A block without values, which is not stored, has none
    /// to keep others from referring to the column.
    pub fn integers(&self) -> Option<&[i32]> {
        match &self.form {
            Form::Integers(integers) | Form::Coded32(_, _, integers) => Some(integers),
            Form::Done(_) | Form::Coded64(..) if self.is_empty => Some(&[]),
            Form::Done(_) | Form::Coded64(..) => None,
        }
    }

    /// Codes the block by `plan`; `references` are the integers of the plan's columns in the rows
    /// of the block's values. A block that was [`followed`](Self::followed) has a plan of its own.
    pub fn encode(&self, plan: &Plan, references: &[&[i32]], effort: Effort) -> EncodedBlock {
        let kind = self.kind();
        let (plan, references) = match &self.plan {
            Some(own) => (own, &[][..]),
            None => (plan, references),
        };
        let start = |n| {
            payload::start(PayloadHeader {
                kind,
                element: self.element,
                n,
            })
        };
        let payload = match &self.form {
            Form::Done(block) => return block.clone(),
            Form::Integers(integers) => {
                let mut payload = start(integers.len());
                coding::write_exact(integers, plan, references, effort, &mut payload);
                payload
            }
            Form::Coded32(_, head, integers) => {
                let mut payload = start(integers.len());
                payload.extend_from_slice(head);
                coding::write(integers, plan, references, effort, &mut payload);
                payload
            }
            Form::Coded64(_, head, integers) => {
                let mut payload = start(integers.len());
                payload.extend_from_slice(head);
                write_64(integers, &mut payload);
                payload
            }
        };
        EncodedBlock {
            payload: payload::seal(payload),
            kind,
            outliers: self.outliers,
            max_error: self.max_error,
            min_max: self.min_max,
            nans: self.nans,
        }
    }

    fn kind(&self) -> PayloadKind {
        match &self.form {
            Form::Done(block) => block.kind,
            Form::Integers(_) => PayloadKind::Integers,
            Form::Coded32(kind, _, _) | Form::Coded64(kind, _, _) => *kind,
        }
    }

    /// A block to be coded so that every reconstruction lies within `bound` (an absolute distance)
    /// of its value; NaN payloads, infinities and the sign of -0.0 are kept bit-exactly.
    ///
    /// Takes the lossless form where that is smaller.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] for more than [`MAX_BLOCK_VALUES`] values, and
    /// [`CodecError::InvalidBound`] for a bound that is negative or not finite.
    pub fn lossy<F: Float>(values: &[F], bound: f64, grid: Grid) -> Result<Self, CodecError> {
        check_length(values.len())?;
        if !(bound >= 0.0 && bound.is_finite()) {
            return Err(CodecError::InvalidBound(format!(
                "{bound} is not an absolute error bound"
            )));
        }
        let mut head = quantize::step_to_bytes(grid.step).to_vec();
        if grid.fits_32(values) {
            let quantized = quantize_all::<F, i32>(values, bound, grid);
            head.push(grid.phase);
            Ok(Self::of_32(
                PayloadKind::Grid32,
                head,
                values,
                quantized,
                None,
            ))
        } else {
            let quantized = quantize_all::<F, i64>(values, bound, grid.without_phase());
            let kind = PayloadKind::Quantized64;
            Ok(Self::of_64(kind, head, values, quantized))
        }
    }

    /// Values that integers of 32 bits stand for, or the lossless form where that is smaller; with
    /// the plan that the integers were made for, if they were.
    pub(super) fn of_32<F: Float>(
        kind: PayloadKind,
        mut head: Vec<u8>,
        values: &[F],
        quantized: Quantized<F, i32>,
        plan: Option<Plan>,
    ) -> Self {
        write_outliers(values, &quantized.outliers, &mut head);
        let coded = |quanta: &[i32]| {
            let mut out = Vec::new();
            let alone = || Plan::alone(Some(quanta), Effort::Balanced);
            let plan = plan.clone().unwrap_or_else(alone);
            coding::write(quanta, &plan, &[], Effort::Balanced, &mut out);
            out.len()
        };
        let lossless = lossless(values, &quantized.quanta, head.len(), coded);
        let block = Self::with(quantized, lossless, |quanta| {
            Form::Coded32(kind, head, quanta)
        });
        Self { plan, ..block }
    }

    /// The same for integers of 64 bits.
    pub(super) fn of_64<F: Float>(
        kind: PayloadKind,
        mut head: Vec<u8>,
        values: &[F],
        quantized: Quantized<F, i64>,
    ) -> Self {
        write_outliers(values, &quantized.outliers, &mut head);
        let coded = |quanta: &[i64]| {
            let mut out = Vec::new();
            write_64(quanta, &mut out);
            out.len()
        };
        let lossless = lossless(values, &quantized.quanta, head.len(), coded);
        Self::with(quantized, lossless, |quanta| {
            Form::Coded64(kind, head, quanta)
        })
    }

    fn with<F: Float, Q>(
        quantized: Quantized<F, Q>,
        lossless: Option<EncodedBlock>,
        form: impl FnOnce(Vec<Q>) -> Form,
    ) -> Self {
        Self {
            element: F::TYPE,
            is_empty: quantized.quanta.is_empty(),
            form: match lossless {
                Some(block) => Form::Done(block),
                None => form(quantized.quanta),
            },
            plan: None,
            outliers: quantized.outliers.len(),
            max_error: quantized.max_error,
            min_max: quantized.summary.bits(),
            nans: quantized.summary.nans,
        }
    }
}

/// Integers may take a part in so many more than the lossless form: other columns can refer to
/// them.
const REFERENCE_SHARE: usize = 32;

/// The lossless form, where that is smaller than `quanta`, of which `coded` tells the length, with
/// what goes before them.
fn lossless<F: Float, Q: Element + Into<i64>>(
    values: &[F],
    quanta: &[Q],
    head: usize,
    coded: impl FnOnce(&[Q]) -> usize,
) -> Option<EncodedBlock> {
    if !choose::lossless_may_be_smaller(values, quanta, head) {
        return None;
    }
    let mut summary = Summary::new();
    values.iter().for_each(|x| summary.add(*x));
    let exact = exact_form(values, &summary);
    let quantized = payload::frame_len(values.len()) + head + coded(quanta);
    let slack = match values.len() > coding::FEW {
        true => exact.payload.len() / REFERENCE_SHARE,
        false => 0,
    };
    let smaller = exact.payload.len() + slack <= quantized;
    smaller.then_some(exact)
}

fn write_64(quanta: &[i64], out: &mut Vec<u8>) {
    stream::write(quanta, Delta::Order(choose::delta_order(quanta)), out);
}

fn exact_form<T: Element>(values: &[T], summary: &Summary<T>) -> EncodedBlock {
    let mut payload = payload::start(PayloadHeader {
        kind: PayloadKind::Exact,
        element: T::TYPE,
        n: values.len(),
    });
    let start = payload.len();
    stream::write(values, Delta::Search, &mut payload);
    if T::IS_INTEGER {
        // Integers recur in ways that floats do not.
        for delta in [false, true] {
            let mut repeated = Vec::new();
            stream::write_zstd(values, delta, 9, &mut repeated);
            if repeated.len() < payload.len() - start {
                payload.truncate(start);
                payload.extend_from_slice(&repeated);
            }
        }
    }
    EncodedBlock {
        payload: payload::seal(payload),
        kind: PayloadKind::Exact,
        outliers: 0,
        max_error: 0.0,
        min_max: summary.bits(),
        nans: summary.nans,
    }
}

fn write_outliers<F: Float>(values: &[F], outliers: &[u32], out: &mut Vec<u8>) {
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
    stream::write(&gaps, Delta::Order(0), out);
    stream::write(&bits, Delta::Order(0), out);
}

/// Encodes losslessly, bit for bit, without regard to other columns.
///
/// # Errors
/// As [`Block::exact`].
pub fn encode_exact<T: Element>(values: &[T]) -> Result<EncodedBlock, CodecError> {
    let block = Block::exact(values)?;
    let plan = Plan::alone(block.integers(), Effort::Balanced);
    Ok(block.encode(&plan, &[], Effort::Balanced))
}

/// Encodes within `bound`, without regard to other columns: see [`Block::lossy`].
///
/// # Errors
/// As [`Block::lossy`].
pub fn encode_lossy<F: Float>(values: &[F], bound: f64) -> Result<EncodedBlock, CodecError> {
    check_length(values.len())?;
    let Some(grid) = Grid::of(values, bound) else {
        if !(bound >= 0.0 && bound.is_finite()) {
            return Err(CodecError::InvalidBound(format!(
                "{bound} is not an absolute error bound"
            )));
        }
        return encode_exact(values);
    };
    let block = Block::lossy(values, bound, grid)?;
    let plan = Plan::alone(block.integers(), Effort::Balanced);
    Ok(block.encode(&plan, &[], Effort::Balanced))
}

/// Encodes within a fraction of each value, without regard to other columns: see
/// [`Block::pointwise`].
///
/// # Errors
/// As [`Block::pointwise`].
pub fn encode_pointwise_rel<F: Float>(
    values: &[F],
    ratio: f64,
) -> Result<EncodedBlock, CodecError> {
    let block = Block::pointwise(values, ratio)?;
    let plan = Plan::alone(block.integers(), Effort::Balanced);
    Ok(block.encode(&plan, &[], Effort::Balanced))
}

pub(super) fn check_length(n: usize) -> Result<(), CodecError> {
    if n > MAX_BLOCK_VALUES {
        Err(CodecError::TooLong(n))
    } else {
        Ok(())
    }
}
