"""A packed file opened by readers that know nothing of Tolerant.

Usage: packed.py SPEC.json PACKED.parquet. The spec says what is true: rows, nulls by column, which
columns are packed, and the string columns' values.
"""

import json

from common import *

spec_path, path = sys.argv[1:]
with open(spec_path) as file:
    spec = json.load(file)
rows, nulls, packed, strings = (spec[key] for key in ("rows", "nulls", "packed", "strings"))
checks = Checks()


def no_number(average, what):
    """Either an error or nothing at all: a number would be a wrong one."""
    try:
        result = average()
    except Exception:
        result = None
    checks.check(result is None, f"{what}: the average of a packed column is {result!r}")


# pyarrow
file = pq.ParquetFile(path)
checks.equal(file.metadata.num_rows, rows, "pyarrow metadata rows")
table = pq.read_table(path)
checks.equal(table.num_rows, rows, "pyarrow rows")
checks.equal(table.column_names, list(nulls), "pyarrow column names")
for name, count in nulls.items():
    checks.equal(table[name].null_count, count, f"pyarrow nulls of {name}")
    checks.equal(pc.count(table[name]).as_py(), rows - count, f"pyarrow count of {name}")
for name in packed:
    no_number(lambda: pc.mean(table[name]).as_py(), f"pyarrow {name}")
for name, values in strings.items():
    checks.equal(table[name].to_pylist(), values, f"pyarrow values of {name}")

# Polars
checks.equal(pl.scan_parquet(path).select(pl.len()).collect().item(), rows, "polars rows")
frame = pl.read_parquet(path)
checks.equal(frame.height, rows, "polars height")
for name, count in nulls.items():
    lazy = pl.scan_parquet(path)
    checks.equal(frame[name].null_count(), count, f"polars nulls of {name}")
    found = lazy.filter(pl.col(name).is_null()).select(pl.len()).collect().item()
    checks.equal(found, count, f"polars filter for nulls of {name}")
    found = lazy.select(pl.col(name).count()).collect().item()
    checks.equal(found, rows - count, f"polars count of {name}")
for name in packed:
    no_number(lambda: pl.scan_parquet(path).select(pl.col(name).mean()).collect().item(), f"polars {name}")
for name, values in strings.items():
    checks.equal(frame[name].to_list(), values, f"polars values of {name}")

# DuckDB
db = duckdb.connect()
source = f"read_parquet('{path}')"


def one(query):
    return db.execute(query).fetchone()[0]


checks.equal(one(f"SELECT count(*) FROM {source}"), rows, "duckdb rows")
for name, count in nulls.items():
    column = sql_name(name)
    found = one(f"SELECT count({column}) FROM {source}")
    checks.equal(found, rows - count, f"duckdb count of {name}")
    found = one(f"SELECT count(*) FROM {source} WHERE {column} IS NULL")
    checks.equal(found, count, f"duckdb filter for nulls of {name}")
for name in packed:
    no_number(lambda: one(f"SELECT avg({sql_name(name)}) FROM {source}"), f"duckdb {name}")
    try:
        db.execute(f"SELECT avg({sql_name(name)}) FROM {source}").fetchall()
        checks.check(False, f"duckdb: avg({name}) is no error")
    except duckdb.Error:
        checks.check(True, "")
for name, values in strings.items():
    found = [row[0] for row in db.execute(f"SELECT {sql_name(name)} FROM {source}").fetchall()]
    checks.equal(found, values, f"duckdb values of {name}")

checks.finish()
