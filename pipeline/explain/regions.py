"""Regions in the units that people name them by, with their weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from phosphene.converters import Region, Span

from .grid import Grid
from .search import SearchResult

TRIMMED = 0.03
"""Share of its evidence that may lie beyond either end of a region: thin tails are left out."""
LEAST_WEIGHT = 0.01
"""Regions of less are not named."""


@dataclass(frozen=True)
class WeightedRegion:
    """A part of a signal that speaks for the class.

    Parameters
    ----------
    weight
        Its share of all that speaks for the class.
    view
        The view that has most of it.
    region
        Where it is: seconds and hertz, samples, events and positions on the screen, or bytes, in the file's own count.
    """

    weight: float
    view: str
    region: Region

    def __str__(self) -> str:
        """Say where it is, as a person would: `1.2-1.45 s, 800-1200 Hz`, `0x3a10-0x4c00 in .text`."""
        bytes_ = self.region.of("bytes")
        return _bytes_words(bytes_) if bytes_ else ", ".join(dict.fromkeys(map(_words, self.region.spans)))

    @property
    def fields(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        about: dict[str, Any] = {"weight": round(self.weight, 4), "view": self.view}
        spans = self.region.spans
        for quantity in dict.fromkeys(span.quantity for span in spans):
            some = self.region.of(quantity)
            first, last = _KEYS.get(quantity, (f"start_{quantity}", f"stop_{quantity}"))
            start, stop = min(span.start for span in some), max(span.stop for span in some)
            whole = quantity in ("bytes", "sample", "event")
            about |= {
                first: int(start) if whole else round(start, 6),
                last: int(stop) if whole else round(stop, 6),
            }
        names = list(dict.fromkeys(span.label for span in spans if span.label))
        return about | ({_NAMES.get(spans[0].quantity, "channel"): ", ".join(names)} if names else {})


_KEYS = {
    "time": ("start_s", "stop_s"),
    "frequency": ("low_hz", "high_hz"),
    "sample": ("start_sample", "stop_sample"),
    "event": ("start_event", "stop_event"),
    "x": ("left_px", "right_px"),
    "y": ("top_px", "bottom_px"),
    "bytes": ("start_byte", "stop_byte"),
}
_NAMES = {"bytes": "section"}


def _bytes_words(spans: Sequence[Span]) -> str:
    """Say which bytes, and the sections that have most of them."""
    parts = sorted((one for one in spans if one.label), key=lambda one: one.start - one.stop)
    names = list(dict.fromkeys(one.label for one in parts))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    inside = f" in {', '.join(names[:2])}{more}" if names else ""
    return f"{int(spans[0].start):#x}-{int(spans[-1].stop):#x}{inside}"


def _words(span: Span) -> str:
    name = f" of {span.label}" if span.label and span.quantity == "sample" else ""
    if span.quantity in ("sample", "event"):
        return f"{span.quantity}s {int(span.start)}-{int(span.stop) - 1}{name}"
    quantity = f"{span.quantity} " if span.quantity in ("x", "y") else ""
    return f"{quantity}{span.start:.4g}-{span.stop:.4g} {span.unit}"


def weighted_regions(
    grid: Grid, evidence: np.ndarray, found: SearchResult, views: Sequence[str]
) -> list[WeightedRegion]:
    """Return the regions of what was found, the weightiest first.

    Parameters
    ----------
    grid
        The cells of the signal.
    evidence
        float64 (n_views, n_rows, n_columns), what each view says of each cell.
    found
        The importance of the cells, and those of the regions.
    views
        The views by name.
    """
    total = float(np.maximum(found.importance, 0).sum()) or 1.0
    some = []
    for rows, columns in grid.regions(found.regions.mask):
        inside = found.regions.mask[rows, columns]
        of_view = (evidence[:, rows, columns] * inside).sum(axis=(1, 2))
        part = found.importance[rows, columns] * inside
        inner = rows if len(part) < 2 else _trimmed(part.sum(axis=1), rows)
        where = grid.region(inner, _trimmed(part.sum(axis=0), columns))
        some.append(WeightedRegion(float(part.sum() / total), views[int(of_view.argmax())], where))
    return sorted((one for one in some if one.weight >= LEAST_WEIGHT), key=lambda one: -one.weight)


def _trimmed(evidence: np.ndarray, cells: slice) -> slice:
    """Return the cells without the ends that hold next to nothing of what they say together.

    Examples
    --------
    >>> _trimmed(np.array([0.0, 9.0, 11.0, 0.5]), slice(4, 8))
    slice(5, 7, None)
    >>> _trimmed(np.array([-1.0, 0.0]), slice(4, 6))  # nothing speaks for the class
    slice(5, 6, None)
    """
    shares = np.cumsum(np.maximum(evidence, 0)) / max(float(np.maximum(evidence, 0).sum()), 1e-12)
    first = min(int(np.searchsorted(shares, TRIMMED, "right")), len(shares) - 1)
    last = min(int(np.searchsorted(shares, 1 - TRIMMED, "left")), len(shares) - 1)
    return slice(cells.start + first, cells.start + max(first, last) + 1)
