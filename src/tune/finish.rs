//! From the end of the search to the report: final figures, on the test part.

use arrow::array::RecordBatch;

use crate::codec::ErrorBound;
use crate::file::{FileError, is_float};

use super::candidate::{Bounds, Candidate, TUNED};
use super::config::Config;
use super::error::Result;
use super::method::Task;
use super::noise::{Crossed, Loss};
use super::options::TuneOptions;
use super::report::{Chosen, ColumnFacts, Report, SearchFacts, TableFacts, Tested, Tried};
use super::run::baseline;
use super::search::Search;
use super::trainer::{Part, Training};
use super::watch::Phase;

const VERSION: u32 = 1;

/// Confirms what was found with all seeds, and scores it on the test part.
///
/// # Errors
/// When stopped, when a file cannot be written, or when the model learns nothing about the test part.
pub(super) fn finished(
    mut search: Search<'_>,
    table: &RecordBatch,
    facts: TableFacts,
    task: Task,
    training: &Training,
    metric: String,
    options: &TuneOptions,
) -> Result<Report> {
    let harness = search.harness;
    let chosen = search.confirmed()?;
    let best = search.best_by_method()?;
    let frontier = search.frontier()?;

    search.tell(Phase::Testing);
    let seeds = search.seeds.clone();
    let (test, _) = baseline(harness, Part::Test, &seeds, training.lower_is_better())?;
    let mut all: Vec<usize> = chosen
        .iter()
        .chain(&best)
        .chain(&frontier)
        .copied()
        .collect();
    all.sort_unstable();
    all.dedup();
    let candidates: Vec<Candidate> = all
        .iter()
        .map(|position| search.points[*position].candidate.clone())
        .collect();
    let scored = harness.evaluate(&candidates, Part::Test, &seeds)?;
    let tested: Vec<(usize, Tested)> = all
        .into_iter()
        .zip(scored)
        .filter_map(|(position, scored)| {
            let point = &search.points[position];
            let bytes = point.bytes()?;
            let tested = Tested {
                setting: point.candidate.setting(harness.methods, &harness.ladders),
                bytes,
                ratio: ratio(facts.train_raw_bytes, bytes),
                validation: point.loss?,
                test: test.loss(&scored.outcomes),
            };
            Some((position, tested))
        })
        .collect();
    let of = |position: usize| {
        let found = tested.iter().find(|(other, _)| *other == position);
        found.map(|(_, tested)| tested.clone())
    };

    let chosen = match chosen.and_then(|position| Some((position, of(position)?))) {
        Some((position, mut point)) => match &search.points[position].candidate {
            Candidate::Bounds(bounds) => {
                point.setting.method = TUNED.into();
                let crossed = search.crossed(position);
                Some(applied(
                    &search,
                    table,
                    &facts,
                    bounds,
                    (point, crossed),
                    options,
                )?)
            }
            _ => None,
        },
        None => None,
    };
    let mut best: Vec<Tested> = best.into_iter().filter_map(of).collect();
    best.extend(chosen.as_ref().map(|chosen| chosen.point.clone()));
    best.sort_by(|a, b| {
        a.bytes
            .cmp(&b.bytes)
            .then(a.setting.method.cmp(&b.setting.method))
    });
    Ok(Report {
        version: VERSION,
        task,
        target: options.target.clone(),
        model: training.name().to_owned(),
        metric,
        max_loss: options.max_loss,
        aimed_at: search.first_target,
        search_seeds: search.search_seeds,
        validation: search.baseline.clone(),
        test,
        search: SearchFacts {
            budget: search.budget,
            tried: search.points.len(),
            failed: search.points.iter().filter(|p| p.loss.is_none()).count(),
            exhausted: search.exhausted,
        },
        chosen,
        best,
        frontier: frontier.into_iter().filter_map(of).collect(),
        tried: tried(&search, &facts),
        seeds,
        table: facts,
    })
}

fn ratio(raw: u64, bytes: u64) -> f64 {
    raw as f64 / bytes.max(1) as f64
}

fn tried(search: &Search<'_>, facts: &TableFacts) -> Vec<Tried> {
    let points = search.points.iter();
    points
        .map(|point| Tried {
            setting: point
                .candidate
                .setting(search.harness.methods, &search.harness.ladders),
            bytes: point.bytes(),
            rows: point.made.as_ref().ok().map(|(_, rows)| *rows),
            ratio: point
                .bytes()
                .map(|bytes| ratio(facts.train_raw_bytes, bytes)),
            loss: point.loss,
            failure: point.failure().map(str::to_owned),
        })
        .collect()
}

/// The chosen bounds, applied to the whole table.
fn applied(
    search: &Search<'_>,
    table: &RecordBatch,
    facts: &TableFacts,
    bounds: &Bounds,
    (point, crossed): (Tested, Option<Crossed>),
    options: &TuneOptions,
) -> Result<Chosen> {
    let harness = search.harness;
    let table_bytes = harness.store(table, bounds)?.bytes;
    let schema = table.schema();
    let columns: Vec<ColumnFacts> = schema
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| is_float(field.data_type()))
        .map(|(column, field)| {
            let own = harness.lossy.iter().position(|lossy| *lossy == column);
            let ladder = own.map(|own| &harness.ladders[own]);
            let rung = own.map_or(0, |own| bounds.rungs[own]);
            let bound = ladder.map_or(0.0, |ladder| ladder.bound(rung));
            let range = ladder.map_or(0.0, |ladder| ladder.range);
            ColumnFacts {
                name: field.name().clone(),
                bound,
                relative: if range > 0.0 { bound / range } else { 0.0 },
                constant: ladder.is_some_and(|ladder| rung > 0 && rung == ladder.top()),
                information: own
                    .filter(|_| options.target.is_some())
                    .map(|own| search.prior[own]),
                sensitivity: own.and_then(|own| search.missed(own)),
            }
        })
        .collect();
    let bounds_of = |facts: &ColumnFacts| {
        let bound = match facts.bound {
            0.0 => Ok(ErrorBound::Exact),
            bound => ErrorBound::abs(bound),
        };
        Ok((facts.name.clone(), bound.map_err(FileError::from)?))
    };
    let own: Vec<(String, ErrorBound)> = columns.iter().map(bounds_of).collect::<Result<_>>()?;
    let holds = |loss: &Loss| loss.mean <= options.max_loss;
    Ok(Chosen {
        holds_on_test: point.test.as_ref().is_some_and(holds),
        table_bytes,
        table_ratio: ratio(facts.raw_bytes, table_bytes),
        keep_rows: bounds.keep(),
        config: Config::new(own, harness.storage, bounds.keep()),
        columns,
        crossed,
        point,
    })
}
