//! Runs a method on a cell: bytes, speed, and what the exact check finds.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::check::{Findings, check};
use crate::data::{Cell, Column, Result};
use crate::method::{Codec, Decoded, Method};
use crate::rows;

/// Runs are repeated until they took this long together, and the fastest counts.
const ENOUGH_TIME: Duration = Duration::from_millis(400);
const MOST_RUNS: u32 = 50;
/// A run that takes this long is not repeated.
const LONG_RUN: Duration = Duration::from_secs(3);

/// A method on a table at a bound.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    pub input: String,
    pub rel: f64,
    pub family: String,
    pub mode: String,
    pub any_order: bool,
    pub lossless: bool,
    /// Raw float32 bytes of the table.
    pub raw_bytes: usize,
    /// Coded bytes: whole files for file formats, bare streams for the others.
    pub bytes: usize,
    /// raw_bytes / bytes.
    pub ratio: f64,
    /// Coded bits for each value.
    pub bit_rate: f64,
    /// Millions of raw bytes a second.
    pub encode_mb_s: f64,
    pub decode_mb_s: f64,
    /// Values outside their bound.
    pub violations: u64,
    /// Largest error as a fraction of the bound.
    pub worst: f64,
    /// Of range-normalized columns, in dB; none where nothing was lost.
    pub psnr: Option<f64>,
}

impl Measurement {
    pub fn name(&self) -> String {
        format!("{} {}", self.family, self.mode)
    }

    pub fn keeps_bound(&self) -> bool {
        self.violations == 0
    }
}

/// Coded and decoded once, with the time each took.
struct Trial {
    bytes: usize,
    encode: Duration,
    decode: Duration,
    findings: Findings,
}

/// Measures the method: one result, or two where it keeps the bound only when given a smaller one.
pub fn measure(method: &Method, cell: &Cell) -> Result<Vec<Measurement>> {
    let mut results = Vec::new();
    let factors = method.factors;
    for (i, &factor) in factors.tried.iter().enumerate() {
        let mut trial = run(method, cell, factor, false)?;
        let keeps = trial.findings.violations == 0;
        let last = i + 1 == factors.tried.len();
        let wanted = keeps || (i == 0 && factors.report_first) || (last && !factors.report_first);
        if wanted {
            trial = run(method, cell, factor, true)?;
            let mode = match factor {
                1.0 => method.mode.clone(),
                _ => format!("{} (bound x {factor})", method.mode),
            };
            results.push(measurement(method, mode, cell, &trial));
        }
        if keeps {
            break;
        }
    }
    Ok(results)
}

fn measurement(method: &Method, mode: String, cell: &Cell, trial: &Trial) -> Measurement {
    let raw_bytes = cell.table.raw_bytes();
    let speed = |time: Duration| raw_bytes as f64 / time.as_secs_f64() / 1e6;
    let mse = trial.findings.normalized_mse;
    Measurement {
        input: cell.table.name.clone(),
        rel: cell.rel,
        family: method.family.to_string(),
        mode,
        any_order: method.any_order,
        lossless: method.lossless,
        raw_bytes,
        bytes: trial.bytes,
        ratio: raw_bytes as f64 / trial.bytes as f64,
        bit_rate: trial.bytes as f64 * 8.0 / cell.table.values() as f64,
        encode_mb_s: speed(trial.encode),
        decode_mb_s: speed(trial.decode),
        violations: trial.findings.violations,
        worst: trial.findings.worst,
        psnr: (mse > 0.0).then(|| -10.0 * mse.log10()),
    }
}

/// Codes, decodes and checks, with bounds multiplied by `factor`; `timed` repeats for the time.
fn run(method: &Method, cell: &Cell, factor: f64, timed: bool) -> Result<Trial> {
    match &method.codec {
        Codec::Table { encode, decode } => {
            let (coded, encode_time) = fastest(timed, || encode(cell))?;
            let (decoded, decode_time) = fastest(timed, || decode(&coded))?;
            finish(method, cell, coded.len(), encode_time, decode_time, decoded)
        }
        Codec::Columns {
            tune,
            encode,
            decode,
        } => {
            let split = Split::new(cell, method.lossless);
            let parameters: Vec<f64> = split
                .lossy
                .iter()
                .map(|&i| tune(&cell.table.columns[i].values, cell.bounds[i] * factor))
                .collect();
            let columns = || split.lossy.iter().map(|&i| &cell.table.columns[i]);
            let (coded, encode_time) = fastest(timed, || {
                columns()
                    .zip(&parameters)
                    .map(|(column, &parameter)| encode(&column.values, parameter))
                    .collect::<Result<Vec<_>>>()
            })?;
            let rows = cell.table.rows();
            let (decoded, decode_time) = fastest(timed, || {
                coded
                    .iter()
                    .zip(&parameters)
                    .map(|(bytes, &parameter)| decode(bytes, rows, parameter))
                    .collect::<Result<Vec<_>>>()
            })?;
            let bytes = coded.iter().map(Vec::len).sum::<usize>() + split.exact_bytes(cell)?;
            let decoded = Decoded::Columns(split.merge(cell, decoded));
            finish(method, cell, bytes, encode_time, decode_time, decoded)
        }
        Codec::Matrix {
            transposed,
            encode,
            decode,
        } => {
            let split = Split::new(cell, method.lossless);
            let (rows, width) = (cell.table.rows(), split.lossy.len());
            let shape = if *transposed {
                [width, rows]
            } else {
                [rows, width]
            };
            let matrix = split.normalize(cell, *transposed);
            let (coded, encode_time) = fastest(timed, || encode(&matrix, shape, factor))?;
            let (decoded, decode_time) = fastest(timed, || decode(&coded, shape, factor))?;
            if decoded.len() != matrix.len() {
                return Err(format!("{} values came back", decoded.len()).into());
            }
            let bytes = coded.len() + split.exact_bytes(cell)?;
            let columns = split.denormalize(cell, &decoded, *transposed);
            let decoded = Decoded::Columns(split.merge(cell, columns));
            finish(method, cell, bytes, encode_time, decode_time, decoded)
        }
    }
}

fn finish(
    method: &Method,
    cell: &Cell,
    bytes: usize,
    encode: Duration,
    decode: Duration,
    decoded: Decoded,
) -> Result<Trial> {
    let original: Vec<&[f32]> = cell
        .table
        .columns
        .iter()
        .map(|column| column.values.as_slice())
        .collect();
    let mut decoded = decoded.into_columns()?;
    if method.any_order {
        decoded = rows::in_original_order(&original, &decoded, &cell.bounds);
    }
    Ok(Trial {
        bytes,
        encode,
        decode,
        findings: check(&original, &decoded, &cell.bounds),
    })
}

/// The last result of `work` and its shortest time.
fn fastest<T>(repeat: bool, work: impl Fn() -> Result<T>) -> Result<(T, Duration)> {
    let (mut best, mut total, mut runs) = (Duration::MAX, Duration::ZERO, 0);
    loop {
        let start = Instant::now();
        let result = work()?;
        let time = start.elapsed();
        best = best.min(time);
        total += time;
        runs += 1;
        let enough = runs >= 3 && (total >= ENOUGH_TIME || runs >= MOST_RUNS);
        if !repeat || enough || time >= LONG_RUN {
            return Ok((result, best));
        }
    }
}

/// Columns that a peer codes, and those that it is spared: their bound is 0, because they are
/// constant or hold nothing finite.
struct Split {
    lossy: Vec<usize>,
    exact: Vec<usize>,
}

impl Split {
    fn new(cell: &Cell, lossless: bool) -> Self {
        let all = 0..cell.table.columns.len();
        let (lossy, exact) = all.partition(|&i| lossless || cell.bounds[i] > 0.0);
        Self { lossy, exact }
    }

    /// 4 bytes for a constant column, pco for another.
    fn exact_bytes(&self, cell: &Cell) -> Result<usize> {
        let mut bytes = 0;
        for column in self.exact.iter().map(|&i| &cell.table.columns[i]) {
            let first = column.values[0].to_bits();
            bytes += if column.values.iter().all(|x| x.to_bits() == first) {
                size_of::<f32>()
            } else {
                pco::standalone::simple_compress(&column.values, &pco::ChunkConfig::default())?
                    .len()
            };
        }
        Ok(bytes)
    }

    /// All columns of the table, in its order.
    fn merge(&self, cell: &Cell, lossy: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let mut lossy = self.lossy.iter().zip(lossy).peekable();
        let columns = cell.table.columns.iter().enumerate();
        columns
            .map(|(i, column)| match lossy.next_if(|(at, _)| **at == i) {
                Some((_, decoded)) => decoded,
                None => column.values.clone(),
            })
            .collect()
    }

    /// (x - min) / bound, so that the bound of every column is 1; row-major.
    fn normalize(&self, cell: &Cell, transposed: bool) -> Vec<f32> {
        let scaled = |i: usize, column: &Column, row: usize| {
            let x = f64::from(column.values[row]) - cell.ranges[i].min;
            (x / cell.bounds[i]) as f32
        };
        let columns = || self.lossy.iter().map(|&i| (i, &cell.table.columns[i]));
        let rows = 0..cell.table.rows();
        if transposed {
            columns()
                .flat_map(|(i, column)| rows.clone().map(move |row| scaled(i, column, row)))
                .collect()
        } else {
            rows.flat_map(|row| columns().map(move |(i, column)| scaled(i, column, row)))
                .collect()
        }
    }

    fn denormalize(&self, cell: &Cell, matrix: &[f32], transposed: bool) -> Vec<Vec<f32>> {
        let (rows, width) = (cell.table.rows(), self.lossy.len());
        self.lossy
            .iter()
            .enumerate()
            .map(|(j, &i)| {
                (0..rows)
                    .map(|row| {
                        let at = if transposed {
                            j * rows + row
                        } else {
                            row * width + j
                        };
                        let x = f64::from(matrix[at]) * cell.bounds[i] + cell.ranges[i].min;
                        x as f32
                    })
                    .collect()
            })
            .collect()
    }
}
