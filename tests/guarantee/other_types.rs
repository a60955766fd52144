//! Columns without floats: not a bit may change.

use arrow::datatypes::DataType;
use tolerant::file::WriterOptions;
use tolerant::{ErrorBound, file};

use crate::hostile::{pack, unpack, verified};

#[expect(dead_code, reason = "the other table is for strangers only")]
#[path = "../strangers/tables.rs"]
mod tables;

#[test]
fn every_other_type_is_exact() {
    let table = tables::mixed(5000);
    // Batches, blocks and row groups end at different rows.
    let batches: Vec<_> = [(0, 1), (1, 998), (999, 0), (999, 3001), (4000, 1000)]
        .map(|(start, rows)| table.slice(start, rows))
        .to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    for (block_rows, row_group_rows) in [(1, 7), (256, 1024), (4999, 4999), (1 << 20, 1 << 20)] {
        let options = WriterOptions::new()
            .with_bound(ErrorBound::Rel(1e-2))
            .with_block_rows(block_rows)
            .with_row_group_rows(row_group_rows);
        pack(&path, &batches, options);
        let report = verified(&batches, &path);
        assert_eq!(
            report.violations, 0,
            "{block_rows} {row_group_rows}: {report:#?}"
        );
        let back = unpack(&path);
        assert_eq!(back.schema(), table.schema());
        for (i, field) in table.schema().fields().iter().enumerate() {
            if !holds_floats(field.data_type()) {
                assert_eq!(back.column(i), table.column(i), "{}", field.name());
            }
        }
    }
}

/// Whether floats are in it that a bound is for: those of vectors, lists and structs.
fn holds_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeList(element, _)
        | DataType::List(element)
        | DataType::LargeList(element) => holds_floats(element.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_floats(field.data_type())),
        data_type => file::is_float(data_type),
    }
}
