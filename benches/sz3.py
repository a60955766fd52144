"""SZ3 (PyPI: pysz) on raw little-endian float32 columns: benches/speed.rs runs this.

usage: sz3.py FILE ROUNDS COLUMNS BOUND...     FILE holds the columns one after another; one absolute
error bound for each. Prints one line for each mode: name, bytes, and the least seconds to encode and
to decode of all rounds.
"""

import sys
import time

import numpy as np
from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode

path, rounds, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
bounds = [float(b) for b in sys.argv[4:]]
table = np.fromfile(path, dtype=np.float32).reshape(columns, -1)


def measure(algorithm) -> tuple[int, float, float]:
    """Bytes, and seconds to encode and to decode all columns."""
    size, encode, decode = 0, 0.0, 0.0
    for column, bound in zip(table, bounds):
        config = szConfig(column.shape)
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = bound
        config.cmprAlgo = algorithm
        start = time.perf_counter()
        packed, _ = sz.compress(column, config)
        encode += time.perf_counter() - start
        start = time.perf_counter()
        sz.decompress(packed, np.float32, column.shape)
        decode += time.perf_counter() - start
        size += packed.nbytes
    return size, encode, decode


for name in ["INTERP_LORENZO", "LORENZO_REG", "NOPRED"]:
    algorithm = getattr(szAlgorithm, name)
    sizes, encodes, decodes = zip(*(measure(algorithm) for _ in range(rounds)))
    print(name, sizes[0], min(encodes), min(decodes), flush=True)
