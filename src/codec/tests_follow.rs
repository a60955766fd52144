//! Protects the guarantee where series are followed, whichever way, and the coding of what comes of it.

use half::f16;
use proptest::prelude::*;

use super::bits::Learning;
use super::follow;
use super::payload::{self, Cursor};
use super::strides::{self, Step, Strides};
use super::tests::largest_error;
use super::*;

fn followed<F: Float>(values: &[F], bound: f64) -> Vec<EncodedBlock> {
    let Some(grid) = Grid::of(values, bound) else {
        return Vec::new();
    };
    let encode = |way: Follow| {
        let block = Block::followed(values, bound, way).unwrap();
        block.encode(&Plan::default(), &[], Effort::Balanced)
    };
    follow::all(values, grid).into_iter().map(encode).collect()
}

/// Every value within the bound or the same bits, whichever way it is followed.
fn check<F: Float>(values: &[F], bound: f64) {
    for block in followed(values, bound) {
        let mut decoded = vec![F::zeroed(); values.len()];
        decode(&block.payload, &mut decoded).unwrap();
        let largest = largest_error(values, &decoded, bound);
        // A step above where f64 rounds the difference.
        assert!([largest, largest.next_up()].contains(&block.max_error));
        let ordered = || decoded.iter().copied().filter(|y| !y.is_nan());
        let min = ordered().min_by(|a, b| Element::total_cmp(a, b));
        let max = ordered().max_by(|a, b| Element::total_cmp(a, b));
        let min_max = min.zip(max).map(|(min, max)| (min.bits(), max.bits()));
        assert_eq!(block.min_max, min_max);
        let mut bare = vec![0; 0];
        let unsealed = unsealed(&block.payload).unwrap();
        decode_bytes(
            &unsealed,
            F::TYPE,
            values.len(),
            &[],
            Keep::Integers,
            &mut bare,
        )
        .unwrap();
        assert!(bare == bytemuck::cast_slice::<F, u8>(&decoded));
    }
}

/// A walk of these steps, with other numbers in it.
fn series(steps: &[f64], scale: f64, others: &[(prop::sample::Index, f64)]) -> Vec<f64> {
    let mut x = 0.0;
    let walk = steps.iter().map(|step| {
        x += step * scale;
        x
    });
    let mut walk: Vec<f64> = walk.collect();
    for (at, other) in others {
        let at = at.index(walk.len());
        walk[at] = *other;
    }
    walk
}

fn other() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        Just(0.0),
        Just(5e-324),
        Just(1e-40),
        Just(3e38),
        Just(-1e300),
        Just(f64::MAX),
        any::<f64>(),
    ]
}

fn others() -> impl Strategy<Value = Vec<(prop::sample::Index, f64)>> {
    prop_oneof![
        Just(Vec::new()),
        prop::collection::vec((any::<prop::sample::Index>(), other()), 1..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn bounds_are_kept(
        steps in prop::collection::vec(-1.0..1.0f64, 256..1500),
        scale in -30i32..30,
        bound in -3i32..12,
        others in others(),
    ) {
        let scale = 10f64.powi(scale);
        let values = series(&steps, scale, &others);
        let bound = scale * 2f64.powi(bound);
        check(&values, bound);
        check(&values.iter().map(|x| *x as f32).collect::<Vec<_>>(), bound);
        check(&values.iter().map(|x| f16::from_f64(*x)).collect::<Vec<_>>(), bound);
    }

    #[test]
    fn bounds_are_kept_at_the_edges_of_floats(
        steps in prop::collection::vec(-1.0..1.0f64, 256..600),
        exponent in prop_oneof![-1074i32..-1000, -160i32..-120, 100i32..127, 980i32..1020],
        bound in -8i32..8,
    ) {
        let scale = super::quantize::power_of_two(exponent);
        let values = series(&steps, scale, &[]);
        let bound = super::quantize::power_of_two(exponent + bound);
        check(&values, bound);
        check(&values.iter().map(|x| *x as f32).collect::<Vec<_>>(), bound);
    }

    /// Not even a payload with a matching checksum makes the decoder panic.
    #[test]
    fn forged_payloads(
        steps in prop::collection::vec(-1.0..1.0f64, 256..900),
        bound in prop_oneof![Just(0.3), Just(3.0), Just(100.0)],
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let values: Vec<f32> = series(&steps, 1.0, &[]).iter().map(|x| *x as f32).collect();
        for block in followed(&values, bound) {
            let mut payload = block.payload[..block.payload.len() - 4].to_vec();
            for (at, byte) in &damages {
                // The header is damaged elsewhere.
                let at = 4 + at.index(payload.len() - 4);
                payload[at] = *byte;
            }
            let mut decoded = vec![0f32; values.len()];
            let _ = decode(&payload::seal(payload), &mut decoded);
        }
    }

    #[test]
    fn strides_are_inverted(
        integers in prop::collection::vec(prop_oneof![-50i32..50, any::<i32>()], 0..700),
        weights in prop::collection::vec(prop::collection::vec(-(1i32 << 20) + 1..1 << 20, 0..=4), 10),
    ) {
        let step = |i: usize| Step { shift: 0, weights: weights[i % 10].clone() };
        let transform = Strides {
            first: 7,
            steps: strides::strides(integers.len()).enumerate().map(|(i, _)| step(i)).collect(),
        };
        let mut residuals = transform.apply(&integers);
        prop_assert_eq!(strides::numbers(integers.len()).len(), residuals.len());
        transform.invert(&mut residuals);
        prop_assert_eq!(residuals, integers.clone());
        let mut written = Vec::new();
        transform.write(&mut written);
        let read = Strides::read(&mut Cursor::new(&written), integers.len()).unwrap();
        prop_assert_eq!(read, transform);
    }

    #[test]
    fn sparse_residuals_are_read_back(
        center in any::<i32>(),
        n in 1usize..3000,
        others in prop::collection::vec((any::<prop::sample::Index>(), any::<i32>()), 0..40),
        in_stretches: bool,
    ) {
        let mut residuals = vec![center; n];
        others.iter().for_each(|(at, x)| residuals[at.index(n)] = *x);
        let stretches = if in_stretches { strides::numbers(n) } else { Vec::new() };
        if let Some(coded) = sparse::coded(&residuals, &stretches) {
            let mut cursor = Cursor::new(&coded);
            let mut read = Vec::new();
            sparse::read(&mut cursor, &stretches, n, &mut |piece| {
                read.extend_from_slice(piece);
                piece.fill(-1);
            })
            .unwrap();
            prop_assert_eq!(read, residuals);
            prop_assert!(cursor.finish().is_ok());
        } else {
            prop_assert!(others.len() * 12 > n);
        }
    }

    /// Whatever the bytes: an error or numbers, never more of them than asked for.
    #[test]
    fn forged_sparse_residuals(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 0usize..5000) {
        let mut coded = Vec::new();
        payload::write_varint(bytes.len() as u64, &mut coded);
        coded.extend_from_slice(&bytes);
        let stretches = strides::numbers(n);
        let _ = sparse::read(&mut Cursor::new(&coded), &stretches, n, &mut |_| {});
        let _ = Strides::read(&mut Cursor::new(&coded), n);
        let _ = super::bits::BitReader::open(&mut Cursor::new(&coded), Learning::Quick);
    }
}

fn sines(n: usize) -> Vec<f32> {
    let wave = |i: usize, period: f64| (std::f64::consts::TAU * i as f64 / period).sin();
    let noise = |i: usize| ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 1e10;
    (0..n)
        .map(|i| {
            (wave(i, 10_000.0) + 0.5 * wave(i, 1234.0) + 0.2 * wave(i, 321.0) + noise(i)) as f32
        })
        .collect()
}

/// What following is for: several times smaller than the nearest points of the grid.
#[test]
fn smooth_series_are_small_and_the_same_each_time() {
    let values = sines(65_536);
    let bound = 0.034;
    let grid = Grid::of(&values, bound).unwrap();
    let way = Follow::of(&values, bound, grid).unwrap();
    let encode = || {
        let block = Block::followed(&values, bound, way).unwrap();
        block
            .encode(&Plan::default(), &[], Effort::Balanced)
            .payload
    };
    let nearest = encode_lossy(&values, bound).unwrap().payload;
    let payload = encode();
    assert!(payload.len() < 500, "{} bytes", payload.len());
    assert!(5 * payload.len() < nearest.len(), "{} bytes", nearest.len());
    assert_eq!(payload, encode());
    let mut decoded = vec![0f32; values.len()];
    decode(&payload, &mut decoded).unwrap();
    let worst = values
        .iter()
        .zip(&decoded)
        .map(|(x, y)| (f64::from(*x) - f64::from(*y)).abs());
    assert!(worst.fold(0.0, f64::max) <= bound);
}
