"""Protects training batches: every row once, in an order that the seed says, a fair share each."""

import pickle
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tolerant
from conftest import bytes_read

ROWS = 200_000


def ids(batches) -> np.ndarray:
    return np.concatenate([batch["id"] for batch in batches])


def test_batches_hold_the_values(packed, plain):
    names = ["walk", "noisy", "id", "flag", "when"]
    found = list(tolerant.batches(packed, names, batch_rows=3000))
    assert [len(batch["id"]) for batch in found] == [3000] * 66 + [2000]
    for name in names:
        column = np.concatenate([batch[name] for batch in found])
        expected = plain[name].to_numpy()
        assert column.dtype == expected.dtype
        np.testing.assert_array_equal(column, expected)


def test_vectors_have_two_dimensions(packed, plain):
    found = np.concatenate([b["vector"] for b in tolerant.batches(packed, ["vector"])])
    expected = plain["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 2)
    np.testing.assert_array_equal(found, expected)


def test_groups_are_matrices(packed):
    batches = tolerant.batches(packed, {"x": ["walk", "ramp"], "y": "id"}, batch_rows=500)
    batch = next(iter(batches))
    assert batch["x"].shape == (500, 2) and batch["x"].dtype == np.float32
    single = next(iter(tolerant.batches(packed, ["walk", "ramp", "id"], batch_rows=500)))
    np.testing.assert_array_equal(batch["x"][:, 1], single["ramp"])
    np.testing.assert_array_equal(batch["y"], single["id"])


def test_missing_floats_are_nan_and_other_nulls_an_error(packed, plain, tmp_path):
    found = np.concatenate([batch["gaps"] for batch in tolerant.batches(packed, ["gaps"])])
    np.testing.assert_array_equal(np.isnan(found), plain["gaps"].is_null().to_numpy())
    path = tmp_path / "nulls.parquet"
    times = pa.array([1, None], pa.timestamp("ms"))
    days = pa.array([3, None], pa.date32())
    lists = pa.array([[1.0, None], None], pa.list_(pa.float64(), 2))
    tolerant.compress(pa.table({"i": [1, None], "t": times, "d": days, "v": lists}), path)
    (batch,) = tolerant.batches(path, ["t", "d", "v"])
    np.testing.assert_array_equal(batch["t"], np.array([1, "NaT"], "datetime64[ms]"))
    np.testing.assert_array_equal(batch["d"], np.array([3, "NaT"], "datetime64[D]"))
    np.testing.assert_array_equal(batch["v"], [[1.0, np.nan], [np.nan, np.nan]])
    with pytest.raises(ValueError, match='"i": it has nulls'):
        list(tolerant.batches(path, ["i"]))
    with pytest.raises(ValueError, match='"city" is Utf8'):
        tolerant.batches(packed, ["city"])


def test_all_columns_of_numbers_come_by_default(packed):
    (first, *_) = tolerant.batches(packed)
    assert set(first) == {"walk", "noisy", "gaps", "ramp", "id", "flag", "when", "vector"}


def test_arrays_in_order_are_views_and_may_be_written(packed):
    batch = next(iter(tolerant.batches(packed, ["walk"], batch_rows=100)))
    assert batch["walk"].base is not None and batch["walk"].flags.writeable


def test_shuffling_gives_every_row_once_in_a_seeded_order(packed):
    def order(seed, epoch=0):
        batches = tolerant.batches(packed, ["id"], shuffle=True, shuffle_rows=30_000, seed=seed)
        batches.set_epoch(epoch)
        return ids(batches)

    first = order(1)
    assert (np.sort(first) == np.arange(ROWS)).all()
    assert (first == order(1)).all()
    assert not (first == order(2)).all() and not (first == order(1, epoch=1)).all()
    # Far from the order of the file, in large and in small.
    assert np.abs(np.corrcoef(first, np.arange(ROWS))[0, 1]) < 0.5
    assert np.mean(np.abs(np.diff(first)) == 1) < 0.01


@pytest.mark.parametrize("shuffle", [False, True])
def test_ranks_get_equal_shares(packed, shuffle):
    def share(rank):
        return tolerant.batches(
            packed, ["id"], shuffle=shuffle, rank=rank, world_size=3, batch_rows=100
        )

    shares = [ids(share(rank)) for rank in range(3)]
    assert {len(part) for part in shares} == {ROWS // 3}
    assert {len(list(share(rank))) for rank in range(3)} == {len(share(0))}
    together = np.concatenate(shares)
    assert len(np.unique(together)) == len(together) == ROWS - ROWS % 3


def test_the_last_batch_may_be_dropped(packed):
    batches = tolerant.batches(packed, ["id"], batch_rows=3000, drop_last=True)
    assert len(batches) == len(list(batches)) == 66
    assert {len(batch["id"]) for batch in batches} == {3000}


def test_only_the_columns_and_rows_asked_for_are_read(packed):
    whole = bytes_read(lambda: list(tolerant.batches(packed)))
    assert bytes_read(lambda: list(tolerant.batches(packed, ["ramp"]))) < 0.3 * whole
    share = tolerant.batches(packed, rank=0, world_size=20)
    assert bytes_read(lambda: list(share)) < 0.2 * whole


def test_folders_portable_and_ordinary_files_are_read_too(packed, plain, tmp_path):
    tolerant.compress(plain.select(["id"]).slice(0, 1000), tmp_path / "a.parquet")
    pq.write_table(plain.select(["id", "walk"]).slice(1000, 1000), tmp_path / "b.parquet")
    part = plain.select(["id"]).slice(2000, 1000)
    tolerant.compress(part, tmp_path / "c.parquet", layout="portable")
    assert (ids(tolerant.batches(tmp_path, ["id"], batch_rows=70)) == np.arange(3000)).all()
    with pytest.raises(ValueError, match="no column named"):
        tolerant.batches(tmp_path, ["id", "walk"])


def test_an_empty_table_has_no_batches(tmp_path):
    path = tmp_path / "empty.parquet"
    tolerant.compress(pa.table({"x": pa.array([], pa.float32())}), path)
    assert list(tolerant.batches(path, shuffle=True)) == [] == list(tolerant.batches(path))


def test_mistaken_requests_are_errors(packed):
    for options in ({"batch_rows": 0}, {"rank": 2, "world_size": 2}, {"rank": -1}):
        with pytest.raises(ValueError):
            tolerant.batches(packed, **options)


def _sum(batches) -> int:
    return int(ids(batches).sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read(packed, method):
    batches = tolerant.batches(packed, ["id"], shuffle=True)
    expected = _sum(batches)
    assert _sum(pickle.loads(pickle.dumps(batches))) == expected
    with get_context(method).Pool(2) as pool:
        assert pool.map_async(_sum, [batches, batches]).get(timeout=120) == [expected] * 2
