"""Files written whole or not at all."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only once all is written; folders are made as needed.

    A reader sees the old file or the new one, never a part, also when the process is killed at any moment.
    """
    path = Path(path)
    # 40 letters: a file name has 255 bytes, a letter up to 4.
    part = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}.part"
    file = _create(part)
    try:
        with file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _create(part: Path) -> BinaryIO:
    try:
        return part.open("xb")
    except FileNotFoundError:
        part.parent.mkdir(parents=True, exist_ok=True)
        return part.open("xb")
