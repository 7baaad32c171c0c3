"""Program files as images against NumPy without loops: `PHOSPHENE_DATA=… python benchmarks/speed/binary.py`."""

from harness import Row, compare, data_folder, write  # isort: skip  (limits the threads of what follows)

import itertools
import tempfile
from pathlib import Path

import numpy as np

from phosphene.converters import Binary, Converter, make, read
from phosphene.converters.binary.bigram import log_grey, resize_square

LARGE_BYTES, MEDIUM_BYTES = 100_000_000, 10_000_000
WINDOW = 256


def main() -> None:
    programs = real_bytes(LARGE_BYTES)
    medium = {"programs": programs[:MEDIUM_BYTES], "noise": noise(MEDIUM_BYTES)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.bin")
        programs.tofile(path)
        rows = list(grids(path))
    for name, data in medium.items():
        rows += pairs(name, data)
        rows += entropies(name, data)
    write(rows, packages=["numba"])


def real_bytes(count: int) -> np.ndarray:
    """Programs one after another, again from the start where there are too few."""
    files = sorted(path for path in (data_folder() / "binaries" / "files").rglob("*") if path.is_file())
    parts, have = [], 0
    for path in itertools.cycle(files):
        if have >= count:
            break
        parts.append(np.fromfile(path, np.uint8))
        have += len(parts[-1])
    return np.concatenate(parts)[:count]


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, count, np.uint8)


def grids(path: Path) -> list[Row]:
    views = {
        "byte grid": make("grid"),
        "byte grid, nataraj": make("grid", width_rule="nataraj"),
        "byte grid, max": make("grid", reduce="max"),
        "byte Hilbert": make("hilbert"),
    }

    def drawn(view: Converter) -> object:
        return view(read(path))

    return [
        compare(
            f"{name}, a file of 100 MB, from its path",
            "np.fromfile",
            lambda view=view: drawn(view),  # type: ignore[misc]
            lambda: np.fromfile(path, np.uint8),
            asked=0.5,
        )
        for name, view in views.items()
    ]


def pairs(name: str, data: np.ndarray) -> list[Row]:
    view, signal = make("bigram"), Binary(data)

    def picture(counts: np.ndarray) -> np.ndarray:
        return np.rint(resize_square(log_grey(counts.reshape(256, 256)), 224)).astype(np.uint8)[..., None]

    def by_bincount() -> np.ndarray:
        return picture(np.bincount(data[:-1].astype(np.int64) * 256 + data[1:], minlength=65536))

    def by_words() -> np.ndarray:
        # Two views of 16-bit words, little-endian: the second byte is the high one.
        words = (
            data[: len(data) // 2 * 2].view(np.uint16),
            data[1 : (len(data) - 1) // 2 * 2 + 1].view(np.uint16),
        )
        counts = sum(np.bincount(word, minlength=65536) for word in words)
        return picture(counts.reshape(256, 256).T)

    def by_histogram() -> np.ndarray:
        counts, *_ = np.histogram2d(data[:-1], data[1:], bins=256, range=((0, 256), (0, 256)))
        return picture(counts)

    want = view(signal).pixels
    rows = []
    for peer, theirs in (
        ("np.bincount", by_bincount),
        ("np.bincount of words", by_words),
        ("np.histogram2d", by_histogram),
    ):
        np.testing.assert_array_equal(theirs(), want)
        rounds = 3 if theirs is by_histogram else 9
        rows.append(
            compare(f"bigrams, 10 MB of {name}", peer, lambda: view(signal), theirs, asked=5, rounds=rounds)
        )
    return rows


def entropies(name: str, data: np.ndarray) -> list[Row]:
    """Blocks that don't overlap are the least work for NumPy; our default overlaps, for NumPy blocks at shifts."""
    count = np.arange(1, WINDOW + 1)
    terms = np.concatenate([[0.0], count * np.log2(count)])

    def blocks(part: np.ndarray) -> np.ndarray:
        whole = part[: len(part) // WINDOW * WINDOW].reshape(-1, WINDOW)
        codes = (whole + 256 * np.arange(len(whole))[:, None]).ravel()
        counts = np.bincount(codes, minlength=256 * len(whole)).reshape(-1, 256)
        return np.log2(WINDOW) - terms[counts].sum(axis=1) / WINDOW

    def draw(entropy: np.ndarray, hop: int) -> np.ndarray:
        edges = np.arange(224 * 224) * len(entropy) // (224 * 224)
        level = np.add.reduceat(entropy, edges) / np.diff(edges, append=len(entropy)) * (255 / 8)
        return np.rint(level).astype(np.uint8).reshape(224, 224, 1)

    def tiled() -> np.ndarray:
        levels = blocks(data)
        return draw(np.repeat(levels, 16), 16)[..., 0] if len(levels) < 224 * 224 else draw(levels, WINDOW)

    def shifted() -> np.ndarray:
        phases = [blocks(data[at:]) for at in range(0, WINDOW, 32)]
        least = min(map(len, phases))
        return draw(np.stack([phase[:least] for phase in phases], axis=1).ravel(), 32)

    signal, once = Binary(data), make("entropy", hop=WINDOW)
    difference = np.abs(once(signal).pixels[..., 0].astype(int) - tiled().reshape(224, 224))
    if np.median(difference) > 1:
        raise ValueError("the two pictures of entropy differ")
    return [
        compare(f"entropy of blocks, 10 MB of {name}", "np.bincount", lambda: once(signal), tiled, asked=5),
        compare(
            f"entropy, 10 MB of {name}",
            "np.bincount",
            lambda: make("entropy")(signal),
            shifted,
            asked=5,
            rounds=3,
        ),
    ]


if __name__ == "__main__":
    main()
