//! The bounds beyond `--rel` and `--abs`: their words, over several files, through `verify`.

use serde_json::{Value, json};

use crate::support::Folder;
use crate::tables::*;

fn column(report: &Value, i: usize) -> &Value {
    &report["columns"][i]
}

/// Each kind for all columns and for one, with what `inspect` and `verify` say of it.
#[test]
fn every_kind_is_compressed_inspected_and_verified() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 20_000));
    for (option, value, word) in [
        ("--pwrel", "0.01", "pwrel:0.01"),
        ("--psnr", "60", "psnr:60.0"),
        ("--psnr", "-3", "psnr:-3.0"),
        ("--rel", "0.01@p1..p99.5", "rel:0.01@p1..p99.5"),
    ] {
        let args = [
            "compress",
            "in.parquet",
            "-o",
            "out",
            option,
            value,
            "--column",
            "noisy=exact",
            "--row-group-rows",
            "6000",
            "--json",
        ];
        let report = folder.json(&args);
        assert_eq!(column(&report, 1)["bound"], word);
        assert_eq!(column(&report, 2)["bound"], "exact");
        let has_abs_bound = option != "--pwrel";
        assert_eq!(
            column(&report, 1)["abs_bound"].is_number(),
            has_abs_bound,
            "{report}"
        );
        assert!(
            column(&report, 1)["max_error"].as_f64().unwrap() > 0.0,
            "{report}"
        );

        let seen = folder.json(&["inspect", "out", "--json"]);
        assert_eq!(column(&seen, 1)["bound"], word);
        assert_eq!(
            column(&seen, 1)["abs_bound"],
            column(&report, 1)["abs_bound"]
        );
        folder.ok(&["inspect", "out"]);
        let checked = folder.json(&["verify", "in.parquet", "out", "--json"]);
        assert_eq!(checked["violations"], 0, "{checked}");
        assert_eq!(column(&checked, 1)["bound"], word);

        // The same for one column, and a table for people.
        let own = format!("wave={word}");
        let text = folder.ok(&["compress", "in.parquet", "-o", "own", "--column", &own]);
        assert!(text.contains(word), "{text}");
        assert!(!text.contains("stricter"), "{text}");
        folder.ok(&["verify", "in.parquet", "own"]);
    }
}

/// Quantiles are those of all files together, whatever their format and order, nulls and all.
#[test]
fn quantiles_span_all_files() {
    let folder = Folder::new();
    // 1 to 1000 in disorder, over three files, with an outlier that would stretch the range.
    let value = |i: u32| match i * 7 % 1000 {
        0 => 1e9,
        i => f64::from(i),
    };
    write_parquet(
        &folder.path("a.parquet"),
        &floats("x", (1..=300).map(value)),
    );
    write_ipc(
        &folder.path("b.arrow"),
        &[floats("x", (301..=301).map(value))],
        None,
    );
    write_parquet(
        &folder.path("c.parquet"),
        &nullable(&floats("x", (302..=1000).map(value))),
    );
    for (percentiles, low, high) in [
        ("p1..p99", 10.0, 990.0),
        ("p0..p99.9", 1.0, 999.0),
        ("p50..p50.000001", 500.0, 501.0),
        ("p0..p100", 1.0, 1e9),
    ] {
        let rel = format!("0.1@{percentiles}");
        let args = [
            "compress",
            "a.parquet",
            "b.arrow",
            "c.parquet",
            "-o",
            "out",
            "--rel",
            &rel,
            "--json",
        ];
        let report = folder.json(&args);
        let bound = column(&report, 0)["abs_bound"].as_f64().unwrap();
        let expected = 0.1 * (high - low);
        assert!(
            bound <= expected && bound >= expected * (1.0 - 1e-12),
            "{percentiles}: {bound}, not {expected}"
        );
        let seen = folder.json(&["inspect", "out", "--json"]);
        assert_eq!(
            column(&seen, 0)["range"],
            json!([low, high]),
            "{percentiles}"
        );
        assert_eq!(column(&seen, 0)["range_declared"], true);
    }
}

/// Columns without a finite value, and constant ones, are lossless.
#[test]
fn no_range_means_lossless() {
    let folder = Folder::new();
    let constant = (0..500).map(|i| if i < 2 { 7e9 } else { 0.3 });
    write_parquet(&folder.path("constant.parquet"), &floats("x", constant));
    let nothing = (0..500).map(|i| if i % 2 == 0 { f64::NAN } else { f64::INFINITY });
    write_parquet(&folder.path("nothing.parquet"), &floats("x", nothing));
    for (file, option, value) in [
        ("constant.parquet", "--rel", "0.1@p5..p95"),
        ("nothing.parquet", "--rel", "0.1@p5..p95"),
        ("nothing.parquet", "--psnr", "30"),
        ("nothing.parquet", "--pwrel", "0.1"),
    ] {
        let report = folder.json(&["compress", file, "-o", "out", option, value, "--json"]);
        assert_eq!(
            column(&report, 0)["max_error"],
            0.0,
            "{file} {option}: {report}"
        );
        folder.ok(&["verify", file, "out"]);
    }
}

#[test]
fn wrong_words_are_errors() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 100));
    for (usage, part) in [
        (
            vec!["--pwrel", "1"],
            "pwrel:1 is not a fraction of each value",
        ),
        (vec!["--pwrel", "-0.1"], "pwrel"),
        (vec!["--pwrel", "much"], "not a number"),
        (vec!["--psnr", "inf"], "decibels"),
        (vec!["--psnr", "60dB"], "not a number"),
        (vec!["--rel", "0.1@p99..p1"], "smaller one first"),
        (vec!["--rel", "0.1@1..99"], "p1..p99"),
        (vec!["--rel", "2@p1..p99"], "fraction of the value range"),
        (vec!["--rel", "0.1", "--psnr", "60"], "cannot be used with"),
        (vec!["--abs", "1", "--pwrel", "0.1"], "cannot be used with"),
        (vec!["--column", "wave=pwrel:2"], "pwrel:2"),
        (vec!["--column", "wave=bits:3"], "is not an error bound"),
    ] {
        let args = [&["compress", "in.parquet", "-o", "out"][..], &usage[..]].concat();
        let run = folder.run(&args);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "{usage:?}: {run:?}"
        );
        assert!(run.stderr.contains(part), "{usage:?}: {run:?}");
    }
    for bound in ["pwrel:0.1", "psnr:60", "rel:0.1@p1..p99"] {
        let column = format!("id={bound}");
        let args = ["compress", "in.parquet", "-o", "out", "--column", &column];
        folder.fails(&args, &["id", "Int64", "exactly"]);
    }
    assert_eq!(folder.files(), ["in.parquet"]);
}
