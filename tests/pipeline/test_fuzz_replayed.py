"""The targets of `benchmarks/fuzz.py` without a fuzzer: their seeds, changed the same way in each run.

Files of every reader, tables and labels beside them, model folders, and the words of options. Allowed are a result or
an error of one line, in 5 s of processor time and 1 GB. `PHOSPHENE_MUTATIONS=3000` tries more of each.
"""

import importlib.util
import os
import resource
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
COUNT = {"audio": 30, "series": 100, "mouse": 40, "binary": 40, "manifest": 60, "model": 40, "words": 1000}
MOST_CPU_S, MOST_KB = 5.0, 1 << 20


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fuzz():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])  # fuzz.py finds the small files of the tests by it
        yield load("fuzz", ROOT / "benchmarks" / "fuzz.py")


@pytest.mark.parametrize(
    "target", [pytest.param(name, marks=pytest.mark.slow) if name == "model" else name for name in COUNT]
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # what libraries say of files
def test_changed_seeds_are_taken_or_refused_in_one_line(fuzz, tmp_path, target):
    mutated = load("mutated", ROOT / "tests/converters/test_mutated_files.py").mutated
    seeds = fuzz.corpus(target, tmp_path)
    run = fuzz.target_of(target, tmp_path)
    for data in seeds:  # compile and import first
        fuzz._allowed(lambda data=data: run(data))
    generator = np.random.default_rng(zlib.crc32(target.encode()))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(int(os.environ.get("PHOSPHENE_MUTATIONS", COUNT[target]))):
        seed = seeds[number % len(seeds)]
        data = seed[:1] + mutated(seed[1:], generator)
        begin = time.process_time()
        fuzz._allowed(lambda data=data: run(data))
        assert time.process_time() - begin < MOST_CPU_S, data
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MOST_KB
