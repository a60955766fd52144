//! Reading from afar, a megabyte at a time: what asks for bytes one page after the other is not to
//! wait for a request each.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::source::ReadAt;

/// What is fetched at a time, and how many of these are kept.
const CHUNK: u64 = 1 << 20;
const CHUNKS: usize = 64;

/// A source whose smaller reads are answered from chunks read before.
pub(super) struct ReadAhead<S> {
    source: S,
    len: u64,
    /// By number; those read last at the end.
    chunks: Mutex<VecDeque<(u64, Arc<Chunk>)>>,
}

/// None until it has been read; whoever needs it meanwhile waits for that.
type Chunk = Mutex<Option<Bytes>>;

impl<S: ReadAt> ReadAhead<S> {
    pub(super) fn new(source: S) -> io::Result<Self> {
        Ok(Self {
            len: source.len()?,
            source,
            chunks: Mutex::default(),
        })
    }

    fn chunk(&self, number: u64) -> io::Result<Bytes> {
        let chunk = {
            let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
            let at = chunks.iter().position(|(known, _)| *known == number);
            let kept = at.and_then(|at| chunks.remove(at));
            let kept = kept.unwrap_or_else(|| (number, Arc::default()));
            let chunk = Arc::clone(&kept.1);
            chunks.push_back(kept);
            if chunks.len() > CHUNKS {
                chunks.pop_front();
            }
            chunk
        };
        let mut bytes = chunk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = &*bytes {
            return Ok(bytes.clone());
        }
        let start = number * CHUNK;
        let read = self.source.read_at(start..(start + CHUNK).min(self.len))?;
        Ok(bytes.insert(read).clone())
    }
}

impl<S: ReadAt> ReadAt for ReadAhead<S> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
        if range.start > range.end || range.end > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if range.end - range.start >= CHUNK {
            return self.source.read_at(range);
        }
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        let mut position = range.start;
        while position < range.end {
            let number = position / CHUNK;
            let chunk = self.chunk(number)?;
            let end = range.end.min((number + 1) * CHUNK);
            let part = (position - number * CHUNK) as usize..(end - number * CHUNK) as usize;
            if position == range.start && end == range.end {
                return Ok(chunk.slice(part));
            }
            bytes.extend_from_slice(&chunk[part]);
            position = end;
        }
        Ok(bytes.into())
    }

    fn read_ranges(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        match ranges {
            [range] => Ok(vec![self.read_at(range.clone())?]),
            // Scattered: the source knows best how to fetch them together.
            _ => self.source.read_ranges(ranges),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts its reads.
    struct Counted(Bytes, Mutex<usize>);

    impl ReadAt for Counted {
        fn len(&self) -> io::Result<u64> {
            ReadAt::len(&self.0)
        }

        fn read_at(&self, range: Range<u64>) -> io::Result<Bytes> {
            *self.1.lock().expect("not poisoned") += 1;
            self.0.read_at(range)
        }
    }

    fn source(len: u64) -> ReadAhead<Counted> {
        let bytes: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        ReadAhead::new(Counted(bytes.into(), Mutex::new(0))).expect("a length")
    }

    #[test]
    fn small_reads_in_a_row_are_few_requests() {
        let source = source(3 * CHUNK + 1000);
        for start in (0..3 * CHUNK).step_by(1000) {
            let read = source.read_at(start..start + 1000).expect("read");
            assert_eq!(
                read,
                source.source.0.slice(start as usize..start as usize + 1000)
            );
        }
        assert_eq!(*source.source.1.lock().expect("not poisoned"), 4);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_read_is_right(start in 0..3 * CHUNK, len in 0..2 * CHUNK) {
            let source = source(3 * CHUNK + 17);
            let end = start + len;
            let (read, right) = (source.read_at(start..end), source.source.0.read_at(start..end));
            prop_assert_eq!(read.ok(), right.ok());
        }
    }
}
