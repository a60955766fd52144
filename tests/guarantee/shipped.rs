//! The tables in `testdata/`: real values under the bounds that people ask for.

use std::path::Path;

use arrow::array::RecordBatch;
use tolerant::ErrorBound;
use tolerant::file::{WriterOptions, finite_range};

use crate::hostile::{pack, range_for, unpack, verified};

fn keeps_bounds(name: &str) {
    let path = format!("{}/testdata/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
    let table: RecordBatch = unpack(Path::new(&path));
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("packed.parquet");
    let mut sizes = Vec::new();
    for word in ["pwrel:1e-2", "psnr:60", "rel:1e-2@p1..p99"] {
        let bound: ErrorBound = word.parse().unwrap();
        let mut options = WriterOptions::new().with_bound(bound);
        for (field, column) in table.schema().fields().iter().zip(table.columns()) {
            if field.data_type().is_floating() {
                options = options.with_column_range(field.name(), range_for(bound, column));
            }
        }
        pack(&packed, std::slice::from_ref(&table), options);
        let report = verified(std::slice::from_ref(&table), &packed);
        assert_eq!(report.violations, 0, "{name} {bound}: {report:#?}");
    }
    for ratio in [1e-1, 1e-2, 1e-3, 1e-4] {
        let mut options = WriterOptions::new().with_bound(ErrorBound::Rel(ratio));
        for (field, column) in table.schema().fields().iter().zip(table.columns()) {
            if field.data_type().is_floating() {
                options = options.with_column_range(field.name(), finite_range(column));
            }
        }
        let written = pack(&packed, std::slice::from_ref(&table), options);
        let report = verified(std::slice::from_ref(&table), &packed);
        assert_eq!(report.violations, 0, "{name} rel:{ratio}: {report:#?}");
        sizes.push(written.file_bytes);
    }
    println!(
        "{name}: 0 violations; {} raw bytes, packed {sizes:?}",
        table.get_array_memory_size()
    );
    // But for what choices made on samples may miss: bounds below a column's resolution are alike.
    assert!(
        sizes.is_sorted_by(|loose, tight| *loose <= tight + tight / 50),
        "{name}: a looser bound may not take more: {sizes:?}"
    );
}

#[test]
fn diabetes_keeps_bounds() {
    keeps_bounds("diabetes");
}

#[test]
fn breast_cancer_keeps_bounds() {
    keeps_bounds("breast_cancer");
}

#[test]
fn digits_keeps_bounds() {
    keeps_bounds("digits");
}
