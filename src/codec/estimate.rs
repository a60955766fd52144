//! What a coding will cost, estimated on a sample of rows.

use std::sync::LazyLock;

use super::alphabet::Alphabet;
use super::context::{ABSENT, Context, MAX_CONTEXTS};
use super::transform::{MAX_DELTA, Transform};
use super::wide;

/// Consecutive rows of a sample.
pub(super) const RUN: usize = 512;

/// Rows of a sample, in runs.
pub(super) struct Sample {
    pub(super) integers: Vec<i32>,
    pub(super) run: usize,
}

impl Sample {
    /// Of a column that lies in `pieces`.
    pub(super) fn of(pieces: &[&[i32]], rows: usize) -> Self {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if len <= rows {
            return Self {
                integers: pieces.concat(),
                run: len.max(1),
            };
        }
        let runs = (rows / RUN).max(2);
        let last = len - RUN;
        let mut integers = Vec::with_capacity(runs * RUN);
        for i in 0..runs {
            let mut skip = last * i / (runs - 1);
            let mut left = RUN;
            for piece in pieces {
                let (_, rest) = piece.split_at(skip.min(piece.len()));
                skip -= piece.len() - rest.len();
                let taken = left.min(rest.len());
                integers.extend_from_slice(&rest[..taken]);
                left -= taken;
            }
        }
        Self { integers, run: RUN }
    }

    /// Symbols of the residuals, and the bits that the symbols leave open.
    /// `references` are samples of the same rows.
    pub(super) fn symbols(&self, transform: &Transform, references: &[&[i32]]) -> Symbols {
        let mut residuals = Vec::with_capacity(self.integers.len());
        for (i, run) in self.integers.chunks(self.run).enumerate() {
            // Nulls have no integers when values are coded, and differences reach over them.
            let mut last = 0;
            let filled: Vec<i32> = run
                .iter()
                .map(|x| {
                    if *x != ABSENT {
                        last = *x;
                    }
                    last
                })
                .collect();
            let rows = i * self.run..i * self.run + run.len();
            let references: Vec<&[i32]> = references
                .iter()
                .map(|other| &other[rows.clone()])
                .collect();
            let mut run = transform.apply(&filled, &references);
            if transform.is_ordered() && self.integers.len() > self.run {
                // A run's first residuals are from what is not there.
                let known = run.get(MAX_DELTA).copied().unwrap_or(0);
                run.iter_mut().take(MAX_DELTA).for_each(|x| *x = known);
            }
            residuals.extend(run);
        }
        let alphabet = Alphabet::of(&residuals);
        let symbols = alphabet.encode(&residuals);
        let extra: u64 = symbols
            .iter()
            .map(|s| u64::from(alphabet.extra_bits(usize::from(*s))))
            .sum();
        Symbols {
            size: alphabet.symbols(),
            symbols,
            extra: extra as f32,
        }
    }
}

/// Residuals of a sample as symbols.
pub(super) struct Symbols {
    pub(super) symbols: Vec<u8>,
    /// Of the alphabet.
    pub(super) size: usize,
    /// Bits beside the symbols.
    pub(super) extra: f32,
}

/// log2 of a count, from a table where it is small; 0 of 0.
#[inline(always)]
pub(super) fn log2(count: usize) -> f32 {
    static LOGS: LazyLock<Vec<f32>> = LazyLock::new(|| {
        let logs = (1..=8192).map(|count| (count as f32).log2());
        [0.0].into_iter().chain(logs).collect()
    });
    match LOGS.get(count) {
        Some(log) => *log,
        None => (count as f32).log2(),
    }
}

/// Counts symbols in contexts, and prices them as an adaptive coder would: the price of learning
/// is in it, which tells structure from chance. Krichevsky and Trofimov's estimator with a prior
/// count of [`PRIOR`].
#[derive(Default)]
pub(super) struct Cost {
    cells: Vec<u16>,
    rows: Vec<u16>,
}

const PRIOR: f32 = 0.08;
/// Pairs of a context and a symbol, at most, for each row of the sample: beyond, chance is all there
/// is to see.
const CELLS_A_ROW: usize = 8;
/// Rows of the largest sample.
pub(super) const MAX_SAMPLE: usize = 32_768;

/// The sum of log2(k + PRIOR) for all k below a count.
static RISING: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut sum = 0.0f64;
    let sums = (0..MAX_SAMPLE + RUN).map(|count| {
        sum += (count as f64 + f64::from(PRIOR)).log2();
        sum as f32
    });
    [0.0].into_iter().chain(sums).collect()
});

impl Cost {
    pub(super) fn of(
        &mut self,
        symbols: &Symbols,
        context: &Context,
        references: &[&[i32]],
    ) -> f32 {
        let size = symbols.size;
        let contexts = context.size(size);
        if contexts > MAX_CONTEXTS || contexts * size > CELLS_A_ROW * symbols.symbols.len() {
            return f32::INFINITY;
        }
        self.cells.clear();
        self.cells.resize(contexts * size, 0);
        self.count(symbols, context, references);
        let rising_to = &RISING[..];
        // What an adaptive coder pays depends on the counts alone, not on the symbols' order.
        let mut bits = f64::from(symbols.extra);
        for cells in self.cells.chunks(size) {
            let mut total = 0;
            let mut rising = 0.0;
            for count in cells.iter().filter(|count| **count > 0) {
                rising += rising_to[usize::from(*count)];
                total += *count;
            }
            bits += log_rising(PRIOR * size as f32, total) - f64::from(rising);
        }
        bits.max(0.0) as f32
    }

    /// Counts the symbols of each context.
    fn count(&mut self, symbols: &Symbols, context: &Context, references: &[&[i32]]) {
        let size = symbols.size;
        let n = symbols.symbols.len();
        let times = context.by_previous(size) as u16;
        self.rows.clear();
        self.rows.resize(n, 0);
        let (rows, cells) = (&mut self.rows, &mut self.cells);
        wide::run(
            #[inline(always)]
            || context.add(references, 0, times, rows),
        );
        let mut before = 0u8;
        for (symbol, row) in symbols.symbols.iter().zip(rows) {
            let mut context_of = usize::from(*row);
            if let Some(shift) = context.previous {
                context_of += usize::from(before >> shift);
                before = *symbol;
            }
            cells[context_of * size + usize::from(*symbol)] += 1;
        }
    }
}

/// log2 of prior * (prior + 1) * ... * (prior + n - 1), by Stirling's series.
fn log_rising(prior: f32, n: u16) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let log_gamma = |x: f64| {
        // Shifted up by 4, where the series is exact enough.
        let shift = (x * (x + 1.0) * (x + 2.0) * (x + 3.0)).ln();
        let x = x + 4.0;
        (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + 1.0 / (12.0 * x) - shift
    };
    let (low, high) = (f64::from(prior), f64::from(prior) + f64::from(n));
    (log_gamma(high) - log_gamma(low)) / std::f64::consts::LN_2
}
