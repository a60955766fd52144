"""Protects the documentation: every Python snippet of it runs as it stands."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tolerant

ROOT = Path(__file__).parents[2]


def snippets():
    for page in ("docs/reading.md", "README.md"):
        text = (ROOT / page).read_text()
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            yield pytest.param(match[1], id=f"{page}:{line}")


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> Path:
    """The table that the pages' first snippet makes."""
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "x": random.normal(size=100_000).cumsum().astype("float32"),
            "price": random.lognormal(size=100_000),
            "city": random.choice(["Oslo", "Bern"], 100_000),
            "label": random.integers(0, 2, 100_000),
        }
    )
    path = tmp_path_factory.mktemp("docs") / "train.parquet"
    tolerant.compress(table, path, rel=1e-3)
    return path


@pytest.mark.parametrize("code", list(snippets()))
def test_snippet_runs(code, train, tmp_path):
    if "torch" in code and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    shutil.copy(train, tmp_path)
    (tmp_path / "snippet.py").write_text(code)
    ran = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "snippet.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_the_pages_have_snippets_of_every_tool():
    codes = [param.values[0] for param in snippets()]
    for tool in ("pandas", "polars", "duckdb", "pyarrow", "torch", "datafusion", "fsspec"):
        assert any(f"import {tool}" in code or f".{tool}" in code for code in codes), tool
