//! What the table of a symbol may depend on: integers of other columns in the same row, and the
//! symbol before.

use super::CodecError;
use super::bits::{BitReader, BitWriter, Number};
use super::wide;

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
    /// Up to `most` buckets for integers of `span`.
    pub(super) fn of(reference: usize, difference: bool, span: Span, most: usize) -> Self {
        let width = u64::from(span.high.abs_diff(span.low)) + 1;
        let shift = width.div_ceil(most as u64).next_power_of_two().ilog2();
        Self {
            reference,
            difference,
            low: span.low,
            shift,
            count: ((width - 1) >> shift) as usize + 1,
        }
    }

    /// Buckets and the one for absent integers.
    pub(super) fn size(&self) -> usize {
        self.count + 1
    }

    /// Adds the bucket of each row from `start` on, `times` so much, to `to`.
    #[inline(always)]
    fn add(&self, integers: &[i32], start: usize, times: u16, to: &mut [u16]) {
        let last = self.count as u32 - 1;
        // Free of branches, so that it vectorizes.
        let bucket = |x: i32| -> u16 {
            let above = (x.wrapping_sub(self.low) as u32 >> self.shift).min(last);
            let bucket = if x < self.low { 0 } else { above };
            (if x == ABSENT { last + 1 } else { bucket }) as u16
        };
        let rows = &integers[start..start + to.len()];
        if !self.difference {
            for (to, x) in to.iter_mut().zip(rows) {
                *to = to.wrapping_add(bucket(*x).wrapping_mul(times));
            }
            return;
        }
        // Differences first: in one loop with their buckets they would be told apart by branches.
        let mut differences = [0; PIECE];
        let mut before = start.checked_sub(1).map_or(0, |at| integers[at]);
        for (to, rows) in to.chunks_mut(PIECE).zip(rows.chunks(PIECE)) {
            differences[0] = difference(rows[0], before);
            // Slices side by side vectorize; windows of two do not.
            let later = differences.iter_mut().zip(rows).skip(1);
            for ((difference, x), before) in later.zip(rows) {
                *difference = self::difference(*x, *before);
            }
            for (to, x) in to.iter_mut().zip(&differences) {
                *to = to.wrapping_add(bucket(*x).wrapping_mul(times));
            }
            before = rows[rows.len() - 1];
        }
    }
}

/// Rows whose differences are taken at a time.
const PIECE: usize = 256;

#[inline(always)]
fn difference(x: i32, before: i32) -> i32 {
    if x == ABSENT || before == ABSENT {
        ABSENT
    } else {
        x.wrapping_sub(before)
    }
}

/// Where most of a column's integers lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    low: i32,
    high: i32,
}

impl Span {
    /// Of a sample's integers, or of their differences.
    pub(super) fn of(sample: &[i32], difference: bool) -> Self {
        /// Rows looked at.
        const ROWS: usize = 2048;
        let step = sample.len().div_ceil(ROWS).max(1);
        let mut known: Vec<i32> = match difference {
            true => sample
                .windows(2)
                .step_by(step)
                .map(|pair| self::difference(pair[1], pair[0]))
                .collect(),
            false => sample.iter().step_by(step).copied().collect(),
        };
        known.retain(|x| *x != ABSENT);
        // What lies far out would coarsen the rest.
        let last = known.len().max(1) - 1;
        let mut quantile = |thousandths: usize| match known.is_empty() {
            true => 0,
            false => *known.select_nth_unstable(last * thousandths / 1000).1,
        };
        Self {
            low: quantile(5),
            high: quantile(995),
        }
    }
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

    /// The context of each row, as far as references tell; empty where they tell nothing.
    pub(super) fn rows(&self, references: &[&[i32]]) -> Vec<u16> {
        let Some(first) = self.buckets.first() else {
            return Vec::new();
        };
        let mut rows = vec![0u16; references[first.reference].len()];
        wide::run(
            #[inline(always)]
            || self.add(references, 0, 1, &mut rows),
        );
        rows
    }

    /// Adds the contexts of the rows from `start` on to `rows`, as far as references tell, `times` so
    /// much.
    #[inline(always)]
    pub(super) fn add(
        &self,
        references: &[&[i32]],
        start: usize,
        mut times: u16,
        rows: &mut [u16],
    ) {
        // The first part is the most significant.
        for buckets in self.buckets.iter().rev() {
            buckets.add(references[buckets.reference], start, times, rows);
            times = times.wrapping_mul(buckets.size() as u16);
        }
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
            if buckets.shift > 31 || !(1..MAX_CONTEXTS).contains(&buckets.count) {
                return Err(CodecError::corrupt("too many contexts"));
            }
            context.buckets.push(buckets);
        }
        context.previous = input.number(&mut number).checked_sub(1);
        if context.previous.is_some_and(|shift| shift > 7)
            || context.buckets.len() > MAX_REFERENCES
            || context.by_references() > MAX_CONTEXTS
        {
            return Err(CodecError::corrupt("too many contexts"));
        }
        Ok(context)
    }
}
