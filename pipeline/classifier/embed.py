"""Features of a frozen backbone for raw files, as a table: for search, clustering, and models of one's own."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from phosphene.converters import Converter, ParameterError, ReadOptions, default_views
from phosphene.converters.core.files import DEFAULTS, atomic_write
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.parts import PART, is_large, list_in_parts
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.windows import cut_each
from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.backbones.frozen import Frozen, freeze
from phosphene.pipeline.strategies.estimator import Model
from phosphene.pipeline.tiles.engines import Engine, RayEngine, make_engine
from phosphene.pipeline.tiles.remote import RemoteSource, is_remote, local_file, named
from phosphene.pipeline.tiles.render import Tiles, render

if TYPE_CHECKING:
    import pandas

_AT_A_TIME = 128


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The features of items, for search, clustering and models of one's own.

    Parameters
    ----------
    items
        What could be drawn.
    features
        float32 (n_items, n_features), in the order of `items`.
    layers
        The layer of each network that they are of.
    failures
        The items that could not be read or drawn.
    """

    items: tuple[Item, ...]
    features: np.ndarray
    layers: tuple[str, ...]
    failures: tuple[Failure, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        failed = f"; {len(self.failures)} failed" if self.failures else ""
        return f"Embeddings({len(self)} items, {self.features.shape[1]} features of {', '.join(self.layers)}{failed})"

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame: path, label, and a column a feature."""
        import pandas as pd

        columns = {"path": [str(item) for item in self.items], "label": [item.label for item in self.items]}
        names = [f"f{number}" for number in range(self.features.shape[1])]
        return pd.DataFrame(columns).join(pd.DataFrame(self.features, columns=names))


@dataclass(frozen=True)
class Embedding:
    """What was written: how many rows of how many features, of which layer, and the items that failed."""

    n: int
    n_features: int
    layer: str
    failures: tuple[Failure, ...]
    seconds: float


@dataclass(frozen=True)
class EmbedOptions:
    """What is embedded, and by what.

    Parameters
    ----------
    views
        Converters of one kind, whose features stand one after the other; None takes the default ones of the kind.
    arch
        Name of the backbone.
    layer
        Name of its layer; None takes the last.
    windows
        How items are cut, a row for each window; None keeps items whole but sound longer than ten minutes.
    read
        How files are read where their content does not settle it.
    workers
        Processes that draw; None for one a core.
    engine
        `local`; or `ray`, where each part is done on one core of a cluster, or on one GPU where it has some.
    """

    views: tuple[Converter, ...] | None = None
    arch: str = "efficientnet_lite0"
    layer: str | None = None
    windows: str | None = None
    read: ReadOptions = field(default=DEFAULTS)
    workers: int | None = None
    engine: Literal["local", "ray"] | Engine = "local"


def embed(
    src: str | Path | Manifest,
    out: str | Path,
    options: EmbedOptions | None = None,
    *,
    kind: Kind | None = None,
) -> Embedding:
    """Write the features of items as Parquet: the columns path, fragment, label and embedding (float32), an item a row.

    The features are the averages of the maps of one layer. The file is written whole or not at all; items of a large
    folder are listed, rendered and computed some thousands at a time, in memory that does not grow with their number.

    Raises
    ------
    ParameterError
        There is no such backbone or layer, nothing could be drawn, or a large folder holds files of several kinds.
    """
    begin = time.monotonic()
    options = options or EmbedOptions()
    parts, kind, title = _parts(src, kind, options.read)
    layer = chosen_layer(load_backbone(options.arch), options.layer)
    pool = make_engine(options.engine, options.workers)
    if isinstance(pool, RayEngine) and is_remote(src):
        raise ParameterError("the Ray engine reads files that every node sees; name a folder that all share")
    views = tuple(options.views or default_views(kind))
    embed_part = _EmbedPart(views, options.arch, layer, options.windows, pool.per_task)
    failures, n, width = list[Failure](), 0, 0
    with local_file(out) as target, atomic_write(target) as file:
        writer = None
        for drawn, rows, failed in pool.stream(embed_part, parts):
            failures += (Failure(one.item, named(one.error)) for one in failed)
            if rows is None:
                continue
            writer = writer or _Writer(file, rows.shape[1])
            writer.write(drawn, rows)
            n, width = n + len(rows), rows.shape[1]
        if writer is None:
            raise ParameterError(f"{title}: nothing could be drawn; {failures[0].error}")
        writer.close()
    return Embedding(n, width, layer, tuple(failures), time.monotonic() - begin)


def _parts(
    src: str | Path | Manifest, kind: Kind | None, options: ReadOptions
) -> tuple[Iterable[Sequence[Item]], Kind, str]:
    """Return the items of a source in parts, their kind, and what to call them."""
    if is_remote(src):
        if kind is None:
            raise ParameterError(f"{src}: is read a part at a time; name the kind of its files")
        return _fetched(str(src), kind, options), kind, str(src)
    if not isinstance(src, Manifest) and is_large(src, PART):
        spool = list_in_parts(src, most=PART, kind=kind, options=options)
        kinds = spool.kinds or (kind or "binary",)
        if len(kinds) > 1:
            raise ParameterError(
                f"{src}: holds files of several kinds: {', '.join(kinds)}; name the kind, or part the files"
            )
        return spool, kinds[0], str(src)
    manifest = src if isinstance(src, Manifest) else open_manifest(src, kind=kind, options=options)
    starts = range(0, len(manifest.items), PART)
    return (manifest.items[start : start + PART] for start in starts), manifest.kind, manifest.title


def _fetched(url: str, kind: Kind, options: ReadOptions) -> Iterator[Sequence[Item]]:
    with RemoteSource(url, kind=kind, options=options) as source:
        yield from source


@dataclass(frozen=True)
class _EmbedPart:
    """Draws and embeds the items of a part, in whatever process."""

    views: tuple[Converter, ...]
    arch: str
    layer: str
    windows: str | None
    workers: int

    def __call__(self, items: Sequence[Item]) -> tuple[list[Item], np.ndarray | None, tuple[Failure, ...]]:
        """Return the items that were drawn, float32 (n_drawn, n_features) or None where none was, and the others."""
        tiles = render(
            cut_each(items, self.windows, kind=self.views[0].kind), self.views, workers=self.workers
        )
        if not len(tiles.drawn):
            return [], None, tiles.failures
        frozen = _frozen(self.arch, self.layer)
        rows = [layer_means(frozen, tiles, view) for view in range(len(tiles.views))]
        return [tiles.items[index] for index in tiles.drawn], np.concatenate(rows, axis=1), tiles.failures


@lru_cache(maxsize=1)
def _frozen(arch: str, layer: str) -> Frozen:
    return freeze(load_backbone(arch), (layer,))


def chosen_layer(backbone: Backbone, layer: str | None) -> str:
    """Return the name of a layer of a backbone; None is its last.

    Raises
    ------
    ParameterError
        It has none of that name.
    """
    if layer is None:
        return backbone.layers[-1]
    if layer not in backbone.layers:
        raise ParameterError(
            f"layer of {backbone.name} must be one of {', '.join(backbone.layers)}, got {layer!r}"
        )
    return layer


def layer_means(frozen: Frozen, tiles: Tiles, view: int) -> np.ndarray:
    """Return the averages of the maps of one layer for the tiles of one view: float32 (n_drawn, n_features)."""
    starts = range(0, len(tiles.drawn), _AT_A_TIME)
    batches = (tiles.pixels(tiles.drawn[start : start + _AT_A_TIME], view) for start in starts)
    return np.concatenate([frozen.pooled(batch)[0][0][:, 0, 0] for batch in batches])


def model_features(model: Model, tiles: Tiles, layer: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the features of drawn tiles by the networks of a trained model, and the layer of each network.

    Returns
    -------
    features, layers
        float32 (n_drawn, n_features): the averages of the maps of one layer, views and networks side by side.
    """
    parts, layers = list[np.ndarray](), list[str]()
    seen = [view for view, one in enumerate(tiles.views) if not one.by_pixel] or range(len(tiles.views))
    for view in seen:
        for backbone in model.trained_bodies(view):
            layers.append(chosen_layer(backbone, layer))
            parts.append(layer_means(freeze(backbone, layers[-1:]), tiles, view))
    return np.concatenate(parts, axis=1), tuple(dict.fromkeys(layers))


class _Writer:
    """Rows of a Parquet file, some at a time."""

    def __init__(self, file: BinaryIO, n_features: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = dict.fromkeys(("path", "fragment", "label"), pa.string())
        self._schema: Any = pa.schema({**text, "embedding": pa.list_(pa.float32(), n_features)})
        self._writer: Any = pq.ParquetWriter(file, self._schema)

    def write(self, items: Sequence[Item], rows: np.ndarray) -> None:
        """Append rows."""
        import pyarrow as pa

        columns = [
            pa.array([_text(str(item.path)) for item in items], pa.string()),
            pa.array([item.fragment and str(item.fragment) for item in items], pa.string()),
            pa.array([item.label and _text(item.label) for item in items], pa.string()),
            pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1]),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Write what stands at the end of the file."""
        self._writer.close()


def _text(name: str) -> str:
    """Return a name as UTF-8 can hold it; other bytes become escapes."""
    return named(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
