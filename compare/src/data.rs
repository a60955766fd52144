//! The inputs: float columns of tables as float32, and the bound of each column.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch};
use arrow::compute::{cast, filter_record_batch, is_not_null};
use arrow::datatypes::{DataType, Float32Type};
use tolerant::ErrorBound;
use tolerant::codec::{ValueRange, absolute_bound};
use tolerant::file::ReaderBuilder;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Float32 columns of equal length, without nulls.
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
}

pub struct Column {
    pub name: String,
    pub values: Vec<f32>,
}

impl Table {
    /// The float columns of a Parquet file; rows with a null in any of them are dropped.
    pub fn read(path: &Path) -> Result<Self> {
        let builder = ReaderBuilder::new(Arc::new(File::open(path)?))?;
        let floats: Vec<usize> = (0..builder.schema().fields().len())
            .filter(|&i| builder.schema().field(i).data_type().is_floating())
            .collect();
        if floats.is_empty() {
            return Err(format!("{}: there is no float column to compare", path.display()).into());
        }
        let names: Vec<String> = floats
            .iter()
            .map(|&i| builder.schema().field(i).name().clone())
            .collect();
        let mut columns: Vec<Column> = names
            .into_iter()
            .map(|name| Column {
                name,
                values: Vec::new(),
            })
            .collect();
        for batch in builder.with_column_positions(floats).build()? {
            let batch = without_nulls(&batch?)?;
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                let array = cast(array, &DataType::Float32)?;
                column
                    .values
                    .extend_from_slice(array.as_primitive::<Float32Type>().values());
            }
        }
        let table = Self {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            columns,
        };
        if table.rows() == 0 {
            return Err(format!("{}: every row has a null", path.display()).into());
        }
        Ok(table)
    }

    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    pub fn values(&self) -> usize {
        self.rows() * self.columns.len()
    }

    fn record_batch(&self) -> Result<RecordBatch> {
        let columns = self.columns.iter().map(|column| {
            let array: ArrayRef = Arc::new(Float32Array::from(column.values.clone()));
            (column.name.as_str(), array)
        });
        Ok(RecordBatch::try_from_iter(columns)?)
    }

    pub fn raw_bytes(&self) -> usize {
        self.values() * size_of::<f32>()
    }
}

fn without_nulls(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut batch = batch.clone();
    for i in 0..batch.num_columns() {
        if batch.column(i).null_count() > 0 {
            batch = filter_record_batch(&batch, &is_not_null(batch.column(i))?)?;
        }
    }
    Ok(batch)
}

/// A table at one value-range relative bound: what every method is given.
pub struct Cell<'a> {
    pub table: &'a Table,
    pub rel: f64,
    /// The absolute bound of each column, as Tolerant computes it. 0 means lossless.
    pub bounds: Vec<f64>,
    pub ranges: Vec<ValueRange>,
    /// The same columns as Arrow, for methods that write files.
    pub batch: RecordBatch,
}

impl<'a> Cell<'a> {
    pub fn new(table: &'a Table, rel: f64) -> Result<Self> {
        let bound = ErrorBound::rel(rel)?;
        let ranges: Vec<ValueRange> = table
            .columns
            .iter()
            .map(|column| ValueRange::of_slice(&column.values))
            .collect();
        Ok(Self {
            table,
            rel,
            bounds: ranges.iter().map(|&r| absolute_bound(bound, r)).collect(),
            ranges,
            batch: table.record_batch()?,
        })
    }
}
