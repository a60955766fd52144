//! Error bounds in the block index: a kind and a number for each column, and from format version 2
//! on the percentiles of bounds that have some.

use crate::codec::{ErrorBound, Percentile};

use super::error::{FileError, Result};
use super::index_arrays::{Arrays, Input, cut};

/// The highest kind of format version 1.
const LAST_OF_VERSION_1: u8 = 2;
const ROBUST_REL: u8 = 5;

pub(super) fn kind(bound: ErrorBound) -> u8 {
    match bound {
        ErrorBound::Exact => 0,
        ErrorBound::Rel(_) => 1,
        ErrorBound::Abs(_) => 2,
        ErrorBound::PointwiseRel(_) => 3,
        ErrorBound::Psnr(_) => 4,
        ErrorBound::RobustRel { .. } => ROBUST_REL,
    }
}

pub(super) fn number(bound: ErrorBound) -> f64 {
    match bound {
        ErrorBound::Exact => 0.0,
        ErrorBound::Rel(value)
        | ErrorBound::RobustRel { ratio: value, .. }
        | ErrorBound::Abs(value)
        | ErrorBound::PointwiseRel(value)
        | ErrorBound::Psnr(value) => value,
    }
}

/// The percentiles of the bounds that have some.
pub(super) fn encode_percentiles(bounds: impl Iterator<Item = ErrorBound>, out: &mut Arrays) {
    for bound in bounds {
        if let ErrorBound::RobustRel { low, high, .. } = bound {
            out.varints([low, high].map(|percentile| percentile.millionths() as usize));
        }
    }
}

/// The bounds of these kinds and numbers; reads their percentiles.
pub(super) fn decode(
    version: u8,
    kinds: impl Iterator<Item = u8>,
    numbers: &[u64],
    input: &mut Input<'_>,
) -> Result<Vec<ErrorBound>> {
    let bound = |(kind, number): (u8, &u64)| {
        let number = f64::from_bits(*number);
        if version == 1 && kind > LAST_OF_VERSION_1 {
            return Err(unknown(kind));
        }
        Ok(match kind {
            0 => ErrorBound::Exact,
            1 => ErrorBound::rel(number)?,
            2 => ErrorBound::abs(number)?,
            3 => ErrorBound::pointwise_rel(number)?,
            4 => ErrorBound::psnr(number)?,
            ROBUST_REL => {
                let [low, high] = percentiles(input)?;
                ErrorBound::robust_rel(number, low, high)?
            }
            kind => return Err(unknown(kind)),
        })
    };
    kinds.zip(numbers).map(bound).collect()
}

fn percentiles(input: &mut Input<'_>) -> Result<[Percentile; 2]> {
    let mut next = || {
        let millionths = input.varints(1)?[0];
        u32::try_from(millionths)
            .ok()
            .and_then(Percentile::from_millionths)
            .ok_or_else(cut)
    };
    Ok([next()?, next()?])
}

fn unknown(kind: u8) -> FileError {
    FileError::corrupt(format!("unknown kind of error bound {kind}"))
}
