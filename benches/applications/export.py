"""Writes the tables of this folder that scikit-learn bundles: digits.parquet (UCI, Alpaydin and Kaynak,
1,797 images of 8 x 8 pixels; CC BY 4.0). Needs scikit-learn and pyarrow."""

import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

digits = load_digits()
columns = {
    f"pixel_{row}_{column}": digits.images[:, row, column].astype(np.float32)
    for row in range(8)
    for column in range(8)
}
columns["digit"] = digits.target.astype(np.int32)
path = pathlib.Path(__file__).parent / "data" / "digits.parquet"
pq.write_table(pa.table(columns), path, compression="zstd", compression_level=19)
