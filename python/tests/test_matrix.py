"""Protects the table in docs/reading.md: each tool, each way, and what it saves.

Every cell is read here, values and bytes.
"""

import re
import subprocess
from itertools import count
from pathlib import Path
from shutil import copyfile

import adbc_driver_flightsql.dbapi as flightsql
import datafusion
import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tolerant
from conftest import bytes_read, same

NAMES = ["walk", "noisy", "ramp", "city", "id"]
FEW = ["ramp", "id"]
ROWS = 1000
DOCUMENTED = Path(__file__).parents[2] / "docs" / "reading.md"

# These take the whole into memory, whatever is asked of it.
WHOLE = {("Polars", "file object"), ("pandas", "HTTP")}


def sql(table: str, columns: list[str], rows: int | None) -> str:
    where = "" if rows is None else f" WHERE id < {rows}"
    return f"SELECT {', '.join(columns)} FROM {table}{where} ORDER BY id"


def arrow(frame: pd.DataFrame) -> pa.Table:
    """As it was: pandas has one word for NaN and null, and only strings have nulls here."""
    return pa.table(
        {
            name: pa.array(frame[name].to_numpy())
            if frame[name].dtype.kind in "fi"
            else pa.array([None if pd.isna(city) else city for city in frame[name]], pa.string())
            for name in frame.columns
        }
    )


def filters(rows: int | None):
    return None if rows is None else [("id", "<", rows)]


def lazy(frame: pl.LazyFrame, columns: list[str], rows: int | None) -> pa.Table:
    if rows is not None:
        frame = frame.filter(pl.col("id") < rows)
    return frame.select(columns).collect().to_arrow()


def in_duckdb(path: str, columns: list[str], rows: int | None) -> pa.Table:
    with duckdb.connect() as con:
        con.register_filesystem(fsspec.filesystem("tolerant"))
        table = f"read_parquet('tolerant://{path}')"
        return con.sql(sql(table, columns, rows)).to_arrow_table()


def dataset(path: str, columns: list[str], rows: int | None) -> tolerant.Dataset:
    return tolerant.read(path, columns, None if rows is None else f"id < {rows}")


def duckdb_of_arrow(stream) -> pa.Table:
    return duckdb.sql("SELECT * FROM stream").to_arrow_table()


def in_datafusion(table, columns: list[str], rows: int | None) -> pa.Table:
    session = datafusion.SessionContext()
    session.register_table("t", table)
    return session.sql(sql("t", columns, rows)).to_arrow_table()


def over_http(url: str, columns: list[str], rows: int | None) -> pa.Table:
    with fsspec.open(url, block_size=1 << 14) as file:
        return pq.read_table(file, columns=columns, filters=filters(rows))


def over_flight(read):
    def query(place: tuple[str, str], columns: list[str], rows: int | None) -> pa.Table:
        url, name = place
        with flightsql.connect(url, autocommit=True) as connection:
            return read(connection, sql(f'"{name}"', columns, rows))

    return query


def fetched(connection, query: str, fetch: str):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return getattr(cursor, fetch)()


CELLS = {
    ("pyarrow", "file object"): lambda path, columns, rows: pq.read_table(
        tolerant.open(path), columns=columns, filters=filters(rows)
    ),
    ("pandas", "file object"): lambda path, columns, rows: arrow(
        pd.read_parquet(tolerant.open(path), columns=columns, filters=filters(rows))
    ),
    ("Polars", "file object"): lambda path, columns, rows: lazy(
        pl.scan_parquet(tolerant.open(path)), columns, rows
    ),
    ("pyarrow", "fsspec"): lambda path, columns, rows: pq.read_table(
        path, columns=columns, filters=filters(rows), filesystem=fsspec.filesystem("tolerant")
    ),
    ("pandas", "fsspec"): lambda path, columns, rows: arrow(
        pd.read_parquet(f"tolerant://{path}", columns=columns, filters=filters(rows))
    ),
    ("DuckDB", "fsspec"): in_duckdb,
    ("pyarrow", "Arrow stream"): lambda *asked: pa.table(dataset(*asked)),
    ("pandas", "Arrow stream"): lambda *asked: arrow(pd.DataFrame.from_arrow(dataset(*asked))),
    ("Polars", "Arrow stream"): lambda path, columns, rows: lazy(tolerant.scan(path), columns, rows),
    ("DuckDB", "Arrow stream"): lambda *asked: duckdb_of_arrow(dataset(*asked)),
    ("DataFusion", "FFI"): lambda path, columns, rows: in_datafusion(
        tolerant.read(path), columns, rows
    ),
    ("pyarrow", "HTTP"): over_http,
    ("pandas", "HTTP"): lambda url, columns, rows: arrow(
        pd.read_parquet(url, columns=columns, filters=filters(rows))
    ),
    ("Polars", "HTTP"): lambda url, columns, rows: lazy(pl.scan_parquet(url), columns, rows),
    ("pyarrow", "Flight SQL"): over_flight(lambda *asked: fetched(*asked, "fetch_arrow_table")),
    ("pandas", "Flight SQL"): over_flight(lambda *asked: arrow(fetched(*asked, "fetch_df"))),
    ("Polars", "Flight SQL"): over_flight(
        lambda connection, query: pl.read_database(query, connection).to_arrow()
    ),
    ("DuckDB", "Flight SQL"): over_flight(
        lambda *asked: duckdb_of_arrow(fetched(*asked, "fetch_arrow_table"))
    ),
}


@pytest.fixture(scope="module")
def server(program, packed, tmp_path_factory):
    """`tolerant serve`, and its folder."""
    folder = tmp_path_factory.mktemp("served")
    command = [program, "serve", folder, "--bind", "127.0.0.1:0", "--flight", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        urls = [process.stdout.readline().split()[-1] for _ in range(2)]
        yield folder, process.pid, *urls
        process.terminate()


@pytest.fixture
def places(packed, request, tmp_path):
    """A copy of the table at each call, which no cache has seen, and whose reads to count."""
    way, numbers = request.param, count()
    if way not in ("HTTP", "Flight SQL"):

        def local():
            path = tmp_path / f"{next(numbers)}.parquet"
            return copyfile(packed, path).as_posix(), "self"

        return local
    folder, pid, http, flight = request.getfixturevalue("server")
    name = re.sub(r"\W", "_", request.node.name)

    def served():
        stem = f"{name}_{next(numbers)}"
        copyfile(packed, folder / f"{stem}.parquet")
        return (f"{http}{stem}.parquet" if way == "HTTP" else (flight, stem)), pid

    return served


@pytest.mark.parametrize(
    ("tool", "places"),
    [pytest.param(tool, way, id=f"{tool}-{way}") for tool, way in CELLS],
    indirect=["places"],
)
def test_values_agree_and_less_is_read(tool, places, plain, request):
    read = CELLS[tool, way_of(request)]

    def ask(columns, rows=None):
        place, process = places()
        found = []
        amount = bytes_read(lambda: found.append(read(place, columns, rows)), process)
        expected = plain.select(columns).slice(0, rows)
        assert same(text(found[0].select(columns)), expected)
        return amount

    ask(FEW, ROWS)  # what is loaded at the first use
    whole = ask(NAMES)
    less = (tool, way_of(request)) not in WHOLE
    assert (ask(FEW) < 0.8 * whole) == less
    assert (ask(NAMES, ROWS) < 0.8 * whole) == less


def way_of(request) -> str:
    return request.node.callspec.id.split("-", 1)[1]


def text(table: pa.Table) -> pa.Table:
    """Strings as strings, whatever a tool's Arrow calls them."""
    fields = [
        field.with_type(pa.string()) if field.name == "city" else field for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def test_the_documentation_has_this_table():
    ways = list(dict.fromkeys(way for _, way in CELLS))
    rows = {}
    for line in DOCUMENTED.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[1:] == ways:
            rows[""] = cells
        elif rows and line.startswith("|") and cells[0] in {tool for tool, _ in CELLS}:
            rows[cells[0]] = cells[1:]
    documented = {
        (tool, way): cell
        for tool, cells in rows.items()
        if tool
        for way, cell in zip(ways, cells, strict=True)
        if cell
    }
    assert documented == {cell: "whole" if cell in WHOLE else "yes" for cell in CELLS}
