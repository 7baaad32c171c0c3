"""What every set of tabular features is: how a signal is measured, and how measurements become rows of a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.converters.core.signal import Kind, Signal

Record = dict[str, np.ndarray]
"""What was measured of one signal: arrays by name, of numbers or of text, none of objects."""

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Table:
    """Features of items.

    Parameters
    ----------
    values
        float32 (n_items, n_features), all finite.
    names
        What each column is.

    Examples
    --------
    >>> Table(np.ones((2, 1), np.float32), ("length",)).values.shape
    (2, 1)
    """

    values: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class FeatureSet:
    """Features of one kind of signal.

    Measuring is slow and is done once an item: the record is kept, found again by content, `name` and `version`.
    Making rows is quick and is done anew in each run.

    Parameters
    ----------
    name
        As on the command line.
    kind
        The kind of signals it measures.
    version
        Raised when records change.
    summary, source
        One line each: what is measured, and who says that it is worth measuring.
    measure
        A signal's record; runs in processes that can be stopped.
    tabulate
        Rows of records, in their order; looks at no labels.
    """

    name: str
    kind: Kind
    version: int
    summary: str
    source: str
    measure: Callable[[Signal], Record]
    tabulate: Callable[[Sequence[Record]], Table]


def finite32(values: np.ndarray) -> np.ndarray:
    """Return values as float32, 0 for what is no number, and what is too large as the largest there is.

    Examples
    --------
    >>> finite32(np.array([1.5, np.nan, -1e300])).tolist()
    [1.5, 0.0, -3.4028234663852886e+38]
    """
    bounded = np.clip(np.nan_to_num(values, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST), -_LARGEST, _LARGEST)
    return np.asarray(bounded, np.float32)
