//! Which transform and which context code each column of a row group best: chosen on a sample of
//! its rows, the same rows of all columns.
//!
//! Each column first finds the best it can do alone. Mutual information between pairs of columns
//! then says who might tell something of whom, and the strongest pairs are joined into a graph
//! ([`kin`]); last, each column tries its strongest partners for real.

use std::cell::OnceCell;

use super::context::{Buckets, Context, MAX_REFERENCES, Span};
use super::effort::Effort;
use super::estimate::{Cost, MAX_SAMPLE, Sample};
use super::graph::Graph;
use super::kin::{self, Kin};
use super::linear;
use super::transform::{Linear, MAX_DELTA, MAX_TERMS, Transform};

/// How a column is coded: by what transform, and by which other columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Columns whose integers the coding refers to.
    pub references: Vec<usize>,
    pub(super) transform: Transform,
    pub(super) context: Context,
}

impl Plan {
    /// The plan of a column that is coded for itself.
    pub fn alone(integers: Option<&[i32]>, effort: Effort) -> Self {
        let column = integers.map(|integers| vec![integers]);
        plan(&[column], Search::of(effort, 0))
            .pop()
            .unwrap_or_default()
    }

    /// Whether it makes use of the order of rows.
    pub(super) fn is_ordered(&self) -> bool {
        self.transform.is_ordered() || self.context.previous.is_some()
    }
}

/// How far the search goes.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// References of a column, at most; 0 for columns that are coded each for itself.
    pub references: usize,
    /// Columns that a reader of one column decodes besides, at most.
    pub ancestors: usize,
    /// Bits that each of these must save, as a part of what the column takes with it.
    pub price: f32,
    /// Whether tables may be chosen by context: by other columns, or by the value before.
    pub contexts: bool,
    /// Rows of the sample.
    pub sample: usize,
    /// Strongest partners that a column tries.
    pub partners: usize,
}

impl Search {
    /// The search of an effort, with at most `references` of a column.
    pub fn of(effort: Effort, references: usize) -> Self {
        let (most, ancestors, price, sample, partners) = match effort {
            Effort::Fast => (1, 2, ANCESTOR_PRICE, 4096, 2),
            Effort::Balanced => (MOST_REFERENCES, 6, ANCESTOR_PRICE, 8192, 4),
            Effort::Small => (MOST_REFERENCES, 12, 0.0, MAX_SAMPLE, 12),
        };
        Self {
            references: references.min(most),
            price,
            contexts: effort != Effort::Fast,
            ancestors,
            sample,
            partners,
        }
    }
}

/// A reader of a few columns decodes each ancestor for nothing else, which takes it as long as the column
/// itself.
const ANCESTOR_PRICE: f32 = 0.05;

/// A transform, a context or a reference more must be better than by chance, and pay for its
/// description.
fn worth(bits: f32, than: f32) -> bool {
    bits + 8.0 < than * 0.995
}

/// References of one column, at most: those of a linear prediction, or of a context.
const MOST_REFERENCES: usize = if MAX_TERMS > MAX_REFERENCES {
    MAX_TERMS
} else {
    MAX_REFERENCES
};

/// Buckets of a reference, at most.
const BUCKETS: usize = 64;

/// Chooses a plan for each column. `columns` hold the row group's integers, in pieces, with
/// [`ABSENT`](super::ABSENT) where a row has none; None for columns that have no part in this.
pub fn plan(columns: &[Option<Vec<&[i32]>>], search: Search) -> Vec<Plan> {
    let mut cost = Cost::default();
    let mut columns: Vec<Option<Column>> = columns
        .iter()
        .map(|column| Some(Column::new(column.as_deref()?, search, &mut cost)))
        .collect();
    if search.references > 0 {
        let known: Vec<Option<Kin<'_>>> = columns
            .iter()
            .map(|column| column.as_ref().map(Column::kin))
            .collect();
        let pairs = kin::pairs(&known);
        let partners = kin::partners(&pairs, columns.len(), search.partners);
        let mut graph = kin::join(&pairs, columns.len(), search.ancestors);
        for i in kin::from_roots(&graph) {
            let plan = refer(i, &columns, &partners[i], &graph, search, &mut cost);
            if let (Some(column), Some(plan)) = (&mut columns[i], plan) {
                graph.set_parents(i, &plan.references);
                column.plan = plan;
            }
        }
    }
    columns
        .into_iter()
        .map(|column| column.map_or_else(Plan::default, |column| column.plan))
        .collect()
}

/// A column in the search.
struct Column {
    rows: usize,
    sample: Sample,
    plan: Plan,
    /// Of the plan, on the sample.
    bits: f32,
    /// Coarse residuals of some rows: see [`kin::coarse`].
    coarse: Vec<u8>,
    /// Of its integers, and of their differences, as they are asked for.
    spans: [OnceCell<Span>; 2],
}

impl Column {
    fn new(pieces: &[&[i32]], search: Search, cost: &mut Cost) -> Self {
        let sample = Sample::of(pieces, search.sample);
        let (bits, plan) = alone(&sample, search.contexts, cost);
        let coarse = kin::coarse(&sample.symbols(&plan.transform, &[]));
        Self {
            spans: Default::default(),
            rows: pieces.iter().map(|piece| piece.len()).sum(),
            sample,
            plan,
            bits,
            coarse,
        }
    }

    /// Where its integers lie, or their differences.
    fn span(&self, difference: bool) -> Span {
        let span = &self.spans[usize::from(difference)];
        *span.get_or_init(|| Span::of(&self.sample.integers, difference))
    }

    fn kin(&self) -> Kin<'_> {
        Kin {
            rows: self.rows,
            bits: self.scaled(self.bits),
            coarse: &self.coarse,
        }
    }

    /// Bits of the whole column where the sample takes `bits`.
    fn scaled(&self, bits: f32) -> f32 {
        bits * self.rows as f32 / self.sample.integers.len().max(1) as f32
    }
}

/// The best plan without references, and its bits.
fn alone(sample: &Sample, with_contexts: bool, cost: &mut Cost) -> (f32, Plan) {
    let mut best = (f32::INFINITY, Plan::default());
    // Tries a transform; returns the least bits that it takes.
    let mut consider = |transform: Transform, best: &mut (f32, Plan)| {
        let symbols = sample.symbols(&transform, &[]);
        let mut least = f32::INFINITY;
        let shift = with_contexts.then(|| previous_shift(symbols.size));
        for previous in [None].into_iter().chain(shift.map(Some)) {
            let context = Context {
                buckets: Vec::new(),
                previous,
            };
            let bits = cost.of(&symbols, &context, &[]);
            least = least.min(bits);
            if worth(bits, best.0) {
                *best = (
                    bits,
                    Plan {
                        references: Vec::new(),
                        transform: transform.clone(),
                        context,
                    },
                );
            }
        }
        least
    };
    consider(Transform::None, &mut best);
    for order in 1..=MAX_DELTA {
        // Higher orders can only win where this one does.
        if consider(Transform::Delta(order), &mut best) > best.0 {
            break;
        }
    }
    if best.1.transform.is_ordered() {
        consider(Transform::Interpolation, &mut best);
    }
    best
}

/// So that at most 32 symbols are told apart.
pub(super) fn previous_shift(symbols: usize) -> u32 {
    symbols.div_ceil(32).next_power_of_two().ilog2()
}

/// The best plan of a column with references, if one beats its plan without.
fn refer(
    i: usize,
    columns: &[Option<Column>],
    partners: &[usize],
    graph: &Graph,
    search: Search,
    cost: &mut Cost,
) -> Option<Plan> {
    let column = columns[i].as_ref()?;
    let parents = graph.parents(i);
    let candidates: Vec<usize> = parents
        .iter()
        .chain(partners.iter().filter(|j| !parents.contains(j)))
        .copied()
        .filter(|j| graph.allows(i, &[*j]))
        .collect();
    let mut trial = Trial {
        column,
        columns,
        graph,
        price: search.price,
        cost,
        best: (column.bits, column.plan.clone()),
    };
    let own = column.plan.transform.clone();
    for transform in [Transform::None, own.clone()] {
        if !search.contexts {
            break;
        }
        trial.contexts(&transform, &[], &candidates, |all| {
            all.len() <= search.references && graph.allows(i, all)
        });
        if own == Transform::None {
            break;
        }
    }
    let differences = own.is_ordered();
    let samples: Vec<&[i32]> = candidates
        .iter()
        .filter_map(|j| Some(&columns[*j].as_ref()?.sample.integers[..]))
        .collect();
    for fit in linear::fit(
        &column.sample.integers,
        &samples,
        column.sample.run,
        differences,
    ) {
        // From indices among the candidates to indices among the plan's references.
        let references: Vec<usize> = fit.terms.iter().map(|(at, _)| candidates[*at]).collect();
        let terms = fit
            .terms
            .iter()
            .enumerate()
            .map(|(at, (_, weight))| (at, *weight));
        let transform = Transform::Linear(Linear {
            terms: terms.collect(),
            ..fit
        });
        if references.len() <= search.references && graph.allows(i, &references) {
            let first = references[..usize::from(search.contexts)].to_vec();
            trial.contexts(&transform, &references, &first, |all| {
                all.len() <= MAX_TERMS
            });
        }
    }
    let saved = column.scaled(column.bits - trial.best.0);
    Some(if saved > kin::LEAST_GAIN {
        trial.best.1
    } else {
        column.plan.clone()
    })
}

/// Plans of one column, tried on the sample.
struct Trial<'a> {
    column: &'a Column,
    columns: &'a [Option<Column>],
    graph: &'a Graph,
    /// See [`Search::price`].
    price: f32,
    cost: &'a mut Cost,
    /// Bits, with the price of ancestors.
    best: (f32, Plan),
}

impl Trial<'_> {
    /// Tries `transform`, which refers to `references`, without context and with contexts by up to
    /// two of `candidates`, where `allowed` for all references together.
    fn contexts(
        &mut self,
        transform: &Transform,
        references: &[usize],
        candidates: &[usize],
        allowed: impl Fn(&[usize]) -> bool,
    ) {
        let Some(referred) = samples(self.columns, references) else {
            return;
        };
        let symbols = self.column.sample.symbols(transform, &referred);
        let shift = previous_shift(symbols.size);
        let mut consider = |by: &[(usize, usize)], previous: Option<u32>| -> Option<f32> {
            let mut all = references.to_vec();
            for (j, _) in by {
                if !all.contains(j) {
                    all.push(*j);
                }
            }
            if all.is_empty() || !allowed(&all) {
                return None;
            }
            let samples = samples(self.columns, &all)?;
            let buckets = by.iter().filter_map(|(j, most)| {
                let at = all.iter().position(|reference| reference == j)?;
                let difference = transform.is_ordered();
                let span = self.columns[*j].as_ref()?.span(difference);
                Some(Buckets::of(at, difference, span, *most))
            });
            let context = Context {
                buckets: buckets.collect(),
                previous,
            };
            let price = self.price * self.graph.ancestors(&all).len() as f32;
            let bits = self.cost.of(&symbols, &context, &samples) * (1.0 + price);
            if worth(bits, self.best.0) {
                self.best = (
                    bits,
                    Plan {
                        references: all,
                        transform: transform.clone(),
                        context,
                    },
                );
            }
            Some(bits)
        };
        consider(&[], None);
        let first = candidates
            .iter()
            .filter_map(|j| Some((consider(&[(*j, BUCKETS)], None)?, *j)))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, first)) = first else { return };
        consider(&[(first, BUCKETS)], Some(shift));
        for &j in candidates.iter().filter(|j| **j != first) {
            consider(&[(first, BUCKETS), (j, 8)], None);
            consider(&[(first, BUCKETS / 2), (j, BUCKETS / 2)], None);
        }
    }
}

/// The samples of `chosen` columns.
fn samples<'a>(columns: &'a [Option<Column>], chosen: &[usize]) -> Option<Vec<&'a [i32]>> {
    chosen
        .iter()
        .map(|j| Some(&columns[*j].as_ref()?.sample.integers[..]))
        .collect()
}
