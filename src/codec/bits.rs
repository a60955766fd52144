//! An adaptive binary range coder for the descriptions of models: a few hundred numbers a payload,
//! each worth fractions of a byte. Slow beside the values' own coder, and without any header.
//!
//! The coder is LZMA's (Pavlov, the LZMA specification, 2015): 32-bit range, 11-bit probabilities,
//! carry kept in a cached byte.

use super::CodecError;
use super::payload::Cursor;

const RATE: u32 = 4;
const LEAST_RANGE: u32 = 1 << 24;
const TRIMMED: u32 = 4;

/// How probabilities learn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Learning {
    /// By a 16th of what they are off, always; 11 bits.
    Steady,
    /// By half of what they are off at first, then by a third and so on to a 20th: they soon know
    /// the little that there is to know. 15 bits.
    Quick,
}

impl Learning {
    #[inline(always)]
    fn probability_bits(self) -> u32 {
        match self {
            Self::Steady => 11,
            Self::Quick => 15,
        }
    }
}

/// What a probability of [`Learning::Quick`] moves by, in 2^-16 of what it is off, by the bits that
/// it has seen.
const RATES: [u32; 19] = {
    let mut rates = [0; 19];
    let mut seen = 0;
    while seen < rates.len() {
        rates[seen] = (1 << 16) / (seen as u32 + 2);
        seen += 1;
    }
    rates
};

/// The probability that a bit is zero.
#[derive(Clone, Copy)]
pub(super) struct Bit {
    /// Above one half.
    bias: i16,
    seen: u8,
}

impl Bit {
    pub(super) const EVEN: Bit = Bit { bias: 0, seen: 0 };

    #[inline(always)]
    fn zero(self, learning: Learning) -> u32 {
        ((1 << (learning.probability_bits() - 1)) + i32::from(self.bias)) as u32
    }

    #[inline(always)]
    fn update(&mut self, bit: bool, learning: Learning) {
        let zero = self.zero(learning);
        let one = (1 << learning.probability_bits()) - zero;
        let off = one ^ ((one ^ zero) & u32::from(bit).wrapping_neg());
        let change = match learning {
            Learning::Steady => off >> RATE,
            Learning::Quick => {
                let rate = RATES[usize::from(self.seen)];
                self.seen = (self.seen + 1).min(RATES.len() as u8 - 1);
                (off * rate) >> 16
            }
        };
        // Less than what it is off: neither bit becomes impossible.
        let sign = -i16::from(bit);
        self.bias += (change as i16 ^ sign) - sign;
    }
}

/// Adapts to numbers of one kind: how many bits they have, and their leading bits.
pub(super) struct Number {
    length: [Bit; 33],
    /// The two bits below the leading one, by length.
    lead: [[Bit; 4]; 33],
}

impl Number {
    pub(super) const NEW: Number = Number {
        length: [Bit::EVEN; 33],
        lead: [[Bit::EVEN; 4]; 33],
    };
}

/// Writes bits and numbers.
pub(super) struct BitWriter {
    low: u64,
    range: u32,
    cache: u8,
    /// Bytes held back, for a carry may still run through them.
    pending: u64,
    out: Vec<u8>,
    learning: Learning,
}

impl BitWriter {
    pub(super) fn new(learning: Learning) -> Self {
        Self {
            learning,
            low: 0,
            range: u32::MAX,
            cache: 0,
            pending: 1,
            out: Vec::new(),
        }
    }

    pub(super) fn bit(&mut self, model: &mut Bit, bit: bool) {
        let split = (self.range >> self.learning.probability_bits()) * model.zero(self.learning);
        if bit {
            self.low += u64::from(split);
            self.range -= split;
        } else {
            self.range = split;
        }
        model.update(bit, self.learning);
        self.normalize();
    }

    /// The lowest `count` bits of `value`, at a bit each.
    pub(super) fn raw(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            self.range >>= 1;
            if value >> shift & 1 == 1 {
                self.low += u64::from(self.range);
            }
            self.normalize();
        }
    }

    /// A number: its length in unary, then its bits, of which two adapt.
    pub(super) fn number(&mut self, model: &mut Number, value: u32) {
        let length = 32 - value.leading_zeros();
        for step in 0..length {
            self.bit(&mut model.length[step as usize], true);
        }
        if length < 32 {
            self.bit(&mut model.length[length as usize], false);
        }
        let mut node = 0;
        let adaptive = length.saturating_sub(1).min(2);
        for step in 0..adaptive {
            let bit = value >> (length - 2 - step) & 1;
            self.bit(&mut model.lead[length as usize][node], bit == 1);
            node = 1 + bit as usize;
        }
        self.raw(value, length.saturating_sub(1) - adaptive);
    }

    pub(super) fn signed(&mut self, model: &mut Number, value: i32) {
        self.number(model, zigzag(value));
    }

    fn normalize(&mut self) {
        while self.range < LEAST_RANGE {
            self.range <<= 8;
            self.shift();
        }
    }

    fn shift(&mut self) {
        if self.low < 0xff00_0000 || self.low > u64::from(u32::MAX) {
            let carry = (self.low >> 32) as u8;
            self.out.push(self.cache.wrapping_add(carry));
            for _ in 1..self.pending {
                self.out.push(0xffu8.wrapping_add(carry));
            }
            self.cache = (self.low >> 24) as u8;
            self.pending = 0;
        }
        self.pending += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    /// The bytes; up to [`TRIMMED`] zeros at their end are left away, which a reader makes up for.
    pub(super) fn finish(mut self) -> Vec<u8> {
        for _ in 0..5 {
            self.shift();
        }
        // The first byte is the cache as it was at the start: zero, and left away too.
        self.out.remove(0);
        for _ in 0..TRIMMED {
            if self.out.last() == Some(&0) {
                self.out.pop();
            }
        }
        self.out
    }
}

/// Reads what a [`BitWriter`] wrote.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    code: u32,
    range: u32,
    /// Bytes read beyond the end.
    beyond: u32,
    learning: Learning,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8], learning: Learning) -> Self {
        let mut reader = Self {
            learning,
            bytes,
            code: 0,
            range: u32::MAX,
            beyond: 0,
        };
        for _ in 0..4 {
            reader.code = reader.code << 8 | reader.next();
        }
        reader
    }

    /// A description that a varint of its length goes before.
    pub(super) fn open(cursor: &mut Cursor<'a>, learning: Learning) -> Result<Self, CodecError> {
        let length = cursor.varint()?;
        Ok(Self::new(cursor.take(length)?, learning))
    }

    fn next(&mut self) -> u32 {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                u32::from(*byte)
            }
            None => {
                self.beyond += 1;
                0
            }
        }
    }

    pub(super) fn bit(&mut self, model: &mut Bit) -> bool {
        self.bit_by(model, self.learning)
    }

    #[inline(always)]
    fn bit_by(&mut self, model: &mut Bit, learning: Learning) -> bool {
        let split = (self.range >> learning.probability_bits()) * model.zero(learning);
        let bit = self.code >= split;
        // Without a branch, which nobody could foresee.
        let ones = u32::from(bit).wrapping_neg();
        self.code -= split & ones;
        self.range = split ^ ((split ^ (self.range - split)) & ones);
        model.update(bit, learning);
        self.normalize();
        bit
    }

    pub(super) fn raw(&mut self, count: u32) -> u32 {
        let mut value = 0;
        for _ in 0..count {
            self.range >>= 1;
            let bit = self.code >= self.range;
            if bit {
                self.code -= self.range;
            }
            value = value << 1 | u32::from(bit);
            self.normalize();
        }
        value
    }

    pub(super) fn number(&mut self, model: &mut Number) -> u32 {
        match self.learning {
            Learning::Steady => self.number_by(model, Learning::Steady),
            Learning::Quick => self.number_by(model, Learning::Quick),
        }
    }

    /// Compiled for each learning, which is known then.
    #[inline(always)]
    fn number_by(&mut self, model: &mut Number, learning: Learning) -> u32 {
        let mut length = 0;
        while length < 32 && self.bit_by(&mut model.length[length as usize], learning) {
            length += 1;
        }
        if length == 0 {
            return 0;
        }
        let mut value = 1u32;
        let mut node = 0;
        let adaptive = (length - 1).min(2);
        for _ in 0..adaptive {
            let bit = self.bit_by(&mut model.lead[length as usize][node], learning);
            node = 1 + usize::from(bit);
            value = value << 1 | u32::from(bit);
        }
        let rest = length - 1 - adaptive;
        // At most 31 bits follow the leading one.
        value << rest | self.raw(rest)
    }

    pub(super) fn signed(&mut self, model: &mut Number) -> i32 {
        unzigzag(self.number(model))
    }

    fn normalize(&mut self) {
        while self.range < LEAST_RANGE {
            self.range <<= 8;
            self.code = self.code << 8 | self.next();
        }
    }

    /// An error unless exactly what was written has been read.
    pub(super) fn finish(self) -> Result<(), CodecError> {
        if self.beyond <= TRIMMED && self.bytes.is_empty() {
            Ok(())
        } else {
            Err(CodecError::corrupt("model description has another length"))
        }
    }
}

pub(super) fn zigzag(value: i32) -> u32 {
    (value << 1 ^ value >> 31) as u32
}

#[inline(always)]
pub(super) fn unzigzag(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            steps in prop::collection::vec((0u8..4, any::<u32>(), 0u32..=32), 0..400),
            quick: bool,
        ) {
            let learning = if quick { Learning::Quick } else { Learning::Steady };
            let mut writer = BitWriter::new(learning);
            let (mut bit, mut number) = (Bit::EVEN, Number::NEW);
            for (kind, value, shift) in &steps {
                let value = value.checked_shr(*shift).unwrap_or(0);
                match kind {
                    0 => writer.bit(&mut bit, value & 1 == 1),
                    1 => writer.raw(value & 0xffff, 16),
                    2 => writer.number(&mut number, value),
                    _ => writer.signed(&mut number, value as i32),
                }
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes, learning);
            let (mut bit, mut number) = (Bit::EVEN, Number::NEW);
            for (kind, value, shift) in &steps {
                let value = value.checked_shr(*shift).unwrap_or(0);
                match kind {
                    0 => prop_assert_eq!(reader.bit(&mut bit), value & 1 == 1),
                    1 => prop_assert_eq!(reader.raw(16), value & 0xffff),
                    2 => prop_assert_eq!(reader.number(&mut number), value),
                    _ => prop_assert_eq!(reader.signed(&mut number), value as i32),
                }
            }
            prop_assert!(reader.finish().is_ok());
        }
    }
}
