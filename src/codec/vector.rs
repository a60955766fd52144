//! Payloads of vectors: several payloads in one, which hold the values in runs, or dimension by
//! dimension.
//!
//! ```text
//! form     u8       0 runs, 1 runs by position, 2 dimensions
//! if 2, for each dimension:
//!   number of dimensions that its payload refers to, then which: varints
//! length of each payload but the last: varints
//! payloads
//! ```
//!
//! A value's *position* is its dimension, counted from 0. Runs hold the values in their order, 2^20
//! each but the last; by position, they refer to one column: the positions. Dimensions refer to one
//! another, where each has as many values as every other. That of a dimension without any value is
//! empty.

use std::borrow::Cow;

use super::context::{Buckets, Context, Span};
use super::effort::Effort;
use super::element::ElementType;
use super::encode::EncodedBlock;
use super::payload::{MAX_BLOCK_VALUES, write_varint};
use super::select::Plan;
use super::{CodecError, Keep, decode_bytes, decode_integers, payload};

/// How the values of a block of vectors are divided among payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum VectorForm {
    /// In their order.
    Runs = 0,
    /// In their order, by tables that depend on the dimension.
    Positions = 1,
    /// Each dimension by itself.
    Dimensions = 2,
}

/// Dimensions that one refers to, at most.
const MAX_REFERENCES: usize = 8;

/// Tables are told apart by up to so many ranges of dimensions.
const POSITION_BUCKETS: usize = 1024;

/// The plan of a run by position; None where it has no integers or there is nothing to tell apart.
pub fn plan_by_position(
    integers: Option<&[i32]>,
    dimensions: usize,
    effort: Effort,
) -> Option<Plan> {
    let last = i32::try_from(dimensions.checked_sub(1)?).ok()?;
    let mut plan = Plan::alone(Some(integers?), effort);
    let span = Span::of(&[0, last], false);
    plan.references = vec![0];
    plan.context = Context {
        buckets: vec![Buckets::of(0, false, span, POSITION_BUCKETS)],
        previous: None,
    };
    (last > 0).then_some(plan)
}

/// Joins the payloads of one block. `references` name, for each dimension, those that its payload
/// refers to; there are none in other forms.
pub fn join_vector(
    form: VectorForm,
    blocks: &[EncodedBlock],
    references: &[Vec<usize>],
) -> Vec<u8> {
    let mut out = vec![form as u8];
    for references in references {
        write_varint(references.len() as u64, &mut out);
        references
            .iter()
            .for_each(|reference| write_varint(*reference as u64, &mut out));
    }
    let lengths = blocks.iter().map(|block| block.payload.len());
    let all_but_last = lengths.take(blocks.len().saturating_sub(1));
    all_but_last.for_each(|length| write_varint(length as u64, &mut out));
    blocks
        .iter()
        .for_each(|block| out.extend_from_slice(&block.payload));
    out
}

/// Appends the little-endian bytes of the `n` values of a vector payload to `out`.
///
/// `positions` are those of the values; None where the values are whole vectors of `dimensions`, one
/// after another.
///
/// # Errors
/// As [`decode`](super::decode). On an error some bytes may have been appended.
pub fn decode_vector(
    payload: &[u8],
    element: ElementType,
    n: usize,
    dimensions: usize,
    positions: Option<&[u32]>,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let whole = positions.is_none();
    let fits = match positions {
        None => dimensions > 0 && n.is_multiple_of(dimensions),
        Some(positions) => {
            positions.len() == n && positions.iter().all(|p| (*p as usize) < dimensions)
        }
    };
    if !fits {
        return Err(cut("values do not make up vectors"));
    }
    let parts = Parts::read(payload, n, dimensions)?;
    match parts.form {
        VectorForm::Runs => {
            for (payload, first) in parts.payloads.iter().zip((0..n).step_by(MAX_BLOCK_VALUES)) {
                let values = MAX_BLOCK_VALUES.min(n - first);
                decode_bytes(payload, element, values, &[], Keep::Nothing, out)?;
            }
        }
        VectorForm::Positions => {
            for (payload, first) in parts.payloads.iter().zip((0..n).step_by(MAX_BLOCK_VALUES)) {
                let values = MAX_BLOCK_VALUES.min(n - first);
                let positions = position_integers(positions, first..first + values, dimensions);
                decode_bytes(payload, element, values, &[&positions], Keep::Nothing, out)?;
            }
        }
        VectorForm::Dimensions => {
            let mut dimensional = Dimensional {
                element,
                counts: counts(n, dimensions, positions),
                known: vec![None; dimensions],
                parts: &parts,
            };
            let bytes = dimensional.decode(whole)?;
            match positions {
                None => transposed(&bytes, dimensions, element.width(), out),
                Some(positions) => {
                    let counts = &dimensional.counts;
                    scattered(&bytes, counts, positions, element.width(), out);
                }
            }
        }
    }
    Ok(())
}

/// The positions of a range of values, as a payload refers to them.
pub fn position_integers(
    positions: Option<&[u32]>,
    values: std::ops::Range<usize>,
    dimensions: usize,
) -> Vec<i32> {
    match positions {
        // Below the number of dimensions, which is one of an i32.
        Some(positions) => positions[values].iter().map(|p| *p as i32).collect(),
        None => {
            let start = values.start % dimensions;
            let cycle = (0..dimensions as i32).cycle();
            cycle.skip(start).take(values.len()).collect()
        }
    }
}

/// Values of each dimension.
fn counts(n: usize, dimensions: usize, positions: Option<&[u32]>) -> Vec<usize> {
    let Some(positions) = positions else {
        return vec![n / dimensions; dimensions];
    };
    let mut counts = vec![0; dimensions];
    positions.iter().for_each(|p| counts[*p as usize] += 1);
    counts
}

/// The payloads of one block.
struct Parts<'a> {
    form: VectorForm,
    references: Vec<Vec<usize>>,
    payloads: Vec<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn read(payload: &'a [u8], n: usize, dimensions: usize) -> Result<Self, CodecError> {
        let mut cursor = payload::Cursor::new(payload);
        let (form, count) = match cursor.byte()? {
            0 => (VectorForm::Runs, n.div_ceil(MAX_BLOCK_VALUES)),
            1 => (VectorForm::Positions, n.div_ceil(MAX_BLOCK_VALUES)),
            2 => (VectorForm::Dimensions, dimensions),
            form => return Err(cut(format!("unknown form {form}"))),
        };
        // Each takes a byte or more: its length, or itself.
        if count == 0 || count > payload.len() {
            return Err(cut(format!("{count} payloads in {} bytes", payload.len())));
        }
        let mut references = Vec::new();
        if form == VectorForm::Dimensions {
            for _ in 0..count {
                let number = cursor.varint()?;
                if number > MAX_REFERENCES {
                    return Err(cut("a dimension refers to too many others"));
                }
                let of_one: Vec<usize> = (0..number)
                    .map(|_| cursor.varint())
                    .collect::<Result<_, _>>()?;
                if of_one.iter().any(|reference| *reference >= count) {
                    return Err(cut("a reference to a dimension that is not there"));
                }
                references.push(of_one);
            }
        }
        let lengths: Vec<usize> = (1..count)
            .map(|_| cursor.varint())
            .collect::<Result<_, _>>()?;
        let mut payloads = Vec::with_capacity(count);
        for length in lengths {
            payloads.push(cursor.take(length)?);
        }
        payloads.push(cursor.rest());
        Ok(Self {
            form,
            references,
            payloads,
        })
    }
}

/// Decodes dimensions, those first that others refer to.
struct Dimensional<'a> {
    element: ElementType,
    counts: Vec<usize>,
    /// Integers of dimensions that others refer to.
    known: Vec<Option<Vec<i32>>>,
    parts: &'a Parts<'a>,
}

impl Dimensional<'_> {
    /// The bytes of all values, dimension by dimension.
    fn decode(&mut self, whole: bool) -> Result<Vec<u8>, CodecError> {
        let order = self.order()?;
        let refers = self.parts.references.iter().any(|r| !r.is_empty());
        if refers && !whole {
            return Err(cut("references among dimensions of different lengths"));
        }
        let mut referred = vec![false; self.counts.len()];
        let all = self.parts.references.iter().flatten();
        all.for_each(|reference| referred[*reference] = true);
        for dimension in order {
            if referred[dimension] {
                let integers = decode_integers(
                    self.parts.payloads[dimension],
                    self.element,
                    self.counts[dimension],
                    &self.references(dimension),
                )?;
                self.known[dimension] = Some(integers);
            }
        }
        let mut bytes = Vec::new();
        for dimension in 0..self.counts.len() {
            let payload = self.parts.payloads[dimension];
            if self.counts[dimension] == 0 && payload.is_empty() {
                continue;
            }
            match &self.known[dimension] {
                Some(integers) => {
                    super::bytes_of_integers(payload, self.element, integers, &mut bytes)?;
                }
                None => {
                    let references = self.references(dimension);
                    let n = self.counts[dimension];
                    decode_bytes(
                        payload,
                        self.element,
                        n,
                        &references,
                        Keep::Nothing,
                        &mut bytes,
                    )?;
                }
            }
        }
        Ok(bytes)
    }

    fn references(&self, dimension: usize) -> Vec<&[i32]> {
        let references = self.parts.references[dimension].iter();
        // In the order that `order` gave, references are known.
        references
            .map(|reference| self.known[*reference].as_deref().unwrap_or(&[]))
            .collect()
    }

    /// Dimensions such that each comes after those that it refers to (Kahn's algorithm).
    fn order(&self) -> Result<Vec<usize>, CodecError> {
        let references = &self.parts.references;
        let mut referring = vec![Vec::new(); references.len()];
        let mut waiting: Vec<usize> = references.iter().map(Vec::len).collect();
        for (dimension, of_one) in references.iter().enumerate() {
            for reference in of_one {
                referring[*reference].push(dimension);
            }
        }
        let mut order: Vec<usize> = (0..references.len())
            .filter(|dimension| waiting[*dimension] == 0)
            .collect();
        let mut next = 0;
        while let Some(dimension) = order.get(next).copied() {
            next += 1;
            for other in &referring[dimension] {
                waiting[*other] -= 1;
                if waiting[*other] == 0 {
                    order.push(*other);
                }
            }
        }
        if order.len() < references.len() {
            return Err(cut("dimensions refer to one another in a circle"));
        }
        Ok(order)
    }
}

/// Values by dimension to whole vectors.
fn transposed(bytes: &[u8], dimensions: usize, width: usize, out: &mut Vec<u8>) {
    fn of<const W: usize>(bytes: &[u8], dimensions: usize, out: &mut [u8]) {
        let rows = bytes.len() / W / dimensions;
        // Squares of both sides lie in the cache.
        const SIDE: usize = 32;
        for row in (0..rows).step_by(SIDE) {
            for dimension in (0..dimensions).step_by(SIDE) {
                for row in row..rows.min(row + SIDE) {
                    for dimension in dimension..dimensions.min(dimension + SIDE) {
                        let from = (dimension * rows + row) * W;
                        let to = (row * dimensions + dimension) * W;
                        out[to..to + W].copy_from_slice(&bytes[from..from + W]);
                    }
                }
            }
        }
    }
    let start = out.len();
    out.resize(start + bytes.len(), 0);
    match width {
        2 => of::<2>(bytes, dimensions, &mut out[start..]),
        4 => of::<4>(bytes, dimensions, &mut out[start..]),
        _ => of::<8>(bytes, dimensions, &mut out[start..]),
    }
}

/// Values by dimension to values in their order.
fn scattered(bytes: &[u8], counts: &[usize], positions: &[u32], width: usize, out: &mut Vec<u8>) {
    let mut next: Vec<usize> = counts
        .iter()
        .scan(0, |start, count| {
            let first = *start;
            *start += count;
            Some(first)
        })
        .collect();
    for position in positions {
        let at = next[*position as usize] * width;
        next[*position as usize] += 1;
        out.extend_from_slice(&bytes[at..at + width]);
    }
}

fn cut(what: impl Into<Cow<'static, str>>) -> CodecError {
    CodecError::corrupt(format!("vectors: {}", what.into()))
}
