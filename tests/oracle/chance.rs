//! Chance that a seed repeats.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A source of random choices.
pub struct Chance(StdRng);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0.random_range(low..high)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.choose(&mut self.0).expect("something to choose from")
    }

    /// A seed for something of its own.
    pub fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// `n` different ones of `of`, in any order.
    pub fn some<'a, T>(&mut self, of: &'a [T], n: usize) -> Vec<&'a T> {
        of.choose_multiple(&mut self.0, n).collect()
    }
}
