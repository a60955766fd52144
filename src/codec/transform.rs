//! Integers to residuals that are cheaper to code, and back. All arithmetic is of integers, and
//! wraps, so that it is the same everywhere.

use super::CodecError;
use super::bits::{BitReader, BitWriter, Learning, Number};
use super::context::ABSENT;
use super::payload::{self, Cursor};
use super::strides::{self, Strides};
use super::sums::add_up;
use super::wide;

/// What is taken from each integer before it is coded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Transform {
    #[default]
    None,
    /// Differences of order 1 or 2.
    Delta(usize),
    /// A linear prediction by other columns.
    Linear(Linear),
    /// Predictions from neighbours on both sides, coarse to fine: see [`interpolation`].
    ///
    /// [`interpolation`]: super::interpolation
    Interpolation,
    /// The same with weights of their own for each stride; residuals in the order of strides.
    Strides(Strides),
}

pub(super) const MAX_DELTA: usize = 2;

/// Terms of a linear prediction, at most.
pub(super) const MAX_TERMS: usize = 3;

/// Predicts an integer, or its difference from the one before, by a weighted sum of those of other
/// columns in the same row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Linear {
    pub(super) differences: bool,
    /// Weights in 2^-16, by reference.
    pub(super) terms: Vec<(usize, i32)>,
    /// In 2^-16.
    pub(super) constant: i64,
}

/// Bits of a weight behind the point.
pub(super) const WEIGHT_BITS: u32 = 16;
/// Rounds to the nearest when bits are shifted out.
const HALF: i64 = 1 << (WEIGHT_BITS - 1);
/// Rows predicted at a time, in the first-level cache.
const PIECE: usize = 1024;

/// Predictions of a [`Linear`], piece by piece.
struct Predictions {
    row: usize,
    /// The integers of the terms in the row before.
    befores: [i32; MAX_TERMS],
    sums: [i64; PIECE],
    narrow_sums: [i32; PIECE],
}

impl Predictions {
    const NEW: Self = Self {
        row: 0,
        befores: [0; MAX_TERMS],
        sums: [0; PIECE],
        narrow_sums: [0; PIECE],
    };

    /// Calls `each` with `integers`, those of the next rows, and the predictions of these.
    fn next(
        &mut self,
        linear: &Linear,
        references: &[&[i32]],
        integers: &mut [i32],
        each: impl Fn(&mut i32, i32) + Copy,
    ) {
        for integers in integers.chunks_mut(PIECE) {
            let rows = self.row..self.row + integers.len();
            self.row = rows.end;
            let known = |reference: usize| &references[reference][rows.clone()];
            wide::run(
                #[inline(always)]
                || {
                    let befores = &mut self.befores;
                    if linear.is_narrow(known, befores) {
                        let sums = &mut self.narrow_sums[..integers.len()];
                        sums.fill((linear.constant + HALF) as i32);
                        for ((reference, weight), before) in linear.terms.iter().zip(befores) {
                            linear.add_narrow(known(*reference), *weight, before, sums);
                        }
                        for (x, sum) in integers.iter_mut().zip(sums) {
                            each(x, *sum >> WEIGHT_BITS);
                        }
                        return;
                    }
                    let sums = &mut self.sums[..integers.len()];
                    sums.fill(linear.constant.wrapping_add(HALF));
                    for ((reference, weight), before) in linear.terms.iter().zip(befores) {
                        linear.add(known(*reference), *weight, before, sums);
                    }
                    for (x, sum) in integers.iter_mut().zip(sums) {
                        each(x, (*sum >> WEIGHT_BITS) as i32);
                    }
                },
            );
        }
    }
}

impl Linear {
    /// Whether all sums of a piece fit 32 bits, so that they take half the work; no row is absent
    /// then.
    #[inline(always)]
    fn is_narrow<'r>(&self, known: impl Fn(usize) -> &'r [i32], befores: &[i32]) -> bool {
        let mut most = self.constant.unsigned_abs().saturating_add(HALF as u64);
        for ((reference, weight), before) in self.terms.iter().zip(befores) {
            let largest = known(*reference)
                .iter()
                .fold(before.unsigned_abs(), |most, x| most.max(x.unsigned_abs()));
            // Twice, for differences.
            let product = u64::from(largest) * u64::from(weight.unsigned_abs());
            most = most.saturating_add(product.saturating_mul(2));
        }
        most <= i32::MAX as u64
    }

    /// As [`add`](Self::add), where all [fits](Self::is_narrow).
    #[inline(always)]
    fn add_narrow(&self, known: &[i32], weight: i32, before: &mut i32, sums: &mut [i32]) {
        let Some(last) = known.last() else { return };
        for (sum, x) in sums.iter_mut().zip(known) {
            *sum += x * weight;
        }
        if self.differences {
            sums[0] -= *before * weight;
            for (sum, x) in sums.iter_mut().skip(1).zip(known) {
                *sum -= x * weight;
            }
        }
        *before = *last;
    }

    /// Adds a term for each of `known` to `sums`; `before` is the integer before them.
    #[inline(always)]
    fn add(&self, known: &[i32], weight: i32, before: &mut i32, sums: &mut [i64]) {
        let weight = i64::from(weight);
        if has_absent(known) {
            for (sum, x) in sums.iter_mut().zip(known) {
                // A row without an integer tells nothing.
                let x = if *x == ABSENT { *before } else { *x };
                let told = match self.differences {
                    true => i64::from(x) - i64::from(*before),
                    false => i64::from(x),
                };
                *before = x;
                *sum = sum.wrapping_add(weight.wrapping_mul(told));
            }
            return;
        }
        let Some(last) = known.last() else { return };
        let product = |x: i32| i64::from(x).wrapping_mul(weight);
        for (sum, x) in sums.iter_mut().zip(known) {
            *sum = sum.wrapping_add(product(*x));
        }
        if self.differences {
            sums[0] = sums[0].wrapping_sub(product(*before));
            for (sum, x) in sums.iter_mut().skip(1).zip(known) {
                *sum = sum.wrapping_sub(product(*x));
            }
        }
        *before = *last;
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut bits = BitWriter::new(Learning::Steady);
        bits.raw(u32::from(self.differences), 1);
        bits.raw(self.terms.len() as u32, 2);
        let mut number = Number::NEW;
        for (reference, weight) in &self.terms {
            bits.number(&mut number, *reference as u32);
            bits.signed(&mut number, *weight);
        }
        bits.raw((self.constant >> 32) as u32, 32);
        bits.raw(self.constant as u32, 32);
        let bytes = bits.finish();
        payload::write_varint(bytes.len() as u64, out);
        out.extend_from_slice(&bytes);
    }

    fn read(cursor: &mut Cursor<'_>, references: usize) -> Result<Self, CodecError> {
        let mut bits = BitReader::open(cursor, Learning::Steady)?;
        let differences = bits.raw(1) == 1;
        let mut number = Number::NEW;
        let terms: Vec<(usize, i32)> = (0..bits.raw(2))
            .map(|_| (bits.number(&mut number) as usize, bits.signed(&mut number)))
            .collect();
        let constant = i64::from(bits.raw(32)) << 32 | i64::from(bits.raw(32));
        bits.finish()?;
        if terms.iter().any(|(reference, _)| *reference >= references) {
            return Err(CodecError::corrupt("a reference that is not there"));
        }
        Ok(Self {
            differences,
            terms,
            constant,
        })
    }
}

impl Transform {
    /// The residuals of `integers`; references are aligned with them.
    pub(super) fn apply(&self, integers: &[i32], references: &[&[i32]]) -> Vec<i32> {
        let mut residuals = integers.to_vec();
        match self {
            Self::None => {}
            Self::Delta(order) => (0..*order).for_each(|_| differences(&mut residuals)),
            Self::Linear(linear) => {
                if linear.differences {
                    differences(&mut residuals);
                }
                let mut predictions = Predictions::NEW;
                predictions.next(linear, references, &mut residuals, |x, prediction| {
                    *x = x.wrapping_sub(prediction);
                });
            }
            Self::Interpolation => super::interpolation::apply(&mut residuals),
            Self::Strides(strides) => return strides.apply(integers),
        }
        residuals
    }

    /// The integers of `residuals`, in place.
    pub(super) fn invert(&self, residuals: &mut [i32], references: &[&[i32]]) {
        match self {
            Self::None | Self::Delta(_) | Self::Linear(_) => {
                Inversion::new(self, references).next(residuals);
            }
            Self::Interpolation => super::interpolation::invert(residuals),
            Self::Strides(strides) => strides.invert(residuals),
        }
    }

    /// Whether no integer depends on later residuals, so that an [`Inversion`] can do.
    pub(super) fn looks_back(&self) -> bool {
        match self {
            Self::None | Self::Delta(_) | Self::Linear(_) => true,
            Self::Interpolation | Self::Strides(_) => false,
        }
    }

    /// Whether it looks at the order of rows.
    pub(super) fn is_ordered(&self) -> bool {
        match self {
            Self::None => false,
            Self::Delta(_) | Self::Interpolation | Self::Strides(_) => true,
            Self::Linear(linear) => linear.differences,
        }
    }

    pub(super) fn tag(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Delta(order) => *order as u8,
            Self::Linear(_) => 3,
            Self::Interpolation => 4,
            Self::Strides(_) => 5,
        }
    }

    /// Appends what the tag does not say.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Linear(linear) => linear.write(out),
            Self::Strides(strides) => strides.write(out),
            Self::None | Self::Delta(_) | Self::Interpolation => {}
        }
    }

    /// The number of each residual's stretch, ascending, of `n`; none where they are all alike.
    pub(super) fn stretches(&self, n: usize) -> Vec<i32> {
        match self {
            Self::Strides(_) => strides::numbers(n),
            _ => Vec::new(),
        }
    }

    /// The transform of `tag`, of a payload of `n` integers that has `references`.
    pub(super) fn read(
        tag: u8,
        cursor: &mut Cursor<'_>,
        references: usize,
        n: usize,
    ) -> Result<Self, CodecError> {
        match tag {
            0 => Ok(Self::None),
            order @ 1..=2 => Ok(Self::Delta(order.into())),
            3 => Ok(Self::Linear(Linear::read(cursor, references)?)),
            4 => Ok(Self::Interpolation),
            5 => Ok(Self::Strides(Strides::read(cursor, n)?)),
            tag => Err(CodecError::corrupt(format!("unknown transform {tag}"))),
        }
    }
}

/// Inverts a transform that [looks back](Transform::looks_back), piece by piece.
pub(super) struct Inversion<'a> {
    transform: &'a Transform,
    references: &'a [&'a [i32]],
    predictions: Predictions,
    /// The sums so far, of each order of differences.
    sums: [i32; MAX_DELTA],
}

impl<'a> Inversion<'a> {
    pub(super) fn new(transform: &'a Transform, references: &'a [&'a [i32]]) -> Self {
        debug_assert!(transform.looks_back());
        Self {
            transform,
            references,
            predictions: Predictions::NEW,
            sums: [0; MAX_DELTA],
        }
    }

    /// The integers of the next residuals, in place.
    pub(super) fn next(&mut self, residuals: &mut [i32]) {
        let order = match self.transform {
            Transform::Delta(order) => *order,
            Transform::Linear(linear) => {
                let add = |x: &mut i32, prediction: i32| *x = x.wrapping_add(prediction);
                self.predictions
                    .next(linear, self.references, residuals, add);
                usize::from(linear.differences)
            }
            Transform::None | Transform::Interpolation | Transform::Strides(_) => 0,
        };
        for sum in &mut self.sums[..order] {
            add_up(sum, residuals);
        }
    }
}

/// Whether a row lacks an integer; looks at all, which is quicker than stopping at the first.
#[inline(always)]
fn has_absent(integers: &[i32]) -> bool {
    integers.iter().fold(false, |any, x| any | (*x == ABSENT))
}

fn differences(integers: &mut [i32]) {
    let mut before = 0;
    for x in integers {
        *x = x.wrapping_sub(std::mem::replace(&mut before, *x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Predictions are those of 64 bits, whether they fit 32 or not.
        #[test]
        fn predictions_are_those_of_64_bits(
            known in prop::collection::vec(
                prop_oneof![30 => -900i32..900, 1 => Just(ABSENT), 1 => any::<i32>()], 1..2500),
            wide in prop::sample::select(vec![1, 1, 40, 1 << 10]),
            weights in prop::collection::vec(-70_000i32..70_000, 1..=MAX_TERMS),
            constant in prop_oneof![-1_000_000i64..1_000_000, any::<i64>()],
            differences: bool,
        ) {
            let known: Vec<i32> = known.iter().map(|x| match *x {
                ABSENT => ABSENT,
                x => x.wrapping_mul(wide),
            }).collect();
            let terms = weights.iter().map(|weight| (0, *weight)).collect();
            let linear = Linear { differences, terms, constant };
            let mut predictions = vec![0; known.len()];
            let (mut state, half) = (Predictions::NEW, predictions.len() / 2);
            for rows in [0..half, half..known.len()] {
                let rows = &mut predictions[rows];
                state.next(&linear, &[&known], rows, |x, prediction| *x = prediction);
            }
            let (mut before, mut expected) = (0i64, Vec::new());
            for x in &known {
                let x = if *x == ABSENT { before } else { i64::from(*x) };
                let told = if differences { x - before } else { x };
                before = x;
                let sum = weights.iter().fold(constant.wrapping_add(HALF), |sum, weight| {
                    sum.wrapping_add(told * i64::from(*weight))
                });
                expected.push((sum >> WEIGHT_BITS) as i32);
            }
            prop_assert_eq!(predictions, expected);
        }

        /// In pieces of any lengths.
        #[test]
        fn what_looks_back_is_inverted_in_pieces(
            integers in prop::collection::vec(any::<i32>(), 0..5000),
            absent in prop::collection::vec(any::<prop::sample::Index>(), 0..9),
            kind in 0usize..5,
            lengths in prop::collection::vec(1usize..2100, 1..9),
        ) {
            let mut known: Vec<i32> = integers.iter().map(|x| x >> 7 & 1023).collect();
            if !known.is_empty() {
                absent.iter().for_each(|at| *at.get_mut(&mut known) = ABSENT);
            }
            let transform = match kind {
                0..=2 => [Transform::None, Transform::Delta(1), Transform::Delta(2)][kind].clone(),
                kind => Transform::Linear(Linear {
                    differences: kind == 3,
                    terms: vec![(0, 70_000), (1, -3)],
                    constant: 12_345,
                }),
            };
            let references: [&[i32]; 2] = [&known, &integers];
            let mut pieces = transform.apply(&integers, &references);
            let mut whole = pieces.clone();
            let mut inversion = Inversion::new(&transform, &references);
            let (mut rest, mut lengths) = (&mut pieces[..], lengths.iter().cycle());
            while !rest.is_empty() {
                let length = rest.len().min(*lengths.next().unwrap());
                let (piece, after) = rest.split_at_mut(length);
                inversion.next(piece);
                rest = after;
            }
            transform.invert(&mut whole, &references);
            prop_assert_eq!(&pieces, &integers);
            prop_assert_eq!(&whole, &integers);
        }

        #[test]
        fn sums_undo_differences(integers in prop::collection::vec(any::<i32>(), 0..99)) {
            let mut there_and_back = integers.clone();
            differences(&mut there_and_back);
            add_up(&mut 0, &mut there_and_back);
            prop_assert_eq!(there_and_back, integers);
        }
    }
}
