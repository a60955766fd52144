//! Payloads to blocks of values.

use bytemuck::Zeroable;
use half::f16;

use super::element::{Element, ElementType, Float};
use super::payload::{self, Cursor, PayloadKind};
use super::stream::{self, DECODE_CHUNK};
use super::{CodecError, pointwise, quantize};

/// Decodes `payload` into `dst`, whose type and length must be those of the payload.
///
/// On an error `dst` may hold anything.
///
/// # Errors
/// [`CodecError::Corrupt`], [`CodecError::UnknownVersion`] and, for a sound payload of another
/// type or length, [`CodecError::Mismatch`].
pub fn decode<T: Element>(payload: &[u8], dst: &mut [T]) -> Result<(), CodecError> {
    let n = dst.len();
    let mut rest: &mut [u8] = bytemuck::cast_slice_mut(dst);
    decode_pieces(payload, T::TYPE, n, &mut |bytes| {
        // The pieces add up to n values.
        let (to, after) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        to.copy_from_slice(bytes);
        rest = after;
    })
}

/// As [`decode`], appending the little-endian bytes of `n` values to `out`.
///
/// On an error some of them may have been appended.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(
    payload: &[u8],
    element: ElementType,
    n: usize,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    decode_pieces(payload, element, n, &mut |bytes| {
        out.extend_from_slice(bytes)
    })
}

/// Hands the bytes of `n` values to `sink`, in order, in pieces that stay in the first-level cache.
fn decode_pieces(
    payload: &[u8],
    element: ElementType,
    n: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    let (header, mut body) = payload::open(payload)?;
    if header.element != element || header.n != n {
        return Err(CodecError::Mismatch {
            found: format!("{} values of {:?}", header.n, header.element),
            expected: format!("{n} values of {element:?}"),
        });
    }
    match (header.kind, element) {
        (PayloadKind::Exact, ElementType::F16) => decode_exact::<f16>(&mut body, n, sink)?,
        (PayloadKind::Exact, ElementType::F32) => decode_exact::<f32>(&mut body, n, sink)?,
        (PayloadKind::Exact, ElementType::F64) => decode_exact::<f64>(&mut body, n, sink)?,
        (PayloadKind::Exact, ElementType::I32) => decode_exact::<i32>(&mut body, n, sink)?,
        (PayloadKind::Exact, ElementType::U32) => decode_exact::<u32>(&mut body, n, sink)?,
        (PayloadKind::Exact, ElementType::I64) => decode_exact::<i64>(&mut body, n, sink)?,
        (PayloadKind::Exact, ElementType::U64) => decode_exact::<u64>(&mut body, n, sink)?,
        (kind, ElementType::F16) => decode_quantized::<f16>(kind, &mut body, n, sink)?,
        (kind, ElementType::F32) => decode_quantized::<f32>(kind, &mut body, n, sink)?,
        (kind, ElementType::F64) => decode_quantized::<f64>(kind, &mut body, n, sink)?,
        _ => return Err(CodecError::corrupt("quantized integers")),
    }
    body.finish()
}

fn decode_exact<T: Element>(
    body: &mut Cursor<'_>,
    n: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    stream::read::<T>(body, n, |values| sink(bytemuck::cast_slice(values)))
}

fn decode_quantized<F: Float>(
    kind: PayloadKind,
    body: &mut Cursor<'_>,
    n: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    if matches!(
        kind,
        PayloadKind::LogQuantized32 | PayloadKind::LogQuantized64
    ) {
        return pointwise::decode::<F>(kind, body, n, sink);
    }
    let step = body.take(4)?;
    let step = quantize::step_from_bytes([step[0], step[1], step[2], step[3]]);
    let outliers = read_outliers::<F>(body, n)?;
    if kind == PayloadKind::Quantized32 {
        dequantize(
            body,
            n,
            &outliers,
            |q: i32| quantize::reconstruct(f64::from(q), step),
            sink,
        )
    } else {
        dequantize(
            body,
            n,
            &outliers,
            |q: i64| quantize::reconstruct(q as f64, step),
            sink,
        )
    }
}

pub(super) fn dequantize<F: Float, Q: Element>(
    body: &mut Cursor<'_>,
    n: usize,
    mut outliers: &[(usize, F)],
    reconstruct: impl Fn(Q) -> F,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    let mut values = [F::zeroed(); DECODE_CHUNK];
    let mut start = 0;
    stream::read::<Q>(body, n, |quanta| {
        for (value, quantum) in values.iter_mut().zip(quanta) {
            *value = reconstruct(*quantum);
        }
        let end = start + quanta.len();
        while let Some(((index, value), rest)) = outliers
            .split_first()
            .filter(|((index, _), _)| *index < end)
        {
            values[index - start] = *value;
            outliers = rest;
        }
        sink(bytemuck::cast_slice(&values[..quanta.len()]));
        start = end;
    })
}

/// The outliers with their indices, ascending and below `n`.
pub(super) fn read_outliers<F: Float>(
    body: &mut Cursor<'_>,
    n: usize,
) -> Result<Vec<(usize, F)>, CodecError> {
    let count = body.varint()?;
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > n {
        return Err(CodecError::corrupt(format!(
            "{count} outliers among {n} values"
        )));
    }
    let mut gaps = vec![0u32; count];
    stream::read_into(body, &mut gaps)?;
    let mut bits = vec![F::Bits::zeroed(); count];
    stream::read_into(body, &mut bits)?;
    let mut next = 0usize;
    gaps.into_iter()
        .zip(bits)
        .map(|(gap, bits)| {
            let index = next + gap as usize;
            next = index + 1;
            if index < n {
                Ok((index, F::from_bits(bits)))
            } else {
                Err(CodecError::corrupt(format!(
                    "outlier at {index} of {n} values"
                )))
            }
        })
        .collect()
}
