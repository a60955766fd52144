//! The rows of one row group, of the original and as stored, compared across all columns.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};

use super::types::canonical;
use crate::tools::exact::{Class, Dyadic, ExactFloat, Verdict, judge};

/// Rows that have no equal on the other side.
pub(super) const NOWHERE: u32 = u32::MAX;

/// A column on both sides, and how far a stored value may be from its original.
pub(super) struct Pair<'a> {
    pub(super) original: &'a ArrayRef,
    pub(super) stored: &'a ArrayRef,
    pub(super) bound: f64,
}

/// A float column whose values may move.
enum Floats<'a> {
    F16(
        &'a PrimitiveArray<Float16Type>,
        &'a PrimitiveArray<Float16Type>,
    ),
    F32(
        &'a PrimitiveArray<Float32Type>,
        &'a PrimitiveArray<Float32Type>,
    ),
    F64(
        &'a PrimitiveArray<Float64Type>,
        &'a PrimitiveArray<Float64Type>,
    ),
}

/// A column of [`Floats`].
pub(super) struct Lossy<'a> {
    values: Floats<'a>,
    bound: Dyadic,
    /// The bound, for approximate work.
    pub(super) width: f64,
}

/// Which rows may belong together: those of the same class, whose lossy values are near.
pub(super) struct Classes<'a> {
    pub(super) lossy: Vec<Lossy<'a>>,
    /// For each row its class: rows agree in everything that must be equal. [`NOWHERE`] is an
    /// original of a class that no stored row is of.
    pub(super) original: Vec<u32>,
    pub(super) stored: Vec<u32>,
}

impl<'a> Classes<'a> {
    pub(super) fn new(pairs: &[Pair<'a>], rows: (usize, usize)) -> Result<Self, ArrowError> {
        let mut classes = Self {
            lossy: Vec::new(),
            original: vec![0; rows.0],
            stored: vec![0; rows.1],
        };
        for pair in pairs {
            match Lossy::new(pair) {
                Some(lossy) => {
                    let codes = |stored| {
                        let rows = if stored { rows.1 } else { rows.0 };
                        (0..rows)
                            .map(|row| lossy.fixed_code(row, stored))
                            .collect::<Vec<_>>()
                    };
                    classes.refine(&codes(false), &codes(true));
                    classes.lossy.push(lossy);
                }
                None => {
                    let (original, stored) = equality_codes(pair)?;
                    classes.refine(&original, &stored);
                }
            }
        }
        Ok(classes)
    }

    fn refine(&mut self, original: &[u64], stored: &[u64]) {
        refine(&mut self.original, original, &mut self.stored, stored);
    }

    /// Whether stored row `j` may be original row `i`, of the same class.
    pub(super) fn near(&self, i: usize, j: usize) -> bool {
        self.lossy.iter().all(|column| column.keeps(i, j))
    }
}

/// Splits ids by codes: rows of one id and one code get an id of their own, the same on both
/// sides; originals without a stored counterpart become [`NOWHERE`].
pub(super) fn refine(
    original: &mut [u32],
    original_codes: &[u64],
    stored: &mut [u32],
    stored_codes: &[u64],
) {
    let mut ids: HashMap<(u32, u64), u32> = HashMap::new();
    for (id, code) in stored.iter_mut().zip(stored_codes) {
        let next = ids.len() as u32;
        *id = *ids.entry((*id, *code)).or_insert(next);
    }
    for (id, code) in original.iter_mut().zip(original_codes) {
        *id = ids.get(&(*id, *code)).copied().unwrap_or(NOWHERE);
    }
}

impl<'a> Lossy<'a> {
    /// None for columns that must be equal.
    fn new(pair: &Pair<'a>) -> Option<Self> {
        let bound = Dyadic::new(pair.bound).filter(|_| pair.bound > 0.0)?;
        let values = match (pair.original.data_type(), pair.stored.data_type()) {
            (DataType::Float16, DataType::Float16) => {
                Floats::F16(pair.original.as_primitive(), pair.stored.as_primitive())
            }
            (DataType::Float32, DataType::Float32) => {
                Floats::F32(pair.original.as_primitive(), pair.stored.as_primitive())
            }
            (DataType::Float64, DataType::Float64) => {
                Floats::F64(pair.original.as_primitive(), pair.stored.as_primitive())
            }
            _ => return None,
        };
        Some(Self {
            values,
            bound,
            width: pair.bound,
        })
    }

    /// A code for what must be the same on both sides: null, or a value that may not move.
    fn fixed_code(&self, row: usize, stored: bool) -> u64 {
        /// Patterns of NaN, infinities and -0.0 are neither.
        const NULL: u64 = 0;
        const MAY_MOVE: u64 = 1;
        fn code<F: ExactFloat>(x: Option<F>) -> u64 {
            match x {
                None => NULL,
                Some(x) if !matches!(x.class(), Class::Finite(_)) || x.is_negative_zero() => {
                    x.bits()
                }
                Some(_) => MAY_MOVE,
            }
        }
        match &self.values {
            Floats::F16(a, b) => code(value(if stored { b } else { a }, row)),
            Floats::F32(a, b) => code(value(if stored { b } else { a }, row)),
            Floats::F64(a, b) => code(value(if stored { b } else { a }, row)),
        }
    }

    /// A number that may move; None for null and fixed values.
    pub(super) fn number(&self, row: usize, stored: bool) -> Option<f64> {
        let x = match &self.values {
            Floats::F16(a, b) => value(if stored { b } else { a }, row).map(f64::from),
            Floats::F32(a, b) => value(if stored { b } else { a }, row).map(f64::from),
            Floats::F64(a, b) => value(if stored { b } else { a }, row),
        };
        x.filter(|x| x.is_finite() && !(*x == 0.0 && x.is_sign_negative()))
    }

    /// In exact arithmetic.
    pub(super) fn keeps(&self, i: usize, j: usize) -> bool {
        fn kept<F: ExactFloat>(x: Option<F>, y: Option<F>, bound: Dyadic) -> bool {
            match (x, y) {
                (None, None) => true,
                (Some(x), Some(y)) => judge(x, y, bound).0 == Verdict::Kept,
                _ => false,
            }
        }
        match &self.values {
            Floats::F16(a, b) => kept(value(a, i), value(b, j), self.bound),
            Floats::F32(a, b) => kept(value(a, i), value(b, j), self.bound),
            Floats::F64(a, b) => kept(value(a, i), value(b, j), self.bound),
        }
    }
}

fn value<T: arrow::datatypes::ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    row: usize,
) -> Option<T::Native> {
    array.is_valid(row).then(|| array.value(row))
}

/// Codes that are equal just where the values of a column are, on both sides.
fn equality_codes(pair: &Pair<'_>) -> Result<(Vec<u64>, Vec<u64>), ArrowError> {
    let data_type = canonical(pair.original.data_type());
    let original = cast(pair.original, &data_type)?;
    let stored = cast(pair.stored, &data_type)?;
    let fields = vec![SortField::new(data_type)];
    let converter = RowConverter::new(fields)?;
    let rows = [
        converter.convert_columns(&[original])?,
        converter.convert_columns(&[stored])?,
    ];
    let mut ids: HashMap<&[u8], u64> = HashMap::new();
    let mut codes = Vec::with_capacity(2);
    for side in &rows {
        let mut side_codes = Vec::with_capacity(side.num_rows());
        for row in side.iter() {
            let next = ids.len() as u64;
            side_codes.push(*ids.entry(row.data()).or_insert(next));
        }
        codes.push(side_codes);
    }
    let stored = codes.pop().unwrap_or_default();
    Ok((codes.pop().unwrap_or_default(), stored))
}
