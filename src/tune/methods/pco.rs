//! pco, lossless: floats by pco, all else in Parquet.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use pco::ChunkConfig;
use pco::data_types::Number;

use super::super::error::{Result, TuneError};
use super::super::method::{Family, Reduced, Reduction};
use super::parquet_file;

const NAME: &str = "pco";
const LEVEL: usize = 12;

pub(super) struct Pco;

impl Reduction for Pco {
    fn name(&self) -> &str {
        NAME
    }

    fn family(&self) -> Family {
        Family::Lossless
    }

    fn parameters(&self) -> Vec<String> {
        vec![String::new()]
    }

    fn reduce(&self, table: &RecordBatch, _: &[usize], _: &str, _: u64) -> Result<Reduced> {
        let mut bytes = 0;
        let mut others = Vec::new();
        for (i, column) in table.columns().iter().enumerate() {
            match coded(column)? {
                Some(coded) => bytes += coded.len() as u64 + validity(column)?,
                None => others.push(i),
            }
        }
        if !others.is_empty() {
            let others = table.project(&others)?;
            bytes += parquet_file::smallest_parquet(&others)?.len() as u64;
        }
        Ok(Reduced {
            table: table.clone(),
            bytes,
        })
    }
}

/// The values of a float column that are not null; None for other columns.
pub(super) fn coded(column: &ArrayRef) -> Result<Option<Vec<u8>>> {
    Ok(Some(match column.data_type() {
        DataType::Float16 => code::<Float16Type>(column)?,
        DataType::Float32 => code::<Float32Type>(column)?,
        DataType::Float64 => code::<Float64Type>(column)?,
        _ => return Ok(None),
    }))
}

fn code<T: ArrowPrimitiveType>(column: &ArrayRef) -> Result<Vec<u8>>
where
    T::Native: Number,
{
    let values: Vec<T::Native> = column.as_primitive::<T>().iter().flatten().collect();
    let config = ChunkConfig::default().with_compression_level(LEVEL);
    pco::standalone::simple_compress(&values, &config).map_err(failed)
}

/// Bytes for which rows are null, as a bitmap with ZSTD; none where no row is.
pub(super) fn validity(column: &ArrayRef) -> Result<u64> {
    match column.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Ok(0),
        Some(nulls) => {
            let bits = nulls.inner().sliced();
            let coded = zstd::bulk::compress(bits.as_slice(), 19);
            Ok(coded.map_err(failed)?.len() as u64)
        }
    }
}

fn failed(error: impl std::fmt::Display) -> TuneError {
    TuneError::method(NAME, error.to_string())
}
