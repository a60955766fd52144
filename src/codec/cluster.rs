//! Contexts that need not be told apart share a table: histograms to clusters of histograms.
//!
//! Farthest-first seeds and Lloyd's iterations under relative entropy, as JPEG XL's and Brotli's
//! encoders cluster theirs, then merging while a table costs more than it saves.

use super::estimate::log2;

/// Clusters at most.
pub(super) const MAX_CLUSTERS: usize = 64;

/// What a table costs: for each symbol that occurs, and for the table itself, in bits. The description
/// takes 4 to 6 a symbol; the rest is for the time that reading it takes.
const SYMBOL_BITS: f32 = 10.0;
const TABLE_BITS: f32 = 24.0;
/// Bits to say which table a context takes, if not the one that the context before takes.
const CONTEXT_BITS: f32 = 4.0;

impl Clusters {
    /// All contexts in one table.
    pub(super) fn joined(&self) -> Self {
        let mut all = vec![0; self.counts.first().map_or(0, Vec::len)];
        for counts in &self.counts {
            all.iter_mut()
                .zip(counts)
                .for_each(|(all, count)| *all += count);
        }
        Self {
            of_context: vec![0],
            bits: table_bits(&all),
            counts: vec![all],
        }
    }
}

/// Which table each context takes, and the tables' counts.
pub(super) struct Clusters {
    pub(super) of_context: Vec<u8>,
    /// One histogram for each cluster, of all symbols.
    pub(super) counts: Vec<Vec<u32>>,
    /// Bits that symbols, tables and contexts take together, about.
    pub(super) bits: f32,
}

/// Occurrences of symbols in one context, those that occur at all.
struct Histogram {
    context: usize,
    counts: Vec<(u8, u32)>,
    total: u32,
    /// Bits of its symbols by a table of its own.
    own_bits: f32,
}

/// Clusters `counts`: a histogram of `symbols` for each context, one after another.
pub(super) fn cluster(counts: &[u32], symbols: usize, most: usize) -> Clusters {
    let histograms: Vec<Histogram> = counts
        .chunks(symbols)
        .enumerate()
        .filter_map(|(context, counts)| Histogram::new(context, counts))
        .collect();
    let contexts = counts.len() / symbols;
    let mut chosen = seed(&histograms, symbols, most.clamp(1, MAX_CLUSTERS));
    let mut tables = gather(&histograms, &chosen, symbols);
    if tables.len() > 1 {
        for _ in 0..2 {
            let costs: Vec<Vec<f32>> = tables.iter().map(|table| code_lengths(table)).collect();
            for (histogram, chosen) in histograms.iter().zip(&mut chosen) {
                *chosen = nearest(histogram, &costs).0;
            }
            tables = gather(&histograms, &chosen, symbols);
        }
        merge(&mut tables, &mut chosen);
    }
    numbered(&histograms, &chosen, tables, contexts)
}

impl Histogram {
    fn new(context: usize, counts: &[u32]) -> Option<Self> {
        let total: u32 = counts.iter().sum();
        (total > 0).then(|| {
            let counts: Vec<(u8, u32)> = (0u8..=255)
                .zip(counts)
                .filter(|(_, count)| **count > 0)
                .map(|(symbol, count)| (symbol, *count))
                .collect();
            Self {
                context,
                total,
                own_bits: entropy_bits(counts.iter().map(|(_, count)| *count), total),
                counts,
            }
        })
    }

    /// Bits of the symbols by a table of these code lengths.
    fn bits(&self, lengths: &[f32]) -> f32 {
        self.counts
            .iter()
            .map(|(symbol, count)| *count as f32 * lengths[usize::from(*symbol)])
            .sum()
    }
}

fn entropy_bits(counts: impl Iterator<Item = u32>, total: u32) -> f32 {
    let total = log2(total as usize);
    counts
        .filter(|count| *count > 0)
        .map(|count| count as f32 * (total - log2(count as usize)))
        .sum()
}

/// Bits of each symbol by a table of these counts; symbols that do not occur have a price too, as
/// they would cost a slot.
fn code_lengths(counts: &[u32]) -> Vec<f32> {
    let total: u32 = counts.iter().sum();
    let total = (total as f32 + 0.25).log2();
    counts
        .iter()
        .map(|count| match count {
            0 => total + 3.0,
            count => total - log2(*count as usize),
        })
        .collect()
}

fn nearest(histogram: &Histogram, costs: &[Vec<f32>]) -> (usize, f32) {
    costs
        .iter()
        .map(|lengths| histogram.bits(lengths))
        .enumerate()
        .fold((0, f32::INFINITY), |best, (at, bits)| {
            if bits < best.1 { (at, bits) } else { best }
        })
}

/// Farthest-first: the histogram that the tables so far fit worst becomes the next table.
fn seed(histograms: &[Histogram], symbols: usize, most: usize) -> Vec<usize> {
    let mut chosen = vec![0; histograms.len()];
    let Some(first) = (0..histograms.len()).max_by_key(|i| histograms[*i].total) else {
        return chosen;
    };
    let mut excess = vec![f32::INFINITY; histograms.len()];
    let mut next = first;
    for table in 0..most {
        let mut counts = vec![0; symbols];
        histograms[next]
            .counts
            .iter()
            .for_each(|(symbol, count)| counts[usize::from(*symbol)] = *count);
        let lengths = code_lengths(&counts);
        let mut worst = (0.0, 0);
        for (i, histogram) in histograms.iter().enumerate() {
            let more = histogram.bits(&lengths) - histogram.own_bits;
            if more < excess[i] {
                (excess[i], chosen[i]) = (more, table);
            }
            // A table of its own must be worth its description.
            let gain = excess[i] - 0.5 * SYMBOL_BITS * histogram.counts.len() as f32 - TABLE_BITS;
            if gain > worst.0 {
                worst = (gain, i);
            }
        }
        if worst.0 <= 0.0 {
            break;
        }
        next = worst.1;
    }
    chosen
}

fn gather(histograms: &[Histogram], chosen: &[usize], symbols: usize) -> Vec<Vec<u32>> {
    let tables = chosen.iter().max().map_or(0, |most| most + 1);
    let mut counts = vec![vec![0; symbols]; tables];
    for (histogram, chosen) in histograms.iter().zip(chosen) {
        for (symbol, count) in &histogram.counts {
            counts[*chosen][usize::from(*symbol)] += count;
        }
    }
    counts
}

/// Bits of a table's symbols and its description.
fn table_bits(counts: &[u32]) -> f32 {
    let total: u32 = counts.iter().sum();
    let occurring = counts.iter().filter(|count| **count > 0).count();
    if total == 0 {
        return 0.0;
    }
    entropy_bits(counts.iter().copied(), total) + SYMBOL_BITS * occurring as f32 + TABLE_BITS
}

/// Merges pairs of tables, the best first, while that saves bits.
fn merge(tables: &mut [Vec<u32>], chosen: &mut [usize]) {
    let sum = |a: &[u32], b: &[u32]| -> Vec<u32> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    let mut bits: Vec<f32> = tables.iter().map(|table| table_bits(table)).collect();
    let n = tables.len();
    let mut gains = vec![f32::NEG_INFINITY; n * n];
    let gain = |tables: &[Vec<u32>], bits: &[f32], a: usize, b: usize| {
        bits[a] + bits[b] - table_bits(&sum(&tables[a], &tables[b]))
    };
    for a in 0..n {
        for b in a + 1..n {
            gains[a * n + b] = gain(tables, &bits, a, b);
        }
    }
    loop {
        let (at, best) = gains.iter().enumerate().fold((0, 0.0), |best, (at, gain)| {
            if *gain > best.1 { (at, *gain) } else { best }
        });
        if best <= 0.0 {
            return;
        }
        let (a, b) = (at / n, at % n);
        tables[a] = sum(&tables[a], &tables[b]);
        tables[b].fill(0);
        bits[a] = table_bits(&tables[a]);
        bits[b] = 0.0;
        chosen
            .iter_mut()
            .filter(|chosen| **chosen == b)
            .for_each(|chosen| *chosen = a);
        for other in 0..n {
            gains[b.min(other) * n + b.max(other)] = f32::NEG_INFINITY;
            if other != a && bits[other] > 0.0 {
                gains[a.min(other) * n + a.max(other)] = gain(tables, &bits, a, other);
            }
        }
    }
}

/// Tables numbered by their first context; a context without symbols takes the one before's.
fn numbered(
    histograms: &[Histogram],
    chosen: &[usize],
    tables: Vec<Vec<u32>>,
    contexts: usize,
) -> Clusters {
    let mut numbers = vec![None; tables.len()];
    let mut counts = Vec::new();
    let mut of_context = vec![0u8; contexts];
    let mut used = histograms.iter().zip(chosen).peekable();
    let mut current = 0;
    let mut bits = 0.0;
    for (context, of_context) in of_context.iter_mut().enumerate() {
        if let Some((_, table)) = used.next_if(|(histogram, _)| histogram.context == context) {
            let number = *numbers[*table].get_or_insert_with(|| {
                counts.push(tables[*table].clone());
                bits += table_bits(&tables[*table]);
                (counts.len() - 1) as u8
            });
            if number != current {
                bits += CONTEXT_BITS;
            }
            current = number;
        }
        *of_context = current;
    }
    Clusters {
        of_context,
        counts,
        bits,
    }
}
