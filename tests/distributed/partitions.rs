//! Plans that count on all rows, or all of a key, being in one partition: tasks must not take a part for the whole.

use crate::support::*;

const ONE: &str = "SET datafusion.execution.target_partitions = 1;";

const QUERIES: &[(&str, &str)] = &[
    // A lone partition needs no merge above it.
    (
        ONE,
        "SELECT count(*) AS n FROM P WHERE x > 0 UNION ALL SELECT count(*) AS n FROM O WHERE x > 0",
    ),
    (
        ONE,
        "SELECT a.id, b.m FROM P a JOIN (SELECT part, max(id) AS m FROM O GROUP BY part) b ON a.id = b.m",
    ),
    (ONE, "SELECT part, sum(id) AS s FROM P GROUP BY part"),
    (
        ONE,
        "SELECT count(*) AS n FROM (SELECT id FROM P LIMIT 5000)",
    ),
    (
        ONE,
        "SELECT id, row_number() OVER (ORDER BY id DESC) AS k FROM P WHERE part = 3",
    ),
    (
        ONE,
        "SELECT a.part, count(*) AS n FROM P a JOIN O b ON a.id = b.id GROUP BY a.part",
    ),
    (
        ONE,
        "SELECT count(*) AS n FROM P a LEFT JOIN O b ON a.id = b.id + 30000 WHERE b.id IS NULL",
    ),
    // A file too small to be split, as what a join is built of.
    (
        "SET datafusion.optimizer.repartition_file_min_size = 1000000000;",
        "SELECT a.id, a.x FROM O a JOIN (SELECT id FROM P ORDER BY x, id LIMIT 5) b ON a.id = b.id",
    ),
    // Folders that are partitions: a day has two files.
    (
        "SET datafusion.optimizer.preserve_file_partitions = 1;",
        "SELECT day, count(*) AS n, sum(id) AS s FROM D GROUP BY day",
    ),
    (
        "SET datafusion.optimizer.preserve_file_partitions = 1;",
        "SELECT a.day, count(*) AS n FROM D a JOIN D b ON a.day = b.day AND a.id = b.id GROUP BY a.day",
    ),
];

#[test]
fn partitions_are_not_torn() {
    let folder = folder();
    let workers = [Worker::start(&[]), Worker::start(&[]), Worker::start(&[])];
    let workers = addresses(&workers);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for i in 0..4 {
        let file = path(&format!("days/day=1/more{i}.parquet"));
        pack(file.as_ref(), &table(40_000 + 1000 * i, 1000), 0.05);
    }
    let tables = [
        format!("P={}", path("packed.parquet")),
        format!("O={}", path("plain.parquet")),
        format!("D={}", path("days")),
    ];
    let local: Vec<&str> = tables.iter().flat_map(|table| ["--table", table]).collect();
    let distributed = [&local[..], &["--workers", &workers]].concat();
    for (setting, query) in QUERIES {
        let sorted = |more: &[&str]| {
            let rows = rows(&format!("{setting} {query}"), more).into_iter();
            let mut rows: Vec<String> = rows.map(|row| row.to_string()).collect();
            rows.sort();
            rows
        };
        let expected = sorted(&local);
        assert!(!expected.is_empty(), "{query}");
        assert!(expected == sorted(&distributed), "{setting} {query}");
    }
    // Numbers that would be cut to 32 bits on their way.
    for limit in ["LIMIT 4294967296", "LIMIT 9223372036854775807 OFFSET 10"] {
        let error = failure(&format!("SELECT id FROM P {limit}"), &distributed);
        assert!(error.contains("LIMIT"), "{error}");
    }
}
