//! A worker is lost in the middle of a query: an error that names it, or the right answer; never
//! another answer, and never silence.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::*;

/// Longer than anything here may take.
const LIMIT: Duration = Duration::from_secs(100);

/// Long enough to be interrupted at many moments.
const LONG: Duration = Duration::from_secs(1);

/// A query that takes long on the workers, its answer, and how long it takes.
fn long_query(folder: &Path, workers: &[Worker]) -> (String, Vec<Value>, Duration) {
    for rows_joined in [6000, 12_000, 24_000, 48_000] {
        let sql = join(folder, rows_joined);
        let expected = rows(&sql, &[]);
        let start = Instant::now();
        assert_eq!(rows(&sql, &["--workers", &addresses(workers)]), expected);
        let whole = start.elapsed();
        if whole > LONG {
            return (sql, expected, whole);
        }
    }
    panic!("all queries are too fast to be interrupted");
}

/// A join of so many rows with 1,200 each, on all workers.
fn join(folder: &Path, rows: usize) -> String {
    let packed = folder.join("packed.parquet");
    let packed = packed.display();
    format!(
        "SELECT a.part, count(*) AS n, sum(b.id) AS s \
         FROM '{packed}' a JOIN '{packed}' b ON a.part = b.part \
         WHERE a.id < {rows} AND a.x + b.x > 20 GROUP BY a.part ORDER BY a.part"
    )
}

/// The answer, or an error that names the worker; whether it was the latter.
fn judge(run: &Run, expected: &[Value], lost: &Worker) -> bool {
    if run.code == Some(0) {
        let answer: Vec<Value> = run
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(answer, expected);
        return false;
    }
    assert_eq!(run.code, Some(2), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert!(
        run.stderr.contains(&lost.address),
        "{} is not in {run:?}",
        lost.address
    );
    // What was written before is no other answer.
    for line in run.stdout.lines() {
        assert!(
            expected.contains(&serde_json::from_str(line).unwrap()),
            "{run:?}"
        );
    }
    true
}

#[test]
fn a_killed_worker() {
    let folder = folder();
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let (sql, expected, whole) = long_query(folder.path(), &workers);
    let mut errors = 0;
    for moment in 0..12 {
        let query = Query::start(&sql, &["--workers", &addresses(&workers)]);
        std::thread::sleep(whole * moment / 11);
        let mut lost = workers.remove(moment as usize % 3);
        signal(&lost, "-KILL");
        let run = query.end(LIMIT);
        errors += u32::from(judge(&run, &expected, &lost));
        lost.child.wait().unwrap();
        workers.push(Worker::start(&[]));
    }
    assert!(errors >= 3, "{errors} of 12 queries noticed");
    // Those that were asked by a lost query still work.
    assert_eq!(rows(&sql, &["--workers", &addresses(&workers)]), expected);
}

/// A machine that has gone says nothing at all.
#[cfg(unix)]
#[test]
fn a_worker_that_falls_silent() {
    let folder = folder();
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let (sql, expected, whole) = long_query(folder.path(), &workers);
    // A query may be faster than one was beside other tests, and over before its worker falls silent.
    let noticed = (0..5).any(|n| {
        let query = Query::start(&sql, &["--workers", &addresses(&workers)]);
        std::thread::sleep(whole / (3 << n));
        signal(&workers[1], "-STOP");
        let run = query.end(LIMIT);
        signal(&workers[1], "-CONT");
        judge(&run, &expected, &workers[1])
    });
    assert!(noticed, "no query noticed");
}
