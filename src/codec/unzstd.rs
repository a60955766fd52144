//! Decompression by zstd, with contexts that are kept: making one asks the CPU what it is, which a
//! virtual machine answers in the time of a small block.

use std::io;
#[cfg(feature = "file")]
use std::io::Read;
use std::sync::Mutex;

#[cfg(feature = "file")]
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, ResetDirective, get_error_name};

/// Places for contexts that nobody uses now. Who finds one locked goes on to the next: nobody waits, not even in a
/// process that was forked while a thread of its parent held a lock.
static IDLE: [Mutex<Option<DCtx<'static>>>; 16] = [const { Mutex::new(None) }; 16];

/// Bytes of a context that is kept, at most: one has been asked for a large window.
const LARGEST_IDLE: usize = 1 << 20;

/// What the zstd frames of `bytes` hold, up to `limit` bytes of it. Memory is taken as it comes out,
/// and not on the word of a frame's header.
///
/// # Errors
/// Of kind other for what is no zstd.
#[cfg(feature = "file")]
pub(crate) fn unzstd(bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    with_context(|context| {
        let mut out = Vec::new();
        let mut decoder = Decoder::with_context(bytes, context).take(limit);
        decoder.read_to_end(&mut out)?;
        Ok(out)
    })
}

/// The `len` bytes that `bytes` hold; memory for them is taken at once.
///
/// # Errors
/// Of kind other for what is no zstd, or more.
pub(super) fn unzstd_exactly(bytes: &[u8], len: usize) -> io::Result<Vec<u8>> {
    let out = with_context(|context| {
        let mut out = Vec::with_capacity(len);
        match context.decompress(&mut out, bytes) {
            Ok(_) => Ok(out),
            Err(code) => Err(io::Error::other(get_error_name(code))),
        }
    })?;
    match out.len() == len {
        true => Ok(out),
        false => Err(io::Error::other(format!("{} bytes, not {len}", out.len()))),
    }
}

fn with_context<T>(work: impl FnOnce(&mut DCtx<'static>) -> io::Result<T>) -> io::Result<T> {
    let mut context = taken().unwrap_or_else(DCtx::create);
    let out = work(&mut context)?;
    // Not one that has met with an error.
    if context.reset(ResetDirective::SessionOnly).is_ok() && context.sizeof() <= LARGEST_IDLE {
        keep(context);
    }
    Ok(out)
}

fn taken() -> Option<DCtx<'static>> {
    IDLE.iter().find_map(|place| place.try_lock().ok()?.take())
}

fn keep(context: DCtx<'static>) {
    let mut places = IDLE.iter().filter_map(|place| place.try_lock().ok());
    if let Some(mut place) = places.find(|place| place.is_none()) {
        *place = Some(context);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_fit_for_use_again() {
        let text = vec![7u8; 300_000];
        let frame = zstd::bulk::compress(&text, 3).unwrap();
        for _ in 0..3 {
            assert_eq!(unzstd_exactly(&frame, text.len()).unwrap(), text);
            for len in [0, 1000, text.len() - 1, text.len() + 1] {
                assert!(unzstd_exactly(&frame, len).is_err());
            }
            assert!(unzstd_exactly(b"no zstd at all", 9).is_err());
        }
    }

    #[cfg(feature = "file")]
    #[test]
    fn of_more_than_is_wanted_the_rest_is_left() {
        let text = vec![7u8; 300_000];
        let frame = zstd::bulk::compress(&text, 3).unwrap();
        for _ in 0..3 {
            assert_eq!(unzstd(&frame, u64::MAX).unwrap(), text);
            assert_eq!(unzstd(&frame, 1000).unwrap(), text[..1000]);
            assert!(unzstd(&frame[..frame.len() - 1], u64::MAX).is_err());
            assert!(unzstd(b"no zstd at all", u64::MAX).is_err());
        }
        assert!(unzstd(&[], u64::MAX).is_err());
    }
}
