"""Numbers that every model takes."""

import numpy as np

_MOST = float(np.finfo(np.float32).max)


def finite32(values: np.ndarray) -> np.ndarray:
    """Return values as float32, 0 for what is no number, and what is too large as the largest there is.

    Examples
    --------
    >>> finite32(np.array([1.5, np.nan, -1e300])).tolist()
    [1.5, 0.0, -3.4028234663852886e+38]
    """
    bounded = np.clip(np.nan_to_num(values, nan=0.0, posinf=_MOST, neginf=-_MOST), -_MOST, _MOST)
    return np.asarray(bounded, np.float32)
