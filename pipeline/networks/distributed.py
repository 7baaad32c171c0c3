"""One training by several processes: `torchrun --nproc-per-node 2 -m phosphene train SRC --out DIR --strategy head`.

Each process lists the same items, splits them alike and holds the whole network. Of every batch it takes its part, and
the gradients are averaged (`callbacks.Distributed`), so that all end with the same weights. The first process alone
prints, evaluates and saves. Where torchrun started no process nothing of this is done, and nothing heavy is imported.
"""

import atexit
import itertools
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

POLL_S = 0.1
ENDED_S = 20.0
"""Torchrun ends all processes once one has failed; those that wait for it to do so wait no longer."""
_log = logging.getLogger("phosphene")
_meetings = itertools.count()


def world_size() -> int:
    """Return how many processes torchrun started for this work: 1 without it.

    Examples
    --------
    >>> world_size()
    1
    """
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def rank() -> int:
    """Return the number of this process among them, from 0."""
    return int(os.environ["RANK"]) if world_size() > 1 else 0


def join() -> None:
    """Join the other processes, if there are any: each with a GPU of its own, or all on the CPU."""
    if world_size() == 1:
        return
    import torch
    from torch import distributed

    if distributed.is_initialized():
        return
    _log.disabled = rank() > 0
    on_gpus = torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    if on_gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    elif torch.cuda.is_available():
        from fastai.torch_core import default_device

        default_device(use=False)
        _log.warning("there are more processes than GPUs: networks are trained on the CPU")
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpus else "gloo")
    atexit.register(distributed.destroy_process_group)


def meet() -> None:
    """Wait until all processes have come here, for however long; a request to end is obeyed meanwhile."""
    count = world_size()
    if count == 1:
        return
    store, key = _store(), f"phosphene/{next(_meetings)}"
    store.add(key, 1)
    while store.add(key, 0) < count:
        time.sleep(POLL_S)


@contextmanager
def first_alone() -> Iterator[None]:
    """Let the first process do the block before the others, which find what it drew; all leave it together."""
    is_first = rank() == 0
    if not is_first:
        meet()
    yield
    if is_first:
        meet()
    meet()


def refuse_probe(strategy: str) -> None:
    """Raise ParameterError where several processes are to fit a probe, of which they would make no shorter work."""
    from phosphene.converters.core.errors import ParameterError  # the help would have to wait for it

    if strategy == "probe" and world_size() > 1:
        raise ParameterError(
            "the strategy probe trains no network: leave torchrun out (--engine ray carries the features of a probe), "
            "or name --strategy head, finetune or scratch"
        )


@contextmanager
def as_one() -> Iterator[None]:
    """Join the processes for a command; of several that fail the first says so, and the others end without a word."""
    if world_size() == 1:
        yield
        return
    try:
        join()
        yield
    except BaseException as error:
        if not _is_first_to_fail():
            end_quietly(wait=not isinstance(error, KeyboardInterrupt))
        if _has_lost_others(error):
            from phosphene.converters.core.errors import PhospheneError

            raise PhospheneError(
                f"one of the {world_size()} processes was ended from outside, for want of memory perhaps; run it again"
            ) from error
        raise


def end_quietly(*, wait: bool) -> None:
    """End this process with status 1; torchrun is waited for, which would end the one that still has to say why."""
    with suppress(KeyboardInterrupt):
        time.sleep(ENDED_S if wait else 0)
    raise SystemExit(1)


def _store() -> Any:
    """Return the numbers that all processes see, kept by torchrun."""
    from torch.distributed import distributed_c10d

    return distributed_c10d._get_default_store()


def _is_first_to_fail() -> bool:
    with suppress(Exception):  # there is no store yet, or it has gone with its process
        return bool(_store().add("phosphene/failed", 1) == 1)
    return rank() == 0


def _has_lost_others(error: BaseException) -> bool:
    """Tell whether an error is that of an exchange with a process that is no more; gloo has no class for it."""
    from torch import distributed

    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and "gloo" in str(error).lower()
    )
