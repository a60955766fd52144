//! `query`: only results on standard output, in four formats.

use crate::tables::*;

/// Files by path and by name, packed and ordinary, in one query.
#[test]
fn paths_and_names() {
    let folder = packed();
    let count = "SELECT count(*) AS n FROM 'packed.parquet'";
    assert_eq!(folder.ok(&["query", count, "--format", "csv"]), "n\n1000\n");
    let join =
        "SELECT count(*) AS n FROM a JOIN b ON a.id = b.id WHERE abs(a.wave - b.wave) <= 0.002";
    let tables = ["--table", "a=packed.parquet", "--table", "b=plain.parquet"];
    let args = [&["query", join, "--format", "json"], &tables[..]].concat();
    assert_eq!(folder.ok(&args), "{\"n\":1000}\n");
}

/// The four formats.
#[test]
fn formats() {
    let folder = packed();
    let sql = "SELECT id, flag, name FROM 'packed.parquet' ORDER BY id LIMIT 2";
    assert!(folder.ok(&["query", sql]).contains("| -100 | true"));
    assert_eq!(
        folder.ok(&["query", sql, "--format", "csv"]),
        "id,flag,name\n-100,true,\n-93,false,größe 1\n"
    );
    let lines = folder.ok(&["query", sql, "--format", "json"]);
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        rows[1],
        serde_json::json!({"id": -93, "flag": false, "name": "größe 1"})
    );
    assert_eq!((rows.len(), &rows[0]["id"]), (2, &(-100).into()));

    assert_eq!(
        folder.ok(&["query", sql, "--format", "parquet", "-o", "rows.parquet"]),
        ""
    );
    assert_eq!(read_parquet(&folder.path("rows.parquet")).num_rows(), 2);
    assert_eq!(
        folder.ok(&["query", sql, "--format", "csv", "-o", "rows.csv"]),
        ""
    );
    assert_eq!(
        std::fs::read_to_string(folder.path("rows.csv"))
            .unwrap()
            .lines()
            .count(),
        3
    );
}

/// Wrong SQL, missing tables and impossible outputs.
#[test]
fn errors() {
    let folder = packed();
    folder.fails(&["query", "SELEC 1"], &["SELEC"]);
    folder.fails(&["query", "SELECT nope FROM 'packed.parquet'"], &["nope"]);
    folder.fails(
        &["query", "SELECT * FROM 'missing.parquet'"],
        &["missing.parquet"],
    );
    folder.fails(
        &["query", "SELECT * FROM t", "--table", "t=missing.parquet"],
        &["missing.parquet"],
    );
    folder.fails(
        &[
            "query",
            "SELECT 1",
            "--format",
            "csv",
            "-o",
            "nowhere/out.csv",
        ],
        &["nowhere"],
    );
    let over = [
        "query",
        "SELECT * FROM t",
        "--table",
        "t=plain.parquet",
        "--format",
        "parquet",
        "-o",
        "plain.parquet",
    ];
    folder.fails(&over, &["plain.parquet"]);
}
