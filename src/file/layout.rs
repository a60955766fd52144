//! The virtual file's layout: `[the physical bytes] ++ [virtual data pages] ++ [a new footer]`.
//!
//! The size of every virtual page is known from the block index, so all offsets are known without
//! decoding anything. No I/O happens here.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::file::metadata::{
    ColumnChunkMetaData, KeyValue, OffsetIndexBuilder, ParquetMetaData, RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::schema::types::SchemaDescPtr;

use super::catalog::{Catalog, ChunkRange, OtherChunk};
use super::error::{FileError, Result};
use super::index::{Block, Index, IndexColumn, OrdinaryColumn, PackedColumn, block_lengths};
use super::nested::layout::{Place, check_leaves, leaves};
use super::nested::{Leaf, Nested};
use super::order::RowOrderRecord;
use super::references::References;
use super::{footer, levels, page, row_id, statistics};

/// All that is known of a packed file once its tail has been read: what it holds, and how it looks
/// as an ordinary Parquet file. Without any handle to the file; share it by `Arc`.
#[derive(Debug)]
pub struct Layout {
    pub(super) index: Index,
    pub(super) physical_len: u64,
    metadata: Arc<ParquetMetaData>,
    /// What virtual reads resolve to, by virtual offset. Gaps are physical bytes as they are.
    pub(super) units: Vec<Unit>,
    pub(super) references: References,
    /// The leaves of each nested column, by position.
    pub(super) leaves: HashMap<usize, Vec<Leaf>>,
    row_group_offsets: Vec<u64>,
    /// Where the virtual pages end.
    pub(super) pages_end: u64,
    footer: OnceLock<Bytes>,
    row_order: Option<RowOrderRecord>,
    row_id: Option<String>,
}

/// Zeros between virtual pages and footer: readers first take a file's last 64 KiB, for its footer may
/// be there, and are not to have pages decoded by that.
pub(super) static ROOM: [u8; 64 << 10] = [0; 64 << 10];
/// Bytes of virtual pages that are worth it.
const MANY_PAGES: u64 = 1 << 20;

/// A part of the virtual file that is read, and verified, as one.
#[derive(Debug)]
pub(super) struct Unit {
    /// In the virtual file.
    pub(super) range: Range<u64>,
    pub(super) kind: UnitKind,
}

#[derive(Debug)]
pub(super) enum UnitKind {
    /// A page of an ordinary column, and its checksum.
    Ordinary(u32),
    Virtual(VirtualPage),
}

/// A page that is decoded when it is read.
#[derive(Debug, Clone)]
pub(super) struct VirtualPage {
    pub(super) column: usize,
    pub(super) row_group: usize,
    pub(super) block: Block,
    pub(super) rows: usize,
    /// Where the physical page is.
    pub(super) offset: u64,
    /// The virtual page carries definition levels.
    pub(super) nullable: bool,
    pub(super) header_len: usize,
    /// Of a leaf of a nested column.
    pub(super) nested: Option<Nested>,
}

impl Layout {
    /// Lays out a file of `physical_len` bytes whose data ends at `data_end`.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] where footer and index contradict one another.
    pub(super) fn new(
        catalog: &Catalog,
        index: Index,
        physical_len: u64,
        data_end: u64,
    ) -> Result<Self> {
        let schema = virtual_schema(catalog, &index)?;
        let entries = Some(&catalog.entries);
        let row_order = RowOrderRecord::find(entries);
        let sorting = row_order
            .as_ref()
            .and_then(|order| order.sorting_columns(|column| footer::single_leaf(&schema, column)));
        check_overlap(catalog)?;
        let leaves = leaves(&index);
        check_leaves(catalog, &index, &schema, &leaves)?;
        let mut builder = Builder {
            index: &index,
            leaves: &leaves,
            data_end,
            position: physical_len,
            units: Vec::new(),
            schema: Arc::clone(&schema),
        };
        let mut row_groups = Vec::new();
        let mut column_index = Vec::new();
        let mut offset_index = Vec::new();
        let mut row_group_offsets = Vec::new();
        for (i, rows) in catalog.rows.iter().enumerate() {
            let chunks = builder.row_group(i, catalog)?;
            let starts = catalog.chunks(i)?.into_iter().map(|(start, _)| start);
            row_group_offsets.push(starts.min().unwrap_or(0));
            let (columns, (columns_pages, offsets)): (Vec<_>, (Vec<_>, Vec<_>)) = chunks
                .into_iter()
                .map(|chunk| (chunk.metadata, (chunk.column_index, chunk.offset_index)))
                .unzip();
            row_groups.push(
                RowGroupMetaData::builder(Arc::clone(&schema))
                    .set_num_rows(*rows as i64)
                    .set_total_byte_size(
                        columns.iter().map(|chunk| chunk.uncompressed_size()).sum(),
                    )
                    .set_column_metadata(columns)
                    .set_sorting_columns(sorting.clone())
                    .build()?,
            );
            column_index.push(columns_pages);
            offset_index.push(offsets);
        }
        let Builder {
            mut units,
            position: pages_end,
            ..
        } = builder;
        units.sort_by_key(|unit| unit.range.start);
        if units
            .windows(2)
            .any(|pair| pair[0].range.end > pair[1].range.start)
        {
            return Err(FileError::corrupt("pages overlap"));
        }
        let references = References::new(&units, &index, row_groups.len())?;
        // With one page a chunk, page indexes say nothing that the footer does not.
        let paged = offset_index
            .iter()
            .flatten()
            .any(|index: &OffsetIndexMetaData| index.page_locations().len() > 1);
        let arrow_schema = KeyValue::new(
            ARROW_SCHEMA_META_KEY.to_owned(),
            encode_arrow_schema(&index.schema),
        );
        // Not that of packed files, by which a damaged one is told.
        let created_by = format!("tolerant-virtual version {}", env!("CARGO_PKG_VERSION"));
        let metadata = footer::metadata(
            schema,
            created_by,
            vec![arrow_schema],
            row_groups,
            paged.then_some(column_index),
            paged.then_some(offset_index),
        );
        Ok(Self {
            index,
            physical_len,
            metadata: Arc::new(metadata),
            units,
            references,
            leaves,
            row_group_offsets,
            pages_end,
            footer: OnceLock::new(),
            row_order,
            row_id: row_id::find(entries),
        })
    }

    /// The virtual file's metadata: packed columns as plain numbers, with statistics and page
    /// indexes of the reconstructed values.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// The schema as the user wrote it.
    pub fn schema(&self) -> &SchemaRef {
        &self.index.schema
    }

    /// Bounds, ranges, blocks and checksums.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// How the rows were ordered; None if they are in the order that they came in.
    pub fn row_order(&self) -> Option<&RowOrderRecord> {
        self.row_order.as_ref()
    }

    /// The column that holds each row's position in the original, if there is one.
    pub fn row_id(&self) -> Option<&str> {
        self.row_id.as_deref()
    }

    pub fn num_rows(&self) -> u64 {
        self.metadata.file_metadata().num_rows() as u64
    }

    /// Bytes of the packed file.
    pub fn physical_len(&self) -> u64 {
        self.physical_len
    }

    /// The packed file's first byte of a row group: what a byte-range split of the packed file is
    /// to be judged by. None if there is no such row group.
    pub fn physical_offset_of_row_group(&self, i: usize) -> Option<u64> {
        self.row_group_offsets.get(i).copied()
    }

    /// The row group whose part of the packed file a position in that is in.
    pub(super) fn row_group_of_physical(&self, position: u64) -> Option<usize> {
        let after = self
            .row_group_offsets
            .partition_point(|start| *start <= position);
        after.checked_sub(1)
    }

    /// Bytes of the virtual file.
    ///
    /// # Errors
    /// [`FileError::Parquet`] when the virtual footer cannot be written.
    #[expect(clippy::len_without_is_empty, reason = "a Parquet file is never empty")]
    pub fn len(&self) -> Result<u64> {
        Ok(self.footer_start() + self.footer()?.len() as u64)
    }

    /// Where the virtual footer starts: after the pages, and [`ROOM`] where they are many.
    pub(super) fn footer_start(&self) -> u64 {
        match self.pages_end - self.physical_len {
            MANY_PAGES.. => self.pages_end + ROOM.len() as u64,
            _ => self.pages_end,
        }
    }

    /// The virtual footer, page indexes included. Made when first asked for: readers that take
    /// [`metadata`](Self::metadata) never need it.
    pub(super) fn footer(&self) -> Result<Bytes> {
        if let Some(footer) = self.footer.get() {
            return Ok(footer.clone());
        }
        let footer = footer::serialize((*self.metadata).clone(), self.footer_start())?;
        Ok(self.footer.get_or_init(|| Bytes::from(footer)).clone())
    }
}

/// No two column chunks may share bytes.
fn check_overlap(catalog: &Catalog) -> Result<()> {
    let chunks = (0..catalog.rows.len()).map(|i| catalog.chunks(i));
    let mut ranges = chunks.collect::<Result<Vec<_>>>()?.concat();
    ranges.sort_unstable();
    let overlap = |pair: &[ChunkRange]| pair[0].0.saturating_add(pair[0].1) > pair[1].0;
    if ranges.windows(2).any(overlap) {
        return Err(FileError::corrupt("column chunks overlap"));
    }
    Ok(())
}

/// The schema that readers see: packed fields as parquet-rs would write them, REQUIRED where the
/// file holds no null, which spares readers the levels.
fn virtual_schema(catalog: &Catalog, index: &Index) -> Result<SchemaDescPtr> {
    let fields =
        index
            .schema
            .fields()
            .iter()
            .zip(&index.columns)
            .map(|(field, column)| match column {
                IndexColumn::Packed(packed) => {
                    Field::new(field.name(), field.data_type().clone(), packed.nulls() > 0)
                }
                IndexColumn::Nested(_) => field.as_ref().clone(),
                // Replaced below.
                IndexColumn::Ordinary(_) => {
                    Field::new(field.name(), arrow::datatypes::DataType::Int32, true)
                }
            });
    let packed = ArrowSchemaConverter::new().convert(&Schema::new(fields.collect::<Vec<_>>()))?;
    // As many as there are columns of theirs: see `Catalog`.
    let mut others = catalog.other_fields().iter();
    Ok(footer::with_fields(&packed, |i, field| {
        let stored = match index.columns[i] {
            IndexColumn::Packed(_) => None,
            IndexColumn::Nested(_) => others.next().and(None),
            IndexColumn::Ordinary(_) => others.next(),
        };
        Ok(Arc::clone(stored.unwrap_or(field)))
    })?)
}

/// One column chunk of the virtual file.
pub(super) struct Chunk {
    pub(super) metadata: ColumnChunkMetaData,
    pub(super) column_index: ColumnIndexMetaData,
    pub(super) offset_index: OffsetIndexMetaData,
}

pub(super) struct Builder<'a> {
    index: &'a Index,
    pub(super) leaves: &'a HashMap<usize, Vec<Leaf>>,
    data_end: u64,
    /// The next free offset of the virtual file.
    pub(super) position: u64,
    pub(super) units: Vec<Unit>,
    pub(super) schema: SchemaDescPtr,
}

impl Builder<'_> {
    fn row_group(&mut self, i: usize, catalog: &Catalog) -> Result<Vec<Chunk>> {
        let rows = catalog.rows[i];
        let mut packed_chunks = catalog.packed[i].iter();
        let mut others = catalog.others(i);
        let schema = Arc::clone(&self.schema);
        let mut chunks = Vec::with_capacity(schema.num_columns());
        // Of the column.
        let mut nth = 0;
        for leaf in 0..schema.num_columns() {
            let c = schema.get_column_root_idx(leaf);
            let first = leaf == 0 || schema.get_column_root_idx(leaf - 1) != c;
            nth = if first { 0 } else { nth + 1 };
            let place = Place {
                row_group: i,
                column: c,
                nth,
                leaf,
            };
            let column = self.index.columns.get(c).ok_or_else(contradiction)?;
            let mut other = || others.next().ok_or_else(contradiction);
            chunks.push(match column {
                IndexColumn::Packed(packed) => {
                    let range = packed_chunks.next().ok_or_else(contradiction)?;
                    self.packed(place, packed, rows, *range)?
                }
                IndexColumn::Nested(nested) => self.nested(place, nested, rows, other()?)?,
                IndexColumn::Ordinary(ordinary) => {
                    self.ordinary(i, ordinary, nth, rows, other()?)?
                }
            });
        }
        match (packed_chunks.next(), others.next()) {
            (None, None) => Ok(chunks),
            _ => Err(contradiction()),
        }
    }

    fn packed(
        &mut self,
        place: Place,
        packed: &PackedColumn,
        rows: usize,
        (mut offset, len): ChunkRange,
    ) -> Result<Chunk> {
        let blocks = packed.row_groups.get(place.row_group);
        let blocks = blocks.ok_or_else(contradiction)?;
        self.check_range(offset, len)?;
        if blocks
            .iter()
            .map(|block| block.page_len as u64)
            .sum::<u64>()
            != len
        {
            return Err(contradiction());
        }
        let descriptor = self.schema.column(place.leaf);
        if descriptor.physical_type() != statistics::physical_type(packed.element) {
            return Err(contradiction());
        }
        let nullable = descriptor.max_def_level() > 0;
        let start = self.position;
        let mut offsets = OffsetIndexBuilder::new();
        let lengths = || block_lengths(rows, self.index.block_rows);
        let mut position = self.position;
        let mut units = Vec::with_capacity(blocks.len());
        for (block, rows) in blocks.iter().zip(lengths()) {
            let values = rows.checked_sub(block.nulls).ok_or_else(contradiction)?;
            let levels_len = if nullable {
                levels::virtual_len(rows)
            } else {
                0
            };
            let body_len = levels_len + values * packed.element.width();
            if block.payload_len > block.page_len || (values == 0) != (block.payload_len == 0) {
                return Err(contradiction());
            }
            let header_len = page::header(rows, body_len).len();
            let range = position..position + (header_len + body_len) as u64;
            let page_len = i32::try_from(range.end - range.start).map_err(|_| contradiction())?;
            offsets.append_row_count(rows as i64);
            offsets.append_offset_and_size(position as i64, page_len);
            position = range.end;
            let page = VirtualPage {
                column: place.column,
                row_group: place.row_group,
                block: *block,
                rows,
                offset,
                nullable,
                header_len,
                nested: None,
            };
            units.push(Unit {
                range,
                kind: UnitKind::Virtual(page),
            });
            offset += block.page_len as u64;
        }
        let column_index = statistics::of_pages(packed.element, blocks, lengths())?;
        self.units.append(&mut units);
        self.position = position;
        let metadata = footer::plain_chunk(descriptor, start, position - start, rows)
            .set_statistics(statistics::of_chunk(packed.element, blocks))
            .build()?;
        Ok(Chunk {
            metadata,
            column_index,
            offset_index: offsets.build(),
        })
    }

    pub(super) fn ordinary(
        &mut self,
        row_group: usize,
        ordinary: &OrdinaryColumn,
        leaf: usize,
        rows: usize,
        (chunk, column_index): OtherChunk<'_>,
    ) -> Result<Chunk> {
        let pages = ordinary
            .row_groups
            .get(row_group)
            .and_then(|leaves| leaves.get(leaf))
            .ok_or_else(contradiction)?;
        let (mut offset, len) = footer::byte_range(chunk)?;
        self.check_range(offset, len)?;
        let counted: u64 = pages.iter().map(|page| page.len as u64).sum();
        if counted != len || pages.iter().map(|page| page.rows).sum::<usize>() != rows {
            return Err(contradiction());
        }
        let mut offsets = OffsetIndexBuilder::new();
        for (i, page) in pages.iter().enumerate() {
            let range = offset..offset + page.len as u64;
            let is_dictionary = i == 0 && chunk.dictionary_page_offset().is_some();
            if !is_dictionary {
                offsets.append_row_count(page.rows as i64);
                offsets.append_offset_and_size(
                    offset as i64,
                    i32::try_from(page.len).map_err(|_| contradiction())?,
                );
            }
            offset = range.end;
            self.units.push(Unit {
                range,
                kind: UnitKind::Ordinary(page.checksum),
            });
        }
        Ok(Chunk {
            metadata: chunk.clone(),
            column_index,
            offset_index: offsets.build(),
        })
    }

    pub(super) fn check_range(&self, offset: u64, len: u64) -> Result<()> {
        let starts_after_magic = offset >= footer::MAGIC.len() as u64;
        if starts_after_magic
            && offset
                .checked_add(len)
                .is_some_and(|end| end <= self.data_end)
        {
            Ok(())
        } else {
            Err(FileError::corrupt("a column chunk lies outside the data"))
        }
    }
}

pub(super) fn contradiction() -> FileError {
    FileError::corrupt("footer and block index contradict one another")
}
