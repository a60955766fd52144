//! Error bounds: what the user asks for, and the absolute bound that follows from it.

use std::fmt;
use std::str::FromStr;

use super::{CodecError, Float, Percentile, log_grid, wide};

/// The largest distance allowed between values and their reconstructions.
///
/// Written `rel:R`, `rel:R@pA..pB`, `abs:E`, `pwrel:R`, `psnr:D` or `exact`;
/// [`Display`](fmt::Display) and [`FromStr`] are inverses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ErrorBound {
    /// Value-range relative: `|x - x'| <= R * (max - min)` over the column's finite values,
    /// with `0 <= R <= 1`. `rel:0` is lossless.
    Rel(f64),
    /// Relative to a range that outliers do not stretch: `|x - x'| <= R * (b - a)` for every value,
    /// those outside that range too, where a and b are two quantiles of the column's finite values
    /// (see [`Percentile::rank`]), and `0 <= R <= 1`.
    RobustRel {
        ratio: f64,
        low: Percentile,
        high: Percentile,
    },
    /// `|x - x'| <= E`, in the column's own unit, `E >= 0`. `abs:0` is lossless.
    Abs(f64),
    /// Point-wise relative: `|x - x'| <= R * |x|`, with `0 <= R < 1`. Zeros and signs are kept.
    /// `pwrel:0` is lossless.
    PointwiseRel(f64),
    /// Peak signal-to-noise ratio in decibels, over the column's finite values:
    /// `20 * log10((max - min) / rmse) >= D`, where rmse is the root of the mean of `(x - x')^2`.
    /// Lossless where `max = min`.
    Psnr(f64),
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

    /// A bound relative to the range between two quantiles; an error unless `0 <= ratio <= 1` and
    /// `low < high`.
    pub fn robust_rel(ratio: f64, low: Percentile, high: Percentile) -> Result<Self, CodecError> {
        Self::rel(ratio)?;
        if low < high {
            Ok(Self::RobustRel { ratio, low, high })
        } else {
            Err(CodecError::InvalidBound(format!(
                "p{low}..p{high} is not a range of percentiles; give the smaller one first, for instance p1..p99"
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

    /// A point-wise relative bound; an error unless `0 <= ratio < 1`.
    pub fn pointwise_rel(ratio: f64) -> Result<Self, CodecError> {
        if (0.0..1.0).contains(&ratio) {
            Ok(Self::PointwiseRel(ratio))
        } else {
            Err(CodecError::InvalidBound(format!(
                "pwrel:{ratio} is not a fraction of each value; give a number of at least 0 and less than 1, for instance pwrel:0.001"
            )))
        }
    }

    /// A peak signal-to-noise ratio in decibels; an error unless it is finite.
    pub fn psnr(decibels: f64) -> Result<Self, CodecError> {
        if decibels.is_finite() {
            Ok(Self::Psnr(decibels))
        } else {
            Err(CodecError::InvalidBound(format!(
                "psnr:{decibels} is not a number of decibels; give a finite number, for instance psnr:60"
            )))
        }
    }

    /// The bound itself, if it is one: the variants can be made with any number.
    ///
    /// # Errors
    /// As the functions that make them.
    pub fn checked(self) -> Result<Self, CodecError> {
        match self {
            Self::Rel(ratio) => Self::rel(ratio),
            Self::RobustRel { ratio, low, high } => Self::robust_rel(ratio, low, high),
            Self::Abs(bound) => Self::abs(bound),
            Self::PointwiseRel(ratio) => Self::pointwise_rel(ratio),
            Self::Psnr(decibels) => Self::psnr(decibels),
            Self::Exact => Ok(self),
        }
    }

    /// Whether values are kept on a grid that follows from the range alone, or exactly.
    pub fn is_on_grid(&self) -> bool {
        !matches!(self, Self::PointwiseRel(_) | Self::Psnr(_))
    }

    /// Whether reconstructions must be identical, whatever the column holds.
    pub fn is_exact(&self) -> bool {
        match self {
            Self::Rel(bound)
            | Self::RobustRel { ratio: bound, .. }
            | Self::Abs(bound)
            | Self::PointwiseRel(bound) => *bound == 0.0,
            Self::Psnr(_) => false,
            Self::Exact => true,
        }
    }

    /// Whether the bound follows from the values of the column, through a range.
    pub fn needs_range(&self) -> bool {
        match self {
            Self::Rel(_) | Self::RobustRel { .. } | Self::Psnr(_) => !self.is_exact(),
            Self::Abs(_) | Self::PointwiseRel(_) | Self::Exact => false,
        }
    }
}

impl fmt::Display for ErrorBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rel(ratio) => write!(f, "rel:{ratio:?}"),
            Self::RobustRel { ratio, low, high } => write!(f, "rel:{ratio:?}@p{low}..p{high}"),
            Self::Abs(bound) => write!(f, "abs:{bound:?}"),
            Self::PointwiseRel(ratio) => write!(f, "pwrel:{ratio:?}"),
            Self::Psnr(decibels) => write!(f, "psnr:{decibels:?}"),
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
            Some(("rel", rest)) => match rest.split_once('@') {
                None => Self::rel(number(rest)?),
                Some((digits, quantiles)) => {
                    let (low, high) = percentiles(quantiles)?;
                    Self::robust_rel(number(digits)?, low, high)
                }
            },
            Some(("abs", digits)) => Self::abs(number(digits)?),
            Some(("pwrel", digits)) => Self::pointwise_rel(number(digits)?),
            Some(("psnr", digits)) => Self::psnr(number(digits)?),
            None if text == "exact" => Ok(Self::Exact),
            _ => Err(CodecError::InvalidBound(format!(
                "{text:?} is not an error bound; write rel:R, rel:R@p1..p99, abs:E, pwrel:R, psnr:D or exact"
            ))),
        }
    }
}

/// `p1..p99` as two percentiles.
fn percentiles(text: &str) -> Result<(Percentile, Percentile), CodecError> {
    let (low, high) = text
        .split_once("..")
        .and_then(|(low, high)| low.strip_prefix('p').zip(high.strip_prefix('p')))
        .ok_or_else(|| {
            CodecError::InvalidBound(format!(
                "{text:?} is not a range of percentiles; write for instance p1..p99"
            ))
        })?;
    Ok((low.parse()?, high.parse()?))
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
        const LANES: usize = 32;
        let (least, most) = (F::from_f64(f64::NEG_INFINITY), F::from_f64(f64::INFINITY));
        let (groups, rest) = values.as_chunks::<LANES>();
        let (min, max) = wide::run(
            #[inline(always)]
            || {
                // Of their own type, of which a vector holds more than of f64.
                let (mut min, mut max) = ([most; LANES], [least; LANES]);
                for group in groups {
                    for lane in 0..LANES {
                        let x = group[lane];
                        min[lane] = if (x < min[lane]) & (x > least) {
                            x
                        } else {
                            min[lane]
                        };
                        max[lane] = if (x > max[lane]) & (x < most) {
                            x
                        } else {
                            max[lane]
                        };
                    }
                }
                (min, max)
            },
        );
        let rest = Self::of(rest.iter().map(|x| x.to_f64()));
        let lanes = min.into_iter().zip(max);
        lanes.fold(rest, |all, (min, max)| {
            let (min, max) = (min.to_f64(), max.to_f64());
            all.union(&Self { min, max })
        })
    }

    fn add(&mut self, x: f64) {
        (self.min, self.max) = extended(self.min, self.max, x);
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

/// The absolute bound of a column: if every value keeps it, the column keeps `bound`, in exact
/// arithmetic. 0 means lossless.
///
/// `range` is that of the column's finite values; for [`ErrorBound::RobustRel`], that between its
/// two quantiles. A bound on the mean, [`ErrorBound::Psnr`], is kept by values that each keep it; a
/// larger absolute bound may do as well. No absolute bound but 0 keeps [`ErrorBound::PointwiseRel`].
///
/// Each floating-point step is followed by one step down, which outweighs its rounding; a range
/// that overflows is halved first.
pub fn absolute_bound(bound: ErrorBound, range: ValueRange) -> f64 {
    let fraction_of_range = |ratio: f64| {
        if range.is_empty() {
            return 0.0;
        }
        // Halving is exact but for subnormals, where it rounds by less than the step down.
        let half_width = step_down(range.max / 2.0 - range.min / 2.0);
        if half_width == 0.0 {
            return 0.0;
        }
        let half_bound = step_down(ratio * half_width);
        (half_bound * 2.0).min(f64::MAX)
    };
    match bound {
        ErrorBound::Exact | ErrorBound::PointwiseRel(_) => 0.0,
        ErrorBound::Abs(bound) => bound,
        ErrorBound::Rel(ratio) | ErrorBound::RobustRel { ratio, .. } => fraction_of_range(ratio),
        ErrorBound::Psnr(decibels) => fraction_of_range(rmse_ratio(decibels)),
    }
}

/// `10^(-decibels / 20)`, the largest rmse as a fraction of the range, rounded down.
fn rmse_ratio(decibels: f64) -> f64 {
    // log2(10) / 20
    const BITS_PER_DECIBEL: f64 = 0.166_096_404_744_368_1;
    let ratio = log_grid::exp2(-decibels * BITS_PER_DECIBEL);
    if ratio < f64::MIN_POSITIVE {
        // Too few bits to be rounded by a fraction; some 6,150 dB.
        return 0.0;
    }
    // The exponent, below 2^11, is wrong by less than 2^-41, the power by a few 2^-52 more.
    ratio * (1.0 - 2f64.powi(-36))
}

/// The next float towards zero, or 0.
fn step_down(x: f64) -> f64 {
    if x > 0.0 { x.next_down() } else { 0.0 }
}
/// A range with `x` in it, if that is finite. Comparisons rather than f64::min, which does not
/// vectorize; NaN and infinities fall through.
#[inline(always)]
fn extended(min: f64, max: f64, x: f64) -> (f64, f64) {
    let finite = x.abs() < f64::INFINITY;
    (
        if finite & (x < min) { x } else { min },
        if finite & (x > max) { x } else { max },
    )
}
