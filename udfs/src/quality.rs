//! Aggregates over pairs of an original and its reconstruction.
//!
//! A pair in which either is null does not count. A NaN in both counts as no error, as does the same
//! infinity in both; a NaN in one makes the result NaN, for no distance describes it.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};

/// `max_abs_error(original, reconstruction)`: the largest |x - x'|, a Float64 in the columns' unit;
/// null without pairs.
pub fn max_abs_error() -> AggregateUDF {
    aggregate("max_abs_error", Measure::MaxAbs)
}

/// `rmse(original, reconstruction)`: the root of the mean of (x - x')², a Float64 in the columns'
/// unit; null without pairs.
pub fn rmse() -> AggregateUDF {
    aggregate("rmse", Measure::RootMeanSquare)
}

#[derive(Debug, Clone, Copy)]
enum Measure {
    MaxAbs,
    RootMeanSquare,
}

fn aggregate(name: &str, measure: Measure) -> AggregateUDF {
    create_udaf(
        name,
        vec![DataType::Float64, DataType::Float64],
        Arc::new(DataType::Float64),
        Volatility::Immutable,
        Arc::new(move |_| {
            Ok(Box::new(Errors {
                measure,
                count: 0.0,
                total: 0.0,
            }))
        }),
        Arc::new(vec![DataType::Float64, DataType::Float64]),
    )
}

/// The errors seen so far.
#[derive(Debug)]
struct Errors {
    measure: Measure,
    /// Exact up to 2^53 pairs.
    count: f64,
    /// The largest error, or the sum of squares.
    total: f64,
}

impl Errors {
    fn add(&mut self, count: f64, total: f64) {
        self.count += count;
        self.total = match self.measure {
            // f64::max would drop NaN.
            Measure::MaxAbs if total.is_nan() || self.total.is_nan() => f64::NAN,
            Measure::MaxAbs => self.total.max(total),
            Measure::RootMeanSquare => self.total + total,
        };
    }
}

impl Accumulator for Errors {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (x, y) = (
            values[0].as_primitive::<Float64Type>(),
            values[1].as_primitive::<Float64Type>(),
        );
        for (x, y) in x.iter().zip(y.iter()) {
            let (Some(x), Some(y)) = (x, y) else { continue };
            let same = x == y || (x.is_nan() && y.is_nan());
            let error = if same { 0.0 } else { (x - y).abs() };
            match self.measure {
                Measure::MaxAbs => self.add(1.0, error),
                Measure::RootMeanSquare => self.add(1.0, error * error),
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let (counts, totals) = (
            states[0].as_primitive::<Float64Type>(),
            states[1].as_primitive::<Float64Type>(),
        );
        counts
            .values()
            .iter()
            .zip(totals.values())
            .for_each(|(count, total)| self.add(*count, *total));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![
            ScalarValue::from(self.count),
            ScalarValue::from(self.total),
        ])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = (self.count > 0.0).then_some(match self.measure {
            Measure::MaxAbs => self.total,
            Measure::RootMeanSquare => (self.total / self.count).sqrt(),
        });
        Ok(ScalarValue::Float64(value))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}
