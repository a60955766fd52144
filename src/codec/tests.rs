//! Protects the guarantee at the level of one block: bounds, bits, sizes, damaged payloads.

use half::f16;
use proptest::prelude::*;

use super::*;

fn round_trip<F: Float>(values: &[F], bound: f64) -> (EncodedBlock, Vec<F>) {
    let block = encode_lossy(values, bound).unwrap();
    let mut decoded = vec![F::zeroed(); values.len()];
    decode(&block.payload, &mut decoded).unwrap();
    (block, decoded)
}

/// The largest distance of values from what they became: every one is within the bound, or has the same bits.
pub(super) fn largest_error<F: Float>(values: &[F], decoded: &[F], bound: f64) -> f64 {
    let mut largest = 0f64;
    for (x, y) in values.iter().zip(decoded) {
        let (a, b) = (x.to_f64(), y.to_f64());
        if x.to_bits() != y.to_bits() {
            assert!(
                (a - b).abs() <= bound,
                "{x:?} became {y:?}, bound {bound:e}"
            );
            assert!(!(a == 0.0 && a.is_sign_negative()), "-0.0 became {y:?}");
            assert!(!(b == 0.0 && b.is_sign_negative()), "{x:?} became -0.0");
            largest = largest.max((a - b).abs());
        }
    }
    largest
}

/// Every value within the bound or the same bits; statistics true of what is decoded.
fn check<F: Float>(values: &[F], bound: f64) {
    let (block, decoded) = round_trip(values, bound);
    let largest = largest_error(values, &decoded, bound);
    // A step above where f64 rounds the difference.
    assert!([largest, largest.next_up()].contains(&block.max_error));
    assert_eq!(block.nans, decoded.iter().filter(|y| y.is_nan()).count());
    let ordered = || decoded.iter().copied().filter(|y| !y.is_nan());
    let min = ordered().min_by(|a, b| Element::total_cmp(a, b));
    let max = ordered().max_by(|a, b| Element::total_cmp(a, b));
    assert_eq!(block.min_max.map(|(min, _)| min), min.map(Element::bits));
    assert_eq!(block.min_max.map(|(_, max)| max), max.map(Element::bits));
    let exact = encode_exact(values).unwrap().payload.len();
    assert!(
        block.payload.len() <= size_of_val(values) + 16,
        "larger than plain values"
    );
    // Short blocks are compared whole; longer ones on a sample.
    assert!(
        values.len() > 1024 || block.payload.len() <= exact,
        "larger than lossless"
    );
}

proptest! {
    #[test]
    fn any_f32_bits(bits in prop::collection::vec(any::<u32>(), 0..600), exponent in -160i32..128) {
        check(&bits.into_iter().map(f32::from_bits).collect::<Vec<_>>(), 2f64.powi(exponent));
    }

    #[test]
    fn any_f64_bits(bits in prop::collection::vec(any::<u64>(), 0..600), exponent in -1070i32..1020) {
        check(&bits.into_iter().map(f64::from_bits).collect::<Vec<_>>(), 2f64.powi(exponent));
    }

    #[test]
    fn any_f16_bits(bits in prop::collection::vec(any::<u16>(), 0..600), exponent in -26i32..16) {
        check(&bits.into_iter().map(f16::from_bits).collect::<Vec<_>>(), 2f64.powi(exponent));
    }

    #[test]
    fn near_values(
        offset in prop_oneof![Just(0.0), -1e9..1e9f64, Just(1e300)],
        deviations in prop::collection::vec(-1.0..1.0f64, 1..600),
        scale in -12i32..12,
        bound in 1e-6..1e-1f64,
    ) {
        let scale = 10f64.powi(scale);
        let values: Vec<f64> = deviations.iter().map(|d| offset + d * scale).collect();
        check(&values, bound * scale);
        check(&values.iter().map(|x| *x as f32).collect::<Vec<_>>(), bound * scale);
    }

    #[test]
    fn integers(values in prop::collection::vec(any::<i64>(), 0..600)) {
        let block = encode_exact(&values).unwrap();
        let mut decoded = vec![0; values.len()];
        decode(&block.payload, &mut decoded).unwrap();
        prop_assert_eq!(&decoded, &values);
        prop_assert_eq!(block.min_max, values.iter().min().zip(values.iter().max()).map(|(min, max)| (min.bits(), max.bits())));
    }

    /// The absolute bound never exceeds what was asked for.
    #[test]
    fn absolute_bounds_round_down(a in any::<f64>(), b in any::<f64>(), ratio in 0.0..=1.0f64) {
        prop_assume!(a.is_finite() && b.is_finite());
        let range = ValueRange::of([a, b]);
        let bound = absolute_bound(ErrorBound::Rel(ratio), range);
        // ratio * (max - min) >= bound, decided by dividing instead of multiplying.
        let width = range.max / 2.0 - range.min / 2.0;
        prop_assert!(bound >= 0.0 && bound.is_finite());
        prop_assert!(bound == 0.0 || bound / 2.0 <= ratio * width);
    }

    /// Not even a payload with a matching checksum makes the decoder panic.
    #[test]
    fn forged_payloads(
        seed in prop::collection::vec(any::<u32>(), 1..400),
        bound in prop_oneof![Just(1e-3), Just(1.0), Just(1e30)],
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let values: Vec<f32> = seed.iter().map(|bits| f32::from_bits(bits >> (bits % 20))).collect();
        let mut payload = encode_lossy(&values, bound).unwrap().payload;
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

/// Doubles of all their digits differ from what is far from them by what f64 has to round. They once
/// became outliers, more of them the looser the bound.
#[test]
fn looser_bounds_make_doubles_of_all_digits_smaller() {
    let mut state = 1u64;
    let values: Vec<f64> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
    .take(20_000)
    .collect();
    let sizes = [1e-4, 1e-3, 1e-2, 0.1, 0.4].map(|bound| {
        check(&values, bound);
        encode_lossy(&values, bound).unwrap().payload.len()
    });
    assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
    assert!(sizes[4] < 20_000 / 4, "{sizes:?}");
}

#[test]
fn empty_and_constant_blocks() {
    check::<f32>(&[], 1.0);
    check::<f32>(&[], 0.0);
    decode::<f64>(&encode_exact::<f64>(&[]).unwrap().payload, &mut []).unwrap();
    check(&[1.5f32; 1000], 0.1);
    check(&[f64::NAN; 1000], 0.1);
    let (block, _) = round_trip(&[0.25f64; 65_536], 1e-9);
    assert!(
        block.payload.len() < 64,
        "{} bytes for a constant",
        block.payload.len()
    );
}

#[test]
fn bounds_are_parsed_and_printed() {
    for text in ["rel:0.001", "abs:2.5", "exact", "rel:1e-7", "abs:0.0"] {
        let bound: ErrorBound = text.parse().unwrap();
        assert_eq!(
            bound.to_string().parse::<ErrorBound>().unwrap(),
            bound,
            "{text}"
        );
    }
    for text in [
        "", "rel", "rel:", "rel:x", "rel:-1", "rel:1.5", "rel:NaN", "abs:inf", "abs:-1", "lossy",
        "exact:1",
    ] {
        assert!(text.parse::<ErrorBound>().is_err(), "{text}");
    }
}

#[test]
fn too_long_blocks_and_bad_bounds_are_errors() {
    assert_eq!(
        encode_exact(&vec![0i32; MAX_BLOCK_VALUES + 1]).unwrap_err(),
        CodecError::TooLong(MAX_BLOCK_VALUES + 1)
    );
    for bound in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            encode_lossy(&[1f32], bound),
            Err(CodecError::InvalidBound(_))
        ));
    }
}

#[test]
fn a_mismatch_is_told_from_damage() {
    let payload = encode_lossy(&[1f32, 2.0], 0.1).unwrap().payload;
    assert!(matches!(
        decode(&payload, &mut [0f32; 3]),
        Err(CodecError::Mismatch { .. })
    ));
    assert!(matches!(
        decode(&payload, &mut [0f64; 2]),
        Err(CodecError::Mismatch { .. })
    ));
    let mut newer = payload[..payload.len() - 4].to_vec();
    newer[0] = 3;
    assert_eq!(
        decode(&payload::seal(newer), &mut [0f32; 2]),
        Err(CodecError::UnknownVersion(3))
    );
}

/// pco takes one of two bases that are one in floating point, by the order of a hash map.
#[test]
fn bases_beyond_floating_point() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    let (a, b) = (1i64 << 53, (1i64 << 53) + 1);
    for seed in 0..20 {
        let mut rng = StdRng::seed_from_u64(seed);
        let share = rng.random_range(0.49..0.51);
        let value = |rng: &mut StdRng| {
            let factor = rng.random_range(0..1000i64);
            let base = if rng.random_bool(share) { a } else { b };
            base.wrapping_mul(factor)
        };
        let values: Vec<i64> = (0..30_000).map(|_| value(&mut rng)).collect();
        let first = encode_exact(&values).unwrap().payload;
        for _ in 0..3 {
            assert!(encode_exact(&values).unwrap().payload == first, "{seed}");
        }
    }
}
