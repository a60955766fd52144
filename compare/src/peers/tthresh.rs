//! TTHRESH: the Tucker decomposition of the whole table. It takes a root mean square error, not a
//! bound; the largest of a series that keeps the bound is used.

use tthresh::{Buffer, ErrorBound};

use crate::data::Result;
use crate::method::{Factors, Layout, Method};

/// As fractions of the bound.
const ERRORS: &[f64] = &[
    0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.16, 0.12, 0.08, 0.04, 0.01, 0.001,
];

pub fn methods() -> Vec<Method> {
    let layout = Layout::Matrix {
        transposed: false,
        offset: true,
    };
    let mode = "3-D, rows folded to a square, less min, RMSE";
    vec![
        Method::arrays("TTHRESH", mode, layout, encode, decode)
            .with_factors(Factors::Search(ERRORS)),
    ]
}

/// Rows as a square, for TTHRESH wants three dimensions; the first varies fastest.
fn folded(rows: usize, columns: usize) -> [usize; 3] {
    let side = (rows as f64).sqrt().ceil() as usize;
    [columns, side, rows.div_ceil(side)]
}

pub fn encode(values: &[f32], shape: &[usize], rmse: f64) -> Result<Vec<u8>> {
    let [rows, columns] = shape.try_into()?;
    if columns < 2 {
        return Err("TTHRESH needs at least two columns".into());
    }
    let folded = folded(rows, columns);
    let mut values = values.to_vec();
    // Rows that fill the square repeat the last one.
    let last = values[(rows - 1) * columns..].to_vec();
    while values.len() < folded.iter().product() {
        values.extend_from_slice(&last);
    }
    Ok(tthresh::compress(
        &values,
        &folded,
        ErrorBound::RMSE(rmse),
        false,
        false,
    )?)
}

pub fn decode(bytes: &[u8], shape: &[usize], _: f64) -> Result<Vec<f32>> {
    match tthresh::decompress(bytes, false, false)? {
        (Buffer::F32(mut values), _) => {
            values.truncate(shape.iter().product());
            Ok(values)
        }
        _ => Err("TTHRESH gave back another type".into()),
    }
}
