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
use super::effort::Effort;
use super::estimate::log2;
use super::histogram::{self, Models, Precision};
use super::payload::{self, Cursor};
use super::rans::{self, Bases, Coded, DecodeTables, Frequencies, MAX_LOG};
use super::unpack::Unpack;

/// Least bits of a table's slots: room for every symbol.
const LEAST_LOG: u32 = 9;

/// Fewer slots may cost so many times what more of them would.
const SMALL_TABLE_WORTH: f32 = 1.0007;

/// A coding that is worked out but for the writing.
pub(super) struct Model<'a> {
    values: &'a [i32],
    context: &'a Context,
    alphabet: Alphabet,
    symbols: Vec<u8>,
    /// The context of each symbol.
    contexts: Vec<u16>,
    clusters: Clusters,
}

impl<'a> Model<'a> {
    /// Works out the coding of `values`, which are aligned with each of `references`.
    ///
    /// None where the context is too fine for the values' symbols.
    pub(super) fn new(
        values: &'a [i32],
        context: &'a Context,
        references: &[&[i32]],
    ) -> Option<Self> {
        let alphabet = Alphabet::of(values);
        let symbols = alphabet.encode(values);
        let size = alphabet.symbols();
        if context.size(size) > MAX_CONTEXTS {
            return None;
        }
        let contexts = contexts(&symbols, context, size, &context.rows(references));
        let mut counts = vec![0u32; context.size(size) * size];
        for (context, symbol) in contexts.iter().zip(&symbols) {
            counts[usize::from(*context) * size + usize::from(*symbol)] += 1;
        }
        let clusters = cluster::cluster(&counts, size, (values.len() / 256).max(1));
        Some(Self {
            values,
            context,
            alphabet,
            symbols,
            contexts,
            clusters,
        })
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

    /// Whether symbols stand for more than one integer each, which pco tells apart as well.
    pub(super) fn is_coarse(&self) -> bool {
        matches!(self.alphabet, Alphabet::Tokens { .. })
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

    pub(super) fn write(&self, effort: Effort, out: &mut Vec<u8>) {
        let precision = Precision::of(self.values.len());
        let Quantized { log, codes, tables } = self.quantized(precision);
        let mut description = BitWriter::new(Learning::Quick);
        self.context.write(&mut description);
        self.alphabet.write(&mut description);
        let lanes = self.lanes(effort);
        description.raw(slots_number(log, lanes), 4);
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
            let lanes = lanes.unwrap_or_else(|| rans::lanes(self.symbols.len()));
            rans::encode(&self.symbols, &chosen, &tables, log, in_runs, lanes, out);
        }
        self.alphabet.write_extra(self.values, out);
    }
}

/// What a table's slots and the lanes are described by: the log for the usual number of lanes, and
/// from format version 3 on a number below 8 for two or four.
fn slots_number(log: u32, lanes: Option<usize>) -> u32 {
    match lanes {
        None => log,
        Some(2) => log - LEAST_LOG,
        Some(_) => log - LEAST_LOG + 4,
    }
}

/// The log and the lanes of a number, for `n` symbols.
fn log_and_lanes(number: u32, n: usize) -> Option<(u32, usize)> {
    match number {
        0..=3 => Some((LEAST_LOG + number, 2)),
        4..=7 => Some((LEAST_LOG + number - 4, 4)),
        LEAST_LOG..=MAX_LOG => Some((number, rans::lanes(n))),
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

    /// More lanes than the usual one, where they cost next to nothing.
    fn lanes(&self, effort: Effort) -> Option<usize> {
        let share = if effort == Effort::Fast { 16.0 } else { 200.0 };
        let most = self.bits() / 8.0 / share / rans::LANE_BYTES as f32;
        // Contexts by the symbol before were worked out for the usual lanes.
        if rans::lanes(self.symbols.len()) > 1 || self.context.previous.is_some() {
            return None;
        }
        [4, 2].into_iter().find(|lanes| (lanes - 1) as f32 <= most)
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

/// The context of each symbol; lanes start with the previous symbol 0, as [`rans::decode`] does.
fn contexts(symbols: &[u8], context: &Context, size: usize, rows: &[u16]) -> Vec<u16> {
    let row = |i: usize| rows.get(i).copied().unwrap_or(0);
    let Some(shift) = context.previous else {
        return (0..symbols.len()).map(row).collect();
    };
    let by_previous = context.by_previous(size) as u16;
    let run = rans::run(symbols.len(), rans::lanes(symbols.len()));
    (0..symbols.len())
        .map(|i| {
            let before = if i % run == 0 { 0 } else { symbols[i - 1] };
            row(i) * by_previous + (u16::from(before) >> shift)
        })
        .collect()
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

/// Decodes what [`Model::write`] wrote into `values`; it writes a description that learns quickly,
/// and wrote steady ones before format version 3.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    learning: Learning,
    references: &[&[i32]],
    values: &mut [i32],
) -> Result<(), CodecError> {
    let n = values.len();
    let mut description = BitReader::open(cursor, learning)?;
    let context = Context::read(&mut description, references.len())?;
    let alphabet = Alphabet::read(&mut description)?;
    let size = alphabet.symbols();
    let (log, lanes) = log_and_lanes(description.raw(4), n)
        .filter(|_| context.size(size) <= MAX_CONTEXTS)
        // Runs of symbols need the usual lanes, of which each has some.
        .filter(|(_, lanes)| context.previous.is_none() || *lanes == rans::lanes(n))
        .ok_or_else(|| CodecError::corrupt("model out of bounds"))?;
    let (count, of_context) = read_clusters(&mut description, context.size(size))?;
    debug_assert!(count <= MAX_CLUSTERS);
    let precision = Precision::of(n);
    let mut models = Models::NEW;
    let mut above: Option<Vec<u32>> = None;
    let mut tables = Vec::with_capacity(count);
    for _ in 0..count {
        let codes = histogram::read(size, above.as_deref(), &mut models, &mut description);
        tables.push(
            histogram::frequencies(&codes, log, precision)
                .ok_or_else(|| CodecError::corrupt("a table without symbols"))?,
        );
        above = Some(codes);
    }
    description.finish()?;
    if is_constant(&tables) {
        let symbol = tables[0].iter().position(|f| *f > 0).unwrap_or(0);
        let mut extra = alphabet.open_extra(cursor)?;
        alphabet.decode(&vec![symbol as u8; n], &mut extra, values);
        return extra.finish();
    }
    let bases = Bases::new(&of_context, log);
    let tables = DecodeTables::new(&tables, log)?;
    let coded = Coded::open(cursor, lanes)?;
    let extra = alphabet.open_extra(cursor)?;
    let unpack = Unpack {
        context: &context,
        alphabet: &alphabet,
        tables: &tables,
        bases: &bases,
        references,
        lanes,
    };
    unpack.run(&coded, extra, values)
}
