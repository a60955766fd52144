//! Fewer bits a value, then ZSTD: BitRound, bfloat16, float16.

use half::{bf16, f16};

use super::{from_le_bytes, le_bytes};
use crate::check::within;
use crate::data::Result;
use crate::method::{Factors, Method};

const MANTISSA_BITS: u32 = 23;

pub fn methods() -> Vec<Method> {
    let mut methods = Vec::new();
    for (level, shuffled, coder) in [
        (3, false, "ZSTD 3"),
        (3, true, "byte shuffle + ZSTD 3"),
        (19, true, "byte shuffle + ZSTD 19"),
    ] {
        methods.push(
            Method::columns(
                "BitRound",
                format!("+ {coder}, least bits that keep the bound"),
                move |values, bits| {
                    let rounded = round(values, bits as u32);
                    compress(&le_bytes(&rounded), 4, level, shuffled)
                },
                move |bytes, rows, _| {
                    let bytes = decompress(bytes, rows * 4, 4, shuffled)?;
                    Ok(from_le_bytes(&bytes))
                },
            )
            .tuned(least_bits),
        );
    }
    methods.push(half_precision(
        "bfloat16",
        "no coder",
        None,
        bf16_bytes,
        bf16_values,
    ));
    methods.push(half_precision(
        "bfloat16",
        "byte shuffle + ZSTD 19",
        Some(19),
        bf16_bytes,
        bf16_values,
    ));
    methods.push(half_precision(
        "float16", "no coder", None, f16_bytes, f16_values,
    ));
    methods.push(half_precision(
        "float16",
        "byte shuffle + ZSTD 19",
        Some(19),
        f16_bytes,
        f16_values,
    ));
    methods
}

fn half_precision(
    family: &'static str,
    mode: &str,
    level: Option<i32>,
    to_bytes: fn(&[f32]) -> Vec<u8>,
    to_values: fn(&[u8]) -> Vec<f32>,
) -> Method {
    Method::columns(
        family,
        mode,
        move |values, _| match level {
            Some(level) => compress(&to_bytes(values), 2, level, true),
            None => Ok(to_bytes(values)),
        },
        move |bytes, rows, _| match level {
            Some(_) => Ok(to_values(&decompress(bytes, rows * 2, 2, true)?)),
            None => Ok(to_values(bytes)),
        },
    )
    .with_factors(Factors::One)
}

fn bf16_bytes(values: &[f32]) -> Vec<u8> {
    let halves = values.iter().map(|&x| bf16::from_f32(x));
    halves.flat_map(bf16::to_le_bytes).collect()
}

fn bf16_values(bytes: &[u8]) -> Vec<f32> {
    let (halves, _) = bytes.as_chunks::<2>();
    halves
        .iter()
        .map(|&half| bf16::from_le_bytes(half).to_f32())
        .collect()
}

fn f16_bytes(values: &[f32]) -> Vec<u8> {
    let halves = values.iter().map(|&x| f16::from_f32(x));
    halves.flat_map(f16::to_le_bytes).collect()
}

fn f16_values(bytes: &[u8]) -> Vec<f32> {
    let (halves, _) = bytes.as_chunks::<2>();
    halves
        .iter()
        .map(|&half| f16::from_le_bytes(half).to_f32())
        .collect()
}

/// The fewest mantissa bits whose rounding keeps the bound.
fn least_bits(values: &[f32], bound: f64) -> f64 {
    let keeps = |bits: u32| {
        let rounded = round(values, bits);
        values
            .iter()
            .zip(&rounded)
            .all(|(&x, &y)| within(x, y, bound))
    };
    f64::from(
        (0..MANTISSA_BITS)
            .find(|&bits| keeps(bits))
            .unwrap_or(MANTISSA_BITS),
    )
}

/// Rounds to `bits` explicit mantissa bits, ties to even; NaN and infinities stay.
fn round(values: &[f32], bits: u32) -> Vec<f32> {
    let dropped = MANTISSA_BITS - bits.min(MANTISSA_BITS);
    if dropped == 0 {
        return values.to_vec();
    }
    let mask = !((1u32 << dropped) - 1);
    let half = (1u32 << (dropped - 1)) - 1;
    let one = |x: f32| {
        if !x.is_finite() {
            return x;
        }
        let pattern = x.to_bits();
        let odd = (pattern >> dropped) & 1;
        f32::from_bits((pattern + half + odd) & mask)
    };
    values.iter().map(|&x| one(x)).collect()
}

fn compress(bytes: &[u8], width: usize, level: i32, shuffled: bool) -> Result<Vec<u8>> {
    let planes;
    let bytes = if shuffled {
        planes = shuffle(bytes, width);
        &planes
    } else {
        bytes
    };
    Ok(zstd::bulk::compress(bytes, level)?)
}

fn decompress(bytes: &[u8], length: usize, width: usize, shuffled: bool) -> Result<Vec<u8>> {
    let bytes = zstd::bulk::decompress(bytes, length)?;
    Ok(if shuffled {
        unshuffle(&bytes, width)
    } else {
        bytes
    })
}

fn shuffle(bytes: &[u8], width: usize) -> Vec<u8> {
    (0..width)
        .flat_map(|plane| bytes.iter().skip(plane).step_by(width))
        .copied()
        .collect()
}

fn unshuffle(planes: &[u8], width: usize) -> Vec<u8> {
    let mut bytes = vec![0; planes.len()];
    for (i, plane) in planes
        .chunks_exact((planes.len() / width).max(1))
        .enumerate()
    {
        for (word, &byte) in bytes.chunks_exact_mut(width).zip(plane) {
            word[i] = byte;
        }
    }
    bytes
}
