//! Protects what the planner is told: of wide tables the same as of narrow ones, of bounds what is
//! promised.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{
    ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;

use super::ColumnBound;

/// Read in parts or as a whole, statistics are the same: of all kinds of columns, of columns that
/// the file lacks, that the table lacks, or that stand elsewhere.
#[test]
fn statistics_in_parts() {
    let column = |i: usize| -> ArrayRef {
        let float = || {
            Arc::new(
                (0..50)
                    .map(|row| (row % 7 != i % 7).then_some((row * i) as f32))
                    .collect::<Float32Array>(),
            )
        };
        match i % 5 {
            0 => Arc::new((0..50).map(|row| row * i as i64).collect::<Int64Array>()),
            1 => Arc::new(
                (0..50)
                    .map(|row| Some(format!("{}", row * i)))
                    .collect::<StringArray>(),
            ),
            2 => Arc::new(StructArray::from(vec![
                (
                    Arc::new(Field::new("a", DataType::Float32, true)),
                    float() as ArrayRef,
                ),
                (
                    Arc::new(Field::new("b", DataType::Float32, true)),
                    float() as ArrayRef,
                ),
            ])),
            3 => Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(
                (0..50).map(|row| Some(vec![Some(row as f64); i % 3])),
            )),
            _ => float(),
        }
    };
    let batch =
        RecordBatch::try_from_iter((0..1300).map(|i| (format!("c{i}"), column(i)))).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(20))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let metadata = ParquetMetaDataReader::new()
        .parse_and_finish(&Bytes::from(bytes))
        .unwrap();

    let mut fields: Vec<Field> = batch
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    fields.remove(17);
    fields.swap(3, 1200);
    fields.insert(700, Field::new("missing", DataType::Utf8, true));
    fields[0] = Field::new("c0", DataType::Float64, true);
    fields.push(Field::new("also missing", DataType::Float32, true));
    let table = Arc::new(Schema::new(fields));
    let whole = DFParquetMetadata::statistics_from_parquet_metadata(&metadata, &table).unwrap();
    assert_eq!(
        super::statistics::of_file(&metadata, &table).unwrap(),
        whole
    );
}

#[test]
fn bounds_are_read_as_they_are_written() {
    for bound in [
        ColumnBound::EXACT,
        bound(0.1, 0.0, None),
        bound(f64::MAX, 0.0, Some(f64::INFINITY)),
        bound(0.0, 1e-7, Some(0.0)),
        bound(f64::MIN_POSITIVE, 0.999, Some(1e300)),
    ] {
        let field = bound.attach(&Field::new("x", DataType::Float32, true));
        assert_eq!(ColumnBound::of(&field), Some(bound));
    }
    for text in ["", "abs:-1", "abs:NaN", "abs", "rel:0.1", "exact range:"] {
        assert!(text.parse::<ColumnBound>().is_err(), "{text}");
    }
    assert_eq!(
        ColumnBound::of(&Field::new("x", DataType::Float32, true)),
        None
    );
}

fn bound(absolute: f64, pointwise: f64, value_range: Option<f64>) -> ColumnBound {
    ColumnBound {
        absolute,
        pointwise,
        value_range,
    }
}
