"""Batches of rows for training, as NumPy arrays: shuffled, and divided among processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Union

from . import _native

if TYPE_CHECKING:
    import numpy as np

Columns = Union[Sequence[str], Mapping[str, Union[str, Sequence[str]]], None]
Arrays = dict[str, Any]

# Values that a shuffle buffer holds unless told otherwise: 64 MiB of float32.
_BUFFER_VALUES = 1 << 24
_BUFFER_ROWS = 1 << 18

# What the random numbers of an epoch are for.
_BLOCK_ORDER, _ROW_ORDER = 0, 1


class Batches:
    """An iterable of batches; made by :func:`batches`. Can be pickled.

    Every iteration is one epoch; the order of an epoch follows from ``seed`` and
    :meth:`set_epoch` alone.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Columns = None,
        *,
        batch_rows: int = 1024,
        shuffle: bool = False,
        shuffle_rows: int | None = None,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ):
        if batch_rows < 1:
            raise ValueError(f"batch_rows is {batch_rows}; give at least 1")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} is not among {world_size}")
        self._path = os.fspath(path)
        self._batch_rows = batch_rows
        self._shuffle = shuffle
        self._seed = seed
        self._drop_last = drop_last
        self._rank, self._world_size = rank, world_size
        self._epoch = 0
        self._groups = _groups(columns)
        self._opened: tuple[int, _native.Blocks] | None = None
        blocks = self._blocks()
        if self._groups is None:
            self._groups = {name: name for name in blocks.columns}
        if shuffle_rows is None:
            width = max(len(blocks.columns), 1)
            shuffle_rows = max(min(_BUFFER_ROWS, _BUFFER_VALUES // width), batch_rows)
        self._shuffle_rows = shuffle_rows

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next iteration is: another order of the rows for each."""
        self._epoch = int(epoch)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return self._count(*self._share(0, 1))

    def __iter__(self) -> Iterator[Arrays]:
        return self._batches(self._epoch, 0, 1)

    def _count(self, start: int, end: int) -> int:
        full, rest = divmod(end - start, self._batch_rows)
        return full + (rest > 0 and not self._drop_last)

    def _blocks(self) -> _native.Blocks:
        """The opened files. A process that was forked opens its own."""
        if self._opened is None or self._opened[0] != os.getpid():
            names = None if self._groups is None else _flat(self._groups)
            self._opened = os.getpid(), _native.Blocks(self._path, names)
        return self._opened[1]

    def _share(self, worker: int, workers: int) -> tuple[int, int]:
        """Which of an epoch's rows, in its order, a worker of this rank gets.

        Ranks get equally many, so that none waits for another at an epoch's end: up to
        ``world_size - 1`` rows are left out, other ones in each shuffled epoch.
        """
        rows = sum(self._blocks().lengths) // self._world_size
        first = self._rank * rows
        return first + rows * worker // workers, first + rows * (worker + 1) // workers

    def _batches(self, epoch: int, worker: int, workers: int) -> Iterator[Arrays]:
        import numpy as np

        def random(*purpose: int) -> np.random.Generator:
            return np.random.default_rng([self._seed, epoch, *purpose])

        blocks = self._blocks()
        order = np.arange(len(blocks.lengths))
        if self._shuffle:
            random(_BLOCK_ORDER).shuffle(order)
        pieces = _pieces(order, blocks.lengths, *self._share(worker, workers))
        parts = (_grouped(part, self._groups) for part in _read_ahead(blocks, pieces))
        if self._shuffle:
            purpose = _ROW_ORDER, self._rank, worker
            parts = _shuffled(parts, self._shuffle_rows, random(*purpose))
        return _cut(parts, self._batch_rows, self._drop_last)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}


def batches(
    path: str | os.PathLike[str],
    columns: Columns = None,
    *,
    batch_rows: int = 1024,
    shuffle: bool = False,
    shuffle_rows: int | None = None,
    seed: int = 0,
    drop_last: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> Batches:
    """The rows of a file, a folder or a glob in batches: dictionaries of NumPy arrays by column.

    Arrays have the shape ``(rows,)`` and the column's own type; columns of lists of one size, and
    groups of columns, have ``(rows, size)``. Missing floats are NaN and missing times NaT; for other
    columns with nulls there is no array, which is a ValueError. Needs NumPy.

    columns: the columns to read, all that hold numbers if None, or groups of them: ``{"x": ["a",
        "b"], "y": "label"}`` gives one array of the shape ``(rows, 2)`` and one of ``(rows,)``.
    batch_rows: rows of a batch; the last one may have fewer, unless ``drop_last``.
    shuffle: read blocks in random order, and mix rows in a buffer of ``shuffle_rows`` rows (by
        default 262,144, or fewer for wide tables). Without it rows keep their order, and arrays are
        views of the decoded blocks wherever a batch lies within one.
    seed: what orders are drawn from, with the number given to :meth:`Batches.set_epoch`.
    rank, world_size: read this share only, of so many of equal size.

    Raises FileNotFoundError, CorruptFileError and ValueError.
    """
    return Batches(
        path,
        columns,
        batch_rows=batch_rows,
        shuffle=shuffle,
        shuffle_rows=shuffle_rows,
        seed=seed,
        drop_last=drop_last,
        rank=rank,
        world_size=world_size,
    )


def _groups(columns: Columns) -> dict[str, str | list[str]] | None:
    if isinstance(columns, str):
        raise ValueError(f"columns is the string {columns!r}; give a list of names")
    if isinstance(columns, Mapping):
        groups = columns.items()
        return {key: name if isinstance(name, str) else list(name) for key, name in groups}
    return None if columns is None else {name: name for name in columns}


def _flat(groups: dict[str, str | list[str]]) -> list[str]:
    """All columns of the groups, each once."""
    names = ([group] if isinstance(group, str) else group for group in groups.values())
    return list(dict.fromkeys(name for group in names for name in group))


def _grouped(part: Arrays, groups: dict[str, str | list[str]]) -> Arrays:
    import numpy as np

    def array(group: str | list[str]) -> np.ndarray:
        if isinstance(group, str):
            return part[group]
        return np.stack([part[name] for name in group], axis=1)

    return {key: array(group) for key, group in groups.items()}


def _pieces(
    order: np.ndarray, lengths: list[int], start: int, end: int
) -> Iterator[tuple[int, int, int]]:
    """The blocks, and which of their rows, that lie between two rows of all blocks in `order`."""
    first = 0
    for block in order.tolist():
        low, high = max(start - first, 0), min(end - first, lengths[block])
        if low < high:
            yield block, low, high
        first += lengths[block]


def _read_ahead(
    blocks: _native.Blocks, pieces: Iterator[tuple[int, int, int]]
) -> Iterator[Arrays]:
    """What is read, while the piece after it is being read."""
    reader = ThreadPoolExecutor(1)
    try:
        ahead = None
        for piece in pieces:
            current, ahead = ahead, reader.submit(blocks.read, *piece)
            if current is not None:
                yield current.result()
        if ahead is not None:
            yield ahead.result()
    finally:
        reader.shutdown(wait=False, cancel_futures=True)


def _rows(part: Arrays) -> int:
    return len(next(iter(part.values()))) if part else 0


def _joined(parts: list[Arrays]) -> Arrays:
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _sliced(part: Arrays, rows: Any) -> Arrays:
    return {key: array[rows] for key, array in part.items()}


def _shuffled(
    parts: Iterator[Arrays], buffer_rows: int, random: np.random.Generator
) -> Iterator[Arrays]:
    """The rows mixed in a buffer: whenever it is full, a random half of it goes on."""
    held: list[Arrays] = []
    rows = 0
    for part in parts:
        held.append(part)
        rows += _rows(part)
        if rows > buffer_rows:
            mixed = _joined(held)
            order = random.permutation(rows)
            kept = min(buffer_rows // 2, rows)
            yield _sliced(mixed, order[kept:])
            held, rows = [_sliced(mixed, order[:kept])], kept
    if rows:
        yield _sliced(_joined(held), random.permutation(rows))


def _cut(parts: Iterator[Arrays], batch_rows: int, drop_last: bool) -> Iterator[Arrays]:
    """Batches of equal size; only those that span two parts are copied."""
    held: list[Arrays] = []
    missing = batch_rows
    for part in parts:
        start, rows = 0, _rows(part)
        while rows - start >= missing:
            held.append(_sliced(part, slice(start, start + missing)))
            yield _joined(held)
            start += missing
            held, missing = [], batch_rows
        if start < rows:
            held.append(_sliced(part, slice(start, rows)))
            missing -= rows - start
    if held and not drop_last:
        yield _joined(held)
