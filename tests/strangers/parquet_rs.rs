//! The stranger next door: parquet-rs, which also shows what page indexes hold.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, RecordBatch, Scalar};
use arrow::compute::kernels::cmp;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;

/// Checks the file at `path` against the values it must hold: as a whole, the statistics of every
/// row group and page, and pages read on their own. Returns whether it has page indexes.
pub fn check(path: &Path, expected: &RecordBatch) -> bool {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    let open = || {
        let file = File::open(path).unwrap();
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, options.clone()).unwrap()
    };
    let builder = open();
    let metadata = builder.metadata().clone();
    let schema = builder.schema().clone();
    assert_eq!(read(builder).columns(), expected.columns());

    let paged = metadata.offset_index().is_some();
    let mut first_row = 0;
    for (group, row_group) in metadata.row_groups().iter().enumerate() {
        let group_rows = row_group.num_rows() as usize;
        let rows = expected.slice(first_row, group_rows);
        first_row += group_rows;
        for (i, field) in expected.schema().fields().iter().enumerate() {
            // arrow-rs has no statistics of durations.
            if !field.data_type().is_primitive()
                || matches!(field.data_type(), DataType::Duration(_))
            {
                continue;
            }
            let name = field.name();
            let parquet_schema = metadata.file_metadata().schema_descr();
            let converter = StatisticsConverter::try_new(name, &schema, parquet_schema).unwrap();
            let place = format!("{name}, row group {group}");
            let of_group = [row_group];
            let nulls = converter.row_group_null_counts(of_group).unwrap();
            let (min, max) = (
                converter.row_group_mins(of_group).unwrap(),
                converter.row_group_maxes(of_group).unwrap(),
            );
            check_statistics(
                rows.column(i),
                &min,
                &max,
                nulls.value(0),
                has_nan(rows.column(i)),
                &place,
            );

            let (Some(columns), Some(offsets)) = (metadata.column_index(), metadata.offset_index())
            else {
                continue;
            };
            let counts = converter
                .data_page_row_counts(offsets, metadata.row_groups(), [&group])
                .unwrap()
                .unwrap();
            let nulls = converter
                .data_page_null_counts(columns, offsets, [&group])
                .unwrap();
            let mins = converter
                .data_page_mins(columns, offsets, [&group])
                .unwrap();
            let maxes = converter
                .data_page_maxes(columns, offsets, [&group])
                .unwrap();
            let mut start = 0;
            for page in 0..counts.len() {
                let n = counts.value(page) as usize;
                let values = rows.column(i).slice(start, n);
                start += n;
                let (min, max) = (mins.slice(page, 1), maxes.slice(page, 1));
                let place = format!("{place}, page {page}");
                // A chunk with NaN has no column index at all.
                let unknown = has_nan(rows.column(i));
                let nulls = if unknown {
                    values.null_count() as u64
                } else {
                    nulls.value(page)
                };
                check_statistics(&values, &min, &max, nulls, unknown, &place);
            }
            assert_eq!(start, group_rows, "{place}: rows of all pages");
        }
    }
    assert_eq!(first_row, expected.num_rows());

    // With the offset index, a few rows are read from their pages only.
    let rows = expected.num_rows();
    let starts = if rows == 0 {
        vec![]
    } else {
        vec![0, rows / 3, rows / 2, rows - 1]
    };
    for start in starts {
        let n = (rows - start).min(2);
        let selection = vec![RowSelector::skip(start), RowSelector::select(n)];
        let selected = read(open().with_row_selection(selection.into()));
        assert_eq!(selected.columns(), expected.slice(start, n).columns());
    }
    paged
}

fn read(builder: ParquetRecordBatchReaderBuilder<File>) -> RecordBatch {
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// `min` and `max` hold one value each, null for unknown.
fn check_statistics(
    values: &ArrayRef,
    min: &ArrayRef,
    max: &ArrayRef,
    nulls: u64,
    unknown: bool,
    place: &str,
) {
    assert_eq!(nulls, values.null_count() as u64, "{place}: nulls");
    let known = !unknown && values.null_count() < values.len();
    assert_eq!(
        (min.is_valid(0), max.is_valid(0)),
        (known, known),
        "{place}: min and max"
    );
    if known {
        let scalar = |array: &ArrayRef| Scalar::new(array.clone());
        // Kernels compare floats by total order, in which -0.0 lies below 0.0.
        let none_below = cmp::lt(values, &scalar(min) as &dyn Datum).unwrap();
        let none_above = cmp::gt(values, &scalar(max) as &dyn Datum).unwrap();
        assert_eq!(
            (none_below.true_count(), none_above.true_count()),
            (0, 0),
            "{place}: {min:?} {max:?}"
        );
        let reached = |bound: &ArrayRef| -> BooleanArray {
            cmp::eq(values, &scalar(bound) as &dyn Datum).unwrap()
        };
        assert!(
            reached(min).true_count() > 0,
            "{place}: min {min:?} is no value"
        );
        assert!(
            reached(max).true_count() > 0,
            "{place}: max {max:?} is no value"
        );
    }
}

fn has_nan(values: &ArrayRef) -> bool {
    use arrow::datatypes::{Float16Type, Float32Type, Float64Type};
    match values.data_type() {
        DataType::Float16 => values
            .as_primitive::<Float16Type>()
            .iter()
            .flatten()
            .any(|x| x.is_nan()),
        DataType::Float32 => values
            .as_primitive::<Float32Type>()
            .iter()
            .flatten()
            .any(f32::is_nan),
        DataType::Float64 => values
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .any(f64::is_nan),
        _ => false,
    }
}
