//! The payload's frame: header, body, checksum. `docs/format.md` is its specification.
//!
//! ```text
//! version   u8       1; 2 without n and checksum, for a file that has both of its own
//! kind|type u8       PayloadKind << 4 | ElementType
//! n         varint   values
//! body               by kind; see `encode`
//! checksum  u32 LE   CRC-32C of all bytes before it
//! ```

use super::{CodecError, ElementType, Grid};

/// The version of a payload with a checksum.
pub(super) const VERSION: u8 = 1;
/// The version of one without.
const UNSEALED: u8 = 2;

/// The most values that one payload may hold: what bounds the memory of a reader.
pub const MAX_BLOCK_VALUES: usize = 1 << 20;

const CHECKSUM_LEN: usize = 4;

/// How the values of a payload are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PayloadKind {
    /// Lossless, bit for bit.
    Exact = 0,
    /// Multiples of a step as 32-bit integers, and outliers.
    Quantized32 = 1,
    /// Multiples of a step as 64-bit integers, and outliers.
    Quantized64 = 2,
    /// Points of a grid as 32-bit integers, and outliers; integers may refer to other columns.
    Grid32 = 4,
    /// Integers, which may refer to other columns.
    Integers = 5,
    /// Binary logarithms as multiples of a step, with signs, as 32-bit integers, and outliers;
    /// integers may refer to other columns.
    LogQuantized32 = 8,
    /// Binary logarithms as multiples of a step, with signs, as 64-bit integers, and outliers.
    LogQuantized64 = 9,
}

impl PayloadKind {
    /// The kind of this number, as payloads and block indexes hold it.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Exact,
            1 => Self::Quantized32,
            2 => Self::Quantized64,
            4 => Self::Grid32,
            5 => Self::Integers,
            8 => Self::LogQuantized32,
            9 => Self::LogQuantized64,
            _ => return None,
        })
    }
}

/// What a payload says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHeader {
    pub kind: PayloadKind,
    pub element: ElementType,
    /// Number of values.
    pub n: usize,
}

impl PayloadHeader {
    /// Verifies the checksum and reads the header.
    ///
    /// # Errors
    /// [`CodecError::Corrupt`] and [`CodecError::UnknownVersion`].
    pub fn read(payload: &[u8]) -> Result<Self, CodecError> {
        Ok(open(payload, None)?.0)
    }
}

/// Starts a payload; the body follows, then [`seal`].
pub(super) fn start(header: PayloadHeader) -> Vec<u8> {
    let mut out = vec![VERSION, (header.kind as u8) << 4 | header.element as u8];
    write_varint(header.n as u64, &mut out);
    out
}

/// Bytes of a payload of `n` values beside its body.
pub(super) fn frame_len(n: usize) -> usize {
    let mut length = Vec::new();
    write_varint(n as u64, &mut length);
    2 + length.len() + CHECKSUM_LEN
}

/// Ends a payload with its checksum.
pub(super) fn seal(mut payload: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// A sealed `payload` without its length and checksum, for a file that has both of its own.
///
/// # Errors
/// [`CodecError::Corrupt`] where the payload is not as it was sealed.
pub fn unsealed(payload: &[u8]) -> Result<Vec<u8>, CodecError> {
    let (_, body) = open(payload, None)?;
    let tag = payload.get(1).copied().unwrap_or_default();
    Ok([&[UNSEALED, tag], body.0].concat())
}

/// The grid of a payload that has one.
///
/// # Errors
/// As [`PayloadHeader::read`].
pub fn grid_of(payload: &[u8]) -> Result<Option<Grid>, CodecError> {
    let (header, mut body) = open(payload, None)?;
    if header.kind != PayloadKind::Grid32 {
        return Ok(None);
    }
    let step = body.take(4)?;
    let step = u32::from_le_bytes([step[0], step[1], step[2], step[3]]);
    Ok(Grid::from_parts(step, body.byte()?))
}

/// Verifies the checksum, if there is one; returns the header and a cursor at the body. `n` is the
/// number of values, where a file tells it.
pub(super) fn open(
    payload: &[u8],
    n: Option<usize>,
) -> Result<(PayloadHeader, Cursor<'_>), CodecError> {
    let (content, n) = match (payload.first(), n) {
        (Some(&UNSEALED), Some(n)) => (payload, Some(n)),
        _ => (verified(payload)?, None),
    };
    let mut cursor = Cursor(content);
    let version = cursor.byte()?;
    if version != VERSION && n.is_none() {
        return Err(CodecError::UnknownVersion(version));
    }
    let tag = cursor.byte()?;
    let kind = PayloadKind::from_number(tag >> 4)
        .ok_or_else(|| CodecError::corrupt(format!("unknown kind {}", tag >> 4)))?;
    let element = ElementType::ALL
        .into_iter()
        .find(|element| *element as u8 == tag & 15)
        .ok_or_else(|| CodecError::corrupt(format!("unknown element type {}", tag & 15)))?;
    let n = match n {
        Some(n) => n,
        None => cursor.varint()?,
    };
    if n > MAX_BLOCK_VALUES {
        return Err(CodecError::corrupt(format!("{n} values in one block")));
    }
    Ok((PayloadHeader { kind, element, n }, cursor))
}

/// What the checksum at the end of `payload` covers, if it matches.
fn verified(payload: &[u8]) -> Result<&[u8], CodecError> {
    let (content, checksum) = payload
        .split_last_chunk::<CHECKSUM_LEN>()
        .ok_or_else(|| CodecError::corrupt(format!("{} bytes are too few", payload.len())))?;
    if crc32c::crc32c(content) == u32::from_le_bytes(*checksum) {
        Ok(content)
    } else {
        Err(CodecError::corrupt("checksum does not match"))
    }
}

/// Appends a LEB128 variable-length integer.
pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a payload front to back; running out of bytes is an error, never a panic.
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| CodecError::corrupt("payload ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<usize, CodecError> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(value).map_err(|_| CodecError::corrupt("length overflows"));
            }
        }
        Err(CodecError::corrupt("variable-length integer does not end"))
    }

    pub(super) fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(CodecError::corrupt(format!(
                "{} bytes after the last stream",
                self.0.len()
            )))
        }
    }
}
