//! Range asymmetric numeral systems over byte symbols, each coded by one of several tables.
//!
//! Source: Duda, arXiv 1311.2540; interleaving as in Giesen, arXiv 1402.3392. The states are
//! 32 bits and renormalized by 16; lane `l` of `L` codes the `l`-th run of the symbols, so that a
//! symbol's table may depend on the symbol before it while the lanes stay independent.

use super::CodecError;
use super::payload::Cursor;

/// States below this take in 16 bits.
const LEAST_STATE: u32 = 1 << 16;

/// Bits of a table's slots, at most.
pub(super) const MAX_LOG: u32 = 12;

pub(super) const MAX_LANES: usize = 8;

/// Lanes for `n` symbols: more decode faster, each costs 4 bytes.
fn lanes(n: usize) -> usize {
    match n {
        0..8192 => 1,
        8192..32_768 => 4,
        _ => MAX_LANES,
    }
}

/// Symbols of each lane but the last.
pub(super) fn run(n: usize) -> usize {
    n.div_ceil(lanes(n)).max(1)
}

/// The frequencies of the symbols of one table; they add up to 2^log.
pub(super) type Frequencies = Vec<u16>;

/// Decoding tables, one after another: for each slot its symbol (8 bits), the symbol's frequency
/// less 1 (12) and the slot's distance from the symbol's first (12).
pub(super) struct DecodeTables {
    slots: Vec<u32>,
    log: u32,
}

impl DecodeTables {
    pub(super) fn new(tables: &[Frequencies], log: u32) -> Result<Self, CodecError> {
        let mut slots = Vec::with_capacity(tables.len() << log);
        for (number, table) in tables.iter().enumerate() {
            for (symbol, &frequency) in table.iter().enumerate() {
                if frequency > 0 {
                    let entry = symbol as u32 | (u32::from(frequency) - 1) << 8;
                    slots.extend((0..u32::from(frequency)).map(|at| entry | at << 20));
                }
            }
            if slots.len() != (number + 1) << log {
                return Err(CodecError::corrupt("frequencies do not add up"));
            }
        }
        Ok(Self { slots, log })
    }
}

/// Decodes `symbols`; `table(index, previous symbol of the lane)` is the table of a symbol.
/// A lane starts with the previous symbol 0.
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    tables: &DecodeTables,
    symbols: &mut [u8],
    table: impl Fn(usize, u8) -> usize,
) -> Result<(), CodecError> {
    match lanes(symbols.len()) {
        1 => decode_lanes::<1>(cursor, tables, symbols, table),
        4 => decode_lanes::<4>(cursor, tables, symbols, table),
        _ => decode_lanes::<MAX_LANES>(cursor, tables, symbols, table),
    }
}

fn decode_lanes<const LANES: usize>(
    cursor: &mut Cursor<'_>,
    tables: &DecodeTables,
    symbols: &mut [u8],
    table: impl Fn(usize, u8) -> usize,
) -> Result<(), CodecError> {
    let mut states = [0u32; LANES];
    for state in &mut states {
        let bytes = cursor.take(4)?;
        *state = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let length = cursor.varint()?;
    let words = cursor.take(length.saturating_mul(2))?;
    let (words, _) = words.as_chunks::<2>();
    let mut next = 0;
    let mut previous = [0u8; LANES];
    let n = symbols.len();
    let run = run(n);
    let mask = (1 << tables.log) - 1;
    let log = tables.log;
    let slots = &tables.slots[..];
    let mut step = |t: usize, lane: usize, words: &[[u8; 2]], symbols: &mut [u8]| {
        let index = lane * run + t;
        let state = states[lane];
        let slot = table(index, previous[lane]) << log | (state as usize & mask);
        // Tables are checked to be whole, and `table` names one of them: zero is never taken.
        let entry = slots.get(slot).copied().unwrap_or(0);
        let state = ((entry >> 8 & 0xfff) + 1)
            .wrapping_mul(state >> log)
            .wrapping_add(entry >> 20);
        let low = state < LEAST_STATE;
        let word = u32::from(u16::from_le_bytes(
            words.get(next).copied().unwrap_or_default(),
        ));
        states[lane] = if low { state << 16 | word } else { state };
        next += usize::from(low);
        previous[lane] = entry as u8;
        symbols[index] = entry as u8;
    };
    // The last run may be shorter than the others.
    let full = n.saturating_sub(run * (LANES - 1));
    for t in 0..full {
        for lane in 0..LANES {
            step(t, lane, words, symbols);
        }
    }
    for t in full..run.min(n) {
        for lane in 0..LANES - 1 {
            step(t, lane, words, symbols);
        }
    }
    if next == words.len() && states == [LEAST_STATE; LANES] {
        Ok(())
    } else {
        Err(CodecError::corrupt("coded symbols end wrongly"))
    }
}

/// Appends `symbols`, each coded by the table that `chosen` names.
pub(super) fn encode(
    symbols: &[u8],
    chosen: &[u8],
    tables: &[Frequencies],
    log: u32,
    out: &mut Vec<u8>,
) {
    let starts: Vec<Vec<u32>> = tables
        .iter()
        .map(|table| {
            let mut sum = 0;
            table
                .iter()
                .map(|frequency| {
                    sum += u32::from(*frequency);
                    sum - u32::from(*frequency)
                })
                .collect()
        })
        .collect();
    let n = symbols.len();
    let lanes = lanes(n);
    let run = run(n);
    let mut states = vec![LEAST_STATE; lanes];
    let mut words = Vec::with_capacity(n / 4);
    let last_full = n.saturating_sub(run * (lanes - 1));
    for t in (0..run).rev() {
        let lanes = if t < last_full { lanes } else { lanes - 1 };
        for lane in (0..lanes).rev() {
            let index = lane * run + t;
            let (table, symbol) = (chosen[index] as usize, symbols[index] as usize);
            let frequency = u32::from(tables[table][symbol]);
            let mut state = states[lane];
            // A frequency of all slots leaves the state as it is.
            if u64::from(state) >= u64::from(frequency) << (32 - log) {
                words.push(state as u16);
                state >>= 16;
            }
            states[lane] = ((state / frequency) << log) + state % frequency + starts[table][symbol];
        }
    }
    for state in states {
        out.extend_from_slice(&state.to_le_bytes());
    }
    super::payload::write_varint(words.len() as u64, out);
    for word in words.iter().rev() {
        out.extend_from_slice(&word.to_le_bytes());
    }
}
