//! The harness: candidates in, sizes and scores out; nothing is done twice.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::candidate::{Bounds, Candidate};
use super::error::{Result, TuneError};
use super::hash::table_hash;
use super::journal::{Journal, Made};
use super::ladder::Ladder;
use super::method::{Family, Reduced, Reduction};
use super::methods;
use super::sample::kept_rows;
use super::stored::{Storage, stored};
use super::trainer::{Outcome, Part, Trainer};
use super::watch::Watch;

pub(super) struct Harness<'a> {
    /// The original training part.
    pub train: RecordBatch,
    /// What is trained on instead where a fold of it is scored on.
    pub folds: Vec<RecordBatch>,
    /// Positions of the columns that may change.
    pub lossy: Vec<usize>,
    /// The position of the target, if there is one.
    pub target: Option<usize>,
    /// One for each of the lossy columns.
    pub ladders: Vec<Ladder>,
    pub methods: &'a [Box<dyn Reduction>],
    pub storage: Storage,
    pub trainer: Trainer,
    pub journal: Journal,
    /// Where tables are reduced, and where models are trained.
    pub pools: [ThreadPool; 2],
    pub watch: &'a Watch<'a>,
    /// Of methods that draw at random.
    pub seed: u64,
}

/// What came of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluation {
    /// Bytes of the reduced table and its rows; why not, if the method failed.
    pub made: Result<(u64, u64), String>,
    /// One for each seed; empty where the method failed.
    pub outcomes: Vec<Outcome>,
}

/// Candidates whose tables are in memory at a time: fixed, so that nothing depends on the machine.
const AT_ONCE: usize = 16;

impl Harness<'_> {
    /// Reduces and scores all `candidates`, as far as that is not known yet.
    ///
    /// # Errors
    /// When stopped, or when the journal or the files of programs cannot be written. Methods and trainings
    /// that fail are results.
    pub(super) fn evaluate(
        &self,
        candidates: &[Candidate],
        part: Part,
        seeds: &[u64],
    ) -> Result<Vec<Evaluation>> {
        let mut all = Vec::with_capacity(candidates.len());
        for chunk in candidates.chunks(AT_ONCE) {
            let made = self.made(chunk, part, seeds)?;
            self.train_missing(&made, part, seeds)?;
            for (made, _) in made {
                all.push(match made {
                    Made::Failed(why) => Evaluation {
                        made: Err(why),
                        outcomes: Vec::new(),
                    },
                    Made::Table { bytes, rows, hash } => Evaluation {
                        made: Ok((bytes, rows)),
                        outcomes: self.outcomes(&hash, part, seeds),
                    },
                });
            }
        }
        Ok(all)
    }

    fn outcomes(&self, hash: &str, part: Part, seeds: &[u64]) -> Vec<Outcome> {
        let outcome = |seed: &u64| self.journal.outcome(&(hash.to_owned(), part, *seed));
        let missing = || Outcome::Failed("not trained".into());
        seeds
            .iter()
            .map(|seed| outcome(seed).unwrap_or_else(missing))
            .collect()
    }

    /// What the candidates are made into, with the table where there is training to do.
    fn made(
        &self,
        candidates: &[Candidate],
        part: Part,
        seeds: &[u64],
    ) -> Result<Vec<(Made, Option<RecordBatch>)>> {
        let trained = |hash: &str| {
            let outcome = |seed| self.journal.outcome(&(hash.to_owned(), part, seed));
            seeds.iter().all(|seed| outcome(*seed).is_some())
        };
        let mut first = HashSet::new();
        let is_first: Vec<bool> = candidates.iter().map(|c| first.insert(c)).collect();
        let one = |(candidate, is_first): (&Candidate, bool)| {
            self.watch.check()?;
            let key = self.key(candidate, part);
            match self.journal.made(&key) {
                Some(Made::Table { hash, .. }) if !trained(&hash) && is_first => {}
                Some(made) => return Ok((Some(made), None)),
                // The same candidate is in work: looked up when that is done.
                None if !is_first => return Ok((None, None)),
                None => {}
            }
            let (made, table) = match self.reduce(candidate, part) {
                Ok(Reduced { table, bytes }) => {
                    let rows = table.num_rows() as u64;
                    let hash = table_hash(&table)?;
                    (Made::Table { bytes, rows, hash }, Some(table))
                }
                Err(error) => (Made::Failed(error.to_string()), None),
            };
            if self.journal.made(&key).is_none() {
                self.journal.add_made(&key, &made)?;
            }
            Ok((Some(made), table))
        };
        let made: Vec<(Option<Made>, Option<RecordBatch>)> = self.pools[0].install(|| {
            let candidates = candidates.par_iter().zip(is_first);
            candidates.map(one).collect::<Result<_>>()
        })?;
        let look_up = |candidate: &Candidate| {
            let key = self.key(candidate, part);
            self.journal
                .made(&key)
                .ok_or_else(|| TuneError::BadFile(format!("the journal has lost {key}")))
        };
        made.into_iter()
            .zip(candidates)
            .map(|((made, table), candidate)| {
                Ok((made.map_or_else(|| look_up(candidate), Ok)?, table))
            })
            .collect()
    }

    fn train_missing(
        &self,
        made: &[(Made, Option<RecordBatch>)],
        part: Part,
        seeds: &[u64],
    ) -> Result<()> {
        let mut tasks = Vec::new();
        let mut planned = HashSet::new();
        for (made, table) in made {
            let (Made::Table { hash, .. }, Some(table)) = (made, table) else {
                continue;
            };
            for seed in seeds {
                let training = (hash.clone(), part, *seed);
                if self.journal.outcome(&training).is_none() && planned.insert(training.clone()) {
                    tasks.push((training, table));
                }
            }
        }
        let one = |(training, table): &(_, &RecordBatch)| {
            self.watch.check()?;
            let (_, part, seed) = training;
            let outcome = self.trainer.train(table, *part, *seed, self.watch.stop)?;
            self.journal.add_outcome(training, &outcome)
        };
        self.pools[1].install(|| tasks.par_iter().with_max_len(1).try_for_each(one))
    }

    /// What the journal knows a reduction by: that of a fold is another.
    fn key(&self, candidate: &Candidate, part: Part) -> String {
        let key = candidate.key(self.methods, &self.ladders);
        match part {
            Part::Fold(fold) => format!("{key} fold {fold}"),
            Part::Validation | Part::Test => key,
        }
    }

    /// What models train on to be scored on `part`.
    fn trained_on(&self, part: Part) -> &RecordBatch {
        match part {
            Part::Fold(fold) => self.folds.get(usize::from(fold)).unwrap_or(&self.train),
            Part::Validation | Part::Test => &self.train,
        }
    }

    fn reduce(&self, candidate: &Candidate, part: Part) -> Result<Reduced> {
        let train = self.trained_on(part);
        match candidate {
            Candidate::Original => Ok(Reduced {
                table: train.clone(),
                bytes: train.columns().iter().map(crate::file::raw_bytes).sum(),
            }),
            Candidate::Method { method, parameter } => {
                let method = &self.methods[*method];
                let table = self.with_hint(train, method.family())?;
                let Reduced { table, bytes } =
                    method.reduce(&table, &self.lossy, parameter, self.seed)?;
                if table.schema().fields() != train.schema().fields() {
                    return Err(TuneError::method(
                        method.name(),
                        "the reduced table has another schema than the original",
                    ));
                }
                let table = RecordBatch::try_new(train.schema(), table.columns().to_vec())?;
                Ok(Reduced { table, bytes })
            }
            Candidate::Bounds(bounds) => self.store(train, bounds),
        }
    }

    /// What is trained on; for methods that draw rows it names the target to draw by.
    fn with_hint(&self, train: &RecordBatch, family: Family) -> Result<RecordBatch> {
        let Some(target) = self.target.filter(|_| family == Family::Sampling) else {
            return Ok(train.clone());
        };
        let schema = train.schema();
        let mut metadata = schema.metadata().clone();
        let name = schema.field(target).name().clone();
        metadata.insert(methods::TARGET.to_owned(), name);
        let schema = Schema::new_with_metadata(schema.fields().clone(), metadata);
        let columns = train.columns().to_vec();
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }

    /// The Tolerant file of `table` with these bounds.
    pub(super) fn store(&self, table: &RecordBatch, bounds: &Bounds) -> Result<Reduced> {
        let absolute = bounds.absolute(&self.ladders);
        if bounds.fewer_rows == 0 {
            return stored(table, &absolute, self.storage);
        }
        stored(&kept_rows(table, bounds.keep())?, &absolute, self.storage)
    }
}
