//! Column chunks of fixed-width values: the ways to write one, and which of them is smallest.

use std::ops::Range;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use zstd::bulk::Compressor;
use zstd::stream::raw::CParameter;

use crate::codec::MAX_REPRESENTATIVES;

use super::super::error::{FileError, Result};
use super::hybrid;
use super::page::{self, Sizes};

/// Readers do not care about the level: it is paid for once.
const LEVEL: i32 = 19;
/// The level at which ways of writing are first compared.
const TRIAL_LEVEL: i32 = 3;
/// How many of them are then compared at [`LEVEL`].
const FINALISTS: usize = 3;
/// Values that the ways are compared on, in slices from all over the chunk.
const SAMPLE: usize = 1 << 16;
const SAMPLE_SLICES: usize = 8;
/// Pages of at least this many bytes carry zstd's checksum, 4 bytes that every reader verifies.
const CHECKED_PAGE: usize = 1024;
/// Runs of at least as many indices may be written as repeated runs.
const MIN_RUNS: [usize; 2] = [8, 64];

/// A way to write the values of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form<'a> {
    /// Indices into a dictionary, bit-packed but for long runs.
    Dictionary {
        codes: &'a [u32],
        entries: &'a [u8],
        count: usize,
        width: u32,
        min_run: usize,
    },
    /// The values themselves, little-endian.
    Plain { bytes: &'a [u8], width: usize },
    /// BYTE_STREAM_SPLIT: the first byte of each value, then the second of each, and so on.
    Split { bytes: &'a [u8], width: usize },
}

/// A chunk's bytes and what its metadata needs.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    /// Where the data page starts; 0 unless there is a dictionary page before it.
    pub(super) data_start: usize,
    /// Page headers included, as Parquet counts.
    pub(super) uncompressed: usize,
    pub(super) compression: Compression,
    pub(super) encodings: Vec<Encoding>,
}

/// The dictionary forms worth trying: indices as narrow as they can be, and as wide as halves and
/// quarters of a byte or whole bytes, which zstd can tell apart.
pub(super) fn dictionary_forms<'a>(
    codes: &'a [u32],
    entries: &'a [u8],
    count: usize,
) -> Vec<Form<'a>> {
    let least = (u32::BITS - (count as u32).saturating_sub(1).leading_zeros()).max(1);
    let whole = if least <= 8 { 8 } else { 16 };
    let mut widths: Vec<u32> = [1, 2, 4, 8, 16]
        .into_iter()
        .filter(|width| (least..=whole).contains(width))
        .collect();
    if !widths.contains(&least) {
        widths.push(least);
    }
    let min_runs: Vec<usize> = MIN_RUNS
        .into_iter()
        .filter(|run| hybrid::in_runs(codes, *run) * 64 > codes.len())
        .chain([usize::MAX])
        .collect();
    let form = |width, min_run| Form::Dictionary {
        codes,
        entries,
        count,
        width,
        min_run,
    };
    widths
        .iter()
        .flat_map(|width| min_runs.iter().map(move |min_run| form(*width, *min_run)))
        .collect()
}

/// zstd at both levels: a context is large, and there is much to try with it.
pub(super) struct Coder {
    trial: Compressor<'static>,
    last: Compressor<'static>,
}

#[derive(Debug, Clone, Copy)]
enum Effort {
    Trial,
    Last,
}

impl Coder {
    pub(super) fn new() -> Result<Self> {
        let compressor = |level| Compressor::new(level).map_err(FileError::io("compressing"));
        Ok(Self {
            trial: compressor(TRIAL_LEVEL)?,
            last: compressor(LEVEL)?,
        })
    }

    fn compressed(&mut self, bytes: &[u8], effort: Effort) -> Result<Vec<u8>> {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        let compressor = match effort {
            Effort::Trial => &mut self.trial,
            Effort::Last => &mut self.last,
        };
        compressor
            .set_parameter(CParameter::ChecksumFlag(bytes.len() >= CHECKED_PAGE))
            .and_then(|()| compressor.compress(bytes))
            .map_err(FileError::io("compressing"))
    }
}

/// Bytes that indices into a dictionary take, `distinct` of them, or as many numbers where they are
/// too many for one: an estimate for comparing orders of the same values.
pub(super) fn trial_bytes(codes: &[u32], distinct: u32) -> Result<u64> {
    let mut coder = Coder::new()?;
    let forms = if distinct as usize <= MAX_REPRESENTATIVES {
        dictionary_forms(codes, &[], distinct as usize)
    } else {
        let (bytes, width) = (bytemuck::cast_slice(codes), size_of::<u32>());
        vec![Form::Split { bytes, width }]
    };
    let whole = 0..codes.len();
    let all = std::slice::from_ref(&whole);
    let mut least = u64::MAX;
    for form in forms {
        let data = form.data(all);
        let bytes = coder.compressed(&data, Effort::Trial)?.len();
        least = least.min(bytes.min(data.len()) as u64);
    }
    Ok(least)
}

/// The position of the smallest of `forms` (at least one) of a chunk of `n` values.
pub(super) fn smallest(coder: &mut Coder, forms: &[Form], n: usize) -> Result<usize> {
    let slices = sample(n);
    let sampled: usize = slices.iter().map(Range::len).sum();
    let scale = n as f64 / sampled.max(1) as f64;
    let mut size = |form: &Form, effort: Effort| {
        let (data, entries) = (form.data(&slices), form.entries());
        let small_data = coder.compressed(&data, effort)?.len() as f64 * scale;
        let small_entries = coder.compressed(entries, effort)?.len() as f64;
        let plain = data.len() as f64 * scale + entries.len() as f64;
        Ok::<f64, FileError>(plain.min(small_data + small_entries) + form.overhead())
    };
    let mut order = Vec::with_capacity(forms.len());
    for (i, form) in forms.iter().enumerate() {
        order.push((size(form, Effort::Trial)?, i));
    }
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut best = (f64::INFINITY, 0);
    for (_, i) in order.into_iter().take(FINALISTS) {
        let size = size(&forms[i], Effort::Last)?;
        if size < best.0 {
            best = (size, i);
        }
    }
    Ok(best.1)
}

fn sample(n: usize) -> Vec<Range<usize>> {
    if n <= SAMPLE {
        return std::iter::once(0..n).collect();
    }
    let len = SAMPLE / SAMPLE_SLICES;
    (0..SAMPLE_SLICES)
        .map(|i| {
            let start = (n - len) / (SAMPLE_SLICES - 1) * i;
            start..start + len
        })
        .collect()
}

/// Writes the pages of a chunk of `rows` rows. `levels` are the definition levels, if it has any.
pub(super) fn write(
    coder: &mut Coder,
    form: &Form,
    n: usize,
    rows: usize,
    levels: &[u8],
) -> Result<Chunk> {
    let mut data = levels.to_vec();
    data.extend(form.data(std::slice::from_ref(&(0..n))));
    let small_data = coder.compressed(&data, Effort::Last)?;
    let small_dictionary = coder.compressed(form.entries(), Effort::Last)?;
    let zstd = small_data.len() + small_dictionary.len() < data.len() + form.entries().len();
    let (dictionary, data_body) = if zstd {
        (&small_dictionary[..], &small_data[..])
    } else {
        (form.entries(), &data[..])
    };

    let mut bytes = Vec::with_capacity(data_body.len() + dictionary.len() + 64);
    let mut uncompressed = data.len();
    if let Form::Dictionary { entries, count, .. } = form {
        let sizes = sizes(entries.len(), dictionary.len())?;
        bytes.extend(page::dictionary_header(*count, sizes));
        uncompressed += bytes.len() + entries.len();
        bytes.extend_from_slice(dictionary);
    }
    let data_start = bytes.len();
    let sizes = sizes(data.len(), data_body.len())?;
    let header = page::data_header(rows, form.encoding(), sizes);
    uncompressed += header.len();
    bytes.extend(header);
    bytes.extend_from_slice(data_body);
    let compression = if zstd {
        Compression::ZSTD(ZstdLevel::default())
    } else {
        Compression::UNCOMPRESSED
    };
    Ok(Chunk {
        bytes,
        data_start,
        uncompressed,
        compression,
        encodings: form.encodings(),
    })
}

fn sizes(uncompressed: usize, compressed: usize) -> Result<Sizes> {
    // Parquet counts a page's bytes in an i32.
    if i32::try_from(uncompressed.max(compressed)).is_err() {
        return Err(FileError::invalid(
            "a page of more than 2 GiB; use smaller row groups",
        ));
    }
    Ok(Sizes {
        uncompressed,
        compressed,
    })
}

impl Form<'_> {
    /// The data page's body, without levels, of the values at `slices`.
    fn data(&self, slices: &[Range<usize>]) -> Vec<u8> {
        match *self {
            Form::Dictionary {
                codes,
                width,
                min_run,
                ..
            } => {
                let mut out = vec![width as u8];
                match slices {
                    [slice] => hybrid::write(&codes[slice.clone()], width, min_run, &mut out),
                    slices => {
                        let sample: Vec<u32> = slices
                            .iter()
                            .flat_map(|slice| codes[slice.clone()].iter().copied())
                            .collect();
                        hybrid::write(&sample, width, min_run, &mut out);
                    }
                }
                out
            }
            Form::Plain { bytes, width } => concatenated(bytes, width, slices),
            Form::Split { bytes, width } => {
                let bytes = concatenated(bytes, width, slices);
                (0..width)
                    .flat_map(|i| bytes.iter().skip(i).step_by(width).copied())
                    .collect()
            }
        }
    }

    fn entries(&self) -> &[u8] {
        match self {
            Form::Dictionary { entries, .. } => entries,
            _ => &[],
        }
    }

    /// Bytes beyond the pages' bodies that other forms do without: a page header, and offset and
    /// encoding in the footer.
    fn overhead(&self) -> f64 {
        match self {
            Form::Dictionary { .. } => 20.0,
            _ => 0.0,
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Form::Dictionary { .. } => Encoding::RLE_DICTIONARY,
            Form::Plain { .. } => Encoding::PLAIN,
            Form::Split { .. } => Encoding::BYTE_STREAM_SPLIT,
        }
    }

    /// Of all pages and levels.
    fn encodings(&self) -> Vec<Encoding> {
        match self {
            Form::Dictionary { .. } => {
                vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY]
            }
            form => vec![form.encoding(), Encoding::RLE],
        }
    }
}

fn concatenated(bytes: &[u8], width: usize, slices: &[Range<usize>]) -> Vec<u8> {
    slices
        .iter()
        .flat_map(|slice| &bytes[slice.start * width..slice.end * width])
        .copied()
        .collect()
}
