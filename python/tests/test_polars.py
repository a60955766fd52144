"""Protects the Polars source: the same answers as of the plain table, from fewer bytes."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import tolerant
from conftest import bytes_read
from polars.testing import assert_frame_equal
from tolerant._polars import necessary


@pytest.fixture(scope="module")
def frame(plain) -> pl.DataFrame:
    return pl.DataFrame(plain.drop(["vector"]))


@pytest.fixture(scope="module")
def lazy(packed, frame) -> pl.LazyFrame:
    return tolerant.read(packed, frame.columns).to_polars_lazy()


QUERIES = {
    "everything": lambda t: t,
    "columns": lambda t: t.select("id", "walk"),
    "renamed": lambda t: t.select(pl.col("walk").alias("w"), pl.col("id") * 2),
    "comparison": lambda t: t.filter(pl.col("walk") > 10.5),
    "flipped": lambda t: t.filter(10 <= pl.col("id"), 20 > pl.col("id")),
    "equal float": lambda t: t.filter(pl.col("noisy") == t.lazy().select("noisy").collect()[9, 0]),
    "zeros": lambda t: t.filter(pl.col("noisy") >= 0.0).select("noisy", "id"),
    "rounded": lambda t: t.filter(pl.col("ramp") <= 0.1),
    "nan": lambda t: t.filter(pl.col("noisy") > 1e300).select("id"),
    "strings": lambda t: t.filter((pl.col("city") == "Oslo") | pl.col("gaps").is_null()),
    "between": lambda t: t.filter(pl.col("id").is_between(100, 200, closed="none")),
    "not understood": lambda t: t.filter(pl.col("city").str.starts_with("O"), pl.col("id") < 999),
    "in": lambda t: t.filter(pl.col("id").is_in([5, 7])),
    "head": lambda t: t.head(7),
    "head, then filter": lambda t: t.head(50).filter(pl.col("city") == "Bern"),
    "filter, then head": lambda t: t.filter(pl.col("city") == "Bern").head(50),
    "slice": lambda t: t.slice(100, 20).select("id"),
    "count": lambda t: t.select(pl.len()),
    "aggregate": lambda t: t.group_by("city").agg(pl.col("id").sum()).sort("city"),
    "times": lambda t: t.filter(pl.col("when") < pl.datetime(1970, 1, 1, microsecond=9)),
    "flags": lambda t: t.filter(pl.col("flag"), ~(pl.col("id") > 9)),
}


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_answers_are_those_of_the_plain_table(lazy, frame, query, engine):
    found = QUERIES[query](lazy).collect(engine=engine)
    expected = QUERIES[query](frame.lazy()).collect()
    assert_frame_equal(found, expected, check_exact=True)
    if query not in ("nan",):
        assert len(found) > 0


def test_projections_predicates_and_limits_read_fewer_bytes(packed):
    lazy = tolerant.scan(packed)
    whole = bytes_read(lazy.collect)
    assert bytes_read(lazy.select("ramp").collect) < 0.3 * whole
    assert bytes_read(lazy.filter(pl.col("ramp") < 0.01).collect) < 0.5 * whole
    assert bytes_read(lazy.head(10).collect) < 0.5 * whole


def test_a_filter_of_the_dataset_holds_too(packed, frame):
    lazy = tolerant.read(packed, ["id", "walk"], "id < 100").to_polars_lazy()
    found = lazy.filter(pl.col("id") >= 90).collect()
    assert_frame_equal(found, frame.select("id", "walk").slice(90, 10))


def test_what_is_necessary_is_never_less_than_the_predicate():
    schema = pl.Schema({"f": pl.Float32, "d": pl.Float64, "i": pl.Int64, "s": pl.String})
    f, d, i, s = (pl.col(name) for name in "fdis")
    understood = {
        "not": ~(f > 1),
        "function": f.abs() > 1,
        "other columns": f > d,
        "float with int": i > 1.5,
        "infinite": d > float("inf"),
        "negated or": (f > 1) | ~(d > 1),
    }
    for name, predicate in understood.items():
        assert necessary(predicate, schema) is None, name
    assert necessary((i > 1) & (f.abs() > 1), schema) == '("i" > 1)'
    assert necessary(s == "it's", schema) == "\"s\" = 'it''s'"
    assert necessary(i.is_null(), schema) == '("i" IS NULL)'
    low, high = necessary(d == 2.0, schema).split(" AND ")
    assert low.startswith('("d" >= 1.99') and high.startswith('"d" <= 2.00')


def test_polars_schema_is_that_of_the_rows(packed):
    lazy = tolerant.scan(packed)
    assert lazy.collect_schema() == lazy.head(1).collect().schema
    assert lazy.collect_schema()["vector"] == pl.Array(pl.Float32, 2)
    assert pa.table(tolerant.read(packed)).num_rows == lazy.select(pl.len()).collect().item()


def test_float16_and_the_largest_numbers(tmp_path):
    halves = np.array([0.5, 1, 1.5, 2, 3, -1], "f2")
    path = tmp_path / "halves.parquet"
    tolerant.compress(
        pa.table({"h": halves, "x": halves.astype("f8")}), path, columns={"h": "exact", "x": "exact"}
    )
    lazy = tolerant.scan(path)
    assert lazy.filter(pl.col("h") > 1.5).collect()["h"].to_list() == [2, 3]
    assert lazy.filter(pl.col("h").is_between(1, 2)).collect()["h"].to_list() == [1, 1.5, 2]
    largest = np.finfo("f8").max
    assert lazy.filter(pl.col("x") >= -largest, pl.col("x") <= largest).collect().height == 6
