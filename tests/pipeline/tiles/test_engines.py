"""Processes do the work; one that dies, hangs or raises costs its own task."""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from phosphene.converters import MissingExtra, ParameterError, PhospheneError
from phosphene.converters.core.files import atomic_write
from phosphene.pipeline.tiles.engines import GRACE_S, LocalEngine, RayEngine, TaskError, make_engine

TASKS = [list(range(start, start + 10)) for start in range(0, 100, 10)]


def worker_that(bad):
    """A function of a task that does something bad at task 37, made here so that it travels by value."""

    def work(task):
        import os as system
        import signal
        import time as clock

        if task == 37 and bad == "exits":
            system._exit(3)
        if task == 37 and bad == "is killed":
            system.kill(system.getpid(), signal.SIGKILL)
        if bad == "is slow":
            clock.sleep(0.2)
        if task == 37 and bad == "hangs":
            clock.sleep(1000)
        if task == 37 and bad == "takes memory":
            return len(bytes(2 << 30))
        if task == 37 and bad == "raises":
            raise ValueError("no luck")
        print("a library that prints")
        return task, system.getpid()

    return work


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("exits", "the process that read it died (exit status 3)"),
        ("is killed", "the process that read it died (SIGKILL)"),
        ("hangs", "took longer than 1 s and was given up"),
        ("raises", "ValueError: no luck"),
    ],
)
def test_a_bad_task_costs_itself_only(bad, why):
    outcomes = dict(LocalEngine(2, limit_s=1).map(worker_that(bad), TASKS))
    assert set(outcomes) == set(range(100))
    assert outcomes.pop(37) == TaskError(why)
    assert all(result[0] == task for task, result in outcomes.items())
    assert os.getpid() not in {pid for _, pid in outcomes.values()}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems hold no process to a limit of memory")
def test_a_task_that_needs_too_much_memory_costs_itself_only():
    outcomes = dict(LocalEngine(2, limit_mb=1024).map(worker_that("takes memory"), TASKS))
    assert outcomes.pop(37) == TaskError("MemoryError: MemoryError")
    assert all(result[0] == task for task, result in outcomes.items())


def test_few_tasks_and_one_worker_stay_here():
    for engine, chunks in ((LocalEngine(2), TASKS[:2]), (LocalEngine(1), TASKS)):
        assert {pid for _, (_, pid) in engine.map(worker_that("nothing"), chunks)} == {os.getpid()}
    outcomes = dict(LocalEngine(1).map(worker_that("raises"), TASKS))
    assert outcomes[37] == TaskError("ValueError: no luck")


def children():
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        check=False,
        capture_output=True,
        text=True,
    )
    return [line for line in listed.stdout.splitlines() if "phosphene.pipeline.tiles.engines" in line]


def test_who_stops_listening_leaves_no_process_behind():
    outcomes = LocalEngine(2).map(worker_that("is slow"), TASKS)
    next(outcomes)
    assert children()
    outcomes.close()
    assert not children()


@pytest.mark.parametrize(("each_s", "left"), [(0.5, {"whole"}), (30, {"part"})])
def test_who_is_writing_when_nobody_listens_has_a_moment_to_finish(tmp_path, each_s, left):
    def write(task):
        import time

        if task:
            with atomic_write(tmp_path / f"{task}.whole") as file:
                file.write(b"begun")
                time.sleep(each_s)

    outcomes = LocalEngine(2).map(write, [[0, 1, 2], [0, 3, 4]], where="apart")
    next(outcomes)
    next(outcomes)
    while not list(tmp_path.glob(".*.part")):
        time.sleep(0.01)
    start = time.monotonic()
    outcomes.close()
    assert time.monotonic() - start < GRACE_S + 3
    assert not children()
    assert {path.suffix[1:] for path in tmp_path.iterdir()} == left


def test_a_function_that_workers_cannot_load_is_an_error_of_the_run():
    class Bomb:
        def __reduce__(self):
            return int, ("no number",)

        def __call__(self, task):
            return task

    with pytest.raises(PhospheneError, match="(?s)a worker process cannot load the converters.*no number"):
        list(LocalEngine(2).map(Bomb(), TASKS))


def plant_modules(folder):
    """Write a module of the name of every one that Python knows here, loaded or not, each leaving a mark if it runs."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    libraries = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
    names = (loaded | libraries | sys.stdlib_module_names) - {"__main__"}
    mark = folder / "executed"
    for name in names:
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r} + ' ')\n")
    assert {"isal", "tqdm", "numpy", "PIL", "lief", "pickle"} <= names
    return mark


def test_modules_among_the_data_are_never_imported(tmp_path):
    mark = plant_modules(tmp_path)
    (tmp_path / "data").mkdir()
    for number in range(70):
        (tmp_path / "data" / f"{number}.bin").write_bytes(bytes(range(256)) * (number + 1))
    command = [
        Path(sys.executable).with_name("phosphene"),
        "convert",
        "data",
        "out",
        "--workers",
        "2",
        "--json",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert not mark.exists(), mark.read_text()
    assert (done.returncode, json.loads(done.stdout)["failed"]) == (0, []), done.stderr


@pytest.mark.parametrize("start", ["-c", "-m"])
def test_a_module_in_the_current_folder_is_found_but_hides_no_library(tmp_path, start):
    """A notebook sends functions of modules that lie beside it."""
    (tmp_path / "mine.py").write_text(
        "def twice(task):\n    import tqdm\n    return 2 * task, tqdm.__file__\n"
    )
    code = """
        from mine import twice
        import pathlib
        from phosphene.pipeline.tiles.engines import LocalEngine

        pathlib.Path("tqdm.py").write_text("")
        outcomes = LocalEngine(2).map(twice, [[1], [2]], where="apart")
        print(sorted((result, "site-packages" in file) for _, (result, file) in outcomes))
    """
    (tmp_path / "run.py").write_text(textwrap.dedent(code))
    told = subprocess.run(
        [sys.executable, start, textwrap.dedent(code) if start == "-c" else "run"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "[(2, True), (4, True)]\n"


SCRIPT = """
    import sys, time
    from phosphene.pipeline.tiles.engines import LocalEngine

    def slow(task):  # of the script itself, which has no `if __name__ == "__main__"`
        time.sleep(0.2)
        return task

    for _ in LocalEngine(2).map(slow, [[k] for k in range(100)]):
        print("begun", flush=True)
"""


def run_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "begun\n", process.stderr.read()
    return process


def in_group(group):
    listed = subprocess.run(["ps", "-eo", "pgid=,pid="], check=False, capture_output=True, text=True)
    return [pair[1] for pair in map(str.split, listed.stdout.splitlines()) if pair[0] == str(group)]


@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL"])
def test_workers_go_when_the_program_is_ended(tmp_path, name):
    import signal

    process = run_script(tmp_path)
    assert len(in_group(process.pid)) >= 2
    if name == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.kill()
    errors = process.communicate()[1]
    assert process.returncode == -signal.Signals[name]
    assert "Traceback" not in errors.replace("Traceback", "", 1)
    deadline = time.monotonic() + 5
    while in_group(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not in_group(process.pid)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_must_be_a_number(workers):
    with pytest.raises(ParameterError, match=r"workers must be an integer >= 1, got"):
        LocalEngine(workers)


def test_engines_by_name():
    assert isinstance(make_engine("local", 3), LocalEngine)
    assert make_engine("local", 3).workers == 3
    assert LocalEngine().workers >= 1
    own = LocalEngine(1)
    assert make_engine(own, None) is own
    with pytest.raises(ParameterError, match="engine must be local or ray, got 'spark'"):
        make_engine("spark", 1)


def test_ray_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"the Ray engine needs Ray: pip install 'phosphene\[ray\]'"):
        RayEngine(1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="Ray is not installed")
def test_ray_does_the_same_and_survives_a_dead_process():
    outcomes = dict(RayEngine(2).map(worker_that("exits"), TASKS))
    assert set(outcomes) == set(range(100))
    assert outcomes.pop(37) == TaskError("the process that read it died")
    assert all(result[0] == task for task, result in outcomes.items())


def test_processes_started_early_are_used_and_those_left_over_are_ended():
    engine = LocalEngine(2)
    with engine.started(64):
        early = {process.pid for process in engine._early}
        assert len(early) == 2
        done = dict(engine.map(lambda _: os.getpid(), [[n] for n in range(8)], where="apart"))
        assert set(done.values()) <= early
    with engine.started(64):
        left = list(engine._early)
    assert all(process.poll() is not None for process in left)
    with engine.started(63):
        assert not engine._early


def test_processes_are_kept_for_the_next_tasks_of_the_same_function():
    engine = LocalEngine(2)
    work, other = worker_that("nothing"), worker_that("raises")

    def pids(function):
        return {done[1] for _, done in engine.map(function, TASKS) if not isinstance(done, TaskError)}

    with engine.started(0):
        first = pids(work)
        assert pids(work) <= first
        assert not pids(other) & first
    assert not children()
    assert not pids(work) & first
