"""Pictures of series against pyts, one thread, raw values to uint8; also against filling an array of that size.

    python benchmarks/speed/series.py

pyts compiles for most of a minute when it is imported.
"""

from collections.abc import Callable

from harness import Row, compare, write  # first, for it limits the threads

# isort: split
import numpy as np

from phosphene.converters import Series, make

COUNT, LENGTH, SIZE, PART = 2000, 500, 224, 200
PLOTS, PLOT_SIZE = 100, 500
PERCENTAGE = 10


def walks(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, LENGTH)).cumsum(1).astype(np.float32)


def to_levels(fields: np.ndarray) -> np.ndarray:
    """Bring fields from their lowest value to their highest to 0 to 255, in place."""
    low, high = fields.min(), fields.max()
    fields -= low
    fields *= 255 / (high - low)
    fields += 0.5
    return fields.astype(np.uint8)


def in_parts(
    transform: Callable[[np.ndarray], np.ndarray], values: np.ndarray, part: int
) -> list[np.ndarray]:
    """Bring series to levels, so many at a time."""
    return [to_levels(transform(values[first : first + part])) for first in range(0, len(values), part)]


def fields(rows: list[Row]) -> None:
    from pyts.image import GramianAngularField, MarkovTransitionField

    values = walks(COUNT)
    signals = [Series(row) for row in values]
    pyts = values.astype(np.float64)
    peers = {
        "gasf": (GramianAngularField(SIZE, method="s"), 30),
        "gadf": (GramianAngularField(SIZE, method="d"), 30),
        "mtf": (MarkovTransitionField(SIZE, n_bins=8), 20),
    }
    for name, (peer, asked) in peers.items():
        view = make(name, size=SIZE)
        work = f"{name}, {COUNT} series of {LENGTH} to {SIZE} px"
        # As people call it: one transform and one scaling, 0.8 GB of float64. In parts, which stay closer to the
        # processor, pyts is faster, but that nobody is told; so both are measured.
        for words, part in (("the whole batch", COUNT), (f"in parts of {PART}", PART)):
            rows.append(
                compare(
                    work,
                    f"pyts, {words}",
                    lambda view=view: view.batch(signals),
                    lambda peer=peer, part=part: in_parts(peer.transform, pyts, part),
                    asked=asked,
                    rounds=7,
                )
            )
        if name == "mtf":
            continue
        rows.append(
            compare(
                work,
                "filling a new array",
                lambda view=view: view.batch(signals),
                lambda: np.full((COUNT, SIZE, SIZE, 1), 7, np.uint8),
                asked=0.5,
            )
        )


def plots(rows: list[Row]) -> None:
    from pyts.image import RecurrencePlot

    values = walks(PLOTS)
    signals = [Series(row) for row in values]
    pyts = values.astype(np.float64)
    for words, ours, theirs in (
        ("distances", {}, {}),
        (
            "closest 10 %",
            {"threshold": "point", "percentage": PERCENTAGE},
            {"threshold": "point", "percentage": PERCENTAGE},
        ),
        (
            "states of 3, closest 10 %",
            {"threshold": "point", "percentage": PERCENTAGE, "dimension": 3, "delay": 2},
            {"threshold": "point", "percentage": PERCENTAGE, "dimension": 3, "time_delay": 2},
        ),
        ("states of 3", {"dimension": 3, "delay": 2}, {"dimension": 3, "time_delay": 2}),
    ):
        view = make("recurrence", size=PLOT_SIZE, **ours)
        peer = RecurrencePlot(**theirs)
        rows.append(
            compare(
                f"recurrence, {words}, {PLOTS} series of {LENGTH} to {PLOT_SIZE} px",
                "pyts",
                lambda view=view: view.batch(signals),
                lambda peer=peer: in_parts(peer.transform, pyts, 50),
                asked=20,
                rounds=3,
            )
        )


if __name__ == "__main__":
    measured: list[Row] = []
    fields(measured)
    plots(measured)
    write(measured, packages=["pyts", "numba"])
