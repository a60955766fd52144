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
//!
//! outliers:     number: varint
//!               if any: stream of u32: gaps (first index, then distance to the one before, less 1)
//!                       stream of Bits: the outliers' bit patterns
//! ```

use super::coding;
use super::effort::Effort;
use super::element::{Element, ElementType, Float};
use super::integers::{Quantized, Quantum, Summary, quantize_all};
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
///
pub struct Block {
    element: ElementType,
    form: Form,
    outliers: usize,
    /// Written.
    outlier_bytes: Vec<u8>,
    max_error: f64,
    min_max: Option<(u64, u64)>,
    nans: usize,
}

enum Form {
    /// Coded already, for nothing else would do.
    Done(EncodedBlock),
    Integers(Vec<i32>),
    Grid32(Grid, Vec<i32>),
    Quantized64(Grid, Vec<i64>),
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
        let form = match T::to_integers(values) {
            Some(integers) => Form::Integers(integers),
            None => Form::Done(exact_form(values, &summary)),
        };
        Ok(Self {
            element: T::TYPE,
            form,
            outliers: 0,
            outlier_bytes: Vec::new(),
            max_error: 0.0,
            min_max: summary.bits(),
            nans: summary.nans,
        })
    }

    /// The integers that stand for the values, which other columns may refer to; None where they
    /// are not coded as integers of 32 bits.
    pub fn integers(&self) -> Option<&[i32]> {
        match &self.form {
            Form::Integers(integers) | Form::Grid32(_, integers) => Some(integers),
            Form::Done(_) | Form::Quantized64(..) => None,
        }
    }

    /// Codes the block by `plan`; `references` are the integers of the plan's columns in the rows
    /// of the block's values.
    pub fn encode(&self, plan: &Plan, references: &[&[i32]], effort: Effort) -> EncodedBlock {
        let kind = self.kind();
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
            Form::Grid32(grid, integers) => {
                let mut payload = start(integers.len());
                payload.extend_from_slice(&quantize::step_to_bytes(grid.step));
                payload.push(grid.phase);
                payload.extend_from_slice(&self.outlier_bytes);
                coding::write(integers, plan, references, effort, &mut payload);
                payload
            }
            Form::Quantized64(grid, quanta) => {
                let mut payload = start(quanta.len());
                payload.extend_from_slice(&quantize::step_to_bytes(grid.step));
                payload.extend_from_slice(&self.outlier_bytes);
                write_64(quanta, &mut payload);
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
            Form::Grid32(..) => PayloadKind::Grid32,
            Form::Quantized64(..) => PayloadKind::Quantized64,
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
        if grid.fits_32(values) {
            let quantized = quantize_all::<F, i32>(values, bound, grid);
            let coded = |quanta: &[i32]| {
                let mut out = Vec::new();
                let plan = Plan::alone(Some(quanta), Effort::Balanced);
                coding::write(quanta, &plan, &[], Effort::Balanced, &mut out);
                // The phase.
                out.len() + 1
            };
            Ok(Self::of(values, quantized, coded, |quanta| {
                Form::Grid32(grid, quanta)
            }))
        } else {
            let grid = Grid::at_zero(grid.step);
            let quantized = quantize_all::<F, i64>(values, bound, grid);
            let coded = |quanta: &[i64]| {
                let mut out = Vec::new();
                write_64(quanta, &mut out);
                out.len()
            };
            Ok(Self::of(values, quantized, coded, |quanta| {
                Form::Quantized64(grid, quanta)
            }))
        }
    }

    /// The quantized form, or the lossless one where that is smaller.
    fn of<F: Float, Q: Quantum>(
        values: &[F],
        quantized: Quantized<F, Q>,
        coded: impl FnOnce(&[Q]) -> usize,
        form: impl FnOnce(Vec<Q>) -> Form,
    ) -> Self {
        let mut outlier_bytes = Vec::new();
        write_outliers(values, &quantized.outliers, &mut outlier_bytes);
        let beside = outlier_bytes.len() + STEP_BYTES;
        let lossless = choose::lossless_may_be_smaller(values, &quantized.quanta, beside)
            .then(|| {
                let mut summary = Summary::new();
                values.iter().for_each(|x| summary.add(*x));
                exact_form(values, &summary)
            })
            .filter(|exact| {
                let frame = payload::frame_len(values.len());
                exact.payload.len() <= frame + coded(&quantized.quanta) + beside
            });
        Self {
            element: F::TYPE,
            form: match lossless {
                Some(block) => Form::Done(block),
                None => form(quantized.quanta),
            },
            outliers: quantized.outliers.len(),
            outlier_bytes,
            max_error: quantized.max_error,
            min_max: quantized.summary.bits(),
            nans: quantized.summary.nans,
        }
    }
}

const STEP_BYTES: usize = 4;

fn write_64<Q: Quantum>(quanta: &[Q], out: &mut Vec<u8>) {
    stream::write(quanta, Delta::Order(choose::delta_order(quanta)), out);
}

fn exact_form<T: Element>(values: &[T], summary: &Summary<T>) -> EncodedBlock {
    let mut payload = payload::start(PayloadHeader {
        kind: PayloadKind::Exact,
        element: T::TYPE,
        n: values.len(),
    });
    stream::write(values, Delta::Search, &mut payload);
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

fn check_length(n: usize) -> Result<(), CodecError> {
    if n > MAX_BLOCK_VALUES {
        Err(CodecError::TooLong(n))
    } else {
        Ok(())
    }
}
