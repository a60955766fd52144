"""A portable file, read by readers that know nothing of Tolerant: pyarrow, pandas, Polars, DuckDB.

Usage: portable.py PORTABLE.parquet EXPECTED.parquet. The expected file is ordinary Parquet, written
by parquet-rs, with what Tolerant's own reader gave for the same portable file: whatever a library
makes of the one, it must make of the other.
"""

import math

import pandas as pd

from common import *

path, expected_path = sys.argv[1:]
checks = Checks()
file = pq.ParquetFile(path)
expected = pq.ParquetFile(expected_path).read()
columns = expected.column_names
floats = [field.name for field in expected.schema if pa.types.is_floating(field.type)]


def compare(found, reference, library):
    checks.equal(found.num_rows, expected.num_rows, f"{library} rows")
    checks.equal(found.column_names, columns, f"{library} columns")
    for name in columns:
        checks.equal(found[name].type, reference[name].type, f"{library} type of {name}")
        checks.check(same(found[name], reference[name]), f"{library} values of {name}")


# pyarrow: schema, values, and statistics, which leave out nothing that is there.
checks.equal(file.schema_arrow.types, expected.schema.types, "pyarrow types")
compare(file.read(), expected, "pyarrow")
checks.equal(file.metadata.num_rows, expected.num_rows, "pyarrow metadata rows")
first_row = 0
for i in range(file.metadata.num_row_groups):
    group = file.metadata.row_group(i)
    rows = expected.slice(first_row, group.num_rows)
    first_row += group.num_rows
    for j in range(group.num_columns):
        statistics = group.column(j).statistics
        name = group.column(j).path_in_schema
        if statistics is None or name not in floats:
            continue
        place = f"row group {i}, column {name}"
        checks.equal(statistics.null_count, rows[name].null_count, f"{place}: null count")
        numbers = np.asarray(rows[name].combine_chunks().drop_null())
        if statistics.has_min_max:
            low, high = statistics.min, statistics.max
            if isinstance(low, bytes):  # pyarrow leaves Float16 undecoded
                low, high = (np.frombuffer(x, np.float16)[0] for x in (low, high))
            checks.check(not np.isnan(numbers).any(), f"{place}: extremes beside NaN")
            checks.equal((low, high), (numbers.min(), numbers.max()), f"{place}: extremes")
checks.equal(first_row, expected.num_rows, "pyarrow rows of all row groups")

# pandas: by its own door, to its own types.
found, reference = pd.read_parquet(path), pd.read_parquet(expected_path)
checks.equal(list(found.columns), columns, "pandas columns")
for name in floats:
    checks.equal(found[name].dtype, reference[name].dtype, f"pandas type of {name}")
    checks.check(
        found[name].equals(reference[name]) and (np.signbit(found[name]) == np.signbit(reference[name])).all(),
        f"pandas values of {name}",
    )

# Polars and DuckDB, through readers of their own.
compare(pl.read_parquet(path).to_arrow(), pl.read_parquet(expected_path).to_arrow(), "polars")
db = duckdb.connect()
everything = lambda p: db.sql(f"SELECT * FROM read_parquet('{p}')").to_arrow_table()
compare(everything(path), everything(expected_path), "duckdb")

# Filters that libraries push down to statistics and dictionaries.
in_memory = pl.read_parquet(expected_path)
db.execute(f"CREATE TABLE expected AS SELECT * FROM read_parquet('{expected_path}')")
for name in floats:
    values = [x for x in expected[name].to_pylist() if x is not None and math.isfinite(x)]
    if not values:
        continue
    values.sort()
    for share in (0.0, 0.5, 1.0):
        bound = values[int(share * (len(values) - 1))]
        literal = pl.lit(bound, dtype=in_memory.schema[name])
        for operator, express in {
            "<": lambda c: c < literal,
            "=": lambda c: c == literal,
            ">": lambda c: c > literal,
        }.items():
            what = f"{name} {operator} {bound!r}"
            condition = express(pl.col(name))
            right = in_memory.filter(condition).height
            number = pl.scan_parquet(path).filter(condition).select(pl.len()).collect().item()
            checks.equal(number, right, f"polars rows with {what}")
            count = f"SELECT count(*) FROM {{}} WHERE {sql_name(name)} {operator} ?"
            right = db.execute(count.format("expected"), [bound]).fetchone()[0]
            number = db.execute(count.format(f"read_parquet('{path}')"), [bound]).fetchone()[0]
            checks.equal(number, right, f"duckdb rows with {what}")
    null = expected[name].null_count
    query = f"SELECT count(*) FROM read_parquet('{path}') WHERE {sql_name(name)} IS NULL"
    checks.equal(db.execute(query).fetchone()[0], null, f"duckdb rows with {name} null")

checks.finish()
