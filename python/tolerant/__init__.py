"""Tolerant: float tables as Parquet files in which every column keeps a promised error bound.

- :func:`open`: a packed file as the bytes of an ordinary Parquet file, for every Parquet reader.
- :func:`read`: a table as an Arrow stream; :func:`scan`: as a Polars LazyFrame.
- :func:`compress`, :func:`verify`, :func:`inspect`: the tools of the command line.
- :func:`tune`: how much error a model bears.
- :func:`batches`, ``tolerant.torch.IterableDataset``: shuffled NumPy arrays or tensors for training.
- ``tolerant://``: the same files through fsspec (``tolerant.filesystem``).

Errors are Python's own (``ValueError``, ``FileNotFoundError``, ``OSError``) and
:class:`CorruptFileError`. All of it releases the GIL while it works, and Ctrl-C stops it.
"""

from ._batches import Batches, batches
from ._dataset import Dataset, read, scan
from ._file import File, open
from ._native import VERSION as __version__
from ._native import CorruptFileError
from ._tools import compress, inspect, tune, verify

__all__ = [
    "Batches",
    "CorruptFileError",
    "Dataset",
    "File",
    "__version__",
    "batches",
    "compress",
    "inspect",
    "open",
    "read",
    "scan",
    "tune",
    "verify",
]
