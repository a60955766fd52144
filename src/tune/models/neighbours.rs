//! The nearest neighbours, found by comparing with every row: matrix products are faster than trees
//! of points on a dozen columns, and do not care about rows that are alike.

use nalgebra::DMatrix;

use super::super::frame::Frame;
use super::prepare;

/// Neighbours that are asked.
const NEIGHBOURS: usize = 5;
/// Rows of the holdout that are compared at once.
const BATCH: usize = 64;
/// Rows of training that are compared at once: their distances stay in the cache.
const BLOCK: usize = 2048;

/// The mean of the nearest rows' targets.
pub(super) fn regress(train: &Frame, holdout: &Frame) -> Vec<f64> {
    let mut predicted = Vec::with_capacity(holdout.len());
    each(train, holdout, |nearest| {
        let sum: f64 = nearest.iter().map(|&(_, row)| train.target[row]).sum();
        predicted.push(sum / nearest.len() as f64);
    });
    predicted
}

/// The class that most of the nearest rows have.
pub(super) fn classify(
    train: &Frame,
    labels: &[usize],
    classes: usize,
    holdout: &Frame,
) -> Vec<usize> {
    let mut predicted = Vec::with_capacity(holdout.len());
    let mut votes = vec![0u32; classes];
    each(train, holdout, |nearest| {
        votes.fill(0);
        for &(_, row) in nearest {
            votes[labels[row]] += 1;
        }
        predicted.push(prepare::most(&votes));
    });
    predicted
}

/// Calls `with` for every row of `holdout`, in order, with its nearest rows of `train`: distance (less
/// what all have in common) and position, nearest first, the earlier of equals first.
fn each(train: &Frame, holdout: &Frame, mut with: impl FnMut(&[(f64, usize)])) {
    let (x, on) = prepare::scaled(train, holdout);
    let points = x.transpose();
    let queries = on.transpose();
    let lengths: Vec<f64> = points.column_iter().map(|p| p.norm_squared()).collect();
    let wanted = NEIGHBOURS.min(points.ncols());
    let mut products = DMatrix::zeros(BLOCK.min(points.ncols()), BATCH.min(queries.ncols()));
    for first in (0..queries.ncols()).step_by(BATCH) {
        let batch = queries.columns(first, BATCH.min(queries.ncols() - first));
        let mut nearest = vec![Vec::with_capacity(wanted + 1); batch.ncols()];
        for start in (0..points.ncols()).step_by(BLOCK) {
            let block = points.columns(start, BLOCK.min(points.ncols() - start));
            let shape = (block.ncols(), batch.ncols());
            let mut products = products.view_mut((0, 0), shape);
            products.gemm_tr(-2.0, &block, &batch, 0.0);
            for (column, found) in products.column_iter().zip(&mut nearest) {
                for (i, product) in column.iter().enumerate() {
                    insert(found, wanted, (product + lengths[start + i], start + i));
                }
            }
        }
        nearest.iter().for_each(|found| with(found));
    }
}

/// Keeps the `wanted` nearest, in order.
fn insert(found: &mut Vec<(f64, usize)>, wanted: usize, new: (f64, usize)) {
    let full = found.len() == wanted;
    if full && found.last().is_some_and(|last| new.0 >= last.0) {
        return;
    }
    let at = found.partition_point(|other| other.0 <= new.0);
    found.insert(at, new);
    found.truncate(wanted);
}
