//! Range asymmetric numeral systems over byte symbols, each coded by one of several tables.
//!
//! Source: Duda, arXiv 1311.2540; interleaving as in Giesen, arXiv 1402.3392. The states are
//! 32 bits and renormalized by 16. Lane `l` of `L` codes every L-th symbol from the l-th on; or, so
//! that a symbol's table may depend on the symbol before it while the lanes stay independent, the
//! `l`-th of L runs of symbols.

use super::CodecError;
use super::alphabet::MAX_SYMBOLS;
use super::payload::Cursor;
use super::wide;

/// States below this take in 16 bits.
pub(super) const LEAST_STATE: u32 = 1 << 16;

/// Bits of a table's slots, at most.
pub(super) const MAX_LOG: u32 = 12;

pub(super) const MAX_LANES: usize = 8;

/// Bytes that each lane costs, about: a state of four less what it tells of symbols.
pub(super) const LANE_BYTES: usize = 3;

/// Lanes for `n` symbols unless told otherwise: more decode faster.
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
    pub(super) slots: Vec<u32>,
    pub(super) log: u32,
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

    /// One symbol of a lane, by the table at `base`; and whether it took `word`.
    #[inline(always)]
    pub(super) fn step(&self, state: &mut u32, base: u32, word: [u8; 2]) -> (u8, bool) {
        step(&self.slots, self.log, state, base, word)
    }
}

#[inline(always)]
fn step(slots: &[u32], log: u32, state: &mut u32, base: u32, word: [u8; 2]) -> (u8, bool) {
    // Within the slots: tables are whole, and bases are of tables that are there.
    let entry = slots[(base + (*state & ((1 << log) - 1))) as usize];
    let frequency = ((entry >> 8) & 0xfff) + 1;
    let next = frequency
        .wrapping_mul(*state >> log)
        .wrapping_add(entry >> 20);
    let low = next < LEAST_STATE;
    let refilled = next << 16 | u32::from(u16::from_le_bytes(word));
    *state = if low { refilled } else { next };
    (entry as u8, low)
}

/// Which table each context takes, and where its slots start.
pub(super) struct Bases {
    pub(super) tables: Vec<u8>,
    pub(super) starts: Vec<u32>,
}

impl Bases {
    /// `tables` has the number of each context's table.
    pub(super) fn new(tables: Vec<u8>, log: u32) -> Self {
        let starts = tables.iter().map(|table| u32::from(*table) << log);
        Self {
            starts: starts.collect(),
            tables,
        }
    }

    /// Of a context that has a table.
    #[inline(always)]
    pub(super) fn of(&self, context: usize) -> u32 {
        self.starts[context]
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

    #[inline(always)]
    fn next_word(&self) -> [u8; 2] {
        self.words.first().copied().unwrap_or_default()
    }

    #[inline(always)]
    fn skip(&mut self, words: usize) {
        self.words = self.words.get(words..).unwrap_or_default();
    }

    /// Symbols of which each lane has every LANES-th; `base(row)` is a symbol's table. They may
    /// come in pieces, of which all but the last are multiples of LANES.
    #[inline(always)]
    pub(super) fn interleaved<R: Copy>(
        &mut self,
        symbols: &mut [u8],
        rows: &[R],
        base: impl Fn(R) -> u32,
    ) {
        let mut done = 0;
        let (slots, log, mut states, mut words) = (self.slots, self.log, self.states, self.words);
        let (rounds, _) = symbols.as_chunks_mut::<LANES>();
        let (round_rows, _) = rows.as_chunks::<LANES>();
        for (round, rows) in rounds.iter_mut().zip(round_rows) {
            let Some(ahead) = words.first_chunk::<LANES>() else {
                break;
            };
            let mut taken = 0;
            for lane in 0..LANES {
                let (word, base) = (ahead[taken % LANES], base(rows[lane]));
                let (symbol, low) = step(slots, log, &mut states[lane], base, word);
                round[lane] = symbol;
                taken += usize::from(low);
            }
            words = words.get(taken..).unwrap_or_default();
            done += LANES;
        }
        (self.states, self.words) = (states, words);
        let rest = symbols.iter_mut().zip(rows).enumerate().skip(done);
        for (i, (to, row)) in rest {
            let (word, state) = (self.next_word(), &mut self.states[i % LANES]);
            let (symbol, low) = step(slots, log, state, base(*row), word);
            *to = symbol;
            self.skip(low.into());
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
                let (symbol, low) = step(slots, log, &mut states[lane], table, word);
                previous[lane] = symbol;
                symbols[index] = symbol;
                taken += usize::from(low);
            }
            words = words.get(taken..).unwrap_or_default();
            t += 1;
        }
        (self.states, self.words) = (states, words);
        for t in t..run.min(n) {
            let lanes = if t < full { LANES } else { LANES - 1 };
            for (lane, previous) in previous.iter_mut().enumerate().take(lanes) {
                let (index, word) = (lane * run + t, self.next_word());
                let (table, state) = (base(index, *previous), &mut self.states[lane]);
                let (symbol, low) = step(slots, log, state, table, word);
                *previous = symbol;
                symbols[index] = symbol;
                self.skip(low.into());
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

/// How a symbol of a table is coded.
#[derive(Clone, Copy, Default)]
pub(super) struct Step {
    /// 2^(32 + log) / frequency, rounded up: a state below frequency * 2^(32 - log) times this has
    /// the quotient in its bits from 32 + log on, exactly, and is below 2^64.
    reciprocal: u64,
    frequency: u32,
    start: u32,
}

/// Of all tables, of `MAX_SYMBOLS` symbols each.
pub(super) fn steps(tables: &[Frequencies], log: u32) -> Vec<Step> {
    let mut steps = vec![Step::default(); tables.len() * MAX_SYMBOLS];
    for (steps, table) in steps.chunks_mut(MAX_SYMBOLS).zip(tables) {
        let mut start = 0;
        for (step, frequency) in steps.iter_mut().zip(table).filter(|(_, f)| **f > 0) {
            let frequency = u32::from(*frequency);
            *step = Step {
                reciprocal: (1u64 << (32 + log)).div_ceil(u64::from(frequency)),
                frequency,
                start,
            };
            start += frequency;
        }
    }
    steps
}

/// Symbols to words, which are filled from the end.
pub(super) struct Encoder<'a> {
    symbols: &'a [u8],
    /// Each symbol's table.
    chosen: &'a [u8],
    steps: &'a [Step],
    log: u32,
    pub(super) words: &'a mut [u16],
    /// Words that are free still.
    pub(super) free: usize,
}

impl<'a> Encoder<'a> {
    /// `words` are one more than symbols, so that there is always one to write to.
    pub(super) fn new(
        symbols: &'a [u8],
        chosen: &'a [u8],
        steps: &'a [Step],
        log: u32,
        words: &'a mut [u16],
    ) -> Self {
        let free = words.len();
        Self {
            symbols,
            chosen,
            steps,
            log,
            words,
            free,
        }
    }

    #[inline(always)]
    pub(super) fn code(&mut self, index: usize, state: &mut u32) {
        self.put(self.chosen[index], self.symbols[index], state);
    }

    #[inline(always)]
    pub(super) fn put(&mut self, table: u8, symbol: u8, state: &mut u32) {
        let step = self.steps[usize::from(table) * MAX_SYMBOLS + usize::from(symbol)];
        // A frequency of all slots leaves the state as it is.
        let high = u64::from(*state) >= u64::from(step.frequency) << (32 - self.log);
        // There is a word for each symbol.
        self.words[self.free - 1] = *state as u16;
        self.free -= usize::from(high);
        let low = if high { *state >> 16 } else { *state };
        let quotient = (u64::from(low).wrapping_mul(step.reciprocal) >> (32 + self.log)) as u32;
        let rest = low.wrapping_sub(quotient.wrapping_mul(step.frequency));
        *state = (quotient << self.log).wrapping_add(rest + step.start);
    }

    #[inline(always)]
    fn interleaved(&mut self, states: &mut [u32]) {
        let lanes = states.len();
        let mut i = self.symbols.len();
        while !i.is_multiple_of(lanes) {
            i -= 1;
            self.code(i, &mut states[i % lanes]);
        }
        while i > 0 {
            for state in states.iter_mut().rev() {
                i -= 1;
                self.code(i, state);
            }
        }
    }

    #[inline(always)]
    fn in_runs(&mut self, states: &mut [u32]) {
        let (n, lanes) = (self.symbols.len(), states.len());
        let run = run(n, lanes);
        let full = n.saturating_sub(run * (lanes - 1));
        for t in (0..run.min(n)).rev() {
            let lanes = if t < full { lanes } else { lanes - 1 };
            for lane in (0..lanes).rev() {
                self.code(lane * run + t, &mut states[lane]);
            }
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
    lanes: usize,
    out: &mut Vec<u8>,
) {
    let n = symbols.len();
    let mut states = [LEAST_STATE; MAX_LANES];
    let states = &mut states[..lanes];
    let mut words = vec![0u16; n + 1];
    let steps = steps(tables, log);
    let mut encoder = Encoder::new(symbols, chosen, &steps, log, &mut words);
    wide::run(
        #[inline(always)]
        || match in_runs {
            true => encoder.in_runs(states),
            false => encoder.interleaved(states),
        },
    );
    let words = &encoder.words[encoder.free..];
    for state in states {
        out.extend_from_slice(&state.to_le_bytes());
    }
    super::payload::write_varint(words.len() as u64, out);
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}
