//! Distances between the distributions of two columns, whatever stands beside what.
//!
//! They keep the values of a group in memory, 8 bytes each, until it is complete. Nulls and NaN do
//! not count.

use std::sync::Arc;

use datafusion::arrow::array::Float64Array;
use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, AggregateUDF, Volatility, create_udaf};

/// `ks_statistic(a, b)`: the Kolmogorov-Smirnov statistic of two samples, the largest distance
/// between their distribution functions, from 0 to 1; null where either has no values.
pub fn ks_statistic() -> AggregateUDF {
    aggregate("ks_statistic", Distance::KolmogorovSmirnov)
}

/// `wasserstein(a, b)`: the first Wasserstein (earth mover's) distance between two samples, the area
/// between their distribution functions, in the columns' unit; null where either has no values.
pub fn wasserstein() -> AggregateUDF {
    aggregate("wasserstein", Distance::Wasserstein)
}

#[derive(Debug, Clone, Copy)]
enum Distance {
    KolmogorovSmirnov,
    Wasserstein,
}

fn aggregate(name: &str, distance: Distance) -> AggregateUDF {
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
    create_udaf(
        name,
        vec![DataType::Float64, DataType::Float64],
        Arc::new(DataType::Float64),
        Volatility::Immutable,
        Arc::new(move |_| {
            Ok(Box::new(Samples {
                distance,
                samples: [Vec::new(), Vec::new()],
            }))
        }),
        Arc::new(vec![list.clone(), list]),
    )
}

#[derive(Debug)]
struct Samples {
    distance: Distance,
    samples: [Vec<f64>; 2],
}

impl Samples {
    fn add(&mut self, i: usize, values: &ArrayRef) {
        let values = values.as_primitive::<Float64Type>();
        let known = values.iter().flatten().filter(|x| !x.is_nan());
        self.samples[i].extend(known);
    }
}

impl Accumulator for Samples {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(0, &values[0]);
        self.add(1, &values[1]);
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (i, lists) in states.iter().enumerate() {
            for list in lists.as_list::<i32>().iter().flatten() {
                self.add(i, &list);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let lists = self.samples.iter_mut().map(|sample| {
            let values: ArrayRef = Arc::new(Float64Array::from(std::mem::take(sample)));
            SingleRowListArrayBuilder::new(values).build_list_scalar()
        });
        Ok(lists.collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let [a, b] = &mut self.samples;
        if a.is_empty() || b.is_empty() {
            return Ok(ScalarValue::Float64(None));
        }
        // So that equal numbers are equal in order, too.
        for sample in [&mut *a, &mut *b] {
            sample.iter_mut().for_each(|x| *x += 0.0);
            sample.sort_unstable_by(f64::total_cmp);
        }
        let distance = match self.distance {
            Distance::KolmogorovSmirnov => steps(a, b).map(|(_, gap)| gap).fold(0.0, f64::max),
            // Where the functions agree an infinite step is no distance.
            Distance::Wasserstein => steps(a, b)
                .filter(|(_, gap)| *gap > 0.0)
                .map(|(width, gap)| width * gap)
                .sum(),
        };
        Ok(ScalarValue::Float64(Some(distance)))
    }

    fn size(&self) -> usize {
        let bytes = |sample: &Vec<f64>| sample.capacity() * size_of::<f64>();
        size_of_val(self) + self.samples.iter().map(bytes).sum::<usize>()
    }
}

/// The distances between the distribution functions of two sorted samples, each with the width of
/// the step on which it holds; 0 wide after the last value.
fn steps(a: &[f64], b: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    let (mut i, mut j) = (0, 0);
    std::iter::from_fn(move || {
        let next = |i: usize, j: usize| match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => Some(x.min(*y)),
            (one, other) => one.or(other).copied(),
        };
        let x = next(i, j)?;
        i += a[i..].iter().take_while(|y| **y == x).count();
        j += b[j..].iter().take_while(|y| **y == x).count();
        let gap = (i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs();
        let width = next(i, j).map_or(0.0, |y| y - x);
        Some((width, gap))
    })
}
