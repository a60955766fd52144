//! The tables: shared ones, one that scikit-learn bundles, and one that is made here. Floats as float32.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Int32Array, RecordBatch, RecordBatchReader, Scalar,
    StringArray,
};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{cast, concat_batches, filter_record_batch, is_not_null};
use arrow::datatypes::{DataType, Float32Type};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tolerant::file::ReaderBuilder;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rows and columns of the wide table.
const WIDE: (usize, usize) = (1_500, 2_000);
/// Numbers that its columns are made of.
const FACTORS: usize = 12;

/// A file of `data`.
pub fn shared(data: &Path, name: &str) -> Result<RecordBatch> {
    read(&data.join(format!("{name}.parquet")))
}

/// Of a table without its target, for clustering.
pub fn without_target(data: &Path, name: &str) -> Result<RecordBatch> {
    let mut table = shared(data, name)?;
    if let Ok(target) = table.schema().index_of("target") {
        table.remove_column(target);
    }
    Ok(table)
}

/// Hourly measurements of one of Beijing's stations, in order of time (UCI, Beijing Multi-Site Air
/// Quality).
pub fn station(data: &Path) -> Result<RecordBatch> {
    let table = shared(data, "beijing")?;
    let stations = table
        .column_by_name("station")
        .ok_or("beijing.parquet has no column station")?;
    let one = StringArray::from(vec!["Aotizhongxin"]);
    let one = cast(&one, stations.data_type())?;
    let here = eq(stations, &Scalar::new(one))?;
    let measured = [
        "PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "WSPM",
    ];
    let schema = table.schema();
    let columns = measured
        .iter()
        .map(|name| schema.index_of(name))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(filter_record_batch(&table.project(&columns)?, &here)?)
}

/// The same; instead of the dust itself, whether it is more than 75 micrograms in a cubic metre.
pub fn polluted(data: &Path) -> Result<RecordBatch> {
    let table = station(data)?;
    let dust = table.schema().index_of("PM2.5")?;
    let mut table = filter_record_batch(&table, &is_not_null(table.column(dust))?)?;
    let measured = table.remove_column(dust);
    let measured = measured.as_primitive::<Float32Type>();
    let polluted =
        Int32Array::from_iter_values(measured.values().iter().map(|&x| i32::from(x > 75.0)));
    with_column(&table, "polluted", Arc::new(polluted))
}

/// Images of digits as rows of pixels (scikit-learn's load_digits).
pub fn digits() -> Result<RecordBatch> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/applications/data");
    read(&folder.join("digits.parquet"))
}

/// Thousands of columns: each is two of twelve normal factors and noise, each on a scale of its own; the
/// target is the sum of four factors and noise.
pub fn wide() -> Result<RecordBatch> {
    let mut rng = StdRng::seed_from_u64(1);
    // The sum of twelve uniform numbers is normal enough.
    let mut normal = move || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    let (rows, columns) = WIDE;
    let factors: Vec<Vec<f32>> = (0..FACTORS)
        .map(|_| (0..rows).map(|_| normal()).collect())
        .collect();
    let mut arrays: Vec<(String, ArrayRef)> = Vec::new();
    for column in 0..columns {
        let (a, b) = (
            &factors[column % FACTORS],
            &factors[column / FACTORS % FACTORS],
        );
        let scale = 10f32.powi(column as i32 % 7 - 3);
        let value = |row: usize| (a[row] + 0.5 * b[row] + 0.3 * normal()) * scale;
        let values: Float32Array = Float32Array::from_iter_values((0..rows).map(value));
        arrays.push((format!("x{column}"), Arc::new(values)));
    }
    let target = |row: usize| factors[..4].iter().map(|f| f[row]).sum::<f32>() + 0.2 * normal();
    let target = Float32Array::from_iter_values((0..rows).map(target));
    arrays.push(("target".to_owned(), Arc::new(target)));
    Ok(RecordBatch::try_from_iter(arrays)?)
}

fn with_column(table: &RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch> {
    let schema = table.schema();
    let names = schema.fields().iter().map(|field| field.name().clone());
    let columns = names.zip(table.columns().iter().cloned());
    let columns = columns.chain([(name.to_owned(), column)]);
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    )?)
}

fn read(path: &Path) -> Result<RecordBatch> {
    let file =
        File::open(path).map_err(|error| format!("cannot open {}: {error}", path.display()))?;
    let reader = ReaderBuilder::new(Arc::new(file))?.build()?;
    let schema = reader.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>()?;
    let table = concat_batches(&schema, &batches)?;
    let columns = table.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| {
        let column = match field.data_type() {
            DataType::Float64 => cast(column, &DataType::Float32)?,
            _ => Arc::clone(column),
        };
        Ok((field.name().clone(), column, true))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}
