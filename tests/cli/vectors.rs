//! Lists and structs of floats on the command line: bounds by dotted names, ranges by dimension,
//! and what the other commands say of such files.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray,
    StructArray,
};
use arrow::datatypes::{DataType, Field, Fields, Float32Type};
use serde_json::Value;

use crate::support::Folder;
use crate::tables::*;

/// Vectors of 4, of which dimension d has the range 10^d, and structs.
pub fn vectors(rows: usize) -> RecordBatch {
    let noise = |i: usize| {
        let hash = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ hash >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (hash >> 40) as f32 / (1 << 24) as f32
    };
    let value = |i: usize| noise(i) * 10f32.powi((i % 4) as i32);
    let items = Float32Array::from_iter_values((0..4 * rows).map(value));
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let emb = FixedSizeListArray::new(item, 4, Arc::new(items), None);
    let x = Float32Array::from_iter((0..rows).map(|i| (i % 5 > 0).then(|| noise(i))));
    let names = StringArray::from_iter_values((0..rows).map(|i| format!("n{}", i % 3)));
    let fields = Fields::from(vec![
        Field::new("x", DataType::Float32, true),
        Field::new("name", DataType::Utf8, false),
    ]);
    let s = StructArray::new(fields, vec![Arc::new(x), Arc::new(names)], None);
    let id = Int64Array::from_iter_values(0..rows as i64);
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(id)),
        ("emb", Arc::new(emb)),
        ("s", Arc::new(s)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn column<'a>(report: &'a Value, name: &str) -> &'a Value {
    let columns = report["columns"].as_array().unwrap();
    columns
        .iter()
        .find(|column| column["name"] == name)
        .unwrap()
}

fn compress(folder: &Folder, more: &[&str]) -> Value {
    let command = ["compress", "in.parquet", "-o", "out.parquet", "--json"];
    folder.json(&[&command, more].concat())
}

#[test]
fn bounds_by_dotted_names() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &vectors(2000));
    let report = compress(
        &folder,
        &["--column", "s.x=abs:0.25", "--column", "emb=rel:1e-2"],
    );
    assert_eq!(column(&report, "s.x")["abs_bound"], 0.25);
    assert!(column(&report, "s.x")["max_error"].as_f64().unwrap() > 0.1);
    assert!(column(&report, "s")["bound"].is_null());
    let all = column(&report, "emb")["abs_bound"].as_f64().unwrap();
    assert!((9.9..10.0).contains(&all), "{report}");

    let verified = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(verified["violations"], 0);
    assert_eq!(column(&verified, "s.x")["abs_bound"], 0.25);
    assert_eq!(column(&verified, "emb")["abs_bound"], all);
    let inspected = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(column(&inspected, "s.x")["bound"], "abs:0.25");
    assert_eq!(column(&inspected, "emb")["values"], 8000);

    let run = folder.run(&[
        "compress",
        "in.parquet",
        "-o",
        "no.parquet",
        "--column",
        "s.y=abs:1",
    ]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("\"s.x\""), "{}", run.stderr);
}

#[test]
fn ranges_by_dimension() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &vectors(2000));
    let report = compress(&folder, &["--rel", "1e-2", "--vector-range", "dimension"]);
    assert_eq!(column(&report, "emb")["dimensions"], 4);
    let inspected = folder.json(&["inspect", "out.parquet", "--json"]);
    let emb = column(&inspected, "emb");
    let bound = |key: &str| emb[key].as_f64().unwrap();
    assert!((9.9..10.0).contains(&bound("abs_bound")), "{emb}");
    assert!((0.0099..0.01).contains(&bound("least_abs_bound")), "{emb}");
    assert_eq!(emb["range_declared"], true);
    let verified = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(verified["violations"], 0);

    let run = folder.run(&["inspect", "out.parquet"]);
    assert!(run.stdout.contains("up to"), "{}", run.stdout);
    let run = folder.run(&[
        "compress",
        "in.parquet",
        "-o",
        "no.parquet",
        "--psnr",
        "60",
        "--vector-range",
        "dimension",
    ]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("emb"), "{}", run.stderr);
    let run = folder.run(&[
        "compress",
        "in.parquet",
        "-o",
        "no.parquet",
        "--layout",
        "portable",
        "--column",
        "emb=abs:1",
    ]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("portable"), "{}", run.stderr);
}

#[test]
fn verify_finds_what_is_wrong_with_vectors() {
    let folder = Folder::new();
    let batch = vectors(500);
    write_parquet(&folder.path("in.parquet"), &batch);
    compress(&folder, &["--rel", "1e-2", "--vector-range", "dimension"]);
    // One value of dimension 0 moves by less than the bound of dimension 3.
    let emb = batch.column(1).as_fixed_size_list();
    let mut values = emb.values().as_primitive::<Float32Type>().values().to_vec();
    values[400] += 1.0;
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let moved = FixedSizeListArray::new(item, 4, Arc::new(Float32Array::from(values)), None);
    let columns = vec![
        Arc::clone(batch.column(0)),
        Arc::new(moved) as ArrayRef,
        Arc::clone(batch.column(2)),
    ];
    let other = RecordBatch::try_new(batch.schema(), columns).unwrap();
    write_parquet(&folder.path("other.parquet"), &other);
    let run = folder.run(&["verify", "other.parquet", "out.parquet", "--json"]);
    assert_eq!(run.code, 1);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(column(&report, "emb")["bound_exceeded"], 1);
    assert_eq!(column(&report, "emb")["first_violation"]["row"], 100);
}

#[test]
fn rows_in_any_order_verify() {
    let folder = Folder::new();
    let batch = vectors(1500).project(&[1, 2]).unwrap();
    write_parquet(&folder.path("in.parquet"), &batch);
    compress(&folder, &["--rel", "1e-2", "--row-order", "any"]);
    let verified = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(verified["violations"], 0, "{verified}");
}

#[test]
fn decompressed_files_hold_the_same() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &vectors(700));
    compress(&folder, &["--abs", "0.01"]);
    let run = folder.run(&["decompress", "out.parquet", "-o", "plain.parquet"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let verified = folder.json(&["verify", "plain.parquet", "out.parquet", "--json"]);
    assert_eq!(verified["violations"], 0);
    assert_eq!(column(&verified, "emb")["max_error"], 0.0);
}
