//! Bodies, a piece at a time: the next is read once the one before has gone to the network.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::files::Served;
use super::limits::Limits;

/// What a body is made of.
pub enum Part {
    Text(String),
    File(Range<u64>),
}

/// The bytes of a body that is yet to be read.
pub fn length(parts: &[Part]) -> u64 {
    let lengths = parts.iter().map(|part| match part {
        Part::Text(text) => text.len() as u64,
        Part::File(range) => range.end - range.start,
    });
    lengths.sum()
}

/// The parts, one after the other. An error, or the end of the client's patience, ends the
/// connection; `place` is given back with the last byte or with that.
pub fn body(
    file: Arc<Served>,
    parts: Vec<Part>,
    limits: Limits,
    place: OwnedSemaphorePermit,
) -> Body {
    let pieces = Pieces {
        file,
        parts: parts.into(),
        limits,
        _place: place,
    };
    Body::from_stream(stream::try_unfold(pieces, |mut pieces| async {
        let piece = pieces
            .next()
            .await
            .inspect_err(|error| tracing::error!("{error}"))?;
        Ok::<_, io::Error>(piece.map(|piece| (piece, pieces)))
    }))
}

struct Pieces {
    file: Arc<Served>,
    parts: VecDeque<Part>,
    limits: Limits,
    _place: OwnedSemaphorePermit,
}

impl Pieces {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let range = match self.parts.pop_front() {
            None => return Ok(None),
            Some(Part::Text(text)) => return Ok(Some(text.into())),
            Some(Part::File(range)) => range,
        };
        let end = self.file.piece_end(&range).map_err(io::Error::other)?;
        if end < range.end {
            self.parts.push_front(Part::File(end..range.end));
        }
        let piece = range.start..end;
        let needed = self.file.memory_of_read(&piece).map_err(io::Error::other)?;
        let mut right = self.limits.memory(needed).await.ok_or_else(stopped)?;
        let file = Arc::clone(&self.file);
        let read = self.limits.work(move || file.read(piece)).await;
        let bytes = read.ok_or_else(stopped)?.map_err(io::Error::other)?;
        self.limits.shrink(&mut right, bytes.len() as u64);
        Ok(Some(Bytes::from_owner(Held {
            bytes,
            _right: right,
        })))
    }
}

fn stopped() -> io::Error {
    io::Error::other("reading stopped unexpectedly")
}

/// Bytes that count as memory in use until they are sent.
struct Held {
    bytes: Bytes,
    _right: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
