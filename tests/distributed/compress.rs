//! `compress --workers`: the files that one process writes, whoever writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;

/// Longer than anything here may take.
pub const LIMIT: Duration = Duration::from_secs(100);

/// A folder `data` of `files` ordinary files with statistics, each with a range of its own.
pub fn dataset(files: usize, rows: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..files {
        let path = folder.path().join(format!("data/{}/{i:02}.parquet", i % 3));
        plain(&path, &scaled(i * 1571, rows, i as f32 + 1.0));
    }
    folder
}

/// Rows of the endless table, with another range of `x`.
fn scaled(start: usize, rows: usize, scale: f32) -> RecordBatch {
    let table = table(start, rows);
    let mut columns = table.columns().to_vec();
    let x = columns[0].as_primitive::<Float32Type>();
    columns[0] = Arc::new(x.unary::<_, Float32Type>(|x| x * scale));
    RecordBatch::try_new(table.schema(), columns).unwrap()
}

/// Runs `compress data -o OUT` in a folder.
pub fn start(folder: &Path, out: &str, more: &[&str]) -> Query {
    let args = [&["compress", "data", "-o", out, "--json"], more].concat();
    Query::command_in(folder, &args)
}

/// The report of a run that must succeed, with remarks at most.
pub fn compress(folder: &Path, out: &str, more: &[&str]) -> Value {
    report(&start(folder, out, more).end(LIMIT))
}

pub fn report(run: &Run) -> Value {
    let mut said = run.stderr.lines();
    let remarks = said.all(|line| line.starts_with("note: "));
    assert!(run.code == Some(0) && remarks, "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

/// The names of all files below a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push(name.to_owned());
            }
        }
    }
    let mut found = Vec::new();
    if folder.is_dir() {
        walk(folder, folder, &mut found);
    }
    found
}

/// All files below a folder with their bytes, hidden ones too.
pub fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = |name: String| {
        let bytes = fs::read(folder.join(&name)).unwrap();
        (name, bytes)
    };
    names(folder).into_iter().map(bytes).collect()
}

/// The same once no worker has a file in hand: it looks now and then whether anybody waits for it.
pub fn settled(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let begun = Instant::now();
    let in_hand = || names(folder).iter().any(|name| name.contains(".tolerant-"));
    while in_hand() {
        assert!(begun.elapsed() < Duration::from_secs(20), "files stay");
        std::thread::sleep(Duration::from_millis(20));
    }
    contents(folder)
}

/// The same files with the same bytes.
pub fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (contents(one), contents(other));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for (name, bytes) in &one {
        assert!(bytes == &other[name], "{name} differs");
    }
}

/// A report but for times, paths and what was lost.
fn comparable(mut report: Value) -> Value {
    report["seconds"] = Value::Null;
    for file in report["files"].as_array_mut().unwrap() {
        file["seconds"] = Value::Null;
        file["output"] = Value::Null;
    }
    report
}

#[test]
fn workers_write_what_one_process_writes() {
    let folder = dataset(7, 6000);
    let root = folder.path();
    // A file that does not say its range, which is the largest.
    let silent = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let path = root.join("data/silent.pq");
    let wide = scaled(900_000, 6000, 50.0);
    let file = fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, wide.schema(), Some(silent)).unwrap();
    writer.write(&wide).unwrap();
    writer.close().unwrap();
    // One that is packed already, and one in any order.
    pack(&root.join("data/packed.parquet"), &table(50, 9000), 0.05);

    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    let workers = addresses(&workers);
    for (i, more) in [
        &["--rel", "1e-3"][..],
        &["--rel", "0.01@p1..p99", "--column", "z=psnr:60"],
        &["--layout", "portable", "--rel", "1e-2"],
        &["--row-order", "any", "--abs", "0.5", "--block-rows", "1024"],
        &[
            "--effort",
            "fast",
            "--max-references",
            "0",
            "--column",
            "x=pwrel:0.01",
        ],
    ]
    .into_iter()
    .enumerate()
    {
        let (here, there) = (format!("here{i}/"), format!("there{i}/"));
        let expected = compress(root, &here, more);
        let given = compress(root, &there, &[more, &["--workers", &workers]].concat());
        assert_same(&root.join(&here), &root.join(&there));
        assert_eq!(comparable(expected), comparable(given), "{more:?}");
        let verified = Query::command_in(root, &["verify", "data", &there, "--json"]).end(LIMIT);
        assert_eq!(report(&verified)["violations"], 0, "{more:?}");
    }
    // Each file has a range of its own, so that its own range would be another promise.
    let report = compress(root, "there/", &["--workers", &workers]);
    let bound = |file: &Value| file["columns"][0]["abs_bound"].as_f64().unwrap();
    let files = report["files"].as_array().unwrap();
    assert!(files.iter().all(|file| bound(file) == bound(&files[0])));
    assert!(files.len() == 9 && bound(&files[0]) > 9.0, "{}", files[0]);
}

/// Vectors with a range for each dimension, found by workers file by file.
#[test]
fn ranges_of_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for i in 0..4 {
        let rows = (0..2000).map(|row| {
            let at = |dimension: u32| Some((row * i) as f32 * 0.1 + (dimension * row) as f32);
            Some((0..3).map(at).collect::<Vec<_>>())
        });
        let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows, 3);
        let batch = RecordBatch::try_from_iter([("v", Arc::new(vectors) as ArrayRef)]).unwrap();
        plain(&root.join(format!("data/{i}.parquet")), &batch);
    }
    let workers = [Worker::start(&[]), Worker::start(&[])];
    let workers = addresses(&workers);
    for range in ["all", "dimension"] {
        let more = ["--rel", "0.01", "--vector-range", range];
        compress(root, "here/", &more);
        compress(
            root,
            "there/",
            &[&more[..], &["--workers", &workers]].concat(),
        );
        assert_same(&root.join("here"), &root.join("there"));
        let verified = Query::command_in(root, &["verify", "data", "there", "--json"]).end(LIMIT);
        assert_eq!(report(&verified)["violations"], 0);
    }
}

/// Types that only all files together tell, and ranges that are read.
#[test]
fn csv_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("data")).unwrap();
    let rows = |scale: f64| -> String {
        (0..500)
            .map(|i| format!("{i},{},{}\n", f64::from(i) * scale, i % 3))
            .collect()
    };
    for (name, scale) in [("a", 1.0), ("b", 0.25), ("c", 8.0)] {
        fs::write(
            root.join(format!("data/{name}.csv")),
            format!("id,x,label\n{}", rows(scale)),
        )
        .unwrap();
    }
    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    compress(root, "here/", &["--rel", "0.01"]);
    let report = compress(
        root,
        "there/",
        &["--rel", "0.01", "--workers", &addresses(&workers)],
    );
    assert_same(&root.join("here"), &root.join("there"));
    for file in report["files"].as_array().unwrap() {
        let bound = file["columns"][1]["abs_bound"].as_f64().unwrap();
        assert!((39.9..=39.92).contains(&bound), "{file}");
    }
}

/// Statistics of one file that its values do not bear out: all files are written again.
#[test]
fn lying_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let ramp = |scale: f32| {
        let values = (0..5000).map(|i| i as f32 * scale);
        let x: ArrayRef = Arc::new(values.collect::<Float32Array>());
        RecordBatch::try_from_iter([("x", x)]).unwrap()
    };
    for (i, scale) in [0.5, 0.125, 0.25].into_iter().enumerate() {
        plain(&root.join(format!("data/{i}.parquet")), &ramp(scale));
    }
    let path = root.join("data/1.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let (true_max, claim) = ((4999.0f32 * 0.125).to_le_bytes(), 1e9f32.to_le_bytes());
    let end = bytes.len();
    let footer = u32::from_le_bytes(bytes[end - 8..end - 4].try_into().unwrap()) as usize;
    for at in end - 8 - footer..end - 12 {
        if bytes[at..at + 4] == true_max {
            bytes[at..at + 4].copy_from_slice(&claim);
        }
    }
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    compress(root, "here/", &["--rel", "0.01"]);
    let report = compress(
        root,
        "there/",
        &["--rel", "0.01", "--workers", &addresses(&workers)],
    );
    assert_same(&root.join("here"), &root.join("there"));
    for file in report["files"].as_array().unwrap() {
        let bound = file["columns"][0]["abs_bound"].as_f64().unwrap();
        assert!((24.99..=24.996).contains(&bound), "{file}");
    }
}

/// The one line of a run that must fail.
fn failure(folder: &Path, more: &[&str]) -> String {
    let run = start(folder, "out/", more).end(LIMIT);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    run.stderr
}

#[test]
fn tokens() {
    let folder = dataset(4, 500);
    let root = folder.path();
    fs::write(root.join("token.txt"), "secret\n").unwrap();
    fs::write(root.join("wrong.txt"), "Secret\n").unwrap();
    let token = root.join("token.txt").to_str().unwrap().to_owned();
    let workers: Vec<Worker> = (0..3)
        .map(|_| Worker::start(&["--token-file", &token]))
        .collect();
    let workers = addresses(&workers);
    let error = failure(root, &["--workers", &workers, "--token-file", "wrong.txt"]);
    assert!(error.contains("refuses this token"), "{error}");
    let error = failure(root, &["--workers", &workers]);
    assert!(error.contains("--token-file"), "{error}");
    assert_eq!(contents(&root.join("out")).len(), 0);
    compress(
        root,
        "out/",
        &["--workers", &workers, "--token-file", &token],
    );
    assert_eq!(contents(&root.join("out")).len(), 4);
}

/// A damaged file is nobody's fault but its own: no other worker is asked, and those written are named.
#[test]
fn a_damaged_file() {
    let folder = dataset(6, 40_000);
    let root = folder.path();
    let path = root.join("data/2/05.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[4..middle].fill(0x5a);
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let workers = [Worker::start(&[])];
    let error = failure(root, &["--workers", &addresses(&workers)]);
    assert!(
        error.contains("05.parquet") && error.contains(&workers[0].address),
        "{error}"
    );
    assert!(!error.contains("no worker is left"), "{error}");
    let written = settled(&root.join("out"));
    assert!(!written.is_empty() && !written.contains_key("2/05.parquet"));
    for name in written.keys() {
        assert!(error.contains(name), "{name} is not in {error}");
    }
    // The worker is well.
    fs::remove_file(&path).unwrap();
    compress(root, "out/", &["--workers", &addresses(&workers)]);
}

/// What a worker sees at a path must be what the command sees there.
#[cfg(target_os = "linux")]
#[test]
fn other_files_at_the_same_path() {
    let folder = dataset(3, 500);
    let root = folder.path();
    let workers = [Worker::start(&[])];
    let addresses = addresses(&workers);
    let args = [
        "compress",
        "/proc/self/cwd/data",
        "-o",
        "out/",
        "--workers",
        &addresses,
    ];
    let run = Query::command_in(root, &args).end(LIMIT);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains(&workers[0].address), "{run:?}");
    // A folder that each has for its own.
    let elsewhere = tempfile::tempdir().unwrap();
    fs::create_dir_all(elsewhere.path().join("out/0")).unwrap();
    let there = Worker::start_in(elsewhere.path(), &[]);
    let data = root.join("data/0");
    let args = [
        "compress",
        data.to_str().unwrap(),
        "-o",
        "/proc/self/cwd/out/0/",
        "--workers",
        &there.address,
    ];
    let run = Query::command_in(root, &args).end(LIMIT);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains("not there on this machine") && run.stderr.contains(&there.address),
        "{run:?}"
    );
}

#[test]
fn a_field_of_a_schema_travels() {
    // Types that JSON could not say.
    let folder = tempfile::tempdir().unwrap();
    let field = Field::new("x", DataType::Float32, true)
        .with_metadata([("unit".to_owned(), "µm".to_owned())].into());
    let schema = Arc::new(arrow::datatypes::Schema::new(vec![field]));
    let x: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.5), None, Some(f32::NAN)]));
    let batch = RecordBatch::try_new(schema, vec![x]).unwrap();
    plain(&folder.path().join("data/a.parquet"), &batch);
    plain(&folder.path().join("data/b.parquet"), &batch);
    let workers = [Worker::start(&[])];
    compress(folder.path(), "here/", &[]);
    compress(
        folder.path(),
        "there/",
        &["--workers", &addresses(&workers)],
    );
    assert_same(&folder.path().join("here"), &folder.path().join("there"));
}
