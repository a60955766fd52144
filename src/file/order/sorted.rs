//! What may be said of the rows' order: the columns by which the values *as stored* ascend.

use arrow::array::{Array, ArrayRef, AsArray, make_comparator};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;

use crate::file::error::Result;

/// Columns looked at, at most.
pub(in crate::file) const MAX_SORTED_BY: usize = 16;

/// The longest run of `columns`, from the first on, by which all rows ascend lexicographically,
/// nulls first. `stored` gives the values of a column as a reader will see them.
///
/// No more columns are named once rows are told apart, and none that holds a NaN, on whose place
/// engines differ; a column with -0.0, which some hold equal to 0.0, is the last.
pub(super) fn sorted_by(
    columns: &[usize],
    rows: usize,
    mut stored: impl FnMut(usize) -> Result<ArrayRef>,
) -> Result<Vec<usize>> {
    let mut sorted = Vec::new();
    // Whether each row equals the one before in the columns so far.
    let mut tied = vec![true; rows.saturating_sub(1)];
    for column in columns.iter().take(MAX_SORTED_BY) {
        if !tied.contains(&true) {
            break;
        }
        let array = stored(*column)?;
        if array.len() != rows || !orderable(array.data_type()) || any(&array, f64::is_nan) {
            break;
        }
        if !refine(&array, &mut tied)? {
            break;
        }
        sorted.push(*column);
        if any(&array, |x| x == 0.0 && x.is_sign_negative()) {
            break;
        }
    }
    Ok(sorted)
}

/// Whether tied rows ascend by `array`; those that do stay tied only where equal.
fn refine(array: &ArrayRef, tied: &mut [bool]) -> Result<bool, ArrowError> {
    let options = SortOptions::default().asc().nulls_first();
    let compare = make_comparator(array.as_ref(), array.as_ref(), options)?;
    for (row, tied) in tied.iter_mut().enumerate().filter(|(_, tied)| **tied) {
        let order = compare(row, row + 1);
        if order.is_gt() {
            return Ok(false);
        }
        *tied = order.is_eq();
    }
    Ok(true)
}

/// Types of one leaf that engines order as Arrow does.
fn orderable(data_type: &DataType) -> bool {
    use DataType::*;
    data_type.is_primitive() && !matches!(data_type, Interval(_))
        || matches!(
            data_type,
            Boolean | Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView
        )
}

fn any(array: &ArrayRef, is: impl Fn(f64) -> bool) -> bool {
    match array.data_type() {
        DataType::Float16 => {
            let values = array.as_primitive::<Float16Type>();
            values.iter().flatten().any(|x| is(x.into()))
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            values.iter().flatten().any(|x| is(x.into()))
        }
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().any(is),
        _ => false,
    }
}
