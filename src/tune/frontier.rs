//! The Pareto frontier of size and loss.

/// The positions that no other is smaller than without losing more, largest first; of equals the first.
pub(super) fn frontier(
    positions: &[usize],
    figures: impl Fn(usize) -> Option<(u64, f64)>,
) -> Vec<usize> {
    let mut all: Vec<(u64, f64, usize)> = positions
        .iter()
        .filter_map(|position| {
            let (bytes, loss) = figures(*position)?;
            Some((bytes, loss, *position))
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut least = f64::INFINITY;
    all.retain(|(_, loss, _)| {
        let better = *loss < least;
        least = least.min(*loss);
        better
    });
    all.into_iter()
        .rev()
        .map(|(.., position)| position)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dominated_points_are_left_out() {
        let points = [
            (10, 0.1),
            (10, 0.2),
            (20, 0.05),
            (30, 0.07),
            (5, 0.4),
            (10, 0.1),
        ];
        let found = frontier(&[0, 1, 2, 3, 4, 5], |i| Some(points[i]));
        assert_eq!(found, [2, 0, 4]);
    }

    proptest! {
        #[test]
        fn no_point_dominates_one_of_the_frontier(
            points in proptest::collection::vec((0_u64..20, -5_i32..5), 0..40),
        ) {
            let figures = |i: usize| Some((points[i].0, f64::from(points[i].1)));
            let all: Vec<usize> = (0..points.len()).collect();
            let found = frontier(&all, figures);
            for on in &found {
                for other in &all {
                    let (a, b) = (points[*on], points[*other]);
                    prop_assert!(!(b.0 <= a.0 && b.1 <= a.1 && b != a));
                }
            }
            for point in &points {
                prop_assert!(found.iter().any(|on| points[*on].0 <= point.0 && points[*on].1 <= point.1));
            }
        }
    }
}
