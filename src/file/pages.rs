//! Virtual pages from physical ones.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{ABSENT, ElementType, Keep, bytes_of_integers, decode_bytes, decode_integers};

use super::cache::IntegerCache;
use super::error::{FileError, Result};
use super::index::IndexColumn;
use super::layout::{Layout, UnitKind, VirtualPage};
use super::nested::{self, Leaf, Nested};
use super::plan::Plan;
use super::{levels, page};

/// Decodes the pages of one plan.
pub(super) struct PageDecoder<'a> {
    layout: &'a Layout,
    plan: &'a Plan,
    fetched: &'a [Bytes],
    cache: &'a IntegerCache,
    /// Integers of pages that others refer to, by unit: one for each row, ABSENT for nulls.
    integers: HashMap<usize, Arc<Vec<i32>>>,
}

impl<'a> PageDecoder<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        plan: &'a Plan,
        fetched: &'a [Bytes],
        cache: &'a IntegerCache,
    ) -> Self {
        Self {
            layout,
            plan,
            fetched,
            cache,
            integers: plan.known.clone(),
        }
    }

    /// Appends a part of a virtual page, header included.
    pub(super) fn append(
        &mut self,
        unit: usize,
        part: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let page = self.page(unit)?;
        let (start, end) = (part.start as usize, part.end as usize);
        let (body_len, header) = match &page.nested {
            None => {
                let body_len = body_len(page, element(self.layout, page)?);
                (body_len, page::header(page.rows, body_len))
            }
            Some(nested) => {
                let leaf = self.leaf(page, nested)?;
                let body_len = nested::virtual_len(leaf, &nested.shape, &page.block);
                (body_len, page::header(nested.shape.levels, body_len))
            }
        };
        out.extend_from_slice(&header[start.min(header.len())..end.min(header.len())]);
        if end <= header.len() {
            return Ok(());
        }
        let part = start.saturating_sub(header.len())..end - header.len();
        if part == (0..body_len) {
            return self.decode(unit, out);
        }
        let mut body = Vec::new();
        self.decode(unit, &mut body)?;
        out.extend_from_slice(&body[part]);
        Ok(())
    }

    fn page(&self, unit: usize) -> Result<&'a VirtualPage> {
        match &self.layout.units[unit].kind {
            UnitKind::Virtual(page) => Ok(page),
            UnitKind::Ordinary(_) => Err(FileError::corrupt("a payload in an ordinary column")),
        }
    }

    fn leaf(&self, page: &VirtualPage, nested: &Nested) -> Result<&'a Leaf> {
        Leaf::of_page(&self.layout.leaves, page, nested)
            .ok_or_else(|| FileError::corrupt("a page of no leaf"))
    }

    /// Decodes a page, appending the body of its virtual page.
    pub(super) fn decode(&mut self, unit: usize, body: &mut Vec<u8>) -> Result<()> {
        self.try_decode(unit, body)
            .map_err(|error| self.at(unit, error))
    }

    fn at(&self, unit: usize, error: FileError) -> FileError {
        match self.page(unit) {
            Ok(page) => error.at(format!(
                "column {:?}, row group {}, page at byte {}",
                self.name(page),
                page.row_group,
                page.offset
            )),
            Err(error) => error,
        }
    }

    fn name(&self, page: &VirtualPage) -> String {
        let leaf = page.nested.as_ref();
        match leaf.and_then(|nested| self.leaf(page, nested).ok()) {
            Some(leaf) => leaf.name(),
            None => self.layout.index.schema.field(page.column).name().clone(),
        }
    }

    fn try_decode(&mut self, unit: usize, body: &mut Vec<u8>) -> Result<()> {
        let page = self.page(unit)?;
        let physical = self.physical(unit, page)?;
        if let Some(nested) = &page.nested {
            let leaf = self.leaf(page, nested)?;
            return nested::decode(leaf, &nested.shape, &page.block, &physical, body);
        }
        let validity = self.validity(page, &physical)?;
        if page.nullable {
            levels::write_virtual(page.rows, &validity, body);
        }
        let Some(payload) = payload(page, &physical) else {
            return Ok(());
        };
        let element = element(self.layout, page)?;
        let values = page.rows - page.block.nulls;
        if let Some(integers) = self.integers.get(&unit) {
            let present = present(integers, page, &validity);
            return Ok(bytes_of_integers(payload, element, &present, body)?);
        }
        let references = self.references(unit, page, &validity)?;
        let references: Vec<&[i32]> = references.iter().map(|integers| &integers[..]).collect();
        let keep = match self.cache.is_wanted(page.column) {
            true => Keep::Integers,
            false => Keep::Nothing,
        };
        let integers = decode_bytes(payload, element, values, &references, keep, body)?;
        if let Some(integers) = integers {
            self.keep(unit, aligned(integers, page, &validity));
        }
        Ok(())
    }

    fn keep(&mut self, unit: usize, integers: Vec<i32>) -> Arc<Vec<i32>> {
        let integers = Arc::new(integers);
        self.cache.put(unit, &integers);
        self.integers.insert(unit, Arc::clone(&integers));
        integers
    }

    /// The integers that a page refers to, for each of its values.
    fn references(
        &mut self,
        unit: usize,
        page: &VirtualPage,
        validity: &[u8],
    ) -> Result<Vec<Arc<Vec<i32>>>> {
        self.layout
            .referred_pages(unit, page)
            .into_iter()
            .map(|other| {
                let integers = self.integers(other)?;
                Ok(match page.block.nulls {
                    0 => integers,
                    _ => Arc::new(present(&integers, page, validity).into_owned()),
                })
            })
            .collect()
    }

    /// The integers of a page, one for each row.
    fn integers(&mut self, unit: usize) -> Result<Arc<Vec<i32>>> {
        if let Some(integers) = self.integers.get(&unit) {
            return Ok(Arc::clone(integers));
        }
        let integers = self
            .decode_integers(unit)
            .map_err(|error| self.at(unit, error))?;
        Ok(self.keep(unit, integers))
    }

    fn decode_integers(&mut self, unit: usize) -> Result<Vec<i32>> {
        let page = self.page(unit)?;
        let physical = self.physical(unit, page)?;
        let validity = self.validity(page, &physical)?;
        let Some(payload) = payload(page, &physical) else {
            return Ok(vec![ABSENT; page.rows]);
        };
        let references = self.references(unit, page, &validity)?;
        let references: Vec<&[i32]> = references.iter().map(|integers| &integers[..]).collect();
        let element = element(self.layout, page)?;
        let values = page.rows - page.block.nulls;
        let integers = decode_integers(payload, element, values, &references)?;
        Ok(aligned(integers, page, &validity))
    }

    /// The bytes of the physical page, verified.
    fn physical(&self, unit: usize, page: &VirtualPage) -> Result<Bytes> {
        let physical = self
            .plan
            .page(unit, self.fetched)
            .ok_or_else(|| FileError::corrupt("a page that was not read"))?;
        if crc32c::crc32c(&physical) != page.block.checksum {
            return Err(FileError::corrupt("checksum of the page does not match"));
        }
        Ok(physical)
    }

    /// The validity bits of a page's rows.
    fn validity(&self, page: &VirtualPage, physical: &[u8]) -> Result<Vec<u8>> {
        let groups = page.rows.div_ceil(8);
        if page.block.nulls == 0 {
            let mut bits = vec![0xff; groups];
            if let (Some(last), spare @ 1..) = (bits.last_mut(), groups * 8 - page.rows) {
                *last >>= spare;
            }
            return Ok(bits);
        }
        let nullable = self.layout.index.schema.field(page.column).is_nullable();
        let header_len = page::header_len(page.rows, physical)
            .ok_or_else(|| FileError::corrupt("unknown page header"))?;
        let (bits, valid, _) = levels::read_physical(&physical[header_len..], page.rows, nullable)?;
        if valid != page.rows - page.block.nulls {
            return Err(FileError::corrupt("nulls of page and block index differ"));
        }
        Ok(bits)
    }
}

fn element(layout: &Layout, page: &VirtualPage) -> Result<ElementType> {
    match &layout.index.columns[page.column] {
        IndexColumn::Packed(packed) => Ok(packed.element),
        IndexColumn::Ordinary(_) | IndexColumn::Nested(_) => {
            Err(FileError::corrupt("a payload in an ordinary column"))
        }
    }
}

fn body_len(page: &VirtualPage, element: ElementType) -> usize {
    let levels_len = if page.nullable {
        levels::virtual_len(page.rows)
    } else {
        0
    };
    levels_len + (page.rows - page.block.nulls) * element.width()
}

/// A payload is the last value of its page; a page of nulls has none.
fn payload<'a>(page: &VirtualPage, physical: &'a [u8]) -> Option<&'a [u8]> {
    let len = page.block.payload_len;
    (len > 0).then(|| &physical[physical.len() - len..])
}

fn is_valid(validity: &[u8], row: usize) -> bool {
    validity[row / 8] >> (row % 8) & 1 == 1
}

/// Integers of rows, of those rows that are valid in `page`.
fn present<'i>(integers: &'i [i32], page: &VirtualPage, validity: &[u8]) -> Cow<'i, [i32]> {
    if page.block.nulls == 0 {
        return Cow::Borrowed(integers);
    }
    let rows = integers.iter().enumerate();
    rows.filter(|(row, _)| is_valid(validity, *row))
        .map(|(_, integer)| *integer)
        .collect()
}

/// Integers of values as integers of rows.
fn aligned(integers: Vec<i32>, page: &VirtualPage, validity: &[u8]) -> Vec<i32> {
    if page.block.nulls == 0 {
        return integers;
    }
    let mut integers = integers.into_iter();
    (0..page.rows)
        .map(|row| match is_valid(validity, row) {
            true => integers.next().unwrap_or(ABSENT),
            false => ABSENT,
        })
        .collect()
}
