//! Choices made on a sample of a block: a small part of what coding the block costs.

use super::element::Element;
use super::encode::Quantum;
use super::stream::{self, Effort};

/// Consecutive values looked at together.
const RUN: usize = 512;

/// Highest order of differences tried: 2 is for series that are smooth even after quantizing.
const MAX_DELTA_ORDER: usize = 2;

/// The order of differences that codes `quanta` shortest, by an estimate.
pub(super) fn delta_order<Q: Quantum>(quanta: &[Q]) -> usize {
    const RUNS: usize = 8;
    let mut costs = [const { CostModel::new() }; MAX_DELTA_ORDER + 1];
    let mut sample: Vec<i64> = runs(quanta, RUNS)
        .flatten()
        .map(|quantum| (*quantum).into())
        .collect();
    let middle = sample.len() / 2;
    let center = if sample.is_empty() {
        0
    } else {
        *sample.select_nth_unstable(middle).1
    };
    for run in runs(quanta, RUNS) {
        let mut differences: Vec<i64> = run.iter().map(|quantum| (*quantum).into()).collect();
        differences
            .iter()
            .for_each(|quantum| costs[0].add(quantum - center));
        for cost in &mut costs[1..] {
            differences = differences
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .collect();
            differences
                .iter()
                .for_each(|difference| cost.add(*difference));
        }
    }
    let bits = costs.map(|cost| cost.bits_per_value());
    // Equal costs go to the lower order, which decodes faster.
    (0..bits.len()).fold(0, |best, order| {
        if bits[order] < bits[best] {
            order
        } else {
            best
        }
    })
}

/// Whether the lossless form of `values`, judged by a sample, might come near `size` bytes.
pub(super) fn lossless_may_be_smaller<T: Element>(values: &[T], size: usize) -> bool {
    const RUNS: usize = 2;
    let sample: Vec<T> = runs(values, RUNS).flatten().copied().collect();
    match stream::compress(&sample, Effort::Search) {
        Some(packed) => {
            let estimate = packed.len() as f64 / sample.len() as f64 * values.len() as f64;
            // A short sample carries a table of its own, hence the allowance.
            estimate <= 1.5 * size as f64
        }
        None => true,
    }
}

/// `count` runs of consecutive values, spread evenly; all values where they are few.
fn runs<T>(values: &[T], count: usize) -> impl Iterator<Item = &[T]> {
    let (run, count) = if values.len() <= RUN * count {
        (values.len(), 1)
    } else {
        (RUN, count)
    };
    let last_start = values.len() - run;
    (0..count).map(move |i| {
        let start = last_start * i / (count - 1).max(1);
        &values[start..start + run]
    })
}

/// Estimates what an entropy coder with bins, such as pco, spends on a value: the entropy of its
/// bin and the bits of its offset in it. Bins are exact near zero and eight to a power of two
/// beyond.
struct CostModel {
    bins: [u32; Self::BINS],
    offset_bits: u64,
    count: u32,
}

impl CostModel {
    const EXACT: u64 = 32;
    const BINS: usize = 2 * Self::EXACT as usize + 8 * 64;

    const fn new() -> Self {
        Self {
            bins: [0; Self::BINS],
            offset_bits: 0,
            count: 0,
        }
    }

    fn add(&mut self, value: i64) {
        let folded = ((value << 1) ^ (value >> 63)) as u64;
        let bin = if folded < 2 * Self::EXACT {
            folded as usize
        } else {
            let exponent = folded.ilog2();
            self.offset_bits += u64::from(exponent - 3);
            2 * Self::EXACT as usize
                + 8 * exponent as usize
                + ((folded >> (exponent - 3)) & 7) as usize
        };
        self.bins[bin] += 1;
        self.count += 1;
    }

    fn bits_per_value(&self) -> f64 {
        let n = f64::from(self.count.max(1));
        let entropy = self.bins.iter().filter(|bin| **bin > 0).map(|bin| {
            let p = f64::from(*bin) / n;
            -p * p.log2()
        });
        entropy.sum::<f64>() + self.offset_bits as f64 / n
    }
}
