//! Reads of the virtual file: which physical bytes they need, and what becomes of those.
//!
//! Sync and async readers share this: they fetch what [`Plan::fetches`] names and hand it to
//! [`Layout::assemble`].

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::buffers::Buffers;
use super::cache::IntegerCache;
use super::error::{FileError, Result};
use super::layout::{Layout, ROOM, Unit, UnitKind};
use super::pages::PageDecoder;

/// The most that is allocated for a read before anything of it has been decoded.
const FIRST_CAPACITY: usize = 64 << 20;

/// What a read of virtual ranges needs.
#[derive(Debug, Default)]
pub struct Plan {
    /// For each range asked for, the pieces that make it up.
    ranges: Vec<(u64, Vec<Piece>)>,
    fetches: Vec<Range<u64>>,
    /// Where the physical bytes of virtual pages are, once fetched, by unit: of those asked for
    /// and of those that they refer to.
    pages: HashMap<usize, Place>,
    /// Integers that need not be decoded again, by unit.
    pub(super) known: HashMap<usize, Arc<Vec<i32>>>,
}

/// A fetch, and a range of its bytes.
type Place = (usize, Range<u64>);

impl Plan {
    /// The physical ranges to fetch.
    pub fn fetches(&self) -> &[Range<u64>] {
        &self.fetches
    }

    fn check(&self, fetched: &[Bytes]) -> Result<()> {
        let mut both = self.fetches.iter().zip(fetched);
        let complete = self.fetches.len() == fetched.len()
            && both.all(|(range, bytes)| range.end - range.start == bytes.len() as u64);
        if complete { Ok(()) } else { Err(shorter()) }
    }

    /// The rows of all virtual pages that are decoded.
    pub(super) fn page_rows(&self, layout: &Layout) -> u64 {
        let rows = self
            .pages
            .keys()
            .map(|unit| match &layout.units[*unit].kind {
                UnitKind::Virtual(page) => page.rows as u64,
                UnitKind::Ordinary(_) => 0,
            });
        rows.sum()
    }

    /// The physical bytes of a virtual page that is part of the plan.
    pub(super) fn page(&self, unit: usize, fetched: &[Bytes]) -> Option<Bytes> {
        self.pages.get(&unit).map(|place| bytes_at(place, fetched))
    }
}

/// A part of one unit, or of what lies between units.
#[derive(Debug)]
struct Piece {
    source: Source,
    /// Within the source.
    part: Range<u64>,
    /// Where the source's physical bytes are, once fetched.
    fetched: Option<Place>,
}

#[derive(Debug)]
enum Source {
    /// Physical bytes that no checksum covers; no Parquet reader asks for them.
    Raw,
    Unit(usize),
    Room,
    Footer,
}

impl Layout {
    /// Plans a read. Ranges may be in any order and overlap, but must lie within the file.
    ///
    /// # Errors
    /// [`FileError::InvalidInput`] for a range beyond the end.
    pub fn plan(&self, ranges: &[Range<u64>]) -> Result<Plan> {
        self.plan_with(ranges, &IntegerCache::default())
    }

    /// As [`plan`](Self::plan), for a reader that keeps what it decoded in `cache`.
    pub(super) fn plan_with(&self, ranges: &[Range<u64>], cache: &IntegerCache) -> Result<Plan> {
        let mut plan = Plan::default();
        for range in ranges {
            let beyond = range.end > self.pages_end && range.end > self.len()?;
            if range.start > range.end || beyond {
                return Err(FileError::invalid(format!(
                    "{range:?} is beyond the end of the file"
                )));
            }
            let pieces = self.pieces(range.clone(), &mut plan, cache)?;
            plan.ranges.push((range.end - range.start, pieces));
        }
        Ok(plan)
    }

    /// Plans to decode whole virtual pages.
    pub(super) fn plan_pages(&self, units: &[usize], cache: &IntegerCache) -> Plan {
        let mut plan = Plan::default();
        for unit in units {
            self.add_page(*unit, &mut plan, cache);
        }
        plan
    }

    /// Adds a virtual page to what is fetched, and all that it refers to and `cache` lacks.
    fn add_page(&self, unit: usize, plan: &mut Plan, cache: &IntegerCache) -> Option<Place> {
        if let Some(place) = plan.pages.get(&unit) {
            return Some(place.clone());
        }
        let UnitKind::Virtual(page) = &self.units[unit].kind else {
            return None;
        };
        let physical = page.offset..page.offset + page.block.page_len as u64;
        let place = add_fetch(&mut plan.fetches, physical);
        plan.pages.insert(unit, place.clone());
        for column in self.referred_columns(page) {
            cache.want(*column);
        }
        for other in self.referred_pages(unit, page) {
            if plan.known.contains_key(&other) {
                continue;
            }
            match cache.get(other) {
                Some(integers) => {
                    plan.known.insert(other, integers);
                }
                // References lead nowhere in circles: see `Layout::new`.
                None => {
                    self.add_page(other, plan, cache);
                }
            }
        }
        Some(place)
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

    fn pieces(
        &self,
        range: Range<u64>,
        plan: &mut Plan,
        cache: &IntegerCache,
    ) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut next = self
            .units
            .partition_point(|unit| unit.range.end <= range.start);
        let mut position = range.start;
        while position < range.end {
            let unit = self.units.get(next);
            let (source, whole, fetched) = match unit {
                Some(unit) if unit.range.start <= position => {
                    let fetched = match &unit.kind {
                        UnitKind::Ordinary(_) => {
                            Some(add_fetch(&mut plan.fetches, unit.range.clone()))
                        }
                        UnitKind::Virtual(page) => {
                            let body_start = unit.range.start + page.header_len as u64;
                            if range.end > body_start {
                                self.add_page(next, plan, cache)
                            } else {
                                None
                            }
                        }
                    };
                    next += 1;
                    (Source::Unit(next - 1), unit.range.clone(), fetched)
                }
                _ if position < self.physical_len => {
                    let end = unit.map_or(self.physical_len, |unit| {
                        unit.range.start.min(self.physical_len)
                    });
                    let gap = position..end.min(range.end);
                    let fetched = add_fetch(&mut plan.fetches, gap.clone());
                    (Source::Raw, gap, Some(fetched))
                }
                _ if position < self.footer_start() => {
                    (Source::Room, self.pages_end..self.footer_start(), None)
                }
                _ => (Source::Footer, self.footer_start()..self.len()?, None),
            };
            let end = whole.end.min(range.end);
            pieces.push(Piece {
                source,
                part: position - whole.start..end - whole.start,
                fetched,
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
        self.assemble_with(plan, fetched, &IntegerCache::default(), &Buffers::default())
    }

    /// As [`assemble`](Self::assemble), keeping in `cache` what later reads may refer to. The bytes are
    /// made in memory of `buffers`.
    pub(super) fn assemble_with(
        &self,
        plan: &Plan,
        fetched: &[Bytes],
        cache: &IntegerCache,
        buffers: &Buffers,
    ) -> Result<Vec<Bytes>> {
        plan.check(fetched)?;
        let mut decoder = PageDecoder::new(self, plan, fetched, cache);
        plan.ranges
            .iter()
            .map(|(len, pieces)| match pieces.as_slice() {
                [piece] if !self.is_virtual(piece) => self.whole_piece(piece, fetched),
                pieces => {
                    // More memory than this is earned by what decodes.
                    let len = usize::try_from(*len).unwrap_or(0);
                    let mut out = buffers.take(len.min(FIRST_CAPACITY));
                    for piece in pieces {
                        match piece.source {
                            Source::Unit(unit) if self.is_virtual(piece) => {
                                decoder.append(unit, piece.part.clone(), &mut out)?;
                            }
                            _ => out.extend_from_slice(&self.whole_piece(piece, fetched)?),
                        }
                    }
                    Ok(buffers.lend(out))
                }
            })
            .collect()
    }

    /// The bodies of virtual pages that [`plan_pages`](Self::plan_pages) planned for.
    pub(super) fn decode_pages(
        &self,
        plan: &Plan,
        units: &[usize],
        fetched: &[Bytes],
        cache: &IntegerCache,
    ) -> Result<Vec<Vec<u8>>> {
        plan.check(fetched)?;
        let mut decoder = PageDecoder::new(self, plan, fetched, cache);
        let bodies = units.iter().map(|unit| {
            let range = &self.units[*unit].range;
            let len = usize::try_from(range.end - range.start).unwrap_or(0);
            let mut body = Vec::with_capacity(len.min(FIRST_CAPACITY));
            decoder.decode(*unit, &mut body)?;
            Ok(body)
        });
        bodies.collect()
    }

    fn is_virtual(&self, piece: &Piece) -> bool {
        matches!(piece.source, Source::Unit(i) if matches!(self.units[i].kind, UnitKind::Virtual(_)))
    }

    /// A piece that exists as bytes already.
    fn whole_piece(&self, piece: &Piece, fetched: &[Bytes]) -> Result<Bytes> {
        let part = piece.part.start as usize..piece.part.end as usize;
        let physical = piece
            .fetched
            .as_ref()
            .map_or_else(Bytes::new, |place| bytes_at(place, fetched));
        match &piece.source {
            Source::Raw => Ok(physical.slice(part)),
            Source::Room => Ok(Bytes::from_static(&ROOM).slice(part)),
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
}

pub(super) fn shorter() -> FileError {
    FileError::corrupt("the file is shorter than it was")
}

fn bytes_at((fetch, range): &Place, fetched: &[Bytes]) -> Bytes {
    fetched[*fetch].slice(range.start as usize..range.end as usize)
}

/// Adds a range to be fetched, joined to the one before where they touch; returns where its bytes
/// will be.
fn add_fetch(fetches: &mut Vec<Range<u64>>, range: Range<u64>) -> Place {
    match fetches.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        Some(last) if last.start <= range.start && range.end <= last.end => {}
        _ => fetches.push(range.clone()),
    }
    let fetch = fetches.len() - 1;
    let start = range.start - fetches[fetch].start;
    (fetch, start..start + (range.end - range.start))
}
