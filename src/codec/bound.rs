//! Error bounds: what the user asks for, and the absolute bound that follows from it.

use std::fmt;
use std::str::FromStr;

use super::{CodecError, Float};

/// The largest distance allowed between a value and its reconstruction.
///
/// Written `rel:R`, `abs:E` or `exact`; [`Display`](fmt::Display) and [`FromStr`] are inverses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorBound {
    /// Value-range relative: `|x - x'| <= R * (max - min)` over the column's finite values,
    /// with `0 <= R <= 1`. `rel:0` is lossless.
    Rel(f64),
    /// `|x - x'| <= E`, in the column's own unit, `E >= 0`. `abs:0` is lossless.
    Abs(f64),
    /// Lossless, bit for bit.
    Exact,
}

impl ErrorBound {
    /// The bound of float columns when nothing is asked for: `rel:1e-3`.
    pub const DEFAULT: ErrorBound = ErrorBound::Rel(1e-3);

    /// A value-range relative bound; an error unless `0 <= ratio <= 1`.
    pub fn rel(ratio: f64) -> Result<Self, CodecError> {
        if (0.0..=1.0).contains(&ratio) {
            Ok(Self::Rel(ratio))
        } else {
            Err(CodecError::InvalidBound(format!(
                "rel:{ratio} is not a fraction of the value range; give a number from 0 to 1, for instance rel:0.001"
            )))
        }
    }

    /// An absolute bound; an error unless `bound` is finite and not negative.
    pub fn abs(bound: f64) -> Result<Self, CodecError> {
        if bound.is_finite() && bound >= 0.0 {
            Ok(Self::Abs(bound))
        } else {
            Err(CodecError::InvalidBound(format!(
                "abs:{bound} is not a distance; give a finite number of at least 0, for instance abs:0.5"
            )))
        }
    }

    /// The bound itself, if it is one: the variants can be made with any number.
    ///
    /// # Errors
    /// As [`rel`](Self::rel) and [`abs`](Self::abs).
    pub fn checked(self) -> Result<Self, CodecError> {
        match self {
            Self::Rel(ratio) => Self::rel(ratio),
            Self::Abs(bound) => Self::abs(bound),
            Self::Exact => Ok(self),
        }
    }

    /// Whether reconstructions must be identical, whatever the column holds.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Rel(bound) | Self::Abs(bound) => *bound == 0.0,
            Self::Exact => true,
        }
    }
}

impl fmt::Display for ErrorBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rel(ratio) => write!(f, "rel:{ratio:?}"),
            Self::Abs(bound) => write!(f, "abs:{bound:?}"),
            Self::Exact => f.write_str("exact"),
        }
    }
}

impl FromStr for ErrorBound {
    type Err = CodecError;

    fn from_str(text: &str) -> Result<Self, CodecError> {
        let number = |digits: &str| {
            digits.parse::<f64>().map_err(|_| {
                CodecError::InvalidBound(format!("{digits:?} in {text:?} is not a number"))
            })
        };
        match text.split_once(':') {
            Some(("rel", digits)) => Self::rel(number(digits)?),
            Some(("abs", digits)) => Self::abs(number(digits)?),
            None if text == "exact" => Ok(Self::Exact),
            _ => Err(CodecError::InvalidBound(format!(
                "{text:?} is not an error bound; write rel:R, abs:E or exact"
            ))),
        }
    }
}

/// The smallest and largest finite value of a column, over all of its data.
///
/// `ValueRange::EMPTY` (`min > max`) stands for "no finite value seen".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    pub min: f64,
    pub max: f64,
}

impl ValueRange {
    /// The range of no values: the neutral element of [`union`](Self::union).
    pub const EMPTY: ValueRange = ValueRange {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    /// The range of the finite values among `values`; f16 and f32 convert to f64 exactly.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut range = Self::EMPTY;
        values.into_iter().for_each(|x| range.add(x));
        range
    }

    /// As [`of`](Self::of), for a slice, faster.
    pub fn of_slice<F: Float>(values: &[F]) -> Self {
        const LANES: usize = 8;
        let mut lanes = [Self::EMPTY; LANES];
        let (groups, rest) = values.as_chunks::<LANES>();
        for group in groups {
            for lane in 0..LANES {
                lanes[lane].add(group[lane].to_f64());
            }
        }
        let rest = Self::of(rest.iter().map(|x| x.to_f64()));
        lanes.iter().fold(rest, |all, lane| all.union(lane))
    }

    /// Comparisons rather than f64::min, which does not vectorize; NaN and infinities fall through.
    #[inline(always)]
    fn add(&mut self, x: f64) {
        let finite = x.abs() < f64::INFINITY;
        self.min = if finite & (x < self.min) { x } else { self.min };
        self.max = if finite & (x > self.max) { x } else { self.max };
    }

    pub fn is_empty(&self) -> bool {
        self.min > self.max
    }

    /// The smallest range that holds both.
    pub fn union(&self, other: &Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }

    /// Whether every value of `other` lies in this range.
    pub fn contains(&self, other: &Self) -> bool {
        other.is_empty() || (self.min <= other.min && other.max <= self.max)
    }
}

/// The absolute bound of a column: never above what was asked for, in exact arithmetic.
///
/// Each floating-point step is followed by one step down, which outweighs its rounding; a range
/// that overflows is halved first. 0 means lossless.
pub fn absolute_bound(bound: ErrorBound, range: ValueRange) -> f64 {
    match bound {
        ErrorBound::Exact => 0.0,
        ErrorBound::Abs(bound) => bound,
        ErrorBound::Rel(_) if range.is_empty() => 0.0,
        ErrorBound::Rel(ratio) => {
            // Halving is exact but for subnormals, where it rounds by less than the step down.
            let half_width = step_down(range.max / 2.0 - range.min / 2.0);
            let half_bound = step_down(ratio * half_width);
            (half_bound * 2.0).min(f64::MAX)
        }
    }
}

/// The next float towards zero, or 0.
fn step_down(x: f64) -> f64 {
    if x > 0.0 { x.next_down() } else { 0.0 }
}
