//! Bounds are taken when a query is planned: a rule of the analyzer marks the columns that this crate's
//! functions are given with what is promised of them, and the functions make literals of that. When a
//! query runs it is too late: DataFusion's scans put literals, whose fields say nothing, in the place
//! of columns that are constant or missing in a file.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::optimizer::AnalyzerRule;

use super::ColumnBound;
use super::aggregates::IntervalOf;
use super::origin::Origin;
use super::predicates::Modality;
use super::values::Function;

/// A column with what is promised of it, as the functions see it in `simplify`. They take it off.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mark {
    signature: Signature,
}

/// The column, with its bound.
fn mark(column: Expr, bound: ColumnBound) -> Expr {
    let signature = Signature::any(2, Volatility::Immutable);
    ScalarUDF::from(Mark { signature }).call(vec![column, lit(bound.to_string())])
}

/// A column that has been marked, and its bound.
pub(super) fn marked(expr: &Expr) -> Option<(&Expr, ColumnBound)> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    call.func.inner().downcast_ref::<Mark>()?;
    match &call.args[..] {
        [column, Expr::Literal(bound, _)] => Some((column, stated(bound)?)),
        _ => None,
    }
}

/// The bound that a literal states.
pub(super) fn stated(literal: &ScalarValue) -> Option<ColumnBound> {
    literal.try_as_str()??.parse().ok()
}

/// The expression without marks.
pub(super) fn unmarked(expr: &Expr) -> Result<Expr> {
    let take_off = |expr: Expr| {
        Ok(match marked(&expr) {
            Some((column, _)) => Transformed::yes(column.clone()),
            None => Transformed::no(expr),
        })
    };
    Ok(expr.clone().transform_down(take_off)?.data)
}

/// The error of a function that runs as it was written.
pub(super) fn unprepared<T>(name: &str) -> Result<T> {
    plan_err!(
        "{name} works in queries that the optimizer has seen: its rule simplify_expressions replaces it"
    )
}

impl ScalarUDFImpl for Mark {
    fn name(&self) -> &str {
        "tolerant_bounded"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} answers by field", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = &args.arg_fields[0];
        let bound = args.scalar_arguments.get(1).copied().flatten();
        Ok(match bound.and_then(stated) {
            Some(bound) => Arc::new(bound.attach(&ColumnBound::detach(field))),
            None => Arc::clone(field),
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        unprepared(self.name())
    }
}

/// Marks the columns.
#[derive(Debug)]
pub(super) struct MarkBounds;

impl AnalyzerRule for MarkBounds {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(mark_plan)?.data)
    }

    fn name(&self) -> &str {
        "tolerant_mark_bounds"
    }
}

fn mark_plan(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut asks = false;
    plan.apply_expressions(|expr| {
        asks |= expr.exists(|expr| Ok(is_question(expr)))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !asks {
        return Ok(Transformed::no(plan));
    }
    let whole = plan.clone();
    let sources = match &whole {
        LogicalPlan::TableScan(_) => vec![&whole],
        other => other.inputs(),
    };
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let expr = expr.transform_down(|expr| mark_question(expr, &sources))?;
        Ok(expr.update_data(|expr| name.restore(expr)))
    })
}

/// Whether it is a call of a function that takes bounds, and has not taken them yet: then it has one
/// argument.
fn is_question(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let inner = func.inner();
            let takes = inner.is::<Function>() || inner.is::<Modality>();
            takes && args.len() == 1
        }
        Expr::AggregateFunction(call) => {
            call.func.inner().is::<IntervalOf>() && call.params.args.len() == 1
        }
        _ => false,
    }
}

fn mark_question(expr: Expr, sources: &[&LogicalPlan]) -> Result<Transformed<Expr>> {
    if !is_question(&expr) {
        return Ok(Transformed::no(expr));
    }
    let mark_all = |args: Vec<Expr>| -> Result<Vec<Expr>> {
        let columns = args.into_iter().map(|arg| mark_columns(arg, sources));
        columns.collect()
    };
    Ok(Transformed::yes(match expr {
        Expr::ScalarFunction(mut call) => {
            call.args = mark_all(call.args)?;
            Expr::ScalarFunction(call)
        }
        Expr::AggregateFunction(mut call) => {
            call.params.args = mark_all(call.params.args)?;
            Expr::AggregateFunction(call)
        }
        other => other,
    }))
}

fn mark_columns(arg: Expr, sources: &[&LogicalPlan]) -> Result<Expr> {
    let mark_one = |expr: Expr| {
        let origin = match &expr {
            Expr::Column(column) => Origin::of_column(column, sources),
            _ => Origin::Unknown,
        };
        Ok(match origin {
            // The column within is not to be marked again.
            Origin::Bounded(bound) => {
                Transformed::new(mark(expr, bound), true, TreeNodeRecursion::Jump)
            }
            _ if marked(&expr).is_some() => Transformed::new(expr, false, TreeNodeRecursion::Jump),
            _ => Transformed::no(expr),
        })
    };
    Ok(arg.transform_down(mark_one)?.data)
}
