//! Integers of a block to bytes: a transform, then tables by context or pco.
//!
//! ```text
//! tag   u8    transform (low half) | coder << 4
//! weights of a linear transform
//! model, or stream of i32
//! ```

use super::CodecError;
use super::choose;
use super::context::Context;
use super::effort::Effort;
use super::frame::{self, Frame};
use super::model::{self, Model};
use super::payload::Cursor;
use super::select::Plan;
use super::stream::{self, Delta};
use super::transform::Transform;

const CODER_STREAM: u8 = 0;
const CODER_MODEL: u8 = 1;
/// From format version 3 on.
const CODER_FRAME: u8 = 2;

/// What decodes in a third of the time may take so many times the bits.
const FRAME_WORTH: f32 = 1.3;
/// A context must save this much of what the integers take without one: it costs decoding time.
const CONTEXT_WORTH: f32 = 0.985;
/// What takes so small a part of the bits without context, pco does not reach.
const BEYOND_STREAMS: f32 = 0.75;
/// What pco takes beyond the entropy of its bins.
const STREAM_BYTES: f32 = 24.0;

/// Appends `integers`, coded by `plan`; `references` are aligned with them.
pub(super) fn write(
    integers: &[i32],
    plan: &Plan,
    references: &[&[i32]],
    effort: Effort,
    out: &mut Vec<u8>,
) {
    if effort == Effort::Fast || integers.is_empty() {
        write_fast(integers, plan, references, out);
        return;
    }
    let residuals = plan.transform.apply(integers, references);
    let model = best_model(&residuals, &plan.context, references);
    let few = integers.len() <= FEW;
    if let Some(model) = &model
        && !few
        && (!model.is_coarse() || model.gain() < BEYOND_STREAMS)
    {
        write_model(&plan.transform, model, effort, out);
        return;
    }
    // What cannot be told beforehand is tried.
    let mut best = Vec::new();
    let other = other_transform(integers, &plan.transform);
    let others = other.as_ref().map(|other| other.apply(integers, &[]));
    match (&other, others) {
        (Some(other), Some(others)) if few || sampled(&others) < sampled(&residuals) => {
            write_stream(other, &others, &mut best);
        }
        _ => write_stream(&plan.transform, &residuals, &mut best),
    }
    if let Some(model) = model
        && (few || model.bits() / 8.0 < best.len() as f32 - STREAM_BYTES)
    {
        let mut modelled = Vec::new();
        write_model(&plan.transform, &model, effort, &mut modelled);
        best = shorter(best, modelled);
    }
    if few && !plan.references.is_empty() {
        let mut alone = Vec::new();
        write(
            integers,
            &Plan::alone(Some(integers), effort),
            &[],
            effort,
            &mut alone,
        );
        best = shorter(best, alone);
    }
    out.extend_from_slice(&best);
}

/// As [`write`], so that it decodes fast: in a frame, unless that takes far more bits.
fn write_fast(integers: &[i32], plan: &Plan, references: &[&[i32]], out: &mut Vec<u8>) {
    let residuals = plan.transform.apply(integers, references);
    let frame = Frame::of(&residuals);
    let model = Model::new(&residuals, Context::NONE, &[]);
    match model {
        Some(model) if frame.bits as f32 > FRAME_WORTH * model.bits() => {
            write_model(&plan.transform, &model, Effort::Fast, out);
        }
        _ => write_frame(&plan.transform, frame, &residuals, out),
    }
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
    let mut searched = vec![Transform::None.tag() | CODER_STREAM << 4];
    stream::write(integers, Delta::Search, &mut searched);
    best = shorter(best, searched);
    let level = if effort == Effort::Small { 19 } else { 9 };
    for delta in [false, true] {
        let mut repeated = vec![Transform::None.tag() | CODER_STREAM << 4];
        stream::write_zstd(integers, delta, level, &mut repeated);
        best = shorter(best, repeated);
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

fn write_model(transform: &Transform, model: &Model<'_>, effort: Effort, out: &mut Vec<u8>) {
    out.push(transform.tag() | CODER_MODEL << 4);
    transform.write(out);
    model.write(effort, out);
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

/// Blocks of so few values are coded in all ways: headers count, and it takes no time.
pub(super) const FEW: usize = 1024;

/// The model by `context`, or the one without if that is about as good.
fn best_model<'a>(
    residuals: &'a [i32],
    context: &'a Context,
    references: &[&[i32]],
) -> Option<Model<'a>> {
    match Model::new(residuals, context, references) {
        Some(model) => Some(model.or_free(CONTEXT_WORTH)),
        None => Model::new(residuals, Context::NONE, &[]),
    }
}

fn shorter(a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    if b.len() < a.len() { b } else { a }
}

/// Reads what [`write`] wrote.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    references: &[&[i32]],
    integers: &mut [i32],
) -> Result<(), CodecError> {
    if references.iter().any(|other| other.len() != integers.len()) {
        return Err(CodecError::corrupt("references of another length"));
    }
    let tag = cursor.byte()?;
    let transform = Transform::read(tag & 15, cursor, references.len())?;
    match tag >> 4 {
        CODER_STREAM => stream::read_into(cursor, integers)?,
        CODER_MODEL => model::read(cursor, references, integers)?,
        CODER_FRAME => frame::read(cursor, integers)?,
        coder => return Err(CodecError::corrupt(format!("unknown coder {coder}"))),
    }
    transform.invert(integers, references);
    Ok(())
}
