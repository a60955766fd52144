//! Every peer reduces a table with nulls and numbers that are not finite, within its bound.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;

const LOSSY: [usize; 3] = [0, 1, 2];

fn table() -> RecordBatch {
    let number = |i: usize, k: usize| ((i * k) % 997) as f32 / 100.0 - 3.0;
    let x: Float32Array = (0..1000)
        .map(|i| match i {
            5 => Some(f32::NAN),
            6 => Some(f32::NEG_INFINITY),
            i => (i % 13 != 2).then(|| number(i, 31)),
        })
        .collect();
    let y = Float32Array::from_iter_values((0..1000).map(|i| number(i, 57) * 1e3));
    let constant = Float32Array::from_iter_values((0..1000).map(|_| 4.0));
    let name = StringArray::from_iter_values((0..1000).map(|i| ["a", "b"][i % 2]));
    RecordBatch::try_from_iter_with_nullable([
        ("x", Arc::new(x) as ArrayRef, true),
        ("y", Arc::new(y), true),
        ("constant", Arc::new(constant), true),
        ("name", Arc::new(name), true),
    ])
    .unwrap()
}

#[test]
fn every_peer_reduces_a_table() {
    let table = table();
    let of = |table: &RecordBatch, column: usize| {
        let values = table.column(column).as_primitive::<Float32Type>();
        values.iter().collect::<Vec<Option<f32>>>()
    };
    for method in super::peers::all() {
        let mut sizes = Vec::new();
        for parameter in method.parameters() {
            let what = format!("{} {parameter}", method.name());
            let reduced = method.reduce(&table, &LOSSY, &parameter, 1);
            let reduced = reduced.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(reduced.table.schema(), table.schema(), "{what}");
            assert_eq!(reduced.table.column(3), table.column(3), "{what}");
            assert_eq!(of(&reduced.table, 2), of(&table, 2), "{what}");
            let x = of(&reduced.table, 0);
            assert!(x[5].unwrap().is_nan() && x[6] == Some(f32::NEG_INFINITY));
            assert_eq!(x[2], None);
            for column in [0, 1] {
                let range = [9.96, 9960.0][column];
                let pairs = of(&table, column)
                    .into_iter()
                    .zip(of(&reduced.table, column));
                for (a, b) in pairs.filter_map(|(a, b)| Some((a?, b?))) {
                    let (key, bound) = parameter.split_once([':', '=']).unwrap();
                    let bound: f32 = bound.parse().unwrap();
                    let most = match key {
                        "rel" => bound * range * 1.001,
                        "pwrel" => a.abs() * bound * 1.001 + 1e-6,
                        _ => f32::INFINITY,
                    };
                    assert!(
                        !(b - a).is_finite() || (b - a).abs() <= most,
                        "{what}: {a} {b}"
                    );
                }
            }
            sizes.push(reduced.bytes);
        }
        assert!(
            sizes[0] > sizes[sizes.len() - 1],
            "{}: {sizes:?}",
            method.name()
        );
        let said = method.reduce(&table, &LOSSY, "nonsense", 1).unwrap_err();
        assert!(said.to_string().starts_with(method.name()), "{said}");
    }
}
