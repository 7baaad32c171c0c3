"""A process that works with a library that may hang, crash or take gigabytes of memory on a malformed file."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar, cast

T = TypeVar("T")

START_TIMEOUT_S = 60.0


class Child:
    """A child process that answers about one file after another, with a limit of time; one that dies is replaced.

    Parameters
    ----------
    command
        What to start: a program that writes a line when ready, then answers each line with a line of JSON.
    name
        Of the library that works in it.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        self._command, self._name = command, name
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._owner = os.getpid()

    def ask(self, path: str | Path, read: Callable[[Any], T], *, timeout_s: float) -> T | str:
        """Return what `read` makes of the child's answer about a file, or what went wrong."""
        with self._lock:
            try:
                return read(self._ask({"path": os.fspath(path), "timeout_s": timeout_s}, timeout_s))
            except queue.Empty:
                problem = f"{self._name} took longer than {timeout_s:g} s"
            except (OSError, ValueError, TypeError, KeyError):
                problem = f"{self._name} crashed or ran out of memory"
            self._stop()
            return problem

    def close(self) -> None:
        """Stop the child; the next file starts another."""
        with self._lock:
            self._stop()

    def _ask(self, request: dict[str, Any], timeout_s: float) -> Any:
        child = self._running()
        cast(IO[str], child.stdin).write(json.dumps(request) + "\n")
        return json.loads(_read_line(child, timeout_s))

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None or self._child.poll() is not None:
            self._stop()
            self._child = subprocess.Popen(
                self._command, text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            _read_line(self._child, START_TIMEOUT_S)
        return self._child

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with suppress(OSError):
                cast(IO[str], pipe).close()


def _read_line(child: "subprocess.Popen[str]", timeout_s: float) -> str:
    """Return the next line of a child, empty when it died."""
    # A thread, since not every system can wait for a pipe.
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    readline = cast(IO[str], child.stdout).readline
    threading.Thread(target=lambda: lines.put(readline()), daemon=True).start()
    return lines.get(timeout=timeout_s)
