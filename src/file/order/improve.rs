//! Local improvement of a path: short pieces moved elsewhere (Or-opt), runs turned round (2-opt).
//! A change is tried only with rows that lie nearer than the neighbours that it would part.

use super::metric::Distances;

const NONE: u32 = u32::MAX;
/// Passes over all rows at most. Later passes look only where something changed.
const PASSES: usize = 5;
/// A pass that changes fewer than one row in this many is the last.
const ENOUGH: usize = 1000;
/// Rows that are moved together, at most.
const PIECE: usize = 3;
/// Rows that are turned round at once, at most.
const MAX_REVERSED: usize = 25_000;

/// A path as links.
struct Path<'a> {
    next: Vec<u32>,
    previous: Vec<u32>,
    distances: &'a Distances,
}

/// A piece of a path: its first and last row, and all of it.
#[derive(Clone, Copy)]
struct Piece {
    rows: [u32; PIECE],
    len: usize,
}

/// Where to put a piece: between these two, turned round or not.
struct Place {
    gain: i64,
    left: u32,
    right: u32,
    turned: bool,
}

/// Moves pieces of up to three rows to where they fit better. `near` holds `nearest` rows for each.
pub(super) fn moves(
    tour: Vec<u32>,
    near: &[u32],
    nearest: usize,
    distances: &Distances,
) -> Vec<u32> {
    let rows = tour.len();
    let Some(start) = tour.first() else {
        return tour;
    };
    let mut path = Path {
        next: vec![NONE; rows],
        previous: vec![NONE; rows],
        distances,
    };
    for pair in tour.windows(2) {
        path.next[pair[0] as usize] = pair[1];
        path.previous[pair[1] as usize] = pair[0];
    }
    let mut changed = vec![true; rows];
    for _ in 0..PASSES {
        let mut moved = 0;
        for row in 0..rows as u32 {
            if !std::mem::take(&mut changed[row as usize]) {
                continue;
            }
            for len in 1..=PIECE {
                let Some(piece) = path.piece(row, len) else {
                    break;
                };
                let Some(place) = path.better_place(piece, near, nearest) else {
                    continue;
                };
                path.relocate(piece, &place, &mut changed);
                moved += 1;
                break;
            }
        }
        if moved * ENOUGH < rows {
            break;
        }
    }
    path.rows(*start)
}

impl Path<'_> {
    /// 0 beyond the ends.
    fn way(&self, a: u32, b: u32) -> i64 {
        if a == NONE || b == NONE {
            0
        } else {
            i64::from(self.distances.between(a, b))
        }
    }

    fn piece(&self, first: u32, len: usize) -> Option<Piece> {
        let mut rows = [first; PIECE];
        for i in 1..len {
            let next = self.next[rows[i - 1] as usize];
            if next == NONE {
                return None;
            }
            rows[i] = next;
        }
        Some(Piece { rows, len })
    }

    /// Where the piece would shorten the path most.
    fn better_place(&self, piece: Piece, near: &[u32], nearest: usize) -> Option<Place> {
        let (first, last) = piece.ends();
        let (before, after) = (self.previous[first as usize], self.next[last as usize]);
        let saved = self.way(before, first) + self.way(last, after) - self.way(before, after);
        let mut best: Option<Place> = None;
        for (end, other_end, at_last) in [(first, last, false), (last, first, true)] {
            for other in &near[end as usize * nearest..][..nearest] {
                if *other == NONE {
                    break;
                }
                if piece.holds(*other) {
                    continue;
                }
                let way = self.way(end, *other);
                if way >= saved {
                    break;
                }
                // `end` beside `other`, and `other_end` beside what is on that side of it.
                for ahead in [true, false] {
                    let links = if ahead { &self.next } else { &self.previous };
                    let beyond = links[*other as usize];
                    if beyond != NONE && piece.holds(beyond) {
                        continue;
                    }
                    let added = way + self.way(other_end, beyond) - self.way(*other, beyond);
                    if saved - added > best.as_ref().map_or(0, |best| best.gain) {
                        best = Some(Place {
                            gain: saved - added,
                            left: if ahead { *other } else { beyond },
                            right: if ahead { beyond } else { *other },
                            turned: ahead == at_last,
                        });
                    }
                }
            }
        }
        best
    }

    fn relocate(&mut self, piece: Piece, place: &Place, changed: &mut [bool]) {
        let (first, last) = piece.ends();
        let (before, after) = (self.previous[first as usize], self.next[last as usize]);
        self.link(before, after);
        let mut left = place.left;
        for i in 0..piece.len {
            let row = piece.rows[if place.turned { piece.len - 1 - i } else { i }];
            if left == NONE {
                self.previous[row as usize] = NONE;
            } else {
                self.link(left, row);
            }
            left = row;
        }
        if place.right == NONE {
            self.next[left as usize] = NONE;
        } else {
            self.link(left, place.right);
        }
        for row in [before, after, place.left, place.right]
            .iter()
            .chain(&piece.rows)
        {
            if *row != NONE {
                changed[*row as usize] = true;
            }
        }
    }

    fn link(&mut self, left: u32, right: u32) {
        if left != NONE {
            self.next[left as usize] = right;
        }
        if right != NONE {
            self.previous[right as usize] = left;
        }
    }

    /// The rows in order, of the path that `some` row is on.
    fn rows(&self, some: u32) -> Vec<u32> {
        let mut row = some;
        while self.previous[row as usize] != NONE {
            row = self.previous[row as usize];
        }
        let mut rows = Vec::with_capacity(self.next.len());
        while row != NONE {
            rows.push(row);
            row = self.next[row as usize];
        }
        rows
    }
}

impl Piece {
    fn ends(&self) -> (u32, u32) {
        (self.rows[0], self.rows[self.len - 1])
    }

    fn holds(&self, row: u32) -> bool {
        self.rows[..self.len].contains(&row)
    }
}

/// Turns runs of rows round where that brings near rows together.
pub(super) fn reversals(
    mut tour: Vec<u32>,
    near: &[u32],
    nearest: usize,
    distances: &Distances,
) -> Vec<u32> {
    let rows = tour.len();
    let mut places = vec![0u32; rows];
    tour.iter()
        .zip(0..)
        .for_each(|(row, place)| places[*row as usize] = place);
    let mut changed = vec![true; rows];
    for _ in 0..PASSES {
        let mut reversed = 0;
        for row in 0..rows as u32 {
            if !std::mem::take(&mut changed[row as usize]) {
                continue;
            }
            for ahead in [true, false] {
                let near = &near[row as usize * nearest..][..nearest];
                let Some(run) = better_run(row, ahead, &tour, &places, near, distances) else {
                    continue;
                };
                tour[run.0..=run.1].reverse();
                let places_of = tour[run.0..=run.1].iter().zip(run.0 as u32..);
                places_of.for_each(|(row, place)| places[*row as usize] = place);
                for place in [run.0.saturating_sub(1), run.0, run.1, run.1 + 1] {
                    if let Some(row) = tour.get(place) {
                        changed[*row as usize] = true;
                    }
                }
                reversed += 1;
            }
        }
        if reversed * ENOUGH < rows {
            break;
        }
    }
    tour
}

/// The run of places whose reversal puts `row` beside a nearer one than its neighbour on that
/// side, if that shortens the path.
fn better_run(
    row: u32,
    ahead: bool,
    tour: &[u32],
    places: &[u32],
    near: &[u32],
    distances: &Distances,
) -> Option<(usize, usize)> {
    let beside = |place: usize| {
        let place = if ahead {
            place.checked_add(1)
        } else {
            place.checked_sub(1)
        };
        place.and_then(|place| tour.get(place)).copied()
    };
    let way = |a: u32, b: u32| i64::from(distances.between(a, b));
    let place = places[row as usize] as usize;
    let neighbour = beside(place)?;
    let parted = way(row, neighbour);
    for other in near {
        if *other == NONE {
            return None;
        }
        let joined = way(row, *other);
        if joined >= parted {
            return None;
        }
        let other_place = places[*other as usize] as usize;
        if place.abs_diff(other_place) > MAX_REVERSED {
            continue;
        }
        let others = beside(other_place);
        let gain = parted - joined + others.map_or(0, |o| way(*other, o) - way(neighbour, o));
        if gain > 0 {
            let (low, high) = (place.min(other_place), place.max(other_place));
            return Some(if ahead {
                (low + 1, high)
            } else {
                (low, high - 1)
            });
        }
    }
    None
}
