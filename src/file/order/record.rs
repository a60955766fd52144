//! What a file says of the order of its rows: the footer's entry `tolerant.row_order`.
//!
//! `any`, then for each row group a space and the positions in the schema of the columns by which
//! its stored values ascend, nulls first, joined by commas; `-` where there is none.

use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};

/// The key of the entry.
pub(in crate::file) const KEY: &str = "tolerant.row_order";
const ANY: &str = "any";
const NONE: &str = "-";

/// That rows may stand in another order than they came in, and how each row group is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowOrderRecord {
    /// For each row group the columns by which its stored values ascend, nulls first: positions in
    /// the schema, most significant first.
    pub sorted_by: Vec<Vec<usize>>,
}

impl RowOrderRecord {
    pub(in crate::file) fn to_entry(&self) -> KeyValue {
        let mut value = ANY.to_owned();
        for columns in &self.sorted_by {
            let columns: Vec<String> = columns.iter().map(usize::to_string).collect();
            value.push(' ');
            value.push_str(if columns.is_empty() { NONE } else { "" });
            value.push_str(&columns.join(","));
        }
        KeyValue::new(KEY.to_owned(), value)
    }

    /// The record of a portable file; None where rows are in the order that they came in. Packed
    /// files have it in their [`Layout`](crate::file::Layout).
    pub fn of(metadata: &ParquetMetaData) -> Option<Self> {
        Self::find(metadata.file_metadata().key_value_metadata())
    }

    /// The record among a footer's entries; None where rows are in the order that they came in.
    pub(in crate::file) fn find(entries: Option<&Vec<KeyValue>>) -> Option<Self> {
        let entry = entries?.iter().find(|entry| entry.key == KEY)?;
        let mut words = entry.value.as_deref().unwrap_or_default().split(' ');
        (words.next() == Some(ANY)).then(|| Self {
            sorted_by: words
                .map(|word| {
                    word.split(',')
                        .map_while(|column| column.parse().ok())
                        .collect()
                })
                .collect(),
        })
    }

    /// What may be declared to any reader: Parquet's sorting columns are of a row group, but
    /// DataFusion (55.2) takes those of the first for the whole file's. So there are none unless
    /// the file is one row group. `leaf` gives the one leaf of a column.
    pub(in crate::file) fn sorting_columns(
        &self,
        leaf: impl Fn(usize) -> Option<i32>,
    ) -> Option<Vec<SortingColumn>> {
        let [columns] = self.sorted_by.as_slice() else {
            return None;
        };
        let sorting: Vec<SortingColumn> = columns
            .iter()
            .map_while(|column| leaf(*column))
            .map(|column_idx| SortingColumn {
                column_idx,
                descending: false,
                nulls_first: true,
            })
            .collect();
        (!sorting.is_empty()).then_some(sorting)
    }
}
