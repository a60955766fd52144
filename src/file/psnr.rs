//! Row groups under a bound on their mean square error: the largest absolute bound that keeps it.
//!
//! If every row group keeps the mean square error allowed, so does the column, whose mean is one of
//! theirs. Uniformly distributed errors of up to E have the mean square E^2 / 3; values that lie on
//! few levels have less, and E may be larger. So E is sought by quantizing, the values are encoded
//! with it, *decoded*, and measured; what cannot be kept so is kept by every single value.

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use crate::codec::{Block, Effort, Float, Plan, RmseTarget, Squares, decode};

use super::column::Values;
use super::error::Result;

/// Bounds tried on quantized values, and on encoded ones.
const ESTIMATES: usize = 8;
const ENCODINGS: usize = 3;

/// Prepares `blocks` with the largest absolute bound found that keeps the root mean square error of
/// all of them together at `rmse` or less (0 is lossless); returns that bound too.
///
/// `prepare` prepares all blocks under an absolute bound.
pub(super) fn fit(
    blocks: &[ArrayRef],
    rmse: f64,
    prepare: impl Fn(f64) -> Result<Vec<Block>>,
) -> Result<(Vec<Block>, f64)> {
    if rmse == 0.0 {
        return Ok((prepare(0.0)?, 0.0));
    }
    let target = RmseTarget::new(rmse);
    let mut bound = estimated_bound(blocks, &target);
    for _ in 0..ENCODINGS {
        if bound <= rmse {
            break;
        }
        let prepared = prepare(bound)?;
        let measured: Vec<Squares> = blocks
            .par_iter()
            .zip(&prepared)
            .map(|(block, prepared)| measured(block, prepared, &target))
            .collect::<Result<_>>()?;
        let measured = total(measured);
        let load = target.load(measured);
        if load <= 1.0 {
            return Ok((prepared, bound));
        }
        bound = next_bound(bound, load);
    }
    Ok((prepare(rmse)?, rmse))
}

/// In the order of the blocks, whatever the threads: sums of floats depend on it.
fn total(squares: Vec<Squares>) -> Squares {
    squares.into_iter().fold(Squares::default(), Squares::plus)
}

/// The largest bound tried that keeps the target when values are quantized with it: by the rule
/// above, and by halving the interval between a bound that keeps the target and one that does not.
fn estimated_bound(blocks: &[ArrayRef], target: &RmseTarget) -> f64 {
    let mut bound = (target.rmse() * 3f64.sqrt()).min(f64::MAX);
    let (mut kept, mut failed) = (target.rmse(), f64::INFINITY);
    for _ in 0..ESTIMATES {
        let squares: Vec<Squares> = blocks
            .par_iter()
            .map(|block| estimated(block, bound, target))
            .collect();
        let squares = total(squares);
        let load = target.load(squares);
        if load <= 1.0 {
            kept = bound;
        } else {
            failed = bound;
        }
        if (0.98..=1.0).contains(&load) || failed <= kept * 1.002 {
            break;
        }
        let next = next_bound(bound, load);
        bound = if kept < next && next < failed * 0.999 {
            next
        } else {
            kept + (failed.min(f64::MAX) - kept) / 2.0
        };
    }
    kept
}

/// The bound that would bring the load to just below 1 if it grew with the square of the bound;
/// not far off, for it may not.
fn next_bound(bound: f64, load: f64) -> f64 {
    let factor = (1.0 / load).sqrt() * (1.0 - 1e-4);
    (bound * factor.clamp(0.5, 2.0)).min(f64::MAX)
}

fn estimated(block: &ArrayRef, bound: f64, target: &RmseTarget) -> Squares {
    match Values::of(block.data_type(), &block.to_data()) {
        Some(Values::F16(values)) => target.estimate(&values, bound),
        Some(Values::F32(values)) => target.estimate(&values, bound),
        Some(Values::F64(values)) => target.estimate(&values, bound),
        _ => Squares::default(),
    }
}

fn measured(array: &ArrayRef, block: &Block, target: &RmseTarget) -> Result<Squares> {
    fn of<F: Float>(values: &[F], block: &Block, target: &RmseTarget) -> Result<Squares> {
        // However it is coded in the end, these are the values that come out of it.
        let coded = block.encode(&Plan::default(), &[], Effort::Fast);
        let mut decoded = vec![F::zeroed(); values.len()];
        decode(&coded.payload, &mut decoded)?;
        Ok(target.measure(values, &decoded))
    }
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => of(&values, block, target),
        Some(Values::F32(values)) => of(&values, block, target),
        Some(Values::F64(values)) => of(&values, block, target),
        _ => Ok(Squares::default()),
    }
}
