"""Which channels of a sound are drawn, and how they are added."""

from typing import Literal, NamedTuple

import numpy as np

from ...core.errors import SignalError

ChannelChoice = Literal["mean", "left", "right", "mid", "side", "stack"]


class Mix(NamedTuple):
    """A name, and what each channel is multiplied by before they are added: float64 (channels,)."""

    name: str
    weights: np.ndarray


def mixes(channel: ChannelChoice, n_channels: int, *, most: int) -> tuple[Mix, ...]:
    """Return what is drawn: one mix, or for `stack` one for each channel.

    Parameters
    ----------
    channel
        `mean` of all; `left` and `right`, the first and the second; half their sum, `mid`, or half their
        difference, `side`. A mono sound is the same on both sides.
    n_channels
        Channels of the sound.
    most
        How many `stack` has room for.

    Raises
    ------
    SignalError
        There are more channels than that.

    Examples
    --------
    >>> [mix.weights.tolist() for mix in mixes("side", 2, most=8)], mixes("side", 1, most=8)[0].weights
    ([[0.5, -0.5]], array([0.]))
    """
    every = np.eye(n_channels)
    left, right = every[0], every[min(1, n_channels - 1)]
    if channel == "stack":
        if n_channels > most:
            raise SignalError(
                f"a stack on {most} rows holds at most {most} channels, got {n_channels}; raise size, or set channel"
            )
        names = ("left", "right") if n_channels == 2 else tuple(f"channel {i + 1}" for i in range(n_channels))
        return tuple(map(Mix, names, every))
    weights = {
        "mean": every.mean(axis=0),
        "left": left,
        "right": right,
        "mid": (left + right) / 2,
        "side": (left - right) / 2,
    }[channel]
    return (Mix(channel, weights),)
