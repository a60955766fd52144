//! Random queries of a table `t`, whose column `id` is in all files and no id twice.

use crate::chance::Chance;
use crate::terms::{Class, Term, predicate};

/// A query, and how two answers to it are to be alike.
#[derive(Debug)]
pub struct Query {
    pub sql: String,
    pub rows: Rows,
}

/// Which rows are an answer, in which order.
#[derive(Debug, PartialEq)]
pub enum Rows {
    /// These, in this order.
    Ordered,
    /// These, in any order.
    Unordered,
    /// So many, any of those that another query has.
    Among { all: String, limit: usize },
}

impl Query {
    pub fn new(chance: &mut Chance, terms: &[Term]) -> Self {
        let mut maker = Maker { chance, terms };
        let unordered = |sql| Self {
            sql,
            rows: Rows::Unordered,
        };
        let ordered = |sql| Self {
            sql,
            rows: Rows::Ordered,
        };
        match maker.chance.below(14) {
            0 | 1 => unordered(maker.selection()),
            2 => maker.limited(),
            3 | 4 => ordered(maker.top_k()),
            5 => ordered(maker.top_keys()),
            6 | 7 => unordered(maker.aggregates()),
            8 | 9 => unordered(maker.groups()),
            10 => unordered(maker.join()),
            11 => unordered(maker.window()),
            12 => unordered(maker.subquery()),
            _ => unordered(maker.sets()),
        }
    }
}

struct Maker<'a> {
    chance: &'a mut Chance,
    terms: &'a [Term],
}

impl<'a> Maker<'a> {
    fn term(&mut self) -> String {
        self.chance.pick(self.terms).sql("")
    }

    /// A term that has one order.
    fn plain(&mut self) -> &'a Term {
        let plain: Vec<&'a Term> = self.terms.iter().filter(|term| !term.odd).collect();
        plain[self.chance.below(plain.len())]
    }

    /// `WHERE ...`, or nothing.
    fn filter(&mut self) -> String {
        match self.chance.one_in(4) {
            true => String::new(),
            false => format!(" WHERE {}", predicate(self.chance, self.terms, "")),
        }
    }

    fn projection(&mut self) -> String {
        if self.chance.one_in(5) {
            return "*".to_owned();
        }
        let n = 1 + self.chance.below(4.min(self.terms.len()));
        let terms: Vec<Term> = self
            .chance
            .some(self.terms, n)
            .into_iter()
            .cloned()
            .collect();
        let named = terms.iter().enumerate().map(|(i, term)| match term.class {
            Class::Float if self.chance.one_in(5) => format!("{} * 2 AS e{i}", term.sql("")),
            _ => format!("{} AS e{i}", term.sql("")),
        });
        named.collect::<Vec<_>>().join(", ")
    }

    fn selection(&mut self) -> String {
        format!("SELECT {} FROM t{}", self.projection(), self.filter())
    }

    fn limited(&mut self) -> Query {
        let all = self.selection();
        let limit = *self.chance.pick(&[0, 1, 7, 100, 700]);
        Query {
            sql: format!("{all} LIMIT {limit}"),
            rows: Rows::Among { all, limit },
        }
    }

    fn order(&mut self) -> String {
        let direction = *self.chance.pick(&["", " ASC", " DESC"]);
        let nulls = *self.chance.pick(&["", " NULLS FIRST", " NULLS LAST"]);
        format!("{direction}{nulls}")
    }

    fn limit(&mut self) -> String {
        let limit = match self.chance.one_in(5) {
            true => String::new(),
            false => format!(" LIMIT {}", self.chance.pick(&[1, 3, 10, 60, 1000])),
        };
        match self.chance.one_in(4) {
            true => format!("{limit} OFFSET {}", self.chance.below(40)),
            false => limit,
        }
    }

    /// A total order, for no id is there twice. DataFusion's dynamic filter of a top-k loses rows of
    /// -0.0 where others are 0.0, of ordinary Parquet too.
    fn top_k(&mut self) -> String {
        let (selection, order) = (self.selection(), self.order());
        let key = self.plain().sql("");
        let by_id = if self.chance.one_in(4) { " DESC" } else { "" };
        let keys = match self.chance.one_in(3) {
            true => format!("id{order}"),
            false => format!("{key}{order}, id{by_id}"),
        };
        format!("{selection} ORDER BY {keys}{}", self.limit())
    }

    /// Keys alone, of which equal ones have no order to tell.
    fn top_keys(&mut self) -> String {
        let (filter, order) = (self.filter(), self.order());
        let key = self.plain().sql("");
        format!(
            "SELECT {key} AS k FROM t{filter} ORDER BY k{order}{}",
            self.limit()
        )
    }

    fn aggregate(&mut self, i: usize) -> String {
        let term = self.chance.pick(self.terms);
        let x = term.sql("");
        match (term.class, self.chance.below(8)) {
            (_, 0) => format!("count(*) AS a{i}"),
            (_, 1) => format!("count({x}) AS a{i}"),
            (_, 2) => format!("count(DISTINCT {x}) AS a{i}"),
            (Class::Integer, 3 | 4) => format!("sum(CAST({x} AS DECIMAL(30, 0))) AS a{i}"),
            // Rounded as often as there are rows, in the order in which they come.
            (Class::Float, 3) => format!("sum({x}) AS approx{i}"),
            (Class::Float, 4) => format!("avg({x}) AS approx{i}"),
            (Class::Boolean, 3..) => format!("bool_or({x}) AS a{i}"),
            (_, n) => {
                let function = if n == 5 { "max" } else { "min" };
                // With NaN, DataFusion's depend on how the rows are cut in batches and groups.
                let filter = match term.odd {
                    true => format!(" FILTER (WHERE NOT isnan({x}) AND {x} <> 0)"),
                    false => String::new(),
                };
                format!("{function}({x}){filter} AS a{i}")
            }
        }
    }

    fn aggregate_list(&mut self) -> String {
        let n = 1 + self.chance.below(3);
        let all: Vec<String> = (0..n).map(|i| self.aggregate(i)).collect();
        all.join(", ")
    }

    fn aggregates(&mut self) -> String {
        let filter = match self.chance.one_in(2) {
            true => String::new(),
            false => self.filter(),
        };
        format!("SELECT {} FROM t{filter}", self.aggregate_list())
    }

    fn groups(&mut self) -> String {
        let (key, second) = (self.term(), self.term());
        let having = match self.chance.one_in(4) {
            true => " HAVING count(*) > 2",
            false => "",
        };
        let (list, filter) = (self.aggregate_list(), self.filter());
        match self.chance.one_in(3) {
            true => format!(
                "SELECT {key} AS k, {second} AS l, {list} FROM t{filter} GROUP BY {key}, {second}{having}"
            ),
            false => format!("SELECT {key} AS k, {list} FROM t{filter} GROUP BY {key}{having}"),
        }
    }

    fn join(&mut self) -> String {
        let kind = *self.chance.pick(&[
            "JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
            "LEFT SEMI JOIN",
            "LEFT ANTI JOIN",
        ]);
        // A top-k of distinct NaN panics in DataFusion 55.
        let key = self.plain().clone();
        let value = self.chance.pick(self.terms);
        let (value, left, right) = (value.sql("a"), key.sql("a"), key.sql("b"));
        let filter = predicate(self.chance, self.terms, "");
        let after = predicate(self.chance, self.terms, "a");
        match self.chance.below(3) {
            0 => format!(
                "SELECT a.id, {value} AS v FROM t a {kind} (SELECT * FROM t WHERE {filter}) b ON a.id = b.id WHERE {after}"
            ),
            // A few keys, once each.
            1 => format!(
                "SELECT a.id, {value} AS v FROM t a {kind} (SELECT DISTINCT {key} AS k FROM t WHERE {filter} ORDER BY k LIMIT 5) b ON {left} = b.k",
                key = key.sql("")
            ),
            _ => format!(
                "SELECT count(*) FROM (SELECT * FROM t WHERE id % 7 = 1) a {kind} (SELECT * FROM t WHERE {filter} AND id % 5 = 1) b ON {left} = {right}"
            ),
        }
    }

    fn window(&mut self) -> String {
        let (part, x, order, filter) = (self.term(), self.term(), self.order(), self.filter());
        let over = format!("OVER (PARTITION BY {part} ORDER BY id)");
        let function = match self.chance.below(7) {
            0 => format!("row_number() {over}"),
            1 => format!("lag({x}) {over}"),
            2 => format!("rank() OVER (ORDER BY {x}{order})"),
            3 => format!("sum(id) {over}"),
            4 => format!("first_value({x}) {over}"),
            5 => "sum(id) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING)".to_owned(),
            _ => format!("count({x}) OVER (PARTITION BY {part})"),
        };
        format!("SELECT id, {function} AS w FROM t{filter}")
    }

    fn subquery(&mut self) -> String {
        let (y, filter) = (self.term(), self.filter());
        let x = self.plain().sql("");
        let inner = predicate(self.chance, self.terms, "");
        let of_b = predicate(self.chance, self.terms, "b");
        match self.chance.below(6) {
            0 => format!("SELECT id FROM t WHERE {x} = (SELECT max({x}) FROM t{filter})"),
            1 => format!("SELECT id FROM t WHERE {x} >= (SELECT min({x}) FROM t{filter})"),
            2 => {
                format!("SELECT id, {y} AS v FROM t WHERE {x} IN (SELECT {x} FROM t WHERE {inner})")
            }
            3 => format!("SELECT id FROM t WHERE id NOT IN (SELECT id FROM t WHERE {inner})"),
            4 => format!(
                "SELECT a.id FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE b.id = a.id + 1 AND {of_b})"
            ),
            _ => format!(
                "WITH few AS (SELECT id, {y} AS v FROM t WHERE {inner}) SELECT count(*), count(v), min(id) FROM few"
            ),
        }
    }

    fn sets(&mut self) -> String {
        let (x, one, other) = (self.term(), self.filter(), self.filter());
        match self.chance.below(4) {
            0 => format!("SELECT DISTINCT {x} AS v FROM t{one}"),
            1 => format!("SELECT id FROM t{one} UNION ALL SELECT id FROM t{other}"),
            2 => format!("SELECT id FROM t{one} INTERSECT SELECT id FROM t{other}"),
            _ => format!("SELECT {x} AS v FROM t{one} EXCEPT SELECT {x} AS v FROM t{other}"),
        }
    }
}
