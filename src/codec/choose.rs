//! Choices made on a sample of a block: a small part of what coding the block costs.

use super::alphabet::MAX_SYMBOLS;
use super::element::{Element, Float};
use super::estimate::log2;
use super::stream::{self, Delta};

/// pco's level for samples: what counts is which is smaller.
const SAMPLE_LEVEL: usize = 3;

/// Consecutive values looked at together.
const RUN: usize = 512;

/// Highest order of differences tried: 2 is for series that are smooth even after quantizing.
const MAX_DELTA_ORDER: usize = 2;

/// The order of differences that codes `quanta` shortest, by an estimate.
pub(super) fn delta_order<Q: Element + Into<i64>>(quanta: &[Q]) -> usize {
    const RUNS: usize = 4;
    let mut runs: Vec<Vec<i64>> = runs(quanta, RUNS)
        .map(|run| run.iter().map(|quantum| (*quantum).into()).collect())
        .collect();
    let mut best = (bits_per_value(runs.concat()), 0);
    for order in 1..=MAX_DELTA_ORDER {
        for run in &mut runs {
            *run = differences(run);
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
pub(super) fn lossless_may_be_smaller<F: Float, Q: Element + Into<i64>>(
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
    if recur_too_little(values, quanta, 8.0 * outlier_bytes) {
        return false;
    }
    // A few integers tell no more than the values do, and tables code them as well as can be.
    let (low, high) = quanta.iter().fold((i64::MAX, i64::MIN), |(low, high), q| {
        let q = (*q).into();
        (low.min(q), high.max(q))
    });
    let worth = match high.abs_diff(low) < MAX_SYMBOLS as u64 {
        true => 0.9,
        false => 1.05,
    };
    match (
        sample(values, Delta::Search),
        sample(quanta, Delta::Order(delta_order(quanta))),
    ) {
        (Some(lossless), Some(lossy)) => lossless <= worth * (lossy + outlier_bytes),
        _ => true,
    }
}

/// Whether the lossless form is certain to be larger, because values do not recur, nor do their
/// differences: it has to tell all of them apart, and `quanta` are far fewer.
fn recur_too_little<F: Float, Q: Element + Into<i64>>(
    values: &[F],
    quanta: &[Q],
    outlier_bits: f64,
) -> bool {
    let middle = (values.len() - RUN) / 2;
    let quanta: Vec<i64> = quanta[middle..middle + RUN]
        .iter()
        .map(|quantum| (*quantum).into())
        .collect();
    let mut bits: Vec<i64> = values[middle..middle + RUN]
        .iter()
        .map(|x| x.bits() as i64)
        .collect();
    let lossy = bits_per_value(quanta) + outlier_bits;
    let mut lossless = f64::INFINITY;
    for _ in 0..=MAX_DELTA_ORDER {
        lossless = lossless.min(entropy(bits.clone()));
        bits = differences(&bits);
    }
    lossy < 0.8 * lossless
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
    let n = sample.len();
    if sample.chunk_by(|a, b| a == b).take(FEW + 1).count() <= FEW {
        return entropy_of(sample.chunk_by(|a, b| a == b).map(<[i64]>::len), n);
    }
    let mut offset_bits = 0;
    let mut bin_of = |value: i64| {
        let distance = value.abs_diff(center);
        let exponent = distance.checked_ilog2().unwrap_or(0).saturating_sub(3);
        offset_bits += u64::from(exponent);
        (value < center, exponent, distance >> exponent)
    };
    let bins: Vec<_> = sample.iter().map(|value| bin_of(*value)).collect();
    entropy_of(bins.chunk_by(|a, b| a == b).map(<[_]>::len), n) + offset_bits as f64 / n as f64
}

fn differences(integers: &[i64]) -> Vec<i64> {
    let pairs = integers.windows(2);
    pairs.map(|pair| pair[1].wrapping_sub(pair[0])).collect()
}

/// Bits of each of `sample`, where nothing but how often it occurs is known.
fn entropy(mut sample: Vec<i64>) -> f64 {
    sample.sort_unstable();
    let n = sample.len();
    entropy_of(sample.chunk_by(|a, b| a == b).map(<[i64]>::len), n)
}

/// The same for `n` of which these many are alike.
fn entropy_of(counts: impl Iterator<Item = usize>, n: usize) -> f64 {
    let told: f64 = counts
        .map(|count| count as f64 * f64::from(log2(count)))
        .sum();
    f64::from(log2(n)) - told / n.max(1) as f64
}
