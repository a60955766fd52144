"""Packed files as Polars LazyFrames, through Polars' plugins for sources."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import polars as pl
from polars.io.plugins import register_io_source

from . import _native

if TYPE_CHECKING:
    from ._dataset import Dataset

# How far a bound on a column of floats is moved, relative to it: Polars may have rounded it to the
# column's type.
_ROUNDING = {pl.Float64: 1e-12, pl.Float32: 1e-6}
# Moves bounds at zero too, of which there are two in DataFusion's order.
_LEAST = 1e-30

_FLIPPED = {"Gt": "Lt", "GtEq": "LtEq", "Lt": "Gt", "LtEq": "GtEq", "Eq": "Eq"}
_OPERATORS = {"Gt": ">", "GtEq": ">=", "Lt": "<", "LtEq": "<=", "Eq": "="}


def lazy_frame(dataset: Dataset) -> pl.LazyFrame:
    """A LazyFrame that reads of `dataset` what a query needs."""
    path, own_columns, own_filter = dataset._path, dataset._columns, dataset._filter
    schema = pl.DataFrame(_native.scan(path, own_columns, own_filter, 0)).schema

    def read(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        rows: int | None,
        batch_rows: int | None,
    ) -> Iterator[pl.DataFrame]:
        filter = own_filter
        # Rows are counted before they are filtered.
        if predicate is not None and rows is None:
            needed = necessary(predicate, schema)
            if needed is not None:
                filter = needed if filter is None else f"({filter}) AND {needed}"
        for batch in _native.scan(path, own_columns if columns is None else columns, filter, rows):
            frame = pl.DataFrame(batch)
            yield frame if predicate is None else frame.filter(predicate)

    return register_io_source(read, schema=schema, is_pure=True)


def necessary(predicate: pl.Expr, schema: pl.Schema) -> str | None:
    """An SQL expression that is true wherever `predicate` is, though it may be true elsewhere.

    Comparisons of columns with numbers and strings are understood, joined by `&` and `|`; None where
    nothing is. Polars applies the predicate itself to what is read.
    """
    try:
        with warnings.catch_warnings():
            # The form is Polars' own and may change; what is not recognised is not used.
            warnings.simplefilter("ignore")
            tree = json.loads(predicate.meta.serialize(format="json"))
        return _sql(tree, schema)
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError):
        return None


def _sql(node: Any, schema: pl.Schema) -> str | None:
    if "BinaryExpr" in node:
        binary = node["BinaryExpr"]
        left, operator, right = binary["left"], binary["op"], binary["right"]
        if operator in ("And", "LogicalAnd"):
            parts = [part for part in (_sql(left, schema), _sql(right, schema)) if part]
            return f"({' AND '.join(parts)})" if parts else None
        if operator in ("Or", "LogicalOr"):
            parts = [_sql(left, schema), _sql(right, schema)]
            return f"({' OR '.join(parts)})" if all(parts) else None
        if "Column" in right and "Literal" in left and operator in _FLIPPED:
            left, operator, right = right, _FLIPPED[operator], left
        if "Column" in left and "Literal" in right and operator in _OPERATORS:
            return _comparison(left["Column"], operator, _literal(right), schema)
        return None
    function = node["Function"]
    kind, arguments = function["function"]["Boolean"], function["input"]
    column = arguments[0]["Column"]
    if kind in ("IsNull", "IsNotNull"):
        return f"({_name(column)} IS {'NOT ' if kind == 'IsNotNull' else ''}NULL)"
    if "IsBetween" in kind:
        bounds = zip(("GtEq", "LtEq"), arguments[1:], strict=True)
        parts = [_comparison(column, sign, _literal(bound), schema) for sign, bound in bounds]
        parts = [part for part in parts if part]
        return f"({' AND '.join(parts)})" if parts else None
    return None


def _literal(node: Any) -> Any:
    (value,) = node["Literal"].values()
    ((kind, value),) = value.items()
    if kind == "Float16":
        raise ValueError("a number's bits, not the number")
    return value


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _comparison(column: str, operator: str, value: Any, schema: pl.Schema) -> str | None:
    dtype, name = schema[column], _name(column)
    if isinstance(value, bool):
        return None
    if dtype.is_float() and isinstance(value, (int, float)) and math.isfinite(value):
        slack = abs(value) * _ROUNDING.get(dtype, 1e-2) + _LEAST
        if not math.isfinite(abs(value) + slack):
            return None
        least, most = f"{name} >= {value - slack!r}", f"{name} <= {value + slack!r}"
        # NaN is larger than all numbers in both.
        return {"Gt": least, "GtEq": least, "Lt": most, "LtEq": most}.get(
            operator, f"({least} AND {most})"
        )
    if dtype.is_integer() and isinstance(value, int):
        return f"{name} {_OPERATORS[operator]} {value}"
    if dtype == pl.String and isinstance(value, str):
        quoted = value.replace("'", "''")
        return f"{name} {_OPERATORS[operator]} '{quoted}'"
    return None
