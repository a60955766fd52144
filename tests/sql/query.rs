//! `tolerant query` as a function: rows in four formats, tables by path and by name, and errors of
//! one line.

use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use tempfile::TempDir;
use tolerant::ErrorBound;
use tolerant::file::ReaderBuilder;
use tolerant::tools::ToolError;
use tolerant::tools::query::{Format, QueryOptions, Sessions, query, query_to_file};

use crate::common::{pack, table, write_parquet};

fn options(sql: &str, format: Format) -> QueryOptions {
    QueryOptions {
        sql: sql.to_owned(),
        tables: Vec::new(),
        format,
        sessions: Sessions::default(),
    }
}

fn run(options: &QueryOptions) -> String {
    let mut out = Vec::new();
    query(options, &mut out).unwrap_or_else(|error| panic!("{}: {error}", options.sql));
    String::from_utf8(out).unwrap()
}

fn text(sql: &str, format: Format) -> String {
    run(&options(sql, format))
}

fn error(options: &QueryOptions) -> String {
    let error = query(options, Vec::new()).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// A folder with the same table packed and as ordinary Parquet, and the start of a path in it.
fn folder() -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let batch = table(3000);
    pack(
        &batch,
        ErrorBound::Exact,
        &dir.path().join("packed.parquet"),
    );
    write_parquet(&batch, &dir.path().join("plain.parquet"));
    let path = dir.path().display().to_string();
    (dir, path)
}

const VALUES: &str = "SELECT * FROM (VALUES
    (1, 'a', 1.5::double), (2, NULL, 'NaN'::double), (30, 'with, \"quotes\"', '-Infinity'::double), (NULL, '', NULL)
    ) AS t(n, s, x)";

#[test]
fn csv() {
    let expected = "n,s,x\n1,a,1.5\n2,,NaN\n30,\"with, \"\"quotes\"\"\",-inf\n,,\n";
    assert_eq!(text(VALUES, Format::Csv), expected);
    assert_eq!(
        text(&format!("{VALUES} WHERE n > 99"), Format::Csv),
        "n,s,x\n",
        "a header without rows"
    );
}

/// Each line is an object that JSON parsers take, and has all columns.
#[test]
fn json() {
    let lines = text(VALUES, Format::Json);
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows[0], serde_json::json!({"n": 1, "s": "a", "x": 1.5}));
    assert_eq!(rows[1], serde_json::json!({"n": 2, "s": null, "x": null}));
    assert_eq!(
        rows[2],
        serde_json::json!({"n": 30, "s": "with, \"quotes\"", "x": null})
    );
    assert_eq!(rows[3], serde_json::json!({"n": null, "s": "", "x": null}));
    assert_eq!(text(&format!("{VALUES} WHERE n > 99"), Format::Json), "");
    let nested = "SELECT make_array(1, 2) AS l, named_struct('a', 1) AS s, date '2026-01-02' AS d";
    assert_eq!(
        text(nested, Format::Json),
        "{\"l\":[1,2],\"s\":{\"a\":1},\"d\":\"2026-01-02\"}\n"
    );
}

#[test]
fn table_for_people() {
    let expected = "\
+------+----------------+------+
| n    | s              | x    |
+------+----------------+------+
|    1 | a              |  1.5 |
|    2 | NULL           |  NaN |
|   30 | with, \"quotes\" | -inf |
| NULL |                | NULL |
+------+----------------+------+
";
    let expected = expected.replace(
        "| n    | s              | x    |",
        "|    n | s              |    x |",
    );
    assert_eq!(text(VALUES, Format::Table), expected);
    assert_eq!(
        text("SELECT 'a\nb' AS s", Format::Table),
        "+------+\n| s    |\n+------+\n| a\\nb |\n+------+\n"
    );
    assert_eq!(
        text("SELECT 1 AS a WHERE false", Format::Table),
        "+---+\n| a |\n+---+\n+---+\n"
    );
    // More rows than are held back.
    let many = text(
        "SELECT value AS v FROM generate_series(1, 12345) ORDER BY v",
        Format::Table,
    );
    assert_eq!(many.lines().count(), 12345 + 4);
    assert_eq!(many.lines().nth(12345 + 2).unwrap(), "| 12345 |");
}

#[test]
fn parquet() {
    let (dir, path) = folder();
    let out = dir.path().join("out.parquet");
    let sql = format!("SELECT id, name, x, y FROM '{path}/packed.parquet' WHERE x > 10");
    let rows = query_to_file(&options(&sql, Format::Parquet), &out).unwrap();
    let reader = ReaderBuilder::open(&out).unwrap();
    assert!(rows > 100 && reader.num_rows() == rows);
    assert_eq!(
        reader.schema().field(1).data_type(),
        &arrow::datatypes::DataType::Utf8
    );
    // Without rows it is still a table.
    let none = query_to_file(
        &options(&sql.replace("x > 10", "x > 1e9"), Format::Parquet),
        &out,
    )
    .unwrap();
    assert_eq!(
        (
            none,
            ReaderBuilder::open(&out).unwrap().schema().fields().len()
        ),
        (0, 4)
    );
}

/// Named tables, in any case, of all kinds of files, together.
#[test]
fn named_tables() {
    let (dir, path) = folder();
    fs::write(dir.path().join("k.csv"), "k;label\n1;one\n3;\"th\nree\"\n").unwrap();
    fs::write(
        dir.path().join("k.json"),
        "{\"k\":1,\"w\":0.5}\n{\"k\":3,\"w\":2}\n",
    )
    .unwrap();
    let name = |name: &str, file: &str| (name.to_owned(), format!("{path}/{file}"));
    let sql = "SELECT label, w, count(*) AS n FROM Packed JOIN plain USING (id) JOIN labels ON plain.k = labels.k
        JOIN weights ON weights.k = plain.k GROUP BY label, w ORDER BY w";
    let tables = vec![
        name("Packed", "packed.parquet"),
        name("K", "k.csv"),
        name("k", "k.json"),
        name("plain", "plain.parquet"),
        name("labels", "k.csv"),
        name("weights", "k.json"),
    ];
    let rows = run(&QueryOptions {
        tables: tables.clone(),
        ..options(sql, Format::Json)
    });
    assert!(
        rows.starts_with("{\"label\":\"one\",\"w\":0.5,\"n\":"),
        "{rows}"
    );
    assert!(
        rows.contains("{\"label\":\"th\\nree\",\"w\":2.0,\"n\":"),
        "{rows}"
    );
    let quoted = "SELECT count(*) AS n, count(w) AS w FROM \"Packed\", k WHERE k.k = 1";
    assert_eq!(
        run(&QueryOptions {
            tables,
            ..options(quoted, Format::Json)
        }),
        "{\"n\":3000,\"w\":3000}\n"
    );
}

/// Files, folders, globs and odd names, by path.
#[test]
fn paths() {
    let (dir, path) = folder();
    let count = |from: &str| {
        text(
            &format!("SELECT count(*) AS n, count(DISTINCT id) AS d FROM '{from}'"),
            Format::Csv,
        )
    };
    assert_eq!(count(&format!("{path}/packed.parquet")), "n,d\n3000,3000\n");
    assert_eq!(count(&format!("{path}/*.parquet")), "n,d\n6000,3000\n");
    fs::write(dir.path().join("README.txt"), "not a table").unwrap();
    assert_eq!(count(&path), "n,d\n6000,3000\n");
    assert_eq!(count(&format!("{path}/")), "n,d\n6000,3000\n");

    let odd = dir.path().join("odd [1] 100%#*?.bin");
    fs::copy(dir.path().join("packed.parquet"), &odd).unwrap();
    assert_eq!(count(&odd.display().to_string()), "n,d\n3000,3000\n");

    let hive = dir.path().join("hive");
    for (day, rows) in [("mon", 100), ("tue", 200)] {
        fs::create_dir_all(hive.join(format!("at={day}"))).unwrap();
        pack(
            &table(rows),
            ErrorBound::Exact,
            &hive.join(format!("at={day}/t.parquet")),
        );
    }
    let sql = format!(
        "SELECT at, count(*) AS n FROM '{}' GROUP BY at ORDER BY at",
        hive.display()
    );
    assert_eq!(text(&sql, Format::Csv), "at,n\nmon,100\ntue,200\n");

    for (name, day) in [("a", 1), ("b", 2)] {
        fs::write(
            dir.path().join(format!("{name}.csv")),
            format!("x,day\n{day}.5,2026-01-0{day}\n"),
        )
        .unwrap();
    }
    let sql = format!("SELECT max(x) AS x, max(day) AS day FROM '{path}/?.csv'");
    assert_eq!(text(&sql, Format::Csv), "x,day\n2.5,2026-01-02\n");
}

/// A CSV column has the type that fits all of its values, not only the first thousand.
#[test]
fn late_surprises_in_csv() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.csv");
    let lines: String = (0..3000)
        .map(|i| {
            if i == 2900 {
                "0.5\n".to_owned()
            } else {
                format!("{i}\n")
            }
        })
        .collect();
    fs::write(&path, format!("x\n{lines}")).unwrap();
    let sql = format!(
        "SELECT min(x) AS a, max(x) AS b, count(*) AS n FROM '{}' WHERE x > 0",
        path.display()
    );
    assert_eq!(text(&sql, Format::Csv), "a,b,n\n0.5,2999.0,2999\n");
}

/// Several statements: the last one answers.
#[test]
fn several_statements() {
    let (_dir, path) = folder();
    let sql = format!(
        "CREATE EXTERNAL TABLE t STORED AS TOLERANT LOCATION '{path}/packed.parquet';
         SET datafusion.execution.parquet.pushdown_filters = true;
         SELECT count(*) AS n FROM t WHERE id < 10;"
    );
    assert_eq!(text(&sql, Format::Json), "{\"n\":10}\n");
    for format in [Format::Table, Format::Csv, Format::Json, Format::Parquet] {
        assert_eq!(text("CREATE VIEW v AS SELECT 1 AS a", format), "");
    }
}

#[test]
fn errors_are_one_clear_line() {
    let (dir, path) = folder();
    let sql_error = |sql: &str| error(&options(sql, Format::Csv));
    let contains = |text: String, parts: &[&str]| {
        parts
            .iter()
            .for_each(|part| assert!(text.contains(part), "{part} in: {text}"));
    };
    contains(sql_error("SELEC 1"), &["cannot parse the SQL", "SELEC"]);
    contains(sql_error(""), &["no SQL"]);
    contains(
        sql_error("SELECT * FROM nothing"),
        &["no table, file or folder nothing", "--table nothing=PATH"],
    );
    contains(sql_error("SELECT * FROM 'gone.parquet'"), &["gone.parquet"]);
    contains(
        sql_error("SELECT * FROM 'gone/gone.parquet'"),
        &["cannot open gone/gone.parquet"],
    );
    contains(
        sql_error(&format!("SELECT nope FROM '{path}/packed.parquet'")),
        &["nope"],
    );
    fs::create_dir(dir.path().join("empty")).unwrap();
    let empty = format!("SELECT * FROM '{path}/empty'");
    contains(sql_error(&empty), &["empty holds no files"]);
    contains(sql_error("SELECT 1 / 0"), &["zero"]);
    let copy = "COPY (SELECT 1) TO 'x.tolerant' STORED AS TOLERANT OPTIONS (bound 'rel:7')";
    contains(sql_error(copy), &["rel:7", "value range"]);
    contains(
        sql_error("SELECT make_array(1) AS list"),
        &["CSV cannot hold column list", "--format json"],
    );
    let twice = format!(
        "SELECT a.id, b.id FROM '{path}/packed.parquet' a, '{path}/plain.parquet' b LIMIT 1"
    );
    contains(error(&options(&twice, Format::Json)), &["named id", "AS"]);
    fs::write(dir.path().join("file.xyz"), "?").unwrap();
    contains(
        sql_error(&format!("SELECT * FROM '{path}/file.xyz'")),
        &["file.xyz", "neither"],
    );
    fs::write(dir.path().join("mixed.csv"), "a\n1\n").unwrap();
    contains(
        sql_error(&format!("SELECT * FROM '{path}'")),
        &["both Parquet", "and CSV"],
    );
    let table = |name: &str, file: &str| vec![(name.to_owned(), format!("{path}/{file}"))];
    contains(
        error(&QueryOptions {
            tables: table("t", "no.parquet"),
            ..options("SELECT 1", Format::Csv)
        }),
        &["no.parquet"],
    );

    let twice = [table("t", "plain.parquet"), table("t", "packed.parquet")].concat();
    contains(
        error(&QueryOptions {
            tables: twice,
            ..options("SELECT 1", Format::Csv)
        }),
        &["two tables are named t"],
    );

    let packed = dir.path().join("packed.parquet");
    let mut bytes = fs::read(&packed).unwrap();
    bytes[300] ^= 1;
    fs::write(&packed, bytes).unwrap();
    contains(
        sql_error(&format!("SELECT * FROM '{path}/packed.parquet'")),
        &["packed.parquet", "checksum"],
    );
}

/// A wide table's names are not all listed to whom misspells one.
#[test]
fn a_wrong_name_in_a_wide_table() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("wide.parquet");
    let columns = (0..500).map(|i| {
        (
            format!("gene_{i}"),
            Arc::new(Float64Array::from(vec![1.0])) as ArrayRef,
        )
    });
    pack(
        &RecordBatch::try_from_iter(columns).unwrap(),
        ErrorBound::Exact,
        &path,
    );
    let error = error(&options(
        &format!("SELECT gene_O FROM '{}'", path.display()),
        Format::Csv,
    ));
    assert!(
        error.len() < 400 && error.contains("gene_o") && error.contains("500 columns"),
        "{error}"
    );
}

/// A file appears complete or not at all, and never in the place of one that is read.
#[test]
fn files_are_written_whole() {
    let (dir, path) = folder();
    let files = || fs::read_dir(dir.path()).unwrap().count();
    let before = files();
    let out = dir.path().join("out.csv");
    let failing = format!("SELECT id / (id - 2999) AS q FROM '{path}/packed.parquet'");
    query_to_file(&options(&failing, Format::Csv), &out).unwrap_err();
    assert_eq!(files(), before);
    let copy = options(
        &format!("SELECT * FROM '{path}/plain.parquet'"),
        Format::Parquet,
    );
    let error = query_to_file(&copy, &dir.path().join("plain.parquet"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("plain.parquet") && error.contains("input"),
        "{error}"
    );
    assert!(query_to_file(&copy, &dir.path().join("no/out.parquet")).is_err());
    assert_eq!(
        query_to_file(&copy, &dir.path().join("copy.parquet")).unwrap(),
        3000
    );
    assert_eq!(files(), before + 1);
}

/// Rows are written as they come, and a reader that goes away is told from other failures.
#[test]
fn a_closed_pipe() {
    struct Closing(usize);
    impl Write for Closing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in [Format::Table, Format::Csv, Format::Json, Format::Parquet] {
        // Without end, if nothing stopped it.
        let sql = "SELECT value, value * 2 AS twice FROM generate_series(1, 1000000000)";
        let error = query(&options(sql, format), Closing(1 << 16)).unwrap_err();
        let ToolError::Io { source, .. } = error else {
            panic!("{format:?}: {error}")
        };
        assert_eq!(source.kind(), io::ErrorKind::BrokenPipe, "{format:?}");
    }
}

/// Integers and strings of all sizes survive the way through JSON.
#[test]
fn extremes() {
    let batch = RecordBatch::try_from_iter([
        (
            "n",
            Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])) as ArrayRef,
        ),
        (
            "s",
            Arc::new(StringArray::from(vec!["\u{0}\u{1f}\"\\", "\u{1f600}"])) as ArrayRef,
        ),
    ])
    .unwrap();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.parquet");
    pack(&batch, ErrorBound::Exact, &path);
    let lines = text(
        &format!("SELECT * FROM '{}' ORDER BY n", path.display()),
        Format::Json,
    );
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        rows[0],
        serde_json::json!({"n": i32::MIN, "s": "\u{0}\u{1f}\"\\"})
    );
    assert_eq!(
        rows[1],
        serde_json::json!({"n": i32::MAX, "s": "\u{1f600}"})
    );
}
