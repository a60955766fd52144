"""SZ3 (PyPI: pysz), driven by peers/sz3.rs: a JSON request a line on standard input, a JSON answer
a line on standard output, which is kept from SZ3's own prints.

Request: input and output (files of float32), arrays (a shape and an absolute bound each),
algorithm, repeat (the least seconds, least and most runs, the longest run that is repeated).
"""

import json
import os
import sys
import time

import numpy as np
from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode


def fastest(work, repeat):
    best, total, runs = float("inf"), 0.0, 0
    while True:
        start = time.process_time()
        result = work()
        seconds = time.process_time() - start
        best, total, runs = min(best, seconds), total + seconds, runs + 1
        if repeat is None or seconds >= repeat["long_run"]:
            return result, best
        if runs >= repeat["least"] and (total >= repeat["seconds"] or runs >= repeat["most"]):
            return result, best


def answer(request):
    values = np.fromfile(request["input"], dtype=np.float32)
    arrays, start = [], 0
    for shape, bound in request["arrays"]:
        size = int(np.prod(shape))
        config = szConfig(tuple(shape))
        config.errorBoundMode = szErrorBoundMode.ABS
        config.absErrorBound = bound
        config.cmprAlgo = getattr(szAlgorithm, request["algorithm"])
        arrays.append((values[start : start + size].reshape(shape), config))
        start += size
    repeat = request["repeat"]
    coded, encode = fastest(lambda: [sz.compress(x, config)[0] for x, config in arrays], repeat)
    both = list(zip(coded, arrays))
    decoded, decode = fastest(
        lambda: [sz.decompress(packed, np.float32, x.shape)[0] for packed, (x, _) in both], repeat
    )
    with open(request["output"], "wb") as output:
        for x in decoded:
            output.write(np.ascontiguousarray(x).tobytes())
    return {"bytes": sum(x.nbytes for x in coded), "encode": encode, "decode": decode}


answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
    except Exception as error:
        print(json.dumps({"error": repr(error)}), file=answers, flush=True)
