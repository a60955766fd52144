//! `verify`: exit code 0 for a promise kept, 1 for one broken, 2 where it cannot tell.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};

use crate::support::Folder;
use crate::tables::*;

/// Any kind of original will do, in the files it was compressed from.
#[test]
fn kept_promises_pass() {
    let folder = Folder::new();
    write_parquet(&folder.path("data/a.parquet"), &mixed(0, 3000));
    write_ipc(&folder.path("data/b.arrow"), &[mixed(3000, 2000)], None);
    folder.ok(&[
        "compress",
        "data",
        "-o",
        "out.parquet",
        "--rel",
        "1e-2",
        "--row-group-rows",
        "1500",
    ]);
    let report = folder.json(&["verify", "data", "out.parquet", "--json"]);
    assert_eq!(
        (&report["violations"], &report["rows"]),
        (&0.into(), &5000.into())
    );
    let columns = report["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 9);
    assert!(
        columns
            .iter()
            .all(|column| column["violations"] == 0 && column["name"].is_string())
    );
    assert_eq!(columns[1]["bound"], "rel:0.01");
    assert!(columns[1]["max_error"].as_f64().unwrap() <= columns[1]["abs_bound"].as_f64().unwrap());
    assert!(
        folder
            .ok(&["verify", "data/*", "out.parquet"])
            .contains("0 violations")
    );
}

/// Values that moved too far, nulls, NaN, infinities and signed zeros that changed are counted.
#[test]
fn broken_promises_fail() {
    let folder = Folder::new();
    let write = |name: &str, values: Vec<Option<f64>>| {
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        let table = RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap();
        write_parquet(&folder.path(name), &table);
    };
    let mut values: Vec<Option<f64>> = (0..1000)
        .map(|i| Some((f64::from(i) / 100.0).sin()))
        .collect();
    values[7] = None;
    values[8] = Some(f64::NAN);
    values[9] = Some(f64::INFINITY);
    values[10] = Some(-0.0);
    write("in.parquet", values.clone());
    folder.ok(&[
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--abs",
        "0.01",
    ]);
    folder.ok(&["verify", "in.parquet", "out.parquet"]);

    values[7] = Some(0.0);
    values[8] = Some(1.0);
    values[9] = Some(f64::NEG_INFINITY);
    values[10] = Some(0.0);
    values[20] = Some(values[20].unwrap() + 0.0201);
    write("other.parquet", values);
    let run = folder.run(&["verify", "other.parquet", "out.parquet", "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let column = &report["columns"][0];
    assert_eq!(report["violations"], 5, "{report}");
    assert_eq!(column["violations"], 5, "{report}");
    let run = folder.run(&["verify", "other.parquet", "out.parquet"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    assert!(run.stdout.contains("5 violations"), "{run:?}");

    write("short.parquet", vec![Some(0.5); 10]);
    assert_eq!(
        folder.run(&["verify", "short.parquet", "out.parquet"]).code,
        1
    );
    write_parquet(&folder.path("renamed.parquet"), &floats("y", [0.5; 10]));
    assert_eq!(
        folder
            .run(&["verify", "renamed.parquet", "out.parquet"])
            .code,
        1
    );
}

/// What cannot be compared is an error, not a violation.
#[test]
fn unreadable_files_are_errors() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 10));
    write_csv(&folder.path("in.csv"), &mixed(0, 10));
    folder.fails(
        &["verify", "missing.parquet", "in.parquet"],
        &["missing.parquet"],
    );
    folder.fails(
        &["verify", "in.parquet", "missing.parquet"],
        &["missing.parquet"],
    );
    folder.fails(&["verify", "in.parquet", "in.csv"], &["in.csv"]);
    assert_eq!(folder.run(&["verify", "in.parquet"]).code, 2);
}
