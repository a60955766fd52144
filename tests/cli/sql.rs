//! `sql`: scripts from standard input, with the tables and functions of a session.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::Folder;
use crate::tables::*;

fn script(folder: &Folder, args: &[&str], text: &str) -> Output {
    let mut command = folder.command();
    let command = command.arg("sql").args(args);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    // A script that fails does not read to its end.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn statements_see_those_before_them() {
    let folder = packed();
    let text = "-- packed; and read again\n\
        CREATE VIEW few AS SELECT id, ';' AS sign FROM t WHERE id < 0;\n\
        COPY (SELECT * FROM few) TO 'few.parquet'\n STORED AS TOLERANT;\n\
        SELECT count(*) > 0 AS some FROM 'few.parquet'; SELECT 2 AS two";
    let run = script(
        &folder,
        &["--table", "t=packed.parquet", "--format", "csv"],
        text,
    );
    assert!(run.status.success(), "{run:?}");
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(out.ends_with("some\ntrue\ntwo\n2\n"), "{out}");
    assert!(folder.path("few.parquet").exists());
}

#[test]
fn functions_that_know_the_error() {
    let folder = packed();
    let text = "SELECT error_bound(wave) > 0 AS lossy FROM 'packed.parquet' LIMIT 1;";
    let run = script(&folder, &["--format", "csv"], text);
    assert_eq!(String::from_utf8(run.stdout).unwrap(), "lossy\ntrue\n");
    let query = text.trim_end_matches(';');
    assert_eq!(
        folder.ok(&["query", query, "--format", "csv"]),
        "lossy\ntrue\n"
    );
}

#[test]
fn a_script_ends_at_its_first_error() {
    let folder = Folder::new();
    let run = script(
        &folder,
        &["--format", "csv"],
        "SELECT 1 AS a;\nSELECT nothing;\nSELECT 3 AS c;\n",
    );
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(String::from_utf8(run.stdout).unwrap(), "a\n1\n");
    let error = String::from_utf8(run.stderr).unwrap();
    assert!(
        error.starts_with("error: ") && error.contains("nothing"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}
