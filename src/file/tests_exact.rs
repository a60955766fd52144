//! Protects exact columns from being larger than the best of Parquet's own encodings with ZSTD.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::Field;

use super::best_encoding::{Paging, smallest_chunks};
use super::tests::pack;
use super::*;

/// One block: each says again what its values have in common, which Parquet's dictionary says once.
const ROWS: usize = 60_000;

fn columns() -> Vec<(&'static str, ArrayRef)> {
    // SplitMix64.
    let mixed = |i: usize| {
        let x = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) >> 16
    };
    let longs = |f: &dyn Fn(usize) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(f)))
    };
    vec![
        ("number", longs(&|i| i as i64)),
        ("year", longs(&|i| 2010 + (i / 8760) as i64)),
        ("month", longs(&|i| 1 + (i / 730 % 12) as i64)),
        ("day", longs(&|i| 1 + (i / 24 % 30) as i64)),
        ("hour", longs(&|i| (i % 24) as i64)),
        ("when", longs(&|i| 1_700_000_000_000 + i as i64 * 60_000)),
        (
            "jittered",
            longs(&|i| 1_700_000_000_000 + i as i64 * 60_000 + (mixed(i) % 50) as i64),
        ),
        ("random", longs(&|i| mixed(i) as i64)),
        ("code", longs(&|i| (mixed(i) % 7) as i64)),
        ("rare", longs(&|i| i64::from(mixed(i) % 1000 == 0))),
        (
            "far",
            longs(&|i| [3, 1 << 40, -(1 << 50)][(mixed(i) % 3) as usize]),
        ),
        ("repeated", longs(&|i| (mixed(i % 500) % 100_000) as i64)),
        ("hundreds", longs(&|i| (mixed(i) % 5000) as i64 * 100)),
        (
            "small",
            Arc::new(UInt8Array::from_iter_values(
                (0..ROWS).map(|i| mixed(i) as u8),
            )),
        ),
        (
            "date",
            Arc::new(Date32Array::from_iter_values(
                (0..ROWS).map(|i| i as i32 / 300),
            )),
        ),
        (
            "name",
            Arc::new(StringArray::from_iter_values(
                (0..ROWS).map(|i| format!("name {}", mixed(i) % 300)),
            )),
        ),
        (
            "path",
            Arc::new(StringArray::from_iter_values(
                (0..ROWS).map(|i| format!("folder/{}/file-{i:06}", i / 1000)),
            )),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from_iter(
                (0..ROWS).map(|i| Some(i / 37 % 3 == 0)),
            )),
        ),
    ]
}

#[test]
fn exact_columns_are_no_larger_than_parquet_makes_them() {
    for (name, array) in columns() {
        let field = Arc::new(Field::new(name, array.data_type().clone(), false));
        let schema = Arc::new(arrow::datatypes::Schema::new(vec![Arc::clone(&field)]));
        let batch = RecordBatch::try_new(schema, vec![Arc::clone(&array)]).unwrap();
        let (_, report) = pack(&batch, WriterOptions::new());
        let packed = report.columns[0].packed_bytes as usize;
        for paging in [Paging::Few, Paging::Rows(DEFAULT_BLOCK_ROWS)] {
            let chunks = smallest_chunks(&field, std::slice::from_ref(&array), paging).unwrap();
            // A block has a header and a checksum of its own.
            let blocks = ROWS.div_ceil(DEFAULT_BLOCK_ROWS);
            assert!(
                packed <= chunks.data().len() + 64 * blocks,
                "{name}: {packed} bytes, {} in Parquet",
                chunks.data().len()
            );
        }
    }
}
