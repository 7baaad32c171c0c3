"""What items hold, as digests: equal where their bytes or their values are."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from phosphene.converters import Fragment, PhospheneError
from phosphene.converters.core.reader import content_digest
from phosphene.converters.reading import readers
from phosphene.converters.series.signal import Series

from .manifest import Item

_Digests = list[str | None]


def digests_of(items: Sequence[Item], places: Sequence[int]) -> tuple[_Digests, _Digests]:
    """Return a digest of the file of some items, and one of what each holds of it.

    Parameters
    ----------
    items
        Files and parts of files.
    places
        Which of them are looked at.

    Returns
    -------
    tuple of list
        By place. The file's is of its bytes, whatever its suffix; None for rows of archives. The item's is of its
        values for a row, else of the file's bytes and the part. None for what cannot be read, and for other places.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, name) for name in ("a.bin", "b.dat", "c.bin")]
    ...     for path, data in zip(paths, (b"same", b"same", b"other")):
    ...         _ = path.write_bytes(data)
    ...     files, contents = digests_of([Item(path) for path in paths], [0, 1, 2])
    >>> contents[0] == contents[1], contents[0] == contents[2]
    (True, False)
    """
    known = _file_digests([items[place].path for place in places if not _is_row(items[place])])
    files: _Digests = [None] * len(items)
    contents: _Digests = [None] * len(items)
    for place in sorted(places, key=lambda place: str(items[place].path)):  # one archive is open at a time
        item = items[place]
        if item.fragment and item.fragment.unit == "row":
            contents[place] = _row_digest(item.path, item.fragment)
        elif item.path in known:
            files[place] = known[item.path]
            contents[place] = f"{known[item.path]}#{item.fragment or ''}"
    return files, contents


def _is_row(item: Item) -> bool:
    return item.fragment is not None and item.fragment.unit == "row"


def _file_digests(paths: Sequence[Path]) -> dict[Path, str]:
    some = list(dict.fromkeys(paths))

    def digest(path: Path) -> str | None:
        try:
            return content_digest(path).partition(".")[0]  # without the suffix
        except (PhospheneError, OSError):
            return None

    with ThreadPoolExecutor(4) as pool:
        known = zip(some, pool.map(digest, some), strict=True)
        return {path: found for path, found in known if found}


def _row_digest(path: Path, fragment: Fragment) -> str | None:
    try:
        signal = readers()["series"].read(path, fragment)
    except (PhospheneError, OSError):
        return None
    if not isinstance(signal, Series):
        return None
    values = np.asarray(signal.values, np.float32)
    plain = np.where(np.isnan(values), np.float32("nan"), values + np.float32(0))  # one NaN, one zero
    return f"{values.shape}{hashlib.blake2b(plain.tobytes(), digest_size=16).hexdigest()}"
