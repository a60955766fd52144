//! Integers to residuals that are cheaper to code, and back.

use super::CodecError;

/// What is taken from each integer before it is coded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Transform {
    #[default]
    None,
    /// Differences of order 1 or 2.
    Delta(usize),
}

pub(super) const MAX_DELTA: usize = 2;

impl Transform {
    /// The residuals of `integers`.
    pub(super) fn apply(&self, integers: &[i32]) -> Vec<i32> {
        let mut residuals = integers.to_vec();
        if let Self::Delta(order) = self {
            for _ in 0..*order {
                let mut before = 0;
                for x in &mut residuals {
                    *x = x.wrapping_sub(std::mem::replace(&mut before, *x));
                }
            }
        }
        residuals
    }

    /// The integers of `residuals`, in place.
    pub(super) fn invert(&self, residuals: &mut [i32]) {
        if let Self::Delta(order) = self {
            for _ in 0..*order {
                let mut sum = 0i32;
                for x in &mut *residuals {
                    sum = sum.wrapping_add(*x);
                    *x = sum;
                }
            }
        }
    }

    pub(super) fn tag(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Delta(order) => *order as u8,
        }
    }

    pub(super) fn of_tag(tag: u8) -> Result<Self, CodecError> {
        match tag {
            0 => Ok(Self::None),
            order @ 1..=2 => Ok(Self::Delta(order.into())),
            tag => Err(CodecError::corrupt(format!("unknown transform {tag}"))),
        }
    }
}
