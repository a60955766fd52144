//! The oracle: random tables and random queries, which are to have the same answer with everything
//! pushed down, also over workers, with nothing, and on the decompressed table.
//!
//! A difference says its seed, which `TOLERANT_ORACLE_SEED=17 cargo test --test oracle -- --nocapture`
//! replays, and says where it leaves the table. `TOLERANT_ORACLE_TABLES=2000` goes through so many seeds, from that one on.

mod answers;
mod chance;
mod columns;
mod queries;
mod sessions;
mod tables;
mod terms;

use std::env;
use std::thread::available_parallelism;

use futures::StreamExt;

use answers::answer;
use chance::Chance;
use queries::{Query, Rows};
use tables::Table;
use terms::Term;
#[cfg(feature = "distributed")]
use tolerant::distributed::Cluster;

/// Queries of a table.
const QUERIES: usize = 24;
/// Tables of a run that is not told otherwise.
const TABLES: u64 = 50;

/// What has been asked, and what is wrong.
#[derive(Default)]
struct Report {
    cases: usize,
    /// Queries that DataFusion refuses, whatever the table.
    refused: usize,
    /// Cases whose answer has no rows, and so tells little.
    empty: usize,
    /// Errors over workers: the engine does not know everything, but says so.
    unknown_to_workers: usize,
    differences: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_answers_however_they_are_found() {
    let (seed, count) = (
        number("TOLERANT_ORACLE_SEED"),
        number("TOLERANT_ORACLE_TABLES"),
    );
    let first = seed.unwrap_or(1);
    let count = count.unwrap_or(if seed.is_some() { 1 } else { TABLES });
    let keep = seed.is_some() && count == 1;
    let threads = available_parallelism().map_or(2, usize::from);
    #[cfg(feature = "distributed")]
    let cluster = sessions::cluster().await;
    let mut report = Report::default();
    let mut reports = futures::stream::iter(first..first + count)
        .map(|seed| {
            #[cfg(feature = "distributed")]
            let one = one_table(seed, keep, cluster.clone());
            #[cfg(not(feature = "distributed"))]
            let one = one_table(seed, keep);
            async move { (seed, tokio::spawn(one).await) }
        })
        .buffer_unordered(threads);
    while let Some((seed, result)) = reports.next().await {
        let one = result.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        report.cases += one.cases;
        report.refused += one.refused;
        report.empty += one.empty;
        report.unknown_to_workers += one.unknown_to_workers;
        report.differences.extend(one.differences);
    }
    let Report {
        cases,
        refused,
        empty,
        unknown_to_workers,
        differences,
    } = report;
    println!(
        "seeds {first} to {}: {cases} cases, {refused} refused, {empty} empty, {unknown_to_workers} errors over workers, {} differences",
        first + count - 1,
        differences.len()
    );
    let shown = differences.iter().take(5).map(String::as_str);
    assert!(
        differences.is_empty(),
        "{}",
        shown.collect::<Vec<_>>().join("\n\n")
    );
    assert!(refused * 40 <= cases, "queries should mean something");
    assert!(empty * 4 <= cases, "queries should find something");
    assert!(
        unknown_to_workers * 50 <= cases,
        "workers should know most queries"
    );
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is not a number")),
    )
}

async fn one_table(
    seed: u64,
    keep: bool,
    #[cfg(feature = "distributed")] cluster: Cluster,
) -> Report {
    let chance = &mut Chance::new(seed);
    let mut table = Table::new(chance);
    let views = chance.one_in(2);
    let right = sessions::right(&table, views).await;
    let terms = Term::all(&right, chance).await;
    let seeds = [(); 3].map(|()| chance.seed());
    let mut others = vec![sessions::without_pushdown(&table, views, chance).await];
    for seed in seeds {
        others.push(sessions::with_pushdown(&table, views, seed).await);
    }
    #[cfg(feature = "distributed")]
    others.push(sessions::over_workers(&table, views, seeds[0], &cluster).await);
    if keep {
        println!("seed {seed}: the table stays in {}", table.keep().display());
    }
    let mut report = Report::default();
    for _ in 0..QUERIES {
        let query = Query::new(chance, &terms);
        let all = match &query.rows {
            Rows::Among { all, .. } => all,
            _ => &query.sql,
        };
        let mut expected = match answer(&right, all).await {
            Ok(expected) => expected,
            Err(error) => {
                println!("refused: {all}: {error}");
                report.refused += 1;
                continue;
            }
        };
        report.empty += usize::from(expected.len() == 0);
        // All sessions would take their time; which of them it is does not matter in the long run.
        let pushed = 1 + chance.below(seeds.len());
        let mut asked = vec![0, pushed];
        asked.extend(seeds.len() + 1..others.len());
        for i in asked {
            let session = &others[i];
            report.cases += 1;
            let wrong = match answer(&session.ctx, &query.sql).await {
                Ok(mut found) => found.difference(&mut expected, &query.rows),
                Err(error) if i > seeds.len() => {
                    println!("seed {seed}: over workers: {}: {error}", query.sql);
                    report.unknown_to_workers += 1;
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            let Some(wrong) = wrong else { continue };
            let mut theirs = String::new();
            if i > 0 {
                let seed = seeds[(i - 1) % seeds.len()];
                let ctx = sessions::theirs(&table, views, seed).await;
                let wrong = match answer(&ctx, &query.sql).await {
                    Ok(mut found) => found.difference(&mut expected, &query.rows),
                    Err(error) => Some(error.to_string()),
                };
                theirs = format!(
                    "\nDataFusion on ordinary Parquet: {}",
                    wrong.unwrap_or("right".to_owned())
                );
            }
            report.differences.push(format!(
                "seed {seed}: {}\nwith {}: {wrong}{theirs}\n{}",
                query.sql, session.name, table.story
            ));
        }
    }
    report
}
