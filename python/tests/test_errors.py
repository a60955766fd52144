"""Protects the errors: Python's own exceptions, with the library's messages, at once or when read."""

import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tolerant

OPENERS = {
    "open": tolerant.open,
    "read": tolerant.read,
    "scan": tolerant.scan,
    "inspect": tolerant.inspect,
    "batches": tolerant.batches,
    "filter": lambda path: tolerant.read(path, filter="x > 0"),
    "compress": lambda path: tolerant.compress(path, f"{path}.out"),
    "verify": lambda path: tolerant.verify(pa.table({"x": [1.0]}), path),
}


@pytest.mark.parametrize("opener", OPENERS)
def test_a_missing_file_is_file_not_found(opener, tmp_path):
    with pytest.raises(FileNotFoundError, match="none.parquet"):
        OPENERS[opener](tmp_path / "none.parquet")


@pytest.mark.parametrize("opener", OPENERS)
def test_another_kind_of_file_is_corrupt(opener, tmp_path):
    path = tmp_path / "text.parquet"
    path.write_text("this is not a table at all")
    with pytest.raises(tolerant.CorruptFileError, match="text.parquet"):
        OPENERS[opener](path)


def damaged(packed, tmp_path, at: int):
    data = bytearray(open(packed, "rb").read())
    data[at] ^= 1
    path = tmp_path / "damaged.parquet"
    path.write_bytes(data)
    return path


def test_a_damaged_seal_is_found_when_opened(packed, tmp_path):
    seal = open(packed, "rb").read().rindex(b"TOLERANT")
    path = damaged(packed, tmp_path, seal + 12)
    for opener in ("open", "read", "inspect", "batches", "filter"):
        with pytest.raises(tolerant.CorruptFileError, match="damaged.parquet"):
            OPENERS[opener](path)


def test_a_damaged_block_is_found_when_read(packed, tmp_path):
    path = damaged(packed, tmp_path, 100_000)
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        tolerant.open(path).read()
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        pq.read_table(tolerant.open(path))
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        pd.read_parquet(tolerant.open(path))
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        list(tolerant.read(path))
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        list(tolerant.read(path, filter="id >= 0"))
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        list(tolerant.batches(path))
    with pytest.raises(tolerant.CorruptFileError, match="checksum"):
        tolerant.scan(path).collect()
    with pytest.raises(Exception, match="checksum"):
        pa.table(tolerant.read(path))


def test_mistaken_requests_are_value_errors(packed):
    for columns in (["nothing"], ["id", "id"]):
        with pytest.raises(ValueError, match="nothing|twice"):
            tolerant.read(packed, columns)
    with pytest.raises(ValueError, match="list of names"):
        tolerant.read(packed, "id")
    for filter in ("id >", "nothing > 1", "id + 1"):
        with pytest.raises(ValueError):
            tolerant.read(packed, filter=filter)
    with pytest.raises(ValueError, match="list of names"):
        tolerant.batches(packed, "id")


def test_a_source_that_fails_is_heard(packed):
    class Failing(Exception):
        pass

    class File:
        def __init__(self):
            self.inner, self.fail = open(packed, "rb"), False

        def seek(self, *position):
            return self.inner.seek(*position)

        def read(self, size):
            if self.fail:
                raise Failing("gone")
            return self.inner.read(size)

    source = File()
    file = tolerant.open(source)
    source.fail = True
    with pytest.raises(Failing, match="gone"):
        file.read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_a_permission_error(tmp_path):
    path = tmp_path / "secret.parquet"
    path.write_bytes(b"PAR1")
    path.chmod(0)
    with pytest.raises(PermissionError):
        tolerant.open(path)


def test_corrupt_files_are_os_errors():
    assert issubclass(tolerant.CorruptFileError, OSError)
    assert tolerant.CorruptFileError.__module__ == "tolerant"


@pytest.mark.parametrize("filter", [None, "x > 0"])
def test_urls_that_lead_nowhere(filter):
    with pytest.raises(FileNotFoundError):
        tolerant.read("file:///nowhere/x.parquet", filter=filter)
