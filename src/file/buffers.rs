//! Memory that is used again. A read of a packed file hands on megabytes for each row group, and
//! memory fresh from the system takes about as long to touch as values take to be decoded into it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;

/// Buffers below this are left to the allocator.
const LEAST: usize = 64 << 10;
/// What is asked for is rounded up to a multiple of this, for reads of nearly one length to share buffers.
const STEP: usize = 128 << 10;
/// The free memory kept at most, in bytes.
const KEPT: usize = 32 << 20;

/// Where reads get memory from: by default the allocator.
#[derive(Clone, Default)]
pub struct Buffers(Option<Arc<Mutex<Free>>>);

/// Of at least [`LEAST`] bytes each, the one that has been free longest first.
#[derive(Default)]
struct Free {
    buffers: VecDeque<Vec<u8>>,
    /// The sum of their capacities.
    size: usize,
}

impl Buffers {
    /// Buffers that are used again once nobody holds the [`Bytes`] that they were lent out as: for the
    /// reads of one scan, say. Of free ones it keeps up to 32 MiB, until its last clone is gone.
    pub fn reused() -> Self {
        Self(Some(Arc::default()))
    }

    /// An empty buffer with room for `len` bytes.
    pub(super) fn take(&self, len: usize) -> Vec<u8> {
        let mut bytes = self.used(len);
        bytes.clear();
        bytes
    }

    /// A buffer of `len` bytes, which may be anything: for what writes to all of them.
    pub(super) fn take_filled(&self, len: usize) -> Vec<u8> {
        let mut bytes = self.used(len);
        bytes.resize(len, 0);
        bytes
    }

    /// A buffer with room for `len` bytes, and what was last in it.
    fn used(&self, len: usize) -> Vec<u8> {
        match &self.0 {
            Some(free) if len >= LEAST => {
                let free = lock(free).take(len);
                free.unwrap_or_else(|| Vec::with_capacity(len.next_multiple_of(STEP)))
            }
            _ => Vec::with_capacity(len),
        }
    }

    /// Lends a buffer out.
    pub(super) fn lend(&self, bytes: Vec<u8>) -> Bytes {
        match &self.0 {
            Some(free) if bytes.capacity() >= LEAST => Bytes::from_owner(Lent {
                bytes,
                home: Arc::downgrade(free),
            }),
            _ => Bytes::from(bytes),
        }
    }
}

fn lock(free: &Mutex<Free>) -> std::sync::MutexGuard<'_, Free> {
    // Nothing panics while it is held.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.0.as_ref().map(|free| lock(free).size);
        f.debug_struct("Buffers").field("free", &free).finish()
    }
}

impl Free {
    /// The smallest buffer with room for `len` bytes, unless it has room for many times as many.
    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let fits = |capacity: usize| len <= capacity && capacity / 4 <= len;
        let buffers = self.buffers.iter().enumerate();
        let (at, capacity) = buffers
            .map(|(at, buffer)| (at, buffer.capacity()))
            .filter(|(_, capacity)| fits(*capacity))
            .min_by_key(|(_, capacity)| *capacity)?;
        self.size -= capacity;
        self.buffers.remove(at)
    }

    /// Those that were free longest make room.
    fn put(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > KEPT {
            return;
        }
        self.size += buffer.capacity();
        self.buffers.push_back(buffer);
        while self.size > KEPT {
            let Some(oldest) = self.buffers.pop_front() else {
                return;
            };
            self.size -= oldest.capacity();
        }
    }
}

struct Lent {
    bytes: Vec<u8>,
    home: Weak<Mutex<Free>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            lock(&home).put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_its_last_holder_is_gone() {
        let buffers = Buffers::reused();
        let mut bytes = buffers.take(LEAST);
        bytes.extend_from_slice(b"abc");
        let first = bytes.as_ptr();
        let lent = buffers.lend(bytes);
        let held = lent.slice(1..);
        drop(lent);
        let other = buffers.take(LEAST);
        assert_ne!(other.as_ptr(), first);
        assert_eq!(&held[..], b"bc");
        drop(held);
        let again = buffers.take(LEAST + 1);
        assert_eq!((again.as_ptr(), again.len()), (first, 0));
        drop(buffers.lend(again));
        let filled = buffers.take_filled(LEAST + 1);
        assert_eq!((filled.as_ptr(), filled.len()), (first, LEAST + 1));
    }

    #[test]
    fn bytes_outlive_their_buffers_and_keep_nothing_else() {
        let buffers = Buffers::reused();
        drop(buffers.lend(buffers.take(2 * LEAST)));
        let free = Arc::downgrade(buffers.0.as_ref().unwrap());
        let held = buffers.lend(vec![7; LEAST]);
        drop(buffers);
        assert!(free.upgrade().is_none());
        assert_eq!(&held[..], [7; LEAST]);
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let buffers = Buffers::reused();
        let lend = |len: usize| buffers.lend(buffers.take(len));
        let lent: Vec<Bytes> = (0..5).map(|_| lend(KEPT / 4)).collect();
        drop(lent);
        assert_eq!(lock(buffers.0.as_ref().unwrap()).size, KEPT);
        // One that is much too large is left where it is, and goes for what comes back later.
        let small: Vec<Bytes> = (0..3).map(|_| lend(LEAST)).collect();
        drop(small);
        let free = lock(buffers.0.as_ref().unwrap());
        assert!(free.size <= KEPT);
        assert_eq!(free.buffers.len(), 3 + 3);
    }
}
