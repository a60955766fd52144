//! The virtual file's layout: `[the physical bytes] ++ [virtual data pages] ++ [a new footer]`.
//!
//! The size of every virtual page is known from the block index, so all offsets are known without
//! decoding anything. No I/O happens here.

use std::collections::{BTreeSet, HashMap};
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
    /// Where the virtual pages end and the new footer starts.
    pub(super) pages_end: u64,
    footer: OnceLock<Bytes>,
    row_order: Option<RowOrderRecord>,
    row_id: Option<String>,
}

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
        physical: &ParquetMetaData,
        index: Index,
        physical_len: u64,
        data_end: u64,
    ) -> Result<Self> {
        let schema = virtual_schema(physical, &index)?;
        let entries = physical.file_metadata().key_value_metadata();
        let row_order = RowOrderRecord::find(entries);
        let sorting = row_order
            .as_ref()
            .and_then(|order| order.sorting_columns(|column| footer::single_leaf(&schema, column)));
        check_overlap(physical)?;
        let leaves = leaves(&index);
        check_leaves(physical, &schema, &leaves)?;
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
        for (i, row_group) in physical.row_groups().iter().enumerate() {
            let page_statistics = physical.column_index().and_then(|index| index.get(i));
            let chunks =
                builder.row_group(i, row_group, page_statistics.map_or(&[], |index| index))?;
            let offsets = row_group
                .columns()
                .iter()
                .map(|chunk| Ok(footer::byte_range(chunk)?.0));
            row_group_offsets.push(
                offsets
                    .collect::<Result<Vec<_>>>()?
                    .into_iter()
                    .min()
                    .unwrap_or(0),
            );
            let (columns, (columns_pages, offsets)): (Vec<_>, (Vec<_>, Vec<_>)) = chunks
                .into_iter()
                .map(|chunk| (chunk.metadata, (chunk.column_index, chunk.offset_index)))
                .unzip();
            row_groups.push(
                RowGroupMetaData::builder(Arc::clone(&schema))
                    .set_num_rows(row_group.num_rows())
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

    /// Bytes of the virtual file.
    ///
    /// # Errors
    /// [`FileError::Parquet`] when the virtual footer cannot be written.
    #[expect(clippy::len_without_is_empty, reason = "a Parquet file is never empty")]
    pub fn len(&self) -> Result<u64> {
        Ok(self.pages_end + self.footer()?.len() as u64)
    }

    /// The virtual footer, page indexes included. Made when first asked for: readers that take
    /// [`metadata`](Self::metadata) never need it.
    pub(super) fn footer(&self) -> Result<Bytes> {
        if let Some(footer) = self.footer.get() {
            return Ok(footer.clone());
        }
        let footer = Bytes::from(footer::serialize((*self.metadata).clone(), self.pages_end)?);
        Ok(self.footer.get_or_init(|| footer).clone())
    }
}

/// No two column chunks may share bytes.
fn check_overlap(physical: &ParquetMetaData) -> Result<()> {
    let chunks = physical
        .row_groups()
        .iter()
        .flat_map(RowGroupMetaData::columns);
    let mut ranges = chunks.map(footer::byte_range).collect::<Result<Vec<_>>>()?;
    ranges.sort_unstable();
    let overlap = |pair: &[(u64, u64)]| pair[0].0.saturating_add(pair[0].1) > pair[1].0;
    if ranges.windows(2).any(overlap) {
        return Err(FileError::corrupt("column chunks overlap"));
    }
    Ok(())
}

/// The schema that readers see: packed fields as parquet-rs would write them, REQUIRED where the
/// file holds no null, which spares readers the levels.
fn virtual_schema(physical: &ParquetMetaData, index: &Index) -> Result<SchemaDescPtr> {
    let physical = physical.file_metadata().schema_descr();
    let physical_fields = physical.root_schema().get_fields();
    if physical_fields.len() != index.columns.len() {
        return Err(FileError::corrupt(
            "footer and block index differ in columns",
        ));
    }
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
    Ok(footer::with_fields(&packed, |i, field| {
        let ordinary = matches!(index.columns[i], IndexColumn::Ordinary(_));
        Ok(Arc::clone(if ordinary {
            &physical_fields[i]
        } else {
            field
        }))
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
    fn row_group(
        &mut self,
        i: usize,
        physical: &RowGroupMetaData,
        page_statistics: &[ColumnIndexMetaData],
    ) -> Result<Vec<Chunk>> {
        let rows = usize::try_from(physical.num_rows()).map_err(|_| contradiction())?;
        let schema = Arc::clone(&self.schema);
        let mut leaf = 0;
        let mut chunks = Vec::with_capacity(schema.num_columns());
        for (c, column) in self.index.columns.iter().enumerate() {
            let leaves = (leaf..schema.num_columns())
                .take_while(|leaf| schema.get_column_root_idx(*leaf) == c);
            let leaves: BTreeSet<usize> = leaves.collect();
            for (nth, leaf) in leaves.iter().enumerate() {
                let chunk = physical.columns().get(*leaf).ok_or_else(contradiction)?;
                chunks.push(match column {
                    IndexColumn::Packed(packed) => self.packed(i, c, packed, *leaf, rows, chunk)?,
                    IndexColumn::Nested(nested) => {
                        let place = Place {
                            row_group: i,
                            column: c,
                            nth,
                            leaf: *leaf,
                        };
                        self.nested(place, nested, rows, chunk, page_statistics)?
                    }
                    IndexColumn::Ordinary(ordinary) => {
                        let statistics = page_statistics
                            .get(*leaf)
                            .cloned()
                            .unwrap_or(ColumnIndexMetaData::NONE);
                        self.ordinary(i, ordinary, nth, rows, chunk, statistics)?
                    }
                });
            }
            leaf += leaves.len();
        }
        Ok(chunks)
    }

    fn packed(
        &mut self,
        row_group: usize,
        column: usize,
        packed: &PackedColumn,
        leaf: usize,
        rows: usize,
        chunk: &ColumnChunkMetaData,
    ) -> Result<Chunk> {
        let blocks = packed.row_groups.get(row_group).ok_or_else(contradiction)?;
        let (mut offset, len) = footer::byte_range(chunk)?;
        self.check_range(offset, len)?;
        if blocks
            .iter()
            .map(|block| block.page_len as u64)
            .sum::<u64>()
            != len
        {
            return Err(contradiction());
        }
        let descriptor = self.schema.column(leaf);
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
                column,
                row_group,
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
        chunk: &ColumnChunkMetaData,
        column_index: ColumnIndexMetaData,
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
        // The page index lies in the physical tail, which the virtual file does not point to.
        let metadata = footer::moved(chunk, 0)?;
        Ok(Chunk {
            metadata,
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
