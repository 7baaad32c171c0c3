"""Who does the work: processes of this machine, or a Ray cluster. A process that dies costs one item."""

import contextlib
import functools
import logging
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, Protocol, TypeVar

import cloudpickle
from threadpoolctl import threadpool_limits

from phosphene.converters import MissingExtra, ParameterError, PhospheneError
from phosphene.converters.core.apart import (
    THREADS,
    ask_nobody,
    close_pipes,
    connect,
    hold_to,
    module_path,
    take_pipes,
)
from phosphene.converters.core.errors import short

_log = logging.getLogger("phosphene")

READY = "ready"
"""What a worker says when it has loaded its function."""

FEW = 64
"""Fewer tasks than this are done in this process sooner than workers start."""

HERE_S = 2.0
"""What takes no longer is done in this process sooner than others start."""

GRACE_S = 2.0
"""What a worker that is no longer needed may take to finish what it is writing."""

_DIED = "the process that read it died"
_MOST_DEATHS = 3  # of processes of a cluster that one task is blamed for: a node may die for another reason

Where = Literal["anywhere", "apart", "here first"]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class TaskError:
    """The result of a task that raised, took too long or killed its process."""

    why: str


class Engine(Protocol):
    """Runs a function over tasks."""

    @property
    def workers(self) -> int:
        """How many tasks are done at once."""

    @property
    def per_task(self) -> int:
        """How many processes a task of `stream` may start itself."""

    def map(
        self, function: Callable[[T], R], chunks: Sequence[Sequence[T]], *, where: Where = "anywhere"
    ) -> Iterator[tuple[T, R | TaskError]]:
        """Yield each task with its result, in any order; a task that raises or kills its process is `TaskError`.

        Parameters
        ----------
        function
            A plain function of one task.
        chunks
            Tasks that one worker does one after the other.
        where
            `apart` keeps tasks that may kill their process out of this one, however few they are; `here first`
            does in this one what can be done before processes have started.
        """

    def started(self, count: int) -> contextlib.AbstractContextManager[None]:
        """Return what keeps processes from one call to the next, and starts them early for so many tasks."""

    def stream(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the results of large tasks, such as parts of thousands of items, in their order; an error ends it."""


class LocalEngine:
    """Processes of this machine, which import nothing of the user's script and end when this process does.

    Parameters
    ----------
    workers
        How many; None takes one for each core that this process may use. With one, or with few tasks, the
        work is done in this process.
    limit_s
        A task that takes longer is given up and its process ended.
    limit_mb
        A task that needs more memory fails, where the system can hold processes to that; None takes as much as the
        machine has, so that the system need not choose which process it ends; for one worker, which may draw on a GPU
        whose driver maps more than that, no limit.
    threads
        What numeric libraries may use in each process; None leaves it to them.

    Examples
    --------
    >>> sorted(LocalEngine(1).map(abs, [[-1, 2], [-3]]))
    [(-3, 3), (-1, 1), (2, 2)]
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        limit_s: float = 600.0,
        limit_mb: int | None = None,
        threads: int | None = 1,
    ) -> None:
        self.workers = self.per_task = checked_workers(workers)
        self.limit_s = limit_s
        self._start = functools.partial(
            start_process, threads, limit_mb or (_machine_mb() if self.workers > 1 else 0)
        )
        self._early: deque[subprocess.Popen[bytes]] = deque()
        self._idle: list[Worker] | None = None  # of the last call; None where they are not kept

    @contextlib.contextmanager
    def started(self, count: int) -> Iterator[None]:
        """Start the processes that this many tasks will need, so that they load while the tasks are planned.

        Those of one call are kept for the next one of the same function.
        """
        if self.workers > 1 and count >= FEW:
            self._early.extend(self._start() for _ in range(self.workers))
        self._idle = []
        try:
            yield
        finally:
            stop_workers(self._idle)
            self._idle = None
            for process in self._early:  # they have done nothing yet
                process.kill()
                process.wait()
                close_pipes(process)
            self._early.clear()

    def stream(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the results of large tasks, each done in this process, which starts others for what is small in it."""
        return map(function, tasks)

    def _process(self) -> "subprocess.Popen[bytes]":
        """Return one of the processes that were started early, or a new one."""
        return self._early.popleft() if self._early else self._start()

    def map(
        self, function: Callable[[T], R], chunks: Sequence[Sequence[T]], *, where: Where = "anywhere"
    ) -> Iterator[tuple[T, R | TaskError]]:
        """Yield each task with its result, in the order in which they are done."""
        count = sum(map(len, chunks))
        if where == "anywhere" and (self.workers == 1 or count < FEW):
            return _here(function, chunks)
        if where == "here first":
            return self._here_first(function, deque(task for chunk in chunks for task in chunk))
        return self._in_processes(function, chunks, count)

    def _here_first(self, function: Any, waiting: deque[Any]) -> Iterator[Any]:
        end = time.monotonic() + HERE_S
        while waiting and time.monotonic() < end:
            task = waiting.popleft()
            yield from _here(function, [[task]])
        yield from self._in_processes(function, [[task] for task in waiting], len(waiting))

    def _in_processes(self, function: Any, chunks: Sequence[Sequence[Any]], count: int) -> Iterator[Any]:
        waiting = deque(map(list, chunks))
        payload = cloudpickle.dumps(function)
        pool = self._pool(payload, min(self.workers, len(chunks)))
        try:
            while count:
                for worker in pool:
                    if waiting and not worker.tasks:
                        worker.give(waiting.popleft())
                for worker in self._heard(pool):
                    if worker.is_dead:
                        count -= 1
                        yield worker.tasks.popleft(), TaskError(worker.why_dead())
                        if worker.tasks:
                            waiting.appendleft(list(worker.tasks))
                        pool.remove(worker)
                        if waiting:
                            pool.append(Worker(self._process(), payload))
                    elif worker.results:
                        count -= 1
                        yield worker.tasks.popleft(), worker.results.popleft()
            if self._idle is not None:
                self._idle, pool = self._idle + pool, []
        finally:
            stop_workers(pool)

    def _pool(self, payload: bytes, count: int) -> "list[Worker]":
        """Return workers that have the function: those of the last call, and new ones."""
        same = [worker for worker in self._idle or () if worker.payload == payload]
        if self._idle is not None:
            stop_workers([worker for worker in self._idle if worker not in same])
            self._idle = same[count:]
        return same[:count] + [Worker(self._process(), payload) for _ in range(count - len(same))]

    def _heard(self, pool: "list[Worker]") -> "list[Worker]":
        """Wait for news of workers, and return those that have some; end those that take too long."""
        by_pipe = {worker.replies: worker for worker in pool if worker.tasks}
        heard = [by_pipe[pipe] for pipe in wait(list(by_pipe), timeout=1.0)]  # type: ignore[index]
        for worker in heard:
            worker.receive()
        for worker in by_pipe.values():
            if worker not in heard and time.monotonic() - worker.since > self.limit_s:
                worker.over_s = self.limit_s
                worker.process.kill()  # the end of its pipe is the next news of it
        return heard


class Worker:
    """A worker process, and the tasks that it was given and has not done."""

    def __init__(self, process: "subprocess.Popen[bytes]", payload: bytes) -> None:
        self.process, self.payload = process, payload
        self.tasks, self.results = deque[Any](), deque[Any]()
        self.since, self.over_s, self.is_dead, self._loaded = float("inf"), 0.0, False, False
        self.replies, self._pipe = connect(process)
        self._send(module_path())
        self._send(payload)

    def give(self, tasks: list[Any]) -> None:
        """Send it tasks, which it does one after the other."""
        self.tasks.extend(tasks)
        self.since = time.monotonic() if self._loaded else self.since
        self._send(tasks)

    def receive(self) -> None:
        """Take the result of a task, or note that the process has died."""
        try:
            reply = self.replies.recv()
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            if not self._loaded:
                raise PhospheneError("worker processes cannot be started; use one worker") from error
            self.is_dead = True
            return
        self.since = time.monotonic()
        if self._loaded:
            self.results.append(reply)
        elif reply != READY:
            raise PhospheneError(f"a worker process cannot load the converters; use one worker\n{reply}")
        self._loaded = True

    def why_dead(self) -> str:
        """Clean up after a dead process and say how it ended."""
        code = self.end(time.monotonic() + 5)
        if self.over_s:
            return f"took longer than {self.over_s:g} s and was given up"
        if code < 0 and -code in set(signal.Signals):
            return f"{_DIED} ({signal.Signals(-code).name})"
        return f"{_DIED} (exit status {code})"

    def end(self, patient_until: float) -> int:
        """Wait for the end of the process, and kill it when that takes too long."""
        self._pipe.close()
        try:
            code = self.process.wait(max(0.0, patient_until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.replies.close()
        return code

    def _send(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # a dead process is noticed where its replies are waited for
            self._pipe.send(message)


def stop_workers(pool: "Sequence[Worker]") -> None:
    """End processes; those that are at a task have a moment to finish what they write."""
    for worker in pool:
        if not worker.is_dead:
            worker.process.terminate()
    patient_until = time.monotonic() + GRACE_S
    for worker in pool:
        if not worker.is_dead:
            worker.end(patient_until)


def _machine_mb() -> int:
    """Return the memory of this machine, 0 where the system does not say."""
    try:
        return (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) >> 20
    except (AttributeError, ValueError, OSError):
        return 0


def start_process(threads: int | None, limit_mb: int) -> "subprocess.Popen[bytes]":
    """Start a worker with so many threads, held to so much memory; 0 for no limit."""
    limits = {} if threads is None else dict.fromkeys(THREADS, str(threads))
    # -P: else a file isal.py or numpy.py among the data would be imported, and so run, in place of the library.
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from phosphene.pipeline.tiles.engines import serve; serve({limit_mb})"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | limits,
    )  # fmt: skip


class RayEngine:
    """A Ray cluster, or Ray on this machine; every node must see the files under the same paths.

    Nothing is kept in Ray: a node that dies costs what it was doing, which another does again.

    Parameters
    ----------
    workers
        How many tasks run at once where Ray is started here; a cluster that is connected decides itself.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    """

    per_task = 1

    def __init__(self, workers: int | None = None) -> None:
        self.workers = checked_workers(workers)
        try:
            import ray
        except ImportError as error:
            raise MissingExtra("the Ray engine needs Ray: pip install 'phosphene[ray]'") from error
        self._ray: Any = ray

    @contextlib.contextmanager
    def started(self, count: int = 0) -> Iterator[None]:
        """Start Ray where no cluster is connected: that of `RAY_ADDRESS`, or on this machine."""
        del count
        ray = self._ray
        if ray.is_initialized():
            yield
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": self.workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="ERROR", **own)
        try:
            yield
        finally:
            ray.shutdown()

    def map(
        self, function: Callable[[T], R], chunks: Sequence[Sequence[T]], *, where: Where = "anywhere"
    ) -> Iterator[tuple[T, R | TaskError]]:
        """Yield each task with its result, in the order in which the chunks are done; never in this process."""
        del where
        with self.started():
            yield from self._outcomes(function, chunks)

    def stream(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the results of large tasks in their order: of one core each, or one GPU where the cluster has some."""
        with self.started():
            yield from self._results(function, iter(tasks))

    def _outcomes(self, function: Any, chunks: Sequence[Sequence[Any]]) -> Iterator[Any]:
        """Yield outcomes; the tasks of a chunk whose process died are done again one by one, some times."""
        remote = self._ray.remote(max_retries=0)(_attempt_all)
        shared = self._ray.put(function)
        waiting = deque((list(chunk), 0) for chunk in chunks)
        running: dict[Any, tuple[list[Any], int]] = {}
        while waiting or running:
            while waiting and len(running) < 4 * self._n_cpus():
                chunk, n_deaths = waiting.popleft()
                running[remote.remote(shared, chunk)] = chunk, n_deaths
            done, _ = self._ray.wait(list(running))
            for reference in done:
                chunk, n_deaths = running.pop(reference)
                try:
                    yield from zip(chunk, self._ray.get(reference), strict=True)
                except self._ray.exceptions.RayTaskError:
                    raise
                except self._ray.exceptions.RayError:  # of its process, its node, or of what held its result
                    if len(chunk) == 1 and n_deaths + 1 >= _MOST_DEATHS:
                        yield chunk[0], TaskError(_DIED)
                    else:
                        waiting.extend(([task], n_deaths + (len(chunk) == 1)) for task in chunk)

    def _results(self, function: Any, tasks: Iterator[Any]) -> Iterator[Any]:
        """Yield results; a task whose process or node died is done again, some times."""
        ray, running = self._ray, deque[tuple[Any, Any, int]]()
        n_gpus = int(ray.cluster_resources().get("GPU", 0))
        shared = ray.put(function)
        pool = _Actors(ray, shared, n_gpus) if n_gpus else _Tasks(ray, shared)
        most = 2 * (n_gpus or self._n_cpus())
        while True:
            while len(running) < most and (some := list(islice(tasks, 1))):
                running.append((some[0], pool.start(some[0]), 0))
            if not running:
                return
            task, reference, n_deaths = running.popleft()
            try:
                result, logged = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                if n_deaths + 1 >= _MOST_DEATHS:
                    raise PhospheneError(
                        f"a part was given up: {n_deaths + 1} processes died of it"
                    ) from error
                running.appendleft((task, pool.start(task), n_deaths + 1))
                continue
            for level, text in logged:
                _log.log(level, "%s", text)
            yield result

    def _n_cpus(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))


class _Tasks:
    """Large tasks on one core each."""

    def __init__(self, ray: Any, function: Any) -> None:
        self._remote, self._function = ray.remote(max_retries=0)(_logged), function

    def start(self, task: Any) -> Any:
        """Return where the result will be."""
        return self._remote.remote(self._function, task)


class _Actors:
    """Large tasks in turn on actors with a GPU each, which load a network once; one that died is started anew."""

    def __init__(self, ray: Any, function: Any, count: int) -> None:
        self._class = ray.remote(num_gpus=1, max_restarts=-1)(_Actor)
        self._turns = cycle([self._class.remote(function) for _ in range(count)])

    def start(self, task: Any) -> Any:
        """Return where the result will be."""
        return next(self._turns).do.remote(task)


class _Actor:
    """Does tasks one after the other."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def do(self, task: Any) -> Any:
        """Return the result of a task, and what was logged."""
        return _logged(self._function, task)


def _logged(function: Callable[[T], R], task: T) -> tuple[R, list[tuple[int, str]]]:
    """Return the result of a task, and what the library logged meanwhile, which is told where the results go."""
    ask_nobody()
    kept, level = list[tuple[int, str]](), _log.level
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: kept.append((record.levelno, record.getMessage()))  # type: ignore[method-assign]
    _log.addHandler(handler)
    _log.setLevel(logging.INFO)
    try:
        return function(task), kept
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)


def make_engine(engine: Literal["local", "ray"] | Engine, workers: int | None) -> Engine:
    """Return an engine by its name; an engine is returned as it is."""
    if engine == "local":
        return LocalEngine(workers)
    if engine == "ray":
        return RayEngine(workers)
    if isinstance(engine, str):
        raise ParameterError(f"engine must be local or ray, got {engine!r}")
    return engine


def attempt(function: Callable[[T], R], task: T) -> R | TaskError:
    """Run one task; what it raises is its result."""
    try:
        return function(task)
    except Exception as error:  # an item's fault must not cost the others
        return TaskError(f"{type(error).__name__}: {short(error)}")


def _here(function: Any, chunks: Sequence[Sequence[Any]]) -> Iterator[Any]:
    # Products of matrices as small as these lose time by threads: one core's share was 7 times slower with them.
    with threadpool_limits(1):
        yield from ((task, attempt(function, task)) for chunk in chunks for task in chunk)


def _attempt_all(function: Any, tasks: Sequence[Any]) -> list[Any]:
    ask_nobody()
    return [attempt(function, task) for task in tasks]


def checked_workers(workers: int | None) -> int:
    """Return how many processes are meant: None is one a core that this process may use."""
    if workers is None:
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ParameterError(f"workers must be an integer >= 1, got {workers!r}")
    return workers


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


def serve(limit_mb: int = 0) -> None:
    """Be a worker: take chunks of tasks from standard input, give a result a task on standard output.

    An allocation that takes the process beyond `limit_mb` fails; 0 is none. Input and output are pipes to the process
    that started this one. It ends when the other side goes away, in whatever way, or asks it to. What a library prints
    goes to standard error.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the parent ends its workers
    if limit_mb:
        hold_to(limit_mb)
    ask_nobody()
    inbox, outbox = take_pipes()
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


def _load(inbox: Connection, outbox: Connection) -> Any:
    sys.path[:] = inbox.recv()
    try:
        function = pickle.loads(inbox.recv())
    except Exception:  # sent to the other side, which raises it
        outbox.send(traceback.format_exc())
        sys.exit(1)
    outbox.send(READY)
    return function
