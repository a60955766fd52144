//! Fewer bits a number, then the smallest Parquet file.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt8Array, UInt16Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use half::{bf16, f16};

use super::super::error::{Result, TuneError};
use super::super::method::{Family, Reduced, Reduction};
use super::{number, parquet_file, with_columns};

pub(super) fn methods() -> Vec<Box<dyn Reduction>> {
    [
        Kind::BitRound,
        Kind::Float16,
        Kind::BFloat16,
        Kind::Integers,
    ]
    .into_iter()
    .map(|kind| Box::new(kind) as Box<dyn Reduction>)
    .collect()
}

enum Kind {
    /// Rounded to so many explicit bits of the mantissa, ties to even (Klöwer et al. 2021).
    BitRound,
    /// IEEE half precision; what is too large becomes infinite.
    Float16,
    /// The upper half of a float32, rounded to nearest.
    BFloat16,
    /// Positions on as many even steps between the column's smallest and largest number as fit into so
    /// many bits. NaN becomes null, infinities the smallest or largest number.
    Integers,
}

impl Reduction for Kind {
    fn name(&self) -> &str {
        match self {
            Self::BitRound => "bitround",
            Self::Float16 => "float16",
            Self::BFloat16 => "bfloat16",
            Self::Integers => "integers",
        }
    }

    fn family(&self) -> Family {
        Family::ReducedPrecision
    }

    fn parameters(&self) -> Vec<String> {
        let bits: &[u32] = match self {
            Self::BitRound => &[14, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1],
            Self::Integers => &[16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2],
            Self::Float16 | Self::BFloat16 => return vec![String::new()],
        };
        bits.iter().map(|bits| format!("bits={bits}")).collect()
    }

    fn reduce(
        &self,
        table: &RecordBatch,
        lossy: &[usize],
        parameter: &str,
        _: u64,
    ) -> Result<Reduced> {
        let bits = match self {
            Self::BitRound | Self::Integers => number(self.name(), parameter, "bits=")? as u32,
            Self::Float16 | Self::BFloat16 => 0,
        };
        if matches!(self, Self::Integers) && !(1..=16).contains(&bits) {
            return Err(TuneError::method(self.name(), "write 1 to 16 bits"));
        }
        let mut stored = Vec::new();
        let mut read = Vec::new();
        let mut extra = 0;
        for &i in lossy {
            let column = table.column(i);
            let (kept, seen) = match self {
                Self::BitRound => same(rounded(column, bits)),
                Self::BFloat16 => same(brain(column)),
                Self::Float16 => {
                    let kept = cast(column, &DataType::Float16)?;
                    let seen = cast(&kept, column.data_type())?;
                    (kept, seen)
                }
                Self::Integers => {
                    // The smallest number and the step.
                    extra += 16;
                    integers(column, bits)?
                }
            };
            stored.push((i, kept));
            read.push((i, seen));
        }
        let stored = with_columns(table, stored)?;
        let bytes = parquet_file::smallest_parquet(&stored)?.len() as u64 + extra;
        let table = with_columns(table, read)?;
        Ok(Reduced { table, bytes })
    }
}

fn same(array: ArrayRef) -> (ArrayRef, ArrayRef) {
    (Arc::clone(&array), array)
}

fn rounded(column: &ArrayRef, bits: u32) -> ArrayRef {
    match column.data_type() {
        DataType::Float16 => {
            let round = |x: f16| f16::from_f32(round_f32(x.to_f32(), bits));
            Arc::new(
                column
                    .as_primitive::<Float16Type>()
                    .unary::<_, Float16Type>(round),
            )
        }
        DataType::Float32 => {
            let round = |x| round_f32(x, bits);
            Arc::new(
                column
                    .as_primitive::<Float32Type>()
                    .unary::<_, Float32Type>(round),
            )
        }
        DataType::Float64 => {
            let round = |x| round_f64(x, bits);
            Arc::new(
                column
                    .as_primitive::<Float64Type>()
                    .unary::<_, Float64Type>(round),
            )
        }
        _ => Arc::clone(column),
    }
}

fn brain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float16 => {
            let round = |x: f16| f16::from_f32(bf16::from_f32(x.to_f32()).to_f32());
            Arc::new(
                column
                    .as_primitive::<Float16Type>()
                    .unary::<_, Float16Type>(round),
            )
        }
        DataType::Float32 => {
            let round = |x| bf16::from_f32(x).to_f32();
            Arc::new(
                column
                    .as_primitive::<Float32Type>()
                    .unary::<_, Float32Type>(round),
            )
        }
        DataType::Float64 => {
            let round = |x| bf16::from_f64(x).to_f64();
            Arc::new(
                column
                    .as_primitive::<Float64Type>()
                    .unary::<_, Float64Type>(round),
            )
        }
        _ => Arc::clone(column),
    }
}

pub(super) fn round_f32(x: f32, bits: u32) -> f32 {
    let dropped = 23 - bits.min(23);
    if dropped == 0 || !x.is_finite() {
        return x;
    }
    let pattern = x.to_bits();
    let half = (1u32 << (dropped - 1)) - 1 + ((pattern >> dropped) & 1);
    f32::from_bits((pattern + half) >> dropped << dropped)
}

pub(super) fn round_f64(x: f64, bits: u32) -> f64 {
    let dropped = 52 - bits.min(52);
    if dropped == 0 || !x.is_finite() {
        return x;
    }
    let pattern = x.to_bits();
    let half = (1u64 << (dropped - 1)) - 1 + ((pattern >> dropped) & 1);
    f64::from_bits((pattern + half) >> dropped << dropped)
}

/// The positions, as unsigned integers, and the numbers that they stand for.
fn integers(column: &ArrayRef, bits: u32) -> Result<(ArrayRef, ArrayRef)> {
    let numbers = cast(column, &DataType::Float64)?;
    let numbers = numbers.as_primitive::<Float64Type>();
    let finite = || numbers.iter().flatten().filter(|x| x.is_finite());
    let least = finite().fold(f64::INFINITY, f64::min);
    let most = finite().fold(f64::NEG_INFINITY, f64::max);
    let last = f64::from((1u32 << bits) - 1);
    // Halves first: the range of finite numbers need not be one.
    let step = (most / last - least / last).max(0.0);
    let position = |x: f64| {
        let position = if step > 0.0 {
            (x / step - least / step).round()
        } else {
            0.0
        };
        position.clamp(0.0, last) as u16
    };
    let positions: UInt16Array = numbers
        .iter()
        .map(|x| x.filter(|x| !x.is_nan()).map(position))
        .collect();
    let value = |i: u16| (least + f64::from(i) * step).clamp(least, most.max(least));
    let seen = positions.unary::<_, Float64Type>(value);
    let seen = cast(&seen, column.data_type())?;
    if bits > 8 {
        return Ok((Arc::new(positions), seen));
    }
    let narrow: UInt8Array = positions.iter().map(|i| i.map(|i| i as u8)).collect();
    Ok((Arc::new(narrow), seen))
}
