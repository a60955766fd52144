//! Covers keep the bound, zeros and odd values, and are worth their dynamic programming.

use proptest::prelude::*;

use super::*;

fn entropy(codes: impl Iterator<Item = i64>) -> f64 {
    let mut counts = std::collections::HashMap::new();
    let mut n = 0.0;
    for code in codes {
        *counts.entry(code).or_insert(0.0) += 1.0;
        n += 1.0;
    }
    counts
        .values()
        .map(|c: &f64| -c * (c / n).log2())
        .sum::<f64>()
        / n
}

/// What `y` may be for `x`: the same bits, or a number within the bound. A difference of two f32
/// whose exponents are close is exact in f64, and the others are outliers.
fn stands_for(x: f32, y: f32, bound: f64) -> bool {
    let zeros = (x.to_bits() == (-0.0f32).to_bits()) == (y.to_bits() == (-0.0f32).to_bits());
    x.to_bits() == y.to_bits() || zeros && (f64::from(x) - f64::from(y)).abs() <= bound
}

#[test]
fn cells_follow_the_data() {
    // Two clusters, each half a bound wide, that a grid of multiples cuts in halves.
    let values: Vec<f32> = (0..1000)
        .map(|i| if i % 2 == 0 { 10.9 } else { 21.1 } + (i % 10) as f32 / 50.0)
        .collect();
    let cover = cover(&values, 0.5).unwrap();
    assert_eq!(cover.representatives, [11.0, 21.0]);
    assert_eq!(cover.outliers, 0);
    assert!(cover.max_error <= 0.5);
}

#[test]
fn codes_have_less_entropy_than_a_grid() {
    let values: Vec<f32> = (0..20_000u32)
        .map(|i| {
            let u = f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
            (1.0 + (u.max(1e-6) / (1.0 - u)).ln()) as f32
        })
        .collect();
    for bound in [1.7, 0.3, 0.05] {
        let cover = cover(&values, bound).unwrap();
        let covered = entropy(cover.codes.iter().map(|code| i64::from(*code)));
        let grid = entropy(
            values
                .iter()
                .map(|x| (f64::from(*x) / (2.0 * bound)).round() as i64),
        );
        assert!(covered < grid, "{bound}: {covered} bits, a grid {grid}");
    }
}

#[test]
fn zeros_stay_zeros() {
    let values: Vec<f64> = (0..1000)
        .map(|i| f64::from(i % 7) * 0.3 - 0.2 * f64::from(i % 2))
        .collect();
    let cover = cover(&values, 0.4).unwrap();
    let (rounded, _, _) = round(&values, 0.4);
    for (i, x) in values.iter().enumerate().filter(|(_, x)| **x == 0.0) {
        let y = cover.representatives[cover.codes[i] as usize];
        assert_eq!(y.to_bits(), x.to_bits(), "{i}");
        assert_eq!(rounded[i].to_bits(), x.to_bits(), "{i}");
    }
}

#[test]
fn zeros_stay_zeros_where_a_value_is_the_bound_itself() {
    for values in [[0.0, 0.5, 0.25, 0.1], [-0.5, 0.0, -0.25, 0.0]] {
        let cover = cover(&values, 0.5).unwrap();
        assert_eq!(cover.values(), [0.0; 4], "{values:?}");
    }
}

#[test]
fn no_cover_where_it_would_be_too_large() {
    let values: Vec<f64> = (0..100_000).map(|i| f64::from(i) * 1.5).collect();
    assert_eq!(cover(&values, 0.5), None);
    assert_eq!(cover(&values, 0.0), None);
    assert_eq!(cover(&[f32::NAN], 1.0), None);
    assert_eq!(cover::<f32>(&[], 1.0), None);
    assert_eq!(distinct(&values), None);
}

#[test]
fn ranges_that_overflow_are_covered() {
    let values = [f64::MAX, -f64::MAX, 1.0, 1e300, f64::MAX / 2.0];
    let cover = cover(&values, f64::MAX / 10.0).unwrap();
    assert!(cover.representatives.len() < values.len() + 1);
    for (x, code) in values.iter().zip(&cover.codes) {
        let y = cover.representatives[*code as usize];
        assert!((x / 2.0 - y / 2.0).abs() <= f64::MAX / 20.0, "{x} {y}");
    }
}

proptest! {
    #[test]
    fn any_bits_keep_the_bound(
        bits in prop::collection::vec(any::<u32>(), 0..200),
        near in prop::collection::vec(-100.0f32..100.0, 0..200),
        exponent in -40.0f64..38.0,
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).chain(near).collect();
        let bound = 10f64.powf(exponent);
        let (rounded, _, _) = round(&values, bound);
        for (x, y) in values.iter().zip(&rounded) {
            prop_assert!(stands_for(*x, *y, bound), "{x} rounded to {y}");
        }
        if let Some(cover) = cover(&values, bound) {
            prop_assert_eq!(cover.codes.len(), values.len());
            let mut used = vec![false; cover.representatives.len()];
            for (x, code) in values.iter().zip(&cover.codes) {
                let y = cover.representatives[*code as usize];
                used[*code as usize] = true;
                prop_assert!(stands_for(*x, y, bound), "{x} covered by {y}");
            }
            prop_assert!(used.iter().all(|used| *used));
        }
        let (codes, entries) = distinct(&values).unwrap();
        for (x, code) in values.iter().zip(&codes) {
            prop_assert_eq!(x.to_bits(), entries[*code as usize].to_bits());
        }
    }
}
