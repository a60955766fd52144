//! Bipartite matching with capacities: augmenting paths from a first guess.
//!
//! The left side is the original's rows, the right side *places*: stored rows that are alike, as
//! many as the place's capacity. A path that fails proves that its start can have no place beside
//! all those matched so far (Hall), and that no later path need look at the places it visited.

use std::collections::VecDeque;

/// Who goes where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matching {
    /// The place of each on the left.
    pub(super) place: Vec<Option<u32>>,
    /// Those on the left without one, ascending. As few as can be.
    pub(super) unmatched: Vec<u32>,
}

/// A largest matching. `guess` gives a first place for some; it must be one of their `neighbours`,
/// the places that one on the left may have.
pub(super) fn largest(
    capacities: &[u32],
    guess: &[Option<u32>],
    mut neighbours: impl FnMut(u32) -> Vec<u32>,
) -> Matching {
    let mut state = State {
        place: vec![None; guess.len()],
        slot: vec![0; guess.len()],
        members: vec![Vec::new(); capacities.len()],
    };
    let mut waiting = Vec::new();
    for (left, guess) in (0..).zip(guess) {
        match guess {
            Some(place) if state.has_room(capacities, *place) => state.put(left, *place),
            _ => waiting.push(left),
        }
    }
    let mut search = Search {
        visited: vec![0; capacities.len()],
        reached_by: vec![0; capacities.len()],
        round: 0,
    };
    let mut unmatched = Vec::new();
    for left in waiting {
        if !search.augment(left, capacities, &mut state, &mut neighbours) {
            unmatched.push(left);
        }
    }
    Matching {
        place: state.place,
        unmatched,
    }
}

struct State {
    place: Vec<Option<u32>>,
    /// Where each on the left stands among the members of its place.
    slot: Vec<u32>,
    members: Vec<Vec<u32>>,
}

impl State {
    fn has_room(&self, capacities: &[u32], place: u32) -> bool {
        self.members[place as usize].len() < capacities[place as usize] as usize
    }

    fn put(&mut self, left: u32, place: u32) {
        let members = &mut self.members[place as usize];
        self.slot[left as usize] = members.len() as u32;
        members.push(left);
        self.place[left as usize] = Some(place);
    }

    fn take(&mut self, left: u32) -> Option<u32> {
        let place = self.place[left as usize].take()?;
        let members = &mut self.members[place as usize];
        let slot = self.slot[left as usize];
        members.swap_remove(slot as usize);
        if let Some(moved) = members.get(slot as usize) {
            self.slot[*moved as usize] = slot;
        }
        Some(place)
    }
}

/// Marks places that no path can lead on from.
const DEAD: u32 = u32::MAX;

struct Search {
    /// The round that a place was last visited in, or [`DEAD`].
    visited: Vec<u32>,
    reached_by: Vec<u32>,
    round: u32,
}

impl Search {
    /// Finds a place for `left`, moving others; false where there is none.
    fn augment(
        &mut self,
        left: u32,
        capacities: &[u32],
        state: &mut State,
        neighbours: &mut impl FnMut(u32) -> Vec<u32>,
    ) -> bool {
        self.round += 1;
        let mut queue = VecDeque::from([left]);
        let mut seen = Vec::new();
        while let Some(one) = queue.pop_front() {
            for place in neighbours(one) {
                let visited = &mut self.visited[place as usize];
                if *visited == self.round || *visited == DEAD {
                    continue;
                }
                *visited = self.round;
                self.reached_by[place as usize] = one;
                if state.has_room(capacities, place) {
                    self.shift(place, state);
                    return true;
                }
                seen.push(place);
                queue.extend(&state.members[place as usize]);
            }
        }
        seen.iter()
            .for_each(|place| self.visited[*place as usize] = DEAD);
        false
    }

    /// Moves everyone on the path one place on.
    fn shift(&self, free: u32, state: &mut State) {
        let mut free = Some(free);
        while let Some(place) = free {
            let one = self.reached_by[place as usize];
            free = state.take(one);
            state.put(one, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matching(capacities: &[u32], guess: &[Option<u32>], edges: &[&[u32]]) -> Matching {
        largest(capacities, guess, |left| edges[left as usize].to_vec())
    }

    #[test]
    fn others_move_over() {
        // First come, first served would leave the last ones without.
        let edges: &[&[u32]] = &[&[0, 1], &[1, 2], &[0], &[1]];
        let found = matching(&[1, 1, 1], &[Some(0), Some(1), None, None], edges);
        assert_eq!(found.unmatched, [3]);
        let edges: &[&[u32]] = &[&[0, 1], &[1, 2], &[2, 3], &[0]];
        let found = matching(&[1; 4], &[Some(0), Some(1), Some(2), None], edges);
        assert_eq!(found.unmatched, [] as [u32; 0]);
        assert_eq!(found.place, [Some(1), Some(2), Some(3), Some(0)]);
    }

    #[test]
    fn places_hold_as_many_as_they_may() {
        let edges: &[&[u32]] = &[&[0, 1], &[0, 1], &[0], &[0], &[0]];
        let guess = [Some(0), Some(0), None, None, None];
        let found = matching(&[3, 2], &guess, edges);
        assert_eq!(found.unmatched, [] as [u32; 0]);
        let found = matching(&[2, 3], &guess, edges);
        assert_eq!(found.unmatched.len(), 1);
    }

    /// By trying everything.
    fn brute(edges: &[Vec<u32>], capacities: &mut Vec<u32>, left: usize) -> usize {
        let Some(places) = edges.get(left) else {
            return 0;
        };
        let mut best = brute(edges, capacities, left + 1);
        for place in places {
            if capacities[*place as usize] > 0 {
                capacities[*place as usize] -= 1;
                best = best.max(1 + brute(edges, capacities, left + 1));
                capacities[*place as usize] += 1;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn it_is_the_largest(
            edges in prop::collection::vec(prop::collection::btree_set(0u32..5, 0..4), 0..8),
            capacities in prop::collection::vec(0u32..3, 5),
            guessed in prop::collection::vec(any::<bool>(), 8),
        ) {
            let edges: Vec<Vec<u32>> = edges.into_iter().map(|e| e.into_iter().collect()).collect();
            let guess: Vec<Option<u32>> =
                edges.iter().zip(guessed).map(|(e, guessed)| e.first().copied().filter(|_| guessed)).collect();
            let found = largest(&capacities, &guess, |left| edges[left as usize].clone());
            let mut used = [0; 5];
            for (place, edges) in found.place.iter().zip(&edges) {
                if let Some(place) = place {
                    prop_assert!(edges.contains(place));
                    used[*place as usize] += 1;
                }
            }
            prop_assert!(used.iter().zip(&capacities).all(|(used, capacity)| used <= capacity));
            let matched = found.place.iter().flatten().count();
            prop_assert_eq!(matched + found.unmatched.len(), edges.len());
            prop_assert_eq!(matched, brute(&edges, &mut capacities.clone(), 0));
        }
    }
}
