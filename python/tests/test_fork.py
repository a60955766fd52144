"""Protects forked processes: they read and write, though threads of their parent held locks, or waited."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at threads as Linux shows them")

PRELUDE = """
import os, signal, sys, threading, time, traceback
from pathlib import Path
import numpy as np, pyarrow as pa, tolerant
table = pa.table({"x": np.arange(50.0, dtype="f4"), "id": np.arange(50)})
tolerant.compress(table, "small.parquet", rel=1e-3)

def in_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"a child ended with {status}"
"""

# A thread that waits for another by way of parking_lot is in a list that a forked process has, too, and takes for
# true. Such a list breaks one child of some hundreds only, so that the threads themselves are looked at.
AT_REST = """
filtered = tolerant.read("small.parquet", filter="x > 20")

def waits(*names):
    "What each thread of such a name waits in."
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        try:
            name = (thread / "comm").read_text().strip()
            if name.startswith(names):
                found[thread.name] = (thread / "wchan").read_text()
        except (FileNotFoundError, ProcessLookupError):
            pass  # It has ended.
    return list(found.values())

def settled(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.02)

for _ in range(3):
    assert pa.table(filtered).num_rows == 29
    assert settled(lambda: not waits("tokio", "tolerant"))
next(iter(filtered))
assert settled(lambda: not waits("tokio", "tolerant"))

import datafusion
session = datafusion.SessionContext()
session.register_table("t", tolerant.read("small.parquet"))
query = "SELECT count(*) AS n FROM (SELECT * FROM t WHERE x > 20 LIMIT 25)"
for _ in range(3):
    assert session.sql(query).to_pydict() == {"n": [25]}
    assert settled(lambda: len(waits("tolerant")) == 1), waits("tolerant")
    assert settled(lambda: "futex" not in waits("tolerant")[0]), waits("tolerant")
"""

STREAMS = """
begun = iter(tolerant.read(PACKED))
dropped = iter(tolerant.read(PACKED))
next(begun), next(dropped)
unbegun = [iter(tolerant.read(PACKED)), iter(tolerant.read(PACKED, filter="id >= 0"))]

def work():
    global dropped
    del dropped
    for _ in range(2):
        assert sum(batch.num_rows for batch in tolerant.read(PACKED)) == 200_000
    for stream in unbegun:
        assert sum(batch.num_rows for batch in stream) == 200_000
    try:
        list(begun)
    except RuntimeError as error:
        assert "forked" in str(error)
    else:
        assert False, "a stream of another process"

in_child(work)
assert sum(batch.num_rows for batch in begun) > 0
"""

# What uses pools of threads; the parent has used each before.
TOOLS = """
import pyarrow.csv, pyarrow.parquet
pyarrow.parquet.write_table(table, "plain.parquet")
pyarrow.csv.write_csv(table, "table.csv")

def work():
    for source in ("plain.parquet", "table.csv", table):
        tolerant.compress(source, "out.parquet", rel=1e-3, row_order="any")
        assert tolerant.verify(source, "out.parquet")["violations"] == 0
        assert tolerant.inspect("out.parquet")["rows"] == 50
    for source in ("plain.parquet", "table.csv"):
        for filter in (None, "id >= 0"):
            assert pa.table(tolerant.read(source, filter=filter)).num_rows == 50
    assert pyarrow.parquet.read_table(tolerant.open("out.parquet")).num_rows == 50

work()
in_child(work)
"""

# Threads that read and write all the time hold whatever locks there are at some of the forks. They read without a
# filter: Tokio's threads wait for one another while such a scan is under way.
AT_WORK = """
whole = tolerant.read("small.parquet")
filtered = tolerant.read("small.parquet", filter="x > 20")
batches = tolerant.batches("small.parquet", ["x"])

def work(name):
    assert sum(batch.num_rows for batch in whole) == 50
    assert sum(len(batch["x"]) for batch in batches) == 50
    tolerant.compress(table, f"{name}.parquet", rel=1e-3)

def child():
    work("child")
    assert sum(batch.num_rows for batch in filtered) == 29

def go_on():
    while True:
        work(threading.get_native_id())

for _ in range(3):
    threading.Thread(target=go_on, daemon=True).start()
for _ in range(100):
    assert sum(batch.num_rows for batch in filtered) == 29
    in_child(child)
os._exit(0)
"""


def run(script: str, folder) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PRELUDE + script],
        cwd=folder, capture_output=True, text=True, timeout=240, check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_thread_waits_for_another_while_nothing_is_read(tmp_path):
    run(AT_REST, tmp_path)


def test_streams_are_of_the_process_that_began_them(packed, tmp_path):
    run(STREAMS.replace("PACKED", repr(packed)), tmp_path)


def test_tools_work_in_children(tmp_path):
    run(TOOLS, tmp_path)


def test_children_of_a_busy_process_work(tmp_path):
    run(AT_WORK, tmp_path)
