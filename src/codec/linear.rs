//! Fits linear predictions of a column's integers by those of other columns.
//!
//! Forward selection of terms by least squares; then reweighted towards least absolute deviations,
//! which is nearer to what residuals cost (Gauss, Legendre; Lawson's iteration).

use super::context::ABSENT;
use super::transform::{Linear, MAX_TERMS, WEIGHT_BITS};
use super::wide;

/// Rows that a fit looks at, at most.
const ROWS: usize = 1024;
/// Columns that are considered, the constant among them: whole vectors.
const MAX_COLUMNS: usize = 16;

/// Predictions of `target` by 1, 2, ... of `columns`, which are samples of the same rows in runs of
/// `run`; in each, references are indices among `columns`. Of their differences if `differences`.
pub(super) fn fit(
    target: &[i32],
    columns: &[&[i32]],
    run: usize,
    differences: bool,
) -> Vec<Linear> {
    let columns = &columns[..columns.len().min(MAX_COLUMNS - 1)];
    let rows = rows(target, columns, run, differences);
    if rows.len() < 8 * (columns.len() + 1) {
        return Vec::new();
    }
    // The constant is column 0.
    let all: Vec<usize> = (0..=columns.len()).collect();
    let gram = Gram::of(&rows, &all, &[]);
    let mut chosen = vec![0];
    let mut fits = Vec::new();
    let Some((mut error, _)) = gram.solve(&chosen) else {
        return Vec::new();
    };
    while chosen.len() <= MAX_TERMS {
        let better = (1..=columns.len())
            .filter(|column| !chosen.contains(column))
            .filter_map(|column| {
                let with: Vec<usize> = chosen.iter().copied().chain([column]).collect();
                gram.solve(&with).map(|(error, _)| (error, column))
            })
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((least, column)) = better.filter(|(least, _)| *least < 0.98 * error) else {
            break;
        };
        error = least;
        chosen.push(column);
        fits.extend(
            robust(&rows, &chosen).and_then(|weights| linear(&chosen, &weights, differences)),
        );
    }
    fits
}

/// A row: the target, the constant, the columns.
struct Row {
    target: f64,
    values: [f64; MAX_COLUMNS],
}

fn rows(target: &[i32], columns: &[&[i32]], run: usize, differences: bool) -> Vec<Row> {
    let step = target.len().div_ceil(ROWS).max(1);
    let value = |column: &[i32], i: usize| -> Option<f64> {
        let x = Some(column[i]).filter(|x| *x != ABSENT)?;
        if !differences {
            return Some(f64::from(x));
        }
        let before = Some(column[i - 1]).filter(|x| *x != ABSENT)?;
        Some(f64::from(x) - f64::from(before))
    };
    (0..target.len())
        .step_by(step)
        .filter(|i| !differences || i % run != 0)
        .filter_map(|i| {
            let mut values = [0.0; MAX_COLUMNS];
            values[0] = 1.0;
            for (to, column) in values[1..].iter_mut().zip(columns) {
                *to = value(column, i)?;
            }
            Some(Row {
                target: value(target, i)?,
                values,
            })
        })
        .collect()
}

/// Sums of products of columns, among them the target's: what least squares need.
struct Gram {
    products: [[f64; MAX_COLUMNS]; MAX_COLUMNS],
    with_target: [f64; MAX_COLUMNS],
    of_target: f64,
}

impl Gram {
    /// Over `columns`; rows have weight 1 where there are no `weights`.
    fn of(rows: &[Row], columns: &[usize], weights: &[f64]) -> Self {
        let mut gram = Self {
            products: [[0.0; MAX_COLUMNS]; MAX_COLUMNS],
            with_target: [0.0; MAX_COLUMNS],
            of_target: 0.0,
        };
        wide::run(
            #[inline(always)]
            || {
                for (i, row) in rows.iter().enumerate() {
                    let weight = weights.get(i).copied().unwrap_or(1.0);
                    gram.add(row, weight, columns);
                }
            },
        );
        gram
    }

    /// All products of a row with those of `columns`: more than are needed, but side by side.
    #[inline(always)]
    fn add(&mut self, row: &Row, weight: f64, columns: &[usize]) {
        let target = weight * row.target;
        self.of_target += target * row.target;
        for (sum, x) in self.with_target.iter_mut().zip(row.values) {
            *sum += target * x;
        }
        for a in columns {
            let x = weight * row.values[*a];
            for (sum, y) in self.products[*a].iter_mut().zip(row.values) {
                *sum += x * y;
            }
        }
    }

    /// The sum of squared errors and the weights of the best fit by `columns`, by elimination;
    /// None where columns depend on one another.
    fn solve(&self, columns: &[usize]) -> Option<(f64, Vec<f64>)> {
        let n = columns.len();
        let mut matrix: Vec<Vec<f64>> = columns
            .iter()
            .map(|a| {
                let row = columns.iter().map(|b| self.products[*a][*b]);
                row.chain([self.with_target[*a]]).collect()
            })
            .collect();
        for at in 0..n {
            let pivot =
                (at..n).max_by(|a, b| matrix[*a][at].abs().total_cmp(&matrix[*b][at].abs()))?;
            matrix.swap(at, pivot);
            let scale = self.products[columns[at]][columns[at]].abs().max(1e-300);
            if matrix[at][at].abs() < 1e-9 * scale {
                return None;
            }
            let (above, below) = matrix.split_at_mut(at + 1);
            let above = &above[at];
            for row in below {
                let factor = row[at] / above[at];
                for (x, above) in row.iter_mut().zip(above).skip(at) {
                    *x -= factor * above;
                }
            }
        }
        let mut weights = vec![0.0; n];
        for at in (0..n).rev() {
            let known: f64 = (at + 1..n).map(|i| matrix[at][i] * weights[i]).sum();
            weights[at] = (matrix[at][n] - known) / matrix[at][at];
        }
        let told: f64 = columns
            .iter()
            .zip(&weights)
            .map(|(column, weight)| weight * self.with_target[*column])
            .sum();
        Some(((self.of_target - told).max(0.0), weights))
    }
}

/// Weights of `chosen` by reweighted least squares.
fn robust(rows: &[Row], chosen: &[usize]) -> Option<Vec<f64>> {
    let mut weights: Vec<f64> = Vec::new();
    let mut solution = Vec::new();
    for _ in 0..3 {
        solution = Gram::of(rows, chosen, &weights).solve(chosen)?.1;
        weights = rows
            .iter()
            .map(|row| {
                let told: f64 = chosen
                    .iter()
                    .zip(&solution)
                    .map(|(column, weight)| row.values[*column] * weight)
                    .sum();
                // Residuals below one cost about the same.
                1.0 / (row.target - told).abs().max(0.5)
            })
            .collect();
    }
    Some(solution)
}

fn linear(chosen: &[usize], weights: &[f64], differences: bool) -> Option<Linear> {
    let scale = f64::from(1u32 << WEIGHT_BITS);
    let mut terms = Vec::new();
    let mut constant = 0;
    for (column, weight) in chosen.iter().zip(weights) {
        let scaled = (weight * scale).round();
        match column {
            0 if scaled.abs() < 2f64.powi(62) => constant = scaled as i64,
            column if scaled.abs() < f64::from(i32::MAX) => {
                terms.push((column - 1, scaled as i32));
            }
            _ => return None,
        }
    }
    Some(Linear {
        differences,
        terms,
        constant,
    })
}
