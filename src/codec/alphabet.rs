//! Integers as byte symbols: what the entropy coder takes.

use super::CodecError;
use super::bits::{BitReader, BitWriter, Number, unzigzag, zigzag};
use super::estimate::log2;
use super::fields::{self, Fields};
use super::payload::{self, Cursor};

/// Symbols at most.
pub(super) const MAX_SYMBOLS: usize = 256;

/// Which integers the symbols stand for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Alphabet {
    /// `count` integers from `low` on.
    Range { low: i32, count: usize },
    /// Few integers far apart, ascending.
    List(Vec<i32>),
    /// All integers: small distances from `center` have a symbol each, larger ones share one
    /// among those that have the same leading bits, and are told apart by bits of their own.
    Tokens { center: i32 },
    /// Integers from `low` on by their leading bits, since format version 6: `2^shift` share a symbol,
    /// and are told apart by `shift` bits of their own.
    Leading { low: i32, count: usize, shift: u32 },
}

/// Bits at most that a symbol of leading bits does not say.
const MAX_SHIFT: u32 = 16;
/// The most of it for which levels are counted.
const MAX_COUNTED_SHIFT: u32 = 8;
/// Values that are the same, times what there would be of them by chance: about the 14th part of a bit of each.
const UNEVEN: f64 = 1.05;
/// What a table says of a symbol, about.
const SYMBOL_BITS: f32 = 5.0;
/// Leading bits may take so many times what tokens would: they decode in half the time.
const LEADING_WORTH: f32 = 1.005;

/// Zigzag distances below this are a token each.
const SINGLE: u32 = 32;
/// Tokens of larger distances, to each power of two: 2^3.
const SPLIT: u32 = 3;
const TOKENS: usize = SINGLE as usize + (27 << SPLIT);

impl Alphabet {
    /// The alphabet that tells the most apart.
    pub(super) fn of(values: &[i32]) -> Self {
        let (low, high) = values.iter().fold((i32::MAX, i32::MIN), |(low, high), x| {
            (low.min(*x), high.max(*x))
        });
        if low > high {
            return Self::Range { low: 0, count: 1 };
        }
        if (high.abs_diff(low) as usize) < MAX_SYMBOLS {
            return Self::Range {
                low,
                count: high.abs_diff(low) as usize + 1,
            };
        }
        if let Some(list) = distinct(values, low, high) {
            return Self::List(list);
        }
        let sample: Vec<i32> = values
            .iter()
            .step_by(1 + values.len() / 4096)
            .copied()
            .collect();
        let mut median = sample.clone();
        let middle = median.len() / 2;
        let (_, center, _) = median.select_nth_unstable(middle);
        let tokens = Self::Tokens { center: *center };
        let shift = (high.abs_diff(low) / MAX_SYMBOLS as u32).ilog2() + 1;
        let leading = Self::Leading {
            low,
            count: (high.abs_diff(low) >> shift) as usize + 1,
            shift,
        };
        let sampled = sample.len() as f32 / values.len() as f32;
        let is_worth = || {
            let [leading, tokens] =
                [&leading, &tokens].map(|alphabet| alphabet.bits(&sample, sampled));
            leading <= LEADING_WORTH * tokens
        };
        match shift <= MAX_SHIFT && is_worth() {
            true => leading,
            false => tokens,
        }
    }

    /// Bits that `values`, the `sampled` part of all, take each for itself, and their part of a table.
    fn bits(&self, values: &[i32], sampled: f32) -> f32 {
        let mut counts = [0usize; MAX_SYMBOLS];
        for symbol in self.encode(values) {
            counts[usize::from(symbol)] += 1;
        }
        let of_all = log2(values.len());
        let bits = counts
            .iter()
            .enumerate()
            .map(|(symbol, count)| match count {
                0 => 0.0,
                count => {
                    let length = of_all - log2(*count) + self.extra_bits(symbol) as f32;
                    *count as f32 * length + sampled * SYMBOL_BITS
                }
            });
        bits.sum()
    }

    pub(super) fn symbols(&self) -> usize {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(list) => list.len(),
            Self::Tokens { .. } => TOKENS,
            Self::Leading { count, .. } => *count,
        }
    }

    /// Each value's symbol; values must be of this alphabet.
    pub(super) fn encode(&self, values: &[i32]) -> Vec<u8> {
        match self {
            Self::Range { low, .. } => values.iter().map(|x| x.wrapping_sub(*low) as u8).collect(),
            Self::List(list) => list_symbols(list, values),
            Self::Tokens { center } => values
                .iter()
                .map(|x| {
                    let distance = zigzag(x.wrapping_sub(*center));
                    match NEAR_TOKENS.get(distance as usize) {
                        Some(token) => *token,
                        None => token(distance).0,
                    }
                })
                .collect(),
            Self::Leading { low, shift, .. } => values
                .iter()
                .map(|x| (x.abs_diff(*low) >> shift) as u8)
                .collect(),
        }
    }

    /// Appends what the symbols do not say of the values.
    pub(super) fn write_extra(&self, values: &[i32], out: &mut Vec<u8>) {
        let center = match self {
            Self::Tokens { center } => center,
            Self::Leading { low, shift, .. } => {
                return fields::write(values.iter().map(|x| x.abs_diff(*low)), *shift, out);
            }
            _ => return,
        };
        let (mut bits, mut count) = (0u64, 0);
        let mut bytes = Vec::with_capacity(values.len());
        for x in values {
            let distance = zigzag(x.wrapping_sub(*center));
            let (_, width) = token(distance);
            bits |= u64::from(distance & ((1 << width) - 1)) << count;
            count += width;
            while count >= 8 {
                bytes.push(bits as u8);
                bits >>= 8;
                count -= 8;
            }
        }
        if count > 0 {
            bytes.push(bits as u8);
        }
        payload::write_varint(bytes.len() as u64, out);
        out.extend_from_slice(&bytes);
    }

    /// Bits that [`write_extra`](Self::write_extra) takes for a value of `symbol`.
    pub(super) fn extra_bits(&self, symbol: usize) -> u32 {
        match self {
            Self::Tokens { .. } => token_width(symbol as u32),
            Self::Leading { shift, .. } => *shift,
            _ => 0,
        }
    }

    /// The bits that the symbols of `n` values do not say, which [`decode`](Self::decode) takes.
    pub(super) fn open_extra<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        n: usize,
    ) -> Result<Extra<'a>, CodecError> {
        let mut extra = Extra {
            bits: Bits {
                bytes: &[],
                taken: 0,
            },
            fields: Fields::NONE,
        };
        match self {
            Self::Tokens { .. } => {
                let length = cursor.varint()?;
                extra.bits.bytes = cursor.take(length)?;
            }
            Self::Leading { shift, .. } => extra.fields = Fields::open(cursor, n, *shift)?,
            _ => {}
        }
        Ok(extra)
    }

    /// Whether the integers of each symbol of leading bits are about as frequent among `values`: by how often two
    /// values are the same (Rényi's entropy), which tells decimals from noise. Too many levels to count are not.
    pub(super) fn is_even(&self, values: &[i32]) -> bool {
        let Self::Leading { low, count, shift } = self else {
            return true;
        };
        if *shift > MAX_COUNTED_SHIFT {
            return false;
        }
        let mut counts = vec![0u32; count << shift];
        for x in values {
            counts[x.abs_diff(*low) as usize] += 1;
        }
        let pairs = |count: u64| count as f64 * (count as f64 - 1.0);
        let (mut same, mut expected) = (0.0, 0.0);
        for level in counts.chunks(1 << shift) {
            same += level
                .iter()
                .map(|count| pairs(u64::from(*count)))
                .sum::<f64>();
            let all = level.iter().map(|count| u64::from(*count)).sum();
            expected += pairs(all) / f64::from(1 << shift);
        }
        same <= UNEVEN * expected
    }

    /// The values of `symbols`, which may come in pieces.
    #[inline(always)]
    pub(super) fn decode(&self, symbols: &[u8], extra: &mut Extra<'_>, values: &mut [i32]) {
        let pairs = values.iter_mut().zip(symbols);
        match self {
            Self::Range { low, .. } => {
                for (x, symbol) in pairs {
                    *x = low.wrapping_add(i32::from(*symbol));
                }
            }
            Self::List(list) => {
                let mut table = [0; MAX_SYMBOLS];
                table[..list.len()].copy_from_slice(list);
                for (x, symbol) in pairs {
                    *x = table[usize::from(*symbol)];
                }
            }
            Self::Tokens { center } => {
                for (x, symbol) in pairs {
                    let (low, width) = DISTANCES[usize::from(*symbol)];
                    *x = unzigzag(low | extra.bits.take(width)).wrapping_add(*center);
                }
            }
            Self::Leading { low, shift, .. } => {
                extra.fields.next(*low, values);
                for (x, symbol) in values.iter_mut().zip(symbols) {
                    *x = x.wrapping_add(i32::from(*symbol) << shift);
                }
            }
        }
    }

    pub(super) fn write(&self, out: &mut BitWriter) {
        let mut number = Number::NEW;
        match self {
            Self::Range { low, count } => {
                out.raw(0, 2);
                out.signed(&mut number, *low);
                out.raw(*count as u32 - 1, 8);
            }
            Self::List(list) => {
                out.raw(1, 2);
                out.raw(list.len() as u32 - 1, 8);
                out.signed(&mut number, list[0]);
                let mut gaps = Number::NEW;
                for pair in list.windows(2) {
                    out.number(&mut gaps, pair[1].wrapping_sub(pair[0]) as u32 - 1);
                }
            }
            Self::Tokens { center } => {
                out.raw(2, 2);
                out.signed(&mut number, *center);
            }
            Self::Leading { low, count, shift } => {
                out.raw(3, 2);
                out.signed(&mut number, *low);
                out.raw(*count as u32 - 1, 8);
                out.raw(*shift - 1, 4);
            }
        }
    }

    pub(super) fn read(input: &mut BitReader<'_>) -> Result<Self, CodecError> {
        let mut number = Number::NEW;
        Ok(match input.raw(2) {
            0 => Self::Range {
                low: input.signed(&mut number),
                count: input.raw(8) as usize + 1,
            },
            1 => {
                let count = input.raw(8);
                let mut value = input.signed(&mut number);
                let mut list = vec![value];
                let mut gaps = Number::NEW;
                for _ in 0..count {
                    value = value
                        .wrapping_add(input.number(&mut gaps) as i32)
                        .wrapping_add(1);
                    list.push(value);
                }
                Self::List(list)
            }
            2 => Self::Tokens {
                center: input.signed(&mut number),
            },
            _ => Self::Leading {
                low: input.signed(&mut number),
                count: input.raw(8) as usize + 1,
                shift: input.raw(4) + 1,
            },
        })
    }
}

/// The distinct values, ascending, if they are few enough to list.
fn distinct(values: &[i32], low: i32, high: i32) -> Option<Vec<i32>> {
    /// Values nearer to one another than this are marked, one by one.
    const MARKED: usize = 1 << 16;
    let width = high.abs_diff(low) as usize + 1;
    if width <= MARKED {
        let mut marked = vec![false; width];
        for x in values {
            marked[x.wrapping_sub(low) as usize] = true;
        }
        let list: Vec<i32> = (0..width)
            .filter(|at| marked[*at])
            .map(|at| low.wrapping_add(at as i32))
            .collect();
        return (list.len() <= MAX_SYMBOLS).then_some(list);
    }
    let mut list: Vec<i32> = Vec::with_capacity(MAX_SYMBOLS);
    for x in values {
        if let Err(at) = list.binary_search(x) {
            if list.len() == MAX_SYMBOLS {
                return None;
            }
            list.insert(at, *x);
        }
    }
    Some(list)
}

/// The symbol of each value by a list: by a table where the list spans little.
fn list_symbols(list: &[i32], values: &[i32]) -> Vec<u8> {
    const SPAN: usize = 1 << 14;
    let (Some(first), Some(last)) = (list.first(), list.last()) else {
        return Vec::new();
    };
    let span = last.abs_diff(*first) as usize;
    if span >= SPAN {
        let symbol = |x: &i32| list.partition_point(|y| y < x) as u8;
        return values.iter().map(symbol).collect();
    }
    let mut table = vec![0u8; span + 1];
    for (x, symbol) in list.iter().zip(0u8..=255) {
        table[x.wrapping_sub(*first) as usize] = symbol;
    }
    let symbol = |x: &i32| table[x.wrapping_sub(*first) as usize];
    values.iter().map(symbol).collect()
}

/// The tokens of small distances.
static NEAR_TOKENS: [u8; 4096] = {
    let mut tokens = [0; 4096];
    let mut distance = 0;
    while distance < tokens.len() {
        tokens[distance] = token(distance as u32).0;
        distance += 1;
    }
    tokens
};

/// The token of a distance, and how many of its bits the token does not say.
const fn token(distance: u32) -> (u8, u32) {
    if distance < SINGLE {
        return (distance as u8, 0);
    }
    let exponent = distance.ilog2();
    let width = exponent - SPLIT;
    let lead = distance >> width & ((1 << SPLIT) - 1);
    let token = SINGLE + ((exponent - SINGLE.ilog2()) << SPLIT | lead);
    // At most 31 - 5 powers of two follow the single distances: 32 + 27 * 8 - 1 is below 256.
    (token as u8, width)
}

const fn token_width(token: u32) -> u32 {
    if token < SINGLE {
        0
    } else {
        ((token - SINGLE) >> SPLIT) + SINGLE.ilog2() - SPLIT
    }
}

/// The smallest distance of a token.
const fn token_low(token: u32) -> u32 {
    if token < SINGLE {
        return token;
    }
    let lead = (token - SINGLE) & ((1 << SPLIT) - 1) | 1 << SPLIT;
    lead << token_width(token)
}

/// The smallest distance of each token, and how many bits follow it.
static DISTANCES: [(u32, u32); MAX_SYMBOLS] = {
    let mut distances = [(0, 0); MAX_SYMBOLS];
    let mut token = 0;
    while token < TOKENS {
        distances[token] = (token_low(token as u32), token_width(token as u32));
        token += 1;
    }
    distances
};

/// What symbols do not say.
pub(super) struct Extra<'a> {
    /// Of tokens.
    bits: Bits<'a>,
    /// Of leading bits.
    fields: Fields<'a>,
}

impl Extra<'_> {
    pub(super) fn finish(self) -> Result<(), CodecError> {
        self.bits.finish()
    }
}

/// Reads bits, least significant first; zeros beyond the end.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits read.
    taken: usize,
}

impl Bits<'_> {
    /// At most 28 bits.
    #[inline(always)]
    fn take(&mut self, width: u32) -> u32 {
        let word = word(self.bytes.get(self.taken / 8..).unwrap_or_default());
        let value = word >> (self.taken % 8) & ((1 << width) - 1);
        self.taken += width as usize;
        value as u32
    }

    fn finish(self) -> Result<(), CodecError> {
        if self.taken.div_ceil(8) == self.bytes.len() {
            Ok(())
        } else {
            Err(CodecError::corrupt("extra bits have another length"))
        }
    }
}

/// The first eight bytes, as far as there are such.
#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => last_word(bytes),
    }
}

/// Of fewer than eight bytes.
#[cold]
fn last_word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}
