//! Range asymmetric numeral systems over byte symbols, each coded by one of several tables.
//!
//! Source: Duda, arXiv 1311.2540; interleaving as in Giesen, arXiv 1402.3392. The states are
//! 32 bits and renormalized by 16. Lane `l` of `L` codes every L-th symbol from the l-th on; or, so
//! that a symbol's table may depend on the symbol before it while the lanes stay independent, the
//! `l`-th of L runs of symbols.

use super::CodecError;
use super::context::MAX_CONTEXTS;
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

/// Which table each context takes: where its slots start.
pub(super) struct Bases([u32; MAX_CONTEXTS]);

impl Bases {
    /// `tables` has the number of each context's table.
    pub(super) fn new(tables: &[u8], log: u32) -> Self {
        let mut bases = [0; MAX_CONTEXTS];
        for (base, table) in bases.iter_mut().zip(tables) {
            *base = u32::from(*table) << log;
        }
        Self(bases)
    }
}

/// What a symbol's context is made of.
#[derive(Clone, Copy)]
pub(super) struct Contexts<'a> {
    /// A part for each symbol; empty where there is none.
    pub(super) rows: &'a [u16],
    /// The symbol before counts: shifted right by the first, beside the part times the second. A
    /// lane starts with the symbol 0.
    pub(super) previous: Option<(u32, usize)>,
}

/// Decodes `symbols`, each by the table of its context.
pub(super) fn decode(
    cursor: &mut Cursor<'_>,
    tables: &DecodeTables,
    bases: &Bases,
    symbols: &mut [u8],
    contexts: Contexts<'_>,
) -> Result<(), CodecError> {
    match lanes(symbols.len()) {
        1 => decode_lanes::<1>(cursor, tables, bases, symbols, contexts),
        4 => decode_lanes::<4>(cursor, tables, bases, symbols, contexts),
        _ => decode_lanes::<MAX_LANES>(cursor, tables, bases, symbols, contexts),
    }
}

fn decode_lanes<const LANES: usize>(
    cursor: &mut Cursor<'_>,
    tables: &DecodeTables,
    bases: &Bases,
    symbols: &mut [u8],
    Contexts { rows, previous }: Contexts<'_>,
) -> Result<(), CodecError> {
    let mut decoder = Decoder::<'_, '_, LANES>::open(cursor, tables)?;
    let Some((shift, by_previous)) = previous else {
        match rows {
            [] => decoder.interleaved(symbols, |_| bases.0[0]),
            rows => {
                let rows = &rows[..symbols.len()];
                decoder.interleaved(symbols, |i| bases.0[usize::from(rows[i]) % MAX_CONTEXTS]);
            }
        }
        return decoder.finish();
    };
    match rows {
        [] => decoder.in_runs(symbols, |_, before| {
            bases.0[usize::from(before >> shift) % MAX_CONTEXTS]
        }),
        rows => decoder.in_runs(symbols, |i, before| {
            let context = usize::from(rows[i]) * by_previous + usize::from(before >> shift);
            bases.0[context % MAX_CONTEXTS]
        }),
    }
    decoder.finish()
}

struct Decoder<'w, 't, const LANES: usize> {
    states: [u32; LANES],
    words: &'w [[u8; 2]],
    slots: &'t [u32],
    log: u32,
}

impl<'w, 't, const LANES: usize> Decoder<'w, 't, LANES> {
    fn open(cursor: &mut Cursor<'w>, tables: &'t DecodeTables) -> Result<Self, CodecError> {
        let mut states = [0u32; LANES];
        for state in &mut states {
            let bytes = cursor.take(4)?;
            *state = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let length = cursor.varint()?;
        let (words, _) = cursor.take(length.saturating_mul(2))?.as_chunks::<2>();
        Ok(Self {
            states,
            words,
            slots: &tables.slots,
            log: tables.log,
        })
    }

    /// One symbol of a lane, by the table at `base`; and whether it took `word`.
    #[inline(always)]
    fn step(&self, state: &mut u32, base: u32, word: [u8; 2]) -> (u8, usize) {
        let slot = base + (*state & ((1 << self.log) - 1));
        // Tables are checked to be whole: zero is never taken.
        let entry = self.slots.get(slot as usize).copied().unwrap_or(0);
        let frequency = ((entry >> 8) & 0xfff) + 1;
        let next = frequency
            .wrapping_mul(*state >> self.log)
            .wrapping_add(entry >> 20);
        let low = next < LEAST_STATE;
        let refilled = next << 16 | u32::from(u16::from_le_bytes(word));
        *state = if low { refilled } else { next };
        (entry as u8, usize::from(low))
    }

    /// Words that all lanes find, if there are so many.
    #[inline(always)]
    fn ahead(&self) -> Option<[[u8; 2]; LANES]> {
        self.words.first_chunk::<LANES>().copied()
    }

    fn next_word(&self) -> [u8; 2] {
        self.words.first().copied().unwrap_or_default()
    }

    fn skip(&mut self, words: usize) {
        self.words = self.words.get(words..).unwrap_or_default();
    }

    /// Symbols of which each lane has every LANES-th; `base(index)` is a symbol's table.
    #[inline(always)]
    fn interleaved(&mut self, symbols: &mut [u8], base: impl Fn(usize) -> u32) {
        let mut done = 0;
        let mut states = self.states;
        let (rounds, _) = symbols.as_chunks_mut::<LANES>();
        for (t, round) in rounds.iter_mut().enumerate() {
            let Some(ahead) = self.ahead() else { break };
            let mut taken = 0;
            for lane in 0..LANES {
                let word = ahead[taken % LANES];
                let (symbol, low) = self.step(&mut states[lane], base(t * LANES + lane), word);
                round[lane] = symbol;
                taken += low;
            }
            self.skip(taken);
            done = (t + 1) * LANES;
        }
        for (i, to) in symbols.iter_mut().enumerate().skip(done) {
            let word = self.next_word();
            let (symbol, low) = self.step(&mut states[i % LANES], base(i), word);
            *to = symbol;
            self.skip(low);
        }
        self.states = states;
    }

    /// Symbols of which each lane has a run; `base(index, symbol before)` is a symbol's table.
    #[inline(always)]
    fn in_runs(&mut self, symbols: &mut [u8], base: impl Fn(usize, u8) -> u32) {
        let (n, run) = (symbols.len(), run(symbols.len()));
        let mut states = self.states;
        let mut previous = [0u8; LANES];
        // The last run may be shorter than the others.
        let full = n.saturating_sub(run * (LANES - 1));
        let mut t = 0;
        while t < full {
            let Some(ahead) = self.ahead() else { break };
            let mut taken = 0;
            for lane in 0..LANES {
                let (index, word) = (lane * run + t, ahead[taken % LANES]);
                let table = base(index, previous[lane]);
                let (symbol, low) = self.step(&mut states[lane], table, word);
                previous[lane] = symbol;
                symbols[index] = symbol;
                taken += low;
            }
            self.skip(taken);
            t += 1;
        }
        for t in t..run.min(n) {
            let lanes = if t < full { LANES } else { LANES - 1 };
            for lane in 0..lanes {
                let (index, word) = (lane * run + t, self.next_word());
                let table = base(index, previous[lane]);
                let (symbol, low) = self.step(&mut states[lane], table, word);
                previous[lane] = symbol;
                symbols[index] = symbol;
                self.skip(low);
            }
        }
        self.states = states;
    }

    fn finish(self) -> Result<(), CodecError> {
        if self.words.is_empty() && self.states == [LEAST_STATE; LANES] {
            Ok(())
        } else {
            Err(CodecError::corrupt("coded symbols end wrongly"))
        }
    }
}

/// Appends `symbols`, each coded by the table that `chosen` names; in runs where contexts look at
/// the symbol before.
pub(super) fn encode(
    symbols: &[u8],
    chosen: &[u8],
    tables: &[Frequencies],
    log: u32,
    in_runs: bool,
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
    let mut states = vec![LEAST_STATE; lanes];
    let mut words = Vec::with_capacity(n / 4);
    let mut code = |index: usize, lane: usize| {
        let (table, symbol) = (chosen[index] as usize, symbols[index] as usize);
        let frequency = u32::from(tables[table][symbol]);
        let mut state = states[lane];
        // A frequency of all slots leaves the state as it is.
        if u64::from(state) >= u64::from(frequency) << (32 - log) {
            words.push(state as u16);
            state >>= 16;
        }
        states[lane] = ((state / frequency) << log) + state % frequency + starts[table][symbol];
    };
    if in_runs {
        let run = run(n);
        let full = n.saturating_sub(run * (lanes - 1));
        for t in (0..run.min(n)).rev() {
            let lanes = if t < full { lanes } else { lanes - 1 };
            (0..lanes).rev().for_each(|lane| code(lane * run + t, lane));
        }
    } else {
        (0..n).rev().for_each(|i| code(i, i % lanes));
    }
    for state in states {
        out.extend_from_slice(&state.to_le_bytes());
    }
    super::payload::write_varint(words.len() as u64, out);
    for word in words.iter().rev() {
        out.extend_from_slice(&word.to_le_bytes());
    }
}
