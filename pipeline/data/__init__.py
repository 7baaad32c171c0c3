"""From files to batches: manifests, windows, tiles; `loaders`, which needs torch, is imported by its name."""

from .convert import Conversion, convert
from .device import batch_on, draw_on, draws_on
from .engines import LocalEngine, RayEngine
from .manifest import Item, Manifest, Split
from .render import Failure, Tiles, render
from .sources import find_files, open_manifest
from .stores import TileStore
from .windows import Windows, balance, combine, cut, extents, plan_windows

__all__ = [
    "Conversion", "Failure", "Item", "LocalEngine", "Manifest", "RayEngine", "Split", "TileStore", "Tiles",
    "Windows", "balance", "batch_on", "combine", "convert", "cut", "draw_on", "draws_on", "extents",
    "find_files", "open_manifest", "plan_windows", "render",
]  # fmt: skip
