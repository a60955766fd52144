"""Packed files as the bytes of the ordinary Parquet files that they stand for."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Union
from urllib.parse import urlsplit
from urllib.request import url2pathname

from . import _native

if TYPE_CHECKING:
    from collections.abc import Buffer

Source = Union[str, "os.PathLike[str]", BinaryIO]


class File(io.RawIOBase):
    """A binary file whose bytes are an ordinary Parquet file; made by :func:`open`.

    Only what is read is fetched and decoded. Any number of threads may read at once. They share one
    position, but a read starts where the same thread has sought just before, whatever others did
    meanwhile; :meth:`read_range` needs no position.
    """

    def __init__(self, native: _native.VirtualFile, name: Any, reopen: tuple | None = None):
        self._native = native
        self._position = 0
        # DuckDB seeks and then reads in each of its threads, as if it were alone.
        self._sought = threading.local()
        self._lock = threading.Lock()
        self._reopen = reopen
        self.name = name
        self.mode = "rb"

    @property
    def size(self) -> int:
        """Bytes of the file as it is presented."""
        return self._native.size

    @property
    def packed(self) -> bool:
        """Whether the file is a packed one; an ordinary Parquet file is presented as it is."""
        return self._native.packed

    @property
    def stored_size(self) -> int:
        """Bytes of the file as it is stored."""
        return self._native.stored_size

    @property
    def stored_bytes_read(self) -> int:
        """Bytes read of the file as it is stored, since it was opened."""
        return self._native.stored_bytes_read

    def read_range(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``, less what lies beyond the file's end.

        Raises CorruptFileError where a checksum does not match, OSError where reading fails.
        """
        self._check()
        return self._native.read(start, end)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """The next ``size`` bytes, or all that are left."""
        self._check()
        return self._native.read(*self._advance(-1 if size is None else size))

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Buffer, /) -> int:
        """Fills ``buffer`` with the next bytes; how many there were."""
        self._check()
        view = memoryview(buffer).cast("B")
        start, end = self._advance(len(view))
        if end > start:
            self._native.read_into(start, view[: end - start])
        return end - start

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._check()
        with self._lock:
            base = {io.SEEK_SET: 0, io.SEEK_CUR: self._current(), io.SEEK_END: self.size}
            if whence not in base:
                raise ValueError(f"whence is {whence}; give 0, 1 or 2")
            if base[whence] + offset < 0:
                raise ValueError("a seek to before the start of the file")
            self._position = self._sought.position = base[whence] + offset
            return self._position

    def tell(self) -> int:
        self._check()
        return self._current()

    def _current(self) -> int:
        sought = getattr(self._sought, "position", None)
        return self._position if sought is None else sought

    def _advance(self, size: int) -> tuple[int, int]:
        with self._lock:
            position = self._current()
            start = min(position, self.size)
            end = self.size if size < 0 else min(start + size, self.size)
            self._position, self._sought.position = max(position, end), None
            return start, end

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def __repr__(self) -> str:
        return f"<tolerant.File {self.name!r} of {self.size} bytes>"

    def __reduce__(self) -> Any:
        if self._reopen is None:
            raise TypeError("a tolerant.File over another file object cannot be pickled")
        return self._reopen


def open(source: Source, *, storage_options: dict[str, Any] | None = None) -> File:
    """Opens a packed file as the ordinary Parquet file that it stands for.

    Every reader that takes a binary file object reads it: ``pyarrow.parquet.ParquetFile``,
    ``pandas.read_parquet``, ``polars.read_parquet``. What such a reader skips (columns, row groups,
    pages) is neither read nor decoded. An ordinary Parquet file is presented as it is.

    source: a path, an fsspec URL (``s3://bucket/file.parquet``; needs fsspec), or a binary file
        object that can seek, which must not be used otherwise meanwhile.
    storage_options: for fsspec, with a URL.

    Raises FileNotFoundError, OSError, and CorruptFileError for what is no Parquet file or a damaged
    one.
    """
    if hasattr(source, "read"):
        if not hasattr(source, "seek"):
            raise ValueError(f"{source!r} cannot seek; give a path or a file that can")
        native = _native.VirtualFile.over(*_ranges_of(source))
        return File(native, getattr(source, "name", repr(source)))
    path = os.fsdecode(source)
    if path.startswith("file://"):
        path = url2pathname(urlsplit(path).path)
    if "://" in path or "::" in path:
        native = _native.VirtualFile.over(*_ranges_of_url(path, storage_options or {}))
    else:
        native = _native.VirtualFile.open(path)
    return File(native, path, (_open_again, (path, storage_options)))


def _open_again(path: str, storage_options: dict[str, Any] | None) -> File:
    return open(path, storage_options=storage_options)


def _ranges_of(file: BinaryIO) -> tuple[int, Callable[[int, int], bytes]]:
    """The size of a file object, and a function that reads a range of it."""
    lock = threading.Lock()

    def read(start: int, end: int) -> bytes:
        with lock:
            file.seek(start)
            parts = []
            while start < end:
                part = file.read(end - start)
                if not part:
                    break
                parts.append(part)
                start += len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)

    return file.seek(0, io.SEEK_END), read


def _ranges_of_url(url: str, options: dict[str, Any]) -> tuple[int, Callable[[int, int], bytes]]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise ImportError("URLs are opened by fsspec: pip install fsspec") from None
    filesystem, path = url_to_fs(url, **options)
    return ranges_of_path(filesystem, path)


def ranges_of_path(filesystem: Any, path: str) -> tuple[int, Callable[[int, int], bytes]]:
    """The size of a file of an fsspec filesystem, and a function that reads a range of it."""
    size = filesystem.info(path)["size"]
    if size is None:
        raise OSError(f"{path}: its size is not known, so that its end cannot be read")
    return size, lambda start, end: filesystem.cat_file(path, start=start, end=end)
