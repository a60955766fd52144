//! One float column of one row group, from an Arrow array to the bytes of its column chunk.

use arrow::array::{Array, ArrayData, ArrayRef, make_array};
use arrow::buffer::Buffer;
use half::f16;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::schema::types::ColumnDescPtr;

use crate::codec::{Cover, Element, Float, cover, distinct, round};

use super::super::column::Values;
use super::super::error::{FileError, Result};
use super::chunk::{self, Chunk, Coder, Form, dictionary_forms};
use super::hybrid;

/// Chunks of fewer rows are read as soon as their statistics: these leave out minimum and maximum.
pub(super) const ROWS_WORTH_STATISTICS: usize = 1 << 14;

/// A column chunk, and what is to be reported of it.
pub(super) struct FloatChunk {
    pub(super) bytes: Vec<u8>,
    /// Offsets count from the chunk's start.
    pub(super) metadata: ColumnChunkMetaData,
    /// Values kept bit for bit among others that were not.
    pub(super) outliers: u64,
    pub(super) max_error: f64,
    /// What a reader will see, if asked for.
    pub(super) stored: Option<ArrayRef>,
}

/// The values of a float array as a dictionary would hold them, or rounded where that takes too
/// many: what rows are to be sorted by. Any other array is as it is.
pub(super) fn snapped(array: &ArrayRef, abs_bound: f64) -> Result<ArrayRef> {
    fn of<F: Float>(array: &ArrayRef, values: &[F], bound: f64) -> Result<ArrayRef> {
        match cover(values, bound) {
            Some(cover) => with_values(array, &cover.values()),
            None => with_values(array, &round(values, bound).0),
        }
    }
    let data = array.to_data();
    match Values::of(array.data_type(), &data) {
        _ if abs_bound <= 0.0 => Ok(ArrayRef::clone(array)),
        Some(Values::F16(values)) => of(array, &values, abs_bound),
        Some(Values::F32(values)) => of(array, &values, abs_bound),
        Some(Values::F64(values)) => of(array, &values, abs_bound),
        _ => Ok(ArrayRef::clone(array)),
    }
}

/// `array` with other values, nulls aside.
fn with_values<F: Float>(array: &ArrayRef, values: &[F]) -> Result<ArrayRef> {
    let all = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Buffer::from(bytemuck::cast_slice::<F, u8>(values)),
        Some(nulls) => {
            let mut all = vec![F::from_f64(0.0); array.len()];
            for (row, value) in nulls.valid_indices().zip(values) {
                all[row] = *value;
            }
            Buffer::from(bytemuck::cast_slice::<F, u8>(&all))
        }
    };
    let data = ArrayData::builder(array.data_type().clone())
        .len(array.len())
        .nulls(array.nulls().cloned())
        .add_buffer(all);
    Ok(make_array(data.build()?))
}

/// Writes a float array within `abs_bound` of its values; 0 is lossless. Gives the values back as
/// stored where `give_stored`.
pub(super) fn float_chunk(
    leaf: &ColumnDescPtr,
    array: &ArrayRef,
    abs_bound: f64,
    give_stored: bool,
) -> Result<FloatChunk> {
    let data = array.to_data();
    match Values::of(array.data_type(), &data) {
        Some(Values::F16(values)) => chunk_of(
            leaf,
            array,
            &values,
            abs_bound,
            give_stored,
            |min, max, nulls| {
                let bytes =
                    |x: f16| FixedLenByteArray::from(ByteArray::from(x.to_le_bytes().to_vec()));
                let (min, max) = (min.map(bytes), max.map(bytes));
                Statistics::FixedLenByteArray(ValueStatistics::new(min, max, None, nulls, false))
            },
        ),
        Some(Values::F32(values)) => chunk_of(
            leaf,
            array,
            &values,
            abs_bound,
            give_stored,
            |min, max, nulls| Statistics::Float(ValueStatistics::new(min, max, None, nulls, false)),
        ),
        Some(Values::F64(values)) => chunk_of(
            leaf,
            array,
            &values,
            abs_bound,
            give_stored,
            |min, max, nulls| {
                Statistics::Double(ValueStatistics::new(min, max, None, nulls, false))
            },
        ),
        _ => Err(FileError::invalid(format!(
            "{} is no float type",
            array.data_type()
        ))),
    }
}

/// A way to bring the values within the bound, and what it costs in truth.
struct Snapped<F> {
    values: Vec<F>,
    outliers: usize,
    max_error: f64,
    dictionary: Option<(Vec<u32>, Vec<F>)>,
}

fn chunk_of<F: Float>(
    leaf: &ColumnDescPtr,
    array: &ArrayRef,
    values: &[F],
    abs_bound: f64,
    give_stored: bool,
    statistics: impl Fn(Option<F>, Option<F>, Option<u64>) -> Statistics,
) -> Result<FloatChunk> {
    let snapped = snap(values, abs_bound);
    let mut forms: Vec<(usize, Form)> = Vec::new();
    for (i, way) in snapped.iter().enumerate() {
        let bytes = bytemuck::cast_slice(&way.values);
        let width = size_of::<F>();
        if let Some((codes, entries)) = way.dictionary.as_ref().filter(|_| !values.is_empty()) {
            let entries_bytes = bytemuck::cast_slice(entries);
            let dictionary = dictionary_forms(codes, entries_bytes, entries.len());
            forms.extend(dictionary.into_iter().map(|form| (i, form)));
        }
        forms.push((i, Form::Plain { bytes, width }));
        // Few readers split Float16, which is Parquet's FIXED_LEN_BYTE_ARRAY.
        if width > 2 {
            forms.push((i, Form::Split { bytes, width }));
        }
    }
    let candidates: Vec<Form> = forms.iter().map(|(_, form)| *form).collect();
    let mut coder = Coder::new()?;
    let (way, form) = forms[chunk::smallest(&mut coder, &candidates, values.len())?];
    let way = &snapped[way];

    let rows = array.len();
    let levels = levels(leaf, array);
    let chunk = chunk::write(&mut coder, &form, values.len(), rows, &levels)?;
    let written = match &way.dictionary {
        Some((_, entries)) => entries,
        None => &way.values,
    };
    let (min, max) = if rows < ROWS_WORTH_STATISTICS {
        (None, None)
    } else {
        extremes(written)
    };
    let statistics = statistics(min, max, Some(array.null_count() as u64));
    Ok(FloatChunk {
        metadata: metadata(leaf, rows, &chunk, statistics)?,
        bytes: chunk.bytes,
        outliers: way.outliers as u64,
        max_error: way.max_error,
        stored: give_stored
            .then(|| with_values(array, &way.values))
            .transpose()?,
    })
}

/// All ways to write `values`: as they are, covered, and rounded.
fn snap<F: Float>(values: &[F], abs_bound: f64) -> Vec<Snapped<F>> {
    let mut ways = vec![Snapped {
        values: values.to_vec(),
        outliers: 0,
        max_error: 0.0,
        dictionary: distinct(values),
    }];
    if abs_bound > 0.0 {
        if let Some(cover) = cover(values, abs_bound) {
            let values = cover.values();
            let Cover {
                codes,
                representatives,
                outliers,
                max_error,
            } = cover;
            ways.push(Snapped {
                values,
                outliers,
                max_error,
                dictionary: Some((codes, representatives)),
            });
        }
        let (rounded, outliers, max_error) = round(values, abs_bound);
        ways.push(Snapped {
            values: rounded,
            outliers,
            max_error,
            dictionary: None,
        });
    }
    ways
}

/// Smallest and largest number as Parquet wants them in statistics: zeros with the sign that
/// includes both. None with NaN, which engines sort above all numbers: a filter such as `x > 5`
/// would lose rows to pruning.
fn extremes<F: Float>(values: &[F]) -> (Option<F>, Option<F>) {
    if values.iter().any(Element::is_nan) {
        return (None, None);
    }
    let zero = |x: F, zero: f64| {
        if x.to_f64() == 0.0 {
            F::from_f64(zero)
        } else {
            x
        }
    };
    let min = values.iter().copied().min_by(Element::total_cmp);
    let max = values.iter().copied().max_by(Element::total_cmp);
    (min.map(|x| zero(x, -0.0)), max.map(|x| zero(x, 0.0)))
}

/// Definition levels with their length in front; none for a REQUIRED column.
fn levels(leaf: &ColumnDescPtr, array: &ArrayRef) -> Vec<u8> {
    if leaf.max_def_level() == 0 {
        return Vec::new();
    }
    let levels: Vec<u32> = match array.nulls() {
        None => vec![1; array.len()],
        Some(nulls) => nulls.iter().map(u32::from).collect(),
    };
    let mut out = vec![0; 4];
    hybrid::write(&levels, 1, 8, &mut out);
    // A row group has fewer rows than would take 4 GiB at a bit each.
    let len = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&len.to_le_bytes());
    out
}

fn metadata(
    leaf: &ColumnDescPtr,
    rows: usize,
    chunk: &Chunk,
    statistics: Statistics,
) -> Result<ColumnChunkMetaData> {
    let dictionary = (chunk.data_start > 0).then_some(0);
    Ok(ColumnChunkMetaData::builder(leaf.clone())
        .set_encodings(chunk.encodings.clone())
        .set_compression(chunk.compression)
        .set_num_values(rows as i64)
        .set_dictionary_page_offset(dictionary)
        .set_data_page_offset(chunk.data_start as i64)
        .set_total_compressed_size(chunk.bytes.len() as i64)
        .set_total_uncompressed_size(chunk.uncompressed as i64)
        .set_statistics(statistics)
        .build()?)
}
