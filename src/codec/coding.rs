//! Integers of a block to bytes: a transform, then tables by context, pco, a frame of fixed width,
//! or what is not as nearly all are.
//!
//! ```text
//! tag   u8    transform (low half) | coder << 4
//! weights of a linear transform
//! model, stream of i32, frame, or sparse residuals
//! ```

use super::CodecError;
use super::choose;
use super::context::{Buckets, Context};
use super::effort::Effort;
use super::estimate::{Cost, Sample};
use super::frame::{self, Frame};
use super::model::{self, Description, Model};
use super::payload::Cursor;
use super::select::{Plan, previous_shift};
use super::sparse;
use super::stream::{self, Delta};
use super::transform::{Inversion, Transform};

const CODER_STREAM: u8 = 0;
/// Written before format version 3.
const CODER_STEADY_MODEL: u8 = 1;
const CODER_FRAME: u8 = 2;
/// Written before format version 6.
const CODER_NUMBERS_MODEL: u8 = 3;
const CODER_SPARSE: u8 = 4;
const CODER_MODEL: u8 = 5;

/// What decodes in a third of the time may take so many times the bits, where time counts most.
const FAST_FRAME_WORTH: f32 = 1.45;
/// And where both count, which only integers that are about even in their range keep to.
const FRAME_WORTH: f32 = 1.05;
/// A context must save this much of what the integers take without one: it costs decoding time.
const CONTEXT_WORTH: f32 = 0.985;
/// What takes so small a part of the bits without context, pco does not reach.
const BEYOND_STREAMS: f32 = 0.75;
/// Streams may take at most so much of what the model takes: they decode in twice the time, and more.
const STREAM_WORTH: f32 = 0.99;

/// Appends `integers`, coded by `plan`; `references` are aligned with them.
pub(super) fn write(
    integers: &[i32],
    plan: &Plan,
    references: &[&[i32]],
    effort: Effort,
    out: &mut Vec<u8>,
) {
    let residuals = plan.transform.apply(integers, references);
    let stretches = plan.transform.stretches(integers.len());
    let dense = if !stretches.is_empty() {
        by_stretch(&residuals, &plan.transform, &stretches, effort)
    } else if effort == Effort::Fast || integers.is_empty() {
        fast(&residuals, &plan.transform)
    } else {
        dense(integers, &residuals, plan, references, effort)
    };
    let sparse = sparse::coded(&residuals, &stretches).map(|coded| {
        let mut sparse = vec![plan.transform.tag() | CODER_SPARSE << 4];
        plan.transform.write(&mut sparse);
        sparse.extend_from_slice(&coded);
        sparse
    });
    out.extend_from_slice(&match sparse {
        Some(sparse) => shorter(dense, sparse),
        None => dense,
    });
}

/// Residuals of stretches that differ: tables by the number of the stretch.
fn by_stretch(
    residuals: &[i32],
    transform: &Transform,
    stretches: &[i32],
    effort: Effort,
) -> Vec<u8> {
    let mut out = Vec::new();
    match best_model(residuals, &stretch_context(stretches), &[stretches], effort) {
        Some(model) => write_model(transform, &model, &mut out),
        None => write_stream(transform, residuals, &mut out),
    }
    out
}

fn stretch_context(stretches: &[i32]) -> Context {
    Context {
        buckets: vec![Buckets {
            reference: 0,
            difference: false,
            low: 0,
            shift: 0,
            count: stretches.last().map_or(1, |last| *last as usize + 1),
        }],
        previous: None,
    }
}

/// So that it decodes fast: in a frame, unless that takes far more bits.
fn fast(residuals: &[i32], transform: &Transform) -> Vec<u8> {
    let mut out = Vec::new();
    let frame = Frame::of(residuals);
    match Model::new(residuals, Context::NONE, &[], Effort::Fast) {
        Some(model) if frame.bits as f32 > FAST_FRAME_WORTH * model.bits() => {
            write_model(transform, &model, &mut out);
        }
        _ => write_frame(transform, frame, residuals, &mut out),
    }
    out
}

fn dense(
    integers: &[i32],
    residuals: &[i32],
    plan: &Plan,
    references: &[&[i32]],
    effort: Effort,
) -> Vec<u8> {
    let mut best = Vec::new();
    let model = best_model(residuals, &plan.context, references, effort);
    let few = integers.len() <= FEW;
    if let Some(model) = &model
        && !few
        && (!model.is_coarse() || model.gain() < BEYOND_STREAMS)
    {
        // Not where a reference would be left unused.
        let may_frame = effort != Effort::Small && plan.references.is_empty();
        let frame = may_frame.then(|| Frame::spanning(residuals));
        match frame.filter(|frame| frame.bits as f32 <= FRAME_WORTH * model.bits()) {
            Some(frame) => write_frame(&plan.transform, frame, residuals, &mut best),
            None => write_model(&plan.transform, model, &mut best),
        }
        return best;
    }
    // What cannot be told beforehand is tried.
    let other = other_transform(integers, &plan.transform);
    let others = other.as_ref().map(|other| other.apply(integers, &[]));
    match (&other, others) {
        (Some(other), Some(others)) if few || sampled(&others) < sampled(residuals) => {
            write_stream(other, &others, &mut best);
        }
        _ => write_stream(&plan.transform, residuals, &mut best),
    }
    let worth = stream_worth(integers, effort);
    if let Some(model) = model
        && (few || worth * model.bits() / 8.0 < best.len() as f32)
    {
        let mut modelled = Vec::new();
        write_model(&plan.transform, &model, &mut modelled);
        best = shorter_by(worth, modelled, best);
    }
    if few && !plan.references.is_empty() {
        let mut alone = Vec::new();
        let plan = Plan::alone(Some(integers), effort);
        write(integers, &plan, &[], effort, &mut alone);
        best = shorter(best, alone);
    }
    best
}

/// Bits that `integers`, a part of a block, take by `plan`, which has no references.
pub(super) fn estimated_bits(integers: &[i32], plan: &Plan, cost: &mut Cost) -> f32 {
    let stretches = plan.transform.stretches(integers.len());
    let symbols = Sample::of(&[integers], integers.len()).symbols(&plan.transform, &[]);
    let dense = if stretches.is_empty() {
        let context = Context {
            previous: plan.context.previous.map(|_| previous_shift(symbols.size)),
            buckets: Vec::new(),
        };
        cost.of(&symbols, &context, &[])
    } else {
        cost.of(&symbols, &stretch_context(&stretches), &[&stretches])
    };
    let mut description = Vec::new();
    plan.transform.write(&mut description);
    let part = integers.len() as f32 / USUAL_BLOCK;
    let residuals = plan.transform.apply(integers, &[]);
    let sparse = sparse::coded(&residuals, &stretches);
    let bytes = sparse.map_or(f32::INFINITY, |sparse| sparse.len() as f32);
    dense.min(8.0 * bytes) + 8.0 * part * description.len() as f32
}

/// As [`write`], for integers that are the values themselves: these recur in ways that quanta do
/// not, so that more is tried.
pub(super) fn write_exact(
    integers: &[i32],
    plan: &Plan,
    references: &[&[i32]],
    effort: Effort,
    out: &mut Vec<u8>,
) {
    let mut best = Vec::new();
    write(integers, plan, references, effort, &mut best);
    if effort == Effort::Fast {
        out.extend_from_slice(&best);
        return;
    }
    // What is a stream already is no slower than another.
    let worth = |best: &[u8]| match best.first().map(|tag| tag >> 4) {
        Some(CODER_STREAM) => 1.0,
        _ => stream_worth(integers, effort),
    };
    let mut searched = vec![Transform::None.tag() | CODER_STREAM << 4];
    stream::write(integers, Delta::Search, &mut searched);
    best = shorter_by(worth(&best), best, searched);
    let level = if effort == Effort::Small { 19 } else { 9 };
    for delta in [false, true] {
        let mut repeated = vec![Transform::None.tag() | CODER_STREAM << 4];
        stream::write_zstd(integers, delta, level, &mut repeated);
        best = shorter_by(worth(&best), best, repeated);
    }
    out.extend_from_slice(&best);
}

fn write_stream(transform: &Transform, residuals: &[i32], out: &mut Vec<u8>) {
    out.push(transform.tag() | CODER_STREAM << 4);
    transform.write(out);
    stream::write(residuals, Delta::Order(0), out);
}

fn write_frame(transform: &Transform, frame: Frame, residuals: &[i32], out: &mut Vec<u8>) {
    out.push(transform.tag() | CODER_FRAME << 4);
    transform.write(out);
    frame.write(residuals, out);
}

fn write_model(transform: &Transform, model: &Model<'_>, out: &mut Vec<u8>) {
    out.push(transform.tag() | CODER_MODEL << 4);
    transform.write(out);
    model.write(out);
}

/// The transform that pco does best with, by another estimate than plans are made by, if it is
/// another.
fn other_transform(integers: &[i32], transform: &Transform) -> Option<Transform> {
    let other = match choose::delta_order(integers) {
        0 => Transform::None,
        order => Transform::Delta(order),
    };
    (other != *transform).then_some(other)
}

/// Bytes that pco takes for a sample.
fn sampled(residuals: &[i32]) -> usize {
    let sample: Vec<i32> = choose::runs(residuals, 4).flatten().copied().collect();
    stream::compress(&sample, Delta::Order(0), stream::LEVEL)
        .map_or(usize::MAX, |bytes| bytes.len())
}

/// Values that share a description, mostly.
const USUAL_BLOCK: f32 = 65_536.0;

/// Blocks of so few values are coded in all ways: headers count, and it takes no time.
pub(super) const FEW: usize = 1024;

/// The model by `context`, or the one without if that is about as good.
fn best_model<'a>(
    residuals: &'a [i32],
    context: &'a Context,
    references: &[&[i32]],
    effort: Effort,
) -> Option<Model<'a>> {
    match Model::new(residuals, context, references, effort) {
        Some(model) => Some(model.or_free(CONTEXT_WORTH)),
        None => Model::new(residuals, Context::NONE, &[], effort),
    }
}

/// What part of the model's bytes a stream instead may take at most.
fn stream_worth(integers: &[i32], effort: Effort) -> f32 {
    match effort {
        Effort::Small => 1.0,
        _ if integers.len() <= FEW => 1.0,
        _ => STREAM_WORTH,
    }
}

/// `b` if it takes less than `worth` times what `a` takes.
fn shorter_by(worth: f32, a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    match (b.len() as f32) < worth * a.len() as f32 {
        true => b,
        false => a,
    }
}

fn shorter(a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    shorter_by(1.0, a, b)
}

/// Reads `n` integers that [`write`] wrote.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    references: &[&[i32]],
    n: usize,
) -> Result<Vec<i32>, CodecError> {
    Coded::open(cursor, references, n)?.all(cursor, references, n)
}

/// As [`read`]; hands the integers to `sink` in pieces, as they are decoded where they can be.
pub(super) fn read_pieces(
    cursor: &mut Cursor<'_>,
    references: &[&[i32]],
    n: usize,
    sink: &mut dyn FnMut(&[i32]),
) -> Result<(), CodecError> {
    let coded = Coded::open(cursor, references, n)?;
    if coded.transform.looks_back() {
        return coded.pieces(cursor, references, n, sink);
    }
    sink(&coded.all(cursor, references, n)?);
    Ok(())
}

/// What stands before coded integers.
struct Coded {
    coder: u8,
    transform: Transform,
    /// See [`Transform::stretches`].
    stretches: Vec<i32>,
}

impl Coded {
    fn open(cursor: &mut Cursor<'_>, references: &[&[i32]], n: usize) -> Result<Self, CodecError> {
        if references.iter().any(|other| other.len() != n) {
            return Err(CodecError::corrupt("references of another length"));
        }
        let tag = cursor.byte()?;
        let transform = Transform::read(tag & 15, cursor, references.len(), n)?;
        Ok(Self {
            coder: tag >> 4,
            stretches: transform.stretches(n),
            transform,
        })
    }

    fn all(
        &self,
        cursor: &mut Cursor<'_>,
        references: &[&[i32]],
        n: usize,
    ) -> Result<Vec<i32>, CodecError> {
        let mut integers = Vec::with_capacity(n);
        self.residuals(cursor, references, n, &mut |piece| {
            integers.extend_from_slice(piece);
        })?;
        self.transform.invert(&mut integers, references);
        Ok(integers)
    }

    /// The integers in pieces, by a transform that looks back.
    fn pieces(
        &self,
        cursor: &mut Cursor<'_>,
        references: &[&[i32]],
        n: usize,
        sink: &mut dyn FnMut(&[i32]),
    ) -> Result<(), CodecError> {
        let mut inversion = Inversion::new(&self.transform, references);
        self.residuals(cursor, references, n, &mut |piece| {
            inversion.next(piece);
            sink(piece);
        })
    }

    /// What the transform has left, in pieces.
    fn residuals(
        &self,
        cursor: &mut Cursor<'_>,
        references: &[&[i32]],
        n: usize,
        sink: &mut dyn FnMut(&mut [i32]),
    ) -> Result<(), CodecError> {
        let by_stretch = [&self.stretches[..]];
        let by = match self.stretches.is_empty() {
            true => references,
            false => &by_stretch,
        };
        match self.coder {
            CODER_STREAM => stream::read(cursor, n, sink),
            CODER_STEADY_MODEL => model::read(cursor, Description::Steady, by, n, sink),
            CODER_NUMBERS_MODEL => model::read(cursor, Description::Numbers, by, n, sink),
            CODER_MODEL => model::read(cursor, Description::Offsets, by, n, sink),
            CODER_FRAME => frame::read(cursor, n, sink),
            CODER_SPARSE => sparse::read(cursor, &self.stretches, n, sink),
            coder => Err(CodecError::corrupt(format!("unknown coder {coder}"))),
        }
    }
}
