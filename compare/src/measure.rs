//! Runs a method on a cell: bytes, speed, and what the exact check finds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::{Findings, check};
use crate::data::{Cell, Result};
use crate::method::{Array, Codec, Coded, Coder, Decoded, Factors, Method};
use crate::rows;
use crate::split::Split;

/// Runs are repeated until they took this long together, and the fastest counts.
pub const ENOUGH_TIME: Duration = Duration::from_millis(250);
pub const LEAST_RUNS: u32 = 3;
pub const MOST_RUNS: u32 = 50;
/// A run that takes this long is not repeated.
pub const LONG_RUN: Duration = Duration::from_secs(3);

/// A method on a table at a bound.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Millions of raw bytes a second of CPU time.
    pub encode_mb_s: f64,
    pub decode_mb_s: f64,
    /// Values outside their bound.
    pub violations: u64,
    /// Largest error as a fraction of the bound; none where a number came back infinite or NaN.
    pub worst: Option<f64>,
    /// Of range-normalized columns, in dB; none where nothing was lost.
    pub psnr: Option<f64>,
}

impl Measurement {
    pub fn name(&self) -> String {
        format!("{} {}", self.family, self.mode)
    }

    pub fn worst(&self) -> String {
        self.worst
            .map_or("not finite".to_string(), |worst| format!("{worst:.9}"))
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

/// Factors on the bound that are tried, in this order, where a peer breaks the bound as asked.
const TIGHTENED: [f64; 6] = [0.999_999, 0.999_99, 0.9999, 0.999, 0.99, 0.9];

/// Measures the method: one result, or two where it keeps the bound only when given a smaller one.
pub fn measure(method: &Method, cell: &Cell) -> Result<Vec<Measurement>> {
    let keeps = |factor: f64| -> Result<bool> {
        Ok(run(method, cell, factor, false)?.findings.violations == 0)
    };
    let mut results = Vec::new();
    match method.factors {
        Factors::One => results.push(at_factor(method, cell, 1.0)?),
        Factors::Tightened => {
            let first = at_factor(method, cell, 1.0)?;
            let broken = !first.keeps_bound();
            results.push(first);
            for factor in TIGHTENED.into_iter().filter(|_| broken) {
                if keeps(factor)? {
                    results.push(at_factor(method, cell, factor)?);
                    break;
                }
            }
        }
        Factors::Search(factors) => {
            // The first that keeps the bound is in low..=high, or there is none.
            let (mut low, mut high) = (0, factors.len().saturating_sub(1));
            while low < high {
                let middle = (low + high) / 2;
                if keeps(factors[middle])? {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            results.push(at_factor(method, cell, factors[low])?);
        }
    }
    Ok(results)
}

fn at_factor(method: &Method, cell: &Cell, factor: f64) -> Result<Measurement> {
    let mut trial = run(method, cell, factor, false)?;
    // What breaks its bound need not be timed well.
    if trial.findings.violations == 0 {
        trial = run(method, cell, factor, true)?;
    }
    let mode = match factor {
        1.0 => method.mode.clone(),
        _ => format!("{} (bound x {factor})", method.mode),
    };
    Ok(measurement(method, mode, cell, &trial))
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
        worst: Some(trial.findings.worst).filter(|worst| worst.is_finite()),
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
        Codec::Arrays { layout, coder } => {
            let split = Split::new(cell, method.lossless);
            let arrays = split.arrays(cell, *layout, factor);
            let coded = code(coder, &arrays, timed)?;
            let bytes = coded.bytes + split.exact_bytes(cell)?;
            let columns = split.columns(cell, *layout, coded.values)?;
            let decoded = Decoded::Columns(columns);
            finish(method, cell, bytes, coded.encode, coded.decode, decoded)
        }
    }
}

fn code(coder: &Coder, arrays: &[Array], timed: bool) -> Result<Coded> {
    let (encode, decode) = match coder {
        Coder::Here { encode, decode } => (encode, decode),
        Coder::Elsewhere(code) => return code(arrays, timed),
    };
    let (coded, encode_time) = fastest(timed, || {
        arrays
            .iter()
            .map(|array| encode(&array.values, &array.shape, array.parameter))
            .collect::<Result<Vec<_>>>()
    })?;
    let (values, decode_time) = fastest(timed, || {
        coded
            .iter()
            .zip(arrays)
            .map(|(bytes, array)| decode(bytes, &array.shape, array.parameter))
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(Coded {
        bytes: coded.iter().map(Vec::len).sum(),
        encode: encode_time,
        decode: decode_time,
        values,
    })
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

/// What this process has computed so far, on all of its threads: on a busy machine the clock on the
/// wall measures the neighbours too.
fn cpu_time() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is writable; the call cannot fail with this clock on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The last result of `work` and its shortest time.
fn fastest<T>(repeat: bool, work: impl Fn() -> Result<T>) -> Result<(T, Duration)> {
    let (mut best, mut total, mut runs) = (Duration::MAX, Duration::ZERO, 0);
    loop {
        let start = cpu_time();
        let result = work()?;
        let time = cpu_time() - start;
        best = best.min(time);
        total += time;
        runs += 1;
        let enough = runs >= LEAST_RUNS && (total >= ENOUGH_TIME || runs >= MOST_RUNS);
        if !repeat || enough || time >= LONG_RUN {
            return Ok((result, best));
        }
    }
}
