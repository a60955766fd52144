"""Protects the table for stock datafusion-python, which reads through FFI."""

import datafusion
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import tolerant
from conftest import bytes_read, same


@pytest.fixture
def session(packed):
    session = datafusion.SessionContext()
    session.register_table("t", tolerant.read(packed))
    return session


def rows(session, sql: str) -> pa.Table:
    return pa.Table.from_batches(session.sql(sql).collect())


def test_answers_are_those_of_the_plain_table(session, plain):
    found = rows(session, "SELECT id, walk, city FROM t WHERE id < 1000 ORDER BY id")
    assert same(found, plain.select(["id", "walk", "city"]).slice(0, 1000))
    counted = rows(session, "SELECT count(*) AS n, count(gaps) AS g, max(walk) AS m FROM t")
    gaps = len(plain) - plain["gaps"].null_count
    expected = {"n": [len(plain)], "g": [gaps], "m": [pc.max(plain["walk"]).as_py()]}
    assert counted.to_pydict() == expected


def test_projections_and_filters_read_fewer_bytes(session):
    def read(sql):
        return bytes_read(session.sql(sql).collect)

    read("SELECT 1")
    whole = read("SELECT walk, noisy, gaps, ramp FROM t")
    assert read("SELECT ramp FROM t") < 0.4 * whole
    assert read("SELECT walk, noisy, gaps FROM t WHERE ramp < 0.01") < 0.4 * whole
    assert read("SELECT walk, noisy, gaps FROM t WHERE ramp > 7") < 0.1 * whole


def test_columns_and_filters_of_the_dataset_hold(packed, plain):
    session = datafusion.SessionContext()
    session.register_table("t", tolerant.read(packed, ["walk", "id"], "id >= 100"))
    found = rows(session, "SELECT * FROM t WHERE id < 110 ORDER BY id")
    assert same(found, plain.select(["walk", "id"]).slice(100, 10))
    assert rows(session, "SELECT * FROM t LIMIT 5").num_rows == 5


def test_tables_outlive_the_dataset_and_join(packed, session):
    other = datafusion.SessionContext()
    other.register_table("a", tolerant.read(packed, ["id", "walk"]))
    other.register_table("b", tolerant.read(packed, ["id", "ramp"], "id < 10"))
    found = rows(other, "SELECT a.id, ramp FROM a JOIN b USING (id) WHERE walk > -1e9 ORDER BY 1")
    assert found["id"].to_pylist() == list(range(10))


def test_functions_of_the_session_filter_too(session):
    even = datafusion.udf(
        lambda values: pc.equal(pc.bit_wise_and(values, 1), 0), [pa.int64()], pa.bool_(), "immutable",
        name="even",
    )
    session.register_udf(even)
    found = rows(session, "SELECT id FROM t WHERE even(id) AND id < 10 ORDER BY id")
    assert found["id"].to_pylist() == [0, 2, 4, 6, 8]


def test_damage_is_an_error_of_the_query(packed, tmp_path):
    data = bytearray(open(packed, "rb").read())
    data[np.random.default_rng(1).integers(4, len(data) // 2)] ^= 1
    path = tmp_path / "damaged.parquet"
    path.write_bytes(data)
    session = datafusion.SessionContext()
    session.register_table("t", tolerant.read(path))
    with pytest.raises(Exception, match="checksum|corrupt"):
        rows(session, "SELECT * FROM t")
