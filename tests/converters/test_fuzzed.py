"""What fuzzing found (`benchmarks/fuzz.py`), replayed: a result or an error of one line, in bounded time."""

import time

import pytest

from phosphene.converters import PhospheneError, read
from phosphene.datasets.sources import find_files, open_manifest

MOST_CPU_S = 5.0
# What is odd in it: the name of the file, its bytes.
FOUND = {
    "steps of which none is near the median": ("a.csv", b"t,a,b\n0,0,1\n1,1,2\n1001,3,1\n"),
    "three names over rows of two cells": ("a.csv", b"time,x,y\n" + b"0.0,1\n" * 30),
    "a time without end": ("a.csv", b"time,x,y\n" + b"inf,1,200\n" * 30),
}


@pytest.mark.parametrize("name", FOUND)
def test_found_by_fuzzing(tmp_path, name):
    called, data = FOUND[name]
    path = tmp_path / called
    path.write_bytes(data)
    begin = time.process_time()
    for act in (find_files, open_manifest, read):
        try:
            act(path)
        except PhospheneError as error:
            assert str(error).startswith(str(tmp_path))
            assert "\n" not in str(error)
    assert time.process_time() - begin < MOST_CPU_S
