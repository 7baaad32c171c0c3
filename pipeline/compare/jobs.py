"""One method on one data set, in a process of its own: what is missing of its cells is computed and kept."""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phosphene.datasets.splits import Split
from phosphene.datasets.windows import WindowedManifest

from .cells import Answers, Cell, CellStore, Spent, cell_key, stage_key
from .methods import Method, Ready, Setting

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Job:
    """One method on one data set.

    Parameters
    ----------
    setting
        The data set.
    digest
        What its items are, as `items_digest` gives it.
    method
        The method.
    parts
        What is to be learned from and answered for: the folds, and parts of their training items.
    store
        Where cells are kept.
    """

    setting: Setting
    digest: str
    method: Method
    parts: tuple[Split, ...]
    store: CellStore

    def key(self, part: Split) -> str:
        """Return the key of a cell."""
        return cell_key(self._pieces, part, self.method.config, self.setting.recipe.seed)

    def stage_key(self, stage: str) -> str:
        """Return the key of what was spent on a stage, by this method or by one that shares it."""
        return stage_key(self._pieces, stage, self.method.config)

    @property
    def _pieces(self) -> str:
        """What every method learns from: the items, and how they are cut."""
        return f"{self.digest} cut by {self.setting.recipe.windows}"

    @property
    def missing(self) -> list[Split]:
        """The parts whose cells are not there yet."""
        return [part for part in self.parts if self.store.get(self.key(part)) is None]


def run_job(job: Job) -> int:
    """Compute the cells that are missing; return how many.

    It takes the process for its own: tiles and tables go to a folder beside the cells, so that the seconds are those
    from raw files, whatever the user's cache holds; and it ends when the process that started it does.
    """
    _end_with_parent()
    os.environ["PHOSPHENE_CACHE"] = str(job.store.folder / "work")
    missing = job.missing
    if missing:
        forget_peak_memory()
        ready = job.method.make(job.setting)
        _note(job, ready)
        failed, cut = _failed(job, ready), job.setting.cut
        ready.estimator.expect([cut.training_set(part, failed=failed) for part in missing])
        for part in missing:
            job.store.put(job.key(part), fit_cell(ready, cut, part, failed=failed))
        _note(job, ready)
    return len(missing)


def fit_cell(ready: Ready, cut: WindowedManifest, split: Split, *, failed: frozenset[int]) -> Cell:
    """Fit a method to one side of a split and let it answer for the other."""
    learned = cut.training_set(split, failed=failed)
    clock = _Clock(ready)
    n_classes = len(cut.manifest.classes)
    fit = ready.estimator.fit(learned.indices, learned.targets, learned.groups, n_classes=n_classes)
    train_s = clock.lap()
    places = cut.indices(split.test, failed=failed)
    log_proba = ready.estimator.predict_log_proba(fit.model, places)
    test_s = clock.lap()
    return Cell(
        test=Answers(*cut.average(log_proba, places)),
        left_out=Answers(*cut.average(fit.oof_log_proba, learned.indices[fit.oof_indices])),
        n_train=len(np.unique(cut.source[learned.indices])),
        train_s=train_s,
        test_s=test_s,
        size_bytes=fit.size_bytes,
        notes={**ready.notes, **fit.notes},
    )


class _Clock:
    """Takes the time without what all fits share."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._began = self._now()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = self._now()
        passed, self._began = now - self._began, now
        return passed

    def _now(self) -> float:
        return time.monotonic() - sum(self._ready.shared_s().values())


def peak_memory_mib() -> float:
    """Return the most memory that this process has held, since it was last forgotten where the system can do that."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    with contextlib.suppress(ImportError):
        import resource
        import sys

        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return float("nan")


def forget_peak_memory() -> None:
    """Let `peak_memory_mib` begin anew."""
    with contextlib.suppress(OSError):
        _FORGET.write_text("5")


def _note(job: Job, ready: Ready) -> None:
    """Keep what was spent so far, and which items cannot be read."""
    places = {item: place for place, item in enumerate(job.setting.manifest.items)}
    failed = tuple((places[failure.item], failure.error) for failure in ready.failures)
    for stage, seconds in ready.shared_s().items():
        job.store.spend(job.stage_key(stage), Spent(prepare_s=seconds))
    job.store.spend(job.stage_key(job.method.name), Spent(peak_mib=peak_memory_mib(), failed=failed))


def _failed(job: Job, ready: Ready) -> frozenset[int]:
    failed = {failure.item for failure in ready.failures}
    return frozenset(place for place, item in enumerate(job.setting.manifest.items) if item in failed)


def _end_with_parent() -> None:
    """End this process soon after the one that started it is gone, however busy it is."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
