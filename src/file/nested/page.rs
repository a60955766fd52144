//! Pages of packed leaves: levels and payload to a physical page, and from there to a virtual one.

use crate::codec::{decode_vector, unzstd};

use super::Leaf;
use super::leaf::MAX_BLOCK_LEVELS;
use super::levels;
use super::shred::Shredded;
use crate::file::error::{FileError, Result};
use crate::file::index::Block;
use crate::file::page;

/// Levels in pages are periodic, payloads are not compressible: nothing is gained by trying harder.
const ZSTD_LEVEL: i32 = 1;

/// How large a page is, beyond what a [`Block`] says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageShape {
    pub rows: usize,
    /// Values, nulls and empty lists.
    pub levels: usize,
    /// Bytes of the physical page's levels, before compression.
    pub levels_len: usize,
}

/// A page of a packed leaf, as layouts know it.
#[derive(Debug, Clone)]
pub(in crate::file) struct Nested {
    /// Among the column's leaves.
    pub(in crate::file) leaf: usize,
    pub(in crate::file) shape: PageShape,
}

/// A physical page, as yet without its block.
pub(super) struct PhysicalPage {
    pub(super) bytes: Vec<u8>,
    pub(super) shape: PageShape,
}

/// Writes a page; `payload` is empty where there is no value.
pub(super) fn write(
    leaf: &Leaf,
    rows: usize,
    shredded: &Shredded,
    payload: &[u8],
) -> Result<PhysicalPage> {
    let mut body = Vec::with_capacity(payload.len() + 64);
    levels::write(shredded.rep.iter().copied(), leaf.max_rep, &mut body);
    let first = shredded.def.iter().position(|def| *def == leaf.max_def);
    let def = shredded.def.iter().enumerate();
    let def = def.map(|(i, def)| def + u8::from(Some(i) == first));
    levels::write(def, leaf.max_def + 1, &mut body);
    let shape = PageShape {
        rows,
        levels: shredded.def.len(),
        levels_len: body.len(),
    };
    if !payload.is_empty() {
        let length = u32::try_from(payload.len())
            .map_err(|_| FileError::invalid("a payload of more than 4 GiB; use smaller blocks"))?;
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(payload);
    }
    let stored = if leaf.is_repeated() {
        zstd::bulk::compress(&body, ZSTD_LEVEL).map_err(FileError::io("compressing a page"))?
    } else {
        body.clone()
    };
    let mut bytes = page::header_of_compressed(shape.levels, body.len(), stored.len());
    bytes.extend_from_slice(&stored);
    Ok(PhysicalPage { bytes, shape })
}

/// Bytes of a physical page, uncompressed, without its header.
fn physical_len(shape: &PageShape, block: &Block) -> usize {
    let payload = match block.payload_len {
        0 => 0,
        len => 4 + len,
    };
    shape.levels_len + payload
}

/// Bytes of a physical page if it were not compressed, header included.
pub(in crate::file) fn uncompressed_len(leaf: &Leaf, shape: &PageShape, block: &Block) -> u64 {
    let body = physical_len(shape, block);
    if !leaf.is_repeated() {
        return block.page_len as u64;
    }
    // The header's length depends on the size that it states.
    let stored = (0..=block.page_len.min(48))
        .map(|len| block.page_len - len)
        .find(|stored| {
            page::header_of_compressed(shape.levels, body, *stored).len() + stored == block.page_len
        });
    let header = stored.map_or(0, |stored| block.page_len - stored);
    (header + body) as u64
}

/// Whether the index may say this of a page: what is allocated for it follows.
pub(in crate::file) fn is_plausible(leaf: &Leaf, shape: &PageShape, block: &Block) -> bool {
    let most = levels::most_bytes(shape.levels, leaf.max_rep)
        + levels::most_bytes(shape.levels, leaf.max_def + 1);
    // A dimension's payload may be of a single value, and has a head all the same.
    let heads = leaf.dimensions().saturating_mul(64);
    let widest = shape.levels.saturating_mul(16).saturating_add(heads);
    let widest = widest.saturating_add(1 << 16);
    shape.levels <= MAX_BLOCK_LEVELS
        && (1..=shape.levels).contains(&shape.rows)
        && (leaf.is_repeated() || shape.rows == shape.levels)
        && shape.levels_len <= most
        && block.nulls <= shape.levels
        && (block.nulls == shape.levels) == (block.payload_len == 0)
        && block.payload_len <= widest
}

/// Bytes of a virtual page without its header.
pub(in crate::file) fn virtual_len(leaf: &Leaf, shape: &PageShape, block: &Block) -> usize {
    let width = leaf.element.map_or(0, |element| element.width());
    levels::virtual_len(shape.levels, leaf.max_rep)
        + levels::virtual_len(shape.levels, leaf.max_def)
        + (shape.levels - block.nulls) * width
}

/// Appends the body of the virtual page that a physical page, header included, stands for.
pub(in crate::file) fn decode(
    leaf: &Leaf,
    shape: &PageShape,
    block: &Block,
    physical: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    let element = leaf
        .element
        .ok_or_else(|| FileError::corrupt("a payload in an ordinary column"))?;
    let body = uncompressed(leaf, shape, block, physical)?;
    let (mut levels, payload) = body.split_at(shape.levels_len);
    let rep = levels::read(&mut levels, shape.levels, leaf.max_rep)?;
    let mut def = levels::read(&mut levels, shape.levels, leaf.max_def + 1)?;
    let rows = rep.iter().filter(|rep| **rep == 0).count();
    let values = def.iter().filter(|def| **def >= leaf.max_def).count();
    let starts = rep.first().is_some_and(|rep| *rep == 0);
    if !levels.is_empty() || !starts || rows != shape.rows || values != shape.levels - block.nulls {
        return Err(FileError::corrupt("levels and block index differ"));
    }
    // The payload's own level is not for readers.
    def.iter_mut().for_each(|def| *def = leaf.max_def.min(*def));
    levels::write_virtual(&rep, leaf.max_rep, out);
    levels::write_virtual(&def, leaf.max_def, out);
    if values == 0 {
        return Ok(());
    }
    let payload = payload.get(4..).unwrap_or_default();
    let dimensions = leaf.dimensions();
    let whole = values == shape.levels && values.is_multiple_of(dimensions);
    let positions = (!whole).then(|| leaf.positions(&rep, &def));
    let positions = positions.as_deref();
    let values = decode_vector(payload, element, values, dimensions, positions, out);
    Ok(values?)
}

/// The body of a physical page, of the length that the index says.
fn uncompressed(leaf: &Leaf, shape: &PageShape, block: &Block, physical: &[u8]) -> Result<Vec<u8>> {
    let size = physical_len(shape, block);
    let unknown = || FileError::corrupt("unknown page header");
    if !leaf.is_repeated() {
        let header = page::header_len(shape.levels, physical).ok_or_else(unknown)?;
        let body = physical[header..].to_vec();
        return if body.len() == size {
            Ok(body)
        } else {
            Err(unknown())
        };
    }
    let header = page::compressed_header_len(shape.levels, size, physical).ok_or_else(unknown)?;
    let body = unzstd(&physical[header..], size as u64 + 1)
        .map_err(|error| FileError::corrupt(format!("page: {error}")))?;
    if body.len() != size {
        return Err(FileError::corrupt(
            "a page of another size than its header says",
        ));
    }
    Ok(body)
}
