"""Full reads into Arrow: Tolerant from Python, the same in Rust, and pyarrow of lossless ZSTD.

    pip install ./python pyarrow numpy
    python python/benches/read.py [ROWS]

makes a table of 8 float32 columns (10 million rows unless given) in a temporary folder, and prints
the fastest of five reads each, in seconds. The reads in Rust are `cargo bench --bench read`.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tolerant

READS = 5
ROOT = Path(__file__).parents[2]


def table(rows: int) -> pa.Table:
    """Walks, noise, few levels, decimals: what tables of floats are made of."""
    random = np.random.default_rng(0)
    columns = {}
    for i in range(2):
        columns[f"walk{i}"] = random.normal(size=rows).cumsum()
        columns[f"noise{i}"] = random.normal(size=rows)
        columns[f"levels{i}"] = random.integers(0, 20, rows) / 10
        columns[f"skewed{i}"] = random.lognormal(size=rows)
    return pa.table({name: values.astype("f4") for name, values in columns.items()})


def fastest(read) -> float:
    best = float("inf")
    for _ in range(READS):
        start = time.perf_counter()
        result = read()
        best = min(best, time.perf_counter() - start)
        del result
    return best


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        packed, lossless = Path(folder, "packed.parquet"), Path(folder, "lossless.parquet")
        data = table(rows)
        report = tolerant.compress(data, packed, rel=1e-3)
        pq.write_table(data, lossless, compression="zstd")
        raw = data.nbytes
        del data
        print(f"{rows} rows, {raw / 1e6:.0f} MB; packed {report['file_bytes'] / 1e6:.0f} MB,"
              f" lossless ZSTD {lossless.stat().st_size / 1e6:.0f} MB")
        bench = ["cargo", "bench", "-p", "tolerant", "-p", "tolerant-python", "--bench", "read"]
        ran = subprocess.run([*bench, "--", packed], cwd=ROOT, capture_output=True, text=True, check=True)
        print("tolerant, Rust:", *ran.stdout.split())
        reads = {
            "tolerant.read -> pyarrow": lambda: pa.table(tolerant.read(packed)),
            "tolerant.open -> pyarrow": lambda: pq.read_table(tolerant.open(packed)),
            "lossless ZSTD, pyarrow": lambda: pq.read_table(lossless),
            "lossless ZSTD, pyarrow, one thread": lambda: pq.read_table(lossless, use_threads=False),
        }
        for name, read in reads.items():
            print(f"{name}: {fastest(read):.4f}")


if __name__ == "__main__":
    main()
