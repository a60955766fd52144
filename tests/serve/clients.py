"""Reads tables over HTTP with what everybody has: fsspec with pyarrow and pandas, Polars.

Usage: clients.py URL URL_WITH_TOKEN EXPECTED.parquet. The expected file holds the bytes that
a.parquet is served as.
"""

import sys

import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

url, closed, expected_path = sys.argv[1:]
expected = pq.read_table(expected_path)
http = fsspec.filesystem("http")


def same(found, name):
    assert found.num_rows == expected.num_rows, name
    for column in found.column_names:
        assert found[column].combine_chunks().equals(expected[column].combine_chunks()), (name, column)


# pyarrow, through fsspec; what is fetched for a column is a part of the file.
with http.open(url + "a.parquet") as file:
    same(pq.ParquetFile(file).read(), "pyarrow")
with fsspec.open(url + "a.parquet", block_size=4096, cache_type="none") as file:
    read, total = [], file.size
    original = file._fetch_range
    file._fetch_range = file.cache.fetcher = lambda a, b: (read.append(b - a), original(a, b))[1]
    same(pq.ParquetFile(file).read(columns=["x"]), "pyarrow, one column")
    assert 0 < sum(read) < total / 2, (sum(read), total)
found = ds.dataset(url + "a.parquet", filesystem=http, format="parquet").to_table(filter=ds.field("z") > 0)
assert found.num_rows == pc.sum(pc.greater(expected["z"], 0)).as_py()

# The HTML listing is what fsspec lists folders by.
names = sorted(name.removeprefix(url) for name in http.ls(url, detail=False))
assert names == ["a.parquet", "plain.parquet", "sub/"], names
assert http.ls(url + "sub/", detail=False) == [url + "sub/b%20c.parquet"], http.ls(url + "sub/")

# pandas and Polars take the URL as it is.
assert len(pd.read_parquet(url + "a.parquet", columns=["x", "id"])) == expected.num_rows
frame = pl.scan_parquet(url + "a.parquet").filter(pl.col("x") > 0).select("x", "z").collect()
assert frame.height == pc.sum(pc.greater(expected["x"], 0)).as_py()
same(pl.read_parquet(url + "a.parquet").select("x", "y", "z", "id").to_arrow(), "polars")
assert pl.scan_parquet(url + "sub/b%20c.parquet").select(pl.len()).collect().item() == 1000

# With a token.
headers = {"Authorization": "Bearer secret"}
with fsspec.open(closed + "a.parquet", headers=headers) as file:
    same(pq.read_table(file), "pyarrow with a token")
assert len(pd.read_parquet(closed + "a.parquet", storage_options=headers, columns=["x"])) == expected.num_rows
try:
    pd.read_parquet(closed + "a.parquet")
    raise SystemExit("read without a token")
except OSError as error:
    assert "401" in str(error), error

print("pyarrow, pandas and Polars read the same values")
