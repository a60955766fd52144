//! Residuals of which nearly all are the same: the distances between the others, and these.
//!
//! ```text
//! description: center (signed), width (5 raw bits); then, until all integers are told: the number
//!              that are the center (`width` low bits raw, the rest a number), and the next one
//!              (signed distance from the center)
//! ```
//!
//! Each stretch of a sequence has models of its own: see [`stretches`](super::strides::numbers).

use super::CodecError;
use super::bits::{BitReader, BitWriter, Learning, Number};
use super::payload::{self, Cursor};

/// One in so many residuals may be another than the center; where there are more, tables are as
/// short, and faster.
const LEAST_RUN: usize = 12;

/// Residuals handed on at a time.
const PIECE: usize = 2048;

/// Models of a stretch.
struct Models {
    run: Number,
    distance: Number,
}

impl Models {
    const NEW: Models = Models {
        run: Number::NEW,
        distance: Number::NEW,
    };

    /// For all stretches of `numbers`.
    fn of(numbers: &[i32]) -> Vec<Models> {
        let count = numbers.last().map_or(1, |last| *last as usize + 1);
        (0..count).map(|_| Self::NEW).collect()
    }
}

/// `residuals` coded so, if they are sparse. `stretches` has the number of each one's stretch,
/// ascending; or is empty, for a single one.
pub(super) fn coded(residuals: &[i32], stretches: &[i32]) -> Option<Vec<u8>> {
    let center = most_frequent(residuals)?;
    let mut models = Models::of(stretches);
    let mut bits = BitWriter::new(Learning::Quick);
    bits.signed(&mut models[0].distance, center);
    let others = residuals.iter().filter(|x| **x != center).count();
    // Few runs teach their models little of their length.
    let width = match (stretches.is_empty(), residuals.len() / (others + 1)) {
        (true, mean @ 1..) => mean.ilog2(),
        _ => 0,
    };
    bits.raw(width, 5);
    let run = |bits: &mut BitWriter, model: &mut Number, length: usize| {
        bits.number(model, (length >> width) as u32);
        bits.raw(length as u32, width);
    };
    let mut start = 0;
    for (i, x) in residuals.iter().enumerate() {
        if *x != center {
            run(
                &mut bits,
                &mut models[stretch(stretches, start)].run,
                i - start,
            );
            let distance = &mut models[stretch(stretches, i)].distance;
            bits.signed(distance, x.wrapping_sub(center));
            start = i + 1;
        }
    }
    if start < residuals.len() {
        let last = &mut models[stretch(stretches, start)].run;
        run(&mut bits, last, residuals.len() - start);
    }
    let bytes = bits.finish();
    let mut out = Vec::with_capacity(bytes.len() + 3);
    payload::write_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(&bytes);
    Some(out)
}

fn stretch(stretches: &[i32], i: usize) -> usize {
    stretches.get(i).map_or(0, |number| *number as usize)
}

/// The residual that nearly all are, if there is one.
fn most_frequent(residuals: &[i32]) -> Option<i32> {
    let mut sample: Vec<i32> = residuals
        .iter()
        .step_by(1 + residuals.len() / 255)
        .copied()
        .collect();
    let middle = sample.len() / 2;
    if sample.is_empty() {
        return None;
    }
    let (_, center, _) = sample.select_nth_unstable(middle);
    let others = residuals.iter().filter(|x| *x != center).count();
    (others * LEAST_RUN <= residuals.len()).then_some(*center)
}

/// Reads what [`coded`] made of `n` residuals, and hands them to `sink` in pieces.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    stretches: &[i32],
    n: usize,
    sink: &mut dyn FnMut(&mut [i32]),
) -> Result<(), CodecError> {
    let mut bits = BitReader::open(cursor, Learning::Quick)?;
    let mut models = Models::of(stretches);
    let center = bits.signed(&mut models[0].distance);
    let width = bits.raw(5);
    let mut pieces = Pieces {
        center,
        piece: [center; PIECE],
        start: 0,
        sink,
    };
    let mut next = 0;
    while next < n {
        let high = u64::from(bits.number(&mut models[stretch(stretches, next)].run));
        let run = high << width | u64::from(bits.raw(width));
        if run > (n - next) as u64 {
            return Err(CodecError::corrupt("a run beyond the end"));
        }
        next += run as usize;
        if next < n {
            let distance = &mut models[stretch(stretches, next)].distance;
            pieces.put(next, center.wrapping_add(bits.signed(distance)));
            next += 1;
        }
    }
    pieces.finish(n);
    bits.finish()
}

/// Residuals that are handed on in pieces, all the center but those that are put.
struct Pieces<'s> {
    center: i32,
    piece: [i32; PIECE],
    /// Of the piece.
    start: usize,
    sink: &'s mut dyn FnMut(&mut [i32]),
}

impl Pieces<'_> {
    /// Puts a residual, after those put before.
    fn put(&mut self, at: usize, residual: i32) {
        self.advance(at);
        self.piece[at - self.start] = residual;
    }

    /// Hands on all pieces that end before `at`.
    fn advance(&mut self, at: usize) {
        while at - self.start >= PIECE {
            (self.sink)(&mut self.piece);
            self.piece.fill(self.center);
            self.start += PIECE;
        }
    }

    fn finish(mut self, n: usize) {
        self.advance(n);
        (self.sink)(&mut self.piece[..n - self.start]);
    }
}
