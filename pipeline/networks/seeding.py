"""Random numbers of torch, NumPy and Python from a seed, for as long as a block runs."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` inside the block, and go on outside as if nothing had been drawn.

    Examples
    --------
    >>> with seeded(3):
    ...     first = torch.rand(1)
    >>> with seeded(3):
    ...     bool(first == torch.rand(1))
    True
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        drawn, numpy_drawn = random.getstate(), np.random.get_state()
        try:
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
        finally:
            random.setstate(drawn)
            np.random.set_state(numpy_drawn)
