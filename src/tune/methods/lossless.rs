//! Nothing at all, and lossless: Parquet with general compressors.

use arrow::array::RecordBatch;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

use crate::file::raw_bytes;

use super::super::error::Result;
use super::super::method::{Family, Reduced, Reduction};
use super::parquet_file;

pub(super) fn methods() -> Vec<Box<dyn Reduction>> {
    [Kind::None, Kind::Gzip, Kind::Lz4, Kind::Zstd, Kind::Split]
        .into_iter()
        .map(|kind| Box::new(kind) as Box<dyn Reduction>)
        .collect()
}

enum Kind {
    /// Arrow's bytes in memory.
    None,
    /// Level 9, as gzip's -9.
    Gzip,
    Lz4,
    /// Level 19.
    Zstd,
    /// BYTE_STREAM_SPLIT or a dictionary, whichever is smaller, and ZSTD 19.
    Split,
}

impl Reduction for Kind {
    fn name(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Split => "byte-stream-split-zstd",
        }
    }

    fn family(&self) -> Family {
        match self {
            Self::None => Family::None,
            _ => Family::Lossless,
        }
    }

    fn parameters(&self) -> Vec<String> {
        vec![String::new()]
    }

    fn reduce(&self, table: &RecordBatch, _: &[usize], _: &str, _: u64) -> Result<Reduced> {
        let file = |compression| parquet_file::parquet(table, compression).map(|f| f.len() as u64);
        let bytes = match self {
            Self::None => table.columns().iter().map(raw_bytes).sum(),
            Self::Gzip => file(Compression::GZIP(GzipLevel::try_new(9)?))?,
            Self::Lz4 => file(Compression::LZ4_RAW)?,
            Self::Zstd => file(Compression::ZSTD(ZstdLevel::try_new(19)?))?,
            Self::Split => parquet_file::smallest_parquet(table)?.len() as u64,
        };
        Ok(Reduced {
            table: table.clone(),
            bytes,
        })
    }
}
