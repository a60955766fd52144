//! Exact arithmetic for the verifier, which shares no code with the encoder.
//!
//! Every finite float is an integer times a power of two, so differences, products and
//! comparisons of floats can be had without any rounding: in 128-bit integers where the exponents
//! lie near each other, in big integers otherwise. Rounding happens in one place only, where the
//! largest error is turned into an `f64` to be shown, and it goes up.

use std::cmp::Ordering;

use half::f16;
use num_bigint::{BigInt, BigUint};

/// Bits of an `f64` significand, the hidden one included.
const F64_PRECISION: u64 = 53;

/// The farthest that one mantissa is shifted against another in 128-bit integers:
/// 53 + 73 bits, one for the subtraction and one for the sign.
const MAX_SHIFT: i32 = 73;

/// A finite float as it is: `mantissa * 2^exponent`, with `|mantissa| < 2^53`.
#[derive(Debug, Clone, Copy)]
pub struct Dyadic {
    mantissa: i64,
    exponent: i32,
}

impl Dyadic {
    pub const ZERO: Dyadic = Dyadic {
        mantissa: 0,
        exponent: 0,
    };

    /// None for NaN and infinities.
    pub fn new<F: ExactFloat>(x: F) -> Option<Self> {
        match x.class() {
            Class::Finite(value) => Some(value),
            Class::Nan | Class::Infinite => None,
        }
    }

    /// Mantissa and exponent.
    pub fn parts(self) -> (i64, i32) {
        (self.mantissa, self.exponent)
    }
}

/// What a bit pattern stands for.
#[derive(Debug, Clone, Copy)]
pub enum Class {
    Nan,
    Infinite,
    Finite(Dyadic),
}

/// An IEEE 754 binary float, taken apart by its bits alone.
pub trait ExactFloat: Copy {
    const FRACTION_BITS: u32;
    const EXPONENT_BITS: u32;

    /// The bit pattern, in the low bits.
    fn bits(self) -> u64;

    #[inline]
    fn class(self) -> Class {
        let bits = self.bits();
        let top = (1u64 << Self::EXPONENT_BITS) - 1;
        let fraction = bits & ((1 << Self::FRACTION_BITS) - 1);
        let biased = (bits >> Self::FRACTION_BITS) & top;
        if biased == top {
            return if fraction == 0 {
                Class::Infinite
            } else {
                Class::Nan
            };
        }
        // Subnormals have no hidden bit and the exponent of the smallest normal number.
        let (magnitude, biased) = if biased == 0 {
            (fraction, 1)
        } else {
            (fraction | 1 << Self::FRACTION_BITS, biased)
        };
        let negative = bits >> (Self::FRACTION_BITS + Self::EXPONENT_BITS) == 1;
        let mantissa = if negative {
            -(magnitude as i64)
        } else {
            magnitude as i64
        };
        let bias = (top / 2) as i32 + Self::FRACTION_BITS as i32;
        Class::Finite(Dyadic {
            mantissa,
            exponent: biased as i32 - bias,
        })
    }

    #[inline]
    fn is_negative_zero(self) -> bool {
        self.bits() == 1 << (Self::FRACTION_BITS + Self::EXPONENT_BITS)
    }
}

impl ExactFloat for f16 {
    const FRACTION_BITS: u32 = 10;
    const EXPONENT_BITS: u32 = 5;
    #[inline]
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl ExactFloat for f32 {
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_BITS: u32 = 8;
    #[inline]
    fn bits(self) -> u64 {
        self.to_bits().into()
    }
}

impl ExactFloat for f64 {
    const FRACTION_BITS: u32 = 52;
    const EXPONENT_BITS: u32 = 11;
    #[inline]
    fn bits(self) -> u64 {
        self.to_bits()
    }
}

/// `|a - b|` of two finite floats, exactly.
#[derive(Debug, Clone)]
pub struct Distance {
    magnitude: Magnitude,
    exponent: i32,
}

/// The integer of a [`Distance`].
#[derive(Debug, Clone)]
pub enum Magnitude {
    Small(u128),
    Big(BigUint),
}

impl Distance {
    #[inline]
    pub fn between(a: Dyadic, b: Dyadic) -> Self {
        // A zero's own exponent says nothing and would only force a long shift.
        if a.mantissa == 0 || b.mantissa == 0 {
            let rest = if a.mantissa == 0 { b } else { a };
            let magnitude = Magnitude::Small(rest.mantissa.unsigned_abs().into());
            return Self {
                magnitude,
                exponent: rest.exponent,
            };
        }
        let (high, low) = if a.exponent >= b.exponent {
            (a, b)
        } else {
            (b, a)
        };
        let shift = high.exponent - low.exponent;
        let magnitude = if shift <= MAX_SHIFT {
            let difference = (i128::from(high.mantissa) << shift) - i128::from(low.mantissa);
            Magnitude::Small(difference.unsigned_abs())
        } else {
            let difference = (BigInt::from(high.mantissa) << shift) - BigInt::from(low.mantissa);
            Magnitude::Big(difference.into_parts().1)
        };
        Self {
            magnitude,
            exponent: low.exponent,
        }
    }

    /// This distance is `magnitude() * 2^exponent()`.
    pub fn magnitude(&self) -> &Magnitude {
        &self.magnitude
    }

    pub fn exponent(&self) -> i32 {
        self.exponent
    }

    /// Whether this distance is larger than `|bound|`.
    #[inline]
    pub fn exceeds(&self, bound: Dyadic) -> bool {
        self.is_beyond(bound.mantissa.unsigned_abs().into(), bound.exponent)
    }

    /// Whether this distance is larger than `|ratio * x|`, a product of up to 106 bits.
    #[inline]
    pub fn exceeds_fraction(&self, ratio: Dyadic, x: Dyadic) -> bool {
        let product =
            u128::from(ratio.mantissa.unsigned_abs()) * u128::from(x.mantissa.unsigned_abs());
        self.is_beyond(product, ratio.exponent + x.exponent)
    }

    #[inline]
    fn is_beyond(&self, limit: u128, exponent: i32) -> bool {
        let ordering = match &self.magnitude {
            Magnitude::Small(m) => compare(*m, self.exponent, limit, exponent),
            Magnitude::Big(m) => compare_big(m, self.exponent, &limit.into(), exponent),
        };
        ordering == Ordering::Greater
    }

    /// The smallest `f64` that is not below this distance; infinite beyond `f64::MAX`.
    #[inline]
    pub fn to_f64_up(&self) -> f64 {
        let (kept, dropped) = match &self.magnitude {
            Magnitude::Small(m) => {
                let bits = u64::from(u128::BITS - m.leading_zeros());
                let dropped = bits.saturating_sub(F64_PRECISION);
                let kept = m >> dropped;
                ((kept as u64) + u64::from(kept << dropped != *m), dropped)
            }
            Magnitude::Big(m) => {
                let dropped = m.bits().saturating_sub(F64_PRECISION);
                let inexact = m.trailing_zeros().is_some_and(|zeros| zeros < dropped);
                let kept = (m >> dropped).iter_u64_digits().next().unwrap_or(0);
                (kept + u64::from(inexact), dropped)
            }
        };
        // At most 53 bits (or 2^53 itself) at an exponent of -1074 or more: both factors and, but
        // for overflow to infinity, the product are exact.
        kept as f64 * power_of_two(self.exponent + dropped as i32)
    }
}

/// `bound <= ratio * (max - min)` for finite arguments with `min <= max`, also where `max - min`
/// is beyond `f64`. A NaN, an infinity or a negative bound or ratio keeps no promise.
pub fn keeps_ratio(bound: f64, ratio: f64, min: f64, max: f64) -> bool {
    let (Some(bound), Some(ratio)) = (Dyadic::new(bound), Dyadic::new(ratio)) else {
        return false;
    };
    let (Some(min), Some(max)) = (Dyadic::new(min), Dyadic::new(max)) else {
        return false;
    };
    if bound.mantissa < 0 || ratio.mantissa < 0 {
        return false;
    }
    let width = Distance::between(max, min);
    let width_mantissa = match width.magnitude {
        Magnitude::Small(m) => m.into(),
        Magnitude::Big(m) => m,
    };
    let allowed = width_mantissa * ratio.mantissa.unsigned_abs();
    let exponent = width.exponent + ratio.exponent;
    let asked = BigUint::from(bound.mantissa.unsigned_abs());
    compare_big(&asked, bound.exponent, &allowed, exponent) != Ordering::Greater
}

/// What became of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Bit for bit the original, or another number within the bound.
    Kept,
    /// A finite number farther away than the bound.
    BoundExceeded,
    /// A NaN that is no longer the same bit pattern, or a number that became NaN.
    NanChanged,
    /// An infinity that is no longer the same, or a number that became infinite.
    InfChanged,
    /// -0.0 that came back as another number within the bound, or another number that came back
    /// as -0.0. (Any other number, +0.0 included, may move within the bound.)
    SignedZeroChanged,
}

/// Judges one value: the verdict and, for two finite numbers, `|x - x'|` rounded up (else 0).
///
/// `bound` is the absolute bound; with [`Dyadic::ZERO`] only identical bits are [`Verdict::Kept`].
#[inline]
pub fn judge<F: ExactFloat>(original: F, reconstructed: F, bound: Dyadic) -> (Verdict, f64) {
    judge_by(original, reconstructed, |distance, _| {
        distance.exceeds(bound)
    })
}

/// As [`judge`], under `|x - x'| <= ratio * |x|`: zeros and, with `ratio < 1`, signs are kept.
#[inline]
pub fn judge_pointwise<F: ExactFloat>(
    original: F,
    reconstructed: F,
    ratio: Dyadic,
) -> (Verdict, f64) {
    judge_by(original, reconstructed, |distance, x| {
        distance.exceeds_fraction(ratio, x)
    })
}

#[inline]
fn judge_by<F: ExactFloat>(
    original: F,
    reconstructed: F,
    exceeds: impl Fn(&Distance, Dyadic) -> bool,
) -> (Verdict, f64) {
    if original.bits() == reconstructed.bits() {
        return (Verdict::Kept, 0.0);
    }
    match (original.class(), reconstructed.class()) {
        (Class::Nan, _) | (Class::Finite(_), Class::Nan) => (Verdict::NanChanged, 0.0),
        (Class::Infinite, _) | (_, Class::Infinite) => (Verdict::InfChanged, 0.0),
        (Class::Finite(a), Class::Finite(b)) => {
            let distance = Distance::between(a, b);
            let verdict = if exceeds(&distance, a) {
                Verdict::BoundExceeded
            } else if original.is_negative_zero() || reconstructed.is_negative_zero() {
                Verdict::SignedZeroChanged
            } else {
                Verdict::Kept
            };
            (verdict, distance.to_f64_up())
        }
    }
}

/// Compares `a * 2^a_exponent` with `b * 2^b_exponent`.
#[inline]
fn compare(a: u128, a_exponent: i32, b: u128, b_exponent: i32) -> Ordering {
    if a == 0 || b == 0 {
        return a.cmp(&b);
    }
    // The position of the highest bit decides; where it is the same, aligning cannot overflow.
    let top = |m: u128, exponent: i32| exponent + (u128::BITS - m.leading_zeros()) as i32;
    top(a, a_exponent).cmp(&top(b, b_exponent)).then_with(|| {
        if a_exponent >= b_exponent {
            (a << (a_exponent - b_exponent)).cmp(&b)
        } else {
            a.cmp(&(b << (b_exponent - a_exponent)))
        }
    })
}

pub(super) fn compare_big(a: &BigUint, a_exponent: i32, b: &BigUint, b_exponent: i32) -> Ordering {
    if a_exponent >= b_exponent {
        (a << (a_exponent - b_exponent)).cmp(b)
    } else {
        a.cmp(&(b << (b_exponent - a_exponent)))
    }
}

/// `2^exponent` for `exponent >= -1074`; infinite beyond `f64::MAX`.
#[inline]
fn power_of_two(exponent: i32) -> f64 {
    match exponent {
        1024.. => f64::INFINITY,
        -1022..=1023 => f64::from_bits(((exponent + 1023) as u64) << 52),
        _ => f64::from_bits(1 << (exponent + 1074)),
    }
}

#[cfg(test)]
#[path = "exact_tests.rs"]
mod tests;
