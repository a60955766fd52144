//! Range ANS in 32 lanes, four vectors of eight: what `rans` does in fewer lanes, for blocks of some
//! thousand symbols and more, since format version 4.
//!
//! So many lanes cost no more bytes than eight of `rans` do, by two means. The states are written
//! without their leading zeros. And where those of `rans` all end at 2^16, a state ends here with
//! 16 bits below its leading one that are a word of another, single lane: that of the last symbols,
//! the *tail*.
//!
//! ```text
//! K        varint: the rounds of the tail
//! widths   16 bytes: for each lane the bits of its state beyond 17, low half first
//! states   for each lane the bits below its leading one, least significant first
//! words    number: varint; u16 each
//! ```

use super::CodecError;
use super::payload::{self, Cursor};
use super::rans::{Bases, DecodeTables, Encoder, Frequencies, LEAST_STATE, steps};
#[cfg(target_arch = "x86_64")]
use super::vectors::Rounds;
use super::{tiles, wide};

pub(super) const LANES: usize = 32;
/// Lanes that one vector holds.
pub(super) const EIGHT: usize = 8;
/// Rounds of the lanes to each that the tail may take: a single lane is slow.
const TAIL_SHARE: usize = 64;
/// Words that the lanes of a vector look ahead to, at most.
const AHEAD: usize = 16;
/// Shifts all bits of a symbol away.
pub(super) const NOTHING: u32 = 8;

/// What the lanes cost beyond the one of `rans` where symbols take so many bytes, in bytes, about:
/// the widths, a state and the words that a tail leaves empty.
pub(super) fn cost(bytes: f32) -> f32 {
    let words = (2 * (LANES - 2)) as f32;
    20.0 + (words - bytes / TAIL_SHARE as f32).max(0.0)
}

/// Where symbols stand: in `rounds` of one symbol for each lane, and what is left after them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    n: usize,
    rounds: usize,
    in_runs: bool,
}

impl Places {
    /// Of `n` symbols; in runs, where a symbol's table depends on the symbol before.
    pub(super) fn new(n: usize, in_runs: bool) -> Self {
        Self {
            n,
            rounds: n / LANES,
            in_runs,
        }
    }

    /// Of the lanes' symbols.
    #[inline(always)]
    fn index(&self, round: usize, lane: usize) -> usize {
        match self.in_runs {
            true => lane * self.rounds + round,
            false => round * LANES + lane,
        }
    }

    /// Symbols of each lane's run.
    pub(super) fn run(&self) -> usize {
        self.rounds
    }

    /// The symbol before that decides the table of the `index`-th: none at the start of a run.
    pub(super) fn before(&self, index: usize) -> Option<usize> {
        let starts = index < LANES * self.rounds && index.is_multiple_of(self.rounds);
        index.checked_sub(1).filter(|_| !starts)
    }

    /// Of the tail, in the order of decoding: `tail` rounds, then what is left.
    fn tail(self, tail: usize) -> impl DoubleEndedIterator<Item = usize> {
        let rounds = self.rounds - tail..self.rounds;
        let of_lanes = rounds.flat_map(move |t| (0..LANES).map(move |lane| self.index(t, lane)));
        of_lanes.chain(LANES * self.rounds..self.n)
    }
}

/// The longest tail whose words the lanes can end with: its rounds, and the words.
fn write_tail(encoder: &mut Encoder<'_>, places: Places) -> (usize, [u16; LANES]) {
    let end = encoder.free;
    let most = places.rounds.div_ceil(TAIL_SHARE);
    let mut state = LEAST_STATE;
    let mut best = (0, tail_words(state, &[]));
    let mut coded = 0;
    let left = places.n - LANES * places.rounds;
    for index in places.tail(most).rev() {
        encoder.code(index, &mut state);
        coded += 1;
        let words = &encoder.words[encoder.free..end];
        // Less than a round always fits: 31 symbols of at most 12 bits.
        if words.len() > LANES - 2 {
            break;
        }
        if coded >= left && (coded - left).is_multiple_of(LANES) {
            best = ((coded - left) / LANES, tail_words(state, words));
        }
    }
    encoder.free = end;
    best
}

fn tail_words(state: u32, words: &[u16]) -> [u16; LANES] {
    let mut all = [0; LANES];
    (all[0], all[1]) = (state as u16, (state >> 16) as u16);
    all[2..2 + words.len()].copy_from_slice(words);
    all
}

/// Appends `symbols`, each coded by the table that `chosen` names.
pub(super) fn encode(
    symbols: &[u8],
    chosen: &[u8],
    tables: &[Frequencies],
    log: u32,
    in_runs: bool,
    out: &mut Vec<u8>,
) {
    let places = Places::new(symbols.len(), in_runs);
    let mut words = vec![0u16; symbols.len() + 1];
    let steps = steps(tables, log);
    let mut encoder = Encoder::new(symbols, chosen, &steps, log, &mut words);
    let (tail, last) = write_tail(&mut encoder, places);
    let mut states = last.map(|word| LEAST_STATE | u32::from(word));
    wide::run(
        #[inline(always)]
        || {
            let rounds = places.rounds - tail;
            if in_runs {
                for round in (0..rounds).rev() {
                    for lane in (0..LANES).rev() {
                        encoder.code(places.index(round, lane), &mut states[lane]);
                    }
                }
                return;
            }
            let (symbols, _) = symbols.as_chunks::<LANES>();
            let (chosen, _) = chosen.as_chunks::<LANES>();
            for (symbols, chosen) in symbols.iter().zip(chosen).take(rounds).rev() {
                for lane in (0..LANES).rev() {
                    encoder.put(chosen[lane], symbols[lane], &mut states[lane]);
                }
            }
        },
    );
    payload::write_varint(tail as u64, out);
    write_states(&states, out);
    let words = &encoder.words[encoder.free..];
    payload::write_varint(words.len() as u64, out);
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn write_states(states: &[u32; LANES], out: &mut Vec<u8>) {
    let beyond = states.map(|state| state.ilog2() - LEAST_STATE.ilog2());
    let (pairs, _) = beyond.as_chunks::<2>();
    out.extend(pairs.iter().map(|[low, high]| (low | high << 4) as u8));
    let (mut bits, mut count) = (0u64, 0);
    for (state, beyond) in states.iter().zip(beyond) {
        let width = LEAST_STATE.ilog2() + beyond;
        bits |= u64::from(state & ((1 << width) - 1)) << count;
        count += width;
        while count >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        out.push(bits as u8);
    }
}

fn read_states(cursor: &mut Cursor<'_>) -> Result<[u32; LANES], CodecError> {
    let mut widths = [LEAST_STATE.ilog2(); LANES];
    let (pairs, _) = widths.as_chunks_mut::<2>();
    for ([low, high], byte) in pairs.iter_mut().zip(cursor.take(LANES / 2)?) {
        *low += u32::from(byte & 15);
        *high += u32::from(byte >> 4);
    }
    let bytes = widths.iter().sum::<u32>().div_ceil(8);
    let mut bytes = cursor.take(bytes as usize)?.iter();
    let (mut bits, mut count) = (0u64, 0);
    Ok(widths.map(|width| {
        while count < width {
            bits |= u64::from(bytes.next().copied().unwrap_or(0)) << count;
            count += 8;
        }
        let state = 1 << width | bits as u32 & ((1 << width) - 1);
        bits >>= width;
        count -= width;
        state
    }))
}

/// Decodes symbols: first the rounds of the lanes, then the tail.
pub(super) struct Decoder<'t> {
    lanes: Lanes<'t>,
    places: Places,
    /// Rounds of the tail.
    tail: usize,
}

/// What rounds change, and what they look up.
pub(super) struct Lanes<'t> {
    pub(super) states: [[u32; EIGHT]; LANES / EIGHT],
    /// The symbols of the round before.
    pub(super) before: [[u32; EIGHT]; LANES / EIGHT],
    /// With [`AHEAD`] more at the end.
    pub(super) words: Vec<[u8; 2]>,
    /// Words taken.
    pub(super) taken: usize,
    pub(super) tables: &'t DecodeTables,
    pub(super) bases: &'t Bases,
    /// A symbol's context is that of its row and the symbol before, shifted right by this.
    pub(super) shift: u32,
}

impl<'t> Decoder<'t> {
    /// Of `n` symbols; `shift` is that of the symbol before, if tables depend on it.
    pub(super) fn open(
        cursor: &mut Cursor<'_>,
        tables: &'t DecodeTables,
        bases: &'t Bases,
        n: usize,
        shift: Option<u32>,
    ) -> Result<Self, CodecError> {
        let places = Places::new(n, shift.is_some());
        let tail = cursor.varint()?;
        if tail > places.rounds {
            return Err(CodecError::corrupt("more rounds than there are"));
        }
        let mut states = [[0; EIGHT]; LANES / EIGHT];
        states
            .as_flattened_mut()
            .copy_from_slice(&read_states(cursor)?);
        let length = cursor.varint()?;
        let (coded, _) = cursor.take(length.saturating_mul(2))?.as_chunks::<2>();
        let mut words = Vec::with_capacity(coded.len() + AHEAD);
        words.extend_from_slice(coded);
        words.resize(coded.len() + AHEAD, [0; 2]);
        let lanes = Lanes {
            states,
            before: [[0; EIGHT]; LANES / EIGHT],
            words,
            taken: 0,
            tables,
            bases,
            shift: shift.unwrap_or(NOTHING),
        };
        Ok(Self {
            lanes,
            places,
            tail,
        })
    }

    /// Symbols of the lanes' rounds.
    pub(super) fn in_rounds(&self) -> usize {
        LANES * (self.places.rounds - self.tail)
    }

    /// Decodes the next rounds, of one after another; `rows` has the context of each symbol's row,
    /// or is empty where there is but one.
    pub(super) fn interleaved(&mut self, rows: &[u16], symbols: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(vectors) = Rounds::of_this_cpu().next() {
            return vectors.decode(&mut self.lanes, rows, symbols);
        }
        self.lanes.decode(rows, symbols);
    }

    /// Decodes the rounds of all runs; `rows` may be empty where all rows have the same context.
    pub(super) fn in_runs(&mut self, rows: &[u16], symbols: &mut [u8]) {
        /// Tiles that are decoded at a time.
        const TILES: usize = 4;
        let mut round_rows = [[[0u16; LANES]; tiles::ROUNDS]; TILES];
        let mut round_symbols = [[[0u8; LANES]; tiles::ROUNDS]; TILES];
        let (rounds, run) = (self.in_rounds() / LANES, self.places.rounds);
        let whole = rounds / tiles::ROUNDS;
        for first in (0..whole).step_by(TILES) {
            let count = TILES.min(whole - first);
            let starts = (first * tiles::ROUNDS..).step_by(tiles::ROUNDS);
            let (tile_rows, tile_symbols) = (&mut round_rows[..count], &mut round_symbols[..count]);
            if !rows.is_empty() {
                for (tile, start) in tile_rows.iter_mut().zip(starts.clone()) {
                    tiles::to_rounds(rows, run, start, tile);
                }
            }
            self.interleaved(
                tile_rows.as_flattened().as_flattened(),
                tile_symbols.as_flattened_mut().as_flattened_mut(),
            );
            for (tile, start) in tile_symbols.iter().zip(starts) {
                tiles::to_runs(tile, run, start, symbols);
            }
        }
        for round in whole * tiles::ROUNDS..rounds {
            let of_lane = |lane: usize| rows.get(lane * run + round).copied().unwrap_or(0);
            let round_rows: [u16; LANES] = std::array::from_fn(of_lane);
            let mut of_lanes = [0; LANES];
            self.interleaved(&round_rows, &mut of_lanes);
            for (lane, symbol) in of_lanes.into_iter().enumerate() {
                symbols[lane * run + round] = symbol;
            }
        }
    }

    /// Decodes the tail, and checks that all ends where it should. `rows`, if they differ, and
    /// `symbols` are those from the `first` on, of which the tail has some.
    pub(super) fn finish(
        self,
        first: usize,
        rows: &[u16],
        symbols: &mut [u8],
    ) -> Result<(), CodecError> {
        let lanes = &self.lanes;
        let states = lanes.states.as_flattened();
        let mut words = states.iter().map(|state| (*state as u16).to_le_bytes());
        let mut next = || words.next().unwrap_or_default();
        let ([a, b], [c, d]) = (next(), next());
        let mut state = u32::from_le_bytes([a, b, c, d]);
        let mut word = next();
        for index in self.places.tail(self.tail) {
            // One before the first is of no account: only runs look at it, which come whole.
            let before = self
                .places
                .before(index)
                .and_then(|at| at.checked_sub(first));
            let before = before.map_or(0, |at| u32::from(symbols[at]) >> lanes.shift);
            let row = rows.get(index - first).copied().unwrap_or(0);
            let base = lanes.bases.of(usize::from(row) + before as usize);
            let (symbol, low) = lanes.tables.step(&mut state, base, word);
            symbols[index - first] = symbol;
            if low {
                word = next();
            }
        }
        let ended = state == LEAST_STATE && word == [0; 2] && words.all(|word| word == [0; 2]);
        let lanes_ended =
            states.iter().all(|state| state >> 16 == 1) && lanes.taken + AHEAD == lanes.words.len();
        if ended && lanes_ended {
            Ok(())
        } else {
            Err(CodecError::corrupt("coded symbols end wrongly"))
        }
    }
}

impl Lanes<'_> {
    fn decode(&mut self, rows: &[u16], symbols: &mut [u8]) {
        wide::run(
            #[inline(always)]
            || match rows.is_empty() {
                true => self.rounds::<false>(rows, symbols),
                false => self.rounds::<true>(rows, symbols),
            },
        );
    }

    #[inline(always)]
    fn rounds<const CONTEXTS: bool>(&mut self, rows: &[u16], symbols: &mut [u8]) {
        let (groups, _) = symbols.as_chunks_mut::<EIGHT>();
        for (at, group) in groups.iter_mut().enumerate() {
            // Where words are wanting, `finish` says so.
            let ahead = self.words.get(self.taken..).unwrap_or_default();
            let Some(ahead) = ahead.first_chunk::<EIGHT>() else {
                return;
            };
            let (mut states, mut before) = (self.states[at % 4], self.before[at % 4]);
            let mut taken = 0;
            for lane in 0..EIGHT {
                let context = match CONTEXTS {
                    true => usize::from(rows[at * EIGHT + lane]),
                    false => 0,
                };
                let context = context + (before[lane] >> self.shift) as usize;
                let base = self.bases.of(context);
                let word = ahead[taken % EIGHT];
                let (symbol, low) = self.tables.step(&mut states[lane], base, word);
                group[lane] = symbol;
                before[lane] = symbol.into();
                taken += usize::from(low);
            }
            (self.states[at % 4], self.before[at % 4]) = (states, before);
            self.taken += taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tables of skewed frequencies: `tables` of them, of 2^log slots.
    fn tables(tables: usize, symbols: usize, log: u32) -> Vec<Frequencies> {
        (0..tables)
            .map(|table| {
                let mut frequencies = vec![1u16; symbols];
                let rest = (1 << log) - symbols as u16;
                frequencies[table % symbols] += rest / 2;
                frequencies[(table * 7 + 1) % symbols] += rest - rest / 2;
                frequencies
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// What vectors decode is what lanes one by one do, of sound words and of any others.
        #[test]
        fn vectors_are_as_lanes_one_by_one(
            seed: u32,
            contexts in prop::sample::select(vec![1usize, 2, 16, 17, 64, 65, 200]),
            shift in prop::sample::select(vec![NOTHING, 0, 2]),
            log in 9u32..=12,
            words in 0usize..3000,
            rounds in 0usize..40,
        ) {
            let symbols = 20;
            let by_previous = if shift == NOTHING { 1 } else { ((symbols - 1) >> shift) + 1 };
            let of_context: Vec<u8> =
                (0..contexts * by_previous).map(|i| (i * 5 % 11) as u8).collect();
            let tables = DecodeTables::new(&tables(11, symbols, log), log).unwrap();
            let bases = Bases::new(of_context, log);
            let mut random = seed;
            let mut next = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random >> 8
            };
            let states = std::array::from_fn(|_| {
                std::array::from_fn(|_| LEAST_STATE + (next() & 0xffff))
            });
            let words: Vec<[u8; 2]> = (0..words + AHEAD).map(|_| (next() as u16).to_le_bytes()).collect();
            let rows: Vec<u16> = match contexts {
                1 if shift == NOTHING => Vec::new(),
                _ => (0..rounds * LANES)
                    .map(|_| (next() as usize % contexts * by_previous) as u16)
                    .collect(),
            };
            let lanes = || Lanes {
                states,
                before: [[0; EIGHT]; LANES / EIGHT],
                words: words.clone(),
                taken: 0,
                tables: &tables,
                bases: &bases,
                shift,
            };
            let decoded = |decode: &dyn Fn(&mut Lanes<'_>, &mut [u8])| {
                let (mut lanes, mut symbols) = (lanes(), vec![0; rounds * LANES]);
                decode(&mut lanes, &mut symbols);
                (symbols, lanes.states, lanes.taken)
            };
            let alone = decoded(&|lanes, symbols| lanes.decode(&rows, symbols));
            #[cfg(target_arch = "x86_64")]
            for vectors in Rounds::of_this_cpu() {
                let other = decoded(&|lanes, symbols| vectors.decode(lanes, &rows, symbols));
                let wanting = alone.2 + AHEAD > words.len();
                prop_assert_eq!(wanting, other.2 + AHEAD > words.len());
                if !wanting {
                    prop_assert_eq!(&alone, &other);
                }
            }
        }

        #[test]
        fn states_come_back(states in prop::array::uniform32(LEAST_STATE..)) {
            let mut out = Vec::new();
            write_states(&states, &mut out);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(read_states(&mut cursor).unwrap(), states);
            prop_assert!(cursor.finish().is_ok());
        }
    }
}
