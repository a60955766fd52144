"""``compress``, ``verify``, ``inspect`` and ``tune``: the tools of the command line on Python's tables."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import _native

# Work that Ctrl-C has left to itself leaves nothing when Python ends.
atexit.register(_native.remove_unfinished)


def compress(
    data: Any,
    path: str | os.PathLike[str],
    *,
    rel: float | str | None = None,
    abs: float | None = None,
    pwrel: float | None = None,
    psnr: float | None = None,
    columns: Mapping[str, str | float] | None = None,
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
        ``rel:R``, ``rel:R@p1..p99``, ``abs:E``, ``pwrel:R``, ``psnr:D`` or ``exact``. A number R is
        ``rel:R``, as :func:`tune` reports it.
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
        in it and all rows or None; what it raises stops the work, and leaves ``path`` as it was.

    Returns the report of ``tolerant compress --json``: ``rows``, ``raw_bytes``, ``file_bytes``,
    ``ratio``, ``seconds``, ``row_order``, and ``columns``, a list with ``name``, ``type``, ``bound``,
    ``abs_bound``, ``max_error``, ``outliers``, ``raw_bytes`` and ``packed_bytes`` of each.

    Raises ValueError for bounds and columns that do not fit, OSError (FileNotFoundError,
    CorruptFileError) for files, and whatever ``data`` raises.
    """
    paths, table = _paths_or_table(data)
    options = {
        "bound": _bound(rel=rel, abs=abs, pwrel=pwrel, psnr=psnr),
        "columns": [
            (name, bound if isinstance(bound, str) else f"rel:{float(bound)!r}")
            for name, bound in (columns or {}).items()
        ],
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


def tune(
    data: Any,
    *,
    target: str | None = None,
    path: str | os.PathLike[str] | None = None,
    task: str | None = None,
    model: str | None = None,
    train_cmd: str | None = None,
    train_format: str = "parquet",
    train_timeout: float = 600.0,
    lower_is_better: bool = False,
    max_loss: float = 0.01,
    seeds: int = 5,
    seed: int = 0,
    evaluations: int = 120,
    methods: Sequence[str] = (),
    exact_target: bool = False,
    sample_rows: bool = False,
    jobs: int | None = None,
    progress: Callable[[str, int, int | None], Any] | None = None,
) -> dict[str, Any]:
    """Finds how much error a model bears: bounds by column, and a report that shows it.

    data: as of :func:`compress`; it is held in memory.
    target: the column to predict; of clusters the labels to find, if there are any.
    path: the folder for ``report.html``, ``report.json``, ``config.toml`` (which ``tolerant compress
        --config`` takes) and the journal by which an interrupted search goes on; none is written
        unless given.
    task: ``"regression"``, ``"classification"``, ``"forecast"`` or ``"clustering"``; made out from the
        target unless given.
    model: ``"trees"``, ``"linear"``, ``"logistic"``, ``"neighbours"``, ``"perceptron"``,
        ``"forecaster"``, ``"kmeans"`` or ``"pca"``.
    train_cmd: instead of a model, a program that trains one and prints its score as its last line;
        ``{train}``, ``{validation}`` and ``{seed}`` stand for two files and a number. ``train_format``:
        ``"parquet"`` or ``"arrow"``. ``train_timeout``: seconds. ``lower_is_better``: the score is an
        error.
    max_loss: the part of the baseline's score that may be lost.
    seeds, seed: trainings of the baseline and of finalists, and the first of their seeds.
    evaluations: bounds to try, besides the methods.
    methods: names of other methods to compare with, or the beginnings of names.
    exact_target: keep a float target exactly.
    sample_rows: let the search drop rows, too.
    jobs: trainings at a time.
    progress: called with the phase, the bounds tried, and how many may be; what it raises stops the
        search.

    Returns the report of ``tolerant tune --json``: ``chosen``, with ``ratio``, ``validation``, ``test``,
    ``holds_on_test`` and ``columns``, a list with ``name`` and ``bound`` of each (None if nothing kept
    the loss), ``best``, ``frontier``, ``tried``, and what they were measured on.

    Raises ValueError where table, target and options do not fit, or the model learns nothing.
    """
    paths, table = _paths_or_table(data)
    options = {
        "target": target,
        "task": task,
        "model": model,
        "train_cmd": train_cmd,
        "train_format": train_format,
        "train_timeout": float(train_timeout),
        "lower_is_better": lower_is_better,
        "max_loss": float(max_loss),
        "seeds": seeds,
        "seed": seed,
        "evaluations": evaluations,
        "methods": list(methods),
        "exact_target": exact_target,
        "sample_rows": sample_rows,
        "jobs": jobs,
    }
    output = None if path is None else os.fspath(path)
    return json.loads(_native.tune(paths, table, output, options, progress))


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
