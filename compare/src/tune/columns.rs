//! Columns as the peers take them: finite float32, without nulls.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::data::Result;

/// A value that no peer is given, for it breaks some of them: its row and its 8 bytes.
const SPECIAL_BYTES: u64 = 4 + 8;

/// The numbers of a float column.
pub struct Numbers {
    /// Those that are finite as float32, in order.
    pub values: Vec<f32>,
    /// The rows that they are in.
    rows: Vec<usize>,
    /// What it takes to keep which rows are null, and the numbers that are not finite.
    pub bytes: u64,
}

impl Numbers {
    pub fn of(column: &ArrayRef) -> Result<Self> {
        let numbers = cast(column, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let (mut values, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (row, x) in numbers.iter().enumerate() {
            match x {
                Some(x) if (x as f32).is_finite() => {
                    values.push(x as f32);
                    rows.push(row);
                }
                Some(_) => bytes += SPECIAL_BYTES,
                None => {}
            }
        }
        if let Some(nulls) = column.nulls().filter(|nulls| nulls.null_count() > 0) {
            let bits = nulls.inner().sliced();
            bytes += zstd::bulk::compress(bits.as_slice(), 19)?.len() as u64;
        }
        Ok(Self {
            values,
            rows,
            bytes,
        })
    }

    /// Smallest and largest; None where there are not two different numbers.
    pub fn range(&self) -> Option<(f64, f64)> {
        let least = self.values.iter().copied().fold(f32::INFINITY, f32::min);
        let most = self
            .values
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        (least < most).then_some((f64::from(least), f64::from(most)))
    }

    /// As many values as `rows`, the mean where there is none.
    pub fn filled(&self, rows: usize) -> Vec<f32> {
        let sum: f64 = self.values.iter().copied().map(f64::from).sum();
        let mut filled = vec![(sum / self.values.len().max(1) as f64) as f32; rows];
        for (&row, &x) in self.rows.iter().zip(&self.values) {
            filled[row] = x;
        }
        filled
    }

    /// Those of a filled column that are in it.
    pub fn unfilled(&self, filled: &[f32]) -> Vec<f32> {
        self.rows.iter().map(|&row| filled[row]).collect()
    }

    /// `column` with these values instead of its own.
    pub fn replace(&self, column: &ArrayRef, values: &[f32]) -> Result<ArrayRef> {
        if values.len() != self.rows.len() {
            return Err(format!("{} values came back of {}", values.len(), self.rows.len()).into());
        }
        let numbers = cast(column, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let mut replaced = numbers.values().to_vec();
        for (&row, &x) in self.rows.iter().zip(values) {
            replaced[row] = f64::from(x);
        }
        let replaced = Float64Array::new(replaced.into(), numbers.nulls().cloned());
        Ok(cast(&(Arc::new(replaced) as ArrayRef), column.data_type())?)
    }
}
