//! Workers are lost while they compress: their files are written by others, and nothing of theirs
//! remains.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::compress::{LIMIT, assert_same, compress, contents, dataset, report, settled, start};
use crate::support::*;

/// Each with some rows for its worker to be killed in the middle of.
const FILES: usize = 12;
const ROWS: usize = 60_000;

/// Longer than workers take for what they have in hand.
const IN_HAND: Duration = Duration::from_secs(4);

/// A dataset, and what it becomes in one process, in `here/`.
fn compressed() -> TempDir {
    let folder = dataset(FILES, ROWS);
    compress(folder.path(), "here/", &[]);
    folder
}

/// Starts to compress it on the workers, and waits until so many files are there.
fn started(root: &Path, workers: &[Worker], files: usize) -> Query {
    let run = start(root, "out/", &["--workers", &addresses(workers)]);
    let begun = Instant::now();
    let there = |i: &usize| root.join(format!("out/{}/{i:02}.parquet", i % 3)).exists();
    while (0..FILES).filter(there).count() < files {
        assert!(begun.elapsed() < LIMIT, "{files} files never come");
        std::thread::sleep(Duration::from_millis(1));
    }
    run
}

#[test]
fn a_killed_worker() {
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let folder = compressed();
    let root = folder.path();
    let mut noticed = 0;
    for files in [0, 1, 3, 5, 7] {
        let run = started(root, &workers, files);
        let mut lost = workers.remove(files % 3);
        signal(&lost, "-KILL");
        lost.child.wait().unwrap();
        let report = report(&run.end(LIMIT));
        assert_same(&root.join("here"), &root.join("out"));
        let losses = report["lost_workers"].as_array().unwrap();
        for loss in losses {
            assert!(loss.as_str().unwrap().contains(&lost.address), "{loss}");
        }
        noticed += losses.len();
        fs::remove_dir_all(root.join("out")).unwrap();
        workers.push(Worker::start(&[]));
    }
    assert!(noticed >= 2, "{noticed} of 5 runs noticed");
}

/// A worker that says nothing any more; when it wakes, it changes nothing.
#[cfg(unix)]
#[test]
fn a_worker_that_falls_silent() {
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let folder = compressed();
    let root = folder.path();
    let run = started(root, &workers, 3);
    signal(&workers[1], "-STOP");
    let report = report(&run.end(LIMIT));
    assert_same(&root.join("here"), &root.join("out"));
    let losses = report["lost_workers"].to_string();
    assert!(losses.contains(&workers[1].address), "{losses}");
    // Another promise for the same files, which the sleeper must not undo.
    compress(root, "out/", &["--rel", "0.1"]);
    let before = contents(&root.join("out"));
    signal(&workers[1], "-CONT");
    std::thread::sleep(IN_HAND);
    assert!(before == contents(&root.join("out")));
}

/// Nobody is left: an error that names all, and no file that is not whole.
#[test]
fn all_workers_are_killed() {
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let folder = compressed();
    let root = folder.path();
    let run = started(root, &workers, 5);
    for worker in &mut workers {
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
    }
    let run = run.end(LIMIT);
    assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    for worker in &workers {
        assert!(run.stderr.contains(&worker.address), "{run:?}");
    }
    let (written, here) = (contents(&root.join("out")), contents(&root.join("here")));
    for (name, bytes) in &written {
        assert!(here.get(name) == Some(bytes), "{name}");
        assert!(run.stderr.contains(name), "{name} is not in {run:?}");
    }
}

/// One of the addresses is nobody's.
#[test]
fn a_worker_that_is_not_there() {
    let folder = dataset(4, 1000);
    let root = folder.path();
    let one = Worker::start(&[]);
    compress(root, "here/", &[]);
    let report = compress(
        root,
        "out/",
        &["--workers", &format!("{NOBODY},{}", one.address)],
    );
    assert_same(&root.join("here"), &root.join("out"));
    assert!(
        report["lost_workers"].to_string().contains(NOBODY),
        "{report}"
    );
    let run = start(root, "more/", &["--workers", NOBODY]).end(LIMIT);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        run.stderr.contains(NOBODY) && run.stderr.contains("tolerant worker"),
        "{run:?}"
    );
    assert_eq!(contents(&root.join("more")).len(), 0);
}

/// The command is killed: its workers stop, and leave nothing behind.
#[cfg(unix)]
#[test]
fn a_killed_command() {
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(&[])).collect();
    let folder = compressed();
    let root = folder.path();
    started(root, &workers, 3).kill();
    std::thread::sleep(IN_HAND);
    let (written, here) = (settled(&root.join("out")), contents(&root.join("here")));
    assert!(written.len() < FILES, "nothing was left to do");
    for (name, bytes) in &written {
        assert!(here.get(name) == Some(bytes), "{name}");
    }
    compress(root, "out/", &["--workers", &addresses(&workers)]);
    assert_same(&root.join("here"), &root.join("out"));
}
