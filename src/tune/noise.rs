//! Scores against the noise of the baseline.

use serde::Serialize;

use super::trainer::Outcome;

/// The scores of a model that was trained on the original, seed by seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// One for each seed.
    pub scores: Vec<f64>,
    pub mean: f64,
    /// The standard deviation of the scores; 0 for one seed, or a model that chance has no part in.
    pub spread: f64,
    /// Whether a lower score is the better one.
    pub lower_is_better: bool,
}

/// How much worse a model is than the baseline, relative to the baseline's mean score: 0.01 is 1 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// Of the scores' means; negative where the model is better.
    pub mean: f64,
    /// The standard deviation of the model's scores over the seeds.
    pub spread: f64,
    /// The standard error of `mean`, from the differences seed by seed: the same seed draws alike for both.
    pub error: f64,
    /// Whether `mean` is no more than twice its standard error: chance would explain it.
    pub within_noise: bool,
    /// Seeds that the model was trained with.
    pub seeds: usize,
}

impl Baseline {
    /// Of one outcome for each seed; the reason, if one of them is none.
    pub fn of(outcomes: &[Outcome], lower_is_better: bool) -> Result<Self, String> {
        let mut scores = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            match outcome {
                Outcome::Scored { value, .. } => scores.push(*value),
                Outcome::Failed(why) => return Err(why.clone()),
            }
        }
        Ok(Self {
            mean: mean(&scores),
            spread: deviation(&scores),
            scores,
            lower_is_better,
        })
    }

    /// The spread relative to the mean.
    pub fn relative_spread(&self) -> f64 {
        self.spread / self.mean.abs()
    }

    /// Whether there is anything to lose.
    pub fn has_learnt(&self) -> bool {
        self.mean.abs() > f64::MIN_POSITIVE && (self.lower_is_better || self.mean > 0.0)
    }

    /// The loss of a model trained with the first seeds; None if a training failed.
    pub fn loss(&self, outcomes: &[Outcome]) -> Option<Loss> {
        let scores: Vec<f64> = outcomes.iter().map(Outcome::value).collect::<Option<_>>()?;
        let seeds = scores.len().min(self.scores.len());
        if seeds == 0 {
            return None;
        }
        let sign = if self.lower_is_better { -1.0 } else { 1.0 };
        let pairs = self.scores.iter().zip(&scores);
        let worse: Vec<f64> = pairs.map(|(base, own)| sign * (base - own)).collect();
        let scale = self.mean.abs();
        let spread = deviation(&scores);
        // One pair shows no spread of its own: then as if the two had nothing in common.
        let apart = if seeds > 1 {
            deviation(&worse)
        } else {
            self.spread * std::f64::consts::SQRT_2
        };
        let error = apart / (seeds as f64).sqrt();
        let mean = mean(&worse) / scale;
        Some(Loss {
            mean,
            spread: spread / scale,
            error: error / scale,
            within_noise: mean.abs() <= 2.0 * error / scale,
            seeds,
        })
    }
}

/// The loss of a configuration on several parts of the data, each by models that were trained on others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Crossed {
    /// On each part, relative to what models reach there that were trained on the original.
    pub losses: Vec<f64>,
    pub mean: f64,
    /// What the loss on one more such part should stay below, nine times of ten.
    pub upper: f64,
}

impl Crossed {
    /// Of its own losses; their spread is told from those of configurations that are `near`, too. `quantile`
    /// is of Student's t.
    pub(super) fn of(own: &[f64], near: &[&[f64]], quantile: f64) -> Self {
        let mean = mean(own);
        let variance = |losses: &[f64]| deviation(losses).powi(2);
        // A model that is the same as the original's everywhere loses nothing elsewhere.
        let spread = if own.iter().all(|loss| *loss == 0.0) {
            0.0
        } else {
            let all = near.iter().map(|losses| variance(losses)).sum::<f64>() + variance(own);
            all / (near.len() + 1) as f64
        };
        // Of one more part's loss from the mean of these.
        let apart = (spread * (1.0 + 1.0 / own.len().max(1) as f64)).sqrt();
        Self {
            losses: own.to_vec(),
            mean,
            upper: mean + quantile * apart,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation of a sample.
fn deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(values: &[f64]) -> Vec<Outcome> {
        values.iter().map(|v| Outcome::of("R2", *v)).collect()
    }

    #[test]
    fn losses_are_relative_and_know_the_noise() {
        let baseline = Baseline::of(&outcomes(&[0.79, 0.80, 0.81]), false).unwrap();
        assert!((baseline.mean - 0.8).abs() < 1e-12 && (baseline.spread - 0.01).abs() < 1e-12);
        let near = baseline.loss(&outcomes(&[0.795, 0.785, 0.805])).unwrap();
        assert!((near.mean - 0.00625).abs() < 1e-9 && near.within_noise);
        // Each seed a little worse: that is no chance.
        let paired = baseline.loss(&outcomes(&[0.785, 0.795, 0.805])).unwrap();
        assert!((paired.mean - 0.00625).abs() < 1e-9 && !paired.within_noise);
        let far = baseline.loss(&outcomes(&[0.7, 0.71, 0.7])).unwrap();
        assert!(!far.within_noise && far.mean > 0.1);
    }

    #[test]
    fn errors_are_better_the_lower_they_are() {
        let baseline = Baseline::of(&outcomes(&[2.0]), true).unwrap();
        assert!((baseline.loss(&outcomes(&[2.2])).unwrap().mean - 0.1).abs() < 1e-12);
        assert!(baseline.loss(&outcomes(&[1.8])).unwrap().mean < 0.0);
    }

    #[test]
    fn losses_of_new_data_are_told_from_the_spread_of_several_parts() {
        let near: &[f64] = &[0.001, 0.003, 0.005];
        let crossed = Crossed::of(&[0.004, 0.004, 0.004], &[near], 1.5);
        // Half of a variance of 4e-6, and a third more.
        let expected = 0.004 + 1.5 * (2e-6_f64 * 4.0 / 3.0).sqrt();
        assert!((crossed.upper - expected).abs() < 1e-12, "{crossed:?}");
        assert_eq!(Crossed::of(&[0.0; 3], &[near], 1.5).upper, 0.0);
    }

    #[test]
    fn no_loss_is_known_where_a_training_failed() {
        let baseline = Baseline::of(&outcomes(&[1.0, 1.0]), false).unwrap();
        let one_failed = [Outcome::of("", 1.0), Outcome::of("", f64::NAN)];
        assert_eq!(baseline.loss(&one_failed), None);
        assert!(Baseline::of(&one_failed, false).is_err());
    }

    #[test]
    fn the_same_scores_are_no_loss() {
        let baseline = Baseline::of(&outcomes(&[0.7, 0.72]), false).unwrap();
        let same = baseline.loss(&outcomes(&[0.7, 0.72])).unwrap();
        assert_eq!(same.mean, 0.0);
        assert!(same.within_noise);
    }
}
