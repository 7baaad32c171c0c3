"""A pool keeps its processes from task to task; one that dies costs its own task."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phosphene.converters import PhospheneError
from phosphene.pipeline.tiles.engines import TaskError
from phosphene.pipeline.tiles.process_pool import ProcessPool


def counting():
    """Made once in a process: what it returns counts the tasks that this process has done."""
    done = []

    def work(task):
        import os as system
        import time as clock

        done.append(task)
        if task == "exit":
            system._exit(3)
        if task == "hang":
            clock.sleep(1000)
        if task == "raise":
            raise ValueError("no luck")
        return len(done), system.getpid()

    return work


def test_a_pool_keeps_its_process_until_a_task_ends_it():
    pool = ProcessPool(counting, workers=1, limit_s=1)
    try:
        (first, pid), (second, same) = pool.run("a"), pool.run("b")
        assert (first, second, same) == (1, 2, pid)
        assert pool.run("raise") == TaskError("ValueError: no luck")
        assert pool.run("c") == (4, pid)
        assert pool.run("exit") == TaskError("the process that read it died (exit status 3)")
        count, other = pool.run("d")
        assert (count, other != pid) == (1, True)
        assert pool.run("hang") == TaskError("took longer than 1 s and was given up")
        assert pool.run("e")[0] == 1
    finally:
        pool.close()


def test_a_pool_does_as_many_tasks_at_once_as_it_has_processes():
    pool = ProcessPool(counting, workers=2, limit_s=60)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(pool.run, "abcdefgh"))
    assert sum(1 for n, _ in found if n == 1) == len({pid for _, pid in found}) <= 2
    pool.close()
    assert not [pid for _, pid in found if Path(f"/proc/{pid}").exists()]


def test_closing_a_pool_ends_a_task_that_goes_on():
    pool = ProcessPool(counting, workers=1, limit_s=60)
    _, pid = pool.run("a")
    with ThreadPoolExecutor(1) as threads:
        task = threads.submit(pool.run, "hang")
        time.sleep(0.3)
        pool.close(patient_s=0.1)
        assert task.result(timeout=20) == TaskError("the process that read it died (SIGKILL)")
    assert not Path(f"/proc/{pid}").exists()


def test_a_pool_whose_function_cannot_be_made_says_why():
    pool = ProcessPool(lambda: 1 // 0, workers=1, limit_s=60)
    with pytest.raises(PhospheneError, match="ZeroDivisionError"):
        pool.run("a")
    pool.close()
