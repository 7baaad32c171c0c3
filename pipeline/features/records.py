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

from phosphene.pipeline.tiles.store import Codec, Store, default_folder

from .feature_set import Record


class Kept(NamedTuple):
    """A record, and how long it took to read and to measure its piece."""

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


@dataclass(frozen=True)
class RecordStore(Store[Mapping[str, Kept]]):
    """Records by the key of the file they were measured of, and the part of it.

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
    ...     store.add("ab12", {"row=3": Kept({"values": np.array([1.5, 2.0])}, 0.1)})
    ...     store.parts("ab12")["row=3"].record["values"].tolist(), store.parts("cd34")
    ([1.5, 2.0], {})
    """

    folder: Path = field(default_factory=records_folder)
    codec: Codec[Mapping[str, Kept]] = field(default_factory=RecordCodec, repr=False, compare=False)

    def add(self, key: str, parts: Mapping[str, Kept]) -> None:
        """Keep the records of some parts of a file; StoreError if they cannot be written."""
        name = hashlib.blake2b("|".join(sorted(parts)).encode(), digest_size=8).hexdigest()
        self.put(f"{key}/{name}", parts)

    def parts(self, key: str) -> dict[str, Kept]:
        """Return the records of all parts of a file that were measured; broken ones count as missing."""
        found: dict[str, Kept] = {}
        for path in sorted((self.folder / key[:2] / key[2:]).glob("[!.]*.npz")):
            found |= self.find(f"{key}/{path.stem}") or {}
        return found


def _array(content: bytes, offset: int, kind: str, shape: list[int]) -> np.ndarray:
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not 0 <= size <= len(content) - offset:
        raise ValueError(f"no array of {kind} {shape} at {offset}")
    # Through an array of its own, since one in the middle of bytes is not aligned.
    return np.ndarray(shape, dtype, bytearray(content[offset : offset + size]))
