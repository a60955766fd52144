//! Every family of hostile values x float type x null pattern x bound, with the range of the
//! column and with that of each row group, through the writer and the reader.

use std::fs::File;
use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use tolerant::ErrorBound;
use tolerant::file::{ReaderBuilder, WriteReport, Writer, WriterOptions, finite_range};
use tolerant::tools::verify::{VerifyReport, verify};

use crate::values::{FAMILIES, Kind, NULL_PATTERNS, family, nulls};

/// Neither whole blocks nor whole row groups.
const ROWS: usize = 777;
const BLOCK_ROWS: usize = 64;
const ROW_GROUP_ROWS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    OfColumn,
    OfRowGroup,
}

/// Writes `batches` to `path`.
pub fn pack(path: &Path, batches: &[RecordBatch], options: WriterOptions) -> WriteReport {
    let file = File::create(path).unwrap();
    let mut writer = Writer::try_new(file, batches[0].schema(), options).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.close().unwrap().1
}

/// Reads all of `path` back as one batch.
pub fn unpack(path: &Path) -> RecordBatch {
    let builder = ReaderBuilder::open(path).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

pub fn verified(batches: &[RecordBatch], path: &Path) -> VerifyReport {
    verify(&batches[0].schema(), batches.iter().cloned().map(Ok), path).unwrap()
}

/// One column for each family, float type and null pattern.
pub fn table() -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for kind in Kind::ALL {
        for name in FAMILIES {
            let bits = family(name, kind, ROWS);
            for pattern in NULL_PATTERNS {
                let column = kind.array(&bits, nulls(pattern, ROWS));
                columns.push((format!("{name}/{kind:?}/{pattern}"), column));
            }
        }
    }
    let nullable = columns
        .into_iter()
        .map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(nullable).unwrap()
}

pub fn options(table: &RecordBatch, bound: ErrorBound, range: Range) -> WriterOptions {
    let mut options = WriterOptions::new()
        .with_bound(bound)
        .with_block_rows(BLOCK_ROWS)
        .with_row_group_rows(ROW_GROUP_ROWS);
    if range == Range::OfColumn {
        for (field, column) in table.schema().fields().iter().zip(table.columns()) {
            options = options.with_column_range(field.name(), finite_range(column));
        }
    }
    options
}

#[test]
fn hostile_values_keep_every_bound() {
    let table = table();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    let rel = [0.0, 1e-12, 1e-7, 1e-3, 1e-1, 1.0].map(ErrorBound::Rel);
    let abs = [5e-324, 1e-40, 1e-3, 1.0, 1e30, f64::MAX].map(ErrorBound::Abs);
    let mut judged = 0;
    for bound in rel.into_iter().chain(abs).chain([ErrorBound::Exact]) {
        for range in [Range::OfColumn, Range::OfRowGroup] {
            let written = pack(
                &path,
                std::slice::from_ref(&table),
                options(&table, bound, range),
            );
            let report = verified(std::slice::from_ref(&table), &path);
            let broken: Vec<_> = report.columns.iter().filter(|c| c.violations > 0).collect();
            assert_eq!(
                report.violations, 0,
                "{bound} {range:?}: {:?} {broken:#?}",
                report.problems
            );
            assert_eq!(report.columns.len(), table.num_columns());
            for (found, written) in report.columns.iter().zip(&written.columns) {
                // The writer may not claim less than the truth.
                assert!(
                    found.max_error <= written.max_error,
                    "{bound} {range:?} {}",
                    found.name
                );
                judged += 1;
            }
        }
    }
    println!("{judged} columns of {ROWS} values: 0 violations");
}

/// Exactness alone would keep every bound: where there is something to gain it must be gained.
#[test]
fn bounds_are_used() {
    let table = table();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed.parquet");
    let options = options(&table, ErrorBound::Rel(1e-1), Range::OfColumn).with_block_rows(1 << 16);
    let written = pack(&path, std::slice::from_ref(&table), options);
    for name in [
        "smooth",
        "normal",
        "nan_bits",
        "inf",
        "inf_first",
        "heavy_tail",
        "integers",
    ] {
        for kind in Kind::ALL {
            let full = format!("{name}/{kind:?}/none");
            let column = written.columns.iter().find(|c| c.name == full).unwrap();
            assert!(column.max_error > 0.0, "{full} was stored losslessly");
            assert!(
                column.packed_bytes * 3 < column.raw_bytes,
                "{full}: {column:?}"
            );
        }
    }
    // An overflowing range is quantized as well, not given up.
    let column = written
        .columns
        .iter()
        .find(|c| c.name == "overflowing_range/F64/none")
        .unwrap();
    assert!(column.max_error > 0.0);
}
