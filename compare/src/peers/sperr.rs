//! SPERR: 2-D wavelets over the whole table, with a point-wise error bound.

use ndarray::{ArrayView2, ArrayViewMut2};
use sperr::CompressionMode;

use crate::data::Result;
use crate::method::{Layout, Method};

pub fn methods() -> Vec<Method> {
    Layout::plain_matrices()
        .map(|(name, layout)| Method::arrays("SPERR", name, layout, encode, decode))
        .collect()
}

fn two(shape: &[usize]) -> Result<[usize; 2]> {
    Ok(shape.try_into()?)
}

pub fn encode(values: &[f32], shape: &[usize], pwe: f64) -> Result<Vec<u8>> {
    let view = ArrayView2::from_shape(two(shape)?, values)?;
    Ok(sperr::compress_2d(
        view,
        CompressionMode::PointwiseError { pwe },
    )?)
}

pub fn decode(bytes: &[u8], shape: &[usize], _: f64) -> Result<Vec<f32>> {
    let mut values = vec![0f32; shape.iter().product()];
    sperr::decompress_into_2d(bytes, ArrayViewMut2::from_shape(two(shape)?, &mut values)?)?;
    Ok(values)
}
