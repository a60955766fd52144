//! LC: its guaranteed absolute-bound quantizer and a few of its pipelines.

use lc_framework::{Component, Decorrelation, ElemSize, ErrorKind, Preprocessor, QuantizeDType};

use super::{from_le_bytes, le_bytes};
use crate::data::Result;
use crate::method::{Factors, Method};

const WORD: ElemSize = ElemSize::S4;
const BYTE: ElemSize = ElemSize::S1;

pub fn methods() -> Vec<Method> {
    pipelines()
        .into_iter()
        .map(|(name, components)| {
            Method::columns(
                "LC",
                format!("QUANT_ABS_0 {name}"),
                move |values, bound| {
                    let bytes = le_bytes(values);
                    Ok(lc_framework::compress(
                        &[quantize(bound)],
                        components,
                        &bytes,
                    )?)
                },
                move |bytes, _, bound| {
                    let bytes = lc_framework::decompress(&[quantize(bound)], components, bytes)?;
                    Ok(from_le_bytes(&bytes))
                },
            )
            .tuned(float_bound)
            .with_factors(Factors::Tightened)
        })
        .collect()
}

/// LC takes the bound as float32, and would round it up.
fn float_bound(_: &[f32], bound: f64) -> f64 {
    let rounded = bound as f32;
    if f64::from(rounded) > bound {
        f64::from(rounded.next_down())
    } else {
        f64::from(rounded)
    }
}

fn quantize(error_bound: f64) -> Preprocessor {
    Preprocessor::QuantizeErrorBound {
        dtype: QuantizeDType::F32,
        kind: ErrorKind::Abs,
        error_bound,
        threshold: None,
        decorrelation: Decorrelation::Zero,
    }
}

type Pipeline = (&'static str, &'static [Component]);

fn pipelines() -> [Pipeline; 6] {
    // The first is PFPL's, by LC's authors; those without a difference suit shuffled rows.
    [
        (
            "DIFFNB_4 BIT_4 RZE_1",
            &[
                Component::DeltaAsNegaBinary { size: WORD },
                Component::BitShuffle { size: WORD },
                Component::ZeroRunBitmapEncoding { size: BYTE },
            ],
        ),
        (
            "DIFFMS_4 BIT_4 RARE_1",
            &[
                Component::DeltaAsSignMagnitude { size: WORD },
                Component::BitShuffle { size: WORD },
                Component::Rare { size: BYTE },
            ],
        ),
        (
            "DIFFMS_4 HCLOG_4",
            &[
                Component::DeltaAsSignMagnitude { size: WORD },
                Component::HClog { size: WORD },
            ],
        ),
        (
            "TCNB_4 BIT_4 RZE_1",
            &[
                Component::TwosComplementToNegaBinary { size: WORD },
                Component::BitShuffle { size: WORD },
                Component::ZeroRunBitmapEncoding { size: BYTE },
            ],
        ),
        (
            "TCMS_4 BIT_4 RARE_1",
            &[
                Component::TwosComplementToSignMagnitude { size: WORD },
                Component::BitShuffle { size: WORD },
                Component::Rare { size: BYTE },
            ],
        ),
        (
            "TCMS_4 HCLOG_4",
            &[
                Component::TwosComplementToSignMagnitude { size: WORD },
                Component::HClog { size: WORD },
            ],
        ),
    ]
}

/// The smallest of the pipelines after LC's quantizer of this kind, and what comes back.
pub fn smallest(values: &[f32], kind: ErrorKind, bound: f64) -> Result<(usize, Vec<f32>)> {
    let quantize = || Preprocessor::QuantizeErrorBound {
        dtype: QuantizeDType::F32,
        kind,
        error_bound: float_bound(values, bound),
        threshold: None,
        decorrelation: Decorrelation::Zero,
    };
    let bytes = le_bytes(values);
    let mut best: Option<(Vec<u8>, &[Component])> = None;
    for (_, components) in pipelines() {
        let coded = lc_framework::compress(&[quantize()], components, &bytes)?;
        if best.as_ref().is_none_or(|(b, _)| coded.len() < b.len()) {
            best = Some((coded, components));
        }
    }
    let (coded, components) = best.ok_or("LC has no pipeline")?;
    let decoded = lc_framework::decompress(&[quantize()], components, &coded)?;
    Ok((coded.len(), from_le_bytes(&decoded)))
}
