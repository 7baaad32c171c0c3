"""Where tiles live: PNG files found by the content they were drawn from, so they are never stale."""

import hashlib
import os
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from phosphene.converters import Fragment
from phosphene.converters.core.files import atomic_write

from .png import END, HEAD_BYTES, SIGNATURE, decode_png, encode_png, key_in

_LEFT_BEHIND_S = 60.0


def default_folder() -> Path:
    """Return where tiles are kept: `$PHOSPHENE_CACHE`, else `phosphene` in the user's cache folder."""
    named = os.environ.get("PHOSPHENE_CACHE")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(named) if named else Path(cache) / "phosphene") / "tiles"


@dataclass(frozen=True)
class TileStore:
    """Tiles as PNG files, each under its key; a broken one counts as missing.

    Parameters
    ----------
    folder
        Where they lie; by default in the user's cache, shared by all runs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = TileStore(Path(folder))
    ...     store.put("ab12", np.zeros((8, 8, 1), np.uint8))
    ...     "ab12" in store, store.get("ab12").shape
    (True, (8, 8, 1))
    """

    folder: Path = field(default_factory=default_folder)

    def path(self, key: str) -> Path:
        """Return where the tile of a key lies, or would lie."""
        return self.folder / key[:2] / f"{key[2:]}.png"

    def __contains__(self, key: str) -> bool:
        return is_whole(self.path(key))

    def put(self, key: str, pixels: np.ndarray) -> None:
        """Keep a tile, uint8 (height, width, 1 or 3)."""
        write_bytes(self.path(key), encode_png(pixels, key))

    def get(self, key: str) -> np.ndarray:
        """Return a tile, uint8 (height, width, channels).

        Raises
        ------
        KeyError
            There is no such tile, or it is broken.
        """
        try:
            return decode_png(self.path(key).read_bytes())
        except (OSError, ValueError, SyntaxError, zlib.error) as error:
            raise KeyError(key) from error


def tile_key(content_digest: str, fragment: Fragment | None, fingerprint: str) -> str:
    """Return the key of a tile: equal for equal bytes, equal part and equal converter, else different."""
    text = f"{content_digest}#{fragment or ''}|{fingerprint}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_whole(path: Path) -> bool:
    """Tell whether a PNG file begins and ends as one; its pixels are not looked at."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(SIGNATURE))
            file.seek(-len(END), os.SEEK_END)
            return begin == SIGNATURE and file.read() == END
    except OSError:
        return False


def key_of(path: Path) -> str | None:
    """Return the key that a whole PNG file of ours carries; None for any other file."""
    if not is_whole(path):
        return None
    try:
        with path.open("rb") as file:
            return key_in(file.read(HEAD_BYTES))
    except OSError:
        return None


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_write(path) as file:
        file.write(data)


def sweep(folder: Path) -> None:
    """Remove what killed runs left half-written; what another run may still be writing stays."""
    for part in folder.rglob(".*.part"):
        try:
            if time.time() - part.stat().st_mtime > _LEFT_BEHIND_S:
                part.unlink()
        except OSError:
            continue  # another run removed it first
