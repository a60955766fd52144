//! On random tables, bounds and predicates.

use std::collections::HashSet;

use datafusion::arrow::array::{Array, AsArray, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::common::Tables;

/// Random tables; each is asked for 3 predicates, and all aggregates of 4 expressions.
const TABLES: std::ops::Range<u64> = 0..40;
const MORE_TABLES: std::ops::Range<u64> = 40..1000;

#[tokio::test]
async fn what_is_certain_was_and_what_was_is_possible() {
    predicates(TABLES).await;
}

#[tokio::test]
async fn answers_on_the_original_lie_within() {
    aggregates(TABLES).await;
}

#[tokio::test]
async fn ends_of_values_hold_the_original() {
    values(TABLES).await;
}

/// `cargo test -p tolerant-udfs --release --test bounds -- --ignored --nocapture`: 15 minutes.
#[tokio::test]
#[ignore = "long"]
async fn on_many_tables() {
    values(MORE_TABLES).await;
    predicates(MORE_TABLES).await;
    aggregates(MORE_TABLES).await;
}

async fn predicates(tables: std::ops::Range<u64>) {
    let mut cases = 0;
    let (mut certain, mut original, mut possible) = (0, 0, 0);
    for seed in tables.clone() {
        let tables = Tables::random(seed).await;
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
        for _ in 0..3 {
            let predicate = predicate(&tables, &mut rng, 2);
            let says = format!("seed {seed}: {predicate}");
            let was = ids(&tables, "o", &predicate).await;
            let certainly = ids(&tables, "t", &format!("certainly({predicate})")).await;
            let possibly = ids(&tables, "t", &format!("possibly({predicate})")).await;
            assert!(certainly.is_subset(&was), "{says}: not certain");
            assert!(was.is_subset(&possibly), "{says}: possible");

            let query = format!(
                "SELECT i['lower'], i['upper'] FROM (SELECT count_interval({predicate}) i FROM t)"
            );
            let batches = tables.rows(&query).await;
            let end = |i| batches[0].column(i).as_primitive::<Int64Type>().value(0) as usize;
            assert_eq!(
                (end(0), end(1)),
                (certainly.len(), possibly.len()),
                "{says}"
            );
            cases += 1;
            certain += certainly.len();
            original += was.len();
            possible += possibly.len();
        }
    }
    println!(
        "{cases} predicates: {certain} rows certain, {original} original, {possible} possible"
    );
    // The functions are of use: neither nothing nor everything.
    assert!(
        certain * 2 > original && possible < original * 2,
        "{certain} {original} {possible}"
    );
}

async fn aggregates(tables: std::ops::Range<u64>) {
    let mut cases = 0;
    for seed in tables.clone() {
        let tables = Tables::random(seed).await;
        let mut rng = StdRng::seed_from_u64(seed ^ 0xa66);
        for _ in 0..4 {
            let x = expression(&tables, &mut rng, 2);
            for aggregate in ["sum", "avg", "min", "max"] {
                let group = ["", " GROUP BY n ORDER BY n"][rng.random_range(0..2)];
                // DataFusion 55's MIN and MAX of groups that hold NaN miss values.
                let answer = match aggregate {
                    "min" => format!("first_value({x} ORDER BY {x} NULLS LAST)"),
                    "max" => format!("first_value({x} ORDER BY {x} DESC NULLS LAST)"),
                    _ => format!("{aggregate}({x})"),
                };
                let answers = numbers(&tables, &format!("SELECT {answer} FROM o{group}")).await;
                let end = |end| format!("SELECT {aggregate}_interval({x})['{end}'] FROM t{group}");
                let lower = numbers(&tables, &end("lower")).await;
                let upper = numbers(&tables, &end("upper")).await;
                assert_eq!(answers.len(), lower.len());
                cases += answers.len();
                for ((answer, lower), upper) in answers.iter().zip(&lower).zip(&upper) {
                    let within = match (answer, lower, upper) {
                        (None, None, None) => true,
                        (Some(x), Some(a), Some(b)) if x.is_nan() => {
                            a.is_nan() && b.is_nan()
                                || (*a, *b) == (f64::NEG_INFINITY, f64::INFINITY)
                        }
                        (Some(x), Some(a), Some(b)) => a <= x && x <= b,
                        _ => false,
                    };
                    assert!(
                        within,
                        "seed {seed}: {aggregate}({x}) is {answer:?}, not in {lower:?}..{upper:?}"
                    );
                }
            }
        }
    }
    println!("{cases} aggregates");
}

async fn values(tables: std::ops::Range<u64>) {
    for seed in tables.clone() {
        let tables = Tables::random(seed).await;
        for column in ["a", "b", "c", "d"] {
            let query = |what: &str| format!("SELECT {what} FROM t ORDER BY id");
            let lower = numbers(&tables, &query(&format!("lower_bound({column})"))).await;
            let upper = numbers(&tables, &query(&format!("upper_bound({column})"))).await;
            let error = numbers(&tables, &query(&format!("error_bound({column})"))).await;
            let stored = numbers(&tables, &query(column)).await;
            let original = tables.original.column_by_name(column).unwrap();
            for (i, original) in floats(original).iter().enumerate() {
                let Some(x) = original else {
                    assert_eq!((lower[i], upper[i]), (None, None));
                    continue;
                };
                let (lower, upper) = (lower[i].unwrap(), upper[i].unwrap());
                let (error, stored) = (error[i].unwrap(), stored[i].unwrap());
                let says =
                    format!("seed {seed}, {column}: {x} in {lower}..{upper}, {stored} +- {error}");
                if x.is_nan() {
                    assert!(lower.is_nan() && upper.is_nan(), "{says}");
                } else {
                    assert!(lower <= x && x <= upper, "{says}");
                    assert!(x == stored || (x - stored).abs() <= error, "{says}");
                }
            }
        }
    }
}

async fn ids(tables: &Tables, table: &str, predicate: &str) -> HashSet<i64> {
    let query = format!("SELECT id FROM {table} WHERE {predicate}");
    let batches = tables.rows(&query).await;
    let ids = batches
        .iter()
        .map(|batch| batch.column(0).as_primitive::<Int64Type>());
    ids.flat_map(|ids| ids.values().to_vec()).collect()
}

fn floats(array: &dyn Array) -> Float64Array {
    cast(array, &DataType::Float64)
        .unwrap()
        .as_primitive::<Float64Type>()
        .clone()
}

/// The first column of the answer.
async fn numbers(tables: &Tables, query: &str) -> Vec<Option<f64>> {
    let batches = tables.rows(query).await;
    let columns = batches.iter().map(|batch| floats(batch.column(0)));
    columns
        .flat_map(|column| column.iter().collect::<Vec<_>>())
        .collect()
}

/// A number in or near a column, often one that it holds.
fn constant(tables: &Tables, column: &str, rng: &mut StdRng) -> String {
    let values = floats(tables.original.column_by_name(column).unwrap());
    let value = values.value(rng.random_range(0..values.len()));
    let value = if value.is_finite() { value } else { 1.0 };
    let value = if rng.random() {
        value
    } else {
        value * rng.random_range(0.9..1.1)
    };
    format!("{value:?}").replace('e', "E")
}

fn column(rng: &mut StdRng) -> &'static str {
    ["a", "b", "c", "d"][rng.random_range(0..4)]
}

fn expression(tables: &Tables, rng: &mut StdRng, depth: usize) -> String {
    let x = column(rng);
    if depth == 0 {
        return x.to_owned();
    }
    let inner = expression(tables, rng, depth - 1);
    match rng.random_range(0..8) {
        0 => format!("({inner} + {x})"),
        1 => format!("({inner} - {x})"),
        2 => format!("({inner} * {:?})", rng.random_range(-3.0..3.0)),
        3 => format!("({inner} / {:?})", rng.random_range(-3.0..3.0)),
        4 => format!("(-{inner})"),
        5 => format!("CAST({inner} AS DOUBLE)"),
        6 => format!("({inner} - {})", constant(tables, x, rng)),
        _ => x.to_owned(),
    }
}

fn predicate(tables: &Tables, rng: &mut StdRng, depth: usize) -> String {
    if depth > 0 && rng.random_bool(0.6) {
        let one = predicate(tables, rng, depth - 1);
        let other = predicate(tables, rng, depth - 1);
        return match rng.random_range(0..3) {
            0 => format!("({one} AND {other})"),
            1 => format!("({one} OR {other})"),
            _ => format!("(NOT {one})"),
        };
    }
    let name = column(rng);
    let one = constant(tables, name, rng);
    let other = constant(tables, name, rng);
    let op = ["=", "<>", "<", "<=", ">", ">="][rng.random_range(0..6)];
    match rng.random_range(0..9) {
        0 => format!("{name} BETWEEN {one} AND {other}"),
        1 => format!("{name} NOT IN ({one}, {other})"),
        2 => format!("{name} IS NOT NULL"),
        3 => "n IN (1, 2)".to_owned(),
        4 => format!("{one} {op} {name}"),
        5 => format!(
            "{} {op} {}",
            expression(tables, rng, 1),
            expression(tables, rng, 1)
        ),
        _ => format!("{name} {op} {one}"),
    }
}
