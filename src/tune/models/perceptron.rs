//! A multilayer perceptron: two hidden layers of rectified units, trained with Adam (Kingma and Ba 2015)
//! on shuffled batches, its step falling as a cosine.
//!
//! Of its own, since networks' crates take minutes to build for what is four matrix products here.

use nalgebra::DMatrix;

use super::super::frame::Frame;
use super::prepare;

const HIDDEN: usize = 64;
const BATCH: usize = 128;
const STEP: f32 = 3e-3;
const DECAY: f32 = 1e-4;
/// Rows that are seen in all; a table's epochs are as many as that makes, within limits.
const SEEN_ROWS: usize = 1_000_000;
const EPOCHS: (usize, usize) = (20, 200);

type Values = DMatrix<f32>;

/// What the network's outputs are.
enum Loss<'a> {
    /// A number, standardized; half its squared error.
    Squares(&'a [f32]),
    /// The logarithms of odds of classes; their cross-entropy.
    Classes(&'a [usize], usize),
}

/// Predictions for the rows of `holdout`.
pub(super) fn regress(train: &Frame, holdout: &Frame, seed: u64) -> Vec<f64> {
    let mean = prepare::mean(&train.target);
    let deviation = prepare::deviation(&train.target, mean);
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    let target: Vec<f32> = train
        .target
        .iter()
        .map(|y| ((y - mean) / unit) as f32)
        .collect();
    let outputs = train_and_apply(train, holdout, &Loss::Squares(&target), seed);
    let outputs = outputs.row(0);
    outputs
        .iter()
        .map(|&y| f64::from(y) * unit + mean)
        .collect()
}

/// Positions of classes for the rows of `holdout`.
pub(super) fn classify(
    train: &Frame,
    labels: &[usize],
    classes: usize,
    holdout: &Frame,
    seed: u64,
) -> Vec<usize> {
    let outputs = train_and_apply(train, holdout, &Loss::Classes(labels, classes), seed);
    let columns = outputs.column_iter();
    columns.map(|odds| prepare::most(odds.as_slice())).collect()
}

/// Outputs x rows of the holdout.
fn train_and_apply(train: &Frame, holdout: &Frame, loss: &Loss, seed: u64) -> Values {
    let (x, on) = prepare::scaled(train, holdout);
    let to_inputs = |x: DMatrix<f64>| x.transpose().map(|x| x as f32);
    let (x, on) = (to_inputs(x), to_inputs(on));
    let outputs = match loss {
        Loss::Squares(_) => 1,
        Loss::Classes(_, classes) => *classes,
    };
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut layers = [(x.nrows(), HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, outputs)]
        .map(|(inputs, outputs)| Layer::new(inputs, outputs, &mut rng));
    let rows = x.ncols();
    let epochs = (SEEN_ROWS / rows).clamp(EPOCHS.0, EPOCHS.1);
    let steps = epochs * rows.div_ceil(BATCH);
    let mut order: Vec<usize> = (0..rows).collect();
    let mut step = 0;
    for _ in 0..epochs {
        rng.shuffle(&mut order);
        for batch in order.chunks(BATCH) {
            let turn = std::f32::consts::PI * step as f32 / steps as f32;
            step += 1;
            let rate = STEP * (1.0 + turn.cos()) / 2.0;
            learn(
                &mut layers,
                &x.select_columns(batch),
                loss,
                batch,
                rate,
                step,
            );
        }
    }
    forward(&layers, on).pop().unwrap_or_default()
}

/// One step on a batch: the rows at these positions.
fn learn(
    layers: &mut [Layer; 3],
    inputs: &Values,
    loss: &Loss,
    rows: &[usize],
    rate: f32,
    step: usize,
) {
    let mut activations = forward(layers, inputs.clone());
    let Some(mut slopes) = activations.pop() else {
        return;
    };
    for (mut outputs, &row) in slopes.column_iter_mut().zip(rows) {
        match loss {
            Loss::Squares(target) => outputs[0] -= target[row],
            Loss::Classes(labels, _) => {
                let most = outputs.max();
                outputs.apply(|x| *x = (*x - most).exp());
                let sum = outputs.sum();
                outputs /= sum;
                outputs[labels[row]] -= 1.0;
            }
        }
    }
    slopes /= rows.len() as f32;
    for layer in layers.iter_mut().rev() {
        let Some(inputs) = activations.pop() else {
            return;
        };
        let mut before = layer.weights.tr_mul(&slopes);
        // A rectified unit that gave nothing is not to blame.
        before.zip_apply(&inputs, |slope, x| {
            if x <= 0.0 {
                *slope = 0.0;
            }
        });
        layer.update(&slopes, &inputs, rate, step);
        slopes = before;
    }
}

/// What goes into each layer, and what comes out of the last.
fn forward(layers: &[Layer], inputs: Values) -> Vec<Values> {
    let mut activations = vec![inputs];
    for (i, layer) in layers.iter().enumerate() {
        let mut outputs = &layer.weights * &activations[i];
        for mut column in outputs.column_iter_mut() {
            column += &layer.offsets.column(0);
        }
        if i + 1 < layers.len() {
            outputs.apply(|x| *x = x.max(0.0));
        }
        activations.push(outputs);
    }
    activations
}

struct Layer {
    /// Outputs x inputs.
    weights: Values,
    /// Outputs x 1.
    offsets: Values,
    moments: [Moments; 2],
}

impl Layer {
    /// Weights as He et al. (2015) draw them for rectified units.
    fn new(inputs: usize, outputs: usize, rng: &mut fastrand::Rng) -> Self {
        let limit = (6.0 / inputs as f32).sqrt();
        let weights = Values::from_fn(outputs, inputs, |_, _| (rng.f32() * 2.0 - 1.0) * limit);
        let offsets = Values::zeros(outputs, 1);
        Self {
            moments: [Moments::of(&weights), Moments::of(&offsets)],
            weights,
            offsets,
        }
    }

    fn update(&mut self, slopes: &Values, inputs: &Values, rate: f32, step: usize) {
        let mut weights = slopes * inputs.transpose();
        weights += &self.weights * DECAY;
        let offsets = Values::from_column_slice(slopes.nrows(), 1, slopes.column_sum().as_slice());
        let [first, second] = &mut self.moments;
        first.step(&mut self.weights, &weights, rate, step);
        second.step(&mut self.offsets, &offsets, rate, step);
    }
}

/// Adam's running means of slopes and of their squares.
struct Moments {
    means: Values,
    squares: Values,
}

impl Moments {
    fn of(values: &Values) -> Self {
        let zeros = Values::zeros(values.nrows(), values.ncols());
        Self {
            means: zeros.clone(),
            squares: zeros,
        }
    }

    fn step(&mut self, values: &mut Values, slopes: &Values, rate: f32, step: usize) {
        let unbias = |kept: f32| 1.0 / (1.0 - kept.powi(step.min(100_000) as i32));
        let (first, second) = (unbias(0.9), unbias(0.999));
        let moments = self.means.iter_mut().zip(self.squares.iter_mut());
        for ((value, slope), (mean, square)) in values.iter_mut().zip(slopes.iter()).zip(moments) {
            *mean = 0.9 * *mean + 0.1 * slope;
            *square = 0.999 * *square + 0.001 * slope * slope;
            *value -= rate * (*mean * first) / ((*square * second).sqrt() + 1e-8);
        }
    }
}
