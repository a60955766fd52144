#!/usr/bin/env python3
"""The acceptance check of whole tables: promise kept, SQL the same, strangers right.

    acceptance.py TOLERANT_BINARY TABLE.parquet...

For each table and each of four relative bounds: compress, verify, decompress; run the same SQL on
the packed file and on its decompressed copy; open the packed file itself with DuckDB, Polars and
pyarrow and compare row and null counts with the original's. Problems go to standard error; exit
code 1 if there are any. Run it with the interpreter that scripts/python_env.sh prints.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

BOUNDS = ["1e-1", "1e-2", "1e-3", "1e-4"]
LINE = "{:<12} {:>5} {:>9} {:>11} {:>9} {:>16}"


def tolerant(binary, *args, may_exit=(0,)):
    done = subprocess.run([binary, *map(str, args)], capture_output=True, text=True)
    if done.returncode not in may_exit:
        said = (done.stderr or done.stdout).strip()[:2000]
        raise RuntimeError(f"{' '.join(map(str, args))}: exit code {done.returncode}: {said}")
    return done.returncode, done.stdout


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def finite(column):
    column = pc.drop_null(column.cast(pa.float64()))
    return column.filter(pc.is_finite(column))


def queries(table):
    """A filter, a group-by and a self-join that suit the table's columns, over a table `t`.

    Their answers depend on no order of rows: they are sorted by all that they show, and sums are
    of decimals, since a sum of floats depends on the order of its terms.
    """
    plain = [f for f in table.schema if not pa.types.is_nested(f.type)]
    floats = [f.name for f in plain if pa.types.is_floating(f.type) and len(finite(table[f.name]))]
    if not floats:
        raise RuntimeError("the table has no float column with a finite value")
    x, y = quoted(floats[0]), quoted(floats[-1])
    ends = pc.min_max(finite(table[floats[0]])).as_py()
    span = ends["max"] - ends["min"]
    # Below the largest value by more than the loosest bound, so that some row is always found.
    threshold = pc.quantile(finite(table[floats[0]]), 0.9)[0].as_py()
    threshold = min(threshold, ends["max"] - 0.11 * span)

    # The key of groups and joins: a column of few integers or strings, or a float in steps.
    kinds = pa.types.is_integer, pa.types.is_string, pa.types.is_large_string
    exact = [f.name for f in plain if any(kind(f.type) for kind in kinds)]
    few = (n for n in exact if 2 <= pc.count_distinct(table[n]).as_py() <= 1000)
    steps = f"TRY_CAST(round({x} / {span / 20 or 1.0!r}) AS BIGINT)"
    key = next(map(quoted, few), steps)

    columns = ", ".join(quoted(f.name) for f in plain)
    mine = ", ".join(f"a.{quoted(f.name)}" for f in plain)
    each = "count({0}), min({0}), max({0}), sum(TRY_CAST({0} AS DECIMAL(38, 6)))"
    aggregates = ", ".join(each.format(quoted(n)) for n in floats)
    return {
        "filter": f"SELECT {columns} FROM t WHERE {x} >= {threshold!r} ORDER BY {columns}",
        "group-by": f"SELECT {key} AS k, count(*), {aggregates} FROM t GROUP BY k ORDER BY k",
        # The rows that hold their group's largest value: never more than the table has.
        "join": f"SELECT b.k, {mine} FROM (SELECT {key} AS k, * FROM t) a "
        f"JOIN (SELECT {key} AS k, max({y}) AS m FROM t GROUP BY 1) b "
        f"ON a.k = b.k AND a.{y} = b.m ORDER BY b.k, {mine}",
    }


def sql_problems(binary, sqls, packed, copy):
    for name, sql in sqls.items():
        ask = [binary, "query", sql, "--format", "json", "--table"]
        rows, copied = (tolerant(*ask, f"t={path}")[1] for path in (packed, copy))
        if rows != copied:
            yield f"{name} differs between the packed file and its copy: {sql}"
        elif not rows:
            yield f"{name} compares nothing, for it has no rows: {sql}"


def stranger_problems(table, packed):
    nulls = {n: table[n].null_count for n in table.column_names}
    file = "'" + str(packed).replace("'", "''") + "'"
    counts = ", ".join(f"count(*) - count({quoted(n)})" for n in nulls)
    unset = ", ".join(f"count(*) FILTER ({quoted(n)} IS NULL)" for n in nulls)
    wanted = "count(*)", counts, unset
    duck = [duckdb.sql(f"SELECT {what} FROM {file}").fetchall()[0] for what in wanted]
    frame = pl.read_parquet(packed, glob=False)
    lazy_rows = pl.scan_parquet(packed, glob=False).select(pl.len()).collect().item()
    arrow = pq.read_table(packed)
    answers = {
        "DuckDB": (duck[0][0], dict(zip(nulls, duck[1]))),
        "DuckDB IS NULL": (duck[0][0], dict(zip(nulls, duck[2]))),
        "Polars": (frame.height, {n: frame[n].null_count() for n in frame.columns}),
        "Polars scan": (lazy_rows, nulls),
        "pyarrow": (arrow.num_rows, {n: arrow[n].null_count for n in arrow.column_names}),
    }
    for who, answer in answers.items():
        if answer != (table.num_rows, nulls):
            yield f"{who} counts {answer} rows and nulls, not {(table.num_rows, nulls)}"


def check(binary, path, table, rel, folder):
    """Prints the line of a table and bound, and returns the problems found."""
    packed, copy = folder / "packed.parquet", folder / "copy.parquet"
    report = json.loads(tolerant(binary, "compress", path, "-o", packed, "--rel", rel, "--json")[1])
    code, verified = tolerant(binary, "verify", path, packed, "--json", may_exit=(0, 1))
    violations = json.loads(verified)["violations"]
    problems = [f"verify: exit code {code}: {verified}"] if code or violations else []
    tolerant(binary, "decompress", packed, "-o", copy)
    sql = list(sql_problems(binary, queries(table), packed, copy))
    strangers = list(stranger_problems(table, packed))
    ratio = f"{report['raw_bytes'] / packed.stat().st_size:.2f}"
    same, right = ("no" if found else "yes" for found in (sql, strangers))
    print(LINE.format(path.stem, rel, ratio, violations, same, right), flush=True)
    return problems + sql + strangers


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    binary, failed = Path(sys.argv[1]).resolve(), False
    print(LINE.format("table", "rel", "ratio", "violations", "SQL same", "strangers right"))
    for path, rel in ((Path(table), rel) for table in sys.argv[2:] for rel in BOUNDS):
        with tempfile.TemporaryDirectory() as folder:
            try:
                problems = check(binary, path, pq.read_table(path), rel, Path(folder))
            except Exception as error:  # Whatever a reader raises is a failure of this line alone.
                print(LINE.format(path.stem, rel, *["failed"] * 4), flush=True)
                problems = [str(error)]
        for problem in problems:
            print(f"{path.name} at {rel}: {problem}", file=sys.stderr)
        failed = failed or bool(problems)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
