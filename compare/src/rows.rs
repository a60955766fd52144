//! Rows in any order: finds which decoded row stands for which original row, one to one, so that
//! the exact check can be made row by row.
//!
//! Decoded rows are grouped where they are identical. Every original row has the groups within
//! all of its bounds as candidates; augmenting paths find an assignment, if there is one.

use std::cmp::Ordering;

use crate::check::within;

/// Candidates kept for a row. Fewer than exist can only make the check stricter.
const MOST_CANDIDATES: usize = 1 << 16;

/// Distinct decoded rows, sorted by their columns in turn.
struct Groups {
    /// Row-major.
    values: Vec<f32>,
    width: usize,
    count: Vec<u32>,
}

/// Puts decoded rows in the order of the originals they stand for. Rows that match no original
/// fill the places left, where the check will find them.
pub fn in_original_order(
    original: &[&[f32]],
    decoded: &[Vec<f32>],
    bounds: &[f64],
) -> Vec<Vec<f32>> {
    let rows = original.first().map_or(0, |column| column.len());
    let whole = decoded.len() == original.len() && decoded.iter().all(|c| c.len() == rows);
    if !whole || rows == 0 {
        return decoded.to_vec();
    }
    if let ([values], [stored]) = (original, decoded) {
        return vec![by_rank(values, stored)];
    }
    let groups = Groups::new(decoded, rows);
    let candidates: Vec<Vec<u32>> = (0..rows)
        .map(|row| {
            let values: Vec<f32> = original.iter().map(|column| column[row]).collect();
            let mut found = Vec::new();
            groups.collect_within(&values, bounds, 0, 0..groups.count.len(), &mut found);
            // An encoder's own choice is most often the nearest.
            found.sort_by_cached_key(|&group| groups.distance(group, &values, bounds));
            found
        })
        .collect();
    let assigned = assign(&candidates, &groups.count);
    let mut ordered = vec![vec![0.0; rows]; decoded.len()];
    for (row, &group) in assigned.iter().enumerate() {
        for (column, &value) in ordered.iter_mut().zip(groups.row(group as usize)) {
            column[row] = value;
        }
    }
    ordered
}

/// Of one column the smallest stands for the smallest, and so on: if any assignment keeps a bound that is
/// the same for all, this one does.
fn by_rank(original: &[f32], stored: &[f32]) -> Vec<f32> {
    let mut stored = stored.to_vec();
    stored.sort_unstable_by(|a, b| order(*a, *b));
    let mut rows: Vec<usize> = (0..original.len()).collect();
    rows.sort_unstable_by(|a, b| order(original[*a], original[*b]));
    let mut ordered = vec![0.0; original.len()];
    for (row, value) in rows.into_iter().zip(stored) {
        ordered[row] = value;
    }
    ordered
}

/// NaN sorts last, whatever its sign.
fn order(a: f32, b: f32) -> Ordering {
    let key = |x: f32| if x.is_nan() { f32::NAN } else { x };
    key(a).total_cmp(&key(b))
}

impl Groups {
    fn new(decoded: &[Vec<f32>], rows: usize) -> Self {
        let width = decoded.len();
        let by_columns = |&a: &u32, &b: &u32| {
            decoded
                .iter()
                .map(|column| order(column[a as usize], column[b as usize]))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        };
        let mut sorted: Vec<u32> = (0..rows as u32).collect();
        sorted.sort_unstable_by(by_columns);
        let (mut values, mut count) = (Vec::new(), Vec::new());
        for run in sorted.chunk_by(|a, b| by_columns(a, b).is_eq()) {
            values.extend(decoded.iter().map(|column| column[run[0] as usize]));
            count.push(run.len() as u32);
        }
        Self {
            values,
            width,
            count,
        }
    }

    fn row(&self, group: usize) -> &[f32] {
        &self.values[group * self.width..][..self.width]
    }

    /// How far a group is from a row, in a millionth of the bounds, summed over columns.
    fn distance(&self, group: u32, row: &[f32], bounds: &[f64]) -> u64 {
        let columns = self.row(group as usize).iter().zip(row).zip(bounds);
        columns
            .map(|((&y, &x), &bound)| {
                let fraction = (f64::from(x) - f64::from(y)).abs() / bound;
                // NaN, where the bound is 0 or a value is not a number, becomes 0.
                (fraction * 1e6) as u64
            })
            .sum()
    }

    /// The groups of `range`, which agree in all columns before `column`, within all bounds.
    fn collect_within(
        &self,
        row: &[f32],
        bounds: &[f64],
        column: usize,
        range: std::ops::Range<usize>,
        found: &mut Vec<u32>,
    ) {
        if found.len() >= MOST_CANDIDATES {
            return;
        }
        if column == self.width {
            found.extend(range.map(|group| group as u32));
            return;
        }
        let (x, bound) = (row[column], bounds[column]);
        let at = |group: usize| self.values[group * self.width + column];
        let first = |start: usize, end: usize, wanted: &dyn Fn(f32) -> bool| {
            let (mut low, mut high) = (start, end);
            while low < high {
                let middle = low + (high - low) / 2;
                if wanted(at(middle)) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            low
        };
        let mut start = first(range.start, range.end, &|y| {
            within(x, y, bound) || order(y, x).is_gt()
        });
        while start < range.end && within(x, at(start), bound) {
            let y = at(start);
            let end = first(start, range.end, &|z| order(z, y).is_gt());
            self.collect_within(row, bounds, column + 1, start..end, found);
            start = end;
        }
    }
}

/// A group for every row; rows without a partner get what is left over.
fn assign(candidates: &[Vec<u32>], capacity: &[u32]) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut left = capacity.to_vec();
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); capacity.len()];
    let mut assigned = vec![NONE; candidates.len()];
    let mut seen = vec![NONE; capacity.len()];
    let mut by_choice: Vec<u32> = (0..candidates.len() as u32).collect();
    by_choice.sort_by_key(|&row| candidates[row as usize].len());
    for &row in &by_choice {
        // Breadth first: (row that would move to a group, the group, the queue entry before it).
        let mut queue: Vec<(u32, u32, usize)> = Vec::new();
        let extend = |queue: &mut Vec<(u32, u32, usize)>, seen: &mut [u32], from: u32, parent| {
            for &group in &candidates[from as usize] {
                if std::mem::replace(&mut seen[group as usize], row) != row {
                    queue.push((from, group, parent));
                }
            }
        };
        extend(&mut queue, &mut seen, row, usize::MAX);
        let mut at = 0;
        while at < queue.len() {
            let group = queue[at].1 as usize;
            if left[group] > 0 {
                left[group] -= 1;
                let mut step = at;
                while step != usize::MAX {
                    let (mover, to, parent) = queue[step];
                    let from = std::mem::replace(&mut assigned[mover as usize], to);
                    if from != NONE {
                        members[from as usize].retain(|&member| member != mover);
                    }
                    members[to as usize].push(mover);
                    step = parent;
                }
                break;
            }
            for &member in &members[group] {
                extend(&mut queue, &mut seen, member, at);
            }
            at += 1;
        }
    }
    let mut rest = left
        .iter()
        .enumerate()
        .flat_map(|(group, &n)| std::iter::repeat_n(group as u32, n as usize));
    for group in &mut assigned {
        if *group == NONE {
            *group = rest.next().unwrap_or(0);
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    fn violations(original: &[Vec<f32>], decoded: &[Vec<f32>], bounds: &[f64]) -> u64 {
        let original: Vec<&[f32]> = original.iter().map(Vec::as_slice).collect();
        let ordered = in_original_order(&original, decoded, bounds);
        check(&original, &ordered, bounds).violations
    }

    #[test]
    fn shuffled_rows_are_matched_and_a_changed_one_is_found() {
        let mut rng = StdRng::seed_from_u64(1);
        let columns: Vec<Vec<f32>> = (0..3)
            .map(|_| (0..2000).map(|_| rng.random_range(0.0f32..1.0)).collect())
            .collect();
        let bounds = [0.05, 0.01, 0.1];
        let mut place: Vec<usize> = (0..2000).collect();
        place.shuffle(&mut rng);
        let mut decoded: Vec<Vec<f32>> = columns
            .iter()
            .zip(bounds)
            .map(|(column, bound)| {
                let noise = bound as f32 * 0.999;
                place
                    .iter()
                    .map(|&row| column[row] + rng.random_range(-noise..noise))
                    .collect()
            })
            .collect();
        assert_eq!(violations(&columns, &decoded, &bounds), 0);
        decoded[1][77] += 10.0;
        assert!(violations(&columns, &decoded, &bounds) > 0);
    }

    #[test]
    fn a_greedy_choice_is_taken_back() {
        // 0.0 fits both decoded rows, -1.0 only the first.
        let columns = vec![vec![0.0, -1.0]];
        assert_eq!(violations(&columns, &[vec![-0.5, 0.5]], &[0.5]), 0);
        // A decoded row stands for one original only.
        assert_eq!(violations(&columns, &[vec![-0.5, 9.0]], &[0.5]), 1);
        let twice = vec![vec![1.0, 1.0, 2.0]];
        assert_eq!(violations(&twice, &[vec![2.0, 1.0, 2.0]], &[0.0]), 1);
        assert_eq!(violations(&twice, &[vec![1.0, 2.0, 1.0]], &[0.0]), 0);
    }

    #[test]
    fn rows_between_two_grid_points_have_many_candidates() {
        let mut rng = StdRng::seed_from_u64(2);
        let columns: Vec<Vec<f32>> = (0..6)
            .map(|_| {
                let steps = (0..3000).map(|_| rng.random_range(0..=8));
                steps.map(|step: i32| step as f32).collect()
            })
            .collect();
        let mut place: Vec<usize> = (0..3000).collect();
        place.shuffle(&mut rng);
        let mut decoded: Vec<Vec<f32>> = columns
            .iter()
            .map(|column| {
                let rows = place.iter();
                rows.map(|&row| (column[row] / 2.0).round() * 2.0).collect()
            })
            .collect();
        assert_eq!(violations(&columns, &decoded, &[1.0; 6]), 0);
        decoded[0].fill(4.0);
        assert!(violations(&columns, &decoded, &[1.0; 6]) > 0);
    }

    #[test]
    fn not_a_number_is_matched_to_itself() {
        let columns = vec![vec![f32::NAN, 1.0, f32::INFINITY]];
        let decoded = [vec![f32::INFINITY, -f32::NAN, 1.0]];
        assert_eq!(violations(&columns, &decoded, &[0.0]), 0);
    }
}
