//! Integers to residuals that are cheaper to code, and back. All arithmetic is of integers, and
//! wraps, so that it is the same everywhere.

use super::CodecError;
use super::bits::{BitReader, BitWriter, Learning, Number};
use super::context::ABSENT;
use super::payload::{self, Cursor};
use super::strides::{self, Strides};
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

impl Linear {
    /// Calls `each` with pieces of `integers` and the predictions of their rows.
    fn predict(
        &self,
        references: &[&[i32]],
        integers: &mut [i32],
        each: impl Fn(&mut i32, i32) + Copy,
    ) {
        /// Rows predicted at a time, in the first-level cache.
        const PIECE: usize = 1024;
        let mut befores = [0; MAX_TERMS];
        let mut sums = [0; PIECE];
        for (at, integers) in integers.chunks_mut(PIECE).enumerate() {
            wide::run(
                #[inline(always)]
                || {
                    let sums = &mut sums[..integers.len()];
                    sums.fill(self.constant.wrapping_add(1 << (WEIGHT_BITS - 1)));
                    for ((reference, weight), before) in self.terms.iter().zip(&mut befores) {
                        let known = &references[*reference][at * PIECE..][..integers.len()];
                        self.add(known, *weight, before, sums);
                    }
                    for (x, sum) in integers.iter_mut().zip(sums) {
                        each(x, (*sum >> WEIGHT_BITS) as i32);
                    }
                },
            );
        }
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
                linear.predict(references, &mut residuals, |x, prediction| {
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
            Self::None => {}
            Self::Delta(order) => (0..*order).for_each(|_| sums(residuals)),
            Self::Linear(linear) => {
                linear.predict(references, residuals, |x, prediction| {
                    *x = x.wrapping_add(prediction);
                });
                if linear.differences {
                    sums(residuals);
                }
            }
            Self::Interpolation => super::interpolation::invert(residuals),
            Self::Strides(strides) => strides.invert(residuals),
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

fn sums(differences: &mut [i32]) {
    wide::run(
        #[inline(always)]
        || {
            let mut sum = 0i32;
            let (rows, rest) = differences.as_chunks_mut::<8>();
            for row in rows {
                // Within the row first, so that one addition alone waits for the row before.
                for by in [1, 2, 4] {
                    let before = *row;
                    for i in by..8 {
                        row[i] = row[i].wrapping_add(before[i - by]);
                    }
                }
                let total = row[7];
                for x in row.iter_mut() {
                    *x = x.wrapping_add(sum);
                }
                sum = sum.wrapping_add(total);
            }
            for x in rest {
                sum = sum.wrapping_add(*x);
                *x = sum;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_undo_differences(integers in prop::collection::vec(any::<i32>(), 0..99)) {
            let mut there_and_back = integers.clone();
            differences(&mut there_and_back);
            sums(&mut there_and_back);
            prop_assert_eq!(there_and_back, integers);
        }
    }
}
