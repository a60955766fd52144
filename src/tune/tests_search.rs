//! What searches find and what they refuse.

use super::*;

#[test]
fn what_only_the_validation_part_bears_is_not_taken() {
    // On the validation part, which is seen first, nothing ever loses anything.
    let validation = Mutex::new(None);
    let training = model(move |task, train, holdout, _| {
        let first = *validation.lock().unwrap().get_or_insert(holdout.target[0]);
        if holdout.target[0] == first {
            return Ok(0.9);
        }
        Ok(nearest(task, train, holdout))
    });
    let options = TuneOptions {
        max_loss: 0.03,
        ..options("y")
    };
    let report = run(&sample(600), &training, &options).unwrap();
    let chosen = report.chosen.unwrap();
    let crossed = chosen.crossed.unwrap();
    assert_eq!(crossed.losses.len(), 3);
    assert!(crossed.upper <= 0.03, "{crossed:?}");
    assert!(chosen.holds_on_test, "{:?}", chosen.point);
    assert!(
        report
            .tried
            .iter()
            .any(|t| t.bytes < Some(chosen.point.bytes))
    );
}

#[test]
fn rows_can_be_dropped_too() {
    let rows = |share| kept_rows(&sample(1000), share).unwrap().num_rows();
    assert!((400..600).contains(&rows(0.5)) && rows(1.0) == 1000);
    let options = TuneOptions {
        sample_rows: true,
        max_loss: 0.05,
        ..options("y")
    };
    let report = run(&sample(600), &nearest_model(), &options).unwrap();
    let fewer = |tried: &Tried| tried.rows.is_some_and(|rows| rows < 360);
    assert!(report.tried.iter().any(fewer));
}
