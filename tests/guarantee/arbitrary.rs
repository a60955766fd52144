//! Arbitrary bit patterns, nulls, bounds, block sizes and batch cuts.

use arrow::array::{Array, RecordBatch};
use arrow::buffer::NullBuffer;
use proptest::prelude::*;
use tolerant::ErrorBound;
use tolerant::file::{WriterOptions, finite_range};

use crate::hostile::{pack, unpack, verified};
use crate::values::{FAMILIES, Kind, family};

pub fn bound() -> impl Strategy<Value = ErrorBound> {
    prop_oneof![
        4 => (-15.0..0.0f64).prop_map(|exponent| ErrorBound::Rel(10f64.powf(exponent))),
        3 => (-320.0..308.0f64).prop_map(|exponent| ErrorBound::Abs(10f64.powf(exponent))),
        1 => Just(ErrorBound::Exact),
    ]
}

/// Bit patterns: any, or runs of different families, so that blocks change character within.
pub fn bits(kind: Kind) -> impl Strategy<Value = Vec<u64>> {
    let any_bits = any::<u64>().prop_map(move |bits| vec![bits >> (64 - kind.bits())]);
    let run = (prop::sample::select(&FAMILIES[..]), 1usize..60)
        .prop_map(move |(name, n)| family(name, kind, n));
    let near_each_other =
        (any::<u64>(), prop::collection::vec(0u64..64, 1..40)).prop_map(move |(start, steps)| {
            let start = start >> (64 - kind.bits());
            steps.into_iter().map(|step| start ^ step).collect()
        });
    prop::collection::vec(prop_oneof![any_bits, run, near_each_other], 0..12)
        .prop_map(|runs| runs.concat())
}

#[derive(Debug)]
struct Case {
    kind: Kind,
    bits: Vec<u64>,
    bound: ErrorBound,
    declared: bool,
    null_share: f64,
    seed: u64,
    block_rows: usize,
    row_group_blocks: usize,
    cut: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let kind = prop::sample::select(&Kind::ALL[..]);
    kind.prop_flat_map(|kind| {
        let shape = (1usize..100, 1usize..5, 1usize..200);
        let nulls = (
            prop::sample::select(vec![0.0, 0.0, 0.1, 0.9, 1.0]),
            any::<u64>(),
        );
        (bits(kind), bound(), any::<bool>(), nulls, shape).prop_map(
            move |(
                bits,
                bound,
                declared,
                (null_share, seed),
                (block_rows, row_group_blocks, cut),
            )| {
                Case {
                    kind,
                    bits,
                    bound,
                    declared,
                    null_share,
                    seed,
                    block_rows,
                    row_group_blocks,
                    cut,
                }
            },
        )
    })
}

/// Validity bits of which about `share` are false.
fn mask(n: usize, share: f64, seed: u64) -> Option<NullBuffer> {
    use rand::{Rng, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    (share > 0.0).then(|| (0..n).map(|_| rng.random::<f64>() >= share).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_values_keep_any_bound(case in case()) {
        let nulls = mask(case.bits.len(), case.null_share, case.seed);
        let column = case.kind.array(&case.bits, nulls);
        let table = RecordBatch::try_from_iter_with_nullable([("x", column.clone(), true)]).unwrap();
        let batches: Vec<_> = (0..table.num_rows().max(1))
            .step_by(case.cut)
            .map(|at| table.slice(at, case.cut.min(table.num_rows() - at)))
            .collect();
        let mut options = WriterOptions::new()
            .with_bound(case.bound)
            .with_block_rows(case.block_rows)
            .with_row_group_rows(case.block_rows * case.row_group_blocks);
        if case.declared {
            options = options.with_column_range("x", finite_range(&column));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("packed.parquet");
        let written = pack(&path, &batches, options);
        let report = verified(&batches, &path);
        prop_assert_eq!(report.violations, 0, "{:#?}", report);
        prop_assert_eq!(report.rows, table.num_rows() as u64);
        prop_assert_eq!(written.rows, report.rows);
        prop_assert!(report.columns[0].max_error <= written.columns[0].max_error);

        let back = unpack(&path);
        prop_assert_eq!(back.schema(), table.schema());
        prop_assert!((0..column.len()).all(|i| back.column(0).is_null(i) == column.is_null(i)));
        if case.bound == ErrorBound::Exact {
            prop_assert_eq!(&back, &table);
        }
    }
}
