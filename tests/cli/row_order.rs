//! `compress --row-order` and `--row-id`, and `verify` of what they make.

use std::fs;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use tolerant::file::ReaderBuilder;

use crate::support::Folder;
use crate::tables::*;

/// Rows in no order, few values in each column: something to gain by sorting.
fn shuffled(rows: usize) -> RecordBatch {
    // Without a pattern: zstd would find it.
    let noise = |i: usize, seed: u64| {
        let hash = (i as u64 * 8 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ hash >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((hash ^ hash >> 29) % 1009) as usize
    };
    let x: ArrayRef = Arc::new(Float32Array::from_iter_values(
        (0..rows).map(|i| noise(i, 1) as f32),
    ));
    let y: ArrayRef = Arc::new(Float32Array::from_iter_values(
        (0..rows).map(|i| noise(i, 2) as f32 / 7.0),
    ));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..rows).map(|i| format!("n{}", noise(i, 3) % 4)),
    ));
    RecordBatch::try_from_iter([("x", x), ("y", y), ("name", name)]).unwrap()
}

const ANY: [&str; 8] = [
    "compress",
    "in.parquet",
    "-o",
    "out.parquet",
    "--rel",
    "0.05",
    "--row-order",
    "any",
];

#[test]
fn any_order_is_smaller_and_verifies() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &shuffled(6000));
    let kept = folder.json(&[
        "compress",
        "in.parquet",
        "-o",
        "kept.parquet",
        "--rel",
        "0.05",
        "--json",
    ]);
    assert!(kept["row_order"].is_null());
    let any = folder.json(&[&ANY[..], &["--json"]].concat());
    let size = |report: &serde_json::Value| report["file_bytes"].as_u64().unwrap();
    assert!(size(&any) * 3 < size(&kept) * 2, "{any}");
    let order = &any["row_order"];
    assert!(order["bytes"].as_u64().unwrap() < order["kept_bytes"].as_u64().unwrap());
    assert_eq!(order["row_groups"], 1);
    assert_eq!(
        order["methods"]
            .as_object()
            .unwrap()
            .values()
            .next()
            .unwrap(),
        1
    );
    let first = order["columns"][0].as_str().unwrap();
    assert!(["x", "y", "name"].contains(&first));

    let text = folder.ok(&ANY);
    assert!(text.contains("rows in any order: pages "), "{text}");
    let report = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(report["violations"], 0);
    assert_eq!(report["rows"], 6000);
}

#[test]
fn portable_files_take_any_order_too() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &shuffled(6000));
    let portable = ["--layout", "portable", "--json"];
    let any = folder.json(&[&ANY[..], &portable].concat());
    let order = &any["row_order"];
    let size = |name: &str| order[name].as_u64().unwrap();
    assert!(size("bytes") * 5 < size("kept_bytes") * 4, "{any}");
    let seen = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(seen["layout"], "portable");
    assert_eq!(seen["row_order"], "any");
    assert!(seen["sorted_by"].is_array(), "{seen}");
    let report = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(report["violations"], 0, "{report}");

    let numbered = [&portable[..], &["--row-id", "row number"]].concat();
    folder.json(&[&ANY[..], &numbered].concat());
    let seen = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(seen["row_id"], "row number");
    let text = folder.ok(&["inspect", "out.parquet"]);
    assert!(text.contains("original positions in row number"), "{text}");
    let report = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(report["violations"], 0, "{report}");
    // What it says of its rows is not handed on to what is made of it.
    let again = ["compress", "out.parquet", "-o", "again.parquet"];
    let args = [&again[..], &["--layout", "portable"]].concat();
    folder.remarks(&args, "lossy copies already");
    let seen = folder.json(&["inspect", "again.parquet", "--json"]);
    assert!(
        seen["row_order"].is_null() && seen["row_id"].is_null(),
        "{seen}"
    );
    let report = folder.json(&["verify", "out.parquet", "again.parquet", "--json"]);
    assert_eq!(report["violations"], 0, "{report}");
}

#[test]
fn what_any_order_lost_is_found() {
    for layout in ["packed", "portable"] {
        lost_rows_are_found(layout);
    }
}

fn lost_rows_are_found(layout: &'static str) {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &shuffled(3000));
    folder.ok(&[&ANY[..], &["--layout", layout]].concat());
    let mut other = shuffled(3000).columns().to_vec();
    let mut x: Vec<f32> = other[0]
        .as_primitive::<arrow::datatypes::Float32Type>()
        .values()
        .to_vec();
    x[123] = 2e4;
    other[0] = Arc::new(Float32Array::from(x));
    let other = RecordBatch::try_new(shuffled(1).schema(), other).unwrap();
    write_parquet(&folder.path("other.parquet"), &other);
    let run = folder.run(&["verify", "other.parquet", "out.parquet"]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("row 123 first"), "{}", run.stdout);
    assert!(run.stdout.contains("1 of 3000 rows"), "{}", run.stdout);
}

#[test]
fn rows_keep_their_numbers() {
    let folder = Folder::new();
    let table = shuffled(3000);
    write_parquet(&folder.path("a.parquet"), &table.slice(0, 1300));
    write_parquet(&folder.path("b.parquet"), &table.slice(1300, 1700));
    for order in ["keep", "any"] {
        folder.ok(&[
            "compress",
            "a.parquet",
            "b.parquet",
            "-o",
            "out.parquet",
            "--rel",
            "0.1",
            "--row-order",
            order,
            "--row-id",
            "row number",
            "--block-rows",
            "500",
            "--row-group-rows",
            "1000",
        ]);
        let reader = ReaderBuilder::open(&folder.path("out.parquet"))
            .unwrap()
            .build()
            .unwrap();
        let mut numbers = Vec::new();
        for batch in reader {
            let batch = batch.unwrap();
            assert_eq!(batch.schema().field(3).name(), "row number");
            let column: &Int64Array = batch.column(3).as_primitive::<Int64Type>();
            numbers.extend(column.values().iter().copied());
        }
        // With the numbers to be stored, another order may well cost more than it saves.
        assert!(order == "any" || numbers.iter().copied().eq(0..3000));
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..3000));
        fs::create_dir_all(folder.path("all")).unwrap();
        write_parquet(&folder.path("all/in.parquet"), &table);
        let report = folder.json(&["verify", "all", "out.parquet", "--json"]);
        assert_eq!(report["violations"], 0, "{report}");
    }
}

#[test]
fn wrong_words_are_refused() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &shuffled(10));
    let compress =
        |more: &[&'static str]| [&["compress", "in.parquet", "-o", "out.parquet"], more].concat();
    folder.fails(
        &compress(&["--row-id", "name"]),
        &["\"name\" already", "another name"],
    );
    folder.fails(&compress(&["--row-id", ""]), &["needs a name"]);
    let run = folder.run(&compress(&["--row-order", "sorted"]));
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("keep, any"), "{}", run.stderr);
}
