//! Streams: runs of numbers inside a payload, each `tag, byte length, bytes`.
//!
//! The entropy coding is pco's (<https://github.com/pcodec/pcodec>), in its wrapped form.

use pco::metadata::Mode;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, FULL_BATCH_N, ModeSpec};

use super::element::Element;
use super::payload::Cursor;
use super::unzstd::unzstd_exactly;
use super::{CodecError, payload};

/// Little-endian values.
const TAG_PLAIN: u8 = 0;
/// One pco header, chunk and page.
const TAG_PCO: u8 = 1;
/// The plain values' byte planes, the lowest first, by zstd: for values that recur in runs and
/// patterns, which an entropy coder does not see.
const TAG_ZSTD: u8 = 2;
/// The same of each value's difference, wrapping, from the one before.
const TAG_ZSTD_DELTA: u8 = 3;

/// Values decoded at a time: a multiple of pco's batch that stays in the first-level cache.
pub(super) const DECODE_CHUNK: usize = 4 * FULL_BATCH_N;

/// pco's own default.
pub(super) const LEVEL: usize = 8;

/// What pco takes differences of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delta {
    /// pco chooses mode and delta encoding by itself: for values as they come.
    Search,
    /// Entropy coding of the values (0) or of their differences of the given order: for quantized
    /// values, where pco's own choice errs at low bit rates.
    Order(usize),
}

impl Delta {
    fn config(self) -> ChunkConfig {
        match self {
            Self::Search => ChunkConfig::default(),
            Self::Order(order) => ChunkConfig::default()
                .with_mode_spec(ModeSpec::Classic)
                .with_delta_spec(if order == 0 {
                    DeltaSpec::NoOp
                } else {
                    DeltaSpec::TryConsecutive(order)
                }),
        }
    }
}

/// Appends `values` to `out`, by pco unless that is longer than the plain bytes.
pub(super) fn write<T: Element>(values: &[T], delta: Delta, out: &mut Vec<u8>) {
    let plain: &[u8] = bytemuck::cast_slice(values);
    let packed = compress(values, delta, LEVEL).filter(|packed| packed.len() < plain.len());
    let (tag, bytes) = match &packed {
        Some(packed) => (TAG_PCO, packed.as_slice()),
        None => (TAG_PLAIN, plain),
    };
    out.push(tag);
    payload::write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// As [`write`], by zstd: the values, or their differences (of bit patterns).
pub(super) fn write_zstd<T: Element>(values: &[T], delta: bool, level: i32, out: &mut Vec<u8>) {
    let plain: &[u8] = bytemuck::cast_slice(values);
    let width = size_of::<T>();
    let mut differing = values.to_vec();
    if delta {
        differences(&mut differing);
    }
    let coded: &[u8] = bytemuck::cast_slice(&differing);
    let planes: Vec<u8> = (0..width)
        .flat_map(|plane| coded.iter().skip(plane).step_by(width).copied())
        .collect();
    // Compressing to memory does not fail; if it does, the plain form stands in.
    let packed = zstd::bulk::compress(&planes, level).ok();
    let packed = packed.filter(|packed| packed.len() < plain.len());
    let (tag, bytes) = match &packed {
        Some(packed) if delta => (TAG_ZSTD_DELTA, packed.as_slice()),
        Some(packed) => (TAG_ZSTD, packed.as_slice()),
        None => (TAG_PLAIN, plain),
    };
    out.push(tag);
    payload::write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Bit patterns to their differences from the one before, wrapping.
fn differences<T: Element>(values: &mut [T]) {
    let mut before = 0;
    each_bits(values, &mut |bits| {
        let difference = bits.wrapping_sub(before);
        before = bits;
        difference
    });
}

fn sums<T: Element>(values: &mut [T]) {
    let mut sum = 0u64;
    each_bits(values, &mut |bits| {
        sum = sum.wrapping_add(bits);
        sum
    });
}

/// Replaces each bit pattern; what is above its width falls away.
fn each_bits<T: Element>(values: &mut [T], replace: &mut dyn FnMut(u64) -> u64) {
    match size_of::<T>() {
        8 => bytemuck::cast_slice_mut::<T, u64>(values)
            .iter_mut()
            .for_each(|bits| *bits = replace(*bits)),
        4 => bytemuck::cast_slice_mut::<T, u32>(values)
            .iter_mut()
            .for_each(|bits| *bits = replace(u64::from(*bits)) as u32),
        _ => bytemuck::cast_slice_mut::<T, u16>(values)
            .iter_mut()
            .for_each(|bits| *bits = replace(u64::from(*bits)) as u16),
    }
}

/// The values by pco, or None for what pco cannot take (no values).
pub(super) fn compress<T: Element>(values: &[T], delta: Delta, level: usize) -> Option<Vec<u8>> {
    if values.is_empty() {
        return None;
    }
    let mut config = delta.config().with_compression_level(level);
    config.paging_spec = pco::PagingSpec::Exact(vec![values.len()]);
    let compressor = FileCompressor::default();
    let mut chunk = compressor.chunk_compressor(values, &config).ok()?;
    if is_by_chance(&chunk.meta().mode) {
        let config = config.with_mode_spec(ModeSpec::Classic);
        chunk = compressor.chunk_compressor(values, &config).ok()?;
    }
    let mut out = Vec::with_capacity(8 + chunk.meta_size_hint() + chunk.page_size_hint(0));
    // Writing to a Vec does not fail; if pco refuses, the plain form stands in.
    compressor.write_header(&mut out).ok()?;
    chunk.write_meta(&mut out).ok()?;
    chunk.write_page(0, &mut out).ok()?;
    Some(out)
}

/// Whether pco may choose another mode for the same values: of bases that it cannot tell apart in
/// floating point it takes the first of a hash map, which is another in each run.
fn is_by_chance(mode: &Mode) -> bool {
    match mode {
        Mode::IntMult(base) => base
            .downcast_ref::<u64>()
            .is_some_and(|base| base >> 40 > 0),
        _ => false,
    }
}

/// Reads a stream of `n` values and hands them to `sink` in order, in pieces of at most
/// [`DECODE_CHUNK`].
pub(super) fn read<T: Element>(
    cursor: &mut Cursor<'_>,
    n: usize,
    mut sink: impl FnMut(&mut [T]),
) -> Result<(), CodecError> {
    let (tag, bytes) = open(cursor)?;
    let mut chunk = [T::zeroed(); DECODE_CHUNK];
    match tag {
        TAG_PLAIN => {
            check_plain_length::<T>(bytes, n)?;
            for piece in bytes.chunks(DECODE_CHUNK * size_of::<T>()) {
                let values = &mut chunk[..piece.len() / size_of::<T>()];
                bytemuck::cast_slice_mut::<T, u8>(values).copy_from_slice(piece);
                sink(values);
            }
            Ok(())
        }
        TAG_ZSTD | TAG_ZSTD_DELTA => {
            let mut values = vec![T::zeroed(); n];
            read_zstd(bytes, tag == TAG_ZSTD_DELTA, &mut values)?;
            values.chunks_mut(DECODE_CHUNK).for_each(sink);
            Ok(())
        }
        TAG_PCO => decompress(bytes, n, |page| {
            let mut left = n;
            while left > 0 {
                let values = &mut chunk[..left.min(DECODE_CHUNK)];
                page.fill(values)?;
                sink(values);
                left -= values.len();
            }
            Ok(())
        }),
        _ => Err(CodecError::corrupt(format!("unknown stream tag {tag}"))),
    }
}

/// Reads a stream straight into `dst`, which it must fill.
pub(super) fn read_into<T: Element>(
    cursor: &mut Cursor<'_>,
    dst: &mut [T],
) -> Result<(), CodecError> {
    let (tag, bytes) = open(cursor)?;
    match tag {
        TAG_PLAIN => {
            check_plain_length::<T>(bytes, dst.len())?;
            bytemuck::cast_slice_mut::<T, u8>(dst).copy_from_slice(bytes);
            Ok(())
        }
        TAG_PCO => decompress(bytes, dst.len(), |page| page.fill(dst)),
        TAG_ZSTD | TAG_ZSTD_DELTA => read_zstd(bytes, tag == TAG_ZSTD_DELTA, dst),
        _ => Err(CodecError::corrupt(format!("unknown stream tag {tag}"))),
    }
}

/// Values that are kept apart from the `n` of a payload, with their indices, ascending and below `n`: their number
/// as a varint, and unless it is 0 a stream of u32 gaps and one of the values.
pub(super) fn read_apart<T: Element>(
    cursor: &mut Cursor<'_>,
    n: usize,
) -> Result<Vec<(usize, T)>, CodecError> {
    let count = cursor.varint()?;
    if count == 0 {
        return Ok(Vec::new());
    }
    if count > n {
        return Err(CodecError::corrupt(format!(
            "{count} of {n} values kept apart"
        )));
    }
    let (mut gaps, mut values) = (vec![0u32; count], vec![T::zeroed(); count]);
    read_into(cursor, &mut gaps)?;
    read_into(cursor, &mut values)?;
    let mut next = 0;
    gaps.into_iter()
        .zip(values)
        .map(|(gap, value)| {
            let index = next + gap as usize;
            next = index + 1;
            match index < n {
                true => Ok((index, value)),
                false => Err(CodecError::corrupt(format!(
                    "a value kept apart at {index} of {n}"
                ))),
            }
        })
        .collect()
}

fn read_zstd<T: Element>(bytes: &[u8], delta: bool, dst: &mut [T]) -> Result<(), CodecError> {
    let planes = unzstd_exactly(bytes, size_of_val(dst))
        .map_err(|error| CodecError::corrupt(format!("zstd stream: {error}")))?;
    let (n, width) = (dst.len(), size_of::<T>());
    let bytes = bytemuck::cast_slice_mut::<T, u8>(dst);
    for (i, value) in bytes.chunks_mut(width).enumerate() {
        for (plane, byte) in value.iter_mut().enumerate() {
            *byte = planes[plane * n + i];
        }
    }
    if delta {
        sums(dst);
    }
    Ok(())
}

fn open<'a>(cursor: &mut Cursor<'a>) -> Result<(u8, &'a [u8]), CodecError> {
    let tag = cursor.byte()?;
    let length = cursor.varint()?;
    Ok((tag, cursor.take(length)?))
}

fn check_plain_length<T>(bytes: &[u8], n: usize) -> Result<(), CodecError> {
    if bytes.len() == n * size_of::<T>() {
        Ok(())
    } else {
        Err(CodecError::corrupt(format!(
            "{} plain bytes for {n} values",
            bytes.len()
        )))
    }
}

/// One pco page being decoded.
struct Page<'a, 'b, T: Element>(pco::wrapped::PageDecompressor<'a, T, &'b [u8]>);

impl<T: Element> Page<'_, '_, T> {
    fn fill(&mut self, dst: &mut [T]) -> Result<(), CodecError> {
        let progress = self.0.read(dst).map_err(pco_error)?;
        if progress.n_processed == dst.len() {
            Ok(())
        } else {
            Err(CodecError::corrupt("pco page ends early"))
        }
    }
}

fn decompress<T: Element>(
    bytes: &[u8],
    n: usize,
    read: impl FnOnce(&mut Page<'_, '_, T>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    let (file, rest) = FileDecompressor::new(bytes).map_err(pco_error)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(pco_error)?;
    let page = chunk.page_decompressor(rest, n).map_err(pco_error)?;
    read(&mut Page(page))
}

fn pco_error(error: pco::errors::PcoError) -> CodecError {
    CodecError::corrupt(error.to_string())
}
