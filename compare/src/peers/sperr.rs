//! SPERR: 2-D wavelets over the whole table, with a point-wise error bound.

use ndarray::{ArrayView2, ArrayViewMut2};
use sperr::CompressionMode;

use crate::data::Result;
use crate::method::Method;

pub fn methods() -> Vec<Method> {
    [(false, "rows x columns"), (true, "columns x rows")]
        .map(|(transposed, shape)| {
            Method::matrix("SPERR", format!("2-D {shape}"), transposed, encode, decode)
        })
        .into()
}

fn encode(values: &[f32], shape: [usize; 2], pwe: f64) -> Result<Vec<u8>> {
    let view = ArrayView2::from_shape(shape, values)?;
    Ok(sperr::compress_2d(
        view,
        CompressionMode::PointwiseError { pwe },
    )?)
}

fn decode(bytes: &[u8], shape: [usize; 2], _: f64) -> Result<Vec<f32>> {
    let mut values = vec![0f32; shape[0] * shape[1]];
    sperr::decompress_into_2d(bytes, ArrayViewMut2::from_shape(shape, &mut values)?)?;
    Ok(values)
}
