"""Processes of this machine that stay for tasks as they come, each under a limit on time."""

import queue
import time
from collections.abc import Callable
from typing import Any

import cloudpickle

from .engines import GRACE_S, TaskError, Worker, checked_workers, start_process, stop_workers

MOST_TO_LOAD_S = 600.0
"""What a worker may take to load its function."""


class ProcessPool:
    """Processes that do tasks as they come, for as long as the pool is open; one that dies is replaced.

    Parameters
    ----------
    make
        Called once in each process; what it returns is called with each task.
    workers
        How many processes, and so how many tasks at once; None takes one for each core.
    limit_s
        A task that takes longer is given up and its process ended.

    Examples
    --------
    >>> pool = ProcessPool(lambda: abs, workers=1, limit_s=60)
    >>> pool.run(-3), pool.run("three")
    (3, TaskError(why="TypeError: bad operand type for abs(): 'str'"))
    >>> pool.close()
    """

    def __init__(
        self, make: Callable[[], Callable[[Any], Any]], *, workers: int | None, limit_s: float
    ) -> None:
        self.workers, self.limit_s = checked_workers(workers), limit_s
        self._payload = cloudpickle.dumps(_Made(make))
        self._free: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        self._busy = set[Worker]()
        for _ in range(self.workers):
            self._free.put(self._new())

    def run(self, task: Any) -> Any:
        """Return the result of a task, or a `TaskError`; waits while all processes have one. Takes any thread.

        Raises
        ------
        PhospheneError
            A process cannot be started, or `make` failed there.
        """
        worker = self._free.get()
        try:
            worker = worker or self._new()
            self._busy.add(worker)
            result = self._result(worker, task)
        except BaseException:
            if worker:
                worker.end(time.monotonic())
                worker.is_dead = True
            raise
        finally:
            if worker:
                self._busy.discard(worker)
            self._free.put(None if worker is None or worker.is_dead else worker)
        return result

    def close(self, *, patient_s: float = GRACE_S) -> None:
        """End the processes, each when its task is done or this time has passed."""
        patient_until = time.monotonic() + patient_s
        for _ in range(self.workers):
            try:
                worker = self._free.get(timeout=max(0.0, patient_until - time.monotonic()))
            except queue.Empty:
                break
            if worker:
                stop_workers([worker])
        for worker in tuple(self._busy):
            worker.process.kill()

    def _new(self) -> "Worker":
        return Worker(start_process(1, 0), self._payload)

    def _result(self, worker: "Worker", task: Any) -> Any:
        worker.give([task])
        while not worker.results:
            left_s = max(0.0, worker.since + self.limit_s - time.monotonic())
            if not worker.over_s and not worker.replies.poll(min(left_s, MOST_TO_LOAD_S)):
                worker.over_s = self.limit_s
                worker.process.kill()  # the end of its pipe is the next news of it
            worker.receive()
            if worker.is_dead:
                return TaskError(worker.why_dead())
        worker.tasks.clear()
        return worker.results.popleft()


class _Made:
    """What a function returns when it is called in the process that this is sent to."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return self._make, ()
