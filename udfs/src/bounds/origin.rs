//! Where a column of a plan comes from, and so what is promised of it.
//!
//! Fields alone do not tell. DataFusion's `lag`, `first_value` and the like hand on the field of a
//! column whose rows they choose, and a union takes its fields from those branches that say something.

use datafusion::common::Column;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::{MemTable, source_as_provider};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Distinct, Expr, Filter, Join, JoinType, Limit, LogicalPlan, Repartition, Sort, Subquery,
    SubqueryAlias, TableScan,
};

use super::ColumnBound;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Origin {
    /// Values of a table that makes a promise of them.
    Bounded(ColumnBound),
    /// Constants, and values of a table that makes no promises: they count as their own originals.
    Own,
    Unknown,
}

impl Origin {
    /// Of a column of one of the plans.
    pub(super) fn of_column(column: &Column, plans: &[&LogicalPlan]) -> Self {
        plans
            .iter()
            .find_map(|plan| Some((plan, plan.schema().maybe_index_of_column(column)?)))
            .map_or(Self::Unknown, |(plan, i)| Self::of_output(plan, i))
    }

    /// Of what passes values on as they are, row by row; of anything else nothing is known.
    fn of_output(plan: &LogicalPlan, i: usize) -> Self {
        if i >= plan.schema().fields().len() {
            return Self::Unknown;
        }
        match plan {
            LogicalPlan::TableScan(scan) => Self::of_scan(scan, i),
            LogicalPlan::Filter(Filter { input, .. })
            | LogicalPlan::Sort(Sort { input, .. })
            | LogicalPlan::Limit(Limit { input, .. })
            | LogicalPlan::Repartition(Repartition { input, .. })
            | LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. })
            | LogicalPlan::Subquery(Subquery {
                subquery: input, ..
            })
            | LogicalPlan::Distinct(Distinct::All(input)) => Self::of_output(input, i),
            LogicalPlan::Projection(projection) => {
                Self::of_expr(projection.expr.get(i), &projection.input)
            }
            LogicalPlan::Aggregate(aggregate) => {
                let keys = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
                Self::of_expr(keys.get(i).copied(), &aggregate.input)
            }
            // What a window function answers comes after its input's columns.
            LogicalPlan::Window(window) => Self::of_output(&window.input, i),
            LogicalPlan::Unnest(unnest) => {
                let from = unnest.dependency_indices.get(i);
                from.map_or(Self::Unknown, |i| Self::of_output(&unnest.input, *i))
            }
            LogicalPlan::Join(join) => Self::of_join(join, i),
            LogicalPlan::Union(union) => {
                let branches = union.inputs.iter().map(|branch| Self::of_output(branch, i));
                branches.reduce(Self::beside).unwrap_or(Self::Unknown)
            }
            _ => Self::Unknown,
        }
    }

    fn of_expr(expr: Option<&Expr>, input: &LogicalPlan) -> Self {
        match expr {
            Some(Expr::Alias(alias)) => Self::of_expr(Some(&alias.expr), input),
            Some(Expr::Column(column)) => Self::of_column(column, &[input]),
            // As far from the original's negative as the value from the original's.
            Some(Expr::Negative(value)) => Self::of_expr(Some(value), input),
            Some(Expr::Literal(..)) => Self::Own,
            Some(Expr::Cast(Cast { expr, .. })) if matches!(**expr, Expr::Literal(..)) => Self::Own,
            _ => Self::Unknown,
        }
    }

    fn of_scan(scan: &TableScan, i: usize) -> Self {
        let field = scan.projected_schema.field(i);
        // What a table in memory was made of is not known, whatever its fields say: CREATE TABLE AS
        // and DataFrame::cache take them from any query.
        let made = source_as_provider(&scan.source)
            .is_ok_and(|table| table.is::<MemTable>() || table.is::<CteWorkTable>());
        if made {
            return Self::Unknown;
        }
        let promises = |field| ColumnBound::of(field).is_some();
        match ColumnBound::of(field) {
            Some(bound) => Self::Bounded(bound),
            // Of nested columns, files that are packed say nothing.
            None if field.data_type().is_nested() => Self::Unknown,
            None if scan.source.schema().fields().iter().any(|f| promises(f)) => Self::Unknown,
            None => Self::Own,
        }
    }

    fn of_join(join: &Join, i: usize) -> Self {
        let left = join.left.schema().fields().len();
        match join.join_type {
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                Self::of_output(&join.right, i)
            }
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                Self::of_output(&join.left, i)
            }
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full if i < left => {
                Self::of_output(&join.left, i)
            }
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                Self::of_output(&join.right, i - left)
            }
        }
    }

    /// Of a column that is partly the one, partly the other.
    fn beside(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Bounded(bound), Self::Own) | (Self::Own, Self::Bounded(bound)) => {
                Self::Bounded(ColumnBound {
                    value_range: None,
                    ..bound
                })
            }
            _ => Self::Unknown,
        }
    }
}
