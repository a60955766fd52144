"""``tolerant://``: packed files as ordinary Parquet files, through fsspec. Needs fsspec."""

from __future__ import annotations

from typing import Any

import fsspec
from fsspec.spec import AbstractFileSystem

from . import _native
from ._file import File, ranges_of_path


class TolerantFileSystem(AbstractFileSystem):
    """The files of another filesystem, packed ones presented as ordinary Parquet. Read only.

    ``tolerant:///data/x.parquet`` is a local file, and ``tolerant://s3://bucket/x.parquet`` one of any
    other fsspec URL. With ``target_protocol`` (and ``target_options``) or ``fs``, paths are those of
    that filesystem. Sizes are those of the files as presented; other files are as they are.
    """

    protocol = "tolerant"

    def __init__(
        self,
        target_protocol: str | None = None,
        target_options: dict[str, Any] | None = None,
        fs: AbstractFileSystem | None = None,
        **options: Any,
    ):
        super().__init__(**options)
        if fs is None and target_protocol is not None:
            fs = fsspec.filesystem(target_protocol, **(target_options or {}))
        self._target = fs
        self._target_options = target_options or {}
        # By path, what told the stored file apart, and what it is presented as.
        self._opened: dict[str, tuple[Any, _native.VirtualFile | None]] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = str(path)
        if path.startswith("tolerant://"):
            path = path[len("tolerant://") :]
        return path.rstrip("/") or "/"

    def _inner(self, path: str) -> tuple[AbstractFileSystem, str]:
        path = self._strip_protocol(path)
        if self._target is not None:
            return self._target, self._target._strip_protocol(path)
        return fsspec.core.url_to_fs(path, **self._target_options)

    def _presented(self, fs: AbstractFileSystem, info: dict[str, Any]) -> Any:
        """What a file is presented as; None for one that is no Parquet file."""
        path = info["name"]
        version = fs.ukey(path) if "mtime" not in info else (info["mtime"], info["size"])
        known = self._opened.get(path)
        if known is not None and known[0] == version:
            return known[1]
        size, read = ranges_of_path(fs, path)
        is_parquet = size >= 12 and read(0, 4) == b"PAR1"
        native = _native.VirtualFile.over(size, read) if is_parquet else None
        self._opened[path] = version, native
        return native

    def _outer(self, fs: AbstractFileSystem, info: dict[str, Any], like: str) -> dict[str, Any]:
        """The entry of a file as this filesystem has it."""
        name = info["name"]
        if self._target is None and "://" in like:
            name = fs.unstrip_protocol(name)
        outer = {**info, "name": name}
        if info["type"] == "file":
            try:
                native = self._presented(fs, info)
            except _native.CorruptFileError:
                # Whoever opens it will hear of it; the files beside it are none the worse.
                native = None
            if native is not None:
                outer["size"] = native.size
        return outer

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        fs, inner = self._inner(path)
        entries = fs.ls(inner, detail=True, **options)
        entries = [self._outer(fs, info, path) for info in entries]
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        fs, inner = self._inner(path)
        return self._outer(fs, fs.info(inner, **options), path)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode != "rb":
            raise ValueError(f"mode {mode!r}: files are only read; write them with tolerant.compress")
        fs, inner = self._inner(path)
        native = self._presented(fs, fs.info(inner))
        if native is None:
            return fs.open(inner, "rb")
        return File(native, path)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        fs, inner = self._inner(path)
        native = self._presented(fs, fs.info(inner))
        if native is None:
            return fs.cat_file(inner, start, end, **options)
        start, end, _ = slice(start, end).indices(native.size)
        return native.read(start, max(start, end))

    def created(self, path: str) -> Any:
        fs, inner = self._inner(path)
        return fs.created(inner)

    def modified(self, path: str) -> Any:
        fs, inner = self._inner(path)
        return fs.modified(inner)
