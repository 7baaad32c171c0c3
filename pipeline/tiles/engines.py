"""Who does the work: processes of this machine, or a Ray cluster. A process that dies costs one item."""

import contextlib
import functools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import cloudpickle
from threadpoolctl import threadpool_limits

from phosphene.converters import MissingExtra, ParameterError, PhospheneError

from .worker import READY, Lost, attempt

FEW = 64
"""So many items are done sooner here than workers start."""

GRACE_S = 2.0
"""So long a worker that is no longer needed may take to finish what it is writing."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_DIED = "the process that read it died"

Where = Literal["anywhere", "apart"]
T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Runs a function over tasks."""

    workers: int

    def map(
        self, function: Callable[[T], R], chunks: Sequence[Sequence[T]], *, where: Where = "anywhere"
    ) -> Iterator[tuple[T, R | Lost]]:
        """Yield each task with its result, in any order; a task that raises or kills its process is `Lost`.

        Parameters
        ----------
        function
            A plain function of one task.
        chunks
            Tasks that one worker does one after the other.
        where
            `apart` keeps tasks that may kill their process out of this one, however few they are.
        """


class LocalEngine:
    """Processes of this machine, which import nothing of the user's script and end when this process does.

    Parameters
    ----------
    workers
        How many; None takes one for each core that this process may use. With one, or with few tasks, the
        work is done in this process.
    limit_s
        A task that takes longer is given up and its process ended.
    threads
        What numeric libraries may use in each process; None leaves it to them.

    Examples
    --------
    >>> sorted(LocalEngine(1).map(abs, [[-1, 2], [-3]]))
    [(-3, 3), (-1, 1), (2, 2)]
    """

    def __init__(
        self, workers: int | None = None, *, limit_s: float = 600.0, threads: int | None = 1
    ) -> None:
        self.workers = _checked(workers)
        self.limit_s = limit_s
        self._start = functools.partial(_start_process, threads)
        self._early: deque[subprocess.Popen[bytes]] = deque()

    @contextlib.contextmanager
    def started(self, count: int) -> Iterator[None]:
        """Start the processes that so many tasks will need, so that they load while the tasks are made out."""
        if self.workers > 1 and count >= FEW:
            self._early.extend(self._start() for _ in range(self.workers))
        try:
            yield
        finally:
            while self._early:
                _kill(self._early.popleft())

    def _process(self) -> "subprocess.Popen[bytes]":
        """Return one of the processes that were started early, or a new one."""
        try:
            return self._early.popleft()
        except IndexError:
            return self._start()

    def map(
        self, function: Callable[[T], R], chunks: Sequence[Sequence[T]], *, where: Where = "anywhere"
    ) -> Iterator[tuple[T, R | Lost]]:
        """Yield each task with its result, in the order in which they are done."""
        count = sum(map(len, chunks))
        if where == "anywhere" and (self.workers == 1 or count < FEW):
            return _here(function, chunks)
        return self._in_processes(function, chunks, count)

    def _in_processes(self, function: Any, chunks: Sequence[Sequence[Any]], count: int) -> Iterator[Any]:
        outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
        waiting = deque(chunks)
        payload = cloudpickle.dumps(function)
        hands = [
            _Hand(payload, waiting, outcomes, self._process) for _ in range(min(self.workers, len(chunks)))
        ]
        try:
            for _ in range(count):
                outcome = self._next(outcomes, hands)
                if isinstance(outcome, BaseException):
                    raise outcome
                yield outcome
        finally:
            waiting.clear()
            for hand in hands:
                hand.stop()

    def _next(self, outcomes: "queue.SimpleQueue[Any]", hands: "list[_Hand]") -> Any:
        while True:
            for hand in hands:
                hand.end_if_over(self.limit_s)
            try:
                return outcomes.get(timeout=1.0)
            except queue.Empty:
                continue


class _Hand(threading.Thread):
    """A thread that feeds one worker process, and starts another when it dies."""

    def __init__(
        self,
        payload: bytes,
        waiting: "deque[Any]",
        outcomes: "queue.SimpleQueue[Any]",
        start: "Callable[[], subprocess.Popen[bytes]]",
    ) -> None:
        super().__init__(daemon=True)
        self._payload, self._waiting, self._outcomes, self._start_process = payload, waiting, outcomes, start
        self._process: subprocess.Popen[bytes] | None = None
        self._since = float("inf")
        self._over: float | None = None
        self._stopped = threading.Event()
        self.start()

    def run(self) -> None:
        """Do chunks until none is left."""
        try:
            while not self._stopped.is_set():
                self._do(list(self._waiting.popleft()))
        except IndexError:
            pass
        except BaseException as error:  # raised again where the results are waited for
            if not self._stopped.is_set():
                self._outcomes.put(error)
        finally:
            self._end()

    def stop(self) -> None:
        """End the process and wait until it is gone; it has a moment to finish the task it is at."""
        self._stopped.set()
        patient_until = time.monotonic() + GRACE_S
        while self.is_alive():  # again and again, since the thread may be about to start another
            if (process := self._process) is not None:
                process.send_signal(signal.SIGTERM if time.monotonic() < patient_until else signal.SIGKILL)
            self.join(0.05)

    def end_if_over(self, limit_s: float) -> None:
        """End a process that has been busy with one task for too long."""
        if time.monotonic() - self._since > limit_s and self._over is None:
            self._over = limit_s
            if (process := self._process) is not None:
                process.kill()

    def _do(self, tasks: list[Any]) -> None:
        """Do the tasks of a chunk; if the process dies, the task it was at is lost, and a new one goes on."""
        while tasks and not self._stopped.is_set():
            process = self._process or self._begin()
            try:
                _send(process, tasks)
                while tasks:
                    self._since = time.monotonic()
                    self._outcomes.put((tasks[0], _receive(process)))
                    del tasks[0]
            except (EOFError, OSError, pickle.UnpicklingError):
                why = self._why_gone()
                if not self._stopped.is_set():
                    self._outcomes.put((tasks.pop(0), Lost(why)))
            finally:
                self._since = float("inf")

    def _begin(self) -> "subprocess.Popen[bytes]":
        self._over = None
        process = self._process = self._start_process()
        try:
            _send(process, _module_path())
            _send(process, self._payload)
            answer = _receive(process)
        except (EOFError, OSError) as error:
            raise PhospheneError("worker processes cannot be started; use one worker") from error
        if answer != READY:
            raise PhospheneError(f"a worker process cannot load the converters; use one worker\n{answer}")
        return process

    def _why_gone(self) -> str:
        """Clear a dead process away and say how it ended."""
        code = self._end()
        if self._over is not None:
            return f"took longer than {self._over:g} s and was given up"
        if code < 0 and -code in set(signal.Signals):
            return f"{_DIED} ({signal.Signals(-code).name})"
        return f"{_DIED} (exit status {code})"

    def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        code = _wait_a_moment(process)
        for pipe in (process.stdin, process.stdout):
            _close(pipe)
        return code


def _start_process(threads: int | None) -> "subprocess.Popen[bytes]":
    limits = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    # -P: else a file isal.py or numpy.py among the data would be imported, and so run, in place of the library.
    return subprocess.Popen(
        [sys.executable, "-P", "-c", "from phosphene.pipeline.tiles.worker import main; main()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | limits,
    )  # fmt: skip


def _module_path() -> list[str]:
    """Return where workers look for modules: where this process does, but last in the current folder.

    That folder is first where Python was started by `-m`, `-c` or a notebook, and may be the folder of the data.
    The folder of a script keeps its position.
    """
    started_by_module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    last = {"", str(Path.cwd())} if started_by_module else {""}
    return sorted(sys.path, key=last.__contains__)  # stable: the others keep their order


class RayEngine:
    """A Ray cluster, or Ray on this machine; every node must see the files under the same paths.

    Parameters
    ----------
    workers
        How many tasks run at once where Ray is started here; a cluster that is connected decides itself.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = _checked(workers)
        self._ray = _import_ray()

    def map(
        self, function: Callable[[T], R], chunks: Sequence[Sequence[T]], *, where: Where = "anywhere"
    ) -> Iterator[tuple[T, R | Lost]]:
        """Yield each task with its result, in the order in which the chunks are done; never in this process."""
        del where
        ray = self._ray
        mine = not ray.is_initialized()
        if mine:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(
                num_cpus=self.workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
            )
        try:
            yield from self._outcomes(function, chunks)
        finally:
            if mine:
                ray.shutdown()

    def _outcomes(self, function: Any, chunks: Sequence[Sequence[Any]]) -> Iterator[Any]:
        """Yield outcomes; the tasks of a chunk whose process died are done again one by one."""
        remote = self._ray.remote(max_retries=0)(_attempt_all)
        waiting = deque(map(list, chunks))
        running: dict[Any, list[Any]] = {}
        while waiting or running:
            while waiting and len(running) < 4 * self.workers:
                chunk = waiting.popleft()
                running[remote.remote(function, chunk)] = chunk
            done, _ = self._ray.wait(list(running))
            for reference in done:
                chunk = running.pop(reference)
                try:
                    yield from zip(chunk, self._ray.get(reference), strict=True)
                except (self._ray.exceptions.WorkerCrashedError, self._ray.exceptions.OutOfMemoryError):
                    if len(chunk) == 1:
                        yield chunk[0], Lost(_DIED)
                    else:
                        waiting.extend([task] for task in chunk)


def make_engine(engine: Literal["local", "ray"] | Engine, workers: int | None) -> Engine:
    """Return an engine by its name; an engine is returned as it is."""
    if engine == "local":
        return LocalEngine(workers)
    if engine == "ray":
        return RayEngine(workers)
    if isinstance(engine, str):
        raise ParameterError(f"engine must be local or ray, got {engine!r}")
    return engine


def _here(function: Any, chunks: Sequence[Sequence[Any]]) -> Iterator[Any]:
    # Products of matrices as small as these lose time by threads: one core's share was 7 times slower with them.
    with threadpool_limits(1):
        yield from ((task, attempt(function, task)) for chunk in chunks for task in chunk)


def _attempt_all(function: Any, tasks: Sequence[Any]) -> list[Any]:
    return [attempt(function, task) for task in tasks]


def _checked(workers: int | None) -> int:
    if workers is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ParameterError(f"workers must be an integer >= 1, got {workers!r}")
    return workers


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("the Ray engine needs Ray: pip install 'phosphene[ray]'") from error
    return ray


def _send(process: "subprocess.Popen[bytes]", message: Any) -> None:
    if process.stdin is None:
        raise EOFError
    process.stdin.write(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))
    process.stdin.flush()


def _receive(process: "subprocess.Popen[bytes]") -> Any:
    if process.stdout is None:
        raise EOFError
    return pickle.load(process.stdout)


def _wait_a_moment(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process that has no more to do; one that lingers is killed."""
    _close(process.stdin)
    try:
        return process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process that has done nothing yet."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        _close(pipe)


def _close(pipe: Any) -> None:
    with contextlib.suppress(OSError):
        pipe.close()
