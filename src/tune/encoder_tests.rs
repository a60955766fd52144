use std::sync::Arc;

use arrow::array::{BooleanArray, Float32Array, Int64Array, StringArray};

use super::*;

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

fn sample() -> RecordBatch {
    table(vec![
        (
            "x",
            Arc::new(Float32Array::from(vec![
                Some(1.0),
                None,
                Some(f32::INFINITY),
                Some(2.0),
            ])),
        ),
        ("constant", Arc::new(Float32Array::from(vec![3.0; 4]))),
        ("nan", Arc::new(Float32Array::from(vec![f32::NAN; 4]))),
        (
            "s",
            Arc::new(StringArray::from(vec![
                Some("b"),
                Some("a"),
                None,
                Some("b"),
            ])),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![true, false, true, true])),
        ),
        (
            "label",
            Arc::new(StringArray::from(vec!["yes", "no", "no", "yes"])),
        ),
        ("count", Arc::new(Int64Array::from(vec![5, 6, 7, 8]))),
    ])
}

#[test]
fn columns_become_numbers_or_are_left_out() {
    let all = sample();
    let encoder = Encoder::fit(&all, &all, Task::Classification, Some(5)).unwrap();
    let frame = encoder.frame(&all).unwrap();
    assert_eq!(frame.names, ["x", "s", "flag", "count"]);
    assert_eq!(frame.columns[0][0], 1.0);
    assert!(frame.columns[0][1].is_nan() && frame.columns[0][2].is_nan());
    assert_eq!(frame.columns[1][..2], [1.0, 0.0]);
    assert_eq!(frame.columns[2], [1.0, 0.0, 1.0, 1.0]);
    assert_eq!(frame.target, [1.0, 0.0, 0.0, 1.0]);
    let ignored: Vec<&str> = encoder.ignored().iter().map(|i| &*i.column).collect();
    assert_eq!(ignored, ["constant", "nan"]);
}

#[test]
fn a_whole_number_can_be_predicted() {
    let all = sample();
    let encoder = Encoder::fit(&all, &all, Task::Regression, Some(6)).unwrap();
    assert_eq!(encoder.frame(&all).unwrap().target, [5.0, 6.0, 7.0, 8.0]);
}

#[test]
fn text_cannot_be_regressed() {
    let all = sample();
    let error = Encoder::fit(&all, &all, Task::Regression, Some(5)).unwrap_err();
    assert!(
        error.to_string().contains("--task classification"),
        "{error}"
    );
}

#[test]
fn a_column_of_one_nan_leaves_nothing_to_learn_from() {
    let nan: ArrayRef = Arc::new(Float32Array::from(vec![f32::NAN]));
    let all = table(vec![("x", nan)]);
    let error = Encoder::fit(&all, &all, Task::Clustering, None).unwrap_err();
    assert!(
        error.to_string().contains("\"x\" holds one value"),
        "{error}"
    );
}

#[test]
fn names_of_rows_are_left_out() {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..100).map(|i| format!("row {i}")),
    ));
    let x: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
    let all = table(vec![("name", names), ("x", x)]);
    let encoder = Encoder::fit(&all, &all, Task::Clustering, None).unwrap();
    assert_eq!(encoder.features().collect::<Vec<_>>(), [1]);
}
