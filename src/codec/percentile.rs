//! Percentiles, and the quantiles that they name: nearest-rank, so that a quantile is always one of
//! the values and no rounding can enter.

use std::fmt;
use std::str::FromStr;

use super::{CodecError, ValueRange};

/// Millionths of a percent that make all.
const WHOLE: u32 = 100_000_000;
/// Decimals that a percentile is written with, at most.
const DECIMALS: usize = 6;

/// A percentage from 0 to 100 in decimal, with up to six digits behind the point: the share of the
/// values that lie at or below a quantile.
///
/// Written as a plain decimal, such as `1` or `99.9`; [`Display`](fmt::Display) and [`FromStr`] are
/// inverses. Kept as a whole number of millionths of a percent, so that ranks are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percentile(u32);

impl Percentile {
    /// None beyond 100 percent.
    pub fn from_millionths(millionths: u32) -> Option<Self> {
        (millionths <= WHOLE).then_some(Self(millionths))
    }

    /// Millionths of a percent, at most 100 million.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// The rank, from 0, of this quantile among `n` values in ascending order: the least of them
    /// that at least this share of the values does not exceed. None if there are no values.
    ///
    /// That is `max(1, ceil(p / 100 * n))` counted from 1.
    pub fn rank(self, n: u64) -> Option<u64> {
        let rank = (u128::from(self.0) * u128::from(n)).div_ceil(u128::from(WHOLE));
        // At most n, since the share is at most 1.
        (n > 0).then(|| rank.max(1) as u64 - 1)
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10u32.pow(DECIMALS as u32);
        write!(f, "{}", self.0 / unit)?;
        let fraction = format!("{:0DECIMALS$}", self.0 % unit);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            digits => write!(f, ".{digits}"),
        }
    }
}

impl FromStr for Percentile {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        let invalid = || {
            CodecError::InvalidBound(format!(
                "{text:?} is not a percentile; write a number from 0 to 100 with at most {DECIMALS} decimals, for instance p99.9"
            ))
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || !digits(whole) {
            return Err(invalid());
        }
        if fraction.is_empty() || fraction.len() > DECIMALS || !digits(fraction) {
            return Err(invalid());
        }
        // Nine digits at most: no overflow.
        let millionths = format!("{whole}{fraction:0<DECIMALS$}");
        millionths
            .parse()
            .ok()
            .and_then(Self::from_millionths)
            .ok_or_else(invalid)
    }
}

/// The range from the quantile `low` to the quantile `high` of the finite ones among `values`, which
/// are left in another order; empty if there are none.
pub fn quantile_range(values: &mut Vec<f64>, low: Percentile, high: Percentile) -> ValueRange {
    values.retain(|x| x.is_finite());
    let n = values.len() as u64;
    let (Some(low), Some(high)) = (low.rank(n), high.rank(n)) else {
        return ValueRange::EMPTY;
    };
    let mut at = |rank: u64| {
        *values
            .select_nth_unstable_by(rank as usize, f64::total_cmp)
            .1
    };
    ValueRange {
        min: at(low),
        max: at(high),
    }
}
