//! Fewer rows, kept in the smallest Parquet file.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{sort_to_indices, take, take_record_batch};
use fastrand::Rng;

use super::super::error::{Result, TuneError};
use super::super::method::{Family, Reduced, Reduction};
use super::{TARGET, number, parquet_file};

const FRACTIONS: [&str; 7] = ["0.7", "0.5", "0.3", "0.2", "0.1", "0.05", "0.02"];

pub(super) fn methods() -> Vec<Box<dyn Reduction>> {
    [Kind::First, Kind::Without, Kind::With, Kind::Stratified]
        .into_iter()
        .map(|kind| Box::new(kind) as Box<dyn Reduction>)
        .collect()
}

enum Kind {
    First,
    /// Random rows without replacement.
    Without,
    /// Random rows with replacement.
    With,
    /// Every so manieth of the rows in the order of the target, from a random start: each class and each
    /// stretch of numbers has its share.
    Stratified,
}

impl Reduction for Kind {
    fn name(&self) -> &str {
        match self {
            Self::First => "sample-first",
            Self::Without => "sample-random",
            Self::With => "sample-replacement",
            Self::Stratified => "sample-stratified",
        }
    }

    fn family(&self) -> Family {
        Family::Sampling
    }

    fn parameters(&self) -> Vec<String> {
        FRACTIONS.map(|n| format!("n={n}")).to_vec()
    }

    fn reduce(
        &self,
        table: &RecordBatch,
        lossy: &[usize],
        parameter: &str,
        seed: u64,
    ) -> Result<Reduced> {
        let fraction = number(self.name(), parameter, "n=")?;
        let rows = table.num_rows();
        if !(fraction > 0.0 && fraction <= 1.0) || rows == 0 || rows > u32::MAX as usize {
            return Err(TuneError::method(
                self.name(),
                format!("cannot take {parameter} of {rows} rows: write a fraction from 0 to 1"),
            ));
        }
        let wanted = ((rows as f64 * fraction).round() as usize).clamp(1, rows);
        let mut rng = Rng::with_seed(seed);
        let mut shuffled: Vec<u32> = (0..rows as u32).collect();
        rng.shuffle(&mut shuffled);
        let mut chosen: Vec<u32> = match self {
            Self::First => (0..wanted as u32).collect(),
            Self::Without => shuffled.into_iter().take(wanted).collect(),
            Self::With => (0..wanted).map(|_| rng.u32(0..rows as u32)).collect(),
            Self::Stratified => {
                let shuffled = UInt32Array::from(shuffled);
                let column = stratum(table, lossy);
                // Rows of equal targets stay shuffled.
                let targets = take(table.column(column), &shuffled, None)?;
                let order = sort_to_indices(&targets, None, None)?;
                let start = rng.f64();
                let step = rows as f64 / wanted as f64;
                let at = |i: usize| (((i as f64 + start) * step) as usize).min(rows - 1);
                (0..wanted)
                    .map(|i| shuffled.value(order.value(at(i)) as usize))
                    .collect()
            }
        };
        // In the table's own order, which is worth more than none.
        chosen.sort_unstable();
        let table = take_record_batch(table, &UInt32Array::from(chosen))?;
        let bytes = parquet_file::smallest_parquet(&table)?.len() as u64;
        Ok(Reduced { table, bytes })
    }
}

/// The column to stratify by: the one that the schema names as [`TARGET`], or else the last one that may
/// not change, or the last of all.
fn stratum(table: &RecordBatch, lossy: &[usize]) -> usize {
    let schema = table.schema();
    let named = schema.metadata().get(TARGET);
    let named = named.and_then(|name| schema.index_of(name).ok());
    let kept = (0..table.num_columns()).rfind(|i| !lossy.contains(i));
    named.or(kept).unwrap_or(table.num_columns() - 1)
}
