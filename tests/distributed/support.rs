//! Tables, worker processes, and queries with and without them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::file::{Writer, WriterOptions};

/// What queries over workers begin with: every scan is split, however small.
const SPLIT: &str = "SET distributed.file_scan_config_bytes_per_partition = 1; \
                         SET datafusion.execution.target_partitions = 2;";

/// Where nobody listens; not a port that was free a moment ago, which others may have got since.
pub const NOBODY: &str = "127.0.0.1:1";

/// Rows `start..start + rows` of an endless table.
pub fn table(start: usize, rows: usize) -> RecordBatch {
    let at = start..start + rows;
    let wave = |i: usize, step: f64| (i as f64 * step).sin() * 100.0;
    let x: Float32Array = at.clone().map(|i| Some(wave(i, 0.001) as f32)).collect();
    let z: Float64Array = at
        .clone()
        .map(|i| (i % 7 != 3).then(|| wave(i, 0.7) * 1e3))
        .collect();
    let id: Int64Array = at.clone().map(|i| Some(i as i64)).collect();
    let part: Int64Array = at.clone().map(|i| Some((i * 7919 % 50) as i64)).collect();
    let name: StringArray = at
        .map(|i| (i % 11 != 5).then(|| format!("größe {}", i % 20)))
        .collect();
    let schema = Schema::new(vec![
        Field::new("x", DataType::Float32, false),
        Field::new("z", DataType::Float64, true),
        Field::new("id", DataType::Int64, false),
        Field::new("part", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
    ]);
    let columns = vec![
        Arc::new(x) as _,
        Arc::new(z) as _,
        Arc::new(id) as _,
        Arc::new(part) as _,
        Arc::new(name) as _,
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// A packed file of many row groups.
pub fn pack(path: &Path, table: &RecordBatch, bound: f64) {
    let options = WriterOptions::new()
        .with_bound(ErrorBound::abs(bound).unwrap())
        .with_block_rows(2048)
        .with_row_group_rows(4096);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = Writer::try_new(File::create(path).unwrap(), table.schema(), options).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

/// An ordinary Parquet file.
pub fn plain(path: &Path, table: &RecordBatch) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), table.schema(), None).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
}

/// A process of `tolerant worker`; killed when dropped.
pub struct Worker {
    pub child: Child,
    pub address: String,
}

impl Worker {
    pub fn start(more: &[&str]) -> Self {
        Self::start_in(Path::new("."), more)
    }

    pub fn start_in(folder: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tolerant"))
            .current_dir(folder)
            .args(["worker", "--bind", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("Worker: ");
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a worker a signal, as `-KILL`.
pub fn signal(worker: &Worker, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &worker.child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// The `--workers` of some.
pub fn addresses(workers: &[Worker]) -> String {
    let addresses: Vec<&str> = workers
        .iter()
        .map(|worker| worker.address.as_str())
        .collect();
    addresses.join(",")
}

/// What one run of the binary left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// `tolerant query`, or another command, on its way.
pub struct Query(Child);

impl Query {
    pub fn start(sql: &str, more: &[&str]) -> Self {
        Self::start_in(Path::new("."), sql, more)
    }

    pub fn start_in(folder: &Path, sql: &str, more: &[&str]) -> Self {
        let setting = if more.contains(&"--workers") {
            SPLIT
        } else {
            ""
        };
        let query = format!("{setting} {sql}");
        let args = [&["query", query.as_str(), "--format", "json"], more].concat();
        Self::command_in(folder, &args)
    }

    /// Any command.
    pub fn command_in(folder: &Path, args: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_tolerant"))
            .current_dir(folder)
            .args(args)
            .env_remove("RUST_BACKTRACE")
            .env_remove("TOLERANT_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn kill(self) {
        let Self(mut child) = self;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits for the end, which must come within `limit`.
    pub fn end(self, limit: Duration) -> Run {
        let Self(mut child) = self;
        let read = |mut pipe: Box<dyn Read + Send>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                pipe.read_to_string(&mut text).unwrap();
                text
            })
        };
        let stdout = read(Box::new(child.stdout.take().unwrap()));
        let stderr = read(Box::new(child.stderr.take().unwrap()));
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > limit {
                child.kill().unwrap();
                panic!("no end after {limit:?}; it said {:?}", stderr.join());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Run {
            code: status.code(),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        }
    }
}

/// Runs a query to its end.
pub fn run(sql: &str, more: &[&str]) -> Run {
    Query::start(sql, more).end(Duration::from_secs(120))
}

/// A query's rows; it must succeed in silence.
pub fn rows(sql: &str, more: &[&str]) -> Vec<Value> {
    let run = run(sql, more);
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (Some(0), ""),
        "{sql}: {run:?}"
    );
    run.stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The line of a query that must fail.
pub fn failure(sql: &str, more: &[&str]) -> String {
    let run = run(sql, more);
    assert_eq!(run.code, Some(2), "{sql}: {run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{sql}: {run:?}");
    assert!(run.stderr.starts_with("error: "), "{sql}: {run:?}");
    run.stderr
}

/// Files of all kinds:
/// `packed.parquet` and `plain.parquet` of 60,000 rows, `days/`, partitioned, with a bound for each
/// of two packed files and an ordinary one, `odd/` with names that need care, `names.csv`.
pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    pack(&root.join("packed.parquet"), &table(0, 60_000), 0.05);
    plain(&root.join("plain.parquet"), &table(0, 60_000));
    pack(&root.join("days/day=1/a.parquet"), &table(0, 20_000), 0.05);
    pack(
        &root.join("days/day=2/b.parquet"),
        &table(20_000, 9000),
        0.5,
    );
    plain(&root.join("days/day=3/c.parquet"), &table(29_000, 5000));
    pack(&root.join("odd/a b%20c#?.parquet"), &table(0, 9000), 0.05);
    pack(&root.join("odd/ü=[1]*.parquet"), &table(9000, 9000), 0.05);
    let names: String = (0..50).map(|i| format!("{i},\"part\n{i}\"\n")).collect();
    fs::write(root.join("names.csv"), format!("part,label\n{names}")).unwrap();
    folder
}
