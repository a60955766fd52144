#!/usr/bin/env python3
"""Export the tables in testdata/ from scikit-learn's bundled datasets.

Run once; the files are kept in the repository. Needs scikit-learn and pyarrow:

    python scripts/export_testdata.py testdata
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn import datasets

# The short names of scikit-learn's diabetes table, spelled out as its own description has them.
DIABETES_NAMES = {
    "bp": "blood_pressure",
    "s1": "total_cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_to_hdl",
    "s5": "log_triglycerides",
    "s6": "blood_sugar",
}


def diabetes() -> pa.Table:
    data = datasets.load_diabetes(scaled=False)  # in the original's own units
    columns = {
        DIABETES_NAMES.get(name, name): data.data[:, i]
        for i, name in enumerate(data.feature_names)
    }
    columns["sex"] = columns["sex"].astype(np.int8)
    columns["progression"] = data.target
    return pa.table(columns)


def breast_cancer() -> pa.Table:
    data = datasets.load_breast_cancer()
    columns = {
        str(name).replace(" ", "_"): data.data[:, i]
        for i, name in enumerate(data.feature_names)
    }
    columns["diagnosis"] = pa.array(data.target_names[data.target].astype(str))
    return pa.table(columns)


def digits() -> pa.Table:
    data = datasets.load_digits()
    columns = {
        name: data.data[:, i].astype(np.float32)
        for i, name in enumerate(data.feature_names)
    }
    columns["digit"] = data.target.astype(np.int8)
    return pa.table(columns)


def main() -> None:
    folder = Path(sys.argv[1])
    for table in (diabetes, breast_cancer, digits):
        path = folder / f"{table.__name__}.parquet"
        pq.write_table(
            table(), path, compression="zstd", compression_level=19, store_schema=True
        )
        print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
