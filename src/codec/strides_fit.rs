//! Weights for the prediction of a series, stride by stride, by least squares.

use super::interpolation;
use super::strides::{MAX_WEIGHTS, Step, WEIGHT_BITS, WEIGHT_LIMIT};

/// Places of a stride that are looked at, at most.
const PLACES: usize = 1024;
/// Places that a fit needs.
const LEAST_PLACES: usize = 16;
/// Bits that describe a weight, about.
const WEIGHT_COST: f64 = 14.0;

const COLUMNS: usize = MAX_WEIGHTS;

/// A place of a stride: what its integer should be, less the mean of its nearest neighbours, and so
/// for the pairs of neighbours farther away.
struct Place {
    target: f64,
    pairs: [f64; COLUMNS],
}

/// How to predict the odd multiples of `stride` from the even ones in `integers`, where `wanted`
/// are the values of all places on the integers' grid, and a residual costs nothing below half of
/// `cell`.
pub(super) fn step(
    wanted: impl Fn(usize) -> f64,
    integers: &[i32],
    stride: usize,
    cell: f64,
) -> Step {
    let reach = (2 * MAX_WEIGHTS + 1) * stride;
    let inside = integers.len().saturating_sub(2 * reach) / (2 * stride);
    let mut best = Step::default();
    if inside < LEAST_PLACES {
        return best;
    }
    let first = reach.next_multiple_of(2 * stride) + stride;
    let every = 2 * stride * inside.div_ceil(PLACES);
    let indices = || (first..integers.len() - reach).step_by(every);
    let places: Vec<Place> = indices()
        .map(|i| place(wanted(i), integers, i, stride))
        .filter(|place| place.target.is_finite())
        .collect();
    let scale = inside as f64 / places.len().max(1) as f64;
    let cubic = indices()
        .map(|i| wanted(i) - f64::from(interpolation::prediction(integers, i, stride)))
        .filter(|residual| residual.is_finite());
    let mut least = scale * cost(cubic, cell);
    for count in 1..=MAX_WEIGHTS {
        let Some(weights) = fitted(&places, count) else {
            break;
        };
        let residuals = places.iter().map(|place| {
            let pairs = place.pairs.iter().zip(&weights);
            place.target - pairs.map(|(pair, weight)| pair * weight).sum::<f64>()
        });
        let bits = scale * cost(residuals, cell) + WEIGHT_COST * count as f64;
        let rounded: Option<Vec<i32>> = weights.iter().map(|weight| rounded(*weight)).collect();
        if let Some(weights) = rounded
            && bits < 0.995 * least
        {
            least = bits;
            best.weights = weights;
        }
    }
    best
}

fn place(wanted: f64, integers: &[i32], i: usize, stride: usize) -> Place {
    let pair = |distance: usize| {
        f64::from(integers[i - distance * stride]) + f64::from(integers[i + distance * stride])
    };
    let nearest = pair(1);
    Place {
        target: wanted - nearest / 2.0,
        pairs: std::array::from_fn(|k| pair(2 * k + 3) - nearest),
    }
}

/// What residuals cost, about, in bits: the sum of log2(1 + |residual| / cell), of which few
/// logarithms are taken.
fn cost(residuals: impl Iterator<Item = f64>, cell: f64) -> f64 {
    let (mut bits, mut product) = (0.0, 1.0f64);
    for residual in residuals {
        product *= 1.0 + residual.abs() / cell;
        if product > 1e200 {
            bits += product.min(f64::MAX).log2();
            product = 1.0;
        }
    }
    bits + product.log2()
}

fn rounded(weight: f64) -> Option<i32> {
    let scaled = (weight * f64::from(1 << WEIGHT_BITS)).round();
    (scaled.abs() < f64::from(WEIGHT_LIMIT)).then_some(scaled as i32)
}

/// The weights of the first `count` pairs with the least sum of squared residuals, by Cholesky's
/// elimination; None where pairs depend on one another.
fn fitted(places: &[Place], count: usize) -> Option<Vec<f64>> {
    let mut rows = [[0.0; COLUMNS + 1]; COLUMNS];
    for place in places {
        for (a, row) in rows[..count].iter_mut().enumerate() {
            for (b, sum) in row[..count].iter_mut().enumerate() {
                *sum += place.pairs[a] * place.pairs[b];
            }
            row[COLUMNS] += place.pairs[a] * place.target;
        }
    }
    for at in 0..count {
        let (above, below) = rows.split_at_mut(at + 1);
        let above = &above[at];
        if above[at].is_nan() || above[at] <= 1e-9 {
            return None;
        }
        for row in &mut below[..count - at - 1] {
            let factor = row[at] / above[at];
            for (x, above) in row.iter_mut().zip(above) {
                *x -= factor * above;
            }
        }
    }
    let mut weights = vec![0.0; count];
    for at in (0..count).rev() {
        let known: f64 = (at + 1..count).map(|k| rows[at][k] * weights[k]).sum();
        weights[at] = (rows[at][COLUMNS] - known) / rows[at][at];
    }
    Some(weights)
}
