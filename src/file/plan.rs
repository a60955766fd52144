//! Reads of the virtual file: which physical bytes they need, and what becomes of those.
//!
//! Sync and async readers share this: they fetch what [`Plan::fetches`] names and hand it to
//! [`Layout::assemble`].

use std::ops::Range;

use bytes::Bytes;

use crate::codec::decode_bytes;

use super::error::{FileError, Result};
use super::index::IndexColumn;
use super::layout::{Layout, Unit, UnitKind, VirtualPage};
use super::{levels, page};

/// The most that is allocated for a read before anything of it has been decoded.
const FIRST_CAPACITY: usize = 64 << 20;

/// What a read of virtual ranges needs.
#[derive(Debug)]
pub struct Plan {
    /// For each range asked for, the pieces that make it up.
    ranges: Vec<(u64, Vec<Piece>)>,
    fetches: Vec<Range<u64>>,
}

impl Plan {
    /// The physical ranges to fetch, none touching the next.
    pub fn fetches(&self) -> &[Range<u64>] {
        &self.fetches
    }
}

/// A part of one unit, or of what lies between units.
#[derive(Debug)]
struct Piece {
    source: Source,
    /// Within the source.
    part: Range<u64>,
    /// Where the source's physical bytes are, once fetched.
    fetched: Option<(usize, Range<u64>)>,
}

#[derive(Debug)]
enum Source {
    /// Physical bytes that no checksum covers; no Parquet reader asks for them.
    Raw,
    Unit(usize),
    Footer,
}

impl Layout {
    /// Plans a read. Ranges may be in any order and overlap, but must lie within the file.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a range beyond the end.
    pub fn plan(&self, ranges: &[Range<u64>]) -> Result<Plan> {
        let mut plan = Plan {
            ranges: Vec::with_capacity(ranges.len()),
            fetches: Vec::new(),
        };
        for range in ranges {
            let beyond = range.end > self.pages_end && range.end > self.len()?;
            if range.start > range.end || beyond {
                return Err(FileError::invalid(format!(
                    "{range:?} is beyond the end of the file"
                )));
            }
            let pieces = self.pieces(range.clone(), &mut plan.fetches)?;
            plan.ranges.push((range.end - range.start, pieces));
        }
        Ok(plan)
    }

    /// The end of what can be read from `position` on without doing the work of what follows: of a
    /// page's header, of a page, of the bytes before the next page.
    pub(super) fn next_boundary(&self, position: u64) -> Result<u64> {
        let next = self
            .units
            .partition_point(|unit| unit.range.end <= position);
        Ok(match self.units.get(next) {
            Some(Unit {
                range,
                kind: UnitKind::Virtual(page),
            }) if range.start <= position => {
                let body = range.start + page.header_len as u64;
                if position < body { body } else { range.end }
            }
            Some(unit) if unit.range.start <= position => unit.range.end,
            Some(unit) => unit.range.start,
            None if position < self.physical_len => self.physical_len,
            None => self.len()?,
        })
    }

    fn pieces(&self, range: Range<u64>, fetches: &mut Vec<Range<u64>>) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut next = self
            .units
            .partition_point(|unit| unit.range.end <= range.start);
        let mut position = range.start;
        while position < range.end {
            let unit = self.units.get(next);
            let (source, whole, physical) = match unit {
                Some(unit) if unit.range.start <= position => {
                    let physical = match &unit.kind {
                        UnitKind::Ordinary(_) => Some(unit.range.clone()),
                        UnitKind::Virtual(page) => {
                            let body_start = unit.range.start + page.header_len as u64;
                            let wants_body = range.end > body_start;
                            wants_body
                                .then(|| page.offset..page.offset + page.block.page_len as u64)
                        }
                    };
                    next += 1;
                    (Source::Unit(next - 1), unit.range.clone(), physical)
                }
                _ if position < self.physical_len => {
                    let end = unit.map_or(self.physical_len, |unit| {
                        unit.range.start.min(self.physical_len)
                    });
                    let gap = position..end.min(range.end);
                    (Source::Raw, gap.clone(), Some(gap))
                }
                _ => (Source::Footer, self.pages_end..self.len()?, None),
            };
            let end = whole.end.min(range.end);
            pieces.push(Piece {
                source,
                part: position - whole.start..end - whole.start,
                fetched: physical.map(|physical| add_fetch(fetches, physical)),
            });
            position = end;
        }
        Ok(pieces)
    }

    /// Turns the fetched bytes into those that were asked for.
    ///
    /// # Errors
    /// [`FileError::Corrupt`] where a checksum does not match.
    pub fn assemble(&self, plan: &Plan, fetched: &[Bytes]) -> Result<Vec<Bytes>> {
        let complete = plan.fetches.len() == fetched.len()
            && plan
                .fetches
                .iter()
                .zip(fetched)
                .all(|(range, bytes)| range.end - range.start == bytes.len() as u64);
        if !complete {
            return Err(FileError::corrupt("the file is shorter than it was"));
        }
        plan.ranges
            .iter()
            .map(|(len, pieces)| match pieces.as_slice() {
                [piece] if !self.is_virtual(piece) => self.whole_piece(piece, fetched),
                pieces => {
                    // More memory than this is earned by what decodes.
                    let mut out =
                        Vec::with_capacity(usize::try_from(*len).unwrap_or(0).min(FIRST_CAPACITY));
                    for piece in pieces {
                        self.append(piece, fetched, &mut out)?;
                    }
                    Ok(Bytes::from(out))
                }
            })
            .collect()
    }

    fn is_virtual(&self, piece: &Piece) -> bool {
        matches!(piece.source, Source::Unit(i) if matches!(self.units[i].kind, UnitKind::Virtual(_)))
    }

    /// A piece that exists as bytes already.
    fn whole_piece(&self, piece: &Piece, fetched: &[Bytes]) -> Result<Bytes> {
        let part = piece.part.start as usize..piece.part.end as usize;
        let physical = physical_bytes(piece, fetched);
        match &piece.source {
            Source::Raw => Ok(physical.slice(part)),
            Source::Footer => Ok(self.footer()?.slice(part)),
            Source::Unit(i) => {
                let unit = &self.units[*i];
                if let UnitKind::Ordinary(checksum) = unit.kind
                    && crc32c::crc32c(&physical) != checksum
                {
                    return Err(FileError::corrupt(format!(
                        "checksum of the page at bytes {:?} does not match",
                        unit.range
                    )));
                }
                Ok(physical.slice(part))
            }
        }
    }

    fn append(&self, piece: &Piece, fetched: &[Bytes], out: &mut Vec<u8>) -> Result<()> {
        let page = match piece.source {
            Source::Unit(i) => match &self.units[i].kind {
                UnitKind::Virtual(page) => Some(page),
                UnitKind::Ordinary(_) => None,
            },
            _ => None,
        };
        let Some(page) = page else {
            out.extend_from_slice(&self.whole_piece(piece, fetched)?);
            return Ok(());
        };
        let (start, end) = (piece.part.start as usize, piece.part.end as usize);
        let body_len = self.body_len(page);
        let header = page::header(page.rows, body_len);
        out.extend_from_slice(&header[start.min(header.len())..end.min(header.len())]);
        if end <= header.len() {
            return Ok(());
        }
        let physical = physical_bytes(piece, fetched);
        let part = start.saturating_sub(header.len())..end - header.len();
        if part == (0..body_len) {
            return self.decode_page(page, &physical, out);
        }
        let mut body = Vec::new();
        self.decode_page(page, &physical, &mut body)?;
        out.extend_from_slice(&body[part]);
        Ok(())
    }

    fn body_len(&self, page: &VirtualPage) -> usize {
        let levels_len = if page.nullable {
            levels::virtual_len(page.rows)
        } else {
            0
        };
        levels_len + (page.rows - page.block.nulls) * self.width(page)
    }

    fn width(&self, page: &VirtualPage) -> usize {
        match &self.index.columns[page.column] {
            IndexColumn::Packed(packed) => packed.element.width(),
            IndexColumn::Ordinary(_) => 0,
        }
    }

    /// Decodes a physical page, appending the body of its virtual page.
    fn decode_page(&self, page: &VirtualPage, physical: &[u8], body: &mut Vec<u8>) -> Result<()> {
        self.try_decode_page(page, physical, body).map_err(|error| {
            error.at(format!(
                "column {:?}, row group {}, page at byte {}",
                self.index.schema.field(page.column).name(),
                page.row_group,
                page.offset
            ))
        })
    }

    fn try_decode_page(
        &self,
        page: &VirtualPage,
        physical: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<()> {
        if crc32c::crc32c(physical) != page.block.checksum {
            return Err(FileError::corrupt("checksum of the page does not match"));
        }
        let IndexColumn::Packed(packed) = &self.index.columns[page.column] else {
            return Err(FileError::corrupt("a payload in an ordinary column"));
        };
        if page.nullable {
            levels::write_virtual(page.rows, &self.validity(page, physical)?, body);
        }
        if page.block.payload_len > 0 {
            // A payload is the last value of its page.
            let payload = &physical[physical.len() - page.block.payload_len..];
            decode_bytes(payload, packed.element, page.rows - page.block.nulls, body)?;
        }
        Ok(())
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
        let nullable = self.index.schema.field(page.column).is_nullable();
        let header_len = page::header_len(page.rows, physical)
            .ok_or_else(|| FileError::corrupt("unknown page header"))?;
        let (bits, valid, _) = levels::read_physical(&physical[header_len..], page.rows, nullable)?;
        if valid != page.rows - page.block.nulls {
            return Err(FileError::corrupt("nulls of page and block index differ"));
        }
        Ok(bits)
    }
}

/// The physical bytes of a piece that has some.
fn physical_bytes(piece: &Piece, fetched: &[Bytes]) -> Bytes {
    match &piece.fetched {
        Some((fetch, range)) => fetched[*fetch].slice(range.start as usize..range.end as usize),
        None => Bytes::new(),
    }
}

/// Adds a range to be fetched, joined to the one before where they touch; returns where its bytes
/// will be.
fn add_fetch(fetches: &mut Vec<Range<u64>>, range: Range<u64>) -> (usize, Range<u64>) {
    match fetches.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        Some(last) if last.start <= range.start && range.end <= last.end => {}
        _ => fetches.push(range.clone()),
    }
    let fetch = fetches.len() - 1;
    let start = range.start - fetches[fetch].start;
    (fetch, start..start + (range.end - range.start))
}
