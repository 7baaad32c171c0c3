"""Items to tiles: each file read once for all views, nothing drawn twice, nothing lost when interrupted."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from phosphene.converters import Converter, ParameterError
from phosphene.converters.registry import Views, as_views
from phosphene.datasets.manifest import Failure, Item
from phosphene.pipeline.gpu.draw import check_device, draw_on, draws_on

from .engines import Engine, make_engine
from .item_map import Keys, Notes, map_items, plan_items
from .store import TileStore


@dataclass(frozen=True)
class Tiles:
    """The images of items, one a view, in a store.

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
    device
        Where those views were drawn that can be drawn there; None for the CPU.
    """

    items: tuple[Item, ...]
    views: tuple[Converter, ...]
    store: TileStore
    keys: tuple[Keys | None, ...]
    failures: tuple[Failure, ...]
    converted: int
    reused: int
    seconds: float
    device: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @property
    def drawn(self) -> np.ndarray:
        """The indices of the items that have tiles, int."""
        return np.flatnonzero([keys is not None for keys in self.keys])

    def of_views(self, views: Sequence[int]) -> "Tiles":
        """Return the tiles of some views."""
        keys = tuple(of_item and tuple(of_item[view] for view in views) for of_item in self.keys)
        return replace(self, views=tuple(self.views[view] for view in views), keys=keys)

    def of_items(self, indices: np.ndarray) -> "Tiles":
        """Return the tiles of some items."""
        some = indices.tolist()
        return replace(
            self,
            items=tuple(self.items[n] for n in some),
            keys=tuple(self.keys[n] for n in some),
            failures=(),
        )

    def tile(self, index: int, view: int = 0) -> np.ndarray:
        """Return one tile, uint8 (height, width, channels); ParameterError if the item failed."""
        keys = self.keys[index]
        if keys is None:
            raise ParameterError(f"{self.items[index]} has no tile, since it failed; leave index {index} out")
        pixels = self.store.find(keys[view])
        if pixels is None:  # somebody removed or broke it since it was drawn
            drawn = Draw(self.views, self.device)(self.items[index], [view])
            pixels = next(value for value in drawn if not isinstance(value, Notes))
            self.store.put(keys[view], pixels)
        return pixels

    def pixels(self, indices: Iterable[int] | np.ndarray, view: int = 0) -> np.ndarray:
        """Return the tiles of some items as one view: uint8 (n, height, width, channels).

        Raises
        ------
        ParameterError
            One of the items failed, or the tiles are of different sizes.
        """
        with ThreadPoolExecutor(4) as pool:
            tiles = list(pool.map(lambda index: self.tile(int(index), view), indices))
        if not tiles:
            raise ParameterError("pixels needs at least one index, got none")
        if len({tile.shape for tile in tiles}) > 1:
            raise ParameterError(f"{self.views[view].spec} drew tiles of several sizes; give it a fixed size")
        return np.stack(tiles)


@dataclass(frozen=True)
class Draw:
    """Reads an item once and draws it as every view asked for, on a device what can be drawn there."""

    views: tuple[Converter, ...]
    device: str | None = None

    def fingerprints(self, numbers: Sequence[int]) -> list[str]:
        """Return what the pixels of some views depend on besides the file; a device may be a grey level off."""
        return [
            self.views[number].fingerprint + (f"@{self.device}" if self._on_device(number) else "")
            for number in numbers
        ]

    def __call__(self, item: Item, numbers: Sequence[int]) -> Iterator[np.ndarray | Notes]:
        """Yield what the reader noted, then the pixels of some views, uint8 (height, width, channels)."""
        signal = item.read(self.views[numbers[0]].kind)
        yield Notes(signal.notes)
        for number in numbers:
            view = self.views[number]
            if self.device and self._on_device(number):
                yield draw_on(view, [signal], self.device)[0]
            else:
                yield view(signal).pixels

    def _on_device(self, number: int) -> bool:
        return self.device is not None and draws_on(self.views[number])


def render(
    items: Sequence[Item],
    views: Views,
    *,
    store: TileStore | None = None,
    workers: int | None = None,
    engine: Literal["local", "ray"] | Engine = "local",
    progress: bool = True,
    device: str | None = None,
) -> Tiles:
    """Draw items as every view.

    Parameters
    ----------
    items
        Files, or parts of files.
    views
        One or more converters of one kind, as which every file is read, or text such as `gasf,gadf`.
    store
        Where tiles are kept and found again; the user's cache by default.
    workers
        How many processes; None takes one a core.
    engine
        `local`, `ray`, or an engine.
    progress
        Show a bar on standard error: a line a minute where that is no terminal.
    device
        Draw there what `draws_on` says can be drawn there, such as `cuda`; None draws by the CPU's converters.

    Returns
    -------
    Tiles
        With the items that failed in a list; one that fails does not stop the rest.

    Raises
    ------
    ParameterError
        No views, views of several kinds, or no such device.
    StoreError
        The store cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from phosphene.converters import Binary, Image, Offsets
    >>> class Square(Converter):
    ...     name, accepts = "square", Binary
    ...     def _convert(self, signal):
    ...         offsets = np.arange(256).reshape(16, 16)
    ...         return Image(signal.data[:256].reshape(16, 16, 1), Offsets("bytes", "", offsets, offsets + 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "program.bin")
    ...     _ = file.write_bytes(bytes(range(256)))
    ...     tiles = render([Item(file)], [Square()], store=TileStore(Path(folder, "tiles")))
    ...     tiles.converted, tiles.pixels([0]).shape
    (1, (1, 16, 16, 1))
    """
    begin = time.monotonic()
    views, store = check_views(views), store or TileStore()
    draw, pool = Draw(views, device), make_engine(engine, one_on_gpu(workers, device))
    planned = plan_items(items, draw.fingerprints(range(len(views))))
    failures, converted = map_items(planned, draw, store, engine=pool, progress=progress)
    keys = tuple(None if index in failures else plan.keys for index, plan in enumerate(planned))
    return Tiles(
        items=tuple(items),
        views=views,
        store=store,
        keys=keys,
        failures=tuple(failures.values()),
        converted=converted,
        reused=max(sum(len(k) for k in keys if k) - converted, 0),
        seconds=time.monotonic() - begin,
        device=device,
    )


def one_on_gpu(workers: int | None, device: str | None) -> int | None:
    """Return how many processes are to draw: one on a GPU, of whose memory each would take its own share.

    Raises
    ------
    ParameterError
        There is no such device.
    """
    return workers if device is None or check_device(device).type == "cpu" else 1


def check_views(views: Views) -> tuple[Converter, ...]:
    """Return views if there is one at least, and all draw one kind."""
    views = as_views(views)
    kinds = sorted({view.kind for view in views})
    if len(kinds) != 1:
        raise ParameterError(
            f"views must be one or more converters of one kind, got {' and '.join(kinds) or 'none'}"
        )
    return views
