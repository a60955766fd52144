//! A `rel` bound is relative to the column's range over *all* input, whatever files declare it.

use std::fs;

use serde_json::Value;

use crate::support::Folder;
use crate::tables::*;

fn abs_bound(report: &Value, column: usize) -> f64 {
    report["columns"][column]["abs_bound"].as_f64().unwrap()
}

fn near(bound: f64, expected: f64) -> bool {
    bound <= expected && bound >= expected * (1.0 - 1e-12)
}

/// Two files of different range, with and without statistics: one range, one bound.
#[test]
fn range_spans_all_files() {
    let folder = Folder::new();
    let small = floats("x", (0..1000).map(|i| f64::from(i) / 1000.0));
    let large = floats("x", (0..1000).map(|i| f64::from(i) * 2.0 - 500.0));
    let range = 1998.0;
    write_parquet(&folder.path("small.parquet"), &small);
    write_parquet(&folder.path("large.parquet"), &large);
    write_parquet_without_statistics(&folder.path("silent.parquet"), &large);
    write_ipc(
        &folder.path("large.arrow"),
        std::slice::from_ref(&large),
        None,
    );
    write_csv(&folder.path("large.csv"), &large);
    let packed = [
        "compress",
        "large.parquet",
        "-o",
        "large.packed",
        "--column",
        "x=exact",
    ];
    folder.ok(&packed);
    for file in [
        "large.packed",
        "large.parquet",
        "silent.parquet",
        "large.arrow",
        "large.csv",
    ] {
        for files in [["small.parquet", file], [file, "small.parquet"]] {
            let args = [
                "compress", files[0], files[1], "-o", "out", "--rel", "0.01", "--json",
            ];
            let report = folder.json(&args);
            assert!(
                near(abs_bound(&report, 0), range * 0.01),
                "{files:?}: {report}"
            );
            let seen = folder.json(&["inspect", "out", "--json"]);
            assert_eq!(
                seen["columns"][0]["range"],
                serde_json::json!([-500.0, 1498.0]),
                "{files:?}"
            );
            assert_eq!(seen["columns"][0]["range_declared"], true, "{files:?}");
        }
    }
}

/// Infinities and NaN are no part of a range, so that statistics which hold them do not count.
#[test]
fn infinities_do_not_widen_a_range() {
    let folder = Folder::new();
    let values = [1.0, f64::INFINITY, 3.0, f64::NEG_INFINITY, 2.0, f64::NAN];
    write_parquet(&folder.path("in.parquet"), &floats("x", values));
    let report = folder.json(&[
        "compress",
        "in.parquet",
        "-o",
        "out",
        "--rel",
        "0.1",
        "--json",
    ]);
    assert!(near(abs_bound(&report, 0), 0.2), "{report}");

    write_parquet(
        &folder.path("none.parquet"),
        &floats("x", [f64::NAN, f64::INFINITY, f64::NAN]),
    );
    let report = folder.json(&[
        "compress",
        "none.parquet",
        "-o",
        "out",
        "--rel",
        "0.1",
        "--json",
    ]);
    assert_eq!(
        abs_bound(&report, 0),
        0.0,
        "no finite value, no range: {report}"
    );
}

/// Statistics that claim more than the values hold must not loosen the promise, and statistics
/// that claim less must not tighten it.
#[test]
fn lying_statistics_are_found_out() {
    let folder = Folder::new();
    let path = folder.path("in.parquet");
    write_parquet(
        &path,
        &floats("x", (0..1000).map(|i| f64::from(i) * 0.125 + 0.3)),
    );
    let honest = fs::read(&path).unwrap();
    let footer_len = u32::from_le_bytes(
        honest[honest.len() - 8..honest.len() - 4]
            .try_into()
            .unwrap(),
    ) as usize;
    let max = (999.0 * 0.125 + 0.3f64).to_le_bytes();
    for claim in [1e9, 50.0f64] {
        let mut lying = honest.clone();
        let mut patched = 0;
        for at in honest.len() - 8 - footer_len..honest.len() - 16 {
            if lying[at..at + 8] == max {
                lying[at..at + 8].copy_from_slice(&claim.to_le_bytes());
                patched += 1;
            }
        }
        assert!(patched > 0, "the footer holds no statistics");
        fs::write(&path, lying).unwrap();
        let report = folder.json(&[
            "compress",
            "in.parquet",
            "-o",
            "out",
            "--rel",
            "0.01",
            "--json",
        ]);
        assert!(
            near(abs_bound(&report, 0), 999.0 * 0.125 * 0.01),
            "{claim}: {report}"
        );
        assert_eq!(folder.files(), ["in.parquet", "out"]);
    }
}
