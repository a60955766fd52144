//! Rounds of `many` by AVX-512: sixteen lanes to a vector. Half the work of `vectors`, and entries of
//! tables are gathered, which is quick wherever it is let.
//!
//! Source: Giesen, arXiv 1402.3392, section 4; the next words are spread to the lanes that are low by
//! one instruction.

use std::arch::x86_64::*;

use super::many::{EIGHT, LANES, Lanes};
use super::vectors::{BY_SYMBOL, ONE};

/// Lanes of a vector.
const SIXTEEN: usize = 16;
const VECTORS: usize = LANES / SIXTEEN;

/// Contexts whose tables are looked up by one permutation.
const FEW: usize = 64;
/// The lowest byte of each number of a vector.
const LOWEST: __mmask64 = 0x1111_1111_1111_1111;

/// Entries that are looked up sixteen at a time.
#[derive(Clone, Copy)]
struct Table<'t> {
    entries: &'t [u32],
    /// The index of the last one, sixteen times.
    last: __m512i,
}

impl<'t> Table<'t> {
    /// None for a table that is empty or larger than indices reach.
    #[target_feature(enable = "avx512f")]
    fn new(entries: &'t [u32]) -> Option<Self> {
        let last = i32::try_from(entries.len().checked_sub(1)?).ok()?;
        let last = _mm512_set1_epi32(last);
        Some(Self { entries, last })
    }

    /// The entries at indices; beyond the last one they are taken for the last one's.
    #[target_feature(enable = "avx512f")]
    fn get(self, indices: __m512i) -> __m512i {
        let indices = _mm512_min_epu32(indices, self.last);
        #[allow(unsafe_code)]
        // SAFETY: no index is beyond the last of the entries, and none is above `i32::MAX`.
        unsafe {
            _mm512_i32gather_epi32::<4>(indices, self.entries.as_ptr().cast())
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,bmi1,bmi2,popcnt")]
pub(super) fn rounds<const CONTEXTS: u8>(lanes: &mut Lanes<'_>, rows: &[u16], symbols: &mut [u8]) {
    let (Some(slots), Some(bases)) = (
        Table::new(&lanes.tables.slots),
        Table::new(&lanes.bases.starts),
    ) else {
        return;
    };
    let mut few = [0u8; FEW];
    let are_few = match few.get_mut(..lanes.bases.tables.len()) {
        Some(few) => {
            few.copy_from_slice(&lanes.bases.tables);
            true
        }
        None => false,
    };
    let few = joined(bytemuck::cast(few));
    let mut states = loaded(&lanes.states);
    let mut before = loaded(&lanes.before);
    let log = _mm_cvtsi32_si128(lanes.tables.log as i32);
    let shift = _mm_cvtsi32_si128(lanes.shift as i32);
    let mask = _mm512_set1_epi32((1 << lanes.tables.log) - 1);
    let only = _mm512_set1_epi32(lanes.bases.starts[0] as i32);
    let mut taken = lanes.taken;
    let (groups, _) = symbols.as_chunks_mut::<SIXTEEN>();
    let (row_groups, _) = rows.as_chunks::<SIXTEEN>();
    for (at, group) in groups.iter_mut().enumerate() {
        let vector = at % VECTORS;
        // Where words are wanting, `finish` says so.
        let ahead = lanes.words.get(taken..).unwrap_or_default();
        let Some(ahead) = ahead.first_chunk::<SIXTEEN>() else {
            break;
        };
        let base = if CONTEXTS == ONE {
            only
        } else {
            let mut contexts = _mm512_cvtepu16_epi32(bytemuck::cast(row_groups[at]));
            if CONTEXTS == BY_SYMBOL {
                let before = _mm512_srl_epi32(before[vector], shift);
                contexts = _mm512_add_epi32(contexts, before);
            }
            if are_few {
                let numbers = _mm512_maskz_permutexvar_epi8(LOWEST, contexts, few);
                _mm512_sll_epi32(numbers, log)
            } else {
                bases.get(contexts)
            }
        };
        let state = states[vector];
        let entry = slots.get(_mm512_add_epi32(base, _mm512_and_si512(state, mask)));
        let frequency = _mm512_and_si512(_mm512_srli_epi32::<8>(entry), _mm512_set1_epi32(0xfff));
        let frequency = _mm512_add_epi32(frequency, _mm512_set1_epi32(1));
        let next = _mm512_mullo_epi32(frequency, _mm512_srl_epi32(state, log));
        let next = _mm512_add_epi32(next, _mm512_srli_epi32::<20>(entry));
        let low = _mm512_cmplt_epu32_mask(next, _mm512_set1_epi32(1 << 16));
        let words = _mm512_cvtepu16_epi32(bytemuck::cast(*ahead));
        let words = _mm512_maskz_expand_epi32(low, words);
        states[vector] = _mm512_mask_or_epi32(next, low, _mm512_slli_epi32::<16>(next), words);
        before[vector] = _mm512_and_si512(entry, _mm512_set1_epi32(0xff));
        taken += low.count_ones() as usize;
        *group = bytemuck::cast(_mm512_cvtepi32_epi8(entry));
    }
    lanes.taken = taken;
    lanes.states = stored(states);
    lanes.before = stored(before);
}

#[target_feature(enable = "avx512f")]
fn joined([low, high]: [__m256i; 2]) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

#[target_feature(enable = "avx512f")]
fn loaded(lanes: &[[u32; EIGHT]; LANES / EIGHT]) -> [__m512i; VECTORS] {
    let [a, b, c, d] = lanes.map(bytemuck::cast);
    [joined([a, b]), joined([c, d])]
}

#[target_feature(enable = "avx512f")]
fn stored([first, second]: [__m512i; VECTORS]) -> [[u32; EIGHT]; LANES / EIGHT] {
    let halves = [
        _mm512_castsi512_si256(first),
        _mm512_extracti64x4_epi64::<1>(first),
        _mm512_castsi512_si256(second),
        _mm512_extracti64x4_epi64::<1>(second),
    ];
    halves.map(bytemuck::cast)
}
