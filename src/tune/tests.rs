//! Whole searches, with a small model of the tests' own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray};

use super::*;

#[path = "tests_search.rs"]
mod search;

/// Predicts the mean target of the five nearest rows; classes by their share.
fn nearest(task: Task, train: &Frame, holdout: &Frame) -> f64 {
    let scales: Vec<f64> = train
        .columns
        .iter()
        .map(|column| {
            let known: Vec<f64> = column.iter().copied().filter(|x| !x.is_nan()).collect();
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            let square = known.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            let scale = (square / known.len().max(1) as f64).sqrt();
            // A column of one value teaches nothing.
            if scale > 1e-9 { scale } else { f64::INFINITY }
        })
        .collect();
    let distance = |row: usize, other: usize| -> f64 {
        let columns = train.columns.iter().zip(&holdout.columns).zip(&scales);
        columns
            .map(|((a, b), scale)| ((a[row] - b[other]) / scale).powi(2))
            .filter(|d| !d.is_nan())
            .sum()
    };
    let predicted: Vec<f64> = (0..holdout.len())
        .map(|other| {
            let mut rows: Vec<(f64, usize)> = (0..train.len())
                .map(|row| (distance(row, other), row))
                .collect();
            rows.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let near = rows.iter().take(5).map(|(_, row)| train.target[*row]);
            near.sum::<f64>() / rows.len().min(5) as f64
        })
        .collect();
    let truth = &holdout.target;
    if task == Task::Classification {
        let right = predicted
            .iter()
            .zip(truth)
            .filter(|(p, t)| p.round() == **t);
        return right.count() as f64 / truth.len() as f64;
    }
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let wrong: f64 = predicted
        .iter()
        .zip(truth)
        .map(|(p, t)| (p - t).powi(2))
        .sum();
    1.0 - wrong / truth.iter().map(|t| (t - mean).powi(2)).sum::<f64>()
}

fn model(
    score: impl Fn(Task, &Frame, &Frame, u64) -> Result<f64, String> + Send + Sync + 'static,
) -> Training {
    Training::Function(ModelFunction {
        name: "test".into(),
        score: Arc::new(move |task, train, holdout, seed| {
            score(task, train, holdout, seed).map(|value| Metric {
                name: "score".into(),
                value,
            })
        }),
    })
}

fn nearest_model() -> Training {
    model(|task, train, holdout, _| Ok(nearest(task, train, holdout)))
}

/// Two columns that matter, one much more than the other, and one that does not.
fn sample(rows: usize) -> RecordBatch {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut column = || -> Vec<f32> { (0..rows).map(|_| rng.f32()).collect() };
    let (a, b, noise) = (column(), column(), column());
    let y = a.iter().zip(&b).map(|(a, b)| 10.0 * a + b);
    let y: Vec<f32> = y.collect();
    let array = |values: Vec<f32>| -> ArrayRef { Arc::new(Float32Array::from(values)) };
    RecordBatch::try_from_iter([
        ("a", array(a)),
        ("b", array(b)),
        ("noise", array(noise)),
        ("y", array(y)),
    ])
    .unwrap()
}

fn options(target: &str) -> TuneOptions {
    TuneOptions {
        target: Some(target.into()),
        seeds: 2,
        budget: Budget::Evaluations(80),
        ..TuneOptions::default()
    }
}

fn run(table: &RecordBatch, training: &Training, options: &TuneOptions) -> Result<Report> {
    run_watched(table, training, options, &AtomicBool::new(false), &|_| {})
}

fn run_watched(
    table: &RecordBatch,
    training: &Training,
    options: &TuneOptions,
    stop: &AtomicBool,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Report> {
    tune(table, training, &[], options, &Watch { stop, progress })
}

#[test]
fn bounds_follow_what_columns_are_worth() {
    let options = TuneOptions {
        max_loss: 0.03,
        budget: Budget::Evaluations(200),
        ..options("y")
    };
    let report = run(&sample(600), &nearest_model(), &options).unwrap();
    let chosen = report.chosen.as_ref().unwrap();
    let of = |name: &str| chosen.columns.iter().find(|c| c.name == name).unwrap();
    assert!(of("noise").constant, "{chosen:?}");
    assert!(of("a").relative < of("b").relative, "{chosen:?}");
    assert!(of("a").sensitivity > of("b").sensitivity);
    assert!(of("a").information > of("b").information);
    assert!(chosen.holds_on_test);
    let uniform = report
        .best
        .iter()
        .find(|b| b.setting.method == "tolerant-uniform");
    assert!(chosen.point.ratio > uniform.unwrap().ratio);
    for (careful, small) in report.frontier.iter().zip(&report.frontier[1..]) {
        assert!(careful.bytes > small.bytes && careful.validation.mean < small.validation.mean);
    }
    let mut tried: Vec<_> = report.tried.iter().map(|tried| &tried.setting).collect();
    tried.sort_by_key(|setting| format!("{setting:?}"));
    let all = tried.len();
    tried.dedup();
    assert_eq!(tried.len(), all, "a configuration was tried twice");
}

#[test]
fn reports_are_the_same_whatever_the_threads() {
    let table = sample(300);
    let json = |jobs| {
        let options = TuneOptions {
            jobs: Some(jobs),
            ..options("y")
        };
        let report = run(&table, &nearest_model(), &options).unwrap();
        let page = report
            .to_html(std::path::Path::new("out"), "t.parquet")
            .unwrap();
        (report.to_json().unwrap(), page)
    };
    assert_eq!(json(1), json(4));
}

#[test]
fn an_interrupted_search_goes_on_and_ends_the_same() {
    let table = sample(300);
    let trained = Arc::new(AtomicUsize::new(0));
    let counted = || {
        let trained = Arc::clone(&trained);
        model(move |task, train, holdout, seed| {
            trained.fetch_add(1, Ordering::SeqCst);
            Ok(nearest(task, train, holdout) + seed as f64 * 1e-4)
        })
    };
    let whole = run(&table, &counted(), &options("y")).unwrap();
    let at_once = trained.swap(0, Ordering::SeqCst);

    let folder = tempfile::tempdir().unwrap();
    let kept = TuneOptions {
        folder: Some(folder.path().into()),
        ..options("y")
    };
    for most in [5, 37] {
        let stop = AtomicBool::new(false);
        let interrupted = run_watched(&table, &counted(), &kept, &stop, &|progress| {
            stop.store(progress.tried >= most, Ordering::SeqCst);
        });
        assert!(matches!(interrupted, Err(TuneError::Stopped)));
    }
    let resumed = run(&table, &counted(), &kept).unwrap();
    assert_eq!(resumed.to_json().unwrap(), whole.to_json().unwrap());
    assert_eq!(
        trained.load(Ordering::SeqCst),
        at_once,
        "something was trained twice"
    );
    // Once more: all of it is known.
    run(&table, &counted(), &kept).unwrap();
    assert_eq!(trained.load(Ordering::SeqCst), at_once);
}

#[test]
fn the_search_never_sees_the_test_part() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&seen);
    let training = model(move |task, train, holdout, _| {
        noting
            .lock()
            .unwrap()
            .push((holdout.target[0], train.len()));
        Ok(nearest(task, train, holdout))
    });
    let report = run(&sample(300), &training, &options("y")).unwrap();
    let seen = seen.lock().unwrap();
    // The test part is the last that is seen: what comes after it is of it.
    let test = seen.last().unwrap().0;
    let first_test = seen.iter().position(|(part, _)| *part == test).unwrap();
    assert!(seen[first_test..].iter().all(|(part, _)| *part == test));
    let mut others: Vec<f64> = seen[..first_test].iter().map(|(part, _)| *part).collect();
    others.sort_by(f64::total_cmp);
    others.dedup();
    assert_eq!(others.len(), 4, "validation and three folds");
    assert!(first_test > report.search.tried / 2);
    assert!(
        seen.iter()
            .all(|(_, rows)| rows.abs_diff(report.table.train_rows) <= 2)
    );
}

#[test]
fn failures_are_never_good_scores() {
    // Training on anything but the original fails, one way or another.
    let original = Mutex::new(None);
    let training = model(move |task, train, holdout, seed| {
        let sum: f64 = train.columns.iter().flatten().sum();
        let mut original = original.lock().unwrap();
        let first = *original.get_or_insert(sum);
        match ((sum - first).abs() < 1e-6, seed) {
            (true, _) => Ok(nearest(task, train, holdout)),
            (false, 0) => Ok(f64::NAN),
            (false, 1) => Err("out of memory".into()),
            (false, _) => panic!("odd data"),
        }
    });
    let options = TuneOptions {
        exact_target: true,
        ..options("y")
    };
    let report = run(&sample(300), &training, &options).unwrap();
    let chosen = report.chosen.unwrap();
    let rows = chosen.columns.iter().filter(|c| c.bound > 1e-6).count();
    assert_eq!(rows, 0, "{:?}", chosen.columns);
    assert!(report.search.failed > 10);
    let page = report.tried.iter().find_map(|tried| tried.failure.clone());
    assert!(page.unwrap().contains("no number"));
}

#[test]
fn a_method_that_fails_is_reported() {
    struct Broken;
    impl Reduction for Broken {
        fn name(&self) -> &str {
            "broken"
        }
        fn family(&self) -> Family {
            Family::Lossless
        }
        fn parameters(&self) -> Vec<String> {
            vec![String::new()]
        }
        fn reduce(&self, _: &RecordBatch, _: &[usize], _: &str, _: u64) -> Result<Reduced> {
            Err(TuneError::method("broken", "cannot take such a table"))
        }
    }
    let watch = Watch {
        stop: &AtomicBool::new(false),
        progress: &|_| {},
    };
    let methods: Vec<Box<dyn Reduction>> = vec![Box::new(Broken)];
    let report = tune(
        &sample(300),
        &nearest_model(),
        &methods,
        &options("y"),
        &watch,
    )
    .unwrap();
    let broken = report
        .tried
        .iter()
        .find(|t| t.setting.method == "broken")
        .unwrap();
    assert!(broken.failure.as_ref().unwrap().contains("cannot take"));
    let page = report
        .to_html(std::path::Path::new("out"), "t.parquet")
        .unwrap();
    assert!(page.contains("cannot take such a table"));
}

#[test]
fn a_model_that_learns_nothing_is_an_error() {
    for (score, what) in [(0.0, "learns nothing"), (f64::NAN, "no number")] {
        let error = run(
            &sample(300),
            &model(move |_, _, _, _| Ok(score)),
            &options("y"),
        )
        .unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

fn odd_table(rows: i64) -> RecordBatch {
    let class = |i: i64| if i % 3 == 0 { "no" } else { "yes" };
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "x",
            Arc::new(Float32Array::from_iter((0..rows).map(|i| {
                (i % 11 != 5).then_some((i % 3) as f32 + i as f32 * 1e-3)
            }))),
        ),
        (
            "constant",
            Arc::new(Float32Array::from_iter_values((0..rows).map(|_| 4.0))),
        ),
        (
            "nan",
            Arc::new(Float32Array::from_iter_values((0..rows).map(|_| f32::NAN))),
        ),
        (
            "empty",
            Arc::new(Float32Array::from_iter((0..rows).map(|_| None::<f32>))),
        ),
        (
            "word",
            Arc::new(StringArray::from_iter_values(
                (0..rows).map(|i| class(i % 4)),
            )),
        ),
        (
            "count",
            Arc::new(Int64Array::from_iter_values((0..rows).map(|i| i % 3))),
        ),
        (
            "label",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|i| (i % 50 != 1).then_some(class(i))),
            )),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

#[test]
fn odd_columns_and_a_text_target() {
    let table = odd_table(400);
    let report = run(&table, &nearest_model(), &options("label")).unwrap();
    assert_eq!(report.task, Task::Classification);
    assert_eq!(report.table.without_target, 8);
    let ignored: Vec<&str> = report.table.ignored.iter().map(|i| &*i.column).collect();
    assert_eq!(ignored, ["constant", "nan", "empty"]);
    let chosen = report.chosen.as_ref().unwrap();
    assert_eq!(chosen.columns.len(), 4);
    // The class is in another column: x can go.
    assert!(chosen.columns[0].constant && chosen.holds_on_test);
    report
        .to_html(std::path::Path::new("out"), "t.parquet")
        .unwrap();
}

#[test]
fn a_target_of_a_few_whole_numbers_is_of_classes() {
    let report = run(&odd_table(400), &nearest_model(), &options("count")).unwrap();
    assert_eq!(report.task, Task::Classification);
}

#[test]
fn twenty_rows_are_enough_or_an_error_that_says_so() {
    let report = run(&sample(20), &nearest_model(), &options("y"));
    match report {
        Ok(report) => assert!(report.chosen.is_some()),
        Err(error) => assert!(error.to_string().contains("learns nothing"), "{error}"),
    }
    let error = run(&sample(4), &nearest_model(), &options("y")).unwrap_err();
    assert!(error.to_string().contains("4 rows make parts"), "{error}");
}

#[test]
fn wrong_requests_are_clear() {
    let table = sample(100);
    let error = |options: TuneOptions| {
        run(&table, &nearest_model(), &options)
            .unwrap_err()
            .to_string()
    };
    assert!(error(options("why")).contains("no column is named \"why\"; there are \"a\", \"b\""));
    let none = TuneOptions {
        target: None,
        task: Some(Task::Regression),
        ..options("y")
    };
    assert!(error(none).contains("give --target"));
    assert!(
        error(TuneOptions {
            max_loss: 0.0,
            ..options("y")
        })
        .contains("loss of 0")
    );
    assert!(
        error(TuneOptions {
            seeds: 0,
            ..options("y")
        })
        .contains("1 seed")
    );
}

#[cfg(unix)]
#[test]
fn a_command_is_a_model() {
    let command = |command: &str| {
        Training::Command(TrainCommand {
            command: command.into(),
            format: TableFormat::Parquet,
            timeout: std::time::Duration::from_secs(20),
            lower_is_better: true,
        })
    };
    let options = TuneOptions {
        budget: Budget::Evaluations(6),
        ..options("y")
    };
    let report = run(&sample(200), &command("sh -c 'echo 2.5'"), &options).unwrap();
    assert!(report.chosen.unwrap().point.validation.within_noise);
    let error = run(
        &sample(200),
        &command("sh -c 'echo oh >&2; exit 1'"),
        &options,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot be trained on the original"),
        "{error}"
    );
    assert!(error.to_string().contains("oh"), "{error}");
}

#[test]
fn files_of_a_report_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let table = sample(300);
    let report = run(&table, &nearest_model(), &options("y")).unwrap();
    report.write(folder.path(), "my table.parquet").unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let config = Config::parse(&read(CONFIG)).unwrap();
    assert_eq!(config.columns().unwrap().len(), 4);
    let json: serde_json::Value = serde_json::from_str(&read(REPORT_JSON)).unwrap();
    assert_eq!(json["chosen"]["columns"][0]["name"], "a");
    let page = read(REPORT_HTML);
    assert!(page.contains("<svg") && page.contains("&#x27;my table.parquet&#x27;"));
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!outside.contains("<script") && !outside.contains("http"));
}
