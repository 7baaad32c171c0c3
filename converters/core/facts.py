"""What small text files were found to be, kept between runs by their content: sniffing takes longer than all else.

A fact is never stale: it is found by the bytes of a file, its name without numbers, how it is read, and the code that
decides. Only facts that depend on nothing else are kept: of files in UTF-8 that are no table and hold one item.
"""

import contextlib
import functools
import hashlib
import os
import re
import sqlite3
from pathlib import Path

from .files import HEAD_BYTES

SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt"})
"""Of the files that facts are kept of."""

_AT_ONCE = 4096  # facts are written in one transaction
_ASKED_AT_ONCE = 256
_PATIENCE_S = 1.0


def cache_folder() -> Path:
    """Return where computed things are kept: `$PHOSPHENE_CACHE`, else `phosphene` in the user's cache folder."""
    named = os.environ.get("PHOSPHENE_CACHE")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(cache) / "phosphene"


class KindFacts:
    """Kinds of files of one item by their content, in one SQLite file; without one that can be used, none are kept.

    Parameters
    ----------
    how
        How files are read, as text.
    folder
        Where the file lies; `cache_folder()` by default.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):
    ...         facts = KindFacts("", Path(folder))
    ...         key = facts.key(Path("a.csv"), b"1,2")
    ...         print(facts.find(key))
    ...         facts.put(key, "series")
    ...         facts.close()
    None
    series
    """

    def __init__(self, how: str, folder: Path | None = None) -> None:
        self._seed = hashlib.blake2b(f"{_code_digest()}|{how}".encode("utf-8", "surrogateescape"))
        self._file = (folder or cache_folder()) / "kinds.sqlite"
        self._fresh: dict[bytes, str] = {}
        self._table: sqlite3.Connection | None = None
        self._is_open = False
        self._n_asked = 0

    def key(self, path: Path, head: bytes) -> bytes | None:
        """Return the key of a file; None where its first bytes are not all of it, or may be no plain text."""
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES or len(head) >= HEAD_BYTES or b"\0" in head:
            return None
        digest = self._seed.copy()
        # What a name says counts, too (`X_train.txt`), but not its number.
        words = re.sub(r"\d+", "0", path.stem)
        digest.update(f"{suffix}|{words}|".encode("utf-8", "surrogateescape") + head)
        return digest.digest()[:16]

    def find(self, key: bytes | None) -> str | None:
        """Return the kind that was kept under a key, None where none was."""
        if key is None:
            return None
        if key in self._fresh:
            return self._fresh[key]
        with contextlib.suppress(sqlite3.Error):
            if table := self._opened():
                if not table.in_transaction:  # a lock for each question takes longer than its answer
                    table.execute("BEGIN")
                row = table.execute("SELECT kind FROM facts WHERE key = ?", (key,)).fetchone()
                self._n_asked += 1
                if self._n_asked % _ASKED_AT_ONCE == 0:  # another run may wait to write
                    table.commit()
                return str(row[0]) if row else None
        return None

    def put(self, key: bytes | None, kind: str) -> None:
        """Keep a kind."""
        if key is not None:
            self._fresh[key] = kind
            if len(self._fresh) >= _AT_ONCE:
                self._write()

    def let_write(self) -> None:
        """Let other runs write, until the next question."""
        with contextlib.suppress(sqlite3.Error):
            if self._table:
                self._table.commit()

    def close(self) -> None:
        """Write what is not yet written."""
        self._write()
        if self._table:
            self._table.close()
        self._table, self._is_open = None, False

    def _opened(self) -> sqlite3.Connection | None:
        if not self._is_open:
            self._is_open = True
            with contextlib.suppress(sqlite3.Error, OSError):  # a run without it is slower, not other
                self._file.parent.mkdir(parents=True, exist_ok=True)
                table = sqlite3.connect(self._file, timeout=_PATIENCE_S)
                try:
                    table.execute(
                        "CREATE TABLE IF NOT EXISTS facts (key BLOB PRIMARY KEY, kind TEXT) WITHOUT ROWID"
                    )
                except sqlite3.Error:
                    table.close()
                    raise
                self._table = table
        return self._table

    def _write(self) -> None:
        fresh, self._fresh = self._fresh, {}
        with contextlib.suppress(sqlite3.Error):  # full, locked or broken
            if fresh and (table := self._opened()):
                table.commit()
                with table:
                    table.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", fresh.items())


@functools.cache
def _code_digest() -> str:
    """Return a digest of the code that decides what a file is, so that other code decides anew."""
    digest = hashlib.blake2b(digest_size=16)
    converters = Path(__file__).parents[1]
    for folder in (converters, converters.parent / "datasets"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
