"""Where records live: files found by the content that was measured, so they are never stale."""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phosphene.converters import PhospheneError
from phosphene.pipeline.tiles.store import default_folder, write_bytes

from .feature_set import Record


class Kept(NamedTuple):
    """A record, and how long it took to read and to measure its piece."""

    record: Record
    seconds: float


def records_folder() -> Path:
    """Return where records are kept: beside the tiles."""
    return default_folder().parent / "features"


@dataclass(frozen=True)
class RecordStore:
    """Records by the key of the file they were measured of, and the part of it; a broken file counts as missing.

    Parts measured together lie together: thousands of small files would take longer than what is in them.

    Parameters
    ----------
    folder
        Where they lie; by default in the user's cache, shared by all runs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = RecordStore(Path(folder))
    ...     store.put("ab12", {"row=3": Kept({"values": np.array([1.5, 2.0])}, 0.1)})
    ...     store.get("ab12")["row=3"].record["values"].tolist(), store.get("cd34")
    ([1.5, 2.0], {})
    """

    folder: Path = field(default_factory=records_folder)

    def put(self, key: str, parts: Mapping[str, Kept]) -> None:
        """Keep the records of some parts of a file.

        Raises
        ------
        PhospheneError
            They cannot be written.
        """
        name = hashlib.blake2b("|".join(sorted(parts)).encode(), digest_size=8).hexdigest()
        try:
            write_bytes(self._place(key) / f"{name}.npz", encode(parts))
        except OSError as error:
            raise PhospheneError(
                f"{self.folder}: features cannot be kept here ({error.strerror}); "
                "make room, or name another folder by PHOSPHENE_CACHE"
            ) from error

    def get(self, key: str) -> dict[str, Kept]:
        """Return the records of all parts of a file that were measured."""
        found: dict[str, Kept] = {}
        for path in sorted(self._place(key).glob("[!.]*.npz")):
            found |= _read(path)
        return found

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]


def encode(parts: Mapping[str, Kept]) -> bytes:
    """Return records as one NPZ of two arrays: what there is, as JSON, and the bytes of it all.

    An array of its own for each would take NumPy ten times as long to read.

    Examples
    --------
    >>> decode(encode({"": Kept({"words": np.array(["a", "bc"])}, 0.5)}))
    {'': Kept(record={'words': array(['a', 'bc'], dtype='<U2')}, seconds=0.5)}
    """
    head = [
        [part, kept.seconds, [[name, a.dtype.str, a.shape] for name, a in kept.record.items()]]
        for part, kept in parts.items()
    ]
    content = b"".join(array.tobytes() for kept in parts.values() for array in kept.record.values())
    file = io.BytesIO()
    np.savez(
        file,
        head=np.frombuffer(json.dumps(head).encode(), np.uint8),
        content=np.frombuffer(content, np.uint8) if content else np.zeros(0, np.uint8),
    )
    return file.getvalue()


def decode(data: bytes) -> dict[str, Kept]:
    """Return the records in the bytes of a file that `encode` made."""
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


def _array(content: bytes, offset: int, kind: str, shape: list[int]) -> np.ndarray:
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not 0 <= size <= len(content) - offset:
        raise ValueError(f"no array of {kind} {shape} at {offset}")
    # Through an array of its own, since one in the middle of bytes is not aligned.
    return np.ndarray(shape, dtype, bytearray(content[offset : offset + size]))


def _read(path: Path) -> dict[str, Kept]:
    try:
        return decode(path.read_bytes())
    except Exception:  # broken in whatever way, it counts as missing
        return {}
