//! Smooth series, made here, that anyone can make again: the seed is fixed.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

use crate::data::{Column, Table};

const SEED: u64 = 20_260_101;

/// x[0] = 0, x[i] = x[i-1] + N(0, 1), summed in f64 and stored as float32.
pub fn random_walk(values: usize) -> Table {
    let mut rng = StdRng::seed_from_u64(SEED);
    let mut x = 0.0f64;
    let values = (0..values)
        .map(|_| {
            let here = x as f32;
            let step: f64 = StandardNormal.sample(&mut rng);
            x += step;
            here
        })
        .collect();
    series("random_walk", values)
}

/// sin(2 pi i / 10000) + 0.5 sin(2 pi i / 1234) + 0.2 sin(2 pi i / 321) + 0.001 N(0, 1).
pub fn sines(values: usize) -> Table {
    let mut rng = StdRng::seed_from_u64(SEED + 1);
    let wave = |i: usize, period: f64| (std::f64::consts::TAU * i as f64 / period).sin();
    let values = (0..values)
        .map(|i| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            let smooth = wave(i, 10_000.0) + 0.5 * wave(i, 1234.0) + 0.2 * wave(i, 321.0);
            (smooth + 0.001 * noise) as f32
        })
        .collect();
    series("sines_noise", values)
}

fn series(name: &str, values: Vec<f32>) -> Table {
    Table {
        name: name.to_string(),
        columns: vec![Column {
            name: "x".to_string(),
            values,
        }],
    }
}
