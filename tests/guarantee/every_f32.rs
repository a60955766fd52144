//! All 2^32 bit patterns of Float32 as a column's values, in blocks, through the codec.
//!
//! Takes a quarter of an hour: `cargo test --test guarantee -- --ignored --nocapture every_f32`.

use std::time::Instant;

use rayon::prelude::*;
use tolerant::codec::{
    EncodedBlock, ErrorBound, ValueRange, absolute_bound, decode, encode_lossy,
    encode_pointwise_rel,
};
use tolerant::tools::exact::{Dyadic, Verdict, judge, judge_pointwise, keeps_ratio};

const BLOCK: u64 = 1 << 16;
const BLOCKS: u64 = (1 << 32) / BLOCK;

#[derive(Debug, Default)]
struct Counts {
    identical: u64,
    moved: u64,
    bound_exceeded: u64,
    nan_changed: u64,
    inf_changed: u64,
    signed_zero_changed: u64,
    nans: u64,
    outliers: u64,
    payload_bytes: u64,
    max_error: f64,
    /// Blocks whose own account of their largest error is below the truth.
    understated: u64,
}

impl Counts {
    fn add(self, other: Self) -> Self {
        Self {
            identical: self.identical + other.identical,
            moved: self.moved + other.moved,
            bound_exceeded: self.bound_exceeded + other.bound_exceeded,
            nan_changed: self.nan_changed + other.nan_changed,
            inf_changed: self.inf_changed + other.inf_changed,
            signed_zero_changed: self.signed_zero_changed + other.signed_zero_changed,
            nans: self.nans + other.nans,
            outliers: self.outliers + other.outliers,
            payload_bytes: self.payload_bytes + other.payload_bytes,
            max_error: self.max_error.max(other.max_error),
            understated: self.understated + other.understated,
        }
    }

    fn violations(&self) -> u64 {
        self.bound_exceeded + self.nan_changed + self.inf_changed + self.signed_zero_changed
    }
}

fn check_block(values: &[f32], bound: f64) -> Counts {
    let exact_bound = Dyadic::new(bound).unwrap();
    let block = encode_lossy(values, bound).unwrap();
    judged(values, &block, |x, y| judge(x, y, exact_bound))
}

fn check_pointwise(values: &[f32], ratio: f64) -> Counts {
    let exact_ratio = Dyadic::new(ratio).unwrap();
    let block = encode_pointwise_rel(values, ratio).unwrap();
    judged(values, &block, |x, y| judge_pointwise(x, y, exact_ratio))
}

fn judged(
    values: &[f32],
    block: &EncodedBlock,
    judge: impl Fn(f32, f32) -> (Verdict, f64),
) -> Counts {
    let mut decoded = vec![0f32; values.len()];
    decode(&block.payload, &mut decoded).unwrap();
    let mut counts = Counts {
        outliers: block.outliers as u64,
        payload_bytes: block.payload.len() as u64,
        ..Counts::default()
    };
    for (x, y) in values.iter().zip(&decoded) {
        let (verdict, error) = judge(*x, *y);
        counts.max_error = counts.max_error.max(error);
        counts.nans += u64::from(x.is_nan());
        match verdict {
            Verdict::Kept if x.to_bits() == y.to_bits() => counts.identical += 1,
            Verdict::Kept => counts.moved += 1,
            Verdict::BoundExceeded => counts.bound_exceeded += 1,
            Verdict::NanChanged => counts.nan_changed += 1,
            Verdict::InfChanged => counts.inf_changed += 1,
            Verdict::SignedZeroChanged => counts.signed_zero_changed += 1,
        }
    }
    counts.understated = u64::from(block.max_error < counts.max_error);
    counts
}

/// `multiplier` is odd, so that `i * multiplier` runs through all patterns: 1 has neighbours in
/// one block, another mixes all magnitudes in every block.
fn run(bound: ErrorBound, multiplier: u32) {
    let range = ValueRange {
        min: f64::from(f32::MIN),
        max: f64::from(f32::MAX),
    };
    let abs_bound = absolute_bound(bound, range);
    if let ErrorBound::Rel(ratio) = bound {
        assert!(keeps_ratio(abs_bound, ratio, range.min, range.max));
    }
    run_all(&bound.to_string(), multiplier, |values| match bound {
        ErrorBound::PointwiseRel(ratio) => check_pointwise(values, ratio),
        _ => check_block(values, abs_bound),
    });
}

fn run_all(what: &str, multiplier: u32, check: impl Fn(&[f32]) -> Counts + Sync) {
    let start = Instant::now();
    let counts = (0..BLOCKS)
        .into_par_iter()
        .map(|block| {
            let pattern = |i: u64| (i as u32).wrapping_mul(multiplier);
            let values: Vec<f32> = (block * BLOCK..(block + 1) * BLOCK)
                .map(|i| f32::from_bits(pattern(i)))
                .collect();
            check(&values)
        })
        .reduce(Counts::default, Counts::add);
    println!(
        "{what}, multiplier {multiplier}: {counts:?} in {:?}",
        start.elapsed()
    );
    assert_eq!(counts.violations(), 0);
    assert_eq!(counts.understated, 0);
    assert_eq!(counts.identical + counts.moved, 1 << 32);
    assert_eq!(counts.nans, 2 * ((1 << 23) - 1));
    assert!(counts.moved > 0);
}

#[test]
#[ignore = "minutes: all 2^32 values, four times"]
fn every_f32() {
    for bound in [ErrorBound::Rel(1e-3), ErrorBound::Abs(1e-3)] {
        for multiplier in [1, 0x9e37_79b1] {
            run(bound, multiplier);
        }
    }
}

#[test]
#[ignore = "minutes: all 2^32 values, twice"]
fn every_f32_keeps_its_own_fraction() {
    run(ErrorBound::PointwiseRel(1e-2), 1);
    run(ErrorBound::PointwiseRel(1e-3), 0x9e37_79b1);
}

/// The same on every 1,024th block, at each run of the tests.
#[test]
fn some_of_every_f32() {
    for bound in [6.8e35, 1e-3] {
        for block in (0..BLOCKS).step_by(1 << 10) {
            let values: Vec<f32> = (block * BLOCK..(block + 1) * BLOCK)
                .map(|i| f32::from_bits(i as u32))
                .collect();
            assert_eq!(check_block(&values, bound).violations(), 0);
            let ratio = if bound > 1.0 { 0.3 } else { bound };
            assert_eq!(check_pointwise(&values, ratio).violations(), 0);
        }
    }
}
