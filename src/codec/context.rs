//! What the table of a symbol may depend on: integers of other columns in the same row, and the
//! symbol before.

use super::CodecError;
use super::bits::{BitReader, BitWriter, Number};

/// Stands for a row of a reference that holds no integer, being null.
pub const ABSENT: i32 = i32::MIN;

/// Contexts at most: references' buckets times previous symbols.
pub(super) const MAX_CONTEXTS: usize = 4096;
/// References of one column, at most.
pub const MAX_REFERENCES: usize = 2;

/// What the table of a symbol depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Context {
    pub(super) buckets: Vec<Buckets>,
    /// The symbol before, shifted right by this, if it matters.
    pub(super) previous: Option<u32>,
}

/// Integers of a reference, sorted into `count` buckets of 2^shift from `low` on; the first and
/// the last take all beyond. One more is for absent ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Buckets {
    /// Among the references that the payload is decoded with.
    pub(super) reference: usize,
    /// Of the difference from the row before.
    pub(super) difference: bool,
    pub(super) low: i32,
    pub(super) shift: u32,
    pub(super) count: usize,
}

impl Buckets {
    /// Up to `most` buckets for the integers of a sample.
    pub(super) fn of(reference: usize, difference: bool, sample: &[i32], most: usize) -> Self {
        let mut sorted: Vec<i32> = if difference {
            differences(sample).filter(|x| *x != ABSENT).collect()
        } else {
            sample.iter().copied().filter(|x| *x != ABSENT).collect()
        };
        sorted.sort_unstable();
        // What lies far out would coarsen the rest.
        let quantile = |tenths: usize| {
            sorted
                .get((sorted.len().max(1) - 1) * tenths / 1000)
                .copied()
        };
        let (low, high) = (quantile(5).unwrap_or(0), quantile(995).unwrap_or(0));
        let width = high.abs_diff(low) as u64 + 1;
        let shift = width.div_ceil(most as u64).next_power_of_two().ilog2();
        Self {
            reference,
            difference,
            low,
            shift,
            count: ((u64::from(high.abs_diff(low)) >> shift) + 1) as usize,
        }
    }

    /// Buckets and the one for absent integers.
    pub(super) fn size(&self) -> usize {
        self.count + 1
    }

    /// The bucket of each row.
    fn each<'a>(&'a self, integers: &'a [i32]) -> impl Iterator<Item = u16> + 'a {
        let last = (self.count - 1) as i64;
        let bucket = move |x: i32| {
            if x == ABSENT {
                self.count as u16
            } else {
                ((i64::from(x) - i64::from(self.low)) >> self.shift).clamp(0, last) as u16
            }
        };
        let mut before = 0;
        integers.iter().map(move |&x| {
            if !self.difference {
                return bucket(x);
            }
            let difference = difference(x, before);
            before = x;
            bucket(difference)
        })
    }
}

fn difference(x: i32, before: i32) -> i32 {
    if x == ABSENT || before == ABSENT {
        ABSENT
    } else {
        x.wrapping_sub(before)
    }
}

fn differences(integers: &[i32]) -> impl Iterator<Item = i32> + '_ {
    let mut before = 0;
    integers
        .iter()
        .map(move |&x| difference(x, std::mem::replace(&mut before, x)))
}

impl Context {
    pub(super) const NONE: &'static Context = &Context {
        buckets: Vec::new(),
        previous: None,
    };

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.previous.is_none()
    }

    /// Contexts by the references alone.
    pub(super) fn by_references(&self) -> usize {
        self.buckets.iter().map(Buckets::size).product()
    }

    /// Values that the previous symbol is told apart by, of `symbols`.
    pub(super) fn by_previous(&self, symbols: usize) -> usize {
        self.previous
            .map_or(1, |shift| ((symbols - 1) >> shift) + 1)
    }

    pub(super) fn size(&self, symbols: usize) -> usize {
        self.by_references() * self.by_previous(symbols)
    }

    /// The context of each of `n` rows, as far as references tell; empty where they tell nothing.
    pub(super) fn rows(&self, references: &[&[i32]]) -> Vec<u16> {
        let mut buckets = self.buckets.iter();
        let Some(first) = buckets.next() else {
            return Vec::new();
        };
        let mut rows: Vec<u16> = first.each(references[first.reference]).collect();
        for next in buckets {
            let size = next.size() as u16;
            for (row, bucket) in rows.iter_mut().zip(next.each(references[next.reference])) {
                *row = *row * size + bucket;
            }
        }
        rows
    }

    pub(super) fn write(&self, out: &mut BitWriter) {
        out.raw(self.buckets.len() as u32, 2);
        let mut number = Number::NEW;
        for buckets in &self.buckets {
            out.number(&mut number, buckets.reference as u32);
            out.raw(u32::from(buckets.difference), 1);
            out.signed(&mut number, buckets.low);
            out.number(&mut number, buckets.shift);
            out.number(&mut number, buckets.count as u32);
        }
        out.number(&mut number, self.previous.map_or(0, |shift| shift + 1));
    }

    /// The context of a payload that has `references`.
    pub(super) fn read(input: &mut BitReader<'_>, references: usize) -> Result<Self, CodecError> {
        let mut number = Number::NEW;
        let mut context = Self::default();
        for _ in 0..input.raw(2) {
            let reference = input.number(&mut number) as usize;
            let buckets = Buckets {
                reference,
                difference: input.raw(1) == 1,
                low: input.signed(&mut number),
                shift: input.number(&mut number),
                count: input.number(&mut number) as usize,
            };
            if reference >= references {
                return Err(CodecError::corrupt("a reference that is not there"));
            }
            if buckets.shift > 32 || !(1..MAX_CONTEXTS).contains(&buckets.count) {
                return Err(CodecError::corrupt("too many contexts"));
            }
            context.buckets.push(buckets);
        }
        context.previous = input.number(&mut number).checked_sub(1);
        if context.previous.is_some_and(|shift| shift > 8)
            || context.buckets.len() > MAX_REFERENCES
            || context.by_references() > MAX_CONTEXTS
        {
            return Err(CodecError::corrupt("too many contexts"));
        }
        Ok(context)
    }
}
