//! Protects the verifier's arithmetic: every answer is checked against integers of a thousand
//! decimal digits that come from the standard library's exact float formatting.

use half::f16;
use num_bigint::{BigInt, BigUint};
use proptest::prelude::*;

use super::{Class, Distance, Dyadic, ExactFloat, Verdict, judge, keeps_ratio};

/// `x * 10^1074`, an integer for every finite `f64`.
fn scaled(x: f64) -> BigInt {
    format!("{x:.1074}")
        .replace('.', "")
        .parse()
        .expect("a decimal number")
}

fn scaled_distance(a: f64, b: f64) -> BigUint {
    (scaled(a) - scaled(b)).magnitude().clone()
}

fn dyadic<F: ExactFloat>(x: F) -> Dyadic {
    Dyadic::new(x).expect("a finite number")
}

fn finite() -> impl Strategy<Value = f64> {
    let any_bits = any::<u64>().prop_map(f64::from_bits);
    let single = any::<u32>().prop_map(|bits| f64::from(f32::from_bits(bits)));
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        1.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
        f64::MAX,
        f64::MIN,
        9_007_199_254_740_992.0,
    ]);
    prop_oneof![any_bits, single, -1e3..1e3, special].prop_filter("finite", |x| x.is_finite())
}

fn nudged(x: f64, ulps: i64) -> f64 {
    let moved = f64::from_bits(x.to_bits().saturating_add_signed(ulps));
    if moved.is_finite() { moved } else { x }
}

/// Two numbers: unrelated, or a few units in the last place apart.
fn pair() -> impl Strategy<Value = (f64, f64)> {
    let near = (finite(), -9i64..9).prop_map(|(a, ulps)| (a, nudged(a, ulps)));
    prop_oneof![(finite(), finite()), near]
}

proptest! {
    #[test]
    fn distance_and_bound_compare_exactly((a, b) in pair(), any_bound in finite(), ulps in -2i64..3) {
        let distance = Distance::between(dyadic(a), dyadic(b));
        let reference = scaled_distance(a, b);
        // A bound at the very edge is where rounding would show.
        let edge = nudged((a - b).abs().min(f64::MAX), ulps).abs();
        for bound in [any_bound.abs(), edge] {
            let expected = BigInt::from(reference.clone()) > scaled(bound);
            prop_assert_eq!(distance.exceeds(dyadic(bound)), expected, "|{:e} - {:e}| > {:e}", a, b, bound);
            let (verdict, _) = judge(a, b, dyadic(bound));
            prop_assert_eq!(verdict == Verdict::BoundExceeded, expected);
        }
    }

    #[test]
    fn shown_error_is_the_next_float_up((a, b) in pair()) {
        let shown = Distance::between(dyadic(a), dyadic(b)).to_f64_up();
        let exact = BigInt::from(scaled_distance(a, b));
        if shown.is_infinite() {
            prop_assert!(exact > scaled(f64::MAX));
        } else {
            prop_assert!(scaled(shown) >= exact, "{:e}", shown);
            prop_assert!(shown == 0.0 || scaled(shown.next_down()) < exact, "{:e}", shown);
        }
    }

    #[test]
    fn promised_ratio_is_judged_exactly(a in finite(), b in finite(), ratio in 0.0..1.0f64, ulps in -2i64..3) {
        let (min, max) = (a.min(b), a.max(b));
        let rounded = ratio * (max / 2.0 - min / 2.0) * 2.0;
        let bound = nudged(rounded.clamp(0.0, f64::MAX), ulps).abs();
        let unit = scaled(1.0);
        let expected = scaled(bound) * unit <= scaled(ratio) * (scaled(max) - scaled(min));
        prop_assert_eq!(keeps_ratio(bound, ratio, min, max), expected);
    }

    #[test]
    fn bits_decompose_to_the_same_number(a in any::<f32>(), h in any::<u16>()) {
        let h = f16::from_bits(h);
        if a.is_finite() {
            prop_assert_eq!(Distance::between(dyadic(a), dyadic(f64::from(a))).to_f64_up(), 0.0);
        }
        if h.is_finite() {
            prop_assert_eq!(Distance::between(dyadic(h), dyadic(h.to_f64())).to_f64_up(), 0.0);
        }
    }
}

#[test]
fn classes_follow_ieee_754() {
    assert!(matches!(f32::from_bits(0x7f80_0001).class(), Class::Nan));
    assert!(matches!(f32::NEG_INFINITY.class(), Class::Infinite));
    assert!(matches!(f16::from_bits(0xfc00).class(), Class::Infinite));
    assert!(matches!(f16::from_bits(0xfc01).class(), Class::Nan));
    assert!(matches!(f64::MAX.class(), Class::Finite(_)));
    assert!((-0.0f32).is_negative_zero() && !0.0f32.is_negative_zero());
    assert!(f16::NEG_ZERO.is_negative_zero() && (-0.0f64).is_negative_zero());
}

#[test]
fn distances_beyond_f64_are_still_judged() {
    let distance = Distance::between(dyadic(f64::MAX), dyadic(f64::MIN));
    assert!(distance.exceeds(dyadic(f64::MAX)));
    assert_eq!(distance.to_f64_up(), f64::INFINITY);
    // The widest gap of exponents that there is.
    let distance = Distance::between(dyadic(f64::MAX), dyadic(f64::from_bits(1)));
    assert!(!distance.exceeds(dyadic(f64::MAX)) && distance.exceeds(dyadic(f64::MAX.next_down())));
    assert_eq!(distance.to_f64_up(), f64::MAX);
}

#[test]
fn ratio_of_an_overflowing_range_is_judged() {
    assert!(keeps_ratio(f64::MAX, 0.5, f64::MIN, f64::MAX));
    assert!(!keeps_ratio(
        f64::MAX,
        0.5f64.next_down(),
        f64::MIN,
        f64::MAX
    ));
    assert!(keeps_ratio(0.0, 1e-3, 5.0, 5.0));
    assert!(!keeps_ratio(f64::from_bits(1), 1e-3, 5.0, 5.0));
    assert!(!keeps_ratio(f64::NAN, 1.0, 0.0, 1.0) && !keeps_ratio(0.0, 1.0, 0.0, f64::INFINITY));
    assert!(!keeps_ratio(-1.0, 1.0, 0.0, 1.0));
}

#[test]
fn verdicts_name_what_changed() {
    let one = dyadic(1.0f64);
    let verdict = |a: f64, b: f64| judge(a, b, one).0;
    assert_eq!(verdict(1.0, 2.0), Verdict::Kept);
    assert_eq!(verdict(1.0, 2.0f64.next_up()), Verdict::BoundExceeded);
    assert_eq!(verdict(f64::NAN, f64::NAN), Verdict::Kept);
    assert_eq!(
        verdict(f64::NAN, f64::from_bits(0x7ff8_0000_0000_0001)),
        Verdict::NanChanged
    );
    assert_eq!(verdict(f64::NAN, 0.0), Verdict::NanChanged);
    assert_eq!(verdict(0.0, f64::NAN), Verdict::NanChanged);
    assert_eq!(verdict(f64::INFINITY, f64::INFINITY), Verdict::Kept);
    assert_eq!(
        verdict(f64::INFINITY, f64::NEG_INFINITY),
        Verdict::InfChanged
    );
    assert_eq!(verdict(f64::MAX, f64::INFINITY), Verdict::InfChanged);
    assert_eq!(verdict(-0.0, 0.0), Verdict::SignedZeroChanged);
    assert_eq!(verdict(0.0, -0.0), Verdict::SignedZeroChanged);
    assert_eq!(verdict(-0.5, -0.0), Verdict::SignedZeroChanged);
    assert_eq!(verdict(0.0, 0.5), Verdict::Kept);
    assert_eq!(
        judge(0.1f32, 0.2f32, Dyadic::ZERO).0,
        Verdict::BoundExceeded
    );
    assert_eq!(
        judge(f16::ZERO, f16::NEG_ZERO, Dyadic::ZERO).0,
        Verdict::SignedZeroChanged
    );
}
