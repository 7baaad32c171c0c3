"""Run as a program: answers a line of JSON (path, timeout_s) with a line of JSON about a MATLAB file.

SciPy ends its process on some damaged files. The arrays go into an NPZ file, which whoever asks removes.
Stands alone, importing nothing of phosphene.
"""

import faulthandler
import json
import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io

BYTES = {
    "int8": 1, "uint8": 1, "logical": 1, "char": 2, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "single": 4,
}  # fmt: skip


def main() -> None:
    """Answer requests until the other end closes its pipe."""
    large_bytes, most_from_a_byte = map(int, sys.argv[1:3])
    _take_back_limits()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whatever else is printed must not garble the answers
    replies.write("ready\n")
    for line in sys.stdin:
        request = json.loads(line)
        # Ends a hanging parser also when nobody is left to kill this process.
        faulthandler.dump_traceback_later(request["timeout_s"] + 1, exit=True)
        replies.write(json.dumps(read_arrays(request["path"], large_bytes, most_from_a_byte)) + "\n")
        faulthandler.cancel_dump_traceback_later()


def _take_back_limits() -> None:
    """Forget the limit of memory of who started this process: it was for the file of that moment."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def read_arrays(path: str, large_bytes: int, most_from_a_byte: int) -> dict[str, Any]:
    """Return where the arrays of one file are, how they are called, and what they take; or why there are none."""
    number, target = tempfile.mkstemp(suffix=".npz", prefix="phosphene-")
    with os.fdopen(number, "wb") as file:
        try:
            held = sum(math.prod(shape) * BYTES.get(kind, 8) for _, shape, kind in scipy.io.whosmat(path))
            reply = {"arrays": target, "names": [], "held": held, "problem": ""}
            if held <= max(large_bytes, most_from_a_byte * Path(path).stat().st_size):
                found = {name: value for name, value in scipy.io.loadmat(path).items() if name[:2] != "__"}
                arrays = {
                    name: plain(value) for name, value in found.items() if isinstance(value, np.ndarray)
                }
                by_number: dict[str, Any] = {f"{k}": array for k, array in enumerate(arrays.values())}
                np.savez(file, **by_number)
                reply["names"] = list(arrays)
        except Exception as error:  # of a damaged file SciPy has errors of many types
            reply = {"arrays": target, "names": [], "held": 0, "problem": " ".join(f"{error}".split())[:200]}
            reply["problem"] = reply["problem"] or type(error).__name__
    return reply


def plain(array: np.ndarray) -> np.ndarray:
    """Return numbers and text as they are, cells of text as text; of others, which NPZ would pickle, no numbers."""
    if not array.dtype.hasobject:
        return array
    cells = array.reshape(-1)
    if array.dtype.names is None and all(isinstance(c, np.ndarray) and c.dtype.kind == "U" for c in cells):
        return np.array(["".join(c.reshape(-1)) for c in cells]).reshape(array.shape)
    return np.zeros(array.shape, "V1")


if __name__ == "__main__":
    main()
