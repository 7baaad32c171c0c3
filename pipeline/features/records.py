"""Where records live: files found by the content that was measured, so they are never stale."""

import hashlib
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phosphene.pipeline.tiles.store import Output, Store, default_folder

from .feature_set import Record

_SAVE_EVERY_S = 0.25


class Kept(NamedTuple):
    """A record, and how long it took to read and to measure its item."""

    record: Record
    seconds: float


def records_folder() -> Path:
    """Return where records are kept: beside the tiles."""
    return default_folder().parent / "features"


class RecordCodec:
    """Records of parts of a file as one NPZ of two arrays: what there is, as JSON, and the bytes of it all.

    An array of its own for each would take NumPy ten times as long to read.

    Examples
    --------
    >>> codec = RecordCodec()
    >>> codec.decode(codec.encode({"": Kept({"words": np.array(["a", "bc"])}, 0.5)}))
    {'': Kept(record={'words': array(['a', 'bc'], dtype='<U2')}, seconds=0.5)}
    """

    suffix = ".npz"

    def encode(self, value: Mapping[str, Kept], key: str = "") -> bytes:
        """Return the bytes of a file."""
        del key
        head = [
            [part, kept.seconds, [[name, a.dtype.str, a.shape] for name, a in kept.record.items()]]
            for part, kept in value.items()
        ]
        content = b"".join(array.tobytes() for kept in value.values() for array in kept.record.values())
        file = io.BytesIO()
        np.savez(
            file,
            head=np.frombuffer(json.dumps(head).encode(), np.uint8),
            content=np.frombuffer(content, np.uint8) if content else np.zeros(0, np.uint8),
        )
        return file.getvalue()

    def decode(self, data: bytes) -> Mapping[str, Kept]:
        """Return the records; an exception says that the bytes are broken."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            head, content = json.loads(file["head"].tobytes()), file["content"].tobytes()
        found, offset = {}, 0
        for part, seconds, arrays in head:
            record = {}
            for name, kind, shape in arrays:
                record[name] = _array(content, offset, kind, shape)
                offset += record[name].nbytes
            found[part] = Kept(record, seconds)
        return found


class RecordStore:
    """Records by the key of the file they were measured of, and the part of it; for `map_items`.

    Parts measured at one time lie together: thousands of small files would take longer than what is in them.

    Parameters
    ----------
    folder
        Where they lie; by default in the user's cache, shared by all runs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = RecordStore(Path(folder))
    ...     record = Kept({"values": np.array([1.5, 2.0])}, 0.1)
    ...     store.take(0, ("ab12", "row=3"), [record], failed=False)
    ...     store.save()
    ...     RecordStore(Path(folder)).get("ab12", "row=3").record["values"].tolist(), store.get("cd34", "")
    ([1.5, 2.0], None)
    """

    shared = True
    codec = None

    def __init__(self, folder: Path | None = None) -> None:
        self._files = Store(folder or records_folder(), RecordCodec())
        self._known: dict[str, dict[str, Kept]] = {}
        self._unsaved: dict[str, dict[str, Kept]] = {}
        self._saved_s = 0.0

    def get(self, key: str, part: str) -> Kept | None:
        """Return the record of a part of a file; None where there is none, or a broken one."""
        if key not in self._known:
            names = (path.stem for path in sorted((self._files.folder / key[:2] / key[2:]).glob("[!.]*.npz")))
            self._known[key] = {}
            for name in names:
                self._known[key] |= self._files.find(f"{key}/{name}") or {}
        return self._known[key].get(part)

    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the record, if it is not there."""
        del index
        key, part = keys
        return () if self.get(key, part) else (Output(0, key),)

    def take(self, index: int, keys: Sequence[str], values: Sequence[Kept], *, failed: bool) -> None:
        """Keep a record; those of a moment are written in one go."""
        del index
        if failed:
            return
        (value,), (key, part) = values, keys
        self._known.setdefault(key, {})[part] = value
        self._unsaved.setdefault(key, {})[part] = value
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write what was not written yet; StoreError if it cannot be."""
        while self._unsaved:
            key, parts = self._unsaved.popitem()
            name = hashlib.blake2b("|".join(sorted(parts)).encode(), digest_size=8).hexdigest()
            self._files.put(f"{key}/{name}", parts)
        self._saved_s = time.monotonic()


def _array(content: bytes, offset: int, kind: str, shape: list[int]) -> np.ndarray:
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not 0 <= size <= len(content) - offset:
        raise ValueError(f"no array of {kind} {shape} at {offset}")
    # Through an array of its own, since one in the middle of bytes is not aligned.
    return np.ndarray(shape, dtype, bytearray(content[offset : offset + size]))
