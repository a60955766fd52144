//! Ranges of a local file, read on the thread that asks where the system has them in memory, and on one that may
//! wait where it has not: a query over a hot file would spend more time on changes of threads than on reading.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::buffers::Buffers;
use super::source::read_exact_at;

/// The bytes of `ranges`, in memory of `buffers`.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] where the file ends before a range does.
pub(super) async fn read(
    file: &Arc<File>,
    ranges: &[Range<u64>],
    buffers: &Buffers,
) -> io::Result<Vec<Bytes>> {
    let pieces = ranges.iter().map(|range| Piece::new(range, buffers));
    let mut pieces: Vec<Piece> = pieces.collect();
    if !pieces.iter_mut().all(|piece| piece.read_cached(file)) {
        let file = Arc::clone(file);
        let read = move || {
            let read = pieces.into_iter().map(|piece| piece.read(&file));
            read.collect::<io::Result<_>>()
        };
        pieces = match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(read).await??,
            Err(_) => read()?,
        };
    }
    let pieces = pieces.into_iter();
    Ok(pieces.map(|piece| buffers.lend(piece.bytes)).collect())
}

/// A range that is being read.
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
    /// How many of the bytes have been read.
    filled: usize,
}

impl Piece {
    fn new(range: &Range<u64>, buffers: &Buffers) -> Self {
        let len = (range.end - range.start) as usize;
        Self {
            offset: range.start,
            bytes: buffers.take_filled(len),
            filled: 0,
        }
    }

    /// Reads as much as the system has in memory; whether that is all.
    #[cfg(target_os = "linux")]
    fn read_cached(&mut self, file: &File) -> bool {
        use rustix::io::{ReadWriteFlags, preadv2};
        while self.filled < self.bytes.len() {
            let offset = self.offset + self.filled as u64;
            let rest = io::IoSliceMut::new(&mut self.bytes[self.filled..]);
            match preadv2(file, &mut [rest], offset, ReadWriteFlags::NOWAIT) {
                Ok(read) if read > 0 => self.filled += read,
                // Not in memory, or nothing that this file system tells: who may wait finds out.
                _ => return false,
            }
        }
        true
    }

    #[cfg(not(target_os = "linux"))]
    fn read_cached(&mut self, _file: &File) -> bool {
        false
    }

    /// Reads the rest, and waits for it.
    fn read(mut self, file: &File) -> io::Result<Self> {
        let rest = &mut self.bytes[self.filled..];
        read_exact_at(file, rest, self.offset + self.filled as u64)?;
        self.filled = self.bytes.len();
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_with_and_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let bytes: Vec<u8> = (0..600_000u32)
            .map(|i| (i.wrapping_mul(i) >> 7) as u8)
            .collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = Arc::new(File::open(path).unwrap());
        let buffers = Buffers::reused();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let ranges = [0..10, 10..200_010, 5..100_000, 7..7, 599_999..600_000];
        for _ in 0..3 {
            // Buffers hold what was last in them.
            let mut used = buffers.take_filled(200_000);
            used.fill(0xa5);
            drop(buffers.lend(used));
            let read = runtime.block_on(read(&file, &ranges, &buffers)).unwrap();
            for (range, read) in ranges.iter().zip(read) {
                assert!(read == bytes[range.start as usize..range.end as usize]);
            }
        }
        for filled in [0, 1, 70_000, 80_000] {
            let mut piece = Piece::new(&(3..80_003), &buffers);
            piece.bytes[..filled].copy_from_slice(&bytes[3..3 + filled]);
            piece.filled = filled;
            assert!(piece.read(&file).unwrap().bytes == bytes[3..80_003]);
        }
        let beyond = runtime.block_on(super::read(&file, &[0..9, 500_000..600_001], &buffers));
        assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
