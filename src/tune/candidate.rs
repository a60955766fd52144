//! Candidates: the ways to reduce a table that are tried.

use super::ladder::Ladder;
use super::method::{Family, Reduction, Setting};

/// One way to reduce a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Candidate {
    /// The table as it is.
    Original,
    /// A method, by its position, with one of its parameters.
    Method { method: usize, parameter: String },
    /// A Tolerant file with a bound of its own for each column.
    Bounds(Bounds),
}

/// A rung of its ladder for each lossy column, and how many rows are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Bounds {
    pub rungs: Vec<u8>,
    /// Half octaves by which the rows are fewer; 0 keeps all.
    pub fewer_rows: u8,
}

/// Half octaves by which rows are fewer at most: 1 in 64 is left.
pub(super) const FEWEST_ROWS: u8 = 12;

/// What the search's own files are called among the methods.
pub(super) const TUNED: &str = "tolerant-tuned";
/// The same, with one rung for all columns.
pub(super) const UNIFORM: &str = "tolerant-uniform";

impl Bounds {
    /// One rung for all columns.
    pub(super) fn shared(ladders: &[Ladder], rung: u8) -> Self {
        Self {
            rungs: ladders.iter().map(|ladder| ladder.shared(rung)).collect(),
            fewer_rows: 0,
        }
    }

    /// Rungs above the top are the top.
    pub(super) fn clamped(mut self, ladders: &[Ladder]) -> Self {
        for (rung, ladder) in self.rungs.iter_mut().zip(ladders) {
            *rung = ladder.top().min(*rung);
        }
        self
    }

    /// The bounds in force: (position of the column, absolute bound).
    pub(super) fn absolute(&self, ladders: &[Ladder]) -> Vec<(usize, f64)> {
        let rungs = self.rungs.iter().zip(ladders);
        rungs
            .map(|(rung, ladder)| (ladder.column, ladder.bound(*rung)))
            .collect()
    }

    /// The share of the rows that are kept.
    pub(super) fn keep(&self) -> f64 {
        (-f64::from(self.fewer_rows) / 2.0).exp2()
    }

    /// If one rung is shared by all columns and all rows are kept, that rung.
    pub(super) fn is_shared(&self, ladders: &[Ladder]) -> Option<u8> {
        let rung = self.rungs.iter().copied().max()?;
        (*self == Self::shared(ladders, rung)).then_some(rung)
    }
}

impl Candidate {
    /// What the journal knows it by.
    pub(super) fn key(&self, methods: &[Box<dyn Reduction>], ladders: &[Ladder]) -> String {
        match self {
            Self::Original => "original".into(),
            Self::Method { method, parameter } => {
                format!("{} {parameter}", methods[*method].name())
            }
            Self::Bounds(bounds) => {
                let text = format!("{:?} {:?}", bounds.absolute(ladders), bounds.keep());
                format!("bounds {}", super::hash::text_hash(&text))
            }
        }
    }

    /// What reports call it.
    pub(super) fn setting(&self, methods: &[Box<dyn Reduction>], ladders: &[Ladder]) -> Setting {
        match self {
            Self::Original => Setting {
                method: "none".into(),
                family: Family::None,
                parameter: String::new(),
            },
            Self::Method { method, parameter } => Setting {
                method: methods[*method].name().to_owned(),
                family: methods[*method].family(),
                parameter: parameter.clone(),
            },
            Self::Bounds(bounds) => {
                let mut parameter = match bounds.is_shared(ladders) {
                    Some(rung) => {
                        let halves = f64::from(super::ladder::SPREAD_RUNG.saturating_sub(rung));
                        format!("spread*{:.2e}", 0.5 * (-halves / 2.0).exp2())
                    }
                    None => {
                        let own = bounds.absolute(ladders);
                        let text = format!("{own:?}");
                        format!("bounds-{}", &super::hash::text_hash(&text)[..8])
                    }
                };
                if bounds.fewer_rows > 0 {
                    parameter += &format!(", {:.0} % of rows", bounds.keep() * 100.0);
                }
                Setting {
                    method: match bounds.is_shared(ladders) {
                        Some(_) => UNIFORM.into(),
                        None => TUNED.into(),
                    },
                    family: Family::ErrorBounded,
                    parameter,
                }
            }
        }
    }
}
