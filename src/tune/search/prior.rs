//! How much a column tells about the target, before any model is trained.

/// Bins of a feature and of a numeric target.
const BINS: usize = 16;
const TARGET_BINS: usize = 8;

/// Mutual information of a column and a target in bits, from equally filled bins; that which chance alone
/// would show (Miller and Madow's correction) is taken off. Missing values are a bin of their own.
pub(in crate::tune) fn mutual_information(column: &[f64], target: &[f64]) -> f64 {
    let (x, y) = (binned(column, BINS), binned(target, TARGET_BINS));
    let (xs, ys) = (
        x.iter().max().map_or(0, |m| m + 1),
        y.iter().max().map_or(0, |m| m + 1),
    );
    let rows = x.len().min(y.len()) as f64;
    let mut joint = vec![0.0; xs * ys];
    for (x, y) in x.iter().zip(&y) {
        joint[x * ys + y] += 1.0;
    }
    let of_x: Vec<f64> = joint
        .chunks(ys.max(1))
        .map(|row| row.iter().sum())
        .collect();
    let of_y: Vec<f64> = (0..ys)
        .map(|y| (0..xs).map(|x| joint[x * ys + y]).sum())
        .collect();
    let filled = |counts: &[f64]| counts.iter().filter(|n| **n > 0.0).count() as f64;
    let chance = (filled(&joint) - filled(&of_x) - filled(&of_y) + 1.0)
        / (2.0 * rows.max(1.0) * std::f64::consts::LN_2);
    let found = entropy(&of_x, rows) + entropy(&of_y, rows) - entropy(&joint, rows);
    (found - chance).max(0.0)
}

fn entropy(counts: &[f64], rows: f64) -> f64 {
    let counts = counts.iter().filter(|n| **n > 0.0);
    counts.map(|n| -(n / rows) * (n / rows).log2()).sum()
}

/// The bin of each value: equal values are in one, and bins are about equally filled.
fn binned(values: &[f64], bins: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).filter(|i| !values[*i].is_nan()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut binned = vec![bins; values.len()];
    let (mut bin, mut last) = (0, None);
    for (rank, i) in order.iter().enumerate() {
        if last != Some(values[*i]) {
            bin = rank * bins / order.len();
            last = Some(values[*i]);
        }
        binned[*i] = bin;
    }
    binned
}

/// Rows that redundancy is told from, and columns that are put in order by it.
const ROWS: usize = 4096;
const ORDERED: usize = 256;

/// The order of columns that tell most of the target besides what those before them tell: information less
/// mean redundancy (Peng, Long and Ding, 2005), which here is the correlation of ranks. `information` is of
/// each column in bits.
pub(in crate::tune) fn order_of(columns: &[Vec<f64>], information: &[f64]) -> Vec<usize> {
    let most = information
        .iter()
        .copied()
        .fold(f64::MIN_POSITIVE, f64::max);
    let ranks: Vec<Vec<f64>> = columns.iter().map(|column| ranks(column)).collect();
    let mut redundancy = vec![0.0; columns.len()];
    let mut left: Vec<usize> = (0..columns.len()).collect();
    let mut order = Vec::with_capacity(columns.len());
    while order.len() < ORDERED && !left.is_empty() {
        let many = order.len().max(1) as f64;
        let worth = |i: usize| information[i] / most - redundancy[i] / many;
        let mut next = 0;
        for i in 1..left.len() {
            if worth(left[i]) > worth(left[next]) {
                next = i;
            }
        }
        let column = left.remove(next);
        order.push(column);
        for i in &left {
            let pairs = ranks[*i].iter().zip(&ranks[column]);
            redundancy[*i] += pairs.map(|(a, b)| a * b).sum::<f64>().abs();
        }
    }
    left.sort_by(|a, b| information[*b].total_cmp(&information[*a]).then(a.cmp(b)));
    order.extend(left);
    order
}

/// The bins of some values as a vector of mean 0 and length 1; of length 0 where all are one.
fn ranks(values: &[f64]) -> Vec<f64> {
    let step = values.len().div_ceil(ROWS).max(1);
    let some: Vec<f64> = values.iter().copied().step_by(step).collect();
    let mut ranks: Vec<f64> = binned(&some, BINS)
        .into_iter()
        .map(|bin| bin as f64)
        .collect();
    let mean = ranks.iter().sum::<f64>() / ranks.len().max(1) as f64;
    ranks.iter_mut().for_each(|rank| *rank -= mean);
    let length = ranks.iter().map(|rank| rank * rank).sum::<f64>().sqrt();
    if length > 0.0 {
        ranks.iter_mut().for_each(|rank| *rank /= length);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_more_has_more_bits() {
        let mut rng = fastrand::Rng::with_seed(1);
        let noise: Vec<f64> = (0..2000).map(|_| rng.f64()).collect();
        let target: Vec<f64> = (0..2000).map(|i| f64::from(i) / 2000.0).collect();
        let near: Vec<f64> = target.iter().zip(&noise).map(|(t, n)| t + n).collect();
        let own = mutual_information(&target, &target);
        let near = mutual_information(&near, &target);
        let none = mutual_information(&noise, &target);
        assert!((own - 3.0).abs() < 0.1, "{own}");
        assert!(near > 0.5 && near < own, "{near}");
        assert!(none < 0.02, "{none}");
    }

    #[test]
    fn what_is_told_already_comes_later() {
        let mut rng = fastrand::Rng::with_seed(2);
        let mut column = || -> Vec<f64> { (0..500).map(|_| rng.f64()).collect() };
        let (a, b, noise) = (column(), column(), column());
        let copy = a.iter().map(|x| x * 3.0 + 1.0).collect();
        let order = order_of(&[a, copy, noise, b], &[1.0, 0.9, 0.0, 0.5]);
        assert_eq!(order, [0, 3, 1, 2]);
        assert_eq!(order_of(&[vec![1.0; 3], Vec::new()], &[0.0, 0.0]), [0, 1]);
    }

    #[test]
    fn odd_columns_have_a_figure() {
        assert_eq!(mutual_information(&[], &[]), 0.0);
        assert_eq!(mutual_information(&[f64::NAN], &[1.0]), 0.0);
        assert_eq!(mutual_information(&[1.0; 9], &[2.0; 9]), 0.0);
        let missing = [f64::NAN, 1.0].repeat(50);
        let target = [0.0, 1.0].repeat(50);
        assert!(mutual_information(&missing, &target) > 0.8);
    }
}
