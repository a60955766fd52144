//! Expressions of columns as intervals: the smallest and the largest value that they may have had
//! on the original.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Operator, Volatility, binary_expr,
};

use super::marked::{marked, unmarked};
use super::values::{lower_of, upper_of};

/// Two expressions between whose values that of the original lies.
pub(super) struct Interval {
    pub(super) lower: Expr,
    pub(super) upper: Expr,
    /// Whether infinite ends may have met on the way, and made an end NaN that bounds nothing.
    pub(super) computed: bool,
}

/// Whether `expr` has the value that it has on the original: its columns are known to be exact.
pub(super) fn is_exact(expr: &Expr) -> Result<bool> {
    let mut exact = true;
    expr.apply(|expr| {
        if let Some((_, bound)) = marked(expr) {
            exact &= bound.is_exact();
            return Ok(TreeNodeRecursion::Jump);
        }
        exact &= match expr {
            Expr::Column(_) => false,
            Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Volatile,
            Expr::OuterReferenceColumn(..)
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_) => false,
            _ => true,
        };
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(exact)
}

/// The interval of `expr` on the original.
///
/// # Errors
/// For expressions other than columns with a known bound, exact ones, +, -, and * and / by
/// constants.
pub(super) fn interval(expr: &Expr, schema: &DFSchema) -> Result<Interval> {
    if is_exact(expr)? {
        return Ok(Interval {
            lower: unmarked(expr)?,
            upper: unmarked(expr)?,
            computed: false,
        });
    }
    if let Some((column, bound)) = marked(expr) {
        return Ok(Interval {
            lower: lower_of(column, bound),
            upper: upper_of(column, bound),
            computed: false,
        });
    }
    match expr {
        Expr::Alias(alias) => interval(&alias.expr, schema),
        Expr::Column(column) => plan_err!(
            "the error bound of {column} is not known; give columns of packed or portable files, as \
             they are"
        ),
        // Rounding is monotone, and so is casting between floats.
        Expr::Cast(Cast { expr: inner, field })
            if field.data_type().is_floating() && inner.get_type(schema)?.is_floating() =>
        {
            let inner = interval(inner, schema)?;
            let cast = |end| Expr::Cast(Cast::new_from_field(Box::new(end), field.clone()));
            Ok(Interval {
                lower: cast(inner.lower),
                upper: cast(inner.upper),
                ..inner
            })
        }
        Expr::Negative(inner) => {
            let inner = interval(inner, schema)?;
            Ok(Interval {
                lower: Expr::Negative(Box::new(inner.upper)),
                upper: Expr::Negative(Box::new(inner.lower)),
                ..inner
            })
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => arithmetic(left, *op, right, schema),
        _ => unknown(expr),
    }
}

fn arithmetic(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<Interval> {
    let whole = || binary_expr(left.clone(), op, right.clone());
    let ends = |a: Interval, b: Interval, op: Operator, swapped: bool| {
        let (low, high) = if swapped {
            (b.upper, b.lower)
        } else {
            (b.lower, b.upper)
        };
        Interval {
            lower: binary_expr(a.lower, op, low),
            upper: binary_expr(a.upper, op, high),
            computed: true,
        }
    };
    let scaled = |value: &Expr, sign: bool, by: &dyn Fn(Expr) -> Expr| {
        let value = interval(value, schema)?;
        let (lower, upper) = (by(value.lower), by(value.upper));
        let (lower, upper) = if sign { (lower, upper) } else { (upper, lower) };
        Ok(Interval {
            lower,
            upper,
            computed: true,
        })
    };
    if !left.get_type(schema)?.is_floating() || !right.get_type(schema)?.is_floating() {
        return unknown(&whole());
    }
    match op {
        Operator::Plus => Ok(ends(
            interval(left, schema)?,
            interval(right, schema)?,
            op,
            false,
        )),
        Operator::Minus => Ok(ends(
            interval(left, schema)?,
            interval(right, schema)?,
            op,
            true,
        )),
        Operator::Multiply | Operator::Divide => {
            if let Some(factor) = constant(right) {
                let by = |end| binary_expr(end, op, right.clone());
                return scaled(left, factor > 0.0, &by);
            }
            match constant(left) {
                Some(factor) if op == Operator::Multiply => {
                    let by = |end| binary_expr(left.clone(), op, end);
                    scaled(right, factor > 0.0, &by)
                }
                _ => unknown(&whole()),
            }
        }
        _ => unknown(&whole()),
    }
}

fn unknown<T>(expr: &Expr) -> Result<T> {
    let expr = unmarked(expr)?;
    plan_err!(
        "what {expr} was on the original is not known; use columns, +, -, and * and / by constants"
    )
}

/// A finite constant other than 0.
fn constant(expr: &Expr) -> Option<f64> {
    let value = literal(expr)?;
    (value.is_finite() && value != 0.0).then_some(value)
}

/// The value of a float literal.
pub(super) fn literal(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(value), _) => *value,
        Expr::Literal(ScalarValue::Float32(value), _) => value.map(f64::from),
        _ => None,
    }
}
