"""Protects Dataset: whoever takes Arrow streams gets the file's values, and no more is read."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tolerant
from conftest import bytes_read, same


def test_pyarrow_takes_a_dataset(packed, plain):
    assert same(pa.table(tolerant.read(packed)), plain)
    reader = pa.RecordBatchReader.from_stream(tolerant.read(packed))
    assert same(reader.read_all(), plain)


def test_polars_takes_a_dataset(packed, plain):
    names = ["walk", "gaps", "id", "city"]
    frame = pl.DataFrame(tolerant.read(packed, names))
    assert same(frame.to_arrow(), plain.select(names))


def test_pandas_takes_a_dataset(packed, plain):
    frame = pd.DataFrame.from_arrow(tolerant.read(packed, ["walk", "id"]))
    assert (frame["walk"] == plain["walk"].to_pandas()).all()
    assert (frame["id"] == plain["id"].to_pandas()).all()


def test_duckdb_takes_a_dataset(packed, plain):
    data = tolerant.read(packed)
    (row,) = duckdb.sql("SELECT count(*), count(gaps), max(walk), sum(id) FROM data").fetchall()
    gaps = len(plain) - plain["gaps"].null_count
    walk = pc.max(plain["walk"]).as_py()
    assert row == (len(plain), gaps, walk, pc.sum(plain["id"]).as_py())


def test_the_schema_is_that_of_the_batches(packed, table):
    for data in (
        tolerant.read(packed),
        tolerant.read(packed, ["city", "walk"]),
        tolerant.read(packed, ["city", "walk"], "id < 5"),
    ):
        schema = pa.schema(data)
        assert schema.names == data.columns
        assert [field.type for field in schema] == [table.schema.field(n).type for n in data.columns]
        assert all(pa.record_batch(batch).schema.equals(schema) for batch in data)


def test_columns_come_in_the_order_asked_for(packed, plain):
    names = ["id", "walk", "city"]
    assert same(pa.table(tolerant.read(packed, names)), plain.select(names))
    assert same(pa.table(tolerant.read(packed, names, "id >= 0")), plain.select(names))


@pytest.mark.parametrize(
    ("filter", "mask"),
    [
        ("walk > 10", lambda t: pc.greater(t["walk"], 10)),
        ("id BETWEEN 5 AND 9 OR id = 77", lambda t: pc.is_in(t["id"], pa.array([5, 6, 7, 8, 9, 77]))),
        ("city = 'Oslo' AND gaps IS NULL", lambda t: pc.and_(
            pc.fill_null(pc.equal(t["city"], "Oslo"), False), pc.is_null(t["gaps"]))),
        ("isnan(noisy)", lambda t: pc.is_nan(t["noisy"])),
        ("id < 0", lambda t: pc.less(t["id"], 0)),
    ],
)
def test_filters_give_the_rows_in_order(packed, plain, filter, mask):
    found = pa.table(tolerant.read(packed, filter=filter))
    assert same(found, plain.filter(mask(plain)))


def test_a_projection_reads_fewer_bytes(packed):
    whole = bytes_read(lambda: pa.table(tolerant.read(packed)))
    one = bytes_read(lambda: pa.table(tolerant.read(packed, ["ramp"])))
    assert one < 0.3 * whole


def test_a_filter_reads_fewer_bytes(packed):
    columns = ["walk", "noisy", "gaps"]
    whole = bytes_read(lambda: pa.table(tolerant.read(packed, columns)))
    few = bytes_read(lambda: pa.table(tolerant.read(packed, columns, "ramp < 0.01")))
    none = bytes_read(lambda: pa.table(tolerant.read(packed, columns, "ramp > 7")))
    assert few < 0.4 * whole
    assert none < few


def test_names_are_case_sensitive_and_may_be_odd(tmp_path):
    path = tmp_path / "odd.parquet"
    tolerant.compress(pa.table({"Wind Speed": [1.0, 2.0], "X": [3.0, 4.0]}), path, abs=0)
    found = pa.table(tolerant.read(path, filter='"Wind Speed" > 1 AND X > 0'))
    assert found.to_pydict() == {"Wind Speed": [2.0], "X": [4.0]}


def test_a_dataset_is_read_any_number_of_times(packed, plain):
    data = tolerant.read(packed, ["id"])
    assert pa.table(data).num_rows == pa.table(data).num_rows == len(plain)
    started = iter(data)
    next(started)
    # What is left over of a reading is no burden on the next.
    assert pa.table(data).num_rows == len(plain)


def test_folders_and_globs_are_one_table(tmp_path):
    for i in range(3):
        tolerant.compress(pa.table({"x": [float(i)]}), tmp_path / f"{i}.parquet", abs=0)
    assert pa.table(tolerant.read(tmp_path)).to_pydict() == {"x": [0.0, 1.0, 2.0]}
    assert pa.table(tolerant.read(tmp_path / "[12].parquet")).to_pydict() == {"x": [1.0, 2.0]}
    assert pa.table(tolerant.read(tmp_path, filter="x > 1")).to_pydict() == {"x": [2.0]}


def test_an_empty_table_is_a_table(tmp_path):
    path = tmp_path / "empty.parquet"
    empty = pa.table({"x": pa.array([], pa.float32()), "s": pa.array([], pa.string())})
    assert tolerant.compress(empty, path)["rows"] == 0
    for data in (tolerant.read(path), tolerant.read(path, filter="x > 0")):
        assert pa.table(data).schema.types == empty.schema.types
        assert pa.table(data).num_rows == 0
    assert pl.DataFrame(tolerant.read(path)).shape == (0, 2)
    assert pd.read_parquet(tolerant.open(path)).shape == (0, 2)


def _count(data) -> int:
    return pa.table(data).num_rows


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read(packed, plain, method):
    data = tolerant.read(packed, ["walk"])
    filtered = tolerant.read(packed, ["walk"], "id < 12")
    assert _count(filtered) == 12 and _count(data) == len(plain)
    assert repr(pickle.loads(pickle.dumps(filtered))) == repr(filtered)
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as pool:
        assert list(pool.map(_count, [data, filtered], timeout=120)) == [len(plain), 12]


def test_special_values_are_kept(packed, table):
    noisy = pa.table(tolerant.read(packed, ["noisy"]))["noisy"].to_numpy()
    original = table["noisy"].to_numpy()
    special = ~np.isfinite(original)
    assert (noisy[special].view("i8") == original[special].view("i8")).all()
    assert np.signbit(noisy[6]) and noisy[6] == 0
    finite = original[~special]
    error = np.abs(noisy[~special] - finite).max()
    assert 0 < error <= 1e-3 * (finite.max() - finite.min())
    gaps = pa.table(tolerant.read(packed, ["gaps"]))["gaps"]
    assert gaps.is_null().equals(table["gaps"].is_null())
