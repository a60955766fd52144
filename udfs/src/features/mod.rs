//! Features for models, row by row, in SQL.
//!
//! Statistics that a function needs are arguments, which SQL finds: `standardize(x, (SELECT avg(x)
//! FROM t), (SELECT stddev(x) FROM t))`, or from windows, `min_max_scale(x, min(x) OVER (), max(x)
//! OVER ())`. MIN and MAX of a whole table come from the files' statistics; nothing is read.
//! Features that are of one kind in training and in use take constants.

mod bins;
mod categories;
mod hashing;
mod reals;
mod vectors;

pub use bins::{bin, equal_width_bin};
pub use categories::{one_hot, ordinal_code};
pub use hashing::{data_split, hash_features};
pub use reals::{box_cox, clip, cyclic_cos, cyclic_sin, min_max_scale, standardize, yeo_johnson};
pub use vectors::{feature_vector, polynomial_terms};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float32Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::ReturnFieldArgs;
use std::sync::Arc;

/// Elements of a vector, at most: a batch of 8,192 rows takes half a gigabyte then.
const MAX_WIDTH: usize = 1 << 14;

/// `FixedSizeList<Float32>` of `width` elements, which may be null.
fn vector_type(width: usize) -> Result<DataType> {
    if width > MAX_WIDTH {
        return plan_err!("a vector of {width} elements; at most {MAX_WIDTH} are allowed");
    }
    let element = Field::new_list_field(DataType::Float32, true);
    Ok(DataType::FixedSizeList(Arc::new(element), width as i32))
}

/// The field of a function's answer.
fn answer(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// An argument that must be a whole number, at least 1, known when the query is planned.
fn size_argument(function: &str, args: &ReturnFieldArgs, i: usize) -> Result<usize> {
    let number = args.scalar_arguments.get(i).copied().flatten();
    let number = number.and_then(|number| match number.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(number))) => usize::try_from(number).ok(),
        _ => None,
    });
    match number {
        Some(number) if number > 0 => Ok(number),
        _ => plan_err!(
            "{function}: argument {} must be a constant, a whole number of at least 1",
            i + 1
        ),
    }
}

/// The numbers of a column, null where they are; booleans count as 0 and 1.
fn float64s(values: &ArrayRef) -> Result<ArrayRef> {
    Ok(cast(values, &DataType::Float64)?)
}

/// The number at row `i` of an array that [`float64s`] made.
fn at(values: &ArrayRef, i: usize) -> Option<f64> {
    let values = values.as_primitive::<Float64Type>();
    values.is_valid(i).then(|| values.value(i))
}

fn as_float32s(values: &ArrayRef) -> Result<Float32Array> {
    Ok(cast(values, &DataType::Float32)?
        .as_primitive::<Float32Type>()
        .clone())
}
