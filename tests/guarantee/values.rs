//! Hostile values, by bit pattern, for every float type.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float16Array, Float32Array, Float64Array};
use arrow::buffer::NullBuffer;
use half::f16;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A float type. Values travel as bit patterns, zero-extended to 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F16,
    F32,
    F64,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::F16, Kind::F32, Kind::F64];

    pub fn fraction_bits(self) -> u32 {
        match self {
            Kind::F16 => 10,
            Kind::F32 => 23,
            Kind::F64 => 52,
        }
    }

    pub fn bits(self) -> u32 {
        match self {
            Kind::F16 => 16,
            Kind::F32 => 32,
            Kind::F64 => 64,
        }
    }

    /// The bits of the number of this type nearest to `x`.
    pub fn of(self, x: f64) -> u64 {
        match self {
            Kind::F16 => f16::from_f64(x).to_bits().into(),
            Kind::F32 => (x as f32).to_bits().into(),
            Kind::F64 => x.to_bits(),
        }
    }

    pub fn to_f64(self, bits: u64) -> f64 {
        match self {
            Kind::F16 => f16::from_bits(bits as u16).to_f64(),
            Kind::F32 => f32::from_bits(bits as u32).into(),
            Kind::F64 => f64::from_bits(bits),
        }
    }

    pub fn sign(self) -> u64 {
        1 << (self.bits() - 1)
    }

    pub fn infinity(self) -> u64 {
        self.of(f64::INFINITY)
    }

    /// The largest finite number.
    pub fn max(self) -> u64 {
        self.infinity() - 1
    }

    /// Quiet, signalling, negative, with payload bits, and all ones.
    pub fn nans(self) -> [u64; 6] {
        let quiet = self.infinity() | 1 << (self.fraction_bits() - 1);
        let signalling = self.infinity() | 1;
        [
            quiet,
            signalling,
            self.sign() | quiet,
            self.sign() | signalling,
            quiet | 0x15,
            self.sign() | (self.sign() - 1),
        ]
    }

    /// An Arrow array of bit patterns.
    pub fn array(self, bits: &[u64], nulls: Option<NullBuffer>) -> ArrayRef {
        match self {
            Kind::F16 => {
                let values: Vec<_> = bits.iter().map(|b| f16::from_bits(*b as u16)).collect();
                Arc::new(Float16Array::new(values.into(), nulls))
            }
            Kind::F32 => {
                let values: Vec<_> = bits.iter().map(|b| f32::from_bits(*b as u32)).collect();
                Arc::new(Float32Array::new(values.into(), nulls))
            }
            Kind::F64 => {
                let values: Vec<_> = bits.iter().map(|b| f64::from_bits(*b)).collect();
                Arc::new(Float64Array::new(values.into(), nulls))
            }
        }
    }
}

/// The names of all families of values.
pub const FAMILIES: [&str; 19] = [
    "smooth",
    "normal",
    "large_offset",
    "nan_bits",
    "all_nan",
    "inf",
    "inf_first",
    "all_inf",
    "subnormal",
    "subnormal_and_one",
    "overflowing_range",
    "heavy_tail",
    "constant",
    "signed_zeros",
    "random_bits",
    "huge_and_tiny",
    "integers",
    "grid_midpoints",
    "powers_of_two",
];

/// `n` values of a family, always the same ones.
pub fn family(name: &str, kind: Kind, n: usize) -> Vec<u64> {
    let mut rng = StdRng::seed_from_u64(name.len() as u64);
    (0..n).map(|i| value(name, kind, i, &mut rng)).collect()
}

fn value(family: &str, kind: Kind, i: usize, rng: &mut StdRng) -> u64 {
    let normal = normal(rng);
    let sign = if rng.random() { kind.sign() } else { 0 };
    let large = match kind {
        Kind::F16 => 2e3,
        Kind::F32 => 1.7e7,
        Kind::F64 => 9e15,
    };
    match family {
        "smooth" => kind.of(3.0 * (i as f64 / 50.0).sin()),
        "normal" => kind.of(normal),
        "large_offset" => kind.of(large + 2.0 * normal),
        "nan_bits" if i.is_multiple_of(3) => kind.nans()[i / 3 % 6],
        "nan_bits" => kind.of(normal),
        "all_nan" => kind.nans()[i % 6],
        "inf" if i % 7 == 6 => kind.infinity() | sign,
        "inf_first" if i == 0 => kind.infinity(),
        "inf" | "inf_first" => kind.of(normal),
        "all_inf" => kind.infinity() | sign,
        "subnormal" => rng.random_range(0..1u64 << kind.fraction_bits()) | sign,
        "subnormal_and_one" if i == 17 => kind.of(1.0),
        "subnormal_and_one" => rng.random_range(0..1u64 << kind.fraction_bits()) | sign,
        "overflowing_range" => match i % 4 {
            0 => kind.max(),
            1 => kind.max() | kind.sign(),
            2 => kind.of(kind.to_f64(kind.max()) * rng.random_range(-1.0..1.0)),
            _ => kind.of(normal),
        },
        "heavy_tail" => {
            kind.of((normal.abs() * normal * 6.0)
                .exp()
                .min(kind.to_f64(kind.max())))
                | sign
        }
        "constant" => kind.of(3.7),
        "signed_zeros" => match i % 5 {
            0 => kind.of(-0.0),
            1 => kind.of(0.0),
            2 => kind.sign() | 1,
            _ => kind.of(normal * 1e-3),
        },
        "random_bits" => rng.random::<u64>() >> (64 - kind.bits()),
        "huge_and_tiny" if i.is_multiple_of(2) => {
            kind.of(kind.to_f64(kind.max()) / 3.0 * normal.clamp(-3.0, 3.0))
        }
        "huge_and_tiny" => kind.of(kind.to_f64(1 << kind.fraction_bits()) * normal),
        "integers" => kind.of((i * 37 % 1000) as f64),
        // With the range of 0 to 1000, odd halves of the grid of a decimal relative bound.
        "grid_midpoints" => kind.of([0.0, 1000.0, (2 * (i % 500) + 1) as f64][i.min(2)]),
        "powers_of_two" => {
            let fraction = kind.fraction_bits();
            // Each power and its neighbours, where the spacing of floats changes.
            let power = (i as u64 / 3 % ((1 << (kind.bits() - 1 - fraction)) - 2) + 1) << fraction;
            (power + i as u64 % 3 - 1) | sign
        }
        _ => unreachable!("{family} is no family"),
    }
}

/// Box and Muller's.
fn normal(rng: &mut StdRng) -> f64 {
    let (u, v): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The names of all null patterns.
pub const NULL_PATTERNS: [&str; 5] = ["none", "first", "last", "alternating", "all"];

/// `n` validity bits of a pattern.
pub fn nulls(pattern: &str, n: usize) -> Option<NullBuffer> {
    let is_valid = |i: usize| match pattern {
        "first" => i != 0,
        "last" => i + 1 != n,
        "alternating" => i.is_multiple_of(2),
        "all" => false,
        _ => unreachable!("{pattern} is no null pattern"),
    };
    (pattern != "none").then(|| (0..n).map(is_valid).collect())
}
