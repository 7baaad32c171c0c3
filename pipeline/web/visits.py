"""What visitors leave: an upload until it is analysed, its images for some minutes. Found by tokens, never by paths."""

import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

KEPT_S = 600.0
"""Images are there for so long, for a browser to fetch them."""
UNUSED_S = 120.0
"""An upload that nobody asks to be analysed is deleted after so long."""
MOST_KEPT = 100


@dataclass(frozen=True)
class Visit:
    """One file of a visitor, and the images drawn of it, in a folder of their own.

    Parameters
    ----------
    token
        Known to the visitor alone.
    folder
        For all of it.
    title
        What the visitor calls the file.
    begun_s
        When, by the clock of `time.monotonic`.
    """

    token: str
    folder: Path
    title: str
    begun_s: float

    @property
    def file(self) -> Path:
        """The upload."""
        return self.folder / "upload" / safe_name(self.title)

    @property
    def shown(self) -> Path:
        """The folder of its images."""
        return self.folder / "shown"


class Visits:
    """The visits of a server.

    Parameters
    ----------
    scratch
        The folder for all that they leave.
    most_waiting
        Uploads that may wait to be analysed, or are.
    """

    def __init__(self, scratch: Path, most_waiting: int) -> None:
        self.scratch, self.most_waiting = scratch, most_waiting
        self._all: dict[str, Visit] = {}
        self._waiting = set[str]()
        self._started = set[str]()
        self._sessions: dict[str, str] = {}
        self._lock = threading.Lock()

    def open(self, name: str) -> Visit | None:
        """Return a new visit with a folder for its file; None where too many wait."""
        self.sweep()
        with self._lock:
            if len(self._waiting) >= self.most_waiting:
                return None
            visit = self._new(name)
            self._waiting.add(visit.token)
        return visit

    def open_own(self, name: str) -> Visit:
        """Return a visit for images of a file of the server's own."""
        with self._lock:
            return self._new(name)

    def _new(self, name: str) -> Visit:
        token = secrets.token_urlsafe(18)
        visit = Visit(token, self.scratch / token, name, time.monotonic())
        for folder in (visit.file.parent, visit.shown):
            folder.mkdir(parents=True)
        self._all[token] = visit
        return visit

    def start(self, token: object) -> Visit | None:
        """Return the visit of an upload that was not analysed yet; None for any other token."""
        with self._lock:
            if not isinstance(token, str) or token not in self._waiting - self._started:
                return None
            self._started.add(token)
            return self._all[token]

    def join(self, token: object, session: str) -> None:
        """Note whose session an upload is of; any other token changes nothing."""
        with self._lock:
            if isinstance(token, str) and token in self._waiting:
                self._sessions[token] = session

    def leave(self, session: str) -> None:
        """Delete the uploads of a session that ends before they are analysed."""
        with self._lock:
            unused = self._waiting - self._started
            left = [self._all[token] for token in unused if self._sessions.get(token) == session]
        for visit in left:
            self.drop(visit)

    def finish(self, visit: Visit) -> None:
        """Delete an upload; its images stay for a while."""
        visit.file.unlink(missing_ok=True)
        with self._lock:
            self._forget(visit)

    def drop(self, visit: Visit) -> None:
        """Delete all of a visit."""
        with self._lock:
            self._forget(visit)
            self._all.pop(visit.token, None)
        shutil.rmtree(visit.folder, ignore_errors=True)

    def _forget(self, visit: Visit) -> None:
        self._waiting.discard(visit.token)
        self._started.discard(visit.token)
        self._sessions.pop(visit.token, None)

    def result(self, token: str, name: str) -> Path | None:
        """Return an image or a sound that was made for a visit; None where there is none of that name."""
        visit = self._all.get(token)
        if visit is None or not re.fullmatch(r"\w[\w-]*\.(png|wav)", name, re.ASCII):
            return None
        path = visit.shown / name
        return path if path.is_file() else None

    def sweep(self) -> None:
        """Delete what is old, and the oldest where there is much."""
        now_s = time.monotonic()
        with self._lock:
            unused = self._waiting - self._started
            done = [visit for visit in self._all.values() if visit.token not in self._waiting]
            old = done[: max(0, len(done) - MOST_KEPT)]
            for visit in self._all.values():
                kept_s = UNUSED_S if visit.token in unused else KEPT_S
                old += [visit] if now_s - visit.begun_s > kept_s else []
        for visit in old:
            self.drop(visit)


def safe_name(name: str) -> str:
    """Return the name of a file without folders, and without what could mean anything to a reader or a shell.

    Examples
    --------
    >>> safe_name("../../etc/passwd"), safe_name("bird song (1).wav"), safe_name("a#t=0,5.wav"), safe_name("..")
    ('passwd', 'bird_song__1_.wav', 'a_t_0_5.wav', 'file')
    """
    plain = re.sub(r"[^\w.-]", "_", re.split(r"[/\\]", name)[-1], flags=re.ASCII).lstrip(".-")
    return plain[-80:].lstrip(".-") or "file"
