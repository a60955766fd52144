//! `inspect`: what it says of packed and ordinary files, and that it agrees with `compress`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};

use crate::support::Folder;
use crate::tables::*;

/// The file itself holds what `compress` reported.
#[test]
fn agrees_with_compress() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 5000));
    let written = folder.json(&[
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--block-rows",
        "1000",
        "--json",
    ]);
    let seen = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(
        (&seen["packed"], &seen["rows"]),
        (&true.into(), &5000.into())
    );
    assert_eq!(seen["file_bytes"], written["file_bytes"]);
    for (seen, written) in seen["columns"]
        .as_array()
        .unwrap()
        .iter()
        .zip(written["columns"].as_array().unwrap())
    {
        for key in ["name", "type", "bound", "abs_bound", "packed_bytes"] {
            assert_eq!(seen[key], written[key], "{key} of {}", seen["name"]);
        }
        if written["bound"].is_string() {
            // A file tells it as a part of the bound, rounded up.
            let number = |value: &serde_json::Value| value.as_f64().unwrap();
            let (told, largest) = (number(&seen["max_error"]), number(&written["max_error"]));
            let part = seen["abs_bound"].as_f64().unwrap_or(0.0) / 255.0;
            assert!(
                largest <= told && told <= largest + part * 1.001,
                "{told}, {largest}"
            );
            assert_eq!(seen["outliers"], written["outliers"]);
            assert_eq!(seen["raw_bytes"], written["raw_bytes"]);
            assert_eq!(seen["blocks"], 5);
        }
    }
    let noisy = &seen["columns"][2];
    assert_eq!(noisy["nulls"], 5000u64.div_ceil(7));
    assert_eq!(noisy["nullable"], true);
    let range = numbers(&mixed(0, 5000), "noisy")
        .into_iter()
        .flatten()
        .fold((f64::MAX, f64::MIN), |(low, high), x| {
            (low.min(x), high.max(x))
        });
    assert_eq!(noisy["range"], serde_json::json!([range.0, range.1]));

    let table = folder.ok(&["inspect", "out.parquet"]);
    assert!(
        table.starts_with("packed Parquet file, blocks of 1,000 rows: 5,000 rows, 9 columns"),
        "{table}"
    );
    assert!(
        table.contains("rel:0.001") && table.contains("Timestamp"),
        "{table}"
    );
}

/// Ordinary Parquet is recognised and described; anything else is an error.
#[test]
fn ordinary_parquet_is_recognised() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 500));
    let seen = folder.json(&["inspect", "in.parquet", "--json"]);
    assert_eq!(
        (&seen["packed"], &seen["rows"], &seen["row_groups"]),
        (&false.into(), &500.into(), &1.into())
    );
    assert_eq!(seen["columns"][1]["type"], "Float32");
    assert!(seen["columns"][1]["bound"].is_null());
    assert_eq!(seen["columns"][2]["nulls"], 500u64.div_ceil(7));
    let table = folder.ok(&["inspect", "in.parquet"]);
    assert!(
        table.starts_with("ordinary Parquet file (not packed): 500 rows"),
        "{table}"
    );

    write_csv(&folder.path("in.csv"), &mixed(0, 5));
    write_ipc(&folder.path("in.arrow"), &[mixed(0, 5)], None);
    folder.fails(&["inspect", "in.csv"], &["in.csv"]);
    folder.fails(&["inspect", "in.arrow"], &["in.arrow"]);
    folder.fails(&["inspect", "missing"], &["missing", "No such file"]);
    folder.fails(&["inspect", "."], &["."]);
}

/// A wide table is shown in part to people and in whole to scripts.
#[test]
fn wide_tables_are_cut_for_people() {
    let folder = Folder::new();
    let column = |i: usize| {
        Arc::new(Float32Array::from_iter_values(
            (0..50).map(|row| (row * i) as f32),
        )) as ArrayRef
    };
    let table =
        RecordBatch::try_from_iter((0..3000).map(|i| (format!("gene_{i}"), column(i)))).unwrap();
    write_parquet(&folder.path("in.parquet"), &table);
    for shown in [
        folder.ok(&["compress", "in.parquet", "-o", "out.parquet"]),
        folder.ok(&["inspect", "out.parquet"]),
        folder.ok(&["verify", "in.parquet", "out.parquet"]),
    ] {
        assert!(
            shown.contains("gene_39 ") && !shown.contains("gene_40 "),
            "{shown}"
        );
        assert!(shown.contains("and 2,960 more columns"), "{shown}");
        assert!(shown.lines().count() < 60, "{shown}");
    }
    let columns = |args: &[&str]| folder.json(args)["columns"].as_array().unwrap().len();
    assert_eq!(columns(&["inspect", "out.parquet", "--json"]), 3000);
    assert_eq!(
        columns(&["verify", "in.parquet", "out.parquet", "--json"]),
        3000
    );
    assert_eq!(
        columns(&["compress", "in.parquet", "-o", "out.parquet", "--json"]),
        3000
    );
}

/// Names that could steer a terminal or break a line do neither.
#[test]
fn names_are_shown_as_plain_text() {
    let folder = Folder::new();
    write_parquet(
        &folder.path("in.parquet"),
        &floats("\u{1b}[31mred\nline", [1.0, 2.0]),
    );
    let shown = folder.ok(&["compress", "in.parquet", "-o", "out.parquet"]);
    assert!(
        !shown.contains('\u{1b}') && shown.contains("[31mred"),
        "{shown}"
    );
    let seen = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(seen["columns"][0]["name"], "\u{1b}[31mred\nline");
    let args = [
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--column",
        "\u{1b}[31m\n=exact",
    ];
    assert!(!folder.fails(&args, &["[31m"]).contains('\u{1b}'));
}
