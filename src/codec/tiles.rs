//! Runs of `many`, which are decoded side by side, to rounds and back: a tile of both at a time, by
//! AVX2 where the CPU has it.
//!
//! Source: the perfect shuffle transposes a square if it is done as often as the side has bits;
//! Stone, "Parallel processing with the perfect shuffle", IEEE Transactions on Computers, 1971.

use super::many::LANES;
#[cfg(target_arch = "x86_64")]
use super::wide;

/// Rounds of a tile.
pub(super) const ROUNDS: usize = 16;
const HALF: usize = LANES / 2;

/// Of each lane's run, of `run` numbers in `runs`, those from `start` on; by round.
pub(super) fn to_rounds(
    runs: &[u16],
    run: usize,
    start: usize,
    rounds: &mut [[u16; LANES]; ROUNDS],
) {
    #[cfg(target_arch = "x86_64")]
    if wide::has_avx2() {
        #[allow(unsafe_code)]
        // SAFETY: the CPU has the features that it is compiled for, which is all that makes the
        // call unsafe.
        unsafe {
            avx2::to_rounds(runs, run, start, rounds)
        };
        return;
    }
    for lane in 0..LANES {
        for (round, number) in rounds.iter_mut().zip(&runs[lane * run + start..][..ROUNDS]) {
            round[lane] = *number;
        }
    }
}

/// The other way, for bytes.
pub(super) fn to_runs(rounds: &[[u8; LANES]; ROUNDS], run: usize, start: usize, runs: &mut [u8]) {
    let mut put = |lane: usize, bytes: [u8; ROUNDS]| {
        runs[lane * run + start..][..ROUNDS].copy_from_slice(&bytes);
    };
    #[cfg(target_arch = "x86_64")]
    if wide::has_avx2() {
        #[allow(unsafe_code)]
        // SAFETY: as above.
        let pairs = unsafe { avx2::transposed(rounds) };
        for (lane, [low, high]) in pairs.into_iter().enumerate() {
            put(lane, low);
            put(HALF + lane, high);
        }
        return;
    }
    for lane in 0..LANES {
        put(lane, rounds.map(|round| round[lane]));
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{HALF, LANES, ROUNDS};

    /// Lanes whose numbers of one round are half a vector.
    const EIGHT: usize = 8;

    #[target_feature(enable = "avx2")]
    pub(super) fn to_rounds(
        runs: &[u16],
        run: usize,
        start: usize,
        rounds: &mut [[u16; LANES]; ROUNDS],
    ) {
        for first in (0..LANES).step_by(EIGHT) {
            let mut vectors = [_mm256_setzero_si256(); EIGHT];
            for (lane, vector) in vectors.iter_mut().enumerate() {
                let mut numbers = [0u16; ROUNDS];
                numbers.copy_from_slice(&runs[(first + lane) * run + start..][..ROUNDS]);
                *vector = bytemuck::cast(numbers);
            }
            for _ in 0..EIGHT.ilog2() {
                let before = vectors;
                let (low, high) = before.split_at(EIGHT / 2);
                let (pairs, _) = vectors.as_chunks_mut::<2>();
                for ((pair, low), high) in pairs.iter_mut().zip(low).zip(high) {
                    *pair = [
                        _mm256_unpacklo_epi16(*low, *high),
                        _mm256_unpackhi_epi16(*low, *high),
                    ];
                }
            }
            // Each has a round of the first half, and the one that is as far into the second.
            for (at, vector) in vectors.into_iter().enumerate() {
                let [low, high]: [[u16; EIGHT]; 2] = bytemuck::cast(vector);
                rounds[at][first..first + EIGHT].copy_from_slice(&low);
                rounds[ROUNDS / 2 + at][first..first + EIGHT].copy_from_slice(&high);
            }
        }
    }

    /// For each lane of the first half its bytes, and those of the one that is as far into the
    /// second.
    #[target_feature(enable = "avx2")]
    pub(super) fn transposed(rounds: &[[u8; LANES]; ROUNDS]) -> [[[u8; ROUNDS]; 2]; HALF] {
        let mut vectors: [__m256i; ROUNDS] = rounds.map(bytemuck::cast);
        for _ in 0..ROUNDS.ilog2() {
            let before = vectors;
            let (low, high) = before.split_at(ROUNDS / 2);
            let (pairs, _) = vectors.as_chunks_mut::<2>();
            for ((pair, low), high) in pairs.iter_mut().zip(low).zip(high) {
                *pair = [
                    _mm256_unpacklo_epi8(*low, *high),
                    _mm256_unpackhi_epi8(*low, *high),
                ];
            }
        }
        vectors.map(bytemuck::cast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_become_rounds_and_rounds_runs() {
        let (run, start) = (53, 21);
        let of = |lane: usize, at: usize| (lane * 331 + at * 7) % 251;
        let runs: Vec<u16> = (0..LANES * run)
            .map(|i| 9 * of(i / run, i % run) as u16)
            .collect();
        let mut rounds = [[0; LANES]; ROUNDS];
        to_rounds(&runs, run, start, &mut rounds);
        for (at, round) in rounds.iter().enumerate() {
            for (lane, number) in round.iter().enumerate() {
                assert_eq!(*number, 9 * of(lane, start + at) as u16);
            }
        }
        let bytes = rounds.map(|round| round.map(|number| (number / 9) as u8));
        let mut runs = vec![255; LANES * run];
        to_runs(&bytes, run, start, &mut runs);
        for (i, byte) in runs.into_iter().enumerate() {
            let at = i % run;
            let told = (start..start + ROUNDS).contains(&at);
            let expected = if told { of(i / run, at) } else { 255 };
            assert_eq!(usize::from(byte), expected);
        }
    }
}
