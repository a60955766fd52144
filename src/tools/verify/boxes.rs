//! Points in several dimensions, found by the box that they lie in: a k-d tree.

/// Points of a leaf, at most.
const LEAF: usize = 8;

/// Points by number.
pub(super) struct Boxes {
    dimensions: usize,
    points: Vec<u32>,
    /// By the point's place in `points`, then dimension.
    coordinates: Vec<f64>,
    root: Option<Node>,
}

enum Node {
    /// Places in `points`.
    Leaf(std::ops::Range<usize>),
    Split {
        dimension: usize,
        /// The largest coordinate on the left, the smallest on the right.
        left_max: f64,
        right_min: f64,
        children: Box<(Node, Node)>,
    },
}

impl Boxes {
    /// `widths` says for each dimension how wide boxes will be.
    pub(super) fn new(
        mut points: Vec<u32>,
        widths: &[f64],
        coordinate: impl Fn(u32, usize) -> f64,
    ) -> Self {
        let end = points.len();
        let root = (end > 0).then(|| split(&mut points, 0, widths, &coordinate));
        let dimensions = widths.len();
        let of = |point: &u32| {
            (0..dimensions)
                .map(|d| coordinate(*point, d))
                .collect::<Vec<_>>()
        };
        Self {
            dimensions,
            coordinates: points.iter().flat_map(of).collect(),
            points,
            root,
        }
    }

    /// Calls `found` with each point between `low` and `high`, both included.
    pub(super) fn within(&self, low: &[f64], high: &[f64], found: &mut impl FnMut(u32)) {
        let mut stack: Vec<&Node> = self.root.iter().collect();
        while let Some(node) = stack.pop() {
            match node {
                Node::Leaf(range) => {
                    for place in range.clone() {
                        let at = &self.coordinates[place * self.dimensions..][..self.dimensions];
                        let mut sides = at.iter().zip(low.iter().zip(high));
                        if sides.all(|(x, (low, high))| low <= x && x <= high) {
                            found(self.points[place]);
                        }
                    }
                }
                Node::Split {
                    dimension,
                    left_max,
                    right_min,
                    children,
                } => {
                    if low[*dimension] <= *left_max {
                        stack.push(&children.0);
                    }
                    if *right_min <= high[*dimension] {
                        stack.push(&children.1);
                    }
                }
            }
        }
    }
}

fn split(
    points: &mut [u32],
    start: usize,
    widths: &[f64],
    coordinate: &impl Fn(u32, usize) -> f64,
) -> Node {
    let leaf = Node::Leaf(start..start + points.len());
    if points.len() <= LEAF {
        return leaf;
    }
    // Across the dimension in which the points are farthest apart, in widths of a box.
    let spread = |d: usize| {
        let all = points.iter().map(|point| coordinate(*point, d));
        let (min, max) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| {
            (x.min(min), x.max(max))
        });
        (max - min) / widths[d]
    };
    let spreads = (0..widths.len()).map(|d| (d, spread(d)));
    let widest = spreads.max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((dimension, _)) = widest.filter(|(_, spread)| *spread > 0.0) else {
        return leaf;
    };
    let middle = points.len() / 2;
    let at = |point: &u32| coordinate(*point, dimension);
    points.select_nth_unstable_by(middle, |a, b| at(a).total_cmp(&at(b)));
    let (left, right) = points.split_at_mut(middle);
    let left_max = left.iter().map(at).fold(f64::NEG_INFINITY, f64::max);
    let right_min = right.iter().map(at).fold(f64::INFINITY, f64::min);
    Node::Split {
        dimension,
        left_max,
        right_min,
        children: Box::new((
            split(left, start, widths, coordinate),
            split(right, start + middle, widths, coordinate),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_point_of_a_box_is_found_once(
            points in prop::collection::vec((0i32..20, 0i32..5, 0i32..1000), 0..300),
            low in (0i32..20, 0i32..5, 0i32..1000),
            size in (0i32..5, 0i32..3, 0i32..300),
        ) {
            let coordinate = |point: u32, d: usize| {
                let (x, y, z) = points[point as usize];
                f64::from([x, y, z][d])
            };
            let boxes = Boxes::new((0..points.len() as u32).collect(), &[2.0, 1.0, 100.0], coordinate);
            let low = [low.0, low.1, low.2].map(f64::from);
            let size = [size.0, size.1, size.2].map(f64::from);
            let high = [low[0] + size[0], low[1] + size[1], low[2] + size[2]];
            let inside = |p: &u32| (0..3).all(|d| low[d] <= coordinate(*p, d) && coordinate(*p, d) <= high[d]);
            let expected: Vec<u32> = (0..points.len() as u32).filter(inside).collect();
            let mut found = Vec::new();
            boxes.within(&low, &high, &mut |point| found.push(point));
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
