"""Protects ``tolerant.tune``: bounds for a table of Python's, the report's files, and its errors."""

import numpy as np
import pyarrow as pa
import pytest
import tolerant


@pytest.fixture(scope="module")
def table() -> pa.Table:
    random = np.random.default_rng(1)
    a, b, noise = random.random((3, 500)).astype("f4")
    return pa.table({"a": a, "b": b, "noise": noise, "y": 10 * a + b})


def test_bounds_are_found_and_written(table, tmp_path):
    seen = []
    report = tolerant.tune(
        table,
        target="y",
        path=tmp_path / "report",
        model="linear",
        seeds=2,
        evaluations=60,
        progress=lambda *told: seen.append(told),
    )
    chosen = report["chosen"]
    assert chosen["table_ratio"] > 1
    bounds = {column["name"]: column["bound"] for column in chosen["columns"]}
    assert bounds.keys() == {"a", "b", "noise", "y"}
    assert bounds["noise"] >= bounds["a"]
    for name in ("report.html", "report.json", "config.toml", "journal.jsonl"):
        assert (tmp_path / "report" / name).stat().st_size > 0
    assert seen and all(total == 60 for _, _, total in seen)


def test_two_searches_find_the_same(table):
    reports = [
        tolerant.tune(table, target="y", model="linear", seeds=1, evaluations=20) for _ in range(2)
    ]
    assert reports[0] == reports[1]


def test_errors(table):
    with pytest.raises(ValueError, match="no column is named"):
        tolerant.tune(table, target="z")
    with pytest.raises(ValueError, match="task="):
        tolerant.tune(table, target="y", task="guess")
    with pytest.raises(ValueError, match="no method"):
        tolerant.tune(table, target="y", methods=["zip"])
    with pytest.raises(ValueError, match="model"):
        tolerant.tune(table, target="y", model="oracle")
