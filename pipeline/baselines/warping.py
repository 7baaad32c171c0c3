"""The nearest series under dynamic time warping: the classic to beat on series."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from phosphene.pipeline.strategies.estimator import Estimator, Fit

from .calibration import fit_sharpness, hit_rate, sharpened
from .threads import in_threads

WIDTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 25, 30, 40, 60, 100)
"""Half-widths of the band that are tried, in percent of the length; 0 is the Euclidean distance."""
_NARROW = 10
"""Widths up to this one are always tried; narrow ones are what most sets want (Ratanamahatana and Keogh 2005)."""
_SHARPNESS = 10.0
MOST_CELLS = 10**10
"""Cells of tables of distances for choosing the width at most: a few seconds on one core."""
MOST_CELLS_ASKED = 2 * 10**8
"""Cells for one answer at most."""


@dataclass(frozen=True, eq=False)
class WarpingContender(Estimator):
    """1-NN under dynamic time warping in a Sakoe-Chiba band, whose width is chosen by leaving groups out.

    The width of the fewest mistakes is taken, of equal ones the narrowest. All distances at a wider band are lower
    bounds of those at a narrower one, so that going from the widest down few have to be computed again (Tan et al.
    2018, "Efficient search of the best warping window for Dynamic Time Warping"). How much nearer the nearest series of
    a class is than those of others says how sure an answer is.

    What is computed is bounded. Where choosing would take more than `MOST_CELLS`, wide bands are not tried; where
    even bands of ten percent would, the width is chosen by some of the rows; and where one answer would take more than
    `MOST_CELLS_ASKED`, only some of the rows are kept to compare with. The notes tell all three.

    Parameters
    ----------
    values
        float (n, channels, length), all finite; channels are warped together.
    seed
        Of nothing: nothing is drawn by it. There for the sake of other contenders.

    References
    ----------
    H. Sakoe, S. Chiba 1978, doi:10.1109/TASSP.1978.1163055. C. A. Ratanamahatana, E. Keogh 2005,
    doi:10.1137/1.9781611972757.50. H. A. Dau et al. 2018, doi:10.1007/s10618-018-0565-y.

    Examples
    --------
    >>> values = np.zeros((6, 1, 12))
    >>> values[[0, 1, 2], 0, [3, 5, 7]] = 1.0
    >>> contender = WarpingContender(values, seed=0)
    >>> trained = contender.fit(np.array([0, 1, 3, 4]), np.array([0, 0, 1, 1]), np.arange(4), n_classes=2)
    >>> contender.predict_log_proba(trained.model, np.array([2, 5])).argmax(axis=1).tolist()
    [0, 1]
    >>> trained.notes["setting"]
    {'width_percent': 9}
    """

    values: np.ndarray
    _: KW_ONLY
    seed: int

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Choose the width of the band and keep the rows, as `Estimator.fit`."""
        plan = _Plan.of(groups, *self.values.shape[1:])
        kept, searched = plan.kept, plan.searched
        rows, codes, groups = self._rows(indices[kept]), targets[kept], groups[kept]
        number = _fewest_missed(rows, codes, groups, searched, plan.reaches)
        away = _class_distances(
            rows[searched], rows, codes, plan.reaches[number], n_classes, own=groups[searched], groups=groups
        )
        foreseen = np.isfinite(away[np.arange(len(searched)), codes[searched]])
        away, checked = away[foreseen], searched[foreseen]
        unit = max(float(np.median(away.min(axis=1))), 1e-30) if len(away) else 1.0
        sharpness = fit_sharpness(away / -unit, codes[checked], otherwise=_SHARPNESS)
        left_out = sharpened(away / -unit, sharpness) if len(away) else away
        notes = {
            "setting": {"width_percent": plan.widths[number]},
            "settings": len(plan.widths),
            "rows_compared": len(kept),
            "rows_searched": len(searched),
            "left_out_accuracy": hit_rate(left_out, codes[checked]),
        }
        model = _Kept(rows, codes, plan.reaches[number], sharpness / unit, n_classes)
        return Fit(model, kept[checked], left_out, int(rows.nbytes + codes.nbytes), notes)

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of pieces, as `Estimator.predict_log_proba`."""
        away = _class_distances(self._rows(indices), model.rows, model.codes, model.reach, model.n_classes)
        return sharpened(-away, model.sharpness)

    def _rows(self, indices: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.values[indices], np.float64)


@dataclass(frozen=True, eq=False)
class _Kept:
    rows: np.ndarray
    codes: np.ndarray
    reach: int
    sharpness: float
    n_classes: int


@dataclass(frozen=True, eq=False)
class _Plan:
    """What can be afforded: rows to compare with, which of these the width is chosen by, and widths to try."""

    kept: np.ndarray
    searched: np.ndarray
    widths: tuple[int, ...]
    reaches: tuple[int, ...]

    @classmethod
    def of(cls, groups: np.ndarray, channels: int, length: int) -> "_Plan":
        from phosphene.pipeline.strategies.ridge import subsample_groups

        narrow = _cells(channels, length, _NARROW)
        kept = subsample_groups(groups, max(2, MOST_CELLS_ASKED // narrow))
        searched = subsample_groups(groups[kept], max(2, MOST_CELLS // (narrow * len(kept))))
        affordable = MOST_CELLS / (len(kept) * len(searched))
        widths = {
            _reach(length, percent): percent
            for percent in reversed(WIDTHS)
            if percent <= _NARROW or _cells(channels, length, percent) <= affordable
        }
        # By reach: in a short series several widths are one.
        reaches = tuple(sorted(widths))
        return cls(kept, searched, tuple(widths[reach] for reach in reaches), reaches)


def _reach(length: int, percent: int) -> int:
    return -(-length * percent // 100)  # rounded up, as in the archive's published widths


def _cells(channels: int, length: int, percent: int) -> int:
    return channels * length * min(length, 2 * _reach(length, percent) + 1)


def _fewest_missed(
    rows: np.ndarray, codes: np.ndarray, groups: np.ndarray, searched: np.ndarray, reaches: tuple[int, ...]
) -> int:
    """Return the place of the reach by which fewest rows have a nearest one, of another group, of another class."""
    from .warping_loops import nearest

    def missed(place: int) -> np.ndarray:
        others = np.flatnonzero(groups != groups[place])
        is_missed = np.zeros(len(reaches), int)
        bounds = np.zeros(len(rows))
        for number in reversed(range(len(reaches) if len(others) else 0)):
            order = others[np.argsort(bounds[others], kind="stable")]
            which = nearest(rows[place], rows, order, bounds, reaches[number])
            is_missed[number] = codes[which] != codes[place]
        return is_missed

    return int(np.argmin(np.sum(in_threads(missed, searched.tolist()), axis=0)))


def _class_distances(
    questions: np.ndarray,
    rows: np.ndarray,
    codes: np.ndarray,
    reach: int,
    n_classes: int,
    *,
    own: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Return how far the nearest row of each class is, infinity where there is none of another group than its own."""
    from .warping_loops import distances

    everyone = np.arange(len(rows))

    def of_one(place: int) -> np.ndarray:
        others = everyone if own is None else np.flatnonzero(groups != own[place])
        away = np.full(n_classes, np.inf)
        np.minimum.at(away, codes[others], distances(questions[place], rows, others, reach))
        return np.sqrt(away)

    return np.array(in_threads(of_one, range(len(questions)))).reshape(-1, n_classes)
