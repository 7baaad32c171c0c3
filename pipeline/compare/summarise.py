"""From the cells of a benchmark to its summary: rows, learning curves, ranking and verdict."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np

from phosphene.datasets.subsets import SHARES, shares_worth
from phosphene.pipeline.report.verdict import BOTH, TABLES, Details, verdict

from .across_sets import overall_summary
from .cells import Cell
from .methods import CONTROL, IMAGES, Method, Side
from .scored import Answered, Judged
from .summary import Cost, CurvePoint, Row, SetSummary, Summary
from .together import Chosen, choose_by_left_out, left_out_merit, stacked
from .trial import Run, Trial

_PACKAGES = ("phosphene", "torch", "scikit-learn", "lightgbm", "aeon", "librosa", "lief", "numpy")


@dataclass(frozen=True, eq=False)
class Results:
    """The results of all methods on one data set.

    Parameters
    ----------
    run
        The benchmark.
    trial
        The data set.
    best
        The table to draw a learning curve of, as `best_table` gives it.
    """

    run: Run
    trial: Trial
    best: Method | None

    @cached_property
    def cells(self) -> dict[str, list[Cell]]:
        """The cells of each method that is done, one a fold."""
        found = {method.name: self.trial.cells(method, self.run.store) for method in self.run.methods}
        return {name: cells for name, cells in found.items() if cells is not None}

    @cached_property
    def judged(self) -> Judged:
        """The items that all of them answered for."""
        setting = self.trial.setting
        return Judged.by_all(
            setting.manifest, setting.splits, list(self.cells.values()), seed=setting.recipe.seed
        )

    @cached_property
    def chosen(self) -> Chosen | None:
        """The best table of each fold, chosen by left-out training items; of many sets the best over all of them."""
        sides = {method.name: method.side for method in self.run.methods}
        tables = {name: cells for name, cells in self.cells.items() if sides[name] == "tables"}
        if len(self.run.trials) > 1 and self.best and self.best.name in tables:
            tables = {self.best.name: tables[self.best.name]}
        return choose_by_left_out(self.trial.setting.manifest, tables) if tables else None

    def answered(self, cells: Sequence[Cell]) -> Answered:
        """Return the answers of a method for the judged items."""
        return Answered(self.judged, tuple(cell.test for cell in cells))

    @cached_property
    def together(self) -> dict[str, Answered]:
        """The answers of what is put together of several methods."""
        found = {}
        if self.chosen:
            found[TABLES] = self.answered(self.chosen.cells)
        if self.chosen and IMAGES in self.cells:
            tests = stacked(self.trial.setting.manifest, [self.cells[IMAGES], self.chosen.cells])
            found[BOTH] = Answered(self.judged, tests)
        return found

    def rows(self) -> tuple[Row, ...]:
        """Return the rows of the table: images, the best without them, both together, then all other methods."""
        notes = {TABLES: {"chosen": list(self.chosen.names)}} if self.chosen else {}
        combined = [_row(name, None, one, notes=notes.get(name, {})) for name, one in self.together.items()]
        rows = [self._method_row(method) for method in self.run.methods]
        first = [row for row in rows if row.method == IMAGES]
        return (*first, *combined, *(row for row in rows if row.method != IMAGES))

    def _method_row(self, method: Method) -> Row:
        if method.name not in self.cells:
            why = self.run.errors.get((self.trial.name, method.name), "was not run")
            nothing = float("nan")
            return Row(method.name, method.side, nothing, nothing, nothing, error=why)
        cells = self.cells[method.name]
        notes = {"folds": [cell.notes for cell in cells]}
        return _row(
            method.name, method.side, self.answered(cells), cost=self._cost(method, cells), notes=notes
        )

    def _cost(self, method: Method, cells: Sequence[Cell]) -> Cost:
        job = self.trial.job(method, self.run.store, SHARES[-1:])
        prepare_s = sum(self.run.store.spent(job.stage_key(stage)).prepare_s for stage in method.stages)
        n_answers = sum(len(cell.test.items) for cell in cells)
        share_s = prepare_s / max(len(self.trial.setting.manifest), 1)
        return Cost(
            prepare_s=prepare_s,
            train_s=sum(cell.train_s for cell in cells),
            predict_s_per_item=share_s + sum(cell.test_s for cell in cells) / max(n_answers, 1),
            peak_mib=self.run.store.spent(job.stage_key(method.name)).peak_mib,
            size_bytes=max(cell.size_bytes for cell in cells),
        )

    def curves(self) -> tuple[CurvePoint, ...]:
        """Return the learning curves of images, of the control, and of the best table.

        Intervals are corrected as those of whole training sets: parts of these overlap no more than they do.
        """
        methods = [method for method in self.run.methods if method.name in (IMAGES, CONTROL)]
        methods += [self.best] if self.best else []
        return tuple(point for method in methods for point in self._curve(method))

    def _curve(self, method: Method) -> list[CurvePoint]:
        setting = self.trial.setting
        worth = shares_worth(setting.splits[0], setting.manifest, SHARES, seed=setting.recipe.seed)
        points = []
        for share in worth:
            cells = self.trial.cells(method, self.run.store, share)
            if cells:
                n_items = float(np.mean([cell.n_train for cell in cells]))
                one = self.answered(cells)
                points.append(CurvePoint(method.name, share, n_items, one.score, *one.interval))
        return points

    def failed(self) -> dict[int, str]:
        """Return the items that some method could not read, with the first reason."""
        found: dict[int, str] = {}
        for method in self.run.methods:
            job = self.trial.job(method, self.run.store, SHARES[-1:])
            for place, why in self.run.store.spent(job.stage_key(method.name)).failed:
                found.setdefault(place, why)
        return found

    def verdict(self, rows: Sequence[Row], curves: Sequence[CurvePoint]) -> str:
        """Return what it comes to, in words."""
        named = {row.method: row for row in rows}
        sides = {name: self.answered(self.cells[name]) for name in (IMAGES, CONTROL) if name in self.cells}
        sides |= self.together
        missing = [name for name in (IMAGES, TABLES) if name not in sides]
        if missing:
            return f"No verdict: there are no figures for {' and '.join(missing)}."
        pairs = ((IMAGES, TABLES), (BOTH, IMAGES), (BOTH, TABLES), (IMAGES, CONTROL))
        tests = {(a, b): sides[a].against(sides[b]) for a, b in pairs if a in sides and b in sides}
        return verdict(
            named[IMAGES],
            named[TABLES],
            named.get(BOTH),
            tests[IMAGES, TABLES],
            random=named[CONTROL] if CONTROL in sides else None,
            curves=curves,
            details=Details(self.trial.setting.manifest.metric, rows, tests),
        )


def summarise(run: Run, *, seconds: float) -> Summary:
    """Return the summary of a benchmark.

    Parameters
    ----------
    run
        What was computed.
    seconds
        How long that took.
    """
    best = best_table(run)
    results = [Results(run, trial, best) for trial in run.trials]
    sets = tuple(_set_summary(one) for one in results)
    failed = tuple(
        (str(one.trial.setting.manifest.items[place]), why)
        for one in results
        for place, why in sorted(one.failed().items())
    )
    return overall_summary(sets, failed=failed, seconds=seconds, origin=_origin(run))


def best_table(run: Run) -> Method | None:
    """Return the method without images that is right most often on left-out training items, over all folds and sets.

    To choose by the few items of each of many small sets would be a lottery, which images need not play. A method that
    failed on a set comes after those that did not.
    """
    tables = [method for method in run.methods if method.side == "tables"]
    merits = {method.name: _merit(run, method) for method in tables}
    best = max(tables, key=lambda method: merits[method.name], default=None)
    return best if best and merits[best.name][0] else None


def _merit(run: Run, method: Method) -> tuple[float, ...]:
    """Return on how many sets a method is done, and there the means over sets of what it was worth."""
    merits = [
        np.mean([left_out_merit(trial.setting.manifest, cell) for cell in cells], axis=0)
        for trial in run.trials
        if (cells := trial.cells(method, run.store))
    ]
    return (len(merits), *np.mean(merits, axis=0).tolist()) if merits else (0,)


def _set_summary(one: Results) -> SetSummary:
    manifest = one.trial.setting.manifest
    rows, curves = one.rows(), one.curves()
    failed = one.failed()
    told = (
        (f"left out for all, as not every method could read them: {len(failed)} of {len(manifest)} items",)
        if failed
        else ()
    )
    return SetSummary(
        name=one.trial.name,
        metric=manifest.metric,
        n_items=len(manifest),
        n_classes=len(manifest.classes),
        rows=rows,
        curves=curves,
        verdict=one.verdict(rows, curves),
        warnings=(*one.trial.warnings, *told),
    )


def _row(
    name: str, side: Side | None, one: Answered, *, cost: Cost | None = None, notes: dict[str, Any]
) -> Row:
    low, high = one.interval
    return Row(name, side, one.score, low, high, one.folds, one.pooled, cost, notes=notes)


def _origin(run: Run) -> dict[str, str]:
    versions = {name: version(name) for name in _PACKAGES}
    device = f"{os.cpu_count()} cores, {platform.machine()}"
    return {"seed": str(run.trials[0].setting.recipe.seed), "device": device, **versions}
