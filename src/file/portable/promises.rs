//! What a portable file says of its columns' error, in one entry of the footer's key-value
//! metadata: what `verify` holds it to, and `inspect` shows.
//!
//! ```text
//! key    tolerant.portable
//! value  "1:" and the base64 (standard alphabet, no padding) of a zstd frame of
//!   float columns, row groups      2 varints
//!   width of the ranges' numbers   u8: 4 (f32) or 8 (f64)
//!   kind of bound, by column       u8: 0 exact, 1 rel, 2 abs; plus 16 if its range was declared
//!   bound as asked for, by column  f64, byte planes
//!   ranges, by column              smallest, then largest values, byte planes: one for a column,
//!                                  or one for each row group of a `rel` bound without range
//!   CRC-32C of all before it and of the float columns' names, each with a zero byte behind it
//! ```

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parquet::file::metadata::{KeyValue, ParquetMetaData};

use crate::codec::{ErrorBound, ValueRange, absolute_bound};

use super::super::column::is_float;
use super::super::error::{FileError, Result};
use super::super::levels::{read_varint, write_varint};
use super::super::order::record;
use super::super::row_id;

/// The key of the entry. Readers hand it on as metadata of the Arrow schema.
const KEY: &str = "tolerant.portable";
const VERSION: &str = "1:";
const DECLARED: u8 = 16;
/// Small, and read whole by everyone who opens the file.
const LEVEL: i32 = 19;

/// What a portable file promises.
#[derive(Debug, Clone, PartialEq)]
pub struct Promises {
    /// One for each top-level float column, in order.
    pub columns: Vec<ColumnPromise>,
}

/// What is promised of one float column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnPromise {
    /// The bound as asked for.
    pub bound: ErrorBound,
    /// Whether a `rel` bound is relative to a range given beforehand; if not, each row group's own
    /// range was used, which is the stricter promise.
    pub range_declared: bool,
    /// Of the finite values of the original: of the column, or of each row group.
    pub ranges: Vec<ValueRange>,
}

impl ColumnPromise {
    /// The absolute bound of values in a row group; 0 is lossless.
    pub fn abs_bound(&self, row_group: usize) -> f64 {
        let range = match self.ranges[..] {
            [range] => range,
            _ => *self.ranges.get(row_group).unwrap_or(&ValueRange::EMPTY),
        };
        absolute_bound(self.bound, range)
    }

    /// The range of all finite values.
    pub fn range(&self) -> ValueRange {
        self.ranges
            .iter()
            .fold(ValueRange::EMPTY, |all, range| all.union(range))
    }

    /// Takes note of a row group's range; returns the range that its bound is relative to.
    pub(super) fn add(&mut self, range: ValueRange) -> ValueRange {
        match (self.bound, &mut self.ranges[..]) {
            _ if self.range_declared => self.range(),
            (ErrorBound::Abs(_) | ErrorBound::Exact, [all]) => {
                *all = all.union(&range);
                *all
            }
            _ => {
                self.ranges.push(range);
                range
            }
        }
    }

    /// With the range of no values where none was seen.
    pub(super) fn complete(mut self, row_groups: usize) -> Self {
        let count = Self::ranges_expected(self.bound, self.range_declared, row_groups);
        self.ranges.resize(count, ValueRange::EMPTY);
        self
    }

    fn ranges_expected(bound: ErrorBound, declared: bool, row_groups: usize) -> usize {
        match bound {
            ErrorBound::Rel(_) if !declared => row_groups,
            _ => 1,
        }
    }
}

impl Promises {
    /// The promises of a Parquet file whose Arrow schema is `schema`; None for a file without.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] for promises that are damaged, of a newer version, or of a table of
    /// other columns or row groups.
    pub fn of(metadata: &ParquetMetaData, schema: &Schema) -> Result<Option<Self>> {
        let entries = metadata.file_metadata().key_value_metadata();
        let Some(entry) = entries
            .into_iter()
            .flatten()
            .rev()
            .find(|entry| entry.key == KEY)
        else {
            return Ok(None);
        };
        let value = entry.value.as_deref().unwrap_or_default();
        let encoded = value.strip_prefix(VERSION).ok_or_else(|| {
            FileError::corrupt(format!(
                "its {KEY} metadata is of a version that this release does not know"
            ))
        })?;
        let promises = decode(encoded, schema, metadata.num_row_groups()).ok_or_else(|| {
            FileError::corrupt(format!(
                "its {KEY} metadata is damaged or of another table: something has rewritten the file"
            ))
        })?;
        Ok(Some(promises))
    }

    /// The entry that says so.
    pub(super) fn to_entry(&self, schema: &Schema, row_groups: usize) -> Result<KeyValue> {
        let mut out = Vec::new();
        write_varint(self.columns.len() as u64, &mut out);
        write_varint(row_groups as u64, &mut out);
        let ranges = || self.columns.iter().flat_map(|column| &column.ranges);
        let numbers: Vec<f64> = ranges()
            .map(|range| range.min)
            .chain(ranges().map(|range| range.max))
            .collect();
        let short = numbers.iter().all(|x| f64::from(*x as f32) == *x);
        out.push(if short { 4 } else { 8 });
        for column in &self.columns {
            let kind = match column.bound {
                ErrorBound::Exact => 0,
                ErrorBound::Rel(_) => 1,
                ErrorBound::Abs(_) => 2,
                bound => return Err(not_promised(bound)),
            };
            out.push(kind | if column.range_declared { DECLARED } else { 0 });
        }
        let bounds = self.columns.iter().map(|column| match column.bound {
            ErrorBound::Exact => 0.0,
            ErrorBound::Rel(bound) | ErrorBound::Abs(bound) => bound,
            // Refused above.
            _ => 0.0,
        });
        write_planes::<8>(bounds.map(f64::to_le_bytes), &mut out);
        if short {
            let numbers = numbers.iter().map(|x| (*x as f32).to_le_bytes());
            write_planes::<4>(numbers, &mut out);
        } else {
            write_planes::<8>(numbers.iter().map(|x| x.to_le_bytes()), &mut out);
        }
        let checksum = checksum(&out, schema);
        out.extend_from_slice(&checksum.to_le_bytes());
        let packed = zstd::bulk::compress(&out, LEVEL).map_err(FileError::io("compressing"))?;
        let value = format!("{VERSION}{}", STANDARD_NO_PAD.encode(packed));
        Ok(KeyValue::new(KEY.to_owned(), value))
    }
}

/// What is said of a bound that portable files do not know.
pub(super) fn not_promised(bound: ErrorBound) -> FileError {
    FileError::invalid(format!(
        "the bound {bound} is not one of portable files; give rel:R, abs:E or exact, or write a packed file"
    ))
}

/// The schema without the promises and what is said of rows, which readers hand on as metadata of
/// it: they are the file's.
pub(in super::super) fn without_promises(schema: &SchemaRef) -> SchemaRef {
    const OWN: [&str; 3] = [KEY, row_id::KEY, record::KEY];
    if !OWN.iter().any(|key| schema.metadata().contains_key(*key)) {
        return Arc::clone(schema);
    }
    let mut schema = Schema::clone(schema);
    for key in OWN {
        schema.metadata.remove(key);
    }
    Arc::new(schema)
}

fn decode(encoded: &str, schema: &Schema, row_groups: usize) -> Option<Promises> {
    let packed = STANDARD_NO_PAD.decode(encoded).ok()?;
    let columns = float_columns(schema).count();
    // What the footer's own size has earned: it has a chunk for each of these.
    let most = 32 + columns.checked_mul(9 + 16 * row_groups.max(1))?;
    let bytes = zstd::bulk::decompress(&packed, most).ok()?;
    let (bytes, sum) = bytes.split_last_chunk::<4>()?;
    if checksum(bytes, schema) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut rest = bytes;
    let counts = [columns, row_groups];
    for count in counts {
        if read_varint(&mut rest).ok()? != count as u64 {
            return None;
        }
    }
    let (width, rest) = rest.split_first()?;
    let (kinds, rest) = rest.split_at_checked(columns)?;
    let (bounds, numbers) = rest.split_at_checked(columns.checked_mul(8)?)?;
    let numbers: Vec<f64> = match width {
        4 => planes::<4>(numbers)
            .map(|bytes| f32::from_le_bytes(bytes).into())
            .collect(),
        8 => planes::<8>(numbers).map(f64::from_le_bytes).collect(),
        _ => return None,
    };
    let (min, max) = numbers.split_at(numbers.len() / 2);
    let mut ranges = min.iter().zip(max).map(|(min, max)| ValueRange {
        min: *min,
        max: *max,
    });
    let columns = kinds
        .iter()
        .zip(planes::<8>(bounds).map(f64::from_le_bytes))
        .map(|(kind, bound)| {
            let range_declared = kind & DECLARED != 0;
            let bound = match kind & !DECLARED {
                0 => ErrorBound::Exact,
                1 => ErrorBound::rel(bound).ok()?,
                2 => ErrorBound::abs(bound).ok()?,
                _ => return None,
            };
            let count = ColumnPromise::ranges_expected(bound, range_declared, row_groups);
            let ranges: Vec<ValueRange> = ranges.by_ref().take(count).collect();
            (ranges.len() == count).then_some(ColumnPromise {
                bound,
                range_declared,
                ranges,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Promises { columns })
}

/// Names of the columns that promises are made of.
pub(super) fn float_columns(schema: &Schema) -> impl Iterator<Item = &String> {
    let floats = schema
        .fields()
        .iter()
        .filter(|field| is_float(field.data_type()));
    floats.map(|field| field.name())
}

fn checksum(bytes: &[u8], schema: &Schema) -> u32 {
    float_columns(schema).fold(crc32c::crc32c(bytes), |crc, name| {
        crc32c::crc32c_append(crc32c::crc32c_append(crc, name.as_bytes()), &[0])
    })
}

/// The first byte of each, the second of each, and so on.
fn write_planes<const N: usize>(words: impl Iterator<Item = [u8; N]> + Clone, out: &mut Vec<u8>) {
    for i in 0..N {
        out.extend(words.clone().map(|word| word[i]));
    }
}

fn planes<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    let n = bytes.len() / N;
    (0..n).map(move |word| std::array::from_fn(|plane| bytes[plane * n + word]))
}
