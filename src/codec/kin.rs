//! Which columns tell something of which: pairs of a row group's columns by mutual information, and
//! the graph that joins them, in the manner of Chow and Liu's trees (IEEE Trans. Inf. Theory 14,
//! 1968).

use super::estimate::Symbols;
use super::graph::Graph;

/// Levels of the coarse residuals, and rows of them.
const LEVELS: usize = 16;
const COARSE_ROWS: usize = 512;

/// Symbols as levels of about equal counts.
pub(super) fn coarse(symbols: &Symbols) -> Vec<u8> {
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

/// What is to be known of a column.
pub(super) struct Kin<'a> {
    pub(super) rows: usize,
    /// Of the whole column, coded for itself.
    pub(super) bits: f32,
    /// See [`coarse`].
    pub(super) coarse: &'a [u8],
}

/// Two columns, and the bits that one saves the other.
pub(super) struct Pair {
    bits: f32,
    columns: [usize; 2],
}

/// Bits below which a reference is not worth its description.
pub(super) const LEAST_GAIN: f32 = 64.0;

/// Pairs of columns that tell something of each other, the strongest first.
pub(super) fn pairs(columns: &[Option<Kin<'_>>]) -> Vec<Pair> {
    let known: Vec<(usize, &Kin<'_>)> = columns
        .iter()
        .enumerate()
        .filter_map(|(i, column)| Some((i, column.as_ref()?)))
        .filter(|(_, column)| column.bits > LEAST_GAIN)
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
            let bits = shared_bits(a.coarse, b.coarse, &logs) * a.rows as f32;
            if bits > LEAST_GAIN {
                pairs.push(Pair {
                    bits: bits.min(a.bits).min(b.bits),
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
pub(super) fn partners(pairs: &[Pair], columns: usize, most: usize) -> Vec<Vec<usize>> {
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
pub(super) fn join(pairs: &[Pair], columns: usize, ancestors: usize) -> Graph {
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
pub(super) fn from_roots(graph: &Graph) -> Vec<usize> {
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
