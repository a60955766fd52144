//! The peak signal-to-noise ratio of a column, judged without rounding: sums of squares in big
//! integers, and powers of ten enclosed so narrowly that no sum can hide in between.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use num_bigint::{BigInt, BigUint};

use super::exact::{Distance, Dyadic, Magnitude, compare_big};

/// No distance has a smaller exponent.
const LEAST_EXPONENT: i32 = -1074;

/// The exact sum of the squares of distances, and their number.
#[derive(Debug, Clone, Default)]
pub struct SquareSum {
    n: u64,
    /// By the distances' exponent, sums of squares of mantissas.
    small: BTreeMap<i32, u128>,
    /// What was too large for those, in units of 2^(2 * LEAST_EXPONENT).
    big: BigUint,
}

impl SquareSum {
    pub fn add(&mut self, distance: &Distance) {
        self.n += 1;
        let exponent = distance.exponent();
        let square = match distance.magnitude() {
            Magnitude::Small(0) => return,
            Magnitude::Small(m) => match u64::try_from(*m) {
                Ok(_) => m * m,
                Err(_) => return self.spill(BigUint::from(*m).pow(2), exponent),
            },
            Magnitude::Big(m) => return self.spill(m.pow(2), exponent),
        };
        let sum = self.small.entry(exponent).or_default();
        if let Some(larger) = sum.checked_add(square) {
            *sum = larger;
        } else {
            let full = std::mem::replace(sum, square);
            self.spill(full.into(), exponent);
        }
    }

    fn spill(&mut self, squares: BigUint, exponent: i32) {
        self.big += squares << (2 * (exponent - LEAST_EXPONENT));
    }

    /// The sum in units of 2^(2 * LEAST_EXPONENT).
    fn total(&self) -> BigUint {
        let small = self.small.iter();
        small.fold(self.big.clone(), |sum, (exponent, squares)| {
            sum + (BigUint::from(*squares) << (2 * (exponent - LEAST_EXPONENT)))
        })
    }
}

/// Whether `20 * log10((max - min) / rmse) >= decibels`, the rmse being the root of the mean of the
/// squares; where they are all zero it is. A NaN or infinity keeps no promise.
pub fn keeps_psnr(squares: &SquareSum, min: f64, max: f64, decibels: f64) -> bool {
    let (Some(low), Some(high)) = (Dyadic::new(min), Dyadic::new(max)) else {
        return false;
    };
    let sum = squares.total();
    if sum == BigUint::ZERO {
        return decibels.is_finite();
    }
    let Some(power) = Power::of_ten(decibels) else {
        return decibels < 0.0;
    };
    // sum * 10^(decibels / 10) <= n * (max - min)^2
    let width = Distance::between(high, low);
    let width_squared = match width.magnitude() {
        Magnitude::Small(m) => BigUint::from(*m).pow(2),
        Magnitude::Big(m) => m.pow(2),
    };
    let noise = sum * power.upper;
    let signal = width_squared * squares.n * power.over;
    let noise_exponent = 2 * LEAST_EXPONENT + power.exponent;
    compare_big(&noise, noise_exponent, &signal, 2 * width.exponent()) != Ordering::Greater
}

/// A number from just below to `upper * 2^exponent / over`, or exactly that.
struct Power {
    upper: BigUint,
    exponent: i32,
    over: BigUint,
}

impl Power {
    /// `10^(decibels / 10)`; None beyond 20,000 decibels either way, where no ratio of doubles
    /// lies: the largest is below 2^2050 * 2^64, the least square above 2^-2149.
    ///
    /// Where the exponent is whole the power is exact. Else it is irrational, so that it equals no
    /// quotient of sums; it is enclosed to 2^-350 of itself, and a doubt as small as that counts
    /// against the promise.
    fn of_ten(decibels: f64) -> Option<Self> {
        if decibels.is_nan() || decibels.abs() > 20_000.0 {
            return None;
        }
        let exact = |upper: BigUint, over: BigUint| Self {
            upper,
            exponent: 0,
            over,
        };
        if decibels % 10.0 == 0.0 {
            let power = BigUint::from(10u8).pow((decibels.abs() / 10.0) as u32);
            return Some(match decibels >= 0.0 {
                true => exact(power, BigUint::from(1u8)),
                false => exact(BigUint::from(1u8), power),
            });
        }
        let ln_2 = atanh_of_inverse(3) * 2;
        // ln(10) = 3 ln(2) + ln(5/4)
        let ln_10 = &ln_2 * 3 + atanh_of_inverse(9) * 2;
        let x = (fixed_point(decibels)? * ln_10 / 10) >> PLACES;
        // Rounds down for either sign, so that the rest is at least 0 and less than ln(2).
        let whole: BigInt = if x < BigInt::ZERO {
            let up: BigInt = (&ln_2 - &x - 1u8) / &ln_2;
            -up
        } else {
            &x / &ln_2
        };
        let mantissa = exp(&(x - &whole * ln_2));
        // The logarithms are wrong by less than 2^10 units in the last place, multiplied by at most
        // 20,000, and each of some 80 terms of the exponential by one more.
        let upper: BigInt = mantissa + (BigInt::from(1) << 28);
        Some(Self {
            upper: upper.into_parts().1,
            exponent: i32::try_from(&whole).ok()? - PLACES,
            over: BigUint::from(1u8),
        })
    }
}

/// Binary places of fixed-point numbers.
const PLACES: i32 = 384;

/// `x * 2^PLACES`, rounded.
fn fixed_point(x: f64) -> Option<BigInt> {
    let (mantissa, exponent) = Dyadic::new(x)?.parts();
    let shift = exponent + PLACES;
    let mantissa = BigInt::from(mantissa);
    Some(match shift >= 0 {
        true => mantissa << shift,
        false => mantissa >> -shift,
    })
}

/// The inverse hyperbolic tangent of 1/k in fixed point, by its series.
fn atanh_of_inverse(k: u32) -> BigInt {
    let mut power = (BigInt::from(1) << PLACES) / k;
    let mut sum = BigInt::ZERO;
    let mut odd = 1u32;
    while power != BigInt::ZERO {
        sum += &power / odd;
        power /= k * k;
        odd += 2;
    }
    sum
}

/// e^x for 0 <= x < 1 in fixed point, by its series.
fn exp(x: &BigInt) -> BigInt {
    let mut term = BigInt::from(1) << PLACES;
    let mut sum = BigInt::ZERO;
    let mut n = 1u32;
    while term != BigInt::ZERO {
        sum += &term;
        term = ((term * x) >> PLACES) / n;
        n += 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(errors: &[f64]) -> SquareSum {
        let mut sum = SquareSum::default();
        for error in errors {
            sum.add(&Distance::between(
                Dyadic::new(*error).unwrap(),
                Dyadic::ZERO,
            ));
        }
        sum
    }

    /// 100 * (1) = 4 * 5^2: exactly 20 dB, and not a hair more or less.
    #[test]
    fn equality_is_kept_and_one_ulp_is_not() {
        let keeps = |error: f64, decibels| {
            keeps_psnr(&squares(&[0.0, error, 0.0, 0.0]), -2.0, 3.0, decibels)
        };
        assert!(keeps(1.0, 20.0));
        assert!(!keeps(1f64.next_up(), 20.0));
        assert!(keeps(1f64.next_down(), 20.0));
        assert!(!keeps(1.0, 20f64.next_up()));
        assert!(keeps(1.0, 20f64.next_down()));
        // -20 dB: rmse ten times the range.
        assert!(keeps(100.0, -20.0) && !keeps(100f64.next_up(), -20.0));
    }

    /// 10^(D/10) for a D that is no multiple of ten, against the square root of ten.
    #[test]
    fn powers_are_enclosed_narrowly() {
        for decibels in [5.0, 45.0, -5.0, 0.3, 123.456, 1e-300] {
            let power = Power::of_ten(decibels).unwrap();
            let squared = Power::of_ten(decibels * 2.0).unwrap();
            // upper^2 / 2^(2 PLACES) lies just above the power of twice as many decibels.
            let left = power.upper.pow(2) * &squared.over;
            let right = squared.upper * power.over.pow(2);
            let at_least = compare_big(&left, 2 * power.exponent, &right, squared.exponent);
            let slightly_less = &left - (&left >> 340);
            let below = compare_big(&slightly_less, 2 * power.exponent, &right, squared.exponent);
            if decibels * 2.0 % 10.0 == 0.0 {
                assert_eq!(at_least, Ordering::Greater, "{decibels}");
            }
            assert_eq!(below, Ordering::Less, "{decibels}");
        }
        let value = |decibels: f64| {
            let power = Power::of_ten(decibels).unwrap();
            let shift = PLACES - 60;
            (&power.upper >> shift).iter_u64_digits().next().unwrap() as f64
                * 2f64.powi(power.exponent + shift)
        };
        for decibels in [5.0, 45.5, -5.0, 123.456, -99.9] {
            let expected = 10f64.powf(decibels / 10.0);
            assert!(
                (value(decibels) / expected - 1.0).abs() < 1e-13,
                "{decibels}"
            );
        }
    }

    #[test]
    fn extremes() {
        assert!(keeps_psnr(&squares(&[0.0, 0.0]), 1.0, 1.0, 1e300));
        assert!(!keeps_psnr(&squares(&[5e-324]), 1.0, 1.0, 60.0));
        assert!(!keeps_psnr(&squares(&[5e-324]), f64::MIN, f64::MAX, 1e5));
        assert!(keeps_psnr(
            &squares(&[5e-324]),
            f64::MIN,
            f64::MAX,
            12_000.0
        ));
        assert!(keeps_psnr(&squares(&[f64::MAX]), 0.0, 5e-324, -1e5));
        assert!(!keeps_psnr(&squares(&[f64::MAX]), 0.0, 5e-324, -12_000.0));
        assert!(!keeps_psnr(&squares(&[0.0]), 0.0, 1.0, f64::NAN));
        assert!(!keeps_psnr(&squares(&[1.0]), 0.0, f64::INFINITY, 1.0));
        // Many large mantissas: sums that outgrow 128 bits.
        let x = f64::from_bits(0x3fff_ffff_ffff_ffff);
        let sum = squares(&vec![x; 100_000]);
        let (mantissa, exponent) = Dyadic::new(x).unwrap().parts();
        let expected = BigUint::from(mantissa as u64).pow(2) * 100_000u32;
        assert_eq!(sum.total(), expected << (2 * (exponent - LEAST_EXPONENT)));
    }
}
