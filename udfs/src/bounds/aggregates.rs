//! Aggregates whose answer on the original, over the same rows, lies within what they return.
//! Rows that a query chooses by lossy columns may be others than on the original.
//!
//! Each takes one expression, which becomes its two ends when a query is planned; or two, a lower
//! and an upper bound. Answers are structs of `lower` and `upper`, null where nothing is aggregated.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type};
use datafusion::common::scalar::ScalarStructBuilder;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility,
};

use super::interval::interval;
use super::marked::unprepared;
use super::predicates::{Want, rewrite};
use crate::states;

/// `sum_interval(x)`: the sum of the original's values lies within, both the real one and one that
/// is added up in Float64 in any order. NaN and infinities are the original's own.
///
/// # Errors
/// Of planning, for what no bound is known of; see [`certainly`](super::certainly).
pub fn sum_interval() -> AggregateUDF {
    IntervalOf::udf("sum_interval", Kind::Sum)
}

/// `avg_interval(x)`: the mean of the original's values lies within; see [`sum_interval`].
pub fn avg_interval() -> AggregateUDF {
    IntervalOf::udf("avg_interval", Kind::Mean)
}

/// `min_interval(x)`: the smallest of the original's values lies within; see [`sum_interval`].
pub fn min_interval() -> AggregateUDF {
    IntervalOf::udf("min_interval", Kind::Min)
}

/// `max_interval(x)`: the largest of the original's values lies within; see [`sum_interval`].
pub fn max_interval() -> AggregateUDF {
    IntervalOf::udf("max_interval", Kind::Max)
}

/// `count_interval(predicate)`: the number of the original's rows of which the predicate is true lies
/// within: at least those that [`certainly`](super::certainly) are, at most those that
/// [`possibly`](super::possibly) are. Int64.
pub fn count_interval() -> AggregateUDF {
    IntervalOf::udf("count_interval", Kind::Count)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Mean,
    Min,
    Max,
    Count,
}

impl Kind {
    fn end_type(self) -> DataType {
        match self {
            Self::Count => DataType::Int64,
            _ => DataType::Float64,
        }
    }

    fn fields(self) -> Fields {
        let end = |name| Field::new(name, self.end_type(), true);
        Fields::from(vec![end("lower"), end("upper")])
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IntervalOf {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

impl IntervalOf {
    fn udf(name: &'static str, kind: Kind) -> AggregateUDF {
        AggregateUDF::from(Self {
            name,
            kind,
            signature: Signature::variadic_any(Volatility::Immutable),
        })
    }
}

impl AggregateUDFImpl for IntervalOf {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let fits = |x: &DataType| match self.kind {
            Kind::Count => matches!(x, DataType::Boolean | DataType::Null),
            _ => x.is_numeric() || x.is_null(),
        };
        if !matches!(args.len(), 1 | 2) || !args.iter().all(fits) {
            let wanted = match self.kind {
                Kind::Count => "a predicate",
                _ => "a number",
            };
            return plan_err!("{} takes {wanted}, or its lower and upper end", self.name);
        }
        Ok(DataType::Struct(self.kind.fields()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let part = |i| Field::new(format!("{}[{i}]", args.name), DataType::Float64, false);
        Ok((0..PARTS).map(|i| Arc::new(part(i))).collect())
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let kind = self.kind;
        let split = move |call: AggregateFunction, info: &SimplifyContext| {
            let [value] = &call.params.args[..] else {
                return Ok(Expr::AggregateFunction(call));
            };
            let ends = match kind {
                Kind::Count => [Want::Certain, Want::Possible]
                    .into_iter()
                    .map(|want| rewrite(value, want, info.schema()))
                    .collect::<Result<_>>()?,
                _ => {
                    let ends = interval(value, info.schema())?;
                    vec![ends.lower, ends.upper]
                }
            };
            let params = AggregateFunctionParams {
                args: ends,
                ..call.params
            };
            Ok(Expr::AggregateFunction(AggregateFunction {
                params,
                ..call
            }))
        };
        Some(Box::new(split))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.exprs.len() != 2 {
            return unprepared(self.name);
        }
        if args.is_distinct {
            return plan_err!("{} does not know DISTINCT", self.name);
        }
        Ok(Box::new(Ends::new(self.kind)))
    }
}

/// Numbers of a state.
const PARTS: usize = 5;

/// What has been seen of the values' lower and upper ends.
#[derive(Debug)]
struct Ends {
    kind: Kind,
    /// Exact up to 2^53.
    count: f64,
    lower: f64,
    upper: f64,
    /// Of finite ends, the sum of the larger magnitudes.
    magnitude: f64,
    /// The sum of the values that are not finite, or 0.
    special: f64,
}

impl Ends {
    fn new(kind: Kind) -> Self {
        let (lower, upper) = match kind {
            // The neutral elements of the total order.
            Kind::Min => (f64::NAN.abs(), f64::NAN.abs()),
            Kind::Max => (-f64::NAN.abs(), -f64::NAN.abs()),
            _ => (0.0, 0.0),
        };
        Self {
            kind,
            count: 0.0,
            lower,
            upper,
            magnitude: 0.0,
            special: 0.0,
        }
    }

    fn add(&mut self, lower: f64, upper: f64) {
        if matches!(self.kind, Kind::Sum | Kind::Mean) && !(lower.is_finite() && upper.is_finite())
        {
            self.count += 1.0;
            if lower.to_bits() == upper.to_bits() {
                self.special += lower;
            } else {
                // An end that overflowed: nothing is known.
                self.magnitude = f64::INFINITY;
            }
            return;
        }
        self.merge([1.0, lower, upper, lower.abs().max(upper.abs()), 0.0]);
    }

    fn merge(&mut self, [count, lower, upper, magnitude, special]: [f64; PARTS]) {
        let pick = |a: f64, b: f64, low: bool| if a.total_cmp(&b).is_lt() == low { a } else { b };
        match self.kind {
            Kind::Min => {
                self.lower = pick(self.lower, lower, true);
                self.upper = pick(self.upper, upper, true);
            }
            Kind::Max => {
                self.lower = pick(self.lower, lower, false);
                self.upper = pick(self.upper, upper, false);
            }
            Kind::Sum | Kind::Mean | Kind::Count => {
                self.lower += lower;
                self.upper += upper;
            }
        }
        self.count += count;
        self.magnitude += magnitude;
        self.special += special;
    }

    /// The ends of the sum, moved outward by what adding up may have lost here, and what it may lose
    /// on the original: each at most `count` roundings of a partial sum.
    fn sums(&self) -> (f64, f64) {
        if self.magnitude == f64::INFINITY {
            return (f64::NEG_INFINITY, f64::INFINITY);
        }
        if self.special != 0.0 {
            return (self.special, self.special);
        }
        let loss = (self.count + 2.0) * f64::EPSILON;
        let slack = loss * (1.0 + 4.0 * loss) * self.magnitude;
        (
            (self.lower - slack).next_down(),
            (self.upper + slack).next_up(),
        )
    }
}

impl Accumulator for Ends {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if self.kind == Kind::Count {
            let certain = cast(&values[0], &DataType::Boolean)?;
            let possible = cast(&values[1], &DataType::Boolean)?;
            self.count += certain.len() as f64;
            self.lower += certain
                .as_boolean()
                .iter()
                .filter(|x| *x == Some(true))
                .count() as f64;
            self.upper += possible
                .as_boolean()
                .iter()
                .filter(|x| *x == Some(true))
                .count() as f64;
            return Ok(());
        }
        let lower = cast(&values[0], &DataType::Float64)?;
        let upper = cast(&values[1], &DataType::Float64)?;
        let (lower, upper) = (
            lower.as_primitive::<Float64Type>(),
            upper.as_primitive::<Float64Type>(),
        );
        for (lower, upper) in lower.iter().zip(upper) {
            if let (Some(lower), Some(upper)) = (lower, upper) {
                self.add(lower, upper);
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in states::rows(states) {
            // A state of no values is neutral, but for the sign of a NaN on its way.
            if state[0] > 0.0 {
                self.merge(state);
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = [
            self.count,
            self.lower,
            self.upper,
            self.magnitude,
            self.special,
        ];
        Ok(state.into_iter().map(ScalarValue::from).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let fields = self.kind.fields();
        if self.kind == Kind::Count {
            let end = |count: f64| ScalarValue::Int64(Some(count as i64));
            return struct_of(&fields, end(self.lower), end(self.upper));
        }
        if self.count == 0.0 {
            return ScalarValue::try_from(DataType::Struct(fields));
        }
        let (lower, upper) = match self.kind {
            Kind::Sum => self.sums(),
            Kind::Mean => {
                let (lower, upper) = self.sums();
                if self.special != 0.0 {
                    (lower, upper)
                } else {
                    (
                        (lower / self.count).next_down(),
                        (upper / self.count).next_up(),
                    )
                }
            }
            _ => (self.lower, self.upper),
        };
        struct_of(&fields, lower.into(), upper.into())
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

fn struct_of(fields: &Fields, lower: ScalarValue, upper: ScalarValue) -> Result<ScalarValue> {
    ScalarStructBuilder::new()
        .with_scalar(Arc::clone(&fields[0]), lower)
        .with_scalar(Arc::clone(&fields[1]), upper)
        .build()
}
