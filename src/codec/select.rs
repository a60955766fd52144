//! Which transform and which context code each column of a row group best: chosen on a sample of
//! its rows, the same rows of all columns.
//!
//! Each column first finds the best it can do alone. Mutual information between pairs of columns
//! then says who might tell something of whom, and the strongest pairs are joined into a graph as
//! in Chow and Liu's trees (IEEE Trans. Inf. Theory 14, 1968); last, each column tries its
//! strongest partners for real.

use super::context::{Buckets, Context, MAX_REFERENCES};
use super::effort::Effort;
use super::estimate::{Cost, RUN, Sample, Symbols};
use super::graph::Graph;
use super::transform::{MAX_DELTA, Transform};

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
}

/// How far the search goes.
#[derive(Debug, Clone, Copy)]
pub struct Search {
    /// References of a column, at most; 0 for columns that are coded each for itself.
    pub references: usize,
    /// Columns that a reader of one column decodes besides, at most.
    pub ancestors: usize,
    /// Whether a column's coding may depend on the value before.
    pub previous: bool,
    /// Rows of the sample.
    pub sample: usize,
    /// Strongest partners that a column tries.
    pub partners: usize,
}

impl Search {
    /// The search of an effort, with at most `references` of a column.
    pub fn of(effort: Effort, references: usize) -> Self {
        let (references, ancestors, sample, partners) = match effort {
            Effort::Fast => (0, 0, 4096, 0),
            Effort::Balanced => (references.min(MAX_REFERENCES), 6, 8192, 4),
            Effort::Small => (references.min(MAX_REFERENCES), 12, 32_768, 12),
        };
        Self {
            references,
            previous: effort != Effort::Fast,
            ancestors,
            sample,
            partners,
        }
    }
}

/// A transform, a context or a reference more must be better than by chance, and pay for its
/// description.
fn worth(bits: f32, than: f32) -> bool {
    bits + 8.0 < than * 0.995
}

/// Buckets of a reference, at most.
const BUCKETS: usize = 64;

/// Chooses a plan for each column. `columns` hold the row group's integers, in pieces, with
/// [`ABSENT`](super::ABSENT) where a row has none; None for columns that have no part in this.
pub fn plan(columns: &[Option<Vec<&[i32]>>], search: Search) -> Vec<Plan> {
    let mut cost = Cost::new(search.sample + RUN);
    let mut columns: Vec<Option<Column>> = columns
        .iter()
        .map(|column| Some(Column::new(column.as_deref()?, search, &mut cost)))
        .collect();
    if search.references > 0 {
        let pairs = pairs(&columns);
        let partners = partners(&pairs, columns.len(), search.partners);
        let mut graph = join(&pairs, columns.len(), search.ancestors);
        for i in from_roots(&graph) {
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
    /// Coarse residuals of some rows, for [`pairs`].
    coarse: Vec<u8>,
}

impl Column {
    fn new(pieces: &[&[i32]], search: Search, cost: &mut Cost) -> Self {
        let sample = Sample::of(pieces, search.sample);
        let (bits, plan) = alone(&sample, search.previous, cost);
        let coarse = coarse(&sample.symbols(&plan.transform));
        Self {
            rows: pieces.iter().map(|piece| piece.len()).sum(),
            sample,
            plan,
            bits,
            coarse,
        }
    }

    /// Bits of the whole column where the sample takes `bits`.
    fn scaled(&self, bits: f32) -> f32 {
        bits * self.rows as f32 / self.sample.integers.len().max(1) as f32
    }
}

/// The best plan without references, and its bits.
fn alone(sample: &Sample, with_previous: bool, cost: &mut Cost) -> (f32, Plan) {
    let mut best = (f32::INFINITY, Plan::default());
    for order in 0..=MAX_DELTA {
        let transform = match order {
            0 => Transform::None,
            order => Transform::Delta(order),
        };
        let symbols = sample.symbols(&transform);
        let mut least = f32::INFINITY;
        let shift = with_previous.then(|| previous_shift(symbols.size));
        for previous in [None].into_iter().chain(shift.map(Some)) {
            let context = Context {
                buckets: Vec::new(),
                previous,
            };
            let bits = cost.of(&symbols, &context, &[]);
            least = least.min(bits);
            if worth(bits, best.0) {
                best = (
                    bits,
                    Plan {
                        references: Vec::new(),
                        transform: transform.clone(),
                        context,
                    },
                );
            }
        }
        // Higher orders can only win where this one does.
        if least > best.0 {
            break;
        }
    }
    best
}

/// So that at most 32 symbols are told apart.
fn previous_shift(symbols: usize) -> u32 {
    symbols.div_ceil(32).next_power_of_two().ilog2()
}

/// Levels of the coarse residuals, and rows of them.
const LEVELS: usize = 16;
const COARSE_ROWS: usize = 1024;

/// Symbols as levels of about equal counts.
fn coarse(symbols: &Symbols) -> Vec<u8> {
    let mut counts = vec![0usize; symbols.size];
    symbols
        .symbols
        .iter()
        .for_each(|s| counts[usize::from(*s)] += 1);
    let share = symbols.symbols.len().div_ceil(LEVELS).max(1);
    let (mut level, mut filled) = (0, 0);
    let levels: Vec<u8> = counts
        .iter()
        .map(|count| {
            if filled > 0 && filled + count / 2 > share && level + 1 < LEVELS as u8 {
                (level, filled) = (level + 1, 0);
            }
            filled += count;
            level
        })
        .collect();
    let step = symbols.symbols.len().div_ceil(COARSE_ROWS).max(1);
    symbols
        .symbols
        .iter()
        .step_by(step)
        .map(|s| levels[usize::from(*s)])
        .collect()
}

/// Two columns, and the bits that one saves the other.
struct Pair {
    bits: f32,
    columns: [usize; 2],
}

/// Bits below which a reference is not worth its description.
const LEAST_GAIN: f32 = 64.0;

/// Pairs of columns that tell something of each other, the strongest first.
fn pairs(columns: &[Option<Column>]) -> Vec<Pair> {
    let known: Vec<(usize, &Column)> = columns
        .iter()
        .enumerate()
        .filter_map(|(i, column)| Some((i, column.as_ref()?)))
        .filter(|(_, column)| column.scaled(column.bits) > LEAST_GAIN)
        .collect();
    let Some((_, first)) = known.first() else {
        return Vec::new();
    };
    // A pair takes about a microsecond; the nearest in the schema are likeliest to be related.
    let reach = (first.rows / 32).max(8);
    let logs: Vec<f32> = (0..=COARSE_ROWS)
        .map(|count| {
            if count == 0 {
                0.0
            } else {
                count as f32 * (count as f32).log2()
            }
        })
        .collect();
    let mut pairs = Vec::new();
    for (at, (i, a)) in known.iter().enumerate() {
        for (j, b) in known[at + 1..].iter().take(reach) {
            let bits = shared_bits(&a.coarse, &b.coarse, &logs) * a.rows as f32;
            if bits > LEAST_GAIN {
                pairs.push(Pair {
                    bits: bits.min(a.scaled(a.bits)).min(b.scaled(b.bits)),
                    columns: [*i, *j],
                });
            }
        }
    }
    pairs.sort_by(|a, b| b.bits.total_cmp(&a.bits).then(a.columns.cmp(&b.columns)));
    pairs
}

/// Mutual information of two columns' levels, bits a row, less what chance would show (Miller,
/// 1955).
fn shared_bits(a: &[u8], b: &[u8], logs: &[f32]) -> f32 {
    let mut joint = [0u16; LEVELS * LEVELS];
    for (a, b) in a.iter().zip(b) {
        joint[usize::from(*a & 15) * LEVELS + usize::from(*b & 15)] += 1;
    }
    let (mut of_a, mut of_b) = ([0u16; LEVELS], [0u16; LEVELS]);
    let (mut sum, mut cells) = (0.0, 0);
    for (at, count) in joint.iter().enumerate() {
        of_a[at / LEVELS] += count;
        of_b[at % LEVELS] += count;
        sum += logs[usize::from(*count)];
        cells += usize::from(*count > 0);
    }
    let marginal = |counts: &[u16; LEVELS]| -> (f32, usize) {
        (
            counts.iter().map(|count| logs[usize::from(*count)]).sum(),
            counts.iter().filter(|count| **count > 0).count(),
        )
    };
    let ((a_sum, a_cells), (b_sum, b_cells)) = (marginal(&of_a), marginal(&of_b));
    let n = a.len().min(b.len());
    let chance = (cells + 1) as f32 - (a_cells + b_cells) as f32;
    (sum - a_sum - b_sum + logs[n] - chance.max(0.0) * 0.72) / n.max(1) as f32
}

/// The strongest partners of each column.
fn partners(pairs: &[Pair], columns: usize, most: usize) -> Vec<Vec<usize>> {
    let mut partners = vec![Vec::new(); columns];
    for Pair {
        columns: [a, b], ..
    } in pairs
    {
        for (a, b) in [(*a, *b), (*b, *a)] {
            if partners[a].len() < most {
                partners[a].push(b);
            }
        }
    }
    partners
}

/// Joins the strongest pairs first, each column getting one parent at most. The one that more
/// columns lean on becomes the parent.
fn join(pairs: &[Pair], columns: usize, ancestors: usize) -> Graph {
    let mut weights = vec![0.0; columns];
    for pair in pairs {
        for column in pair.columns {
            weights[column] += pair.bits;
        }
    }
    let mut graph = Graph::new(columns, ancestors);
    for Pair {
        columns: [a, b], ..
    } in pairs
    {
        let (a, b) = if weights[*b] > weights[*a] {
            (b, a)
        } else {
            (a, b)
        };
        for (parent, child) in [(*a, *b), (*b, *a)] {
            if graph.parents(child).is_empty() && graph.allows(child, &[parent]) {
                graph.set_parents(child, &[parent]);
                break;
            }
        }
    }
    graph
}

/// All columns, each after its parents.
fn from_roots(graph: &Graph) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    fn visit(column: usize, graph: &Graph, seen: &mut Vec<bool>, order: &mut Vec<usize>) {
        if !std::mem::replace(&mut seen[column], true) {
            for parent in graph.parents(column) {
                visit(*parent, graph, seen, order);
            }
            order.push(column);
        }
    }
    let mut seen = vec![false; graph.columns()];
    for column in 0..graph.columns() {
        visit(column, graph, &mut seen, &mut order);
    }
    order
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
    let mut best = (column.bits, column.plan.clone());
    let mut transforms = vec![Transform::None];
    if column.plan.transform != Transform::None {
        transforms.push(column.plan.transform.clone());
    }
    let parents: Vec<usize> = graph.parents(i).to_vec();
    let candidates: Vec<usize> = parents
        .iter()
        .chain(partners.iter().filter(|j| !parents.contains(j)))
        .copied()
        .filter(|j| graph.allows(i, &[*j]))
        .collect();
    for transform in &transforms {
        let symbols = column.sample.symbols(transform);
        let difference = *transform != Transform::None;
        let mut consider = |references: &[usize], buckets: &[usize], previous: Option<u32>| {
            let samples: Option<Vec<&[i32]>> = references
                .iter()
                .map(|j| Some(&columns[*j].as_ref()?.sample.integers[..]))
                .collect();
            let samples = samples?;
            let context = Context {
                buckets: samples
                    .iter()
                    .zip(buckets)
                    .enumerate()
                    .map(|(at, (sample, most))| Buckets::of(at, difference, sample, *most))
                    .collect(),
                previous,
            };
            let bits = cost.of(&symbols, &context, &samples);
            if worth(bits, best.0) {
                best = (
                    bits,
                    Plan {
                        references: references.to_vec(),
                        transform: transform.clone(),
                        context,
                    },
                );
            }
            Some(bits)
        };
        let mut first: Option<(f32, usize)> = None;
        for &j in &candidates {
            if let Some(bits) = consider(&[j], &[BUCKETS], None)
                && first.is_none_or(|(least, _)| bits < least)
            {
                first = Some((bits, j));
            }
        }
        let Some((_, first)) = first else { continue };
        consider(&[first], &[BUCKETS], Some(previous_shift(symbols.size)));
        if search.references < 2 {
            continue;
        }
        for &j in &candidates {
            if j != first && graph.allows(i, &[first, j]) {
                consider(&[first, j], &[BUCKETS, 8], None);
                consider(&[first, j], &[BUCKETS / 2, BUCKETS / 2], None);
            }
        }
    }
    if best.1.references.is_empty() {
        return Some(best.1);
    }
    let saved = column.scaled(column.bits - best.0);
    (saved > LEAST_GAIN)
        .then_some(best.1)
        .or_else(|| Some(column.plan.clone()))
}
