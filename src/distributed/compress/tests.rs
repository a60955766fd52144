//! What is sent is what arrives, and what cannot be is refused.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::FlightData;

use super::wire::{self, Answer};
use crate::codec::{Effort, ErrorBound, ValueRange};
use crate::file::{
    ColumnReport, FileLayout, OrderMethod, RowOrder, RowOrderReport, VectorRange, WriteReport,
};
use crate::tools::compress::{CompressOptions, CompressReport};
use crate::tools::compress_each::{Task, Work};
use crate::tools::leaves::LeafRange;
use crate::tools::relative::Ranges;

fn ranges() -> Ranges {
    let range = |min, max| ValueRange { min, max };
    Ranges {
        columns: vec![(0, range(-0.0, f64::MAX)), (2, ValueRange::EMPTY)],
        quantiles: vec![(1, range(0.1, 0.1 + f64::EPSILON))],
        leaves: vec![LeafRange {
            name: "s.ü".to_owned(),
            ranges: vec![range(5e-324, 1.0), ValueRange::EMPTY],
            by_dimension: true,
        }],
    }
}

fn task(work: Work) -> Task {
    let float = |name: &str| Field::new(name, DataType::Float64, true);
    let vectors = DataType::new_fixed_size_list(DataType::Float32, 2, false);
    let fields = vec![
        float("a").with_metadata([("unit".to_owned(), "m".to_owned())].into()),
        float("b"),
        float("c"),
        Field::new("n", DataType::Utf8, false),
        Field::new("v", vectors, true),
    ];
    Task {
        input: PathBuf::from("/data/in.csv"),
        input_bytes: Some(17),
        output: PathBuf::from("/out/in.parquet"),
        schema: Arc::new(Schema::new(fields)),
        options: Arc::new(CompressOptions {
            inputs: Vec::new(),
            output: PathBuf::new(),
            bound: "rel:0.1@p0.5..p99".parse().unwrap(),
            columns: vec![("a=b".to_owned(), ErrorBound::Psnr(61.7))],
            layout: FileLayout::Portable,
            effort: Effort::Small,
            max_references: Some(0),
            block_rows: None,
            row_group_rows: Some(usize::MAX),
            row_order: RowOrder::Any,
            vector_range: VectorRange::Dimension,
            row_id: None,
            #[cfg(feature = "tune")]
            keep_rows: Some(0.1),
        }),
        work,
    }
}

fn refused(task: &Task, part: &str) {
    let error = wire::asked(&wire::ask(task, 1).unwrap()).unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn tasks_arrive() {
    for work in [Work::Find([0, 2].into()), Work::Write(Arc::new(ranges()))] {
        let sent = task(work);
        let (arrived, mark) = wire::asked(&wire::ask(&sent, u64::MAX).unwrap()).unwrap();
        assert_eq!(format!("{sent:?}"), format!("{arrived:?}"));
        assert_eq!(mark, u64::MAX);
    }
}

#[test]
fn tasks_that_cannot_be_are_refused() {
    for columns in [&[3][..], &[4], &[99], &[1, 0], &[0, 0], &[usize::MAX]] {
        refused(&task(Work::Find(columns.into())), "columns");
    }
    let mut found = ranges();
    found.quantiles[0].0 = 3;
    refused(&task(Work::Write(Arc::new(found))), "columns");
    for (min, max) in [(f64::NAN, 1.0), (0.0, f64::INFINITY), (1.0, 0.0)] {
        let mut found = ranges();
        found.columns[0].1 = ValueRange { min, max };
        refused(&task(Work::Write(Arc::new(found))), "no range");
    }
    for output in ["/etc/passwd", "/root/.parquet", "s3://bucket/x"] {
        let mut task = task(Work::Find([].into()));
        task.output = PathBuf::from(output);
        refused(&task, ".parquet");
    }
    assert!(wire::asked(&FlightData::new()).is_err());
    let mut cut = wire::ask(&task(Work::Find([].into())), 1).unwrap();
    cut.data_header = cut.data_header.slice(..cut.data_header.len() / 2);
    assert!(wire::asked(&cut).is_err());
}

#[test]
fn answers_arrive() {
    let column = ColumnReport {
        column: 1,
        name: "s.ü".to_owned(),
        data_type: DataType::Float16,
        bound: Some(ErrorBound::Rel(0.1)),
        abs_bound: Some(f64::INFINITY),
        range: ValueRange::EMPTY,
        range_declared: true,
        dimensions: 3,
        max_error: f64::MIN_POSITIVE,
        outliers: 1,
        nulls: 2,
        values: 3,
        raw_bytes: 4,
        packed_bytes: u64::MAX,
    };
    let written = CompressReport {
        written: WriteReport {
            rows: 5,
            raw_bytes: 6,
            file_bytes: 7,
            columns: vec![column],
            row_order: Some(RowOrderReport {
                kept_bytes: 1,
                bytes: 2,
                row_groups: 3,
                methods: vec![(OrderMethod::Kept, 1), (OrderMethod::Tour, 2)],
                columns: vec!["x".to_owned()],
            }),
        },
        seconds: 0.3,
    };
    for answer in [
        || Answer::Rows(3),
        || Answer::Found(ranges()),
        || Answer::There,
        || Answer::Failed("no \"ü\"".to_owned()),
    ] {
        let arrived = wire::answered(&wire::answer(answer()).unwrap()).unwrap();
        assert_eq!(format!("{:?}", answer()), format!("{arrived:?}"));
    }
    let sent = wire::answer(Answer::Written(Box::new(written.clone()))).unwrap();
    let Answer::Written(arrived) = wire::answered(&sent).unwrap() else {
        panic!("another answer");
    };
    assert_eq!(format!("{written:?}"), format!("{arrived:?}"));
    let mut without_schema = sent;
    without_schema.data_header = Vec::new().into();
    assert!(wire::answered(&without_schema).is_err());
}
