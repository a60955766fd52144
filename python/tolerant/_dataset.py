"""Tables as Arrow streams."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import polars


class Dataset:
    """The rows of a file, a folder or a glob of packed and ordinary Parquet files; made by :func:`read`.

    It exports ``__arrow_c_stream__``, so that ``pyarrow.table(d)``, ``polars.DataFrame(d)``,
    ``pandas.DataFrame.from_arrow(d)``, DuckDB (``FROM d``) and others take it, any number of times;
    each time the rows are read anew, in order, as they are asked for. Iterating gives record batches
    that export ``__arrow_c_array__``. Can be pickled: it holds no more than what was asked for.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[str] | None = None,
        filter: str | None = None,
    ):
        if isinstance(columns, str):
            raise ValueError(f"columns is the string {columns!r}; give a list of names")
        self._path = os.fspath(path)
        self._columns = None if columns is None else list(columns)
        self._filter = filter
        # Errors of what was asked for come now, not at the first row.
        self._scan()

    @property
    def path(self) -> str:
        """The file, folder or glob."""
        return self._path

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        if self._columns is not None:
            return list(self._columns)
        return _native.column_names(self._path)

    @property
    def filter(self) -> str | None:
        """The SQL expression that rows must fulfil."""
        return self._filter

    def __arrow_c_schema__(self) -> Any:
        return self._scan().__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._scan().__arrow_c_stream__(requested_schema)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._scan())

    def __datafusion_table_provider__(self, session: Any = None) -> Any:
        """The table for ``datafusion.SessionContext.register_table`` (datafusion 55).

        Projections, filters and limits of queries are applied where the rows are read.
        """
        return _native.table_provider(self._path, self._columns, self._filter, session)

    def to_polars_lazy(self) -> polars.LazyFrame:
        """A Polars LazyFrame that reads what its query needs: projections, comparisons of columns
        with numbers and strings, and limits are applied where the rows are read.
        """
        from ._polars import lazy_frame

        return lazy_frame(self)

    def _scan(self, limit: int | None = None) -> _native.Scan:
        return _native.scan(self._path, self._columns, self._filter, limit)

    def __repr__(self) -> str:
        columns = "" if self._columns is None else f", columns={self._columns!r}"
        filter = "" if self._filter is None else f", filter={self._filter!r}"
        return f"tolerant.read({self._path!r}{columns}{filter})"


def read(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    filter: str | None = None,
) -> Dataset:
    """The rows of a packed or ordinary Parquet file, a folder or a glob, as an Arrow stream.

    path: a local path.
    columns: the columns to read, in this order; all of them if None. Others are not read.
    filter: an SQL expression over the columns, for instance ``"x > 0.5 AND city = 'Oslo'"``. Names
        are case-sensitive; quote others than plain ones (``'"air temp" > 0'``). Row groups and
        pages that hold no such row are not read.

    Raises FileNotFoundError, CorruptFileError, and ValueError for columns that are not there and
    expressions that make no sense. Damage that is found later is raised by whoever takes the stream.
    """
    return Dataset(path, columns, filter)


def scan(path: str | os.PathLike[str]) -> polars.LazyFrame:
    """A file, a folder or a glob as a Polars LazyFrame: ``read(path).to_polars_lazy()``."""
    return read(path).to_polars_lazy()
