"""One table of all kinds of columns, packed, and the same as `tolerant decompress` writes it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tolerant

ROWS = 200_000


@pytest.fixture(scope="session")
def table() -> pa.Table:
    random = np.random.default_rng(7)
    steps = random.normal(size=ROWS)
    walk = np.cumsum(steps).astype("f4")
    noisy = random.normal(size=ROWS)
    noisy[::1000] = np.nan
    noisy[5] = np.inf
    noisy[6] = -0.0
    nulls = random.random(ROWS) < 0.1
    vectors = pa.array(random.normal(size=ROWS * 2).astype("f4"))
    return pa.table(
        {
            "walk": walk,
            "noisy": noisy,
            "gaps": pa.array(steps.astype("f4"), mask=nulls),
            "ramp": np.linspace(0, 1, ROWS).astype("f4"),
            "id": np.arange(ROWS),
            "flag": pa.array(steps > 0),
            "city": pa.array(random.choice(["Oslo", "Bern", None], ROWS).tolist(), pa.string()),
            "when": pa.array(np.arange(ROWS), pa.timestamp("us")),
            "vector": pa.FixedSizeListArray.from_arrays(vectors, 2),
        }
    )


@pytest.fixture(scope="session")
def packed(table, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("packed") / "table.parquet"
    tolerant.compress(table, path, rel=1e-3, row_group_rows=50_000, block_rows=10_000)
    return str(path)


@pytest.fixture(scope="session")
def program() -> str:
    """The command line, from the folder that run.py was given."""
    program = Path(os.environ["TOLERANT_PROGRAM"])
    assert program.is_file(), "build the command line first: cargo build"
    return str(program)


@pytest.fixture(scope="session")
def plain(packed, program) -> pa.Table:
    """The values of the packed file, as `tolerant decompress` writes them."""
    path = Path(packed).with_name("plain.parquet")
    subprocess.run([program, "decompress", packed, "-o", path], check=True, capture_output=True)
    return pq.read_table(path)


def bits(table: pa.Table) -> dict[str, list]:
    """The values of each column, floats as integers, so that NaN equals NaN."""

    def integers(values: pa.Array) -> pa.Array:
        return values.view({32: pa.int32(), 64: pa.int64()}[values.type.bit_width])

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.combine_chunks() if column.num_chunks else pa.array([], column.type)
        if pa.types.is_fixed_size_list(values.type):
            values = values.flatten()
        columns[name] = (integers(values) if pa.types.is_floating(values.type) else values).to_pylist()
    return columns


def same(left: pa.Table, right: pa.Table) -> bool:
    """Whether both have the same columns, of the same bits."""
    return left.column_names == right.column_names and bits(left) == bits(right)


def bytes_read(work, process: int | str = "self") -> int:
    """Bytes that a process reads, this one unless told, while this one does `work`, as Linux counts."""
    if sys.platform != "linux":
        pytest.skip("reads are counted by Linux only")

    def count() -> int:
        with open(f"/proc/{process}/io") as counters:
            return int(counters.readline().split()[1])

    before = count()
    work()
    return count() - before
