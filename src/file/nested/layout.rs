//! Nested columns in the virtual file: their packed leaves' pages, and where they are.

use std::collections::HashMap;

use parquet::basic::Type as PhysicalType;
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder};
use parquet::schema::types::SchemaDescriptor;

use super::page::{is_plausible, virtual_len};
use super::schema::is_same_leaf;
use super::{Leaf, Nested, leaves as leaves_of};
use crate::file::catalog::{Catalog, OtherChunk};
use crate::file::error::Result;
use crate::file::index::{Index, IndexColumn, IndexLeaf, NestedColumn, PackedLeaf};
use crate::file::layout::{Builder, Chunk, Unit, UnitKind, VirtualPage, contradiction};
use crate::file::{footer, page, statistics};

/// The leaves of each nested column, by position.
pub(in crate::file) fn leaves(index: &Index) -> HashMap<usize, Vec<Leaf>> {
    let columns = index.schema.fields().iter().zip(&index.columns);
    columns
        .enumerate()
        .filter(|(_, (_, column))| matches!(column, IndexColumn::Nested(_)))
        .filter_map(|(i, (field, _))| Some((i, leaves_of(field)?)))
        .collect()
}

/// Whether nested columns are in Parquet's metadata what the block index says: levels and types are
/// what pages are read by.
pub(in crate::file) fn check_leaves(
    catalog: &Catalog,
    index: &Index,
    schema: &SchemaDescriptor,
    leaves: &HashMap<usize, Vec<Leaf>>,
) -> Result<()> {
    if leaves.is_empty() {
        return Ok(());
    }
    let others = catalog.others.as_ref().ok_or_else(contradiction)?;
    let others = others.file_metadata().schema_descr();
    // Where the other columns are among all.
    let roots: Vec<usize> = (0..index.columns.len())
        .filter(|column| !index.is_packed(*column))
        .collect();
    let seen: Vec<usize> = (0..schema.num_columns())
        .filter(|leaf| !index.is_packed(schema.get_column_root_idx(*leaf)))
        .collect();
    if others.num_columns() != seen.len() {
        return Err(contradiction());
    }
    let mut nth: HashMap<usize, usize> = HashMap::new();
    for (i, leaf) in seen.into_iter().enumerate() {
        let root = schema.get_column_root_idx(leaf);
        let Some(leaves) = leaves.get(&root) else {
            continue;
        };
        let seen = schema.column(leaf);
        let at = nth.entry(root).or_default();
        let leaf = leaves.get(*at).ok_or_else(contradiction)?;
        *at += 1;
        let stored = others.column(i);
        let levels = (i16::from(leaf.max_def), i16::from(leaf.max_rep));
        let packed = leaf.element.is_some();
        if roots.get(others.get_column_root_idx(i)) != Some(&root)
            || !is_same_leaf(&stored, &seen, packed)
            || (packed && stored.physical_type() != PhysicalType::BYTE_ARRAY)
            || (packed && (seen.max_def_level(), seen.max_rep_level()) != levels)
        {
            return Err(contradiction());
        }
    }
    let complete = leaves
        .iter()
        .all(|(column, leaves)| nth.get(column) == Some(&leaves.len()));
    if complete {
        Ok(())
    } else {
        Err(contradiction())
    }
}

/// Which chunk is laid out.
#[derive(Clone, Copy)]
pub(in crate::file) struct Place {
    pub(in crate::file) row_group: usize,
    /// Among the top-level columns.
    pub(in crate::file) column: usize,
    /// Among the column's leaves.
    pub(in crate::file) nth: usize,
    /// Among all leaves.
    pub(in crate::file) leaf: usize,
}

impl Builder<'_> {
    pub(in crate::file) fn nested(
        &mut self,
        place: Place,
        column: &NestedColumn,
        rows: usize,
        chunk: OtherChunk<'_>,
    ) -> Result<Chunk> {
        match column.leaves.get(place.nth).ok_or_else(contradiction)? {
            IndexLeaf::Packed(leaf) => self.packed_leaf(place, leaf, rows, chunk.0),
            IndexLeaf::Ordinary(ordinary) => {
                self.ordinary(place.row_group, ordinary, 0, rows, chunk)
            }
        }
    }

    fn packed_leaf(
        &mut self,
        place: Place,
        packed: &PackedLeaf,
        rows: usize,
        chunk: &ColumnChunkMetaData,
    ) -> Result<Chunk> {
        let all = self.leaves.get(&place.column);
        let leaf = all.and_then(|leaves| leaves.get(place.nth));
        let leaf = leaf.ok_or_else(contradiction)?;
        let element = packed.column.element;
        let blocks = packed.column.row_groups.get(place.row_group);
        let shapes = packed.shapes.get(place.row_group);
        let (blocks, shapes) = blocks.zip(shapes).ok_or_else(contradiction)?;
        let (mut offset, len) = footer::byte_range(chunk)?;
        self.check_range(offset, len)?;
        let pages = || blocks.iter().zip(shapes);
        let stored: u64 = blocks.iter().map(|block| block.page_len as u64).sum();
        let all_rows: usize = shapes.iter().map(|shape| shape.rows).sum();
        let plausible = pages().all(|(block, shape)| is_plausible(leaf, shape, block));
        if stored != len || all_rows != rows || !plausible {
            return Err(contradiction());
        }
        let descriptor = self.schema.column(place.leaf);
        if descriptor.physical_type() != statistics::physical_type(element) {
            return Err(contradiction());
        }
        let start = self.position;
        let mut position = start;
        let mut offsets = OffsetIndexBuilder::new();
        for (block, shape) in pages() {
            let body_len = virtual_len(leaf, shape, block);
            let header_len = page::header(shape.levels, body_len).len();
            let range = position..position + (header_len + body_len) as u64;
            let page_len = i32::try_from(range.end - range.start).map_err(|_| contradiction())?;
            offsets.append_row_count(shape.rows as i64);
            offsets.append_offset_and_size(position as i64, page_len);
            position = range.end;
            self.units.push(Unit {
                range,
                kind: UnitKind::Virtual(VirtualPage {
                    column: place.column,
                    row_group: place.row_group,
                    block: *block,
                    rows: shape.rows,
                    offset,
                    nullable: descriptor.max_def_level() > 0,
                    header_len,
                    nested: Some(Nested {
                        leaf: place.nth,
                        shape: *shape,
                    }),
                }),
            });
            offset += block.page_len as u64;
        }
        self.position = position;
        let levels = || shapes.iter().map(|shape| shape.levels);
        let column_index = statistics::of_pages(element, blocks, levels())?;
        let metadata = footer::plain_chunk(descriptor, start, position - start, levels().sum())
            .set_statistics(statistics::of_chunk(element, blocks))
            .build()?;
        Ok(Chunk {
            metadata,
            column_index,
            offset_index: offsets.build(),
        })
    }
}

impl Leaf {
    /// What the leaves of a layout say of a page.
    pub(in crate::file) fn of_page<'a>(
        leaves: &'a HashMap<usize, Vec<Leaf>>,
        page: &VirtualPage,
        nested: &Nested,
    ) -> Option<&'a Leaf> {
        leaves.get(&page.column)?.get(nested.leaf)
    }
}
