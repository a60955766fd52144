"""SZ3 (PyPI: pysz) on raw little-endian float32 columns: benches/speed.rs runs this.

usage: sz3.py FILE COLUMNS BOUND...     FILE holds the columns one after another; one absolute
error bound for each. Prints one line for each mode: name, bytes, encode seconds, decode seconds.
"""

import sys
import time

import numpy as np
from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode

path, columns, bounds = sys.argv[1], int(sys.argv[2]), [float(b) for b in sys.argv[3:]]
table = np.fromfile(path, dtype=np.float32).reshape(columns, -1)

for name in ["INTERP_LORENZO", "LORENZO_REG", "NOPRED"]:
    size = encode = decode = 0.0
    for column, bound in zip(table, bounds):
        config = szConfig(column.shape)
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = bound
        config.cmprAlgo = getattr(szAlgorithm, name)
        start = time.perf_counter()
        packed, _ = sz.compress(column, config)
        encode += time.perf_counter() - start
        start = time.perf_counter()
        sz.decompress(packed, np.float32, column.shape)
        decode += time.perf_counter() - start
        size += packed.nbytes
    print(name, int(size), encode, decode, flush=True)
