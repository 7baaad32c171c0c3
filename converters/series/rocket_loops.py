"""Compiled loops of `rocket`."""

import numba
import numpy as np

KERNEL_LENGTH = 18**0.5
"""The root of the sum of the squares of a kernel's weights."""


@numba.njit(cache=True, nogil=True)
def write_responses(mixes: np.ndarray, dilation: int, floor: float, responses: np.ndarray) -> None:
    """Convolve a series with every kernel: weights of 2 at three of nine samples, of -1 at the others.

    From a floor on, responses are correlations of a kernel with the nine samples that it sees, from -1 to 1.

    Parameters
    ----------
    mixes
        float32 (n_mixes, samples); kernel k sees mix k modulo their number. Beyond its ends a series is 0.
    dilation
        Samples from one weight to the next.
    floor
        Standard deviation of nine samples below which they count as hardly moving; below 0 for plain responses.
    responses
        float32 (84, samples), written.
    """
    n_mixes, count = mixes.shape
    moved, usual = np.empty((9, count), np.float32), np.empty(count, np.float32)
    factor = np.ones(count, np.float32)
    for mix in range(n_mixes):
        moved[:], usual[:] = 0, 0
        for weight in range(9):
            shift = (weight - 4) * dilation
            for i in range(max(0, -shift), min(count, count - shift)):
                moved[weight, i] = mixes[mix, i + shift]
            for i in range(count):
                usual[i] -= moved[weight, i]
        if floor >= 0:
            _write_factors(moved, usual, floor, factor)
        kernel = 0
        for first in range(9):
            for second in range(first + 1, 9):
                for third in range(second + 1, 9):
                    if kernel % n_mixes == mix:
                        response = responses[kernel]
                        for i in range(count):
                            high = moved[first, i] + moved[second, i] + moved[third, i]
                            response[i] = (usual[i] + np.float32(3) * high) * factor[i]
                    kernel += 1


@numba.njit(cache=True, nogil=True)
def _write_factors(moved: np.ndarray, usual: np.ndarray, floor: float, factor: np.ndarray) -> None:
    """Write what makes a correlation of the response to nine samples: both have a length."""
    for i in range(len(factor)):
        mean, squares = -usual[i] / np.float32(9), np.float32(0)
        for weight in range(9):
            squares += (moved[weight, i] - mean) ** 2
        length = np.sqrt(squares + np.float32(9 * floor**2))
        factor[i] = 1 / (np.float32(KERNEL_LENGTH) * length) if length > 0 else 0


@numba.njit(cache=True, nogil=True)
def write_shares(
    mixes: np.ndarray,
    dilations: np.ndarray,
    first: np.ndarray,
    biases: np.ndarray,
    floor: float,
    shares: np.ndarray,
) -> None:
    """Write at how large a share of the samples each kernel's response is above a bias.

    Of every second kernel the ends of the series, over which it reaches, are left out, where that leaves any sample.

    Parameters
    ----------
    mixes
        float32 (n_dilations or 1, n_mixes, samples), as for `write_responses`.
    dilations, first
        int64 (n_dilations,) and (n_dilations + 1,): the first row of each, and the first behind the last.
    biases
        float64 (rows,).
    floor
        As for `write_responses`.
    shares
        float64 (rows, 84), written.
    """
    count, n_kernels = mixes.shape[2], shares.shape[1]
    responses = np.empty((n_kernels, count), np.float32)
    for number, dilation in enumerate(dilations):
        write_responses(mixes[number % len(mixes)], dilation, floor, responses)
        for kernel in range(n_kernels):
            inside = (kernel + number) % 2 == 1 and count > 8 * dilation
            edge = 4 * dilation if inside else 0
            response = responses[kernel, edge : count - edge]
            for row in range(first[number], first[number + 1]):
                bias, above = np.float32(biases[row]), 0
                for i in range(len(response)):
                    above += response[i] > bias
                shares[row, kernel] = above / len(response)
