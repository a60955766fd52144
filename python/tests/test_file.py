"""Protects the file object: any Parquet reader reads it, and reads no more than it needs."""

import io
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tolerant
from conftest import same


def test_pyarrow_reads_what_decompress_writes(packed, plain):
    with tolerant.open(packed) as file:
        assert same(pq.ParquetFile(file).read(), plain)


def test_pandas_reads_what_decompress_writes(packed, plain):
    frame = pd.read_parquet(tolerant.open(packed), columns=["walk", "id"])
    expected = plain.select(["walk", "id"]).to_pandas()
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)


def test_polars_reads_what_decompress_writes(packed, plain):
    names = ["walk", "gaps", "city", "id"]
    frame = pl.read_parquet(tolerant.open(packed), columns=names)
    assert same(frame.to_arrow(), plain.select(names))
    lazy = pl.scan_parquet(tolerant.open(packed)).filter(pl.col("id") < 10).select(names).collect()
    assert same(lazy.to_arrow(), plain.select(names).slice(0, 10))


def test_duckdb_reads_through_fsspec(packed, plain):
    con = duckdb.connect()
    con.register_filesystem(fsspec.filesystem("tolerant"))
    query = f"SELECT count(*), sum(id), max(walk) FROM read_parquet('tolerant://{packed}')"
    walk = plain["walk"].to_numpy()
    assert con.sql(query).fetchall() == [(len(walk), sum(range(len(walk))), walk.max())]


def test_a_projection_reads_its_columns_only(packed):
    def read(columns):
        file = tolerant.open(packed)
        pq.read_table(file, columns=columns)
        return file.stored_bytes_read

    nothing = read([])
    whole = read(None)
    columns = {c["name"]: c["packed_bytes"] for c in tolerant.inspect(packed)["columns"]}
    stored = tolerant.open(packed).stored_size
    # Not less than its own bytes, and some of the file's besides.
    assert columns["ramp"] <= read(["ramp"]) - nothing < columns["ramp"] + 0.05 * stored
    assert whole > 0.9 * stored
    assert read(["ramp", "walk"]) < 0.5 * whole


def test_pruned_row_groups_are_not_read(packed):
    def read(**options):
        file = tolerant.open(packed)
        rows = pq.read_table(file, columns=["noisy"], **options).num_rows
        return rows, file.stored_bytes_read

    everything, all_bytes = read()
    some, few_bytes = read(filters=[("ramp", "<", 0.1)])
    assert 0 < some < everything / 9
    assert few_bytes < 0.6 * all_bytes


def test_position_and_size_are_those_of_a_file(packed):
    file = tolerant.open(packed)
    whole = file.read()
    assert len(whole) == file.size == file.seek(0, io.SEEK_END)
    assert file.read(10) == b"" and file.read() == b""
    assert file.seek(-4, io.SEEK_END) == file.size - 4 and file.read(100) == b"PAR1"
    assert file.seek(4) == 4 and file.seek(6, io.SEEK_CUR) == 10 and file.tell() == 10
    assert file.read(0) == b"" and file.read(5) == whole[10:15]
    buffer = bytearray(7)
    assert file.readinto(buffer) == 7 and bytes(buffer) == whole[15:22]
    file.seek(-3, io.SEEK_END)
    assert file.readinto(buffer) == 3 and bytes(buffer[:3]) == whole[-3:]
    assert file.seek(file.size + 100) == file.size + 100 and file.read(1) == b""
    assert file.read_range(10, 15) == whole[10:15]
    assert file.readable() and file.seekable() and not file.writable()
    buffered = io.BufferedReader(tolerant.open(packed))
    assert buffered.read() == whole


def test_mistaken_calls_are_errors(packed):
    file = tolerant.open(packed)
    with pytest.raises(ValueError, match="before the start"):
        file.seek(-1)
    with pytest.raises(ValueError, match="whence"):
        file.seek(0, 7)
    file.close()
    assert file.closed
    for call in (file.read, file.tell, lambda: file.seek(0), lambda: file.readinto(bytearray(1))):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_threads_share_a_file(packed, plain):
    file = tolerant.open(packed)
    whole = file.read_range(0, file.size)
    ranges = [(start, start + 70_000) for start in range(0, file.size, 30_000)]
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda r: file.read_range(*r), ranges))
    assert parts == [whole[start:end] for start, end in ranges]

    # And one position: each byte is read once.
    file.seek(0)
    lock, found = threading.Lock(), []

    def read():
        while part := file.read(50_000):
            with lock:
                found.append(len(part))

    workers = [threading.Thread(target=read) for _ in range(4)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert sum(found) == file.size


def test_a_read_follows_its_own_threads_seek(packed):
    file = tolerant.open(packed)
    whole = file.read_range(0, file.size)
    sought, others = threading.Event(), threading.Event()
    found = []

    def read():
        file.seek(1000)
        sought.set()
        others.wait()
        found.append((file.tell(), file.read(10), file.tell()))

    worker = threading.Thread(target=read)
    worker.start()
    sought.wait()
    # A seek is seen by those who have not sought themselves.
    assert file.read(5) == whole[1000:1005]
    file.seek(50)
    others.set()
    worker.join()
    assert found == [(1000, whole[1000:1010], 1010)]
    assert file.read(5) == whole[50:55]


def test_any_binary_file_and_url_is_a_source(packed, plain):
    stored = open(packed, "rb").read()
    with fsspec.filesystem("memory").open("/table.parquet", "wb") as file:
        file.write(stored)
    sources = [
        open(packed, "rb"),
        io.BytesIO(stored),
        "memory://table.parquet",
        f"file://{packed}",
    ]
    for source in sources:
        table = pq.read_table(tolerant.open(source), columns=["id", "walk"])
        assert same(table, plain.select(["id", "walk"])), source


def test_ordinary_parquet_is_presented_as_it_is(tmp_path):
    path = tmp_path / "ordinary.parquet"
    pq.write_table(pa.table({"x": [1.0, 2.0]}), path)
    file = tolerant.open(path)
    assert not file.packed and file.read() == path.read_bytes()


def test_pickled_files_open_the_same_path(packed):
    copy = pickle.loads(pickle.dumps(tolerant.open(packed)))
    assert copy.read_range(0, 100) == tolerant.open(packed).read_range(0, 100)
    with pytest.raises(TypeError, match="pickle"):
        pickle.dumps(tolerant.open(open(packed, "rb")))
