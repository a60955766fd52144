"""Tables over Flight SQL, by ADBC. Usage: flight.py FLIGHT_URL HTTP_URL FILE_OUTSIDE"""

import sys

import adbc_driver_flightsql.dbapi as flightsql
import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

url, http, outside = sys.argv[1:]
with fsspec.open(http + "a.parquet") as file:
    expected = pq.read_table(file)

connection = flightsql.connect(url, autocommit=True)
cursor = connection.cursor()


def query(sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetch_arrow_table()


def refused(sql, *parts):
    try:
        query(sql)
    except Exception as error:
        assert all(part in str(error) for part in parts), (sql, error)
    else:
        raise SystemExit(f"not refused: {sql}")


# Values.
found = query("SELECT * FROM a ORDER BY id")
assert found.column_names == expected.column_names
for name in found.column_names:
    assert found[name].combine_chunks().equals(expected[name].combine_chunks()), name
assert query("SELECT count(*) AS n FROM a WHERE x > 50 AND z IS NOT NULL")["n"].to_pylist() == [
    pc.sum(pc.and_(pc.greater(expected["x"], 50), pc.is_valid(expected["z"]))).as_py()
]
assert query("SELECT x FROM a WHERE false").num_rows == 0

# Files, folders, partitions, schemas, spelling.
assert query("SELECT count(*) AS n FROM plain")["n"].to_pylist() == [3000]
assert query("SELECT count(*) AS n FROM sub")["n"].to_pylist() == [1000]
assert query('SELECT count(*) AS n FROM sub."b c"')["n"].to_pylist() == [1000]
assert query("SELECT day, count(*) AS n FROM days GROUP BY day ORDER BY day").to_pylist() == [
    {"day": "1", "n": 500}, {"day": "2", "n": 500},
]
assert query('SELECT count(*) AS n FROM "Upper Case"')["n"].to_pylist() == [20]
assert query('SELECT count(*) AS n FROM "upper case"')["n"].to_pylist() == [20]
assert query("SELECT count(*) AS n FROM a JOIN plain USING (id)")["n"].to_pylist() == [3000]

# Parameters, twice with the same statement.
for limit in (10, 20):
    rows = query("SELECT id FROM a WHERE id < $1 AND name <> $2 ORDER BY id", (limit, "n3"))["id"].to_pylist()
    assert rows == [i for i in range(limit) if i != 3], rows
schema = cursor.adbc_prepare("SELECT id FROM a WHERE id < $1 AND x > $2")
assert schema.types == [pa.int64(), pa.float32()], schema

# Metadata.
objects = connection.adbc_get_objects(depth="all").read_all().to_pylist()
catalog = next(entry for entry in objects if entry["catalog_name"] == "tolerant")
schemas = {s["db_schema_name"]: s["db_schema_tables"] for s in catalog["catalog_db_schemas"]}
assert set(schemas) == {"public", "sub", "days"}, schemas.keys()
tables = {t["table_name"]: t for t in schemas["public"]}
assert {"a", "plain", "sub", "days", "Upper Case"} <= set(tables), tables.keys()
assert not {"link", "out", ".hidden", "token"} & set(tables), tables.keys()
assert [c["column_name"] for c in tables["a"]["table_columns"]] == expected.column_names
assert connection.adbc_get_table_schema("a").names == expected.column_names
assert connection.adbc_get_table_types() == ["TABLE"]
info = connection.adbc_get_info()
assert info["vendor_name"] == "Tolerant", info
assert query("SELECT table_name FROM information_schema.tables WHERE table_name = 'a'").num_rows == 1

# Nothing outside, nothing changed; damage is an error.
for sql in (
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{outside}'",
    "DROP TABLE a",
    "INSERT INTO a SELECT * FROM a",
    "DELETE FROM a",
    "COPY a TO '/tmp/tolerant-flight-test.parquet'",
    "COPY (SELECT 1) TO 'folder://served/x.parquet'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'folder://served/x.parquet' STORED AS PARQUET",
    "SET datafusion.execution.batch_size = 1",
    "PREPARE p AS SELECT 1",
):
    refused(sql)
for name in (outside, f"file://{outside}", "link", "out.secret", "../x", ".hidden", "token", "out", "/etc/passwd", "folder://served/a.parquet"):
    refused(f'SELECT * FROM "{name}"')
refused(f'SELECT * FROM "..".x')
refused(f'SELECT * FROM "sub/..".a')
refused('SELECT * FROM ".git".c')
refused("SELECT * FROM damaged", "damaged.parquet")
refused("SELECT nothing FROM a", "nothing")
refused("SELEC 1")
refused("SELECT id FROM a WHERE id < $1")
assert query("SELECT 1 AS x").to_pylist() == [{"x": 1}]

# Many at once, on connections of their own.
import concurrent.futures


def count(limit):
    with flightsql.connect(url, autocommit=True) as own, own.cursor() as rows:
        rows.execute("SELECT count(*) AS n, sum(x) AS s FROM a WHERE id < $1", (limit,))
        return rows.fetch_arrow_table()["n"].to_pylist()[0]


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    assert list(pool.map(count, range(100, 1700, 100))) == list(range(100, 1700, 100))
print("queries, parameters and metadata by ADBC")
