"""Features of program files: EMBER's groups, and those of them that need no parser."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from phosphene.converters.binary import Binary
from phosphene.converters.core.signal import Signal

from .binary_bytes import measure_bytes, tabulate_bytes
from .binary_parsed import measure_parsed, tabulate_parsed
from .feature_set import FeatureSet, Record, Table

_SOURCE = "H. S. Anderson, P. Roth: EMBER, 2018, arXiv:1804.04637"


def measure(signal: Signal) -> Record:
    """Return the counts of bytes, and what LIEF says of the file.

    A file that LIEF cannot read, or that makes it hang or crash, has its bytes all the same; so has a part of a file.
    """
    program = cast(Binary, signal)
    return {**measure_bytes(program), **measure_parsed(program)}


def tabulate(records: Sequence[Record]) -> Table:
    """Return rows of all groups."""
    tables = tabulate_bytes(records), tabulate_parsed(records)
    values = np.concatenate([table.values for table in tables], axis=1)
    return Table(values, tuple(name for table in tables for name in table.names))


def _measure_bytes(signal: Signal) -> Record:
    return measure_bytes(cast(Binary, signal))


EMBER = FeatureSet(
    name="ember",
    kind="binary",
    version=1,
    summary="bytes, byte entropy and text; headers, sections, imports and exports as LIEF finds them, hashed",
    source=_SOURCE,
    measure=measure,
    tabulate=tabulate,
)
"""EMBER's groups for PE, ELF and Mach-O alike.

Names of imports and exports are among them, as they are in EMBER, and they can give the answer away: a Python module
exports `PyInit_name`, and the files of one project link the same libraries. Where that is not what is asked, compare
with `bytes`, which knows no names. The time at which a PE file says it was linked is left out: it tells a release, not
a program, and the other formats have none.
"""

BYTES = FeatureSet(
    name="bytes",
    kind="binary",
    version=1,
    summary="how often each byte occurs, at which entropy, and what the text in the file is like",
    source=f"{_SOURCE}, the groups that need no parser",
    measure=_measure_bytes,
    tabulate=tabulate_bytes,
)
"""What a file tells without its format: no parser that a hostile file could stop, and no names."""

FEATURE_SETS: tuple[FeatureSet, ...] = (EMBER, BYTES)
