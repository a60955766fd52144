//! Fewer rows.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;

use super::error::Result;
use super::hash::row_hashes;

/// Salt of the hashes by which rows are dropped.
const SAMPLE: &str = "sample";

/// About this share of the rows of `table`, chosen by nothing but what they hold: the same rows in whichever
/// batches a table comes, and the fewer always among the more. Rows that are equal are kept or dropped
/// together.
///
/// # Errors
/// For types that rows cannot be made of.
pub fn kept_rows(table: &RecordBatch, share: f64) -> Result<RecordBatch> {
    let limit = (share * u64::MAX as f64) as u64;
    let hashes = row_hashes(table, SAMPLE)?;
    let kept: BooleanArray = hashes.iter().map(|hash| Some(*hash <= limit)).collect();
    Ok(filter_record_batch(table, &kept)?)
}
