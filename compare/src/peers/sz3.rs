//! SZ3 with an absolute bound: each of its algorithms, by column and over the whole table.
//!
//! Two bindings: the PyPI package pysz has the newer SZ3, whose Huffman trees take less room; the
//! crate sz3 has SZ3 3.3.2, whose interpolation is sometimes ahead, and algorithms that pysz lacks.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sz3::{CompressionAlgorithm, Config, DimensionedData, ErrorBound};

use super::{from_le_bytes, le_bytes};
use crate::data::Result;
use crate::measure::{ENOUGH_TIME, LEAST_RUNS, LONG_RUN, MOST_RUNS};
use crate::method::{Array, Coded, Layout, Method, bound_itself};

/// Names the Python that has pysz; set by run.sh.
pub const PYTHON: &str = "COMPARE_PYTHON";
const FAMILY: &str = "SZ3";
const WORKER: &str = include_str!("sz3_worker.py");
/// (Name, name in pysz); the first is SZ3's default.
const ALGORITHMS: [(&str, &str); 4] = [
    ("interp+lorenzo", "INTERP_LORENZO"),
    ("interp", "INTERP"),
    ("lorenzo+reg", "LORENZO_REG"),
    ("nopred", "NOPRED"),
];

/// Each algorithm on each column.
pub fn columns() -> Vec<Method> {
    let layout = Layout::Columns(bound_itself);
    let mut methods = methods([("1-D".to_string(), layout)]);
    let second_order =
        CompressionAlgorithm::lorenzo_regression_custom(Some(true), Some(true), Some(true));
    for (name, algorithm) in [
        (
            "interp+lorenzo",
            CompressionAlgorithm::interpolation_lorenzo(),
        ),
        ("interp", CompressionAlgorithm::interpolation()),
        ("lorenzo+lorenzo2+reg", second_order),
    ] {
        methods.push(by_crate(format!("{name} 1-D (3.3.2)"), layout, algorithm));
    }
    methods
}

fn by_crate(mode: String, layout: Layout, algorithm: CompressionAlgorithm) -> Method {
    let encode = move |values: &[f32], shape: &[usize], bound| {
        encode_by_crate(values, shape, ErrorBound::Absolute(bound), algorithm)
    };
    Method::arrays(FAMILY, mode, layout, encode, decode_by_crate)
}

/// Each algorithm on the whole table.
pub fn matrices() -> Vec<Method> {
    methods(Layout::matrices())
}

fn methods(layouts: impl IntoIterator<Item = (String, Layout)>) -> Vec<Method> {
    let worker = Rc::new(RefCell::new(None));
    let mut methods = Vec::new();
    for (name, layout) in layouts {
        for (algorithm, python_name) in ALGORITHMS {
            let worker = Rc::clone(&worker);
            methods.push(Method::elsewhere(
                FAMILY,
                format!("{algorithm} {name}"),
                layout,
                move |arrays, timed| {
                    let mut worker = worker.borrow_mut();
                    let worker = match &mut *worker {
                        Some(worker) => worker,
                        none => none.insert(Worker::start()?),
                    };
                    worker.code(python_name, arrays, timed)
                },
            ));
        }
        let biomd = CompressionAlgorithm::biology_molecular_data();
        methods.push(by_crate(format!("biomd {name}"), layout, biomd));
    }
    methods
}

pub fn encode_by_crate(
    values: &[f32],
    shape: &[usize],
    bound: ErrorBound,
    algorithm: CompressionAlgorithm,
) -> Result<Vec<u8>> {
    let mut data = DimensionedData::build(&values);
    for &length in shape.iter().filter(|&&length| length != 1) {
        data = data.dim(length)?;
    }
    let config = Config::new(bound).compression_algorithm(algorithm);
    Ok(sz3::compress_with_config(&data.finish()?, &config)?)
}

pub fn decode_by_crate(bytes: &[u8], _: &[usize], _: f64) -> Result<Vec<f32>> {
    let (_, data) = sz3::decompress::<f32, _>(bytes)?;
    Ok(data.into_data())
}

/// A Python process that runs pysz and takes its times. Values travel in two files.
struct Worker {
    process: Child,
    answers: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
}

#[derive(Serialize)]
struct Request<'a> {
    input: String,
    output: String,
    arrays: Vec<(&'a [usize], f64)>,
    algorithm: &'a str,
    repeat: Option<Repeat>,
}

#[derive(Serialize)]
struct Repeat {
    seconds: f64,
    least: u32,
    most: u32,
    long_run: f64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Coded {
        bytes: usize,
        encode: f64,
        decode: f64,
    },
    Failed {
        error: String,
    },
}

impl Worker {
    fn start() -> Result<Self> {
        let python = std::env::var(PYTHON)
            .map_err(|_| format!("{PYTHON} names no Python that has pysz; use compare/run.sh"))?;
        let mut process = Command::new(python)
            .args(["-c", WORKER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = process.stdout.take().ok_or("the worker has no output")?;
        Ok(Self {
            process,
            answers: BufReader::new(answers),
            directory: tempfile::tempdir()?,
        })
    }

    fn code(&mut self, algorithm: &str, arrays: &[Array], timed: bool) -> Result<Coded> {
        let path = |name: &str| self.directory.path().join(name);
        let (input, output) = (path("input"), path("output"));
        let values: Vec<u8> = arrays.iter().flat_map(|a| le_bytes(&a.values)).collect();
        fs::write(&input, values)?;
        let request = Request {
            input: input.display().to_string(),
            output: output.display().to_string(),
            arrays: arrays
                .iter()
                .map(|array| (array.shape.as_slice(), array.parameter))
                .collect(),
            algorithm,
            repeat: timed.then(|| Repeat {
                seconds: ENOUGH_TIME.as_secs_f64(),
                least: LEAST_RUNS,
                most: MOST_RUNS,
                long_run: LONG_RUN.as_secs_f64(),
            }),
        };
        let stdin = self
            .process
            .stdin
            .as_mut()
            .ok_or("the worker has no input")?;
        writeln!(stdin, "{}", serde_json::to_string(&request)?)?;
        stdin.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        if answer.is_empty() {
            return Err("the Python process ended".into());
        }
        match serde_json::from_str(&answer)? {
            Answer::Failed { error } => Err(error.into()),
            Answer::Coded {
                bytes,
                encode,
                decode,
            } => Ok(Coded {
                bytes,
                encode: Duration::from_secs_f64(encode),
                decode: Duration::from_secs_f64(decode),
                values: split(arrays, &from_le_bytes(&fs::read(&output)?)),
            }),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its input ends with it; a worker that is stuck must not outlive the run.
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The decoded values of each array; a short file leaves the last ones short, for the check to find.
fn split(arrays: &[Array], mut values: &[f32]) -> Vec<Vec<f32>> {
    arrays
        .iter()
        .map(|array| {
            let (these, rest) = values.split_at(array.values.len().min(values.len()));
            values = rest;
            these.to_vec()
        })
        .collect()
}
