//! Ranges of single dimensions of vectors.

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use crate::codec::{ErrorBound, Float, ValueRange, quantile_range};

use super::Leaf;
use super::encode::LeafOptions;
use super::shred::Shredded;
use crate::file::column::Values;
use crate::file::error::Result;

/// The range of each dimension that its bound is relative to, as declared or of these blocks.
pub(super) fn references(
    leaf: &Leaf,
    blocks: &[(usize, Shredded)],
    options: &LeafOptions<'_>,
) -> Result<Vec<ValueRange>> {
    if let Some(declared) = options.declared_dimensions
        && declared.len() == leaf.dimensions()
    {
        return Ok(declared.to_vec());
    }
    if let ErrorBound::RobustRel { low, high, .. } = options.bound {
        let mut all = vec![Vec::new(); leaf.dimensions()];
        for (_, block) in blocks {
            for_each(leaf, block, |dimension, x| all[dimension].push(x));
        }
        let ranges = all.par_iter_mut();
        return Ok(ranges.map(|x| quantile_range(x, low, high)).collect());
    }
    let ranges = blocks.par_iter().map(|(_, block)| ranges(leaf, block));
    let union = |a: Vec<ValueRange>, b: Vec<ValueRange>| match a.is_empty() {
        true => b,
        false => a.iter().zip(&b).map(|(a, b)| a.union(b)).collect(),
    };
    let ranges = ranges.reduce(Vec::new, union);
    Ok(match ranges.is_empty() {
        true => vec![ValueRange::EMPTY; leaf.dimensions()],
        false => ranges,
    })
}

/// The range of the finite values of each dimension.
pub(super) fn ranges(leaf: &Leaf, block: &Shredded) -> Vec<ValueRange> {
    let mut ranges = vec![ValueRange::EMPTY; leaf.dimensions()];
    for_each(leaf, block, |dimension, x| {
        if x.is_finite() {
            let range = &mut ranges[dimension];
            *range = ValueRange {
                min: range.min.min(x),
                max: range.max.max(x),
            };
        }
    });
    ranges
}

/// Calls `each` with the dimension of each value, and the value.
fn for_each(leaf: &Leaf, block: &Shredded, mut each: impl FnMut(usize, f64)) {
    fn of<F: Float>(values: &[F], positions: &[u32], each: &mut dyn FnMut(usize, f64)) {
        let values = values.iter().zip(positions);
        values.for_each(|(x, position)| each(*position as usize, x.to_f64()));
    }
    let array: &ArrayRef = &block.values;
    let positions = leaf.positions(&block.rep, &block.def);
    match Values::of(array.data_type(), &array.to_data()) {
        Some(Values::F16(values)) => of(&values, &positions, &mut each),
        Some(Values::F32(values)) => of(&values, &positions, &mut each),
        Some(Values::F64(values)) => of(&values, &positions, &mut each),
        _ => {}
    }
}
