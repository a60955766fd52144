"""``compress``, ``verify`` and ``inspect``: the tools of the command line on Python's tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from . import _native


def compress(
    data: Any,
    path: str | os.PathLike[str],
    *,
    rel: float | str | None = None,
    abs: float | None = None,
    pwrel: float | None = None,
    psnr: float | None = None,
    columns: Mapping[str, str] | None = None,
    layout: str = "packed",
    effort: str = "balanced",
    row_order: str = "keep",
    vector_range: str = "all",
    row_id: str | None = None,
    max_references: int | None = None,
    block_rows: int | None = None,
    row_group_rows: int | None = None,
    progress: Callable[[str, int, int | None], Any] | None = None,
) -> dict[str, Any]:
    """Compresses a table into one file, which appears complete or not at all.

    data: anything with ``__arrow_c_stream__`` (a pandas or Polars DataFrame, a pyarrow table or
        reader, a DuckDB relation, a :class:`tolerant.Dataset`), an iterable of such with the same
        columns, or the path of a Parquet, CSV or Arrow IPC file, a glob or a folder, or a list of
        those. What is not in files is first written, as it is, to a temporary file beside ``path``:
        a bound relative to a column's range takes two passes, and the memory needed stays that of a
        row group.
    path: the file to write.
    rel, abs, pwrel, psnr: the bound of float columns, one of them; ``rel=1e-3`` if none is given.
        ``rel``: |x - x'| <= rel * (max - min) of the column's finite values, or of the range between
        two percentiles, written ``"1e-3@p1..p99"``. ``abs``: |x - x'| <= abs, in the column's unit.
        ``pwrel``: |x - x'| <= pwrel * |x|. ``psnr``: at least so many decibels over the column.
    columns: bounds of single columns, as ``{"price": "abs:0.01", "id": "exact"}``; written
        ``rel:R``, ``rel:R@p1..p99``, ``abs:E``, ``pwrel:R``, ``psnr:D`` or ``exact``.
    layout: ``"packed"``, or ``"portable"`` for ordinary Parquet.
    effort: ``"fast"``, ``"balanced"`` or ``"small"``.
    vector_range: what the range of a list column is taken over: ``"all"`` its values, or
        ``"dimension"``, each dimension of lists of fixed size on its own.
    row_order: ``"keep"``, or ``"any"`` where the order of rows does not matter.
    row_id: the name of a last column to add, the position of each row in the data, from 0.
    max_references: the most other columns that the coding of one may refer to.
    block_rows, row_group_rows: rows of a block (what a reader decodes at least) and of a row group
        (what is held in memory).
    progress: called with the phase (``"ranges"``, ``"quantiles"``, ``"compressing"``), the rows done
        in it and all rows or None; what it raises stops the work.

    Returns the report of ``tolerant compress --json``: ``rows``, ``raw_bytes``, ``file_bytes``,
    ``ratio``, ``seconds``, ``row_order``, and ``columns``, a list with ``name``, ``type``, ``bound``,
    ``abs_bound``, ``max_error``, ``outliers``, ``raw_bytes`` and ``packed_bytes`` of each.

    Raises ValueError for bounds and columns that do not fit, OSError (FileNotFoundError,
    CorruptFileError) for files, and whatever ``data`` raises.
    """
    paths, table = _paths_or_table(data)
    options = {
        "bound": _bound(rel=rel, abs=abs, pwrel=pwrel, psnr=psnr),
        "columns": [(name, str(bound)) for name, bound in (columns or {}).items()],
        "layout": layout,
        "effort": effort,
        "row_order": row_order,
        "vector_range": vector_range,
        "row_id": row_id,
        "max_references": max_references,
        "block_rows": block_rows,
        "row_group_rows": row_group_rows,
    }
    return json.loads(_native.compress(paths, table, os.fspath(path), options, progress))


def verify(original: Any, packed: str | os.PathLike[str]) -> dict[str, Any]:
    """Compares a packed or portable file with its original, every value, in exact arithmetic.

    original: as the ``data`` of :func:`compress`.

    Returns the report of ``tolerant verify --json``: ``violations`` (0 is the promise kept),
    ``rows``, ``problems`` of the table as a whole, and ``columns``, a list with ``name``, ``type``,
    ``bound``, ``abs_bound``, ``range``, ``max_error``, ``violations`` and what they are. Violations
    are no exception.
    """
    paths, table = _paths_or_table(original)
    return json.loads(_native.verify(paths, table, os.fspath(packed)))


def inspect(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a packed, portable or ordinary Parquet file holds; no value is decoded.

    Returns the report of ``tolerant inspect --json``: ``packed``, ``layout``, ``rows``,
    ``row_groups``, ``block_rows``, ``file_bytes``, ``row_order``, ``sorted_by``, ``row_id``, and
    ``columns``, a list with ``name``, ``type``, ``nullable``, ``bound``, ``abs_bound``, ``range``,
    ``max_error``, ``outliers``, ``nulls``, ``codecs``, ``blocks``, ``raw_bytes`` and
    ``packed_bytes`` (bytes) of each.
    """
    return json.loads(_native.inspect(os.fspath(path)))


def _bound(**given: float | str | None) -> str:
    bounds = {kind: value for kind, value in given.items() if value is not None}
    if len(bounds) > 1:
        raise ValueError(f"{' and '.join(bounds)} are both given; give one bound")
    for kind, value in bounds.items():
        return f"{kind}:{value}" if isinstance(value, str) else f"{kind}:{float(value)!r}"
    return "rel:0.001"


def _paths_or_table(data: Any) -> tuple[list[str] | None, Any]:
    if isinstance(data, (str, os.PathLike)):
        return [os.fspath(data)], None
    if isinstance(data, (list, tuple)) and data:
        if all(isinstance(item, (str, os.PathLike)) for item in data):
            return [os.fspath(item) for item in data], None
    return None, data
