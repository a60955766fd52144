//! Opening: from the last bytes of a file to all that is known of it.

use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::error::{FileError, Result};
use super::footer::{self, FOOTER_END, LONG_PAYLOAD_FIELD, MAGIC, PAYLOAD_FIELD};
use super::layout::Layout;
use super::seal::{self, Seal};
use super::{catalog, catalog_codec, thrift};

/// Bytes that are read from the end of a file at first where asking again takes long: enough for most.
pub(super) const FIRST_READ: u64 = 64 << 10;

/// The same where it does not: what holds the seal of a packed file, from version 5 on.
pub(super) const LEAST_FIRST_READ: u64 = 256;

/// Orders of columns take less than this part of a footer: three bytes of 45 and more for each.
const ORDERS_PART: u64 = 12;

/// A Parquet file that has been opened.
#[derive(Debug, Clone)]
pub enum Opened {
    /// Written by Tolerant.
    Packed(Arc<Layout>),
    /// Any other Parquet file, with its page indexes.
    Ordinary(Arc<ParquetMetaData>),
}

impl Opened {
    /// The metadata that Parquet readers are to work with.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        match self {
            Self::Packed(layout) => layout.metadata(),
            Self::Ordinary(metadata) => metadata,
        }
    }
}

/// How much of a file's end is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What it takes to read the table: from version 5 on, no footer.
    Needed,
    /// All that the seal covers.
    Sealed,
}

/// A file that is being opened: asks for one range of its bytes after the other.
pub(super) struct Opening {
    len: u64,
    extent: Extent,
    /// The file's last bytes.
    tail: Bytes,
    /// What is to be read.
    range: Range<u64>,
    /// Set if the range is what `tail` lacks of the block index: the seal, and where the footer starts.
    seal: Option<(Seal, u64)>,
}

impl Opening {
    /// Of a file of `len` bytes, the last `first_read` of which are read at first.
    pub(super) fn new(len: u64, first_read: u64, extent: Extent) -> Self {
        Self {
            len,
            extent,
            tail: Bytes::new(),
            range: len.saturating_sub(first_read)..len,
            seal: None,
        }
    }

    /// What is to be read.
    pub(super) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Takes what was read; None where there is more to read.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] for what is no Parquet file, or a damaged one.
    pub(super) fn take(&mut self, read: Bytes) -> Result<Option<Opened>> {
        if read.len() as u64 != self.range.end - self.range.start {
            return Err(FileError::corrupt("the file is shorter than it was"));
        }
        let len = self.len;
        if let Some((seal, footer_start)) = self.seal {
            let behind = (seal.index_len as usize).saturating_sub(read.len());
            let index = joined(&read, &self.tail.slice(..behind));
            let opened = unpanicked(|| by_index(&index, seal, len, Some(footer_start)));
            return opened.map(Some);
        }
        self.tail = joined(&read, &self.tail);
        let tail_start = self.range.start;
        match unpanicked(|| step(len, &self.tail, self.extent))? {
            Step::Done(opened) => return Ok(Some(opened)),
            Step::ReadFrom(start) if start < tail_start => self.range = start..tail_start,
            Step::ReadFrom(_) => return Err(FileError::corrupt("the footer does not end")),
            Step::ReadIndex(range, seal, footer_start) => {
                (self.range, self.seal) = (range, Some((seal, footer_start)));
            }
        }
        Ok(None)
    }
}

/// What comes of looking at the end of a file.
enum Step {
    Done(Opened),
    /// All from here to the end of the file is needed.
    ReadFrom(u64),
    /// These bytes are needed, and no others: what is not at hand of the block index. The footer starts
    /// at the last of these numbers.
    ReadIndex(Range<u64>, Seal, u64),
}

/// What is read of a file's end in several pieces.
fn joined(earlier: &Bytes, tail: &Bytes) -> Bytes {
    if tail.is_empty() {
        return earlier.clone();
    }
    [earlier.as_ref(), tail.as_ref()].concat().into()
}

/// What parquet-rs does, or an error where it panics: it unwraps some of what a damaged file lacks,
/// and ordinary Parquet has no checksum that would tell beforehand.
pub(super) fn unpanicked<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(FileError::corrupt(format!(
            "its contents make no sense: {}",
            panic_text(&*panic)
        )))
    })
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

fn step(len: u64, tail: &Bytes, extent: Extent) -> Result<Step> {
    let tail_start = len - tail.len() as u64;
    let end = tail
        .last_chunk::<FOOTER_END>()
        .filter(|end| end[4..] == *MAGIC);
    let Some([a, b, c, d, ..]) = end else {
        return Err(FileError::corrupt(
            "not a Parquet file: it does not end in PAR1",
        ));
    };
    let footer_len = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    let footer_start = len
        .checked_sub(footer_len + FOOTER_END as u64)
        .filter(|start| *start >= MAGIC.len() as u64)
        .ok_or_else(|| {
            FileError::corrupt(format!("a footer of {footer_len} bytes in a file of {len}"))
        })?;
    // Perhaps its end only, where the seal of a packed file is.
    let at_hand = footer_start.saturating_sub(tail_start) as usize;
    let footer = tail.slice(at_hand..tail.len() - FOOTER_END);
    let seal = seal::find(&footer)?;
    if let Some(seal) = seal
        && seal.version >= catalog::FIRST_VERSION
        && extent == Extent::Needed
    {
        return index_step(len, tail, footer_start, seal);
    }
    if footer_start < tail_start {
        // Behind the seal there may be the orders of columns, a small part of the footer.
        let part = len.saturating_sub(footer_len / ORDERS_PART + LEAST_FIRST_READ);
        let near = seal.is_none() && footer_start < part && part < tail_start;
        return Ok(Step::ReadFrom(if near { part } else { footer_start }));
    }
    match seal {
        Some(seal) => sealed_step(len, tail, &footer, footer_start, seal),
        None => ordinary(len, tail, &footer, footer_start),
    }
}

/// Where the block index ends.
fn index_end(seal: Seal, footer_start: u64) -> Result<u64> {
    seal.index_offset
        .checked_add(seal.index_len)
        .filter(|end| *end <= footer_start)
        .ok_or_else(|| FileError::corrupt("the block index lies outside the file"))
}

/// Opens a packed file by its index, which has a checksum of its own. The footer is not looked at.
fn index_step(len: u64, tail: &Bytes, footer_start: u64, seal: Seal) -> Result<Step> {
    let tail_start = len - tail.len() as u64;
    let end = index_end(seal, footer_start)?;
    let Some(start) = seal.index_offset.checked_sub(tail_start) else {
        let missing = seal.index_offset..end.min(tail_start);
        return Ok(Step::ReadIndex(missing, seal, footer_start));
    };
    let index = &tail[start as usize..(end - tail_start) as usize];
    by_index(index, seal, len, Some(footer_start)).map(Step::Done)
}

/// A packed file of `len` bytes by its index. Writers call it too, so that what they finish can be
/// opened, when there is no footer yet.
///
/// # Errors
/// [`FileError::Corrupt`] also where something else stands between index and footer than the index
/// tells of: rows that another program appended, or another file.
pub(super) fn by_index(
    index: &[u8],
    seal: Seal,
    len: u64,
    footer_start: Option<u64>,
) -> Result<Opened> {
    let (index, catalog) = catalog_codec::decode(index, seal, len)?;
    let end = seal.index_offset.saturating_add(seal.index_len);
    let end = end.saturating_add(catalog.page_indexes_len);
    if footer_start.is_some_and(|start| start != end) {
        return Err(FileError::corrupt(
            "the footer is not where the block index leads: another program has written to the file",
        ));
    }
    let layout = Layout::new(&catalog, index, len, seal.index_offset)?;
    Ok(Opened::Packed(Arc::new(layout)))
}

/// Opens a packed file by all that its seal covers.
fn sealed_step(
    len: u64,
    tail: &Bytes,
    footer: &[u8],
    footer_start: u64,
    seal: Seal,
) -> Result<Step> {
    let tail_start = len - tail.len() as u64;
    let index_end = index_end(seal, footer_start)?;
    if seal.index_offset < tail_start {
        return Ok(Step::ReadFrom(seal.index_offset));
    }
    let sealed = tail.slice((seal.index_offset - tail_start) as usize..);
    seal::verify(&sealed, seal)?;
    let metadata = catalog::parsed(&sealed, footer, len)?;
    let index = &sealed[..(index_end - seal.index_offset) as usize];
    let layout = layout(&metadata, index, len, seal)?;
    Ok(Step::Done(Opened::Packed(Arc::new(layout))))
}

/// The layout of a file of `len` bytes, from its footer, its seal and the bytes of its index.
fn layout(metadata: &ParquetMetaData, index: &[u8], len: u64, seal: Seal) -> Result<Layout> {
    let (index, catalog) = if seal.version >= catalog::FIRST_VERSION {
        let (index, catalog) = catalog_codec::decode(index, seal, len)?;
        catalog.check_footer(metadata, &index)?;
        (index, catalog)
    } else {
        catalog_codec::decode_with(metadata, index, seal.version, len)?
    };
    Layout::new(&catalog, index, len, seal.index_offset)
}

fn ordinary(len: u64, tail: &Bytes, footer: &[u8], footer_start: u64) -> Result<Step> {
    thrift::check_footer(footer)?;
    let metadata = ParquetMetaDataReader::decode_metadata(footer)?;
    let metadata = match has_sound_page_indexes(&metadata, len, tail, footer_start) {
        true => metadata,
        // Nobody after us is to find them either.
        false => without_page_indexes(metadata)?,
    };
    let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
        .with_page_index_policy(PageIndexPolicy::Optional);
    match reader.read_page_indexes_sized(tail, len) {
        Err(ParquetError::NeedMoreData(needed)) if needed as u64 <= len && needed > tail.len() => {
            return Ok(Step::ReadFrom(len - needed as u64));
        }
        result => result?,
    }
    let metadata = reader.finish()?;
    if looks_packed(&metadata) {
        return Err(FileError::corrupt(
            "this file was written by tolerant, but its seal is damaged or of a newer version",
        ));
    }
    Ok(Step::Done(Opened::Ordinary(Arc::new(metadata))))
}

/// Whether the page indexes may be read, as far as they lie in `tail`: the others are asked for before. Not where
/// chunks share them, which makes one a thousand, or where they lie in the footer.
pub(super) fn has_sound_page_indexes(
    metadata: &ParquetMetaData,
    len: u64,
    tail: &[u8],
    footer_start: u64,
) -> bool {
    let tail_start = len - tail.len() as u64;
    let chunks = metadata.row_groups().iter();
    let mut all = 0u64;
    for chunk in chunks.flat_map(|row_group| row_group.columns()) {
        let offset_index = range(chunk.offset_index_offset(), chunk.offset_index_length());
        let column_index = range(chunk.column_index_offset(), chunk.column_index_length());
        for index in [&offset_index, &column_index].into_iter().flatten() {
            all = all.saturating_add(index.end - index.start);
            if index.end > footer_start {
                return false;
            }
        }
        let Some(index) = offset_index.filter(|index| index.start >= tail_start) else {
            continue;
        };
        let [start, end] = [index.start, index.end].map(|at| (at - tail_start) as usize);
        if !tail.get(start..end).is_some_and(thrift::is_offset_index) {
            return false;
        }
    }
    all <= len
}

fn without_page_indexes(metadata: ParquetMetaData) -> Result<ParquetMetaData> {
    let row_groups = metadata.row_groups().iter().map(|row_group| {
        let chunks = row_group.columns().iter();
        let chunks = chunks.map(|chunk| footer::moved(chunk, 0));
        let builder = row_group.clone().into_builder();
        builder
            .set_column_metadata(chunks.collect::<Result<_, _>>()?)
            .build()
    });
    let row_groups = row_groups.collect::<Result<_, ParquetError>>()?;
    Ok(metadata.into_builder().set_row_groups(row_groups).build())
}

/// The bytes of a page index; parquet-rs refuses what is none.
fn range(offset: Option<i64>, len: Option<i32>) -> Option<Range<u64>> {
    let start = u64::try_from(offset?).ok()?;
    Some(start..start.checked_add(u64::try_from(len?).ok()?)?)
}

/// Whether an apparently ordinary file is a packed one whose seal is lost. Each of the signs
/// stands in another part of the footer.
fn looks_packed(metadata: &ParquetMetaData) -> bool {
    let file = metadata.file_metadata();
    let created = file
        .created_by()
        .is_some_and(|by| by.starts_with(seal::CREATED_BY));
    let entry = file
        .key_value_metadata()
        .is_some_and(|entries| entries.iter().any(|e| e.key == seal::KEY));
    // Bare payloads: other writers compress binary columns, or keep statistics of them.
    let bare = metadata
        .row_groups()
        .iter()
        .flat_map(|row_group| row_group.columns())
        .any(|chunk| {
            let is_payload = |child: &str| [PAYLOAD_FIELD, LONG_PAYLOAD_FIELD].contains(&child);
            matches!(chunk.column_path().parts(), [_, .., child] if is_payload(child))
                && chunk.column_type() == Type::BYTE_ARRAY
                && chunk.compression() == Compression::UNCOMPRESSED
                && chunk.statistics().is_none()
        });
    created || entry || bare
}
