"""The worker process: takes chunks of tasks from standard input, gives a result a task on standard output.

Both are pipes to the process that started it; what a library prints goes to standard error.
"""

import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from .engines import READY, attempt


class _Leaving:
    """Ends the process on SIGTERM: at once, or when the current task is done and its files are whole."""

    def __init__(self) -> None:
        self._busy = self._asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def __enter__(self) -> None:
        self._busy = True

    def __exit__(self, *_: object) -> None:
        self._busy = False
        if self._asked:
            os._exit(0)

    def _ask(self, *_: object) -> None:
        self._asked = True
        if not self._busy:
            os._exit(0)


def main() -> None:
    """Serve until the other side goes away, in whatever way it goes, or asks to end."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the parent ends its workers
    inbox, outbox = _take_pipes()
    try:
        function = _load(inbox, outbox)
        leaving = _Leaving()
        while True:
            for task in inbox.recv():
                with leaving:
                    result = attempt(function, task)
                outbox.send(result)
    except (EOFError, OSError):
        os._exit(0)


def _take_pipes() -> tuple[Connection, Connection]:
    """Keep the pipes for ourselves, so that nothing a library prints or reads disturbs them."""
    inbox, outbox = Connection(os.dup(0), writable=False), Connection(os.dup(1), readable=False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return inbox, outbox


def _load(inbox: Connection, outbox: Connection) -> Any:
    sys.path[:] = inbox.recv()
    try:
        function = pickle.loads(inbox.recv())
    except Exception:  # sent to the other side, which raises it
        outbox.send(traceback.format_exc())
        sys.exit(1)
    outbox.send(READY)
    return function
