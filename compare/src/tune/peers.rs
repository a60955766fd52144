//! The peers as methods that `tolerant tune` compares.

use std::sync::{Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use tolerant::tune::methods::smallest_parquet;
use tolerant::tune::{Family, Reduced, Reduction, TuneError};

use super::coders;
use super::columns::Numbers;
use crate::data::Result;

/// Fractions of ranges.
const RATIOS: &[&str] = &[
    "0.0003", "0.001", "0.003", "0.01", "0.02", "0.05", "0.1", "0.2", "0.3",
];
const POINTWISE: &[&str] = &["0.001", "0.003", "0.01", "0.03", "0.1", "0.2", "0.4", "0.7"];
const DECIBELS: &[&str] = &["90", "80", "70", "60", "50", "40", "30", "25", "20"];
const BITS: &[&str] = &[
    "20", "16", "14", "12", "11", "10", "9", "8", "7", "6", "5", "4",
];
/// Of a sign, an exponent and the upper bits of the mantissa.
const FLOAT_BITS: &[&str] = &[
    "24", "20", "18", "16", "15", "14", "13", "12", "11", "10", "9",
];
const RATES: &[&str] = &["16", "12", "10", "8", "6", "5", "4", "3", "2", "1"];

/// Several of the libraries keep their state in globals.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Peer {
    name: &'static str,
    /// Before the number of a parameter.
    key: &'static str,
    sweep: &'static [&'static str],
    code: Code,
}

/// Coded bytes and decoded values, from values and a parameter.
enum Code {
    /// Each column by itself, with its range and the median of all ranges.
    Column(fn(&[f32], f64, Ranges) -> Result<(usize, Vec<f32>)>),
    /// All columns, in units of their ranges, rows filled.
    Table(fn(&[Vec<f32>], f64) -> Result<(usize, Vec<Vec<f32>>)>),
}

#[derive(Clone, Copy)]
pub struct Ranges {
    pub own: f64,
    pub median: f64,
}

/// All of them.
pub fn all() -> Vec<Box<dyn Reduction>> {
    let column = |name, key, sweep, code| Peer {
        name,
        key,
        sweep,
        code: Code::Column(code),
    };
    let table = |name, key, sweep, code| Peer {
        name,
        key,
        sweep,
        code: Code::Table(code),
    };
    [
        column("sz3-abs", "median-range:", RATIOS, coders::sz3_abs),
        column("sz3-rel", "rel:", RATIOS, coders::sz3_rel),
        column("sz3-psnr", "psnr:", DECIBELS, coders::sz3_psnr),
        column("sz3-pwrel", "pwrel:", POINTWISE, coders::sz3_pointwise),
        column("zfp-accuracy", "rel:", RATIOS, coders::zfp_accuracy),
        column("zfp-precision", "bits=", BITS, coders::zfp_precision),
        column("zfp-rate", "bits=", RATES, coders::zfp_rate),
        column("fpzip", "bits=", FLOAT_BITS, coders::fpzip),
        column("lc-abs", "rel:", RATIOS, coders::lc_abs),
        column("lc-pwrel", "pwrel:", POINTWISE, coders::lc_pointwise),
        table("sperr", "rel:", RATIOS, coders::sperr),
        table("tthresh", "rmse:", RATIOS, coders::tthresh),
    ]
    .into_iter()
    .map(|peer| Box::new(peer) as Box<dyn Reduction>)
    .collect()
}

impl Reduction for Peer {
    fn name(&self) -> &str {
        self.name
    }

    fn family(&self) -> Family {
        Family::ErrorBounded
    }

    fn parameters(&self) -> Vec<String> {
        let parameter = |number: &&str| format!("{}{number}", self.key);
        self.sweep.iter().map(parameter).collect()
    }

    /// Columns that may not change are charged at the smallest Parquet file of them; a column of one value
    /// at that value.
    fn reduce(
        &self,
        table: &RecordBatch,
        lossy: &[usize],
        parameter: &str,
        _: u64,
    ) -> std::result::Result<Reduced, TuneError> {
        let failed = |what: String| TuneError::method(self.name, what);
        let number = parameter.strip_prefix(self.key).map(str::parse::<f64>);
        let Some(Ok(number)) = number else {
            return Err(failed(format!(
                "{parameter:?} is no parameter of it: write {}NUMBER",
                self.key
            )));
        };
        self.coded(table, lossy, number)
            .map_err(|error| failed(error.to_string()))
    }
}

impl Peer {
    fn coded(&self, table: &RecordBatch, lossy: &[usize], number: f64) -> Result<Reduced> {
        let exact: Vec<usize> = (0..table.num_columns())
            .filter(|column| !lossy.contains(column))
            .collect();
        let mut bytes = match exact.is_empty() {
            true => 0,
            false => smallest_parquet(&table.project(&exact)?)?.len() as u64,
        };
        let numbers: Vec<Numbers> = lossy
            .iter()
            .map(|&column| Numbers::of(table.column(column)))
            .collect::<Result<_>>()?;
        bytes += numbers.iter().map(|numbers| numbers.bytes).sum::<u64>();
        // Columns of one value cost it.
        bytes += 4 * numbers.iter().filter(|n| n.range().is_none()).count() as u64;
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (coded, values) = match self.code {
            Code::Column(code) => by_column(&numbers, number, code)?,
            Code::Table(code) => by_table(&numbers, number, table.num_rows(), code)?,
        };
        let mut arrays: Vec<ArrayRef> = table.columns().to_vec();
        for ((&column, numbers), values) in lossy.iter().zip(&numbers).zip(&values) {
            arrays[column] = numbers.replace(table.column(column), values)?;
        }
        Ok(Reduced {
            table: RecordBatch::try_new(table.schema(), arrays)?,
            bytes: bytes + coded,
        })
    }
}

type Coded = (u64, Vec<Vec<f32>>);

fn by_column(
    numbers: &[Numbers],
    number: f64,
    code: fn(&[f32], f64, Ranges) -> Result<(usize, Vec<f32>)>,
) -> Result<Coded> {
    let width = |numbers: &Numbers| numbers.range().map(|(least, most)| most - least);
    let mut widths: Vec<f64> = numbers.iter().filter_map(width).collect();
    widths.sort_by(f64::total_cmp);
    let median = widths.get(widths.len() / 2).copied().unwrap_or(1.0);
    let (mut bytes, mut decoded) = (0, Vec::new());
    for numbers in numbers {
        let Some(own) = width(numbers) else {
            decoded.push(numbers.values.clone());
            continue;
        };
        let (coded, values) = code(&numbers.values, number, Ranges { own, median })?;
        bytes += coded as u64;
        decoded.push(values);
    }
    Ok((bytes, decoded))
}

fn by_table(
    numbers: &[Numbers],
    number: f64,
    rows: usize,
    code: fn(&[Vec<f32>], f64) -> Result<(usize, Vec<Vec<f32>>)>,
) -> Result<Coded> {
    let varying: Vec<(usize, f64, f64)> = numbers
        .iter()
        .enumerate()
        .filter_map(|(i, numbers)| numbers.range().map(|(a, b)| (i, a, b - a)))
        .collect();
    let mut decoded: Vec<Vec<f32>> = numbers.iter().map(|n| n.values.clone()).collect();
    if varying.is_empty() {
        return Ok((0, decoded));
    }
    let scaled: Vec<Vec<f32>> = varying
        .iter()
        .map(|&(i, least, width)| {
            let filled = numbers[i].filled(rows).into_iter();
            filled
                .map(|x| ((f64::from(x) - least) / width) as f32)
                .collect()
        })
        .collect();
    let (bytes, values) = code(&scaled, number)?;
    for (&(i, least, width), values) in varying.iter().zip(&values) {
        let values: Vec<f32> = values
            .iter()
            .map(|&x| (f64::from(x) * width + least) as f32)
            .collect();
        decoded[i] = numbers[i].unfilled(&values);
    }
    // Each column's smallest number and range.
    Ok((bytes as u64 + 8 * varying.len() as u64, decoded))
}
