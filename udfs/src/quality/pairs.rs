//! Measures that one pass over the pairs yields.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::correlation::corr_udaf;
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};

use crate::states;

/// `max_abs_error(original, reconstruction)`: the largest |x - x'|, a Float64 in the columns' unit;
/// null without pairs.
pub fn max_abs_error() -> AggregateUDF {
    aggregate("max_abs_error", Measure::MaxAbs)
}

/// `mean_abs_error(original, reconstruction)`: the mean of |x - x'|, a Float64 in the columns' unit;
/// null without pairs.
pub fn mean_abs_error() -> AggregateUDF {
    aggregate("mean_abs_error", Measure::MeanAbs)
}

/// `rmse(original, reconstruction)`: the root of the mean of (x - x')², a Float64 in the columns'
/// unit; null without pairs.
pub fn rmse() -> AggregateUDF {
    aggregate("rmse", Measure::RootMeanSquare)
}

/// `nrmse(original, reconstruction)`: [`rmse`] as a fraction of the range of the original's finite
/// values; NaN where that range is 0 and the error is too, null without pairs.
pub fn nrmse() -> AggregateUDF {
    aggregate("nrmse", Measure::Normalized)
}

/// `psnr(original, reconstruction)`: the peak signal-to-noise ratio, -20 log10 of [`nrmse`], in
/// decibels; infinite without error, null without pairs.
pub fn psnr() -> AggregateUDF {
    aggregate("psnr", Measure::Psnr)
}

/// `ssim(original, reconstruction)`: the structural similarity of the columns as one window, from
/// their means, variances and covariance; 1 where they are equal, null without pairs.
///
/// Wang et al., 2004 (doi 10.1109/TIP.2003.819861), with K1 = 0.01, K2 = 0.03 and the range of the
/// original's finite values as the dynamic range. For windows, group by them and take the mean.
pub fn ssim() -> AggregateUDF {
    aggregate("ssim", Measure::Ssim)
}

/// `pearson(original, reconstruction)`: Pearson's correlation; DataFusion's `corr`.
pub fn pearson() -> AggregateUDF {
    corr_udaf().as_ref().clone().with_aliases(["pearson"])
}

#[derive(Debug, Clone, Copy)]
enum Measure {
    MaxAbs,
    MeanAbs,
    RootMeanSquare,
    Normalized,
    Psnr,
    Ssim,
}

fn aggregate(name: &str, measure: Measure) -> AggregateUDF {
    create_udaf(
        name,
        vec![DataType::Float64, DataType::Float64],
        Arc::new(DataType::Float64),
        Volatility::Immutable,
        Arc::new(move |_| {
            Ok(Box::new(Pairs {
                measure,
                seen: Seen::NONE,
            }))
        }),
        Arc::new(vec![DataType::Float64; PARTS]),
    )
}

/// Numbers of a state.
const PARTS: usize = 11;

/// What has been seen of the pairs.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// Exact up to 2^53.
    count: f64,
    /// Of |x - x'|.
    max: f64,
    sum: f64,
    squares: f64,
    /// Of the original's finite values.
    least: f64,
    most: f64,
    /// The means of x and x', and the sums of products of deviations from them, xx, yy and xy.
    means: [f64; 2],
    moments: [f64; 3],
}

impl Seen {
    const NONE: Seen = Seen {
        count: 0.0,
        max: 0.0,
        sum: 0.0,
        squares: 0.0,
        least: f64::INFINITY,
        most: f64::NEG_INFINITY,
        means: [0.0; 2],
        moments: [0.0; 3],
    };

    fn pair(x: f64, y: f64) -> Self {
        let same = x == y || (x.is_nan() && y.is_nan());
        let error = if same { 0.0 } else { (x - y).abs() };
        let (least, most) = if x.is_finite() {
            (x, x)
        } else {
            (f64::INFINITY, f64::NEG_INFINITY)
        };
        Self {
            count: 1.0,
            max: error,
            sum: error,
            squares: error * error,
            least,
            most,
            means: [x, y],
            moments: [0.0; 3],
        }
    }

    /// Chan, Golub and LeVeque's update of means and moments (1983).
    fn add(&mut self, other: Self) {
        let count = self.count + other.count;
        if other.count == 0.0 {
            return;
        }
        // f64::max would drop NaN.
        self.max = if self.max.is_nan() || other.max.is_nan() {
            f64::NAN
        } else {
            self.max.max(other.max)
        };
        self.sum += other.sum;
        self.squares += other.squares;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        let [dx, dy] = [0, 1].map(|i| other.means[i] - self.means[i]);
        let weight = self.count * other.count / count;
        for (i, product) in [dx * dx, dy * dy, dx * dy].into_iter().enumerate() {
            self.moments[i] += other.moments[i] + product * weight;
        }
        for (mean, d) in self.means.iter_mut().zip([dx, dy]) {
            *mean += d * other.count / count;
        }
        self.count = count;
    }

    fn to_parts(self) -> [f64; PARTS] {
        let ([x, y], [xx, yy, xy]) = (self.means, self.moments);
        [
            self.count,
            self.max,
            self.sum,
            self.squares,
            self.least,
            self.most,
            x,
            y,
            xx,
            yy,
            xy,
        ]
    }

    fn of_parts([count, max, sum, squares, least, most, x, y, xx, yy, xy]: [f64; PARTS]) -> Self {
        Self {
            count,
            max,
            sum,
            squares,
            least,
            most,
            means: [x, y],
            moments: [xx, yy, xy],
        }
    }

    fn rmse(&self) -> f64 {
        (self.squares / self.count).sqrt()
    }

    fn range(&self) -> f64 {
        (self.most - self.least).max(0.0)
    }

    fn ssim(&self) -> f64 {
        if self.sum == 0.0 {
            return 1.0;
        }
        let [x, y] = self.means;
        let [xx, yy, xy] = self.moments.map(|sum| sum / self.count);
        let [c1, c2] = [0.01, 0.03].map(|k: f64| (k * self.range()).powi(2));
        ((2.0 * x * y + c1) * (2.0 * xy + c2)) / ((x * x + y * y + c1) * (xx + yy + c2))
    }
}

#[derive(Debug)]
struct Pairs {
    measure: Measure,
    seen: Seen,
}

impl Accumulator for Pairs {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (x, y) = (
            values[0].as_primitive::<Float64Type>(),
            values[1].as_primitive::<Float64Type>(),
        );
        for (x, y) in x.iter().zip(y) {
            if let (Some(x), Some(y)) = (x, y) {
                self.seen.add(Seen::pair(x, y));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states::rows(states) {
            self.seen.add(Seen::of_parts(state));
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let parts = self.seen.to_parts();
        Ok(parts.into_iter().map(ScalarValue::from).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let seen = &self.seen;
        let value = (seen.count > 0.0).then(|| match self.measure {
            Measure::MaxAbs => seen.max,
            Measure::MeanAbs => seen.sum / seen.count,
            Measure::RootMeanSquare => seen.rmse(),
            Measure::Normalized => seen.rmse() / seen.range(),
            Measure::Psnr if seen.squares == 0.0 => f64::INFINITY,
            Measure::Psnr => -20.0 * (seen.rmse() / seen.range()).log10(),
            Measure::Ssim => seen.ssim(),
        });
        Ok(ScalarValue::Float64(value))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
