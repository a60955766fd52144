//! Every model learns what it can, says the same for a seed, and bears what tables hold.

use fastrand::Rng;

use super::super::frame::Frame;
use super::super::method::Task;
use super::{ALL, Model, metrics, score};

const TASKS: [Task; 4] = [
    Task::Regression,
    Task::Classification,
    Task::Forecast,
    Task::Clustering,
];

fn frame(columns: Vec<Vec<f64>>, target: Vec<f64>) -> Frame {
    Frame {
        names: (0..columns.len()).map(|i| format!("f{i}")).collect(),
        columns,
        target,
    }
}

/// Groups of rows about three places; what each task is to find is in the columns.
fn table(task: Task, rows: usize, seed: u64) -> Frame {
    let mut rng = Rng::with_seed(seed);
    let groups: Vec<usize> = (0..rows).map(|_| rng.usize(0..3)).collect();
    let mut columns: Vec<Vec<f64>> = (0..4)
        .map(|column| {
            let value = |&group: &usize| ((group + column) % 3) as f64 * 4.0 + rng.f64();
            groups.iter().map(value).collect()
        })
        .collect();
    let target: Vec<f64> = match task {
        Task::Regression => (0..rows)
            .map(|i| 3.0 * columns[0][i] - columns[1][i] + 0.1 * rng.f64() + 1e4)
            .collect(),
        // Labels need not be 0, 1, 2.
        Task::Classification | Task::Clustering => {
            groups.iter().map(|&g| [-1.0, 2.5, 7.0][g]).collect()
        }
        Task::Forecast => (0..rows)
            .map(|i| (i as f64 / 3.0).sin() + 0.01 * rng.f64())
            .collect(),
    };
    columns.push((0..rows).map(|_| rng.f64()).collect());
    frame(columns, target)
}

fn pairs() -> impl Iterator<Item = (Model, Task)> {
    ALL.into_iter()
        .flat_map(|model| TASKS.map(|task| (model, task)))
        .filter(|(model, task)| model.does(*task))
}

#[test]
fn every_model_learns_and_says_the_same_again() {
    for (model, task) in pairs() {
        let (train, holdout) = (table(task, 600, 1), table(task, 300, 2));
        let first = score(&model, task, &train, &holdout, 7).unwrap();
        // Components of five columns are two: noise is lost. Centres find three groups at once.
        let least = if model == Model::Pca { 0.7 } else { 0.9 };
        assert!(first.value > least, "{model:?} {task:?}: {first:?}");
        assert!(first.value <= 1.0, "{model:?} {task:?}: {first:?}");
        let again = score(&model, task, &train, &holdout, 7).unwrap();
        assert_eq!(first.value.to_bits(), again.value.to_bits(), "{model:?}");
    }
}

#[test]
fn missing_and_infinite_and_constant_values_are_borne() {
    for (model, task) in pairs() {
        let [mut train, mut holdout] = [3, 4].map(|seed| table(task, 400, seed));
        for frame in [&mut train, &mut holdout] {
            let rows = frame.len();
            for row in (0..rows).step_by(7) {
                frame.columns[row % 4][row] = f64::NAN;
            }
            frame.columns[2][5] = f64::INFINITY;
            frame.columns[3][6] = f64::NEG_INFINITY;
            if task != Task::Forecast {
                frame.target[9] = f64::NAN;
            }
            frame.columns.push(vec![f64::NAN; rows]);
            frame.columns.push(vec![3.5; rows]);
            frame.columns.push(
                (0..rows)
                    .map(|i| if i == 3 { 1.0 } else { f64::NAN })
                    .collect(),
            );
            let names = (5..8).map(|i| format!("f{i}"));
            frame.names.extend(names);
        }
        let found = score(&model, task, &train, &holdout, 1).unwrap();
        assert!(found.value > 0.4, "{model:?} {task:?}: {found:?}");
    }
}

#[test]
fn small_wide_and_repeated_tables_are_borne() {
    for (model, task) in pairs() {
        let (train, holdout) = (table(task, 20, 5), table(task, 12, 6));
        assert!(
            score(&model, task, &train, &holdout, 1).is_ok(),
            "{model:?} {task:?}"
        );

        let mut rng = Rng::with_seed(8);
        let mut wide = |mut frame: Frame| {
            let rows = frame.len();
            let noise = |_| (0..rows).map(|_| rng.f64()).collect();
            frame.columns.extend((0..300).map(noise));
            frame.names = (0..frame.columns.len()).map(|i| format!("f{i}")).collect();
            frame
        };
        let (train, holdout) = (wide(table(task, 60, 5)), wide(table(task, 30, 6)));
        assert!(
            score(&model, task, &train, &holdout, 1).is_ok(),
            "{model:?} {task:?}"
        );

        // As a loose bound leaves them: few different rows.
        let mut coarse = table(task, 300, 5);
        for x in coarse.columns.iter_mut().flatten() {
            *x = (*x / 6.0).round() * 6.0;
        }
        let holdout = table(task, 100, 6);
        assert!(
            score(&model, task, &coarse, &holdout, 1).is_ok(),
            "{model:?} {task:?}"
        );
    }
}

#[test]
fn nothing_to_learn_from_is_a_guess() {
    for (model, task) in pairs().filter(|(_, task)| *task != Task::Forecast) {
        let holdout = table(task, 200, 2);
        let mut train = table(task, 300, 1);
        train.columns.iter_mut().for_each(|column| column.fill(1.0));
        let found = score(&model, task, &train, &holdout, 1).unwrap();
        assert!(found.value < 0.5, "{model:?} {task:?}: {found:?}");
    }
}

#[test]
fn a_class_that_training_did_not_see_is_wrong() {
    let (mut train, holdout) = (
        table(Task::Classification, 300, 1),
        table(Task::Classification, 200, 2),
    );
    let rows: Vec<usize> = (0..300).filter(|&i| train.target[i] != 7.0).collect();
    train = train.take(&rows);
    let known = holdout.target.iter().filter(|&&y| y != 7.0).count() as f64 / 200.0;
    for model in [
        Model::Trees,
        Model::Linear,
        Model::Neighbours,
        Model::Perceptron,
    ] {
        let found = score(&model, Task::Classification, &train, &holdout, 1).unwrap();
        assert!((found.value - known).abs() < 0.02, "{model:?}: {found:?}");
    }
}

#[test]
fn lost_columns_count_as_not_explained() {
    let mut rng = Rng::with_seed(1);
    let mut noise = |rows: usize| -> Vec<Vec<f64>> {
        (0..6)
            .map(|_| (0..rows).map(|_| rng.f64()).collect())
            .collect()
    };
    let (columns, holdout) = (noise(500), frame(noise(300), Vec::new()));
    for model in [Model::KMeans, Model::Pca] {
        for (lost, most) in [(3, 0.5), (5, 1.0 / 6.0), (6, 0.0)] {
            let mut columns = columns.clone();
            columns[..lost].iter_mut().for_each(|c| c.fill(0.5));
            let train = frame(columns, Vec::new());
            let found = score(&model, Task::Clustering, &train, &holdout, 1).unwrap();
            assert!(found.value <= most, "{model:?}, {lost} lost: {found:?}");
        }
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let (train, holdout) = (
        table(Task::Regression, 50, 1),
        table(Task::Regression, 30, 2),
    );
    let error = |model, task, train: &Frame, holdout: &Frame| {
        score(&model, task, train, holdout, 1)
            .unwrap_err()
            .to_string()
    };
    let said = error(Model::KMeans, Task::Regression, &train, &holdout);
    assert_eq!(
        said,
        "model kmeans does no regression: choose one of trees, linear, neighbours, perceptron"
    );
    let mut constant = holdout.clone();
    constant.target.fill(2.0);
    let said = error(Model::Trees, Task::Regression, &train, &constant);
    assert!(
        said.contains("one value only in the holdout data"),
        "{said}"
    );
    let mut missing = train.clone();
    missing.target.fill(f64::NAN);
    let said = error(Model::Trees, Task::Regression, &missing, &holdout);
    assert!(
        said.contains("no row with a target in the training data"),
        "{said}"
    );
    let said = error(
        Model::Trees,
        Task::Classification,
        &table(Task::Regression, 500, 1),
        &holdout,
    );
    assert!(said.contains("500 classes"), "{said}");
    let said = error(Model::Trees, Task::Regression, &train, &Frame::default());
    assert!(said.contains("0"), "{said}");
    let none = train.take(&[]);
    let said = error(Model::Trees, Task::Regression, &train, &none);
    assert!(
        said.contains("no row with a target in the holdout data"),
        "{said}"
    );
}

#[test]
fn names_are_parsed_and_others_refused() {
    for model in ALL {
        assert_eq!(Model::parse(model.name()).unwrap(), model);
    }
    assert_eq!(Model::parse("mlp").unwrap(), Model::Perceptron);
    let said = Model::parse("forest").unwrap_err().to_string();
    assert!(said.contains("trees, linear"), "{said}");
    for task in TASKS {
        assert!(Model::default_for(task).does(task));
    }
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    // sklearn.metrics.adjusted_rand_score and r2_score.
    let found = metrics::adjusted_rand(&[0, 0, 1, 1, 2, 2], &[0, 0, 1, 2, 2, 2]);
    assert!((found - 0.4444444444444444).abs() < 1e-12, "{found}");
    assert_eq!(metrics::adjusted_rand(&[0, 1, 1], &[5, 3, 3]), 1.0);
    let found = metrics::r2(&[3.0, -0.5, 2.0, 7.0], &[2.5, 0.0, 2.0, 8.0]).unwrap();
    assert!((found - 0.9486081370449679).abs() < 1e-12, "{found}");
}
