//! What it takes to open a packed file beside the columns' own part of the block index: the rows of
//! row groups, where chunks are, and Parquet's metadata of all columns but flat packed ones.
//!
//! Before version 5 the footer tells it. Since then the index does, and the footer, which grows by
//! some 55 bytes a column, is there for other programs: opening leaves it unread, `verify` compares
//! the two.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Repetition;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, PageIndexPolicy, ParquetColumnIndex,
    ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use super::error::{FileError, Result};
use super::footer::{self, FOOTER_END, MAGIC};
use super::index::{Index, IndexColumn};
use super::layout::contradiction;
use super::{open, seal, thrift};

/// The first format version whose index holds it.
pub(super) const FIRST_VERSION: u8 = 5;

/// Offset and length of a chunk.
pub(super) type ChunkRange = (u64, u64);

/// A chunk of another column than a flat packed one, and the statistics of its pages.
pub(super) type OtherChunk<'a> = (&'a ColumnChunkMetaData, ColumnIndexMetaData);

/// Parquet's metadata of other columns, if there are any, and the bytes of its column indexes.
pub(super) type Others = (Option<ParquetMetaData>, u64);

#[derive(Debug)]
pub(super) struct Catalog {
    /// Of each row group.
    pub(super) rows: Vec<usize>,
    /// The footer's entries but for the seal.
    pub(super) entries: Vec<KeyValue>,
    /// Parquet's metadata of all columns but flat packed ones; None where there are no others.
    pub(super) others: Option<ParquetMetaData>,
    /// For each row group the chunks of flat packed columns.
    pub(super) packed: Vec<Vec<ChunkRange>>,
    /// Bytes of the column indexes between block index and footer; not known of a footer.
    pub(super) page_indexes_len: u64,
}

impl Catalog {
    /// What the footer of a file says.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] where the index has other columns.
    pub(super) fn of_footer(physical: &ParquetMetaData, index: &Index) -> Result<Self> {
        let schema = physical.file_metadata().schema_descr();
        if schema.root_schema().get_fields().len() != index.columns.len() {
            return Err(FileError::corrupt(
                "footer and block index differ in columns",
            ));
        }
        let flat: Vec<usize> = (0..schema.num_columns())
            .filter(|leaf| index.is_packed(schema.get_column_root_idx(*leaf)))
            .collect();
        let packed = physical.row_groups().iter().map(|row_group| {
            let chunks = flat.iter().map(|leaf| row_group.columns().get(*leaf));
            chunks
                .map(|chunk| footer::byte_range(chunk.ok_or_else(contradiction)?))
                .collect()
        });
        Ok(Self {
            rows: rows_of(physical)?,
            entries: entries_of(physical),
            others: others_of(physical, index)?,
            packed: packed.collect::<Result<_>>()?,
            page_indexes_len: 0,
        })
    }

    /// What an index says: all chunks stand one behind the other up to `data_end`, so that the
    /// lengths of their pages tell where they are.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] where they do not.
    pub(super) fn of_index(
        rows: Vec<usize>,
        entries: Vec<KeyValue>,
        (others, page_indexes_len): Others,
        index: &Index,
        data_end: u64,
    ) -> Result<Self> {
        check_others(others.as_ref(), index, &rows)?;
        let mut position = MAGIC.len() as u64;
        let mut packed = Vec::with_capacity(rows.len());
        for i in 0..rows.len() {
            let row_group = others.as_ref().map(|others| others.row_group(i));
            let chunks = row_group.map_or(&[][..], RowGroupMetaData::columns);
            packed.push(placed(index, i, chunks, &mut position)?);
        }
        if position != data_end {
            return Err(FileError::corrupt(
                "the column chunks do not end where the block index starts",
            ));
        }
        Ok(Self {
            rows,
            entries,
            others,
            packed,
            page_indexes_len,
        })
    }

    /// The top-level fields of other columns, as Parquet stores them.
    pub(super) fn other_fields(&self) -> &[TypePtr] {
        let schema = self.others.as_ref().map(|others| others.file_metadata());
        schema.map_or(&[], |file| file.schema_descr().root_schema().get_fields())
    }

    /// The chunks of other columns in row group `i`.
    pub(super) fn others(&self, i: usize) -> impl Iterator<Item = OtherChunk<'_>> {
        let others = self.others.as_ref();
        let chunks = others.and_then(|others| others.row_groups().get(i));
        let indexes = others.and_then(|others| others.column_index()?.get(i));
        let chunks = chunks.map_or(&[][..], RowGroupMetaData::columns).iter();
        chunks.enumerate().map(move |(leaf, chunk)| {
            let index = indexes.and_then(|indexes| indexes.get(leaf).cloned());
            (chunk, index.unwrap_or(ColumnIndexMetaData::NONE))
        })
    }

    /// All chunks of row group `i`, in no order.
    pub(super) fn chunks(&self, i: usize) -> Result<Vec<ChunkRange>> {
        let packed = self.packed.get(i).into_iter().flatten().copied().map(Ok);
        let others = self.others(i).map(|(chunk, _)| footer::byte_range(chunk));
        packed.chain(others).collect()
    }

    /// Whether the footer shows other programs the very table that the index tells of.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] where it does not.
    pub(super) fn check_footer(&self, physical: &ParquetMetaData, index: &Index) -> Result<()> {
        let seen = Self::of_footer(physical, index)?;
        let schema = physical.file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields().iter();
        let mut same = seen.rows == self.rows
            && seen.entries == self.entries
            && seen.packed == self.packed
            && seen.others == self.others;
        for ((i, shown), field) in fields.enumerate().zip(index.schema.fields()) {
            same &= shown.name() == field.name();
            if index.is_packed(i) {
                let repetition = match field.is_nullable() {
                    true => Repetition::OPTIONAL,
                    false => Repetition::REQUIRED,
                };
                same &= shown.get_basic_info().repetition() == repetition;
                same &= *shown == footer::payload_group(shown)?;
            }
        }
        for (row_group, rows) in physical.row_groups().iter().zip(&self.rows) {
            let chunks = row_group.columns().iter().enumerate();
            for (leaf, chunk) in chunks {
                if index.is_packed(schema.get_column_root_idx(leaf)) {
                    let (start, len) = footer::byte_range(chunk)?;
                    let plain = footer::plain_chunk(schema.column(leaf), start, len, *rows);
                    same &= *chunk == plain.build()?;
                }
            }
        }
        if same { Ok(()) } else { Err(contradiction()) }
    }
}

/// Where the chunks of flat packed columns of row group `i` are, of which the first chunk starts at
/// `position`; `others` are those of all other columns.
fn placed(
    index: &Index,
    i: usize,
    others: &[ColumnChunkMetaData],
    position: &mut u64,
) -> Result<Vec<ChunkRange>> {
    let mut others = others.iter();
    let mut packed = Vec::new();
    for column in &index.columns {
        let leaves = match column {
            IndexColumn::Packed(column) => {
                let blocks = column.row_groups.get(i).ok_or_else(contradiction)?;
                let lens = blocks.iter().map(|block| block.page_len as u64);
                let len = lens.fold(0, u64::saturating_add);
                packed.push((*position, len));
                *position = position.saturating_add(len);
                continue;
            }
            IndexColumn::Ordinary(column) => column.row_groups.get(i).map_or(0, Vec::len),
            IndexColumn::Nested(column) => column.leaves.len(),
        };
        for _ in 0..leaves {
            let chunk = others.next().ok_or_else(contradiction)?;
            let (start, len) = footer::byte_range(chunk)?;
            if start != *position {
                return Err(FileError::corrupt("gaps between column chunks"));
            }
            *position = position.saturating_add(len);
        }
    }
    match others.next() {
        None => Ok(packed),
        Some(_) => Err(contradiction()),
    }
}

/// Whether the metadata of other columns is of those that the index has, and of these row groups.
fn check_others(others: Option<&ParquetMetaData>, index: &Index, rows: &[usize]) -> Result<()> {
    let fields = others.map(|others| {
        let root = others.file_metadata().schema_descr().root_schema();
        root.get_fields().iter().map(|field| field.name())
    });
    let columns = index.schema.fields().iter().enumerate();
    let columns = columns.filter(|(i, _)| !index.is_packed(*i));
    let names = columns.map(|(_, field)| field.name().as_str());
    let same = fields.into_iter().flatten().eq(names);
    let same_rows = match others {
        Some(others) => rows_of(others)? == rows,
        None => true,
    };
    if same && same_rows {
        Ok(())
    } else {
        Err(FileError::corrupt(
            "the block index contradicts itself in columns or rows",
        ))
    }
}

/// The rows of each row group.
///
/// # Errors
/// [`FileError::Corrupt`] for a negative number, and for more rows than can be counted.
pub(super) fn rows_of(metadata: &ParquetMetaData) -> Result<Vec<usize>> {
    let rows = metadata
        .row_groups()
        .iter()
        .map(|row_group| usize::try_from(row_group.num_rows()))
        .collect::<Result<Vec<usize>, _>>()
        .map_err(|_| FileError::corrupt("a row group of a negative number of rows"))?;
    check_rows(&rows)?;
    Ok(rows)
}

/// Whether so many row groups of so many rows can be counted.
pub(super) fn check_rows(rows: &[usize]) -> Result<()> {
    let all = rows
        .iter()
        .try_fold(0usize, |sum, rows| sum.checked_add(*rows));
    if all.is_none_or(|all| i64::try_from(all).is_err()) {
        return Err(FileError::corrupt("more rows than can be counted"));
    }
    if rows.len() as u64 > thrift::MAX_ROW_GROUPS {
        return Err(FileError::corrupt("more row groups than there can be"));
    }
    Ok(())
}

/// The entries of a footer but for the seal.
pub(super) fn entries_of(physical: &ParquetMetaData) -> Vec<KeyValue> {
    let entries = physical.file_metadata().key_value_metadata();
    let entries = entries.into_iter().flatten();
    entries
        .filter(|entry| entry.key != seal::KEY)
        .cloned()
        .collect()
}

/// `physical` with the columns of these positions alone; None where there are none. It does not say
/// where its page indexes are.
fn with_columns(
    physical: &ParquetMetaData,
    kept: impl Fn(usize) -> bool,
) -> Result<Option<ParquetMetaData>> {
    let schema = physical.file_metadata().schema_descr();
    let root = schema.root_schema();
    let fields = root.get_fields().iter().enumerate();
    let fields = fields.filter(|(i, _)| kept(*i));
    let fields: Vec<_> = fields.map(|(_, field)| Arc::clone(field)).collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let leaves: Vec<usize> = (0..schema.num_columns())
        .filter(|leaf| kept(schema.get_column_root_idx(*leaf)))
        .collect();
    let root = Type::group_type_builder(root.name()).with_fields(fields);
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(root.build()?)));
    let row_groups = physical.row_groups().iter().map(|row_group| {
        let chunks = leaves.iter().map(|leaf| {
            let chunk = row_group.columns().get(*leaf).ok_or_else(contradiction)?;
            Ok(footer::moved(chunk, 0)?)
        });
        let chunks = chunks.collect::<Result<Vec<_>>>()?;
        Ok(RowGroupMetaData::builder(Arc::clone(&schema))
            .set_num_rows(row_group.num_rows())
            .set_total_byte_size(chunks.iter().map(|chunk| chunk.uncompressed_size()).sum())
            .set_column_metadata(chunks)
            .build()?)
    });
    let row_groups = row_groups.collect::<Result<Vec<_>>>()?;
    let rows = row_groups.iter().map(RowGroupMetaData::num_rows).sum();
    let file = FileMetaData::new(1, rows, None, None, Arc::clone(&schema), None);
    let metadata = ParquetMetaDataBuilder::new(file)
        .set_row_groups(row_groups)
        .set_column_index(page_statistics(physical, &leaves))
        .build();
    Ok(Some(metadata))
}

/// `physical` without flat packed columns; None where nothing is left.
pub(super) fn others_of(
    physical: &ParquetMetaData,
    index: &Index,
) -> Result<Option<ParquetMetaData>> {
    with_columns(physical, |column| !index.is_packed(column))
}

/// The column indexes of these leaves; None where none of them has one.
fn page_statistics(physical: &ParquetMetaData, leaves: &[usize]) -> Option<ParquetColumnIndex> {
    let of_leaf = |indexes: &Vec<ColumnIndexMetaData>, leaf: &usize| {
        let index = indexes.get(*leaf).cloned();
        index.unwrap_or(ColumnIndexMetaData::NONE)
    };
    let row_groups = physical.column_index()?.iter();
    let row_groups: ParquetColumnIndex = row_groups
        .map(|indexes| leaves.iter().map(|leaf| of_leaf(indexes, leaf)).collect())
        .collect();
    let mut all = row_groups.iter().flatten();
    all.any(|index| !matches!(index, ColumnIndexMetaData::NONE))
        .then_some(row_groups)
}

/// What [`others_of`] gave, from the bytes that parquet-rs wrote of it. Page indexes count from their
/// start.
pub(super) fn parse_others(bytes: &[u8]) -> Result<Others> {
    if bytes.is_empty() {
        return Ok((None, 0));
    }
    let len = bytes.len() as u64;
    let footer = footer::footer_of(bytes);
    let page_indexes_len = len.saturating_sub((footer.len() + FOOTER_END) as u64);
    let metadata = parsed(&Bytes::copy_from_slice(bytes), footer, len)?;
    Ok((with_columns(&metadata, |_| true)?, page_indexes_len))
}

/// What `tail`, the end of a file of `len` bytes, says with this footer, column indexes included.
///
/// # Errors
/// [`FileError::Corrupt`] for what parquet-rs must not be given.
pub(super) fn parsed(tail: &Bytes, footer: &[u8], len: u64) -> Result<ParquetMetaData> {
    thrift::check_footer(footer)?;
    let metadata = ParquetMetaDataReader::decode_metadata(footer)?;
    let footer_start = len.saturating_sub((footer.len() + FOOTER_END) as u64);
    if !open::has_sound_page_indexes(&metadata, len, tail, footer_start) {
        return Err(FileError::corrupt("page indexes that make no sense"));
    }
    let mut reader = ParquetMetaDataReader::new_with_metadata(metadata)
        .with_column_index_policy(PageIndexPolicy::Optional)
        .with_offset_index_policy(PageIndexPolicy::Skip);
    reader.read_page_indexes_sized(tail, len)?;
    Ok(reader.finish()?)
}
