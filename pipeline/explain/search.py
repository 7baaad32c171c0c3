"""What the classifier says of a signal without some of its parts: which matter, and the smallest that suffice.

A signal is cut into segments. Each is removed alone, and wider windows of several; what that costs the class, in
log-odds, is their effect (occlusion: M. D. Zeiler, R. Fergus 2014, https://arxiv.org/abs/1311.2901). Maps and effects
together are the importance of a cell, and regions are the cells of most importance.

What suffices is another question: as many segments as can be are removed together, those of least effect first, while
the class stays as probable as for the whole signal; and so on with what is left, since a segment whose double is gone
matters more. The rest is a sufficient reason (B. Carter et al. 2019, "What made you do this?",
https://arxiv.org/abs/1810.03805); masks that are fitted to a single input and to the probability itself are those of
H. Zhang et al. 2023, "Opti-CAM", https://arxiv.org/abs/2301.07002.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import expit

from phosphene.converters import Audio, Series, Signal

from .grid import Grid
from .removal import remove_each

Ask = Callable[[Sequence[Signal]], np.ndarray]
"""Signals to the log-odds of the class, float64 (n,); NaN for what cannot be drawn."""

SEGMENTS, SEGMENTS_OF_SOUND, FEWEST_SEGMENTS = 36, 72, 8
BANDS = 6
"""Into how many bands of frequency the segments of sound fall."""
WIDTHS = (2, 4, 8)
"""Segments in the wider windows, each half over the next."""
ROUNDS = 5
MOST_WINDOWS = 400
"""Windows drawn and asked for, about: items of many windows have fewer segments, and those of very many none."""
SLACK = 1.0
"""Log-odds below those of the whole signal from which the search goes on: often fewer segments suffice again."""
REMOVED = (0.06, 0.12, 0.25, 0.4, 0.55, 0.7, 0.85)
"""Shares of the segments that are left, to remove together."""
AREAS = (0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5)
"""Shares of a signal that regions may cover; the classifier is asked which."""
ONE_AREA = 0.2
"""Of items of too many windows to ask about more."""
MOST_OF_IT = 0.85
"""The least area is taken without which so much of the log-odds is lost that are lost without any; where nothing is
lost without any of them (zeros in the place of bytes may look like the class, too), so much as any gives alone."""
NEAR = 0.1
"""Regions of a series nearer than this share of it are one: what is bridged between two steps has the level of both."""
SMOOTH_COLUMNS = 1 / 150
"""Width of the Gaussian that evidence is smoothed by before cells are cut off, as a share of the signal."""


@dataclass(frozen=True, eq=False)
class KeptCells:
    """Some cells of a signal, and the probability of the class for these alone.

    Parameters
    ----------
    mask
        bool (n_rows, n_columns).
    alone
        The probability; NaN where such a signal cannot be drawn.
    """

    mask: np.ndarray
    alone: float


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What was found out by asking.

    Parameters
    ----------
    importance
        float64 (n_rows, n_columns), the mean of what the maps say and of the effects of segments and windows, the
        absolute values of each summing to 1.
    regions
        The cells of most importance.
    without
        The probability of the class without them.
    sufficient
        The smallest cells found for which alone the class is as probable as for the whole signal; where none are,
        those for which it is most probable. None where that was not asked for.
    queries
        Signals that the classifier was asked about.
    """

    importance: np.ndarray
    regions: KeptCells
    without: float
    sufficient: KeptCells | None
    queries: int


def search(
    grid: Grid, evidence: np.ndarray, ask: Ask, *, n_windows: int = 1, sufficient: bool = True
) -> SearchResult:
    """Find what matters in a signal, and what suffices.

    Parameters
    ----------
    grid
        The cells of the signal.
    evidence
        float64 (n_rows, n_columns), what the maps say of each cell.
    ask
        Tells the log-odds of the class.
    n_windows
        Windows that the item is cut into.
    sufficient
        Search the smallest part that suffices, too, which may take most of the time.

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> grid = Grid.of(Series([0.0, 0.0, 5.0, 0.0, 0.0]))
    >>> found = search(grid, np.ones((1, 5)), lambda signals: np.array([one.values.max() for one in signals]))
    >>> found.sufficient.mask.tolist()
    [[False, False, True, False, False]]
    """
    asked = _Asked(grid, ask)
    whole = asked([np.ones(grid.shape, bool)])[0]
    count = MOST_WINDOWS // (4 * n_windows)
    importance, areas = _shared(evidence), AREAS if count >= FEWEST_SEGMENTS else (ONE_AREA,)
    labels = effects = None
    if count >= FEWEST_SEGMENTS:
        labels = segments(grid, count)
        effects = whole - asked([labels != one for one in range(labels.max() + 1)])
        importance = (importance + _shared(_occlusion(asked, labels, effects, whole))) / 2
    regions, without = _regions(asked, importance, areas, whole)
    if not sufficient:
        return SearchResult(importance, regions, without, None, len(asked.scores))
    if labels is not None and effects is not None:
        _eliminate(asked, labels, effects, whole)
    return SearchResult(importance, regions, without, asked.smallest(whole), len(asked.scores))


class _Asked:
    """Masks, and the log-odds of the class for their cells alone."""

    def __init__(self, grid: Grid, ask: Ask) -> None:
        self.grid, self.ask = grid, ask
        self.masks: list[np.ndarray] = []
        self.scores: list[float] = []

    def __call__(self, masks: Sequence[np.ndarray]) -> np.ndarray:
        scores = np.asarray(self.ask(remove_each(self.grid, [~mask for mask in masks])))
        self.masks += masks
        self.scores += scores.tolist()
        return scores

    def smallest(self, whole: float) -> KeptCells:
        """Return the smallest cells of all asked about that suffice, or else those of the highest score."""
        masks, scores = self.masks[1:], np.nan_to_num(self.scores[1:], nan=-np.inf)
        sizes = np.array([mask.mean() for mask in masks])
        enough = np.flatnonzero(scores >= whole)
        best = enough[np.argmin(sizes[enough])] if len(enough) else np.lexsort((sizes, -scores))[0]
        return KeptCells(masks[best], float(expit(self.scores[1 + best])))


def _occlusion(asked: _Asked, labels: np.ndarray, effects: np.ndarray, whole: float) -> np.ndarray:
    """Return what each cell does to the class when it is removed with others: float64 (n_rows, n_columns)."""
    scales = [[labels == one for one in range(len(effects))]]
    of_scale = [effects]
    for width in [] if isinstance(asked.grid.signal, Audio) else WIDTHS:
        scales.append(_windows(labels, width))
        of_scale.append(whole - asked([~one for one in scales[-1]]))
    found = [
        np.tensordot(np.nan_to_num(effects), windows, 1) / np.maximum(np.sum(windows, axis=0), 1)
        for effects, windows in zip(of_scale, scales, strict=True)
        if windows
    ]
    return np.asarray(np.mean(found, axis=0))


def _windows(labels: np.ndarray, width: int) -> list[np.ndarray]:
    """Return windows of some segments side by side, each half over the next; none where they would be most of it all.

    Examples
    --------
    >>> [window.tolist() for window in _windows(np.array([[0, 1, 2, 3]]), 2)]
    [[[True, True, False, False]], [[False, True, True, False]], [[False, False, True, True]]]
    """
    found = []
    for row in np.unique(labels[:, 0]):
        own = np.unique(labels[labels[:, 0] == row])
        starts = range(0, len(own) - width + 1, width // 2) if 2 * width <= len(own) else ()
        found += [np.isin(labels, own[start : start + width]) for start in starts]
    return found


def _regions(
    asked: _Asked, importance: np.ndarray, areas: Sequence[float], whole: float
) -> tuple[KeptCells, float]:
    """Return the cells of the regions, and the probability of the class without them."""
    masks = [top_cells(importance, area) for area in areas]
    if isinstance(asked.grid.signal, Series):
        masks = [_closed(mask) for mask in masks]
    without = asked([~mask for mask in masks])
    gain = np.nan_to_num(whole - without, nan=-np.inf)
    alone = asked(masks) if gain.max() < SLACK else None
    if alone is not None:
        gain = np.nan_to_num(alone - np.nanmin(alone, initial=np.inf), nan=-np.inf)
    index = int(np.argmax(gain >= MOST_OF_IT * gain.max()))
    (kept,) = asked([masks[index]]) if alone is None else alone[index : index + 1]
    return KeptCells(masks[index], float(expit(kept))), float(expit(without[index]))


def _closed(mask: np.ndarray) -> np.ndarray:
    """Fill gaps along a signal that are short.

    Examples
    --------
    >>> _closed(np.eye(1, 20, 5, dtype=bool) | np.eye(1, 20, 7, dtype=bool)).nonzero()[1].tolist()
    [5, 6, 7]
    """
    reach = int(NEAR * mask.shape[1]) // 2
    padded = np.pad(mask, ((0, 0), (reach, reach)))
    closed = ndimage.binary_closing(padded, np.ones((1, 2 * reach + 1)))
    return np.asarray(closed[:, reach : reach + mask.shape[1]])


def _eliminate(asked: _Asked, labels: np.ndarray, effects: np.ndarray, whole: float) -> None:
    """Ask about fewer and fewer segments, those of least effect removed first.

    Parameters
    ----------
    labels
        int (n_rows, n_columns), the segment of each cell.
    effects
        float64 (n_segments,), what the removal of each alone costs.
    """
    every = np.arange(len(effects))
    left = every
    for _ in range(ROUNDS):
        order = left[np.argsort(np.nan_to_num(effects, nan=np.inf), kind="stable")]
        fewer = np.unique([max(1, round(share * len(left))) for share in REMOVED])
        tried = [order[n:] for n in fewer if n < len(left)]
        if not tried:
            return
        scores = np.nan_to_num(asked([np.isin(labels, some) for some in tried]), nan=-np.inf)
        enough = np.flatnonzero(scores >= whole)
        near = np.flatnonzero(scores >= min(whole, scores.max()) - SLACK)
        best = enough[-1] if len(enough) else near[-1]
        left = np.sort(tried[best])
        effects = scores[best] - asked([np.isin(labels, left[left != one]) for one in left])


def segments(grid: Grid, most: int) -> np.ndarray:
    """Cut the cells of a grid into at most `most` segments, numbered from 0: int (n_rows, n_columns).

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> segments(Grid.of(Series([1.0, 2.0, 3.0, 4.0])), 2).tolist()
    [[0, 0, 1, 1]]
    """
    n_rows, n_columns = grid.shape
    sound = isinstance(grid.signal, Audio)
    most = min(most, SEGMENTS_OF_SOUND if sound else SEGMENTS)
    across = min(n_rows, BANDS, max(1, most // FEWEST_SEGMENTS))
    along = min(n_columns, most // across)
    rows, columns = np.arange(n_rows) * across // n_rows, np.arange(n_columns) * along // n_columns
    return np.asarray(rows[:, None] * along + columns)


def _shared(evidence: np.ndarray) -> np.ndarray:
    """Divide evidence by the sum of its absolute values: where much speaks against the class, less is left for it."""
    return np.asarray(evidence / (float(np.abs(evidence).sum()) or 1.0))


def top_cells(evidence: np.ndarray, area: float) -> np.ndarray:
    """Return the cells of most evidence, smoothed along the signal: bool, a share `area` of all or fewer.

    Examples
    --------
    >>> top_cells(np.array([[0.0, 1.0, 3.0, -1.0]]), 0.5).tolist()
    [[False, True, True, False]]
    """
    columns = evidence.shape[1] * SMOOTH_COLUMNS
    smooth = ndimage.gaussian_filter(evidence, (0.7 if len(evidence) > 1 else 0.0, columns))
    count = max(1, round(area * smooth.size))
    least = np.partition(smooth, smooth.size - count, axis=None)[smooth.size - count]
    return np.asarray((smooth >= least) & (smooth > 0))
