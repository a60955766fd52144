//! A short path through all rows, where the way from one row to the next is as long as their
//! difference costs to code.

use rayon::prelude::*;

use super::improve;
use super::keys::Key;
use super::metric::{Distances, Metric};
use super::sort;

/// Rows that a tour goes through before it goes on to others. Rows are sorted first, so that a
/// segment, and with it a block of the default size, keeps to a part of the first column's range.
const SEGMENT_ROWS: usize = 1 << 16;
/// Orders by other leading columns in which near rows are looked for.
const LEADING: usize = 8;
/// Rows looked at in each such order, on either side.
const REACH: usize = 8;
/// The nearest of those, which improvements are tried with.
const NEAREST: usize = 8;

const NONE: u32 = u32::MAX;

/// Makes `base`, an order of all rows, a tour.
pub(super) fn through(keys: &[Key], base: &[u32]) -> Vec<u32> {
    let metric = Metric::learn(keys, base);
    let first = each_segment(base, |rows| {
        let distances = metric.among(keys, rows);
        nearest_neighbours(&orders(keys, &metric, rows), &distances)
    });
    let metric = Metric::learn(keys, &first);
    each_segment(&first, |rows| {
        let distances = metric.among(keys, rows);
        let near = nearest(&orders(keys, &metric, rows), &distances);
        let tour = (0..rows.len() as u32).collect();
        let tour = improve::moves(tour, &near, NEAREST, &distances);
        let tour = improve::reversals(tour, &near, NEAREST, &distances);
        improve::moves(tour, &near, NEAREST, &distances)
    })
}

/// Reorders each segment of `rows` by itself; `tour` returns places in the segment.
fn each_segment(rows: &[u32], tour: impl Fn(&[u32]) -> Vec<u32> + Sync) -> Vec<u32> {
    let segments: Vec<Vec<u32>> = rows
        .par_chunks(SEGMENT_ROWS)
        .map(|rows| {
            tour(rows)
                .into_iter()
                .map(|place| rows[place as usize])
                .collect()
        })
        .collect();
    segments.concat()
}

/// The segment's rows, as places in `rows`, in several orders: as given, as they came, and sorted
/// with each of the columns that tell most in front.
fn orders(keys: &[Key], metric: &Metric, rows: &[u32]) -> Vec<Vec<u32>> {
    let mut place_of: Vec<(u32, u32)> = rows.iter().copied().zip(0..).collect();
    place_of.sort_unstable();
    let places = |sorted: Vec<u32>| -> Vec<u32> {
        let place = |row: &u32| place_of.binary_search_by_key(row, |(row, _)| *row);
        // Sorting loses no row.
        let found = sorted.iter().filter_map(|row| place(row).ok());
        found.map(|i| place_of[i].1).collect()
    };
    let leading = metric.leading(LEADING);
    let sorted = (0..leading.len()).into_par_iter().map(|i| {
        let mut by = vec![leading[i]];
        let mut others: Vec<usize> = leading
            .iter()
            .copied()
            .filter(|key| *key != leading[i])
            .collect();
        let turns = i % others.len().max(1);
        others.rotate_left(turns);
        by.extend(others);
        let by: Vec<&Key> = by.iter().map(|key| &keys[*key]).collect();
        places(if i % 2 == 0 {
            sort::interleaved(&by, rows)
        } else {
            sort::lexicographic(&by, rows.to_vec())
        })
    });
    let mut orders: Vec<Vec<u32>> = sorted.collect();
    orders.push((0..rows.len() as u32).collect());
    orders.push(place_of.iter().map(|(_, place)| *place).collect());
    orders.reverse();
    orders
}

/// Goes from each row to the nearest of those that are near it in one of `orders` and not yet
/// visited.
fn nearest_neighbours(orders: &[Vec<u32>], distances: &Distances) -> Vec<u32> {
    let lists = orders.len();
    let rows = orders.first().map_or(0, Vec::len);
    // Neighbours in each order, of which visited rows are taken out.
    let mut before = vec![NONE; rows * lists];
    let mut after = vec![NONE; rows * lists];
    for (list, order) in orders.iter().enumerate() {
        for pair in order.windows(2) {
            after[pair[0] as usize * lists + list] = pair[1];
            before[pair[1] as usize * lists + list] = pair[0];
        }
    }
    let mut tour = Vec::with_capacity(rows);
    // The end of the base order; the path begins at its start.
    let mut current = orders.get(1).and_then(|base| base.first()).copied();
    while let Some(row) = current {
        tour.push(row);
        let mut best = (u32::MAX, NONE);
        for list in 0..lists {
            let at = row as usize * lists + list;
            for links in [&after, &before] {
                let mut other = links[at];
                for _ in 0..REACH {
                    if other == NONE {
                        break;
                    }
                    let distance = distances.below(row, other, best.0);
                    if distance < best.0 {
                        best = (distance, other);
                    }
                    other = links[other as usize * lists + list];
                }
            }
            let (previous, next) = (before[at], after[at]);
            if previous != NONE {
                after[previous as usize * lists + list] = next;
            }
            if next != NONE {
                before[next as usize * lists + list] = previous;
            }
        }
        current = Some(best.1).filter(|row| *row != NONE);
    }
    tour
}

/// For each row the [`NEAREST`] of those that are near it in one of `orders`, nearest first.
fn nearest(orders: &[Vec<u32>], distances: &Distances) -> Vec<u32> {
    let rows = orders.first().map_or(0, Vec::len);
    let places: Vec<Vec<u32>> = orders
        .iter()
        .map(|order| {
            let mut places = vec![0; rows];
            order
                .iter()
                .zip(0..)
                .for_each(|(row, place)| places[*row as usize] = place);
            places
        })
        .collect();
    let of = |row: u32| {
        let mut near: Vec<u32> = Vec::with_capacity(orders.len() * 2 * REACH);
        for (order, places) in orders.iter().zip(&places) {
            let place = places[row as usize] as usize;
            near.extend(&order[place.saturating_sub(REACH)..rows.min(place + REACH + 1)]);
        }
        near.sort_unstable();
        near.dedup();
        let others = near.into_iter().filter(|other| *other != row);
        let mut near: Vec<(u32, u32)> = others.map(|o| (distances.between(row, o), o)).collect();
        near.sort_unstable();
        let mut near: Vec<u32> = near.into_iter().map(|(_, other)| other).collect();
        near.resize(NEAREST, NONE);
        near
    };
    let near: Vec<Vec<u32>> = (0..rows as u32).into_par_iter().map(of).collect();
    near.concat()
}
