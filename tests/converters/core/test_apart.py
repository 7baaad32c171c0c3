"""Questions about files, answered by another process: what hangs, fills memory or dies costs the file."""

import os
import signal
import threading
import time

import pytest

from phosphene.converters import ReadError
from phosphene.converters.core.apart import DRAWING, LISTING, FileLimits, ask, fault

SHORT = FileLimits(1.0, 256)


def number_of(path):
    return path.name, os.getpid()


def refuse(path):
    raise ReadError(f"{path}: is not to be read")


def spin(path):
    while True:
        pass


def fill(path):
    return len([float(k) for k in range(100_000_000)])


def die(path):
    os.kill(os.getpid(), signal.SIGSEGV)


HELD = []


def hold(path):
    HELD.append(bytearray(300 << 20))
    return os.getpid()


def tabulate(path):
    import pyarrow

    return pyarrow.array(range(100_000)).nbytes


def allocate(path):
    return len(bytearray(100 << 20))


def unanswerable(path):
    return threading.Lock()


def loud(path):
    print("on standard output")
    os.write(1, b"and below Python")
    return "heard"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1,2")
    return path


def test_the_answer_comes_from_another_process_that_stays(file):
    name, process = ask(number_of, file)
    assert name == "a.txt"
    assert process != os.getpid()
    assert ask(number_of, file) == (name, process)


def test_errors_and_what_a_library_prints_pass_through(file):
    with pytest.raises(ReadError, match=r"a\.txt: is not to be read"):
        ask(refuse, file)
    assert ask(loud, file) == "heard"
    with pytest.raises(Exception, match="cannot pickle"):
        ask(unanswerable, file)
    assert fault(file) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "why"),
    [(spin, "takes longer than 1 s"), (fill, "needs more than 256 MB"), (die, "died (SIGSEGV)")],
)
def test_a_file_that_is_too_much_is_named_and_not_tried_again(file, question, why):
    with pytest.raises(ReadError, match=r"a\.txt: ") as raised:
        ask(question, file, limits=SHORT)
    assert why in str(raised.value)
    begin = time.process_time()
    with pytest.raises(ReadError, match=r"a\.txt: ") as again:
        ask(number_of, file)
    assert str(again.value) == str(raised.value) == fault(file)
    assert time.process_time() - begin < 0.1
    file.write_text("another file by now")
    assert ask(number_of, file)[0] == "a.txt"


@pytest.mark.slow
def test_what_other_files_left_in_memory_is_no_fault_of_the_next(tmp_path):
    limits = FileLimits(5.0, 512)
    first, second = (ask(hold, tmp_path / name, limits=limits) for name in "ab")
    assert first != second  # the first process was full
    with pytest.raises(ReadError, match="needs more than 512 MB"):
        ask(fill, tmp_path / "c", limits=limits)
    assert ask(number_of, tmp_path / "d", limits=limits)[0] == "d"


def test_memory_that_a_library_reserves_does_not_count(tmp_path):
    assert ask(tabulate, tmp_path / "a", limits=DRAWING) == 800_000
    process = ask(number_of, tmp_path / "b")[1]
    assert ask(allocate, tmp_path / "b") == 100 << 20
    assert ask(number_of, tmp_path / "b")[1] == process


def test_large_files_have_more_time_and_memory(file):
    file.write_bytes(bytes(10 << 20))
    seconds, most_mb = LISTING.of(file)
    assert (seconds, most_mb) == (LISTING.least_s + 10, LISTING.least_mb + 80)


def test_what_cannot_travel_is_answered_here(file):
    lock = threading.Lock()
    assert ask(lambda path: lock.locked() or path.name, file) == "a.txt"


def test_questions_of_several_threads_get_their_own_answers(tmp_path):
    files = [tmp_path / str(number) for number in range(20)]
    found = {}

    def work(path):
        found[path] = ask(number_of, path)[0]

    threads = [threading.Thread(target=work, args=(path,)) for path in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {path: path.name for path in files}
