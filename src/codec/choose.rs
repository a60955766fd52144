//! Choices made on a sample of a block: a small part of what coding the block costs.

use super::element::{Element, Float};
use super::integers::Quantum;
use super::stream::{self, Delta};

/// pco's level for samples: what counts is which is smaller.
const SAMPLE_LEVEL: usize = 3;

/// Consecutive values looked at together.
const RUN: usize = 512;

/// Highest order of differences tried: 2 is for series that are smooth even after quantizing.
const MAX_DELTA_ORDER: usize = 2;

/// The order of differences that codes `quanta` shortest, by an estimate.
pub(super) fn delta_order<Q: Quantum>(quanta: &[Q]) -> usize {
    const RUNS: usize = 4;
    let mut runs: Vec<Vec<i64>> = runs(quanta, RUNS)
        .map(|run| run.iter().map(|quantum| (*quantum).into()).collect())
        .collect();
    let mut best = (bits_per_value(runs.concat()), 0);
    for order in 1..=MAX_DELTA_ORDER {
        for run in &mut runs {
            *run = run.windows(2).map(|pair| pair[1] - pair[0]).collect();
        }
        let bits = bits_per_value(runs.concat());
        // Higher orders can only win where this one does; equal costs go to the lower one, which
        // decodes faster.
        if bits >= best.0 {
            break;
        }
        best = (bits, order);
    }
    best.1
}

/// Whether the lossless form of `values`, judged by a sample of both forms, might be smaller than
/// `quanta` and the bytes of outliers.
pub(super) fn lossless_may_be_smaller<F: Float, Q: Quantum>(
    values: &[F],
    quanta: &[Q],
    outlier_bytes: usize,
) -> bool {
    const RUNS: usize = 2;
    fn sample<T: Element>(values: &[T], delta: Delta) -> Option<f64> {
        let sample: Vec<T> = runs(values, RUNS).flatten().copied().collect();
        let packed = stream::compress(&sample, delta, SAMPLE_LEVEL)?;
        Some(packed.len() as f64 / sample.len() as f64)
    }
    if values.len() <= RUNS * RUN {
        // Trying is as cheap as sampling, and headers count.
        return true;
    }
    let outlier_bytes = outlier_bytes as f64 / values.len() as f64;
    match (
        sample(values, Delta::Search),
        sample(quanta, Delta::Order(delta_order(quanta))),
    ) {
        (Some(lossless), Some(lossy)) => lossless <= 1.05 * (lossy + outlier_bytes),
        _ => true,
    }
}

/// `count` runs of consecutive values, spread evenly; all values where they are few.
pub(super) fn runs<T>(values: &[T], count: usize) -> impl Iterator<Item = &[T]> {
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

/// Estimates what an entropy coder with bins, such as pco, spends on a value of `sample`: the
/// entropy of its bin and the bits of its offset in it. Each value has a bin of its own where they
/// are few; otherwise there are eight bins to a power of two of the distance from the median.
fn bits_per_value(mut sample: Vec<i64>) -> f64 {
    const FEW: usize = 128;
    sample.sort_unstable();
    let Some(center) = sample.get(sample.len() / 2).copied() else {
        return 0.0;
    };
    let n = sample.len() as f64;
    let entropy = |counts: &mut dyn Iterator<Item = usize>| -> f64 {
        counts
            .map(|count| count as f64 / n)
            .map(|p| -p * p.log2())
            .sum()
    };
    if sample.chunk_by(|a, b| a == b).take(FEW + 1).count() <= FEW {
        return entropy(&mut sample.chunk_by(|a, b| a == b).map(<[i64]>::len));
    }
    let mut offset_bits = 0;
    let mut bin_of = |value: i64| {
        let distance = value.abs_diff(center);
        let exponent = distance.checked_ilog2().unwrap_or(0).saturating_sub(3);
        offset_bits += u64::from(exponent);
        (value < center, exponent, distance >> exponent)
    };
    let bins: Vec<_> = sample.iter().map(|value| bin_of(*value)).collect();
    entropy(&mut bins.chunk_by(|a, b| a == b).map(<[_]>::len)) + offset_bits as f64 / n
}
