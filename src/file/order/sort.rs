//! Sorted orders of rows: by which columns first, and how.

use rayon::prelude::*;

use super::keys::Key;

/// Rows that conditional entropies are estimated on.
const SAMPLE_ROWS: usize = 1 << 14;
/// Columns that a greedy choice is made among, and how many it is made for: beyond that, rows are
/// told apart already.
const GREEDY_AMONG: usize = 48;
const GREEDY_COLUMNS: usize = 10;

/// Orders of the columns to try, as positions among `keys`: by number of distinct values; by
/// entropy, ascending and descending; and step by step the column that adds the least, or the
/// most, to what the columns before it tell.
pub(super) fn column_orders(keys: &[Key], rows: usize) -> Vec<Vec<usize>> {
    let by = |compare: &dyn Fn(&Key, &Key) -> std::cmp::Ordering| {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by(|a, b| compare(&keys[*a], &keys[*b]));
        order
    };
    let distinct = by(&|a, b| a.distinct.cmp(&b.distinct));
    let ascending = by(&|a, b| a.entropy.total_cmp(&b.entropy));
    let descending = by(&|a, b| b.entropy.total_cmp(&a.entropy));
    let step = rows.div_ceil(SAMPLE_ROWS);
    let sample: Vec<u32> = (0..rows as u32).step_by(step).collect();
    let least = greedy(keys, &ascending, &sample, false);
    let most = greedy(keys, &descending, &sample, true);
    let mut orders = vec![distinct, ascending, descending, least, most];
    let mut seen = Vec::new();
    orders.retain(|order| {
        let new = !seen.contains(order);
        seen.push(order.clone());
        new
    });
    orders
}

/// Columns by the conditional entropy that they add, the rest in the order given.
fn greedy(keys: &[Key], order: &[usize], sample: &[u32], most: bool) -> Vec<usize> {
    let mut left: Vec<usize> = order.to_vec();
    let among = left.len().min(GREEDY_AMONG);
    let mut chosen = Vec::new();
    // Which rows of the sample the columns so far do not tell apart.
    let mut group = vec![0u32; sample.len()];
    while chosen.len() < GREEDY_COLUMNS.min(among) {
        let refined: Vec<(f64, Vec<u32>)> = left[..among - chosen.len()]
            .par_iter()
            .map(|key| refine(&group, &keys[*key], sample))
            .collect();
        let bits = |i: &usize| if most { -refined[*i].0 } else { refined[*i].0 };
        // The first of equals: deterministic.
        let best = (0..refined.len()).min_by(|a, b| bits(a).total_cmp(&bits(b)));
        let Some(best) = best else { break };
        group = refined.into_iter().nth(best).map_or(group, |(_, g)| g);
        chosen.push(left.remove(best));
    }
    chosen.extend(left);
    chosen
}

/// The entropy of groups and column together, and the groups that they form.
fn refine(group: &[u32], key: &Key, sample: &[u32]) -> (f64, Vec<u32>) {
    let mut cells: Vec<(u64, u32)> = sample
        .iter()
        .zip(group)
        .zip(0..)
        .map(|((row, group), i)| {
            (
                u64::from(*group) << 32 | u64::from(key.codes[*row as usize]),
                i,
            )
        })
        .collect();
    cells.sort_unstable();
    let n = sample.len() as f64;
    let mut refined = vec![0; sample.len()];
    let mut entropy = 0.0;
    for (number, cell) in (0..).zip(cells.chunk_by(|a, b| a.0 == b.0)) {
        let p = cell.len() as f64 / n;
        entropy -= p * p.log2();
        cell.iter().for_each(|(_, i)| refined[*i as usize] = number);
    }
    (entropy, refined)
}

/// Bits that hold every rank of `key`.
fn bits(key: &Key) -> u32 {
    u32::BITS - key.distinct.saturating_sub(1).leading_zeros()
}

/// Sorts `rows` by `keys`, the first most significant; rows equal in all of them by their number.
pub(super) fn lexicographic(keys: &[&Key], rows: Vec<u32>) -> Vec<u32> {
    // As many columns as fit one integer, then the rest for the rows that these leave together.
    let mut used = 0;
    let fitting = keys.iter().take_while(|key| {
        used += bits(key);
        used <= u128::BITS
    });
    let fitting = fitting.count();
    let (now, later) = keys.split_at(fitting);
    let pack = |row: u32| {
        let digit = |word, key: &&Key| word << bits(key) | u128::from(key.codes[row as usize]);
        now.iter().fold(0u128, digit)
    };
    let mut packed: Vec<(u128, u32)> = rows.into_iter().map(|row| (pack(row), row)).collect();
    packed.par_sort_unstable();
    if later.is_empty() {
        return packed.into_iter().map(|(_, row)| row).collect();
    }
    packed
        .chunk_by(|a, b| a.0 == b.0)
        .flat_map(|run| {
            let rows: Vec<u32> = run.iter().map(|(_, row)| *row).collect();
            if rows.len() == 1 {
                rows
            } else {
                lexicographic(later, rows)
            }
        })
        .collect()
}

/// As [`lexicographic`], but each column runs up and down in turns: where one run ends, the next
/// begins at like values.
pub(super) fn snake(keys: &[&Key], mut rows: Vec<u32>) -> Vec<u32> {
    let mut runs = vec![rows.len()];
    for key in keys {
        let code = |row: &u32| key.codes[*row as usize];
        let mut next = Vec::with_capacity(runs.len());
        let mut rest = rows.as_mut_slice();
        for (number, run) in runs.iter().enumerate() {
            let (run, others) = rest.split_at_mut(*run);
            rest = others;
            if number % 2 == 0 {
                run.sort_by_key(code);
            } else {
                run.sort_by_key(|row| std::cmp::Reverse(code(row)));
            }
            next.extend(run.chunk_by(|a, b| code(a) == code(b)).map(<[u32]>::len));
        }
        runs = next;
        if runs.len() == rows.len() {
            break;
        }
    }
    rows
}

/// Sorts `rows` by the highest bits of all `keys` first, then the next ones: near rows are alike
/// in all columns. (A Z-order, with the reflections of a Gray code.)
pub(super) fn interleaved(keys: &[&Key], rows: &[u32]) -> Vec<u32> {
    let levels = keys.iter().map(|key| bits(key)).max().unwrap_or(0);
    let place = |row: u32| {
        let (mut word, mut used, mut odd) = (0u128, 0, 0);
        for level in 0..levels {
            for key in keys.iter().filter(|key| level < bits(key)) {
                if used == u128::BITS {
                    return word;
                }
                let bit = key.codes[row as usize] >> (bits(key) - 1 - level) & 1;
                word = word << 1 | u128::from(bit ^ odd);
                odd ^= bit;
                used += 1;
            }
        }
        word
    };
    let mut placed: Vec<(u128, u32)> = rows.iter().map(|row| (place(*row), *row)).collect();
    placed.sort_unstable();
    placed.into_iter().map(|(_, row)| row).collect()
}
