"""The bytes of a virtual file, written out, read by readers that know nothing of Tolerant.

Usage: virtual.py VIRTUAL.parquet EXPECTED.parquet paged|unpaged. The expected file is ordinary
Parquet with what Tolerant's own reader gave for the same packed file: whatever a library makes of
the one, it must make of the other. A file of which some column chunk has several pages is paged,
and has page indexes.
"""

from common import *

path, expected_path, pages = sys.argv[1:]
paged = pages == "paged"
checks = Checks()
# Single file, no dataset: as it is, column by column.
expected = pq.ParquetFile(expected_path).read()
columns = expected.column_names
numeric = [
    field.name
    for field in expected.schema
    if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
]
floats = [name for name in numeric if pa.types.is_floating(expected.schema.field(name).type)]


def compare(found, reference, library):
    checks.equal(found.num_rows, expected.num_rows, f"{library} rows")
    checks.equal(found.column_names, columns, f"{library} columns")
    for name in columns:
        checks.equal(found[name].null_count, expected[name].null_count, f"{library} nulls of {name}")
        checks.equal(found[name].type, reference[name].type, f"{library} type of {name}")
        checks.check(same(found[name], reference[name]), f"{library} values of {name}")
        # Types of a library's own aside (DuckDB has no Float16), these are the values that
        # Tolerant's reader gives.
        if name in numeric and found[name].type == expected[name].type:
            checks.check(same(found[name], expected[name]), f"{library} values of {name}, absolutely")


# pyarrow: schema, values, footer, statistics, page index.
file = pq.ParquetFile(path, page_checksum_verification=True)
for found, field in zip(file.schema_arrow, expected.schema, strict=True):
    checks.equal((found.name, found.type), (field.name, field.type), "pyarrow field")
    # Null-free columns are REQUIRED, whatever the original's schema allowed.
    checks.check(
        found.nullable or expected[field.name].null_count == 0, f"pyarrow: {found} with nulls"
    )
compare(file.read(), expected, "pyarrow")
checks.equal(file.metadata.num_rows, expected.num_rows, "pyarrow metadata rows")
first_row = 0
for i in range(file.metadata.num_row_groups):
    group = file.metadata.row_group(i)
    rows = expected.slice(first_row, group.num_rows)
    checks.check(
        file.read_row_group(i).num_rows == group.num_rows, f"pyarrow rows of row group {i}"
    )
    first_row += group.num_rows
    for j in range(group.num_columns):
        chunk = group.column(j)
        name = chunk.path_in_schema
        place = f"row group {i}, column {name}"
        checks.equal(chunk.has_offset_index, paged, f"{place}: offset index")
        if name not in columns:
            continue  # a leaf of a nested column
        statistics = chunk.statistics
        checks.check(statistics is not None, f"{place}: no statistics")
        if statistics is None:
            continue
        values = rows[name].combine_chunks()
        checks.equal(statistics.null_count, values.null_count, f"{place}: null count")
        checks.equal(statistics.num_values, len(values) - values.null_count, f"{place}: values")
        if name in numeric:
            numbers = np.asarray(values.drop_null())
            # Statistics leave NaN out where engines put it above all numbers: with NaN, none.
            ordered = not (name in floats and np.isnan(numbers).any())
            checks.equal(chunk.has_column_index, paged and ordered, f"{place}: column index")
            checks.equal(statistics.has_min_max, ordered and len(numbers) > 0, f"{place}: min, max")
            if statistics.has_min_max and ordered:
                low, high = statistics.min, statistics.max
                if isinstance(low, bytes):  # pyarrow leaves Float16 undecoded
                    low, high = (np.frombuffer(x, np.float16)[0] for x in (low, high))
                checks.equal(low, numbers.min(), f"{place}: min")
                checks.equal(high, numbers.max(), f"{place}: max")
checks.equal(first_row, expected.num_rows, "pyarrow rows of all row groups")

# Polars, through its own reader, and DuckDB, through its own.
compare(pl.read_parquet(path).to_arrow(), pl.read_parquet(expected_path).to_arrow(), "polars")
db = duckdb.connect()
everything = lambda p: db.sql(f"SELECT * FROM read_parquet('{p}')").to_arrow_table()
compare(everything(path), everything(expected_path), "duckdb")


OPERATORS = {
    "<": (pc.less, lambda c, x: c < x),
    "<=": (pc.less_equal, lambda c, x: c <= x),
    "==": (pc.equal, lambda c, x: c == x),
    ">=": (pc.greater_equal, lambda c, x: c >= x),
    ">": (pc.greater, lambda c, x: c > x),
}


# Filters that libraries push down to statistics and pages.
def filters(name):
    values = expected[name].drop_null().combine_chunks()
    if name in floats:
        values = values.filter(pc.is_finite(values))
    if len(values) == 0:
        return
    ordered = np.sort(np.asarray(values))
    for share in (0.0, 0.01, 0.5, 0.99, 1.0):
        bound = ordered[int(share * (len(ordered) - 1))].item()
        for operator in OPERATORS:
            yield operator, bound


in_memory = pl.read_parquet(expected_path)
db.execute(f"CREATE TABLE expected AS SELECT * FROM read_parquet('{expected_path}')")
for name in numeric:
    kind = expected.schema.field(name).type
    for operator, bound in filters(name):
        what = f"{name} {operator} {bound!r}"
        compute, express = OPERATORS[operator]

        if kind != pa.float16():  # pyarrow has no comparison of Float16
            right = pc.sum(compute(expected[name], pa.scalar(bound, kind))).as_py() or 0
            found = pq.read_table(path, filters=express(pc.field(name), pa.scalar(bound, kind)))
            checks.equal(found.num_rows, right, f"pyarrow rows with {what}")

        literal = pl.lit(bound, dtype=in_memory.schema[name])
        condition = express(pl.col(name), literal)
        right = in_memory.filter(condition).height
        found = pl.scan_parquet(path).filter(condition).select(pl.len()).collect().item()
        checks.equal(found, right, f"polars rows with {what}")

        count = f"SELECT count(*) FROM {{}} WHERE {sql_name(name)} {operator} ?"
        right = db.execute(count.format("expected"), [bound]).fetchone()[0]
        found = db.execute(count.format(f"read_parquet('{path}')"), [bound]).fetchone()[0]
        checks.equal(found, right, f"duckdb rows with {what}")

    null = expected[name].null_count
    found = pq.read_table(path, filters=pc.field(name).is_null()).num_rows
    checks.equal(found, null, f"pyarrow rows with {name} null")
    found = pl.scan_parquet(path).filter(pl.col(name).is_null()).select(pl.len()).collect().item()
    checks.equal(found, null, f"polars rows with {name} null")
    query = f"SELECT count(*) FROM read_parquet('{path}') WHERE {sql_name(name)} IS NULL"
    checks.equal(db.execute(query).fetchone()[0], null, f"duckdb rows with {name} null")

checks.finish()
