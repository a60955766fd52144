//! The checks of one column: accumulated chunk by chunk, judged at the end.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

use super::gathered::Gathered;
use super::{ColumnVerdict, FirstViolation, Promise};
use crate::ErrorBound;
use crate::tools::exact::{
    Class, Dyadic, ExactFloat, Verdict, judge, judge_pointwise, keeps_ratio,
};
use crate::tools::exact_psnr::keeps_psnr;

/// What has been seen of one column so far.
pub(super) struct ColumnCheck {
    /// Position of the column in the original and in the packed file.
    pub(super) original: usize,
    pub(super) packed: usize,
    data_type: DataType,
    promise: Option<Promise>,
    /// Per row group of the packed file: smallest and largest finite value of the original.
    ranges: Vec<Option<(f64, f64)>>,
    gathered: Gathered,
    verdict: ColumnVerdict,
}

/// Rows of both sides that belong together and lie in one row group of the packed file.
pub(super) struct Chunk<'a> {
    pub(super) original: &'a ArrayRef,
    pub(super) packed: &'a ArrayRef,
    /// Row number of the chunk's first row.
    pub(super) first_row: u64,
    pub(super) row_group: usize,
    /// The row of each value after the first row, where these are not rows themselves.
    pub(super) rows: Option<&'a [u32]>,
}

impl ColumnCheck {
    pub(super) fn new(
        (original, packed): (usize, usize),
        name: &str,
        data_type: DataType,
        promise: Option<Promise>,
        row_groups: usize,
    ) -> Self {
        let verdict = ColumnVerdict::new(name, &data_type, promise.as_ref());
        Self {
            original,
            packed,
            data_type,
            ranges: vec![None; row_groups],
            gathered: Gathered::new(promise.as_ref().map(|p| p.bound), row_groups),
            promise,
            verdict,
        }
    }

    /// The absolute bound stored for a row group; 0 for exact columns.
    pub(super) fn stored_bound(&self, row_group: usize) -> f64 {
        let promise = self.promise.as_ref();
        let bound = promise.and_then(|p| p.abs_bounds.get(row_group).copied());
        bound.unwrap_or(0.0)
    }

    /// The bound asked for.
    pub(super) fn bound(&self) -> Option<ErrorBound> {
        self.promise.as_ref().map(|promise| promise.bound)
    }

    /// Notes a null on one side only: that of the original or of the packed file.
    pub(super) fn null_changed(&mut self, chunk: &Chunk<'_>, row: usize, of_original: bool) {
        self.verdict.changed_nulls += 1;
        let chunk = chunk.of_rows();
        self.violation(&chunk, row, || match of_original {
            true => "null came back as a value".to_string(),
            false => "a value came back as null".to_string(),
        });
    }

    /// Notes a list of another length.
    pub(super) fn length_changed(&mut self, chunk: &Chunk<'_>, row: usize, lengths: (u64, u64)) {
        self.verdict.changed_values += 1;
        let chunk = chunk.of_rows();
        self.violation(&chunk, row, || {
            format!("a list of {} came back as one of {}", lengths.0, lengths.1)
        });
    }

    /// Compares one chunk.
    ///
    /// # Errors
    /// Only where Arrow cannot bring two layouts of the same values together.
    pub(super) fn check(&mut self, chunk: &Chunk<'_>) -> Result<(), ArrowError> {
        match &self.data_type {
            DataType::Float16 => self.check_floats::<Float16Type>(chunk, f64::from),
            DataType::Float32 => self.check_floats::<Float32Type>(chunk, f64::from),
            DataType::Float64 => self.check_floats::<Float64Type>(chunk, |x| x),
            _ => return self.check_equal(chunk),
        }
        Ok(())
    }

    /// Judges the stored bounds against what was promised, now that the ranges are known.
    pub(super) fn finish(mut self) -> ColumnVerdict {
        let column_range = self.ranges.iter().flatten().copied().reduce(union);
        self.verdict.range = column_range.map(|(min, max)| [min, max]);
        if let Some(promise) = self.promise.take()
            && let Some(what) = self.broken(&promise, column_range)
        {
            self.verdict.violations += 1;
            self.verdict.problem = Some(what);
        }
        self.verdict
    }

    /// Which promise about the column as a whole is broken, if any.
    fn broken(&self, promise: &Promise, column_range: Option<(f64, f64)>) -> Option<String> {
        let range_of = |row_group: usize| {
            let row_group = (!promise.range_is_of_column).then_some(row_group);
            match (promise.bound, row_group) {
                (ErrorBound::RobustRel { low, high, .. }, row_group) => {
                    self.gathered.quantiles(row_group, low, high)
                }
                (_, Some(row_group)) => self.ranges.get(row_group).copied().flatten(),
                (_, None) => column_range,
            }
        };
        let whole = promise.range_is_of_column.then(|| range_of(0));
        let stored = promise.abs_bounds.iter().enumerate();
        let mut broken = stored.filter_map(|(row_group, &stored)| {
            let range = whole.unwrap_or_else(|| range_of(row_group));
            broken_promise(promise.bound, stored, range)
                .map(|what| format!("row group {row_group}: {what}"))
        });
        let of_the_mean = || match (promise.bound, &self.gathered, column_range) {
            (ErrorBound::Psnr(decibels), Gathered::Squares(squares), Some((min, max))) => {
                let kept = keeps_psnr(squares, min, max, decibels);
                (!kept).then(|| {
                    format!(
                        "the signal-to-noise ratio is less than {} over the original's range {min:?} to {max:?}",
                        promise.bound
                    )
                })
            }
            _ => None,
        };
        broken.next().or_else(of_the_mean)
    }

    fn check_floats<T: ArrowPrimitiveType>(
        &mut self,
        chunk: &Chunk<'_>,
        to_f64: fn(T::Native) -> f64,
    ) where
        T::Native: ExactFloat,
    {
        let original: &PrimitiveArray<T> = chunk.original.as_primitive();
        let packed: &PrimitiveArray<T> = chunk.packed.as_primitive();
        let stored = self
            .promise
            .as_ref()
            .and_then(|p| p.abs_bounds.get(chunk.row_group).copied());
        let bound = stored.and_then(Dyadic::new).unwrap_or(Dyadic::ZERO);
        let ratio = match self.promise.as_ref().map(|p| p.bound) {
            Some(ErrorBound::PointwiseRel(ratio)) => Some(ratio),
            _ => None,
        };
        // A ratio of 1 and more would let signs and zeros go.
        let exact_ratio = ratio
            .filter(|ratio| (0.0..1.0).contains(ratio))
            .and_then(Dyadic::new)
            .unwrap_or(Dyadic::ZERO);
        let mut range = self.ranges[chunk.row_group];
        for (row, (&x, &y)) in original.values().iter().zip(packed.values()).enumerate() {
            if original.is_null(row) || packed.is_null(row) {
                if original.is_valid(row) {
                    range = widened(range, x, to_f64);
                    self.gathered.add(chunk.row_group, x, None, to_f64);
                }
                if original.is_null(row) != packed.is_null(row) {
                    self.verdict.changed_nulls += 1;
                    let shown = |a: &PrimitiveArray<T>, x| {
                        if a.is_null(row) {
                            "null".to_string()
                        } else {
                            show(x, to_f64)
                        }
                    };
                    let what = changed(&shown(original, x), &shown(packed, y));
                    self.violation(chunk, row, || what);
                }
                continue;
            }
            range = widened(range, x, to_f64);
            self.gathered.add(chunk.row_group, x, Some(y), to_f64);
            let (verdict, error) = match ratio {
                Some(_) => judge_pointwise(x, y, exact_ratio),
                None => judge(x, y, bound),
            };
            self.verdict.max_error = self.verdict.max_error.max(error);
            match verdict {
                Verdict::Kept => continue,
                Verdict::BoundExceeded => self.verdict.bound_exceeded += 1,
                Verdict::NanChanged => self.verdict.changed_nan += 1,
                Verdict::InfChanged => self.verdict.changed_inf += 1,
                Verdict::SignedZeroChanged => self.verdict.changed_signed_zeros += 1,
            }
            self.violation(chunk, row, || {
                let what = changed(&show(x, to_f64), &show(y, to_f64));
                match (verdict, ratio) {
                    (Verdict::BoundExceeded, Some(ratio)) => {
                        format!("{what}: {error:?} away, allowed {ratio:?} of the value")
                    }
                    (Verdict::BoundExceeded, None) => {
                        format!(
                            "{what}: {error:?} away, allowed {:?}",
                            stored.unwrap_or(0.0)
                        )
                    }
                    _ => what,
                }
            });
        }
        self.ranges[chunk.row_group] = range;
    }

    pub(super) fn check_equal(&mut self, chunk: &Chunk<'_>) -> Result<(), ArrowError> {
        if chunk.original.data_type() == chunk.packed.data_type() {
            self.count_differences(chunk, chunk.original, chunk.packed, 0);
        } else {
            let canonical = super::types::canonical(chunk.original.data_type());
            let original = cast(chunk.original, &canonical)?;
            let packed = cast(chunk.packed, &canonical)?;
            self.count_differences(chunk, &original, &packed, 0);
        }
        Ok(())
    }

    /// Halves until the differing rows stand alone: equal runs are compared in bulk.
    fn count_differences(
        &mut self,
        chunk: &Chunk<'_>,
        original: &ArrayRef,
        packed: &ArrayRef,
        first: usize,
    ) {
        let n = original.len();
        if original == packed {
            return;
        }
        if n > 1 {
            let half = n / 2;
            let (a, b) = (original.slice(0, half), packed.slice(0, half));
            self.count_differences(chunk, &a, &b, first);
            let (a, b) = (original.slice(half, n - half), packed.slice(half, n - half));
            self.count_differences(chunk, &a, &b, first + half);
            return;
        }
        let null = |array: &ArrayRef| array.logical_nulls().is_some_and(|nulls| nulls.is_null(0));
        if null(original) != null(packed) {
            self.verdict.changed_nulls += 1;
        } else {
            self.verdict.changed_values += 1;
        }
        self.violation(chunk, first, || {
            let shown = |array: &ArrayRef| {
                if null(array) {
                    return "null".to_string();
                }
                array_value_to_string(array, 0).unwrap_or_else(|_| "a value".to_string())
            };
            changed(&shorten(shown(original)), &shorten(shown(packed)))
        });
    }

    fn violation(&mut self, chunk: &Chunk<'_>, row: usize, what: impl FnOnce() -> String) {
        self.verdict.violations += 1;
        if self.verdict.first_violation.is_none() {
            let row = chunk.rows.map_or(row, |rows| rows[row] as usize);
            self.verdict.first_violation = Some(FirstViolation {
                row: chunk.first_row + row as u64,
                what: what(),
            });
        }
    }
}

impl Chunk<'_> {
    /// The same, for what is said of rows.
    fn of_rows(&self) -> Self {
        Self {
            rows: None,
            ..*self
        }
    }
}

/// Why the bound stored in the file is not what was asked for, if so.
fn broken_promise(asked: ErrorBound, stored: f64, range: Option<(f64, f64)>) -> Option<String> {
    if !(stored.is_finite() && stored >= 0.0) {
        return Some(format!(
            "the stored absolute bound {stored:?} is not a distance"
        ));
    }
    let (kept, promise) = match asked {
        ErrorBound::Exact => (stored == 0.0, "exact".to_string()),
        ErrorBound::Abs(bound) => (stored <= bound, asked.to_string()),
        // Judged by each value alone, and by their mean.
        ErrorBound::PointwiseRel(_) | ErrorBound::Psnr(_) => (true, asked.to_string()),
        ErrorBound::Rel(ratio) | ErrorBound::RobustRel { ratio, .. } => {
            // No finite value: there is nothing that may move.
            let (min, max) = range.unwrap_or((0.0, 0.0));
            let promise = match range {
                Some(_) => format!("{asked} of the original's range {min:?} to {max:?}"),
                None => format!("{asked} of a range without finite values"),
            };
            (keeps_ratio(stored, ratio, min, max), promise)
        }
    };
    (!kept).then(|| {
        format!(
            "the stored absolute bound {stored:?} is larger than {promise}; \
             if several files were packed together, verify against all of them"
        )
    })
}

fn union(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.min(b.0), a.1.max(b.1))
}

#[inline]
fn widened<F: ExactFloat>(
    range: Option<(f64, f64)>,
    x: F,
    to_f64: fn(F) -> f64,
) -> Option<(f64, f64)> {
    match x.class() {
        Class::Finite(_) => {
            let x = to_f64(x);
            Some(range.map_or((x, x), |range| union(range, (x, x))))
        }
        Class::Nan | Class::Infinite => range,
    }
}

fn changed(original: &str, packed: &str) -> String {
    format!("{original} came back as {packed}")
}

/// NaNs with their bits, which is what tells them apart.
fn show<F: ExactFloat>(x: F, to_f64: fn(F) -> f64) -> String {
    match x.class() {
        Class::Nan => format!("NaN (bits {:#x})", x.bits()),
        _ => format!("{:?}", to_f64(x)),
    }
}

/// Long strings and nested values are cut: a report line is no place for a document.
fn shorten(mut text: String) -> String {
    const MAX: usize = 60;
    if let Some((cut, _)) = text.char_indices().nth(MAX) {
        text.truncate(cut);
        text.push_str("...");
    }
    text
}
