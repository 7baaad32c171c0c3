"""Pieces of 250 mouse events to 224 x 224 pictures, one thread, against Pillow and matplotlib.

    PHOSPHENE_DATA=~/data python benchmarks/speed/mouse.py

The whole converter, from MouseTrace to Image. Pillow draws the same lines and dots at four times the size, and shrinks
them, for it has no soft edges of its own; matplotlib draws them by Agg into a figure that is made once, outside the
clock, and hands over the array.
"""

import harness  # isort: skip  (limits the threads before NumPy is imported)

from collections.abc import Callable, Sequence

import numpy as np
import PIL.Image
import PIL.ImageDraw

from phosphene.converters import MouseTrace, make, read

SIZE, EVENTS, MANY = 224, 250, 4
WIDTH_PX, PAUSE_S, MARGIN_PX = 1.5, 1.0, 3.0
MOVE, DRAG, PRESS, RELEASE, SCROLL = range(5)
GREY = {MOVE: 0.5, DRAG: 0.8, PRESS: 1.0, SCROLL: 0.6}
DOT_PX = {PRESS: 4 * WIDTH_PX, SCROLL: 2.5 * WIDTH_PX}


def main() -> None:
    pieces, trace = session_pieces(64), make("trace", size=SIZE)
    work = f"trace of {EVENTS} events to {SIZE} px, {len(pieces)} pieces"
    rows = [
        harness.compare(work, peer, over(trace, pieces), over(draw, pieces), asked=asked)
        for peer, draw, asked in (
            ("Pillow at 4 x the size", by_pillow, 5.0),
            ("matplotlib (Agg)", Plot(), 50.0),
        )
    ]
    harness.write(rows, packages=["pillow", "matplotlib", "numba"])


def session_pieces(count: int) -> list[MouseTrace]:
    """Return pieces of real sessions, the first of each file."""
    files = sorted((harness.data_folder() / "balabit" / "training_files").glob("user*/session*"))[:count]
    return [read(f"{file}#events=0-{EVENTS - 1}", kind="mouse") for file in files]


def over(draw: Callable[[MouseTrace], object], pieces: Sequence[MouseTrace]) -> Callable[[], None]:
    """Draw every piece."""

    def work() -> None:
        for piece in pieces:
            draw(piece)

    return work


def strokes(trace: MouseTrace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns and rows in the picture, and which events a line reaches; as both peers are given them."""
    inner_px = SIZE - 2 * MARGIN_PX
    extent_px = max(np.ptp(trace.x), np.ptp(trace.y)) or 1.0
    x, y = (
        (way - (way.min() + way.max()) / 2) * (inner_px / extent_px) + SIZE / 2 for way in (trace.x, trace.y)
    )
    return x, y, np.flatnonzero(np.diff(trace.time_s) <= PAUSE_S) + 1


def by_pillow(trace: MouseTrace) -> np.ndarray:
    """Draw lines and dots at four times the size and shrink them."""
    x, y, joined = strokes(trace)
    x, y = (x * MANY).tolist(), (y * MANY).tolist()
    picture = PIL.Image.new("L", (SIZE * MANY, SIZE * MANY))
    pen, width = PIL.ImageDraw.Draw(picture), round(WIDTH_PX * MANY)
    for i in joined.tolist():
        shade = GREY[DRAG if trace.event[i] == DRAG else MOVE]
        pen.line((x[i - 1], y[i - 1], x[i], y[i]), fill=round(shade * 255), width=width)
    for i in np.flatnonzero(np.isin(trace.event, list(DOT_PX))).tolist():
        half = DOT_PX[int(trace.event[i])] * MANY / 2
        box = (x[i] - half, y[i] - half, x[i] + half, y[i] + half)
        pen.ellipse(box, fill=round(GREY[int(trace.event[i])] * 255))
    return np.asarray(picture.resize((SIZE, SIZE), PIL.Image.Resampling.BOX))


class Plot:
    """A matplotlib figure without axes that is drawn into again and again."""

    def __init__(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(SIZE / 100, SIZE / 100), dpi=100, facecolor="black")
        self.canvas = FigureCanvasAgg(figure)
        self.axes = figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set(xlim=(0, SIZE), ylim=(SIZE, 0))

    def __call__(self, trace: MouseTrace) -> np.ndarray:
        from matplotlib.collections import LineCollection

        x, y, joined = strokes(trace)
        ends = np.stack([x[joined - 1], y[joined - 1], x[joined], y[joined]], axis=1).reshape(-1, 2, 2)
        shades = np.where(trace.event[joined] == DRAG, str(GREY[DRAG]), str(GREY[MOVE])).tolist()
        dots = np.flatnonzero(np.isin(trace.event, list(DOT_PX)))
        points = 72 / 100  # a pixel
        size = [(DOT_PX[int(sort)] * points) ** 2 for sort in trace.event[dots]]
        colors = [str(GREY[int(sort)]) for sort in trace.event[dots]]
        lines = LineCollection(ends, colors=shades, linewidths=WIDTH_PX * points, capstyle="round")
        drawn = [
            self.axes.add_collection(lines, autolim=False),
            self.axes.scatter(x[dots], y[dots], size, colors, linewidths=0, zorder=3),
        ]
        self.canvas.draw()
        picture = np.asarray(self.canvas.buffer_rgba())[:, :, 0].copy()
        for artist in drawn:
            artist.remove()
        return picture


if __name__ == "__main__":
    main()
