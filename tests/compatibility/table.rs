//! The table that golden files of the current version are made of.

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};

use crate::VERSION;

/// Every element type, kind of payload, kind of bound and null pattern.
pub fn table() -> RecordBatch {
    const ROWS: usize = crate::ROWS[VERSION as usize - 1];
    let wave = |i: usize| (i as f64 / 40.0).sin() * 30.0 + ((i * 7919) % 101) as f64 * 0.01;
    // SplitMix64's first half: no order in it.
    let scattered = |i: usize| {
        let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 54) as f64
    };
    let special = |i: usize| match i % 97 {
        3 => f64::from_bits(0x7ff8_0000_dead_beef),
        5 => f64::from_bits(0xfff0_0000_0000_0001),
        7 => f64::INFINITY,
        11 => f64::NEG_INFINITY,
        13 => -0.0,
        17 => f64::MIN_POSITIVE / 8.0,
        _ => wave(i),
    };
    let noise = |i: usize| f64::from_bits(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(i as u64 + 1) >> 2);
    let floats = |f: &dyn Fn(usize) -> Option<f64>| {
        Arc::new((0..ROWS).map(f).collect::<Float64Array>()) as ArrayRef
    };
    // The logistic map, disturbed: a value tells of the next, but not of the difference to it.
    let chain: Vec<f64> = (0..ROWS)
        .scan(0.3, |x: &mut f64, i| {
            *x = (3.9 * *x * (1.0 - *x) + scattered(i) / 1e5).min(1.0);
            Some(*x)
        })
        .collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("chain", floats(&|i| Some(chain[i]))),
        // How much it varies is what another column tells.
        (
            "spread",
            floats(&|i| Some(scattered(i + ROWS) * if scattered(i) > 500.0 { 1.0 } else { 0.02 })),
        ),
        ("wave", floats(&|i| Some(wave(i)))),
        ("declared", floats(&|i| (i % 5 != 0).then(|| wave(i)))),
        ("absolute", floats(&|i| Some(wave(i) * 100.0))),
        ("lossless", floats(&|i| Some(wave(i)))),
        ("fine", floats(&|i| Some(wave(i)))),
        ("special", floats(&|i| (i % 11 != 2).then(|| special(i)))),
        ("noise", floats(&|i| Some(noise(i)))),
        ("scatter", floats(&|i| Some(scattered(i)))),
        // Peaks far apart, and more levels than symbols.
        (
            "peaks",
            floats(&|i| {
                let sum: f64 = (0..3).map(|k| scattered(i + k * ROWS)).sum();
                Some(sum / 2.0 + (scattered(i + 3 * ROWS) % 3.0) * 2500.0)
            }),
        ),
        (
            "follows",
            floats(&|i| (i % 13 != 4).then(|| scattered(i) * 3.0 + (i % 7) as f64)),
        ),
        ("loose", floats(&|i| Some(scattered(i).sqrt()))),
        ("pointwise", floats(&|i| Some((wave(i) / 9.0).exp()))),
        ("noisy", floats(&|i| Some(wave(i * 7919 % 2003)))),
        (
            "robust",
            floats(&|i| Some(if i % 500 == 9 { 1e9 } else { wave(i) })),
        ),
        ("constant", floats(&|_| Some(2.5))),
        ("void", floats(&|_| None)),
        (
            "gap",
            floats(&|i| (!(100..400).contains(&i)).then(|| wave(i))),
        ),
        (
            "f32",
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 3 != 0).then(|| wave(i) as f32))
                    .collect::<Float32Array>(),
            ),
        ),
        (
            "f16",
            Arc::new(
                (0..ROWS)
                    .map(|i| Some(half::f16::from_f64(wave(i))))
                    .collect::<Float16Array>(),
            ),
        ),
        (
            "i8",
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 4 != 1).then_some(i as u8 as i8))
                    .collect::<Int8Array>(),
            ),
        ),
        (
            "i32",
            Arc::new(Int32Array::from_iter_values(
                (0..ROWS as i32).map(|i| i * i - 5000),
            )),
        ),
        (
            "u32",
            Arc::new(UInt32Array::from_iter_values(
                (0..ROWS as u32).map(|i| u32::MAX - i % 17),
            )),
        ),
        (
            "i64",
            Arc::new(Int64Array::from_iter_values(
                (0..ROWS as i64).map(|i| i64::MIN + i),
            )),
        ),
        (
            "u64",
            Arc::new(UInt64Array::from_iter_values(
                (0..ROWS as u64).map(|i| u64::MAX - i),
            )),
        ),
        (
            "date",
            Arc::new(Date32Array::from_iter_values(0..ROWS as i32)),
        ),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from_iter_values(
                (0..ROWS as i64).map(|i| i * 61_000_000),
            )),
        ),
        (
            "when",
            Arc::new(
                TimestampMillisecondArray::from_iter_values(
                    (0..ROWS as i64).map(|i| i * 86_400_123),
                )
                .with_timezone("UTC"),
            ),
        ),
        (
            "took",
            Arc::new(DurationSecondArray::from_iter_values(
                (0..ROWS as i64).map(|i| i % 60),
            )),
        ),
        (
            "name",
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 6 != 0).then(|| format!("name {}", i % 9)))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "smooth",
            floats(&|i| Some((i as f64 / 300.0).sin() * 50.0 + (i as f64 / 70.0).cos())),
        ),
        ("steps", floats(&|i| Some((i / 900) as f64))),
        (
            "vector",
            Arc::new(
                FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
                    (0..ROWS).map(|i| {
                        (i % 10 != 3)
                            .then(|| (0..3).map(move |d| Some((wave(i) * (d + 1) as f64) as f32)))
                    }),
                    3,
                ),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(
                (0..ROWS).map(|i| {
                    (i % 7 != 2).then(|| (0..i % 4).map(move |j| (j != 2).then(|| wave(i + j))))
                }),
            )),
        ),
        (
            "struct",
            Arc::new(StructArray::from(vec![
                (
                    Arc::new(Field::new("x", DataType::Float64, true)),
                    floats(&|i| (i % 9 != 1).then(|| wave(i))),
                ),
                (
                    Arc::new(Field::new("n", DataType::Int32, false)),
                    Arc::new(Int32Array::from_iter_values(0..ROWS as i32)) as ArrayRef,
                ),
            ])),
        ),
        (
            "flag",
            Arc::new(
                (0..ROWS)
                    .map(|i| (i % 8 != 0).then_some(i % 3 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
    ];
    let required = Field::new("required", DataType::Float64, false);
    let mut fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    fields.push(required);
    let mut arrays: Vec<ArrayRef> = columns.into_iter().map(|(_, array)| array).collect();
    arrays.push(floats(&|i| Some(wave(i + 50))));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}
