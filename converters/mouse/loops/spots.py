"""Soft spots on a logarithmic scale."""

import numpy as np

TRUNCATE = 3
"""Standard deviations of a spot that are drawn."""


def heat(
    column: np.ndarray, row: np.ndarray, weight: np.ndarray, *, size: int, spot_px: float, bend: float
) -> np.ndarray:
    """Return weights as soft spots on a logarithmic scale: uint8 (size, size, 1), the greatest white.

    Black is nothing at all; `bend` is the weight of a lone spot in whose middle the scale begins to bend.

    Examples
    --------
    >>> both = heat(np.array([4.5, 12.5]), np.array([8.5, 8.5]), np.array([1.0, 3.0]), size=16, spot_px=1, bend=1)
    >>> both[8, [4, 12], 0].tolist()  # as log(1 + 1) to log(1 + 3)
    [128, 255]
    """
    from .blur import log_grey, soft_spots

    reach = int(TRUNCATE * spot_px + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spot_px) ** 2)
    column, row, weight = (np.asarray(values, np.float64) for values in (column, row, weight))
    return log_grey(soft_spots(column, row, weight, size, bell), bend)
