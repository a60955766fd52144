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
pub(super) fn lanes(n: usize) -> usize {
    match n {
        0..8192 => 1,
        8192..32_768 => 4,
        _ => MAX_LANES,
    }
}

/// Symbols of each lane but the last, where lanes have runs of the `n` symbols.
pub(super) fn run(n: usize, lanes: usize) -> usize {
    n.div_ceil(lanes).max(1)
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
    #[inline(always)]
    pub(super) fn of(&self, context: usize) -> u32 {
        self.0[context % MAX_CONTEXTS]
    }

    /// `tables` has the number of each context's table.
    pub(super) fn new(tables: &[u8], log: u32) -> Self {
        let mut bases = [0; MAX_CONTEXTS];
        for (base, table) in bases.iter_mut().zip(tables) {
            *base = u32::from(*table) << log;
        }
        Self(bases)
    }
}

/// Coded symbols: the lanes' states, and the words that they take in.
pub(super) struct Coded<'a> {
    states: [u32; MAX_LANES],
    words: &'a [[u8; 2]],
}

impl<'a> Coded<'a> {
    pub(super) fn open(cursor: &mut Cursor<'a>, lanes: usize) -> Result<Self, CodecError> {
        let mut states = [LEAST_STATE; MAX_LANES];
        for state in states.iter_mut().take(lanes) {
            let bytes = cursor.take(4)?;
            *state = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let length = cursor.varint()?;
        let (words, _) = cursor.take(length.saturating_mul(2))?.as_chunks::<2>();
        Ok(Self { states, words })
    }
}

/// Decodes symbols in `LANES` lanes.
pub(super) struct Decoder<'w, 't, const LANES: usize> {
    states: [u32; LANES],
    words: &'w [[u8; 2]],
    slots: &'t [u32],
    log: u32,
}

impl<'w, 't, const LANES: usize> Decoder<'w, 't, LANES> {
    #[inline(always)]
    pub(super) fn new(coded: &Coded<'w>, tables: &'t DecodeTables) -> Self {
        let mut states = [LEAST_STATE; LANES];
        states.copy_from_slice(&coded.states[..LANES]);
        Self {
            states,
            words: coded.words,
            slots: &tables.slots,
            log: tables.log,
        }
    }

    /// One symbol of a lane, by the table at `base`; and whether it took `word`.
    #[inline(always)]
    fn step(slots: &[u32], log: u32, state: &mut u32, base: u32, word: [u8; 2]) -> (u8, usize) {
        let slot = base + (*state & ((1 << log) - 1));
        // Tables are checked to be whole: zero is never taken.
        let entry = slots.get(slot as usize).copied().unwrap_or(0);
        let frequency = ((entry >> 8) & 0xfff) + 1;
        let next = frequency
            .wrapping_mul(*state >> log)
            .wrapping_add(entry >> 20);
        let low = next < LEAST_STATE;
        let refilled = next << 16 | u32::from(u16::from_le_bytes(word));
        *state = if low { refilled } else { next };
        (entry as u8, usize::from(low))
    }

    #[inline(always)]
    fn next_word(&self) -> [u8; 2] {
        self.words.first().copied().unwrap_or_default()
    }

    #[inline(always)]
    fn skip(&mut self, words: usize) {
        self.words = self.words.get(words..).unwrap_or_default();
    }

    /// Symbols of which each lane has every LANES-th; `base(index)` is a symbol's table. They may
    /// come in pieces, of which all but the last are multiples of LANES.
    #[inline(always)]
    pub(super) fn interleaved(&mut self, symbols: &mut [u8], base: impl Fn(usize) -> u32) {
        let mut done = 0;
        let (slots, log, mut states, mut words) = (self.slots, self.log, self.states, self.words);
        let (rounds, _) = symbols.as_chunks_mut::<LANES>();
        for round in rounds {
            let Some(ahead) = words.first_chunk::<LANES>() else {
                break;
            };
            let mut taken = 0;
            for lane in 0..LANES {
                let (word, base) = (ahead[taken % LANES], base(done + lane));
                let (symbol, low) = Self::step(slots, log, &mut states[lane], base, word);
                round[lane] = symbol;
                taken += low;
            }
            words = words.get(taken..).unwrap_or_default();
            done += LANES;
        }
        (self.states, self.words) = (states, words);
        for (i, to) in symbols.iter_mut().enumerate().skip(done) {
            let (word, state) = (self.next_word(), &mut self.states[i % LANES]);
            let (symbol, low) = Self::step(slots, log, state, base(i), word);
            *to = symbol;
            self.skip(low);
        }
    }

    /// Symbols of which each lane has a run of `run`; `base(index, symbol before)` is a symbol's
    /// table.
    #[inline(always)]
    pub(super) fn in_runs(
        &mut self,
        symbols: &mut [u8],
        run: usize,
        base: impl Fn(usize, u8) -> u32,
    ) {
        let n = symbols.len();
        let (slots, log, mut states, mut words) = (self.slots, self.log, self.states, self.words);
        let mut previous = [0u8; LANES];
        // The last run may be shorter than the others.
        let full = n.saturating_sub(run * (LANES - 1));
        let mut t = 0;
        while t < full {
            let Some(ahead) = words.first_chunk::<LANES>() else {
                break;
            };
            let mut taken = 0;
            for lane in 0..LANES {
                let (index, word) = (lane * run + t, ahead[taken % LANES]);
                let table = base(index, previous[lane]);
                let (symbol, low) = Self::step(slots, log, &mut states[lane], table, word);
                previous[lane] = symbol;
                symbols[index] = symbol;
                taken += low;
            }
            words = words.get(taken..).unwrap_or_default();
            t += 1;
        }
        (self.states, self.words) = (states, words);
        for t in t..run.min(n) {
            let lanes = if t < full { LANES } else { LANES - 1 };
            for lane in 0..lanes {
                let (index, word) = (lane * run + t, self.next_word());
                let (table, state) = (base(index, previous[lane]), &mut self.states[lane]);
                let (symbol, low) = Self::step(slots, log, state, table, word);
                previous[lane] = symbol;
                symbols[index] = symbol;
                self.skip(low);
            }
        }
    }

    pub(super) fn finish(self) -> Result<(), CodecError> {
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
        let run = run(n, lanes);
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
