//! `compress`: its words, its report, its file, and what it does when something is wrong.

use std::fs;

use arrow::array::AsArray;
use serde_json::Value;

use crate::support::Folder;
use crate::tables::*;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// The keys and types of `--json`, which scripts rely on.
#[test]
fn json_is_the_contract() {
    let folder = Folder::new();
    let table = mixed(0, 5000);
    write_parquet(&folder.path("in.parquet"), &table);
    let report = folder.json(&["compress", "in.parquet", "-o", "out.parquet", "--json"]);

    assert_eq!(
        keys(&report),
        [
            "rows",
            "raw_bytes",
            "file_bytes",
            "ratio",
            "seconds",
            "row_order",
            "columns"
        ]
    );
    assert_eq!(report["rows"], 5000);
    assert_eq!(
        report["file_bytes"],
        fs::metadata(folder.path("out.parquet")).unwrap().len()
    );
    let (raw, file) = (
        report["raw_bytes"].as_u64().unwrap(),
        report["file_bytes"].as_u64().unwrap(),
    );
    // serde_json reads floats back to within a unit in the last place.
    assert!((report["ratio"].as_f64().unwrap() / (raw as f64 / file as f64) - 1.0).abs() < 1e-15);
    assert!(report["seconds"].as_f64().unwrap() > 0.0);

    let columns = report["columns"].as_array().unwrap();
    let names: Vec<&str> = columns
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "id", "wave", "noisy", "half", "small", "flag", "name", "day", "at"
        ]
    );
    let mut total = 0;
    for column in columns {
        let expected = [
            "name",
            "type",
            "bound",
            "abs_bound",
            "max_error",
            "outliers",
            "raw_bytes",
            "packed_bytes",
        ];
        assert_eq!(keys(column), expected);
        assert!(
            column["type"].is_string()
                && column["max_error"].is_number()
                && column["outliers"].is_u64()
        );
        assert!(column["packed_bytes"].as_u64().unwrap() > 0);
        total += column["raw_bytes"].as_u64().unwrap();
    }
    assert_eq!(total, raw);
    let of = |name: &str| {
        columns
            .iter()
            .find(|column| column["name"] == name)
            .unwrap()
    };
    assert_eq!(
        (&of("wave")["type"], &of("wave")["bound"]),
        (&"Float32".into(), &"rel:0.001".into())
    );
    assert_eq!(of("wave")["raw_bytes"], 4 * 5000);
    assert_eq!(of("id")["bound"], "exact");
    assert_eq!(
        (&of("id")["abs_bound"], &of("id")["max_error"]),
        (&0.0.into(), &0.0.into())
    );
    assert_eq!(
        (&of("name")["bound"], &of("name")["abs_bound"]),
        (&Value::Null, &Value::Null)
    );
}

/// The table for people: a line for each column, a total, and nothing else anywhere.
#[test]
fn table_shows_every_column() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 1000));
    let table = folder.ok(&[
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--rel",
        "1e-2",
    ]);
    let lines: Vec<&str> = table.lines().collect();
    for word in [
        "column",
        "type",
        "bound",
        "abs bound",
        "max error",
        "outliers",
        "before",
        "after",
        "ratio",
        "bits",
    ] {
        assert!(lines[0].contains(word), "{word} is not in {:?}", lines[0]);
    }
    assert_eq!(lines.len(), 1 + 9 + 1, "{table}");
    assert!(
        lines[2].starts_with("wave")
            && lines[2].contains("Float32")
            && lines[2].contains("rel:0.01"),
        "{table}"
    );
    assert!(
        lines[10].starts_with("1,000 rows") && lines[10].contains("MB/s"),
        "{table}"
    );
}

/// What `compress` says it did is what `decompress` finds: values within the bound, all else equal.
#[test]
fn every_column_keeps_its_promise() {
    let folder = Folder::new();
    let table = mixed(0, 20_000);
    write_parquet(&folder.path("in.parquet"), &table);
    let args = [
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--json",
        "--abs",
        "0.125",
        "--column",
        "wave=rel:0.01",
    ];
    let report = folder.json(&args);
    folder.ok(&["decompress", "out.parquet", "-o", "back.parquet"]);
    let back = read_parquet(&folder.path("back.parquet"));

    assert_eq!(back.schema(), table.schema());
    for column in report["columns"].as_array().unwrap() {
        let name = column["name"].as_str().unwrap();
        match name {
            "wave" | "noisy" | "half" => {
                let error = largest_error(&table, &back, name);
                assert!(error > 0.0, "{name} is lossless, which was not asked for");
                assert!(error <= column["abs_bound"].as_f64().unwrap(), "{name}");
                // Reported rounded up, and never by more than a float or two.
                let reported = column["max_error"].as_f64().unwrap();
                assert!(
                    // serde_json may read a number as the float beside it.
                    error <= reported.next_up() && reported <= error * (1.0 + 1e-12),
                    "{name}: {error} {reported}"
                );
            }
            _ => assert_eq!(
                back.column_by_name(name),
                table.column_by_name(name),
                "{name}"
            ),
        }
    }
    let bound = |index: usize| report["columns"][index]["abs_bound"].as_f64().unwrap();
    assert!(
        (0.0199..=0.02).contains(&bound(1)),
        "a hundredth of [-1, 1]: {}",
        bound(1)
    );
    assert_eq!(bound(2), 0.125);
    assert_eq!(report["columns"][2]["bound"], "abs:0.125");
}

/// `exact`, and bounds of zero, are lossless to the bit.
#[test]
fn exact_is_exact() {
    let folder = Folder::new();
    let table = mixed(0, 3000);
    write_parquet(&folder.path("in.parquet"), &table);
    for (name, bound) in [("wave", "exact"), ("noisy", "abs:0"), ("half", "rel:0")] {
        let column = format!("{name}={bound}");
        folder.ok(&[
            "compress",
            "in.parquet",
            "-o",
            "out.parquet",
            "--column",
            &column,
        ]);
        folder.ok(&["decompress", "out.parquet", "-o", "back.parquet"]);
        let back = read_parquet(&folder.path("back.parquet"));
        assert_eq!(
            back.column_by_name(name),
            table.column_by_name(name),
            "{column}"
        );
    }
}

/// A name is everything before the last `=`.
#[test]
fn column_names_may_hold_an_equals_sign() {
    let folder = Folder::new();
    write_parquet(
        &folder.path("in.parquet"),
        &floats("a=b", (0..500).map(f64::from)),
    );
    let report = folder.json(&[
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--column",
        "a=b=abs:2",
        "--json",
    ]);
    assert_eq!(report["columns"][0]["bound"], "abs:2.0");
}

/// Bounds that cannot be met, for columns that are not there or are not floats.
#[test]
fn wrong_bounds_are_errors() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 100));
    let compress = |rest: &[&str], parts: &[&str]| {
        let args: Vec<&str> = ["compress", "in.parquet", "-o", "out.parquet"]
            .iter()
            .chain(rest)
            .copied()
            .collect();
        folder.fails(&args, parts)
    };
    compress(
        &["--column", "nosy=exact"],
        &["nosy", "did you mean \"noisy\"?"],
    );
    compress(
        &["--column", "xyzzy=exact"],
        &["no column is named \"xyzzy\""],
    );
    compress(&["--column", "id=rel:0.1"], &["id", "Int64", "exactly"]);
    compress(
        &["--column", "wave=exact", "--column", "wave=rel:0.1"],
        &["wave", "two bounds"],
    );
    compress(&["--block-rows", "0"], &["block"]);
    compress(&["--row-group-rows", "0"], &["row group"]);
    compress(&["--block-rows", "999999999"], &["block"]);

    for usage in [
        vec!["--rel", "0.1", "--abs", "1"],
        vec!["--rel", "-1"],
        vec!["--rel", "2"],
        vec!["--rel", "NaN"],
        vec!["--rel", "many"],
        vec!["--abs", "-1"],
        vec!["--abs", "inf"],
        vec!["--column", "wave"],
        vec!["--column", "wave=about right"],
        vec!["--rows", "7"],
    ] {
        let args: Vec<&str> = ["compress", "in.parquet", "-o", "out.parquet"]
            .iter()
            .chain(&usage)
            .copied()
            .collect();
        let run = folder.run(&args);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (2, ""),
            "{usage:?}: {run:?}"
        );
        assert!(run.stderr.starts_with("error: "), "{usage:?}: {run:?}");
    }
    assert_eq!(folder.files(), ["in.parquet"]);
}

/// Sizes asked for are the sizes in the file.
#[test]
fn blocks_and_row_groups_are_as_asked() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 10_000));
    let args = ["--block-rows", "500", "--row-group-rows", "2000"];
    folder.ok(&[
        &["compress", "in.parquet", "-o", "out.parquet"][..],
        &args[..],
    ]
    .concat());
    let seen = folder.json(&["inspect", "out.parquet", "--json"]);
    assert_eq!(
        (&seen["row_groups"], &seen["block_rows"]),
        (&5.into(), &500.into())
    );
    assert_eq!(seen["columns"][1]["blocks"], 20);
}

/// An existing file is replaced as a whole; an input is never written over, whatever it is called.
#[test]
fn inputs_are_safe_and_outputs_are_replaced() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 100));
    folder.write("out.parquet", "what was here before");
    folder.ok(&["compress", "in.parquet", "-o", "out.parquet"]);
    assert_eq!(folder.files(), ["in.parquet", "out.parquet"]);
    assert_eq!(
        folder.json(&["inspect", "out.parquet", "--json"])["rows"],
        100
    );

    folder.fails(
        &["compress", "in.parquet", "-o", "in.parquet"],
        &["in.parquet", "also an input"],
    );
    folder.fails(
        &["compress", "in.parquet", "-o", "./in.parquet"],
        &["also an input"],
    );
    folder.fails(
        &["compress", ".", "-o", "out.parquet"],
        &["out.parquet", "also an input"],
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("in.parquet", folder.path("link.parquet")).unwrap();
        folder.fails(
            &["compress", "in.parquet", "-o", "link.parquet"],
            &["also an input"],
        );
    }
    folder.fails(
        &["decompress", "out.parquet", "-o", "out.parquet"],
        &["also an input"],
    );
}

/// A place where nothing can be written is found before any work, and named.
#[test]
fn impossible_outputs_are_errors() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 100));
    fs::create_dir(folder.path("folder")).unwrap();
    folder.fails(
        &["decompress", "in.parquet", "-o", "folder"],
        &["folder", "is a folder"],
    );
    folder.fails(
        &["compress", "in.parquet", "-o", "nowhere/out.parquet"],
        &["nowhere", "does not exist"],
    );
    folder.fails(
        &["compress", "in.parquet", "-o", "/dev/null"],
        &["/dev/null", "not an ordinary file"],
    );
}

/// An error half way leaves the folder as it was, down to a file that was there before.
#[test]
fn errors_leave_nothing_behind() {
    let folder = Folder::new();
    write_parquet(&folder.path("a.parquet"), &mixed(0, 50_000));
    let whole = fs::read(folder.path("a.parquet")).unwrap();
    folder.write("b.parquet", &whole[..whole.len() / 2]);
    let args = ["compress", "a.parquet", "b.parquet", "-o", "out.parquet"];
    folder.fails(&args, &["b.parquet"]);
    folder.write("out.parquet", "what was here before");
    folder.fails(&args, &["b.parquet"]);

    // Sound in its footer and damaged in its pages: found when the first file is long written.
    let mut damaged = whole.clone();
    let middle = whole.len() / 2;
    damaged[4..middle].fill(0xA5);
    folder.write("b.parquet", damaged);
    folder.fails(&args, &["b.parquet"]);

    // The same of CSV, which is read with more rows in the second pass than it had in the first.
    folder.write("c.csv", "x\n1.5\n2.5\n\"3.5\n");
    folder.write(
        "d.csv",
        [b"x\n1.5\n".as_slice(), &[0xFF, 0xFE, b'\n']].concat(),
    );
    folder.fails(
        &["compress", "c.csv", "d.csv", "-o", "out.parquet"],
        &["d.csv", "UTF-8"],
    );
}

/// No rows at all is a table too.
#[test]
fn empty_tables_round_trip() {
    let folder = Folder::new();
    let table = mixed(0, 0);
    write_parquet(&folder.path("in.parquet"), &table);
    let report = folder.json(&["compress", "in.parquet", "-o", "out.parquet", "--json"]);
    assert_eq!(
        (&report["rows"], &report["raw_bytes"]),
        (&0.into(), &0.into())
    );
    folder.ok(&["decompress", "out.parquet", "-o", "back.parquet"]);
    assert_eq!(read_parquet(&folder.path("back.parquet")), table);
    folder.ok(&["verify", "in.parquet", "out.parquet"]);
    folder.ok(&["inspect", "out.parquet"]);
}

/// Values that no range describes: their bits are kept, and the finite ones keep the bound.
#[test]
fn values_beyond_numbers_survive() {
    let folder = Folder::new();
    let specials = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        -0.0,
        f64::from_bits(0x7FF8_0000_DEAD_BEEF),
        5e-324,
    ];
    let table = floats(
        "x",
        (0..4000).map(|i| {
            if i % 9 == 0 {
                specials[i / 9 % 6]
            } else {
                (i as f64 / 70.0).sin()
            }
        }),
    );
    write_parquet(&folder.path("in.parquet"), &table);
    let report = folder.json(&[
        "compress",
        "in.parquet",
        "-o",
        "out.parquet",
        "--rel",
        "0.01",
        "--json",
    ]);
    let bound = report["columns"][0]["abs_bound"].as_f64().unwrap();
    assert!((0.0199..=0.02).contains(&bound), "{bound}");
    folder.ok(&["decompress", "out.parquet", "-o", "back.parquet"]);
    let back = read_parquet(&folder.path("back.parquet"));
    let pairs = table
        .column(0)
        .as_primitive::<arrow::datatypes::Float64Type>()
        .values()
        .iter();
    for (x, y) in pairs.zip(
        back.column(0)
            .as_primitive::<arrow::datatypes::Float64Type>()
            .values(),
    ) {
        let kept = x.to_bits() == y.to_bits();
        let near = x.is_finite() && (x != &0.0 || x.is_sign_positive()) && (x - y).abs() <= bound;
        assert!(kept || near, "{x} became {y}");
    }
}
