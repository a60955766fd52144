//! Nothing that a user has is lost by the way: what a command reads, what it was not told to write,
//! what links and permissions say; and an interrupted command leaves nothing.

use std::fs;
use std::time::{Duration, Instant};

use arrow::array::Float64Array;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::Folder;
use crate::tables::*;

fn ramp(rows: usize) -> arrow::array::RecordBatch {
    floats("x", (0..rows).map(|i| i as f64 * 0.37))
}

#[test]
fn copy_does_not_replace_what_it_reads() {
    let folder = Folder::new();
    write_parquet(&folder.path("data/only.parquet"), &ramp(100));
    write_parquet(&folder.path("other.parquet"), &ramp(10));
    let only = "'data/only.parquet'";
    for (from, to) in [
        (
            format!("SELECT * FROM {only} LIMIT 10"),
            "data/only.parquet",
        ),
        (
            format!("SELECT * FROM {only}"),
            "./data/../data/only.parquet",
        ),
        ("SELECT * FROM 'data/'".to_owned(), "data/only.parquet"),
        (
            format!("SELECT * FROM 'other.parquet' WHERE x IN (SELECT x FROM {only})"),
            "data/only.parquet",
        ),
    ] {
        for kind in ["TOLERANT", "PARQUET", "CSV"] {
            let sql = format!("COPY ({from}) TO '{to}' STORED AS {kind}");
            folder.fails(&["query", &sql], &["only.parquet", "also an input"]);
        }
    }
    let external = format!(
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION {only}; COPY t TO {only} STORED AS TOLERANT"
    );
    folder.fails(&["query", &external], &["also an input"]);
    let explained =
        format!("EXPLAIN ANALYZE COPY (SELECT * FROM {only}) TO {only} STORED AS TOLERANT");
    folder.fails(&["query", &explained], &["also an input"]);
    // To where nothing is that is read.
    for to in ["data/new.parquet", "other.parquet", "new/"] {
        folder.ok(&[
            "query",
            &format!("COPY (SELECT * FROM {only}) TO '{to}' STORED AS TOLERANT"),
        ]);
    }
}

#[test]
fn a_folder_of_outputs_replaces_none_but_our_own() {
    let folder = Folder::new();
    write_csv(&folder.path("in/a.csv"), &ramp(50));
    write_parquet(&folder.path("out/a.parquet"), &ramp(70));
    folder.fails(
        &["compress", "in/a.csv", "-o", "out/"],
        &["out/a.parquet", "Tolerant has not written it"],
    );
    fs::remove_file(folder.path("out/a.parquet")).unwrap();
    for layout in ["packed", "portable", "packed"] {
        folder.ok(&["compress", "in/a.csv", "-o", "out/", "--layout", layout]);
    }
}

#[cfg(unix)]
#[test]
fn links_lead_to_the_file_that_is_replaced() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &ramp(500));
    let real = folder.write("disk/real.parquet", "old");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path("link.parquet");
    symlink(&real, &link).unwrap();
    folder.ok(&["compress", "in.parquet", "-o", "link.parquet"]);
    assert!(link.is_symlink());
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let report = folder.json(&["verify", "in.parquet", "disk/real.parquet", "--json"]);
    assert_eq!(report["violations"], 0);
    // Into a device, or nowhere.
    symlink("/dev/null", folder.path("null")).unwrap();
    symlink("nothing", folder.path("dangling")).unwrap();
    for output in ["null", "dangling"] {
        folder.fails(&["compress", "in.parquet", "-o", output], &[output]);
        folder.fails(&["query", "SELECT 1", "-o", output], &[output]);
        assert!(folder.path(output).is_symlink());
    }
    // Into what the process prints to, which is a pipe here: not to be looked into meanwhile.
    let elsewhere = tempfile::tempdir().unwrap();
    let out = elsewhere.path().join("out");
    symlink("/proc/self/fd/1", &out).unwrap();
    let run = folder.run(&["compress", "in.parquet", "-o", out.to_str().unwrap()]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(out.is_symlink());
}

/// Whether this process, and so the commands that it runs, ignores SIGINT: a shell tells its background jobs to.
#[cfg(unix)]
fn ignores_ctrl_c() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 0b10 != 0)
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_leaves_nothing() {
    let signal = if ignores_ctrl_c() { "-TERM" } else { "-INT" };
    ends_without_files(&[signal], &[]);
}

/// Where Ctrl-C is ignored it still is, and the command ends when it is told to.
#[cfg(unix)]
#[test]
fn a_terminated_command_in_the_background_leaves_nothing() {
    let ignoring = r#"trap "" INT HUP; exec "$0" "$@""#;
    ends_without_files(&["-INT", "-HUP", "-TERM"], &["sh", "-c", ignoring]);
}

/// A command is sent `signals` while it writes; it is run by `launcher`, if that is given.
#[cfg(unix)]
fn ends_without_files(signals: &[&str], launcher: &[&str]) {
    let folder = Folder::new();
    let columns = (0..12).map(|column| {
        let values = (0..60_000u64).map(|row| {
            let bits = (row * 31 + column).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (bits >> 11) as f64
        });
        let array: arrow::array::ArrayRef = std::sync::Arc::new(values.collect::<Float64Array>());
        (format!("x{column}"), array)
    });
    let table = arrow::array::RecordBatch::try_from_iter(columns).unwrap();
    write_parquet(&folder.path("in.parquet"), &table);
    let before = folder.files();
    let slow = ["--effort", "small", "--row-order", "any"];
    let program = folder.command();
    let mut command = match launcher {
        [] => folder.command(),
        [first, rest @ ..] => {
            let mut command = std::process::Command::new(first);
            let folder = program.get_current_dir().unwrap();
            command
                .args(rest)
                .arg(program.get_program())
                .current_dir(folder);
            command
        }
    };
    let mut child = command
        .args(["compress", "in.parquet", "-o", "out.parquet"])
        .args(slow)
        .spawn()
        .unwrap();
    let start = Instant::now();
    while folder.files() == before && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let began = folder.files();
    assert!(
        began.iter().any(|name| name.starts_with(".tolerant-")),
        "{began:?}"
    );
    let id = child.id().to_string();
    for signal in signals {
        let told = std::process::Command::new("kill")
            .args([*signal, &id])
            .status();
        assert!(told.unwrap().success());
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.files(), before);
}

#[test]
fn what_is_left_out_and_what_is_lossy_is_said() {
    let folder = Folder::new();
    write_parquet(&folder.path("in/a.parquet"), &ramp(100));
    write_parquet(&folder.path("in/sub/_b.parquet"), &ramp(100));
    folder.write("in/_SUCCESS", "");
    folder.write("in/.notes.txt", "");
    for args in [
        &["compress", "in", "-o", "out/"][..],
        &["verify", "in", "out"],
    ] {
        folder.remarks(args, "start with . or _: in/sub/_b.parquet");
    }
    let again = ["compress", "out", "-o", "again.parquet"];
    folder.remarks(&again, "lossy copies already: out/a.parquet");
    let exact = [
        "compress",
        "in/a.parquet",
        "-o",
        "exact.parquet",
        "--abs",
        "0",
    ];
    folder.ok(&exact);
    folder.ok(&["compress", "exact.parquet", "-o", "lossy.parquet"]);
}

#[test]
fn the_ending_of_a_name_says_how_rows_are_written() {
    let folder = Folder::new();
    for (name, begins) in [
        ("rows.parquet", "PAR1"),
        ("rows.csv", "x\n1"),
        ("rows.ndjson", "{\"x\":1}"),
        ("rows.txt", "+---+"),
    ] {
        folder.ok(&["query", "SELECT 1 AS x", "-o", name]);
        let written = fs::read(folder.path(name)).unwrap();
        assert!(written.starts_with(begins.as_bytes()), "{name}");
    }
    folder.ok(&[
        "query",
        "SELECT 1 AS x",
        "-o",
        "rows.csv",
        "--format",
        "json",
    ]);
    assert!(
        fs::read_to_string(folder.path("rows.csv"))
            .unwrap()
            .starts_with('{')
    );
}

/// Engines sort NaN above all numbers, and would prune by statistics that leave it out.
#[test]
fn decompressed_chunks_with_nan_have_no_statistics() {
    let folder = Folder::new();
    let values = (0..3000).map(|i| {
        if i % 10 == 0 {
            f64::NAN
        } else {
            f64::from(i) / 3000.0
        }
    });
    write_parquet(&folder.path("in.parquet"), &floats("x", values));
    folder.ok(&["compress", "in.parquet", "-o", "packed.parquet"]);
    folder.ok(&["decompress", "packed.parquet", "-o", "plain.parquet"]);
    for file in ["packed.parquet", "plain.parquet"] {
        for (sql, expected) in [("x > 5", "300"), ("x < 5", "2700"), ("x = 'NaN'", "300")] {
            let sql = format!("SELECT count(*) AS n FROM '{file}' WHERE {sql}");
            assert_eq!(
                folder.ok(&["query", &sql, "--format", "csv"]),
                format!("n\n{expected}\n")
            );
        }
    }
    let plain = fs::File::open(folder.path("plain.parquet")).unwrap();
    let plain = ParquetRecordBatchReaderBuilder::try_new(plain).unwrap();
    let chunks = plain
        .metadata()
        .row_groups()
        .iter()
        .map(|group| group.column(0));
    assert!(chunks.into_iter().all(|chunk| chunk.statistics().is_none()));
}
