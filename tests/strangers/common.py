"""What the checks of both layouts share: three readers, one notion of equality."""

import sys

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FLOAT_BITS = {pa.float16(): pa.uint16(), pa.float32(): pa.uint32(), pa.float64(): pa.uint64()}


class Checks:
    """Counts checks and remembers those that failed."""

    def __init__(self):
        self.done = 0
        self.failed = []

    def check(self, right, what):
        self.done += 1
        if not right:
            self.failed.append(what)

    def equal(self, found, expected, what):
        self.check(found == expected, f"{what}: {found!r}, expected {expected!r}")

    def finish(self):
        for what in self.failed:
            print(f"FAILED {what}")
        print(f"{self.done} checks, {len(self.failed)} failed")
        sys.exit(1 if self.failed else 0)


def bits(array):
    """Floats, at any depth, as the unsigned integers of their bits: NaN and -0.0 compare too."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    kind = array.type
    if kind in FLOAT_BITS:
        return array.view(FLOAT_BITS[kind])
    if pa.types.is_fixed_size_list(kind):
        return bits(array.cast(pa.large_list(kind.value_type)))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        offsets = array.offsets.cast(pa.int64())
        return pa.LargeListArray.from_arrays(offsets, bits(array.values), mask=array.is_null())
    if pa.types.is_struct(kind):
        fields = [bits(array.field(i)) for i in range(kind.num_fields)]
        names = [kind.field(i).name for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, names, mask=array.is_null())
    return array


def plain(array):
    """Undoes the layouts in which libraries like to hand out strings."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return plain(array.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.large_binary())
    return array


def same(a, b):
    """Whether two columns hold the same values, floats bit for bit."""
    a, b = bits(plain(a)), bits(plain(b))
    if a.type != b.type:
        return False
    return a.equals(b)


def sql_name(name):
    return '"' + name.replace('"', '""') + '"'
