"""Who may ask over Flight SQL. Usage: flight_token.py FLIGHT_URL"""

import sys

import adbc_driver_flightsql.dbapi as flightsql
from adbc_driver_flightsql import DatabaseOptions

(url,) = sys.argv[1:]


def rows(**options):
    with flightsql.connect(url, db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) AS n FROM a")
            return cursor.fetch_arrow_table()["n"].to_pylist()


header = DatabaseOptions.AUTHORIZATION_HEADER.value
assert rows(**{header: "Bearer secret"}) == [50_000]
# As JDBC does it: a user's password is exchanged for the token.
assert rows(username="anyone", password="secret") == [50_000]
for wrong in ({}, {header: "Bearer wrong!"}, {header: "secret"}, {"username": "anyone", "password": "wrong"}):
    try:
        rows(**wrong)
    except Exception as error:
        assert "unauthenticated" in str(error).lower() or "bearer token" in str(error), error
    else:
        raise SystemExit(f"let in: {wrong}")
print("only with the token")
