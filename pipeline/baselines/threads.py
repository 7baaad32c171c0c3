"""Work of a few seconds shared by the cores, each on one thread."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def in_threads(function: Callable[[Task], Answer], tasks: Iterable[Task]) -> list[Answer]:
    """Return a function's answers, in the order of the tasks.

    What compiled libraries do inside runs on one thread each: products of small matrices lose time by more, and
    answers do not depend on the number of cores.

    Examples
    --------
    >>> in_threads(abs, [-1, 2])
    [1, 2]
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(n_cores()) as pool:
        return list(pool.map(function, tasks))


def n_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
