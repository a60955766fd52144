//! `--layout portable`: every command knows the files that it makes.

use std::fs;

use crate::support::Folder;
use crate::tables::*;

fn compressed(folder: &Folder) {
    write_parquet(&folder.path("in.parquet"), &mixed(0, 5000));
    folder.ok(&[
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--layout",
        "portable",
        "--rel",
        "1e-2",
        "--column",
        "noisy=exact",
        "--row-group-rows",
        "2000",
    ]);
}

#[test]
fn verify_holds_it_to_its_bounds() {
    let folder = Folder::new();
    compressed(&folder);
    let report = folder.json(&["verify", "in.parquet", "out.parquet", "--json"]);
    assert_eq!(
        (&report["violations"], &report["rows"]),
        (&0.into(), &5000.into())
    );
    assert_eq!(report["columns"][1]["bound"], "rel:0.01");
    assert!(report["columns"][1]["max_error"].as_f64().unwrap() > 0.0);
    assert_eq!(report["columns"][2]["bound"], "exact");
    assert_eq!(report["columns"][2]["max_error"], 0.0);

    // Another table, at the same promises.
    write_parquet(&folder.path("other.parquet"), &mixed(7, 5000));
    let run = folder.run(&["verify", "other.parquet", "out.parquet"]);
    assert_eq!(run.code, 1, "{run:?}");
}

#[test]
fn inspect_shows_bounds_and_encodings() {
    let folder = Folder::new();
    compressed(&folder);
    let seen = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(
        (&seen["layout"], &seen["packed"], &seen["row_groups"]),
        (&"portable".into(), &false.into(), &3.into())
    );
    let wave = &seen["columns"][1];
    assert_eq!(
        (&wave["bound"], &wave["range_declared"]),
        (&"rel:0.01".into(), &true.into())
    );
    let (min, max) = (
        wave["range"][0].as_f64().unwrap(),
        wave["range"][1].as_f64().unwrap(),
    );
    let bound = wave["abs_bound"].as_f64().unwrap();
    assert!(bound > 0.0 && bound <= 0.01 * (max - min));
    let codecs = wave["codecs"].as_object().unwrap();
    assert!(
        codecs.keys().all(|codec| codec.ends_with("+ZSTD")),
        "{codecs:?}"
    );
    assert_eq!(codecs.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 3);
    assert_eq!(seen["columns"][2]["abs_bound"], 0.0);
    assert!(seen["columns"][0]["bound"].is_null());
    let table = folder.ok(&["inspect", "out.parquet"]);
    assert!(table.starts_with("portable Parquet file"), "{table}");
    assert!(
        table.contains("rel:0.01") && table.contains("+ZSTD"),
        "{table}"
    );

    write_parquet(&folder.path("plain.parquet"), &mixed(0, 10));
    let seen = folder.json(&["inspect", "plain.parquet", "--json"]);
    assert_eq!(seen["layout"], "ordinary");
}

/// It is an ordinary Parquet file already.
#[test]
fn decompress_copies_it() {
    let folder = Folder::new();
    compressed(&folder);
    folder.ok(&["decompress", "out.parquet", "-o", "copy.parquet"]);
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    assert!(read("copy.parquet") == read("out.parquet"));
}

#[test]
fn query_and_compress_take_it_as_input() {
    let folder = Folder::new();
    compressed(&folder);
    let rows = folder.ok(&[
        "query",
        "SELECT count(*) AS n FROM 'out.parquet' WHERE id >= 27900",
        "--format",
        "csv",
    ]);
    assert_eq!(rows, "n\n1000\n");
    for layout in ["packed", "portable"] {
        let again = ["compress", "out.parquet", "-o", "again.parquet"];
        let args = [&again[..], &["--layout", layout]].concat();
        folder.remarks(&args, "lossy copies already: out.parquet");
        let report = folder.json(&["verify", "out.parquet", "again.parquet", "--json"]);
        assert_eq!(report["violations"], 0, "{layout}");
    }
}

#[test]
fn there_are_no_blocks_in_it() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 50));
    folder.fails(
        &[
            "compress",
            "in.parquet",
            "-o",
            "out.parquet",
            "--layout",
            "portable",
            "--block-rows",
            "10",
        ],
        &["--block-rows"],
    );
}
