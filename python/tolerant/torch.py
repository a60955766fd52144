"""Batches for PyTorch; ``import tolerant.torch``. Needs PyTorch and NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed
import torch.utils.data

from ._batches import Batches, Columns


class IterableDataset(torch.utils.data.IterableDataset):
    """The rows of a file, a folder or a glob in batches: dictionaries of tensors by column.

    For ``torch.utils.data.DataLoader(dataset, batch_size=None, num_workers=N)``: batches are made
    here. Workers and, under ``torch.distributed``, ranks get a share of the rows each; all ranks get
    equally many batches. Tensors have the column's type and the shape ``(rows,)``, or ``(rows,
    size)`` for lists of one size and for groups of columns; they share their memory with the decoded
    block where the rows are not shuffled. Missing floats are NaN.

    The arguments are those of :func:`tolerant.batches`. ``rank`` and ``world_size`` are those of
    ``torch.distributed``, where it is initialized, unless given.
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
        rank: int | None = None,
        world_size: int | None = None,
    ):
        super().__init__()
        if (rank is None) != (world_size is None):
            raise ValueError("rank and world_size are given together or not at all")
        if rank is None and torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, world_size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self._batches = Batches(
            path,
            columns,
            batch_rows=batch_rows,
            shuffle=shuffle,
            shuffle_rows=shuffle_rows,
            seed=seed,
            drop_last=drop_last,
            rank=rank or 0,
            world_size=world_size or 1,
        )
        # Shared memory: workers that live on from epoch to epoch see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch the next iteration is: another order of the rows for each."""
        self._epoch.fill_(int(epoch))

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        info = torch.utils.data.get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        for batch in self._batches._batches(int(self._epoch), worker, workers):
            yield {key: _tensor(key, array) for key, array in batch.items()}


def _tensor(key: str, array: Any) -> torch.Tensor:
    try:
        return torch.from_numpy(array)
    except TypeError as error:
        raise ValueError(f"{key!r} is {array.dtype}, of which there are no tensors") from error
