"""Protects writing: from any kind of table, with the promise kept over all of its rows."""

import datetime
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import tolerant


@pytest.fixture(scope="module")
def small() -> pa.Table:
    # The range of the whole is not that of any part.
    x = np.concatenate([np.linspace(0, 1, 5000), np.linspace(0, 1000, 5000)])
    return pa.table({"x": x.astype("f4"), "id": np.arange(10_000), "name": ["a", "b"] * 5000})


def sources(table: pa.Table, folder):
    pq.write_table(table, folder / "source.parquet")
    pa.csv.write_csv(table, folder / "source.csv")
    relation = duckdb.connect().from_arrow(table)
    return {
        "pyarrow table": table,
        "pyarrow reader": table.to_reader(),
        "pandas": table.to_pandas(),
        "polars": pl.DataFrame(table),
        "duckdb": relation,
        "batches": iter(table.to_batches(max_chunksize=999)),
        "list of batches": table.to_batches(max_chunksize=999),
        "frames": (table.slice(i, 1000).to_pandas() for i in range(0, 10_000, 1000)),
        "path": folder / "source.parquet",
        "csv": str(folder / "source.csv"),
        "paths": [folder / "source.parquet"],
        "dataset": tolerant.read(folder / "source.parquet"),
    }


@pytest.mark.parametrize("kind", sources(pa.table({"x": [1.0]}), Path(
    mkdtemp())))
def test_any_table_is_a_source(small, tmp_path, kind):
    packed = tmp_path / "packed.parquet"
    report = tolerant.compress(sources(small, tmp_path)[kind], packed, rel=1e-3)
    assert report["rows"] == 10_000
    assert report["file_bytes"] == packed.stat().st_size
    # Of the whole column's range, whichever batch came first.
    (x,) = (column for column in report["columns"] if column["name"] == "x")
    assert x["abs_bound"] == pytest.approx(1.0, rel=1e-3)
    assert x["max_error"] <= x["abs_bound"]
    original = sources(small, tmp_path)[kind]
    verdict = tolerant.verify(original, packed)
    assert (verdict["violations"], verdict["rows"]) == (0, 10_000)
    assert [path.suffix for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_chunks_of_pandas_are_one_table(small, tmp_path):
    pa.csv.write_csv(small, tmp_path / "source.csv")
    path = tmp_path / "packed.parquet"
    tolerant.compress(pd.read_csv(tmp_path / "source.csv", chunksize=3000), path, abs=0)
    frame = pd.read_parquet(tolerant.open(path))
    assert frame.index.tolist() == list(range(10_000))
    assert frame["id"].tolist() == list(range(10_000))

    def later_nulls():
        yield pa.record_batch([pa.array([1.0])], pa.schema([pa.field("x", "double", nullable=False)]))
        yield pa.record_batch({"x": pa.array([None], pa.float64())})

    tolerant.compress(later_nulls(), path, abs=0)
    assert pa.table(tolerant.read(path)).to_pydict() == {"x": [1.0, None]}


def test_violations_are_found(small, tmp_path):
    packed = tmp_path / "packed.parquet"
    tolerant.compress(small, packed, rel=1e-3)
    other = small.set_column(0, "x", pa.array(np.zeros(10_000, "f4")))
    verdict = tolerant.verify(other, packed)
    assert verdict["violations"] > 0
    assert verdict["columns"][0]["bound_exceeded"] > 0


def test_bounds_of_all_kinds(tmp_path):
    values = np.random.default_rng(0).lognormal(size=20_000)
    table = pa.table({name: values for name in "abcdef"})
    path = tmp_path / "bounds.parquet"
    columns = {"a": "abs:0.5", "b": "exact", "c": "pwrel:0.01", "d": "psnr:60.5", "e": "rel:0.01@p1..p99"}
    report = tolerant.compress(table, path, rel="1e-2@p5..p95", columns=columns)
    bounds = {column["name"]: column["bound"] for column in report["columns"]}
    assert bounds == {**columns, "f": "rel:0.01@p5..p95"}
    assert tolerant.verify(table, path)["violations"] == 0
    read = pa.table(tolerant.read(path)).to_pandas()
    assert (read["b"] == values).all()
    assert 0 < np.abs(read["a"] - values).max() <= 0.5
    assert (np.abs(read["c"] - values) <= 0.01 * values).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rel": 2.0}, "rel:2"),
        ({"rel": 1e-3, "abs": 1.0}, "rel and abs"),
        ({"columns": {"y": "exact"}}, "no column is named"),
        ({"columns": {"x": "about"}}, "not an error bound"),
        ({"columns": {"name": "abs:1"}}, "always stored exactly"),
        ({"layout": "loose"}, "packed or portable"),
        ({"effort": "huge"}, "effort"),
        ({"row_order": "random"}, "keep or any"),
        ({"row_id": "id"}, "another name"),
        ({"block_rows": 0}, "block"),
    ],
)
def test_mistaken_options_are_value_errors(small, tmp_path, options, message):
    path = tmp_path / "packed.parquet"
    with pytest.raises(ValueError, match=message):
        tolerant.compress(small, path, **options)
    assert list(tmp_path.iterdir()) == []


def test_layouts_and_orders(small, tmp_path):
    portable = tmp_path / "portable.parquet"
    tolerant.compress(small, portable, rel=1e-2, layout="portable")
    assert tolerant.inspect(portable)["layout"] == "portable"
    assert pq.read_table(portable).num_rows == 10_000
    shuffled = small.take(np.random.default_rng(0).permutation(10_000))
    ordered = tmp_path / "ordered.parquet"
    report = tolerant.compress(
        shuffled, ordered, rel=1e-2, row_order="any", effort="fast", max_references=0
    )
    assert report["row_order"]["row_groups"] == 1
    assert tolerant.inspect(ordered)["row_order"] == "any"
    assert tolerant.verify(shuffled, ordered)["violations"] == 0
    numbered = tmp_path / "numbered.parquet"
    tolerant.compress(small, numbered, rel=1e-2, row_id="row")
    assert tolerant.inspect(numbered)["row_id"] == "row"
    assert pa.table(tolerant.read(numbered, ["row"]))["row"].to_pylist() == list(range(10_000))


def test_nulls_and_specials_survive(tmp_path):
    values = [1.0, None, float("nan"), float("inf"), -0.0, None, 5.0]
    types = {"half": pa.float16(), "single": pa.float32(), "double": pa.float64()}
    table = pa.table(
        {
            **{name: pa.array(values).cast(t) for name, t in types.items()},
            "text": [None, "", "x", "y", None, "z", "w"],
            "day": [datetime.date(2020, 1, 1), None] * 3 + [None],
            "kind": pa.array(["u", "v", None, "u", "u", "v", "v"]).dictionary_encode(),
        }
    )
    path = tmp_path / "special.parquet"
    tolerant.compress(table, path, rel=1e-2)
    assert tolerant.verify(table, path)["violations"] == 0
    assert tolerant.verify(pl.DataFrame(table.drop(["half"])), path)["problems"] != []
    read = pa.table(tolerant.read(path))
    assert [column.null_count for column in read.columns] == [2, 2, 2, 2, 4, 1]


def test_progress_is_told_and_may_stop(small, tmp_path):
    path = tmp_path / "packed.parquet"
    told = []
    tolerant.compress(small, path, progress=lambda *now: told.append(now))
    phase, rows, total = told[-1]
    assert (phase, rows) == ("compressing", 10_000) and total in (None, 10_000)

    class Enough(Exception):
        pass

    def stop(phase, rows, total):
        raise Enough

    before = path.read_bytes()
    with pytest.raises(Enough):
        tolerant.compress(small, path, rel=1e-2, progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["packed.parquet"]
    assert path.read_bytes() == before


def test_what_a_source_raises_is_raised(small, tmp_path):
    def batches():
        yield small.slice(0, 10)
        raise RuntimeError("the disk is on fire")

    path = tmp_path / "packed.parquet"
    with pytest.raises(RuntimeError, match="on fire"):
        tolerant.compress(batches(), path)
    with pytest.raises(ValueError, match="other columns"):
        tolerant.compress([small, small.select(["x"])], path)
    with pytest.raises(ValueError, match="without a single batch"):
        tolerant.compress(iter([]), path)
    twice = pa.Table.from_arrays([small["x"], small["x"]], ["x", "x"])
    with pytest.raises(ValueError, match='two columns are named "x"'):
        tolerant.compress(twice, path)
    with pytest.raises(ValueError, match="without columns"):
        tolerant.compress(pa.table({}), path)
    with pytest.raises(TypeError, match="no table"):
        tolerant.compress(7, path)
    with pytest.raises(TypeError, match="no batch"):
        tolerant.compress([7], path)
    assert os.listdir(tmp_path) == []


def test_a_file_is_rewritten_from_itself(small, tmp_path):
    path = tmp_path / "packed.parquet"
    tolerant.compress(small, path, abs=0)
    tolerant.compress(tolerant.read(path, ["id"], "id < 10"), path)
    assert pa.table(tolerant.read(path)).to_pydict() == {"id": list(range(10))}


def test_one_thread_suffices(tmp_path):
    script = """
import pyarrow as pa, tolerant
table = pa.table({"x": [float(i) for i in range(100_000)]})
tolerant.compress(table, "a.parquet", row_group_rows=10_000)
data = tolerant.read("a.parquet")
tolerant.compress(data, "b.parquet", abs=0)
assert tolerant.verify(data, "b.parquet")["violations"] == 0
assert tolerant.verify("a.parquet", "b.parquet")["violations"] == 0
started = [iter(tolerant.read("a.parquet")) for _ in range(9)]
assert all(next(batches) is not None for batches in started)
assert sum(len(batch["x"]) for batch in tolerant.batches("b.parquet")) == 100_000
# Work that waits for the callback leaves its thread to what the callback does.
def progress(*now):
    tolerant.compress(data, "c.parquet", rel=1e-2)
tolerant.compress(data, "d.parquet", progress=progress)
assert tolerant.verify(data, "d.parquet")["violations"] == 0
"""
    one = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKIO_WORKER_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=one, check=True, timeout=60)


def test_an_index_of_pandas_is_kept_as_arrow_has_it(tmp_path):
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index([5, 6], name="key"))
    path = tmp_path / "packed.parquet"
    tolerant.compress(frame, path, abs=0)
    assert pd.read_parquet(tolerant.open(path)).equals(frame)


def test_inspect_says_what_a_file_holds(small, tmp_path):
    path = tmp_path / "packed.parquet"
    tolerant.compress(small, path, rel=1e-3, block_rows=1000)
    report = tolerant.inspect(path)
    assert (report["packed"], report["layout"], report["rows"]) == (True, "packed", 10_000)
    assert report["block_rows"] == 1000 and report["file_bytes"] == path.stat().st_size
    assert [column["name"] for column in report["columns"]] == ["x", "id", "name"]
    assert report["columns"][0]["bound"] == "rel:0.001"


def test_raw_bytes_of_lists_do_not_depend_on_row_groups(tmp_path):
    table = pa.table({"c": pa.array([[1.0, 2.0]] * 8000), "m": pa.array([[("k", 1)]] * 8000, pa.map_("utf8", "i8"))})
    sizes = [
        tolerant.compress(table, tmp_path / "out.parquet", row_group_rows=rows)["raw_bytes"]
        for rows in (None, 1000, 100)
    ]
    # Offsets have one more in each batch.
    assert max(sizes) < 1.02 * min(sizes)


def test_polars_categories_and_numbers_as_bounds(tmp_path):
    frame = pl.DataFrame(
        {
            "c": pl.Series(["a", "b", "a", None]).cast(pl.Categorical),
            "e": pl.Series(["x", "y", "x", "y"], dtype=pl.Enum(["x", "y"])),
            "l": pl.Series([["a"], ["b", "a"], [], None], dtype=pl.List(pl.Categorical)),
            "x": [0.0, 1.0, 2.0, 4.0],
        }
    )
    path = tmp_path / "out.parquet"
    report = tolerant.compress(frame, path, columns={"x": 0.25})
    assert report["columns"][3]["bound"] == "rel:0.25"
    assert tolerant.verify(frame, path)["violations"] == 0
    found = pl.DataFrame(tolerant.read(path))
    for name in "cel":
        strings = pl.List(pl.String) if name == "l" else pl.String
        assert found[name].cast(strings).to_list() == frame[name].cast(strings).to_list()
