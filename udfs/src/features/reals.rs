//! Functions of numbers to a number; null where an argument is.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use super::{at, float64s};

/// `standardize(x, mean, stddev)`: (x - mean) / stddev; x - mean where stddev is 0, as for a constant
/// column.
pub fn standardize() -> ScalarUDF {
    real("standardize", |[x, mean, stddev]| {
        (x - mean) / if stddev == 0.0 { 1.0 } else { stddev }
    })
}

/// `min_max_scale(x, min, max)`: (x - min) / (max - min), from 0 to 1 within the range; x - min where
/// the range is 0.
pub fn min_max_scale() -> ScalarUDF {
    real("min_max_scale", |[x, min, max]| {
        // Halves, because max - min may overflow.
        let width = max / 2.0 - min / 2.0;
        if width == 0.0 {
            x - min
        } else {
            (x / 2.0 - min / 2.0) / width
        }
    })
}

/// `clip(x, low, high)`: x, but at least low and at most high; NaN remains.
pub fn clip() -> ScalarUDF {
    real("clip", |[x, low, high]| {
        if x < low {
            low
        } else if x > high {
            high
        } else {
            x
        }
    })
}

/// `box_cox(x, lambda)`: (x^lambda - 1) / lambda, ln x for lambda 0; NaN unless x is positive.
///
/// Box and Cox, 1964.
pub fn box_cox() -> ScalarUDF {
    real("box_cox", |[x, lambda]| {
        if x > 0.0 {
            power_transform(x.ln(), lambda)
        } else {
            f64::NAN
        }
    })
}

/// `yeo_johnson(x, lambda)`: Box and Cox's transform of x + 1, and beyond 0 the mirrored one with 2 -
/// lambda.
///
/// Yeo and Johnson, 2000.
pub fn yeo_johnson() -> ScalarUDF {
    real("yeo_johnson", |[x, lambda]| {
        if x >= 0.0 {
            power_transform(x.ln_1p(), lambda)
        } else {
            -power_transform((-x).ln_1p(), 2.0 - lambda)
        }
    })
}

/// `cyclic_sin(x, period)`: the sine of x's place in a period, such as the hour in a day of 24.
pub fn cyclic_sin() -> ScalarUDF {
    real("cyclic_sin", |[x, period]| phase(x, period).sin())
}

/// `cyclic_cos(x, period)`: the cosine of x's place in a period; see [`cyclic_sin`].
pub fn cyclic_cos() -> ScalarUDF {
    real("cyclic_cos", |[x, period]| phase(x, period).cos())
}

/// (e^(lambda * log) - 1) / lambda, and its limit at 0.
fn power_transform(log: f64, lambda: f64) -> f64 {
    if lambda == 0.0 {
        log
    } else {
        (lambda * log).exp_m1() / lambda
    }
}

fn phase(x: f64, period: f64) -> f64 {
    (x % period) / period * std::f64::consts::TAU
}

fn real<const N: usize>(name: &str, function: fn([f64; N]) -> f64) -> ScalarUDF {
    create_udf(
        name,
        vec![DataType::Float64; N],
        DataType::Float64,
        Volatility::Immutable,
        Arc::new(move |args: &[ColumnarValue]| {
            let arrays = ColumnarValue::values_to_arrays(args)?;
            let arrays: Vec<ArrayRef> = arrays.iter().map(float64s).collect::<Result<_, _>>()?;
            let rows = arrays.first().map_or(0, |array| array.len());
            let answers: Float64Array = (0..rows)
                .map(|i| {
                    let mut values = [0.0; N];
                    for (value, array) in values.iter_mut().zip(&arrays) {
                        *value = at(array, i)?;
                    }
                    Some(function(values))
                })
                .collect();
            Ok(ColumnarValue::Array(Arc::new(answers)))
        }),
    )
}
