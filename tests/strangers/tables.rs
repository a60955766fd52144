//! Tables of many types.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use half::f16;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let nullable = columns.into_iter().map(|(name, column)| {
        let nullable = column.logical_null_count() > 0 || name != "never_null";
        (name, column, nullable)
    });
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}

fn primitive<T: ArrowPrimitiveType>(
    n: usize,
    value: impl FnMut(usize) -> Option<T::Native>,
) -> ArrayRef {
    Arc::new((0..n).map(value).collect::<PrimitiveArray<T>>())
}

/// Floats of every width, well-behaved and hostile, integers of every width, dates, times,
/// strings, nested types, and names that need quoting.
pub fn mixed(n: usize) -> RecordBatch {
    let mut rng = StdRng::seed_from_u64(1);
    let noise: Vec<f64> = (0..n).map(|_| rng.random_range(-3.0..3.0)).collect();
    let x = |i: usize| (i as f64 / 300.0).sin() + 0.1 * noise[i];
    let some = |i: usize| i % 7 != 3;
    // Block-sized runs of nulls at the front, and a whole row group of them.
    let late = |i: usize| i >= 600 && !(2048..3072).contains(&i);
    let hostile = |i: usize| match i % 23 {
        3 => f64::INFINITY,
        5 => f64::NEG_INFINITY,
        7 => -0.0,
        9 => f64::from_bits(1),
        11 => f64::from_bits(0x7ff0_0000_0000_0001),
        13 => f64::MAX,
        _ => noise[i],
    };
    let zoned = |values: PrimitiveArray<TimestampMicrosecondType>| -> ArrayRef {
        Arc::new(values.with_timezone("UTC"))
    };
    let words = |i: usize| some(i).then(|| format!("word {}", i % 50));
    let lists = (0..n).map(|i| some(i).then(|| (0..i % 4).map(move |j| Some((i + j) as f32))));
    let nested = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Float64, true)),
            primitive::<Float64Type>(n, |i| some(i).then(|| x(i))),
        ),
        (
            Arc::new(Field::new("b", DataType::Int32, true)),
            primitive::<Int32Type>(n, |i| Some(i as i32)),
        ),
    ]);
    table(vec![
        (
            "half",
            primitive::<Float16Type>(n, |i| some(i).then(|| f16::from_f64(x(i)))),
        ),
        (
            "single",
            primitive::<Float32Type>(n, |i| some(i).then(|| x(i) as f32)),
        ),
        (
            "double",
            primitive::<Float64Type>(n, |i| some(i).then(|| x(i))),
        ),
        (
            "never_null",
            primitive::<Float32Type>(n, |i| Some(noise[i] as f32)),
        ),
        (
            "no_nulls",
            primitive::<Float64Type>(n, |i| Some(noise[i] * 1e6)),
        ),
        (
            "late",
            primitive::<Float32Type>(n, |i| late(i).then(|| x(i) as f32)),
        ),
        ("hostile", primitive::<Float64Type>(n, |i| Some(hostile(i)))),
        (
            "hostile_single",
            primitive::<Float32Type>(n, |i| some(i).then(|| hostile(i) as f32)),
        ),
        (
            "nan_at_the_end",
            primitive::<Float64Type>(n, |i| Some(if i + 9 > n { f64::NAN } else { x(i) })),
        ),
        (
            "zeros",
            primitive::<Float32Type>(n, |i| Some(if i % 3 == 0 { -0.0 } else { 0.0 })),
        ),
        ("constant", primitive::<Float64Type>(n, |_| Some(42.5))),
        ("only_null", primitive::<Float32Type>(n, |_| None)),
        (
            "i8",
            primitive::<Int8Type>(n, |i| some(i).then_some(i as i8)),
        ),
        ("i16", primitive::<Int16Type>(n, |i| Some(i as i16 - 300))),
        (
            "i32",
            primitive::<Int32Type>(n, |i| some(i).then_some(-(i as i32))),
        ),
        (
            "i64",
            primitive::<Int64Type>(n, |i| Some(i64::MIN + i as i64)),
        ),
        (
            "u8",
            primitive::<UInt8Type>(n, |i| some(i).then_some(i as u8)),
        ),
        (
            "u16",
            primitive::<UInt16Type>(n, |i| Some(60_000 + (i % 5000) as u16)),
        ),
        (
            "u32",
            primitive::<UInt32Type>(n, |i| late(i).then(|| u32::MAX - i as u32)),
        ),
        (
            "u64",
            primitive::<UInt64Type>(n, |i| Some(u64::MAX - i as u64)),
        ),
        (
            "day",
            primitive::<Date32Type>(n, |i| some(i).then_some(i as i32)),
        ),
        (
            "time",
            primitive::<Time64MicrosecondType>(n, |i| Some(i as i64 * 1000)),
        ),
        (
            "at",
            zoned(
                (0..n)
                    .map(|i| some(i).then_some(i as i64 * 1_000_000))
                    .collect(),
            ),
        ),
        (
            "at_nanos",
            primitive::<TimestampNanosecondType>(n, |i| Some(i as i64)),
        ),
        (
            "took",
            primitive::<DurationMillisecondType>(n, |i| some(i).then_some(i as i64)),
        ),
        (
            "flag",
            Arc::new(
                (0..n)
                    .map(|i| some(i).then_some(i % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
        ),
        ("word", Arc::new((0..n).map(words).collect::<StringArray>())),
        (
            "bytes",
            Arc::new(
                (0..n)
                    .map(|i| Some(vec![i as u8; i % 5]))
                    .collect::<BinaryArray>(),
            ),
        ),
        (
            "category",
            Arc::new(
                (0..n)
                    .map(words)
                    .collect::<Vec<_>>()
                    .iter()
                    .map(|w| w.as_deref())
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        (
            "list",
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists)),
        ),
        ("nested", Arc::new(nested)),
        (
            "packed",
            primitive::<Float32Type>(n, |i| some(i).then(|| x(i) as f32)),
        ),
        (
            "a \"quoted\", dotted.näme",
            primitive::<Float64Type>(n, |i| some(i).then(|| x(i))),
        ),
    ])
}

/// A few columns, for tables of many rows.
pub fn simple(n: usize) -> RecordBatch {
    let x = |i: usize| (i as f64 / 5000.0).sin();
    table(vec![
        ("single", primitive::<Float32Type>(n, |i| Some(x(i) as f32))),
        (
            "double",
            primitive::<Float64Type>(n, |i| (i % 11 != 0).then(|| x(i))),
        ),
        ("id", primitive::<Int64Type>(n, |i| Some(i as i64))),
        (
            "word",
            Arc::new(
                (0..n)
                    .map(|i| Some(format!("word {}", i % 9)))
                    .collect::<StringArray>(),
            ),
        ),
    ])
}

/// Vectors of fixed and of varying size, structs of floats, and lists of structs; with nulls of
/// each kind, and empty lists.
pub fn vectors(n: usize) -> RecordBatch {
    let mut rng = StdRng::seed_from_u64(2);
    let mut x = |i: usize| (i as f32 / 30.0).sin() + rng.random_range(-0.1f32..0.1);
    let nullable = |name: &str, data_type| Arc::new(Field::new(name, data_type, true));
    let valid = |every: usize| Some(NullBuffer::from_iter((0..n).map(|i| i % every != 1)));

    let items = Float32Array::from_iter((0..8 * n).map(|i| (i % 13 != 5).then(|| x(i))));
    let item = nullable("item", DataType::Float32);
    let emb = FixedSizeListArray::new(item, 8, Arc::new(items), valid(5));

    let items = Float16Array::from_iter_values((0..4 * n).map(|i| f16::from_f32(x(i))));
    let item = Arc::new(Field::new("item", DataType::Float16, false));
    let half = FixedSizeListArray::new(item, 4, Arc::new(items), None);

    let lengths: Vec<usize> = (0..n).map(|i| i % 4).collect();
    let total: usize = lengths.iter().sum();
    let items = Float64Array::from_iter((0..total).map(|i| (i % 9 != 2).then(|| x(i).into())));
    let item = nullable("item", DataType::Float64);
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    let list = ListArray::new(item, offsets.clone(), Arc::new(items), valid(7));

    let fields = Fields::from(vec![
        Field::new("x", DataType::Float32, true),
        Field::new("name", DataType::Utf8, true),
    ]);
    let point = |n: usize, x: &mut dyn FnMut(usize) -> f32| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float32Array::from_iter(
                (0..n).map(|i| (i % 6 != 3).then(|| x(i))),
            )),
            Arc::new(StringArray::from_iter(
                (0..n).map(|i| (i % 5 != 0).then(|| format!("n{}", i % 3))),
            )),
        ];
        columns
    };
    let s = StructArray::new(fields.clone(), point(n, &mut x), valid(8));
    let points = StructArray::new(fields, point(total, &mut x), None);
    let item = nullable("item", points.data_type().clone());
    let points = ListArray::new(item, offsets, Arc::new(points), valid(3));

    table(vec![
        ("emb", Arc::new(emb)),
        ("half", Arc::new(half)),
        ("list", Arc::new(list)),
        ("s", Arc::new(s)),
        ("points", Arc::new(points)),
        ("flat", primitive::<Float32Type>(n, |i| Some(x(i)))),
    ])
}
