//! `compress` into a folder: a file for each input, with the ranges of all, and `verify` of the two
//! folders.

use std::fs;

use serde_json::{Value, json};

use crate::support::Folder;
use crate::tables::*;

/// Three kinds of file with ranges of their own, in folders.
fn dataset() -> Folder {
    let folder = Folder::new();
    let ramp =
        |scale: f64, start: f64| floats("x", (0..3000).map(move |i| f64::from(i) * scale + start));
    write_parquet(&folder.path("data/a.parquet"), &ramp(0.001, 0.0));
    write_parquet_without_statistics(&folder.path("data/b/b.pq"), &ramp(0.5, -500.0));
    write_csv(&folder.path("data/b/c.csv"), &ramp(0.25, 10.5));
    folder
}

fn files(report: &Value) -> &Vec<Value> {
    report["files"].as_array().unwrap()
}

/// One range, that of all files, in each of them; and what stands in the reports.
#[test]
fn a_bound_means_the_same_in_each_file() {
    let folder = dataset();
    let report = folder.json(&["compress", "data", "-o", "out/", "--rel", "0.01", "--json"]);
    let out = ["out/a.parquet", "out/b/b.parquet", "out/b/c.parquet"];
    assert_eq!(
        folder.files(),
        [
            &["data/a.parquet", "data/b/b.pq", "data/b/c.csv"][..],
            &out[..]
        ]
        .concat()
    );
    assert_eq!(report["rows"], 9000);
    assert_eq!(report["lost_workers"], json!([]));
    let mut bytes = 0;
    for (file, path) in files(&report).iter().zip(out) {
        assert_eq!(
            (&file["output"], &file["rows"]),
            (&path.into(), &3000.into())
        );
        let bound = file["columns"][0]["abs_bound"].as_f64().unwrap();
        assert!((14.994..=14.996).contains(&bound), "{file}");
        let seen = folder.json(&["inspect", path, "--json"]);
        assert_eq!(seen["columns"][0]["range_declared"], true);
        bytes += fs::metadata(folder.path(path)).unwrap().len();
    }
    assert_eq!(report["file_bytes"], bytes);

    let verified = folder.json(&["verify", "data", "out", "--json"]);
    assert_eq!(
        (&verified["violations"], &verified["rows"]),
        (&0.into(), &9000.into())
    );
    assert_eq!(verified["columns"][0]["range"], json!([-500.0, 999.5]));
    // Alone, a file's promise is that of a narrower range.
    let alone = folder.run(&["verify", "data/a.parquet", "out/a.parquet"]);
    assert_eq!(alone.code, 1, "{alone:?}");

    let table = folder.ok(&["compress", "data/", "-o", "out", "--rel", "0.01"]);
    assert_eq!(table.lines().count(), 1 + 3 + 1, "{table}");
    assert!(table.contains("out/b/c.parquet") && table.contains("3 files, 9,000 rows"));
}

/// A dataset of one file is that file, byte for byte.
#[test]
fn one_file_is_as_ever() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 5000));
    for more in [
        &["--rel", "1e-2"][..],
        &["--rel", "0.01@p1..p99", "--column", "noisy=psnr:60"],
        &["--layout", "portable"],
        &[
            "--row-order",
            "any",
            "--effort",
            "fast",
            "--block-rows",
            "512",
        ],
    ] {
        folder.ok(&[&["compress", "in.parquet", "-o", "one.parquet"], more].concat());
        folder.ok(&[&["compress", "in.parquet", "-o", "each/"], more].concat());
        let read = |name: &str| fs::read(folder.path(name)).unwrap();
        assert!(read("one.parquet") == read("each/in.parquet"), "{more:?}");
        folder.ok(&["verify", "in.parquet", "each"]);
    }
}

/// Quantiles, vectors and any order: promises over the whole, kept by the parts.
#[test]
fn all_kinds_of_bounds_are_kept() {
    let folder = Folder::new();
    for (name, start) in [("a", 0), ("b", 4000), ("c", 9000)] {
        write_parquet(
            &folder.path(&format!("data/{name}.parquet")),
            &mixed(start, 4000),
        );
    }
    for (out, more) in [
        ("quantiles", &["--rel", "0.01@p1..p99"][..]),
        ("pointwise", &["--pwrel", "0.01"]),
        ("noise", &["--psnr", "50"]),
        ("portable", &["--layout", "portable"]),
        (
            "sorted",
            &["--row-order", "any", "--row-group-rows", "2048"],
        ),
    ] {
        let folder_name = format!("{out}/");
        folder.ok(&[&["compress", "data", "-o", &folder_name], more].concat());
        let report = folder.json(&["verify", "data", out, "--json"]);
        assert_eq!(
            (&report["violations"], &report["rows"]),
            (&0.into(), &12_000.into()),
            "{out}: {report}"
        );
    }
    // Files that do not go together.
    folder.ok(&["compress", "data/b.parquet", "-o", "sorted/", "--abs", "1"]);
    folder.fails(&["verify", "data", "sorted"], &["b.parquet", "a.parquet"]);
}

/// Values that are names of folders stay where they are.
#[test]
fn partitions_are_kept() {
    let folder = Folder::new();
    for year in [2023, 2024] {
        let path = folder.path(&format!("data/year={year}/a.parquet"));
        write_parquet(&path, &mixed(year, 500));
    }
    folder.ok(&["compress", "data", "-o", "out/"]);
    folder.ok(&["verify", "data", "out"]);
    let rows = folder.ok(&["query", "SELECT DISTINCT year FROM 'out/' ORDER BY year"]);
    assert!(rows.contains("2023") && rows.contains("2024"), "{rows}");
}

/// The type of a CSV column is what all files need.
#[test]
fn csv_types_are_those_of_all_files() {
    let folder = Folder::new();
    folder.write("data/a.csv", "x,n\n1,1\n2,2\n");
    folder.write("data/b.csv", "x,n\n0.5,3\n,4\n");
    folder.ok(&["compress", "data", "-o", "out/", "--rel", "0"]);
    let a = folder.json(&["inspect", "out/a.parquet", "--json"]);
    assert_eq!(
        (&a["columns"][0]["type"], &a["columns"][1]["type"]),
        (&"Float64".into(), &"Int64".into())
    );
    folder.ok(&["verify", "data", "out"]);
}

/// Statistics that one file lies with: all files end with the true range.
#[test]
fn lying_statistics_are_found_out() {
    let folder = Folder::new();
    let table = floats("x", (0..1000).map(|i| f64::from(i) * 0.125 + 0.3));
    write_parquet(&folder.path("data/a.parquet"), &table);
    let other = floats("x", (0..1000).map(|i| f64::from(i) * 0.01 - 7.0));
    write_parquet(&folder.path("data/b.parquet"), &other);
    claim(&folder, "data/a.parquet", 999.0 * 0.125 + 0.3, 1e9);
    let report = folder.json(&["compress", "data", "-o", "out/", "--rel", "0.01", "--json"]);
    let range = 999.0 * 0.125 + 0.3 + 7.0;
    for file in files(&report) {
        let bound = file["columns"][0]["abs_bound"].as_f64().unwrap();
        assert!(bound <= range * 0.01 && bound > range * 0.00999, "{file}");
    }
    folder.ok(&["verify", "data", "out"]);
}

/// Has the footer of a file claim another number.
fn claim(folder: &Folder, name: &str, from: f64, to: f64) {
    let mut bytes = fs::read(folder.path(name)).unwrap();
    let end = bytes.len();
    let footer = u32::from_le_bytes(bytes[end - 8..end - 4].try_into().unwrap()) as usize;
    let (from, to) = (from.to_le_bytes(), to.to_le_bytes());
    let mut patched = 0;
    for at in end - 8 - footer..end - 16 {
        if bytes[at..at + 8] == from {
            bytes[at..at + 8].copy_from_slice(&to);
            patched += 1;
        }
    }
    assert!(patched > 0, "the footer holds no statistics");
    folder.write(name, bytes);
}

/// What makes no sense, said before anything is written.
#[test]
fn wrong_folders_are_errors() {
    let folder = dataset();
    folder.fails(&["compress", "data", "-o", "data/"], &["data", "elsewhere"]);
    folder.fails(&["compress", "data", "-o", "data/new/"], &["elsewhere"]);
    folder.fails(&["compress", "data", "-o", "x/../data/b/"], &["elsewhere"]);
    folder.fails(
        &["compress", "data/a.parquet", "-o", "data"],
        &["a.parquet", "also an input"],
    );
    folder.fails(
        &["compress", "data", "-o", "out/", "--row-id", "n"],
        &["--row-id"],
    );
    folder.fails(
        &[
            "compress",
            "data",
            "-o",
            "out/",
            "--layout",
            "portable",
            "--block-rows",
            "9",
        ],
        &["--block-rows"],
    );
    folder.fails(
        &["compress", "data", "-o", "data/a.parquet/"],
        &["a.parquet"],
    );
    folder.fails(
        &["compress", "data", "-o", "out/", "--column", "y=exact"],
        &["\"y\""],
    );
    write_parquet(&folder.path("more/a.parquet"), &floats("x", [1.0]));
    folder.fails(
        &["compress", "data", "more", "-o", "out/"],
        &["data/a.parquet", "more/a.parquet", "two folders"],
    );
    folder.fails(&["verify", "data", "nowhere/"], &["nowhere/a.parquet"]);
    #[cfg(feature = "distributed")]
    folder.fails(
        &[
            "compress",
            "data",
            "-o",
            "out.parquet",
            "--workers",
            "127.0.0.1:1",
        ],
        &["out.parquet", "--workers"],
    );
}

/// A damaged file ends it; files before it are whole, and named.
#[test]
fn what_was_written_is_named() {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        write_parquet(
            &folder.path(&format!("data/{name}.parquet")),
            &mixed(0, 20_000),
        );
    }
    let mut damaged = fs::read(folder.path("data/b.parquet")).unwrap();
    let middle = damaged.len() / 2;
    damaged[4..middle].fill(0xA5);
    folder.write("data/b.parquet", damaged);
    let run = folder.run(&["compress", "data", "-o", "out/"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(
        run.stderr.contains("data/b.parquet") && run.stderr.contains("out/a.parquet"),
        "{run:?}"
    );
    assert!(run.stderr.contains("1 of 3 files"), "{run:?}");
    let written: Vec<String> = folder.files();
    assert_eq!(written.last().unwrap(), "out/a.parquet", "{written:?}");
    assert_eq!(written.len(), 4, "{written:?}");
    assert_eq!(
        folder.json(&["inspect", "out/a.parquet", "--json"])["rows"],
        20_000
    );
}

/// What an earlier run has left is found, for whoever reads the folder reads it too.
#[test]
fn files_of_nothing_are_named() {
    let folder = dataset();
    folder.ok(&["compress", "data", "-o", "out/"]);
    folder.write("out/README.txt", "by hand");
    folder.ok(&["verify", "data", "out"]);
    folder.ok(&["compress", "data/a.parquet", "-o", "out/b/"]);
    let table = folder.ok(&["verify", "data", "out"]);
    assert!(table.contains("also in the folder") && table.contains("out/b/a.parquet"));
    let report = folder.json(&["verify", "data", "out", "--json"]);
    assert_eq!(report["other_files"], json!(["out/b/a.parquet"]));
    assert_eq!(report["violations"], 0);
    // One file says nothing of the others.
    folder.ok(&["verify", "data/a.parquet", "out/b/"]);
}

/// A file without rows has no dimensions, and goes with those that have.
#[test]
fn empty_files_among_vectors() {
    for empty in ["a", "b", "c"] {
        let folder = Folder::new();
        for name in ["a", "b", "c"] {
            let rows = if name == empty { 0 } else { 3000 };
            let path = folder.path(&format!("data/{name}.parquet"));
            write_parquet(&path, &crate::vectors::vectors(rows));
        }
        let by_dimension = ["--vector-range", "dimension"];
        for more in [&[][..], &by_dimension] {
            folder.ok(&[&["compress", "data", "-o", "out/"], more].concat());
            let report = folder.json(&["verify", "data", "out", "--json"]);
            assert_eq!(
                (&report["violations"], &report["rows"]),
                (&0.into(), &6000.into())
            );
        }
    }
}
