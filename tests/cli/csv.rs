//! CSV: which type a column gets, over all rows of all files, and that its values survive.

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::array_value_to_string;

use crate::support::Folder;
use crate::tables::*;

/// Compresses and decompresses; the table as an ordinary reader sees it.
fn round_trip(folder: &Folder, inputs: &[&str]) -> RecordBatch {
    folder.ok(&[
        &["compress"],
        inputs,
        &["-o", "out.parquet", "--rel", "1e-9"],
    ]
    .concat());
    for input in inputs.iter().filter(|_| inputs.len() == 1) {
        folder.ok(&["verify", input, "out.parquet"]);
    }
    folder.ok(&["decompress", "out.parquet", "-o", "back.parquet"]);
    read_parquet(&folder.path("back.parquet"))
}

fn types(table: &RecordBatch) -> Vec<DataType> {
    table
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect()
}

fn texts(table: &RecordBatch, name: &str) -> Vec<String> {
    let column = table.column_by_name(name).unwrap();
    (0..table.num_rows())
        .map(|row| array_value_to_string(column, row).unwrap())
        .collect()
}

/// Each kind of value is recognised, and an empty field is null whatever the type.
#[test]
fn types_follow_the_values() {
    let folder = Folder::new();
    folder.write(
        "in.csv",
        "int,float,bool,day,time,text,nothing\n\
         1,1.5,true,2024-02-29,2024-02-29 12:30:00,\"a, b\",\n\
         -9223372036854775808,-2e3,FALSE,1969-12-31,1969-12-31T23:59:59.5,\"say \"\"hi\"\"\",\n\
         ,,,,,,\n\
         9223372036854775807, NaN ,true,0001-01-01,2500-01-01 00:00:00,007 ,\n",
    );
    let table = round_trip(&folder, &["in.csv"]);
    let expected = [
        DataType::Int64,
        DataType::Float64,
        DataType::Boolean,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Utf8,
        DataType::Utf8,
    ];
    assert_eq!(types(&table), expected);
    assert_eq!(
        texts(&table, "int"),
        ["1", "-9223372036854775808", "", "9223372036854775807"]
    );
    assert_eq!(texts(&table, "float"), ["1.5", "-2000.0", "", "NaN"]);
    assert_eq!(texts(&table, "bool"), ["true", "false", "", "true"]);
    assert_eq!(
        texts(&table, "day"),
        ["2024-02-29", "1969-12-31", "", "0001-01-01"]
    );
    let times = [
        "2024-02-29T12:30:00",
        "1969-12-31T23:59:59.500",
        "",
        "2500-01-01T00:00:00",
    ];
    assert_eq!(texts(&table, "time"), times);
    assert_eq!(texts(&table, "text"), ["a, b", "say \"hi\"", "", "007 "]);
    assert!(table.columns().iter().all(|column| column.is_null(2)));
}

/// What looks like a type and is none of its values, or would lose some of them, stays text.
#[test]
fn text_is_the_last_resort() {
    let folder = Folder::new();
    folder.write(
        "in.csv",
        "id,day,time,zone,mix,nanos,leap\n\
         12345678901234567890,2024-02-30,2024-01-01 10:00:00 or so,2024-01-01T10:00:00+02:00,1,2024-01-01 00:00:00.123456789,2016-12-31 23:59:60\n\
         12345678901234567891,2024-02-28,2024-01-01 10:00:00,2024-01-01T10:00:00Z,true,2500-01-01 00:00:00,2016-12-31 23:59:59\n",
    );
    let table = round_trip(&folder, &["in.csv"]);
    assert_eq!(types(&table), vec![DataType::Utf8; 7]);
    assert_eq!(
        texts(&table, "id"),
        ["12345678901234567890", "12345678901234567891"]
    );
    assert_eq!(texts(&table, "leap")[0], "2016-12-31 23:59:60");
}

/// Times with a final Z are moments in UTC, in the precision that the most precise value needs.
#[test]
fn utc_times_keep_their_precision() {
    let folder = Folder::new();
    folder.write(
        "in.csv",
        "at,n\n2024-01-01T00:00:00.000001Z,1\n2024-01-01T00:00:00Z,2\n",
    );
    let table = round_trip(&folder, &["in.csv"]);
    assert_eq!(
        types(&table)[0],
        DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()))
    );
    let micros = cast(table.column(0), &DataType::Int64).unwrap();
    assert_eq!(
        array_value_to_string(&micros, 0).unwrap(),
        "1704067200000001"
    );
}

/// A column that is whole numbers in one file and not in another is one float column.
#[test]
fn types_are_those_of_all_files() {
    let folder = Folder::new();
    folder.write("a.csv", "x,y,d\n1,2,2024-01-01\n3,4,\n");
    folder.write("b.csv", "x,y,d\n0.5,5,2024-01-01 06:00:00\n");
    folder.write("c.csv", "x,y,d\n,,\n");
    let table = round_trip(&folder, &["a.csv", "b.csv", "c.csv"]);
    let expected = [
        DataType::Float64,
        DataType::Int64,
        DataType::Timestamp(TimeUnit::Second, None),
    ];
    assert_eq!(types(&table), expected);
    assert_eq!(texts(&table, "y"), ["2", "4", "5", ""]);
    assert_eq!(
        texts(&table, "d")[..3],
        ["2024-01-01T00:00:00", "", "2024-01-01T06:00:00"]
    );
    let x: Vec<Option<i64>> = numbers(&table, "x")
        .iter()
        .map(|x| x.map(|x| (x * 1e6).round() as i64))
        .collect();
    assert_eq!(x, [Some(1_000_000), Some(3_000_000), Some(500_000), None]);
}

/// Beside files that know their types, CSV takes those types if its values fit, else says so.
#[test]
fn typed_files_decide() {
    let folder = Folder::new();
    let table = mixed(0, 50);
    write_parquet(&folder.path("a.parquet"), &table);
    write_csv(&folder.path("b.csv"), &mixed(50, 50));
    let back = round_trip(&folder, &["b.csv", "a.parquet"]);
    assert_eq!(types(&back), types(&table));
    assert_eq!(back.num_rows(), 100);
    let small =
        |table: &RecordBatch, at: usize| table.column_by_name("small").unwrap().slice(at, 50);
    assert_eq!(&small(&back, 50), &small(&table, 0));

    let small = mixed(0, 5).project(&[4]).unwrap();
    write_parquet(&folder.path("small.parquet"), &small);
    folder.write("big.csv", "small\n40000\n");
    let args = ["compress", "small.parquet", "big.csv", "-o", "o"];
    folder.fails(
        &args,
        &["big.csv", "\"small\"", "Int64", "Int16", "small.parquet"],
    );
}

/// Tabs and semicolons separate fields too.
#[test]
fn other_delimiters() {
    let folder = Folder::new();
    folder.write("a.tsv", "x\ty\n1.5\ta,b\n");
    folder.write("b.csv", "x;y\n1.5;a,b\n");
    folder.write("c.CSV", "\u{feff}x,y\r\n1.5,\"a,b\"\r\n");
    for file in ["a.tsv", "b.csv", "c.CSV"] {
        let table = round_trip(&folder, &[file]);
        assert_eq!(types(&table), [DataType::Float64, DataType::Utf8], "{file}");
        assert_eq!(texts(&table, "y"), ["a,b"], "{file}");
    }
}

/// What no CSV reader can make sense of, with the line where it is.
#[test]
fn damaged_csv_is_an_error() {
    let folder = Folder::new();
    let fails = |content: &[u8], parts: &[&str]| {
        folder.write("in.csv", content);
        folder.fails(
            &["compress", "in.csv", "-o", "out.parquet"],
            &[&["in.csv"], parts].concat(),
        );
    };
    fails(b"", &["empty file"]);
    fails(b"\n\n", &["name the columns"]);
    fails(b"a,b\n1,2\n3\n", &["line 3", "expected 2 got 1"]);
    fails(b"a,b\n1,2,3\n", &["line 2", "expected 2"]);
    fails(b"a,a\n1,2\n", &["two columns", "\"a\""]);
    fails(b"a,b\n1,\xFF\xFE\n", &["UTF-8", "line 2"]);
}
