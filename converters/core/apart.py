"""Files that may take for ever, fill memory or end the process that opens them: another process looks.

Who lists a folder knows nothing of its files yet. One that hangs, crashes or takes too much costs that process, which
is replaced, and is named. `ask` is for questions of ours; a `Child` works with a library that has a program of its own.
"""

import atexit
import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import cloudpickle

from .errors import PhospheneError, ReadError, reason

T = TypeVar("T")


@dataclass(frozen=True)
class FileLimits:
    """What a question may take: `least_s` of processor time and `least_mb` of memory, and more for large files."""

    least_s: float
    least_mb: int

    def of(self, path: Path) -> tuple[float, int]:
        """Return seconds of processor time and MB of memory for a file: a second and 8 MB more for each MB."""
        try:
            size_mb = path.stat().st_size / (1 << 20)
        except (OSError, ValueError):
            size_mb = 0.0  # who opens it says what is wrong
        return self.least_s + size_mb, self.least_mb + int(8 * size_mb)


LISTING, DRAWING = FileLimits(5.0, 768), FileLimits(30.0, 2048)
_MUCH_S, _MUCH_MB = 0.5, 256
WAITS = 10
"""How many times as long the clock may run: a busy machine is no fault of a file."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What numeric libraries ask how many threads they may use."""
PLAIN_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system"}
"""By itself pyarrow reserves a gigabyte at once, which counts towards the limit of every file from then on."""


def ask(question: Callable[..., T], path: Path, *rest: Any, limits: FileLimits = LISTING) -> T:
    """Return `question(path, *rest)`, found by a process that is held to time and memory by the size of the file.

    Parameters
    ----------
    question
        A function of modules that another process can import.
    path
        The file that is at fault where nothing comes back.
    limits
        What it may take.

    Raises
    ------
    ReadError
        It took too long, or more memory, or its process died.
    Exception
        Whatever the function raises.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.txt")
    ...     _ = file.write_text("1,2,3")
    ...     ask(Path.read_text, file)
    '1,2,3'
    """
    return question(path, *rest) if _helper.is_this else _helper.ask(question, path, rest, limits)


def module_path() -> list[str]:
    """Return where other processes look for modules: where this one does, but last in the current folder.

    That folder is first where Python was started by `-m`, `-c` or a notebook, and may be the folder of the data.
    The folder of a script keeps its position.
    """
    started_by_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    last = {"", str(Path.cwd())} if started_by_module else {""}
    return sorted(sys.path, key=last.__contains__)  # stable: the others keep their order


def hold_to(limit_mb: int) -> None:
    """Let allocations fail beyond a limit, where the system can; what is mapped from files does not count."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (limit_mb << 20, hard))


def take_pipes() -> tuple[Connection, Connection]:
    """Keep standard input and output for ourselves, so that nothing a library prints or reads disturbs them."""
    inbox, outbox = Connection(os.dup(0), writable=False), Connection(os.dup(1), readable=False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return inbox, outbox


def connect(process: "subprocess.Popen[bytes]") -> tuple[Connection, Connection]:
    """Return what is heard from a process that was started with pipes, and what it is told by."""
    inbox = Connection(os.dup(process.stdout.fileno()), writable=False)  # type: ignore[union-attr]
    outbox = Connection(os.dup(process.stdin.fileno()), readable=False)  # type: ignore[union-attr]
    close_pipes(process)
    return inbox, outbox


def close_pipes(process: "subprocess.Popen[Any]") -> None:
    """Close the ends on this side of the pipes of a process."""
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            if pipe:
                pipe.close()


_Reply = tuple[bool, Any, float, int]
"""Whether there is a result, it or an error, the seconds it took, and the MB that the process still holds."""


class _Helper:
    """The process that looks for this one; started with the first question, replaced when it dies."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner, self.is_this, self._held_mb = 0, False, 0
        self._path: list[str] = []
        self._faults: dict[tuple[object, ...], str] = {}
        self._spent_s: dict[tuple[object, ...], float] = {}

    def ask(self, question: Callable[..., T], path: Path, rest: tuple[Any, ...], limits: FileLimits) -> T:
        if known := self.fault(path):
            raise ReadError(known)
        most_s, most_mb = limits.of(path)
        # All that is asked while files are listed has one limit; an image is drawn of each of many parts.
        left_s = most_s - self._spent_s.get(_state(path), 0.0) if limits is LISTING else most_s
        try:
            packed = cloudpickle.dumps((question, path, rest))
        except Exception:  # what cannot travel is run here
            return question(path, *rest)
        message = (packed, _folder(), max(left_s, 0.1), most_mb)
        with self._lock:
            held_mb = self._held_mb if self._runs() else 0
            reply = self._reply(message)
            if held_mb > _MUCH_MB and _ran_out(reply):  # perhaps of what it still holds of other files
                self.stop()
                reply = self._reply(message)
            if _ran_out(reply):
                self.stop()
        if isinstance(reply, str):
            raise self._given_up(path, reply or f"takes longer than {most_s:.0f} s to read")
        is_result, result, spent_s, self._held_mb = reply
        if spent_s > _MUCH_S:
            self._spent_s[_state(path)] = self._spent_s.get(_state(path), 0.0) + spent_s
        if is_result:
            return cast(T, result)
        if isinstance(result, MemoryError):
            raise self._given_up(path, f"needs more than {most_mb} MB to read")
        raise result

    def _reply(self, message: tuple[bytes, str, float, int]) -> "_Reply | str":
        """Return what came back, or how the process ended."""
        try:
            self._start()
            path = module_path()
            self._outbox.send((*message, None if path == self._path else path))
            self._path = path
            if self._inbox.poll(message[2] * WAITS):
                return cast(_Reply, pickle.loads(self._inbox.recv_bytes()))
            self.stop()
            return ""
        except (EOFError, OSError, pickle.UnpicklingError):
            why = self._how_it_ended()
            self.stop()
            return why
        except BaseException:  # Ctrl-C: what it is at is no longer wanted
            self.stop()
            raise

    def _given_up(self, path: Path, why: str) -> ReadError:
        text = f"{path}: {why}; leave it out, or save it as a smaller or a plain file"
        self._faults[_state(path)] = text
        return ReadError(text)

    def fault(self, path: Path) -> str | None:
        """Return what was wrong with a file that was too much before; it is not tried again."""
        return self._faults.get(_state(path)) if self._faults else None

    def _runs(self) -> bool:
        return self._process is not None and self._owner == os.getpid() and self._process.poll() is None

    def _start(self) -> None:
        if self._runs():
            return
        self.stop()
        # -P: else a file numpy.py among the data would be imported, and so run, in place of the library.
        command = [sys.executable, "-P", "-c", "from phosphene.converters.core.apart import serve; serve()"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=os.environ | dict.fromkeys(THREADS, "1") | PLAIN_MEMORY,
        )  # fmt: skip
        self._owner, self._held_mb = os.getpid(), 0
        self._inbox, self._outbox = connect(self._process)
        self._path = []

    def _how_it_ended(self) -> str:
        """Return how the process ended; empty where it had used up its time."""
        try:
            code = self._process.wait(5) if self._process else 0
        except subprocess.TimeoutExpired:
            code = 0
        if code == -getattr(signal, "SIGPROF", 0):
            return ""
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit status {code}"
        return f"the process that read it died ({name})"

    def stop(self) -> None:
        """End the process; the next question starts another."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        process.wait()
        self._inbox.close()
        self._outbox.close()


def _ran_out(reply: _Reply | str) -> bool:
    """Tell whether a process had too little memory, or died, as libraries do that have too little."""
    if isinstance(reply, str):
        return bool(reply)
    is_result, result, _, _ = reply
    return not is_result and isinstance(result, MemoryError)


_helper = _Helper()
atexit.register(_helper.stop)


def _state(path: Path) -> tuple[object, ...]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (path,)
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return ""


def fault(path: Path) -> str | None:
    """Return why a file was given up by this process before: too slow, too large, or the end of who read it."""
    return _helper.fault(path)


def ask_nobody() -> None:
    """Run all in this process from now on: it may be ended, and its limits are set already."""
    _helper.is_this = True


def serve() -> None:
    """Run questions from standard input, with results on standard output, until the other side goes away."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; who asked ends this process
    ask_nobody()
    inbox, outbox = take_pipes()
    warnings.simplefilter("ignore")
    try:
        while True:
            question, folder, cpu_s, limit_mb, path = inbox.recv()
            sys.path[:] = path or sys.path
            with contextlib.suppress(OSError):
                os.chdir(folder)
            _clock(cpu_s)
            hold_to(limit_mb)
            outbox.send_bytes(_run(question))
            _clock(0)
    except (EOFError, OSError):
        os._exit(0)


def _clock(cpu_s: float) -> None:
    """End this process by SIGPROF after so much processor time; 0 for never."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, cpu_s)


def _run(packed: bytes) -> bytes:
    begin = time.process_time()
    try:
        question, path, rest = pickle.loads(packed)
        is_result, result = True, question(path, *rest)
    except Exception as error:
        is_result, result = False, error
    spent_s = time.process_time() - begin
    try:
        return pickle.dumps((is_result, result, spent_s, _data_mb()))
    except Exception as error:
        return pickle.dumps((False, PhospheneError(reason(error)), spent_s, _data_mb()))


def _data_mb() -> int:
    """Return the memory of this process that its limit counts; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (OSError, ValueError):
        return 0


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
        close_pipes(child)


def _read_line(child: "subprocess.Popen[str]", timeout_s: float) -> str:
    """Return the next line of a child, empty when it died."""
    # A thread, since not every system can wait for a pipe.
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    readline = cast(IO[str], child.stdout).readline
    threading.Thread(target=lambda: lines.put(readline()), daemon=True).start()
    return lines.get(timeout=timeout_s)
