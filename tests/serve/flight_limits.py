"""Limits over Flight SQL. Usage: flight_limits.py FLIGHT_URL; 16 MiB, 2 requests at a time."""

import sys

import adbc_driver_flightsql.dbapi as flightsql

(url,) = sys.argv[1:]


def connect():
    return flightsql.connect(url, autocommit=True).cursor()


# More memory than there is.
cursor = connect()
try:
    cursor.execute("SELECT * FROM large ORDER BY x, z")
    cursor.fetch_arrow_table()
    raise SystemExit("sorted without memory")
except Exception as error:
    assert "memory" in str(error).lower() or "resources" in str(error).lower(), error
# What needs little goes on.
cursor = connect()
cursor.execute("SELECT count(*) AS n FROM large")
assert cursor.fetch_arrow_table()["n"].to_pylist() == [3_000_000]
# Two that are not read; a third is told so, and has its turn when they are gone.
slow = [connect() for _ in range(2)]
begun = []
for cursor in slow:
    cursor.execute("SELECT * FROM large")
    begun.append(cursor.fetch_record_batch())
    begun[-1].read_next_batch()
try:
    third = connect()
    third.execute("SELECT 1 AS x")
    third.fetch_arrow_table()
    raise SystemExit("a third at a time")
except Exception as error:
    assert "too many" in str(error), error
for cursor in slow:
    cursor.close()
third = connect()
third.execute("SELECT 1 AS x")
assert third.fetch_arrow_table()["x"].to_pylist() == [1]
print("memory and requests are limited")
