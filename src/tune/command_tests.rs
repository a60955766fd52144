use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::*;

fn holdouts(table: &RecordBatch) -> [(Part, RecordBatch); 2] {
    [Part::Validation, Part::Test].map(|part| (part, table.clone()))
}

fn outcome_within(command: &str, timeout: Duration, format: TableFormat) -> Outcome {
    let x: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let table = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let command = TrainCommand {
        command: command.into(),
        format,
        timeout,
        lower_is_better: false,
    };
    let trainer = CommandTrainer::new(&command, &holdouts(&table)).unwrap();
    trainer
        .train(&table, Part::Validation, 7, &AtomicBool::new(false))
        .unwrap()
}

fn outcome(command: &str) -> Outcome {
    outcome_within(command, Duration::from_secs(20), TableFormat::Parquet)
}

fn failure(command: &str) -> String {
    match outcome(command) {
        Outcome::Failed(why) => why,
        scored => panic!("{scored:?}"),
    }
}

#[test]
fn the_last_line_is_the_score() {
    assert_eq!(
        outcome("sh -c 'echo training; echo 0.5; echo'").value(),
        Some(0.5)
    );
}

#[test]
fn paths_and_seed_come_as_placeholders_arguments_and_variables() {
    assert_eq!(
        outcome("sh -c 'test -s {train} && test -s {validation} && echo {seed}'").value(),
        Some(7.0)
    );
    assert_eq!(
        outcome("sh -c 'test -s $0 && test -s $1 && echo $2'").value(),
        Some(7.0)
    );
    assert_eq!(outcome("sh -c 'echo $TOLERANT_SEED'").value(), Some(7.0));
}

#[test]
fn files_are_of_the_kind_asked_for() {
    let magic = "sh -c 'head -c 4 {train} | grep -q PAR1 && echo 1 || echo 2'";
    let within = Duration::from_secs(20);
    assert_eq!(outcome(magic).value(), Some(1.0));
    assert_eq!(
        outcome_within(magic, within, TableFormat::Arrow).value(),
        Some(2.0)
    );
}

#[test]
fn what_is_no_score_is_a_failure() {
    assert!(failure("sh -c 'echo nan'").contains("no number"));
    assert!(failure("sh -c 'echo inf'").contains("no number"));
    assert!(failure("sh -c 'echo good'").contains("\"good\""));
    assert!(failure("true").contains("printed no score"));
    assert!(failure("sh -c 'echo 1; echo no memory >&2; exit 3'").contains("no memory"));
    assert!(failure("/no/such/program").contains("cannot start"));
}

#[test]
fn a_program_that_takes_too_long_is_ended_with_what_it_started() {
    let start = Instant::now();
    let command = "sh -c 'sleep 60 & sleep 60; echo 1'";
    let outcome = outcome_within(command, Duration::from_millis(200), TableFormat::Parquet);
    assert!(matches!(outcome, Outcome::Failed(why) if why.contains("0.2 s")));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_stop_ends_the_program() {
    let x: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let table = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let command = TrainCommand {
        command: "sh -c 'sleep 60'".into(),
        format: TableFormat::Parquet,
        timeout: Duration::from_secs(60),
        lower_is_better: false,
    };
    let trainer = CommandTrainer::new(&command, &holdouts(&table)).unwrap();
    let stop = AtomicBool::new(true);
    let outcome = trainer.train(&table, Part::Test, 1, &stop);
    assert!(matches!(outcome, Err(TuneError::Stopped)));
}

#[test]
fn an_unclosed_quote_is_an_error() {
    let x: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let table = RecordBatch::try_from_iter([("x", x)]).unwrap();
    let command = TrainCommand {
        command: "python 'train.py".into(),
        format: TableFormat::Parquet,
        timeout: Duration::from_secs(1),
        lower_is_better: false,
    };
    let error = CommandTrainer::new(&command, &holdouts(&table))
        .err()
        .unwrap();
    assert!(error.to_string().contains("quote"), "{error}");
}
