"""Tiles to batches of fastai; the one module of this stage that knows torch.

Nothing is flipped, warped or cropped: the two sides of a spectrogram mean different things.
"""

import random
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes as Plot
from matplotlib.ticker import MaxNLocator

from phosphene.converters import Axis, Image, ParameterError, PhospheneError, ReadError, read
from phosphene.converters.core.signal import parse_address
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import evenly_spaced

from .render import Tiles, render

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what fastai warns of while it is imported tells its users nothing
    from fastai.data.core import DataLoaders, Datasets, TfmdDL
    from fastai.data.transforms import Categorize, IntToFloatTensor, Normalize
    from fastai.torch_core import TensorCategory
    from fastai.vision.core import TensorImage
    from fasttransform import DisplayedTransform, Transform

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MOST_IN_MEMORY_BYTES = 2 * 1024**3
MOST_ON_DEVICE = 0.25
"""The part of a device's free memory that tiles may take."""


def tile_loaders(  # noqa: PLR0913  (fastai's users expect keywords here)
    tiles: Tiles,
    labels: Sequence[str] | np.ndarray,
    train: Sequence[int] | np.ndarray,
    valid: Sequence[int] | np.ndarray,
    *,
    batch_size: int = 32,
    size: int | None = None,
    seed: int = 0,
    view: int = 0,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    copies: Sequence[Tiles] = (),
) -> DataLoaders:
    """Make fastai's loaders of tiles: float32 (n, 3, size, size) with indices of the sorted classes.

    Batches are taken at once from tiles in memory, in this process; on a GPU they are cut, converted and normalised
    there. Transforms of single items, which fastai's users may add, are obeyed, and make it as slow as fastai is.

    Parameters
    ----------
    tiles
        What was rendered.
    labels
        The class of every item of `tiles`; those of items in neither `train` nor `valid` are not looked at.
    train, valid
        Indices of the items to learn from, which come in another order every epoch, and of those to check by.
    batch_size
        Items at a time, an integer >= 1.
    size
        Pixels; tiles of another size are squeezed or stretched to it. None keeps theirs.
    seed
        Of the order of the items; equal seeds give equal orders.
    view
        The index of the view.
    mean, std
        Of red, green and blue, from 0 to 1, as the network wants them; one of each for grey tiles that stay grey.
    copies
        Other tiles of the same items, drawn of changed signals: in training an item is seen as one of these, or as it
        is, by chance.

    Returns
    -------
    TileLoaders
        For `vision_learner` or any `Learner`; `show_batch` draws the images with their axes, and `learn.predict` and
        `test_dl` take raw files.

    Raises
    ------
    ParameterError
        An item has no label or no tile, a side is empty, or copies are not of these items.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from phosphene.converters import make
    >>> from phosphene.datasets import Item
    >>> from phosphene.pipeline import TileStore, render
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = [Path(folder, f"{n}.bin") for n in range(4)]
    ...     _ = [file.write_bytes(bytes(range(n, 200))) for n, file in enumerate(files)]
    ...     store = TileStore(Path(folder, "tiles"))
    ...     tiles = render([Item(file) for file in files], [make("grid", size=32)], store=store)
    ...     loaders = tile_loaders(tiles, ["a", "b", "a", "b"], [0, 1], [2, 3], batch_size=2)
    >>> images, targets = loaders.valid.one_batch()
    >>> tuple(images.shape), targets.tolist(), list(loaders.vocab)
    ((2, 3, 32, 32), [0, 1], ['a', 'b'])
    """
    train, valid = np.asarray(train, int), np.asarray(valid, int)
    _check(tiles, labels, train, valid, copies)
    if batch_size < 1:
        raise ParameterError(f"batch_size must be an integer >= 1, got {batch_size!r}")
    used = np.concatenate([train, valid])
    classes = sorted({str(labels[index]) for index in used})
    sets = Datasets(
        range(len(tiles)),
        tfms=[[Pixels(tiles, used, view, copies, train)], [Labels(labels), Categorize(vocab=classes)]],
        splits=[train.tolist(), valid.tolist()],
    )
    sets._dbunch_type = TileLoaders
    loaders = sets.dataloaders(
        bs=min(batch_size, len(train)),
        val_bs=batch_size,
        dl_type=TileLoader,
        after_batch=[IntToFloatTensor(), AsInput(size, channels=len(mean)), Normalize.from_stats(mean, std)],
        drop_last=_leaves_one(len(train), batch_size),
        num_workers=0,
    )
    loaders.train.rng = random.Random(seed)
    return loaders


class TileLoaders(DataLoaders):
    """fastai's loaders, whose `test_dl` (and so `learn.predict`) takes raw files as well as indices of tiles."""

    def test_dl(
        self, test_items: Any, rm_type_tfms: Any = None, with_labels: bool = False, **options: Any
    ) -> "TileLoader":
        """Return a loader of new items, drawn as the tiles of training were.

        Parameters
        ----------
        test_items
            Paths (`str`, `Path`, `path#fragment`) or items; or indices of the tiles that there are.
        rm_type_tfms, options
            As fastai's loaders take them.
        with_labels
            The items are of labelled files: their labels are targets.

        Raises
        ------
        PhospheneError
            One of the files cannot be read or drawn.
        """
        single = isinstance(test_items, str | Path | Item)
        given = [test_items] if single else list(test_items)
        if all(isinstance(one, int | np.integer) for one in given):
            found: TileLoader = super().test_dl(given, rm_type_tfms, with_labels, **options)
            return found
        pixels = self.valid._pixels
        tiles = _draw_new(given, pixels.tiles)
        steps: list[list[Any]] = [[Pixels(tiles, np.arange(len(tiles)), pixels.view)]]
        if with_labels:
            steps.append([Labels([str(item.label) for item in tiles.items]), Categorize(vocab=self.vocab)])
        every = list(range(len(tiles)))
        sets = Datasets(every, tfms=steps, splits=[every, every])
        loader: TileLoader = self.valid.new(sets.valid, **options)
        return loader


def _draw_new(sources: Sequence[Any], like: Tiles) -> Tiles:
    """Draw files that are not among some tiles with the same views, read as these were."""
    how = like.items[0].options

    def item(source: Any) -> Item:
        if isinstance(source, Item):
            return source
        path, fragment = parse_address(source)
        return Item(path, fragment=fragment, options=how)

    tiles = render([item(source) for source in sources], like.views, store=like.store, progress=False)
    if tiles.failures:
        raise ReadError(tiles.failures[0].error)
    return tiles


class Pixels(Transform):
    """From the index of an item to its tile of one view, or of a copy; tiles are kept in memory where they fit."""

    def __init__(
        self,
        tiles: Tiles,
        indices: np.ndarray,
        view: int,
        copies: Sequence[Tiles] = (),
        copied: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.tiles, self.view, self.copies = tiles, view, tuple(copies)
        parts = [np.unique(indices), *([np.unique(indices if copied is None else copied)] * len(copies))]
        self.rows = np.full((len(parts), len(tiles)), -1)
        count = 0
        for source, part in enumerate(parts):
            self.rows[source, part] = np.arange(count, count + len(part))
            count += len(part)
        self.kept: torch.Tensor | None = None
        if tiles.tile(int(indices[0]), view).nbytes * count < MOST_IN_MEMORY_BYTES:
            sources = zip((tiles, *copies), parts, strict=True)
            self.kept = torch.from_numpy(np.concatenate([one.pixels(part, view) for one, part in sources]))

    def encodes(self, index: int) -> TensorImage:
        """Return uint8 (channels, height, width)."""
        return TensorImage(self.batch(np.array([index]))[0])

    def batch(self, indices: np.ndarray, sources: np.ndarray | None = None) -> torch.Tensor:
        """Return tiles, uint8 (n, channels, height, width): of each item its copy k, 0 and None being itself."""
        sources = np.zeros(len(indices), int) if sources is None else sources
        if self.kept is None:
            return torch.from_numpy(self._read(indices, sources)).permute(0, 3, 1, 2)
        rows = torch.from_numpy(self.rows[sources, indices]).to(self.kept.device)
        return self.kept.index_select(0, rows).permute(0, 3, 1, 2)

    def _read(self, indices: np.ndarray, sources: np.ndarray) -> np.ndarray:
        found = {
            source: iter((self.tiles, *self.copies)[source].pixels(indices[sources == source], self.view))
            for source in np.unique(sources).tolist()
        }
        return np.stack([next(found[source]) for source in sources.tolist()])

    def move(self, device: torch.device) -> None:
        """Keep the tiles on a device where they take a small part of what is free there."""
        if self.kept is not None and self.kept.device != device:
            free, _ = torch.cuda.mem_get_info(device)
            if self.kept.nbytes < MOST_ON_DEVICE * free:
                self.kept = self.kept.to(device)


class Labels(Transform):
    """From the index of an item to its label."""

    def __init__(self, labels: Sequence[str] | np.ndarray) -> None:
        super().__init__()
        self.labels = labels

    def encodes(self, index: int) -> str:
        """Return the label."""
        return str(self.labels[index])


class AsInput(DisplayedTransform):
    """Channels and size as networks take them: grey repeated where three colours are wanted, other sizes squeezed."""

    order = 50

    def __init__(self, size: int | None, *, channels: int = 3) -> None:
        super().__init__()
        self.size, self.channels = size, channels

    def encodes(self, x: TensorImage) -> TensorImage:
        """Return float (n, channels, size, size)."""
        if self.size and x.shape[-2:] != (self.size, self.size):
            x = torch.nn.functional.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return x.expand(-1, self.channels, -1, -1)


class TileLoader(TfmdDL):
    """fastai's loader, which takes whole batches from memory, and draws what the pixels stand for along the sides."""

    source: int | None = None
    """Show every item as it is (0) or as its copy of this number; None shows any of these when items are shuffled."""

    share = (0, 1)
    """Which part of every batch is taken, from 0, and of how many parts."""

    def shared(self, part: int, n_parts: int) -> "TileLoader":
        """Return a loader of a part of every batch, for one of several processes; batches are as large in each."""
        size = self.bs * n_parts
        drop_last = self.drop_last and _leaves_one(self.n, size)
        loader: TileLoader = self.new(bs=size, drop_last=drop_last)
        loader.rng, loader.share, loader.source = self.rng, (part, n_parts), self.source
        return loader

    def chunkify(self, b: Any) -> Iterator[Any]:
        """Cut items into batches, and take a part of each."""
        chunks = super().chunkify(b)
        return chunks if self.share[1] == 1 else (part_of(list(chunk), *self.share) for chunk in chunks)

    @property
    def steady(self) -> bool:
        """Whether an item has a few images that stay the same: nobody transforms them."""
        ours = (IntToFloatTensor, AsInput, Normalize)
        return self._whole and all(type(f) in ours for f in self.after_batch.fs)

    @property
    def n_images(self) -> int:
        """How many images of an item there are: itself and its copies."""
        return 1 + (len(self._pixels.copies) if self.shuffle else 0)

    @property
    def _whole(self) -> bool:
        """Whether nobody asks for single items."""
        steps = [list(part.tfms.fs) for part in getattr(self.dataset, "tls", ())]
        known = ([Pixels], [Pixels, Labels, Categorize])
        ours = [type(step) for part in steps for step in part] in known
        return (
            ours and not self.prebatched and not list(self.after_item.fs) and not list(self.before_batch.fs)
        )

    @property
    def _pixels(self) -> Pixels:
        pixels: Pixels = self.dataset.tls[0].tfms[0]
        return pixels

    def create_batches(self, samps: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """Take each batch at once where nobody asks for single items."""
        if not self._whole:
            yield from super().create_batches(samps)
            return
        if self.device is not None and self.device.type == "cuda":
            self._pixels.move(self.device)
        targets = self._targets()
        for chunk in self.chunkify(samps):
            rows = np.array(chunk)
            fixed = None if self.source is None else np.full(len(rows), self.source)
            sources = draw_sources(self.rng, len(rows), self.n_images) if fixed is None else fixed
            images = self._pixels.batch(np.array(self.dataset.items)[rows], sources)
            if self.device is not None and self.device.type == "cuda" and images.device.type == "cpu":
                images = images.pin_memory()  # so that it is copied while other work goes on
            yield (TensorImage(images), *(TensorCategory(part[rows]) for part in targets))

    def _targets(self) -> list[torch.Tensor]:
        """Return the index of each item's label among the classes, in a list that is empty where none is known."""
        if len(self.dataset.tls) == 1:
            return []
        labels, categories = self.dataset.tls[1].tfms.fs
        codes = {name: code for code, name in enumerate(categories.vocab)}
        return [torch.tensor([codes[labels.encodes(item)] for item in self.dataset.items])]

    def show_batch(self, b: Any = None, max_n: int = 9, **options: Any) -> Any:
        """Draw some images with their axes and labels, or, if `b` is given, that batch as fastai does."""
        if b is not None:
            return super().show_batch(b, max_n=max_n, **options)
        pixels, labels = self.dataset.tls[0].tfms[0], self.dataset.tls[1].tfms[0]
        indices = [self.dataset.items[k] for k in evenly_spaced(len(self.dataset), max_n)]
        columns = int(np.ceil(np.sqrt(len(indices))))
        rows = int(np.ceil(len(indices) / columns))
        _, plots = plt.subplots(
            rows, columns, figsize=(3.4 * columns, 3.2 * rows), squeeze=False, layout="constrained"
        )
        for plot, index in zip(plots.flat, indices, strict=False):
            _show(plot, pixels.tiles, index, pixels.view, labels.encodes(index))
        for plot in plots.flat[len(indices) :]:
            plot.axis("off")
        return None


def part_of(rows: list[int], part: int, n_parts: int) -> list[int]:
    """Return one of some equal parts, of two or more, as batch normalisation needs; the first fill up the last.

    Examples
    --------
    >>> part_of([1, 2, 3, 4, 5], 0, 2), part_of([1, 2, 3, 4, 5], 1, 2)
    ([1, 2, 3], [4, 5, 1])
    """
    each = max(2, -(-len(rows) // n_parts))
    return [rows[index % len(rows)] for index in range(part * each, (part + 1) * each)]


def _leaves_one(count: int, batch_size: int) -> bool:
    """Tell whether the last batch would be one item, which leaves batch normalisation nothing to learn from."""
    return count > batch_size and count % batch_size == 1


def _check(
    tiles: Tiles,
    labels: Sequence[str] | np.ndarray,
    train: np.ndarray,
    valid: np.ndarray,
    copies: Sequence[Tiles],
) -> None:
    if len(labels) != len(tiles):
        raise ParameterError(f"labels must be one an item, got {len(labels)} for {len(tiles)} items")
    for name, indices in (("train", train), ("valid", valid)):
        if not len(indices):
            raise ParameterError(f"{name} must hold one or more indices, got none")
    for index in np.concatenate([train, valid]).tolist():
        if labels[index] is None:
            raise ParameterError(f"{tiles.items[index]} has no label; leave index {index} out")
        _require_tile(tiles, index, "no tile")
    for copy in copies:
        if copy.items != tiles.items:
            raise ParameterError(f"copies must be of the same {len(tiles)} items, got {len(copy)} others")
        for index in train.tolist():
            _require_tile(copy, index, "no tile in a copy")


def _require_tile(tiles: Tiles, index: int, what: str) -> None:
    if tiles.keys[index] is None:
        raise ParameterError(f"{tiles.items[index]} has {what}, since it failed; leave index {index} out")


def draw_sources(rng: random.Random, count: int, n_images: int) -> np.ndarray:
    """Choose as which of its images each of some items is seen; without a choice nothing is drawn."""
    if n_images == 1:
        return np.zeros(count, int)
    return np.array([rng.randrange(n_images) for _ in range(count)])


def _show(plot: Plot, tiles: Tiles, index: int, view: int, title: str) -> None:
    """Draw one tile; the file is read again for its axes, which tiles do not keep."""
    pixels = tiles.tile(index, view)
    grey = "gray" if pixels.shape[2] == 1 else None
    plot.imshow(pixels, cmap=grey, vmin=0, vmax=255, interpolation="nearest")
    plot.set_title(title, fontsize=10)
    plot.set(xticks=[], yticks=[])
    converter = tiles.views[view]
    try:
        image: Image = converter(read(str(tiles.items[index]), converter.kind))
    except PhospheneError:
        return  # the file has gone since; its tile is drawn all the same
    for side, axis in zip((plot.xaxis, plot.yaxis), image.layout.axes() or (), strict=False):
        _mark(side, axis)


def _mark(side: Any, axis: Axis) -> None:
    """Write a few round values along a side, where they belong."""
    order = np.argsort(axis.edges)
    values = _round_values(axis.edges[order])
    side.set_ticks(np.interp(values, axis.edges[order], order) - 0.5, [f"{value:g}" for value in values])
    side.set_tick_params(labelsize=7)
    side.set_label_text(axis.title, fontsize=8)


def _round_values(edges: np.ndarray) -> np.ndarray:
    """Return round numbers within rising edges, spread over their pixels.

    Examples
    --------
    >>> _round_values(np.linspace(0, 5, 225)).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    >>> _round_values(np.geomspace(20, 20000, 225)).tolist()
    [20.0, 100.0, 600.0, 4000.0, 20000.0]
    """
    steps = np.diff(edges)
    if np.ptp(steps) <= 1e-6 * steps.max():
        values = np.array(MaxNLocator(5).tick_values(edges[0], edges[-1]))
    else:
        picked = edges[np.linspace(0, len(edges) - 1, 5).round().astype(int)]
        values = np.unique([float(f"{value:.0e}") for value in picked])
    inside: np.ndarray = values[(values >= edges[0]) & (values <= edges[-1])]
    return inside
