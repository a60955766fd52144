//! k-means, by smartcore: trained on what training gets, applied to the original holdout.

use smartcore::cluster::kmeans::{KMeans, KMeansParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::super::error::{Result, TuneError};
use super::super::frame::Frame;
use super::prepare::{Classes, Scale};
use super::{Score, components, metrics, prepare};

/// Centres where no labels say how many.
const CENTRES: usize = 8;
/// The best of so many starts is taken.
const STARTS: u64 = 5;
const ITERATIONS: usize = 100;

type Fitted = KMeans<f64, i32, DenseMatrix<f64>, Vec<i32>>;

/// See [`score`](super::score).
pub(super) fn score(train: &Frame, holdout: &Frame, seed: u64) -> Result<Score> {
    let (fit, on) = prepare::clean(train, holdout, false)?;
    let labels = Some(holdout)
        .filter(|holdout| !holdout.target.is_empty())
        .and_then(|holdout| Classes::of(&holdout.target).ok())
        .filter(|classes| classes.len() >= 2)
        .map(|classes| (classes.positions(&holdout.target), classes.len()));
    let wanted = labels.as_ref().map_or(CENTRES, |(_, classes)| *classes);
    let scale = Scale::of(&fit.columns);
    let points = scale.apply(&fit.columns);
    let centres = wanted.min(distinct(&points));
    let queries = scale.apply(&on.columns);
    let (members, assigned) = if centres < 2 {
        (vec![0; train.len()], vec![0; holdout.len()])
    } else {
        partition(&points, &queries, centres, seed)?
    };
    if let Some((labels, _)) = labels {
        return Ok(Score {
            metric: "adjusted Rand index",
            value: metrics::adjusted_rand(&labels, &assigned),
        });
    }
    // In the original's own units: a column that became one value is its one value everywhere.
    let means = |column: &Vec<f64>| means(column, &members, centres.max(1));
    let centres: Vec<Vec<f64>> = train.columns.iter().map(means).collect();
    let said = |column: usize, row: usize| centres[column][assigned[row]];
    Ok(Score {
        metric: "explained variance",
        value: components::explained(holdout, said)?,
    })
}

/// The clusters of the rows of `points` and of `queries`.
fn partition(
    points: &nalgebra::DMatrix<f64>,
    queries: &nalgebra::DMatrix<f64>,
    centres: usize,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>)> {
    let x = dense(points)?;
    let mut best: Option<(f64, Fitted, Vec<usize>)> = None;
    for start in 0..STARTS {
        let options = KMeansParameters {
            k: centres,
            max_iter: ITERATIONS,
            seed: Some(seed.wrapping_mul(STARTS).wrapping_add(start)),
        };
        let model = Fitted::fit(&x, options).map_err(failed)?;
        let members = positions(model.predict(&x).map_err(failed)?);
        let spread = spread(points, &members, centres);
        if best.as_ref().is_none_or(|(least, _, _)| spread < *least) {
            best = Some((spread, model, members));
        }
    }
    let (_, model, members) = best.ok_or_else(|| failed("no start led anywhere"))?;
    let assigned = model.predict(&dense(queries)?).map_err(failed)?;
    Ok((members, positions(assigned)))
}

fn positions(clusters: Vec<i32>) -> Vec<usize> {
    clusters.into_iter().map(|c| c.max(0) as usize).collect()
}

fn dense(x: &nalgebra::DMatrix<f64>) -> Result<DenseMatrix<f64>> {
    DenseMatrix::new(x.nrows(), x.ncols(), x.as_slice().to_vec(), true).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> TuneError {
    TuneError::model(format!("k-means: {error}"))
}

/// Different rows: more centres than these cannot be.
fn distinct(points: &nalgebra::DMatrix<f64>) -> usize {
    let mut rows: Vec<Vec<u64>> = points
        .row_iter()
        .map(|row| row.iter().map(|x| x.to_bits()).collect())
        .collect();
    rows.sort();
    rows.dedup();
    rows.len()
}

/// The mean of a column in each cluster; of a cluster without any values, that of all.
fn means(column: &[f64], members: &[usize], clusters: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); clusters];
    for (x, &cluster) in column.iter().zip(members) {
        if x.is_finite() {
            sums[cluster].0 += x;
            sums[cluster].1 += 1.0;
        }
    }
    let overall = prepare::mean(column);
    sums.into_iter()
        .map(|(sum, n)| if n > 0.0 { sum / n } else { overall })
        .collect()
}

/// Squared distances from the centres of their clusters.
fn spread(points: &nalgebra::DMatrix<f64>, members: &[usize], clusters: usize) -> f64 {
    let columns = points.column_iter().map(|column| {
        let means = means(column.as_slice(), members, clusters);
        let squared = |(x, &c): (&f64, &usize)| (x - means[c]) * (x - means[c]);
        column.iter().zip(members).map(squared).sum::<f64>()
    });
    columns.sum()
}
