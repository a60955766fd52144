//! Rounds of `many` by vectors: which a CPU takes, and those by AVX2, eight lanes to a vector.
//!
//! Entries of tables are loaded one by one. One instruction gathers eight, but where CPUs have been
//! mended against Downfall (Intel's up to Ice Lake) it takes longer than all else here together.
//!
//! Source: Giesen, arXiv 1402.3392, section 4: lanes that are low take the next words in order, by a
//! permutation that is looked up by which of them are low.

use std::arch::x86_64::*;

use super::many::{EIGHT, LANES, Lanes, NOTHING};
use super::{vectors512, wide};

const VECTORS: usize = LANES / EIGHT;

/// Rounds that this CPU can decode.
pub(super) struct Rounds {
    one: Decode,
    by_row: Decode,
    by_symbol: Decode,
}

/// Unsafe on CPUs that lack what it is compiled for.
type Decode = unsafe fn(&mut Lanes<'_>, &[u16], &mut [u8]);

impl Rounds {
    /// Those of this CPU, the quickest first.
    pub(super) fn of_this_cpu() -> impl Iterator<Item = Self> {
        let sixteen = wide::has_avx512().then_some(Self {
            one: vectors512::rounds::<ONE>,
            by_row: vectors512::rounds::<BY_ROW>,
            by_symbol: vectors512::rounds::<BY_SYMBOL>,
        });
        let eight = wide::has_avx2().then_some(Self {
            one: rounds::<ONE>,
            by_row: rounds::<BY_ROW>,
            by_symbol: rounds::<BY_SYMBOL>,
        });
        sixteen.into_iter().chain(eight)
    }

    /// Decodes rounds; `rows` are the contexts of their symbols, or none where there is but one.
    pub(super) fn decode(&self, lanes: &mut Lanes<'_>, rows: &[u16], symbols: &mut [u8]) {
        let decode = match (rows.is_empty(), lanes.shift) {
            (true, _) => self.one,
            (false, NOTHING) => self.by_row,
            (false, _) => self.by_symbol,
        };
        #[allow(unsafe_code)]
        // SAFETY: the CPU has the features that these are compiled for, or there would be no `self`.
        unsafe {
            decode(lanes, rows, symbols)
        }
    }
}

/// All symbols have one table.
pub(super) const ONE: u8 = 0;
/// Tables by the contexts of rows.
pub(super) const BY_ROW: u8 = 1;
/// Tables by the contexts of rows and the symbol before.
pub(super) const BY_SYMBOL: u8 = 2;

/// Contexts whose tables are looked up by shuffles.
const FEW: usize = 64;

/// Which tables few contexts take, sixteen to a vector, twice.
struct Few {
    tables: [__m256i; FEW / 16],
    /// Vectors that hold any.
    parts: usize,
}

impl Few {
    #[target_feature(enable = "avx2")]
    fn new(tables: &[u8]) -> Option<Self> {
        let mut all = [0u8; FEW];
        all.get_mut(..tables.len())?.copy_from_slice(tables);
        let (parts, _) = all.as_chunks::<16>();
        let mut few = [_mm256_setzero_si256(); FEW / 16];
        for (to, part) in few.iter_mut().zip(parts) {
            *to = _mm256_broadcastsi128_si256(bytemuck::cast(*part));
        }
        Some(Self {
            tables: few,
            parts: tables.len().div_ceil(16),
        })
    }

    /// The tables of 32 contexts.
    #[target_feature(enable = "avx2")]
    fn get(&self, contexts: &[u16; LANES]) -> [u8; LANES] {
        let [low, high]: [__m256i; 2] = bytemuck::cast(*contexts);
        // Packs halves of both: the middle quarters change places after.
        let packed = _mm256_packus_epi16(low, high);
        let contexts = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
        bytemuck::cast(self.of_bytes(contexts))
    }

    /// The tables of contexts in bytes.
    #[target_feature(enable = "avx2")]
    fn of_bytes(&self, contexts: __m256i) -> __m256i {
        let mut tables = _mm256_setzero_si256();
        for (part, at) in self.tables.iter().zip(0..self.parts) {
            // Those of this part are below 16 now; adding 0x70 leaves all others a top bit, which
            // a shuffle makes zero of.
            let index = _mm256_xor_si256(contexts, _mm256_set1_epi8((at * 16) as i8));
            let index = _mm256_adds_epu8(index, _mm256_set1_epi8(0x70));
            tables = _mm256_or_si256(tables, _mm256_shuffle_epi8(*part, index));
        }
        tables
    }
}

/// Entries that are looked up eight at a time.
#[derive(Clone, Copy)]
struct Table<'t> {
    entries: &'t [u32],
    /// The index of the last one, eight times.
    last: __m256i,
}

impl<'t> Table<'t> {
    /// None for a table that is empty or larger than indices reach.
    #[target_feature(enable = "avx2")]
    fn new(entries: &'t [u32]) -> Option<Self> {
        let last = i32::try_from(entries.len().checked_sub(1)?).ok()?;
        let last = _mm256_set1_epi32(last);
        Some(Self { entries, last })
    }

    /// Indices in reach: beyond the last entry they are taken for the last one's.
    #[target_feature(enable = "avx2")]
    fn within(self, indices: __m256i) -> __m256i {
        _mm256_min_epu32(indices, self.last)
    }

    /// The entries at indices that are [`within`](Self::within) reach. Inlined always, which
    /// functions of CPU features are not.
    #[inline(always)]
    fn get(self, indices: __m256i) -> __m256i {
        let indices: [u32; EIGHT] = bytemuck::cast(indices);
        let [a, b, c, d, e, f, g, h] = indices.map(|index| index as usize);
        let entries = self.entries;
        let found = [
            entries[a], entries[b], entries[c], entries[d], entries[e], entries[f], entries[g],
            entries[h],
        ];
        bytemuck::cast(found)
    }
}

/// Where the words go that lanes take: the n-th lane of those that are low takes the n-th.
static PLACES: [u64; 256] = {
    let mut places = [0u64; 256];
    let mut low = 0;
    while low < places.len() {
        let (mut lane, mut word) = (0, 0);
        while lane < EIGHT {
            if low >> lane & 1 == 1 {
                places[low] |= word << (8 * lane);
                word += 1;
            }
            lane += 1;
        }
        low += 1;
    }
    places
};

#[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
fn rounds<const CONTEXTS: u8>(lanes: &mut Lanes<'_>, rows: &[u16], symbols: &mut [u8]) {
    let (Some(slots), Some(bases)) = (
        Table::new(&lanes.tables.slots),
        Table::new(&lanes.bases.starts),
    ) else {
        return;
    };
    let few = Few::new(&lanes.bases.tables);
    let mut states: [__m256i; VECTORS] = lanes.states.map(bytemuck::cast);
    let mut before: [__m256i; VECTORS] = lanes.before.map(bytemuck::cast);
    let log = _mm_cvtsi32_si128(lanes.tables.log as i32);
    let shift = _mm_cvtsi32_si128(lanes.shift as i32);
    let mask = _mm256_set1_epi32((1 << lanes.tables.log) - 1);
    let only = _mm256_set1_epi32(lanes.bases.starts[0] as i32);
    let mut taken = lanes.taken;
    let (rounds, _) = symbols.as_chunks_mut::<LANES>();
    let (row_rounds, _) = rows.as_chunks::<LANES>();
    'rounds: for (at, round) in rounds.iter_mut().enumerate() {
        let mut numbers = [0; LANES];
        if CONTEXTS == BY_ROW {
            numbers = match &few {
                Some(few) => few.get(&row_rounds[at]),
                None => row_rounds[at].map(|row| lanes.bases.tables[usize::from(row)]),
            };
        }
        for (vector, group) in round.as_chunks_mut::<EIGHT>().0.iter_mut().enumerate() {
            // Where words are wanting, `finish` says so.
            let ahead = lanes.words.get(taken..).unwrap_or_default();
            let Some(ahead) = ahead.first_chunk::<EIGHT>() else {
                break 'rounds;
            };
            let base = match CONTEXTS {
                ONE => only,
                BY_ROW => {
                    let numbers = numbers.as_chunks::<EIGHT>().0[vector];
                    let numbers = _mm_cvtsi64_si128(i64::from_le_bytes(numbers));
                    _mm256_sll_epi32(_mm256_cvtepu8_epi32(numbers), log)
                }
                _ => {
                    let rows = row_rounds[at].as_chunks::<EIGHT>().0[vector];
                    let rows = _mm256_cvtepu16_epi32(bytemuck::cast(rows));
                    let before = _mm256_srl_epi32(before[vector], shift);
                    let contexts = _mm256_add_epi32(rows, before);
                    match &few {
                        Some(few) => {
                            let numbers = few.of_bytes(contexts);
                            let numbers = _mm256_and_si256(numbers, _mm256_set1_epi32(0xff));
                            _mm256_sll_epi32(numbers, log)
                        }
                        None => bases.get(bases.within(contexts)),
                    }
                }
            };
            let state = states[vector];
            let slot = _mm256_add_epi32(base, _mm256_and_si256(state, mask));
            let entry = slots.get(slots.within(slot));
            let symbol = _mm256_and_si256(entry, _mm256_set1_epi32(0xff));
            let frequency =
                _mm256_and_si256(_mm256_srli_epi32::<8>(entry), _mm256_set1_epi32(0xfff));
            let frequency = _mm256_add_epi32(frequency, _mm256_set1_epi32(1));
            let next = _mm256_mullo_epi32(frequency, _mm256_srl_epi32(state, log));
            let next = _mm256_add_epi32(next, _mm256_srli_epi32::<20>(entry));
            let low = _mm256_cmpeq_epi32(_mm256_srli_epi32::<16>(next), _mm256_setzero_si256());
            let which = _mm256_movemask_ps(_mm256_castsi256_ps(low)) as u8;
            let places = _mm_cvtsi64_si128(PLACES[usize::from(which)] as i64);
            let words = _mm256_cvtepu16_epi32(bytemuck::cast(*ahead));
            let words = _mm256_permutevar8x32_epi32(words, _mm256_cvtepu8_epi32(places));
            let refilled = _mm256_or_si256(_mm256_slli_epi32::<16>(next), words);
            states[vector] = _mm256_blendv_epi8(next, refilled, low);
            before[vector] = symbol;
            taken += which.count_ones() as usize;
            *group = bytes(symbol);
        }
    }
    lanes.taken = taken;
    lanes.states = states.map(bytemuck::cast);
    lanes.before = before.map(bytemuck::cast);
}

/// The lowest byte of each number, which has no other.
#[target_feature(enable = "avx2")]
fn bytes(numbers: __m256i) -> [u8; EIGHT] {
    let numbers = _mm256_packus_epi32(numbers, numbers);
    let numbers = _mm256_packus_epi16(numbers, numbers);
    let high = _mm256_extracti128_si256::<1>(numbers);
    let eight = _mm_unpacklo_epi32(_mm256_castsi256_si128(numbers), high);
    _mm_cvtsi128_si64(eight).to_le_bytes()
}
