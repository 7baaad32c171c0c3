"""Checks of the arrays in a signal; each returns a read-only array."""

from typing import Any, Literal

import numpy as np

from .errors import SignalError


def channels_first(values: Any, name: str, *, missing: Literal["allowed", "refused"]) -> np.ndarray:
    """Return values as read-only float32 (channels, n); a vector becomes one channel.

    Raises
    ------
    SignalError
        Not numbers, not one or two dimensions, no channels or no samples, infinity; with missing values allowed a
        channel of nothing but NaN is refused, without them any NaN is.
    """
    array = _numbers(values, name, np.float32)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not array.size:
        raise SignalError(f"{name} must be (channels, n) with at least one of each, got shape {array.shape}")
    if _surely_finite(array):
        return _frozen(array)
    if np.isinf(array).any():
        raise SignalError(f"{name} must be finite, got infinity")
    gaps = np.isnan(array)
    if missing == "refused" and gaps.any():
        raise SignalError(f"{name} must be finite, got {int(gaps.sum())} NaN")
    if gaps.all(axis=1).any():
        raise SignalError(
            f"{name} must hold a value in every channel, channel {int(gaps.all(axis=1).argmax())} is all NaN"
        )
    return _frozen(array)


def _surely_finite(array: np.ndarray) -> bool:
    """Tell by one quick pass that every number is finite; where the sum is too large a closer look is needed."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))


def frozen_vector(values: Any, name: str, dtype: Any) -> np.ndarray:
    """Return values as a read-only vector of finite numbers.

    Raises
    ------
    SignalError
        Not numbers, not one dimension, NaN or infinity, or a number that the type cannot hold.
    """
    array = _numbers(values, name, np.float64)
    if array.ndim != 1:
        raise SignalError(f"{name} must be a vector, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise SignalError(f"{name} must be finite, got NaN or infinity")
    if np.issubdtype(dtype, np.integer) and array.size:
        bounds = np.iinfo(dtype)
        if array.min() < bounds.min or array.max() > bounds.max or (array % 1).any():
            raise SignalError(f"{name} must be whole numbers from {bounds.min} to {bounds.max}")
    return _frozen(array.astype(dtype, copy=False))


def _numbers(values: Any, name: str, dtype: Any) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinity, which is refused by name
            array = np.asarray(values)
            # What NumPy would turn into numbers in silence: texts, dates, and the real part alone of a complex number.
            if array.dtype.kind in "SUmMc":
                raise TypeError(f"array of {array.dtype}")
            return np.asarray(array, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise SignalError(f"{name} must be numbers, got {type(values).__name__}") from error


def _frozen(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
