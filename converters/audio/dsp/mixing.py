"""Which channels of a sound are drawn, and how they are added."""

from typing import Literal, NamedTuple

import numpy as np

from ...core.errors import SignalError

ChannelChoice = Literal["mean", "left", "right", "mid", "side", "stack"]


_CANCELLED = 0.01  # the share of the energy of unrelated channels that is left in a mean that hides them
_BLOCK_SAMPLES = 1 << 16


class Mix(NamedTuple):
    """A name, and what each channel is multiplied by before they are added: float64 (channels,)."""

    name: str
    weights: np.ndarray


def mixes(channel: ChannelChoice, samples: np.ndarray, *, most: int) -> tuple[Mix, ...]:
    """Return what is drawn: one mix, or for `stack` one for each channel.

    Parameters
    ----------
    channel
        `mean` of all, or the loudest where they cancel; `left` and `right`, the first and the second; half their sum,
        `mid`, or half their difference, `side`. A mono sound is the same on both sides.
    samples
        float (channels, n).
    most
        How many `stack` has room for.

    Raises
    ------
    SignalError
        There are more channels than that.

    Examples
    --------
    >>> [mix.weights.tolist() for mix in mixes("side", np.ones((2, 9)), most=8)]
    [[0.5, -0.5]]
    """
    n_channels = len(samples)
    every = np.eye(n_channels)
    left, right = every[0], every[min(1, n_channels - 1)]
    if channel == "stack":
        if n_channels > most:
            raise SignalError(
                f"a stack on {most} rows holds at most {most} channels, got {n_channels}; raise size, or set channel"
            )
        names = ("left", "right") if n_channels == 2 else tuple(f"channel {i + 1}" for i in range(n_channels))
        return tuple(map(Mix, names, every))
    if channel == "mean":
        return (Mix(channel, mean_weights(samples)),)
    weights = {
        "left": left,
        "right": right,
        "mid": (left + right) / 2,
        "side": (left - right) / 2,
    }[channel]
    return (Mix(channel, weights),)


def mean_weights(samples: np.ndarray) -> np.ndarray:
    """Return the weight of each channel in their mean; of the loudest alone where the mean hides them all.

    That is where it holds less than a hundredth of the energy that it has of unrelated channels: a microphone wired
    the wrong way round cancels the other one.

    Parameters
    ----------
    samples
        float (channels, n).

    Examples
    --------
    >>> mean_weights(np.array([[1.0, 2.0], [1.0, 0.0]])), mean_weights(np.array([[1.0, 2.0], [-1.0, -2.0]]))
    (array([0.5, 0.5]), array([1., 0.]))
    """
    n_channels, n = samples.shape
    even = np.full(n_channels, 1 / n_channels)
    peak = max(float(samples.max()), -float(samples.min()))
    if n_channels == 1 or peak == 0:
        return even
    products = np.zeros((n_channels, n_channels))
    for start in range(0, n, _BLOCK_SAMPLES):
        block = samples[:, start : start + _BLOCK_SAMPLES] / peak
        products += block @ block.T
    return uncancelled(products)


def uncancelled(products: np.ndarray) -> np.ndarray:
    """Return the weights of `mean_weights` from the products of the channels with each other.

    Examples
    --------
    >>> uncancelled(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    array([1., 0.])
    """
    n_channels = len(products)
    even, energies = np.full(n_channels, 1 / n_channels), products.diagonal()
    if even @ products @ even >= _CANCELLED * energies.mean() / n_channels:
        return even
    loudest = np.zeros(n_channels)
    loudest[energies.argmax()] = 1
    return loudest
