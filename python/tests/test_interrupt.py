"""Protects Ctrl-C: work stops soon, says KeyboardInterrupt, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

PRELUDE = """
import signal, sys, time
import numpy as np, pyarrow as pa, tolerant
signal.signal(signal.SIGINT, signal.default_int_handler)
random = np.random.default_rng(0)
"""

SCRIPTS = {
    # Rows in any order are tried in many ways: a minute's work.
    "compress": """
table = pa.table({f"c{i}": random.normal(size=1_000_000) for i in range(12)})
print("go", flush=True)
tolerant.compress(table, "out.parquet", row_order="any", effort="small")
""",
    "compress a stream": """
def batches():
    print("go", flush=True)
    while True:
        yield pa.record_batch({"x": random.normal(size=10_000)})
tolerant.compress(batches(), "out.parquet")
""",
    "verify": """
def batches():
    print("go", flush=True)
    while True:
        yield pa.record_batch({"x": random.normal(size=100)})
tolerant.compress(pa.table({"x": [1.0]}), "in.parquet")
tolerant.verify(batches(), "in.parquet")
""",
    "batches": """
tolerant.compress(pa.table({"x": random.normal(size=100_000)}), "in.parquet")
print("go", flush=True)
while True:
    for batch in tolerant.batches("in.parquet", shuffle=True):
        pass
""",
    "file": """
tolerant.compress(pa.table({"x": random.normal(size=1_000_000)}), "in.parquet")
file = tolerant.open("in.parquet")
print("go", flush=True)
while True:
    file.read_range(0, file.size)
""",
}


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("name", SCRIPTS)
def test_ctrl_c_stops(name, tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + SCRIPTS[name]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "go\n"
    time.sleep(1.0)
    start = time.monotonic()
    child.send_signal(signal.SIGINT)
    try:
        _, errors = child.communicate(timeout=30)
    finally:
        child.kill()
    assert time.monotonic() - start < 10
    assert errors.rstrip().endswith("KeyboardInterrupt"), errors
    assert child.returncode in (-signal.SIGINT, 1, 130)
    assert not (tmp_path / "out.parquet").exists()
    assert not list(tmp_path.glob(".tolerant-*"))


def interrupted(script, folder, seconds: int) -> str:
    """What a script says that gets a SIGINT soon after its "go"; it has so many seconds to end."""
    child = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + script], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "go\n"
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    try:
        return child.communicate(timeout=seconds)[0]
    finally:
        child.kill()


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are listed by Linux only")
def test_what_was_interrupted_never_appears(tmp_path):
    script = """
import os, pathlib
table = pa.table({f"c{i}": random.normal(size=60_000) for i in range(12)})
try:
    print("go", flush=True)
    tolerant.compress(table, "out.parquet", rel=0.1, row_order="any", effort="small")
except KeyboardInterrupt:
    print("stopped", flush=True)
tolerant.compress(table, "out.parquet", rel=1e-3)

def working(thread):
    try:
        return (thread / "comm").read_text() == "tolerant\\n"
    except (FileNotFoundError, ProcessLookupError):
        return False  # It has ended.

while any(map(working, pathlib.Path("/proc/self/task").iterdir())):
    time.sleep(0.1)
print(tolerant.inspect("out.parquet")["columns"][0]["bound"])
"""
    said = interrupted(script, tmp_path, 180)
    assert said.splitlines() == ["stopped", "rel:0.001"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_stream_taken_by_others_stops(tmp_path):
    script = """
tolerant.compress(pa.table({"x": random.normal(size=500_000)}), "in.parquet")
try:
    print("go", flush=True)
    while True:
        pa.table(tolerant.read("in.parquet"))
except BaseException as error:
    print(type(error).__name__, error)
"""
    said = interrupted(script, tmp_path, 30)
    # Arrow's streams have no KeyboardInterrupt; who takes one may word it otherwise.
    assert "KeyboardInterrupt" in said
