//! Arrow columns as NumPy arrays, without a copy where the values allow it.

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, PrimitiveArray, make_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use half::f16;
use numpy::{Element, PyArray1};
use pyo3::prelude::*;

/// What makes the NumPy array, once there is the GIL.
pub type Made = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// Whether a column of this type can become an array of numbers.
pub fn is_numeric(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        FixedSizeList(item, _) => item.data_type().is_primitive() && is_numeric(item.data_type()),
        Boolean | Float16 | Float32 | Float64 | Date32 | Timestamp(..) | Duration(_) => true,
        other => other.is_integer(),
    }
}

/// A column as an array of one dimension, or of two for lists of one size. Missing floats are NaN
/// and missing times NaT; there is no array for other types with nulls.
///
/// # Errors
/// Says why there is none.
pub fn array(column: ArrayRef) -> Result<Made, String> {
    use DataType::*;
    match column.data_type().clone() {
        Float16 => primitive::<Float16Type>(column, Some(f16::NAN)),
        Float32 => primitive::<Float32Type>(column, Some(f32::NAN)),
        Float64 => primitive::<Float64Type>(column, Some(f64::NAN)),
        Int8 => primitive::<Int8Type>(column, None),
        Int16 => primitive::<Int16Type>(column, None),
        Int32 => primitive::<Int32Type>(column, None),
        Int64 => primitive::<Int64Type>(column, None),
        UInt8 => primitive::<UInt8Type>(column, None),
        UInt16 => primitive::<UInt16Type>(column, None),
        UInt32 => primitive::<UInt32Type>(column, None),
        UInt64 => primitive::<UInt64Type>(column, None),
        Boolean => boolean(column.as_boolean()),
        Date32 => {
            let days = column.as_primitive::<Date32Type>();
            let days: PrimitiveArray<Int64Type> = days.iter().map(|d| d.map(i64::from)).collect();
            time(std::sync::Arc::new(days), "datetime64[D]")
        }
        Timestamp(unit, _) => time(column.as_ref().slice(0, column.len()), datetime(unit)),
        Duration(unit) => time(column.as_ref().slice(0, column.len()), timedelta(unit)),
        FixedSizeList(_, width) => list(column.as_fixed_size_list(), width),
        other => Err(format!("{other} has no array of numbers")),
    }
}

fn nulls_have_no_array(data_type: &DataType) -> String {
    format!("it has nulls, for which {data_type} has no number; filter them out, or leave it out")
}

fn primitive<T>(column: ArrayRef, missing: Option<T::Native>) -> Result<Made, String>
where
    T: ArrowPrimitiveType,
    T::Native: Element,
{
    let nulls = column
        .nulls()
        .filter(|nulls| nulls.null_count() > 0)
        .cloned();
    let data_type = column.data_type().clone();
    let values = column.as_primitive::<T>().values().clone();
    drop(column);
    // The vector itself where nobody else holds it.
    let mut values: Vec<T::Native> = values
        .into_inner()
        .into_vec()
        .unwrap_or_else(|shared| shared.typed_data().to_vec());
    match (nulls, missing) {
        (None, _) => {}
        (Some(nulls), Some(missing)) => fill(&mut values, &nulls, 1, missing),
        (Some(_), None) => return Err(nulls_have_no_array(&data_type)),
    }
    Ok(Box::new(move |py| {
        Ok(PyArray1::from_vec(py, values).into_any())
    }))
}

/// Puts `missing` where there is a null, of `width` values each.
fn fill<T: Copy>(values: &mut [T], nulls: &NullBuffer, width: usize, missing: T) {
    for (row, values) in values.chunks_exact_mut(width).enumerate() {
        if nulls.is_null(row) {
            values.fill(missing);
        }
    }
}

fn boolean(column: &BooleanArray) -> Result<Made, String> {
    if column.null_count() > 0 {
        return Err(nulls_have_no_array(&DataType::Boolean));
    }
    let values: Vec<bool> = column.values().iter().collect();
    Ok(Box::new(move |py| {
        Ok(PyArray1::from_vec(py, values).into_any())
    }))
}

/// NumPy's times are integers too, the smallest of which is NaT.
fn time(column: ArrayRef, dtype: &'static str) -> Result<Made, String> {
    let data = column.to_data().into_builder().data_type(DataType::Int64);
    drop(column);
    let integers = make_array(data.build().map_err(|error| error.to_string())?);
    let made = primitive::<Int64Type>(integers, Some(i64::MIN))?;
    Ok(Box::new(move |py| made(py)?.call_method1("view", (dtype,))))
}

fn datetime(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "datetime64[s]",
        TimeUnit::Millisecond => "datetime64[ms]",
        TimeUnit::Microsecond => "datetime64[us]",
        TimeUnit::Nanosecond => "datetime64[ns]",
    }
}

fn timedelta(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "timedelta64[s]",
        TimeUnit::Millisecond => "timedelta64[ms]",
        TimeUnit::Microsecond => "timedelta64[us]",
        TimeUnit::Nanosecond => "timedelta64[ns]",
    }
}

/// Rows of `width` numbers each.
fn list(column: &FixedSizeListArray, width: i32) -> Result<Made, String> {
    let (rows, width) = (column.len(), usize::try_from(width).unwrap_or(0));
    let start = usize::try_from(column.value_offset(0)).unwrap_or(0);
    let values = column.values().slice(start, rows * width);
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let values = match nulls {
        // Where a list is null, so is each of its numbers.
        Some(nulls) => {
            let nulls = nulls.expand(width);
            let nulls = NullBuffer::union(Some(&nulls), values.nulls());
            let data = values.to_data().into_builder().nulls(nulls);
            make_array(data.build().map_err(|error| error.to_string())?)
        }
        None => values,
    };
    let made = array(values)?;
    Ok(Box::new(move |py| {
        made(py)?.call_method1("reshape", ((rows, width),))
    }))
}
