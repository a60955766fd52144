//! The binary as a citizen of the shell: help, version, pipes that close, a full disk, a log.

use std::io::Read;
use std::process::Stdio;

use crate::support::Folder;
use crate::tables::*;

/// Help and version go to standard output with exit code 0; using it wrongly is exit code 2.
#[test]
fn help_and_usage() {
    let folder = Folder::new();
    assert!(folder.ok(&["--version"]).starts_with("tolerant "));
    let help = folder.ok(&["--help"]);
    for word in [
        "compress",
        "verify",
        "inspect",
        "query",
        "decompress",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    for command in [
        "compress",
        "verify",
        "inspect",
        "query",
        "decompress",
        "serve",
    ] {
        assert!(
            folder.ok(&[command, "--help"]).contains("Example"),
            "{command}"
        );
    }
    for wrong in [
        vec![],
        vec!["shrink"],
        vec!["compress"],
        vec!["compress", "a.parquet"],
        vec!["inspect"],
    ] {
        let run = folder.run(&wrong);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{wrong:?}");
    }
}

/// A reader that has seen enough (`| head`) is no error, however much was left to say.
#[test]
#[cfg(unix)]
fn closed_pipes_are_no_error() {
    let folder = Folder::new();
    let columns = (0..5000).map(|i| {
        (
            format!("a long name for column number {i}"),
            mixed(0, 3).column(1).clone(),
        )
    });
    write_parquet(
        &folder.path("in.parquet"),
        &arrow::array::RecordBatch::try_from_iter(columns).unwrap(),
    );
    for args in [
        vec!["inspect", "in.parquet", "--json"],
        vec!["compress", "in.parquet", "-o", "out.parquet", "--json"],
        vec!["query", "SELECT * FROM 'in.parquet'", "--format", "json"],
        vec!["--help"],
    ] {
        let mut child = folder
            .command()
            .args(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut stderr = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

/// A disk that is full is an error, not a success with half a report.
#[test]
#[cfg(target_os = "linux")]
fn full_disks_are_errors() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 10));
    for args in [
        vec!["inspect", "in.parquet"],
        vec!["query", "SELECT 1 AS one", "--format", "csv"],
    ] {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = folder.command().args(&args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(
            stderr.starts_with("error: ") && stderr.contains("cannot write"),
            "{args:?}: {stderr}"
        );
    }
}

/// `TOLERANT_LOG` asks for a log, which never mixes with results.
#[test]
fn log_goes_to_standard_error() {
    let folder = Folder::new();
    write_parquet(&folder.path("in.parquet"), &mixed(0, 10));
    let args = ["inspect", "in.parquet", "--json"];
    let quiet = folder.ok(&args);
    let output = folder
        .command()
        .args(args)
        .env("TOLERANT_LOG", "trace")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), quiet);
    let output = folder
        .command()
        .args(args)
        .env("TOLERANT_LOG", "a=b=c")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .starts_with("error: TOLERANT_LOG")
    );
}
