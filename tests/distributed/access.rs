//! Who may ask, and what is said to those who may not or ask for what is not there.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::*;

fn count(path: &std::path::Path) -> String {
    format!(
        "SELECT count(*) AS n, sum(id) AS s FROM '{}' WHERE x > 0",
        path.display()
    )
}

#[test]
fn tokens() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (token, wrong) = (path("token.txt"), path("wrong.txt"));
    fs::write(&token, "secret\n").unwrap();
    fs::write(&wrong, "Secret\n").unwrap();
    let workers: Vec<Worker> = (0..3)
        .map(|_| Worker::start(&["--token-file", &token]))
        .collect();
    let addresses = addresses(&workers);
    // Workers ask one another too.
    let sql = format!(
        "SELECT part, count(*) AS n FROM '{}' GROUP BY part ORDER BY part",
        path("packed.parquet")
    );
    let right = ["--workers", &addresses, "--token-file", &token];
    assert_eq!(rows(&sql, &right).len(), 50);
    let error = failure(&sql, &["--workers", &addresses, "--token-file", &wrong]);
    assert!(error.contains("refuses this token"), "{error}");
    assert!(
        workers.iter().any(|worker| error.contains(&worker.address)),
        "{error}"
    );
    let error = failure(&sql, &["--workers", &addresses]);
    assert!(error.contains("--token-file"), "{error}");
    assert_eq!(rows(&sql, &right).len(), 50);
}

#[test]
fn nobody_else_may_ask_without_a_token() {
    let output = Command::new(env!("CARGO_BIN_EXE_tolerant"))
        .args(["worker", "--bind", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--token-file"), "{error}");
}

#[test]
fn no_worker_at_the_address() {
    let folder = folder();
    let sql = count(&folder.path().join("packed.parquet"));
    let start = Instant::now();
    let error = failure(&sql, &["--workers", NOBODY]);
    assert!(
        error.contains(NOBODY) && error.contains("tolerant worker"),
        "{error}"
    );
    let one = Worker::start(&[]);
    let error = failure(&sql, &["--workers", &format!("{},{NOBODY}", one.address)]);
    assert!(error.contains(NOBODY), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30));
    // Something else listens there.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let hang_up = std::thread::spawn(move || {
        for connection in other.incoming().take(2) {
            drop(connection);
        }
    });
    let error = failure(&sql, &["--workers", &address]);
    assert!(error.contains(&address), "{error}");
    drop(hang_up);
    for bad in ["localhost", "http://localhost:1", ":1", "a:b"] {
        let error = failure(&sql, &["--workers", bad]);
        assert!(error.contains("HOST:PORT"), "{error}");
    }
}

/// The query's process has the folder as its own, by a name that means another folder to workers.
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_workers_do_not_see() {
    let folder = folder();
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let addresses = addresses(&workers);
    let sql = "SELECT sum(id) AS s FROM 'file:///proc/self/cwd/packed.parquet' WHERE x > 0";
    let here = Query::start_in(folder.path(), sql, &[]).end(Duration::from_secs(60));
    assert_eq!((here.code, here.stderr.as_str()), (Some(0), ""), "{here:?}");
    let there = Query::start_in(folder.path(), sql, &["--workers", &addresses]);
    let there = there.end(Duration::from_secs(60));
    assert_eq!(
        (there.code, there.stdout.as_str()),
        (Some(2), ""),
        "{there:?}"
    );
    assert!(there.stderr.contains("packed.parquet"), "{there:?}");
    assert!(
        workers
            .iter()
            .any(|worker| there.stderr.contains(&worker.address)),
        "{there:?}"
    );
}

/// A damaged file: what is wrong, which file, and who found it.
#[test]
fn a_damaged_file() {
    let folder = folder();
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let path = folder.path().join("packed.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0x5a);
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let sql = format!(
        "SELECT sum(x) AS s, sum(z) AS t, count(name) AS n FROM '{}'",
        path.display()
    );
    let error = failure(&sql, &["--workers", &addresses(&workers)]);
    assert!(error.contains("packed.parquet"), "{error}");
    assert!(
        workers.iter().any(|worker| error.contains(&worker.address)),
        "{error}"
    );
}

/// SIGTERM ends a worker at once if it has nothing to do.
#[cfg(unix)]
#[test]
fn a_worker_ends_when_told() {
    let mut worker = Worker::start(&[]);
    let folder = folder();
    let sql = count(&folder.path().join("packed.parquet"));
    assert_eq!(rows(&sql, &["--workers", &worker.address]).len(), 1);
    let kill = Command::new("kill")
        .args(["-TERM", &worker.child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = worker.child.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(15));
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success());
}
