"""Items to tiles: each file read once for all views, nothing drawn twice, nothing lost when interrupted."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np

from phosphene.converters import Converter, ParameterError, ReadError, read
from phosphene.converters.core.reader import content_digest
from phosphene.datasets.manifest import Failure, Item

from .drawing import Drawn, Job, Painter, Progress, Task, chunks, message, with_bar
from .engines import Engine, Where, make_engine
from .store import TileStore, tile_key
from .worker import Lost

_AT_A_TIME = (
    32  # files that a thread hashes before it asks for more: small ones take less time than the asking
)

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Tiles:
    """The pictures of items, one a view, in a store.

    Parameters
    ----------
    items, views
        What was drawn, and as what.
    store
        Where the tiles are.
    keys
        For each item the keys of its tiles, one a view; None for an item that failed.
    failures
        The items that failed, and why.
    converted, reused
        How many tiles were drawn, and how many were there before or are the same as another's.
    seconds
        How long it took.
    """

    items: tuple[Item, ...]
    views: tuple[Converter, ...]
    store: TileStore
    keys: tuple[Keys | None, ...]
    failures: tuple[Failure, ...]
    converted: int
    reused: int
    seconds: float

    def __len__(self) -> int:
        return len(self.items)

    @property
    def drawn(self) -> np.ndarray:
        """The places of the items that have tiles, int."""
        return np.flatnonzero([keys is not None for keys in self.keys])

    def tile(self, place: int, view: int = 0) -> np.ndarray:
        """Return one tile, uint8 (height, width, channels); ParameterError if the item failed."""
        keys = self.keys[place]
        if keys is None:
            raise ParameterError(f"{self.items[place]} has no tile, since it failed; leave place {place} out")
        try:
            return self.store.get(keys[view])
        except KeyError:
            return self._drawn_again(place, keys[view], view)

    def pixels(self, places: Iterable[int] | np.ndarray, view: int = 0) -> np.ndarray:
        """Return the tiles of some items.

        Parameters
        ----------
        places
            Which items.
        view
            The place of the view.

        Returns
        -------
        numpy.ndarray
            uint8 (n, height, width, channels).

        Raises
        ------
        ParameterError
            One of the items failed, or the tiles are of different sizes.
        """
        with ThreadPoolExecutor(4) as pool:
            tiles = list(pool.map(lambda place: self.tile(int(place), view), places))
        if not tiles:
            raise ParameterError("pixels needs at least one place, got none")
        if len({tile.shape for tile in tiles}) > 1:
            raise ParameterError(f"{self.views[view].spec} drew tiles of several sizes; give it a fixed size")
        return np.stack(tiles)

    def _drawn_again(self, place: int, key: str, view: int) -> np.ndarray:
        """Draw a tile that somebody removed or broke since it was drawn."""
        item = self.items[place]
        pixels = self.views[view](read(str(item), self.views[view].kind)).pixels
        self.store.put(key, pixels)
        return pixels


def render(
    items: Sequence[Item],
    views: Sequence[Converter],
    *,
    store: TileStore | None = None,
    workers: int | None = None,
    engine: Literal["local", "ray"] | Engine = "local",
    progress: Progress = True,
) -> Tiles:
    """Draw items as every view.

    Parameters
    ----------
    items
        Files, or parts of files.
    views
        One or more converters of one kind, as which every file is read.
    store
        Where tiles are kept and found again; the user's cache by default.
    workers
        How many processes; None takes one a core.
    engine
        `local`, `ray`, or an engine.
    progress
        Show a bar on standard error: True where that is a terminal, "always", or False.

    Returns
    -------
    Tiles
        With the items that failed in a list; one that fails does not stop the rest.

    Raises
    ------
    ParameterError
        No views, or views of several kinds.

    Examples
    --------
    >>> import tempfile
    >>> from phosphene.converters import Binary, Image, Offsets
    >>> class Square(Converter):
    ...     name, accepts = "square", Binary
    ...     def _convert(self, signal):
    ...         places = np.arange(256).reshape(16, 16)
    ...         return Image(signal.data[:256].reshape(16, 16, 1), Offsets("bytes", "", places, places + 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "program.bin")
    ...     _ = file.write_bytes(bytes(range(256)))
    ...     tiles = render([Item(file)], [Square()], store=TileStore(Path(folder, "tiles")))
    ...     tiles.converted, tiles.pixels([0]).shape
    (1, (1, 16, 16, 1))
    """
    begin = time.monotonic()
    views, store = check_views(views), store or TileStore()
    crew = make_engine(engine, workers)
    planned = plan_keys(items, views)
    errors = {place: keys for place, keys in enumerate(planned) if isinstance(keys, str)}
    first = _first_places(planned)
    tasks = list(_tasks(items, first, store))
    converted = 0
    outcomes = draw_all(crew, views, tasks, n_entries=len(first))
    for task, drawn in with_bar(outcomes, len(tasks), progress):
        converted += len(drawn.pictures)
        if drawn.error:
            errors[task.place] = drawn.error
    errors |= _shared_errors(items, planned, first, errors)
    keys = tuple(
        k if isinstance(k, tuple) and place not in errors else None for place, k in enumerate(planned)
    )
    failures = tuple(
        Failure(items[place], message(str(items[place]), items[place].path, error))
        for place, error in sorted(errors.items())
    )
    reused = sum(len(k) for k in keys if k) - converted
    seconds = time.monotonic() - begin
    return Tiles(tuple(items), views, store, keys, failures, converted, max(reused, 0), seconds)


def check_views(views: Sequence[Converter]) -> tuple[Converter, ...]:
    """Return views if there is one at least, and all draw one kind."""
    kinds = sorted({view.kind for view in views})
    if len(kinds) != 1:
        raise ParameterError(
            f"views must be one or more converters of one kind, got {' and '.join(kinds) or 'none'}"
        )
    return tuple(views)


def plan_keys(items: Sequence[Item], views: Sequence[Converter]) -> list[Keys | str]:
    """Return for each item the keys of its tiles, or why its file cannot be read."""
    paths = list(dict.fromkeys(item.path for item in items))
    parts = [paths[first : first + _AT_A_TIME] for first in range(0, len(paths), _AT_A_TIME)]
    with ThreadPoolExecutor(4) as pool:
        found = chain.from_iterable(pool.map(lambda part: list(map(_digest_or_error, part)), parts))
        digests = dict(zip(paths, found, strict=True))
    prints = [view.fingerprint for view in views]
    return [_keys(item, digests[item.path], prints) for item in items]


def draw_all(
    engine: Engine, views: tuple[Converter, ...], tasks: Sequence[Task], *, n_entries: int
) -> Iterator[tuple[Task, Drawn]]:
    """Yield each task with what came of it.

    What is left over of `n_entries` by an earlier run may be what killed a process of that run.
    """
    where: Where = "apart" if len(tasks) < n_entries else "anywhere"
    for task, drawn in engine.map(Painter(views), chunks(tasks, engine.workers), where=where):
        yield task, Drawn((), drawn.why) if isinstance(drawn, Lost) else drawn


def _digest_or_error(path: Path) -> str | ReadError:
    try:
        return content_digest(path)
    except ReadError as error:
        return error


def _keys(item: Item, digest: str | ReadError, prints: Sequence[str]) -> Keys | str:
    if isinstance(digest, ReadError):
        return str(digest)
    return tuple(tile_key(digest, item.fragment, fingerprint) for fingerprint in prints)


def _first_places(planned: Sequence[Keys | str]) -> dict[Keys, int]:
    """Return where each set of keys stands first: items with equal bytes are drawn once."""
    first: dict[Keys, int] = {}
    for place, keys in enumerate(planned):
        if isinstance(keys, tuple):
            first.setdefault(keys, place)
    return first


def _tasks(items: Sequence[Item], first: dict[Keys, int], store: TileStore) -> Iterator[Task]:
    for keys, place in first.items():
        jobs = tuple(Job(v, key, store.path(key)) for v, key in enumerate(keys) if key not in store)
        if jobs:
            yield Task(place, items[place].path, items[place].fragment, jobs)


def _shared_errors(
    items: Sequence[Item], planned: Sequence[Keys | str], first: dict[Keys, int], errors: dict[int, str]
) -> dict[int, str]:
    """Return the errors of items that were not drawn themselves, since an equal one had failed already."""
    shared = {}
    for place, keys in enumerate(planned):
        origin = first[keys] if isinstance(keys, tuple) else place
        if origin != place and origin in errors:
            shared[place] = errors[origin].replace(str(items[origin].path), str(items[place].path))
    return shared
