//! The promise of portable files: hostile values at every bound, and a file altered behind its
//! promises' back.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use tolerant::ErrorBound;
use tolerant::file::{PortableWriter, WriteReport, WriterOptions, finite_range};

use crate::arbitrary::{bits, bound};
use crate::hostile::{Range, options, table, verified};
use crate::values::Kind;

fn write(path: &Path, table: &RecordBatch, options: WriterOptions) -> WriteReport {
    let file = File::create(path).unwrap();
    let mut writer = PortableWriter::try_new(file, table.schema(), options).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap().1
}

#[test]
fn hostile_values_keep_every_bound() {
    let table = table();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portable.parquet");
    let bounds = [
        ErrorBound::Rel(1e-7),
        ErrorBound::Rel(1e-3),
        ErrorBound::Rel(1.0),
        ErrorBound::Abs(5e-324),
        ErrorBound::Abs(1e-3),
        ErrorBound::Abs(f64::MAX),
        ErrorBound::Exact,
    ];
    for bound in bounds {
        for range in [Range::OfColumn, Range::OfRowGroup] {
            let written = write(&path, &table, options(&table, bound, range));
            let report = verified(std::slice::from_ref(&table), &path);
            let broken: Vec<_> = report.columns.iter().filter(|c| c.violations > 0).collect();
            assert_eq!(report.violations, 0, "{bound} {range:?}: {broken:#?}");
            for (found, written) in report.columns.iter().zip(&written.columns) {
                assert!(
                    found.max_error <= written.max_error,
                    "{bound} {}",
                    found.name
                );
                assert_eq!(found.bound, bound.to_string());
                let promised = written.abs_bound.unwrap_or(0.0);
                assert_eq!(found.abs_bound.unwrap_or(0.0), promised, "{}", found.name);
            }
        }
    }
}

/// Exactness alone would keep every bound: where there is something to gain it must be gained.
#[test]
fn bounds_are_used() {
    let table = table();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portable.parquet");
    let options =
        options(&table, ErrorBound::Rel(1e-1), Range::OfColumn).with_row_group_rows(1 << 16);
    let written = write(&path, &table, options);
    for name in [
        "smooth",
        "normal",
        "nan_bits",
        "inf",
        "heavy_tail",
        "integers",
    ] {
        for kind in [Kind::F32, Kind::F64] {
            let full = format!("{name}/{kind:?}/none");
            let column = written.columns.iter().find(|c| c.name == full).unwrap();
            assert!(column.max_error > 0.0, "{full} was stored losslessly");
            assert!(
                column.packed_bytes * 3 < column.raw_bytes,
                "{full}: {column:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_values_keep_arbitrary_bounds(
        (kind, bits) in prop::sample::select(&Kind::ALL[..]).prop_flat_map(|kind| (Just(kind), bits(kind))),
        bound in bound().prop_filter("bounds of packed files only", |bound| {
            matches!(bound, ErrorBound::Rel(_) | ErrorBound::Abs(_) | ErrorBound::Exact)
        }),
        declared in any::<bool>(),
        row_group_rows in 1usize..300,
    ) {
        let column = kind.array(&bits, None);
        let table = RecordBatch::try_from_iter_with_nullable([("x", column, true)]).unwrap();
        let mut options = WriterOptions::new().with_bound(bound).with_row_group_rows(row_group_rows);
        if declared {
            options = options.with_column_range("x", finite_range(table.column(0)));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portable.parquet");
        write(&path, &table, options);
        let report = verified(std::slice::from_ref(&table), &path);
        prop_assert_eq!(report.violations, 0, "{:#?}", report);
    }
}

/// Another program reads the file, changes a value, and writes it with the metadata it found.
#[test]
fn an_altered_file_is_caught() {
    let column = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let values: Vec<f64> = (0..1000).map(|i| (f64::from(i) / 100.0).sin()).collect();
    let table = RecordBatch::try_from_iter([("x", column(values))]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portable.parquet");
    let bound = ErrorBound::Rel(1e-3);
    let written = write(&path, &table, WriterOptions::new().with_bound(bound));
    let abs_bound = written.columns[0].abs_bound.unwrap();

    let alter = |change: &dyn Fn(f64, f64) -> f64| {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let entries = builder
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .cloned();
        let batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
        let mut found: Vec<f64> = batches
            .iter()
            .flat_map(|batch| {
                batch
                    .column(0)
                    .as_primitive::<Float64Type>()
                    .values()
                    .to_vec()
            })
            .collect();
        let original = table.column(0).as_primitive::<Float64Type>().value(777);
        found[777] = change(original, found[777]);
        let altered = RecordBatch::try_from_iter([("x", column(found))]).unwrap();
        let altered_path = folder.path().join("altered.parquet");
        let properties = WriterProperties::builder()
            .set_key_value_metadata(entries)
            .build();
        let file = File::create(&altered_path).unwrap();
        let mut writer = ArrowWriter::try_new(file, altered.schema(), Some(properties)).unwrap();
        writer.write(&altered).unwrap();
        writer.close().unwrap();
        verified(std::slice::from_ref(&table), &altered_path)
    };
    assert_eq!(alter(&|_, y| y).violations, 0);
    assert_eq!(alter(&|x, _| x + 0.99 * abs_bound).violations, 0);
    let caught = alter(&|x, _| x + 1.01 * abs_bound);
    assert_eq!(
        (caught.violations, caught.columns[0].bound_exceeded),
        (1, 1)
    );
    assert_eq!(caught.columns[0].first_violation.as_ref().unwrap().row, 777);
    assert_eq!(caught.columns[0].bound, bound.to_string());
    assert_eq!(alter(&|_, _| f64::NAN).columns[0].changed_nan, 1);
}
