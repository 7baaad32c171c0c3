"""The data sets of a benchmark with their splits, and what was computed of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from phosphene.datasets.splits import Split

from .cells import Cell, CellStore
from .jobs import Job
from .methods import Method, Setting


@dataclass(frozen=True, eq=False)
class Trial:
    """One data set of a benchmark.

    Parameters
    ----------
    setting
        Items, splits and recipe.
    digest
        What the items are.
    parts
        For each share of the training items, from the smallest to 1, a part of every split.
    warnings
        What should be known of the data before figures are believed.
    """

    setting: Setting
    digest: str
    parts: dict[float, tuple[Split, ...]]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.setting.manifest.name or "items"

    def job(self, method: Method, store: CellStore, shares: Sequence[float]) -> Job:
        """Return what a method has to do here."""
        parts = tuple(part for share in shares for part in self.parts[share])
        return Job(self.setting, self.digest, method, parts, store)

    def cells(self, method: Method, store: CellStore, share: float = 1.0) -> list[Cell] | None:
        """Return the cells of a method, one a split; None unless all are there."""
        job = self.job(method, store, [share])
        cells = [store.get(job.key(part)) for part in job.parts]
        found = [cell for cell in cells if cell is not None]
        return found if len(found) == len(cells) else None


@dataclass(frozen=True, eq=False)
class Run:
    """All that was computed in a benchmark.

    Parameters
    ----------
    trials
        The data sets.
    methods
        The methods, in the order of the table.
    store
        Their cells.
    errors
        By data set and method: why there are cells missing.
    """

    trials: tuple[Trial, ...]
    methods: tuple[Method, ...]
    store: CellStore
    errors: dict[tuple[str, str], str]
