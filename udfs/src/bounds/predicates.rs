//! Which rows satisfy a predicate on the original: for certain, and possibly.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::functions::math::expr_fn::isnan;
use datafusion::logical_expr::expr::{Between, Cast, InList};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, binary_expr, lit, not,
};

use super::ColumnBound;
use super::interval::{Interval, interval, is_exact, literal};
use super::marked::{marked, unmarked, unprepared};

/// `certainly(predicate)`: true where the predicate holds on the original, whatever values within the
/// error bounds it had.
///
/// The predicate: comparisons, BETWEEN, IN, IS NULL, AND, OR, NOT, over columns with a known bound,
/// +, -, and * and / by constants. It becomes a predicate on the stored values when a query is
/// planned, one that row groups and pages are pruned by where a column is compared with a constant.
///
/// # Errors
/// Of planning, for other predicates and for columns of which no bound is known.
pub fn certainly() -> ScalarUDF {
    Modality::udf("certainly", Want::Certain)
}

/// `possibly(predicate)`: true where values within the error bounds satisfy the predicate, so that it
/// may have held on the original; false where it did not for certain. See [`certainly`].
///
/// # Errors
/// As [`certainly`].
pub fn possibly() -> ScalarUDF {
    Modality::udf("possibly", Want::Possible)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Want {
    Certain,
    Possible,
}

impl Want {
    fn of_negation(self) -> Self {
        match self {
            Self::Certain => Self::Possible,
            Self::Possible => Self::Certain,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Modality {
    name: &'static str,
    want: Want,
    signature: Signature,
}

impl Modality {
    fn udf(name: &'static str, want: Want) -> ScalarUDF {
        ScalarUDF::from(Self {
            name,
            want,
            signature: Signature::exact(vec![DataType::Boolean], Volatility::Immutable),
        })
    }
}

impl ScalarUDFImpl for Modality {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match &args[..] {
            [predicate] => {
                let on_stored = rewrite(predicate, self.want, info.schema())?;
                Ok(ExprSimplifyResult::Simplified(on_stored))
            }
            _ => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        unprepared(self.name)
    }
}

/// The predicate on stored values that says what is wanted of one on the original.
pub(super) fn rewrite(predicate: &Expr, want: Want, schema: &DFSchema) -> Result<Expr> {
    if is_exact(predicate)? {
        return unmarked(predicate);
    }
    let same = |inner: &Expr| rewrite(inner, want, schema);
    match predicate {
        Expr::Alias(alias) => same(&alias.expr),
        Expr::Not(inner) => Ok(not(rewrite(inner, want.of_negation(), schema)?)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => Ok(binary_expr(same(left)?, *op, same(right)?)),
            _ => compare(left, *op, right, want, schema),
        },
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let inside = binary_expr((**expr).clone(), Operator::GtEq, (**low).clone()).and(
                binary_expr((**expr).clone(), Operator::LtEq, (**high).clone()),
            );
            same(&if *negated { not(inside) } else { inside })
        }
        Expr::InList(InList {
            expr,
            list,
            negated,
        }) => {
            let equal = |value: &Expr| binary_expr((**expr).clone(), Operator::Eq, value.clone());
            let any = list.iter().map(equal).reduce(Expr::or);
            let any = any.unwrap_or_else(|| lit(false));
            same(&if *negated { not(any) } else { any })
        }
        // A bound keeps nulls.
        Expr::IsNull(inner) => Ok(interval(inner, schema)?.lower.is_null()),
        Expr::IsNotNull(inner) => Ok(interval(inner, schema)?.lower.is_not_null()),
        _ => {
            let predicate = unmarked(predicate)?;
            plan_err!(
                "whether {predicate} held on the original is not known; use comparisons, BETWEEN, \
                 IN, IS NULL, AND, OR and NOT"
            )
        }
    }
}

fn compare(left: &Expr, op: Operator, right: &Expr, want: Want, schema: &DFSchema) -> Result<Expr> {
    let (a, b) = (interval(left, schema)?, interval(right, schema)?);
    let computed: Vec<Expr> = [&a, &b]
        .into_iter()
        .filter(|ends| ends.computed)
        .flat_map(|ends| [isnan(ends.lower.clone()), isnan(ends.upper.clone())])
        .collect();
    let plain = match (op, want) {
        (Operator::Eq, Want::Certain) => a.lower.gt_eq(b.upper).and(a.upper.lt_eq(b.lower)),
        (Operator::Eq, Want::Possible) => a.upper.gt_eq(b.lower).and(a.lower.lt_eq(b.upper)),
        (Operator::NotEq, Want::Certain) => a.upper.lt(b.lower).or(a.lower.gt(b.upper)),
        (Operator::NotEq, Want::Possible) => a.upper.gt(b.lower).or(a.lower.lt(b.upper)),
        (Operator::Gt | Operator::GtEq, _) => {
            let (x, y) = ends(a, b, want);
            binary_expr(x, op, y)
        }
        (Operator::Lt | Operator::LtEq, _) => {
            let (y, x) = ends(b, a, want);
            binary_expr(x, op, y)
        }
        _ => {
            return plan_err!("{op} is not known on intervals; use =, <>, <, <=, > and >=");
        }
    };
    let plain = match want {
        Want::Certain => computed
            .into_iter()
            .fold(plain, |all, nan| all.and(not(nan))),
        Want::Possible => computed.into_iter().fold(plain, Expr::or),
    };
    Ok(match prunable(left, op, right, want) {
        Some(weaker) => weaker.and(plain),
        None => plain,
    })
}

/// The ends of which `large > small` says what is wanted.
fn ends(large: Interval, small: Interval, want: Want) -> (Expr, Expr) {
    match want {
        Want::Certain => (large.lower, small.upper),
        Want::Possible => (large.upper, small.lower),
    }
}

/// What follows from a comparison of a column with a constant, as such a comparison: statistics tell
/// where it does not hold.
fn prunable(left: &Expr, op: Operator, right: &Expr, want: Want) -> Option<Expr> {
    let Some(constant) = literal(right) else {
        literal(left)?;
        return prunable(right, op.swap()?, left, want);
    };
    let (column, bound) = bounded(left).filter(|(_, bound)| bound.pointwise == 0.0)?;
    let slack = match want {
        Want::Certain => 0.0,
        Want::Possible => bound.absolute,
    };
    let near = |op: Operator, slack: f64| {
        let limit = match op {
            Operator::Gt | Operator::GtEq => (constant - slack).next_down(),
            _ => (constant + slack).next_up(),
        };
        let limit = match right {
            Expr::Literal(ScalarValue::Float32(_), _) => {
                let rounded = limit as f32;
                let outward = match op {
                    Operator::Gt | Operator::GtEq => rounded.next_down(),
                    _ => rounded.next_up(),
                };
                ScalarValue::Float32(Some(outward))
            }
            _ => ScalarValue::Float64(Some(limit)),
        };
        binary_expr(column.clone(), op, Expr::Literal(limit, None))
    };
    match op {
        Operator::Gt | Operator::GtEq | Operator::Lt | Operator::LtEq => Some(near(op, slack)),
        Operator::Eq => Some(near(Operator::GtEq, slack).and(near(Operator::LtEq, slack))),
        _ => None,
    }
}

/// A column, which may be cast to a wider float, and its bound.
fn bounded(expr: &Expr) -> Option<(Expr, ColumnBound)> {
    match expr {
        Expr::Cast(Cast { expr, field }) if *field.data_type() == DataType::Float64 => {
            let (column, bound) = bounded(expr)?;
            let cast = Cast::new_from_field(Box::new(column), field.clone());
            Some((Expr::Cast(cast), bound))
        }
        _ => marked(expr).map(|(column, bound)| (column.clone(), bound)),
    }
}
