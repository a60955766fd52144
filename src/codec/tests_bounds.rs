//! Protects the bounds beyond rel and abs, at the level of one block.

use half::f16;
use proptest::prelude::*;

use super::*;

/// Every value as promised or the same bits, judged without the encoder's functions; statistics
/// true of what is decoded.
fn check<F: Float>(values: &[F], ratio: f64) -> EncodedBlock {
    let block = encode_pointwise_rel(values, ratio).unwrap();
    let mut decoded = vec![F::zeroed(); values.len()];
    decode(&block.payload, &mut decoded).unwrap();
    let mut largest = 0f64;
    for (x, y) in values.iter().zip(&decoded) {
        let (a, b) = (x.to_f64(), y.to_f64());
        if x.to_bits() == y.to_bits() {
            continue;
        }
        assert!(a.is_finite() && b.is_finite(), "{x:?} became {y:?}");
        assert!(a * b.signum() > 0.0, "{x:?} became {y:?}");
        // Dividing instead of multiplying, and by twice as many bits where it matters.
        let distance = (a - b).abs();
        assert!(
            distance / a.abs() <= ratio || distance <= ratio * a.abs(),
            "{x:?} became {y:?}, ratio {ratio:e}"
        );
        largest = largest.max(distance);
    }
    // A step above where f64 rounds the difference.
    assert!([largest, largest.next_up()].contains(&block.max_error));
    assert_eq!(block.nans, decoded.iter().filter(|y| y.is_nan()).count());
    let ordered = || decoded.iter().copied().filter(|y| !y.is_nan());
    let bits = |x: Option<F>| x.map(Element::bits);
    let (min, max) = block.min_max.unzip();
    assert_eq!(min, bits(ordered().min_by(|a, b| Element::total_cmp(a, b))));
    assert_eq!(max, bits(ordered().max_by(|a, b| Element::total_cmp(a, b))));
    assert!(block.payload.len() <= size_of_val(values) + 32);
    block
}

fn ratio() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-4.0..0.0f64).prop_map(|exponent| 10f64.powf(exponent).min(0.999)),
        2 => (-14.0..-4.0f64).prop_map(|exponent| 10f64.powf(exponent)),
        1 => prop::sample::select(vec![0.0, 0.5, 0.75, 1.0f64.next_down(), f64::MIN_POSITIVE, 5e-324]),
    ]
}

proptest! {
    #[test]
    fn any_f32_bits(bits in prop::collection::vec(any::<u32>(), 0..600), ratio in ratio()) {
        check(&bits.into_iter().map(f32::from_bits).collect::<Vec<_>>(), ratio);
    }

    #[test]
    fn any_f64_bits(bits in prop::collection::vec(any::<u64>(), 0..600), ratio in ratio()) {
        check(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>(), ratio);
    }

    #[test]
    fn any_f16_bits(bits in prop::collection::vec(any::<u16>(), 0..600), ratio in ratio()) {
        check(&bits.into_iter().map(f16::from_bits).collect::<Vec<_>>(), ratio);
    }

    /// Values of one magnitude, of which hardly any may be an outlier.
    #[test]
    fn near_values(
        center in -300.0..300.0f64,
        spread in 0.0..3.0f64,
        signs in any::<bool>(),
        deviations in prop::collection::vec(-1.0..1.0f64, 1..600),
        ratio in 1e-6..0.49f64,
    ) {
        let value = |d: &f64| 10f64.powf(center + d * spread) * if signs { d.signum() } else { 1.0 };
        let values: Vec<f64> = deviations.iter().map(value).collect();
        let block = check(&values, ratio);
        prop_assert!(block.outliers * 100 <= values.len(), "{} outliers", block.outliers);
    }

    #[test]
    fn forged_payloads(
        seed in prop::collection::vec(any::<u32>(), 1..400),
        ratio in prop::sample::select(vec![1e-3, 0.1]),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let values: Vec<f32> = seed.iter().map(|bits| 1.0 + (bits >> 8) as f32).collect();
        let mut payload = encode_pointwise_rel(&values, ratio).unwrap().payload;
        payload.truncate(payload.len() - 4);
        for (at, byte) in damages {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let forged = payload::seal(payload);
        let mut decoded = vec![0f32; values.len()];
        let _ = decode(&forged, &mut decoded);
        let mut decoded = vec![0f64; values.len()];
        let _ = decode(&forged, &mut decoded);
    }
}

#[test]
fn zeros_signs_and_specials_are_kept() {
    let values = [
        0.0f32,
        -0.0,
        1.0,
        -1.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-45,
        -1e-45,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::from_bits(0xffc0_1234),
    ];
    for ratio in [0.0, 1e-9, 1e-3, 0.1, 0.5, 0.9] {
        check(&values, ratio);
        check(&values.map(f64::from), ratio);
        check(&values.map(f16::from_f32_const), ratio);
    }
    check::<f32>(&[], 0.1);
    check(&[f64::NAN; 1000], 0.1);
    let zeros = check(&[0.0f64; 65_536], 0.1);
    assert!(zeros.payload.len() < 64, "{} bytes", zeros.payload.len());
}

/// The sign of a column of one sign costs nothing, and the bound is used.
#[test]
fn the_bound_buys_bits() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let positive: Vec<f32> = (0..65_536)
        .map(|_| rng.random_range(1.0..2.0f32).powi(3))
        .collect();
    let mixed: Vec<f32> = positive
        .iter()
        .map(|x| if rng.random() { *x } else { -x })
        .collect();
    let negative: Vec<f32> = positive.iter().map(|x| -x).collect();
    let bits = |values: &[f32]| {
        let block = check(values, 1e-2);
        assert_eq!(
            (block.kind, block.outliers),
            (PayloadKind::LogQuantized32, 0)
        );
        block.payload.len() as f64 * 8.0 / values.len() as f64
    };
    // Three binary orders of magnitude in cells of 0.0288: log2(104) = 6.7 bits, in a frame of 7.
    assert!(bits(&positive) < 7.05, "{}", bits(&positive));
    assert!((bits(&negative) - bits(&positive)).abs() < 0.01);
    assert!(
        (0.9..1.1).contains(&(bits(&mixed) - bits(&positive))),
        "{}",
        bits(&mixed)
    );
}

#[test]
fn bad_ratios_are_errors() {
    for ratio in [-1e-3, 1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            encode_pointwise_rel(&[1f32], ratio),
            Err(CodecError::InvalidBound(_))
        ));
    }
}

#[test]
fn bounds_are_parsed_and_printed() {
    for text in [
        "pwrel:0.01",
        "pwrel:0.0",
        "pwrel:1e-7",
        "psnr:60.0",
        "psnr:-3.5",
        "psnr:1e300",
        "rel:0.01@p1..p99",
        "rel:0.001@p0.5..p99.999999",
        "rel:1e-7@p0..p100",
        "rel:0.0@p2..p3",
    ] {
        let bound: ErrorBound = text.parse().unwrap();
        assert_eq!(bound.to_string(), text);
        assert_eq!(bound.checked(), Ok(bound));
    }
    for text in [
        "pwrel",
        "pwrel:",
        "pwrel:1",
        "pwrel:-0.1",
        "pwrel:NaN",
        "psnr:",
        "psnr:inf",
        "psnr:x",
        "rel:0.1@",
        "rel:0.1@p1",
        "rel:0.1@1..99",
        "rel:0.1@p1..99",
        "rel:0.1@p99..p1",
        "rel:0.1@p5..p5",
        "rel:0.1@p1..p100.1",
        "rel:0.1@p-1..p50",
        "rel:0.1@p1.0000001..p50",
        "rel:0.1@p1...p50",
        "rel:0.1@p1...5",
        "rel:1.5@p1..p99",
        "abs:0.1@p1..p99",
        "rel:0.1@p+1..p99",
        "rel:0.1@p1e1..p99",
    ] {
        assert!(text.parse::<ErrorBound>().is_err(), "{text}");
    }
}

/// By the definition: sort, and take the value at that rank.
#[test]
fn quantiles_are_nearest_ranks() {
    let range = |values: &[f64], low: &str, high: &str| {
        quantile_range(
            &mut values.to_vec(),
            low.parse().unwrap(),
            high.parse().unwrap(),
        )
    };
    let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    for (low, high, min, max) in [
        ("0", "100", 1.0, 100.0),
        ("1", "99", 1.0, 99.0),
        ("1.000001", "98.999999", 2.0, 99.0),
        ("50", "50.5", 50.0, 51.0),
    ] {
        assert_eq!(
            range(&hundred, low, high),
            ValueRange { min, max },
            "{low} {high}"
        );
    }
    // 99.9 percent of 1000 is 999, which the nearest double to 99.9 would round up to 1000.
    let thousand: Vec<f64> = (1..=1000).map(f64::from).collect();
    assert_eq!(
        range(&thousand, "0.1", "99.9"),
        ValueRange {
            min: 1.0,
            max: 999.0
        }
    );
    assert_eq!(range(&[3.0], "1", "99"), ValueRange { min: 3.0, max: 3.0 });
    assert_eq!(
        range(&[f64::NAN, 2.0, f64::INFINITY, 1.0], "0", "100"),
        ValueRange { min: 1.0, max: 2.0 }
    );
    assert!(range(&[f64::NAN, f64::INFINITY], "1", "99").is_empty());
    assert_eq!(
        "100".parse::<Percentile>().unwrap().rank(u64::MAX),
        Some(u64::MAX - 1)
    );
}

/// A block long enough for a table decodes to what short ones do, whose values are computed one by
/// one: the grid is the same.
#[test]
fn tables_change_nothing() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(2);
    let mut value = || 10f32.powf(rng.random_range(-2.0..2.0)) * rng.random_range(-1.0..1.0f32);
    let values: Vec<f32> = (0..6400).map(|_| value()).collect();
    let decoded = |values: &[f32]| {
        let block = check(values, 0.1);
        assert_eq!(block.kind, PayloadKind::LogQuantized32);
        let mut decoded = vec![0f32; values.len()];
        decode(&block.payload, &mut decoded).unwrap();
        decoded
    };
    let parts: Vec<f32> = values.chunks(64).flat_map(decoded).collect();
    assert_eq!(parts, decoded(&values));
}

/// Fine grids over many orders of magnitude need codes of 64 bits.
#[test]
fn wide_codes() {
    let values: Vec<f64> = (-3000..3000)
        .map(|i| 10f64.powf(f64::from(i) / 10.0) * if i % 3 == 0 { -1.0 } else { 1.0 })
        .collect();
    let block = check(&values, 1e-9);
    assert_eq!(block.kind, PayloadKind::LogQuantized64);
    assert!(block.max_error > 0.0 && block.outliers == 0);
}

proptest! {
    #[test]
    fn ranges_of_slices_are_those_of_values(
        values in prop::collection::vec(
            prop_oneof![
                9 => -1e3f32..1e3,
                1 => any::<u32>().prop_map(f32::from_bits),
                1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]),
            ],
            0..200,
        ),
    ) {
        let range = ValueRange::of(values.iter().map(|x| f64::from(*x)));
        prop_assert_eq!(ValueRange::of_slice(&values), range);
        let halves: Vec<half::f16> = values.iter().map(|x| half::f16::from_f32(*x)).collect();
        let range = ValueRange::of(halves.iter().map(|x| f64::from(*x)));
        prop_assert_eq!(ValueRange::of_slice(&halves), range);
    }
}
