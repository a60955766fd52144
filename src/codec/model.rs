//! Integers by tables chosen by context: the entropy coder for what other columns, or the value
//! before, tell something of.
//!
//! ```text
//! description: varint of its length, then by `bits`: context, alphabet, log, precision,
//!              table of each context, weights of each table
//! symbols by `rans`
//! extra bits of the alphabet, where it has some
//! ```

use super::CodecError;
use super::alphabet::Alphabet;
use super::bits::{Bit, BitReader, BitWriter, Learning, Number};
use super::cluster::{self, Clusters, MAX_CLUSTERS};
use super::context::{Context, MAX_CONTEXTS};
use super::early_histogram;
use super::effort::Effort;
use super::estimate::log2;
use super::histogram::{self, Models, Precision};
use super::many::{self, Places};
use super::payload::{self, Cursor};
use super::rans::{self, Bases, DecodeTables, Frequencies, MAX_LOG};
use super::unpack::{Integers, Unpack};

/// Least bits of a table's slots: room for every symbol.
const LEAST_LOG: u32 = 9;

/// Lanes may cost one part in so many of the symbols' bytes; in `fast` more.
const LANES_SHARE: f32 = 40.0;
const FAST_LANES_SHARE: f32 = 16.0;
/// Symbols to each byte that many lanes may cost in any case, but in `small`: little of what the
/// values are.
const LANES_SYMBOLS: usize = 1024;
/// Symbols that are worth many runs, at least.
const MANY_RUNS: usize = 8192;

/// Of leading bits, so that their description hardly counts.
const VALUES_A_SYMBOL: usize = 64;

/// Fewer slots may cost so many times what more of them would.
const SMALL_TABLE_WORTH: f32 = 1.003;

/// A coding that is worked out but for the writing.
pub(super) struct Model<'a> {
    values: &'a [i32],
    context: &'a Context,
    effort: Effort,
    alphabet: Alphabet,
    symbols: Vec<u8>,
    /// The context of each symbol.
    contexts: Vec<u16>,
    clusters: Clusters,
    /// Whether runs, where contexts look at the symbol before, are many.
    many_runs: bool,
}

impl<'a> Model<'a> {
    /// Works out the coding of `values`, which are aligned with each of `references`.
    ///
    /// None where the context is too fine for the values' symbols.
    pub(super) fn new(
        values: &'a [i32],
        context: &'a Context,
        references: &[&[i32]],
        effort: Effort,
    ) -> Option<Self> {
        let alphabet = Alphabet::of(values);
        let symbols = alphabet.encode(values);
        let size = alphabet.symbols();
        if context.size(size) > MAX_CONTEXTS {
            return None;
        }
        let rows = context.rows(references);
        let many_runs = context.previous.is_some() && values.len() >= MANY_RUNS;
        let contexts = contexts(&symbols, context, size, &rows, many_runs);
        let mut counts = vec![0u32; context.size(size) * size];
        for (context, symbol) in contexts.iter().zip(&symbols) {
            counts[usize::from(*context) * size + usize::from(*symbol)] += 1;
        }
        let clusters = cluster::cluster(&counts, size, (values.len() / 256).max(1));
        let mut model = Self {
            values,
            context,
            effort,
            alphabet,
            symbols,
            contexts,
            clusters,
            many_runs,
        };
        if many_runs && !model.is_worth_many() {
            model.in_fewer_runs(&rows);
        }
        Some(model)
    }

    /// Other symbols start a run then, without a symbol before: contexts keep their tables, but
    /// tables have other counts. A table that none is left of has to stay one.
    fn in_fewer_runs(&mut self, rows: &[u16]) {
        self.many_runs = false;
        let size = self.alphabet.symbols();
        self.contexts = contexts(&self.symbols, self.context, size, rows, false);
        self.clusters
            .counts
            .iter_mut()
            .for_each(|counts| counts.fill(0));
        for (context, symbol) in self.contexts.iter().zip(&self.symbols) {
            let table = self.clusters.of_context[usize::from(*context)];
            self.clusters.counts[usize::from(table)][usize::from(*symbol)] += 1;
        }
        for counts in &mut self.clusters.counts {
            if counts.iter().all(|count| *count == 0) {
                counts[0] = 1;
            }
        }
    }

    /// This model, or the one without context unless this takes less than `worth` times its bits.
    pub(super) fn or_free(self, worth: f32) -> Self {
        if self.context.is_empty() {
            return self;
        }
        let joined = self.clusters.joined();
        let extra = self.bits() - self.clusters.bits;
        if self.bits() <= worth * (joined.bits + extra) {
            return self;
        }
        Self {
            context: Context::NONE,
            contexts: vec![0; self.contexts.len()],
            clusters: joined,
            ..self
        }
    }

    /// Whether symbols stand for more than one integer each and these are not as frequent, or there is more of a
    /// table to describe than the values bear, so that pco may do as well.
    pub(super) fn is_coarse(&self) -> bool {
        match self.alphabet {
            Alphabet::Tokens { .. } => true,
            Alphabet::Leading { count, .. } => {
                self.values.len() < VALUES_A_SYMBOL * count || !self.alphabet.is_even(self.values)
            }
            _ => false,
        }
    }

    /// What part of the bits without context it takes, about: 1 where it looks at none, as pco.
    pub(super) fn gain(&self) -> f32 {
        let joined = self.clusters.joined();
        let extra = self.bits() - self.clusters.bits;
        self.bits() / (joined.bits + extra).max(1.0)
    }

    /// Bits of the coding, about.
    pub(super) fn bits(&self) -> f32 {
        let extra: u64 = (0..self.alphabet.symbols())
            .map(|symbol| {
                let count: u32 = self
                    .clusters
                    .counts
                    .iter()
                    .map(|counts| counts[symbol])
                    .sum();
                u64::from(count) * u64::from(self.alphabet.extra_bits(symbol))
            })
            .sum();
        self.clusters.bits + extra as f32
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let precision = Precision::of(self.values.len());
        let Quantized { log, codes, tables } = self.quantized(precision);
        let mut description = BitWriter::new(Learning::Quick);
        self.context.write(&mut description);
        self.alphabet.write(&mut description);
        let lanes = self.lanes();
        write_slots(log, lanes, self.symbols.len(), &mut description);
        write_clusters(&self.clusters, &mut description);
        let mut models = Models::NEW;
        let mut above: Option<&[u32]> = None;
        for codes in &codes {
            histogram::write(codes, above, &mut models, &mut description);
            above = Some(codes);
        }
        let description = description.finish();
        payload::write_varint(description.len() as u64, out);
        out.extend_from_slice(&description);
        let chosen: Vec<u8> = self
            .contexts
            .iter()
            .map(|context| self.clusters.of_context[usize::from(*context)])
            .collect();
        if !is_constant(&tables) {
            let in_runs = self.context.previous.is_some();
            if lanes == many::LANES {
                many::encode(&self.symbols, &chosen, &tables, log, in_runs, out);
            } else {
                rans::encode(&self.symbols, &chosen, &tables, log, in_runs, lanes, out);
            }
        }
        self.alphabet.write_extra(self.values, out);
    }
}

/// What tables' slots and the lanes are described by: the log for as many lanes as `rans` usually
/// takes for `n` symbols; from format version 3 on a number below 8 for two or four, from 4 on one
/// above the logs, and the log, for many.
fn write_slots(log: u32, lanes: usize, n: usize, out: &mut BitWriter) {
    match lanes {
        many::LANES => {
            out.raw(IN_MANY_LANES, 4);
            out.raw(log - LEAST_LOG, 2);
        }
        lanes if lanes == rans::lanes(n) => out.raw(log, 4),
        2 => out.raw(log - LEAST_LOG, 4),
        _ => out.raw(log - LEAST_LOG + 4, 4),
    }
}

const IN_MANY_LANES: u32 = MAX_LOG + 1;

/// The log and the lanes that [`write_slots`] wrote.
fn read_slots(n: usize, input: &mut BitReader<'_>) -> Option<(u32, usize)> {
    match input.raw(4) {
        number @ 0..=3 => Some((LEAST_LOG + number, 2)),
        number @ 4..=7 => Some((LEAST_LOG + number - 4, 4)),
        number @ LEAST_LOG..=MAX_LOG => Some((number, rans::lanes(n))),
        IN_MANY_LANES => Some((LEAST_LOG + input.raw(2), many::LANES)),
        _ => None,
    }
}

/// Frequencies that tables are described by.
struct Quantized {
    log: u32,
    codes: Vec<Vec<u32>>,
    tables: Vec<Frequencies>,
}

impl Model<'_> {
    /// The frequencies of the fewest slots that cost next to nothing: small tables are sooner
    /// made, and stay in the first-level cache.
    fn quantized(&self, precision: Precision) -> Quantized {
        let most = (self.values.len() / self.clusters.counts.len())
            .max(1)
            .ilog2()
            .clamp(LEAST_LOG, MAX_LOG);
        let mut best = self.quantized_to(most, precision);
        let enough = SMALL_TABLE_WORTH * self.cost(&best);
        for log in LEAST_LOG..most {
            let smaller = self.quantized_to(log, precision);
            if self.cost(&smaller) <= enough {
                best = smaller;
                break;
            }
        }
        best
    }

    /// As many lanes as cost next to nothing.
    fn lanes(&self) -> usize {
        let usual = rans::lanes(self.symbols.len());
        if self.context.previous.is_some() {
            return if self.many_runs { many::LANES } else { usual };
        }
        if self.is_worth_many() {
            return many::LANES;
        }
        let most = self.bits() / 8.0 / self.lanes_share();
        let cost = |lanes: usize| ((lanes - 1) * rans::LANE_BYTES) as f32;
        let more = [4, 2].into_iter().find(|lanes| cost(*lanes) <= most);
        more.unwrap_or(1).max(usual)
    }

    fn lanes_share(&self) -> f32 {
        match (self.effort, self.context.previous) {
            (Effort::Fast, None) => FAST_LANES_SHARE,
            _ => LANES_SHARE,
        }
    }

    /// Whether many lanes cost no more than they may beyond the usual ones.
    fn is_worth_many(&self) -> bool {
        let (n, bytes) = (self.symbols.len(), self.bits() / 8.0);
        let usual = (rans::lanes(n) - 1) * rans::LANE_BYTES;
        let least = match self.effort {
            Effort::Small => 0,
            _ => n / LANES_SYMBOLS,
        };
        let most = (bytes / self.lanes_share()).max(least as f32);
        n >= many::LANES && many::cost(bytes) <= most + usual as f32
    }

    fn quantized_to(&self, log: u32, precision: Precision) -> Quantized {
        let counts = self.clusters.counts.iter();
        let codes: Vec<Vec<u32>> = counts
            .map(|counts| histogram::codes(counts, log, precision))
            .collect();
        // There are at most half as many symbols as slots, and each cluster has one at least.
        let tables = codes
            .iter()
            .filter_map(|codes| histogram::frequencies(codes, log, precision))
            .collect();
        Quantized { log, codes, tables }
    }

    /// Bits of the symbols.
    fn cost(&self, quantized: &Quantized) -> f32 {
        let mut bits = 0.0;
        for (counts, table) in self.clusters.counts.iter().zip(&quantized.tables) {
            for (count, frequency) in counts.iter().zip(table).filter(|(count, _)| **count > 0) {
                let length = quantized.log as f32 - log2(usize::from(*frequency));
                bits += *count as f32 * length;
            }
        }
        bits
    }
}

/// Whether there is but one table and one symbol, so that nothing is left to code.
fn is_constant(tables: &[Frequencies]) -> bool {
    matches!(tables, [table] if table.iter().filter(|f| **f > 0).count() == 1)
}

/// The context of each symbol; runs start with the previous symbol 0, as decoders do.
fn contexts(
    symbols: &[u8],
    context: &Context,
    size: usize,
    rows: &[u16],
    many_runs: bool,
) -> Vec<u16> {
    let n = symbols.len();
    let by_previous = context.by_previous(size) as u16;
    let mut contexts: Vec<u16> = match rows {
        [] => vec![0; n],
        rows => rows.iter().map(|row| row * by_previous).collect(),
    };
    let Some(shift) = context.previous else {
        return contexts;
    };
    for (to, before) in contexts.iter_mut().skip(1).zip(symbols) {
        *to += u16::from(*before) >> shift;
    }
    // Runs start without a symbol before.
    let run = match many_runs {
        true => Places::new(n, true).run(),
        false => rans::run(n, rans::lanes(n)),
    };
    let ends = if many_runs { run * many::LANES } else { n };
    for start in (run..ends).step_by(run) {
        contexts[start] = rows.get(start).copied().unwrap_or(0) * by_previous;
    }
    contexts
}

fn write_clusters(clusters: &Clusters, out: &mut BitWriter) {
    out.raw(clusters.counts.len() as u32 - 1, 6);
    if clusters.counts.len() == 1 {
        return;
    }
    let (mut same, mut number) = (Bit::EVEN, Number::NEW);
    let mut current = 0;
    for &cluster in &clusters.of_context {
        out.bit(&mut same, cluster != current);
        if cluster != current {
            out.number(&mut number, u32::from(cluster));
        }
        current = cluster;
    }
}

fn read_clusters(
    input: &mut BitReader<'_>,
    contexts: usize,
) -> Result<(usize, Vec<u8>), CodecError> {
    let count = input.raw(6) as usize + 1;
    if count == 1 {
        return Ok((1, vec![0; contexts]));
    }
    let (mut same, mut number) = (Bit::EVEN, Number::NEW);
    let mut current = 0;
    let mut of_context = Vec::with_capacity(contexts);
    for _ in 0..contexts {
        if input.bit(&mut same) {
            current = input.number(&mut number);
            if current as usize >= count {
                return Err(CodecError::corrupt("a table that is not there"));
            }
        }
        of_context.push(current as u8);
    }
    Ok((count, of_context))
}

/// How a description was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Description {
    /// Before format version 3: it learns steadily.
    Steady,
    /// Before format version 6: by a number for each symbol of a table.
    Numbers,
    /// As [`Model::write`] does.
    Offsets,
}

impl Description {
    fn learning(self) -> Learning {
        match self {
            Self::Steady => Learning::Steady,
            Self::Numbers | Self::Offsets => Learning::Quick,
        }
    }

    /// The codes of `count` tables of `symbols`.
    fn tables(
        self,
        count: usize,
        symbols: usize,
        input: &mut BitReader<'_>,
    ) -> Option<Vec<Vec<u32>>> {
        let mut models = Models::NEW;
        let mut early = early_histogram::Models::NEW;
        let mut tables: Vec<Vec<u32>> = Vec::with_capacity(count);
        for _ in 0..count {
            let above = tables.last().map(|above| &above[..]);
            tables.push(match self {
                Self::Offsets => histogram::read(symbols, above, &mut models, input)?,
                _ => early_histogram::read(symbols, above, &mut early, input),
            });
        }
        Some(tables)
    }
}

/// Decodes `n` values that [`Model::write`] wrote, or an earlier version of it, and hands them to `sink` in
/// pieces.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    written: Description,
    references: &[&[i32]],
    n: usize,
    sink: &mut dyn FnMut(&mut [i32]),
) -> Result<(), CodecError> {
    let mut description = BitReader::open(cursor, written.learning())?;
    let context = Context::read(&mut description, references.len())?;
    let alphabet = Alphabet::read(&mut description)?;
    let size = alphabet.symbols();
    let (log, lanes) = read_slots(n, &mut description)
        .filter(|_| context.size(size) <= MAX_CONTEXTS)
        // Runs of symbols need the usual lanes, of which each has some, or many.
        .filter(|(_, lanes)| {
            context.previous.is_none() || [rans::lanes(n), many::LANES].contains(lanes)
        })
        .ok_or_else(|| CodecError::corrupt("model out of bounds"))?;
    let (count, of_context) = read_clusters(&mut description, context.size(size))?;
    debug_assert!(count <= MAX_CLUSTERS);
    let precision = Precision::of(n);
    let tables = written
        .tables(count, size, &mut description)
        .and_then(|codes| {
            let frequencies = codes
                .iter()
                .map(|codes| histogram::frequencies(codes, log, precision));
            frequencies.collect::<Option<Vec<Frequencies>>>()
        });
    let tables = tables.ok_or_else(|| CodecError::corrupt("a table without symbols"))?;
    description.finish()?;
    if is_constant(&tables) {
        let symbol = tables[0].iter().position(|f| *f > 0).unwrap_or(0);
        let mut integers = Integers::open(&alphabet, cursor, n, sink)?;
        integers.add_all(&vec![symbol as u8; n]);
        return integers.finish();
    }
    let bases = Bases::new(of_context, log);
    let tables = DecodeTables::new(&tables, log)?;
    let unpack = Unpack {
        context: &context,
        alphabet: &alphabet,
        tables: &tables,
        bases: &bases,
        references,
        lanes,
    };
    unpack.run(cursor, n, sink)
}
