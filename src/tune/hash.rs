//! Hashes of tables and rows: what makes splits, journals and evaluations agree from run to run.

use arrow::array::RecordBatch;
use arrow::row::{RowConverter, SortField};

use super::error::Result;

/// A hash of what `table` holds: names, types, values bit for bit, and their order.
///
/// # Errors
/// For types that rows cannot be made of.
pub fn table_hash(table: &RecordBatch) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for field in table.schema().fields() {
        hasher.update(format!("{}\0{}\0", field.name(), field.data_type()).as_bytes());
    }
    for row in &rows(table)? {
        hasher.update(&(row.len() as u64).to_le_bytes());
        hasher.update(row);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// A number for each row, which depends on nothing but the row's values and `salt`.
///
/// # Errors
/// As [`table_hash`].
pub fn row_hashes(table: &RecordBatch, salt: &str) -> Result<Vec<u64>> {
    let key = blake3::derive_key("tolerant 2026 rows of a table", salt.as_bytes());
    let hash = |row: &Vec<u8>| {
        let hash = blake3::keyed_hash(&key, row);
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        u64::from_le_bytes(first)
    };
    Ok(rows(table)?.iter().map(hash).collect())
}

/// A hash of a text.
pub fn text_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The rows of `table` as bytes: equal for equal values only.
fn rows(table: &RecordBatch) -> Result<Vec<Vec<u8>>> {
    if table.num_columns() == 0 {
        return Ok(vec![Vec::new(); table.num_rows()]);
    }
    let schema = table.schema();
    let fields = schema.fields().iter();
    let fields = fields.map(|field| SortField::new(field.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let rows = converter.convert_columns(table.columns())?;
    Ok(rows.iter().map(|row| row.as_ref().to_vec()).collect())
}
