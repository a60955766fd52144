//! Columns that DataFusion's scans replace by literals, which know no bounds: constant ones, those of
//! nulls or of one row, and those that a file of a folder lacks.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float16Array, Float32Array, Float64Array, Int64Array, RecordBatch,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::prelude::SessionContext;
use half::f16;
use tempfile::TempDir;
use tolerant::file::WriterOptions;

use super::common::{folder, write};

const COLUMNS: [&str; 6] = ["a", "b", "c", "p", "e", "n"];

/// `a`, `p`: Float64; `b`: Float32; `c`: Float16; `e`: exact Float64; `n`: nulls. All are constant.
fn file(directory: &TempDir, name: &str, rows: usize, lacks: &[&str]) {
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("a", Arc::new(Float64Array::from(vec![3.3; rows]))),
        ("b", Arc::new(Float32Array::from(vec![3.3; rows]))),
        (
            "c",
            Arc::new(Float16Array::from(vec![f16::from_f32(3.3); rows])),
        ),
        ("p", Arc::new(Float64Array::from(vec![3.3; rows]))),
        ("e", Arc::new(Float64Array::from(vec![3.3; rows]))),
        ("n", Arc::new(Float64Array::from(vec![None; rows]))),
    ];
    let columns = columns
        .into_iter()
        .filter(|(name, _)| !lacks.contains(name));
    let columns = columns.map(|(name, array)| (name, array, name != "id"));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut options = WriterOptions::new();
    for (column, bound) in [
        ("a", "abs:0.5"),
        ("b", "abs:0.5"),
        ("c", "abs:0.5"),
        ("p", "pwrel:0.1"),
        ("n", "abs:0.5"),
    ] {
        if !lacks.contains(&column) {
            options = options.with_column_bound(column, bound.parse().unwrap());
        }
    }
    write(directory, name, &batch, options);
}

async fn columns(ctx: &SessionContext, query: &str) -> Vec<Vec<Option<f64>>> {
    let answer = ctx.sql(query).await;
    let answer = answer.unwrap_or_else(|error| panic!("{query}: {error}"));
    let batches = answer.collect().await;
    let batches = batches.unwrap_or_else(|error| panic!("{query}: {error}"));
    let floats = |array: &dyn Array| -> Vec<Option<f64>> {
        let array = cast(array, &DataType::Float64).unwrap();
        array.as_primitive::<Float64Type>().iter().collect()
    };
    let column = |i| {
        batches
            .iter()
            .flat_map(move |batch| floats(batch.column(i)))
    };
    let width = batches.first().map_or(0, |batch| batch.num_columns());
    (0..width).map(|i| column(i).collect()).collect()
}

/// That all functions answer of all columns, rightly: of a value that is there it is 3.3.
async fn assert_answers(ctx: &SessionContext, rows: usize, there: impl Fn(&str) -> usize) {
    for column in COLUMNS {
        let query = format!(
            "SELECT {column}, lower_bound({column}), upper_bound({column}), error_bound({column}), \
             value_range({column}), CAST(certainly({column} > 1) AS INT), \
             CAST(possibly({column} < 1) AS INT) FROM t"
        );
        let found = columns(ctx, &query).await;
        let [stored, lower, upper, error, _, certain, possible] = &found[..] else {
            panic!("{query}: {} columns", found.len());
        };
        assert_eq!(stored.len(), rows, "{query}");
        let values = stored.iter().flatten().count();
        assert_eq!(values, there(column), "{query}");
        for i in 0..rows {
            // A point-wise bound differs from value to value: there is none of a null.
            let known = column != "p" || stored[i].is_some();
            assert_eq!(error[i].is_some_and(|error| error <= 0.5), known, "{query}");
            let Some(stored) = stored[i] else {
                assert_eq!((lower[i], upper[i]), (None, None), "{query}");
                assert_eq!((certain[i], possible[i]), (None, None), "{query}");
                continue;
            };
            let (lower, upper) = (lower[i].unwrap(), upper[i].unwrap());
            let original = if column == "c" {
                f16::from_f32(3.3).to_f64()
            } else {
                3.3
            };
            assert!(
                lower <= original + 1e-6 && original - 1e-6 <= upper,
                "{query}: {lower} {upper}"
            );
            assert!(lower <= stored && stored <= upper, "{query}");
            assert_eq!((certain[i], possible[i]), (Some(1.0), Some(0.0)), "{query}");
        }
        assert_aggregates(ctx, column, values).await;
    }
}

async fn assert_aggregates(ctx: &SessionContext, column: &str, values: usize) {
    for (aggregate, answer) in [
        ("sum", 3.3 * values as f64),
        ("avg", 3.3),
        ("min", 3.3),
        ("max", 3.3),
    ] {
        let query = format!(
            "SELECT i['lower'], i['upper'] FROM (SELECT {aggregate}_interval({column}) i FROM t)"
        );
        let found = columns(ctx, &query).await;
        let (lower, upper) = (found[0][0], found[1][0]);
        if values == 0 {
            assert_eq!((lower, upper), (None, None), "{query}");
        } else {
            let slack = 0.002 * values as f64;
            let within = lower.unwrap() <= answer + slack && answer - slack <= upper.unwrap();
            assert!(within, "{query}: {answer} {lower:?} {upper:?}");
        }
    }
    let query = format!(
        "SELECT i['lower'] FROM (SELECT count_interval({column} BETWEEN 1 AND 9) i FROM t) \
         UNION ALL SELECT count(*) FROM t WHERE certainly({column} IN (3.3) OR {column} > 1)"
    );
    let batches = ctx.sql(&query).await.unwrap().collect().await.unwrap();
    let counts = batches.iter().flat_map(|batch| {
        let counts = batch.column(0).as_primitive::<Int64Type>();
        counts.values().to_vec()
    });
    let counts: Vec<i64> = counts.collect();
    assert_eq!(counts, [values as i64; 2], "{query}");
}

fn all_but_nulls(rows: usize) -> impl Fn(&str) -> usize {
    move |column| if column == "n" { 0 } else { rows }
}

#[tokio::test]
async fn constant_columns_have_their_bounds() {
    for rows in [1, 1000] {
        let directory = tempfile::tempdir().unwrap();
        file(&directory, "a.parquet", rows, &[]);
        let ctx = folder(&directory).await;
        assert_answers(&ctx, rows, all_but_nulls(rows)).await;
    }
}

#[tokio::test]
async fn columns_that_a_file_lacks_have_the_bounds_of_the_others() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", 300, &[]);
    file(&directory, "b.parquet", 200, &COLUMNS);
    file(&directory, "c.parquet", 100, &["b", "p", "n"]);
    let ctx = folder(&directory).await;
    let there = |column: &str| match column {
        "n" => 0,
        "b" | "p" => 300,
        _ => 400,
    };
    assert_answers(&ctx, 600, there).await;
}

#[tokio::test]
async fn plans_state_bounds_as_literals() {
    let directory = tempfile::tempdir().unwrap();
    file(&directory, "a.parquet", 9, &[]);
    let ctx = folder(&directory).await;
    let query = "SELECT lower_bound(a), error_bound(p), error_bound(a) FROM t";
    let plan = ctx.sql(query).await.unwrap();
    let plan = plan.into_optimized_plan().unwrap();
    let shown = plan.to_string();
    assert!(shown.contains("lower_bound(t.a, Utf8(\"abs:0.5"), "{shown}");
    assert!(
        shown.contains("error_bound(t.p, Utf8(\"pwrel:0.1"),
        "{shown}"
    );
    assert!(
        shown.contains("Float64(0.5) AS error_bound(t.a)"),
        "{shown}"
    );
    // What has been planned may be planned again.
    let again = ctx.execute_logical_plan(plan).await.unwrap();
    assert_eq!(again.collect().await.unwrap()[0].num_rows(), 9);
    // A bound that someone states is taken at his word, if it is one.
    let stated = columns(&ctx, "SELECT lower_bound(2.0, 'abs:0.5')").await;
    assert_eq!(stated, [[Some(1.5)]]);
    let wrong = ctx.sql("SELECT lower_bound(2.0, 'half')").await;
    assert!(wrong.unwrap_err().to_string().contains("second argument"));
}
