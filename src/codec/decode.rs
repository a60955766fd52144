//! Payloads to blocks of values.

use std::slice::ChunksExactMut;

use half::f16;

use super::element::{Element, ElementType, Float};
use super::payload::{self, Cursor, PayloadKind};
use super::pointwise::{self, Levels};
use super::quantize::{self, Grid, NarrowGrid, PHASES};
use super::stream::{self, DECODE_CHUNK};
use super::{CodecError, coding, wide};

/// Decodes `payload` into `dst`, whose type and length must be those of the payload.
///
/// For payloads that refer to no other column. On an error `dst` may hold anything.
///
/// # Errors
/// [`CodecError::Corrupt`], [`CodecError::UnknownVersion`] and, for a sound payload of another
/// type or length, [`CodecError::Mismatch`].
pub fn decode<T: Element>(payload: &[u8], dst: &mut [T]) -> Result<(), CodecError> {
    let mut bytes = Vec::with_capacity(size_of_val(dst));
    decode_bytes(payload, T::TYPE, dst.len(), &[], Keep::Nothing, &mut bytes)?;
    bytemuck::cast_slice_mut(dst).copy_from_slice(&bytes);
    Ok(())
}

/// What [`decode_bytes`] returns beside the values' bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The values' own integers, where the payload has such.
    Integers,
    /// Nothing, which is faster.
    Nothing,
}

/// Appends the little-endian bytes of the `n` values of `payload` to `out`. `references` are the
/// integers, in the same rows, of the columns that the payload refers to.
///
/// Returns the values' own integers, where the payload has such and they are to be kept: see [`decode_integers`], and
/// [`bytes_of_integers`] for when they are known. On an error some bytes may have been appended.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(
    payload: &[u8],
    element: ElementType,
    n: usize,
    references: &[&[i32]],
    keep: Keep,
    out: &mut Vec<u8>,
) -> Result<Option<Vec<i32>>, CodecError> {
    let (header, mut body) = open(payload, element, n)?;
    let sink = &mut |bytes: &[u8]| out.extend_from_slice(bytes);
    let integers = match header.kind {
        PayloadKind::Grid32 | PayloadKind::Integers | PayloadKind::LogQuantized32 => {
            let form = Form::read(header.kind, element, &mut body, n)?;
            if keep == Keep::Nothing && form.is_by_value() {
                form.append_coded(element, &mut body, references, n, out)?;
                None
            } else {
                let integers = coding::read(&mut body, references, n)?;
                form.append_all(element, &integers, out)?;
                Some(integers).filter(|_| keep == Keep::Integers)
            }
        }
        kind => {
            match element {
                ElementType::F16 => decode_one::<f16>(kind, &mut body, n, sink)?,
                ElementType::F32 => decode_one::<f32>(kind, &mut body, n, sink)?,
                ElementType::F64 => decode_one::<f64>(kind, &mut body, n, sink)?,
                ElementType::I32 => decode_exact::<i32>(kind, &mut body, n, sink)?,
                ElementType::U32 => decode_exact::<u32>(kind, &mut body, n, sink)?,
                ElementType::I64 => decode_exact::<i64>(kind, &mut body, n, sink)?,
                ElementType::U64 => decode_exact::<u64>(kind, &mut body, n, sink)?,
            }
            None
        }
    };
    body.finish()?;
    Ok(integers)
}

/// The integers of `payload` that payloads of other columns may refer to.
///
/// # Errors
/// As [`decode`], and [`CodecError::Corrupt`] for a payload that has no such integers.
pub fn decode_integers(
    payload: &[u8],
    element: ElementType,
    n: usize,
    references: &[&[i32]],
) -> Result<Vec<i32>, CodecError> {
    let (header, mut body) = open(payload, element, n)?;
    match header.kind {
        PayloadKind::Grid32 | PayloadKind::Integers | PayloadKind::LogQuantized32 => {
            Form::read(header.kind, element, &mut body, n)?;
            let integers = coding::read(&mut body, references, n)?;
            body.finish()?;
            Ok(integers)
        }
        kind => Err(without_integers(kind)),
    }
}

fn open(
    payload: &[u8],
    element: ElementType,
    n: usize,
) -> Result<(payload::PayloadHeader, Cursor<'_>), CodecError> {
    let (header, body) = payload::open(payload, Some(n))?;
    if header.element != element || header.n != n {
        return Err(CodecError::Mismatch {
            found: format!("{} values of {:?}", header.n, header.element),
            expected: format!("{n} values of {element:?}"),
        });
    }
    Ok((header, body))
}

/// What makes values of integers.
enum Form {
    Integers,
    /// The grid, and outliers with their indices: bits are zero-extended.
    Grid(Grid, Vec<(usize, u64)>),
    Levels(Levels, Vec<(usize, u64)>),
}

impl Form {
    fn read(
        kind: PayloadKind,
        element: ElementType,
        body: &mut Cursor<'_>,
        n: usize,
    ) -> Result<Self, CodecError> {
        match (kind, element) {
            (
                PayloadKind::Integers,
                ElementType::I32 | ElementType::U32 | ElementType::I64 | ElementType::U64,
            ) => Ok(Self::Integers),
            (PayloadKind::Integers, _) => Err(CodecError::corrupt("integers for floats")),
            (_, ElementType::F16 | ElementType::F32 | ElementType::F64) => {
                let outliers = |body: &mut Cursor<'_>| match element {
                    ElementType::F64 => read_outliers::<f64>(body, n),
                    _ => read_outliers::<f32>(body, n),
                };
                if kind == PayloadKind::LogQuantized32 {
                    return Ok(Self::Levels(Levels::read(body)?, outliers(body)?));
                }
                let step = read_step(body)?;
                let phase = body.byte()?;
                if phase >= PHASES {
                    return Err(CodecError::corrupt(format!("phase {phase}")));
                }
                Ok(Self::Grid(Grid { step, phase }, outliers(body)?))
            }
            _ => Err(CodecError::corrupt("quantized integers")),
        }
    }
}

/// As [`decode_bytes`], for a payload whose integers have been decoded before.
///
/// # Errors
/// As [`decode_integers`].
pub fn bytes_of_integers(
    payload: &[u8],
    element: ElementType,
    integers: &[i32],
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let (header, mut body) = open(payload, element, integers.len())?;
    match header.kind {
        PayloadKind::Grid32 | PayloadKind::Integers | PayloadKind::LogQuantized32 => {
            let form = Form::read(header.kind, element, &mut body, integers.len())?;
            form.append_all(element, integers, out)
        }
        kind => Err(without_integers(kind)),
    }
}

fn without_integers(kind: PayloadKind) -> CodecError {
    CodecError::corrupt(format!("a reference to a payload of kind {kind:?}"))
}

impl Form {
    /// Whether each value is made as soon in pieces as all at once.
    fn is_by_value(&self) -> bool {
        !matches!(self, Self::Levels(..))
    }

    /// Appends the bytes of the values that all integers of a payload stand for.
    fn append_all(
        &self,
        element: ElementType,
        integers: &[i32],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let start = out.len();
        self.append(element, integers, out)?;
        self.put_outliers(element, &mut out[start..]);
        Ok(())
    }

    /// As [`append_all`](Self::append_all), piece by piece where integers are decoded so: these stay in the
    /// first-level cache.
    fn append_coded(
        &self,
        element: ElementType,
        body: &mut Cursor<'_>,
        references: &[&[i32]],
        n: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let start = out.len();
        let mut appended = Ok(());
        coding::read_pieces(body, references, n, &mut |integers| {
            if appended.is_ok() {
                appended = self.append(element, integers, out);
            }
        })?;
        appended?;
        self.put_outliers(element, &mut out[start..]);
        Ok(())
    }

    /// Appends the bytes of the values that `integers` stand for, but for outliers.
    fn append(
        &self,
        element: ElementType,
        integers: &[i32],
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        match (self, element) {
            (Self::Integers, ElementType::I32) => from_integers::<i32>(integers, out),
            (Self::Integers, ElementType::U32) => from_integers::<u32>(integers, out),
            (Self::Integers, ElementType::I64) => from_integers::<i64>(integers, out),
            (Self::Integers, ElementType::U64) => from_integers::<u64>(integers, out),
            (_, ElementType::F16) => self.reconstruct::<f16>(integers, out),
            (_, ElementType::F32) => self.reconstruct::<f32>(integers, out),
            (_, ElementType::F64) => self.reconstruct::<f64>(integers, out),
            _ => Err(CodecError::corrupt("integers for floats")),
        }
    }

    fn reconstruct<F: Float>(&self, integers: &[i32], out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::Integers => return Err(CodecError::corrupt("integers for floats")),
            Self::Grid(grid, _) => reconstruct_all::<F>(*grid, integers, out),
            Self::Levels(levels, _) => levels.each(integers, |value: F| {
                out.extend_from_slice(bytemuck::bytes_of(&value))
            }),
        }
        Ok(())
    }

    /// Replaces outliers among the bytes of a payload's values.
    fn put_outliers(&self, element: ElementType, values: &mut [u8]) {
        let outliers = match self {
            Self::Integers => return,
            Self::Grid(_, outliers) | Self::Levels(_, outliers) => outliers,
        };
        let width = element.width();
        for (index, bits) in outliers {
            // Little-endian, as the values are: the lowest bytes.
            let bytes = &bits.to_le_bytes()[..width];
            values[index * width..][..width].copy_from_slice(bytes);
        }
    }
}

/// Appends the bytes of what `quanta` stand for on a grid.
fn reconstruct_all<F: Float>(grid: Grid, quanta: &[i32], out: &mut Vec<u8>) {
    let narrow = NarrowGrid::of(grid).filter(|_| F::TYPE == ElementType::F32);
    for quanta in quanta.chunks(DECODE_CHUNK) {
        let values = appended::<F>(quanta.len(), out);
        wide::run(
            #[inline(always)]
            || match narrow.filter(|_| NarrowGrid::has_room_for(quanta)) {
                Some(narrow) => {
                    for (value, quantum) in values.zip(quanta) {
                        value.copy_from_slice(bytemuck::bytes_of(&narrow.reconstruct(*quantum)));
                    }
                }
                None => {
                    for (value, quantum) in values.zip(quanta) {
                        let reconstructed: F = grid.reconstruct(f64::from(*quantum));
                        value.copy_from_slice(bytemuck::bytes_of(&reconstructed));
                    }
                }
            },
        );
    }
}

/// Appends zeros for `n` values: the bytes of each, to be written to.
#[inline(always)]
fn appended<T: Element>(n: usize, out: &mut Vec<u8>) -> ChunksExactMut<'_, u8> {
    let start = out.len();
    out.resize(start + n * size_of::<T>(), 0);
    out[start..].chunks_exact_mut(size_of::<T>())
}

fn from_integers<T: Element>(integers: &[i32], out: &mut Vec<u8>) -> Result<(), CodecError> {
    for integers in integers.chunks(DECODE_CHUNK) {
        for (value, integer) in appended::<T>(integers.len(), out).zip(integers) {
            let integer = T::from_integer(*integer)
                .ok_or_else(|| CodecError::corrupt("an integer beyond its type"))?;
            value.copy_from_slice(bytemuck::bytes_of(&integer));
        }
    }
    Ok(())
}

/// Kinds without integers that others may refer to, of float types.
fn decode_one<F: Float>(
    kind: PayloadKind,
    body: &mut Cursor<'_>,
    n: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    if kind == PayloadKind::Exact {
        return decode_exact::<F>(kind, body, n, sink);
    }
    if kind == PayloadKind::LogQuantized64 {
        return pointwise::decode_64::<F>(body, n, sink);
    }
    let grid = Grid::at_zero(read_step(body)?);
    let outliers = read_outliers::<F>(body, n)?;
    if kind == PayloadKind::Quantized32 {
        dequantize(
            body,
            n,
            &outliers,
            |q: i32| grid.reconstruct::<F>(f64::from(q)),
            sink,
        )
    } else {
        dequantize(
            body,
            n,
            &outliers,
            |q: i64| grid.reconstruct::<F>(q as f64),
            sink,
        )
    }
}

fn decode_exact<T: Element>(
    kind: PayloadKind,
    body: &mut Cursor<'_>,
    n: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    if kind != PayloadKind::Exact {
        return Err(CodecError::corrupt("quantized integers"));
    }
    stream::read::<T>(body, n, |values| sink(bytemuck::cast_slice(values)))
}

pub(super) fn dequantize<F: Float, Q: Element>(
    body: &mut Cursor<'_>,
    n: usize,
    mut outliers: &[(usize, u64)],
    reconstruct: impl Fn(Q) -> F,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), CodecError> {
    let mut values = [F::zeroed(); DECODE_CHUNK];
    let mut start = 0;
    stream::read::<Q>(body, n, |quanta| {
        for (value, quantum) in values.iter_mut().zip(&*quanta) {
            *value = reconstruct(*quantum);
        }
        let end = start + quanta.len();
        while let Some(((index, bits), rest)) = outliers
            .split_first()
            .filter(|((index, _), _)| *index < end)
        {
            values[index - start] = F::from_low_bits(*bits);
            outliers = rest;
        }
        sink(bytemuck::cast_slice(&values[..quanta.len()]));
        start = end;
    })
}

pub(super) fn read_step(body: &mut Cursor<'_>) -> Result<f64, CodecError> {
    let step = body.take(4)?;
    Ok(quantize::step_from_bytes([
        step[0], step[1], step[2], step[3],
    ]))
}

/// The outliers' bits with their indices, ascending and below `n`.
pub(super) fn read_outliers<F: Float>(
    body: &mut Cursor<'_>,
    n: usize,
) -> Result<Vec<(usize, u64)>, CodecError> {
    let outliers = stream::read_apart::<F::Bits>(body, n)?;
    Ok(outliers
        .into_iter()
        .map(|(index, bits)| (index, bits.into()))
        .collect())
}
