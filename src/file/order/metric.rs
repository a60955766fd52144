//! How much it costs to code one row after another: learned from an order of the rows.

use rayon::prelude::*;

use super::keys::Key;

/// Columns that distances are summed over, at most: those that tell most.
const MAX_COLUMNS: usize = 40;
/// Differences of ranks from here on cost the same.
const FAR: usize = 1024;
/// Costs are counted in this part of a bit.
const UNITS: f64 = 64.0;
/// No single difference costs more, in bits: sums over all columns stay within 32 bits.
const MAX_BITS: f64 = 31.0;

/// What a difference of ranks costs in one column.
struct Scale {
    key: usize,
    /// By the difference, up to [`FAR`].
    costs: Vec<u16>,
    /// What ordinary differences cost more than none.
    spread: f64,
}

/// The distances of a table's rows.
pub(super) struct Metric {
    scales: Vec<Scale>,
}

impl Metric {
    /// Learns from `rows` in this order: a difference costs what a coder would spend on it that
    /// knows how often each occurs.
    pub(super) fn learn(keys: &[Key], rows: &[u32]) -> Self {
        let mut scales: Vec<Scale> = (0..keys.len())
            .into_par_iter()
            .map(|key| Scale::learn(key, &keys[key], rows))
            .collect();
        scales.sort_by(|a, b| b.spread.total_cmp(&a.spread).then(a.key.cmp(&b.key)));
        scales.truncate(MAX_COLUMNS);
        Self { scales }
    }

    /// The columns that tell most, by their position among the keys.
    pub(super) fn leading(&self, count: usize) -> Vec<usize> {
        let leading = self.scales.iter().take(count);
        leading.map(|scale| scale.key).collect()
    }

    /// The distances among `rows`, which are then known by their places in this slice.
    pub(super) fn among(&self, keys: &[Key], rows: &[u32]) -> Distances {
        let columns = self.scales.len();
        let mut codes = vec![0; rows.len() * columns];
        for (i, scale) in self.scales.iter().enumerate() {
            let key = &keys[scale.key];
            let shift = 16u32.saturating_sub(key.distinct.leading_zeros());
            for (place, row) in rows.iter().enumerate() {
                codes[place * columns + i] = (key.codes[*row as usize] >> shift) as u16;
            }
        }
        let costs = self.scales.iter().flat_map(|scale| &scale.costs);
        Distances {
            columns,
            codes,
            costs: costs.copied().collect(),
        }
    }
}

impl Scale {
    fn learn(position: usize, key: &Key, rows: &[u32]) -> Self {
        let shift = 16u32.saturating_sub(key.distinct.leading_zeros());
        let code = |row: u32| (key.codes[row as usize] >> shift) as usize;
        let mut counts = vec![0u32; FAR + 1];
        for pair in rows.windows(2) {
            counts[code(pair[0]).abs_diff(code(pair[1])).min(FAR)] += 1;
        }
        let total = rows.len() as f64;
        let mut costs = vec![0; FAR + 1];
        let (mut first, mut highest) = (0, 0u16);
        let mut mean = 0.0;
        while first <= FAR {
            // Differences of like size are pooled, or chance would decide what they cost.
            let end = if first < 8 {
                first + 1
            } else {
                first + first / 4 + 1
            }
            .min(FAR + 1);
            let count: u32 = counts[first..end].iter().sum();
            let signs = if first == 0 { 1.0 } else { 2.0 };
            let each = (f64::from(count) + 0.5) / (total * signs * (end - first) as f64);
            let bits = (-each.log2()).clamp(0.0, MAX_BITS);
            // A larger difference never costs less.
            highest = highest.max((bits * UNITS) as u16);
            costs[first..end].fill(highest);
            mean += f64::from(count) / total * f64::from(highest);
            first = end;
        }
        let typical = usize::try_from(key.distinct >> shift).map_or(FAR, |d| (d / 4).min(FAR));
        Self {
            key: position,
            spread: (f64::from(costs[typical]) - f64::from(costs[0])).max(mean),
            costs,
        }
    }
}

/// Distances among the rows of one segment.
pub(super) struct Distances {
    columns: usize,
    /// By row, then column.
    codes: Vec<u16>,
    costs: Vec<u16>,
}

impl Distances {
    pub(super) fn between(&self, a: u32, b: u32) -> u32 {
        self.below(a, b, u32::MAX)
    }

    /// The distance, or some number of at least `limit` where it is not below that.
    #[inline]
    pub(super) fn below(&self, a: u32, b: u32, limit: u32) -> u32 {
        const TOGETHER: usize = 8;
        let row = |row: u32| &self.codes[row as usize * self.columns..][..self.columns];
        let (a, b) = (row(a).chunks(TOGETHER), row(b).chunks(TOGETHER));
        let mut sum = 0;
        for ((a, b), costs) in a.zip(b).zip(self.costs.chunks(TOGETHER * (FAR + 1))) {
            for ((a, b), costs) in a.iter().zip(b).zip(costs.chunks_exact(FAR + 1)) {
                sum += u32::from(costs[usize::from(a.abs_diff(*b)).min(FAR)]);
            }
            if sum >= limit {
                break;
            }
        }
        sum
    }
}
