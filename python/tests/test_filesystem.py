"""Protects `tolerant://`: packed files through fsspec, over any other filesystem."""

import pickle
import shutil

import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import tolerant
from conftest import same
from tolerant.filesystem import TolerantFileSystem


@pytest.fixture
def folder(packed, tmp_path):
    shutil.copy(packed, tmp_path / "packed.parquet")
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "ordinary.parquet")
    (tmp_path / "notes.txt").write_text("not a table")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + bytes(100))
    return tmp_path


def test_pandas_reads_a_url(packed, plain):
    frame = pd.read_parquet(f"tolerant://{packed}", columns=["walk"])
    assert (frame["walk"] == plain["walk"].to_pandas()).all()


def test_pyarrow_reads_a_folder(folder, plain):
    (folder / "broken.parquet").unlink()
    filesystem = fsspec.filesystem("tolerant")
    dataset = ds.dataset(str(folder / "packed.parquet"), filesystem=filesystem, format="parquet")
    columns = ["id", "walk"]
    assert same(dataset.to_table(columns=columns), plain.select(columns))


def test_polars_reads_an_opened_url(packed, plain):
    with fsspec.open(f"tolerant://{packed}") as file:
        assert pl.read_parquet(file, columns=["id"])["id"].to_list() == plain["id"].to_pylist()


def test_sizes_are_those_of_the_presented_files(folder):
    filesystem = fsspec.filesystem("tolerant")
    entries = {entry["name"]: entry for entry in filesystem.ls(str(folder))}
    size = tolerant.open(folder / "packed.parquet").size
    assert entries[str(folder / "packed.parquet")]["size"] == size
    assert filesystem.size(f"tolerant://{folder}/packed.parquet") == size
    assert filesystem.size(str(folder / "notes.txt")) == 11
    assert sorted(filesystem.ls(str(folder), detail=False)) == sorted(entries)
    assert filesystem.glob(f"{folder}/p*.parquet") == [str(folder / "packed.parquet")]
    assert filesystem.isdir(str(folder)) and not filesystem.exists(str(folder / "none"))


def test_other_files_are_as_they_are(folder):
    filesystem = fsspec.filesystem("tolerant")
    assert filesystem.cat_file(str(folder / "notes.txt")) == b"not a table"
    ordinary = folder / "ordinary.parquet"
    assert filesystem.cat_file(str(ordinary)) == ordinary.read_bytes()
    with pytest.raises(tolerant.CorruptFileError):
        filesystem.open(str(folder / "broken.parquet"))
    with pytest.raises(FileNotFoundError):
        filesystem.open(str(folder / "none.parquet"))


def test_ranges_are_those_of_the_presented_file(packed):
    filesystem = fsspec.filesystem("tolerant")
    whole = tolerant.open(packed).read()
    assert filesystem.cat_file(packed, 5, 500) == whole[5:500]
    assert filesystem.cat_file(packed, -8) == whole[-8:]
    assert filesystem.cat_file(packed) == whole


def test_any_filesystem_lies_beneath(packed, plain):
    with fsspec.filesystem("memory").open("/folder/table.parquet", "wb") as file:
        file.write(open(packed, "rb").read())
    wanted = plain.select(["id"])
    with fsspec.open("tolerant://memory://folder/table.parquet") as file:
        assert same(pq.read_table(file, columns=["id"]), wanted)
    for filesystem in (
        TolerantFileSystem(target_protocol="memory"),
        TolerantFileSystem(fs=fsspec.filesystem("memory")),
    ):
        with filesystem.open("/folder/table.parquet") as file:
            assert same(pq.read_table(file, columns=["id"]), wanted)
    listed = fsspec.filesystem("tolerant").ls("memory://folder", detail=False)
    assert listed == ["memory:///folder/table.parquet"]


def test_a_replaced_file_is_opened_anew(packed, tmp_path):
    filesystem = fsspec.filesystem("tolerant")
    path = tmp_path / "replaced.parquet"
    shutil.copy(packed, path)
    before = filesystem.size(str(path))
    tolerant.compress(pa.table({"x": [1.0, 2.0]}), path)
    assert filesystem.size(str(path)) == tolerant.open(path).size != before


def test_the_filesystem_is_pickled(packed):
    copy = pickle.loads(pickle.dumps(fsspec.filesystem("tolerant")))
    assert copy.size(packed) == tolerant.open(packed).size


def test_files_are_only_read(packed):
    with pytest.raises(ValueError, match="only read"):
        fsspec.filesystem("tolerant").open(packed, "wb")
