//! The same answers as one process gives.

use serde_json::Value;

use crate::support::*;

/// Each with the tables P (packed), O (ordinary), D (days), U (odd names) and C (CSV), and with how
/// many stages at least the workers must have run.
const QUERIES: &[(usize, &str)] = &[
    (1, "SELECT * FROM P"),
    (1, "SELECT x, id FROM P WHERE x > 99.5 AND z IS NOT NULL"),
    (
        1,
        "SELECT id, name FROM P WHERE name LIKE '%3' AND id BETWEEN 100 AND 30000 AND part IN (1, 7, 12)",
    ),
    (
        1,
        "SELECT count(*) AS n, sum(id) AS s, min(x) AS lo, max(z) AS hi, avg(z) AS m FROM P WHERE x <> 0",
    ),
    (
        2,
        "SELECT part, count(*) AS n, count(z) AS c, avg(x) AS m FROM P GROUP BY part",
    ),
    (
        2,
        "SELECT name, count(DISTINCT part) AS n, sum(id) AS s FROM P GROUP BY name ORDER BY name",
    ),
    (2, "SELECT DISTINCT part % 5 AS p FROM O"),
    (
        1,
        "SELECT id, z FROM P ORDER BY z DESC NULLS LAST, id LIMIT 17",
    ),
    (
        1,
        "SELECT id, x FROM P WHERE part = 3 ORDER BY x, id LIMIT 5 OFFSET 40",
    ),
    (
        1,
        "SELECT count(*) AS n FROM (SELECT id FROM P WHERE x > -200 LIMIT 12345)",
    ),
    (
        2,
        "SELECT a.id, a.x, b.z FROM P a JOIN O b ON a.id = b.id WHERE a.part = 4 AND b.z > 0",
    ),
    (
        1,
        "SELECT d.day, count(*) AS n FROM D d JOIN P p ON d.id = p.id WHERE p.x > 0 GROUP BY d.day ORDER BY d.day",
    ),
    (
        1,
        "SELECT a.id, b.id AS other FROM P a LEFT JOIN D b ON a.id = b.id + 30000 WHERE a.part = 9",
    ),
    (
        1,
        "SELECT count(*) AS n FROM P WHERE id NOT IN (SELECT id FROM D WHERE part < 25)",
    ),
    (
        1,
        "SELECT id FROM P a WHERE EXISTS (SELECT 1 FROM D b WHERE b.id = a.id AND b.x > 99)",
    ),
    (
        1,
        "SELECT id, row_number() OVER (PARTITION BY part ORDER BY id) AS k, \
         sum(id) OVER (PARTITION BY part ORDER BY id ROWS 5 PRECEDING) AS s FROM P",
    ),
    (
        1,
        "SELECT count(*) AS n FROM P WHERE z > (SELECT avg(z) FROM O)",
    ),
    (
        1,
        "SELECT part, x FROM P WHERE part = 1 UNION ALL SELECT part, x FROM O WHERE part = 2",
    ),
    (
        1,
        "SELECT c.label, count(*) AS n FROM P p JOIN C c ON p.part = c.part GROUP BY c.label",
    ),
    (
        1,
        "SELECT day, count(*) AS n, max(id) AS m FROM D WHERE day <> 2 GROUP BY day",
    ),
    (
        1,
        "SELECT day, id, x, name FROM D WHERE x > 50 AND day >= 2",
    ),
    (
        1,
        "SELECT count(*) AS n, sum(id) AS s, max(name) AS m FROM U",
    ),
    // What knows the error.
    (
        1,
        "SELECT id, error_bound(x) AS e, lower_bound(x) AS lo, upper_bound(x) AS hi FROM P WHERE certainly(x > 99)",
    ),
    (
        1,
        "SELECT count(*) AS n FROM P WHERE possibly(x > 99.97) AND NOT certainly(x > 99.97)",
    ),
    (
        1,
        "SELECT sum_interval(z) AS s, avg_interval(x) AS a, min_interval(x) AS lo, max_interval(z) AS hi FROM P",
    ),
    (
        2,
        "SELECT part, sum_interval(x) AS s, count_interval(x > 0) AS n, avg_interval(z) AS a FROM P GROUP BY part",
    ),
    (
        1,
        "SELECT error_bound(z) AS e, sum_interval(z) AS s FROM D WHERE day < 3 GROUP BY error_bound(z)",
    ),
    (
        1,
        "SELECT value_range(x) AS r, id FROM P WHERE id % 5000 = 0",
    ),
    (
        1,
        "SELECT rmse(a.x, b.x) AS r, max_abs_error(a.x, b.x) AS m, psnr(a.z, b.z) AS p FROM P a JOIN O b ON a.id = b.id",
    ),
    (
        1,
        "SELECT id, feature_vector(x, standardize(z, 0, 100)) AS f, data_split(id, 0.8, 0.1) AS s FROM P WHERE part = 2",
    ),
    // Types that must keep their meaning on the way.
    (
        1,
        "SELECT id, CAST(id AS DECIMAL(20, 4)) / 3 AS d, to_timestamp(id) AS t, [id, part] AS l FROM P WHERE id < 20",
    ),
];

#[test]
fn three_workers_answer_as_one_process() {
    let folder = folder();
    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    let workers = addresses(&workers);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let tables = [
        format!("P={}", path("packed.parquet")),
        format!("O={}", path("plain.parquet")),
        format!("D={}", path("days")),
        format!("U={}", path("odd")),
        format!("C={}", path("names.csv")),
    ];
    let mut local: Vec<&str> = Vec::new();
    tables
        .iter()
        .for_each(|table| local.extend(["--table", table]));
    let mut distributed = local.clone();
    distributed.extend(["--workers", &workers]);

    for setting in [
        "",
        "SET datafusion.execution.parquet.pushdown_filters = true;",
    ] {
        for (stages, query) in QUERIES {
            let ordered = query.contains("ORDER BY") && !query.contains("OVER");
            let expected = rows(&format!("{setting} {query}"), &local);
            assert!(!expected.is_empty(), "{query}");
            let answer = rows(&format!("{setting} {query}"), &distributed);
            same(query, expected, answer, ordered);
            if setting.is_empty() {
                assert_distributed(query, *stages, &distributed);
            }
        }
    }
}

/// Workers whose rows nobody wants any more have nothing to report; one in five of these queries once waited for
/// such a report for ever.
#[test]
fn analysis_does_not_wait_for_idle_tasks() {
    let folder = folder();
    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    let workers = addresses(&workers);
    let table = folder.path().join("packed.parquet");
    let table = format!("P={}", table.to_str().unwrap());
    let distributed = ["--table", table.as_str(), "--workers", &workers];
    for _ in 0..15 {
        assert_distributed("SELECT id FROM P LIMIT 1", 1, &distributed);
    }
}

/// The workers' own counts of what they did are in the plan.
fn assert_distributed(query: &str, stages: usize, distributed: &[&str]) {
    let plan = rows(&format!("EXPLAIN ANALYZE {query}"), distributed);
    let text = plan
        .iter()
        .map(|row| row["plan"].as_str().unwrap())
        .collect::<String>();
    let headers: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(" Stage ") && line.contains("tasks="))
        .collect();
    assert!(headers.len() >= stages, "{query}\n{text}");
    let widest = headers
        .iter()
        .filter(|line| line.contains("tasks=3"))
        .count();
    assert!(widest > 0, "{query}\n{text}");
}

/// Numbers may differ in their last bits, for sums of floats depend on their order.
fn same(query: &str, mut expected: Vec<Value>, mut answer: Vec<Value>, ordered: bool) {
    assert_eq!(expected.len(), answer.len(), "{query}");
    if !ordered {
        // By their exact values first: rounding must not reorder rows.
        let key = |row: &Value| {
            let exact = row
                .as_object()
                .unwrap()
                .values()
                .filter(|value| !value.is_f64());
            let exact: Vec<String> = exact.map(|value| value.to_string()).collect();
            (exact, row.to_string())
        };
        expected.sort_by_cached_key(key);
        answer.sort_by_cached_key(key);
    }
    for (expected, answer) in expected.iter().zip(&answer) {
        assert!(close(expected, answer), "{query}\n{expected}\n{answer}");
    }
}

fn close(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (a, b) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            one == other || one.is_f64() && (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| close(a, b))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, a)| other.get(key).is_some_and(|b| close(a, b)))
        }
        _ => one == other,
    }
}

/// Settings, views, writing and reading what was written.
#[test]
fn scripts() {
    let folder = folder();
    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    let packed = folder.path().join("packed.parquet");
    let out = folder.path().join("out.parquet");
    let (packed, out) = (packed.display(), out.display());
    let sql = format!(
        "COPY (SELECT part, id, x FROM '{packed}' WHERE part < 10) TO '{out}' STORED AS TOLERANT OPTIONS (bound 'abs:0.01'); \
         CREATE VIEW v AS SELECT part, count(*) AS n FROM '{out}' GROUP BY part; \
         SELECT count(*) AS parts, sum(n) AS n FROM v"
    );
    let answer = rows(&sql, &["--workers", &addresses(&workers)]);
    assert_eq!(answer, [serde_json::json!({"parts": 10, "n": 12_000})]);
}
