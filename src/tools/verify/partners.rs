//! Which stored row is which row of the original, where rows may stand in any order.
//!
//! Stored rows that are alike form a *place*. An original's place is looked up by its nearest
//! stored value in every column first; only where that place is full or too far are all places
//! within the bounds searched, and others moved over. Every pair is judged in exact arithmetic.

use std::collections::HashMap;

use arrow::error::ArrowError;

use super::boxes::Boxes;
use super::matching::{Matching, largest};
use super::rows::{Classes, Lossy, NOWHERE, Pair, refine};

/// Columns that places are found by, at most; the rest are judged when found.
const MAX_DIMENSIONS: usize = 16;
/// Neighbours of originals that are remembered, all in all.
const REMEMBERED: usize = 1 << 24;
/// With more originals left over than this, whom to hold them against is not looked into.
const MAX_COMPARED: usize = 64;

/// The stored row of each original, each stored row at most once.
pub(super) struct Partners {
    pub(super) stored: Vec<u32>,
    /// Originals that could not be given a row within the bounds, ascending: as few as can be. They
    /// are given one of those that were left over.
    pub(super) unmatched: Vec<u32>,
}

/// Finds partners for `rows.0` originals among `rows.1` stored rows, of which there are at least
/// as many.
pub(super) fn find(pairs: &[Pair<'_>], rows: (usize, usize)) -> Result<Partners, ArrowError> {
    let classes = Classes::new(pairs, rows)?;
    let (guess, place_of) = nearest(&classes);
    let mut members: Vec<Vec<u32>> = Vec::new();
    for (row, place) in (0..).zip(&place_of) {
        let place = *place as usize;
        if members.len() <= place {
            members.resize(place + 1, Vec::new());
        }
        members[place].push(row);
    }
    let near = |original: usize, place: u32| {
        let stored = members[place as usize].first();
        stored.is_some_and(|stored| classes.near(original, *stored as usize))
    };
    let guess: Vec<Option<u32>> = guess
        .iter()
        .enumerate()
        .map(|(row, place)| Some(*place).filter(|p| *p != NOWHERE && near(row, *p)))
        .collect();
    let capacities: Vec<u32> = members.iter().map(|rows| rows.len() as u32).collect();
    let mut places = Places::new(&classes, &members);
    let Matching { place, unmatched } = largest(&capacities, &guess, |row| places.of(row));

    let mut stored = vec![NOWHERE; rows.0];
    for (stored, place) in stored.iter_mut().zip(&place) {
        let row = place.and_then(|place| members[place as usize].pop());
        *stored = row.unwrap_or(NOWHERE);
    }
    give_leftovers(&mut stored, &unmatched, members.concat(), &classes);
    Ok(Partners { stored, unmatched })
}

/// The place of each original's nearest values, or [`NOWHERE`]; and the place of each stored row.
fn nearest(classes: &Classes<'_>) -> (Vec<u32>, Vec<u32>) {
    let mut original = classes.original.clone();
    let mut stored = classes.stored.clone();
    for column in &classes.lossy {
        let numbers = |rows: usize, stored| (0..rows).map(move |row| column.number(row, stored));
        let mut values: Vec<f64> = numbers(stored.len(), true).flatten().collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        let code = |x: Option<f64>| {
            let Some(x) = x else { return 0 };
            let above = values.partition_point(|y| *y < x);
            let closer_below = |above: &usize| match values.get(*above) {
                Some(y) => *above > 0 && x - values[*above - 1] < y - x,
                None => *above > 0,
            };
            let nearest = above - usize::from(closer_below(&above));
            nearest as u64 + 1
        };
        let original_codes: Vec<u64> = numbers(original.len(), false).map(code).collect();
        let stored_codes: Vec<u64> = numbers(stored.len(), true).map(code).collect();
        refine(&mut original, &original_codes, &mut stored, &stored_codes);
    }
    if classes.lossy.is_empty() {
        // Ids are dense only once refined.
        let (no_original, no_stored) = (vec![0; original.len()], vec![0; stored.len()]);
        refine(&mut original, &no_original, &mut stored, &no_stored);
    }
    (original, stored)
}

/// All places that an original may have.
struct Places<'a> {
    classes: &'a Classes<'a>,
    members: &'a [Vec<u32>],
    /// The places of each class.
    of_class: HashMap<u32, Vec<u32>>,
    /// Made when first needed.
    boxes: HashMap<u32, ClassBoxes>,
    known: HashMap<u32, Vec<u32>>,
    remembered: usize,
}

/// The places of one class, by the columns that tell them apart best.
struct ClassBoxes {
    columns: Vec<usize>,
    boxes: Boxes,
}

impl<'a> Places<'a> {
    fn new(classes: &'a Classes<'a>, members: &'a [Vec<u32>]) -> Self {
        let mut of_class: HashMap<u32, Vec<u32>> = HashMap::new();
        for (place, rows) in (0..).zip(members) {
            if let Some(row) = rows.first() {
                let class = classes.stored[*row as usize];
                of_class.entry(class).or_default().push(place);
            }
        }
        Self {
            classes,
            members,
            of_class,
            boxes: HashMap::new(),
            known: HashMap::new(),
            remembered: 0,
        }
    }

    fn of(&mut self, row: u32) -> Vec<u32> {
        if let Some(known) = self.known.get(&row) {
            return known.clone();
        }
        let found = self.search(row);
        if self.remembered + found.len() < REMEMBERED {
            self.remembered += found.len() + 1;
            self.known.insert(row, found.clone());
        }
        found
    }

    fn search(&mut self, row: u32) -> Vec<u32> {
        let (classes, members) = (self.classes, self.members);
        let class = classes.original[row as usize];
        let Some(places) = self.of_class.get(&class) else {
            return Vec::new();
        };
        let boxes = self
            .boxes
            .entry(class)
            .or_insert_with(|| ClassBoxes::new(classes, members, places));
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for column in &boxes.columns {
            let column = &classes.lossy[*column];
            // Wider than the bound by more than these sums round.
            let x = column.number(row as usize, false).unwrap_or(0.0);
            low.push((x - column.width).next_down().next_down());
            high.push((x + column.width).next_up().next_up());
        }
        let mut found = Vec::new();
        boxes.boxes.within(&low, &high, &mut |place| {
            let stored = members[place as usize].first();
            if stored.is_some_and(|stored| classes.near(row as usize, *stored as usize)) {
                found.push(place);
            }
        });
        found
    }
}

impl ClassBoxes {
    fn new(classes: &Classes<'_>, members: &[Vec<u32>], places: &[u32]) -> Self {
        let number = |place: u32, column: &Lossy<'_>| {
            let row = members[place as usize].first();
            row.and_then(|row| column.number(*row as usize, true))
        };
        // Within a class a column moves in all rows or in none.
        let mut spreads: Vec<(f64, usize)> = Vec::new();
        for (i, column) in classes.lossy.iter().enumerate() {
            let values = places.iter().filter_map(|place| number(*place, column));
            let (min, max) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), x| {
                (x.min(min), x.max(max))
            });
            if min < max {
                spreads.push(((max - min) / column.width, i));
            }
        }
        spreads.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let columns: Vec<usize> = spreads.iter().take(MAX_DIMENSIONS).map(|s| s.1).collect();
        let widths: Vec<f64> = columns.iter().map(|i| classes.lossy[*i].width).collect();
        let boxes = Boxes::new(places.to_vec(), &widths, |place, dimension| {
            number(place, &classes.lossy[columns[dimension]]).unwrap_or(0.0)
        });
        Self { columns, boxes }
    }
}

/// Gives each unmatched original one of the stored rows that nobody has, the likest if they are
/// few, so that a report can say what differs.
fn give_leftovers(
    stored: &mut [u32],
    unmatched: &[u32],
    mut leftover: Vec<u32>,
    classes: &Classes<'_>,
) {
    leftover.sort_unstable();
    for original in unmatched {
        let differences = |other: &u32| {
            let (i, j) = (*original as usize, *other as usize);
            let columns = classes.lossy.iter().filter(|column| !column.keeps(i, j));
            (classes.original[i] != classes.stored[j], columns.count())
        };
        let likest = if leftover.len() <= MAX_COMPARED {
            (0..leftover.len()).min_by_key(|i| differences(&leftover[*i]))
        } else {
            Some(0)
        };
        if let Some(likest) = likest.filter(|i| *i < leftover.len()) {
            stored[*original as usize] = leftover.remove(likest);
        }
    }
}
