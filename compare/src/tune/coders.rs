//! What each peer makes of a column or a table at a parameter: bytes, and the values that come back.

use lc_framework::ErrorKind;
use sz3::{CompressionAlgorithm, ErrorBound};

use super::peers::Ranges;
use crate::data::Result;
use crate::peers::zfp::Mode;
use crate::peers::{fpzip as fpzip_peer, lc, sperr as sperr_peer, sz3 as sz3_peer};
use crate::peers::{tthresh as tthresh_peer, zfp};

type Column = Result<(usize, Vec<f32>)>;
type Table = Result<(usize, Vec<Vec<f32>>)>;

/// The same absolute bound for all columns, as SZ3's ABS over a table.
pub fn sz3_abs(values: &[f32], ratio: f64, ranges: Ranges) -> Column {
    sz3(values, ErrorBound::Absolute(ratio * ranges.median))
}

pub fn sz3_rel(values: &[f32], ratio: f64, _: Ranges) -> Column {
    sz3(values, ErrorBound::Relative(ratio))
}

pub fn sz3_psnr(values: &[f32], decibels: f64, _: Ranges) -> Column {
    sz3(values, ErrorBound::PSNR(decibels))
}

/// SZ3 has no such mode: logarithms within an absolute bound, as SZ2 does it (Liang et al. 2018). Zeros and
/// signs are kept apart, with ZSTD.
pub fn sz3_pointwise(values: &[f32], ratio: f64, _: Ranges) -> Column {
    let others: Vec<f32> = values.iter().copied().filter(|&x| x != 0.0).collect();
    let marks: Vec<u8> = values
        .chunks(4)
        .map(|four| {
            let mark = |&x: &f32| u8::from(x != 0.0) | (u8::from(x < 0.0) << 1);
            four.iter().rev().fold(0, |byte, x| (byte << 2) | mark(x))
        })
        .collect();
    let mut bytes = zstd::bulk::compress(&marks, 19)?.len();
    let mut decoded = Vec::new();
    if !others.is_empty() {
        let logarithms: Vec<f32> = others.iter().map(|x| x.abs().ln()).collect();
        let (coded, values) = sz3(&logarithms, ErrorBound::Absolute(ratio.ln_1p()))?;
        bytes += coded;
        decoded = values;
    }
    let mut decoded = decoded.into_iter();
    let read = values.iter().map(|&x| match x {
        0.0 => x,
        x => decoded.next().unwrap_or(f32::NAN).exp().copysign(x),
    });
    Ok((bytes, read.collect()))
}

/// The smallest of four of its algorithms; tables in no order do best without prediction.
fn sz3(values: &[f32], bound: ErrorBound) -> Column {
    let mut best: Option<Vec<u8>> = None;
    for algorithm in [
        CompressionAlgorithm::interpolation_lorenzo(),
        CompressionAlgorithm::lorenzo_regression(),
        CompressionAlgorithm::biology_molecular_data(),
        CompressionAlgorithm::no_prediction(),
    ] {
        let coded = sz3_peer::encode_by_crate(values, &[values.len()], bound, algorithm)?;
        if best.as_ref().is_none_or(|best| coded.len() < best.len()) {
            best = Some(coded);
        }
    }
    let coded = best.ok_or("SZ3 has no algorithm")?;
    let decoded = sz3_peer::decode_by_crate(&coded, &[values.len()], 0.0)?;
    Ok((coded.len(), decoded))
}

pub fn zfp_accuracy(values: &[f32], ratio: f64, ranges: Ranges) -> Column {
    zfp(values, Mode::Accuracy(ratio * ranges.own))
}

pub fn zfp_precision(values: &[f32], bits: f64, _: Ranges) -> Column {
    zfp(values, Mode::Precision(bits as u32))
}

pub fn zfp_rate(values: &[f32], bits: f64, _: Ranges) -> Column {
    zfp(values, Mode::Rate(bits))
}

fn zfp(values: &[f32], mode: Mode) -> Column {
    let shape = [values.len()];
    let coded = zfp::encode(values, &shape, mode)?;
    Ok((coded.len(), zfp::decode(&coded, &shape, mode)?))
}

pub fn fpzip(values: &[f32], bits: f64, _: Ranges) -> Column {
    let coded = fpzip_peer::encode(values, bits as i32)?;
    let decoded = fpzip_peer::decode(&coded, values.len(), bits as i32)?;
    Ok((coded.len(), decoded))
}

pub fn lc_abs(values: &[f32], ratio: f64, ranges: Ranges) -> Column {
    lc::smallest(values, ErrorKind::Abs, ratio * ranges.own)
}

pub fn lc_pointwise(values: &[f32], ratio: f64, _: Ranges) -> Column {
    lc::smallest(values, ErrorKind::Rel, ratio)
}

/// As a matrix, columns as they are or as its rows, whichever is smaller.
pub fn sperr(columns: &[Vec<f32>], ratio: f64) -> Table {
    let (width, rows) = (columns.len(), columns.first().map_or(0, Vec::len));
    let upright = interleaved(columns);
    let lying = columns.concat();
    let one = sperr_peer::encode(&upright, &[rows, width], ratio)?;
    let two = sperr_peer::encode(&lying, &[width, rows], ratio)?;
    if one.len() <= two.len() {
        let values = sperr_peer::decode(&one, &[rows, width], ratio)?;
        return Ok((one.len(), separated(&values, width)));
    }
    let values = sperr_peer::decode(&two, &[width, rows], ratio)?;
    let columns = values.chunks(rows).map(<[f32]>::to_vec).collect();
    Ok((two.len(), columns))
}

/// At a root mean square error.
pub fn tthresh(columns: &[Vec<f32>], error: f64) -> Table {
    let shape = [columns.first().map_or(0, Vec::len), columns.len()];
    let coded = tthresh_peer::encode(&interleaved(columns), &shape, error)?;
    let values = tthresh_peer::decode(&coded, &shape, error)?;
    Ok((coded.len(), separated(&values, columns.len())))
}

/// Row after row.
fn interleaved(columns: &[Vec<f32>]) -> Vec<f32> {
    let rows = columns.first().map_or(0, Vec::len);
    (0..rows)
        .flat_map(|row| columns.iter().map(move |column| column[row]))
        .collect()
}

fn separated(values: &[f32], width: usize) -> Vec<Vec<f32>> {
    (0..width)
        .map(|column| values.iter().skip(column).step_by(width).copied().collect())
        .collect()
}
