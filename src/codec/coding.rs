//! Integers of a block to bytes: a transform, then tables by context or pco.
//!
//! ```text
//! tag   u8    transform (low half) | coder << 4
//! model, or stream of i32
//! ```

use super::CodecError;
use super::context::Context;
use super::effort::Effort;
use super::model::{self, Model};
use super::payload::Cursor;
use super::select::Plan;
use super::stream::{self, Delta};
use super::transform::Transform;

const CODER_STREAM: u8 = 0;
const CODER_MODEL: u8 = 1;

/// A context must save this much of what the integers take without one: it costs decoding time.
const CONTEXT_WORTH: f32 = 0.985;
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
    let tag = plan.transform.tag();
    let residuals = plan.transform.apply(integers);
    if effort == Effort::Fast || integers.is_empty() {
        out.push(tag | CODER_STREAM << 4);
        stream::write_at(&residuals, Delta::Order(0), FAST_LEVEL, out);
        return;
    }
    let model = best_model(&residuals, &plan.context, references);
    let few = integers.len() <= FEW;
    if let Some(model) = &model
        && !few
        && !(model.is_coarse() && model.is_free())
    {
        out.push(tag | CODER_MODEL << 4);
        model.write(out);
        return;
    }
    // What cannot be told beforehand is tried.
    let mut best = vec![tag | CODER_STREAM << 4];
    stream::write(&residuals, Delta::Order(0), &mut best);
    if few && plan.transform != Transform::None {
        let mut plain = vec![Transform::None.tag() | CODER_STREAM << 4];
        stream::write(integers, Delta::Order(0), &mut plain);
        best = shorter(best, plain);
    }
    if let Some(model) = model
        && (few || model.bits() / 8.0 < best.len() as f32 - STREAM_BYTES)
    {
        let mut modelled = vec![tag | CODER_MODEL << 4];
        model.write(&mut modelled);
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

/// Blocks of so few values are coded in all ways: headers count, and it takes no time.
pub(super) const FEW: usize = 1024;

/// The model by `context`, or the one without if that is about as good.
fn best_model<'a>(
    residuals: &'a [i32],
    context: &'a Context,
    references: &[&[i32]],
) -> Option<Model<'a>> {
    let model = Model::new(residuals, context, references);
    if context.is_empty() {
        return model;
    }
    match (model, Model::new(residuals, Context::NONE, &[])) {
        (Some(model), Some(alone)) if model.bits() > CONTEXT_WORTH * alone.bits() => Some(alone),
        (model, alone) => model.or(alone),
    }
}

fn shorter(a: Vec<u8>, b: Vec<u8>) -> Vec<u8> {
    if b.len() < a.len() { b } else { a }
}

/// pco's level without entropy coding.
const FAST_LEVEL: usize = 0;

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
    let transform = Transform::of_tag(tag & 15)?;
    match tag >> 4 {
        CODER_STREAM => stream::read_into(cursor, integers)?,
        CODER_MODEL => model::read(cursor, references, integers)?,
        coder => return Err(CodecError::corrupt(format!("unknown coder {coder}"))),
    }
    transform.invert(integers);
    Ok(())
}
