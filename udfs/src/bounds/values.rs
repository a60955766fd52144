//! The bound of each value, and the interval in which its original lies.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ArrowPrimitiveType, AsArray, Float64Array, PrimitiveArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type,
};
use datafusion::common::{Result, ScalarValue, cast::as_float64_array, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility, lit,
};

use super::ColumnBound;
use super::marked::{marked, stated, unprepared};

/// `error_bound(x)`: how far x may be from the original's value, a Float64 in x's unit; 0 for
/// columns that are kept exactly. For a point-wise relative bound it differs from value to value.
///
/// # Errors
/// Of planning, when nothing is known of x: see [the module](super).
pub fn error_bound() -> ScalarUDF {
    Function::udf("error_bound", Answer::Error)
}

/// `value_range(x)`: max - min of the original column's finite values, a Float64 in x's unit; null
/// where that is not known. `error_bound(x) / value_range(x)` is the value-range relative bound.
///
/// # Errors
/// As [`error_bound`].
pub fn value_range() -> ScalarUDF {
    Function::udf("value_range", Answer::Range)
}

/// `lower_bound(x)`: the original's value is this or larger. Of x's type; NaN and infinities, which
/// are the original's own, stand for themselves.
///
/// # Errors
/// As [`error_bound`].
pub fn lower_bound() -> ScalarUDF {
    Function::udf("lower_bound", Answer::Lower)
}

/// `upper_bound(x)`: the original's value is this or smaller; see [`lower_bound`].
///
/// # Errors
/// As [`error_bound`].
pub fn upper_bound() -> ScalarUDF {
    Function::udf("upper_bound", Answer::Upper)
}

/// The smallest original of a column's values.
pub(super) fn lower_of(column: &Expr, bound: ColumnBound) -> Expr {
    prepared(lower_bound(), column, bound)
}

/// The largest original of a column's values.
pub(super) fn upper_of(column: &Expr, bound: ColumnBound) -> Expr {
    prepared(upper_bound(), column, bound)
}

/// The function of a column, with the bound among its arguments: those are what remains of a call
/// where columns become constants, and on its way to other machines.
fn prepared(function: ScalarUDF, column: &Expr, bound: ColumnBound) -> Expr {
    function.call(vec![column.clone(), lit(bound.to_string())])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Answer {
    Error,
    Range,
    Lower,
    Upper,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Function {
    name: &'static str,
    answer: Answer,
    signature: Signature,
}

impl Function {
    fn udf(name: &'static str, answer: Answer) -> ScalarUDF {
        // As it is written; and with the bound.
        let signatures = vec![TypeSignature::Any(1), TypeSignature::Any(2)];
        ScalarUDF::from(Self {
            name,
            answer,
            signature: Signature::one_of(signatures, Volatility::Immutable),
        })
    }

    fn unknown<T>(&self, x: &str) -> Result<T> {
        plan_err!(
            "{}: the error bound of {x:?} is not known; give a column of a packed or portable file, \
             as it is: not computed, not cast, not of other rows",
            self.name
        )
    }

    fn bound(&self, literal: Option<&ScalarValue>) -> Result<ColumnBound> {
        literal.and_then(stated).map_or_else(
            || plan_err!("{}: its second argument is a bound: 'abs:0.1'", self.name),
            Ok,
        )
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} answers by field", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let x = &args.arg_fields[0];
        let bound = match args.scalar_arguments.get(1) {
            Some(literal) => self.bound(*literal)?,
            None => ColumnBound::of(x).map_or_else(|| self.unknown(x.name()), Ok)?,
        };
        let data_type = match self.answer {
            Answer::Error | Answer::Range => DataType::Float64,
            Answer::Lower | Answer::Upper => x.data_type().clone(),
        };
        if !bound.is_exact() && !x.data_type().is_floating() {
            return plan_err!("{}: {:?} is not a column of floats", self.name, x.name());
        }
        let nullable = match self.answer {
            Answer::Error | Answer::Range => true,
            Answer::Lower | Answer::Upper => x.is_nullable(),
        };
        Ok(Arc::new(Field::new(self.name, data_type, nullable)))
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let [x] = &args[..] else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let Some((column, bound)) = marked(x) else {
            return self.unknown(&x.schema_name().to_string());
        };
        Ok(ExprSimplifyResult::Simplified(match self.answer {
            Answer::Range => lit(ScalarValue::Float64(bound.value_range)),
            Answer::Error if bound.pointwise == 0.0 => lit(bound.absolute),
            Answer::Lower | Answer::Upper if bound.is_exact() => column.clone(),
            _ => prepared(Self::udf(self.name, self.answer), column, bound),
        }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [x, ColumnarValue::Scalar(bound)] = &args.args[..] else {
            return unprepared(self.name);
        };
        let bound = self.bound(Some(bound))?;
        match self.answer {
            Answer::Range => Ok(ColumnarValue::Scalar(ScalarValue::Float64(
                bound.value_range,
            ))),
            Answer::Error if bound.pointwise == 0.0 => Ok(ColumnarValue::Scalar(
                ScalarValue::Float64(Some(bound.absolute)),
            )),
            Answer::Lower | Answer::Upper if bound.is_exact() => Ok(x.clone()),
            Answer::Error => {
                let x = cast(&x.to_array(args.number_rows)?, &DataType::Float64)?;
                let errors: Float64Array = as_float64_array(&x)?.unary(|x| error_at(bound, x));
                Ok(ColumnarValue::Array(Arc::new(errors)))
            }
            Answer::Lower => side(&x.to_array(args.number_rows)?, |x| lowest(bound, x)),
            Answer::Upper => side(&x.to_array(args.number_rows)?, |x| -lowest(bound, -x)),
        }
    }
}

/// Applies a monotone function, computed in f64, to an array of floats. What is finite remains so,
/// because a finite value's original is.
fn side(x: &ArrayRef, function: impl Fn(f64) -> f64) -> Result<ColumnarValue> {
    fn map<T: ArrowPrimitiveType>(
        x: &ArrayRef,
        function: impl Fn(T::Native) -> T::Native,
    ) -> ArrayRef {
        let mapped: PrimitiveArray<T> = x.as_primitive::<T>().unary(function);
        Arc::new(mapped)
    }
    let mapped = match x.data_type() {
        DataType::Float64 => map::<Float64Type>(x, function),
        DataType::Float32 => map::<Float32Type>(x, |x| {
            let bound = function(f64::from(x)) as f32;
            if x.is_finite() {
                bound.clamp(f32::MIN, f32::MAX)
            } else {
                bound
            }
        }),
        DataType::Float16 => map::<Float16Type>(x, |x| {
            type F16 = <Float16Type as ArrowPrimitiveType>::Native;
            let bound = F16::from_f64(function(x.to_f64()));
            if x.is_finite() {
                bound.clamp(F16::MIN, F16::MAX)
            } else {
                bound
            }
        }),
        other => return internal_err!("bounds of {other} values"),
    };
    Ok(ColumnarValue::Array(mapped))
}

/// The smallest original that may have become `x`, at most a rounding away.
fn lowest(bound: ColumnBound, x: f64) -> f64 {
    if !x.is_finite() {
        return x;
    }
    let absolute = x - bound.absolute;
    // x lies between (1 - R) and (1 + R) times its original, whose sign it has. Two steps outweigh
    // the two roundings.
    let pointwise = match bound.pointwise {
        0.0 => x,
        _ if x == 0.0 => x,
        ratio if x > 0.0 => (x / (1.0 + ratio)).next_down().next_down(),
        ratio => (x / (1.0 - ratio)).next_down().next_down(),
    };
    absolute.min(pointwise).clamp(f64::MIN, f64::MAX)
}

/// How far `x` may be from its original.
fn error_at(bound: ColumnBound, x: f64) -> f64 {
    if !x.is_finite() {
        return 0.0;
    }
    let pointwise = bound.pointwise * (x.abs() / (1.0 - bound.pointwise));
    bound.absolute.max(pointwise.next_up().next_up())
}
