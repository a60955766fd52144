//! Protects readers against payloads that no encoder wrote: any bytes are an error or values.

use proptest::prelude::*;

use super::*;

/// Sizes at which coders change: few values, one piece and more, lanes of two numbers.
const SIZES: [usize; 8] = [1, 2, 5, 300, 1024, 1500, 9000, 33_000];

/// Values of many kinds, by `shape`.
fn values(shape: usize, n: usize) -> Vec<f64> {
    let mixed = |i: usize| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let value = |i: usize| match shape {
        0 => (i as f64 / 40.0).sin(),
        1 => (mixed(i) % 1000) as f64,
        2 => (mixed(i) % 7) as f64 * 0.5,
        3 => f64::from(u8::from(mixed(i) % 97 == 0)),
        4 => (mixed(i) as f64).exp2().recip(),
        _ => 1e15 + mixed(i) as f64,
    };
    (0..n).map(value).collect()
}

/// Payloads of all kinds and coders, without a checksum that damage would have to fit.
fn payload(shape: usize, n: usize, way: usize) -> Vec<u8> {
    let values = values(shape, n);
    let block = match way {
        0 => encode_exact(&values),
        1 => encode_lossy(&values, 1e-2),
        2 => encode_lossy(&values, 1e-13),
        3 => encode_pointwise_rel(&values, 1e-2),
        4 => encode_pointwise_rel(&values, 1e-13),
        5 => {
            let integers: Vec<i64> = values.iter().map(|x| *x as i64).collect();
            encode_exact(&integers)
        }
        _ => {
            let effort = [Effort::Fast, Effort::Small][way % 2];
            let grid = Grid::of(&values, 1e-2).unwrap_or(Grid::at_zero(1.0));
            let block = match Follow::of(&values, 1e-2, grid) {
                Some(follow) => Block::followed(&values, 1e-2, follow),
                None => Block::lossy(&values, 1e-2, grid),
            };
            let block = block.unwrap();
            let plan = Plan::alone(block.integers(), effort);
            Ok(block.encode(&plan, &[], effort))
        }
    };
    unsealed(&block.unwrap().payload).unwrap()
}

fn read(payload: &[u8], n: usize) {
    let _ = decode(payload, &mut vec![0f64; n]);
    let _ = decode(payload, &mut vec![0i64; n]);
    let others: Vec<i32> = (0..n as i32).collect();
    let references: [&[i32]; 2] = [&others, &others];
    for element in ElementType::ALL {
        let (mut out, mut by_pieces) = (Vec::new(), Vec::new());
        let decoded = decode_bytes(payload, element, n, &references, Keep::Integers, &mut out);
        let again = decode_bytes(
            payload,
            element,
            n,
            &references,
            Keep::Nothing,
            &mut by_pieces,
        );
        assert_eq!(decoded.is_ok(), again.is_ok());
        if let Ok(integers) = decoded {
            assert!(out == by_pieces);
            if let Some(integers) = integers {
                let _ = bytes_of_integers(payload, element, &integers, &mut out);
            }
        }
    }
}

proptest! {
    #[test]
    fn damage(
        shape in 0usize..6,
        size in 0usize..SIZES.len(),
        other in 0usize..SIZES.len(),
        way in 0usize..8,
        at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..40),
        cut: prop::sample::Index,
    ) {
        let n = SIZES[size];
        let intact = payload(shape, n, way);
        // Of another length than it is told to be.
        read(&intact, SIZES[other]);
        read(&intact[..cut.index(intact.len())], n);
        for (at, byte, front) in at {
            let mut damaged = intact.clone();
            let reach = if front { intact.len().min(48) } else { intact.len() };
            damaged[at.index(reach)] = byte;
            // The version stays: any other is looked at no further.
            damaged[0] = intact[0];
            read(&damaged, n);
        }
    }

    /// All but the tags is noise.
    #[test]
    fn noise(
        kind in prop::sample::select(vec![0u8, 1, 2, 4, 5, 8, 9]),
        element in 0u8..7,
        coder in 0u8..7,
        transform in 0u8..6,
        n in prop_oneof![Just(0), prop::sample::select(SIZES.to_vec())],
        length in 1u8..100,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut payload = vec![2, kind << 4 | element];
        match kind {
            // A step, a phase, no outliers.
            4 => payload.extend_from_slice(&[0, 0, 0xf0, 0x3f, 0, 0]),
            // A step, base and span, no outliers.
            8 => payload.extend_from_slice(&[0, 0, 0xf0, 0x3f, 2, 1, 2, 0]),
            _ => {}
        }
        payload.push(coder << 4 | transform);
        payload.push(length);
        payload.extend_from_slice(&bytes);
        read(&payload, n);
    }
}

/// No encoder writes quanta by zstd where pco is usual, but the format allows it.
#[test]
fn long_streams_of_quanta_by_zstd() {
    for (kind, n) in [(1u8, 1025), (2, 5000), (9, 5000), (2, 1024)] {
        let mut payload = vec![2, kind << 4 | ElementType::F64 as u8];
        payload.extend_from_slice(&[0, 0, 0xf0, 0x3f]);
        if kind == 9 {
            // Base 0; codes from -9 to 9.
            payload.extend_from_slice(&[0, 17, 18]);
        }
        // One outlier, behind the first piece of a stream.
        payload.push(1);
        stream::write(&[n as u32 - 1], stream::Delta::Order(0), &mut payload);
        stream::write(&[7.25f64.to_bits()], stream::Delta::Order(0), &mut payload);
        match kind {
            1 => stream::write_zstd(&vec![3i32; n], true, 3, &mut payload),
            _ => stream::write_zstd(&vec![3i64; n], true, 3, &mut payload),
        }
        let mut decoded = vec![0f64; n];
        decode(&payload, &mut decoded).unwrap();
        assert_eq!(decoded[n - 1], 7.25);
        assert!(
            decoded[..n - 1]
                .iter()
                .all(|x| *x == decoded[0] && *x > 0.0)
        );
    }
}
