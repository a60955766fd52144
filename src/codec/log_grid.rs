//! The logarithmic grid of point-wise relative bounds: values to codes, and back.
//!
//! Code 0 is zero; the code `k` or `-k`, `k >= 1`, is `+-2^((base + k - 1) * step)`. A block whose
//! `base` is the level of its smallest magnitude thus has codes from 1 up if its values are
//! positive, and the order of codes is that of values whatever their signs.
//!
//! The powers and logarithms are computed here, by additions and multiplications of IEEE doubles
//! in a fixed order, and so are the same on every platform; `libm`'s may take another path on
//! another CPU or in its next version, and do not vectorize. The format prescribes [`exp2`] to the
//! bit; [`log2`] is the encoder's own affair.

use super::element::Float;
use super::quantize::{self, ROUNDER};

/// Differences of binary logarithms that computing them may not get right: those of doubles are
/// below 2^11.
const GUARD: f64 = 1.0 / (1u64 << 40) as f64;

/// Where the reconstructions of a block lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LogGrid {
    /// The distance of neighbours' binary logarithms, of 21 significand bits.
    pub(super) step: f64,
    /// The level of codes 1 and -1.
    pub(super) base: i64,
    /// What is added to a level before it is rounded: as `x` may be farther below its
    /// reconstruction than above, cells are not centred. The decoder needs it not.
    shift: f64,
}

impl LogGrid {
    /// The grid as the decoder knows it.
    pub(super) fn stored(step: f64, base: i64) -> Self {
        Self {
            step,
            base,
            shift: 0.0,
        }
    }

    /// The grid for finite magnitudes from `least` > 0 that keeps `|x - x'| <= ratio * |x|`, or None
    /// where that leaves no room for F's own rounding.
    ///
    /// x' is a power y rounded by at most u * y. With a grid of all y for which
    /// `(1 - ratio) / (1 - u) <= y / x <= (1 + ratio) / (1 + u)`, hardly any value is an outlier.
    pub(super) fn new<F: Float>(ratio: f64, least: f64) -> Option<Self> {
        let u = quantize::power_of_two(-F::PRECISION);
        let room = ratio - u;
        let above = log2_1p(room / (1.0 + u)) - GUARD;
        let below = -log2_1p(-room / (1.0 - u)) - GUARD;
        let step = quantize::truncate(above + below);
        if !(above > 0.0 && below > 0.0 && step > 2.0 * GUARD) {
            return None;
        }
        let grid = Self {
            step,
            base: 0,
            shift: (above - below) / 2.0 / step,
        };
        let (_, base) = grid.level(least, 1.0 / step);
        Some(Self { base, ..grid })
    }

    /// The level next to the magnitude of `x`, as a float and as an integer; meaningless for zero,
    /// infinities and NaN.
    #[inline(always)]
    pub(super) fn level(&self, x: f64, inverse_step: f64) -> (f64, i64) {
        let shifted = (log2(x.abs()) * inverse_step + self.shift) + ROUNDER;
        (
            shifted - ROUNDER,
            shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) as i64,
        )
    }

    /// The code of a value, as a float; meaningless for infinities and NaN. 0 for zeros.
    #[inline(always)]
    pub(super) fn code(&self, x: f64, inverse_step: f64) -> f64 {
        let magnitude = self.level(x, inverse_step).0 - (self.base - 1) as f64;
        let magnitude = if x == 0.0 { 0.0 } else { magnitude };
        magnitude.copysign(x)
    }

    /// The decoder's one function: code to value.
    #[inline(always)]
    pub(super) fn reconstruct<F: Float>(&self, code: f64) -> F {
        let level = code.abs() + (self.base.wrapping_sub(1)) as f64;
        let magnitude = exp2(level * self.step);
        let magnitude = if code == 0.0 { 0.0 } else { magnitude };
        F::from_f64(if code < 0.0 { -magnitude } else { magnitude })
    }
}

/// The distance of `reconstructed` from `x` as [`quantize::distance`] gives it; or infinity where it
/// may not stand for `x`: where the distance is above `ratio * |x|`, and for -0.0, NaN and infinities.
///
/// With `ratio < 1` what is kept has the sign of `x`, and only zero becomes zero.
#[inline(always)]
pub(super) fn distance(x: f64, reconstructed: f64, ratio: f64) -> f64 {
    // The product is rounded to nearest, by less than the step down. Bits of doubles that are not
    // negative are in their order.
    let product = ratio * x.abs();
    let allowed = f64::from_bits(product.to_bits() - u64::from(product > 0.0));
    quantize::distance(x, reconstructed, 0.0, allowed)
}

/// 2^t for |t| <= 1100, which beyond that is taken for +-1100 (NaN for 1100): infinite above
/// 1024, 0 below -1075.
///
/// `t` is split into the nearest integer and a rest of at most half; the power of the rest is a
/// polynomial (interpolating at Chebyshev's nodes), right to a few 2^-53, by Horner's rule. The power
/// of the integer is two factors, so that one multiplication rounds where the result is subnormal.
#[inline(always)]
pub(super) fn exp2(t: f64) -> f64 {
    const C: [f64; 11] = [
        std::f64::consts::LN_2,
        0.24022650695910097,
        0.0555041086648216,
        0.009618129107606888,
        0.0013333558146416936,
        0.0001540353044173605,
        1.525273382983612e-05,
        1.321544258792169e-06,
        1.0178062445845774e-07,
        7.072585949269223e-09,
        4.4549605981865186e-10,
    ];
    const LIMIT: f64 = 1100.0;
    // Comparisons rather than f64::clamp, which does not vectorize.
    let t = if t < LIMIT { t } else { LIMIT };
    let t = if t > -LIMIT { t } else { -LIMIT };
    let shifted = t + ROUNDER;
    let rest = t - (shifted - ROUNDER);
    let mut power = C[10];
    for c in C[..10].iter().rev() {
        power = power * rest + c;
    }
    let power = power * rest + 1.0;
    // 2 * 1023 + t, of which each factor gets a half as its biased exponent.
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits() - 2046);
    let half = exponent >> 1;
    power * f64::from_bits(half << 52) * f64::from_bits((exponent - half) << 52)
}

/// The binary logarithm of a finite x > 0, to a few 2^-53 of itself or of 1. Meaningless for others.
#[inline(always)]
fn log2(x: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    const ONE: u64 = 1023 << 52;
    const SUBNORMAL_SCALE: f64 = (1u64 << 54) as f64;
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal { x * SUBNORMAL_SCALE } else { x };
    let bits = scaled.to_bits();
    // The exponent as a float, without a conversion, which does not vectorize.
    let two_52 = (1u64 << 52) as f64;
    let biased = f64::from_bits((bits >> 52) | two_52.to_bits()) - two_52;
    let exponent = biased - if subnormal { 1023.0 + 54.0 } else { 1023.0 };
    let mantissa = f64::from_bits((bits & FRACTION) | ONE);
    // From 1/sqrt(2) to sqrt(2).
    let large = mantissa > std::f64::consts::SQRT_2;
    let mantissa = if large { mantissa * 0.5 } else { mantissa };
    let exponent = if large { exponent + 1.0 } else { exponent };
    exponent + log2_series((mantissa - 1.0) / (mantissa + 1.0))
}

/// The binary logarithm of 1 + a for -1 < a < 1, accurate for small a.
fn log2_1p(a: f64) -> f64 {
    if a.abs() < 0.25 {
        log2_series(a / (2.0 + a))
    } else {
        log2(1.0 + a)
    }
}

/// The binary logarithm of `(1 + s) / (1 - s)` for `|s| < 0.172`: the series of atanh.
#[inline(always)]
fn log2_series(s: f64) -> f64 {
    const C: [f64; 11] = [
        2.8853900817779268,
        0.9617966939259756,
        0.5770780163555853,
        0.4121985831111324,
        0.3205988979753252,
        0.2623081892525388,
        0.22195308321368667,
        0.19235933878519512,
        0.16972882833987804,
        0.15186263588304877,
        0.1373995277037108,
    ];
    let z = s * s;
    let mut sum = C[10];
    for c in C[..10].iter().rev() {
        sum = sum * z + c;
    }
    sum * s
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The platform's functions are not exact either: a few units in the last place.
    #[test]
    fn powers_and_logarithms_are_accurate() {
        for i in -1_070_000..=1_020_000 {
            let t = f64::from(i) / 1000.0 + 1e-5 * f64::from(i % 7);
            let (ours, theirs) = (exp2(t), t.exp2());
            // Subnormal results round to multiples of 2^-1074.
            let error = (ours - theirs).abs();
            assert!(
                error <= theirs * 2f64.powi(-50) || error <= 2f64.powi(-1074),
                "2^{t}: {ours:e} {theirs:e}"
            );
            let x = theirs;
            let error = (log2(x) - x.log2()).abs();
            assert!(
                error <= x.log2().abs() * 2f64.powi(-51) + 2f64.powi(-52),
                "log2({x:e})"
            );
        }
        for i in -1100..=1100 {
            let exact = if i < -1074 {
                0.0
            } else {
                2f64.powi(i.max(-1022)) * 2f64.powi(i.min(-1022) + 1022)
            };
            assert_eq!(exp2(f64::from(i)), exact, "2^{i}");
        }
        assert_eq!(
            (exp2(f64::INFINITY), exp2(f64::NEG_INFINITY)),
            (f64::INFINITY, 0.0)
        );
        assert_eq!((exp2(1e300), exp2(-1e300)), (f64::INFINITY, 0.0));
        assert_eq!(exp2(f64::NAN), f64::INFINITY);
        for a in [1e-12, -1e-12, 1e-7, 0.1, -0.1, 0.24, 0.26, -0.9, 0.99f64] {
            let expected = a.ln_1p() / std::f64::consts::LN_2;
            assert!(
                (log2_1p(a) - expected).abs() <= expected.abs() * 1e-15,
                "{a}"
            );
        }
    }

    /// The bits that the format prescribes: another result here makes old files read otherwise.
    #[test]
    fn powers_are_the_same_for_ever() {
        let mut bits = 0u64;
        for i in 0..100_000u64 {
            let t = (i as f64 - 50_000.0) * 0.02251;
            bits = bits.rotate_left(5) ^ exp2(t).to_bits();
        }
        assert_eq!(bits, 2_559_019_183_472_336_323);
    }

    #[test]
    fn bounds_near_the_spacing_of_floats_leave_no_room() {
        assert!(LogGrid::new::<f32>(5.9e-8, 1.0).is_none());
        assert!(LogGrid::new::<f32>(7e-8, 1.0).is_some());
        assert!(LogGrid::new::<f64>(1e-12, 1.0).is_none());
        assert!(LogGrid::new::<f64>(1e-11, 1.0).is_some());
        assert!(LogGrid::new::<f64>(1.0f64.next_down(), 1.0).is_some());
    }
}
