//! What queries say of columns: expressions, literals that occur in the data, and predicates.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

use crate::chance::Chance;

/// An expression of one column.
#[derive(Debug, Clone)]
pub struct Term {
    /// SQL, with `@` before the column's name.
    form: String,
    pub class: Class,
    /// Whether it is NaN or -0.0 somewhere. DataFusion 55 orders and compares these in more than one
    /// way: totally or as IEEE 754 does, depending on who asks.
    pub odd: bool,
    literals: Vec<String>,
}

/// What can be asked of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Float,
    Integer,
    Text,
    Boolean,
    Other,
}

impl Term {
    /// The terms of a table: its columns, and the parts of those that are nested.
    pub async fn all(ctx: &SessionContext, chance: &mut Chance) -> Vec<Term> {
        let table = ctx.table("t").await.expect("the table is there");
        let mut terms = Vec::new();
        for field in table.schema().fields() {
            let name = format!("@{}", field.name());
            let forms = match field.data_type() {
                DataType::FixedSizeList(..) => {
                    vec![format!("{name}[1]"), format!("{name}[4]")]
                }
                DataType::List(_) | DataType::LargeList(_) => {
                    vec![format!("{name}[1]"), format!("array_length({name})")]
                }
                DataType::Struct(_) => vec![format!("{name}['x']"), format!("{name}['name']")],
                DataType::Float16 => vec![format!("CAST({name} AS DOUBLE)")],
                _ => vec![name],
            };
            for form in forms {
                terms.push(Self::of(ctx, chance, form).await);
            }
        }
        terms
    }

    async fn of(ctx: &SessionContext, chance: &mut Chance, form: String) -> Self {
        let sql = format!("SELECT {} AS v FROM t", form.replace('@', ""));
        let frame = ctx.sql(&sql).await.expect("a term is an expression");
        let data_type = frame.schema().field(0).data_type().clone();
        let batches = frame.collect().await.expect("a term has values");
        let batches: Vec<_> = batches.iter().filter(|b| b.num_rows() > 0).collect();
        let mut literals = Vec::new();
        for _ in 0..12 {
            let Some(batch) = (!batches.is_empty()).then(|| chance.pick(&batches)) else {
                break;
            };
            let row = chance.below(batch.num_rows());
            let value = ScalarValue::try_from_array(batch.column(0), row).expect("a value");
            literals.extend(literal(&value));
        }
        let class = match bare(&data_type) {
            DataType::Float32 | DataType::Float64 => Class::Float,
            data_type if data_type.is_integer() => Class::Integer,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
            DataType::Boolean => Class::Boolean,
            _ => Class::Other,
        };
        let odd = class == Class::Float && batches.iter().any(|batch| is_odd(batch.column(0)));
        // What need not be among the values.
        let more: &[&str] = match class {
            Class::Float => &[
                "0",
                "1.5",
                "-7.25",
                "1e300",
                "CAST('NaN' AS DOUBLE)",
                "CAST('-Infinity' AS DOUBLE)",
            ],
            Class::Integer => &["0", "5", "100"],
            Class::Text => &["''", "'b'", "'zzz'"],
            Class::Boolean => &["true"],
            Class::Other => &[],
        };
        literals.extend(more.iter().map(|more| (*more).to_owned()));
        Self {
            form,
            class,
            odd,
            literals,
        }
    }

    /// The term as SQL, of the table of that name.
    pub fn sql(&self, table: &str) -> String {
        let prefix = match table {
            "" => String::new(),
            table => format!("{table}."),
        };
        self.form.replace('@', &prefix)
    }

    fn literal(&self, chance: &mut Chance) -> String {
        match self.literals.is_empty() {
            true => "NULL".to_owned(),
            false => chance.pick(&self.literals).clone(),
        }
    }
}

fn is_odd(values: &ArrayRef) -> bool {
    let values = cast(values, &DataType::Float64).expect("floats are floats");
    let mut values = values.as_primitive::<Float64Type>().iter().flatten();
    values.any(|x| x.is_nan() || (x == 0.0 && x.is_sign_negative()))
}

fn bare(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

/// A value as SQL; none for nulls.
fn literal(value: &ScalarValue) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let text = value.to_string();
    Some(match value {
        ScalarValue::Dictionary(_, value) => return literal(value),
        ScalarValue::Float64(Some(x)) => format!("CAST('{x:e}' AS DOUBLE)"),
        ScalarValue::Float32(Some(x)) => format!("CAST('{x:e}' AS FLOAT)"),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => format!("'{}'", text.replace('\'', "''")),
        ScalarValue::Date32(_) => format!("CAST('{text}' AS DATE)"),
        ScalarValue::TimestampMicrosecond(Some(ticks), _) => {
            format!("arrow_cast({ticks}, 'Timestamp(Microsecond, None)')")
        }
        ScalarValue::TimestampNanosecond(Some(ticks), _) => {
            format!("arrow_cast({ticks}, 'Timestamp(Nanosecond, None)')")
        }
        ScalarValue::Decimal128(Some(digits), precision, scale) => format!(
            "CAST('{}' AS DECIMAL({precision},{scale}))",
            *digits as f64 / 100.0
        ),
        _ => text,
    })
}

/// A predicate of a row of a table.
pub fn predicate(chance: &mut Chance, terms: &[Term], table: &str) -> String {
    loop {
        let predicate = any_predicate(chance, terms, table);
        // With pushdown_filters, DataFusion 55 takes a filter of a part of a column for applied that
        // it does not apply, if a CASE of another column is in it, which coalesce becomes.
        let of_a_part = predicate.contains('[') || predicate.contains("array_length");
        if !of_a_part || !(predicate.contains("CASE") || predicate.contains("coalesce")) {
            return predicate;
        }
    }
}

fn any_predicate(chance: &mut Chance, terms: &[Term], table: &str) -> String {
    let [a, b, c] = [(); 3].map(|()| condition(chance, terms, table));
    match chance.below(10) {
        0 | 1 => format!("({a} AND {b})"),
        2 => format!("({a} OR {b})"),
        3 => format!("NOT ({a})"),
        4 => format!("({a} AND ({b} OR {c}))"),
        _ => a,
    }
}

fn condition(chance: &mut Chance, terms: &[Term], table: &str) -> String {
    let term = chance.pick(terms);
    let x = term.sql(table);
    match chance.below(16) {
        0 => return format!("{x} IS NULL"),
        1 => return format!("{x} IS NOT NULL"),
        2 => {
            let other = chance.pick(terms);
            if other.class == term.class && term.class != Class::Other {
                let op = chance.pick(&["<", "<=", "=", "<>", ">", ">="]);
                return format!("{x} {op} {}", other.sql(table));
            }
        }
        _ => {}
    }
    match term.class {
        Class::Boolean => match chance.below(4) {
            0 => return x,
            1 => return format!("{x} IS NOT TRUE"),
            2 => return format!("NOT {x}"),
            _ => {}
        },
        Class::Text if chance.one_in(2) => {
            let pattern = chance.pick(&[
                "%", "a%", "%1", "%o%", "_slo%", "n\\%%", "", "it''s%", "O%o",
            ]);
            let like = chance.pick(&["LIKE", "NOT LIKE", "ILIKE"]);
            return match chance.below(5) {
                0 => format!("starts_with({x}, 'b')"),
                1 => format!("length({x}) > {}", chance.below(9)),
                _ => format!("{x} {like} '{pattern}'"),
            };
        }
        Class::Float => match chance.below(10) {
            0 => return format!("isnan({x})"),
            1 => return format!("abs({x}) > {}", term.literal(chance)),
            2 => return format!("{x} + 1 < {}", term.literal(chance)),
            3 => return format!("coalesce({x}, 0) >= {}", term.literal(chance)),
            _ => {}
        },
        _ => {}
    }
    let mut some = || term.literal(chance);
    let (a, b, c) = (some(), some(), some());
    // An IN list tells -0.0 from 0.0, unless DataFusion makes comparisons of it, which do not.
    let first = if term.odd { 2 } else { 0 };
    match first + chance.below(14 - first) {
        0 => format!("{x} IN ({a}, {b}, {c})"),
        1 => format!("{x} NOT IN ({a}, {b})"),
        2 => format!("{x} BETWEEN {a} AND {b}"),
        3 => format!("{x} NOT BETWEEN {a} AND {b}"),
        // DataFusion takes `a IS DISTINCT FROM b AND c` for one of `b AND c`.
        4 => format!("({x} IS DISTINCT FROM {a})"),
        5 => format!("({x} IS NOT DISTINCT FROM {a})"),
        6 => format!("{a} < {x}"),
        7 => format!("CASE WHEN {x} > {a} THEN {x} < {b} ELSE {x} = {c} END"),
        8 => format!("{x} = {a}"),
        9 => format!("{x} <> {a}"),
        10 => format!("{x} < {a}"),
        11 => format!("{x} <= {a}"),
        12 => format!("{x} > {a}"),
        _ => format!("{x} >= {a}"),
    }
}
